//! How the kernel is to run the program: config.md "scheduler", "ioPriority", "execCPUAffinity", config-linux.md "Personality" and
//! "Memory policy", each read back from inside.

use crate::harness::{is_runlet, json};
use crate::{context, not_on, skip_test};

/// Each policy with what goes with it. What a machine does not grant (real-time group scheduling) must be told.
#[test]
fn scheduler_is_as_configured() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 does not know it");
    let reset = json!(["SCHED_FLAG_RESET_ON_FORK"]);
    let mut granted = Vec::new();
    for (asked, number) in [
        (json!({ "policy": "SCHED_OTHER", "nice": -5 }), 0),
        (json!({ "policy": "SCHED_BATCH", "nice": 5 }), 3),
        (json!({ "policy": "SCHED_IDLE" }), 5),
        (json!({ "policy": "SCHED_FIFO", "priority": 10, "flags": reset }), 1),
        (json!({ "policy": "SCHED_RR", "priority": 3 }), 2),
        (
            json!({ "policy": "SCHED_DEADLINE", "runtime": 2_000_000, "deadline": 20_000_000, "period": 40_000_000, "flags": reset }),
            6,
        ),
    ] {
        let mut bundle = context.bundle(&["report"]);
        bundle.set("/process/scheduler", asked.clone());
        let output = context.run(&bundle);
        if output.code != 0 {
            assert!(number != 0 && number != 3 && number != 5, "{asked}: {}", output.describe());
            output.fails().says("process.scheduler: sched_setattr: E");
            continue;
        }
        granted.push(number);
        let seen = output.seen();
        let have = &seen.report()["scheduler"];
        assert_eq!(have["policy"], number, "{asked}");
        // A policy has what is its own; since Linux 6.12 the time slice of ordinary ones is told as their runtime.
        let fields = match number {
            0 | 3 => &["nice"][..],
            1 | 2 => &["priority"],
            6 => &["runtime", "deadline", "period"],
            _ => &[],
        };
        for field in fields {
            assert_eq!(have[field], asked.get(field).cloned().unwrap_or(0.into()), "{asked}: {field}");
        }
        assert_eq!(have["flags"], u32::from(asked.get("flags").is_some()), "{asked}");
    }
    assert!(granted.starts_with(&[0, 3, 5]));
    if !granted.contains(&6) {
        skip_test!("this machine grants only {granted:?}");
    }
}

/// "unsupported values are errors": each with its place.
#[test]
fn values_that_no_scheduler_takes_are_refused() {
    let context = context!();
    if !is_runlet() {
        skip_test!("the place in the message is runlet's promise");
    }
    for (property, value, place) in [
        ("/process/scheduler", json!({ "policy": "SCHED_NOPE" }), "process.scheduler.policy"),
        ("/process/scheduler", json!({}), "process.scheduler.policy"),
        ("/process/scheduler", json!({ "policy": "SCHED_OTHER", "nice": 20 }), "process.scheduler.nice"),
        (
            "/process/scheduler",
            json!({ "policy": "SCHED_OTHER", "priority": 1 }),
            "process.scheduler.priority",
        ),
        (
            "/process/scheduler",
            json!({ "policy": "SCHED_FIFO", "priority": -1 }),
            "process.scheduler.priority",
        ),
        ("/process/scheduler", json!({ "policy": "SCHED_FIFO", "runtime": 5 }), "process.scheduler.runtime"),
        (
            "/process/scheduler",
            json!({ "policy": "SCHED_OTHER", "flags": ["NOPE"] }),
            "process.scheduler.flags",
        ),
        (
            "/process/ioPriority",
            json!({ "class": "IOPRIO_CLASS_NONE", "priority": 1 }),
            "process.ioPriority.class",
        ),
        (
            "/process/ioPriority",
            json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
            "process.ioPriority.priority",
        ),
        ("/process/execCPUAffinity", json!({ "final": "5-" }), "process.execCPUAffinity.final"),
        ("/process/execCPUAffinity", json!({ "initial": "3-1" }), "process.execCPUAffinity.initial"),
        ("/linux/personality", json!({ "domain": "BSD" }), "linux.personality.domain"),
        (
            "/linux/personality",
            json!({ "domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"] }),
            "linux.personality.flags",
        ),
        ("/linux/memoryPolicy", json!({ "mode": "MPOL_NOPE" }), "linux.memoryPolicy.mode"),
        (
            "/linux/memoryPolicy",
            json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["NOPE"] }),
            "linux.memoryPolicy.flags",
        ),
        ("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND", "nodes": "a" }), "linux.memoryPolicy.nodes"),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set(property, value.clone());
        let output = context.run(&bundle).fails();
        assert!(output.stderr.contains(place), "{value}: {}", output.stderr);
    }
}

/// config.md "ioPriority".
#[test]
fn io_priority_is_as_configured() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 does not know it");
    for (class, priority, value) in [
        ("IOPRIO_CLASS_BE", 6, 2 << 13 | 6),
        ("IOPRIO_CLASS_IDLE", 0, 3 << 13),
        ("IOPRIO_CLASS_RT", 1, 1 << 13 | 1),
    ] {
        let mut bundle = context.bundle(&["report"]);
        bundle.set("/process/ioPriority", json!({ "class": class, "priority": priority }));
        assert_eq!(context.observe(&bundle).report()["ioprio"], value, "{class}");
    }
}

/// config.md "execCPUAffinity": "This setting is not applicable to the container's init process." Without `final` what `initial` says
/// stays.
#[test]
fn cpu_affinity_is_for_exec() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 does not know it");
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        skip_test!("one CPU");
    }
    let all = crate::harness::host::payload_report(&context)["affinity"].clone();
    for (asked, wanted) in [
        (json!({ "initial": "0", "final": "1" }), json!([1])),
        (json!({ "initial": "0" }), json!([0])),
        (json!({ "final": "0-1" }), json!([0, 1])),
        (json!({}), all.clone()),
    ] {
        let mut bundle = context.bundle(&["report", ",", "pause"]);
        bundle.set("/process/execCPUAffinity", asked.clone());
        let id = context.id();
        let output = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        let init = crate::harness::Seen::parse(&output.wait_stdout("report"));
        assert_eq!(init.report()["affinity"], all, "{asked}");
        let seen = context.call(&["exec", &id, "/bin/payload", "report"]).go().ok().seen();
        // Without `final` the kernel decides, and before Linux 6.2 it forgets an affinity when a process comes to a cpuset.
        let forgets = asked["final"].is_null() && crate::harness::host::release() < (6, 2);
        let found = &seen.report()["affinity"];
        assert!(*found == wanted || (forgets && *found == all), "{asked}: {found}");
        context.delete_force(&id).ok();
    }
}

/// config-linux.md "Personality": PER_LINUX32 is 8.
#[test]
fn personality_is_as_configured() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    let mut bundle = context.bundle(&["report"]);
    for (domain, number) in [("LINUX32", 8), ("LINUX", 0)] {
        bundle.set("/linux/personality", json!({ "domain": domain }));
        assert_eq!(context.observe(&bundle).report()["personality"], number);
    }
}

/// config-linux.md "Memory policy": mode and flags are one number for the kernel, nodes a mask.
#[test]
fn memory_policy_is_as_configured() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 does not know it");
    let mut bundle = context.bundle(&["report"]);
    if context.observe(&bundle).report()["mempolicy"] == "ENOSYS" {
        bundle.set("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND", "nodes": "0" }));
        context.run(&bundle).fails().says("linux.memoryPolicy: set_mempolicy: ENOSYS");
        skip_test!("this kernel has no NUMA");
    }
    for (asked, mode, nodes) in [
        (json!({ "mode": "MPOL_BIND", "nodes": "0" }), 2, 1),
        (
            json!({ "mode": "MPOL_INTERLEAVE", "nodes": "0-0", "flags": ["MPOL_F_STATIC_NODES"] }),
            3 | 1 << 15,
            1,
        ),
        (
            json!({ "mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"] }),
            1 | 1 << 14,
            1,
        ),
        (json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"] }), 2 | 1 << 13, 1),
        (json!({ "mode": "MPOL_LOCAL" }), 4, 0),
        (json!({ "mode": "MPOL_DEFAULT" }), 0, 0),
    ] {
        bundle.set("/linux/memoryPolicy", asked.clone());
        let have = context.observe(&bundle).report()["mempolicy"].clone();
        assert_eq!((&have["mode"], &have["nodes"]), (&json!(mode), &json!(nodes)), "{asked}");
    }
    // What the kernel does not take is its to say.
    bundle.set("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND" }));
    context.run(&bundle).fails().says("linux.memoryPolicy: set_mempolicy: EINVAL");
}

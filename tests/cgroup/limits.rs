//! Every limit: written by the runtime, read back from the kernel, or refused by the name of its controller.

use crate::harness::{Value, json};
use crate::{context, directories, has, on_v2, paused_program, read};

struct Limit {
    name: &'static str,
    resources: Value,
    /// Names of the controller on cgroup2 and on cgroup v1.
    controller: (&'static str, &'static str),
    /// File and value on cgroup2.
    v2: (&'static str, &'static str),
    /// File and value on cgroup v1.
    v1: (&'static str, &'static str),
}

fn limits() -> Vec<Limit> {
    let memory = ("memory", "memory");
    let cpu = ("cpu", "cpu");
    let cpuset = ("cpuset", "cpuset");
    let pids = ("pids", "pids");
    let limit = |name, resources, controller, v2, v1| Limit { name, resources, controller, v2, v1 };
    vec![
        limit(
            "memory.limit",
            json!({ "memory": { "limit": 67108864 } }),
            memory,
            ("memory.max", "67108864"),
            ("memory.limit_in_bytes", "67108864"),
        ),
        limit(
            "memory.reservation",
            json!({ "memory": { "reservation": 33554432 } }),
            memory,
            ("memory.low", "33554432"),
            ("memory.soft_limit_in_bytes", "33554432"),
        ),
        limit(
            "memory.swap",
            json!({ "memory": { "limit": 67108864, "swap": 100663296 } }),
            memory,
            ("memory.swap.max", "33554432"),
            ("memory.memsw.limit_in_bytes", "100663296"),
        ),
        limit(
            "cpu.shares",
            json!({ "cpu": { "shares": 1024 } }),
            cpu,
            ("cpu.weight", "100"),
            ("cpu.shares", "1024"),
        ),
        limit(
            "cpu.shares",
            json!({ "cpu": { "shares": 512 } }),
            cpu,
            ("cpu.weight", "59"),
            ("cpu.shares", "512"),
        ),
        limit(
            "cpu.quota",
            json!({ "cpu": { "quota": 20000, "period": 50000 } }),
            cpu,
            ("cpu.max", "20000 50000"),
            ("cpu.cfs_quota_us", "20000"),
        ),
        limit(
            "cpu.period",
            json!({ "cpu": { "period": 50000 } }),
            cpu,
            ("cpu.max", "max 50000"),
            ("cpu.cfs_period_us", "50000"),
        ),
        limit(
            "cpu.burst",
            json!({ "cpu": { "quota": 20000, "burst": 1000 } }),
            cpu,
            ("cpu.max.burst", "1000"),
            ("cpu.cfs_burst_us", "1000"),
        ),
        limit("cpu.idle", json!({ "cpu": { "idle": 1 } }), cpu, ("cpu.idle", "1"), ("cpu.idle", "1")),
        limit(
            "cpu.cpus",
            json!({ "cpu": { "cpus": "0" } }),
            cpuset,
            ("cpuset.cpus", "0"),
            ("cpuset.cpus", "0"),
        ),
        limit(
            "cpu.mems",
            json!({ "cpu": { "mems": "0" } }),
            cpuset,
            ("cpuset.mems", "0"),
            ("cpuset.mems", "0"),
        ),
        limit("pids.limit", json!({ "pids": { "limit": 20 } }), pids, ("pids.max", "20"), ("pids.max", "20")),
        limit("pids.limit", json!({ "pids": { "limit": 0 } }), pids, ("pids.max", "1"), ("pids.max", "1")),
        limit(
            "hugepageLimits[0]",
            json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4194304 }] }),
            ("hugetlb", "hugetlb"),
            ("hugetlb.2MB.max", "4194304"),
            ("hugetlb.2MB.limit_in_bytes", "4194304"),
        ),
        limit(
            "hugepageLimits[0]",
            json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4194304 }] }),
            ("hugetlb", "hugetlb"),
            ("hugetlb.2MB.rsvd.max", "4194304"),
            ("hugetlb.2MB.rsvd.limit_in_bytes", "4194304"),
        ),
        limit(
            "unified[\"memory.high\"]",
            json!({ "unified": { "memory.high": "50331648" } }),
            ("memory", ""),
            ("memory.high", "50331648"),
            ("", ""),
        ),
        limit(
            "unified[\"cpu.weight\"]",
            json!({ "unified": { "cpu.weight": "77" } }),
            ("cpu", ""),
            ("cpu.weight", "77"),
            ("", ""),
        ),
        limit(
            "network.classID",
            json!({ "network": { "classID": 1048577 } }),
            ("", "net_cls"),
            ("", ""),
            ("net_cls.classid", "1048577"),
        ),
        limit(
            "memory.swappiness",
            json!({ "memory": { "swappiness": 10 } }),
            ("", "memory"),
            ("", ""),
            ("memory.swappiness", "10"),
        ),
    ]
}

/// A file that this kernel was built without, or that it starts without.
fn kernel_lacks(limit: &Limit, said: &str) -> bool {
    (limit.name == "memory.swap" || limit.name == "cpu.burst" || limit.name == "cpu.idle")
        && said.contains("has no ")
}

#[test]
fn every_limit_is_read_back_or_refused_by_its_name() {
    let context = context!();
    let mut shown = 0;
    for limit in limits() {
        let mut bundle = context.bundle(&["pause"]);
        bundle.set("/linux/resources", limit.resources.clone());
        let cgroup = bundle.config["linux"]["cgroupsPath"].as_str().unwrap().to_string();
        let id = context.id();
        let output = context.create(&bundle, &id);
        if !has(limit.controller.0, limit.controller.1)
            || (output.code != 0 && kernel_lacks(&limit, &output.stderr))
        {
            let property = limit.name.split(['[', '.']).next().unwrap();
            output.fails().says(property);
            context.assert_clean();
            continue;
        }
        output.ok();
        let (expected, found) = if on_v2(limit.controller.0) {
            (limit.v2.1, read(&cgroup, limit.v2.0, "-"))
        } else {
            (limit.v1.1, read(&cgroup, "-", limit.v1.0))
        };
        assert_eq!(found, expected, "{}: {}", limit.name, limit.resources);
        shown += 1;
        context.delete_force(&id).ok();
        assert!(directories(&cgroup).is_empty(), "{}: the cgroup is left", limit.name);
    }
    crate::harness::note(&format!("{shown} limits written and read back"));
}

#[test]
fn what_asks_for_nothing_needs_no_controller() {
    let context = context!();
    for resources in [
        json!({}),
        json!({ "blockIO": { "weight": 0 }, "cpu": { "shares": 0, "quota": 0, "period": 0 }, "memory": { "limit": 0 } }),
        json!({ "memory": { "limit": -1, "swap": -1 }, "pids": { "limit": -1 }, "cpu": { "quota": -1 } }),
        json!({ "devices": [{ "allow": false, "access": "rwm" }] }),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/linux/resources", resources);
        context.run(&bundle).ok();
    }
    context.assert_clean();
}

#[test]
fn limits_that_are_none_are_refused_and_leave_nothing() {
    let context = context!();
    for (resources, place) in [
        (json!({ "unified": { "../memory.max": "1" } }), "unified"),
        (json!({ "unified": { "cgroup.procs": "1" } }), "unified"),
        (json!({ "unified": { "nothing.max": "1" } }), "unified"),
        (json!({ "hugepageLimits": [{ "pageSize": "../2MB", "limit": 1 }] }), "hugepageLimits[0]"),
        (json!({ "memory": { "limit": 100, "swap": 50 } }), "memory.swap"),
        (json!({ "cpu": { "cpus": "0-zero" } }), "cpu.cpus"),
        (json!({ "pids": { "limit": -5 } }), "pids.limit"),
        (json!({ "blockIO": { "weight": 5 } }), "blockIO.weight"),
        (json!({ "devices": [{ "allow": true, "type": "x" }] }), "devices[0]"),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/linux/resources", resources);
        context.run(&bundle).fails().says(place);
        context.assert_clean();
    }
}

#[test]
fn a_failing_limit_takes_back_what_was_made_before_it() {
    let context = context!();
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/cgroupsPath", format!("/{}-a/b/c", context.tag));
    // 4096 processors are more than any machine here has; without the controller it is refused as well.
    bundle.set("/linux/resources", json!({ "cpu": { "cpus": "4000-4095" } }));
    context.run(&bundle).fails().says("cpu");
    context.assert_clean();
    bundle.unset("/linux/resources");
    context.run(&bundle).ok();
    context.assert_clean();
}

#[test]
fn the_manager_disabled_runs_without_a_cgroup_and_refuses_limits() {
    let context = context!();
    let (id, cgroup) = {
        let mut bundle = context.bundle(&["pause"]);
        bundle.set(
            "/linux/resources",
            json!({ "cpu": { "shares": 0 }, "devices": [{ "allow": false, "access": "rwm" }] }),
        );
        let id = context.id();
        let words = ["--cgroup-manager", "disabled", "create", "--bundle", &bundle.path(), &id];
        context.call(&words).go().ok();
        (id, bundle.config["linux"]["cgroupsPath"].as_str().unwrap().to_string())
    };
    assert!(directories(&cgroup).is_empty());
    context.start(&id).ok();
    context.call(&["pause", &id]).go().fails().says("no cgroup");
    context.delete_force(&id).ok();
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 67108864 } }));
    let id = context.id();
    let output = context.call(&["--cgroup-manager", "disabled", "run", "--bundle", &bundle.path(), &id]).go();
    output.fails().says("memory.limit").says("memory controller");
}

#[test]
fn a_running_container_has_its_limits_in_one_place() {
    let context = context!();
    let (id, cgroup) = paused_program(&context, json!({}));
    assert!(!directories(&cgroup).is_empty());
    let pids = context.call(&["ps", "--format", "json", &id]).go().ok().json();
    assert_eq!(pids, json!([context.pid(&id)]));
    context.delete_force(&id).ok();
    assert!(directories(&cgroup).is_empty());
}

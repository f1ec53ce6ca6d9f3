//! `check` against the truth: for each bundle its verdict is compared with what `run` then does on the same machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

use harness::{Bundle, Context, Value, is_runlet, json};

/// Whether `check` says that a bundle would start; its words must be one table's and its status must agree.
#[track_caller]
fn verdict(context: &Context, bundle: &Bundle) -> (bool, Vec<String>) {
    let output = context.call(&["check", "--format", "json", &bundle.path()]).go();
    let read = output.json();
    let starts = read["bundle"]["starts"].as_bool().unwrap();
    assert_eq!(output.code, i32::from(!starts), "{}", output.describe());
    let table = context.call(&["check", &bundle.path()]).go();
    assert_eq!(table.code, output.code);
    assert_eq!(table.stdout.contains("would not start here"), !starts, "{}", table.describe());
    let fails = read["bundle"]["fails"].as_array().unwrap();
    assert_eq!(fails.is_empty(), starts);
    (starts, fails.iter().map(|line| line.as_str().unwrap().to_owned()).collect())
}

#[test]
fn the_verdict_is_what_run_then_does() {
    let context = context!();
    if !is_runlet() {
        skip_test!("other runtimes have no check");
    }
    type Change = for<'a> fn(&'a mut Bundle) -> &'a mut Bundle;
    let cases: &[(&str, &str, Change)] = &[
        ("as it is", "", |b| b),
        ("no root", "root.path", |b| b.set("/root/path", "missing")),
        ("no program", "process.args[0]", |b| b.set("/process/args", json!(["/bin/missing"]))),
        ("no program in PATH", "executable file not found in $PATH", |b| {
            b.set("/process/args", json!(["missing"]))
        }),
        ("no permission", "EACCES", |b| {
            std::fs::write(b.root().join("bin/text"), "text").unwrap();
            b.set("/process/args", json!(["/bin/text"]))
        }),
        ("no bind source", "mounts[", |b| b.bind("/nonexistent/source", "/mnt", &["rbind"])),
        ("bind source", "", |b| b.bind("/proc", "/mnt", &["rbind"])),
        ("bad version", "ociVersion", |b| b.set("/ociVersion", "2.0.0")),
        ("unknown rlimit", "rlimits", |b| {
            b.set("/process/rlimits", json!([{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}]))
        }),
        ("a namespace of another type", "linux.namespaces", |b| {
            b.without_namespace("ipc").namespace("ipc", Some("/proc/self/ns/uts"))
        }),
        ("no namespace file", "linux.namespaces", |b| {
            b.without_namespace("ipc").namespace("ipc", Some("/nonexistent/ns"))
        }),
        ("no hook", "hooks.createRuntime[0]", |b| {
            b.set("/hooks", json!({"createRuntime": [{"path": "/nonexistent/hook"}]}))
        }),
        ("a hook", "", |b| b.set("/hooks", json!({"createRuntime": [{"path": "/bin/true"}]}))),
        ("no such kernel parameter", "linux.sysctl", |b| {
            b.set("/linux/sysctl", json!({"kernel.shm_nonesuch": "1"}))
        }),
        ("a resctrl group that is not there", "linux.intelRdt", |b| {
            b.set("/linux/intelRdt", json!({"closID": "nonesuch"}))
        }),
        ("no such network device", "linux.netDevices", |b| {
            b.set("/linux/netDevices", json!({"nonesuch0": {}}))
        }),
        ("seccomp", "", |b| b.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW"}))),
        ("bad seccomp", "linux.seccomp", |b| {
            b.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_NONE"}))
        }),
    ];
    for (name, words, change) in cases {
        let mut bundle = context.bundle(&["true"]);
        change(&mut bundle);
        let (starts, fails) = verdict(&context, &bundle);
        let ran = context.run(&bundle);
        assert_eq!(starts, ran.code == 0, "{name}: check says {fails:?}; {}", ran.describe());
        assert_eq!(starts, words.is_empty(), "{name}: {fails:?}");
        assert!(starts || fails.iter().any(|line| line.contains(words)), "{name}: {fails:?}");
    }
    context.assert_clean();
}

/// What the kernel lacks fails only the bundle that asks for it.
#[test]
fn a_security_module_that_is_not_there_is_told() {
    let context = context!();
    if !is_runlet() {
        skip_test!("other runtimes have no check");
    }
    let machine = context.call(&["check", "-f", "json"]).go().ok().json();
    let has = |name: &str| {
        let items = machine["machine"].as_array().unwrap();
        items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"))["has"] == true
    };
    for (module, property) in [
        ("AppArmor", "/process/apparmorProfile"),
        ("SELinux", "/process/selinuxLabel"),
        ("SELinux", "/linux/mountLabel"),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set(property, "nonesuch");
        let property = property.rsplit('/').next().unwrap();
        let (starts, fails) = verdict(&context, &bundle);
        assert!(
            !starts && fails.iter().any(|line| line.contains(property)),
            "{module}, {}: {fails:?}",
            has(module)
        );
        assert_ne!(context.run(&bundle).code, 0);
    }
}

#[test]
fn the_machines_facts_are_one_list_in_both_forms() {
    let context = context!();
    if !is_runlet() {
        skip_test!("other runtimes have no check");
    }
    let read = context.call(&["check", "--format=json"]).go().ok().json();
    let table = context.call(&["check"]).go().ok().stdout;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(read["kernel"], kernel.trim());
    assert!(table.starts_with(&format!("Linux {}", kernel.trim())));
    let items = read["machine"].as_array().unwrap();
    for name in
        ["clone3", "openat2", "fsopen", "seccomp", "user namespace", "pid namespace", "cgroup2", "AppArmor"]
    {
        let item: &Value =
            items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let word = if item["has"] == true { "yes" } else { "no " };
        assert!(table.contains(&format!("  {word}  {name}")), "{name}: {table}");
    }
}

#[test]
fn the_plan_is_printed_and_a_refusal_is_an_error() {
    let context = context!();
    if !is_runlet() {
        skip_test!("other runtimes have no check");
    }
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/hostname", "planned");
    bundle.set("/process/args", serde_json::json!(["true", ""]));
    let plan = context.call(&["check", "--plan", &bundle.path()]).go().ok().json();
    assert_eq!(plan["hostname"], "planned");
    assert_eq!(plan["process"]["args"], serde_json::json!(["true", ""]));
    assert!(plan["mounts"].as_array().unwrap().iter().any(|mount| mount["target"] == "proc"), "{plan}");
    assert!(
        plan["process"]["capabilities"]["bounding"].is_number() && plan["domainname"].is_null(),
        "{plan}"
    );
    bundle.set("/process/cwd", "relative");
    context.call(&["check", "--plan", &bundle.path()]).go().fails().says("process.cwd");
    context.call(&["check", "--syscall", "openat"]).go().fails().says("--seccomp");
}

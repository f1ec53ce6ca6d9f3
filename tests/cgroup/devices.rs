//! linux.resources.devices: deny-all, then the rules in their order, then the default devices.

use crate::harness::{Bundle, json};
use crate::{cgroups, has, has_v2, skip_test};

/// Character device 1:1 is /dev/mem, which no rule here grants unless it says so; 1:3 is /dev/null.
const ACTS: [&str; 17] = [
    "mknod",
    "/tmp/mem",
    "c",
    "1",
    "1",
    ",",
    "mknod",
    "/tmp/null",
    "c",
    "1",
    "3",
    ",",
    "open",
    "/tmp/null",
    "rw",
    ",",
    "true",
];

fn bundle(context: &crate::harness::Context, rules: crate::harness::Value) -> Bundle {
    let mut bundle = context.bundle(&ACTS);
    bundle.set("/linux/resources", json!({ "devices": rules }));
    bundle
}

#[test]
fn a_device_that_no_rule_grants_can_be_neither_made_nor_read() {
    let context = cgroups!();
    if !has_v2() && !has("", "devices") {
        skip_test!("no device control");
    }
    for rules in [json!([]), json!([{ "allow": false, "access": "rwm" }])] {
        let seen = context.observe(&bundle(&context, rules));
        assert_eq!(seen.errno("mknod /tmp/mem c 1 1"), "EPERM");
        seen.out("mknod /tmp/null c 1 3");
        seen.out("open /tmp/null rw");
    }
    // Reading one that is there: the image brings a node, /dev/net/tun, which may be opened without any capability.
    let mut held = context.bundle(&["open", "/held", "r"]);
    held.set("/linux/resources", json!({ "devices": [{ "allow": false, "access": "rwm" }] }));
    let node = held.root().join("held");
    let made = std::process::Command::new(crate::harness::payload::path())
        .args(["mknod", node.to_str().unwrap(), "c", "10", "200"])
        .output()
        .unwrap();
    assert!(made.status.success());
    assert_eq!(context.observe(&held).errno("open /held r"), "EPERM");
    held.set(
        "/linux/resources",
        json!({ "devices": [{ "allow": true, "type": "c", "major": 10, "access": "r" }] }),
    );
    assert_ne!(context.observe(&held).errno("open /held r"), "EPERM");
}

#[test]
fn rules_count_in_their_order_and_bit_by_bit() {
    let context = cgroups!();
    if !has_v2() {
        skip_test!("cgroup v1 cannot say all of it");
    }
    let mem = |access: &str, allow: bool| json!({ "allow": allow, "type": "c", "major": 1, "minor": 1, "access": access });
    for (rules, granted) in [
        (json!([mem("m", true)]), true),
        (json!([mem("rw", true)]), false),
        (json!([mem("rwm", true), mem("m", false)]), false),
        (json!([mem("m", false), mem("rwm", true)]), true),
        (json!([{ "allow": true, "access": "rwm" }]), true),
        (json!([{ "allow": true, "access": "rwm" }, { "allow": false, "type": "b", "access": "rwm" }]), true),
        (
            json!([{ "allow": true, "access": "rwm" }, { "allow": false, "type": "c", "major": 1, "access": "m" }]),
            false,
        ),
    ] {
        let seen = context.observe(&bundle(&context, rules.clone()));
        let errno = seen.errno("mknod /tmp/mem c 1 1");
        assert_eq!(errno, if granted { "" } else { "EPERM" }, "{rules}");
    }
}

#[test]
fn an_update_replaces_the_rules_and_deny_all_alone_does_not() {
    let context = cgroups!();
    if !has_v2() && !has("", "devices") {
        skip_test!("no device control");
    }
    let mut bundle =
        context.bundle(&["wait-file", "/go", ",", "mknod", "/tmp/mem", "c", "1", "1", ",", "pause"]);
    bundle.set("/linux/resources", json!({ "devices": [{ "allow": false, "access": "rwm" }] }));
    for (update, errno) in [
        (r#"{"devices":[{"allow":false,"access":"rwm"}]}"#, "EPERM"),
        (r#"{"devices":[{"allow":true,"type":"c","major":1,"minor":1,"access":"m"}]}"#, ""),
    ] {
        let go = bundle.root().join("go");
        let _ = std::fs::remove_file(&go);
        let _ = std::fs::remove_file(bundle.root().join("tmp/mem"));
        let id = context.id();
        let made = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        let file = context.dir.join("update.json");
        std::fs::write(&file, update).unwrap();
        context.call(&["update", "--resources", file.to_str().unwrap(), &id]).go().ok();
        std::fs::write(&go, "").unwrap();
        let seen = crate::harness::Seen::parse(&made.wait_stdout("\"mknod\""));
        assert_eq!(seen.errno("mknod /tmp/mem c 1 1"), errno, "{update}");
        context.delete_force(&id).ok();
    }
}

/// What old and new rules both grant is granted at every moment between them, and there is one program at the end.
#[test]
fn rules_are_replaced_in_one_step() {
    let context = cgroups!();
    if !has_v2() {
        skip_test!("cgroup v1 takes one line at a time");
    }
    let bundle = {
        let mut bundle = context.bundle(&["keep-opening", "/dev/null", "/dev/zero"]);
        bundle.set("/linux/resources", json!({ "devices": [{ "allow": false, "access": "rwm" }] }));
        bundle
    };
    let id = context.id();
    let made = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    made.wait_stdout("opening");
    for number in 0..40 {
        let file = context.dir.join("update.json");
        let rules = json!({ "devices": [{ "allow": true, "type": "c", "major": 1, "minor": number, "access": "m" }] });
        std::fs::write(&file, rules.to_string()).unwrap();
        context.call(&["update", "--resources", file.to_str().unwrap(), &id]).go().ok();
    }
    std::fs::write(bundle.root().join("stop"), "").unwrap();
    let seen = crate::harness::Seen::parse(&made.wait_stdout("\"keep-opening\""));
    let counts = seen.out("keep-opening /dev/null /dev/zero");
    assert_eq!(counts["refused"], 0, "{counts}");
    assert!(counts["opened"].as_u64().unwrap() > 100, "{counts}");
    context.delete_force(&id).ok();
    context.assert_clean();
}

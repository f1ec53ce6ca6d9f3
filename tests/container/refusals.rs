//! SPEC.md "Reading" and "Edges": what is wrong is refused with its place in config.json, before anything is made.

use crate::harness::{Value, is_runlet, json};
use crate::{context, not_on, skip_test};

/// (JSON pointer, value, words of the place that the error names).
fn wrong_values() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("/process/cwd", json!("relative"), "process.cwd"),
        ("/process/args", json!([]), "process.args"),
        ("/process/args", json!("ls"), "process.args"),
        ("/process/env", json!({}), "process.env"),
        ("/process/user/uid", json!(4_294_967_295u64), "process.user.uid"),
        ("/process/user/uid", json!(4_294_967_296u64), "process.user.uid"),
        ("/process/user/uid", json!(-1), "process.user.uid"),
        ("/process/user/uid", json!("0"), "process.user.uid"),
        ("/process/user/gid", json!(4_294_967_295u64), "process.user.gid"),
        ("/process/user/additionalGids", json!([4_294_967_295u64]), "process.user.additionalGids"),
        ("/process/rlimits", json!([{ "type": "RLIMIT_NOPE", "soft": 1, "hard": 1 }]), "process.rlimits[0]"),
        (
            "/process/rlimits",
            json!([{ "type": "RLIMIT_CORE", "soft": 1, "hard": 1 }, { "type": "RLIMIT_CORE", "soft": 2, "hard": 2 }]),
            "process.rlimits[1]",
        ),
        ("/ociVersion", json!("2.0.0"), "ociVersion"),
        ("/ociVersion", json!("one"), "ociVersion"),
        ("/ociVersion", json!(1), "ociVersion"),
        ("/root", json!(null), "root"),
        ("/root/path", json!(""), "root.path"),
        ("/root/path", json!("root\u{0}fs"), "root.path"),
        (
            "/linux/devices",
            json!([{ "path": "/dev/x", "type": "z", "major": 1, "minor": 1 }]),
            "linux.devices[0]",
        ),
        (
            "/linux/devices",
            json!([{ "path": "dev/x", "type": "c", "major": 1, "minor": 1 }]),
            "linux.devices[0]",
        ),
        ("/linux/sysctl", json!({ "kernel/../vm.swappiness": "1" }), "linux.sysctl"),
        ("/linux/rootfsPropagation", json!("sideways"), "linux.rootfsPropagation"),
        ("/linux/maskedPaths", json!(["relative"]), "linux.maskedPaths[0]"),
        ("/linux/readonlyPaths", json!(["relative"]), "linux.readonlyPaths[0]"),
        ("/linux/maskedPaths", json!(["/a\u{0}b"]), "linux.maskedPaths[0]"),
        ("/linux/personality", json!({ "domain": "NOPE" }), "linux.personality"),
        ("/hostname", json!("a".repeat(65)), "hostname"),
        ("/domainname", json!("a".repeat(65)), "domainname"),
        ("/process", json!(null), "process"),
        ("/process/user/umask", json!(0o1000), "process.user.umask"),
        ("/process/oomScoreAdj", json!(1001), "process.oomScoreAdj"),
        ("/process/consoleSize", json!({ "height": 70_000, "width": 1 }), "process.consoleSize.height"),
        ("/process/rlimits", json!([{ "type": "RLIMIT_CORE", "soft": 2, "hard": 1 }]), "process.rlimits[0]"),
        ("/linux/namespaces", json!([{ "type": "pid" }, { "type": "uts" }]), "mount namespace"),
        ("/linux/uidMappings", json!([{ "containerID": 0, "hostID": 1, "size": 1 }]), "linux.uidMappings"),
        ("/linux/timeOffsets", json!({ "boottime": { "secs": 1 } }), "linux.timeOffsets.boottime"),
        ("/linux/sysctl", json!({ "user.max_user_namespaces": "1" }), "linux.sysctl"),
        ("/linux/netDevices", json!({ "a/b": {} }), "linux.netDevices"),
        ("/linux/intelRdt", json!({ "closID": ".." }), "linux.intelRdt"),
        (
            "/linux/devices",
            json!([{ "path": "/dev/x", "type": "c", "major": 4096, "minor": 1 }]),
            "linux.devices[0]",
        ),
        (
            "/linux/devices",
            json!([{ "path": "/dev/x", "type": "c", "major": 1, "minor": -1 }]),
            "linux.devices[0]",
        ),
        (
            "/linux/devices",
            json!([{ "path": "/dev/x", "type": "p", "fileMode": 0o200_000 }]),
            "linux.devices[0]",
        ),
        (
            "/linux/devices",
            json!([{ "path": "/dev/x", "type": "p", "uid": 4_294_967_295u64 }]),
            "linux.devices[0]",
        ),
        (
            "/linux/devices",
            json!([{ "path": "/dev/x", "type": "p" }, { "path": "/dev//x", "type": "p" }]),
            "linux.devices[1]",
        ),
        ("/mounts", json!([{ "destination": "", "type": "tmpfs" }]), "mounts[0]"),
        (
            "/mounts",
            json!([{ "destination": "/x", "type": "bind", "source": "/", "options": ["bind", "size=1"] }]),
            "mounts[0]",
        ),
        ("/mounts", json!([{ "destination": "/proc/1/x", "type": "tmpfs" }]), "mounts[0]"),
        ("/mounts", json!([{ "type": "tmpfs" }]), "mounts[0]"),
        ("/mounts", json!([{ "destination": "/x", "type": "bind", "options": ["bind"] }]), "mounts[0]"),
        ("/linux/cgroupsPath", json!("/../../escape"), "linux.cgroupsPath"),
    ]
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    let context = context!();
    if !is_runlet() {
        skip_test!("the place in the message is runlet's promise");
    }
    let mut taken = Vec::new();
    for (pointer, value, place) in wrong_values() {
        let mut bundle = context.bundle(&["true"]);
        bundle.set(pointer, value.clone());
        let output = context.run(&bundle);
        if output.code == 0 || output.code >= 128 {
            taken.push(format!("{pointer} = {value}: ended with {}", output.code));
        } else if !output.stderr.contains(place) {
            taken.push(format!("{pointer} = {value}: does not name {place}: {}", output.stderr.trim()));
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    context.assert_clean();
    context.run(&context.bundle(&["true"])).ok();
}

/// Id maps: every range has a size and ends within 32 bits, and there are no more than the kernel takes.
#[test]
fn wrong_id_maps_are_refused_with_their_place() {
    let context = context!();
    if !is_runlet() {
        skip_test!("the place in the message is runlet's promise");
    }
    let good = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    let many: Vec<Value> =
        (0..341).map(|index| json!({ "containerID": index, "hostID": 100_000 + index, "size": 1 })).collect();
    for wrong in [
        json!([{ "containerID": 0, "hostID": 100_000, "size": 0 }]),
        json!([{ "containerID": 0, "hostID": 4_294_967_295u64, "size": 2 }]),
        json!([{ "containerID": 4_294_967_000u64, "hostID": 1, "size": 1000 }]),
        json!([{ "containerID": 0, "hostID": 100_000, "size": 4_294_967_296u64 }]),
        json!([]),
        json!(many),
    ] {
        for (broken, other) in [("uidMappings", "gidMappings"), ("gidMappings", "uidMappings")] {
            let mut bundle = context.bundle(&["true"]);
            bundle.namespace("user", None);
            bundle.set(&format!("/linux/{broken}"), wrong.clone());
            bundle.set(&format!("/linux/{other}"), good.clone());
            context.run(&bundle).fails().says(&format!("linux.{broken}"));
        }
    }
    context.assert_clean();
}

/// Text that no runtime should crash on.
#[test]
fn hostile_json_is_an_error_never_a_crash() {
    let context = context!();
    not_on!(Crun, "its parser is another library's");
    let bundle = context.bundle(&["true"]);
    let good = bundle.config.to_string();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let nested = good.replacen('{', &format!("{{\"x\":{deep},"), 1);
    let huge_number = good.replacen("\"uid\":0", "\"uid\":99999999999999999999", 1);
    let cut = good[..good.len() / 2].to_string();
    let trailing = format!("{good} x");
    // Nesting is no error by itself where nobody reads the value; it must only not crash.
    let mut texts = vec![nested, deep, huge_number, cut, "\u{feff}".to_string() + &good, String::new()];
    if is_runlet() {
        texts.push(trailing);
        // "no duplicate names"
        texts.push(good.replacen("\"hostname\":\"box\"", "\"hostname\":\"box\",\"hostname\":\"two\"", 1));
    }
    for (index, text) in texts.into_iter().enumerate() {
        bundle.write_text(&text);
        let id = context.id();
        let output = context.call(&["run", "--bundle", &bundle.dir.to_string_lossy(), &id]).go();
        assert!(
            (output.code != 0 || index == 0) && output.code < 128,
            "text {index}: {}",
            &output.describe()[..output.describe().len().min(2000)]
        );
    }
    // Unknown properties are ignored ("MUST NOT generate an error").
    let mut unknown = context.bundle(&["true"]);
    unknown.set("/x-unknown", json!({ "a": [1, 2.5, null, "\u{1F600}"] }));
    unknown.set("/linux/x-unknown", true);
    context.run(&unknown).ok();
}

/// Bytes that are not UTF-8 are refused.
#[test]
fn config_json_must_be_utf8() {
    let context = context!();
    not_on!(Crun, "its parser is another library's");
    not_on!(Runc, "Go replaces them");
    let bundle = context.bundle(&["true"]);
    let mut bytes = bundle.config.to_string().replacen("box", "b?x", 1).into_bytes();
    let place = bytes.windows(3).position(|window| window == b"b?x").unwrap();
    bytes[place + 1] = 0xff;
    std::fs::write(bundle.dir.join("config.json"), bytes).unwrap();
    let id = context.id();
    context.call(&["run", "--bundle", &bundle.dir.to_string_lossy(), &id]).go().fails();
}

/// "accept every version from features' Min to Max, and any 1.x whose properties we understand".
#[test]
fn versions_of_the_specification_are_accepted() {
    let context = context!();
    not_on!(Crun, "crun 1.8 knows fewer");
    not_on!(Runc, "runc 1.1 knows fewer");
    for version in ["1.0.0", "1.0.2", "1.0.2-dev", "1.1.0", "1.2.0", "1.2.1", "1.3.0", "1.0.0-rc5"] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/ociVersion", version);
        context.run(&bundle).ok();
    }
}

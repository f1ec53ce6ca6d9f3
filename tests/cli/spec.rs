//! `spec`: the default configuration, and where it is written.

use crate::{Scratch, runlet};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn spec(args: &[&str]) -> Value {
    let mut words = vec!["spec", "-o", "-"];
    words.extend(args);
    let output = runlet(&words);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    serde_json::from_str(&output.stdout).unwrap()
}

fn strings(value: &Value) -> BTreeSet<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn the_default_is_complete_and_current() {
    let spec = spec(&[]);
    assert_eq!(spec["ociVersion"], "1.3.0");
    assert_eq!(spec["process"]["args"][0], "sh");
    assert_eq!(spec["process"]["terminal"], true);
    assert_eq!(spec["process"]["noNewPrivileges"], true);
    assert_eq!(spec["root"]["path"], "rootfs");
    assert_eq!(spec["root"]["readonly"], true);
    let caps = &spec["process"]["capabilities"];
    for set in ["bounding", "effective", "permitted"] {
        let names = strings(&caps[set]);
        assert_eq!(names.len(), 14, "{set}");
        assert!(names.contains("CAP_CHOWN") && !names.contains("CAP_SYS_ADMIN"), "{set}");
    }
    assert!(caps.get("inheritable").is_none() && caps.get("ambient").is_none());
    let linux = &spec["linux"];
    let kinds: BTreeSet<_> =
        linux["namespaces"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["cgroup", "ipc", "mount", "network", "pid", "uts"]));
    let masked = strings(&linux["maskedPaths"]);
    for path in
        ["/proc/kcore", "/proc/keys", "/proc/interrupts", "/sys/firmware", "/sys/devices/virtual/powercap"]
    {
        assert!(masked.contains(path), "{path}");
    }
    let readonly = strings(&linux["readonlyPaths"]);
    assert_eq!(
        readonly,
        BTreeSet::from(["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"])
    );
    assert_eq!(linux["resources"]["devices"][0]["allow"], false);
}

#[test]
fn rootless_maps_the_caller() {
    let spec = spec(&["--rootless"]);
    let linux = &spec["linux"];
    assert_eq!(linux["uidMappings"][0]["containerID"], 0);
    assert_eq!(linux["uidMappings"][0]["hostID"], rustix::process::geteuid().as_raw());
    assert_eq!(linux["gidMappings"][0]["hostID"], rustix::process::getegid().as_raw());
    assert_eq!(linux["uidMappings"][0]["size"], 1);
    assert!(linux["namespaces"].as_array().unwrap().iter().any(|item| item["type"] == "user"));
    // /sys is bound with all that is mounted below it.
    let sys = spec["mounts"].as_array().unwrap().iter().find(|mount| mount["destination"] == "/sys").unwrap();
    let options = strings(&sys["options"]);
    assert!(options.contains("rro") && options.contains("rbind"), "{options:?}");
}

#[test]
fn a_file_is_written_once_where_it_was_asked_for() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    assert_eq!(runlet(&["spec", "--bundle", &dir]).code, 0);
    assert_eq!(runlet(&["spec", "-b", &dir, "-o", "other.json"]).code, 0);
    let text = fs::read_to_string(scratch.path("config.json")).unwrap();
    assert_eq!(text, fs::read_to_string(scratch.path("other.json")).unwrap());
    fs::write(scratch.path("config.json"), "mine").unwrap();
    let again = runlet(&["spec", "-b", &dir]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("config.json") && again.stderr.contains("exists"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(scratch.path("config.json")).unwrap(), "mine");
    let missing = runlet(&["spec", "-b", &scratch.path("missing")]);
    assert!(missing.code == 1 && missing.stderr.contains("missing"), "{}", missing.stderr);
}

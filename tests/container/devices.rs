//! config-linux.md "devices", "Default Devices", "Dev symbolic links".

use crate::harness::json;
use crate::{context, not_on};
use std::fs;

/// "runtimes MUST also supply the following default devices": null zero full random urandom tty, and the links.
#[test]
fn default_devices_and_links_are_there() {
    let context = context!();
    let names = [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)];
    let mut words = vec!["stat", "/dev/tty", ","];
    let paths: Vec<String> = names.iter().map(|(name, _)| format!("/dev/{name}")).collect();
    for path in &paths {
        words.extend(["stat", path, ",", "open", path, "rw", ","]);
    }
    for link in ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx"] {
        words.extend(["readlink", link, ","]);
    }
    words.extend(["write", "/dev/null", "x", ",", "write", "/dev/full", "x", ",", "open", "/dev/ptmx", "rw"]);
    let bundle = context.bundle(&words);
    let seen = context.observe(&bundle);
    for (name, minor) in names {
        let device = seen.out(&format!("stat /dev/{name}"));
        assert_eq!(device["type"], "char", "{name}");
        assert_eq!((device["major"].as_u64(), device["minor"].as_u64()), (Some(1), Some(minor)), "{name}");
        assert_eq!(device["mode"], "666", "{name}");
        assert_eq!((device["uid"].as_u64(), device["gid"].as_u64()), (Some(0), Some(0)), "{name}");
        seen.out(&format!("open /dev/{name} rw"));
    }
    assert_eq!(seen.out("stat /dev/tty")["major"], 5);
    assert_eq!(seen.text("readlink /dev/fd"), "/proc/self/fd");
    assert_eq!(seen.text("readlink /dev/stdin"), "/proc/self/fd/0");
    assert_eq!(seen.text("readlink /dev/stdout"), "/proc/self/fd/1");
    assert_eq!(seen.text("readlink /dev/stderr"), "/proc/self/fd/2");
    assert!(["pts/ptmx", "/dev/pts/ptmx"].contains(&seen.text("readlink /dev/ptmx").as_str()));
    assert_eq!(seen.errno("write /dev/full x"), "ENOSPC");
    seen.out("open /dev/ptmx rw");
}

/// "devices": type, path, major, minor, fileMode, uid, gid; a fifo needs no numbers.
#[test]
fn configured_devices_are_made() {
    let context = context!();
    let mut bundle = context.bundle(&[
        "stat",
        "/dev/mine",
        ",",
        "stat",
        "/dev/sub/dir/pipe",
        ",",
        "stat",
        "/dev/block",
        ",",
        "stat",
        "/etc/odd",
    ]);
    bundle.set(
        "/linux/devices",
        json!([
            { "path": "/dev/mine", "type": "c", "major": 1, "minor": 7, "fileMode": 0o640, "uid": 11, "gid": 12 },
            { "path": "/dev/sub/dir/pipe", "type": "p", "fileMode": 0o600, "major": -5, "minor": 99_999_999 },
            { "path": "/dev/block", "type": "b", "major": 7, "minor": 300, "fileMode": 0o660 },
            { "path": "/etc/odd", "type": "u", "major": 1, "minor": 5 }
        ]),
    );
    // As every caller does: what is to be made is also allowed.
    bundle.set(
        "/linux/resources",
        json!({ "devices": [{ "allow": false, "access": "rwm" }, { "allow": true, "type": "b", "major": 7, "minor": 300, "access": "rwm" }] }),
    );
    let seen = context.observe(&bundle);
    let mine = seen.out("stat /dev/mine");
    assert_eq!(mine["type"], "char");
    assert_eq!(mine["mode"], "640");
    assert_eq!((mine["uid"].as_u64(), mine["gid"].as_u64()), (Some(11), Some(12)));
    assert_eq!((mine["major"].as_u64(), mine["minor"].as_u64()), (Some(1), Some(7)));
    assert_eq!(seen.out("stat /dev/sub/dir/pipe")["type"], "fifo");
    assert_eq!(seen.out("stat /dev/sub/dir/pipe")["mode"], "600");
    let block = seen.out("stat /dev/block");
    assert_eq!(
        (block["type"].as_str(), block["major"].as_u64(), block["minor"].as_u64()),
        (Some("block"), Some(7), Some(300))
    );
    assert_eq!(seen.out("stat /etc/odd")["type"], "char");
}

/// SPEC.md: "an existing mismatched file is an error"; the same device twice is fine, and so is one of the defaults.
#[test]
fn an_existing_file_that_is_another_thing_is_an_error() {
    let context = context!();
    not_on!(Runc, "runc takes what is there");
    not_on!(Crun, "crun takes what is there");
    let mut bundle = context.bundle(&["true"]);
    bundle.set(
        "/linux/devices",
        json!([{ "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }]),
    );
    context.run(&bundle).ok();
    fs::write(bundle.root().join("etc/file"), "content").unwrap();
    bundle.set("/linux/devices", json!([{ "path": "/etc/file", "type": "c", "major": 1, "minor": 5 }]));
    context.run(&bundle).fails();
    assert_eq!(fs::read_to_string(bundle.root().join("etc/file")).unwrap(), "content");
}

/// An empty /dev in the image, no /dev mount: devices are made in the root itself.
#[test]
fn devices_are_made_without_a_mount_on_dev() {
    let context = context!();
    let mut bundle = context.bundle(&["write", "/dev/null", "x", ",", "stat", "/dev/null"]);
    for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.remove_mount(path);
    }
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("stat /dev/null")["type"], "char");
    seen.out("write /dev/null x");
}

/// A /dev that the bundle binds is the caller's, with runc and crun too: what is there stays as it is, and nothing is made in it but
/// what the configuration asks for by name.
#[test]
fn what_lies_in_a_bound_dev_is_left_alone() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not start without a /dev/null in it");
    not_on!(Crun, "crun 1.8 does not start without a /dev/null in it");
    let outside = context.outside("dev");
    fs::write(outside.join("keep"), "mine").unwrap();
    std::os::unix::fs::symlink("elsewhere", outside.join("fd")).unwrap();
    let mut bundle = context.bundle(&["ls", "/dev"]);
    for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.remove_mount(path);
    }
    bundle.bind(&outside, "/dev", &["rw"]);
    bundle.unset("/linux/maskedPaths");
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("ls /dev"), &json!(["fd", "keep"]));
    assert_eq!(fs::read_to_string(outside.join("keep")).unwrap(), "mine");
    assert_eq!(fs::read_link(outside.join("fd")).unwrap().to_string_lossy(), "elsewhere");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2, "nothing was made in the host's directory");
    bundle.set("/linux/devices", json!([{ "path": "/dev/mine", "type": "p" }]));
    assert_eq!(context.observe(&bundle).out("ls /dev"), &json!(["fd", "keep", "mine"]));
    // A file is masked by the null device, and there is none.
    bundle.set("/linux/maskedPaths", json!(["/proc/keys"]));
    context.run(&bundle).fails().says("/dev/null: is not the null device, which masks are made of");
    // The host's own has everything.
    bundle.unset("/linux/devices");
    bundle.remove_mount("/dev");
    bundle.mount("/dev", "bind", "/dev", &["rbind", "rslave"]);
    bundle.args(&["stat", "/dev/null"]);
    assert_eq!(context.observe(&bundle).out("stat /dev/null")["type"], "char");
}

/// "You can also control access to devices with cgroups": a node is made whether or not the rules let it be used, and although the host
/// has none of it. What no list names is not made, from inside either.
#[test]
fn a_node_is_made_whether_or_not_it_may_be_used() {
    let context = context!();
    not_on!(Crun, "crun 1.8 binds the host's node, which is not there");
    not_on!(Runc, "runc lets every node be made, from inside too");
    let verbs = [
        "stat",
        "/dev/mine",
        ",",
        "stat",
        "/dev/block",
        ",",
        "open",
        "/dev/tunnel",
        ",",
        "mknod",
        "/tmp/other",
        "c",
        "1",
        "11",
    ];
    let mut bundle = context.bundle(&verbs);
    bundle.set(
        "/linux/devices",
        json!([
            { "path": "/dev/mine", "type": "c", "major": 241, "minor": 77, "fileMode": 0o600 },
            { "path": "/dev/block", "type": "b", "major": 7, "minor": 301 },
            { "path": "/dev/tunnel", "type": "c", "major": 10, "minor": 200 }
        ]),
    );
    for rules in [json!([]), json!([{ "allow": false, "access": "rwm" }])] {
        bundle.set("/linux/resources", json!({ "devices": rules }));
        let seen = context.observe(&bundle);
        let mine = seen.out("stat /dev/mine");
        assert_eq!((mine["type"].as_str(), mine["mode"].as_str()), (Some("char"), Some("600")));
        assert_eq!((mine["major"].as_u64(), mine["minor"].as_u64()), (Some(241), Some(77)));
        assert_eq!(seen.out("stat /dev/block")["type"], "block");
        assert_eq!(seen.errno("open /dev/tunnel"), "EPERM");
        assert_eq!(seen.errno("mknod /tmp/other c 1 11"), "EPERM");
    }
    // With the right to it the driver is asked, if there is one.
    bundle.set(
        "/linux/resources",
        json!({ "devices": [{ "allow": true, "type": "c", "major": 10, "minor": 200, "access": "r" }] }),
    );
    assert_ne!(context.observe(&bundle).errno("open /dev/tunnel"), "EPERM");
}

/// A user namespace may make no device node: the host's is bound, and where it has none that is an error with its place.
#[test]
fn where_nodes_cannot_be_made_the_hosts_are_bound() {
    let context = context!();
    not_on!(Runc, "runc 1.1 fails for a fifo, and its messages have no place");
    not_on!(Crun, "crun 1.8 drops the mode of a fifo, and its messages have no place");
    let verbs = [
        "stat",
        "/dev/null",
        ",",
        "write",
        "/dev/null",
        "x",
        ",",
        "stat",
        "/dev/kmsg",
        ",",
        "stat",
        "/dev/mine",
        ",",
        "report",
    ];
    let mut bundle = context.bundle(&verbs);
    bundle.set(
        "/linux/devices",
        json!([
            { "path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11 },
            { "path": "/dev/mine", "type": "p", "fileMode": 0o622, "uid": 7, "gid": 8 }
        ]),
    );
    context.in_user_namespace(&mut bundle);
    let seen = context.observe(&bundle);
    for (path, minor) in [("/dev/null", 3), ("/dev/kmsg", 11)] {
        let device = seen.out(&format!("stat {path}"));
        assert_eq!(
            (device["type"].as_str(), device["minor"].as_u64()),
            (Some("char"), Some(minor)),
            "{path}"
        );
        assert!(seen.mounts().find(path).is_some(), "{path} is a mount");
    }
    seen.out("write /dev/null x");
    let mine = seen.out("stat /dev/mine");
    assert_eq!((mine["type"].as_str(), mine["mode"].as_str()), (Some("fifo"), Some("622")));
    assert_eq!((mine["uid"].as_u64(), mine["gid"].as_u64()), (Some(7), Some(8)));
    bundle.set("/linux/devices", json!([{ "path": "/dev/nowhere", "type": "c", "major": 241, "minor": 77 }]));
    context.run(&bundle).fails().says("linux.devices[0] \"/dev/nowhere\": bind mount from the host: ENOENT");
    bundle.set("/linux/devices", json!([{ "path": "/dev/zero", "type": "c", "major": 1, "minor": 11 }]));
    context.run(&bundle).fails().says("linux.devices[0] \"/dev/zero\": exists and is another file");
}

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
            { "path": "/dev/sub/dir/pipe", "type": "p", "fileMode": 0o600 },
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

/// A /dev that the bundle binds is the caller's: what is there stays as it is.
#[test]
fn what_lies_in_a_bound_dev_is_left_alone() {
    let context = context!();
    let outside = context.outside("dev");
    fs::write(outside.join("keep"), "mine").unwrap();
    std::os::unix::fs::symlink("elsewhere", outside.join("fd")).unwrap();
    let mut bundle = context.bundle(&["ls", "/dev"]);
    for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.remove_mount(path);
    }
    bundle.bind(&outside, "/dev", &["rw"]);
    context.run(&bundle);
    assert_eq!(fs::read_to_string(outside.join("keep")).unwrap(), "mine");
    assert_eq!(fs::read_link(outside.join("fd")).unwrap().to_string_lossy(), "elsewhere");
}

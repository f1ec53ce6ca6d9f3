//! config-linux.md "rootfsPropagation" and the propagation options of mounts.

use crate::harness::{Context, PATIENCE, is_runlet, payload, wait_for};
use crate::{context, not_on};
use std::fs;

fn on_host(context: &Context, words: &[&str]) {
    let program = payload::path().to_string_lossy().into_owned();
    let mut all = vec![program.as_str()];
    all.extend(words);
    assert!(context.in_world(&all).output().unwrap().status.success(), "{words:?}");
}

/// shared, slave, private, unbindable and their recursive forms as the mount table tells them.
#[test]
fn propagation_options_are_applied() {
    let context = context!();
    not_on!(Crun, "crun 1.8 makes all of it private first");
    let source = context.outside("source");
    let mut bundle = context.bundle(&["report"]);
    let options =
        ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"];
    for option in options {
        bundle.bind(&source, &format!("/{option}"), &[option]);
    }
    let seen = context.observe(&bundle);
    let mounts = seen.mounts();
    for option in options {
        let mount = mounts.at(&format!("/{option}"));
        let word = option.strip_prefix('r').unwrap_or(option);
        assert_eq!(mount.propagates("shared"), word == "shared", "{mount:?}");
        assert_eq!(mount.propagates("unbindable"), word == "unbindable", "{mount:?}");
        if word != "slave" && word != "shared" {
            assert!(!mount.propagates("master"), "{mount:?}");
        }
    }
}

/// A mount that the host makes later reaches a slave and not a private mount.
#[test]
fn a_later_mount_of_the_host_reaches_a_slave_only() {
    let context = context!();
    not_on!(Crun, "crun 1.8 makes all of it private first");
    let source = context.outside("source");
    fs::create_dir(source.join("later")).unwrap();
    let mut bundle = context.bundle(&[
        "wait-file",
        "/slave/later/inner",
        ",",
        "ls",
        "/private/later",
        ",",
        "ls",
        "/slave/later",
    ]);
    bundle.mount("/private", "bind", &source.to_string_lossy(), &["rbind", "rprivate"]);
    bundle.mount("/slave", "bind", &source.to_string_lossy(), &["rbind", "rslave"]);
    bundle.set("/linux/rootfsPropagation", "rslave");
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    let later = source.join("later").to_string_lossy().into_owned();
    on_host(&context, &["mount", "tmpfs", &later, "tmpfs", "-", ""]);
    on_host(&context, &["create", &format!("{later}/inner"), "x"]);
    let all = output.wait_stdout("ls\",\"args\":[\"/slave/later\"]");
    let seen = crate::harness::Seen::parse(&all);
    assert_eq!(seen.out("ls /private/later"), &crate::harness::json!([]));
    assert_eq!(seen.out("ls /slave/later"), &crate::harness::json!(["inner"]));
    context.delete_force(&id).ok();
    on_host(&context, &["umount", &later]);
}

/// What the container mounts reaches the host through rshared, and nowhere else; CAP_SYS_ADMIN is needed to mount at all.
#[test]
fn mounts_of_the_container_stay_in_it() {
    let context = context!();
    let source = context.outside("source");
    fs::create_dir(source.join("point")).unwrap();
    let mut bundle = context.bundle(&[
        "mount",
        "tmpfs",
        "/private/point",
        "tmpfs",
        "-",
        "x",
        ",",
        "mount",
        "tmpfs",
        "/slave/point",
        "tmpfs",
        "-",
        "",
        ",",
        "ls",
        "/",
    ]);
    bundle.capabilities(&["CAP_SYS_ADMIN"]);
    bundle.mount("/private", "bind", &source.to_string_lossy(), &["rbind", "rprivate"]);
    bundle.mount("/slave", "bind", &source.to_string_lossy(), &["rbind", "rslave"]);
    let seen = context.observe(&bundle);
    seen.out("mount tmpfs /slave/point tmpfs - ");
    // Nothing appeared on the host: the drop of the context compares the mount tables.
    let plain = context.bundle(&["mount", "tmpfs", "/tmp", "tmpfs", "-", ""]);
    assert_eq!(context.observe(&plain).errno("mount tmpfs /tmp tmpfs - "), "EPERM");
}

/// "rootfsPropagation": shared, slave, private, unbindable; anything else is an error.
#[test]
fn rootfs_propagation_is_as_configured() {
    let context = context!();
    not_on!(Crun, "crun 1.8 makes all of it private first");
    for (value, word) in [
        ("private", ""),
        ("rprivate", ""),
        ("slave", ""),
        ("rslave", ""),
        ("unbindable", "unbindable"),
        ("shared", "shared"),
    ] {
        if ["unbindable", "shared"].contains(&value) && !is_runlet() {
            continue;
        }
        let mut bundle = context.bundle(&["report"]);
        bundle.set("/linux/rootfsPropagation", value);
        let seen = context.observe(&bundle);
        let mounts = seen.mounts();
        let root = mounts.at("/");
        assert_eq!(root.propagates("shared"), word == "shared", "{value}: {root:?}");
        assert_eq!(root.propagates("unbindable"), word == "unbindable", "{value}: {root:?}");
    }
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/rootfsPropagation", "sideways");
    context.run(&bundle).fails();
}

/// A container never makes the host's own mounts private or slave.
#[test]
fn the_hosts_propagation_is_unchanged() {
    let context = context!();
    let path = format!("/proc/{}/mountinfo", context.world_pid());
    let before = fs::read_to_string(&path).unwrap();
    let bundle = context.bundle(&["true"]);
    context.run(&bundle).ok();
    assert!(wait_for(PATIENCE, || fs::read_to_string(&path).unwrap() == before));
}

//! config.md "hostname", "domainname"; config-linux.md "sysctl", "maskedPaths", "readonlyPaths", "root.readonly".

use crate::harness::{Bundle, json};
use crate::{context, not_on, skip_test};
use std::fs;

#[test]
fn hostname_and_domainname_are_as_configured() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    bundle.set("/hostname", "a-name.of-its.own");
    assert_eq!(context.observe(&bundle).report()["uname"][1], "a-name.of-its.own");
    not_on!(Runc, "runc 1.1 does not know domainname");
    bundle.set("/domainname", "domain.example");
    assert_eq!(context.observe(&bundle).report()["uname"][5], "domain.example");
}

/// Without a uts namespace of its own a hostname would be the host's.
#[test]
fn a_hostname_without_its_own_uts_namespace_is_refused() {
    let context = context!();
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut bundle = context.bundle(&["true"]);
    bundle.without_namespace("uts");
    context.run(&bundle).fails();
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), before);
    bundle.unset("/hostname");
    context.run(&bundle).ok();
}

/// "sysctl": set in the container, unchanged on the host.
#[test]
fn sysctls_are_set_in_the_container_only() {
    let context = context!();
    let host = || fs::read_to_string("/proc/sys/kernel/msgmax").unwrap();
    let before = host();
    let mut bundle =
        context.bundle(&["read", "/proc/sys/kernel/msgmax", ",", "read", "/proc/sys/net/ipv4/ip_forward"]);
    bundle.set("/linux/sysctl", json!({ "kernel.msgmax": "4321", "net.ipv4.ip_forward": "1" }));
    let seen = context.observe(&bundle);
    // A slash first makes dots a part of names, and each namespace has its own.
    let mut others = context.bundle(&[
        "read",
        "/proc/sys/fs/mqueue/msg_max",
        ",",
        "read",
        "/proc/sys/net/ipv4/conf/lo/forwarding",
    ]);
    others.set("/linux/sysctl", json!({ "fs.mqueue.msg_max": "11", "net/ipv4/conf/lo/forwarding": "1" }));
    let other = context.observe(&others);
    assert_eq!(other.text("read /proc/sys/fs/mqueue/msg_max").trim(), "11");
    assert_eq!(other.text("read /proc/sys/net/ipv4/conf/lo/forwarding").trim(), "1");
    assert_eq!(seen.text("read /proc/sys/kernel/msgmax").trim(), "4321");
    assert_eq!(seen.text("read /proc/sys/net/ipv4/ip_forward").trim(), "1");
    assert_eq!(host(), before);
}

/// SPEC.md: sysctls only where they are namespaced.
#[test]
fn a_sysctl_that_is_the_hosts_is_refused() {
    let context = context!();
    for (name, value) in [("vm.swappiness", "61"), ("kernel.panic", "5"), ("fs.file-max", "100000")] {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let before = fs::read_to_string(&path).unwrap();
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/linux/sysctl", json!({ name: value }));
        let output = context.run(&bundle);
        assert_eq!(fs::read_to_string(&path).unwrap(), before, "{name}: the host's value changed");
        output.fails();
    }
    let mut control = context.bundle(&["true"]);
    control.set("/linux/sysctl", json!({ "kernel.shmmni": "4000" }));
    context.run(&control).ok();
}

/// "maskedPaths": files read empty, directories are empty, both read-only; missing ones are skipped, duplicates are fine.
#[test]
fn masked_paths_show_nothing() {
    let context = context!();
    let mut bundle = context.bundle(&[
        "read",
        "/secret/file",
        ",",
        "ls",
        "/secret/dir",
        ",",
        "create",
        "/secret/dir/x",
        "y",
        ",",
        "write",
        "/secret/file",
        "x",
        ",",
        "read",
        "/plain",
        ",",
        "report",
    ]);
    fs::create_dir_all(bundle.root().join("secret/dir/inner")).unwrap();
    fs::write(bundle.root().join("secret/file"), "hidden").unwrap();
    fs::write(bundle.root().join("plain"), "shown").unwrap();
    bundle.set(
        "/linux/maskedPaths",
        json!(["/secret/file", "/secret/dir", "/not/there", "/secret/file", "/proc/meminfo"]),
    );
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /plain"), "shown");
    assert_eq!(seen.text("read /secret/file"), "");
    assert_eq!(seen.out("ls /secret/dir"), &json!([]));
    assert_eq!(seen.errno("create /secret/dir/x y"), "EROFS");
    assert_eq!(fs::read_to_string(bundle.root().join("secret/file")).unwrap(), "hidden");
    assert!(!bundle.root().join("not").exists(), "a missing path is not made");
}

/// A mask cannot be taken away from inside.
#[test]
fn masks_cannot_be_undone_by_root_in_the_container() {
    let context = context!();
    let mut bundle = context.bundle(&[
        "umount",
        "/proc/meminfo",
        ",",
        "read",
        "/proc/meminfo",
        ",",
        "umount",
        "/proc/sys",
    ]);
    bundle.set("/linux/maskedPaths", json!(["/proc/meminfo"]));
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("umount /proc/meminfo"), "EPERM");
    assert_eq!(seen.text("read /proc/meminfo"), "");
    assert_eq!(seen.errno("umount /proc/sys"), "EPERM");
}

/// "readonlyPaths": not even root writes there; the flags of the mount below stay.
#[test]
fn readonly_paths_are_read_only() {
    let context = context!();
    not_on!(Crun, "crun 1.8 drops the flags of /proc");
    let mut bundle = context.bundle(&[
        "write",
        "/proc/sys/kernel/hostname",
        "x",
        ",",
        "create",
        "/frozen/new",
        "x",
        ",",
        "write",
        "/frozen/file",
        "x",
        ",",
        "write",
        "/proc/irq/default_smp_affinity",
        "1",
        ",",
        "create",
        "/free/new",
        "x",
        ",",
        "report",
    ]);
    for name in ["frozen", "free"] {
        fs::create_dir_all(bundle.root().join(name)).unwrap();
    }
    fs::write(bundle.root().join("frozen/file"), "").unwrap();
    bundle.push("/linux/readonlyPaths", json!("/frozen"));
    bundle.push("/linux/readonlyPaths", json!("/missing"));
    bundle.push("/linux/readonlyPaths", json!("/frozen"));
    let seen = context.observe(&bundle);
    for line in [
        "write /proc/sys/kernel/hostname x",
        "create /frozen/new x",
        "write /frozen/file x",
        "write /proc/irq/default_smp_affinity 1",
    ] {
        assert_eq!(seen.errno(line), "EROFS", "{line}");
    }
    assert_eq!(seen.errno("create /free/new x"), "");
    let mounts = seen.mounts();
    let readonly = mounts.at("/proc/sys");
    for flag in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(readonly.has(flag), "/proc/sys keeps {flag} of /proc: {readonly:?}");
    }
}

/// "readonly (bool, OPTIONAL) If true then the root filesystem MUST be read-only inside the container".
#[test]
fn a_read_only_root_is_read_only() {
    let context = context!();
    let verbs = [
        "create",
        "/new",
        "x",
        ",",
        "create",
        "/tmp/new",
        "x",
        ",",
        "create",
        "/dev/shm/new",
        "x",
        ",",
        "report",
    ];
    let bundle_with = |readonly: bool| -> Bundle {
        let mut bundle = context.bundle(&verbs);
        bundle.set("/root/readonly", readonly);
        bundle
    };
    let seen = context.observe(&bundle_with(true));
    assert_eq!(seen.errno("create /new x"), "EROFS");
    assert_eq!(seen.errno("create /tmp/new x"), "EROFS");
    assert_eq!(seen.errno("create /dev/shm/new x"), "", "mounts of their own stay writable");
    assert!(seen.mounts().at("/").has("ro"));
    let seen = context.observe(&bundle_with(false));
    assert_eq!(seen.errno("create /new x"), "");
}

/// The root may be absolute or relative, and may be a mount of its own or a plain directory; it must be there.
#[test]
fn the_root_is_found_by_absolute_and_relative_path() {
    let context = context!();
    let mut bundle = context.bundle(&["true"]);
    context.run(&bundle).ok();
    let absolute = bundle.root().to_string_lossy().into_owned();
    bundle.set("/root/path", absolute);
    context.run(&bundle).ok();
    bundle.set("/root/path", "../nothing");
    context.run(&bundle).fails();
    bundle.set("/root/path", "config.json");
    context.run(&bundle).fails();
}

/// The root's own mount of the host and everything else of the host is gone.
#[test]
fn nothing_of_the_host_is_mounted_in_the_container() {
    let context = context!();
    let bundle = context.bundle(&["report", ",", "ls", "/"]);
    let seen = context.observe(&bundle);
    let mounts = seen.mounts();
    assert!(mounts.0.iter().all(|mount| !mount.point.contains("old") && !mount.point.starts_with("/work")));
    let roots = mounts.0.iter().filter(|mount| mount.point == "/").count();
    assert_eq!(roots, 1, "the old root is detached: {:?}", mounts.0);
    assert!(mounts.at("/").root.ends_with("/rootfs"), "{:?}", mounts.at("/"));
    for name in ["usr", "home", "work"] {
        assert!(!seen.out("ls /").as_array().unwrap().contains(&json!(name)));
    }
    let kinds: Vec<&str> = mounts.0.iter().map(|mount| mount.kind.as_str()).collect();
    if kinds.contains(&"none") {
        skip_test!("odd mount table");
    }
}

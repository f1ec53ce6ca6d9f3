//! What a tmpfs takes over from the directory it covers: its mode, with "tmpcopyup" its content; and one that is read-only.

use crate::harness::{json, payload};
use crate::{context, not_on};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

/// Without `mode` a tmpfs has the mode of the directory it covers, as with runc and crun: the kernel's own would let everybody write.
#[test]
fn a_tmpfs_keeps_the_mode_of_what_it_covers() {
    let context = context!();
    not_on!(Runc, "runc 1.1 goes over a mode that is given");
    not_on!(Crun, "crun 1.8 does not yet");
    let verbs = [
        "stat",
        "/data",
        ",",
        "stat",
        "/given",
        ",",
        "stat",
        "/missing",
        ",",
        "stat",
        "/dev/below",
        ",",
        "report",
    ];
    let mut bundle = context.bundle(&verbs);
    for (name, mode) in [("data", 0o2750), ("given", 0o750)] {
        fs::create_dir(bundle.root().join(name)).unwrap();
        fs::set_permissions(bundle.root().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    bundle.mount("/data", "tmpfs", "tmpfs", &["nosuid", "size=64k"]);
    bundle.mount("/given", "tmpfs", "tmpfs", &["size=64k,mode=1711"]);
    bundle.mount("/missing", "tmpfs", "tmpfs", &[]);
    bundle.mount("/dev/below", "tmpfs", "tmpfs", &[]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("stat /data")["mode"], "2750");
    assert!(seen.mounts().at("/data").has_data("size=64k"));
    assert_eq!(seen.out("stat /given")["mode"], "1711");
    assert_eq!(seen.out("stat /missing")["mode"], "1777");
    assert_eq!(seen.out("stat /dev/below")["mode"], "1777");
}

/// runc's "tmpcopyup": everything that the image has there, with owner and mode, and the image stays as it is.
#[test]
fn tmpcopyup_copies_what_was_there() {
    let context = context!();
    not_on!(Runc, "its copy needs a writable host path");
    not_on!(Crun, "crun 1.8 does not keep the directory's own mode");
    let verbs = [
        "read",
        "/data/sub/file",
        ",",
        "create",
        "/data/new",
        "x",
        ",",
        "readlink",
        "/data/link",
        ",",
        "stat",
        "/data/sub",
        ",",
        "stat",
        "/data",
        ",",
        "stat",
        "/data/owned",
        ",",
        "stat",
        "/data/fifo",
        ",",
        "stat",
        "/data/node",
        ",",
        "ls",
        "/data",
    ];
    let mut bundle = context.bundle(&verbs);
    let data = bundle.root().join("data");
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(data.join("sub"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(data.join("sub/file"), "content").unwrap();
    fs::write(data.join("owned"), "x".repeat(100_000)).unwrap();
    chown(data.join("owned"), Some(5), Some(6)).unwrap();
    fs::set_permissions(data.join("owned"), fs::Permissions::from_mode(0o4751)).unwrap();
    symlink("/etc/passwd", data.join("link")).unwrap();
    for (name, kind) in
        [("fifo", rustix::fs::FileType::Fifo), ("node", rustix::fs::FileType::CharacterDevice)]
    {
        let number = rustix::fs::makedev(1, 7);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            data.join(name).to_str().unwrap(),
            kind,
            rustix::fs::Mode::from_raw_mode(0o640),
            number,
        )
        .unwrap();
    }
    bundle.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /data/sub/file"), "content");
    assert_eq!(seen.text("readlink /data/link"), "/etc/passwd");
    assert_eq!(seen.out("stat /data")["mode"], "711");
    assert_eq!(seen.out("stat /data/sub")["mode"], "750");
    let owned = seen.out("stat /data/owned");
    assert_eq!((owned["mode"].as_str(), owned["size"].as_u64()), (Some("4751"), Some(100_000)));
    assert_eq!((owned["uid"].as_u64(), owned["gid"].as_u64()), (Some(5), Some(6)));
    assert_eq!(seen.out("stat /data/fifo")["type"], "fifo");
    assert_eq!(seen.out("stat /data/node")["minor"], 7);
    assert!(!data.join("new").exists(), "the image is unchanged");
}

/// Times, and the attributes that a tmpfs has: a program keeps its capabilities.
#[test]
fn tmpcopyup_copies_times_and_attributes() {
    let context = context!();
    not_on!(Runc, "runc copies neither");
    not_on!(Crun, "crun copies no times");
    let name = "security.capability";
    let program = payload::path().to_string_lossy().into_owned();
    let mut bundle =
        context.bundle(&["stat", "/data/sub", ",", "stat", "/data/file", ",", "xattr", "/data/file", name]);
    let data = bundle.root().join("data");
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::write(data.join("sub/inner"), "x").unwrap();
    fs::write(data.join("file"), "content").unwrap();
    chown(data.join("file"), Some(5), Some(6)).unwrap();
    // struct vfs_ns_cap_data, version 2: CAP_NET_BIND_SERVICE, permitted and effective.
    let file = data.join("file").to_string_lossy().into_owned();
    let set =
        context.in_world(&[&program, "set-xattr", &file, name, "0100000200040000000000000000000000000000"]);
    let set = { set }.output().unwrap();
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stdout));
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    for name in ["file", "sub"] {
        fs::File::open(data.join(name)).unwrap().set_modified(old).unwrap();
    }
    bundle.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let seen = context.observe(&bundle);
    for name in ["file", "sub"] {
        let told = &seen.out(&format!("stat /data/{name}"))["mtime"];
        assert_eq!(told, "1000000000.123456789", "{name}");
    }
    assert_eq!(seen.out("stat /data/file")["uid"], 5);
    let value = seen.text(&format!("xattr /data/file {name}"));
    assert!(value.contains('\u{4}') && value.len() >= 20, "{value:?}");
}

/// For tmpfs only; one that is read-only is filled before it is; a missing directory has nothing to copy.
#[test]
fn tmpcopyup_is_for_tmpfs_and_goes_with_ro() {
    let context = context!();
    not_on!(Runc, "its copy needs a writable host path");
    not_on!(Crun, "crun 1.8 copies after it is read-only");
    let mut bundle =
        context.bundle(&["read", "/data/file", ",", "create", "/data/new", "x", ",", "ls", "/missing"]);
    fs::create_dir(bundle.root().join("data")).unwrap();
    fs::write(bundle.root().join("data/file"), "content").unwrap();
    bundle.mount("/data", "tmpfs", "tmpfs", &["ro", "tmpcopyup"]);
    bundle.mount("/missing", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /data/file"), "content");
    assert_eq!(seen.errno("create /data/new x"), "EROFS");
    assert_eq!(seen.out("ls /missing"), &json!([]));
    for (kind, options) in
        [("bind", &["bind", "tmpcopyup"][..]), ("proc", &["tmpcopyup"]), ("tmpfs", &["remount", "tmpcopyup"])]
    {
        let mut bundle = context.bundle(&["true"]);
        bundle.mount("/m", kind, "/", options);
        context.run(&bundle).fails().says("tmpcopyup");
    }
}

/// A read-only tmpfs has what the configuration puts into it: mounts further down, and in /dev the devices.
#[test]
fn a_read_only_tmpfs_is_filled_first() {
    let context = context!();
    not_on!(Crun, "crun 1.8 cannot make the mount point");
    not_on!(Runc, "runc 1.1 cannot make the mount point");
    let verbs = [
        "create",
        "/data/x",
        "y",
        ",",
        "create",
        "/data/sub/x",
        "y",
        ",",
        "create",
        "/dev/x",
        "y",
        ",",
        "write",
        "/dev/null",
        "x",
        ",",
        "create",
        "/dev/shm/x",
        "y",
        ",",
        "create",
        "/plain/x",
        "y",
        ",",
        "read",
        "/over/file",
        ",",
        "create",
        "/over/x",
        "y",
        ",",
        "report",
    ];
    let mut bundle = context.bundle(&verbs);
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    for mount in bundle.config["mounts"].as_array_mut().unwrap() {
        if mount["destination"] == "/dev" {
            mount["options"].as_array_mut().unwrap().push("ro".into());
        }
    }
    bundle.mount("/data", "tmpfs", "tmpfs", &["ro", "nosuid", "noatime"]);
    bundle.mount("/data/sub", "tmpfs", "tmpfs", &[]);
    bundle.mount("/plain", "tmpfs", "tmpfs", &["ro"]);
    // One that is covered later is not mistaken for what covers it.
    bundle.mount("/over", "tmpfs", "tmpfs", &["ro"]);
    bundle.bind(&source, "/over", &[]);
    let seen = context.observe(&bundle);
    for line in ["create /data/x y", "create /dev/x y", "create /plain/x y"] {
        assert_eq!(seen.errno(line), "EROFS", "{line}");
    }
    for line in ["create /data/sub/x y", "write /dev/null x", "create /dev/shm/x y", "create /over/x y"] {
        assert_eq!(seen.errno(line), "", "{line}");
    }
    assert_eq!(seen.text("read /over/file"), "content");
    let mounts = seen.mounts();
    for flag in ["ro", "nosuid", "noatime"] {
        assert!(mounts.at("/data").has(flag), "{:?}", mounts.at("/data"));
    }
    assert!(mounts.at("/dev").has("ro") && !mounts.at("/dev/shm").has("ro"));
}

//! config.md "mounts": order, kinds, sources, destinations.

use crate::harness::json;
use crate::{context, not_on, skip_test};
use std::fs;

/// "The runtime MUST mount entries in the listed order": the later one lies on top, also below an earlier one.
#[test]
fn mounts_are_made_in_the_listed_order() {
    let context = context!();
    let (first, second) = (context.outside("first"), context.outside("second"));
    fs::write(first.join("name"), "first").unwrap();
    fs::write(second.join("name"), "second").unwrap();
    let mut bundle = context.bundle(&["read", "/m/name", ",", "read", "/m/below/name", ",", "report"]);
    bundle.bind(&first, "/m", &[]);
    bundle.bind(&second, "/m", &[]);
    bundle.mount("/m/below", "tmpfs", "tmpfs", &[]);
    bundle.bind(&first, "/m/below", &[]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /m/name"), "second");
    assert_eq!(seen.text("read /m/below/name"), "first");
    assert!(second.join("below").is_dir(), "made in what was mounted last, as the order demands");
}

/// "Runtimes MUST treat relative destinations as from /"; destinations are made: directories for directories, files for files.
#[test]
fn missing_destinations_are_created_inside_the_root() {
    let context = context!();
    let directory = context.outside("source");
    fs::write(directory.join("file"), "content").unwrap();
    let mut bundle =
        context.bundle(&["read", "/a/b/c/file", ",", "read", "/x/y/file", ",", "read", "/rel/ative/file"]);
    bundle.bind(&directory, "/a/b/c", &[]);
    bundle.bind(directory.join("file"), "/x/y/file", &[]);
    bundle.bind(&directory, "rel/ative", &[]);
    let seen = context.observe(&bundle);
    for line in ["read /a/b/c/file", "read /x/y/file", "read /rel/ative/file"] {
        assert_eq!(seen.text(line), "content", "{line}");
    }
}

/// "source": relative to the bundle. It is a bind when the options say so, whatever the type.
#[test]
fn a_relative_source_is_from_the_bundle_and_type_does_not_make_a_bind() {
    let context = context!();
    let mut bundle = context.bundle(&["read", "/m/file", ",", "read", "/n/file", ",", "read", "/o/file"]);
    fs::create_dir(bundle.dir.join("data")).unwrap();
    fs::write(bundle.dir.join("data/file"), "content").unwrap();
    bundle.mount("/m", "bind", "data", &["bind"]);
    bundle.mount("/n", "tmpfs", "data", &["rbind"]);
    bundle.push("/mounts", json!({ "destination": "/o", "source": "data", "options": ["bind"] }));
    let id = context.id();
    let output = context.call(&["run", "--bundle", &bundle.path(), &id]).cwd("/").go();
    let seen = output.seen();
    for line in ["read /m/file", "read /n/file", "read /o/file"] {
        assert_eq!(seen.text(line), "content", "{line}");
    }
}

/// A bind takes the one mount, rbind what is below too.
#[test]
fn rbind_takes_submounts_and_bind_does_not() {
    let context = context!();
    let source = context.outside("source");
    fs::create_dir(source.join("sub")).unwrap();
    let below = source.join("sub").to_string_lossy().into_owned();
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let mounted = context.in_world(&[
        &payload,
        "mount",
        "tmpfs",
        &below,
        "tmpfs",
        "-",
        "",
        ",",
        "create",
        &format!("{below}/inner"),
        "x",
    ]);
    assert!({ mounted }.output().unwrap().status.success());
    let mut bundle = context.bundle(&["ls", "/bind/sub", ",", "ls", "/rbind/sub"]);
    bundle.bind(&source, "/bind", &[]);
    bundle.mount("/rbind", "none", &source.to_string_lossy(), &["rbind"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("ls /bind/sub"), &json!([]));
    assert_eq!(seen.out("ls /rbind/sub"), &json!(["inner"]));
    assert!(context.in_world(&[&payload, "umount", &below]).output().unwrap().status.success());
}

/// Flags of a bind are really applied (a plain MS_BIND ignores them), also read-only and also a file.
#[test]
fn flags_of_a_bind_are_really_applied() {
    let context = context!();
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    crate::harness::host::copy_program(crate::harness::payload::path(), &source.join("program"));
    let mut bundle = context.bundle(&[
        "create",
        "/ro/new",
        "x",
        ",",
        "create",
        "/rw/new",
        "x",
        ",",
        "write",
        "/file",
        "x",
        ",",
        "spawn",
        "/noexec/program",
        "true",
        ",",
        "spawn",
        "/rw/program",
        "true",
        ",",
        "mknod",
        "/rw/node",
        "c",
        "1",
        "3",
        ",",
        "open",
        "/rw/node",
        ",",
        "report",
    ]);
    bundle.bind(&source, "/ro", &["ro"]);
    bundle.bind(&source, "/rw", &["rw", "nodev", "nosuid"]);
    bundle.bind(&source, "/noexec", &["noexec"]);
    bundle.bind(source.join("file"), "/file", &["ro"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("create /ro/new x"), "EROFS");
    assert_eq!(seen.errno("create /rw/new x"), "");
    assert_eq!(seen.errno("write /file x"), "EROFS");
    assert_eq!(seen.errno("spawn /noexec/program true"), "EACCES");
    assert_eq!(seen.out("spawn /rw/program true")["status"], 0);
    assert_eq!(seen.errno("open /rw/node"), "EACCES", "nodev");
    let mounts = seen.mounts();
    assert!(mounts.at("/ro").has("ro") && mounts.at("/file").has("ro"));
    assert!(
        mounts.at("/rw").has("nosuid") && mounts.at("/rw").has("nodev") && !mounts.at("/rw").has("noexec")
    );
}

/// "remount" as an option changes what is mounted already.
#[test]
fn remount_changes_the_flags() {
    let context = context!();
    let mut bundle = context.bundle(&["create", "/m/x", "y", ",", "report"]);
    bundle.mount("/m", "tmpfs", "tmpfs", &["rw", "size=64k"]);
    bundle.mount("/m", "tmpfs", "tmpfs", &["remount", "ro", "size=128k"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("create /m/x y"), "EROFS");
    assert!(seen.mounts().at("/m").has_data("size=128k"), "{:?}", seen.mounts().at("/m"));
}

/// With "bind" it is the mount that changes and not the file system, and what is not named stays as it was.
#[test]
fn a_bind_remount_changes_what_it_names() {
    let context = context!();
    not_on!(Runc, "runc 1.1 sets all flags anew");
    not_on!(Crun, "crun 1.8 sets all flags anew");
    let source = context.outside("source");
    let mut bundle = context.bundle(&["create", "/m/x", "y", ",", "report"]);
    bundle.bind(&source, "/m", &["nosuid", "nodev", "noatime"]);
    bundle.mount("/m", "none", "none", &["remount", "bind", "ro", "dev", "noexec"]);
    bundle.bind(&source, "/n", &["ro"]);
    bundle.mount("/n", "none", "none", &["bind", "remount", "rw"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("create /m/x y"), "EROFS");
    let mounts = seen.mounts();
    for flag in ["ro", "nosuid", "noexec", "noatime"] {
        assert!(mounts.at("/m").has(flag), "{flag}: {:?}", mounts.at("/m"));
    }
    assert!(!mounts.at("/m").has("nodev") && !mounts.at("/n").has("ro"));
    bundle.mount("/nothing/here", "none", "none", &["remount", "bind", "ro"]);
    context.run(&bundle).fails().says("mounts[10] \"/nothing/here\": open the destination: ENOENT");
}

/// A destination is cleaned as text before it is looked up, and never leads out.
#[test]
fn destinations_are_paths_from_the_root() {
    let context = context!();
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    let places = ["/a//b/", "/c/./d", "/e/../f", "/../../g", "h/i/", "/e/../../j/k"];
    let clean = ["/a/b", "/c/d", "/f", "/g", "/h/i", "/j/k"];
    let reads: Vec<String> = clean.iter().map(|place| format!("{place}/file")).collect();
    let words: Vec<&str> = reads.iter().flat_map(|read| ["read", read, ","]).collect();
    let mut bundle = context.bundle(&words);
    for place in places {
        bundle.bind(&source, place, &[]);
    }
    let seen = context.observe(&bundle);
    for read in &reads {
        assert_eq!(seen.text(&format!("read {read}")), "content");
    }
    assert!(!bundle.dir.join("g").exists() && !context.dir.join("g").exists());
}

/// A file system that the kernel does not have, and a directory where a file is bound, are errors with their place.
#[test]
fn what_cannot_be_mounted_is_named() {
    let context = context!();
    not_on!(Runc, "its message has no place");
    not_on!(Crun, "its message has no place");
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    let mut bundle = context.bundle(&["true"]);
    bundle.mount("/m", "no-such-file-system", "none", &[]);
    context
        .run(&bundle)
        .fails()
        .says("mounts[6] \"/m\": mount: ENODEV")
        .says("this kernel does not have that file system");
    let mut bundle = context.bundle(&["true"]);
    bundle.bind(source.join("file"), "/etc", &[]);
    context.run(&bundle).fails().says("mounts[6] \"/etc\": mount: ENOTDIR");
    let mut bundle = context.bundle(&["true"]);
    bundle.bind(source.join("missing"), "/m", &[]);
    context.run(&bundle).fails().says("mounts[6]").says("missing");
    assert!(!bundle.root().join("m").exists());
}

/// `--no-pivot`: the root is moved in place of pivot_root, and is the container's all the same.
#[test]
fn without_pivot_root_the_container_is_the_same() {
    let context = context!();
    let bundle = context.bundle(&["ls", "/", ",", "ls", "/..", ",", "cwd", ",", "report"]);
    let id = context.id();
    let output = context.call(&["run", "--no-pivot", "--bundle", &bundle.path(), &id]).go();
    let seen = output.ok().seen();
    let names = json!(["bin", "dev", "etc", "proc", "sys", "tmp"]);
    assert_eq!(seen.out("ls /"), &names);
    assert_eq!(seen.out("ls /.."), &names);
    assert_eq!(seen.report()["cwd"], "/");
    not_on!(Runc, "runc leaves the host's mounts below");
    not_on!(Crun, "crun leaves the host's mounts below");
    let points = |mounts: &crate::harness::mounts::Mounts| {
        mounts.0.iter().map(|mount| mount.point.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(points(&seen.mounts()), points(&context.observe(&bundle).mounts()));
}

/// Data goes to the file system; what it does not know is an error that names the mount.
#[test]
fn other_options_are_data_of_the_file_system() {
    let context = context!();
    not_on!(Crun, "its message has no leading slash");
    let mut bundle = context.bundle(&["stat", "/m", ",", "report"]);
    bundle.mount("/m", "tmpfs", "tmpfs", &["size=96k", "mode=1751", "uid=7", "gid=8", "nr_inodes=33"]);
    let seen = context.observe(&bundle);
    let place = seen.out("stat /m");
    assert_eq!(place["mode"], "1751");
    assert_eq!((place["uid"].as_u64(), place["gid"].as_u64()), (Some(7), Some(8)));
    assert!(seen.mounts().at("/m").has_data("size=96k") && seen.mounts().at("/m").has_data("nr_inodes=33"));
    bundle.mount("/n", "tmpfs", "tmpfs", &["nonsense=1"]);
    context.run(&bundle).fails().says("/n");
}

/// The usual file systems, each where it belongs and really of that kind.
#[test]
fn the_usual_file_systems_are_mounted() {
    let context = context!();
    let bundle = context.bundle(&[
        "report",
        ",",
        "statfs",
        "/dev/pts",
        ",",
        "ls",
        "/sys/class/net",
        ",",
        "ls",
        "/proc",
    ]);
    let seen = context.observe(&bundle);
    let mounts = seen.mounts();
    for (point, kind) in [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
    ] {
        assert_eq!(mounts.at(point).kind, kind, "{point}");
    }
    assert!(mounts.at("/sys").has("ro"));
    assert!(mounts.at("/dev/shm").has("noexec"));
    assert!(mounts.at("/dev/pts").has_data("ptmxmode=666"));
    // sysfs of the container's own network namespace, proc of its own pid namespace.
    assert_eq!(seen.out("ls /sys/class/net"), &json!(["lo"]));
    let numbers = seen
        .out("ls /proc")
        .as_array()
        .unwrap()
        .iter()
        .filter(|name| name.as_str().unwrap().parse::<u32>().is_ok())
        .count();
    assert_eq!(numbers, 1);
}

/// SPEC.md "Decided": proc and sysfs need no source, and neither does any other file system that has no device.
#[test]
fn a_file_system_without_a_device_needs_no_source() {
    let context = context!();
    not_on!(Crun, "crun 1.8 wants one");
    let mut bundle = context.bundle(&["report"]);
    for mount in bundle.config["mounts"].as_array_mut().unwrap() {
        mount.as_object_mut().unwrap().remove("source");
    }
    let seen = context.observe(&bundle);
    for (point, kind) in [("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "tmpfs"), ("/dev/pts", "devpts")] {
        assert_eq!(seen.mounts().at(point).kind, kind);
    }
}

/// A mount of type `cgroup` shows the container's own part, read-only when asked.
#[test]
fn the_cgroup_mount_shows_the_containers_own_part() {
    let context = context!();
    let mut bundle = context.bundle(&[
        "ls",
        "/sys/fs/cgroup",
        ",",
        "mkdir",
        "/sys/fs/cgroup/x",
        ",",
        "report",
        ",",
        "read",
        "/sys/fs/cgroup/cgroup.procs",
    ]);
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    let output = context.run(&bundle);
    if !std::path::Path::new("/sys/fs/cgroup").exists() {
        skip_test!("no cgroup file system");
    }
    let seen = output.seen();
    assert!(seen.out("ls /sys/fs/cgroup").to_string().contains("cgroup.procs"), "{}", output.describe());
    assert_eq!(seen.errno("mkdir /sys/fs/cgroup/x"), "EROFS");
    assert_eq!(seen.text("read /sys/fs/cgroup/cgroup.procs").trim(), "1");
    assert!(seen.report()["cgroup"].as_str().unwrap().lines().any(|line| line == "0::/"));
}

/// overlay with lower, upper and work directories as its data.
#[test]
fn an_overlay_can_be_mounted() {
    let context = context!();
    if !fs::read_to_string("/proc/filesystems").unwrap().contains("overlay") {
        skip_test!("no overlay in this kernel");
    }
    let base = context.outside("overlay");
    for name in ["lower", "upper", "work"] {
        fs::create_dir(base.join(name)).unwrap();
    }
    fs::write(base.join("lower/file"), "lower").unwrap();
    let mut bundle = context.bundle(&["read", "/o/file", ",", "create", "/o/new", "x"]);
    let data: Vec<String> = ["lower", "upper", "work"]
        .iter()
        .map(|name| format!("{name}dir={}/{name}", base.display()))
        .collect();
    let options: Vec<&str> = data.iter().map(String::as_str).collect();
    bundle.mount("/o", "overlay", "overlay", &options);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /o/file"), "lower");
    assert!(base.join("upper/new").exists());
}

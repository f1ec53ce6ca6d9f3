//! config.md "Linux mount options": every MUST and SHOULD of the list, each with what it does.

use crate::harness::{Kind, is_runlet, json, kind};
use crate::{context, not_on, skip_test};
use std::fs;

/// features.md: "mountOptions ... recognized by the runtime": none of those listed is taken for data of a file system, which a bind
/// does not have.
#[test]
fn every_option_that_features_lists_is_recognised() {
    let context = context!();
    if !is_runlet() {
        skip_test!("by runlet's own words");
    }
    let features = context.call(&["features"]).go().ok().json();
    let options = features["mountOptions"].as_array().unwrap();
    assert!(options.len() > 60);
    for option in options {
        let mut bundle = context.bundle(&["true"]);
        bundle.bind("/", "/m", &[option.as_str().unwrap()]);
        let output = context.call(&["check", "--plan", &bundle.path()]).go();
        assert!(!output.stderr.contains("is unknown"), "{option}: {}", output.stderr);
    }
    let mut bundle = context.bundle(&["true"]);
    bundle.bind("/", "/m", &["no-such-option"]);
    context.call(&["check", "--plan", &bundle.path()]).go().fails().says("is unknown");
}

/// (options, flags that must be there, flags that must not).
const PLAIN: &[(&[&str], &[&str], &[&str])] = &[
    (&["ro"], &["ro"], &["rw"]),
    (&["rw"], &["rw"], &["ro"]),
    (&["ro", "rw"], &["rw"], &["ro"]),
    (&["nosuid"], &["nosuid"], &[]),
    (&["nosuid", "suid"], &[], &["nosuid"]),
    (&["nodev"], &["nodev"], &[]),
    (&["nodev", "dev"], &[], &["nodev"]),
    (&["noexec"], &["noexec"], &[]),
    (&["noexec", "exec"], &[], &["noexec"]),
    (&["noatime"], &["noatime"], &["relatime"]),
    (&["noatime", "atime"], &[], &["noatime"]),
    (&["nodiratime"], &["nodiratime"], &[]),
    (&["nodiratime", "diratime"], &[], &["nodiratime"]),
    (&["relatime"], &["relatime"], &["noatime"]),
    (&["relatime", "norelatime"], &[], &["noatime"]),
    (&["strictatime"], &[], &["relatime", "noatime"]),
    (&["strictatime", "nostrictatime"], &[], &["noatime"]),
    (&["async"], &[], &["sync"]),
    (&["private"], &[], &[]),
];

/// What runc 1.1 and crun 1.8 have otherwise: of several access time modes the last holds, and "defaults" is no data.
const BEYOND: &[(&[&str], &[&str], &[&str])] = &[
    (&["ro", "nosuid", "nodev", "noexec", "defaults"], &["ro", "nosuid", "nodev", "noexec"], &[]),
    (&["noatime", "relatime"], &["relatime"], &["noatime"]),
    (&["relatime", "noatime"], &["noatime"], &["relatime"]),
    (&["strictatime", "relatime"], &["relatime"], &["noatime"]),
    (&["noatime", "strictatime"], &[], &["relatime", "noatime"]),
];

/// The flags of the mount itself, on a new file system and on a bind.
#[test]
fn plain_options_set_and_clear_the_flags_of_the_mount() {
    let context = context!();
    not_on!(Crun, "crun 1.8 keeps ro after rw");
    let source = context.outside("source");
    let beyond = if is_runlet() { BEYOND } else { &[] };
    let table: Vec<_> = PLAIN.iter().chain(beyond).collect();
    let mut bundle = context.bundle(&["report"]);
    for (index, (options, _, _)) in table.iter().enumerate() {
        bundle.mount(&format!("/t{index}"), "tmpfs", "tmpfs", options);
        bundle.bind(&source, &format!("/b{index}"), options);
    }
    let seen = context.observe(&bundle);
    let mounts = seen.mounts();
    for (index, (options, with, without)) in table.iter().enumerate() {
        for place in [format!("/t{index}"), format!("/b{index}")] {
            let mount = mounts.at(&place);
            if kind() != Kind::Runlet
                && place.starts_with("/b")
                && options.iter().any(|one| one.contains("atime"))
            {
                continue;
            }
            for flag in *with {
                assert!(mount.has(flag), "{options:?} on {place} should give {flag}: {mount:?}");
            }
            for flag in *without {
                assert!(!mount.has(flag), "{options:?} on {place} should not give {flag}: {mount:?}");
            }
        }
    }
}

/// Flags of the file system: sync, dirsync, lazytime, iversion, silent, loud, mand and their opposites.
#[test]
fn options_of_the_file_system_are_taken() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    let mut options = vec!["sync", "async", "dirsync"];
    if is_runlet() {
        options.extend([
            "lazytime",
            "nolazytime",
            "iversion",
            "noiversion",
            "silent",
            "loud",
            "mand",
            "nomand",
        ]);
    }
    for option in &options {
        bundle.mount(&format!("/{option}"), "tmpfs", "tmpfs", &[option]);
    }
    if is_runlet() {
        bundle.mount(
            "/both",
            "tmpfs",
            "tmpfs",
            &["lazytime", "nolazytime", "sync", "async", "mand", "nomand"],
        );
        for (point, options) in
            [("/again", ["sync", "lazytime", "mand"]), ("/off", ["sync", "lazytime", "mand"])]
        {
            bundle.mount(point, "tmpfs", "tmpfs", &options);
        }
        bundle.mount("/off", "tmpfs", "tmpfs", &["remount", "async", "nolazytime", "nomand"]);
    }
    let seen = context.observe(&bundle);
    let mounts = seen.mounts();
    for option in ["sync", "dirsync", "lazytime", "mand"] {
        if options.contains(&option) {
            assert!(
                mounts.at(&format!("/{option}")).has_data(option),
                "{:?}",
                mounts.at(&format!("/{option}"))
            );
        }
    }
    if is_runlet() {
        for option in ["sync", "lazytime", "mand"] {
            assert!(mounts.at("/again").has_data(option), "{:?}", mounts.at("/again"));
            assert!(!mounts.at("/both").has_data(option), "{:?}", mounts.at("/both"));
            assert!(!mounts.at("/off").has_data(option), "{:?}", mounts.at("/off"));
        }
    }
    for option in &options {
        assert_eq!(mounts.at(&format!("/{option}")).kind, "tmpfs");
        assert!(
            !mounts
                .at(&format!("/{option}"))
                .data
                .iter()
                .any(|data| data.contains("silent") || data.contains("loud")),
            "not data of the file system"
        );
    }
}

/// The recursive set (mount_setattr): applied to what is mounted below as well.
#[test]
fn recursive_options_reach_the_mounts_below() {
    let context = context!();
    not_on!(Crun, "crun 1.8 has only a part of them");
    let source = context.outside("source");
    fs::create_dir(source.join("sub")).unwrap();
    let below = source.join("sub").to_string_lossy().into_owned();
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    assert!(
        context
            .in_world(&[&payload, "mount", "tmpfs", &below, "tmpfs", "nosuid", ""])
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut table: Vec<(&str, &str, bool)> = vec![
        ("rro", "ro", true),
        ("rrw", "ro", false),
        ("rnosuid", "nosuid", true),
        ("rsuid", "nosuid", false),
        ("rnodev", "nodev", true),
        ("rdev", "nodev", false),
        ("rnoexec", "noexec", true),
        ("rexec", "noexec", false),
        ("rnodiratime", "nodiratime", true),
        ("rdiratime", "nodiratime", false),
    ];
    if is_runlet() {
        table.extend([
            ("rnosymfollow", "nosymfollow", true),
            ("rsymfollow", "nosymfollow", false),
            ("rnoatime", "noatime", true),
            ("ratime", "noatime", false),
            ("rrelatime", "relatime", true),
            ("rstrictatime", "relatime", false),
            ("rnorelatime", "noatime", false),
            ("rnostrictatime", "noatime", false),
        ]);
    }
    let mut bundle = context.bundle(&["report"]);
    for (option, _, _) in &table {
        bundle.mount(&format!("/{option}"), "bind", &source.to_string_lossy(), &["rbind", option]);
    }
    let output = context.run(&bundle);
    if output.code != 0 && output.stderr.contains("mount_setattr") {
        skip_test!("no mount_setattr here");
    }
    let seen = output.ok().seen();
    let mounts = seen.mounts();
    for (option, flag, set) in table {
        for place in [format!("/{option}"), format!("/{option}/sub")] {
            assert_eq!(mounts.at(&place).has(flag), set, "{option} at {place}: {:?}", mounts.at(&place));
        }
    }
    assert!(context.in_world(&[&payload, "umount", &below]).output().unwrap().status.success());
}

/// A new file system is a tree of one mount: the recursive options hold for it too, and go over the plain ones.
#[test]
fn recursive_options_hold_for_a_new_file_system() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun take them for binds only");
    }
    let mut bundle = context.bundle(&["report"]);
    bundle.mount("/t", "tmpfs", "tmpfs", &["rro", "rnosuid", "rnoatime", "noexec", "rexec"]);
    let seen = context.observe(&bundle);
    let mounts = seen.mounts();
    let mount = mounts.at("/t");
    for flag in ["ro", "nosuid", "noatime"] {
        assert!(mount.has(flag), "{flag}: {mount:?}");
    }
    assert!(!mount.has("noexec"), "{mount:?}");
}

/// nosymfollow: links of that mount are not followed.
#[test]
fn nosymfollow_stops_links() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 does not know it");
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    std::os::unix::fs::symlink("file", source.join("link")).unwrap();
    let mut bundle = context.bundle(&["read", "/no/link", ",", "read", "/yes/link"]);
    bundle.bind(&source, "/no", &["nosymfollow"]);
    bundle.bind(&source, "/yes", &["nosymfollow", "symfollow"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("read /no/link"), "ELOOP");
    assert_eq!(seen.text("read /yes/link"), "content");
}

/// idmap with uidMappings and gidMappings: ids on the mount are shifted; without mappings it is an error.
#[test]
fn id_mapped_mounts_shift_the_owner() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 has its own form");
    let source = context.outside("source");
    fs::create_dir(source.join("dir")).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    std::os::unix::fs::chown(source.join("file"), Some(5), Some(6)).unwrap();
    let mut bundle = context.bundle(&["stat", "/m/file", ",", "create", "/m/dir/new", "x"]);
    let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": 100 }]);
    bundle.push(
        "/mounts",
        json!({ "destination": "/m", "type": "bind", "source": source.to_string_lossy(), "options": ["bind", "idmap"],
            "uidMappings": mappings, "gidMappings": mappings }),
    );
    let output = context.run(&bundle);
    if output.code != 0 && output.code != 3 && output.stderr.contains("map the ids") {
        skip_test!("this file system cannot be id-mapped: {}", output.stderr.trim());
    }
    let seen = output.seen();
    assert_eq!(seen.out("stat /m/file")["uid"], 1005);
    assert_eq!(seen.out("stat /m/file")["gid"], 1006);

    for broken in [
        json!({ "destination": "/m", "type": "bind", "source": source.to_string_lossy(), "options": ["bind", "idmap"] }),
        json!({ "destination": "/m", "type": "bind", "source": source.to_string_lossy(), "options": ["bind"], "uidMappings": mappings }),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.push("/mounts", broken);
        context.run(&bundle).fails().says("mounts[6]");
    }
}

/// idmap holds for the one mount, ridmap for what is mounted below it too.
#[test]
fn ridmap_reaches_the_mounts_below() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 has its own form");
    let source = context.outside("source");
    fs::create_dir(source.join("sub")).unwrap();
    let below = source.join("sub").to_string_lossy().into_owned();
    let inner = format!("{below}/inner");
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let words = [&payload, "mount", "tmpfs", &below, "tmpfs", "-", "", ",", "create", &inner, "x"];
    assert!(context.in_world(&words).output().unwrap().status.success());
    let mappings = json!([{ "containerID": 0, "hostID": 1000, "size": 100 }]);
    let mut bundle = context.bundle(&[
        "stat",
        "/one",
        ",",
        "stat",
        "/one/sub/inner",
        ",",
        "stat",
        "/all",
        ",",
        "stat",
        "/all/sub/inner",
    ]);
    for (destination, option) in [("/one", "idmap"), ("/all", "ridmap")] {
        bundle.push(
            "/mounts",
            json!({ "destination": destination, "type": "none", "source": source.to_string_lossy(), "options": ["rbind", option],
                "uidMappings": mappings, "gidMappings": mappings }),
        );
    }
    let output = context.run(&bundle);
    assert!(context.in_world(&[&payload, "umount", &below]).output().unwrap().status.success());
    if output.code != 0 && output.stderr.contains("map the ids") {
        skip_test!("{}", output.stderr.trim());
    }
    let seen = output.ok().seen();
    for (path, uid) in [("/one", 1000), ("/one/sub/inner", 0), ("/all", 1000), ("/all/sub/inner", 1000)] {
        assert_eq!(seen.out(&format!("stat {path}"))["uid"], uid, "{path}");
    }
}

/// "If they are not specified, the runtime MAY use the container's user namespace mapping": a file of the host's user 5 is user 5's in the
/// container too, and without idmap nobody's.
#[test]
fn idmap_without_mappings_takes_the_containers_own() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know it");
    not_on!(Crun, "crun 1.8 has its own form");
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    std::os::unix::fs::chown(source.join("file"), Some(5), Some(6)).unwrap();
    let mut bundle = context.bundle(&["stat", "/mapped/file", ",", "stat", "/plain/file"]);
    context.in_user_namespace(&mut bundle);
    bundle.bind(&source, "/mapped", &["idmap"]);
    bundle.bind(&source, "/plain", &[]);
    let output = context.run(&bundle);
    if output.code != 0 && output.stderr.contains("map the ids") {
        skip_test!("{}", output.stderr.trim());
    }
    let seen = output.ok().seen();
    let ids = |path: &str| {
        let file = seen.out(&format!("stat {path}"));
        (file["uid"].as_u64().unwrap(), file["gid"].as_u64().unwrap())
    };
    assert_eq!(ids("/mapped/file"), (5, 6));
    assert_eq!(ids("/plain/file"), (65534, 65534));
}

/// config-linux.md "Mount label": where SELinux is not there that is an error, never nothing. labels.rs has what it gives.
#[test]
fn a_mount_label_is_never_dropped() {
    let context = context!();
    not_on!(Runc, "runc 1.1 drops it");
    not_on!(Crun, "crun 1.8 drops it");
    let mut bundle = context.bundle(&["report"]);
    bundle.set("/linux/mountLabel", "system_u:object_r:container_file_t:s0:c1,c2");
    // One that no policy of the tests has.
    context.run(&bundle).fails().says("mounts[1] \"/dev\": mount: EINVAL").says("linux.mountLabel");
    bundle.unset("/linux/mountLabel");
    context.run(&bundle).ok();
}

//! config-linux.md "namespaces", "User namespace mappings", "Offset for Time Namespace".

use crate::harness::{Kind, host, is_runlet, json, kind};
use crate::{context, not_on, skip_test};
use std::fs;

const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
];

/// "The following namespace types SHOULD be supported": a listed one is new, an absent one is inherited.
#[test]
fn listed_namespaces_are_new_and_absent_ones_inherited() {
    let context = context!();
    let caller = host::payload_report(&context)["ns"].clone();
    let bundle = context.bundle(&["report"]);
    let seen = context.observe(&bundle);
    for (_, file) in KINDS {
        assert_ne!(seen.report()["ns"][file], caller[file], "{file} should be its own");
    }
    assert_eq!(seen.report()["ns"]["user"], caller["user"]);
    assert_eq!(seen.report()["ns"]["time"], caller["time"]);
    for (kind, file) in KINDS {
        if kind == "mount" {
            continue;
        }
        let mut bundle = context.bundle(&["report"]);
        bundle.without_namespace(kind);
        if kind == "uts" {
            bundle.unset("/hostname");
        }
        if kind == "network" {
            // sysfs of a network namespace that is not ours to show.
            bundle.remove_mount("/sys");
        }
        let seen = context.observe(&bundle);
        assert_eq!(seen.report()["ns"][file], caller[file], "{kind} should be the caller's");
    }
}

/// As callers know it of runc and crun: 127.0.0.1 works in a new network namespace. In a joined one nothing is changed.
#[test]
fn the_loopback_device_is_up_in_a_new_network_namespace() {
    let context = context!();
    let bundle = context.bundle(&["link-get", "lo"]);
    assert_eq!(context.observe(&bundle).out("link-get lo")["up"], 1);
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let holder = [payload.as_str(), "unshare", "network", ",", "pause"];
    let holder = crate::harness::Helper::start(&mut context.in_world(&holder), "unshare");
    let mut bundle = bundle;
    bundle.namespace("network", Some(&format!("/proc/{}/ns/net", holder.pid())));
    assert_eq!(context.observe(&bundle).out("link-get lo")["up"], 0);
}

/// "path": the namespace of another process is joined.
#[test]
fn a_namespace_by_path_is_joined() {
    let context = context!();
    let first = context.bundle(&["report", ",", "pause"]);
    let id = context.id();
    let output = context.create(&first, &id).ok();
    context.start(&id).ok();
    let told = crate::harness::Seen::parse(&output.wait_stdout("report"));
    let pid = context.pid(&id);
    for (kind, file) in
        [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup"), ("pid", "pid")]
    {
        let mut second = context.bundle(&["report"]);
        second.namespace(kind, Some(&format!("/proc/{pid}/ns/{file}")));
        if kind == "uts" {
            second.unset("/hostname");
        }
        let seen = context.observe(&second);
        assert_eq!(seen.report()["ns"][file], told.report()["ns"][file], "{kind}");
        for (_, other) in KINDS {
            if other != file {
                assert_ne!(seen.report()["ns"][other], told.report()["ns"][other], "{other} is its own");
            }
        }
        if kind == "pid" {
            assert_ne!(seen.report()["pid"], 1);
        }
    }
    // All at once, as a pod does.
    let mut pod = context.bundle(&["report"]);
    for (kind, file) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")] {
        pod.namespace(kind, Some(&format!("/proc/{pid}/ns/{file}")));
    }
    pod.unset("/hostname");
    let seen = context.observe(&pod);
    for file in ["net", "ipc", "uts", "pid"] {
        assert_eq!(seen.report()["ns"][file], told.report()["ns"][file], "{file}");
    }
    assert_eq!(context.status(&id), "running");
}

/// "If path is not associated with a namespace of type `type`, the runtime MUST generate an error". Duplicates are an error too.
#[test]
fn wrong_and_duplicate_namespaces_are_refused() {
    let context = context!();
    not_on!(Crun, "crun 1.8 takes duplicates and leaves cgroups");
    let wrong: [(&str, serde_json::Value); 6] = [
        ("wrong type", json!({ "type": "network", "path": "/proc/self/ns/ipc" })),
        ("no namespace", json!({ "type": "network", "path": "/etc/passwd" })),
        ("missing path", json!({ "type": "network", "path": "/proc/self/ns/nothing" })),
        ("relative path", json!({ "type": "network", "path": "proc/self/ns/net" })),
        ("unknown type", json!({ "type": "netwrok" })),
        ("no type", json!({})),
    ];
    for (what, namespace) in wrong {
        let mut bundle = context.bundle(&["true"]);
        bundle.without_namespace("network");
        bundle.push("/linux/namespaces", namespace);
        let output = context.run(&bundle);
        assert!(output.code != 0, "{what} should be refused: {}", output.describe());
    }
    let mut twice = context.bundle(&["true"]);
    twice.push("/linux/namespaces", json!({ "type": "ipc" }));
    context.run(&twice).fails();
    context.assert_clean();
}

/// "uidMappings", "gidMappings": root inside is an ordinary id outside.
#[test]
fn a_user_namespace_maps_ids() {
    let context = context!();
    let mut bundle = context.bundle(&["report", ",", "stat", "/", ",", "create", "/tmp/made", "x"]);
    context.in_user_namespace(&mut bundle);
    let caller = host::payload_report(&context)["ns"].clone();
    let seen = context.observe(&bundle);
    assert_ne!(seen.report()["ns"]["user"], caller["user"]);
    let map: Vec<&str> = seen.report()["uid_map"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(map, ["0", "100000", "65536"]);
    let map: Vec<&str> = seen.report()["gid_map"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(map, ["0", "100000", "65536"]);
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    assert_eq!(seen.out("stat /")["uid"], 0);
    assert_eq!(seen.errno("create /tmp/made x"), "");
    let made = fs::metadata(bundle.root().join("tmp/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 100_000);
}

/// A user namespace with more than one range, and an ordinary user inside.
#[test]
fn several_ranges_and_a_user_inside() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    bundle.namespace("user", None);
    bundle.set(
        "/linux/uidMappings",
        json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }, { "containerID": 1000, "hostID": 300_000, "size": 10 }]),
    );
    bundle.set("/linux/gidMappings", json!([{ "containerID": 0, "hostID": 100_000, "size": 5000 }]));
    bundle.set("/process/user", json!({ "uid": 1005, "gid": 1005, "additionalGids": [7] }));
    host::chown_tree(&bundle.root(), 100_000, 100_000);
    host::open_path(&context.dir);
    let seen = context.observe(&bundle);
    assert_eq!(seen.report()["status"]["Uid"], "1005\t1005\t1005\t1005");
    assert_eq!(seen.report()["status"]["Groups"], "7");
}

/// SPEC.md "Decided": a user namespace without mappings is an error that names the property; mappings without one too.
#[test]
fn mappings_and_user_namespace_come_together() {
    let context = context!();
    if !is_runlet() {
        skip_test!("SPEC.md's decision");
    }
    let mut bundle = context.bundle(&["true"]);
    bundle.namespace("user", None);
    context.run(&bundle).fails().says("idMappings");
    let mut many = context.bundle(&["true"]);
    many.namespace("user", None);
    let ranges: Vec<_> = (0..6000)
        .map(|index| json!({ "containerID": index, "hostID": 100_000 + index, "size": 1 }))
        .collect();
    many.set("/linux/uidMappings", ranges.clone());
    many.set("/linux/gidMappings", ranges);
    context.run(&many).fails();
    context.assert_clean();
}

/// A user namespace of another container is joined.
#[test]
fn a_user_namespace_by_path_is_joined() {
    let context = context!();
    let mut first = context.bundle(&["report", ",", "pause"]);
    context.in_user_namespace(&mut first);
    let id = context.id();
    let output = context.create(&first, &id).ok();
    context.start(&id).ok();
    let told = crate::harness::Seen::parse(&output.wait_stdout("report"));
    let pid = context.pid(&id);
    let mut second = context.bundle(&["report"]);
    host::chown_tree(&second.root(), 100_000, 100_000);
    second.namespace("user", Some(&format!("/proc/{pid}/ns/user")));
    second.namespace("network", Some(&format!("/proc/{pid}/ns/net")));
    let output = context.run(&second);
    if output.code != 0 && kind() != Kind::Runlet {
        skip_test!("{}", output.stderr.trim());
    }
    let seen = output.ok().seen();
    assert_eq!(seen.report()["ns"]["user"], told.report()["ns"]["user"]);
    assert_eq!(seen.report()["ns"]["net"], told.report()["ns"]["net"]);
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    context.delete_force(&id).ok();
}

/// "timeOffsets": the clocks of a new time namespace are shifted, for init, for what it starts and for exec; with and without a user
/// namespace, which then owns it. Another container can join it.
#[test]
fn time_offsets_are_applied() {
    let context = context!();
    not_on!(Crun, "crun 1.8 fails without a user namespace");
    not_on!(Runc, "runc 1.1 does not know it");
    let offsets = json!({ "boottime": { "secs": 1_000_000, "nanosecs": 5 }, "monotonic": { "secs": 70 } });
    let shifted = |seen: &crate::harness::Seen| {
        let report = seen.report();
        let uptime: f64 = report["uptime"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(uptime > 1_000_000.0, "{uptime}");
        let lines: Vec<Vec<&str>> = report["timens_offsets"]
            .as_str()
            .unwrap()
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines, [["monotonic", "70", "0"], ["boottime", "1000000", "5"]]);
    };
    for user in [false, true] {
        let mut bundle = context.bundle(&["report", ",", "spawn", "/bin/payload", "report", ",", "pause"]);
        bundle.namespace("time", None);
        bundle.set("/linux/timeOffsets", offsets.clone());
        if user {
            context.in_user_namespace(&mut bundle);
        }
        let id = context.id();
        let output = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        let seen = crate::harness::Seen::parse(&output.wait_stdout("{\"verb\":\"spawn\""));
        shifted(&seen);
        let child = seen.out("spawn /bin/payload report")["stdout"].as_str().unwrap();
        shifted(&crate::harness::Seen::parse(child));
        shifted(&context.call(&["exec", &id, "/bin/payload", "report"]).go().ok().seen());
        let mut second = context.bundle(&["report"]);
        let pid = context.pid(&id);
        second.namespace("time", Some(&format!("/proc/{pid}/ns/time")));
        shifted(&context.observe(&second));
        context.delete_force(&id).ok();
    }
    // A new one without offsets has the caller's clocks.
    let mut plain = context.bundle(&["report"]);
    plain.namespace("time", None);
    let caller = host::payload_report(&context)["ns"]["time"].clone();
    assert_ne!(context.observe(&plain).report()["ns"]["time"], caller);
    for (wrong, place) in [
        (json!({ "realtime": { "secs": 1 } }), "linux.timeOffsets.realtime"),
        (json!({ "boottime": { "secs": 1, "nanosecs": 1_000_000_000 } }), "linux.timeOffsets.boottime"),
        (json!({ "boottime": { "secs": -9_000_000_000i64 } }), "linux.timeOffsets"),
    ] {
        plain.set("/linux/timeOffsets", wrong);
        context.run(&plain).fails().says(place);
    }
    let mut without = context.bundle(&["true"]);
    without.set("/linux/timeOffsets", json!({ "boottime": { "secs": 1 } }));
    context.run(&without).fails().says("linux.timeOffsets.boottime: needs a new time namespace");
}

/// All eight types, new; then all joined by path at once, the user and the mount namespace among them.
#[test]
fn all_eight_types_are_new_or_joined() {
    let context = context!();
    not_on!(Runc, "runc 1.1 does not know time");
    not_on!(Crun, "crun 1.8 does not join all of them");
    let mut first = context.bundle(&["report", ",", "pause"]);
    first.namespace("time", None);
    context.in_user_namespace(&mut first);
    let id = context.id();
    let output = context.create(&first, &id).ok();
    context.start(&id).ok();
    let told = crate::harness::Seen::parse(&output.wait_stdout("report"));
    let caller = host::payload_report(&context)["ns"].clone();
    let all = ["pid", "net", "mnt", "ipc", "uts", "user", "cgroup", "time"];
    for file in all {
        assert_ne!(told.report()["ns"][file], caller[file], "{file} should be new");
    }
    let mut second = context.bundle(&["report"]);
    second.unset("/hostname");
    second.set("/root/path", "/");
    // The one of the joined network namespace lies there already.
    second.remove_mount("/sys");
    let pid = context.pid(&id);
    for file in all {
        let kind = match file {
            "net" => "network",
            "mnt" => "mount",
            other => other,
        };
        second.namespace(kind, Some(&format!("/proc/{pid}/ns/{file}")));
    }
    let seen = context.observe(&second);
    for file in all {
        assert_eq!(seen.report()["ns"][file], told.report()["ns"][file], "{file}");
    }
    context.delete_force(&id).ok();
}

/// A mount namespace by path: root and sources are looked up in it, the container gets its own mounts and hides what it is told to, and
/// those who live there see nothing of that, neither now nor later.
#[test]
fn a_mount_namespace_by_path_is_joined() {
    let context = context!();
    not_on!(Runc, "runc 1.1 makes its root that of everybody in there");
    not_on!(Crun, "crun 1.8 does the same");
    let mut first = context.bundle(&["report", ",", "pause"]);
    first.mount("/only-here", "tmpfs", "tmpfs", &["tmpcopyup"]);
    fs::create_dir(first.root().join("only-here")).unwrap();
    fs::write(first.root().join("only-here/file"), "of the first").unwrap();
    fs::write(first.root().join("secret"), "secret").unwrap();
    let id = context.id();
    let told = context.create(&first, &id).ok();
    context.start(&id).ok();
    let told = crate::harness::Seen::parse(&told.wait_stdout("report")).report()["ns"].clone();
    let pid = context.pid(&id);
    let table = || fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let before = table();

    let mut second = context.bundle(&["report", ",", "pause"]);
    second.namespace("mount", Some(&format!("/proc/{pid}/ns/mnt")));
    second.set("/root", json!({ "path": "/", "readonly": true }));
    second.mount("/tmp", "tmpfs", "tmpfs", &["nosuid"]);
    second.bind("/only-here", "/bin", &[]);
    second.push("/linux/maskedPaths", json!("/secret"));
    // What is mounted in there does not come and go with it.
    let mut wrong = context.bundle(&["true"]);
    wrong.config = second.config.clone();
    wrong.bind("/not-there", "/tmp", &[]);
    context.run(&wrong).fails().says("mounts[8] \"/tmp\" (source \"/not-there\")");
    assert_eq!(table(), before);

    second.remove_mount("/bin");
    second.mount("/bin/own", "tmpfs", "tmpfs", &[]);
    second.bind("/only-here", "/etc", &["ro"]);
    let running = context.id();
    let output = context.create(&second, &running).ok();
    assert_eq!(table(), before, "somebody else's mounts");
    context.start(&running).ok();
    let own = crate::harness::Seen::parse(&output.wait_stdout("report")).report()["ns"].clone();
    assert_eq!(own["mnt"], told["mnt"]);
    assert_ne!(own["pid"], told["pid"]);
    for call in [&running, &id] {
        let look =
            ["read /etc/file", "read /secret", "create /here x", "create /tmp/mine x", "read /proc/1/comm"];
        let words = look.join(" , ");
        let mut words: Vec<&str> = words.split(' ').collect();
        words.splice(0..0, ["exec", call, "/bin/payload"]);
        let seen = context.call(&words).go().seen();
        let of_the_second = call == &running;
        assert_eq!(seen.errno("read /etc/file").is_empty(), of_the_second);
        assert_eq!(seen.text("read /secret").is_empty(), of_the_second);
        assert_eq!(seen.errno("create /here x"), if of_the_second { "EROFS" } else { "" });
        assert_eq!(seen.text("read /proc/1/comm"), "payload\n");
    }
    assert!(first.root().join("tmp/mine").exists(), "the second's /tmp is not the first's");
    context.delete_force(&running).ok();
    assert_eq!(table(), before);
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
}

/// A mount namespace that was prepared beforehand, in which the bundle's root lies where it does for the runtime. The runtime's own is
/// not to be joined, nor can be had in a joined one what needs one's own.
#[test]
fn a_prepared_mount_namespace_is_joined_and_the_hosts_own_is_not() {
    let context = context!();
    not_on!(Runc, "runc 1.1 makes its root that of everybody in there");
    not_on!(Crun, "crun 1.8 does the same");
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let holder = [payload.as_str(), "unshare", "mount", ",", "pause"];
    let holder = crate::harness::Helper::start(&mut context.in_world(&holder), "unshare");
    let path = format!("/proc/{}/ns/mnt", holder.pid());
    let table = || fs::read_to_string(format!("/proc/{}/mountinfo", holder.pid())).unwrap();
    let before = table();
    let mut bundle = context.bundle(&[
        "report",
        ",",
        "read",
        "/proc/keys",
        ",",
        "ls",
        "/",
        ",",
        "escape-chroot",
        "/tmp/deep",
    ]);
    bundle.namespace("mount", Some(&path));
    let seen = context.observe(&bundle);
    let there = fs::read_link(&path).unwrap();
    assert_eq!(seen.report()["ns"]["mnt"], there.to_string_lossy().into_owned());
    assert_eq!(seen.text("read /proc/keys"), "");
    for look in ["ls /", "escape-chroot /tmp/deep"] {
        assert_eq!(seen.out(look), &json!(["bin", "dev", "etc", "proc", "sys", "tmp"]));
    }
    assert_eq!(table(), before);

    bundle.set("/linux/rootfsPropagation", "shared");
    context.run(&bundle).fails().says("linux.rootfsPropagation: shared, slave, unbindable or id-mapped");
    bundle.unset("/linux/rootfsPropagation");
    bundle.mount("/tmp", "tmpfs", "tmpfs", &["rslave"]);
    context.run(&bundle).fails().says("mounts[6]: shared, slave, unbindable or id-mapped");
    bundle.remove_mount("/tmp");
    bundle.namespace("mount", Some("/proc/self/ns/mnt"));
    context.run(&bundle).fails().says("is the host's own");
    bundle.namespace("mount", Some(&path));
    context.in_user_namespace(&mut bundle);
    context.run(&bundle).fails().says("has no power over a mount namespace");
    assert_eq!(table(), before);
}

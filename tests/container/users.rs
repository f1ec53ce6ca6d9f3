//! Rootless: an ordinary user, no helper daemon (issue "Isolation", "Rootless").

use crate::harness::{Bundle, Call, Context, Output, Value, host, is_runlet, json};
use crate::{context, not_on, skip_test};
use std::fs;
use std::path::PathBuf;

const UID: u32 = 23_456;
const GID: u32 = 23_457;

/// What `report` says when it holds.
type Holds<'a> = &'a dyn Fn(&Value) -> bool;
type Change<'a> = &'a dyn Fn(&mut Bundle) -> &mut Bundle;

/// An ordinary user with a copy of the runtime, a state directory and a bundle that `spec --rootless` wrote.
struct User<'a> {
    context: &'a Context,
    binary: PathBuf,
    root: String,
    bundle: Bundle,
}

impl<'a> User<'a> {
    fn new(context: &'a Context) -> Self {
        let bundle = context.bundle(&["true"]);
        host::open_path(&context.dir);
        host::chown_tree(&bundle.dir, UID, GID);
        let root = context.outside("user-state");
        host::chown_tree(&root, UID, GID);
        let binary = context.outside("bin").join("runlet");
        host::copy_program(&context.runtime, &binary);
        let mut user = User { context, binary, root: root.to_string_lossy().into_owned(), bundle };
        user.call(&["spec", "--rootless"]).cwd(&user.bundle.dir).go().ok();
        let written = fs::read_to_string(user.bundle.dir.join("config.json")).unwrap();
        user.bundle.config = serde_json::from_str(&written).unwrap();
        user.bundle.set("/process/terminal", false);
        user.bundle.args(&["true"]);
        user
    }

    fn call(&self, words: &[&str]) -> Call<'_> {
        let mut all = vec!["--root", &self.root];
        all.extend(words);
        let (uid, gid) = (UID.to_string(), GID.to_string());
        Call::at(self.context, &self.binary, &all).through(&["payload", "as", &uid, &gid])
    }

    fn run(&self, bundle: &Bundle) -> Output {
        let id = self.context.id();
        self.call(&["run", "--bundle", &bundle.path(), &id]).go()
    }

    /// The bundle with one change.
    fn with(&self, change: Change<'_>) -> Bundle {
        let mut bundle = Bundle { dir: self.bundle.dir.clone(), config: self.bundle.config.clone() };
        change(&mut bundle);
        bundle
    }
}

macro_rules! user {
    ($context:expr) => {{
        not_on!(Runc, "its default configuration needs a session bus or a delegated cgroup");
        not_on!(Crun, "its default configuration needs a delegated cgroup");
        User::new(&$context)
    }};
}

/// `spec --rootless` and `run`, as an ordinary user; and the whole life of a container.
#[test]
fn an_ordinary_user_runs_a_container() {
    let context = context!();
    let user = user!(context);
    assert!(user.bundle.config["linux"]["uidMappings"].is_array(), "{}", user.bundle.config);
    let bundle = user.with(&|bundle| {
        bundle.set("/root/readonly", false).args(&[
            "report",
            ",",
            "stat",
            "/",
            ",",
            "create",
            "/tmp/made",
            "x",
            ",",
            "write",
            "/dev/null",
            "x",
            ",",
            "ls",
            "/proc",
        ])
    });
    let output = user.run(&bundle).ok();
    assert_eq!(output.stderr, "", "nothing to complain of");
    let seen = output.seen();
    assert_eq!(seen.report()["pid"], 1);
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    let map: Vec<&str> = seen.report()["uid_map"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(map, ["0", "23456", "1"]);
    assert_eq!(seen.out("stat /")["uid"], 0);
    seen.out("write /dev/null x");
    let made = fs::metadata(bundle.root().join("tmp/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), UID, "root inside is the user outside");

    let bundle = user.with(&|bundle| bundle.args(&["pause"]));
    let id = context.id();
    user.call(&["create", "--bundle", &bundle.path(), &id]).go().ok();
    let early = user.call(&["exec", &id, "/bin/payload", "true"]).go().status(255);
    early.says("start the container first");
    user.call(&["start", &id]).go().ok();
    let report = user.call(&["exec", &id, "/bin/payload", "report"]).go().ok().seen();
    assert_eq!(report.report()["status"]["Uid"], "0\t0\t0\t0");
    assert_eq!(user.call(&["list", "--quiet"]).go().ok().stdout.trim(), id);
    user.call(&["kill", &id, "KILL"]).go().ok();
    user.call(&["delete", "--force", &id]).go().ok();
    assert_eq!(user.call(&["list", "--quiet"]).go().ok().stdout, "");
}

/// Device rules are root's to load: who names devices is told so once, who only denies all (as every default does) at debug level.
#[test]
fn an_ordinary_user_is_told_once_that_device_rules_are_not_enforced() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    let user = user!(context);
    let said = |output: &Output| output.stderr.matches("linux.resources.devices: not enforced").count();
    let deny = json!({ "allow": false, "access": "rwm" });
    let allow = json!({ "allow": true, "type": "c", "major": 1, "minor": 7, "access": "rw" });
    let plain = user.with(&|b| b.set("/linux/resources", json!({ "devices": [deny] })));
    let named = user.with(&|b| b.set("/linux/resources", json!({ "devices": [deny, allow] })));
    assert_eq!(said(&user.run(&plain).ok()), 0);
    let id = context.id();
    let debug = user.call(&["--debug", "run", "--bundle", &plain.path(), &id]).go().ok();
    assert_eq!(said(&debug), 1, "{}", debug.describe());
    let output = user.run(&named).ok();
    assert_eq!(said(&output), 1, "{}", output.describe());
    assert!(output.stderr.starts_with("runlet: warning: "), "{}", output.describe());
}

/// What needs no more than the user's own namespaces is there.
#[test]
fn what_an_ordinary_user_can_have_he_has() {
    let context = context!();
    let user = user!(context);
    let cases: &[(&str, Change<'_>, &str, Holds<'_>)] = &[
        ("hostname", &|b| b.set("/hostname", "mine"), "report", &|r| r["uname"][1] == "mine"),
        (
            "network",
            &|b| b.namespace("network", None).set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" })),
            "report",
            &|r| r["net"].as_str().unwrap().contains("lo:"),
        ),
        (
            "clocks",
            &|b| {
                b.namespace("time", None)
                    .set("/linux/timeOffsets", json!({ "boottime": { "secs": 5_000_000 } }))
            },
            "report",
            &|r| r["timens_offsets"].as_str().unwrap().contains("5000000"),
        ),
        (
            "kernel parameters",
            &|b| b.set("/linux/sysctl", json!({ "kernel.msgmax": "4321" })),
            "report",
            &|_| true,
        ),
        ("tmpfs", &|b| b.mount("/mnt", "tmpfs", "tmpfs", &["size=64k", "ro"]), "report", &|r| {
            r["mountinfo"].as_str().unwrap().contains("size=64k")
        }),
        ("a worse oom score", &|b| b.set("/process/oomScoreAdj", 700), "report", &|r| {
            r["oom_score_adj"] == "700\n"
        }),
        (
            "seccomp",
            &|b| b.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW" })),
            "report",
            &|r| r["status"]["Seccomp"] == "2",
        ),
        (
            "a device of the host",
            &|b| {
                b.set("/linux/devices", json!([{ "path": "/dev/full", "type": "c", "major": 1, "minor": 7 }]))
            },
            "report",
            &|r| r["mountinfo"].as_str().unwrap().contains(" /dev/full "),
        ),
    ];
    for (what, change, verb, holds) in cases {
        let bundle = user.with(&|bundle| {
            change(bundle);
            bundle.args(&[verb])
        });
        let output = user.run(&bundle);
        assert!(output.code == 0, "{what}: {}", output.describe());
        assert!(holds(output.seen().out(verb)), "{what}: {}", output.describe());
    }
}

/// What cannot be had without root is one line that names the place and says what would help; never silently absent.
#[test]
fn an_ordinary_user_is_told_what_he_cannot_have() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    let user = user!(context);
    let secret = context.outside("secret");
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::create_dir(secret.join("inner")).unwrap();
    let secret = secret.join("inner").to_string_lossy().into_owned();
    let limit = || json!({ "memory": { "limit": 67_108_864 } });
    let cases: &[(&str, &str, Change<'_>)] = &[
        ("clone3: make the container's namespaces: EPERM", "needs a user namespace", &|b| {
            b.without_namespace("user").unset("/linux/uidMappings").unset("/linux/gidMappings")
        }),
        ("make the cgroup", "a cgroup that is delegated to him", &|b| b.set("/linux/resources", limit())),
        ("newuidmap", "uid", &|b| {
            b.set("/linux/uidMappings", json!([{ "containerID": 0, "hostID": 0, "size": 1 }]))
        }),
        ("process.user.gid 5", "the id is not mapped", &|b| {
            b.set("/process/user", json!({ "uid": 5, "gid": 5 }))
        }),
        ("process.user.additionalGids", "has no groups but its own", &|b| {
            b.set("/process/user/additionalGids", json!([5]))
        }),
        ("process.oomScoreAdj", "EACCES", &|b| b.set("/process/oomScoreAdj", -500)),
        ("process.rlimits[0]", "CAP_SYS_RESOURCE", &|b| {
            b.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 1, "hard": 1_000_000_000 }]))
        }),
        ("process.scheduler", "CAP_SYS_NICE", &|b| {
            b.set("/process/scheduler", json!({ "policy": "SCHED_FIFO", "priority": 5 }))
        }),
        ("linux.netDevices", "CAP_NET_ADMIN", &|b| {
            b.namespace("network", None).set("/linux/netDevices", json!({ "lo": { "name": "low" } }))
        }),
        ("linux.devices[0] \"/dev/mine\"", "bind mount from the host: ENOENT", &|b| {
            b.set("/linux/devices", json!([{ "path": "/dev/mine", "type": "c", "major": 241, "minor": 7 }]))
        }),
        ("linux.sysctl \"net.ipv4.ip_forward\"", "needs a namespace of the container's own", &|b| {
            b.set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }))
        }),
        ("mounts[7] \"/mnt\": mount: EPERM", "", &|b| b.mount("/mnt", "ext4", "/dev/vda", &[])),
        ("mounts[7]", "EACCES", &|b| b.bind(&secret, "/mnt", &[])),
        ("mounts[7].source", "only root may map the ids", &|b| b.bind("/tmp", "/mnt", &["idmap"])),
    ];
    for (place, hint, change) in cases {
        let output = user.run(&user.with(change)).fails();
        let own: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("runlet: ")).collect();
        assert_eq!(own.len(), 1, "{place}: {}", output.describe());
        assert!(own[0].contains(place) && own[0].contains(hint), "{place}, {hint}: {}", output.describe());
    }
    user.run(&user.bundle).ok();
}

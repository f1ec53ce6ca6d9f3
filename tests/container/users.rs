//! Rootless: an ordinary user, no helper daemon (issue "Isolation", "Rootless").

use crate::harness::{host, is_runlet, json};
use crate::{context, not_on, skip_test};
use std::fs;

/// `spec --rootless` and `run`, as an ordinary user.
#[test]
fn an_ordinary_user_runs_a_container() {
    let context = context!();
    not_on!(Runc, "its default configuration needs a session bus or a delegated cgroup");
    not_on!(Crun, "its default configuration needs a delegated cgroup");
    let bundle = context.bundle(&["report"]);
    let (uid, gid) = (23_456, 23_457);
    host::open_path(&context.dir);
    host::chown_tree(&bundle.dir, uid, gid);
    let root = context.outside("user-state");
    host::chown_tree(&root, uid, gid);
    let binary = context.outside("bin").join("runlet");
    fs::copy(&context.runtime, &binary).unwrap();
    let as_user = ["payload", "as", "23456", "23457"];
    let directory = bundle.dir.to_string_lossy().into_owned();
    let root = root.to_string_lossy().into_owned();
    let other = crate::harness::Call::at(&context, &binary, &["--root", &root, "spec", "--rootless"])
        .cwd(&directory)
        .through(&as_user);
    other.go().ok();
    let file = bundle.dir.join("config.json");
    let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert!(config["linux"]["uidMappings"].is_array(), "{config}");
    config["process"]["args"] = json!(["/bin/payload", "report"]);
    config["process"]["terminal"] = false.into();
    fs::write(&file, config.to_string()).unwrap();
    let id = context.id();
    let run =
        crate::harness::Call::at(&context, &binary, &["--root", &root, "run", "--bundle", &directory, &id])
            .through(&as_user);
    let output = run.go().ok();
    let seen = output.seen();
    assert_eq!(seen.report()["pid"], 1);
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    let map: Vec<&str> = seen.report()["uid_map"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(map, ["0", "23456", "1"]);
    assert!(is_runlet());
}

/// The whole life of a container, as an ordinary user: its pid namespace is entered from inside its user namespace.
#[test]
fn an_ordinary_user_joins_his_container() {
    let context = context!();
    not_on!(Runc, "its default configuration needs a session bus or a delegated cgroup");
    not_on!(Crun, "its default configuration needs a delegated cgroup");
    let mut bundle = context.bundle(&["pause"]);
    let (uid, gid) = (23_456, 23_457);
    let id_map = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
    bundle.namespace("user", None).without_namespace("cgroup");
    bundle.set("/linux/uidMappings", id_map(uid)).set("/linux/gidMappings", id_map(gid));
    bundle.unset("/linux/cgroupsPath").remove_mount("/dev/mqueue").remove_mount("/sys");
    let directory = bundle.path();
    host::open_path(&context.dir);
    host::chown_tree(&bundle.dir, uid, gid);
    let root = context.outside("user-state");
    host::chown_tree(&root, uid, gid);
    let root = root.to_string_lossy().into_owned();
    let binary = context.outside("bin").join("runlet");
    fs::copy(&context.runtime, &binary).unwrap();
    let id = context.id();
    let call = |words: &[&str]| {
        let words: Vec<&str> = ["--root", &root].into_iter().chain(words.iter().copied()).collect();
        crate::harness::Call::at(&context, &binary, &words).through(&["payload", "as", "23456", "23457"]).go()
    };
    call(&["create", "--bundle", &directory, &id]).ok();
    call(&["start", &id]).ok();
    call(&["exec", &id, "/bin/payload", "exit", "5"]).status(5);
    let seen = call(&["exec", &id, "/bin/payload", "report"]).ok().seen();
    let (pid, sid) = (&seen.report()["pid"], &seen.report()["sid"]);
    assert!(pid.as_u64().unwrap() > 1 && pid == sid, "pid {pid}, session {sid}");
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    call(&["exec", &id, "nothing"]).status(255).says("executable file not found");
    call(&["kill", &id, "KILL"]).ok();
    call(&["delete", "--force", &id]).ok();
}

/// What cannot be had without root is an error or a warning that names it, never silently absent.
#[test]
fn an_ordinary_user_is_told_what_he_cannot_have() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    let mut bundle = context.bundle(&["true"]);
    let (uid, gid) = (23_456, 23_457);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 67_108_864 } }));
    let directory = bundle.path();
    host::open_path(&context.dir);
    host::chown_tree(&bundle.dir, uid, gid);
    let root = context.outside("user-state");
    host::chown_tree(&root, uid, gid);
    let binary = context.outside("bin").join("runlet");
    fs::copy(&context.runtime, &binary).unwrap();
    let id = context.id();
    let run = crate::harness::Call::at(
        &context,
        &binary,
        &["--root", &root.to_string_lossy(), "run", "--bundle", &directory, &id],
    )
    .through(&["payload", "as", "23456", "23457"]);
    // No user namespace asked for: an ordinary user can make none of the others.
    run.go().fails();
}

/// In a new user namespace root of the container cannot reach a directory of the host's root, nor map the ids of a mount: the
/// runtime opens both for it, as callers expect (a volume below a private directory, Kubernetes' id-mapped volumes).
#[test]
fn a_user_namespace_gets_binds_that_only_the_runtime_can_reach() {
    let context = context!();
    not_on!(Crun, "crun 1.8 has its own form of id-mapped mounts");
    let private = context.outside("private");
    fs::create_dir_all(private.join("volume/below")).unwrap();
    fs::write(private.join("volume/file"), "content").unwrap();
    fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(private.join("volume/file"), Some(5), Some(6)).unwrap();
    let mut bundle = context.bundle(&[
        "stat",
        "/dir/file",
        ",",
        "read",
        "/file",
        ",",
        "create",
        "/dir/new",
        "x",
        ",",
        "report",
    ]);
    host::open_path(&bundle.dir);
    let _ = fs::set_permissions(&context.dir, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    host::chown_tree(&bundle.root(), 100_000, 100_000);
    bundle.namespace("user", None);
    let mappings = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    bundle.set("/linux/uidMappings", mappings.clone()).set("/linux/gidMappings", mappings.clone());
    bundle.bind(private.join("volume"), "/dir", &["rbind", "ro"]);
    bundle.bind(private.join("volume/file"), "/file", &[]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("stat /dir/file")["uid"], 65_534, "the host's user 5 has no name inside");
    assert_eq!(seen.text("read /file"), "content");
    assert_eq!(seen.errno("create /dir/new x"), "EROFS");
    assert!(seen.mounts().at("/dir").has("ro"));

    if !is_runlet() {
        return;
    }
    let at = bundle.config["mounts"].as_array().unwrap().len() - 2;
    bundle.push(&format!("/mounts/{at}/options"), json!("idmap"));
    bundle.set(&format!("/mounts/{at}/uidMappings"), mappings.clone());
    bundle.set(&format!("/mounts/{at}/gidMappings"), mappings);
    let seen = context.observe(&bundle);
    let file = seen.out("stat /dir/file");
    assert_eq!((&file["uid"], &file["gid"]), (&json!(5), &json!(6)), "mapped to the container's own user 5");
}

//! What each `--cgroup-manager` does on the kind of machine at hand.

use crate::harness::{Output, by_systemd, json, note};
use crate::{context, directories, has, has_any, has_v2, on_v1, skip_test};

/// One call of `run` with a manager: with a limit, and without.
struct Tried {
    plain: Output,
    limited: Output,
}

fn try_manager(context: &crate::Context, manager: &str, path: Option<&str>) -> Tried {
    let run = |resources| {
        let mut bundle = context.bundle(&["read", "/proc/self/cgroup"]);
        bundle.set("/linux/resources", resources).without_namespace("cgroup");
        match path {
            Some(path) => bundle.set("/linux/cgroupsPath", path.replace("TAG", &context.tag)),
            None => bundle.unset("/linux/cgroupsPath"),
        };
        let id = context.id();
        context.call(&["--cgroup-manager", manager, "run", "--bundle", &bundle.path(), &id]).go()
    };
    Tried { plain: run(json!({})), limited: run(json!({ "pids": { "limit": 20 } })) }
}

/// For the table: where it was, or why not.
fn told(output: &Output) -> String {
    match output.code {
        0 => {
            let text = output.seen().text("read /proc/self/cgroup");
            let line = text.lines().rfind(|line| line.starts_with("0::"));
            let line = line.or(text.lines().find(|line| !line.ends_with(":/")));
            format!("runs in {}", line.unwrap_or("no cgroup"))
        }
        _ => output.stderr.trim().to_string(),
    }
}

#[test]
fn every_manager_does_what_the_table_says() {
    let context = context!();
    let systemd = std::path::Path::new("/run/systemd/system").is_dir();
    for manager in ["auto", "cgroupfs", "disabled", "systemd"] {
        for path in [None, Some("runlettest.slice:TAG:x")] {
            // A slice is a strange name for a directory, and nothing more, to one who knows nothing of systemd.
            if path.is_some() && !["auto", "systemd"].contains(&manager) {
                continue;
            }
            let tried = try_manager(&context, manager, path);
            for (limit, output) in [("no limit", &tried.plain), ("pids.limit", &tried.limited)] {
                note(&format!(
                    "manager  {manager}, {}, {limit}: {}",
                    path.unwrap_or("no path"),
                    told(output)
                ));
            }
            let scope = manager == "systemd" || (manager == "auto" && path.is_some() && systemd);
            match manager {
                "disabled" => {
                    assert_eq!(tried.plain.code, 0, "{}", tried.plain.describe());
                    tried.limited.fails().says("pids.limit").says("pids controller").says("disabled");
                }
                _ if !has_any() => {
                    match manager {
                        "systemd" => drop(tried.plain.fails().says("cgroup2")),
                        _ => drop(tried.plain.ok()),
                    }
                    tried.limited.fails().says("pids.limit").says("pids controller");
                }
                _ if scope && !systemd => {
                    tried.plain.fails().says("systemd");
                    tried.limited.fails();
                }
                _ if scope => {
                    for output in [tried.plain.ok(), tried.limited.ok()] {
                        assert!(told(&output).ends_with(".scope"), "{}", told(&output));
                    }
                }
                _ => {
                    tried.plain.ok();
                    if has("pids", "") || on_v1("pids") {
                        tried.limited.ok();
                    } else {
                        tried.limited.fails().says("pids");
                    }
                }
            }
            context.assert_clean();
        }
    }
}

#[test]
fn the_manager_disabled_runs_without_a_cgroup_and_refuses_limits() {
    let context = context!();
    let mut bundle = context.bundle(&["pause"]);
    bundle.set(
        "/linux/resources",
        json!({ "cpu": { "shares": 0 }, "devices": [{ "allow": false, "access": "rwm" }] }),
    );
    let id = context.id();
    context.call(&["--cgroup-manager", "disabled", "create", "--bundle", &bundle.path(), &id]).go().ok();
    assert!(directories(&bundle.cgroup()).is_empty());
    context.start(&id).ok();
    context.call(&["pause", &id]).go().fails().says("no cgroup");
    context.delete_force(&id).ok();
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 67108864 } }));
    let id = context.id();
    let output = context.call(&["--cgroup-manager", "disabled", "run", "--bundle", &bundle.path(), &id]).go();
    output.fails().says("memory.limit").says("memory controller");
}

/// No cgroup file system: a container runs, and what needs a cgroup says that there is none.
#[test]
fn without_any_cgroup_a_container_runs_and_commands_say_what_is_missing() {
    let context = context!();
    if has_any() {
        skip_test!("this machine has cgroups");
    }
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    assert_eq!(context.status(&id), "running");
    let pids = context.call(&["ps", "-f", "json", &id]).go().ok().json();
    assert_eq!(pids, json!([context.pid(&id)]));
    for words in [vec!["pause", &id], vec!["events", "--stats", &id]] {
        context.call(&words).go().fails().says("no cgroup");
    }
    context.call(&["update", &id, "--memory", "64m"]).go().fails().says("memory");
    context.call(&["update", &id]).go().ok();
    let mut limited = context.bundle(&["true"]);
    limited.set("/linux/resources", json!({ "cpu": { "quota": 5000 } }));
    context.run(&limited).fails().says("cpu.quota").says("cpu controller");
    let pid = context.pid(&id);
    context.call(&["kill", "--all", &id, "KILL"]).go().ok();
    assert_eq!(context.reap(pid), Some(137));
    context.delete(&id).ok();
    context.assert_clean();
}

/// A mount in another place than everybody's is found by mountinfo.
#[test]
fn cgroup2_is_found_wherever_it_is_mounted() {
    let context = context!();
    if by_systemd() || !has_v2() {
        skip_test!("needs cgroup2 and the cgroupfs manager");
    }
    let place = context.outside("elsewhere");
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let host = |words: &[&str]| {
        let mut all = vec![payload.as_str()];
        all.extend(words);
        assert!(context.in_world(&all).output().unwrap().status.success(), "{words:?}");
    };
    let path = place.to_string_lossy().into_owned();
    // In the test's own mount namespace only.
    // On a hybrid machine that is not ours the test's world shows it in the usual place.
    let usual =
        if std::path::Path::new("/tests").is_dir() { crate::cgroup2().unwrap() } else { "/sys/fs/cgroup" };
    host(&["mount", usual, &path, "none", "bind", ""]);
    // Or what covers the one would cover its peer.
    host(&["mount", "none", &path, "none", "private", ""]);
    host(&["mount", "tmpfs", "/sys/fs/cgroup", "tmpfs", "-", ""]);
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    assert!(!directories(&bundle.cgroup()).is_empty(), "made through the other mount");
    context.call(&["pause", &id]).go().ok();
    assert_eq!(context.status(&id), "paused");
    context.delete_force(&id).ok();
    host(&["umount", "/sys/fs/cgroup"]);
    host(&["umount", &path]);
    context.assert_clean();
}

//! `list`, `state`'s form, `--version`, `spec`, `features`, help.

use crate::harness::{Kind, is_runlet, kind};
use crate::{context, not_on, skip_test};
use std::fs;

/// CLI.md: an array of {ociVersion,id,pid,status,bundle,rootfs,created,owner}; `null` or `[]` for none.
#[test]
fn list_json_has_every_container() {
    let context = context!();
    let none = context.call(&["list", "--format", "json"]).go().ok();
    assert!(none.json().as_array().is_none_or(Vec::is_empty), "{}", none.describe());
    let (first, second) = (context.bundle(&["pause"]), context.bundle(&["pause"]));
    let running = context.running(&first);
    let created = context.id();
    context.create(&second, &created).ok();
    let list = context.call(&["list", "-f", "json"]).go().ok().json();
    let entry = |id: &str| list.as_array().unwrap().iter().find(|one| one["id"] == *id).unwrap().clone();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(entry(&running)["status"], "running");
    assert_eq!(entry(&created)["status"], "created");
    assert_eq!(entry(&running)["pid"], context.pid(&running));
    assert_eq!(entry(&running)["bundle"], first.dir.to_string_lossy().into_owned());
    if kind() != Kind::Crun {
        assert_eq!(entry(&running)["rootfs"], first.root().to_string_lossy().into_owned());
        assert!(entry(&running)["ociVersion"].is_string());
    }
    let time = entry(&running)["created"].as_str().unwrap().to_string();
    assert!(time.len() >= 20 && &time[10..11] == "T" && time.ends_with('Z'), "RFC 3339: {time}");
    assert_eq!(entry(&running)["owner"], "root");
}

#[test]
fn list_quiet_has_ids_only_and_the_table_a_head() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    let quiet = context.call(&["list", "-q"]).go().ok();
    assert_eq!(quiet.stdout.trim(), id);
    let table = context.call(&["list"]).go().ok();
    let mut lines = table.stdout.lines();
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        head,
        if kind() == Kind::Crun {
            vec!["NAME", "PID", "STATUS", "BUNDLE", "PATH", "CREATED", "OWNER"]
        } else {
            vec!["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
        }
    );
    assert!(lines.next().unwrap().contains(&id));
}

/// A stopped container is listed as stopped, with pid 0, though its zombie is not reaped.
#[test]
fn list_sees_a_zombie_as_stopped() {
    let context = context!();
    let bundle = context.bundle(&["exit", "0"]);
    let id = context.running(&bundle);
    context.wait_status(&id, "stopped");
    let list = context.call(&["list", "-f", "json"]).go().ok().json();
    assert_eq!(list[0]["status"], "stopped");
    if kind() != Kind::Crun {
        assert_eq!(list[0]["pid"], 0);
    }
}

/// CLI.md: first line `NAME version X.Y.Z`, then `commit:` and `spec:` lines.
#[test]
fn version_has_the_three_lines_that_callers_parse() {
    let context = context!();
    for flag in ["--version", "-v"] {
        let output = context.bare_call(&[flag]).go().ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(lines[0].contains(" version "), "{}", output.describe());
        assert!(lines[1].starts_with("commit: "), "{}", output.describe());
        assert!(lines.iter().any(|line| line.starts_with("spec: 1.")), "{}", output.describe());
    }
}

/// `spec` writes a config.json that starts: what a person does first.
#[test]
fn spec_writes_a_bundle_that_runs() {
    let context = context!();
    not_on!(Crun, "its default raises RLIMIT_MEMLOCK, which needs CAP_SYS_RESOURCE");
    let bundle = context.bundle(&["true"]);
    let directory = bundle.dir.to_string_lossy().into_owned();
    context.call(&["spec"]).cwd(&directory).go().ok();
    let file = bundle.dir.join("config.json");
    let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    config["process"]["args"] = serde_json::json!(["/bin/payload", "report"]);
    config["process"]["terminal"] = false.into();
    // Here a hybrid host has no memory or cpu controller; a plain spec asks for no limit.
    fs::write(&file, config.to_string()).unwrap();
    let id = context.id();
    let output = context.call(&["run", "-b", &directory, &id]).go().ok();
    assert_eq!(output.seen().out("report")["pid"], 1);
    context.call(&["spec"]).cwd(&directory).go().fails().says("exist");
}

#[test]
fn help_is_there_for_every_command() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own help");
    }
    for command in ["create", "start", "run", "state", "kill", "delete", "list", "spec", "version"] {
        for flag in ["--help", "-h"] {
            let output = context.bare_call(&[command, flag]).go().ok();
            assert!(output.stdout.contains(command), "{}", output.describe());
        }
        let output = context.bare_call(&[command, "--help"]).go().ok();
        assert!(output.stdout.to_lowercase().contains("example"), "{command}: no example");
    }
    context.bare_call(&["--help"]).go().ok();
}

/// CLI.md: they exist only to say that they are not supported; Podman asks by `checkpoint --help`.
#[test]
fn checkpoint_and_restore_are_refused_by_name() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun may have them");
    }
    for words in [
        vec!["checkpoint", "--help"],
        vec!["checkpoint", "--image-path", "/x", "--leave-running", "id"],
        vec!["restore", "--help"],
        vec!["restore", "-d", "id"],
    ] {
        context.bare_call(&words).go().fails().says("support");
    }
}

//! create, start, kill, delete and what `state` says between them (runtime.md, "Lifecycle" and "State").

use crate::harness::{Kind, PATIENCE, is_runlet, json, kind, wait_for};
use crate::{context, skip_test};
use std::fs;
use std::time::Duration;

/// runtime.md "State": ociVersion, id, status, pid, bundle; created before start, running after, stopped at the end, pid 0 then.
#[test]
fn a_container_goes_from_created_to_running_to_stopped() {
    let context = context!();
    let bundle = context.bundle(&["wait-file", "/go", ",", "exit", "7"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let state = context.state(&id);
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], *id);
    assert_eq!(state["bundle"], bundle.dir.to_string_lossy().into_owned());
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."));
    let pid = state["pid"].as_u64().unwrap();
    assert!(fs::metadata(format!("/proc/{pid}")).is_ok(), "state's pid is a process of the host");
    context.start(&id).ok();
    let state = context.state(&id);
    assert_eq!(state["status"], "running");
    assert_eq!(state["pid"], pid, "the same process from create to the end");
    fs::write(bundle.root().join("go"), "").unwrap();
    context.wait_status(&id, "stopped");
    let state = context.state(&id);
    assert_eq!(state["pid"].as_u64().unwrap_or(0), 0, "no pid when stopped: {state}");
    // Nobody has reaped it yet: a zombie counts as stopped, and its status is still there for the caller.
    assert_eq!(context.reap(pid as u32), Some(7));
    context.delete(&id).ok();
    context.call(&["state", &id]).go().says_missing();
}

/// The program must not run before start, and its effects must be there after.
#[test]
fn create_runs_nothing_of_the_container() {
    let context = context!();
    let bundle = context.bundle(&["create", "/ran", "x", ",", "pause"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    std::thread::sleep(Duration::from_millis(50));
    assert!(!bundle.root().join("ran").exists());
    context.start(&id).ok();
    assert!(wait_for(PATIENCE, || bundle.root().join("ran").exists()));
}

/// runtime.md "Create": "Any changes made to the config.json file after this operation will not have an effect".
#[test]
fn a_later_edit_of_config_json_has_no_effect() {
    let context = context!();
    let mut bundle = context.bundle(&["exit", "3"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let pid = context.pid(&id);
    bundle.args(&["exit", "4"]);
    bundle.path();
    context.start(&id).ok();
    assert_eq!(context.reap(pid), Some(3));
    bundle.write_text("{ broken");
    assert_eq!(context.status(&id), "stopped");
    context.delete(&id).ok();
}

/// runtime.md "Start": only from created.
#[test]
fn start_is_refused_unless_created() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    context.start(&id).fails();
    assert_eq!(context.status(&id), "running", "a refused start changes nothing");
    let pid = context.pid(&id);
    context.kill(&id, "KILL").ok();
    context.reap(pid);
    context.wait_status(&id, "stopped");
    context.start(&id).fails();
    assert_eq!(context.status(&id), "stopped");
    context.delete(&id).ok();
}

/// runtime.md "Delete": only stopped. A running one stays as it is; --force kills it.
#[test]
fn delete_of_a_running_container_needs_force() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    context.delete(&id).fails();
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
    context.call(&["state", &id]).go().says_missing();
    context.assert_clean();
}

/// Callers rely on it (SPEC.md, "Decided"): a container that was never started can be deleted plainly.
#[test]
fn delete_of_a_created_container_kills_its_init() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let pid = context.pid(&id);
    context.delete(&id).ok();
    context.call(&["state", &id]).go().says_missing();
    context.reap(pid);
    context.assert_clean();
}

/// CLI.md: the shim's clean-up calls it for what may never have been.
#[test]
fn forced_delete_of_a_missing_container_succeeds() {
    let context = context!();
    context.delete_force("never-was").ok();
    context.delete("never-was").says_missing();
}

/// CLI.md's table: `delete` takes several ids.
#[test]
fn delete_takes_several_ids() {
    let context = context!();
    if kind() != Kind::Runlet {
        skip_test!("runc and crun take one id");
    }
    let bundle = context.bundle(&["pause"]);
    let (first, second) = (context.running(&bundle), context.id());
    let mut other = context.bundle(&["pause"]);
    other.set("/hostname", "other");
    context.create(&other, &second).ok();
    context.call(&["delete", "--force", &first, &second]).go().ok();
    context.call(&["state", &first]).go().fails();
    context.call(&["state", &second]).go().fails();
}

#[test]
fn every_verb_on_a_missing_container_says_it_does_not_exist() {
    let context = context!();
    for words in [
        vec!["state", "ghost"],
        vec!["start", "ghost"],
        vec!["kill", "ghost", "TERM"],
        vec!["delete", "ghost"],
    ] {
        context.call(&words).go().says_missing();
    }
}

/// CLI.md, error words: killing what has ended.
#[test]
fn kill_of_a_stopped_container_says_not_running() {
    let context = context!();
    let bundle = context.bundle(&["exit", "0"]);
    let id = context.running(&bundle);
    context.wait_status(&id, "stopped");
    let output = context.kill(&id, "TERM").fails();
    assert!(
        output.stderr.contains("container not running")
            || output.stderr.contains("no such process")
            || kind() == Kind::Crun,
        "{}",
        output.describe()
    );
    if is_runlet() {
        context.call(&["kill", "--all", &id, "KILL"]).go().ok();
    }
}

/// runtime.md "Kill": created or running. A created one dies of it before the program ever runs.
#[test]
fn kill_reaches_a_created_container() {
    let context = context!();
    let bundle = context.bundle(&["create", "/ran", "x"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let pid = context.pid(&id);
    context.kill(&id, "KILL").ok();
    assert_eq!(context.reap(pid), Some(137));
    context.wait_status(&id, "stopped");
    assert!(!bundle.root().join("ran").exists());
    context.start(&id).fails();
    context.delete(&id).ok();
}

/// CLI.md: by name with or without SIG, any case, or number; SIGTERM by default; real-time signals.
#[test]
fn kill_takes_every_spelling_of_a_signal() {
    let context = context!();
    let bundle = context.bundle(&["trap"]);
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    output.wait_stdout("ready");
    let mut spellings = vec![("USR1", "10"), ("SIGUSR2", "12"), ("1", "1"), ("SIGHUP", "1"), ("28", "28")];
    if is_runlet() {
        spellings.extend([
            ("sigint", "2"),
            ("winch", "28"),
            ("RTMIN+1", "35"),
            ("SIGRTMAX-1", "63"),
            ("64", "64"),
            ("35", "35"),
        ]);
    }
    for (spelling, number) in spellings {
        let before = output.stdout_now();
        context.kill(&id, spelling).ok();
        let came = wait_for(PATIENCE, || output.stdout_now().len() > before.len());
        assert!(came, "{spelling} never arrived");
        assert!(output.stdout_now()[before.len()..].contains(number), "{spelling}: {}", output.stdout_now());
    }
    let mut wrong = if kind() == Kind::Crun { vec![] } else { vec!["SIGNOPE", "65", "9x", "0x9"] };
    if is_runlet() {
        wrong.extend(["", "-3", "SIG", "99999999999999999999", "RTMIN+40", "RTMAX-40", " 9"]);
    }
    for wrong in wrong {
        context.kill(&id, wrong).fails();
        assert_eq!(context.status(&id), "running", "{wrong:?} must not reach the container");
    }
    let pid = context.pid(&id);
    // The default is SIGTERM, after which the program ends by itself.
    context.call(&["kill", &id]).go().ok();
    assert_eq!(context.reap(pid), Some(0));
}

/// `kill --all` reaches every process, also where the container has no pid namespace of its own.
#[test]
fn kill_all_reaches_every_process() {
    let context = context!();
    let mut bundle = context.bundle(&["forks", "3", ",", "pause"]);
    bundle.without_namespace("pid");
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    output.wait_stdout("forks");
    context.call(&["kill", "--all", &id, "KILL"]).go().ok();
    context.wait_status(&id, "stopped");
    context.delete_force(&id).ok();
    context.assert_clean();
}

/// SPEC.md edges: a container whose init died before `start`.
#[test]
fn start_after_the_init_died_is_an_error_not_a_hang() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let pid = context.pid(&id);
    crate::harness::host::signal(pid, 9);
    context.reap(pid);
    context.start(&id).fails();
    context.delete(&id).ok();
    context.assert_clean();
}

/// runtime.md "Create": the id is unique; CLI.md: `container with given ID already exists`.
#[test]
fn an_id_in_use_is_refused_and_its_container_untouched() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    let second = context.bundle(&["pause"]);
    let output = context.create(&second, &id).fails();
    if is_runlet() || kind() == Kind::Runc {
        assert!(output.stderr.contains("container with given ID already exists"), "{}", output.describe());
    }
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
    context.create(&second, &id).ok();
    assert_eq!(context.status(&id), "created", "an id can be used again");
}

/// Two creates of one id at once: exactly one wins, and the loser leaves nothing of its own.
#[test]
fn of_two_creates_of_one_id_exactly_one_wins() {
    let context = context!();
    let rounds = if is_runlet() { 20 } else { 3 };
    for _ in 0..rounds {
        let id = context.id();
        let (first, second) = (context.bundle(&["pause"]), context.bundle(&["pause"]));
        let started: Vec<_> = [&first, &second]
            .iter()
            .map(|bundle| context.call(&["create", "--bundle", &bundle.path(), &id]).spawn())
            .collect();
        let results: Vec<_> = started.into_iter().map(|one| one.wait()).collect();
        let winners = results.iter().filter(|result| result.code == 0).count();
        assert_eq!(winners, 1, "{}\n{}", results[0].describe(), results[1].describe());
        assert_eq!(context.status(&id), "created");
        context.delete_force(&id).ok();
    }
    context.assert_clean();
}

/// CLI.md: "a failing create leaves nothing; `delete --force` after a failing create succeeds".
#[test]
fn a_failing_create_leaves_nothing() {
    let context = context!();
    let mut wrong = context.bundle(&["pause"]);
    wrong.mount("/broken", "nosuchfs", "none", &[]);
    let mut late = context.bundle(&["pause"]);
    late.set("/process/cwd", "/bin/payload");
    let mut missing = context.bundle(&["pause"]);
    missing.set("/root/path", "nowhere");
    for bundle in [&wrong, &late, &missing] {
        let id = context.id();
        context.create(bundle, &id).fails();
        context.assert_clean();
        context.delete_force(&id).ok();
        let right = context.bundle(&["pause"]);
        context.create(&right, &id).ok();
        context.delete_force(&id).ok();
    }
}

/// CLI.md: what cannot be executed is told in the words that callers turn into 126 and 127.
#[test]
fn a_program_that_cannot_be_executed_is_named() {
    let context = context!();
    let bundle = context.bundle(&["true"]);
    fs::write(bundle.root().join("bin/data"), "x").unwrap();
    fs::create_dir(bundle.root().join("bin/dir")).unwrap();
    for (program, words) in [
        ("nothere", "executable file not found in $PATH"),
        ("/bin/nothere", "no such file or directory"),
        ("/bin/data", "permission denied"),
    ] {
        let mut bundle = context.bundle(&["true"]);
        fs::write(bundle.root().join("bin/data"), "x").unwrap();
        bundle.set("/process/args", json!([program]));
        let id = context.id();
        let created = context.create(&bundle, &id);
        let output = if created.code == 0 { context.start(&id) } else { created }.fails();
        if kind() != Kind::Crun {
            assert!(output.stderr.contains(words), "{program}: {}", output.describe());
        }
        context.delete_force(&id).ok();
        let output = context.run(&bundle).fails();
        if kind() != Kind::Crun {
            assert!(output.stderr.contains(words), "{program}: {}", output.describe());
        }
        context.assert_clean();
    }
}

/// state.json keeps the annotations (runtime.md "State").
#[test]
fn state_has_the_annotations() {
    let context = context!();
    let mut bundle = context.bundle(&["pause"]);
    bundle.set("/annotations", json!({ "com.example.key": "value \"quoted\" \u{e9}" }));
    let id = context.id();
    context.create(&bundle, &id).ok();
    assert_eq!(context.state(&id)["annotations"]["com.example.key"], "value \"quoted\" \u{e9}");
}

/// A relative bundle is told absolute; create finds it from the caller's directory.
#[test]
fn the_bundle_is_the_working_directory_by_default() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let directory = bundle.path();
    let id = context.id();
    context.call(&["create", &id]).cwd(&directory).go().ok();
    assert_eq!(context.state(&id)["bundle"], *directory);
    let relative = context.id();
    let second = context.bundle(&["pause"]);
    let name = second.dir.file_name().unwrap().to_string_lossy().into_owned();
    second.path();
    context.call(&["create", "-b", &name, &relative]).cwd(&context.dir).go().ok();
    assert_eq!(context.state(&relative)["bundle"], second.dir.to_string_lossy().into_owned());
}

/// A container whose state directory is half made (no state.json) can be deleted and its id used again.
#[test]
fn a_half_made_container_can_be_deleted() {
    let context = context!();
    if !is_runlet() {
        skip_test!("the layout of the state directory is runlet's");
    }
    let id = context.id();
    fs::create_dir_all(context.state_dir().join(&id)).unwrap();
    context.delete_force(&id).ok();
    let bundle = context.bundle(&["pause"]);
    context.create(&bundle, &id).ok();
}

/// A state.json that is broken is an error that names it, never a crash, and `delete --force` gets rid of it.
#[test]
fn a_broken_record_is_an_error_and_can_be_deleted() {
    let context = context!();
    if !is_runlet() {
        skip_test!("the layout of the state directory is runlet's");
    }
    for content in ["", "{", "[]", "{\"pid\": -1}", "{\"pid\": 99999999999999999999}", "null", "\u{0}"] {
        let id = context.id();
        fs::create_dir_all(context.state_dir().join(&id)).unwrap();
        fs::write(context.state_dir().join(&id).join("state.json"), content).unwrap();
        let told = context.call(&["state", &id]).go();
        assert!(told.code < 128, "{content:?}: {}", told.describe());
        context.call(&["start", &id]).go().fails();
        context.call(&["kill", &id, "9"]).go().fails();
        context.call(&["list"]).go().ok();
        context.delete_force(&id).ok();
        assert!(!context.state_dir().join(&id).exists(), "{content:?}");
    }
}

/// The recorded pid may have become another process: kill and delete must not touch it.
#[test]
fn a_reused_pid_is_not_taken_for_the_container() {
    let context = context!();
    if !is_runlet() {
        skip_test!("the layout of the state directory is runlet's");
    }
    let bundle = context.bundle(&["exit", "0"]);
    let id = context.running(&bundle);
    let pid_file = context.state_dir().join(&id).join("state.json");
    context.wait_status(&id, "stopped");
    let record = fs::read_to_string(&pid_file).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let started = record["startTime"].as_u64().unwrap();
    assert_ne!(started, 0, "a container that ends at once has its start time as well");
    // Another process of the test stands in for the one that got the number: a number comes round after thousands of processes, so
    // not within the same tick of the kernel's clock (10 ms), in which this test may well have got so far.
    let stranger = loop {
        let stranger = context.helper(&["trap"]);
        let stat = fs::read_to_string(format!("/proc/{}/stat", stranger.pid())).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1;
        if fields.split(' ').nth(19).unwrap().parse() != Ok(started) {
            break stranger;
        }
    };
    record["pid"] = stranger.pid().into();
    fs::write(&pid_file, record.to_string()).unwrap();
    assert_eq!(context.status(&id), "stopped");
    context.kill(&id, "USR1").fails();
    context.delete_force(&id).ok();
    assert!(fs::metadata(format!("/proc/{}", stranger.pid())).is_ok());
}

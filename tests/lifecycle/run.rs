//! `run`: foreground status, signals, detach, keep.

use crate::harness::{Kind, PATIENCE, is_runlet, kind, wait_for};
use crate::{context, not_on, skip_test};
use std::fs;

#[test]
fn run_gives_the_programs_exit_status() {
    let context = context!();
    for status in [0, 1, 42, 255] {
        let bundle = context.bundle(&["exit", &status.to_string()]);
        context.run(&bundle).status(status);
    }
    context.assert_clean();
}

/// 128 + signal, as every caller expects.
#[test]
fn run_gives_128_plus_the_signal_that_ended_the_program() {
    let context = context!();
    for (signal, status) in [("9", 137), ("11", 139), ("6", 134)] {
        // As pid 1 the program is immune to its own signals, hence its parent's pid namespace.
        let mut bundle = context.bundle(&["raise", signal]);
        bundle.without_namespace("pid");
        context.run(&bundle).status(status);
    }
}

#[test]
fn run_leaves_no_trace_of_the_container() {
    let context = context!();
    let bundle = context.bundle(&["true"]);
    let id = context.id();
    context.call(&["run", "--bundle", &bundle.path(), &id]).go().ok();
    context.call(&["state", &id]).go().says_missing();
    context.assert_clean();
}

#[test]
fn run_connects_the_programs_stdio() {
    let context = context!();
    let bundle = context.bundle(&["echo", "hello"]);
    let output = context.run(&bundle).ok();
    assert_eq!(output.seen().out("echo hello")[0], "hello");
    assert!(output.stderr.is_empty(), "a plain run says nothing: {}", output.describe());
}

/// What a terminal, an init system or a shim sends to `run` reaches the program.
#[test]
fn run_forwards_signals() {
    let context = context!();
    let bundle = context.bundle(&["trap"]);
    let id = context.id();
    let running = context.call(&["run", "--bundle", &bundle.path(), &id]).spawn();
    running.wait_stdout("ready");
    for number in [10, 1, 12, 2] {
        running.signal(number);
        running.wait_stdout(&format!("\n{number}\n"));
    }
    running.signal(15);
    running.wait().status(0);
    context.assert_clean();
}

#[test]
fn detached_run_returns_while_the_program_runs() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    context.call(&["run", "--detach", "--bundle", &bundle.path(), &id]).go().ok();
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
    context.assert_clean();
}

/// BuildKit: `run --keep` leaves the stopped container for `delete`.
#[test]
fn keep_leaves_the_stopped_container() {
    let context = context!();
    if kind() == Kind::Crun {
        skip_test!("crun 1.8 has no --keep");
    }
    let bundle = context.bundle(&["exit", "5"]);
    let id = context.id();
    context.call(&["run", "--keep", "--bundle", &bundle.path(), &id]).go().status(5);
    assert_eq!(context.status(&id), "stopped");
    context.delete(&id).ok();
}

/// A program that cannot be run: `run` fails, its status is not the program's 0, nothing is left.
#[test]
fn run_of_a_broken_bundle_fails_and_leaves_nothing() {
    let context = context!();
    let bundle = context.bundle(&["true"]);
    bundle.path();
    for text in ["", "{", "[]", "null", "{}", "{\"ociVersion\":\"1.0.2\"}"] {
        bundle.write_text(text);
        let id = context.id();
        context.call(&["run", "--bundle", &bundle.dir.to_string_lossy(), &id]).go().fails();
    }
    fs::remove_file(bundle.dir.join("config.json")).unwrap();
    let id = context.id();
    context.call(&["run", "--bundle", &bundle.dir.to_string_lossy(), &id]).go().fails();
    context.assert_clean();
}

/// The end of pid 1 is the end of all: nothing of the container outlives `run`.
#[test]
fn processes_left_behind_by_the_program_end_with_it() {
    let context = context!();
    let bundle = context.bundle(&["forks", "5", ",", "exit", "0"]);
    context.run(&bundle).status(0);
    context.assert_clean();
}

/// A killed `run` (SIGKILL reaches nobody else) must not make the id unusable.
#[test]
fn a_killed_foreground_run_can_be_deleted() {
    let context = context!();
    let bundle = context.bundle(&["echo", "up", ",", "pause"]);
    let id = context.id();
    let running = context.call(&["run", "--bundle", &bundle.path(), &id]).spawn();
    running.wait_stdout("up");
    running.signal(9);
    running.wait();
    context.delete_force(&id).ok();
    context.assert_clean();
    let output = context.call(&["run", "--bundle", &context.bundle(&["true"]).path(), &id]).go();
    output.ok();
}

/// CLI.md: `--exit-file FILE`: what an init script needs.
#[test]
fn exit_file_tells_the_code_and_the_signal() {
    let context = context!();
    if !is_runlet() {
        skip_test!("only runlet has --exit-file");
    }
    let file = context.dir.join("exit.json");
    let path = file.to_string_lossy().into_owned();
    let bundle = context.bundle(&["exit", "9"]);
    let id = context.id();
    let output = context.call(&["run", "--exit-file", &path, "--bundle", &bundle.path(), &id]).go();
    if output.code == 1 && output.stderr.contains("exit-file") {
        skip_test!("{}", output.stderr.trim());
    }
    output.status(9);
    let told: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(told["code"], 9, "{told}");
}

#[test]
fn the_callers_stdin_reaches_the_program() {
    let context = context!();
    let bundle = context.bundle(&["read", "/dev/stdin"]);
    let file = context.dir.join("input");
    fs::write(&file, "from outside").unwrap();
    let id = context.id();
    let output = context
        .call(&["run", "--bundle", &bundle.path(), &id])
        .stdin(fs::File::open(&file).unwrap().into())
        .go()
        .ok();
    assert_eq!(output.seen().text("read /dev/stdin"), "from outside");
}

#[test]
fn the_pid_file_has_the_pid_and_nothing_else() {
    let context = context!();
    not_on!(Crun, "crun changes to the bundle first");
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let file = context.dir.join("pid file");
    let path = file.to_string_lossy().into_owned();
    context.call(&["create", "--pid-file", &path, "--bundle", &bundle.path(), &id]).go().ok();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, context.pid(&id).to_string(), "digits only");
    // A relative one is relative to the caller, not to the bundle.
    let second = context.bundle(&["pause"]);
    let id = context.id();
    let directory = context.outside("elsewhere");
    context
        .call(&["run", "-d", "--pid-file", "p", "--bundle", &second.path(), &id])
        .cwd(&directory)
        .go()
        .ok();
    assert_eq!(fs::read_to_string(directory.join("p")).unwrap(), context.pid(&id).to_string());
    assert!(!second.dir.join("p").exists());
}

/// Whoever sees the file sees all of it: it comes under its name by a rename, written before that, and is not touched again.
#[test]
fn the_pid_file_comes_under_its_name_complete() {
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    let context = context!();
    not_on!(Crun, "it writes the file in place");
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let directory = context.outside("pids");
    let path = bundle.path();
    for (name, words) in [
        ("created", &["create", "--bundle", &path, &id][..]),
        ("execd", &["exec", "--detach", &id, "/bin/payload", "pause"]),
    ] {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, directory.to_str().unwrap(), WatchFlags::ALL_EVENTS).unwrap();
        let file = directory.join(name);
        // One that lies there already is not written to, but replaced.
        fs::write(&file, "left by somebody").unwrap();
        let flag = file.to_string_lossy();
        let mut all = vec![words[0], "--pid-file", &flag];
        all.extend(&words[1..]);
        context.call(&all).go().ok();
        let mut buffer = [std::mem::MaybeUninit::uninit(); 8192];
        let mut reader = inotify::Reader::new(&watch, &mut buffer);
        let (mut of_it, mut written, mut others) = (Vec::new(), false, Vec::new());
        while let Ok(event) = reader.next() {
            let of = event.file_name().map(|name| name.to_str().unwrap().to_string()).unwrap_or_default();
            if of == name {
                of_it.push(event.events());
            } else {
                written |= event.events().contains(ReadFlags::MODIFY);
                others.push((of, event.events(), written));
            }
        }
        // The test's own are the first three.
        let own = [ReadFlags::CREATE, ReadFlags::OPEN, ReadFlags::MODIFY, ReadFlags::CLOSE_WRITE];
        let after = of_it.strip_prefix(&own[..]).unwrap_or(&of_it);
        assert_eq!(after.first(), Some(&ReadFlags::MOVED_TO), "{of_it:?}");
        assert!(
            !after.iter().any(|event| event.intersects(ReadFlags::MODIFY | ReadFlags::OPEN)),
            "{of_it:?}"
        );
        let moved = others.iter().find(|(_, event, _)| event.contains(ReadFlags::MOVED_FROM));
        assert!(moved.is_some_and(|(_, _, written)| *written), "{others:?}");
        let pid: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();
        if name == "created" {
            context.start(&id).ok();
        } else {
            crate::harness::host::signal(pid, 9);
            context.reap(pid);
        }
    }
}

/// A failing create writes no pid file.
#[test]
fn no_pid_file_after_a_failing_create() {
    let context = context!();
    let mut bundle = context.bundle(&["pause"]);
    bundle.mount("/broken", "nosuchfs", "none", &[]);
    let id = context.id();
    let file = context.dir.join("pid");
    context
        .call(&["create", "--pid-file", &file.to_string_lossy(), "--bundle", &bundle.path(), &id])
        .go()
        .fails();
    assert!(!file.exists());
}

/// The caller's subreaper inherits the init and reads its status by wait (conmon, shims).
#[test]
fn the_callers_subreaper_inherits_the_init() {
    let context = context!();
    let bundle = context.bundle(&["wait-file", "/go", ",", "exit", "21"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let pid = context.pid(&id);
    let parent = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse::<u32>().unwrap()
    };
    assert!(wait_for(PATIENCE, || parent() == std::process::id()));
    context.start(&id).ok();
    fs::write(bundle.root().join("go"), "").unwrap();
    assert_eq!(context.reap(pid), Some(21));
}

/// A caller that ignores its children hands that down to whatever it starts: the runtime waits for its own all the same.
#[test]
fn a_caller_that_ignores_sigchld_gets_the_status() {
    let context = context!();
    let wrap = ["env", "--ignore-signal=CHLD"];
    if !std::process::Command::new("env")
        .args(["--ignore-signal=CHLD", "true"])
        .status()
        .is_ok_and(|end| end.success())
    {
        skip_test!("the env of this machine ignores no signals");
    }
    let mut bundle = context.bundle(&["exit", "7"]);
    for kind in ["createRuntime", "poststart", "poststop"] {
        bundle.push(&format!("/hooks/{kind}"), crate::harness::json!({ "path": "/bin/true" }));
    }
    let id = context.id();
    let output = context.call(&["run", "-b", &bundle.path(), &id]).through(&wrap).go().status(7);
    assert!(!output.stderr.contains("warning"), "{}", output.describe());
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    context.call(&["exec", &id, "/bin/payload", "exit", "9"]).through(&wrap).go().status(9);
}

//! Hooks (config.md "POSIX-platform Hooks", runtime.md "Lifecycle"): which run when, where, with what, and what becomes of the
//! container when one fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

use harness::{Bundle, Context, PATIENCE, Value, host, is_runlet, json, wait_for};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The lists in the order of the lifecycle, and the status that each finds.
const KINDS: [(&str, &str); 6] = [
    ("prestart", "creating"),
    ("createRuntime", "creating"),
    ("createContainer", "creating"),
    ("startContainer", "created"),
    ("poststart", "running"),
    ("poststop", "stopped"),
];

/// A directory for what hooks leave behind, and the scripts that are the hooks.
struct Hooks<'a> {
    context: &'a Context,
    dir: PathBuf,
}

impl<'a> Hooks<'a> {
    fn new(context: &'a Context) -> Self {
        Self { context, dir: context.outside("hooks") }
    }

    /// A script as a hook's `path`; `$D` in it is the directory.
    fn script(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        let text = text.replace("$D", &self.dir.to_string_lossy());
        host::write_script(&path, &format!("#!/bin/sh\n{text}\n"));
        path.to_string_lossy().into_owned()
    }

    /// A hook that notes its name, stdin, namespaces, and what the runtime says of the container meanwhile.
    fn noting(&self, id: &str) -> String {
        let runtime = self.context.runtime.to_string_lossy().into_owned();
        let root = self.context.state_dir().to_string_lossy().into_owned();
        self.script(
            "note",
            &format!(
                "cat > $D/$1.stdin\necho $1 >> $D/order\n\
                 for n in pid mnt net uts ipc; do echo $n $(readlink /proc/self/ns/$n); done > $D/$1.ns\n\
                 {runtime} --root {root} state {id} > $D/$1.state 2> $D/$1.error"
            ),
        )
    }

    /// A hook in the container: its stdin, on the runtime's output.
    fn inside() -> Value {
        json!({ "path": "/bin/payload", "args": ["payload", "read", "/dev/stdin", ",", "report"] })
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    fn json(&self, name: &str) -> Value {
        let text = self.text(name);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text:?}"))
    }

    fn order(&self) -> Vec<String> {
        self.text("order").lines().map(String::from).collect()
    }
}

fn add(bundle: &mut Bundle, kind: &str, hook: Value) {
    bundle.push(&format!("/hooks/{kind}"), hook);
}

/// All six lists with two hooks each, but startContainer, whose program must be in the container.
fn all_noting(hooks: &Hooks<'_>, bundle: &mut Bundle, id: &str) {
    let path = hooks.noting(id);
    for (kind, _) in KINDS {
        match kind {
            "startContainer" => {
                add(bundle, kind, Hooks::inside());
                add(
                    bundle,
                    kind,
                    json!({ "path": "/bin/payload", "args": ["payload", "create", "/started", "x"] }),
                );
            }
            _ => {
                for number in [1, 2] {
                    add(bundle, kind, json!({ "path": path, "args": ["note", format!("{kind}{number}")] }));
                }
            }
        }
    }
}

/// What a hook was given: the state with this status; the pid counts where the hook is.
#[track_caller]
fn assert_state(state: &Value, status: &str, id: &str, bundle: &Bundle, pid: Option<u64>) {
    assert_eq!(state["status"], status, "{state}");
    assert_eq!(state["id"], *id, "{state}");
    assert_eq!(state["bundle"], bundle.dir.to_string_lossy().into_owned(), "{state}");
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."), "{state}");
    assert_eq!(state["annotations"]["a"], "b", "{state}");
    if let Some(pid) = pid {
        assert_eq!(state["pid"].as_u64().unwrap_or(0), pid, "{state}");
    }
}

/// What all six left behind, after a whole life.
#[track_caller]
fn assert_whole_life(hooks: &Hooks<'_>, bundle: &Bundle, id: &str, pid: Option<u64>, inside: &harness::Seen) {
    let mut expected = Vec::new();
    for (kind, status) in KINDS {
        let in_container = matches!(kind, "createContainer" | "startContainer");
        if kind == "startContainer" {
            let state: Value = serde_json::from_str(&inside.text("read /dev/stdin")).unwrap();
            assert_state(&state, status, id, bundle, Some(1));
            let report = inside.report();
            assert_eq!(report["uname"][1], "box", "startContainer runs in the container");
            assert_eq!(report["sid"], 1);
            assert!(bundle.root().join("started").exists(), "the second startContainer hook runs too");
            continue;
        }
        for number in [1, 2] {
            let name = format!("{kind}{number}");
            let pid = match kind {
                "createContainer" => Some(1),
                "poststop" => Some(0),
                _ => pid,
            };
            assert_state(&hooks.json(&format!("{name}.stdin")), status, id, bundle, pid);
            let told = hooks.text(&format!("{name}.error"));
            assert_eq!(told, "", "{name} asks the runtime for the state");
            assert_eq!(hooks.json(&format!("{name}.state"))["status"], status, "{name}: `state` meanwhile");
            for line in hooks.text(&format!("{name}.ns")).lines() {
                let (file, namespace) = line.split_once(' ').unwrap();
                let own = match file {
                    // The tests' own world is a mount namespace.
                    "mnt" => fs::read_link(format!("/proc/{}/ns/mnt", hooks.context.world_pid())).unwrap(),
                    _ => fs::read_link(format!("/proc/self/ns/{file}")).unwrap(),
                };
                assert_eq!(own.to_string_lossy() != namespace, in_container, "{name}: {line}");
            }
            expected.push(name);
        }
    }
    assert_eq!(hooks.order(), expected);
}

/// runtime.md "Lifecycle" 3 to 13, with create, start and delete.
#[test]
fn all_six_run_in_order_in_their_namespaces_and_find_the_state() {
    let context = context!();
    not_on!(Runc, "runc 1.1 has other statuses and pids in some");
    not_on!(Crun, "crun 1.8 has other statuses and pids in some");
    let hooks = Hooks::new(&context);
    let mut bundle = context.bundle(&["pause"]);
    let id = context.id();
    bundle.set("/annotations", json!({ "a": "b" }));
    all_noting(&hooks, &mut bundle, &id);
    let output = context.create(&bundle, &id).ok();
    assert_eq!(hooks.order().len(), 6, "create: prestart, createRuntime, createContainer");
    assert!(!bundle.root().join("started").exists(), "startContainer hooks wait for start");
    let pid = context.pid(&id);
    context.start(&id).ok();
    assert_eq!(hooks.order().len(), 8, "start returns after poststart");
    context.kill(&id, "KILL").ok();
    context.reap(pid);
    context.delete(&id).ok();
    let seen = harness::Seen::parse(&output.stdout_now());
    assert_whole_life(&hooks, &bundle, &id, Some(u64::from(pid)), &seen);
}

/// The same under `run`.
#[test]
fn run_is_no_different() {
    let context = context!();
    not_on!(Runc, "runc 1.1 has other statuses and pids in some");
    not_on!(Crun, "crun 1.8 has other statuses and pids in some");
    let hooks = Hooks::new(&context);
    let mut bundle = context.bundle(&["exit", "5"]);
    let id = context.id();
    bundle.set("/annotations", json!({ "a": "b" }));
    all_noting(&hooks, &mut bundle, &id);
    // The program must live until poststart hooks have looked at it.
    bundle.args(&["wait-file", "/go", ",", "exit", "5"]);
    let last = format!("touch {}", bundle.root().join("go").display());
    add(&mut bundle, "poststart", json!({ "path": hooks.script("go", &last) }));
    let output = context.call(&["run", "-b", &bundle.path(), &id]).go().status(5);
    assert_whole_life(&hooks, &bundle, &id, None, &output.seen());
    context.assert_clean();
}

/// The environment and the arguments are what the configuration says, and nothing else: the caller's descriptors, signal mask
/// and environment stay with the runtime.
#[test]
fn a_hook_gets_what_is_configured_and_nothing_else() {
    let context = context!();
    not_on!(Runc, "a hook without an environment of its own gets runc's");
    not_on!(Crun, "a hook of crun's has the caller's descriptors");
    let hooks = Hooks::new(&context);
    let payload = harness::payload::path().to_string_lossy().into_owned();
    let mut bundle = context.bundle(&["true"]);
    add(
        &mut bundle,
        "createRuntime",
        json!({ "path": payload, "args": ["any name", "report"], "env": ["A=1", "B=two words", "A=2"] }),
    );
    add(&mut bundle, "createRuntime", json!({ "path": hooks.script("bare", "echo $# $0 > $D/bare.args") }));
    let id = context.id();
    let wrap = ["payload", "leak-fd", "5", "/", "payload", "leak-fd", "77", "/"];
    // `run` in the foreground is what blocks signals.
    let call = context.call(&["run", "-b", &bundle.path(), &id]).env("CALLERS", "own");
    let seen = call.through(&wrap).go().ok().seen();
    let report = seen.report();
    assert_eq!(report["env"], json!(["A=1", "B=two words", "A=2"]));
    assert_eq!(report["args"][0], "any name");
    let descriptors: Vec<&String> = report["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
    assert_eq!(report["status"]["SigBlk"], "0000000000000000");
    assert_eq!(hooks.text("bare.args"), format!("0 {}\n", hooks.dir.join("bare").display()));
}

/// The failure rules: an error that names the hook, nothing of the lifecycle after it, poststop, and nothing left.
#[test]
fn a_failing_hook_stops_and_destroys_the_container() {
    let context = context!();
    not_on!(Runc, "the specification has changed since");
    not_on!(Crun, "the specification has changed since");
    for (at, (kind, _)) in KINDS.iter().enumerate().take(5) {
        let dir = context.outside(&format!("fail-{kind}"));
        let hooks = Hooks { context: &context, dir };
        let mut bundle = context.bundle(&["create", "/ran", "x", ",", "pause"]);
        let id = context.id();
        let note = hooks.script("note", "echo $1 >> $D/order");
        for (kind, _) in KINDS.iter().filter(|(kind, _)| *kind != "startContainer") {
            add(&mut bundle, kind, json!({ "path": note, "args": ["note", kind] }));
        }
        let failing = match *kind {
            "startContainer" => json!({ "path": "/bin/payload", "args": ["payload", "exit", "3"] }),
            _ => json!({ "path": hooks.script("fail", "exit 3") }),
        };
        add(&mut bundle, kind, failing);
        add(&mut bundle, kind, json!({ "path": note, "args": ["note", "never"] }));

        let named = match *kind {
            "startContainer" => "hooks.startContainer[0]".to_string(),
            kind => format!("hooks.{kind}[1]"),
        };
        if *kind == "startContainer" || *kind == "poststart" {
            context.create(&bundle, &id).ok();
            let pid = context.pid(&id);
            context.start(&id).fails().says(&named);
            context.reap(pid);
        } else {
            context.create(&bundle, &id).fails().says(&named);
        }
        let mut expected: Vec<&str> = KINDS
            .iter()
            .take(at + 1)
            .map(|(kind, _)| *kind)
            .filter(|kind| *kind != "startContainer")
            .collect();
        expected.push("poststop");
        assert_eq!(hooks.order(), expected, "{kind}");
        // After poststart it may have come so far or not.
        assert!(*kind == "poststart" || !bundle.root().join("ran").exists(), "{kind}: the program ran");
        context.call(&["state", &id]).go().says_missing();
        context.assert_clean();

        let _ = fs::remove_file(hooks.dir.join("order"));
        let _ = fs::remove_file(bundle.root().join("ran"));
        context.call(&["run", "-b", &bundle.path(), &id]).go().fails().says(&named);
        assert_eq!(hooks.order(), expected, "{kind} under run");
        context.assert_clean();
    }
}

/// A hook has run, and something else fails afterwards.
#[test]
fn poststop_hooks_run_when_create_fails_after_other_hooks_ran() {
    let context = context!();
    let hooks = Hooks::new(&context);
    let note = hooks.script("note", "echo $1 >> $D/order");
    let mut bundle = context.bundle(&["pause"]);
    add(&mut bundle, "createRuntime", json!({ "path": note, "args": ["note", "createRuntime"] }));
    add(&mut bundle, "poststop", json!({ "path": note, "args": ["note", "poststop"] }));
    bundle.args(&["pause"]).set("/process/args", json!(["/no/such/program"]));
    let id = context.id();
    context.create(&bundle, &id).fails();
    assert_eq!(hooks.order(), ["createRuntime", "poststop"]);
    context.assert_clean();
}

/// "If any poststop hook fails, the runtime MUST log a warning, but the remaining hooks and lifecycle continue".
#[test]
fn a_failing_poststop_hook_is_a_warning() {
    let context = context!();
    not_on!(Runc, "runc 1.1 leaves the hooks after a failing one out");
    let hooks = Hooks::new(&context);
    let mut bundle = context.bundle(&["true"]);
    let id = context.id();
    add(&mut bundle, "poststop", json!({ "path": hooks.script("fail", "exit 3") }));
    add(&mut bundle, "poststop", json!({ "path": "/no/such/hook" }));
    add(&mut bundle, "poststop", json!({ "path": hooks.script("note", "echo ran > $D/order") }));
    let pid = {
        context.create(&bundle, &id).ok();
        let pid = context.pid(&id);
        context.start(&id).ok();
        pid
    };
    context.reap(pid);
    let output = context.delete(&id).ok();
    if is_runlet() {
        for place in ["warning: hooks.poststop[0]", "warning: hooks.poststop[1]"] {
            assert!(output.stderr.contains(place), "{}", output.describe());
        }
    }
    assert_eq!(hooks.order(), ["ran"]);
    context.assert_clean();
}

/// A hook that does not end is killed with all that it has started, and is a failing hook.
#[test]
fn a_timeout_kills_the_hooks_whole_process_group() {
    let context = context!();
    not_on!(Runc, "runc kills the hook alone");
    not_on!(Crun, "crun 1.8 kills the hook alone");
    for kind in ["createRuntime", "createContainer", "poststart", "startContainer"] {
        let dir = context.outside(&format!("slow-{kind}"));
        let hooks = Hooks { context: &context, dir };
        let pids_after = |seconds: u64| {
            let mut bundle = context.bundle(&["pause"]);
            let mut slow = match kind {
                "startContainer" => {
                    json!({ "path": "/bin/payload", "args": ["payload", "forks", "3", ",", "pause"] })
                }
                _ => {
                    json!({ "path": hooks.script("slow", "sleep 1000 &\necho $! $$ > $D/pids\nsleep 1000") })
                }
            };
            slow["timeout"] = seconds.into();
            add(&mut bundle, kind, slow);
            let id = context.id();
            let began = Instant::now();
            let call = context.call(&["run", "-b", &bundle.path(), &id]);
            call.go().fails().says(&format!("hooks.{kind}[0]")).says("timed out");
            assert!(began.elapsed() >= Duration::from_secs(seconds), "{kind}: it has its time");
            hooks.text("pids")
        };
        let mut pids = pids_after(1);
        if kind != "startContainer" && pids.is_empty() {
            // So slow may a machine be that the hook did not come to it.
            pids = pids_after(30);
            assert!(!pids.is_empty(), "{kind}: the hook ran");
        }
        let gone = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // Another process may have the number by now.
            !stat.contains("(sleep)") && !stat.contains("(slow)") || stat.contains(") Z")
        };
        // Those of createContainer count in the container's pid namespace, which is gone.
        if kind != "createContainer" {
            let ended = wait_for(PATIENCE, || pids.split_whitespace().all(gone));
            assert!(ended, "{kind}: {pids}");
        }
        context.assert_clean();
    }
}

/// A hook that has a timeout and ends at once costs no more than one that has none.
#[test]
fn a_hook_within_its_time_is_not_waited_for() {
    let context = context!();
    let hooks = Hooks::new(&context);
    let mut bundle = context.bundle(&["true"]);
    let path = hooks.script("quick", "exit 0");
    for _ in 0..5 {
        add(&mut bundle, "createRuntime", json!({ "path": path, "timeout": 3600 }));
    }
    context.run(&bundle).ok();
}

/// Wrong in config.json: refused before anything is made, whichever list it is in.
#[test]
fn a_hook_that_cannot_be_is_refused_by_its_place() {
    let context = context!();
    not_on!(Runc, "runc looks at hooks when it runs them");
    not_on!(Crun, "crun looks at hooks when it runs them");
    for (kind, _) in KINDS {
        for (hook, place) in [
            (json!({ "path": "relative" }), "path"),
            (json!({ "args": ["x"] }), "path"),
            (json!({ "path": "/bin/true", "timeout": 0 }), "timeout"),
            (json!({ "path": "/bin/true", "timeout": -1 }), "timeout"),
            (json!({ "path": "/bin/true", "timeout": 4_294_967_296i64 }), "timeout"),
        ] {
            let mut bundle = context.bundle(&["true"]);
            add(&mut bundle, kind, hook);
            context.run(&bundle).fails().says(&format!("config.json: hooks.{kind}[0].{place}"));
        }
    }
    let hooks = Hooks::new(&context);
    let mut bundle = context.bundle(&["true"]);
    for (kind, _) in KINDS {
        let path =
            if kind == "startContainer" { "/bin/payload".into() } else { hooks.script("fine", "true") };
        add(&mut bundle, kind, json!({ "path": path, "args": ["x", "true"], "timeout": 4_294_967_295u32 }));
    }
    context.run(&bundle).ok();
}

/// config.md: createContainer hooks "MUST be resolved in the runtime namespace", startContainer hooks in the container's.
#[test]
fn a_hooks_path_is_looked_up_where_it_belongs() {
    let context = context!();
    let hooks = Hooks::new(&context);
    let outside = hooks.script("only-outside", "exit 0");
    let mut bundle = context.bundle(&["true"]);
    add(&mut bundle, "createContainer", json!({ "path": outside }));
    context.run(&bundle).ok();
    add(&mut bundle, "startContainer", json!({ "path": outside }));
    context.run(&bundle).fails();
}

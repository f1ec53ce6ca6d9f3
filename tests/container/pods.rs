//! Containers of a pod, which share namespaces by path (config.md "namespaces"): the pid namespace is entered last of all, and everything
//! else of a container is as ever.

use crate::harness::{Bundle, Context, PATIENCE, Value, console::Console, host, is_runlet, json};
use crate::{context, not_on};
use std::fs;

/// The runtime as it is, and as it is before Linux 6.17, where no procfs can be told its pid namespace.
fn both(body: impl Fn(&Context)) {
    body(&context!());
    if is_runlet() {
        let wrapped = Context::wrapped(&["payload", "shim", "EINVAL", "fsconfig:1=5"]);
        body(&wrapped.expect("root"));
    }
}

struct Pod<'c> {
    context: &'c Context,
    pid: u32,
}

impl<'c> Pod<'c> {
    fn new(context: &'c Context) -> Self {
        let first = context.running(&context.bundle(&["trap"]));
        Pod { context, pid: context.pid(&first) }
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/ns/{file}", self.pid)
    }

    fn beside(&self, words: &[&str]) -> Bundle {
        let mut bundle = self.context.bundle(words);
        for (kind, file) in [("pid", "pid"), ("ipc", "ipc"), ("network", "net")] {
            bundle.namespace(kind, Some(&self.path(file)));
        }
        bundle
    }

    /// How a process of the pod is numbered in it.
    fn number(&self, pid: u32) -> i64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
        line.split_whitespace().last().unwrap().parse().unwrap()
    }
}

/// created, running, stopped: with the program's own pid from the first, which is what the pid file and `ps` say, too.
#[test]
fn a_container_of_a_pod_lives_as_any_other() {
    both(|context| {
        let pod = Pod::new(context);
        let bundle = pod.beside(&["report", ",", "ls", "/proc/1/ns", ",", "trap"]);
        let id = context.id();
        let file = context.dir.join("pid");
        let path = file.to_string_lossy().into_owned();
        let create = ["create", "--bundle", &bundle.path(), "--pid-file", &path, &id];
        let output = context.call(&create).go().ok();
        assert_eq!(context.status(&id), "created");
        let pid = context.pid(&id);
        assert_eq!(fs::read_to_string(&file).unwrap(), pid.to_string());
        for name in ["pid", "ipc", "net"] {
            let own = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
            assert_eq!(own, fs::read_link(pod.path(name)).unwrap(), "{name}");
        }
        let number = pod.number(pid);
        context.start(&id).ok();
        let seen = crate::harness::Seen::parse(&output.wait_stdout("ready"));
        assert_eq!(seen.report()["pid"], number);
        assert_eq!(seen.report()["sid"], number);
        assert_eq!(seen.report()["fds"].as_object().unwrap().len(), 3);
        assert_eq!(seen.errno("ls /proc/1/ns"), "", "the pod's first process is seen");
        assert_eq!((context.pid(&id), context.status(&id)), (pid, "running".to_string()));
        let listed = context.call(&["ps", "--format", "json", &id]).go().ok().json();
        assert_eq!(listed, json!([pid]));
        let seen = context.call(&["exec", &id, "/bin/payload", "report"]).go().ok().seen();
        assert_eq!(seen.report()["ns"]["pid"].as_str(), fs::read_link(pod.path("pid")).unwrap().to_str());
        context.kill(&id, "KILL").ok();
        // Its pid namespace waits for who waits for it.
        assert_eq!(context.reap(pid), Some(128 + 9));
        assert_eq!(context.status(&id), "stopped");
        context.delete(&id).ok();
    });
}

/// `run` in the foreground reaps the program and gives its status; its file systems and masks are its own.
#[test]
fn run_in_a_pod_gives_the_programs_status() {
    both(|context| {
        let pod = Pod::new(context);
        let mut bundle = pod.beside(&["report", ",", "exit", "7"]);
        bundle.remove_mount("/proc").mount("/proc", "proc", "theirs", &["nosuid", "ro", "hidepid=invisible"]);
        let seen = context.run(&bundle).status(7).seen();
        let mounts = seen.mounts();
        let proc = mounts.at("/proc");
        assert_eq!((&*proc.source, &*proc.kind), ("theirs", "proc"));
        assert!(proc.has("nosuid") && proc.has("ro"), "{:?}", proc.options);
        assert!(proc.has_data("hidepid=invisible"), "{:?}", proc.data);
        bundle.remove_mount("/proc").mount("/proc", "proc", "proc", &["hidepid=nonsense"]);
        let output = context.run(&bundle).fails();
        if is_runlet() {
            output.says("mounts[");
        }
        // One without a procfs has none to be made.
        let mut bundle = pod.beside(&["exit", "4"]);
        bundle.remove_mount("/proc").unset("/linux/maskedPaths").unset("/linux/readonlyPaths");
        context.run(&bundle).status(4);
    });
}

/// runtime.md "State": hooks are told of a process that is there, in the container's namespaces; those in the container of its own number.
#[test]
fn hooks_of_a_pod_find_the_process() {
    both(|context| {
        let pod = Pod::new(context);
        let mut bundle = pod.beside(&["report"]);
        let script = context.dir.join("hook");
        let dir = context.dir.to_string_lossy().into_owned();
        let text = format!(
            "#!/bin/sh\ncat > {dir}/$1\npid=$(sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p' {dir}/$1)\nreadlink /proc/$pid/ns/ipc > {dir}/$1.ipc || :\n"
        );
        host::write_script(&script, &text);
        let hook = |name: &str| json!([{ "path": script.to_string_lossy(), "args": ["hook", name] }]);
        for name in ["createRuntime", "createContainer", "poststart"] {
            bundle.set(&format!("/hooks/{name}"), hook(name));
        }
        let inside = json!([{ "path": "/bin/payload", "args": ["payload", "read", "/dev/stdin"] }]);
        bundle.set("/hooks/startContainer", inside);
        let output = context.run(&bundle).ok();
        let ipc = fs::read_link(pod.path("ipc")).unwrap();
        for name in ["createRuntime", "createContainer", "poststart"] {
            let state: Value = serde_json::from_slice(&fs::read(context.dir.join(name)).unwrap()).unwrap();
            let pid = state["pid"].as_i64().unwrap();
            let found = fs::read_to_string(context.dir.join(format!("{name}.ipc"))).unwrap();
            match name {
                "createRuntime" => assert_eq!(found.trim(), ipc.to_string_lossy(), "{state}"),
                // It has the host's root, and so is kept out of the pod's pid namespace.
                "createContainer" if is_runlet() => {
                    assert_eq!(found.trim(), ipc.to_string_lossy(), "{state}")
                }
                _ => assert!(pid > 0, "{name}: {state}"),
            }
        }
        let seen = output.seen();
        let state: Value = serde_json::from_str(seen.out("read /dev/stdin").as_str().unwrap()).unwrap();
        assert_eq!(state["pid"], seen.report()["pid"]);
    });
}

#[test]
fn a_terminal_of_a_pod_is_the_programs_own() {
    both(|context| {
        let pod = Pod::new(context);
        let mut bundle = pod.beside(&["open", "/dev/tty", "rw", ",", "report"]);
        bundle.set("/process/terminal", true);
        let console = Console::new(&context.dir, "console");
        let id = context.id();
        let socket = console.path();
        let call = ["create", "--bundle", &bundle.path(), "--console-socket", &socket, &id];
        context.call(&call).go().ok();
        let pid = context.pid(&id);
        context.start(&id).ok();
        console.receive(PATIENCE).expect("the terminal");
        let output = console.read_until("\"exe\"", PATIENCE);
        assert!(output.contains("\"sid\"") && !output.contains("errno"), "{output}");
        assert_eq!(context.reap(pid), Some(0));
        context.delete(&id).ok();
    });
}

/// What cannot be had is said, and nothing is left: the context looks.
#[test]
fn a_container_of_a_pod_that_fails_leaves_nothing() {
    not_on!(Crun, "crun 1.8 leaves a process");
    both(|context| {
        let pod = Pod::new(context);
        let mut bundle = pod.beside(&["true"]);
        bundle.set("/process/args", json!(["/no/such/program"]));
        let id = context.id();
        context.create(&bundle, &id).fails().says("/no/such/program");
        context.call(&["state", &id]).go().says_missing();
        context.run(&bundle).fails().says("/no/such/program");
    });
}

/// What a process loses that is cloned, and what forbids it to be.
#[test]
fn a_scheduler_of_a_pods_container_is_kept() {
    let context = context!();
    let pod = Pod::new(&context);
    let reset = json!(["SCHED_FLAG_RESET_ON_FORK"]);
    for (asked, number) in [
        (json!({ "policy": "SCHED_BATCH", "nice": 5, "flags": reset }), 3),
        (json!({ "policy": "SCHED_FIFO", "priority": 10, "flags": reset }), 1),
        (
            json!({ "policy": "SCHED_DEADLINE", "runtime": 2_000_000, "deadline": 20_000_000, "period": 40_000_000 }),
            6,
        ),
    ] {
        let mut bundle = context.bundle(&["report"]);
        bundle.set("/process/scheduler", asked.clone());
        let alone = context.run(&bundle);
        bundle.namespace("pid", Some(&pod.path("pid")));
        let beside = context.run(&bundle);
        assert_eq!(beside.code, alone.code, "{asked}: {}", beside.describe());
        if alone.code == 0 {
            assert_eq!(beside.seen().report()["scheduler"]["policy"], number);
            assert_eq!(beside.seen().report()["scheduler"], alone.seen().report()["scheduler"]);
        }
    }
}

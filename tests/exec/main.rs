//! `exec`: what the new process is, what its caller is told, and that thousands of them leave nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod flags;
mod load;

use harness::{Context, Output, Seen, Value, is_runlet, json};
use std::fs;

/// A container that stays, and the report of its first process.
pub struct Home<'a> {
    pub context: &'a Context,
    pub id: String,
    pub init: Value,
}

impl<'a> Home<'a> {
    pub fn new(context: &'a Context, change: impl FnOnce(&mut harness::Bundle)) -> Self {
        let mut bundle = context.bundle(&["report", ",", "trap"]);
        change(&mut bundle);
        let id = context.id();
        let output = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        let init = Seen::parse(&output.wait_stdout("ready")).report().clone();
        Self { context, id, init }
    }

    /// `exec FLAGS ID WORDS`.
    pub fn exec(&self, flags: &[&str], words: &[&str]) -> Output {
        self.call(flags, words).go()
    }

    pub fn call(&self, flags: &[&str], words: &[&str]) -> harness::Call<'a> {
        let mut all = vec!["exec"];
        all.extend(flags);
        all.push(&self.id);
        all.extend(words);
        self.context.call(&all)
    }

    /// The report of a process that was exec'd.
    #[track_caller]
    pub fn report(&self, flags: &[&str]) -> Value {
        self.exec(flags, &["/bin/payload", "report"]).ok().seen().report().clone()
    }

    /// `exec --process` with this object.
    pub fn process(&self, process: &Value) -> Output {
        let file = self.context.dir.join("process.json").to_string_lossy().into_owned();
        fs::write(&file, process.to_string()).unwrap();
        self.exec(&["--process", &file], &[])
    }
}

/// A whole process object that reports.
pub fn reporting() -> Value {
    json!({ "args": ["/bin/payload", "report"], "cwd": "/", "env": ["PATH=/bin"], "user": { "uid": 0, "gid": 0 } })
}

/// Everything that makes a process the container's.
#[test]
fn an_execd_process_is_in_the_container() {
    let context = context!();
    let home = Home::new(&context, |bundle| {
        bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 88 }]));
        bundle.set(
            "/linux/seccomp",
            json!({ "defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }] }),
        );
        bundle.namespace("time", None);
    });
    let output = home.exec(&[], &["/bin/payload", "report", ",", "mkdir", "/new"]).status(3);
    let seen = output.seen();
    let report = seen.report();
    assert_eq!(report["ns"], home.init["ns"]);
    assert_eq!(report["uname"], home.init["uname"]);
    assert_eq!(report["cgroup"], home.init["cgroup"]);
    assert_eq!(report["rlimits"]["NOFILE"], json!([77, 88]));
    assert_eq!(report["mountinfo"], home.init["mountinfo"]);
    for field in
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid", "Groups"]
    {
        assert_eq!(report["status"][field], home.init["status"][field], "{field}");
    }
    assert_eq!(report["umask"], home.init["umask"]);
    assert_eq!(seen.errno("mkdir /new"), "EOPNOTSUPP", "the container's filter");
    assert_eq!(report["sid"], report["pid"], "a session of its own");
    assert_ne!(report["pid"], 1);
    let descriptors: Vec<&String> = report["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
}

/// The program's own status, 128 + signal for one that was killed, 255 for what could not be started.
#[test]
fn the_exit_status_is_exact() {
    let context = context!();
    let home = Home::new(&context, |_| {});
    for status in [0, 1, 2, 3, 126, 127, 128, 254, 255] {
        home.exec(&[], &["/bin/payload", "exit", &status.to_string()]).status(status);
    }
    for signal in [1, 2, 9, 11, 15] {
        home.exec(&[], &["/bin/payload", "raise", &signal.to_string()]).status(128 + signal);
    }
    let pid_file = context.dir.join("exec.pid").to_string_lossy().into_owned();
    for (words, says) in [
        (vec!["/no/such/program"], "no such file or directory"),
        (vec!["nosuch"], "executable file not found in $PATH"),
        (vec!["/etc"], "permission denied"),
    ] {
        for flags in [vec!["--pid-file", &pid_file], vec!["--detach", "--pid-file", &pid_file]] {
            let output = home.exec(&flags, &words).status(255);
            let exact = harness::kind() != harness::Kind::Crun;
            let said = if exact { output.stderr.clone() } else { output.stderr.to_lowercase() };
            let says = if exact { says.to_string() } else { says.to_lowercase() };
            assert!(said.contains(&says), "{}", output.describe());
            assert!(fs::metadata(&pid_file).is_err(), "a failed exec writes no pid file");
        }
    }
    if is_runlet() {
        home.exec(&["--cwd", "relative"], &["/bin/payload", "true"]).status(255);
        home.exec(&["--cap", "CAP_NONSENSE"], &["/bin/payload", "true"]).status(255);
    }
}

/// created and running ones take it; paused ones only with --ignore-paused; stopped and missing ones never.
#[test]
fn exec_needs_a_container_that_lives() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let exec = |flags: &[&str]| {
        let mut words = vec!["exec"];
        words.extend(flags);
        words.extend([id.as_str(), "/bin/payload", "exit", "7"]);
        context.call(&words)
    };
    let missing = exec(&[]).go();
    assert_eq!(missing.code, if is_runlet() { 255 } else { missing.code }, "{}", missing.describe());
    missing.says_missing();
    context.create(&bundle, &id).ok();
    if is_runlet() {
        exec(&[]).go().status(7);
    }
    context.start(&id).ok();
    let pid = context.pid(&id);
    exec(&[]).go().status(7);
    context.call(&["pause", &id]).go().ok();
    exec(&[]).go().fails().says("paused");
    if harness::kind() != harness::Kind::Crun {
        let mut waiting = exec(&["--ignore-paused"]).spawn();
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(waiting.child.try_wait().unwrap().is_none(), "it is frozen like the others");
        context.call(&["resume", &id]).go().ok();
        waiting.wait().status(7);
    } else {
        context.call(&["resume", &id]).go().ok();
    }
    context.kill(&id, "KILL").ok();
    context.reap(pid);
    let stopped = exec(&[]).go().fails();
    if is_runlet() {
        stopped.status(255).says("container not running");
    }
}

/// A detached exec is its caller's to reap, and until it is, the kernel keeps the first process of its pid namespace from ending. Who never
/// reaps keeps no container: what has no memory any more is stopped, and can be deleted.
#[test]
fn a_caller_that_never_reaps_keeps_no_container() {
    let context = context!();
    not_on!(Runc, "its delete gives up after ten seconds");
    not_on!(Crun, "not what it promises");
    for force in [true, false] {
        let bundle = context.bundle(&["pause"]);
        let id = context.running(&bundle);
        let init = context.pid(&id);
        let file = context.dir.join("exec.pid").to_string_lossy().into_owned();
        context.call(&["exec", "--detach", "--pid-file", &file, &id, "/bin/payload", "pause"]).go().ok();
        let execd: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();
        if !force {
            context.kill(&id, "KILL").ok();
            context.wait_status(&id, "stopped");
            context.delete(&id).ok();
        } else {
            context.delete_force(&id).ok();
        }
        context.call(&["state", &id]).go().says_missing();
        assert_eq!(harness::host::cgroups(&context.tag), [""; 0]);
        // It was so all the while: this process, their parent, has not looked yet.
        let state = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            stat.rsplit(") ").next().unwrap().split(' ').next().unwrap().to_string()
        };
        assert_eq!(state(execd), "Z");
        assert_ne!(state(init), "Z");
        assert_eq!((context.reap(execd), context.reap(init)), (Some(137), Some(137)));
    }
}

/// A signal to the foreground `exec` is one for its program.
#[test]
fn a_foreground_exec_forwards_signals() {
    let context = context!();
    let home = Home::new(&context, |_| {});
    let call = home.call(&[], &["/bin/payload", "trap"]).spawn();
    call.wait_stdout("ready");
    call.signal(10);
    call.wait_stdout("\n10\n");
    call.signal(15);
    call.wait().status(0);
}

/// One clone, into the cgroup and the pid namespace at once; what is not needed is not made.
#[test]
fn an_ordinary_exec_clones_once() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own way");
    }
    let home = Home::new(&context, |_| {});
    let trace = context.dir.join("trace");
    let file = trace.to_string_lossy().into_owned();
    let wrap = ["strace", "-f", "-qq", "-o", &file, "-e", "trace=clone,clone3,fork,vfork,setns,execve"];
    let output = home.call(&[], &["/bin/payload", "exit", "7"]).through(&wrap).go();
    let Ok(trace) = fs::read_to_string(trace) else { skip_test!("no strace here: {}", output.stderr.trim()) };
    output.status(7);
    // One that the tracer saw the end of later is two lines, the second of which says `resumed>` behind the name.
    let count = |call: &str| trace.lines().filter(|line| line.contains(call)).count();
    assert_eq!(count(" clone3(") + count(" clone(") + count("fork("), 1, "{trace}");
    // Into the pid namespace and back, and into all others.
    assert!(count(" setns(") <= 3, "{trace}");
}

/// Kernels from before pidfds, and those whose setns takes none.
#[test]
fn the_namespaces_are_joined_one_by_one_where_pidfds_cannot_be() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own fallbacks");
    }
    for user_namespace in [false, true] {
        let home = Home::new(&context, |bundle| {
            if user_namespace {
                context.in_user_namespace(bundle);
            }
        });
        // The flags with which all but the pid namespace are joined at once (linux/sched.h).
        let mut all = 0x0002_0000u32 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x4000_0000;
        if user_namespace {
            all |= 0x1000_0000;
        }
        let new_call = format!("setns:1={all}");
        for shim in [
            ["ENOSYS", "pidfd_open"],
            ["EPERM", "pidfd_open"],
            ["ENOENT", "pidfd_open"],
            ["EINVAL", &new_call],
            // The parent's own: joins the pid namespace by a pidfd no more than the child the others.
            ["ENOSYS", "pidfd_open,clone3,openat2,close_range"],
        ] {
            let wrap = ["payload", "shim", shim[0], shim[1]];
            let output = home.call(&[], &["/bin/payload", "report"]).through(&wrap).go().ok();
            let seen = output.seen();
            assert_eq!(seen.report()["ns"], home.init["ns"], "{shim:?}, user namespace: {user_namespace}");
            assert_eq!(seen.report()["cgroup"], home.init["cgroup"], "{shim:?}");
            assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
        }
    }
}

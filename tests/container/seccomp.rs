//! config-linux.md "Seccomp": each action as a process in a container meets it, and the profile that Docker writes.

use crate::harness::{self, Bundle, Context, Helper, PATIENCE, Value, json};
use crate::{context, skip_test};
use std::process::Command;
use std::time::Duration;

/// SIGSYS, as a status.
const KILLED: i32 = 128 + 31;

/// What getpriority(2) itself gives for this process: 20 less its nice value, which the program inherits.
fn own_priority() -> i32 {
    20 - rustix::process::getpriority_process(None).unwrap()
}

/// A bundle whose program makes one call, `getpriority` where no verb is given, under a profile of one rule for it.
fn bundle(context: &Context, verbs: &[&str], rule: Value) -> Bundle {
    let verbs = if verbs.is_empty() { &["getpriority"] } else { verbs };
    let mut bundle = context.bundle(verbs);
    let mut rule = rule;
    rule["names"] = json!(["getpriority"]);
    bundle.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] }));
    bundle
}

fn action(context: &Context, verbs: &[&str], action: &str) -> Bundle {
    bundle(context, verbs, json!({ "action": action }))
}

#[test]
fn an_errno_is_the_callers_to_see() {
    let context = context!();
    let seen = context.observe(&action(&context, &[], "SCMP_ACT_ERRNO"));
    assert_eq!(seen.errno("getpriority"), "EPERM");
    let with = json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": 95 });
    assert_eq!(context.observe(&bundle(&context, &[], with)).errno("getpriority"), "EOPNOTSUPP");
    let seen = context.observe(&action(&context, &[], "SCMP_ACT_ALLOW"));
    assert_eq!(seen.out("getpriority"), own_priority());
}

#[test]
fn kill_ends_the_process_and_no_handler_is_asked() {
    let context = context!();
    for name in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS"] {
        let verbs = ["on-sigsys", "42", ",", "getpriority"];
        context.run(&action(&context, &verbs, name)).status(KILLED);
    }
    context.run(&action(&context, &["on-sigsys", "42", ",", "getpriority"], "SCMP_ACT_ALLOW")).ok();
}

#[test]
fn trap_is_a_signal_that_can_be_handled() {
    let context = context!();
    context.run(&action(&context, &["on-sigsys", "42", ",", "getpriority"], "SCMP_ACT_TRAP")).status(42);
    context.run(&action(&context, &[], "SCMP_ACT_TRAP")).status(KILLED);
}

/// seccomp(2): the tracer is told of the call with the rule's number, and without a tracer it fails with ENOSYS.
#[test]
fn trace_tells_the_tracer_and_is_enosys_without_one() {
    let context = context!();
    let rule = json!({ "action": "SCMP_ACT_TRACE", "errnoRet": 42 });
    let seen = context.observe(&bundle(&context, &["trace-getpriority"], rule));
    assert_eq!(seen.out("trace-getpriority"), 42);
    let seen = context.observe(&action(&context, &["trace-getpriority"], "SCMP_ACT_ALLOW"));
    assert_eq!(seen.errno("trace-getpriority"), "ECHILD", "it ended without having been stopped");
    let seen = context.observe(&action(&context, &[], "SCMP_ACT_TRACE"));
    assert_eq!(seen.errno("getpriority"), "ENOSYS");
}

/// Whether the kernel's log has a record (audit type 1326) of this action upon the program of that name.
fn recorded(program: &str, code: &str) -> bool {
    let output = Command::new("dmesg").output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    let program = format!("exe=\"/bin/{program}\"");
    text.lines().any(|line| line.contains("type=1326") && line.contains(&program) && line.contains(code))
}

/// The kernel prints ten such lines in five seconds (printk_ratelimit), whoever they are about: the call is made until one of it is there.
#[test]
fn log_lets_the_call_through_and_the_kernel_tells_of_it() {
    let context = context!();
    // A name that no other test's program has, nor that of an earlier run.
    let called = |action_name: &str| {
        let mut bundle = action(&context, &[], action_name);
        let program = format!("{}{}", context.tag, &action_name[action_name.len() - 3..]);
        std::fs::rename(bundle.root().join("bin/payload"), bundle.root().join("bin").join(&program)).unwrap();
        bundle.set("/process/args", json!([format!("/bin/{program}"), "getpriority"]));
        (bundle, program)
    };
    // A kill is always logged: where it is not, this kernel's log is not ours to read.
    let (bundle, program) = called("SCMP_ACT_KILL_PROCESS");
    let killed = || {
        context.run(&bundle).status(KILLED);
        harness::wait_for(Duration::from_secs(1), || recorded(&program, "code=0x80000000"))
    };
    if !harness::wait_for(Duration::from_secs(12), killed) {
        skip_test!("the kernel's log shows no audit records");
    }
    let (bundle, program) = called("SCMP_ACT_LOG");
    let logged = || {
        assert_eq!(context.observe(&bundle).out("getpriority"), own_priority());
        harness::wait_for(Duration::from_secs(1), || recorded(&program, "code=0x7ffc0000"))
    };
    assert!(harness::wait_for(PATIENCE, logged), "a call was let through, and the kernel never told of it");
}

/// An agent that listens, and a bundle whose program makes the calls that are its to answer.
fn with_agent(context: &Context, verbs: &[&str], answer: &[&str], flags: Value) -> (Helper, Bundle) {
    let socket = context.outside("agent").join(context.id()).to_string_lossy().into_owned();
    let mut words = vec!["seccomp-agent", &socket];
    words.extend(answer);
    let agent = context.helper(&words);
    let mut bundle = action(context, verbs, "SCMP_ACT_NOTIFY");
    bundle.set("/linux/seccomp/listenerPath", socket.as_str());
    bundle.set("/linux/seccomp/listenerMetadata", "opaque");
    bundle.set("/linux/seccomp/flags", flags);
    (agent, bundle)
}

/// What the agent was sent with the listener, the container process state (config-linux.md), after its properties were looked at.
#[track_caller]
fn process_state(told: &Value, status: &str) -> Value {
    let state: Value = serde_json::from_str(told["state"].as_str().unwrap()).unwrap();
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["metadata"], "opaque");
    assert!(state["pid"].as_i64().unwrap() > 0);
    assert_eq!(state["state"]["status"], status);
    assert!(state["ociVersion"].is_string() && state["state"]["bundle"].is_string());
    state
}

#[test]
fn notify_asks_the_agent_and_gives_its_answer() {
    let context = context!();
    let (agent, bundle) = with_agent(&context, &[], &["7"], json!([]));
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("getpriority"), 7);
    let told: Value = serde_json::from_str(&agent.finish()).unwrap();
    let state = process_state(&told, "creating");
    assert_eq!(state["pid"], state["state"]["pid"]);
}

/// What a new agent at the container's socket is told of an exec, whose call it answers.
fn exec_with_agent(context: &Context, bundle: &Bundle, id: &str) -> Value {
    let socket = bundle.config["linux"]["seccomp"]["listenerPath"].as_str().unwrap();
    std::fs::remove_file(socket).unwrap();
    let agent = context.helper(&["seccomp-agent", socket, "9"]);
    let seen = context.call(&["exec", id, "/bin/payload", "getpriority"]).go().ok().seen();
    assert_eq!(seen.out("getpriority"), 9);
    let told: Value = serde_json::from_str(&agent.finish()).unwrap();
    process_state(&told, "running")
}

/// Each process has a listener of its own: that of an exec comes with its pid beside the state of a container that runs.
#[test]
fn notify_asks_the_agent_about_an_exec_as_well() {
    let context = context!();
    let (agent, bundle) = with_agent(&context, &["getpriority", ",", "trap"], &["7"], json!([]));
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    assert!(output.wait_stdout("ready").contains("\"out\":7"));
    let told: Value = serde_json::from_str(&agent.finish()).unwrap();
    let init = process_state(&told, "creating")["pid"].clone();

    let state = exec_with_agent(&context, &bundle, &id);
    assert_eq!(state["state"]["pid"], init);
    assert_ne!(state["pid"], init);
}

/// In a pod's pid namespace, which is entered last of all, and for an exec there.
#[test]
fn notify_asks_the_agent_in_a_joined_pid_namespace() {
    let context = context!();
    let first = context.running(&context.bundle(&["trap"]));
    let path = format!("/proc/{}/ns/pid", context.pid(&first));
    for restricted in [false, true] {
        let (agent, mut bundle) = with_agent(&context, &["getpriority", ",", "trap"], &["7"], json!([]));
        bundle.namespace("pid", Some(&path)).set("/process/noNewPrivileges", restricted);
        let id = context.id();
        let output = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        assert!(output.wait_stdout("ready").contains("\"out\":7"));
        let told: Value = serde_json::from_str(&agent.finish()).unwrap();
        process_state(&told, "creating");
        exec_with_agent(&context, &bundle, &id);
        let pid = context.pid(&id);
        context.kill(&id, "KILL").ok();
        context.reap(pid);
    }
}

/// WAIT_KILLABLE_RECV (Linux 5.19): once the agent has taken a call, no signal ends it but one that ends the process. Without the
/// flag any does, and the agent's answer comes to nobody.
#[test]
fn a_call_that_the_agent_has_taken_outlasts_signals_where_that_is_asked_for() {
    let context = context!();
    let verbs = ["interrupt-by", "10", ",", "getpriority", ",", "caught"];
    let killable = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    if harness::host::release() < (5, 19) {
        skip_test!("no WAIT_KILLABLE_RECV before Linux 5.19");
    }
    for (flags, signal, waits) in
        [(json!([]), "10", false), (killable.clone(), "10", true), (killable, "9", false)]
    {
        let (agent, bundle) = with_agent(&context, &verbs, &["7", signal], flags);
        let output = context.run(&bundle);
        let told: Value = serde_json::from_str(&agent.finish()).unwrap();
        assert_eq!(told["waits"], u8::from(waits), "{signal}: {}", output.describe());
        match signal {
            "9" => drop(output.status(128 + 9)),
            _ if waits => {
                let seen = output.ok().seen();
                assert_eq!((seen.out("getpriority"), seen.out("caught")), (&json!(7), &json!(10)));
            }
            _ => {
                let seen = output.status(3).seen();
                assert_eq!((&*seen.errno("getpriority"), seen.out("caught")), ("EINTR", &json!(10)));
            }
        }
    }
}

#[test]
fn a_notification_without_an_agent_fails_the_creation() {
    let context = context!();
    let mut bundle = action(&context, &[], "SCMP_ACT_NOTIFY");
    context.run(&bundle).fails().says("linux.seccomp.listenerPath");
    let nowhere = context.outside("agent").join("nobody").to_string_lossy().into_owned();
    bundle.set("/linux/seccomp/listenerPath", nowhere.as_str());
    context.run(&bundle).fails().says("listenerPath");
}

/// Numbers of x32 on x86_64, whether or not this kernel has that ABI: an architecture of its own, whose calls are killed where the profile
/// does not name it, as libseccomp does, and judged by the rules where it does.
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_x32_are_those_of_an_architecture_of_its_own() {
    let context = context!();
    // getpriority by either way in; a number that both have.
    let verbs = ["on-sigsys", "42", ",", "syscall", "0x4000008c", ",", "getpriority"];
    let rule = json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": 95 });
    let mut bundle = bundle(&context, &verbs, rule);
    bundle.set("/linux/seccomp/architectures", json!(["SCMP_ARCH_X86_64"]));
    context.run(&bundle).status(KILLED);
    bundle.set("/linux/seccomp/architectures", json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"]));
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("syscall 0x4000008c"), "EOPNOTSUPP");
    assert_eq!(seen.errno("getpriority"), "EOPNOTSUPP");
}

/// The whole profile that Docker writes, with and without no_new_privs: what it forbids, what it lets through by argument, and
/// that a call of the future is not implemented instead of forbidden, so that C libraries fall back.
#[cfg(target_arch = "x86_64")]
#[test]
fn dockers_profile_holds_in_a_container() {
    let context = context!();
    let profile: Value = serde_json::from_str(include_str!("../data/seccomp/docker.json")).unwrap();
    for no_new_privileges in [true, false] {
        let verbs = [
            "unshare",
            "uts",
            ",",
            "syscall",
            "435",
            ",",
            "syscall",
            "9999",
            ",",
            "socket",
            "40",
            "1",
            "0",
            ",",
            "socket",
            "1",
            "1",
            "0",
            ",",
            "read",
            "/proc/self/status",
        ];
        let mut bundle = context.bundle(&verbs);
        bundle.set("/process/noNewPrivileges", no_new_privileges);
        bundle.set("/linux/seccomp", profile.clone());
        let seen = context.observe(&bundle);
        assert_eq!(seen.errno("unshare uts"), "EPERM");
        assert_eq!(seen.errno("syscall 435"), "ENOSYS", "clone3");
        assert_eq!(seen.errno("syscall 9999"), "ENOSYS");
        assert_eq!(seen.errno("socket 40 1 0"), "EPERM", "AF_VSOCK");
        assert!(seen.out("socket 1 1 0").is_number());
        let status = seen.text("read /proc/self/status");
        assert!(status.contains("Seccomp:\t2\n"), "{status}");
        let privileges = format!("NoNewPrivs:\t{}\n", u8::from(no_new_privileges));
        assert!(status.contains(&privileges), "{status}");
    }
}

#[test]
fn a_profile_mostly_of_unknown_names_must_be_meant() {
    let context = context!();
    let mut bundle = context.bundle(&["true"]);
    let rule = json!({ "names": ["read", "nosuch", "nosuchatall"], "action": "SCMP_ACT_LOG" });
    bundle.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] }));
    context.run(&bundle).fails().says("2 of 3 names");
    let id = context.id();
    context.call(&["--allow-unknown-syscalls", "run", "--bundle", &bundle.path(), &id]).go().ok();
}

#[test]
fn a_name_that_nobody_knows_is_skipped_and_named_at_debug_level() {
    let context = context!();
    let mut bundle = context.bundle(&["true"]);
    let names = ["read", "write", "close", "openat", "nosuchcall"];
    let rule = json!({ "names": names, "action": "SCMP_ACT_LOG" });
    bundle.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] }));
    let quiet = context.run(&bundle).ok();
    assert!(!quiet.stderr.contains("nosuchcall"), "{}", quiet.describe());
    let id = context.id();
    let told = context.call(&["--debug", "run", "--bundle", &bundle.path(), &id]).go().ok();
    assert!(told.stderr.contains("nosuchcall"), "{}", told.describe());
}

#[test]
fn each_flag_is_taken_by_the_kernel() {
    let context = context!();
    let flags = [&[][..], &["TSYNC"], &["LOG"], &["SPEC_ALLOW"], &["TSYNC", "LOG", "SPEC_ALLOW"]];
    for names in flags {
        let names: Vec<String> = names.iter().map(|name| format!("SECCOMP_FILTER_FLAG_{name}")).collect();
        let mut bundle = action(&context, &[], "SCMP_ACT_ERRNO");
        bundle.set("/linux/seccomp/flags", json!(names));
        assert_eq!(context.observe(&bundle).errno("getpriority"), "EPERM", "{names:?}");
    }
}

/// With no_new_privs the filter comes last: what the runtime itself still has to call is not for the profile to forbid.
#[test]
fn a_profile_may_forbid_what_drops_privileges() {
    let context = context!();
    let names = ["setuid", "setgid", "setgroups", "setresuid", "setresgid", "capset"];
    let rule = json!({ "names": names, "action": "SCMP_ACT_ERRNO" });
    let mut bundle = context.bundle(&["getpriority"]);
    bundle.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] }));
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    bundle.set("/process/noNewPrivileges", true);
    assert_eq!(context.observe(&bundle).errno("getpriority"), "");
}

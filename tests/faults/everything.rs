//! The same for a container that has all that a plain one has not: hooks of every kind, a terminal, a user namespace, an id-mapped
//! mount, limits; and for `exec`.

use crate::harness::{Bundle, Context, PATIENCE, console::Console, host, is_runlet, json, note, wait_for};
use crate::{context, gone, kill_at_each_call, skip_test, step};

/// A container with everything.
pub fn bundle(context: &Context) -> Bundle {
    let mut bundle = context.bundle(&["pause"]);
    let mappings = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    bundle.namespace("user", None);
    bundle.set("/linux/uidMappings", mappings.clone());
    bundle.set("/linux/gidMappings", mappings.clone());
    bundle.mount("/mapped", "bind", &context.outside("mapped").to_string_lossy(), &["rbind", "idmap"]);
    bundle.mount("/copied", "tmpfs", "tmpfs", &["tmpcopyup"]);
    bundle.set("/process/terminal", true);
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000, "additionalGids": [7] }));
    bundle.set("/process/oomScoreAdj", 100);
    bundle.set("/linux/sysctl", json!({ "kernel.shm_rmid_forced": "1" }));
    let hook =
        json!([{ "path": crate::payload::path().to_str(), "args": ["payload", "true"], "timeout": 20 }]);
    for name in ["prestart", "createRuntime", "createContainer", "poststop"] {
        bundle.set(&format!("/hooks/{name}"), hook.clone());
    }
    host::chown_tree(&bundle.root(), 100_000, 100_000);
    host::open_path(&context.dir);
    bundle
}

/// A listener for the terminal of one create, and the flag that names it.
pub fn listener(context: &Context) -> (Console, String) {
    let console = Console::new(&context.dir, "console");
    let flag = format!("--console-socket={}", console.path());
    (console, flag)
}

/// Whether this machine has what the container needs: the control.
pub fn works(context: &Context, bundle: &Bundle, id: &str) -> Option<String> {
    let (_console, flag) = listener(context);
    let output = context.call(&["create", "--bundle", &bundle.path(), &flag, id]).go();
    let idmap = output.stderr.contains("map the ids of");
    assert!(output.code == 0 || idmap, "{}", output.describe());
    context.delete_force(id).ok();
    (output.code != 0).then_some(output.stderr)
}

#[test]
fn a_container_with_everything_killed_at_any_call_can_be_deleted() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun leave a cgroup or a process at many of their calls");
    }
    let bundle = bundle(&context);
    let (id, path) = (context.id(), bundle.path());
    if let Some(why) = works(&context, &bundle, &id) {
        skip_test!("{}", why.trim());
    }
    for mode in ["kill-at", "kill-tree-at"] {
        let consoles = std::cell::RefCell::default();
        let kills = kill_at_each_call(
            &context,
            mode,
            |context| {
                let (console, flag) = listener(context);
                *consoles.borrow_mut() = Some(console);
                ["create", "--bundle", &path, &flag, &id].map(str::to_string).to_vec()
            },
            |context, number| gone(context, &id, number),
        );
        assert!(kills as usize * step() > 100, "{kills} kills");
        note(&format!("create of a container with everything, {mode}: killed at {kills} calls"));
    }
}

/// What is killed while it sends a process into a container leaves the container as it was.
#[test]
fn exec_killed_at_any_call_leaves_the_container_running() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's calls");
    }
    let id = context.running(&context.bundle(&["pause"]));
    let pid = context.pid(&id).to_string();
    let processes = || context.call(&["ps", "--format", "json", &id]).go().ok().json().to_string();
    let alone = processes();
    assert!(alone.contains(&pid), "{alone}");
    for mode in ["kill-at", "kill-tree-at"] {
        let kills = kill_at_each_call(
            &context,
            mode,
            |_| ["exec", "--tty", &id, "/bin/payload", "true"].map(str::to_string).to_vec(),
            |context, number| {
                let alone = wait_for(PATIENCE, || processes() == alone);
                assert!(alone, "{mode} at {number}: {}", processes());
                assert_eq!(context.status(&id), "running", "{mode} at {number}");
            },
        );
        assert!(kills as usize * step() > 30, "{kills} kills");
        note(&format!("exec, {mode}: killed at {kills} calls"));
    }
    context.call(&["exec", &id, "/bin/payload", "true"]).go().ok();
    reap_orphans();
    context.delete_force(&id).ok();
}

/// The processes whose runtime was killed are this one's to wait for, and a pid namespace does not end before all in it are.
pub fn reap_orphans() {
    use rustix::process::{Pid, WaitOptions, waitpid};
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children: String =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect();
    for pid in children.split_whitespace() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
        if line("State:").starts_with('Z') && line("NSpid:").split_whitespace().count() > 1 {
            let _ = waitpid(pid.parse().ok().and_then(Pid::from_raw), WaitOptions::NOHANG);
        }
    }
}

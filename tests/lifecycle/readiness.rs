//! Readiness and activation: what a service manager hands down and waits for. The manager is a real datagram socket here.

use crate::harness::{Context, Output, PATIENCE, Running, is_runlet, json, wait_for};
use crate::{context, not_on, skip_test};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The service manager: a socket on which messages come.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new(context: &Context) -> Self {
        let path = context.dir.join("manager.sock").to_string_lossy().into_owned();
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        Self { socket, path }
    }

    /// The next message that is not empty.
    fn message(&self) -> Option<Vec<String>> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).lines().map(String::from).collect())
    }

    #[track_caller]
    fn expect(&self) -> Vec<String> {
        let mut found = None;
        wait_for(PATIENCE, || {
            found = self.message();
            found.is_some()
        });
        found.expect("no message came to the service manager")
    }

    fn silent(&self) -> bool {
        (0..20).all(|_| self.message().is_none())
    }
}

fn still_runs(call: &mut Running) -> bool {
    call.child.try_wait().unwrap().is_none()
}

/// `run` in the foreground: everything that a program may say of itself, as long as it lives; the main process is the supervisor.
#[test]
fn a_foreground_run_passes_on_what_its_program_says() {
    let context = context!();
    not_on!(Runc, "runc passes READY=1 on and nothing else");
    not_on!(Crun, "crun passes READY=1 on and nothing else");
    let manager = Manager::new(&context);
    let bundle = context.bundle(&[
        "report",
        ",",
        "notify",
        "STATUS=starting",
        ",",
        "notify",
        "MAINPID=1",
        "READY=1",
        "NOTIFYACCESS=all",
        ",",
        "wait-file",
        "/go",
        ",",
        "notify",
        "STOPPING=1",
        "STATUS=bye",
        ",",
        "exit",
        "4",
    ]);
    let id = context.id();
    let call = context.call(&["run", "-b", &bundle.path(), &id]).env("NOTIFY_SOCKET", &manager.path).spawn();
    assert_eq!(manager.expect(), ["STATUS=starting"]);
    assert_eq!(manager.expect(), ["READY=1".to_string(), format!("MAINPID={}", call.pid())]);
    fs::write(bundle.root().join("go"), "").unwrap();
    let output = call.wait().status(4);
    assert_eq!(manager.expect(), ["STOPPING=1", "STATUS=bye"]);
    let env = output.seen().report()["env"].clone();
    let socket: Vec<_> = env
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry.as_str()?.strip_prefix("NOTIFY_SOCKET="))
        .collect();
    assert_eq!(socket, ["/run/notify/notify.sock"]);
    let seen = output.seen();
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(seen.mounts().at("/run/notify").has(option), "{option}");
    }
    context.assert_clean();
}

/// `run --detach`, and `start` after `create`: both return when the program is ready, and tell the manager its pid.
#[test]
fn a_detached_start_returns_when_the_program_is_ready() {
    let context = context!();
    let manager = Manager::new(&context);
    for detached in [false, true] {
        let bundle = context.bundle(&["wait-file", "/go", ",", "notify", "READY=1", ",", "pause"]);
        let id = context.id();
        let notify = |words: &[&str]| context.call(words).env("NOTIFY_SOCKET", &manager.path);
        let mut call = if detached {
            notify(&["run", "--detach", "-b", &bundle.path(), &id]).spawn()
        } else {
            notify(&["create", "-b", &bundle.path(), &id]).go().ok();
            assert!(manager.silent(), "create has nothing to tell");
            notify(&["start", &id]).spawn()
        };
        assert!(wait_for(PATIENCE, || context.call(&["state", &id]).go().stdout.contains("\"running\"")));
        assert!(manager.silent());
        assert!(still_runs(&mut call), "it waits for READY=1");
        fs::write(bundle.root().join("go"), "").unwrap();
        let message = manager.expect();
        if is_runlet() {
            // The manager must have read it while there still is somebody to ask the kernel about.
            assert!(still_runs(&mut call));
            assert_eq!(manager.expect(), ["BARRIER=1"]);
        }
        call.wait().ok();
        let pid = context.pid(&id);
        assert!(message.contains(&"READY=1".to_string()), "{message:?}");
        if is_runlet() {
            assert_eq!(message, ["READY=1".to_string(), format!("MAINPID={pid}")]);
        }
        context.delete_force(&id).ok();
        while manager.message().is_some() {}
    }
    context.assert_clean();
}

/// It does not wait for ever: the program's end is an end, and meanwhile others may have the container.
#[test]
fn waiting_for_readiness_ends_with_the_program() {
    let context = context!();
    let manager = Manager::new(&context);
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    context.call(&["create", "-b", &bundle.path(), &id]).env("NOTIFY_SOCKET", &manager.path).go().ok();
    let call = context.call(&["start", &id]).env("NOTIFY_SOCKET", &manager.path).spawn();
    context.wait_status(&id, "running");
    context.delete_force(&id).ok();
    let output = call.wait();
    assert_eq!(output.code, 0, "{}", output.describe());
    assert!(manager.silent());
}

/// Not root, in a user namespace, with an umask that would hide the socket, below directories that only root may enter.
#[test]
fn the_socket_is_reached_by_whoever_the_program_is() {
    let context = context!();
    let manager = Manager::new(&context);
    for user_namespace in [false, true] {
        let mut bundle = context.bundle(&["notify", "READY=1"]);
        bundle.set("/process/user", json!({ "uid": 1234, "gid": 1234 }));
        if user_namespace {
            context.in_user_namespace(&mut bundle);
        }
        let id = context.id();
        let call = context.call(&["run", "-b", &bundle.path(), &id]).env("NOTIFY_SOCKET", &manager.path);
        let call = call.through(&["sh", "-c", "umask 077; exec \"$@\"", "sh"]);
        call.go().ok();
        assert!(manager.expect().contains(&"READY=1".to_string()), "user namespace: {user_namespace}");
        while manager.message().is_some() {}
    }
}

/// Where there is no place for the socket, the message says what to do about it.
#[test]
fn a_root_with_no_place_for_the_socket_is_named() {
    let context = context!();
    let manager = Manager::new(&context);
    let mut bundle = context.bundle(&["notify", "READY=1"]);
    let on_host = |words: &[&str]| {
        let payload = crate::harness::payload::path().to_string_lossy().into_owned();
        let mut all = vec![payload.as_str()];
        all.extend(words);
        assert!(context.in_world(&all).output().unwrap().status.success(), "{words:?}");
    };
    let root = bundle.root().to_string_lossy().into_owned();
    on_host(&["mount", &root, &root, "", "bind", ""]);
    on_host(&["mount", "none", &root, "", "remount,bind,ro", ""]);
    let run = |bundle: &crate::harness::Bundle| {
        let id = context.id();
        context.call(&["run", "-b", &bundle.path(), &id]).env("NOTIFY_SOCKET", &manager.path).go()
    };
    let output = run(&bundle).fails();
    if is_runlet() {
        let output = output.says("NOTIFY_SOCKET \"/run/notify\"").says("mount a tmpfs above it");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.describe());
    }
    bundle.set("/root/readonly", true);
    on_host(&["umount", &root]);
    fs::create_dir(bundle.root().join("run")).unwrap();
    on_host(&["mount", &root, &root, "", "bind", ""]);
    on_host(&["mount", "none", &root, "", "remount,bind,ro", ""]);
    bundle.mount("/run", "tmpfs", "tmpfs", &[]);
    run(&bundle).ok();
    assert!(manager.expect().contains(&"READY=1".to_string()));
    on_host(&["umount", &root]);
}

/// A manager that is not there is no reason not to run; without one, or with a socket that the configuration brings, there is no
/// proxy at all.
#[test]
fn without_a_manager_there_is_no_proxy() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own rules");
    }
    let mut bundle = context.bundle(&["notify", "READY=1", ",", "report"]);
    let id = context.id();
    let gone = context.dir.join("gone.sock").to_string_lossy().into_owned();
    let run = |id: &str, bundle: &str, socket: &str| -> Output {
        context.call(&["run", "-b", bundle, id]).env("NOTIFY_SOCKET", socket).go()
    };
    let output = run(&id, &bundle.path(), &gone).ok();
    assert!(output.stderr.contains("warning: NOTIFY_SOCKET"), "{}", output.describe());
    for odd in ["", "relative", "vsock:2:1234"] {
        let seen = run(&context.id(), &bundle.path(), odd).status(3).seen();
        assert_eq!(seen.errno("notify READY=1"), "ENOENT", "{odd:?}");
        assert!(!seen.report().to_string().contains("/run/notify"), "{odd:?}");
    }
    let manager = Manager::new(&context);
    bundle.push("/process/env", json!("NOTIFY_SOCKET=/own.sock"));
    let seen = run(&context.id(), &bundle.path(), &manager.path).status(3).seen();
    assert_eq!(seen.errno("notify READY=1"), "ENOENT");
    assert!(!seen.report().to_string().contains("/run/notify"));
    assert!(manager.silent());
    context.assert_clean();
}

/// Socket activation: the descriptors come first, with names, and only for the process that they were meant for.
#[test]
fn activated_descriptors_reach_the_program_they_are_for() {
    let context = context!();
    not_on!(Crun, "crun 1.8 does not look at LISTEN_PID");
    let bundle = context.bundle(&["report"]);
    let run = |script: &str, flags: &[&str]| {
        let mut words = vec!["run"];
        words.extend(flags);
        let (path, id) = (bundle.path(), context.id());
        words.extend(["-b", &path, &id]);
        let script = format!("{script}; exec \"$@\"");
        let wrap = [
            "payload", "leak-fd", "3", "/etc", "payload", "leak-fd", "4", "/tmp", "payload", "leak-fd", "5",
            "/dev", "sh", "-c", &script, "sh",
        ];
        context.call(&words).through(&wrap).go()
    };
    let fds = |output: &Output| -> Vec<String> {
        output.seen().report()["fds"].as_object().unwrap().keys().cloned().collect()
    };
    let env = |output: &Output, name: &str| -> Option<String> {
        let report = output.seen().report().clone();
        let env = report["env"].as_array().unwrap().clone();
        env.iter().find_map(|entry| Some(entry.as_str()?.strip_prefix(name)?.strip_prefix('=')?.to_string()))
    };
    let output = run("export LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=web:db", &[]).ok();
    assert_eq!(fds(&output), ["0", "1", "2", "3", "4"]);
    assert_eq!(env(&output, "LISTEN_FDS").as_deref(), Some("2"));
    assert_eq!(env(&output, "LISTEN_PID").as_deref(), Some("1"));
    if is_runlet() {
        assert_eq!(env(&output, "LISTEN_FDNAMES").as_deref(), Some("web:db"));
    }
    let output = run("export LISTEN_FDS=2 LISTEN_PID=$$", &["--preserve-fds", "1"]).ok();
    assert_eq!(fds(&output), ["0", "1", "2", "3", "4", "5"]);

    for not_for_it in [
        "export LISTEN_FDS=2",
        "export LISTEN_FDS=2 LISTEN_PID=1",
        "export LISTEN_FDS=two LISTEN_PID=$$",
        "export LISTEN_FDS=-1 LISTEN_PID=$$",
        "export LISTEN_FDS=99999999999 LISTEN_PID=$$",
    ] {
        let output = run(not_for_it, &[]).ok();
        assert_eq!(fds(&output), ["0", "1", "2"], "{not_for_it}");
        assert_eq!(env(&output, "LISTEN_FDS"), None, "{not_for_it}");
    }
    if is_runlet() {
        run("export LISTEN_FDS=4 LISTEN_PID=$$", &[])
            .fails()
            .says("LISTEN_FDS: file descriptor 6 is not open");
    }
}

/// The process that they are for is named by its own pid, where it is not the first of a pid namespace too.
#[test]
fn listen_pid_is_the_programs_own() {
    let context = context!();
    not_on!(Runc, "runc says 1 to all");
    not_on!(Crun, "crun says 1 to all");
    let own = |output: Output| {
        let report = output.ok().seen().report().clone();
        let named = format!("LISTEN_PID={}", report["pid"]);
        let env: Vec<String> = serde_json::from_value(report["env"].clone()).unwrap();
        let all: Vec<&String> = env.iter().filter(|entry| entry.starts_with("LISTEN_PID=")).collect();
        assert_eq!(all, [&named]);
        report["pid"].as_u64().unwrap()
    };
    let wrap = [
        "payload",
        "leak-fd",
        "3",
        "/etc",
        "sh",
        "-c",
        "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"",
        "sh",
    ];
    let mut bundle = context.bundle(&["report"]);
    bundle.push("/process/env", json!("LISTEN_PID=77")).without_namespace("pid");
    let id = context.id();
    assert!(own(context.call(&["run", "-b", &bundle.path(), &id]).through(&wrap).go()) > 1);
    let id = context.running(&context.bundle(&["pause"]));
    assert!(own(context.call(&["exec", &id, "/bin/payload", "report"]).through(&wrap).go()) > 1);
}

/// A descriptor that is promised and not there is an error, not a hole; neither is one of the runtime's own taken for it.
#[test]
fn descriptors_that_are_not_open_are_named() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    let bundle = context.bundle(&["report"]);
    let path = bundle.path();
    let log = context.dir.join("log").to_string_lossy().into_owned();
    for (flags, number) in [
        (vec!["--preserve-fds", "1"], "3"),
        (vec!["--preserve-fds", "2147483647"], "3"),
        (vec!["--ready-fd", "7"], "7"),
        // With a log the runtime itself has a descriptor 3.
        (vec!["--log", &log, "--ready-fd", "3"], "3"),
        (vec!["--log", &log, "--preserve-fds", "1"], "3"),
    ] {
        let id = context.id();
        let mut words = vec!["run"];
        words.extend(&flags);
        words.extend(["-b", &path, &id]);
        context.call(&words).go().fails().says(&format!("file descriptor {number} is not open"));
    }
    for bad in ["-1", "x", "2147483648", ""] {
        for flag in ["--preserve-fds", "--ready-fd"] {
            context.call(&["run", flag, bad, "-b", &path, &context.id()]).go().fails().says(flag);
        }
    }
    context.run(&bundle).ok();
}

/// s6's protocol: a newline when the program runs, and the end of the file; nothing when it does not come to run.
#[test]
fn ready_fd_gets_a_newline_when_the_program_runs() {
    let context = context!();
    if !is_runlet() {
        skip_test!("a flag of runlet's own");
    }
    let fifo = context.dir.join("ready").to_string_lossy().into_owned();
    for (args, told) in [(vec!["/bin/payload", "report"], "\n"), (vec!["/no/such/program"], "")] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/process/args", args);
        let id = context.id();
        // A file will do: the newline is there and nothing else is, and the program does not have it.
        let _ = fs::remove_file(&fifo);
        let script = format!("exec 5> {fifo}; exec \"$@\"");
        let call = context.call(&["run", "--ready-fd", "5", "-b", &bundle.path(), &id]);
        let output = call.through(&["sh", "-c", &script, "sh"]).go();
        assert_eq!(fs::read_to_string(&fifo).unwrap(), told, "{}", output.describe());
        if !told.is_empty() {
            let report = output.ok().seen().report().clone();
            let descriptors: Vec<&String> = report["fds"].as_object().unwrap().keys().collect();
            assert_eq!(descriptors, ["0", "1", "2"]);
        }
    }
    // The reader sees the end of the file while the container runs on.
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let pipe = format!("mkfifo {fifo}.pipe; cat {fifo}.pipe > {fifo}.got & exec 5> {fifo}.pipe; exec \"$@\"");
    let call = context.call(&["run", "--ready-fd", "5", "-b", &bundle.path(), &id]);
    let mut call = call.through(&["sh", "-c", &pipe, "sh"]).spawn();
    let told = wait_for(PATIENCE, || fs::read_to_string(format!("{fifo}.got")).is_ok_and(|got| got == "\n"));
    assert!(told && still_runs(&mut call));
    context.delete_force(&id).ok();
    call.wait();
}

/// One message with one pidfd, for create, run and exec; the pidfd is of the process.
#[test]
fn the_pidfd_socket_gets_a_pidfd_of_the_process() {
    let context = context!();
    not_on!(Runc, "runc 1.1 has no such flag");
    not_on!(Crun, "crun 1.8 has no such flag");
    let bundle = context.bundle(&["pause"]);
    let (path, id) = (bundle.path(), context.id());
    let receive = |name: &str, words: &[&str]| {
        let socket = crate::harness::console::Console::new(&context.dir, name);
        let mut all = vec![words[0], "--pidfd-socket"];
        let place = socket.path();
        all.push(&place);
        all.extend(&words[1..]);
        context.call(&all).go().ok();
        let (count, data) = socket.receive(PATIENCE).expect("no pidfd came");
        assert_eq!((count, data.as_str()), (1, "pidfd"), "{words:?}");
        socket.pid_of_received()
    };
    let of = receive("create.sock", &["create", "-b", &path, &id]);
    assert_eq!(of, Some(context.pid(&id)));
    context.start(&id).ok();
    let file = context.dir.join("exec.pid").to_string_lossy().into_owned();
    let words = ["exec", "--detach", "--pid-file", &file, &id, "/bin/payload", "pause"];
    let of = receive("exec.sock", &words);
    assert_eq!(of.map(|pid| pid.to_string()), fs::read_to_string(&file).ok());
    // Until its parent, which the test is now, has reaped this one, the kernel does not let the pid namespace go.
    crate::harness::host::signal(of.unwrap(), 9);
    context.reap(of.unwrap());
    context.delete_force(&id).ok();
    let (second, gone) = (context.id(), context.dir.join("gone.sock").to_string_lossy().into_owned());
    context
        .call(&["create", "--pidfd-socket", &gone, "-b", &path, &second])
        .go()
        .fails()
        .says("--pidfd-socket");
    context.call(&["state", &second]).go().says_missing();
}

//! `--console-socket`: what conmon, containerd's shim and Docker listen for.

use crate::context;
use crate::harness::console::Console;
use crate::harness::{PATIENCE, Seen, is_runlet, json};
use std::fs;

/// One message: one descriptor, its data a name. It is the master of the program's terminal, whose size is config.json's.
#[test]
fn the_socket_gets_the_master() {
    let context = context!();
    let mut bundle = context.bundle(&[
        "winsize",
        "0",
        ",",
        "stat",
        "/dev/console",
        ",",
        "stat",
        "/dev/pts/0",
        ",",
        "trap",
    ]);
    bundle.set("/process/terminal", true);
    bundle.set("/process/consoleSize", json!({ "height": 41, "width": 127 }));
    let mut console = Console::new(&context.dir, "create.sock");
    let id = context.id();
    context.call(&["create", "--console-socket", &console.path(), "-b", &bundle.path(), &id]).go().ok();
    let (count, data) = console.receive(PATIENCE).expect("no terminal came");
    assert_eq!(count, 1);
    assert_eq!(data, "/dev/ptmx");
    context.start(&id).ok();
    let text = console.read_until("ready", PATIENCE);
    // Docker and the kubelet hand it on to a terminal that is raw: line ends come from this one, as with runc. conmon changes that itself.
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "a terminal's line ends: {text:?}");
    let seen = Seen::parse(&text);
    assert_eq!(seen.out("winsize 0"), &json!([41, 127, 0, 0]));
    assert_eq!(seen.out("stat /dev/console")["ino"], seen.out("stat /dev/pts/0")["ino"]);
    // It is the program's controlling terminal: keys make signals.
    console.write("\u{3}");
    let text = console.read_until("C2\r\n", PATIENCE);
    assert!(text.contains("^C2\r\n"), "{text:?}");
    let pid = context.pid(&id);
    let holders: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(holders.len(), 3, "the master stays with the caller: {holders:?}");
    context.kill(&id, "TERM").ok();
    context.reap(pid);
}

/// The same for `exec`, detached or not, by the flag or by the process object.
#[test]
fn an_execd_process_gets_its_own() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let id = context.running(&bundle);
    let file = context.dir.join("process.json").to_string_lossy().into_owned();
    let process = json!({ "args": ["/bin/payload", "winsize", "0", ",", "pause"], "cwd": "/", "env": [], "terminal": true,
        "user": { "uid": 0, "gid": 0 }, "consoleSize": { "height": 12, "width": 34 } });
    fs::write(&file, process.to_string()).unwrap();
    let pid_file = context.dir.join("pid").to_string_lossy().into_owned();
    for (number, form) in [&["--process", &*file][..], &["--tty"]].into_iter().enumerate() {
        let console = Console::new(&context.dir, &format!("exec{number}.sock"));
        let place = console.path();
        let mut words = vec!["exec", "--detach", "--pid-file", &pid_file, "--console-socket", &place];
        words.extend(form);
        words.push(&id);
        if form.len() == 1 {
            words.extend(["/bin/payload", "winsize", "0", ",", "pause"]);
        }
        context.call(&words).go().ok();
        assert_eq!(console.receive(PATIENCE).map(|(count, _)| count), Some(1), "{form:?}");
        let text = console.read_until("winsize", PATIENCE);
        if form.len() == 2 {
            assert!(text.contains("[12,34,0,0]"), "{text:?}");
        }
        let pid: u32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        crate::harness::host::signal(pid, 9);
        context.reap(pid);
    }
}

/// Nobody listens, or there is nothing to hand over: refused, and nothing is left.
#[test]
fn a_socket_without_a_listener_or_a_terminal_is_an_error() {
    let context = context!();
    let mut bundle = context.bundle(&["pause"]);
    bundle.set("/process/terminal", true);
    let nobody = context.dir.join("nobody.sock").to_string_lossy().into_owned();
    let id = context.id();
    let create = |bundle: &str, socket: &str| {
        context.call(&["create", "--console-socket", socket, "-b", bundle, &id]).go()
    };
    let output = create(&bundle.path(), &nobody).fails();
    if is_runlet() {
        output.says("--console-socket");
    }
    context.call(&["state", &id]).go().says_missing();
    let long = format!("/tmp/{}", "x".repeat(200));
    create(&bundle.path(), &long).fails();
    if is_runlet() {
        let console = Console::new(&context.dir, "unused.sock");
        bundle.set("/process/terminal", false);
        create(&bundle.path(), &console.path()).fails().says("--console-socket");
    }
    context.assert_clean();
}

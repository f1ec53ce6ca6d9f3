//! A container's life and world, as it must be whatever calls are missing: every command, and every part of the world that is made
//! by a newer call where there is one.

use crate::harness::console::Console;
use crate::harness::{Call, Context, PATIENCE, host, is_runlet, json};
use runlet::sync::ABSENT;
use std::fs;

type Part = (&'static str, fn(&Context, &str));

pub const PARTS: &[Part] = &[
    ("world", world),
    ("life", life),
    ("terminal", terminal),
    ("hooks", hooks),
    ("user namespace", user_namespace),
    ("pod", pod),
    ("ordinary user", ordinary_user),
    ("what is lost is told", told),
];

/// What it takes to enter a joined pid namespace last.
pub const LATE_PID: &[&str] = &["fsopen", "fsconfig", "fsmount", "move_mount"];

pub fn lacks(calls: &str, any: &[&str]) -> bool {
    calls.split(',').any(|call| any.contains(&call))
}

/// Mounts of all kinds with their flags, masks, read-only paths, devices, descriptors, a kernel parameter, HOME.
fn world(context: &Context, _: &str) {
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    let verbs = "report , read /deep/in/there/file , create /deep/in/there/new x , write /bound/file x , read /bound/file , \
                 read /secret , ls /hidden , write /proc/sys/kernel/hostname x , write /fixed x , write /dev/null x , create /new x , \
                 read /up/from-the-image , create /up/new x , read /proc/sys/kernel/shmmni , lstat /dev/mine , exit 7";
    let mut bundle = context.bundle(&verbs.split_whitespace().collect::<Vec<_>>());
    let root = bundle.root();
    for directory in ["hidden", "up", "bound"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (file, text) in
        [("secret", "secret"), ("hidden/file", "x"), ("fixed", "fixed"), ("up/from-the-image", "image")]
    {
        fs::write(root.join(file), text).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/from/passwd:/bin/sh\n").unwrap();
    bundle.bind(&source, "/deep/in/there", &["ro", "nosuid", "rprivate"]);
    bundle.bind(source.join("file"), "/bound/file", &["ro", "nodev", "private"]);
    bundle.mount("/up", "tmpfs", "tmpfs", &["tmpcopyup", "nosuid"]);
    bundle.push("/linux/maskedPaths", json!("/secret"));
    bundle.push("/linux/maskedPaths", json!("/hidden"));
    bundle.push("/linux/readonlyPaths", json!("/fixed"));
    bundle.set("/root/readonly", true);
    bundle.set("/linux/sysctl", json!({ "kernel.shmmni": "4001" }));
    bundle.set(
        "/linux/devices",
        json!([{ "path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640 }]),
    );
    bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 512, "hard": 512 }]));
    let wrap: Vec<&str> =
        ["5", "77", "1023", "3000"].iter().flat_map(|number| ["payload", "leak-fd", number, "/"]).collect();
    let id = context.id();
    let seen = context.call(&["run", "--bundle", &bundle.path(), &id]).through(&wrap).go().status(7).seen();
    let report = seen.report();
    assert_eq!((&report["pid"], &report["uname"][1]), (&json!(1), &json!("box")));
    let descriptors: Vec<&String> = report["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
    assert!(report["env"].to_string().contains("HOME=/from/passwd"), "{}", report["env"]);
    assert_eq!(seen.text("read /deep/in/there/file"), "content");
    assert_eq!(seen.errno("create /deep/in/there/new x"), "EROFS");
    assert_eq!(seen.errno("write /bound/file x"), "EROFS");
    assert_eq!(seen.text("read /bound/file"), "content");
    assert_eq!(seen.text("read /secret"), "");
    assert_eq!(seen.out("ls /hidden"), &json!([]));
    assert_eq!(seen.errno("write /proc/sys/kernel/hostname x"), "EROFS");
    assert_eq!(seen.errno("write /fixed x"), "EROFS");
    assert_eq!(seen.errno("write /dev/null x"), "");
    assert_eq!(seen.errno("create /new x"), "EROFS");
    assert_eq!(seen.text("read /up/from-the-image"), "image");
    assert_eq!(seen.errno("create /up/new x"), "");
    assert_eq!(seen.text("read /proc/sys/kernel/shmmni").trim(), "4001");
    let device = seen.out("lstat /dev/mine");
    assert_eq!(
        (&device["type"], &device["minor"], &device["mode"]),
        (&json!("char"), &json!(5), &json!("640"))
    );
    let mounts = seen.mounts();
    assert!(mounts.at("/deep/in/there").has("nosuid") && mounts.at("/bound/file").has("nodev"));
    assert!(mounts.at("/up").has("nosuid"));
    assert_eq!(mounts.0.iter().filter(|mount| mount.point == "/").count(), 1);
    assert_eq!(fs::read_to_string(source.join("file")).unwrap(), "content");
}

/// Every command of the lifecycle.
fn life(context: &Context, _: &str) {
    let bundle = context.bundle(&["trap"]);
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    assert_eq!(context.status(&id), "created");
    let pid = context.pid(&id);
    context.create(&bundle, &id).fails().says("already exists");
    context.start(&id).ok();
    output.wait_stdout("ready");
    assert_eq!(context.status(&id), "running");
    assert_eq!(context.call(&["list", "-q"]).go().ok().stdout.trim(), id);

    let wrap = ["payload", "leak-fd", "5", "/", "payload", "leak-fd", "3000", "/"];
    let exec = |words: &[&str]| {
        let words: Vec<&str> = ["exec"].into_iter().chain(words.iter().copied()).collect();
        context.call(&words).through(&wrap).go()
    };
    let seen = exec(&["--cwd", "/made/for/exec", &id, "/bin/payload", "report"]).ok().seen();
    let inside = seen.report();
    assert_eq!(inside["cwd"], "/made/for/exec");
    assert_eq!(inside["pid"], inside["sid"]);
    let descriptors: Vec<&String> = inside["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
    let own = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(inside["ns"]["net"], own.to_string_lossy().as_ref());
    assert!(inside["cgroup"].as_str().unwrap().lines().any(|line| line == "0::/"), "{}", inside["cgroup"]);
    exec(&[&id, "/bin/payload", "exit", "9"]).status(9);
    let file = context.dir.join("exec.pid");
    exec(&["-d", "--pid-file", &file.to_string_lossy(), &id, "/bin/payload", "pause"]).ok();
    let detached: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();
    let listed = context.call(&["ps", "-f", "json", &id]).go().ok().json();
    assert!(listed.as_array().unwrap().contains(&json!(detached)), "{listed}");

    context.call(&["pause", &id]).go().ok();
    assert_eq!(context.status(&id), "paused");
    exec(&[&id, "/bin/payload", "true"]).fails().says("paused");
    context.call(&["resume", &id]).go().ok();
    context.call(&["update", "--resources", "-", &id]).stdin(text(context, "{}")).go().ok();
    context.call(&["events", "--stats", &id]).go().ok();
    context.kill(&id, "USR1").ok();
    output.wait_stdout("\n10\n");
    context.delete(&id).fails();
    context.call(&["kill", "--all", &id, "KILL"]).go().ok();
    // The first process of a pid namespace is not gone before all others are reaped.
    assert_eq!(context.reap(detached), Some(137));
    assert_eq!(context.reap(pid), Some(137));
    context.wait_status(&id, "stopped");
    context.kill(&id, "TERM").fails().says("not running");
    context.delete(&id).ok();

    context.create(&bundle, &id).ok();
    context.delete_force(&id).ok();
    context.assert_clean();
}

fn text(context: &Context, text: &str) -> std::process::Stdio {
    let path = context.dir.join("stdin");
    fs::write(&path, text).unwrap();
    fs::File::open(path).unwrap().into()
}

/// /dev/console is the terminal, and exec gets one as well.
fn terminal(context: &Context, _: &str) {
    let mut bundle = context.bundle(&["statfs", "/dev/console", ",", "winsize", "0", ",", "pause"]);
    bundle.set("/process/terminal", true).set("/process/consoleSize", json!({ "height": 31, "width": 97 }));
    let (id, path) = (context.id(), bundle.path());
    let console = Console::new(&context.dir, "console");
    context.call(&["create", "--bundle", &path, "--console-socket", &console.path(), &id]).go().ok();
    assert_eq!(console.receive(PATIENCE).map(|(count, _)| count), Some(1));
    context.start(&id).ok();
    let said = console.read_until("winsize", PATIENCE);
    assert!(said.contains("\"type\":\"1cd1\""), "/dev/console is no devpts: {said}");
    assert!(said.contains("[31,97"), "{said}");
    let other = Console::new(&context.dir, "exec-console");
    let file = context.dir.join("exec.pid");
    let (socket, pid_file) = (other.path(), file.to_string_lossy());
    let words = [
        "exec",
        "-t",
        "-d",
        "--pid-file",
        &pid_file,
        "--console-socket",
        &socket,
        &id,
        "/bin/payload",
        "report",
    ];
    context.call(&words).go().ok();
    assert_eq!(other.receive(PATIENCE).map(|(count, _)| count), Some(1));
    let said = other.read_until("\"session_keyring\"", PATIENCE);
    assert!(said.contains("/dev/pts/"), "{said}");
    context.reap(fs::read_to_string(&file).unwrap().parse().unwrap());
    context.delete_force(&id).ok();
}

/// All six hooks, each with the state on its stdin and nothing of the caller's.
fn hooks(context: &Context, _: &str) {
    let directory = context.outside("hooks");
    let script = directory.join("hook");
    let place = directory.to_string_lossy();
    let text = format!(
        "#!/bin/sh\ncat > {place}/$1\n[ -e /proc/self/fd/77 ] && echo leaked >> {place}/leaks\ntrue\n"
    );
    host::write_script(&script, &text);
    let mut bundle = context.bundle(&["true"]);
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        let hook = json!([{ "path": script.to_string_lossy(), "args": ["hook", kind], "timeout": 20 }]);
        bundle.set(&format!("/hooks/{kind}"), hook);
    }
    bundle.set(
        "/hooks/startContainer",
        json!([{ "path": "/bin/payload", "args": ["payload", "create", "/started", "x"], "timeout": 20 }]),
    );
    let id = context.id();
    let call = context.call(&["run", "--bundle", &bundle.path(), &id]);
    call.through(&["payload", "leak-fd", "77", "/"]).go().ok();
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        let state = fs::read_to_string(directory.join(kind)).unwrap_or_default();
        assert!(
            state.contains(&format!("\"id\": \"{id}\"")) || state.contains(&format!("\"id\":\"{id}\"")),
            "{kind}: {state:?}"
        );
    }
    assert!(!directory.join("leaks").exists(), "a hook got the caller's descriptor");
    assert!(bundle.root().join("started").exists(), "startContainer");
}

/// A user namespace with maps, and where it can be an id-mapped mount; where it cannot, that is an error.
fn user_namespace(context: &Context, calls: &str) {
    let source = context.outside("source");
    fs::write(source.join("file"), "x").unwrap();
    std::os::unix::fs::chown(source.join("file"), Some(5), Some(6)).unwrap();
    let mut bundle =
        context.bundle(&["report", ",", "stat", "/dir/file", ",", "write", "/dev/null", "x", ",", "pause"]);
    context.in_user_namespace(&mut bundle);
    bundle.bind(&source, "/dir", &["rbind", "ro"]);
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    let seen = crate::harness::Seen::parse(&output.wait_stdout("\"verb\":\"write\""));
    assert_eq!(
        seen.report()["uid_map"].as_str().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["0", "100000", "65536"]
    );
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    assert_eq!(seen.out("stat /dir/file")["uid"], 65_534);
    assert_eq!(seen.errno("write /dev/null x"), "");
    let inside = context.call(&["exec", &id, "/bin/payload", "report"]).go().ok().seen();
    assert_eq!(inside.report()["ns"]["user"], seen.report()["ns"]["user"]);
    context.delete_force(&id).ok();

    bundle.args(&["stat", "/dir/file"]);
    let at = bundle.config["mounts"].as_array().unwrap().len() - 1;
    bundle.push(&format!("/mounts/{at}/options"), json!("idmap"));
    let mappings = bundle.config["linux"]["uidMappings"].clone();
    bundle.set(&format!("/mounts/{at}/uidMappings"), mappings.clone());
    bundle.set(&format!("/mounts/{at}/gidMappings"), mappings);
    let output = context.run(&bundle);
    if lacks(calls, &["open_tree", "move_mount", "mount_setattr"]) || host::is_ramfs(&source) {
        output.fails().says(&format!("mounts[{at}]"));
    } else {
        assert_eq!(output.ok().seen().out("stat /dir/file")["uid"], 5);
    }
}

/// Rootless, with one id, and without root's or anybody's help.
fn ordinary_user(context: &Context, _: &str) {
    let (uid, gid) = (23_456, 23_457);
    let id_map = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
    let mut bundle = context.bundle(&["pause"]);
    bundle.namespace("user", None).without_namespace("cgroup");
    bundle.set("/linux/uidMappings", id_map(uid)).set("/linux/gidMappings", id_map(gid));
    bundle.unset("/linux/cgroupsPath").remove_mount("/dev/mqueue").remove_mount("/sys");
    let directory = bundle.path();
    host::open_path(&context.dir);
    host::chown_tree(&bundle.dir, uid, gid);
    let root = context.outside("user-state");
    host::chown_tree(&root, uid, gid);
    let root = root.to_string_lossy().into_owned();
    let binary = context.outside("bin").join("runlet");
    host::copy_program(&context.runtime, &binary);
    let id = context.id();
    let call = |words: &[&str]| {
        let words: Vec<&str> = ["--root", &root].into_iter().chain(words.iter().copied()).collect();
        Call::at(context, &binary, &words).through(&["payload", "as", "23456", "23457"]).go()
    };
    call(&["create", "--bundle", &directory, &id]).ok();
    call(&["start", &id]).ok();
    let seen = call(&["exec", &id, "/bin/payload", "report"]).ok().seen();
    assert_eq!(seen.report()["status"]["Uid"], "0\t0\t0\t0");
    call(&["kill", &id, "KILL"]).ok();
    call(&["delete", "--force", &id]).ok();
}

/// A pid namespace by path. That it could not be entered last is in the log.
fn pod(context: &Context, calls: &str) {
    let first = context.running(&context.bundle(&["trap"]));
    let log = context.dir.join("log");
    let mut bundle = context.bundle(&["report", ",", "exit", "5"]);
    bundle.namespace("pid", Some(&format!("/proc/{}/ns/pid", context.pid(&first))));
    let (id, path) = (context.id(), log.to_string_lossy().into_owned());
    let run = ["--debug", "--log", &path, "run", "--bundle", &bundle.path(), &id];
    let seen = context.call(&run).go().status(5).seen();
    assert!(seen.report()["pid"].as_i64().unwrap() > 1);
    assert!(seen.mounts().at("/proc").has("nosuid"));
    let told = fs::read_to_string(&log).unwrap().contains("joined pid namespaces see");
    assert_eq!(told, lacks(calls, LATE_PID), "{calls}");
}

/// What is lost is said in the debug log, once a command, and nothing is said of what is there.
fn told(context: &Context, calls: &str) {
    assert!(is_runlet());
    let mut bundle = context.bundle(&["pause"]);
    bundle.set("/linux/sysctl", json!({ "kernel.shmmni": "4001" }));
    let file = context.dir.join("file");
    fs::write(&file, "x").unwrap();
    bundle.bind(&file, "/file", &["ro"]);
    let id = context.id();
    let log = context.dir.join("log");
    let path = log.to_string_lossy().into_owned();
    let said = |words: &[&str], expected: &[(&str, &[&str])]| {
        let _ = fs::remove_file(&log);
        let words: Vec<&str> = ["--debug", "--log", &path].into_iter().chain(words.iter().copied()).collect();
        context.call(&words).go().ok();
        let text = fs::read_to_string(&log).unwrap_or_default();
        for (name, since, cost) in ABSENT {
            let line = format!("{name} (Linux {since}) is missing or denied: {cost}");
            let wanted = expected.iter().any(|(known, gone)| known == name && lacks(calls, gone));
            assert_eq!(text.matches(&line).count(), usize::from(wanted), "{words:?}: {line:?} in\n{text}");
        }
        text
    };
    let made: &[(&str, &[&str])] = &[
        ("clone3", &["clone3", "clone3-into-cgroup"]),
        ("openat2", &["openat2"]),
        ("open_tree", &["open_tree", "move_mount"]),
        ("mount_setattr", &["mount_setattr"]),
        ("fsopen", &["fsopen", "fsconfig", "fsmount"]),
        ("close_range", &["close_range", "close_range-cloexec"]),
    ];
    let text = said(&["create", "--bundle", &bundle.path(), &id], made);
    let sealed = text.contains("runs from a copy of itself");
    // By one call, or by two.
    let mounted = !lacks(calls, &["open_tree_attr"]) || !lacks(calls, &["open_tree", "mount_setattr"]);
    assert_eq!(sealed, !mounted, "{text}");
    said(&["start", &id], &[]);
    let joined: &[(&str, &[&str])] = &[
        ("clone3", &["clone3", "clone3-into-cgroup"]),
        ("openat2", &["openat2"]),
        ("close_range", &["close_range", "close_range-cloexec"]),
        ("pidfd_open", &["pidfd_open", "setns-by-pidfd"]),
    ];
    said(&["exec", &id, "/bin/payload", "true"], joined);
    let signalled: &[(&str, &[&str])] =
        &[("pidfd_open", &["pidfd_open"]), ("pidfd_send_signal", &["pidfd_send_signal"])];
    let signalled = if lacks(calls, &["pidfd_open"]) { &signalled[..1] } else { signalled };
    said(&["kill", &id, "USR1"], signalled);
    context.delete_force(&id).ok();
}

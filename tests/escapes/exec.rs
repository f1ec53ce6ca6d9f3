//! The process that `exec` sends into a container: what the container can do to it on its way in.

use crate::check::{Check, Trial, Verdict};
use crate::harness::{Output, PATIENCE, Seen, host};
use crate::process::copy_of_the_runtime;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    Check {
        name: "exec-is-not-traceable",
        class: "CVE-2016-9962, LXC 2016-8649",
        run: |trial| exec_is_not_traceable(trial, false),
    },
    Check {
        name: "exec-into-a-tracer",
        class: "CVE-2016-9962 (CAP_SYS_PTRACE)",
        run: |trial| exec_is_not_traceable(trial, true),
    },
    Check { name: "exec-cwd-is-a-descriptor", class: "CVE-2024-21626 (exec)", run: exec_cwd_is_a_descriptor },
    Check { name: "exec-runs-the-runtime", class: "CVE-2019-5736 (exec)", run: exec_runs_the_runtime },
    Check {
        name: "exec-capabilities",
        class: "CVE-2022-29162, 2022-27650, 2025-27612",
        run: exec_capabilities,
    },
    Check {
        name: "exec-user-strings",
        class: "CVE-2026-30892, 2016-3697, 2026-46680",
        run: exec_user_strings,
    },
    Check { name: "exec-session-is-its-own", class: "CVE-2016-10124, 2017-5226 (exec)", run: exec_session },
];

/// A runtime that has no `exec` yet.
fn absent(output: &Output) -> Option<Verdict> {
    let lacks = output.code != 0
        && ["not supported", "not implemented", "unknown command"]
            .iter()
            .any(|words| output.stderr.contains(words));
    lacks.then(|| Verdict::Absent(output.stderr.trim().to_string()))
}

/// Container root looks through fd, cwd and root of every process while the caller's directories ride along with exec. A `tracer` may
/// do so with every process that it sees, so that it must see none before it has become the program.
fn exec_is_not_traceable(trial: &Trial, tracer: bool) -> Verdict {
    let outside = trial.outside("outside");
    let scanner = trial.context.bundle(&["scan", "/stop"]);
    let id = trial.context.id();
    let output = trial.context.create(&scanner, &id).ok();
    trial.context.start(&id).ok();
    output.wait_stdout("ready");
    let first = trial.context.call(&["exec", &id, "/bin/payload", "true"]).go();
    if let Some(verdict) = absent(&first) {
        return verdict;
    }
    first.ok();
    trial.context.delete_force(&id).ok();

    // The control: a descriptor of the host that is given on purpose is found by the scan.
    let path = outside.text();
    let marker = outside.path.join("HOST-MARKER").to_string_lossy().into_owned();
    let wrap = ["payload", "leak-fd", "3", path.as_str(), "payload", "leak-fd", "4", marker.as_str()];
    let given = trial.context.bundle(&["echo", "up", ",", "pause"]);
    let id = trial.context.id();
    let created = trial
        .context
        .call(&["create", "--preserve-fds", "2", "--bundle", &given.path(), &id])
        .through(&wrap)
        .go();
    if created.code == 0 {
        trial.context.start(&id).ok();
        created.wait_stdout("\"up\"");
        let found = trial.context.call(&["exec", &id, "/bin/payload", "scan", "/"]).go();
        let leaks = found.seen().out("scan /")["leaks"].to_string();
        assert!(
            leaks.contains("fd file") && leaks.contains("fd dir"),
            "the scan is blind: {}",
            found.describe()
        );
        trial.context.delete_force(&id).ok();
    }

    let mut scanner = trial.context.bundle(&["scan", "/stop", ",", "pause"]);
    if tracer {
        scanner.capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]);
    }
    let id = trial.context.id();
    let output = trial.context.create(&scanner, &id).ok();
    trial.context.start(&id).ok();
    output.wait_stdout("ready");
    let exec = || drop(trial.context.call(&["exec", &id, "/bin/payload", "true"]).through(&wrap).go().ok());
    let (most, time) = if trial.peer { (u32::MAX, Duration::from_secs(5)) } else { (500, PATIENCE) };
    let count = trial.up_to(most, time, || output.stdout_now().contains("\"found "), exec);
    fs::write(scanner.root().join("stop"), "").unwrap();
    let text = output.wait_stdout("\"verb\":\"scan\"");
    let seen = Seen::parse(&text);
    assert!(seen.out("scan /stop")["looked"].as_u64().unwrap() > 0);
    let leaks = seen.out("scan /stop")["leaks"].as_array().unwrap().clone();
    Verdict::open_if(leaks.iter().map(|leak| format!("{leak} was seen during {count} execs")).collect())
}

fn exec_cwd_is_a_descriptor(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let bundle = trial.context.bundle(&["pause"]);
    for number in 3..=15 {
        symlink(format!("/proc/self/fd/{number}"), bundle.root().join(format!("link{number}"))).unwrap();
    }
    let id = trial.context.running(&bundle);
    let first = trial.context.call(&["exec", "--cwd", "/tmp", &id, "/bin/payload", "cwd"]).go();
    if let Some(verdict) = absent(&first) {
        return verdict;
    }
    assert_eq!(first.ok().seen().text("cwd"), "/tmp");
    let mut holes = Vec::new();
    for number in 3..=15 {
        for cwd in [format!("/proc/self/fd/{number}"), format!("/link{number}")] {
            let (text, path) = (number.to_string(), outside.text());
            let output = trial
                .context
                .call(&["exec", "--cwd", &cwd, &id, "/bin/payload", "read", "HOST-MARKER", ",", "cwd"])
                .through(&["payload", "leak-fd", &text, &path])
                .go();
            if !output.stdout.contains("\"verb\"") {
                continue;
            }
            let seen = output.seen();
            let told = seen.out("cwd").as_str().unwrap_or("").to_string();
            if seen.errno("read HOST-MARKER").is_empty() || !told.starts_with('/') {
                holes.push(format!("--cwd {cwd}: the program is in {told:?} of the host"));
            }
        }
    }
    Verdict::open_if(holes)
}

/// The program that exec runs is `#!/proc/self/exe`; a process inside writes every /proc/PID/exe it can open.
fn exec_runs_the_runtime(trial: &Trial) -> Verdict {
    let (copy, own, before) = copy_of_the_runtime(trial);
    let mut bundle = trial.context.bundle(&["watch-exe", "/stop", ",", "pause"]);
    bundle.capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    for (name, line) in [("entry", "#!/proc/self/exe\n"), ("init", "#!/proc/1/exe echo\n")] {
        host::write_script(&bundle.root().join("bin").join(name), line);
    }
    let id = trial.context.id();
    let output = trial.context.create(&bundle, &id).ok();
    trial.context.start(&id).ok();
    output.wait_stdout("ready");
    let root = trial.context.state_dir().to_string_lossy().into_owned();
    let exec = |program: &str| {
        crate::harness::Call::at(trial.context, &copy, &["--root", &root, "exec", &id, program, "true"]).go()
    };
    let first = exec("/bin/payload");
    if let Some(verdict) = absent(&first) {
        return verdict;
    }
    first.ok();
    trial.again(
        Duration::from_millis(4500),
        || false,
        || {
            exec("/bin/entry");
            exec("/proc/self/exe");
        },
    );
    fs::write(bundle.root().join("stop"), "").unwrap();
    let seen = Seen::parse(&output.wait_stdout("\"verb\":\"watch-exe\""));
    let told = seen.out("watch-exe /stop");
    let mut holes = Vec::new();
    if fs::read(&copy).unwrap() != before {
        holes.push("the runtime's file was overwritten from inside".to_string());
    }
    if told["opened"].to_string().contains(&own) {
        holes.push("the runtime's file could be opened for writing".to_string());
    }
    Verdict::open_if(holes)
}

fn exec_capabilities(trial: &Trial) -> Verdict {
    let id = trial.context.running(&trial.context.bundle(&["pause"]));
    let plain = trial.context.call(&["exec", &id, "/bin/payload", "report"]).go();
    if let Some(verdict) = absent(&plain) {
        return verdict;
    }
    let mut holes = Vec::new();
    let mut look = |what: &str, output: Output| {
        let seen = output.ok().seen();
        for set in ["CapInh", "CapAmb"] {
            let value = seen.report()["status"][set].as_str().unwrap().to_string();
            if !value.trim_start_matches('0').is_empty() {
                holes.push(format!("{what}: {set} is {value}"));
            }
        }
    };
    look("exec", plain);
    look(
        "exec --cap",
        trial.context.call(&["exec", "--cap", "CAP_NET_ADMIN", &id, "/bin/payload", "report"]).go(),
    );
    Verdict::open_if(holes)
}

/// Odd spellings of a user: refused, or exactly what they say, never root.
fn exec_user_strings(trial: &Trial) -> Verdict {
    let id = trial.context.running(&trial.context.bundle(&["pause"]));
    let control = trial.context.call(&["exec", "--user", "1234:2345", &id, "/bin/payload", "report"]).go();
    if let Some(verdict) = absent(&control) {
        return verdict;
    }
    let seen = control.ok().seen();
    assert_eq!(seen.report()["status"]["Uid"], "1234\t1234\t1234\t1234");
    assert_eq!(seen.report()["status"]["Gid"], "2345\t2345\t2345\t2345");
    let mut holes = Vec::new();
    for user in [
        "4294967296",
        "4294967295",
        "-1",
        " 0",
        "0 ",
        "0x0",
        "+0",
        "1e3",
        "",
        ":",
        "1000:",
        ":1000",
        "1000:-1",
        "1000:4294967296",
        "00x",
        "18446744073709551616",
        "1000:1000:1000",
        "root",
        "1000\n",
        "\u{660}",
    ] {
        let output = trial.context.call(&["exec", "--user", user, &id, "/bin/payload", "report"]).go();
        if !output.stdout.contains("\"verb\"") {
            continue;
        }
        let status = &output.seen().report()["status"].clone();
        let root = status["Uid"].as_str().unwrap().split('\t').any(|id| id == "0");
        if root && !["", ":", ":1000"].contains(&user) {
            holes.push(format!("--user {user:?} is root"));
        } else if user.contains("42949") || user.contains('-') || user.contains("18446") {
            holes.push(format!("--user {user:?} is {} {}", status["Uid"], status["Gid"]));
        }
    }
    Verdict::open_if(holes)
}

fn exec_session(trial: &Trial) -> Verdict {
    let id = trial.context.running(&trial.context.bundle(&["pause"]));
    let output = trial.context.call(&["exec", &id, "/bin/payload", "report"]).go();
    if let Some(verdict) = absent(&output) {
        return verdict;
    }
    let seen = output.ok().seen();
    let (pid, sid) = (seen.report()["pid"].clone(), seen.report()["sid"].clone());
    if pid == sid { Verdict::Closed } else { Verdict::Open(format!("pid {pid}, session {sid}")) }
}

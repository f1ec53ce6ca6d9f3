//! config.md "process" and config.md "POSIX process": what the program is started with.

use crate::harness::bundle::CAPABILITIES;
use crate::harness::{PATIENCE, Value, host, is_runlet, json};
use crate::{context, not_on, skip_test};
use std::fs;

/// "cwd (string, REQUIRED) is the working directory"; args verbatim; env verbatim and nothing else.
#[test]
fn cwd_args_and_env_are_as_configured() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    fs::create_dir_all(bundle.root().join("some/where")).unwrap();
    bundle.set("/process/cwd", "/some/where");
    bundle.set("/process/env", json!(["PATH=/bin", "EMPTY=", "A=b=c", "S=\u{e9} \"q\"", "HOME=/nowhere"]));
    let seen = context.observe(&bundle);
    let report = seen.report();
    assert_eq!(report["cwd"], "/some/where");
    assert_eq!(report["env"], json!(["PATH=/bin", "EMPTY=", "A=b=c", "S=\u{e9} \"q\"", "HOME=/nowhere"]));
    assert_eq!(report["args"], json!(["/bin/payload", "report"]));
    assert_eq!(report["pid"], 1);
}

/// Nothing of the caller's environment gets in.
#[test]
fn the_callers_environment_stays_outside() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let id = context.id();
    let output = context
        .call(&["run", "--bundle", &bundle.path(), &id])
        .env("SECRET_OF_THE_CALLER", "x")
        .env("LD_PRELOAD_X", "y")
        .go()
        .ok();
    let seen = output.seen();
    let environment = seen.report()["env"].to_string();
    assert!(
        !environment.contains("SECRET_OF_THE_CALLER") && !environment.contains("LD_PRELOAD_X"),
        "{environment}"
    );
}

/// The last of two equal names wins (CLI.md).
#[test]
fn of_two_equal_env_names_the_last_wins() {
    let context = context!();
    not_on!(Runc, "runc 1.1 passes both");
    not_on!(Crun, "crun passes both");
    let mut bundle = context.bundle(&["report"]);
    bundle.set("/process/env", json!(["PATH=/bin", "A=first", "B=x", "A=last"]));
    let seen = context.observe(&bundle);
    let found: Vec<&str> = seen.report()["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .filter(|one| one.starts_with("A="))
        .collect();
    assert_eq!(found, ["A=last"]);
}

/// SPEC.md: "HOME from passwd when absent", by the container's own passwd file.
#[test]
fn home_comes_from_the_containers_passwd() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    fs::write(
        bundle.root().join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    )
    .unwrap();
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let home = |seen: &crate::harness::Seen| -> Vec<String> {
        let all = seen.report()["env"].as_array().unwrap().clone();
        all.iter()
            .filter_map(Value::as_str)
            .filter(|one| one.starts_with("HOME="))
            .map(str::to_string)
            .collect()
    };
    assert_eq!(home(&context.observe(&bundle)), ["HOME=/home/user"]);
    bundle.push("/process/env", json!("HOME=/mine"));
    assert_eq!(home(&context.observe(&bundle)), ["HOME=/mine"]);
}

/// A bare name is looked up in the container's own PATH, from the container's own files.
#[test]
fn a_bare_name_is_looked_up_in_path() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    fs::create_dir_all(bundle.root().join("tools")).unwrap();
    fs::rename(bundle.root().join("bin/payload"), bundle.root().join("tools/program")).unwrap();
    // A directory and a file that cannot be executed are passed over.
    fs::create_dir_all(bundle.root().join("bin/program")).unwrap();
    fs::create_dir_all(bundle.root().join("sbin")).unwrap();
    fs::write(bundle.root().join("sbin/program"), "no program").unwrap();
    bundle.set("/process/env", json!(["PATH=/nowhere:/bin:/sbin:/tools"]));
    bundle.set("/process/args", json!(["program", "report"]));
    let seen = context.observe(&bundle);
    assert_eq!(seen.report()["args"][0], "program");
}

/// A script with `#!` runs as from a shell.
#[test]
fn a_script_runs() {
    let context = context!();
    let mut bundle = context.bundle(&[]);
    let script = bundle.root().join("bin/script");
    host::write_script(&script, "#!/bin/payload echo\n");
    bundle.set("/process/args", json!(["/bin/script"]));
    let seen = context.observe(&bundle);
    assert_eq!(seen.out("echo /bin/script")[0], "/bin/script");
}

/// "user": uid, gid, umask, additionalGids. All four ids of each are set.
#[test]
fn ids_groups_and_umask_are_as_configured() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    bundle.set(
        "/process/user",
        json!({ "uid": 1234, "gid": 2345, "umask": 0o27, "additionalGids": [5, 44, 100_000] }),
    );
    let seen = context.observe(&bundle);
    let status = &seen.report()["status"];
    assert_eq!(status["Uid"], "1234\t1234\t1234\t1234");
    assert_eq!(status["Gid"], "2345\t2345\t2345\t2345");
    assert_eq!(status["Groups"], "5 44 100000");
    assert_eq!(seen.report()["umask"], 0o27);
}

/// No additionalGids: none, not the caller's (SECURITY.md R7: setgroups is always made fresh).
#[test]
fn the_callers_groups_stay_outside() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let seen = context.observe(&bundle);
    let groups = seen.report()["status"]["Groups"].as_str().unwrap().to_string();
    assert!(groups.is_empty() || groups == "0", "{groups}");
    assert_eq!(seen.report()["umask"], 0o22, "the caller's umask is not inherited");
}

fn mask(names: &[&str]) -> String {
    const ALL: [&str; 41] = [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ];
    let bits = names
        .iter()
        .map(|name| 1u64 << ALL.iter().position(|known| format!("CAP_{known}") == *name).unwrap());
    format!("{:016x}", bits.fold(0, |all, bit| all | bit))
}

/// "capabilities": the five sets exactly.
#[test]
fn the_five_capability_sets_are_exact() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    bundle.set(
        "/process/capabilities",
        json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
            "permitted": ["CAP_CHOWN", "CAP_KILL"],
            "effective": ["CAP_CHOWN"],
            "inheritable": ["CAP_CHOWN", "CAP_KILL"],
            "ambient": ["CAP_CHOWN"]
        }),
    );
    let seen = context.observe(&bundle);
    let status = &seen.report()["status"];
    assert_eq!(status["CapBnd"], mask(&["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"]));
    assert_eq!(status["CapInh"], mask(&["CAP_CHOWN", "CAP_KILL"]));
    // An execve as an ordinary user keeps what is ambient.
    assert_eq!(status["CapPrm"], mask(&["CAP_CHOWN"]));
    assert_eq!(status["CapEff"], mask(&["CAP_CHOWN"]));
    assert_eq!(status["CapAmb"], mask(&["CAP_CHOWN"]));
}

/// CVE-2022-24769 and its kin: inheritable and ambient stay empty unless configured.
#[test]
fn inheritable_and_ambient_are_empty_by_default() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let seen = context.observe(&bundle);
    let status = &seen.report()["status"];
    assert_eq!(status["CapInh"], mask(&[]));
    assert_eq!(status["CapAmb"], mask(&[]));
    assert_eq!(status["CapBnd"], mask(&CAPABILITIES));
    assert_eq!(status["CapEff"], mask(&CAPABILITIES));
    assert_eq!(status["CapPrm"], mask(&CAPABILITIES));
}

/// SPEC.md: "no object means none".
#[test]
fn no_capabilities_object_means_no_capabilities() {
    let context = context!();
    not_on!(Runc, "runc keeps its own");
    not_on!(Crun, "crun keeps its own");
    let mut bundle = context.bundle(&["report"]);
    for empty in [Value::Null, json!({})] {
        bundle.unset("/process/capabilities");
        if !empty.is_null() {
            bundle.set("/process/capabilities", empty);
        }
        let seen = context.observe(&bundle);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(seen.report()["status"][set], mask(&[]), "{set}");
        }
    }
}

/// "Any value which cannot be mapped to a relevant kernel interface, or cannot be granted otherwise MUST be logged as a warning".
#[test]
fn a_capability_that_cannot_be_granted_is_a_warning() {
    let context = context!();
    not_on!(Crun, "crun 1.8 refuses it");
    let mut bundle = context.bundle(&["report"]);
    let mut names = vec!["CAP_CHOWN", "CAP_FROM_THE_FUTURE"];
    if is_runlet() {
        // Known to the kernel, and not the caller's to give on some machines.
        names.push("CAP_SYS_RESOURCE");
    }
    bundle.capabilities(&names);
    let output = context.run(&bundle).ok();
    assert!(output.stderr.contains("CAP_FROM_THE_FUTURE"), "{}", output.describe());
    let seen = output.seen();
    let bounding = seen.report()["status"]["CapBnd"].as_str().unwrap().to_string();
    assert_eq!(u64::from_str_radix(&bounding, 16).unwrap() & 1, 1, "the others are granted: {bounding}");
}

/// "noNewPrivileges".
#[test]
fn no_new_privileges_is_set_only_when_asked() {
    let context = context!();
    for asked in [true, false] {
        let mut bundle = context.bundle(&["report"]);
        bundle.set("/process/noNewPrivileges", asked);
        let seen = context.observe(&bundle);
        assert_eq!(seen.report()["status"]["NoNewPrivs"], if asked { "1" } else { "0" });
    }
}

/// "rlimits": soft and hard, of every kind that needs no privilege.
#[test]
fn rlimits_are_as_configured() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    let kinds = ["NOFILE", "CORE", "FSIZE", "DATA", "STACK", "CPU", "RSS", "AS", "LOCKS", "SIGPENDING"];
    let limits: Vec<Value> = kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| json!({ "type": format!("RLIMIT_{kind}"), "soft": 1_000_000_000 + index, "hard": 2_000_000_000 + index }))
        .map(|mut limit| {
            if ["RLIMIT_NOFILE", "RLIMIT_SIGPENDING"].contains(&limit["type"].as_str().unwrap()) {
                limit["soft"] = 100.into();
                limit["hard"] = 200.into();
            }
            limit
        })
        .collect();
    bundle.set("/process/rlimits", limits.clone());
    let seen = context.observe(&bundle);
    for limit in limits {
        let name = limit["type"].as_str().unwrap().trim_start_matches("RLIMIT_").to_string();
        assert_eq!(seen.report()["rlimits"][&name], json!([limit["soft"], limit["hard"]]), "{name}");
    }
}

/// "oomScoreAdj": untouched when unset; lower than the caller's needs CAP_SYS_RESOURCE, so a higher one is tried.
#[test]
fn oom_score_adj_is_set_and_untouched_when_unset() {
    let context = context!();
    let mut bundle = context.bundle(&["report"]);
    bundle.set("/process/oomScoreAdj", 500);
    assert_eq!(context.observe(&bundle).report()["oom_score_adj"], "500\n");
    let plain = context.bundle(&["report"]);
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(context.observe(&plain).report()["oom_score_adj"], own);
}

/// Only 0, 1 and 2 reach the program, whatever the caller holds open.
#[test]
fn only_the_standard_descriptors_reach_the_program() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let id = context.id();
    let mut wrap = Vec::new();
    for number in ["3", "4", "7", "9", "100", "500"] {
        wrap.extend(["payload", "leak-fd", number, "/"]);
    }
    let output = context.call(&["run", "--bundle", &bundle.path(), &id]).through(&wrap).go().ok();
    let seen = output.seen();
    let descriptors: Vec<&String> = seen.report()["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
}

/// `--preserve-fds N` passes 3 to N+2 and no more.
#[test]
fn preserved_descriptors_reach_the_program() {
    let context = context!();
    not_on!(Crun, "crun 1.8 counts descriptors that the harness does not pass");
    let bundle = context.bundle(&["report"]);
    let id = context.id();
    let wrap = [
        "payload", "leak-fd", "3", "/etc", "payload", "leak-fd", "4", "/tmp", "payload", "leak-fd", "5",
        "/dev",
    ];
    let output = context
        .call(&["run", "--preserve-fds", "2", "--bundle", &bundle.path(), &id])
        .through(&wrap)
        .go()
        .ok();
    let seen = output.seen();
    let descriptors: Vec<&String> = seen.report()["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2", "3", "4"]);
}

/// "consoleSize": the size of the terminal that the program gets; "Runtimes MUST ignore consoleSize if terminal is false or unset".
#[test]
fn the_terminal_has_the_size_that_is_asked_for() {
    let context = context!();
    let mut bundle = context.bundle(&["winsize", "1", ",", "stat", "/dev/console"]);
    bundle.set("/process/consoleSize", json!({ "height": 33, "width": 101 }));
    let seen = context.observe(&bundle);
    assert_eq!(seen.errno("winsize 1"), "ENOTTY");
    bundle.set("/process/terminal", true);
    let console = crate::harness::console::Console::new(&context.dir, "console");
    let id = context.id();
    let path = console.path();
    context.call(&["create", "--console-socket", &path, "--bundle", &bundle.path(), &id]).go().ok();
    assert!(console.receive(PATIENCE).is_some());
    context.start(&id).ok();
    let text = console.read_until("/dev/console", PATIENCE);
    let seen = crate::harness::Seen::parse(&text);
    let size = seen.out("winsize 1");
    assert_eq!((size[0].as_u64(), size[1].as_u64()), (Some(33), Some(101)));
    assert_eq!(seen.out("stat /dev/console")["major"], 136, "a terminal of devpts");
    context.delete_force(&id).ok();
}

/// The program leads its own session, so that it can push nothing into the caller's terminal.
#[test]
fn the_program_leads_its_own_session() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.report()["sid"], 1);
    assert_eq!(seen.report()["pgid"], 1);
}

/// The caller's signal mask and ignored signals are not the program's.
#[test]
fn signals_are_at_their_defaults() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let seen = context.observe(&bundle);
    let status = &seen.report()["status"];
    assert_eq!(status["SigBlk"], "0000000000000000");
    // Rust's std ignores SIGPIPE (bit 12) in the test program itself; glibc's posix_spawn ignores 32 and 33 in what the harness starts.
    let ignored = u64::from_str_radix(status["SigIgn"].as_str().unwrap(), 16).unwrap() & !(1 << 12 | 3 << 31);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    assert_eq!(
        ignored & !u64::from_str_radix(own, 16).unwrap(),
        0,
        "nothing ignored but what the caller ignores"
    );
}

/// A fresh session keyring, or the caller's with `--no-new-keyring`.
#[test]
fn the_session_keyring_is_the_containers_own() {
    let context = context!();
    let bundle = context.bundle(&["report"]);
    let own = bundle.path();
    let (first, second, kept) = (context.id(), context.id(), context.id());
    let ring = |words: &[&str]| context.call(words).go().ok().seen().report()["session_keyring"].clone();
    let one = ring(&["run", "-b", &own, &first]);
    if !one.is_i64() {
        skip_test!("no keyrings on this kernel: {one}");
    }
    let two = ring(&["run", "-b", &own, &second]);
    assert_ne!(one, two, "each container has its own");
    if is_runlet() {
        let caller = host::payload_report(&context)["session_keyring"].clone();
        assert_eq!(ring(&["run", "--no-new-keyring", "-b", &own, &kept]), caller);
    }
}

//! Every flag of `exec`, and every property of `--process`.

use crate::harness::{self, Output, Seen, Value, is_runlet, json};
use crate::{Home, context, not_on, reporting, skip_test};
use std::fs;

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

fn capabilities(report: &Value, set: &str) -> u64 {
    u64::from_str_radix(report["status"][set].as_str().unwrap(), 16).unwrap()
}

const NET_ADMIN: u64 = 1 << 12;

/// `--env`, `--cwd`, `--user`, `--additional-gids`: the container's process but for them.
#[test]
fn flags_change_one_thing_each() {
    let context = context!();
    not_on!(Crun, "crun 1.8 has other short forms");
    let home = Home::new(&context, |bundle| {
        bundle.push("/process/env", json!("KEPT=1"));
        bundle.push("/process/env", json!("COLOR=blue"));
        bundle.set("/process/user", json!({ "uid": 7, "gid": 8, "additionalGids": [9] }));
        fs::create_dir_all(bundle.root().join("home/user")).unwrap();
        fs::write(bundle.root().join("etc/passwd"), "app:x:1234:1:app:/home/user:/bin/sh\n").unwrap();
    });
    let report = home.report(&["-e", "COLOR=red", "--env=SIZE=big", "--env", "EMPTY="]);
    let env = strings(&report["env"]);
    for entry in ["KEPT=1", "COLOR=red", "SIZE=big", "EMPTY="] {
        assert!(env.contains(&entry), "{entry}: {env:?}");
    }
    if is_runlet() {
        assert!(!env.contains(&"COLOR=blue"), "the last of one name wins: {env:?}");
    }
    assert_eq!(report["status"]["Uid"], "7\t7\t7\t7");
    assert_eq!(report["status"]["Gid"], "8\t8\t8\t8");
    assert_eq!(report["status"]["Groups"].as_str().unwrap().trim(), "9");
    assert_eq!(report["cwd"], "/");

    assert_eq!(home.report(&["--cwd", "/tmp"])["cwd"], "/tmp");
    let user = home.report(&["-u", "1234:2345"]);
    assert_eq!(user["status"]["Uid"], "1234\t1234\t1234\t1234");
    assert_eq!(user["status"]["Gid"], "2345\t2345\t2345\t2345");
    if is_runlet() {
        assert!(strings(&user["env"]).contains(&"HOME=/home/user"), "from the container's passwd");
        assert_eq!(home.report(&["--user", "1234"])["status"]["Gid"], "8\t8\t8\t8", "the group stays");
    }
    let groups = home.report(&["-g", "100", "--additional-gids", "101"]);
    let groups = groups["status"]["Groups"].as_str().unwrap().trim();
    assert!(
        groups.split(' ').any(|gid| gid == "100") && groups.split(' ').any(|gid| gid == "101"),
        "{groups}"
    );
}

/// `--cap` adds to what the container has, and never to what is inherited; `--no-new-privs` cannot be taken back.
#[test]
fn privileges_are_added_and_forbidden() {
    let context = context!();
    let home = Home::new(&context, |bundle| {
        bundle.set("/process/noNewPrivileges", false);
    });
    let plain = home.report(&[]);
    assert_eq!(capabilities(&plain, "CapEff") & NET_ADMIN, 0);
    assert_eq!(plain["status"]["NoNewPrivs"], "0");
    let more = home.report(&["--cap", "CAP_NET_ADMIN"]);
    assert_eq!(capabilities(&more, "CapEff"), capabilities(&plain, "CapEff") | NET_ADMIN);
    assert_eq!(capabilities(&more, "CapBnd"), capabilities(&plain, "CapBnd") | NET_ADMIN);
    if is_runlet() {
        assert_eq!(capabilities(&more, "CapInh") | capabilities(&more, "CapAmb"), 0);
        assert_eq!(capabilities(&home.report(&["-c", "net_admin"]), "CapEff") & NET_ADMIN, NET_ADMIN);
    }
    assert_eq!(home.report(&["--no-new-privs"])["status"]["NoNewPrivs"], "1");
    assert_eq!(capabilities(&home.report(&[]), "CapEff") & NET_ADMIN, 0, "it was for one process");
}

/// `--apparmor`, `--process-label`: a label that cannot be had is an error, not a process without it.
#[test]
fn labels_fail_closed() {
    let context = context!();
    not_on!(Crun, "it starts the process without the label");
    let home = Home::new(&context, |_| {});
    for flags in [["--apparmor", "no-such-profile"], ["--process-label", "no:such:label:s0"]] {
        if flags[0] == "--process-label" && !is_runlet() {
            continue;
        }
        home.exec(&flags, &["/bin/payload", "true"]).fails();
    }
    let mut process = reporting();
    process["apparmorProfile"] = json!("no-such-profile");
    home.process(&process).fails();
    home.process(&reporting()).ok();
}

/// `--pid-file` has the pid on the host, `--detach` returns when the program runs.
#[test]
fn a_detached_process_runs_on() {
    let context = context!();
    let home = Home::new(&context, |_| {});
    let file = context.dir.join("exec.pid");
    let name = file.to_string_lossy().into_owned();
    let output =
        home.exec(&["--detach", "--pid-file", &name], &["/bin/payload", "report", ",", "pause"]).ok();
    let pid: u32 = fs::read_to_string(&file).unwrap().parse().expect("digits and nothing else");
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(line.starts_with("/bin/payload\0report"), "the program runs when exec returns: {line:?}");
    let report = Seen::parse(&output.wait_stdout("report")).report().clone();
    let inside = format!("NSpid:\t{pid}\t{}\n", report["pid"]);
    assert!(fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains(&inside));
    harness::host::signal(pid, 9);
    assert_eq!(context.reap(pid), Some(137), "its parent is the caller's subreaper");

    // Relative to the caller's directory, as for create.
    let words = ["exec", "--pid-file", "relative.pid", &home.id, "/bin/payload", "true"];
    context.call(&words).cwd(context.outside("cwd")).go().ok();
    assert!(context.dir.join("cwd/relative.pid").exists());
}

/// `--preserve-fds N`: 3 to N+2, which must be there.
#[test]
fn preserved_descriptors_reach_the_program() {
    let context = context!();
    not_on!(Crun, "crun 1.8 counts descriptors that the harness does not pass");
    let home = Home::new(&context, |_| {});
    let wrap = [
        "payload", "leak-fd", "3", "/etc", "payload", "leak-fd", "4", "/tmp", "payload", "leak-fd", "5",
        "/usr",
    ];
    let fds = |output: Output| -> Vec<String> {
        output.ok().seen().report()["fds"].as_object().unwrap().keys().cloned().collect()
    };
    let words = ["/bin/payload", "report"];
    assert_eq!(
        fds(home.call(&["--preserve-fds", "2"], &words).through(&wrap).go()),
        ["0", "1", "2", "3", "4"]
    );
    assert_eq!(fds(home.call(&[], &words).through(&wrap).go()), ["0", "1", "2"]);
    if is_runlet() {
        let output = home.call(&["--preserve-fds", "4"], &words).through(&wrap).go().status(255);
        output.says("--preserve-fds: file descriptor 6 is not open");
    }
}

/// `--cgroup`: a cgroup below the container's own, and nothing else.
#[test]
fn a_process_starts_in_a_cgroup_below_the_containers() {
    let context = context!();
    not_on!(Crun, "crun 1.8 takes other paths");
    not_on!(Runc, "runc 1.1 refuses the hybrid host's");
    let home = Home::new(&context, |_| {});
    let root = format!("/proc/{}/root", context.world_pid());
    let record = fs::read_to_string(context.state_dir().join(&home.id).join("state.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let own = format!("{root}{}", record["cgroupPath"].as_str().unwrap());
    fs::create_dir(format!("{own}/sub")).unwrap();
    let report = home.report(&["--cgroup", "/sub"]);
    assert!(report["cgroup"].as_str().unwrap().contains("0::/sub\n"), "{}", report["cgroup"]);
    assert_eq!(home.report(&["--cgroup", "sub"])["cgroup"], report["cgroup"]);
    assert_eq!(home.report(&[])["cgroup"], home.init["cgroup"]);
    for bad in ["/nosuch", "../", "/sub/../..", ""] {
        home.exec(&["--cgroup", bad], &["/bin/payload", "true"]).fails();
    }
}

/// `--process`: the whole object counts, and what it leaves out is not more than the container has.
#[test]
fn a_process_object_says_everything() {
    let context = context!();
    not_on!(Crun, "crun 1.8 takes a part of it only");
    let home = Home::new(&context, |bundle| {
        bundle.push("/process/env", json!("KEPT=1"));
        bundle.set("/process/rlimits", json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 88 }]));
    });
    let names = json!(["CAP_CHOWN", "CAP_KILL"]);
    let whole = json!({
        "args": ["payload", "report"], "cwd": "/tmp", "env": ["PATH=/bin", "ONLY=this"],
        "user": { "uid": 1000, "gid": 1001, "umask": 63, "additionalGids": [5, 6] },
        "capabilities": { "bounding": names, "permitted": names, "effective": names, "inheritable": names, "ambient": names },
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 44, "hard": 55 }],
        "noNewPrivileges": false, "oomScoreAdj": 500
    });
    let report = home.process(&whole).ok().seen().report().clone();
    assert_eq!(report["cwd"], "/tmp");
    assert_eq!(report["env"], json!(["PATH=/bin", "ONLY=this", "HOME=/"]));
    assert_eq!(report["status"]["Uid"], "1000\t1000\t1000\t1000");
    assert_eq!(report["status"]["Gid"], "1001\t1001\t1001\t1001");
    assert_eq!(report["status"]["Groups"].as_str().unwrap().trim(), "5 6");
    assert_eq!(report["umask"], 63);
    for set in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(capabilities(&report, set), 0b10_0001, "{set}");
    }
    assert_eq!(report["rlimits"]["NOFILE"], json!([44, 55]));
    assert_eq!(report["status"]["NoNewPrivs"], "0");
    assert_eq!(report["oom_score_adj"], "500\n");

    let bare = home.process(&reporting()).ok().seen().report().clone();
    assert_eq!(capabilities(&bare, "CapEff"), capabilities(&home.init, "CapEff"), "the container's own");
    assert_eq!(bare["rlimits"]["NOFILE"], json!([77, 88]), "the container's own");
    assert_eq!(bare["env"], json!(["PATH=/bin", "HOME=/"]), "not the container's");

    if !is_runlet() {
        return;
    }
    for (change, place) in [
        (("args", json!([])), "--process.args"),
        (("cwd", json!("relative")), "--process.cwd"),
        (("user", json!({ "uid": 4_294_967_295u32, "gid": 0 })), "--process.user.uid"),
        (("rlimits", json!([{ "type": "RLIMIT_X", "soft": 1, "hard": 1 }])), "--process.rlimits[0]"),
        (("oomScoreAdj", json!(5000)), "--process.oomScoreAdj"),
        (("env", json!("text")), "env"),
    ] {
        let mut broken = reporting();
        broken[change.0] = change.1;
        home.process(&broken).status(255).says(place);
    }
    let broken = context.dir.join("broken.json").to_string_lossy().into_owned();
    fs::write(&broken, "{").unwrap();
    home.exec(&["--process", &broken], &[]).status(255).says("--process");
    home.exec(&["--process", "/no/such/file"], &[]).status(255).says("--process: open \"/no/such/file\"");
}

/// Both ways to name a terminal need somebody at its other side.
#[test]
fn a_terminal_needs_its_other_side() {
    let context = context!();
    let home = Home::new(&context, |_| {});
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    home.exec(&["--detach", "--tty"], &["/bin/payload", "true"]).status(255).says("--console-socket");
    home.exec(&["--console-socket", "/no/such.sock"], &["/bin/payload", "true"])
        .status(255)
        .says("--console-socket");
    home.exec(&["-t", "--console-socket", "/no/such.sock"], &["/bin/payload", "true"])
        .status(255)
        .says("/no/such.sock");
}

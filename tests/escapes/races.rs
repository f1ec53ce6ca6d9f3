//! Races: a swapper exchanges two names (RENAME_EXCHANGE) while containers start over them, or processes are sent into one. Exit codes
//! mean nothing here; the host's state and what the programs that did start can see are looked at, after 1,000 starts or 60 s each.
//! Each has a naive victim beside it, who looks at the name and then opens it, and must lose against that very swapper.

use crate::check::{Attempt, Check, Outside, Trial, Verdict};
use crate::harness::{Output, Seen, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

pub const CHECKS: &[Check] = &[
    Check {
        name: "race-mount-destination",
        class: "CVE-2021-30465, 2026-41568, 2024-45310",
        run: race_mount_destination,
    },
    Check { name: "race-mask-source", class: "CVE-2025-31133, 2025-62161", run: race_mask_source },
    Check { name: "race-device-and-links", class: "CVE-2026-41579, 2025-52565", run: race_device_and_links },
    Check { name: "race-exec-cwd", class: "CVE-2024-21626 (exec)", run: race_exec_cwd },
    Check { name: "race-exec-passwd", class: "CVE-2024-21626 (HOME)", run: race_exec_passwd },
    Check { name: "race-exec-terminal", class: "CVE-2025-52565 (exec -t)", run: race_exec_terminal },
    Check { name: "race-console", class: "CVE-2026-88264, 2025-52565", run: race_console },
];

fn starts(trial: &Trial) -> (u32, Duration) {
    let guest = std::env::var_os("RUNLET_VM_ENV").is_some();
    let standard = if guest { 20 } else { 1000 };
    let wanted = std::env::var("RUNLET_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(standard);
    if trial.peer { (wanted / 20, Duration::from_secs(8)) } else { (wanted, Duration::from_secs(60)) }
}

/// What one start against the swapper came to: whether a program ran, and what was seen that must not be.
type Round = (bool, Vec<String>);

/// `once` again and again while `left` and `right` change places.
fn race(trial: &Trial, name: &str, left: &Path, right: &Path, mut once: impl FnMut() -> Round) -> Verdict {
    let (left, right) = (left.to_string_lossy(), right.to_string_lossy());
    let swapper = trial.context.helper(&["swap", &left, &right]);
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let naive = trial.context.in_world(&[&payload, "check-then-open", &left]).output().unwrap();
    let naive = Seen::parse(&String::from_utf8_lossy(&naive.stdout));
    let lost = naive.out(&format!("check-then-open {left}")).to_string();

    let (count, limit) = starts(trial);
    let end = Instant::now() + limit;
    let (mut done, mut started, mut holes) = (0, 0, Vec::new());
    while done < count && Instant::now() < end && holes.is_empty() {
        let (ran, seen) = once();
        done += 1;
        started += u32::from(ran);
        holes.extend(seen);
    }
    let swaps = swapper.finish();
    assert!(
        swaps.trim().parse::<u64>().is_ok_and(|swaps| swaps > u64::from(done)),
        "the swapper did nothing: {swaps:?}"
    );
    assert!(started > 0, "nothing ever started");
    crate::note(&format!(
        "{name} on {}: {done} starts, {started} came up, {} swaps; who looks first and then opens loses at attempt {lost}",
        trial.runtime,
        swaps.trim()
    ));
    Verdict::open_if(holes)
}

/// The volume's directory and a link to a directory of the host change places under a mount's destination.
fn race_mount_destination(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let volume = trial.context.outside("volume");
    fs::create_dir_all(volume.join("a/point")).unwrap();
    symlink(&outside.path, volume.join("b")).unwrap();
    let mut bundle = trial.context.bundle(&[
        "report",
        ",",
        "read",
        "/vol/a/HOST-MARKER",
        ",",
        "read",
        "/vol/b/HOST-MARKER",
    ]);
    bundle.bind(&volume, "/vol", &["rbind"]);
    bundle.mount("/vol/a/point", "tmpfs", "tmpfs", &[]);
    bundle.mount("/vol/a/made/deep", "tmpfs", "tmpfs", &[]);
    trial.control(&bundle);
    race(trial, "race-mount-destination", &volume.join("a"), &volume.join("b"), || {
        let attempt = trial.attempt(&bundle);
        let mut holes = outside.changes();
        if !attempt.started {
            return (false, holes);
        }
        for name in ["a", "b"] {
            if attempt.seen.errno(&format!("read /vol/{name}/HOST-MARKER")).is_empty() {
                holes.push("the container reads a file of the host".to_string());
            }
        }
        let mounts = attempt.seen.mounts();
        let inside =
            mounts.0.iter().filter(|mount| mount.kind == "tmpfs" && mount.point.ends_with("/point")).count();
        if inside == 0 {
            holes.push("started, and a mount went elsewhere".to_string());
        }
        (true, holes)
    })
}

/// /dev/null of a shared /dev and a link to another file change places while it is used to mask.
fn race_mask_source(trial: &Trial) -> Verdict {
    let device = trial.context.outside("dev");
    for (name, major, minor) in
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)]
    {
        make_node(trial, &device.join(name).to_string_lossy(), major, minor);
    }
    symlink("/etc/other", device.join("other")).unwrap();
    let mut bundle =
        trial.context.bundle(&["stat", "/secret", ",", "read", "/secret", ",", "write", "/etc/other", "x"]);
    for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.remove_mount(path);
    }
    bundle.bind(&device, "/dev", &["rbind"]);
    fs::write(bundle.root().join("secret"), "HOST-SECRET").unwrap();
    fs::write(bundle.root().join("etc/other"), "other file").unwrap();
    bundle.set("/linux/maskedPaths", json!(["/secret"]));
    let control = trial.control(&bundle);
    assert_eq!(control.text("read /secret"), "");
    race(trial, "race-mask-source", &device.join("null"), &device.join("other"), || {
        let Attempt { seen, started, .. } = trial.attempt(&bundle);
        let mut holes = Vec::new();
        if !started {
            return (false, holes);
        }
        if seen.errno("read /secret").is_empty() && !seen.text("read /secret").is_empty() {
            holes.push(format!("the masked file reads {:?}", seen.text("read /secret")));
        }
        if seen.errno("stat /secret").is_empty()
            && seen.out("stat /secret")["type"] == "file"
            && seen.out("stat /secret")["size"].as_u64().unwrap() > 0
        {
            holes.push("the mask is another file".to_string());
        }
        (true, holes)
    })
}

/// A directory below which devices, links and files are made changes places with a link to the host.
fn race_device_and_links(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let volume = trial.context.outside("volume");
    fs::create_dir_all(volume.join("a")).unwrap();
    symlink(&outside.path, volume.join("b")).unwrap();
    let file = trial.context.dir.join("file");
    fs::write(&file, "x").unwrap();
    let mut bundle = trial.context.bundle(&["true"]);
    bundle.bind(&volume, "/vol", &["rbind"]);
    bundle.bind(&file, "/vol/a/bound", &[]);
    bundle.set(
        "/linux/devices",
        json!([{ "path": "/vol/a/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 9, "gid": 9 }]),
    );
    bundle.set("/process/cwd", "/vol/a/work");
    bundle.set("/linux/maskedPaths", json!(["/vol/a/masked", "/vol/a/HOST-MARKER"]));
    let first = trial.attempt(&bundle);
    if !first.started {
        // Some runtimes want the device in place.
        bundle.unset("/linux/devices");
    }
    race(trial, "race-device-and-links", &volume.join("a"), &volume.join("b"), || {
        let attempt = trial.attempt(&bundle);
        let holes = outside.changes();
        let _ = fs::remove_file(volume.join("a/node"));
        let _ = fs::remove_file(volume.join("b/node"));
        (attempt.started, holes)
    })
}

/// A process for the container `id`, sent by a caller who leaks a directory of the host as descriptor 3 and a file of it as 4.
fn sent(trial: &Trial, id: &str, outside: &Outside, flags: &[&str], words: &[&str]) -> Output {
    let (directory, file) = (outside.text(), outside.path.join("HOST-MARKER").to_string_lossy().into_owned());
    let wrap = ["payload", "leak-fd", "3", &directory, "payload", "leak-fd", "4", &file];
    let mut call = vec!["exec"];
    call.extend(flags);
    call.extend([id, "/bin/payload"]);
    call.extend(words);
    trial.context.call(&call).through(&wrap).go()
}

/// The working directory of an exec changes places with a link to a descriptor that the caller leaks.
fn race_exec_cwd(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let volume = trial.context.outside("volume");
    fs::create_dir(volume.join("a")).unwrap();
    symlink("/proc/self/fd/3", volume.join("b")).unwrap();
    let mut bundle = trial.context.bundle(&["pause"]);
    bundle.bind(&volume, "/vol", &["rbind"]);
    let id = trial.context.running(&bundle);
    let words = ["cwd", ",", "read", "HOST-MARKER"];
    let control = sent(trial, &id, &outside, &["--cwd", "/vol/a"], &words);
    assert_eq!(control.seen().text("cwd"), "/vol/a", "{}", control.describe());
    race(trial, "race-exec-cwd", &volume.join("a"), &volume.join("b"), || {
        let output = sent(trial, &id, &outside, &["--cwd", "/vol/a"], &words);
        let mut holes = outside.changes();
        if !output.stdout.contains("\"verb\"") {
            return (false, holes);
        }
        let seen = output.seen();
        let cwd = seen.out("cwd").as_str().unwrap_or("").to_string();
        if seen.errno("read HOST-MARKER").is_empty() || !cwd.starts_with('/') {
            holes.push(format!("the program is in {cwd:?} of the host"));
        }
        (true, holes)
    })
}

/// The container's passwd changes places with a link to a file of the host that the caller leaks, then with a fifo, which whoever
/// opens it to read waits at.
fn race_exec_passwd(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let marker = outside.path.join("HOST-MARKER");
    fs::write(&marker, "root:x:0:0::/HOST-SECRET:/bin/sh\n").unwrap();
    let bundle = trial.context.bundle(&["pause"]);
    let etc = bundle.root().join("etc");
    fs::write(etc.join("passwd"), "root:x:0:0::/inside:/bin/sh\n").unwrap();
    symlink("/proc/self/fd/4", etc.join("link")).unwrap();
    make_fifo(trial, &etc.join("fifo"));
    let id = trial.context.running(&bundle);
    let home = |output: &Output| -> String {
        let seen = output.seen();
        let env = seen.report()["env"].as_array().unwrap().clone();
        let mut homes = env.iter().filter_map(|one| one.as_str()?.strip_prefix("HOME="));
        homes.next().unwrap_or("").to_string()
    };
    let control = sent(trial, &id, &outside, &[], &["report"]);
    assert_eq!(home(&control), "/inside", "{}", control.describe());
    let found = |other: &str| {
        race(trial, "race-exec-passwd", &etc.join("passwd"), &etc.join(other), || {
            // A call that hangs panics.
            let output = sent(trial, &id, &outside, &[], &["report"]);
            if !output.stdout.contains("\"verb\"") {
                return (false, Vec::new());
            }
            let home = home(&output);
            let wrong = !["/inside", "/"].contains(&home.as_str());
            (true, wrong.then(|| format!("HOME is {home:?}")).into_iter().collect())
        })
    };
    match found("link") {
        Verdict::Closed => {
            // Whichever of the two has the name now.
            fs::remove_file(etc.join("link")).unwrap();
            fs::remove_file(etc.join("passwd")).unwrap();
            fs::write(etc.join("passwd"), "root:x:0:0::/inside:/bin/sh\n").unwrap();
            found("fifo")
        }
        open => open,
    }
}

/// The image's /dev, with a devpts in it, changes places with a directory whose pts is one of the container's making, while
/// terminals are asked for.
fn race_exec_terminal(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut bundle = trial.context.bundle(&["pause"]);
    for path in ["/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.remove_mount(path);
    }
    let other = bundle.root().join("other");
    fs::create_dir_all(other.join("pts")).unwrap();
    symlink("/proc/self/fd/4", other.join("pts/ptmx")).unwrap();
    symlink("/proc/self/fd/4", other.join("console")).unwrap();
    let id = trial.context.running(&bundle);
    let words = ["winsize", "0"];
    let control = sent(trial, &id, &outside, &["--tty"], &words);
    assert!(control.seen().out("winsize 0").is_array(), "{}", control.describe());
    race(trial, "race-exec-terminal", &bundle.root().join("dev"), &other, || {
        let output = sent(trial, &id, &outside, &["--tty"], &words);
        let mut holes = outside.changes();
        let started = output.stdout.contains("\"verb\"");
        if started && !output.seen().errno("winsize 0").is_empty() {
            holes.push("the program's standard input is no terminal".to_string());
        }
        (started, holes)
    })
}

/// /dev/console of an image changes places with a link to the host while containers with a terminal are made.
fn race_console(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut bundle = trial.context.bundle(&["lstat", "/dev/console", ",", "winsize", "0"]);
    for path in ["/dev/shm", "/dev/mqueue", "/dev"] {
        bundle.remove_mount(path);
    }
    bundle.set("/process/terminal", true);
    let dev = bundle.root().join("dev");
    fs::write(dev.join("console"), "").unwrap();
    // Once to a file that is there, once to one that would be made.
    for (name, file) in [("there", "HOST-MARKER"), ("made", "new")] {
        symlink(outside.path.join(file), dev.join(name)).unwrap();
    }
    let control = trial.control(&bundle);
    assert_eq!(control.out("lstat /dev/console")["major"], 136);
    let found = |other: &str| {
        race(trial, "race-console", &dev.join("console"), &dev.join(other), || {
            let attempt = trial.attempt(&bundle);
            let mut holes = outside.changes();
            // A link that took the place of what was covered meanwhile is the image's own, and leads nowhere in there.
            if attempt.started && !attempt.seen.errno("winsize 0").is_empty() {
                holes.push("the program's standard input is no terminal".to_string());
            }
            (attempt.started, holes)
        })
    };
    match found("there") {
        Verdict::Closed => found("made"),
        open => open,
    }
}

fn make_node(trial: &Trial, path: &str, major: u32, minor: u32) {
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let made = trial
        .context
        .in_world(&[
            &payload,
            "mknod",
            path,
            "c",
            &major.to_string(),
            &minor.to_string(),
            ",",
            "chmod",
            path,
            "0666",
        ])
        .output()
        .unwrap();
    assert!(made.status.success());
}

fn make_fifo(trial: &Trial, path: &Path) {
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let made = trial.context.in_world(&[&payload, "mknod", &path.to_string_lossy(), "p", "0", "0"]).output();
    assert!(made.unwrap().status.success());
}

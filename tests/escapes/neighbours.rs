//! What other containers, other users of the machine and an image prepare for the runtime to find: names it looks up, files it reads.

use crate::check::{Check, Trial, Verdict};
use crate::harness::{PATIENCE, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    Check { name: "keyring-is-its-own", class: "session keyring by name", run: keyring_is_its_own },
    Check {
        name: "state-root-of-somebody-else",
        class: "state directory 0700",
        run: state_root_of_somebody_else,
    },
    Check { name: "pid-file-name-is-taken", class: "files beside the caller's", run: pid_file_name_is_taken },
    Check {
        name: "home-from-a-hostile-passwd",
        class: "CVE-2016-3697 (HOME)",
        run: home_from_a_hostile_passwd,
    },
    Check { name: "ptmx-is-not-devpts", class: "CVE-2025-52565 (exec)", run: ptmx_is_not_devpts },
    Check { name: "strings-with-nul", class: "length overflow (NUL)", run: strings_with_nul },
];

/// A container makes a keyring of the name that a runtime would give to the next one, and lets everybody search it.
fn keyring_is_its_own(trial: &Trial) -> Verdict {
    let victim = trial.context.id();
    let mut holes = Vec::new();
    for name in [format!("_ses.{victim}"), victim.clone()] {
        let forger = trial.context.bundle(&[
            "add-key",
            &name,
            ",",
            "syscall",
            "250",
            "5",
            "-3",
            "0x3f3f3f3f",
            ",",
            "report",
            ",",
            "pause",
        ]);
        let id = trial.context.id();
        let output = trial.context.create(&forger, &id).ok();
        trial.context.start(&id).ok();
        let seen = crate::harness::Seen::parse(&output.wait_stdout("\"verb\":\"report\""));
        if !seen.errno(&format!("add-key {name}")).is_empty() {
            return Verdict::Absent("no keyrings".to_string());
        }
        let honest = trial.context.bundle(&["report"]);
        let run = trial.context.call(&["run", "--bundle", &honest.path(), &victim]).go().ok();
        if run.seen().report()["session_keyring"] == seen.report()["session_keyring"] {
            holes.push(format!("the keyring {name:?} of another container was joined"));
        }
        trial.context.delete_force(&id);
    }
    Verdict::open_if(holes)
}

/// The state root is another user's, a link in /tmp, or one that everybody may write to: whoever is there decides what hooks run.
fn state_root_of_somebody_else(trial: &Trial) -> Verdict {
    let bundle = trial.context.bundle(&["true"]);
    trial.control(&bundle);
    let directory = bundle.path();
    let mut holes = Vec::new();
    let link = std::env::temp_dir().join(format!("{}-link", trial.context.tag));
    for what in ["another user's", "writable by all", "a link in /tmp"] {
        let place = trial.context.outside("root");
        let (owner, mode) = match what {
            "another user's" => (1234, 0o755),
            "writable by all" => (0, 0o777),
            _ => (0, 0o700),
        };
        std::os::unix::fs::chown(&place, Some(owner), Some(0)).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        let root = if what.contains("link") {
            symlink(&place, &link).unwrap();
            link.to_string_lossy().into_owned()
        } else {
            place.to_string_lossy().into_owned()
        };
        let id = trial.context.id();
        let output = trial.context.bare_call(&["--root", &root, "run", "--bundle", &directory, &id]).go();
        if output.stdout.contains("\"verb\"") {
            holes.push(format!("a state root that is {what} is used"));
        }
        let _ = fs::remove_file(&link);
        let _ = fs::remove_dir_all(&place);
    }
    Verdict::open_if(holes)
}

/// The name beside the pid file is a link, or the file itself is one: what it leads to must stay.
fn pid_file_name_is_taken(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let marker = outside.path.join("HOST-MARKER");
    let directory = trial.context.outside("pids");
    for name in [".pid.new", "pid", ".pid"] {
        symlink(&marker, directory.join(name)).unwrap();
        let _ = fs::hard_link(&marker, directory.join(format!("{name}.hard")));
    }
    let bundle = trial.context.bundle(&["pause"]);
    let (id, path) = (trial.context.id(), bundle.path());
    let file = directory.join("pid").to_string_lossy().into_owned();
    // To refuse is fine as well.
    if trial.context.call(&["create", "--pid-file", &file, "--bundle", &path, &id]).go().code == 0 {
        assert_eq!(fs::read_to_string(&file).unwrap(), trial.context.pid(&id).to_string());
    }
    trial.context.delete_force(&id).ok();
    fs::remove_dir_all(&directory).unwrap();
    Verdict::open_if(outside.changes())
}

/// /etc/passwd is what the image or the container makes of it, while exec looks for HOME with the caller's descriptors open.
fn home_from_a_hostile_passwd(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let secret = outside.path.join("passwd");
    fs::write(&secret, "root:x:0:0:root:/HOST-SECRET:/bin/sh\n").unwrap();
    let bundle = trial.context.bundle(&["pause"]);
    let passwd = bundle.root().join("etc/passwd");
    fs::write(&passwd, "root:x:0:0:root:/honest:/bin/sh\n").unwrap();
    let id = trial.context.running(&bundle);
    let exec = || -> Result<String, &str> {
        let text = secret.to_string_lossy().into_owned();
        let wrap = ["payload", "leak-fd", "7", &text];
        let words = ["exec", &id, "/bin/payload", "report"];
        let call = trial.context.call(&words).through(&wrap);
        // A call that hangs is a panic of the harness.
        let output = catch_unwind(AssertUnwindSafe(|| call.go())).map_err(|_| "exec hangs")?;
        Ok(if output.stdout.contains("\"verb\"") {
            output.seen().report()["env"].to_string()
        } else {
            String::new()
        })
    };
    assert!(exec().is_ok_and(|env| env.contains("HOME=/honest")), "control: HOME is that of passwd");
    let mut holes = Vec::new();
    for what in ["a link to a descriptor", "a fifo", "endless", "a directory", "a device"] {
        let _ = fs::remove_file(&passwd);
        let _ = fs::remove_dir(&passwd);
        match what {
            "a link to a descriptor" => symlink("/proc/self/fd/7", &passwd).unwrap(),
            "endless" => fs::File::create(&passwd).unwrap().set_len(1 << 40).unwrap(),
            "a directory" => fs::create_dir(&passwd).unwrap(),
            "a fifo" => make(trial, &passwd, "p"),
            _ => make(trial, &passwd, "c"),
        }
        match exec() {
            Err(words) => holes.push(format!("{what}: {words}")),
            Ok(env) if env.contains("HOST-SECRET") => {
                holes.push(format!("{what}: HOME is of the host: {env}"))
            }
            Ok(_) => {}
        }
    }
    trial.context.delete_force(&id);
    fs::remove_file(&secret).unwrap();
    Verdict::open_if(holes)
}

fn make(trial: &Trial, path: &Path, kind: &str) {
    let payload = crate::harness::payload::path().to_string_lossy().into_owned();
    let made = trial.context.in_world(&[&payload, "mknod", &path.to_string_lossy(), kind, "1", "5"]).output();
    assert!(made.unwrap().status.success());
}

/// exec with a terminal takes it from the container's /dev/pts, which may be covered: nothing but a terminal is handed to the caller.
fn ptmx_is_not_devpts(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    for what in ["devpts", "a file", "a fifo", "a link"] {
        let mut bundle = trial.context.bundle(&["pause"]);
        if what != "devpts" {
            bundle.remove_mount("/dev/pts").remove_mount("/dev");
            let pts = bundle.root().join("dev/pts");
            fs::create_dir_all(&pts).unwrap();
            match what {
                "a file" => fs::write(pts.join("ptmx"), "HOST-SECRET").unwrap(),
                "a fifo" => make(trial, &pts.join("ptmx"), "p"),
                _ => symlink("/dev/zero", pts.join("ptmx")).unwrap(),
            }
            bundle.remove_mount("/dev/shm").remove_mount("/dev/mqueue");
        }
        let id = trial.context.running(&bundle);
        let console = crate::harness::console::Console::new(&trial.context.dir, "console");
        let file = trial.context.dir.join("exec.pid");
        let (socket, pid_file) = (console.path(), file.to_string_lossy());
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
            "true",
        ];
        let output = trial.context.call(&words).go();
        let came =
            console.receive(if output.code == 0 { PATIENCE } else { Duration::from_secs(1) }).is_some();
        if let Some(pid) = fs::read_to_string(&file).ok().and_then(|pid| pid.parse().ok()) {
            trial.context.reap(pid);
            let _ = fs::remove_file(&file);
        }
        trial.context.delete_force(&id);
        match (what, came) {
            ("devpts", false) => panic!("control: no terminal came: {}", output.describe()),
            ("devpts", true) | (_, false) => {}
            (_, true) => holes.push(format!("{what} was handed out as a terminal")),
        }
    }
    Verdict::open_if(holes)
}

/// A NUL ends a C string: what follows it would be judged and not used.
fn strings_with_nul(trial: &Trial) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let mut holes = Vec::new();
    for (pointer, value) in [
        ("/process/cwd", json!("/\u{0}tmp")),
        ("/process/args/1", json!("true\u{0}x")),
        ("/root/path", json!("rootfs\u{0}/../..")),
        ("/hostname", json!("a\u{0}b")),
        ("/linux/cgroupsPath", json!("/a\u{0}/../b")),
        ("/linux/maskedPaths", json!(["/proc/keys\u{0}x"])),
        ("/mounts/0/destination", json!("/proc\u{0}x")),
    ] {
        let mut bundle = trial.context.bundle(&["true"]);
        bundle.set(pointer, value);
        if trial.attempt(&bundle).started {
            holes.push(format!("{pointer} with a NUL was taken"));
        }
    }
    Verdict::open_if(holes)
}

//! Links in the image: nothing of the host may be reached through a path that the image decides.

use crate::check::{Check, Trial, Verdict};
use crate::harness::{PATIENCE, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    Check {
        name: "proc-is-a-symlink",
        class: "CVE-2019-19921, 2023-27561, 2023-28642",
        run: |trial| must_not_start_over_a_link(trial, "proc"),
    },
    Check {
        name: "sys-is-a-symlink",
        class: "CVE-2025-54867, 2023-28642",
        run: |trial| must_not_start_over_a_link(trial, "sys"),
    },
    Check { name: "dev-is-a-symlink", class: "CVE-2026-41579, 2026-47766", run: dev_is_a_symlink },
    Check { name: "dev-console-is-a-symlink", class: "CVE-2026-88264", run: dev_console_is_a_symlink },
    Check { name: "dev-null-is-a-symlink", class: "CVE-2026-88265, 2015-3627", run: dev_null_is_a_symlink },
    Check {
        name: "mount-destination-has-symlinks",
        class: "CVE-2021-30465, 2019-18837, LXC 2015-1335",
        run: mount_destination_has_symlinks,
    },
    Check { name: "directories-made-outside", class: "CVE-2024-45310", run: directories_made_outside },
    Check {
        name: "mask-source-is-a-symlink",
        class: "CVE-2025-31133, 2025-62161",
        run: mask_source_is_a_symlink,
    },
    Check {
        name: "mask-target-is-a-symlink",
        class: "CVE-2025-31133, 2025-62161",
        run: mask_target_is_a_symlink,
    },
    Check {
        name: "console-is-always-a-terminal",
        class: "CVE-2025-52565",
        run: console_is_always_a_terminal,
    },
    Check {
        name: "mounts-below-proc",
        class: "CVE-2019-16884, 2025-52881, 2025-62596",
        run: mounts_below_proc,
    },
    Check {
        name: "device-path-has-symlinks",
        class: "CVE-2026-41579 (devices)",
        run: device_path_has_symlinks,
    },
    Check { name: "cwd-has-symlinks", class: "cwd made outside the root", run: cwd_has_symlinks },
    Check { name: "no-host-file-by-handle", class: "open_by_handle_at", run: no_host_file_by_handle },
    Check { name: "chroot-does-not-lead-out", class: "chroot escape", run: chroot_does_not_lead_out },
];

/// "must not start": /proc or /sys would lie where the image says.
fn must_not_start_over_a_link(trial: &Trial, name: &str) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let mut holes = Vec::new();
    for target in ["tmp", "/tmp", "../outside-proc", "."] {
        let bundle = trial.context.bundle(&["true"]);
        let place = bundle.root().join(name);
        fs::remove_dir(&place).unwrap();
        symlink(target, &place).unwrap();
        fs::create_dir_all(bundle.dir.join("outside-proc")).unwrap();
        let attempt = trial.attempt(&bundle);
        if attempt.started {
            holes.push(format!("started with /{name} -> {target}"));
        }
    }
    Verdict::open_if(holes)
}

fn dev_is_a_symlink(trial: &Trial) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let mut holes = Vec::new();
    for mounted in [true, false] {
        for relative in [true, false] {
            let outside = trial.outside(&format!("outside-{mounted}-{relative}"));
            let mut bundle = trial.context.bundle(&["true"]);
            if !mounted {
                for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
                    bundle.remove_mount(path);
                }
            }
            fs::remove_dir(bundle.root().join("dev")).unwrap();
            let name = outside.path.file_name().unwrap().to_string_lossy().into_owned();
            let target = if relative { format!("../../{name}") } else { outside.text() };
            symlink(target, bundle.root().join("dev")).unwrap();
            trial.attempt(&bundle);
            holes.extend(outside.changes());
        }
    }
    Verdict::open_if(holes)
}

/// A terminal, no /dev mount, and /dev/console a link to a file that is not there yet.
fn dev_console_is_a_symlink(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut honest = true;
    for trick in [false, true] {
        let mut bundle = trial.context.bundle(&["true"]);
        for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
            bundle.remove_mount(path);
        }
        bundle.mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        );
        bundle.set("/process/terminal", true);
        if trick {
            symlink(outside.path.join("made"), bundle.root().join("dev/console")).unwrap();
        }
        let console = crate::harness::console::Console::new(&trial.context.dir, "console");
        let id = trial.context.id();
        let running = trial
            .context
            .call(&["create", "--bundle", &bundle.path(), "--console-socket", &console.path(), &id])
            .spawn();
        let terminal = console.receive(if trick { Duration::from_secs(1) } else { PATIENCE });
        let output = running.wait();
        if !trick {
            honest = output.code == 0 && terminal.is_some();
            if !honest && output.stderr.contains("not supported") {
                return Verdict::Absent(output.stderr.trim().to_string());
            }
        }
        trial.context.delete_force(&id);
    }
    if !honest {
        return Verdict::Broken("the honest container with a terminal does not start".to_string());
    }
    Verdict::open_if(outside.changes())
}

/// Standard input is /dev/null for the caller: what replaces it must be a real /dev/null, and must not be given to the user.
fn dev_null_is_a_symlink(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let victim = outside.path.join("HOST-MARKER");
    let mut holes = Vec::new();
    for trick in [false, true] {
        let mut bundle = trial.context.bundle(&["write", "/dev/stdin", "owned", ",", "lstat", "/dev/null"]);
        for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
            bundle.remove_mount(path);
        }
        bundle.bind(&victim, "/hostfile", &["rw"]);
        bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
        bundle.unset("/process/capabilities");
        bundle.set("/process/capabilities", json!({}));
        if trick {
            symlink("/hostfile", bundle.root().join("dev/null")).unwrap();
            trial.attempt(&bundle);
        } else {
            trial.control(&bundle);
        }
        holes.extend(outside.changes());
    }
    Verdict::open_if(holes)
}

fn mount_destination_has_symlinks(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    for (number, (kind, below)) in
        [("tmpfs", false), ("tmpfs", true), ("bind", false), ("bind", true)].into_iter().enumerate()
    {
        for relative in [true, false] {
            let outside = trial.outside(&format!("outside-{number}-{relative}"));
            let source = trial.context.outside("source");
            let mut bundle = trial.context.bundle(&["report"]);
            let name = outside.path.file_name().unwrap().to_string_lossy().into_owned();
            let target =
                if relative { format!("../../../../../../../../{}", outside.text()) } else { outside.text() };
            let _ = name;
            symlink(target, bundle.root().join("link")).unwrap();
            let destination = if below { "/link/below/new" } else { "/link" };
            if kind == "bind" {
                bundle.bind(&source, destination, &[]);
            } else {
                bundle.mount(destination, "tmpfs", "tmpfs", &[]);
            }
            let attempt = trial.attempt(&bundle);
            holes.extend(outside.changes());
            if attempt.started {
                // The mount must be inside, wherever the link leads there.
                let place = format!("{}{}", outside.text(), if below { "/below/new" } else { "" });
                if attempt.seen.mounts().find(&place).is_none()
                    && attempt.seen.mounts().find(destination).is_none()
                {
                    holes.push(format!(
                        "{kind} on {destination}: started, and the mount is not in the container"
                    ));
                }
            }
        }
    }
    // The control: a link that stays inside is followed, or refused, in order.
    let mut bundle = trial.context.bundle(&["report"]);
    fs::create_dir(bundle.root().join("real")).unwrap();
    bundle.mount("/real/new", "tmpfs", "tmpfs", &[]);
    assert!(trial.control(&bundle).mounts().find("/real/new").is_some());
    Verdict::open_if(holes)
}

/// Missing destinations, devices and cwd below links: made inside or not at all.
fn directories_made_outside(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    for links in [vec!["link"], vec!["a", "b"]] {
        let outside = trial.outside(&format!("outside-{}", links.len()));
        let mut bundle = trial.context.bundle(&["true"]);
        if links.len() == 1 {
            symlink(&outside.path, bundle.root().join("link")).unwrap();
            bundle.mount("/link/x/y/z", "tmpfs", "tmpfs", &[]);
            bundle.mount("/link/../link/q", "tmpfs", "tmpfs", &[]);
        } else {
            // A chain, whose last part leads out by dots.
            symlink("b/deep", bundle.root().join("a")).unwrap();
            symlink("../../../../../../..", bundle.root().join("b")).unwrap();
            bundle.mount(&format!("/b/{}/made", outside.text()), "tmpfs", "tmpfs", &[]);
        }
        let file = trial.context.dir.join("file");
        fs::write(&file, "x").unwrap();
        bundle.bind(&file, &format!("/{}/{}/file", links[links.len() - 1], outside.text()), &[]);
        trial.attempt(&bundle);
        holes.extend(outside.changes());
    }
    let mut control = trial.context.bundle(&["stat", "/x/y/z"]);
    control.mount("/x/y/z", "tmpfs", "tmpfs", &[]);
    trial.control(&control);
    Verdict::open_if(holes)
}

/// The image's /dev/null is not one: a mask made of it would show another file, or give it away to be written.
fn mask_source_is_a_symlink(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    for trick in [false, true] {
        for kind in ["link", "file"] {
            let mut bundle = trial.context.bundle(&[
                "stat", "/secret", ",", "read", "/secret", ",", "write", "/secret", "owned", ",", "umount",
                "/secret",
            ]);
            for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev"] {
                bundle.remove_mount(path);
            }
            fs::write(bundle.root().join("secret"), "HOST-SECRET").unwrap();
            fs::write(bundle.root().join("etc/other"), "other file").unwrap();
            if trick && kind == "link" {
                symlink("/etc/other", bundle.root().join("dev/null")).unwrap();
            } else if trick {
                fs::write(bundle.root().join("dev/null"), "other file").unwrap();
            }
            bundle.set("/linux/maskedPaths", json!(["/secret"]));
            let attempt = trial.attempt(&bundle);
            if !trick {
                assert!(attempt.started, "control: {}", attempt.output.describe());
            }
            if !attempt.started {
                continue;
            }
            if attempt.seen.errno("umount /secret").is_empty() {
                holes.push(format!("{kind}: the mask can be unmounted"));
            }
            if !attempt.seen.errno("read /secret").is_empty() {
                continue;
            }
            if !attempt.seen.text("read /secret").is_empty() {
                holes.push(format!("{kind}: the masked file reads {:?}", attempt.seen.text("read /secret")));
            }
            let writable_file = attempt.seen.out("stat /secret")["type"] == "file"
                && attempt.seen.errno("write /secret owned").is_empty();
            if writable_file {
                holes.push(format!("{kind}: the masked file is a writable file"));
            }
        }
    }
    Verdict::open_if(holes)
}

/// The masked path is itself a link of the image, to something that must stay readable or that is outside.
fn mask_target_is_a_symlink(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut holes = Vec::new();
    let mut control = trial.context.bundle(&["read", "/secret"]);
    fs::write(control.root().join("secret"), "HOST-SECRET").unwrap();
    control.set("/linux/maskedPaths", json!(["/secret"]));
    if !trial.control(&control).text("read /secret").is_empty() {
        holes.push("a plain masked file can be read".to_string());
    }
    for target in
        [outside.text(), format!("../../../../../../../..{}", outside.text()), "/proc/self/fd".to_string()]
    {
        let mut bundle = trial.context.bundle(&["read", "/proc/meminfo"]);
        symlink(&target, bundle.root().join("mask")).unwrap();
        symlink(format!("{}/HOST-MARKER", outside.text()), bundle.root().join("mask-file")).unwrap();
        bundle
            .set("/linux/maskedPaths", json!(["/mask", "/mask-file", "/mask/HOST-MARKER", "/proc/meminfo"]));
        bundle.set("/linux/readonlyPaths", json!(["/mask"]));
        let attempt = trial.attempt(&bundle);
        holes.extend(outside.changes());
        if attempt.started && !attempt.seen.text("read /proc/meminfo").is_empty() {
            holes.push("a later mask was not applied".to_string());
        }
    }
    Verdict::open_if(holes)
}

/// /dev/console of a container with a terminal is that terminal, whatever lies in the image's /dev.
fn console_is_always_a_terminal(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut holes = Vec::new();
    for trick in ["none", "file", "link"] {
        let mut bundle = trial.context.bundle(&["statfs", "/dev/console"]);
        bundle.set("/process/terminal", true);
        for path in ["/dev/shm", "/dev/mqueue", "/dev"] {
            bundle.remove_mount(path);
        }
        match trick {
            "file" => fs::write(bundle.root().join("dev/console"), "").unwrap(),
            "link" => symlink("/etc/target", bundle.root().join("dev/console")).unwrap(),
            _ => {}
        }
        fs::write(bundle.root().join("etc/target"), "").unwrap();
        let console = crate::harness::console::Console::new(&trial.context.dir, "console");
        let id = trial.context.id();
        let running = trial
            .context
            .call(&["create", "--bundle", &bundle.path(), "--console-socket", &console.path(), &id])
            .spawn();
        let output = running.wait();
        let terminal = console.receive(if output.code == 0 { PATIENCE } else { Duration::from_secs(1) });
        let started = output.code == 0 && terminal.is_some();
        if trick == "none" && !started {
            return if output.stderr.contains("not supported") {
                Verdict::Absent(output.stderr.trim().to_string())
            } else {
                Verdict::Broken(output.describe())
            };
        }
        if started {
            trial.context.start(&id).ok();
            let text = console.read_until("}", PATIENCE);
            assert!(trial.peer || text.contains("\"type\""), "{trick}: nothing is known of it: {text}");
            // DEVPTS_SUPER_MAGIC.
            if text.contains("\"type\"") && !text.contains("\"type\":\"1cd1\"") {
                holes.push(format!("{trick}: /dev/console is no terminal: {}", text.trim()));
            }
        }
        trial.context.delete_force(&id);
    }
    holes.extend(outside.changes());
    Verdict::open_if(holes)
}

/// A mount inside /proc redirects what the runtime writes there; lxcfs' files are the exception.
fn mounts_below_proc(trial: &Trial) -> Verdict {
    let file = trial.context.dir.join("fake");
    fs::write(&file, "HOST-SECRET").unwrap();
    let directory = trial.context.outside("fake-directory");
    let mut control = trial.context.bundle(&["read", "/proc/cpuinfo"]);
    control.bind(&file, "/proc/cpuinfo", &[]);
    let seen = trial.control(&control);
    assert_eq!(seen.text("read /proc/cpuinfo"), "HOST-SECRET", "lxcfs' file can be bound");
    let mut holes = Vec::new();
    for (destination, kind) in [
        ("/proc/self/attr", "tmpfs"),
        ("/proc/self/attr/exec", "bind"),
        ("/proc/sys", "bind"),
        ("/proc/sys/kernel", "tmpfs"),
        ("/proc/1/attr", "tmpfs"),
        ("/proc/sysrq-trigger", "bind"),
        ("/link/self/attr", "tmpfs"),
        ("/link/sys/net", "tmpfs"),
    ] {
        let mut bundle = trial.context.bundle(&["report"]);
        symlink("/proc", bundle.root().join("link")).unwrap();
        match kind {
            "tmpfs" => bundle.mount(destination, "tmpfs", "tmpfs", &[]),
            _ if destination.contains('.') || destination == "/proc/sys" => {
                bundle.bind(&directory, destination, &[])
            }
            _ => bundle.bind(&file, destination, &[]),
        };
        if trial.attempt(&bundle).started {
            holes.push(format!("started with a {kind} mount on {destination}"));
        }
    }
    Verdict::open_if(holes)
}

fn device_path_has_symlinks(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut bundle = trial.context.bundle(&["true"]);
    symlink(&outside.path, bundle.root().join("link")).unwrap();
    symlink(outside.path.join("HOST-MARKER"), bundle.root().join("etc/node")).unwrap();
    bundle.set(
        "/linux/devices",
        json!([
            { "path": "/link/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666, "uid": 7, "gid": 7 },
            { "path": "/etc/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o777, "uid": 7, "gid": 7 }
        ]),
    );
    trial.attempt(&bundle);
    bundle.set(
        "/linux/devices",
        json!([{ "path": "/fresh/node", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }]),
    );
    trial.control(&bundle);
    Verdict::open_if(outside.changes())
}

fn cwd_has_symlinks(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut bundle = trial.context.bundle(&["read", "HOST-MARKER", ",", "cwd"]);
    symlink(&outside.path, bundle.root().join("link")).unwrap();
    bundle.set("/process/cwd", "/link/made/here");
    let attempt = trial.attempt(&bundle);
    let mut holes = outside.changes();
    if attempt.started && attempt.seen.errno("read HOST-MARKER").is_empty() {
        holes.push("the host's directory is the working directory".to_string());
    }
    bundle.set("/process/cwd", "/tmp");
    assert_eq!(trial.control(&bundle).text("cwd"), "/tmp");
    Verdict::open_if(holes)
}

fn no_host_file_by_handle(trial: &Trial) -> Verdict {
    let seen = trial.control(&trial.context.bundle(&["open-by-handle", "/bin/payload", ",", "true"]));
    if seen.errno("open-by-handle /bin/payload").is_empty() {
        return Verdict::Open("the file system's root could be opened by its handle".to_string());
    }
    Verdict::Closed
}

fn chroot_does_not_lead_out(trial: &Trial) -> Verdict {
    let seen = trial.control(&trial.context.bundle(&["true", ",", "escape-chroot", "/tmp/x"]));
    let names = match seen.errno("escape-chroot /tmp/x") {
        empty if empty.is_empty() => seen.out("escape-chroot /tmp/x").to_string(),
        _ => return Verdict::Closed,
    };
    if names.contains("\"usr\"") || names.contains("\"home\"") {
        return Verdict::Open(format!("chroot leads to {names}"));
    }
    Verdict::Closed
}

//! Races: a swapper exchanges two names of a volume (RENAME_EXCHANGE) while containers start over it. Exit codes mean nothing
//! here; the host's state and what the containers that did start can see are looked at, after 1,000 starts or 60 s each.

use crate::check::{Check, Trial, Verdict};
use crate::harness::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

pub const CHECKS: &[Check] = &[
    Check {
        name: "race-mount-destination",
        class: "CVE-2021-30465, 2026-41568, 2024-45310",
        run: race_mount_destination,
    },
    Check { name: "race-mask-source", class: "CVE-2025-31133, 2025-62161", run: race_mask_source },
    Check { name: "race-device-and-links", class: "CVE-2026-41579, 2025-52565", run: race_device_and_links },
];

fn starts(trial: &Trial) -> (u32, Duration) {
    let guest = std::env::var_os("RUNLET_VM_ENV").is_some();
    let standard = if guest { 20 } else { 1000 };
    let wanted = std::env::var("RUNLET_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(standard);
    if trial.peer { (wanted / 20, Duration::from_secs(8)) } else { (wanted, Duration::from_secs(60)) }
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
    let swapper = trial.context.helper(&[
        "swap",
        &volume.join("a").to_string_lossy(),
        &volume.join("b").to_string_lossy(),
    ]);
    let (count, limit) = starts(trial);
    let end = Instant::now() + limit;
    let (mut done, mut started, mut holes) = (0, 0, Vec::new());
    while done < count && Instant::now() < end && holes.is_empty() {
        let attempt = trial.attempt(&bundle);
        done += 1;
        holes.extend(outside.changes());
        if !attempt.started {
            continue;
        }
        started += 1;
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
    }
    let swaps = swapper.finish();
    assert!(
        swaps.trim().parse::<u64>().is_ok_and(|swaps| swaps > u64::from(done)),
        "the swapper did nothing: {swaps:?}"
    );
    crate::note(&format!(
        "race-mount-destination on {}: {done} starts, {started} came up, {} swaps",
        trial.runtime,
        swaps.trim()
    ));
    Verdict::open_if(holes)
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
    let swapper = trial.context.helper(&[
        "swap",
        &device.join("null").to_string_lossy(),
        &device.join("other").to_string_lossy(),
    ]);
    let (count, limit) = starts(trial);
    let end = Instant::now() + limit;
    let (mut done, mut started, mut holes) = (0, 0, Vec::new());
    while done < count && Instant::now() < end && holes.is_empty() {
        let attempt = trial.attempt(&bundle);
        done += 1;
        if !attempt.started {
            continue;
        }
        started += 1;
        if attempt.seen.errno("read /secret").is_empty() && !attempt.seen.text("read /secret").is_empty() {
            holes.push(format!("the masked file reads {:?}", attempt.seen.text("read /secret")));
        }
        if attempt.seen.errno("stat /secret").is_empty() && attempt.seen.out("stat /secret")["type"] == "file"
        {
            let size = attempt.seen.out("stat /secret")["size"].as_u64().unwrap();
            if size > 0 {
                holes.push("the mask is another file".to_string());
            }
        }
    }
    let swaps = swapper.finish();
    assert!(
        swaps.trim().parse::<u64>().is_ok_and(|swaps| swaps > u64::from(done)),
        "the swapper did nothing: {swaps:?}"
    );
    crate::note(&format!(
        "race-mask-source on {}: {done} starts, {started} came up, {} swaps",
        trial.runtime,
        swaps.trim()
    ));
    Verdict::open_if(holes)
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
    let swapper = trial.context.helper(&[
        "swap",
        &volume.join("a").to_string_lossy(),
        &volume.join("b").to_string_lossy(),
    ]);
    let (count, limit) = starts(trial);
    let end = Instant::now() + limit;
    let (mut done, mut started, mut holes) = (0, 0, Vec::new());
    while done < count && Instant::now() < end && holes.is_empty() {
        let attempt = trial.attempt(&bundle);
        done += 1;
        started += u32::from(attempt.started);
        holes.extend(outside.changes());
        let _ = fs::remove_file(volume.join("a/node"));
        let _ = fs::remove_file(volume.join("b/node"));
    }
    let swaps = swapper.finish();
    assert!(
        swaps.trim().parse::<u64>().is_ok_and(|swaps| swaps > u64::from(done)),
        "the swapper did nothing: {swaps:?}"
    );
    crate::note(&format!(
        "race-device-and-links on {}: {done} starts, {started} came up, {} swaps",
        trial.runtime,
        swaps.trim()
    ));
    Verdict::open_if(holes)
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

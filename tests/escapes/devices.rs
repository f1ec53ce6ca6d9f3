//! Devices and cgroups: the list is on top of deny-all, and no string of config.json leads out of the cgroup tree.

use crate::check::{Check, Trial, Verdict};
use crate::harness::{Bundle, json};
use std::fs;
use std::path::Path;

pub const CHECKS: &[Check] = &[
    Check {
        name: "devices-on-top-of-deny-all",
        class: "GHSA-g54h-m393-cpwq",
        run: devices_on_top_of_deny_all,
    },
    Check { name: "cgroup-files-read-only", class: "CVE-2023-25809, 2022-0492", run: cgroup_files_read_only },
    Check { name: "cgroup-paths-with-dots", class: "cgroup path join", run: cgroup_paths_with_dots },
    Check { name: "cgroup-keys-with-slashes", class: "cgroup key join", run: cgroup_keys_with_slashes },
];

fn devices_on_top_of_deny_all(trial: &Trial) -> Verdict {
    let verbs = [
        "mknod",
        "/tmp/kmsg",
        "c",
        "1",
        "11",
        ",",
        "open",
        "/tmp/kmsg",
        "r",
        ",",
        "mknod",
        "/tmp/disk",
        "b",
        "254",
        "0",
        ",",
        "open",
        "/tmp/disk",
        "r",
        ",",
        "mknod",
        "/tmp/mem",
        "c",
        "1",
        "1",
        ",",
        "open",
        "/tmp/mem",
        "rw",
        ",",
        "mknod",
        "/tmp/zero",
        "c",
        "1",
        "5",
        ",",
        "open",
        "/tmp/zero",
        "rw",
        ",",
        "open",
        "/dev/null",
        "rw",
    ];
    let mut holes = Vec::new();
    let lists = [
        ("no list", json!(null)),
        ("an empty list", json!([])),
        ("one allowed", json!([{ "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm" }])),
        (
            "denied, then one allowed",
            json!([{ "allow": false, "access": "rwm" }, { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm" }]),
        ),
        ("one denied", json!([{ "allow": false, "type": "c", "major": 1, "minor": 1, "access": "rwm" }])),
    ];
    for (what, list) in lists {
        let mut bundle = trial.context.bundle(&verbs);
        bundle.push("/process/capabilities/bounding", json!("CAP_SYS_RAWIO"));
        if !list.is_null() {
            bundle.set("/linux/resources", json!({ "devices": list }));
        }
        let attempt = trial.attempt(&bundle);
        if !attempt.started {
            if ["cgroup", "RLIM_MEMLOCK"].iter().any(|word| attempt.output.stderr.contains(word)) {
                return Verdict::Absent(attempt.output.stderr.trim().to_string());
            }
            panic!("control: {}", attempt.output.describe());
        }
        for name in ["kmsg", "disk", "mem"] {
            let mode = if name == "mem" { "rw" } else { "r" };
            let errno = attempt.seen.errno(&format!("open /tmp/{name} {mode}"));
            // ENXIO and the like come after the permission was given.
            if !["EPERM", "EACCES", "ENOENT"].contains(&errno.as_str()) {
                holes.push(format!("{what}: /tmp/{name} could be opened ({errno})"));
            }
        }
        if what.contains("one allowed") {
            assert_eq!(attempt.seen.errno("open /tmp/zero rw"), "", "control: an allowed device opens");
        }
    }
    Verdict::open_if(holes)
}

/// Without a cgroup namespace of its own, what the container sees is the host's: making a cgroup there must fail.
fn cgroup_files_read_only(trial: &Trial) -> Verdict {
    if !Path::new("/sys/fs/cgroup").exists() {
        return Verdict::Absent("no cgroup file system".to_string());
    }
    let name = format!("/sys/fs/cgroup/{}-made", trial.context.tag);
    let mut holes = Vec::new();
    for (own, options) in [(true, &["ro"][..]), (false, &["ro"][..]), (false, &[][..])] {
        let mut bundle = trial.context.bundle(&[
            "mkdir",
            &name,
            ",",
            "write",
            "/sys/fs/cgroup/cgroup.procs",
            "1",
            ",",
            "ls",
            "/sys/fs/cgroup",
        ]);
        if !own {
            bundle.without_namespace("cgroup");
        }
        let mut all = vec!["nosuid", "noexec", "nodev"];
        all.extend(options);
        bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &all);
        let attempt = trial.attempt(&bundle);
        if !attempt.started {
            assert!(!own, "control: {}", attempt.output.describe());
            continue;
        }
        let errno = attempt.seen.errno(&format!("mkdir {name}"));
        if errno != "EROFS" {
            // Writable is only what is the container's own part of the tree.
            let outside = crate::harness::host::cgroups(&format!("{}-made", trial.context.tag))
                .iter()
                .any(|path| !path.contains("bundle"));
            if outside || own {
                holes.push(format!("own namespace {own}, {options:?}: mkdir gives {errno:?}"));
            }
            crate::harness::host::remove_cgroups(&format!("{}-made", trial.context.tag));
        }
    }
    Verdict::open_if(holes)
}

fn cgroup_names() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir("/sys/fs/cgroup/unified")
        .or_else(|_| fs::read_dir("/sys/fs/cgroup"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}

fn cgroup_paths_with_dots(trial: &Trial) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let tag = &trial.context.tag;
    let mut holes = Vec::new();
    for path in [
        format!("/{tag}/../../../../{tag}-up"),
        format!("../../../tmp/{tag}-up"),
        format!("/../{tag}-up"),
        format!("/{tag}-x/../{tag}-up"),
        "..".to_string(),
        "/..".to_string(),
        format!("/{tag}\nx"),
    ] {
        let mut bundle = trial.context.bundle(&["true"]);
        bundle.set("/linux/cgroupsPath", path.as_str());
        let attempt = trial.attempt(&bundle);
        if attempt.started {
            holes.push(format!("cgroupsPath {path:?} was taken"));
        }
    }
    if Path::new(&format!("/tmp/{tag}-up")).exists() {
        let _ = fs::remove_dir(format!("/tmp/{tag}-up"));
        holes.push("a directory outside the cgroup tree was made".to_string());
    }
    Verdict::open_if(holes)
}

fn cgroup_keys_with_slashes(trial: &Trial) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let before = cgroup_names();
    let mut holes = Vec::new();
    type Change = fn(&mut Bundle) -> &mut Bundle;
    let tricks: [(&str, Change); 6] = [
        ("unified ../", |bundle| bundle.set("/linux/resources/unified", json!({ "../cgroup.freeze": "0" }))),
        ("unified /", |bundle| bundle.set("/linux/resources/unified", json!({ "x/cgroup.freeze": "0" }))),
        ("unified absolute", |bundle| {
            bundle.set("/linux/resources/unified", json!({ "/proc/self/comm": "owned" }))
        }),
        ("unified empty", |bundle| bundle.set("/linux/resources/unified", json!({ "": "0" }))),
        ("unified ..", |bundle| bundle.set("/linux/resources/unified", json!({ "..": "0" }))),
        ("hugepage size", |bundle| {
            bundle.set(
                "/linux/resources/hugepageLimits",
                json!([{ "pageSize": "2MB/../../cgroup", "limit": 4096 }]),
            )
        }),
    ];
    for (what, change) in tricks {
        let mut bundle = trial.context.bundle(&["true"]);
        change(&mut bundle);
        if trial.attempt(&bundle).started {
            holes.push(format!("{what} was taken"));
        }
    }
    if cgroup_names().iter().any(|name| !before.contains(name) && name.contains(&trial.context.tag)) {
        holes.push("a cgroup stayed".to_string());
    }
    Verdict::open_if(holes)
}

//! What the kernel enforces only when the runtime asks for it in the right way.

use crate::check::{Check, Trial, Verdict};
use crate::harness::json;
use std::fs;

pub const CHECKS: &[Check] = &[
    Check { name: "sysctl-names", class: "CVE-2022-0811 class", run: sysctl_names },
    Check {
        name: "sysctl-of-the-hosts-network",
        class: "CVE-2022-0811 class",
        run: sysctl_of_the_hosts_network,
    },
    Check { name: "nested-proc", class: "runc #1962", run: nested_proc },
    Check { name: "unknown-apparmor-profile", class: "crun 2063", run: unknown_apparmor_profile },
    Check { name: "unknown-selinux-label", class: "crun 2063 (SELinux)", run: unknown_selinux_label },
    Check { name: "no-mounts-without-privilege", class: "containment", run: no_mounts_without_privilege },
    Check { name: "host-settings-read-only", class: "containment", run: host_settings_read_only },
    Check { name: "state-directory-private", class: "state directory 0700", run: state_directory_private },
];

fn sysctl_names(trial: &Trial) -> Verdict {
    let mut control = trial.context.bundle(&["read", "/proc/sys/kernel/shmmni"]);
    control.set("/linux/sysctl", json!({ "kernel.shmmni": "4001" }));
    assert_eq!(trial.control(&control).text("read /proc/sys/kernel/shmmni").trim(), "4001");
    let victim = "/proc/sys/kernel/printk_ratelimit_burst";
    let before = fs::read_to_string(victim).unwrap_or_default();
    let mut holes = Vec::new();
    for name in [
        "kernel.shmmni/../printk_ratelimit_burst",
        "kernel/shmmni/../printk_ratelimit_burst",
        "net.ipv4/../../kernel/printk_ratelimit_burst",
        "net/../kernel/printk_ratelimit_burst",
        "kernel.sem/../../kernel.printk_ratelimit_burst",
        "fs.mqueue.../../kernel/printk_ratelimit_burst",
        "kernel.printk_ratelimit_burst",
        "/kernel/printk_ratelimit_burst",
        "kernel.shmmni\n",
        "kernel.shm\u{1}mni",
        "",
        ".",
        "kernel..shmmni/..",
    ] {
        let mut bundle = trial.context.bundle(&["true"]);
        bundle.set("/linux/sysctl", json!({ name: "11" }));
        let attempt = trial.attempt(&bundle);
        if attempt.started {
            holes.push(format!("sysctl {name:?} was taken"));
        }
        if fs::read_to_string(victim).unwrap_or_default() != before {
            let _ = fs::write(victim, &before);
            holes.push(format!("sysctl {name:?} changed the host"));
        }
    }
    Verdict::open_if(holes)
}

/// net.* is the network namespace's: without an own one it is the host's.
fn sysctl_of_the_hosts_network(trial: &Trial) -> Verdict {
    let victim = "/proc/sys/net/ipv4/conf/lo/tag";
    let Ok(before) = fs::read_to_string(victim) else { return Verdict::Absent(format!("no {victim}")) };
    let mut holes = Vec::new();
    let mut control = trial.context.bundle(&["read", victim]);
    control.set("/linux/sysctl", json!({ "net.ipv4.conf.lo.tag": "77" }));
    assert_eq!(trial.control(&control).text(&format!("read {victim}")).trim(), "77");
    for (what, path) in [
        ("no namespace", None),
        ("the host's by path", Some("/proc/self/ns/net")),
        ("init's by path", Some("/proc/1/ns/net")),
    ] {
        let mut bundle = trial.context.bundle(&["true"]);
        bundle.without_namespace("network");
        bundle.remove_mount("/sys");
        if path.is_some() {
            bundle.namespace("network", path);
        }
        bundle.set("/linux/sysctl", json!({ "net.ipv4.conf.lo.tag": "77" }));
        let attempt = trial.attempt(&bundle);
        if attempt.started {
            holes.push(format!("{what}: started"));
        }
        if fs::read_to_string(victim).unwrap() != before {
            let _ = fs::write(victim, &before);
            holes.push(format!("{what}: the host's value changed"));
        }
    }
    Verdict::open_if(holes)
}

/// A nested user namespace must not get a fresh, uncovered procfs; also with --no-pivot.
fn nested_proc(trial: &Trial) -> Verdict {
    // The control: where nothing of /proc is covered the kernel lets it be mounted, so the trick itself works.
    let mut open = trial.context.bundle(&["nested-proc", "/tmp"]);
    open.set("/linux/maskedPaths", json!([]));
    open.set("/linux/readonlyPaths", json!([]));
    let control = trial.control(&open).errno("nested-proc /tmp");
    let mut holes = Vec::new();
    for no_pivot in [false, true] {
        let bundle = trial.context.bundle(&["nested-proc", "/tmp"]);
        let id = trial.context.id();
        let path = bundle.path();
        let mut words = vec!["run"];
        if no_pivot {
            words.push("--no-pivot");
        }
        words.extend(["--bundle", &path, &id]);
        let output = trial.context.call(&words).go();
        if !output.stdout.contains("\"verb\"") {
            assert!(no_pivot, "control: {}", output.describe());
            continue;
        }
        if output.seen().errno("nested-proc /tmp").is_empty() {
            holes.push(format!("no-pivot {no_pivot}: a fresh procfs could be mounted"));
        }
    }
    if !control.is_empty() {
        return Verdict::Absent(format!("a nested procfs is refused here anyway ({control})"));
    }
    Verdict::open_if(holes)
}

fn unknown_apparmor_profile(trial: &Trial) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let mut bundle = trial.context.bundle(&["true"]);
    bundle.set("/process/apparmorProfile", "no-such-profile-here");
    if trial.attempt(&bundle).started {
        return Verdict::Open("started without the profile that was asked for".to_string());
    }
    Verdict::Closed
}

fn unknown_selinux_label(trial: &Trial) -> Verdict {
    trial.control(&trial.context.bundle(&["true"]));
    let mut bundle = trial.context.bundle(&["true"]);
    bundle.set("/process/selinuxLabel", "system_u:system_r:no_such_type_t:s0:c1,c2");
    if trial.attempt(&bundle).started {
        return Verdict::Open("started without the label that was asked for".to_string());
    }
    Verdict::Closed
}

fn no_mounts_without_privilege(trial: &Trial) -> Verdict {
    let verbs = [
        "mount",
        "tmpfs",
        "/tmp",
        "tmpfs",
        "-",
        "x",
        ",",
        "umount",
        "/proc",
        ",",
        "umount",
        "/sys",
        ",",
        "pivot",
        "/tmp",
        "/tmp",
        ",",
        "unshare",
        "mount",
        ",",
        "setns",
        "/proc/1/ns/mnt",
        ",",
        "sethostname",
        "owned",
        ",",
        "swapon",
        "/bin/payload",
        ",",
        "mount",
        "",
        "/",
        "",
        "remount,bind",
        "x",
        ",",
        "true",
    ];
    let seen = trial.control(&trial.context.bundle(&verbs));
    let lines = [
        "mount tmpfs /tmp tmpfs - x",
        "umount /proc",
        "umount /sys",
        "pivot /tmp /tmp",
        "unshare mount",
        "setns /proc/1/ns/mnt",
        "sethostname owned",
        "swapon /bin/payload",
        "mount  /  remount,bind x",
    ];
    let holes = lines.iter().filter(|line| seen.errno(line).is_empty()).map(|line| format!("{line} worked"));
    Verdict::open_if(holes.collect())
}

/// The kernel's settings below /proc and /sys are the host's.
fn host_settings_read_only(trial: &Trial) -> Verdict {
    let mut verbs = Vec::new();
    let files = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/panic_on_oom",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/uevent_helper",
        "/sys/power/state",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ];
    for file in files {
        verbs.extend(["open", file, "w", ","]);
    }
    verbs.push("true");
    let seen = trial.control(&trial.context.bundle(&verbs));
    let holes = files
        .iter()
        .filter(|file| seen.errno(&format!("open {file} w")).is_empty())
        .map(|file| format!("{file} can be written"));
    Verdict::open_if(holes.collect())
}

fn state_directory_private(trial: &Trial) -> Verdict {
    use std::os::unix::fs::PermissionsExt;
    let id = trial.context.running(&trial.context.bundle(&["pause"]));
    let mode = |path: std::path::PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let root = trial.context.state_dir();
    if mode(root.clone()) & 0o011 != 0 && mode(root.join(&id)) & 0o055 != 0 {
        return Verdict::Open("others can read the state of containers".to_string());
    }
    Verdict::Closed
}

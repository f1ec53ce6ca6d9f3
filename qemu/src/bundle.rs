//! OCI bundles for the demo, the bench and the budgets: a config.json from one template and a small root file system.
//!
//! Written by hand, so that what is measured does not depend on the runtime's own `spec`. Called by demo, bench, budget.

use crate::host::{Context, Result};
use std::path::Path;

/// What differs from one bundle to the next.
#[derive(Default)]
pub struct Options<'a> {
    /// The program and its arguments.
    pub args: &'a [&'a str],
    /// The root file system, `rootfs` in the bundle when empty.
    pub rootfs: &'a str,
    /// Host name inside; "runlet" when empty.
    pub hostname: &'a str,
    /// A seccomp profile as JSON text.
    pub seccomp: Option<&'a str>,
    /// The caller's uid and gid, to be root of a user namespace; such a container gets no device rules and no sysfs of its
    /// own network's.
    pub mapped: Option<(u32, u32)>,
    /// Leaves out the device rules.
    pub no_device_rules: bool,
    /// Host directories to show read-only at the same place, for a bundle without a userland of its own.
    pub shown: &'a [&'a str],
}

/// Everything in a default container that kernel interfaces should not show: the list that the specification's users
/// have agreed on.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETUID",
];

/// Writes `directory`/config.json; the root file system is read-only.
///
/// # Errors
/// The file cannot be written.
pub fn write(directory: &Path, options: &Options<'_>) -> Result<()> {
    let file = directory.join("config.json");
    std::fs::create_dir_all(directory).context(|| format!("make {}", directory.display()))?;
    std::fs::write(&file, config(options)).context(|| format!("write {}", file.display()))
}

fn config(options: &Options<'_>) -> String {
    let list = |items: &[&str]| items.iter().map(|item| quote(item)).collect::<Vec<_>>().join(", ");
    let capabilities = list(CAPABILITIES);
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
    ];
    if options.mapped.is_none() {
        mounts.push(mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ));
    }
    for directory in options.shown {
        mounts.push(mount(directory, "none", directory, &["rbind", "ro"]));
    }
    let mut namespaces = vec!["pid", "network", "ipc", "uts", "mount", "cgroup"];
    let mut extra = String::new();
    if let Some((uid, gid)) = options.mapped {
        namespaces.push("user");
        for (name, id) in [("uidMappings", uid), ("gidMappings", gid)] {
            extra.push_str(&format!(r#", "{name}": [{{"containerID": 0, "hostID": {id}, "size": 1}}]"#));
        }
    } else if !options.no_device_rules {
        extra.push_str(r#", "resources": {"devices": [{"allow": false, "access": "rwm"}]}"#);
    }
    if let Some(profile) = options.seccomp {
        extra.push_str(&format!(r#", "seccomp": {profile}"#));
    }
    let namespaces: Vec<String> = namespaces.iter().map(|kind| format!(r#"{{"type": "{kind}"}}"#)).collect();
    let hostname = if options.hostname.is_empty() { "runlet" } else { options.hostname };
    format!(
        r#"{{
  "ociVersion": "1.0.2",
  "process": {{
    "terminal": false,
    "user": {{"uid": 0, "gid": 0}},
    "args": [{args}],
    "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
    "cwd": "/",
    "capabilities": {{
      "bounding": [{capabilities}],
      "effective": [{capabilities}],
      "permitted": [{capabilities}]
    }},
    "rlimits": [{{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}}],
    "noNewPrivileges": true
  }},
  "root": {{"path": {rootfs}, "readonly": true}},
  "hostname": {hostname},
  "mounts": [
    {mounts}
  ],
  "linux": {{
    "namespaces": [{namespaces}],
    "maskedPaths": [{masked}],
    "readonlyPaths": [{read_only}]{extra}
  }}
}}
"#,
        args = list(options.args),
        hostname = quote(hostname),
        rootfs = quote(if options.rootfs.is_empty() { "rootfs" } else { options.rootfs }),
        mounts = mounts.join(",\n    "),
        namespaces = namespaces.join(", "),
        masked = list(MASKED),
        read_only = list(READ_ONLY),
    )
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> String {
    let options: Vec<String> = options.iter().map(|option| quote(option)).collect();
    format!(
        r#"{{"destination": {}, "type": "{kind}", "source": {}, "options": [{}]}}"#,
        quote(destination),
        quote(source),
        options.join(", ")
    )
}

/// A JSON string (RFC 8259, section 7).
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", control as u32)),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

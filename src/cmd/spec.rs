//! `spec`: writes a complete config.json to start from.
//!
//! Owns the default configuration and nothing else; what is written goes through the same parser and compiler as
//! any other. An existing file is never overwritten.

use crate::args;
use crate::error::{Error, Result};
use alloc::borrow::Cow;
use alloc::{format, string::String};
use core::ffi::CStr;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr, write};

/// Writes the file that `--bundle` and `--output` name, or standard output.
pub fn run(spec: &args::Spec) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let text = text(spec.rootless.then_some((user, group)));
    if spec.output.as_deref() == Some(c"-") {
        return super::print(&text);
    }
    let name = spec.output.as_deref().unwrap_or(c"config.json");
    let bundle = spec.bundle.as_deref().unwrap_or(c".");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, bundle, flags, Mode::empty()).map_err(Error::sys("open", &shown(bundle)))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let opened = openat(&directory, name, flags, Mode::from_raw_mode(0o666));
    let file = opened.map_err(|errno| {
        let hint = if errno == Errno::EXIST { "remove it first" } else { "" };
        Error::sys("write", &shown(name))(errno).hint(hint)
    })?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match retry_on_intr(|| write(&file, rest)) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(errno) => {
                // Half a file is worse than none: the next attempt would find it.
                unlinkat(&directory, name, AtFlags::empty()).map_err(Error::sys("remove", &shown(name)))?;
                return Err(Error::sys("write", &shown(name))(errno));
            }
        }
    }
    Ok(())
}

fn shown(path: &CStr) -> Cow<'_, str> {
    path.to_string_lossy()
}

/// The capabilities that Docker, containerd and Podman have given a container by default for years.
const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What leaks about the host or is a way to it, of the files in proc and sysfs; a kernel that lacks one is fine.
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

/// Files in proc through which the host could be changed.
const READONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const HEAD: &str = r#"{
	"ociVersion": ""#;

const PROCESS: &str = r#"",
	"process": {
		"terminal": true,
		"user": {
			"uid": 0,
			"gid": 0
		},
		"args": [
			"sh"
		],
		"env": [
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"TERM=xterm"
		],
		"cwd": "/",
		"capabilities": {"#;

const MOUNTS: &str = r#"
		},
		"rlimits": [
			{
				"type": "RLIMIT_NOFILE",
				"hard": 1024,
				"soft": 1024
			}
		],
		"noNewPrivileges": true
	},
	"root": {
		"path": "rootfs",
		"readonly": true
	},
	"hostname": "runlet",
	"mounts": ["#;

/// Destination, type, source, options. Those of a user namespace without root's help differ: it has no group 5, and
/// may mount a new sysfs only in a network namespace of its own.
type Mount = (&'static str, &'static str, &'static str, &'static [&'static str]);

const DEVPTS: Mount = (
    "/dev/pts",
    "devpts",
    "devpts",
    &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
);
const DEVPTS_ROOTLESS: Mount =
    ("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
const SYS: Mount = ("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]);
const SYS_ROOTLESS: Mount = ("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);

/// All mounts, in order.
fn mounts(rootless: bool) -> [Mount; 7] {
    [
        ("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        ("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        if rootless { DEVPTS_ROOTLESS } else { DEVPTS },
        ("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        ("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        if rootless { SYS_ROOTLESS } else { SYS },
        ("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ]
}

const RESOURCES: &str = r#"
		"resources": {
			"devices": [
				{
					"allow": false,
					"access": "rwm"
				}
			]
		},"#;

/// The whole file. `rootless` holds the user and group that become root of a user namespace.
pub fn text(rootless: Option<(u32, u32)>) -> String {
    let mut text = String::with_capacity(4096);
    for part in [HEAD, super::version::SPEC, PROCESS] {
        text.push_str(part);
    }
    for (name, comma) in [("bounding", ","), ("effective", ","), ("permitted", "")] {
        list(&mut text, "\n\t\t\t", name, CAPABILITIES);
        text.push_str(comma);
    }
    text.push_str(MOUNTS);
    for (destination, kind, source, options) in mounts(rootless.is_some()) {
        let comma = if text.ends_with('}') { "," } else { "" };
        let fields = [("destination", destination), ("type", kind), ("source", source)];
        text.push_str(comma);
        text.push_str("\n\t\t{");
        for (name, value) in fields {
            text.push_str(&["\n\t\t\t\"", name, "\": \"", value, "\","].concat());
        }
        list(&mut text, "\n\t\t\t", "options", options);
        text.push_str("\n\t\t}");
    }
    text.push_str("\n\t],\n\t\"linux\": {");
    let namespaces: &[&str] = match rootless {
        None => &["pid", "network", "ipc", "uts", "mount", "cgroup"],
        // Without root nobody could set a new network up, so the caller's is kept.
        Some(_) => &["pid", "ipc", "uts", "mount", "cgroup", "user"],
    };
    match rootless {
        // Limits are the caller's administrator's to give, and so is the device program.
        Some((user, group)) => {
            for (name, id) in [("uidMappings", user), ("gidMappings", group)] {
                text.push_str(&format!(
                    "\n\t\t\"{name}\": [\n\t\t\t{{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": {id},\n\t\t\t\t\"size\": 1\n\t\t\t}}\n\t\t],"
                ));
            }
        }
        None => text.push_str(RESOURCES),
    }
    text.push_str("\n\t\t\"namespaces\": [");
    for (index, kind) in namespaces.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        text.push_str(&[comma, "\n\t\t\t{\n\t\t\t\t\"type\": \"", kind, "\"\n\t\t\t}"].concat());
    }
    text.push_str("\n\t\t],");
    list(&mut text, "\n\t\t", "maskedPaths", MASKED);
    text.push(',');
    list(&mut text, "\n\t\t", "readonlyPaths", READONLY);
    text.push_str("\n\t}\n}\n");
    text
}

/// A property whose value is a list of strings, none of which needs escaping.
fn list(text: &mut String, indent: &str, name: &str, items: &[&str]) {
    text.push_str(&[indent, "\"", name, "\": ["].concat());
    for (index, item) in items.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        text.push_str(&[comma, indent, "\t\"", item, "\""].concat());
    }
    text.push_str(indent);
    text.push(']');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::Config;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn the_default_is_what_the_parser_reads() {
        let text = text(None);
        let config: Config<'_> = crate::config::parse("config.json", text.as_bytes()).unwrap();
        assert_eq!(&*config.oci_version, "1.3.0");
        assert_eq!(config.hostname.as_deref(), Some("runlet"));
        let process = config.process.unwrap();
        assert!(process.terminal && process.no_new_privileges);
        let caps = process.capabilities.unwrap();
        assert_eq!((caps.bounding.len(), caps.effective.len(), caps.permitted.len()), (14, 14, 14));
        assert!(caps.inheritable.is_empty() && caps.ambient.is_empty());
        assert_eq!((&*process.rlimits[0].kind, process.rlimits[0].hard), ("RLIMIT_NOFILE", 1024));
        let destinations: Vec<_> = config.mounts.iter().map(|mount| mount.destination.to_string()).collect();
        assert_eq!(
            destinations,
            ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"]
        );
        let kinds: Vec<_> =
            config.linux.namespaces.iter().map(|namespace| namespace.kind.to_string()).collect();
        assert_eq!(kinds, ["pid", "network", "ipc", "uts", "mount", "cgroup"]);
        let rule = &config.linux.resources.devices[0];
        assert!(!rule.allow && &*rule.access == "rwm");
        assert_eq!((config.linux.masked_paths.len(), config.linux.readonly_paths.len()), (12, 5));
        assert!(config.root.unwrap().readonly);
    }

    #[test]
    fn rootless_maps_the_caller_to_root() {
        let text = text(Some((1000, 100)));
        let config: Config<'_> = crate::config::parse("config.json", text.as_bytes()).unwrap();
        assert_eq!((config.linux.uid_mappings[0].host_id, config.linux.gid_mappings[0].host_id), (1000, 100));
        assert!(config.linux.namespaces.iter().any(|namespace| &*namespace.kind == "user"));
        assert!(!config.linux.namespaces.iter().any(|namespace| &*namespace.kind == "network"));
        assert!(config.linux.resources.devices.is_empty());
        assert!(!text.contains("gid=5"));
    }
}

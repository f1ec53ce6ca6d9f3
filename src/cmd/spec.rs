//! `spec`: writes a complete config.json to start from.
//!
//! Owns the default configuration and nothing else; what is written goes through the same parser and compiler as
//! any other. An existing file is never overwritten.

use super::Context;
use crate::args::Flag;
use crate::error::{Error, Result};
use crate::json::Writer;
use alloc::borrow::Cow;
use alloc::string::String;
use core::ffi::CStr;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr, write};

/// Writes the file that `--bundle` and `--output` name, or standard output.
pub fn spec(context: &Context) -> Result<()> {
    let given = context.given;
    let user = syscalls::ids::start().uid;
    let group = syscalls::ids::start().gid;
    let text = text(given.switch(Flag::SpecRootless).then_some((user, group)));
    let name = given.path(Flag::Output).unwrap_or(c"config.json");
    if name == c"-" {
        return super::print(&text);
    }
    let bundle = given.path(Flag::SpecBundle).unwrap_or(c".");
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
const CAPABILITIES: &str = "CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD \
    CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT";

/// What leaks about the host or is a way to it, of the files in proc and sysfs; a kernel that lacks one is fine.
const MASKED: &str = "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
    /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware";

/// Files in proc through which the host could be changed.
const READONLY: &str = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger";

/// Destination, type, source, options with a space between. Those of a user namespace without root's help differ: it has no group 5, and
/// may mount a new sysfs only in a network namespace of its own.
type Mount = (&'static str, &'static str, &'static str, &'static str);

const DEVPTS: Mount =
    ("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5");
const DEVPTS_ROOTLESS: Mount =
    ("/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620");
const SYS: Mount = ("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro");
const SYS_ROOTLESS: Mount = ("/sys", "none", "/sys", "rbind nosuid noexec nodev rro");
/// Before Linux 5.12 what is mounted below cannot be made read-only along with it.
const SYS_ROOTLESS_OLD: Mount = ("/sys", "none", "/sys", "rbind nosuid noexec nodev ro");

/// All mounts, in order.
fn mounts(rootless: bool) -> [Mount; 7] {
    [
        ("/proc", "proc", "proc", "nosuid noexec nodev"),
        ("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
        if rootless { DEVPTS_ROOTLESS } else { DEVPTS },
        ("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
        ("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
        match rootless {
            false => SYS,
            true => match super::check::machine::mount_setattr() {
                Err(Errno::NOSYS | Errno::PERM | Errno::NOENT) => SYS_ROOTLESS_OLD,
                _ => SYS_ROOTLESS,
            },
        },
        ("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro"),
    ]
}

/// The whole file. `rootless` holds the user and group that become root of a user namespace.
pub fn text(rootless: Option<(u32, u32)>) -> String {
    let mut out = Writer::default();
    out.object("");
    out.string("ociVersion", crate::config::SPEC);
    process(&mut out);
    out.object("root");
    out.string("path", "rootfs");
    out.flag("readonly", true);
    out.end_object();
    out.string("hostname", "runlet");
    out.array("mounts");
    for (destination, kind, source, options) in mounts(rootless.is_some()) {
        out.object("");
        out.string("destination", destination);
        out.string("type", kind);
        out.string("source", source);
        out.words("options", options);
        out.end_object();
    }
    out.end_array();
    linux(&mut out, rootless);
    out.end_object();
    out.finish()
}

fn process(out: &mut Writer) {
    out.object("process");
    out.flag("terminal", true);
    out.object("user");
    out.number("uid", 0);
    out.number("gid", 0);
    out.end_object();
    out.words("args", "sh");
    out.words("env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=xterm");
    out.string("cwd", "/");
    out.object("capabilities");
    for set in ["bounding", "effective", "permitted"] {
        out.words(set, CAPABILITIES);
    }
    out.end_object();
    out.array("rlimits");
    out.object("");
    out.string("type", "RLIMIT_NOFILE");
    out.number("hard", 1024);
    out.number("soft", 1024);
    out.end_object();
    out.end_array();
    out.flag("noNewPrivileges", true);
    out.end_object();
}

fn linux(out: &mut Writer, rootless: Option<(u32, u32)>) {
    out.object("linux");
    let last = match rootless {
        // Limits are the administrator's to give, and so is the device program. Without root nobody could set a new
        // network up, so the caller's is kept.
        Some((user, group)) => {
            for (name, id) in [("uidMappings", user), ("gidMappings", group)] {
                out.array(name);
                out.object("");
                out.number("containerID", 0);
                out.number("hostID", id.into());
                out.number("size", 1);
                out.end_object();
                out.end_array();
            }
            "user"
        }
        None => {
            out.object("resources");
            out.array("devices");
            out.object("");
            out.flag("allow", false);
            out.string("access", "rwm");
            out.end_object();
            out.end_array();
            out.end_object();
            "network"
        }
    };
    out.array("namespaces");
    for kind in ["pid", "ipc", "uts", "mount", "cgroup", last] {
        out.object("");
        out.string("type", kind);
        out.end_object();
    }
    out.end_array();
    out.words("maskedPaths", MASKED);
    out.words("readonlyPaths", READONLY);
    out.end_object();
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
        let config: &mut Config<'_> = crate::config::parse("config.json", text.as_bytes()).unwrap();
        assert_eq!(config.oci_version, "1.3.0");
        assert_eq!(config.hostname, Some("runlet"));
        let process = config.process.as_ref().unwrap();
        assert!(process.terminal && process.no_new_privileges);
        let caps = process.capabilities.as_ref().unwrap();
        assert_eq!((caps.bounding.len(), caps.effective.len(), caps.permitted.len()), (14, 14, 14));
        assert!(caps.inheritable.is_empty() && caps.ambient.is_empty());
        assert_eq!((process.rlimits[0].kind, process.rlimits[0].hard), ("RLIMIT_NOFILE", 1024));
        let destinations: Vec<_> = config.mounts.iter().map(|mount| mount.destination.to_string()).collect();
        assert_eq!(
            destinations,
            ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"]
        );
        let kinds: Vec<_> =
            config.linux.namespaces.iter().map(|namespace| namespace.kind.to_string()).collect();
        assert_eq!(kinds, ["pid", "ipc", "uts", "mount", "cgroup", "network"]);
        let rule = &config.linux.resources.devices[0];
        assert!(!rule.allow && rule.access == "rwm");
        assert_eq!((config.linux.masked_paths.len(), config.linux.readonly_paths.len()), (12, 5));
        assert!(config.root.as_ref().unwrap().readonly);
    }

    #[test]
    fn rootless_maps_the_caller_to_root() {
        let text = text(Some((1000, 100)));
        let config: &mut Config<'_> = crate::config::parse("config.json", text.as_bytes()).unwrap();
        assert_eq!((config.linux.uid_mappings[0].host_id, config.linux.gid_mappings[0].host_id), (1000, 100));
        assert!(config.linux.namespaces.iter().any(|namespace| namespace.kind == "user"));
        assert!(!config.linux.namespaces.iter().any(|namespace| namespace.kind == "network"));
        assert!(config.linux.resources.devices.is_empty());
        assert!(!text.contains("gid=5"));
    }
}

//! `spec`: writes a complete config.json to start from.
//!
//! Owns the default configuration and nothing else; what is written goes through the same parser and compiler as
//! any other. An existing file is never overwritten.

use super::Context;
use crate::args::Flag;
use crate::error::{Error, Result, decimal};
use crate::json::Writer;
use crate::paths::{open, shown};
use crate::store::write_all;
use crate::words::Words;
use alloc::string::String;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

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
    let directory =
        open(bundle, OFlags::PATH | OFlags::DIRECTORY).map_err(Error::sys(words!("open"), shown(bundle)))?;
    let failed = |errno| Error::sys(words!("write"), shown(name))(errno);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let opened = openat(&directory, name, flags, Mode::from_raw_mode(0o666));
    let file = opened.map_err(|errno| {
        let hint = if errno == Errno::EXIST { words!("remove it first") } else { Words::NONE };
        failed(errno).hint(hint)
    })?;
    write_all(file.as_fd(), text.as_bytes()).map_err(|errno| {
        // Half a file is worse than none: the next attempt would find it.
        let removed = unlinkat(&directory, name, AtFlags::empty());
        removed.err().map_or_else(|| failed(errno), Error::sys(words!("remove"), shown(name)))
    })
}

/// The whole file. `rootless` holds the user and group that become root of a user namespace.
fn text(rootless: Option<(u32, u32)>) -> String {
    let (devpts, sys, linux) = match rootless {
        None => (",'gid=5'", SYS, LINUX),
        Some(_) => match super::check::machine::mount_setattr() {
            Err(Errno::NOSYS | Errno::PERM | Errno::NOENT) => ("", SYS_ROOTLESS_OLD, LINUX_ROOTLESS),
            _ => ("", SYS_ROOTLESS, LINUX_ROOTLESS),
        },
    };
    let (user, group) = rootless.unwrap_or_default();
    let (user, group) = (decimal(user), decimal(group));
    let parts = [CAPABILITIES, CAPABILITIES, CAPABILITIES, devpts, sys, linux, &user, &group];
    let mut out = Writer::default();
    out.template(CONFIG, &parts);
    out.finish()
}

/// All of it, as a template whose parts `text` names.
///
/// Masked is what leaks about the host or is a way to it, of the files in proc and sysfs; a kernel that lacks one is fine. Read-only
/// are files in proc through which the host could be changed.
const CONFIG: &str = "{\
    'ociVersion':'1.3.0',\
    'process':{\
        'terminal':true,\
        'user':{'uid':0,'gid':0},\
        'args':['sh'],\
        'env':['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin','TERM=xterm'],\
        'cwd':'/',\
        'capabilities':{'bounding':[@],'effective':[@],'permitted':[@]},\
        'rlimits':[{'type':'RLIMIT_NOFILE','hard':1024,'soft':1024}],\
        'noNewPrivileges':true},\
    'root':{'path':'rootfs','readonly':true},\
    'hostname':'runlet',\
    'mounts':[\
        {'destination':'/proc','type':'proc','source':'proc','options':['nosuid','noexec','nodev']},\
        {'destination':'/dev','type':'tmpfs','source':'tmpfs','options':['nosuid','strictatime','mode=755','size=65536k']},\
        {'destination':'/dev/pts','type':'devpts','source':'devpts',\
            'options':['nosuid','noexec','newinstance','ptmxmode=0666','mode=0620'@]},\
        {'destination':'/dev/shm','type':'tmpfs','source':'shm','options':['nosuid','noexec','nodev','mode=1777','size=65536k']},\
        {'destination':'/dev/mqueue','type':'mqueue','source':'mqueue','options':['nosuid','noexec','nodev']},\
        {'destination':'/sys',@},\
        {'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup','options':['nosuid','noexec','nodev','relatime','ro']}],\
    'linux':{\
        @,\
        'maskedPaths':['/proc/acpi','/proc/asound','/proc/interrupts','/proc/kcore','/proc/keys','/proc/latency_stats',\
            '/proc/sched_debug','/proc/scsi','/proc/timer_list','/proc/timer_stats','/sys/devices/virtual/powercap','/sys/firmware'],\
        'readonlyPaths':['/proc/bus','/proc/fs','/proc/irq','/proc/sys','/proc/sysrq-trigger']}}";

/// The capabilities that Docker, containerd and Podman have given a container by default for years.
const CAPABILITIES: &str = "'CAP_AUDIT_WRITE','CAP_CHOWN','CAP_DAC_OVERRIDE','CAP_FOWNER','CAP_FSETID','CAP_KILL','CAP_MKNOD',\
    'CAP_NET_BIND_SERVICE','CAP_NET_RAW','CAP_SETFCAP','CAP_SETGID','CAP_SETPCAP','CAP_SETUID','CAP_SYS_CHROOT'";

const SYS: &str = "'type':'sysfs','source':'sysfs','options':['nosuid','noexec','nodev','ro']";
/// A user namespace without root's help may mount a new sysfs only in a network namespace of its own. It has no group 5 for devpts, either.
const SYS_ROOTLESS: &str =
    "'type':'none','source':'/sys','options':['rbind','nosuid','noexec','nodev','rro']";
/// Before Linux 5.12 what is mounted below cannot be made read-only along with it.
const SYS_ROOTLESS_OLD: &str =
    "'type':'none','source':'/sys','options':['rbind','nosuid','noexec','nodev','ro']";

const LINUX: &str = "'resources':{'devices':[{'allow':false,'access':'rwm'}]},\
    'namespaces':[{'type':'pid'},{'type':'ipc'},{'type':'uts'},{'type':'mount'},{'type':'cgroup'},{'type':'network'}]";
/// Limits are the administrator's to give, and so is the device program. Without root nobody could set a new network up, so the
/// caller's is kept.
const LINUX_ROOTLESS: &str = "'uidMappings':[{'containerID':0,'hostID':@,'size':1}],\
    'gidMappings':[{'containerID':0,'hostID':@,'size':1}],\
    'namespaces':[{'type':'pid'},{'type':'ipc'},{'type':'uts'},{'type':'mount'},{'type':'cgroup'},{'type':'user'}]";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::Config;
    use alloc::vec::Vec;

    #[test]
    fn the_default_is_what_the_parser_reads() {
        let text = text(None);
        let config: &mut Config<'_> = crate::config::parse("config.json", text.as_bytes()).unwrap();
        assert_eq!(config.oci_version, crate::config::SPEC);
        assert_eq!(config.hostname, Some("runlet"));
        let process = config.process.as_ref().unwrap();
        assert!(process.terminal && process.no_new_privileges);
        let sets = process.capabilities.as_ref().unwrap();
        assert_eq!(sets.0.each_ref().map(|names| names.len()), [14, 14, 14, 0, 0]);
        assert_eq!((process.rlimits[0].kind, process.rlimits[0].hard), ("RLIMIT_NOFILE", 1024));
        let destinations: Vec<_> = config.mounts.iter().map(|mount| mount.destination).collect();
        assert_eq!(
            destinations,
            ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"]
        );
        let kinds: Vec<_> = config.linux.namespaces.iter().map(|namespace| namespace.kind).collect();
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

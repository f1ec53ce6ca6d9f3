//! Where cgroups are mounted on this host. Reads, never writes. Called by create, update and check.
//!
//! The common places are asked with one access(2) each; /proc/self/mountinfo is read only when they are not there, or when
//! a limit was asked for that may live on a cgroup v1 hierarchy.

use crate::compile::cgroup::Controllers;
use crate::paths::cstring;
use crate::texts::part;
use alloc::{format, string::String, vec::Vec};
use rustix::fs::Access;
use rustix::io::Errno;

/// Magic numbers of linux/magic.h.
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
const CGROUP_SUPER_MAGIC: u64 = 0x0027_e0eb;

/// The mounts found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Mount point of cgroup2.
    pub v2: Option<&'static str>,
    /// Mount points of cgroup v1 hierarchies with controllers that this runtime knows.
    pub v1: Vec<(Controllers, &'static str)>,
    /// Whether this process may not make a cgroup at the top of the cgroup2.
    pub is_denied: bool,
}

/// Whether a file system of this type is seen at a path.
fn is(path: &str, magic: u64) -> bool {
    rustix::fs::statfs(cstring(path)).is_ok_and(|stat| stat.f_type as u64 & 0xffff_ffff == magic)
}

/// Whether a cgroup2 is not this process's to write to; None for one that is none: no other file system has this file.
fn is_denied(path: &str) -> Option<bool> {
    match rustix::fs::access(cstring(&format!("{path}/cgroup.subtree_control")), Access::WRITE_OK) {
        Ok(()) | Err(Errno::ROFS) => Some(false),
        Err(Errno::ACCESS) => Some(true),
        Err(_) => None,
    }
}

/// The mount table of this process; empty where there is no /proc.
pub fn mountinfo() -> String {
    let text = super::dir::read("/proc/self/mountinfo").unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

impl Host {
    /// Finds cgroup2: where systemd and every distribution mount it, where a hybrid host has it, or anywhere.
    pub fn find(&mut self) {
        for path in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            if let Some(is_denied) = is_denied(path) {
                (self.v2, self.is_denied) = (Some(path), is_denied);
                return;
            }
        }
        self.find_all();
    }

    /// Finds every mount; a cgroup2 that was found before stays. One that something else was mounted over is left out.
    pub fn find_all(&mut self) {
        self.parse(&mountinfo(), &is);
        self.is_denied = self.v2.and_then(is_denied).unwrap_or(false);
    }

    /// All controllers on cgroup v1.
    pub fn v1_controllers(&self) -> Controllers {
        self.v1.iter().fold(Controllers::NONE, |all, (some, _)| all.and(*some))
    }

    /// Those that are used where they live on cgroup v1. With a cgroup2 beside them devices are filtered by a program on that, and
    /// freezing is done there.
    pub fn useful_v1_controllers(&self) -> Controllers {
        let done_on_v2 = Controllers::DEVICES.and(Controllers::FREEZER);
        match self.v2 {
            Some(_) => Controllers(self.v1_controllers().0 & !done_on_v2.0),
            None => self.v1_controllers(),
        }
    }

    /// Picks the cgroup mounts out of mountinfo (proc_pid_mountinfo(5)). Of two of a kind the one with the whole tree wins, then the
    /// first. The paths are relative to the mount's root, so one that shows a part only is right for those who see no more. `is` tells
    /// whether a file system with this magic number is seen at a path.
    fn parse(&mut self, mountinfo: &str, is: &dyn Fn(&str, u64) -> bool) {
        let mut v2_whole = self.v2.is_some();
        for line in mountinfo.lines() {
            // ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER-OPTIONS
            let Some((mount, file_system)) = halves(line) else { continue };
            let mut mount = mount.split(' ').skip(3);
            let (Some(root), Some(point)) = (mount.next(), mount.next()) else { continue };
            let whole = root == "/";
            match (part(file_system, ' ', 0), part(file_system, ' ', 2)) {
                (Some("cgroup2"), _) if self.v2.is_none() || (whole && !v2_whole) => {
                    let point = &*unescape(point).leak();
                    if is(point, CGROUP2_SUPER_MAGIC) {
                        self.v2 = Some(point);
                        v2_whole = whole;
                    }
                }
                (Some("cgroup"), Some(options)) => {
                    let names = options.split(',').map(Controllers::of_v1);
                    let controllers = names.fold(Controllers::NONE, Controllers::and);
                    let is_new = !self.v1.iter().any(|(have, _)| *have == controllers);
                    if controllers != Controllers::NONE && is_new {
                        let point = &*unescape(point).leak();
                        if is(point, CGROUP_SUPER_MAGIC) {
                            self.v1.push((controllers, point));
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// A line of mountinfo before and after its lone dash: what is mounted where, and which file system that is.
pub fn halves(line: &str) -> Option<(&str, &str)> {
    let dash = line.as_bytes().windows(3).position(|three| three == b" - ")?;
    Some((line.get(..dash)?, line.get(dash.saturating_add(3)..)?))
}

/// Undoes mountinfo's octal escapes of space, tab, newline and backslash.
pub fn unescape(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut plain = String::from(parts.next().unwrap_or_default());
    for part in parts {
        let (code, rest) = match part.as_bytes() {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                ((a & 7) << 6 | (b & 7) << 3 | c & 7, 3)
            }
            _ => (b'\\', 0),
        };
        plain.push(char::from(code));
        plain.push_str(part.get(rest..).unwrap_or_default());
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(mountinfo: &str) -> Host {
        parse(mountinfo, &|_, _| true)
    }

    fn parse(mountinfo: &str, is: &dyn Fn(&str, u64) -> bool) -> Host {
        let mut host = Host::default();
        host.parse(mountinfo, is);
        host
    }

    #[test]
    fn a_hybrid_host_has_both_versions() {
        let host = parse_all(
            "25 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
             27 25 0:24 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
             28 25 0:25 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
             29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(host.v2, Some("/sys/fs/cgroup/unified"));
        let points: Vec<_> = host.v1.iter().map(|(_, point)| *point).collect();
        assert_eq!(points, ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"]);
        assert!(host.v1_controllers().has(Controllers::CPU.and(Controllers::MEMORY)));
        assert!(!host.v1_controllers().has(Controllers::PIDS));
    }

    #[test]
    fn cgroup2_may_be_anywhere_and_the_whole_tree_is_preferred() {
        let host = parse_all(
            "40 1 0:30 /part /a rw - cgroup2 none rw\n41 1 0:30 / /my\\040groups\\134x rw - cgroup2 none rw\n42 1 0:30 / /b rw - cgroup2 none rw\n",
        );
        assert_eq!(host, Host { v2: Some("/my groups\\x"), ..Host::default() });
        assert_eq!(parse_all("40 1 0:30 /part /a rw - cgroup2 none rw\n").v2, Some("/a"));
    }

    #[test]
    fn a_mount_that_something_else_covers_is_not_one() {
        let text = "40 1 0:30 / /a rw - cgroup2 none rw\n41 1 0:30 / /b rw - cgroup2 none rw\n\
                    42 1 0:31 / /c rw - cgroup none rw,pids\n43 1 0:31 / /d rw - cgroup none rw,pids\n";
        let host = parse(text, &|path, _| path == "/b" || path == "/d");
        assert_eq!(host.v2, Some("/b"));
        assert_eq!(host.v1.first().map(|(_, path)| *path), Some("/d"));
    }

    #[test]
    fn no_cgroup_mounts_and_broken_lines_are_no_host() {
        assert_eq!(
            parse_all("20 1 0:2 / / rw - ext4 /dev/sda rw\nnonsense\n - cgroup2\n1 2 3 - cgroup2 a b\n"),
            Host::default()
        );
    }
}

//! `linux.namespaces`, id maps and time offsets.

use crate::config::{Config, IdMapping};
use crate::error::{Result, decimal, error};
use crate::paths::cstring;
use crate::plan::{Join, Namespaces};
use crate::words::Words;
use alloc::{string::String, vec::Vec};
use core::fmt::Write as _;
use linux_raw_sys::general::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER,
    CLONE_NEWUTS,
};

/// The namespace types: the specification's name, the CLONE_NEW* bit, the file in /proc/PID/ns. In joining order: user
/// first, because it grants the capabilities to join the others, pid last, so that the container sees the joining process late (R4).
pub const NAMESPACES: &[(&str, u64, &str)] = &[
    ("user", CLONE_NEWUSER as u64, "user"),
    ("ipc", CLONE_NEWIPC as u64, "ipc"),
    ("uts", CLONE_NEWUTS as u64, "uts"),
    ("network", CLONE_NEWNET as u64, "net"),
    ("cgroup", CLONE_NEWCGROUP as u64, "cgroup"),
    ("time", CLONE_NEWTIME as u64, "time"),
    ("mount", CLONE_NEWNS as u64, "mnt"),
    ("pid", CLONE_NEWPID as u64, "pid"),
];

/// The most ranges a kernel takes in one map (UID_GID_MAP_MAX_EXTENTS since Linux 4.15; user_namespaces(7)).
const MAX_RANGES: usize = 340;

/// Compiles `linux.namespaces` with all that hangs on them.
pub fn namespaces(config: &Config<'_>, plan: &mut Namespaces) -> Result<()> {
    let linux = &config.linux;
    for (index, namespace) in linux.namespaces.iter().enumerate() {
        let refuse = |why: Words| {
            error!("config.json: linux.namespaces[{}] {quoted}: {}", decimal(index), namespace.kind, why)
        };
        if !NAMESPACES.iter().any(|(name, ..)| *name == namespace.kind) {
            return Err(refuse(words!("is not a namespace type")));
        }
        if linux.namespaces.iter().take(index).any(|other| other.kind == namespace.kind) {
            return Err(refuse(words!("is there twice")));
        }
        if !matches!(namespace.path.as_bytes(), [] | [b'/', ..]) {
            return Err(refuse(words!("path must be absolute")));
        }
    }
    let mut join: Vec<Join> = Vec::new();
    for (name, kind, _) in NAMESPACES {
        for (index, namespace) in linux.namespaces.iter().enumerate().filter(|(_, one)| one.kind == *name) {
            if namespace.path.is_empty() {
                plan.new |= kind;
                continue;
            }
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            join.push(Join { kind: *kind, path: cstring(namespace.path), index });
        }
    }
    plan.join = join.leak();

    let user = u64::from(CLONE_NEWUSER);
    for (name, map) in [("uidMappings", &linux.uid_mappings), ("gidMappings", &linux.gid_mappings)] {
        let refuse = |why: Words| error!("config.json: linux.{}: {}", name, why);
        match (map.is_empty(), plan.new & user != 0) {
            (true, true) => return Err(refuse(words!("must be given for a new user namespace"))),
            (false, false) if !plan.has(user) => {
                return Err(refuse(words!("needs a user namespace in linux.namespaces")));
            }
            _ => {}
        }
        check_ranges(map).map_err(refuse)?;
    }
    if plan.new & user != 0 && plan.joins(u64::from(CLONE_NEWNS)) {
        return Err(error!(
            "config.json: linux.namespaces: a new user namespace has no power over a mount namespace that is there already: join both"
        ));
    }
    if plan.new & user != 0 {
        plan.uid_map = map_text(&linux.uid_mappings).unwrap_or_default();
        plan.gid_map = map_text(&linux.gid_mappings).unwrap_or_default();
    }

    let mut offsets = String::new();
    for (clock, offset) in linux.time_offsets.iter() {
        let refuse = |why: Words| error!("config.json: linux.timeOffsets.{}: {}", clock, why);
        if plan.new & u64::from(CLONE_NEWTIME) == 0 {
            return Err(refuse(words!("needs a new time namespace in linux.namespaces")));
        }
        if !matches!(clock, "monotonic" | "boottime") {
            return Err(refuse(words!("is none of monotonic, boottime")));
        }
        if offset.nanosecs > 999_999_999 {
            return Err(refuse(words!("nanosecs must be below 1000000000")));
        }
        // A String takes all that is written to it.
        if writeln!(offsets, "{} {} {}", clock, offset.secs, offset.nanosecs).is_err() {
            return Err(refuse(words!("cannot be written")));
        }
    }
    plan.time_offsets = offsets.leak().as_bytes();

    let needs = |name: &str, kind: u32| match plan.has(u64::from(kind)) {
        true => Ok(()),
        false => Err(error!(
            "config.json: {}: needs a namespace of its own in linux.namespaces, or it would change the host's",
            name
        )),
    };
    for (place, name) in [("hostname", config.hostname), ("domainname", config.domainname)] {
        if !name.unwrap_or_default().is_empty() {
            needs(place, CLONE_NEWUTS)?;
        }
    }
    needs("linux.namespaces: the mount namespace", CLONE_NEWNS)
}

/// Every range has a size and ends within 32 bits; no map is longer than the kernel takes.
fn check_ranges(map: &[IdMapping]) -> core::result::Result<(), Words> {
    if map.len() > MAX_RANGES {
        return Err(words!("has more ranges than the kernel takes (340)"));
    }
    for range in map {
        if range.size == 0 {
            return Err(words!("a range must not be empty"));
        }
        let last = range.size.saturating_sub(1);
        if range.container_id.checked_add(last).is_none() || range.host_id.checked_add(last).is_none() {
            return Err(words!("a range ends beyond 2^32"));
        }
    }
    Ok(())
}

/// A map as /proc/PID/uid_map takes it; None for more ranges than there can be.
pub fn map_text(map: &[IdMapping]) -> Option<&'static [u8]> {
    check_ranges(map).ok()?;
    let mut text = String::new();
    for range in map {
        writeln!(text, "{} {} {}", range.container_id, range.host_id, range.size).ok()?;
    }
    Some(text.leak().as_bytes())
}

//! Carries a plan's writes out: controllers are enabled from the mount's root down, values are written in an order that the
//! kernel accepts, and an update that fails leaves the limits as they were.

use super::Cgroup;
use super::dir::{Dir, number, open, read_file, write_file};
use crate::compile::cgroup::{CgroupPlan, Missing, Now, Write};
use crate::error::{Error, Result, decimal, error};
use crate::words::Words;
use alloc::{string::String, vec::Vec};
use core::ffi::CStr;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use syscalls::Buffer;

/// Makes the controllers of all cgroup2 writes available in the cgroup: each directory above it must name them in
/// `cgroup.subtree_control`, the topmost first. With `all`, everything that the kernel has is made available on the way, as far as it
/// lets itself: callers that name the place read the files there, limit or no limit.
pub fn enable(cgroup: &Cgroup, writes: &[Write], all: bool) -> Result<()> {
    let Some(dir) = cgroup.dirs.iter().find(|dir| !dir.v1) else { return Ok(()) };
    let names =
        |list: &[u8], name: &str| list.split(u8::is_ascii_whitespace).any(|word| word == name.as_bytes());
    let mut needed: Vec<(&str, &str)> = Vec::new();
    for write in writes.iter().filter(|write| !write.v1) {
        if let Some(name) = write.controller() {
            needed.push((name, &write.place));
        }
    }
    if !needed.is_empty() {
        let have = read_file(&dir.fd, c"cgroup.controllers");
        let have = have.map_err(Error::sys(words!("read the controllers of the cgroup"), dir.path))?;
        needed.retain(|(name, _)| !names(&have, name));
    }
    if needed.is_empty() && !all {
        return Ok(());
    }

    for (end, _) in dir.path.match_indices('/').skip(1) {
        let above = dir.path.get(..end).unwrap_or_default();
        let Ok(fd) = open(above) else { continue };
        // Above the mount there is no such file.
        let Ok(mut enabled) = read_file(&fd, c"cgroup.subtree_control") else { continue };
        if all {
            let there = read_file(&fd, c"cgroup.controllers").unwrap_or_default();
            let there = core::str::from_utf8(&there).unwrap_or_default().split_ascii_whitespace();
            for name in there.filter(|name| !names(&enabled, name)) {
                // One that is refused is missed only by who asks for a limit of it.
                enable_one(&fd, name).unwrap_or_default();
            }
        }
        for (name, place) in &needed {
            if !names(&enabled, name) {
                enable_one(&fd, name).map_err(|errno| not_enabled(name, place, above, errno))?;
                enabled.extend(b" ");
                enabled.extend(name.as_bytes());
            }
        }
    }
    Ok(())
}

fn enable_one(dir: &OwnedFd, controller: &str) -> rustix::io::Result<()> {
    write_file(dir, c"cgroup.subtree_control", ["+", controller].concat().as_bytes())
}

fn not_enabled(name: &str, place: &str, above: &str, errno: Errno) -> Error {
    if matches!(errno, Errno::NOENT | Errno::INVAL) {
        return error!("linux.resources.{}: no {} controller in the cgroup {quoted}", place, name, above)
            .hint(words!("the kernel lacks it, or a cgroup v1 hierarchy or a parent keeps it"));
    }
    let hint = match errno {
        Errno::BUSY => words!("it holds processes of its own"),
        Errno::OPNOTSUPP => words!("it is in threaded mode"),
        _ => Words::NONE,
    };
    error!("linux.resources.{}: enable the {} controller in the cgroup {quoted}", place, name, above)
        .errno(errno)
        .hint(hint)
}

/// Present limits, for an update that names a half of a pair.
pub fn now(cgroup: &Cgroup) -> Now {
    let max = cgroup.dirs.iter().filter(|dir| !dir.v1).find_map(|dir| read_file(&dir.fd, c"cpu.max").ok());
    let max = max.unwrap_or_default();
    let mut quota = max.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(number);
    Now {
        // cgroup v1 says "unlimited" with the greatest multiple of a page.
        memory: cgroup.find("memory.limit_in_bytes memory.max").filter(|bytes| *bytes < i64::MAX as u64 / 2),
        quota: quota.next().unwrap_or_else(|| cgroup.find("cpu.cfs_quota_us")),
        period: quota.next().flatten(),
    }
}

/// Refuses limits that the present usage is not below (memory.checkBeforeUpdate).
pub fn check(cgroup: &Cgroup, plan: &CgroupPlan) -> Result<()> {
    let Some(floor) = plan.memory_floor else { return Ok(()) };
    match cgroup.find("memory.usage_in_bytes memory.current") {
        Some(usage) if usage >= floor => Err(error!(
            "linux.resources.memory: a limit of {} bytes is not above the present usage of {} bytes",
            decimal(floor),
            decimal(usage)
        )),
        _ => Ok(()),
    }
}

/// What a write has changed.
pub struct Undo<'p> {
    dir: &'p Dir,
    file: &'p CStr,
    value: &'p [u8],
    before: Buffer,
}

/// BFQ's weights: one for all devices, then a line for each that has its own. On cgroup v1 the file for all of them shows no such lines
/// and this one, since Linux 5.4, takes and shows both.
const BFQ: [&CStr; 2] = [c"io.bfq.weight", c"blkio.bfq.weight_device"];

/// Does all the writes. Where two limits bound each other (a burst and its quota, memory and swap on cgroup v1) one order fails
/// with EINVAL, which depends on the present values: such a write is tried again after the others. With `restore` the values
/// are read first and put back when a write fails in the end.
pub fn apply<'p>(cgroup: &'p Cgroup, writes: &'p [Write], restore: bool) -> Result<Vec<Undo<'p>>> {
    let mut undo: Vec<Undo<'p>> = Vec::new();
    let mut open: Vec<&Write> = writes.iter().collect();
    let result = loop {
        let before = open.len();
        let mut later: Vec<&Write> = Vec::new();
        let mut failure = None;
        let mut list = open.into_iter();
        while let Some(write) = list.next() {
            match put(cgroup, write, restore, &mut undo) {
                // The write that follows is the same limit for other kernels.
                Ok(true) if write.missing == Missing::Next => drop(list.next()),
                Ok(_) => {}
                Err(Errno::INVAL) => {
                    failure.get_or_insert((write, Errno::INVAL));
                    later.push(write);
                    if write.missing == Missing::Next {
                        later.extend(list.next());
                    }
                }
                Err(errno) => {
                    failure = Some((write, errno));
                    later.clear();
                    break;
                }
            }
        }
        match failure {
            None => break Ok(()),
            Some((write, errno)) if later.is_empty() || later.len() == before => {
                break Err(explain(write, errno));
            }
            Some(_) => open = later,
        }
    };
    if result.is_err() {
        undo.iter().rev().for_each(Undo::put_back);
    }
    result.map(|()| undo)
}

/// Does one write. `false` when its file is not there, which its `missing` allows.
fn put<'p>(
    cgroup: &'p Cgroup,
    write: &'p Write,
    restore: bool,
    undo: &mut Vec<Undo<'p>>,
) -> rustix::io::Result<bool> {
    // systemd has limited the scope for now.
    if cgroup.scope.is_some() && cgroup.late_pids.is_some() && write.file == c"pids.max" {
        return Ok(true);
    }
    for dir in cgroup.dirs.iter().filter(|dir| dir.v1 == write.v1) {
        let first = if write.file == c"blkio.bfq.weight" { BFQ[1] } else { write.file };
        let mut files = [first, write.file].into_iter().filter(|_| restore);
        let before = files.find_map(|file| Some((file, read_file(&dir.fd, file).ok()?)));
        match write_file(&dir.fd, write.file, &write.value) {
            Ok(()) => {
                if let Some((file, before)) = before {
                    let done = Undo { dir, file, value: &write.value, before };
                    done.keep_devices();
                    undo.push(done);
                }
                return Ok(true);
            }
            // On cgroup v1 the file is in one of several directories.
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    match write.missing {
        Missing::Fail => Err(Errno::NOENT),
        Missing::Skip | Missing::Next => Ok(false),
    }
}

fn explain(write: &Write, errno: Errno) -> Error {
    let (place, file) = (&write.place, write.file.to_string_lossy());
    if errno == Errno::NOENT {
        let controller = write.controller().unwrap_or_default();
        return error!("linux.resources.{}: the {} controller has no {} here", place, controller, file)
            .hint(words!("it is not enabled, or the kernel was built without it"));
    }
    let value = String::from_utf8_lossy(&write.value);
    let hint = match (errno, write.file.to_bytes()) {
        (Errno::BUSY, b"memory.limit_in_bytes") => words!("the present usage is above it"),
        _ => Words::NONE,
    };
    error!("linux.resources.{}: write {quoted} to {}", place, value, file).errno(errno).hint(hint)
}

impl Undo<'_> {
    /// Writes BFQ's weights of single devices again, which it forgets when it gets one for all (block/bfq-cgroup.c,
    /// bfq_io_set_weight_legacy).
    pub fn keep_devices(&self) {
        if BFQ.contains(&self.file) && !self.value.contains(&b':') {
            let lines = self.before.split(|byte| *byte == b'\n').filter(|line| line.contains(&b':'));
            lines.for_each(|line| write_file(&self.dir.fd, self.file, line).unwrap_or_default());
        }
    }

    /// Writes the old value. A file with a line for each device gets its old lines, and where the device had none, none.
    fn put_back(&self) {
        let lines = self.before.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let device = self.value.split(|byte| *byte == b' ').next().filter(|name| name.contains(&b':'));
        let mut had = false;
        for line in lines {
            had |= device.is_some_and(|name| line.starts_with(name));
            if device.is_none_or(|name| line.starts_with(name)) {
                // The kernel took this very value before.
                write_file(&self.dir.fd, self.file, line).unwrap_or_default();
            }
        }
        if let (false, Some(name)) = (had, device) {
            let file = self.file.to_bytes();
            let none: &[u8] = match file {
                b"io.max" => b" rbps=max wbps=max riops=max wiops=max",
                _ if file.starts_with(b"io.") => b" default",
                _ => b" 0",
            };
            write_file(&self.dir.fd, self.file, &[name, none].concat()).unwrap_or_default();
        }
    }
}

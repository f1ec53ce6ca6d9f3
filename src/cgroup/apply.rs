//! Carries a plan's writes out: controllers are enabled from the mount's root down, values are written in an order that the
//! kernel accepts, and an update that fails leaves the limits as they were.

use super::dir::{Dir, number, open, read_file, write_file};
use super::{Cgroup, has_part};
use crate::compile::cgroup::{CgroupPlan, Missing, Now, Write};
use crate::error::{Error, Result, decimal, error};
use crate::paths;
use crate::words::Words;
use alloc::{boxed::Box, vec::Vec};
use core::ffi::CStr;
use rustix::io::Errno;
use syscalls::Buffer;

/// Makes the controllers of all cgroup2 writes available in the cgroup: each directory above it must name them in
/// `cgroup.subtree_control`, the topmost first. With `all`, everything that the kernel has is made available on the way, as far as it
/// lets itself: callers that name the place read the files there, limit or no limit.
pub fn enable(cgroup: &Cgroup, writes: &[Write], all: bool) -> Result<()> {
    let Some(dir) = cgroup.v2() else { return Ok(()) };
    let controllers =
        || writes.iter().filter(|write| !write.v1).filter_map(|write| Some((write.controller()?, write)));
    let mut have = Buffer::default();
    if controllers().next().is_some() {
        let read = read_file(&dir.fd, c"cgroup.controllers");
        have = read.map_err(Error::sys(words!("read the controllers of the cgroup"), dir.path))?;
    }
    let needed = || controllers().filter(|(name, _)| !has_part(&have, b" \n", name));
    if !all && needed().next().is_none() {
        return Ok(());
    }
    for above in paths::above(dir.path, 0) {
        let Ok(fd) = open(above) else { continue };
        // Above the mount there is no such file.
        let Ok(mut enabled) = read_file(&fd, c"cgroup.subtree_control") else { continue };
        let mut enable = |name: &str| {
            if !has_part(&enabled, b" \n", name) {
                write_file(&fd, c"cgroup.subtree_control", ["+", name].concat().as_bytes())?;
                enabled.extend(b" ");
                enabled.extend(name.as_bytes());
            }
            Ok(())
        };
        if all {
            let there = read_file(&fd, c"cgroup.controllers").unwrap_or_default();
            for name in core::str::from_utf8(&there).unwrap_or_default().split_ascii_whitespace() {
                // One that is refused is missed only by who asks for a limit of it.
                enable(name).unwrap_or_default();
            }
        }
        for (name, write) in needed() {
            enable(name).map_err(|errno| not_enabled(name, &write.place, above, errno))?;
        }
    }
    Ok(())
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
    let mut numbers = cgroup.numbers();
    // cgroup v1 says "unlimited" with the greatest multiple of a page.
    let memory =
        numbers.find("memory.limit_in_bytes memory.max").filter(|bytes| *bytes < i64::MAX as u64 / 2);
    let (quota, period) = numbers.read(false, "cpu.max").split_once(' ').unwrap_or_default();
    let (quota, period) = (number(quota.as_bytes()), number(period.as_bytes()));
    Now { memory, quota: quota.or_else(|| numbers.find("cpu.cfs_quota_us")), period }
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
    value: &'p str,
    before: &'p str,
}

/// BFQ's weights: one for all devices, then a line for each that has its own. On cgroup v1 the file for all of them shows no such lines
/// and this one, since Linux 5.4, takes and shows both.
const BFQ: [&CStr; 2] = [c"io.bfq.weight", c"blkio.bfq.weight_device"];

/// Does all the writes. Where two limits bound each other (a burst and its quota, memory and swap on cgroup v1) one order fails
/// with EINVAL, which depends on the present values: such a write is tried again after the others. With `restore` the values
/// are read first and put back when a write fails in the end.
pub fn apply<'p>(cgroup: &'p Cgroup, writes: &'p [Write], restore: bool) -> Result<&'p [Undo<'p>]> {
    let mut undo: Vec<Undo<'p>> = Vec::new();
    let mut open: Vec<&[Write]> = writes.chunk_by(|write, _| write.missing == Missing::Next).collect();
    loop {
        let mut later: Vec<&[Write]> = Vec::new();
        let mut failure = None;
        for same in &open {
            match put(cgroup, same, restore, &mut undo) {
                Ok(()) => {}
                Err((write, Errno::INVAL)) => {
                    failure.get_or_insert((write, Errno::INVAL));
                    later.push(same);
                }
                Err(other) => {
                    failure = Some(other);
                    later.clear();
                    break;
                }
            }
        }
        let Some((write, errno)) = failure else { return Ok(undo.leak()) };
        if later.is_empty() || later.len() == open.len() {
            undo.iter().rev().for_each(Undo::put_back);
            return Err(explain(write, errno));
        }
        open = later;
    }
}

/// Does one of some writes that are the same limit for different kernels: the first whose file is there.
fn put<'p>(
    cgroup: &'p Cgroup,
    same: &'p [Write],
    restore: bool,
    undo: &mut Vec<Undo<'p>>,
) -> core::result::Result<(), (&'p Write, Errno)> {
    for write in same {
        // systemd has limited the scope for now.
        if cgroup.scope.is_some() && cgroup.late_pids.is_some() && write.file == c"pids.max" {
            return Ok(());
        }
        for dir in cgroup.dirs.iter().filter(|dir| dir.v1 == write.v1) {
            let first = if write.file == c"blkio.bfq.weight" { BFQ[1] } else { write.file };
            let mut files = [first, write.file].into_iter().filter(|_| restore);
            let before = files.find_map(|file| Some((file, read_file(&dir.fd, file).ok()?)));
            match write_file(&dir.fd, write.file, write.value.as_bytes()) {
                Ok(()) => {
                    if let Some((file, before)) = before {
                        let before = core::str::from_utf8(Box::leak(Box::new(before))).unwrap_or_default();
                        let done = Undo { dir, file, value: write.value, before };
                        done.keep_devices();
                        undo.push(done);
                    }
                    return Ok(());
                }
                // On cgroup v1 the file is in one of several directories.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err((write, errno)),
            }
        }
        if write.missing == Missing::Fail {
            return Err((write, Errno::NOENT));
        }
    }
    Ok(())
}

fn explain(write: &Write, errno: Errno) -> Error {
    let (place, file) = (&write.place, write.file.to_string_lossy());
    if errno == Errno::NOENT {
        let controller = write.controller().unwrap_or_default();
        return error!("linux.resources.{}: the {} controller has no {} here", place, controller, file)
            .hint(words!("it is not enabled, or the kernel was built without it"));
    }
    let hint = match (errno, write.file.to_bytes()) {
        (Errno::BUSY, b"memory.limit_in_bytes") => words!("the present usage is above it"),
        _ => Words::NONE,
    };
    error!("linux.resources.{}: write {quoted} to {}", place, write.value, file).errno(errno).hint(hint)
}

impl Undo<'_> {
    /// Writes BFQ's weights of single devices again, which it forgets when it gets one for all (block/bfq-cgroup.c,
    /// bfq_io_set_weight_legacy).
    pub fn keep_devices(&self) {
        if BFQ.contains(&self.file) && !self.value.contains(':') {
            self.before.lines().filter(|line| line.contains(':')).for_each(|line| self.write(line));
        }
    }

    /// Writes the old value. A file with a line for each device gets its old lines, and where the device had none, none.
    fn put_back(&self) {
        let device = self.value.split_once(' ').map_or("", |(name, _)| name);
        let device = if device.contains(':') { device } else { "" };
        let mut had = device.is_empty();
        for line in self.before.lines().filter(|line| !line.is_empty() && line.starts_with(device)) {
            had = true;
            // The kernel took this very value before.
            self.write(line);
        }
        if !had {
            let none = match self.file.to_bytes() {
                b"io.max" => " rbps=max wbps=max riops=max wiops=max",
                [b'i', b'o', b'.', ..] => " default",
                _ => " 0",
            };
            self.write(&[device, none].concat());
        }
    }

    fn write(&self, line: &str) {
        write_file(&self.dir.fd, self.file, line.as_bytes()).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_files;
    use super::*;
    use alloc::string::{String, ToString};

    fn write(file: &str, value: &'static str, missing: Missing) -> Write {
        Write { v1: false, file: paths::cstring(file), value, place: file.into(), missing }
    }

    /// What is in a file, of which the stand takes nothing away: a shorter value leaves the rest of a longer one.
    fn text(cgroup: &Cgroup, file: &CStr) -> String {
        let read = cgroup.v2().and_then(|dir| read_file(&dir.fd, file).ok()).unwrap_or_default();
        String::from_utf8_lossy(&read).into_owned()
    }

    #[test]
    fn of_writes_that_are_the_same_limit_the_first_with_a_file_is_done() {
        let writes = [write("io.bfq.weight", "7", Missing::Next), write("io.weight", "8", Missing::Fail)];
        with_files("first", &[(false, "io.bfq.weight", "1"), (false, "io.weight", "1")], |cgroup| {
            assert!(apply(cgroup, &writes, false).is_ok());
            assert_eq!([c"io.bfq.weight", c"io.weight"].map(|file| text(cgroup, file)), ["7", "1"]);
        });
        with_files("second", &[(false, "io.weight", "1")], |cgroup| {
            assert!(apply(cgroup, &writes, false).is_ok());
            assert_eq!(text(cgroup, c"io.weight"), "8");
        });
    }

    #[test]
    fn a_write_that_fails_leaves_all_as_it_was() {
        let files = [(false, "memory.max", "max\n"), (false, "io.max", "8:0 rbps=5 wbps=max\n")];
        let writes = |last| {
            let io = write("io.max", "8:0 rbps=9", Missing::Fail);
            [write("memory.max", "512", Missing::Fail), io, last]
        };
        let absent = writes(write("pids.max", "3", Missing::Skip));
        with_files("done", &files, |cgroup| {
            assert!(apply(cgroup, &absent, true).is_ok_and(|done| done.len() == 2));
            assert_eq!(text(cgroup, c"memory.max"), "512\n");
        });
        let refused = writes(write("cpu.max", "1 2", Missing::Fail));
        with_files("undone", &files, |cgroup| {
            let error = apply(cgroup, &refused, true).map(drop).map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains("the cpu controller has no cpu.max here")));
            assert_eq!(text(cgroup, c"memory.max"), "max\n");
            assert_eq!(text(cgroup, c"io.max"), "8:0 rbps=5 wbps=max\n");
        });
    }
}

//! One directory of a cgroup file system and its files: read, written, waited for, walked. No policy.

use crate::args::values::integer;
use crate::error::decimal;
use crate::paths::{self, cstring};
use alloc::{string::String, vec::Vec};
use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use syscalls::{Buffer, fd};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// One directory of it.
#[derive(Debug)]
pub(super) struct Dir {
    pub(super) fd: OwnedFd,
    /// Absolute.
    pub(super) path: &'static str,
    pub(super) v1: bool,
}

impl Dir {
    /// Moves a process in.
    pub(super) fn take(&self, pid: i32) -> rustix::io::Result<()> {
        write_file(&self.fd, c"cgroup.procs", decimal(pid).as_bytes())
    }

    /// Whether a process is in the directory or below it. There is none in one that another call has removed meanwhile.
    pub(super) fn is_populated(&self) -> rustix::io::Result<bool> {
        let mut any = false;
        let populated = match self.v1 {
            true => each_process(&self.fd, &mut |_| any = true).map(|()| any),
            false => read_file(&self.fd, c"cgroup.events").map(|text| key(&text, "populated") == Some(1)),
        };
        match populated {
            Err(Errno::NOENT | Errno::NODEV) => Ok(false),
            other => other,
        }
    }

    /// Waits for a change of cgroup.events, or a moment where there is none; the milliseconds that this counts for.
    pub(super) fn wait_for_event(&self) -> u32 {
        if self.v1 {
            return pause();
        }
        let Ok(file) = open_file(&self.fd, c"cgroup.events", OFlags::RDONLY) else { return pause() };
        // A file that has not been read yet polls as changed.
        if !read_to_end(file.as_fd()).is_ok_and(|text| key(&text, "populated") == Some(1)) {
            return pause();
        }
        match fd::poll(&mut [fd::PollFd::new(file.as_fd(), fd::POLLPRI)], Some(Duration::from_millis(100))) {
            Ok(0) => 100,
            _ => 1,
        }
    }
}

/// Sleeps for one millisecond and says so.
pub(super) fn pause() -> u32 {
    // A signal ends the wait early, which costs a round more.
    fd::poll(&mut [], Some(Duration::from_millis(1))).map_or(1, |_| 1)
}

/// Opens a directory.
pub(super) fn open(path: &str) -> rustix::io::Result<OwnedFd> {
    paths::open(cstring(path), DIRECTORY)
}

/// Reads what the kernel says in a file.
pub(super) fn read(path: &str) -> rustix::io::Result<Buffer> {
    read_to_end(paths::open(cstring(path), OFlags::RDONLY)?.as_fd())
}

/// Where a process (`self` or a number) is in the cgroup2; empty for nowhere.
pub(super) fn place_of(process: &str) -> rustix::io::Result<&'static str> {
    let text = read(paths::join(&["/proc/", process, "/cgroup"]))?;
    let mut lines = core::str::from_utf8(&text).unwrap_or_default().lines();
    let place = lines.find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    Ok(String::from(place).leak())
}

/// Whether a cgroup has a file.
pub(super) fn has(dir: &OwnedFd, name: &CStr) -> bool {
    rustix::fs::accessat(dir, name, Access::EXISTS, AtFlags::empty()).is_ok()
}

/// Opens a file of a cgroup.
pub(super) fn open_file(dir: &OwnedFd, name: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

/// Writes a file of a cgroup in one call, as the kernel takes a value.
pub(super) fn write_file(dir: &OwnedFd, name: &CStr, value: &[u8]) -> rustix::io::Result<()> {
    let file = open_file(dir, name, OFlags::WRONLY)?;
    loop {
        match rustix::io::write(&file, value) {
            Ok(written) if written == value.len() => return Ok(()),
            Ok(_) => return Err(Errno::IO),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reads a file of a cgroup.
pub(super) fn read_file(dir: &OwnedFd, name: &CStr) -> rustix::io::Result<Buffer> {
    read_to_end(open_file(dir, name, OFlags::RDONLY)?.as_fd())
}

/// Reads to the end of a file whose size the kernel does not tell.
pub(super) fn read_to_end(file: BorrowedFd<'_>) -> rustix::io::Result<Buffer> {
    let mut text = Buffer::default();
    append(&mut text, file).map(|()| text)
}

/// The same, behind what is there. A read that leaves room for more than a line was the last: kernfs hands out whole lines, as many
/// as fit.
pub(super) fn append(text: &mut Buffer, file: BorrowedFd<'_>) -> rustix::io::Result<()> {
    const LONGEST_LINE: usize = 1024;
    loop {
        let bytes = text.room(4096);
        let room = bytes.capacity().saturating_sub(bytes.len());
        match rustix::io::read(file, rustix::buffer::spare_capacity(bytes)) {
            Ok(0) => return Ok(()),
            Ok(length) if length.saturating_add(LONGEST_LINE) < room => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The number behind a key of a flat-keyed file (`populated 1`).
pub(super) fn key(text: &[u8], name: &str) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim_ascii().parse().ok())
}

/// The single number of a file; `max` is `None`.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    core::str::from_utf8(text).ok()?.trim_ascii().parse().ok()
}

/// Adds the processes of a directory and those below it, in order and each once.
pub(super) fn collect(dir: &OwnedFd, pids: &mut Vec<i32>) -> rustix::io::Result<()> {
    each_process(dir, &mut |pid| {
        if let Err(place) = pids.binary_search(&pid) {
            pids.insert(place, pid);
        }
    })
}

/// Goes through the processes of a directory and those below it.
pub(super) fn each_process(dir: &OwnedFd, each: &mut dyn FnMut(i32)) -> rustix::io::Result<()> {
    let mut of = |dir: &OwnedFd| match read_file(dir, c"cgroup.procs") {
        Ok(text) => {
            let text = core::str::from_utf8(&text).unwrap_or_default();
            // 0 is a process that the caller's pid namespace does not see, and for kill(2) the caller's own group.
            let pids = text.lines().filter_map(|line| i32::try_from(integer(line)?).ok());
            pids.filter(|pid| *pid > 0).for_each(&mut *each);
            Ok(())
        }
        // A threaded cgroup (EOPNOTSUPP): its processes are listed by the domain above. Removed meanwhile (ENODEV).
        Err(Errno::OPNOTSUPP | Errno::NODEV | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    };
    of(dir)?;
    walk(dir, &mut of, &mut |_, _| {})
}

/// Removes the directories below, deepest first, as far as they are empty. What is left shows when the parent is removed.
pub(super) fn remove_children(dir: &OwnedFd) {
    let mut remove = |above: &OwnedFd, name: &CStr| {
        rustix::fs::unlinkat(above, name, AtFlags::REMOVEDIR).unwrap_or_default();
    };
    walk(dir, &mut |_| Ok(()), &mut remove).unwrap_or_default();
}

/// Goes through all directories below one: `enter` is called with each, `leave` with its parent and its name once all below it
/// were seen. How many there are inside each other is for a container to decide that may make cgroups: so neither the stack
/// nor the number of open descriptors depends on it.
fn walk(
    dir: &OwnedFd,
    enter: &mut dyn FnMut(&OwnedFd) -> rustix::io::Result<()>,
    leave: &mut dyn FnMut(&OwnedFd, &CStr),
) -> rustix::io::Result<()> {
    // The offset of `dir` may be anywhere: a new description starts at the beginning.
    let mut here = match rustix::fs::openat(dir, c".", DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NODEV) => return Ok(()),
        other => other?,
    };
    // The names that are left to be seen, each with its NUL: below those of a level stands one without letters, and below that
    // the directory that they are in.
    let mut names = Buffer::default();
    children(&here, &mut names)?;
    while let Some(name) = last(&names) {
        let mut seen = name.count_bytes().saturating_add(1);
        if name.is_empty() {
            names.room(0).pop();
            let Some(name) = last(&names) else { break };
            here = rustix::fs::openat(&here, c"..", DIRECTORY, Mode::empty())?;
            leave(&here, name);
            seen = name.count_bytes().saturating_add(1);
        } else {
            match rustix::fs::openat(&here, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(child) => {
                    enter(&child)?;
                    children(&child, &mut names)?;
                    here = child;
                    continue;
                }
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(errno) => return Err(errno),
            }
        }
        let left = names.len().saturating_sub(seen);
        names.room(0).truncate(left);
    }
    Ok(())
}

/// The last of some names.
fn last(names: &[u8]) -> Option<&CStr> {
    let before = names.split_last()?.1;
    let start = before.iter().rposition(|byte| *byte == 0).map_or(0, |nul| nul.saturating_add(1));
    CStr::from_bytes_with_nul(names.get(start..)?).ok()
}

/// Adds a name without letters, and those of the directories in one.
fn children(dir: &OwnedFd, names: &mut Buffer) -> rustix::io::Result<()> {
    names.extend(b"\0");
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) => {
                let name = entry.file_name();
                if entry.file_type() == FileType::Directory && name != c"." && name != c".." {
                    names.extend(name.to_bytes_with_nul());
                }
            }
            // Removed meanwhile.
            Err(Errno::NOENT | Errno::NODEV) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A new cgroup v1 cpuset has no processor and no memory node, and takes no process until it does: it gets its parent's.
pub(super) fn inherit_cpuset(path: &str) -> rustix::io::Result<()> {
    let Some((parent, _)) = paths::split_last(path, b'/') else { return Ok(()) };
    let (dir, parent) = (open(path)?, open(parent)?);
    for &file in &[c"cpuset.cpus", c"cpuset.mems"] {
        match read_file(&dir, file) {
            Ok(text) if text.trim_ascii().is_empty() => {
                write_file(&dir, file, read_file(&parent, file)?.trim_ascii())?;
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whole_words() {
        assert_eq!(key(b"oom 1\noom_kill 2\noom_group_kill 3\n", "oom_kill"), Some(2));
        assert_eq!(key(b"populated 0\n", "populated"), Some(0));
        assert_eq!(key(b"", "populated"), None);
    }
}

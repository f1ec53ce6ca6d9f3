//! What is on disk: `<root>/<id>/`, mode 0700, one directory a container.
//!
//! ```text
//! state.json        the Record with the configuration it was made from; appears by rename, once
//! cgroup            symbolic link: the cgroup's path, there before the cgroup is, so that a killed create can be undone
//! rdt               symbolic link: the resctrl directory to be removed, in the same way
//! exec.fifo         the start barrier; there from the moment the container is created until it is started
//! exec.fifo.new     the same while create is still at work
//! notify/           the container's NOTIFY_SOCKET, if it has one
//! ```
//!
//! A writer holds a lock on the directory (flock(2)); readers need none, so that a hook may call `state`. Nothing here says
//! whether the container runs: that is derived from the process each time (`Record::status`).

use crate::config::{Map, object};
use crate::error::{Error, Result, error};
use crate::json::Writer;
use crate::paths::{c_path, cstring, make_directory, open, shown};
use crate::proc::{self, Stat};
use crate::readiness;
use alloc::{boxed::Box, string::String, vec::Vec};
use core::ffi::CStr;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The start barrier, once the container is created.
pub const FIFO: &CStr = c"exec.fifo";
/// The start barrier while create is at work.
pub const FIFO_NEW: &CStr = c"exec.fifo.new";
const RECORD: &CStr = c"state.json";
const RECORD_NEW: &CStr = c"state.json.new";
const CGROUP: &CStr = c"cgroup";
const RDT: &CStr = c"rdt";
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW);

/// Stands for a state root that is not the caller's alone. No call on a directory answers this.
const NOT_OURS: Errno = Errno::XDEV;

/// Longest container id: it has to be a file name and a cgroup name.
const MAX_ID: usize = 255;

/// Refuses ids that could be paths or options: letters, digits and `_ + - .`, not starting with a dash, neither `.` nor `..`.
pub fn check_id(id: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'.');
    let why = match id {
        "" => "must not be empty",
        "." | ".." => "is a directory's own name",
        _ if id.len() > MAX_ID => "is longer than 255 characters",
        _ if id.starts_with('-') => "must not start with a dash",
        _ if !id.bytes().all(plain) => "may hold only letters, digits and _ + - .",
        _ => return Ok(()),
    };
    let short = id.get(..id.floor_char_boundary(40)).unwrap_or_default();
    Err(error!("container id {quoted}: {}", short, why))
}

/// The state root: `--root`. It is looked at when something in it is.
///
/// What is in there decides what is run (hooks) and killed: one that somebody else may write to is refused, and so is a link in
/// /tmp, where anybody may have put it. There a directory of one's own stays what it is (the sticky bit); elsewhere the directory is
/// judged in which the container's own really is.
#[derive(Clone, Copy)]
pub struct Store {
    path: &'static str,
}

/// One container's directory.
pub struct Entry {
    pub directory: OwnedFd,
    pub id: &'static str,
}

impl Store {
    /// The state root at a path.
    pub fn new(path: &'static str) -> Store {
        Store { path }
    }

    /// Makes a container's directory and locks it; the root (0700) with its parents, too, if need be. Of two at once exactly one wins.
    pub fn create(&self, id: &'static str) -> Result<Entry> {
        check_id(id)?;
        let path = self.entry_path(id);
        let make = || rustix::fs::mkdir(path, Mode::RWXU);
        let made = match self.in_tmp().and_then(|()| make()) {
            Err(Errno::NOENT) => {
                make_directories(self.path)?;
                self.in_tmp().and_then(|()| make())
            }
            other => other,
        };
        made.map_err(|errno| match errno {
            Errno::EXIST => error!("container with given ID already exists: {quoted}", id),
            errno => self.failed(errno),
        })?;
        self.find(id)
            .and_then(|entry| entry.lock().map(|()| entry))
            .inspect_err(|_| rustix::fs::rmdir(path).unwrap_or_default())
    }

    /// Opens a container's directory without a lock.
    pub fn find(&self, id: &'static str) -> Result<Entry> {
        check_id(id)?;
        let opened = self.in_tmp().and_then(|()| {
            let directory = open(self.entry_path(id), DIRECTORY)?;
            match self.is_in_tmp() {
                true => {}
                false => judge(&rustix::fs::statat(&directory, c"..", AtFlags::empty())?)?,
            }
            Ok(Entry { directory, id })
        });
        opened.map_err(|errno| match errno {
            Errno::NOENT => missing(id),
            errno => self.failed(errno),
        })
    }

    fn is_in_tmp(&self) -> bool {
        self.path.starts_with("/tmp/")
    }

    fn in_tmp(&self) -> rustix::io::Result<()> {
        match self.is_in_tmp() {
            true => judge(&rustix::fs::lstat(cstring(self.path))?),
            false => Ok(()),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        match errno {
            NOT_OURS => {
                error!("--root {quoted}: belongs to somebody else, or others may write to it", self.path)
                    .hint(words!("who could change what is in there could have any program run"))
            }
            errno => Error::sys(words!("--root: open"), self.path)(errno),
        }
    }

    /// Opens and locks it; a container deleted while waiting for the lock does not exist.
    pub fn find_locked(&self, id: &'static str) -> Result<Entry> {
        let entry = self.find(id)?;
        match entry.lock_again()? {
            true => Ok(entry),
            false => Err(missing(id)),
        }
    }

    /// Whether there is a directory for this id.
    pub fn has(&self, id: &str) -> bool {
        rustix::fs::lstat(self.entry_path(id)).is_ok()
    }

    /// The ids of all containers, sorted; none where there is no root.
    pub fn list(&self) -> Result<Vec<&'static str>> {
        let failed = |errno| self.failed(errno);
        let follow = if self.is_in_tmp() { OFlags::empty() } else { OFlags::NOFOLLOW };
        let directory = match open(cstring(self.path), DIRECTORY.difference(follow)) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        judge(&rustix::fs::fstat(&directory).map_err(failed)?).map_err(failed)?;
        let mut ids = Vec::new();
        let mut buffer = Vec::with_capacity(8192);
        let mut entries = rustix::fs::RawDir::new(&directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) && check_id(name).is_ok()
            {
                let place = ids.iter().position(|id| *id > name).unwrap_or(ids.len());
                ids.insert(place, &*String::from(name).leak());
            }
        }
        Ok(ids)
    }

    /// Removes a container's directory with everything in it. The entry is locked by the caller.
    pub fn remove(&self, entry: &Entry) -> Result<()> {
        let path = self.entry_path(entry.id);
        entry.unlink(&[CGROUP, RECORD])?;
        let remove = || match rustix::fs::rmdir(path) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        };
        let removed = match remove() {
            // One that was never started, is half made, or tells of its readiness has more.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                entry.unlink(&[FIFO, FIFO_NEW, RECORD_NEW])?;
                match remove() {
                    Err(Errno::NOTEMPTY | Errno::EXIST) => readiness::remove(entry).and_then(|()| remove()),
                    other => other,
                }
            }
            other => other,
        };
        removed.map_err(Error::sys(words!("remove the state directory"), shown(path)))
    }

    fn entry_path(&self, id: &str) -> &'static CStr {
        c_path(format_args!("{}/{id}", self.path))
    }
}

impl Entry {
    fn lock(&self) -> Result<()> {
        loop {
            match rustix::fs::flock(&self.directory, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                other => return other.map_err(Error::sys(words!("lock the state directory"), self.id)),
            }
        }
    }

    /// Locks it when it was unlocked before. False for one that somebody else has deleted meanwhile.
    pub fn lock_again(&self) -> Result<bool> {
        self.lock()?;
        Ok(rustix::fs::fstat(&self.directory).is_ok_and(|stat| stat.st_nlink > 0))
    }

    fn unlink(&self, names: &[&CStr]) -> Result<()> {
        for name in names {
            match rustix::fs::unlinkat(&self.directory, *name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    let name = shown(name);
                    return Err(Error::sys(words!("remove from the state directory"), name)(errno));
                }
            }
        }
        Ok(())
    }

    /// Lets others have it. Said aloud because a container's process may still hold the same open file.
    pub fn unlock(&self) -> Result<()> {
        rustix::fs::flock(&self.directory, FlockOperation::Unlock)
            .map_err(Error::sys(words!("unlock the state directory"), self.id))
    }

    /// Notes where the cgroup will be, before it is made.
    pub fn note_cgroup(&self, path: &str) -> Result<()> {
        rustix::fs::symlinkat(cstring(path), &self.directory, CGROUP)
            .map_err(Error::sys(words!("note the cgroup"), path))
    }

    /// Replaces the note of a running container that gets into more directories.
    pub fn renote_cgroup(&self, path: &str) -> Result<()> {
        let failed = |errno| Error::sys(words!("note the cgroup"), path)(errno);
        // A name that a killed call may have left; whatever is there, `delete` takes it away.
        match rustix::fs::unlinkat(&self.directory, RECORD_NEW, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        rustix::fs::symlinkat(cstring(path), &self.directory, RECORD_NEW).map_err(failed)?;
        rustix::fs::renameat(&self.directory, RECORD_NEW, &self.directory, CGROUP).map_err(failed)
    }

    /// The cgroup noted, if any.
    pub fn cgroup(&self) -> Option<&'static str> {
        self.noted(CGROUP)
    }

    /// Notes which resctrl directory is going to be made.
    pub fn note_rdt(&self, path: &str) -> Result<()> {
        rustix::fs::symlinkat(cstring(path), &self.directory, RDT)
            .map_err(Error::sys(words!("note the resctrl group"), path))
    }

    /// The resctrl directory noted, if any.
    pub fn rdt(&self) -> Option<&'static str> {
        self.noted(RDT)
    }

    /// Takes that note away: there is nothing to be removed.
    pub fn forget_rdt(&self) -> Result<()> {
        rustix::fs::unlinkat(&self.directory, RDT, AtFlags::empty())
            .map_err(Error::os(words!("forget the resctrl group")))
    }

    fn noted(&self, name: &CStr) -> Option<&'static str> {
        let note = rustix::fs::readlinkat(&self.directory, name, Vec::new()).ok()?;
        Box::leak(note.into_boxed_c_str()).to_str().ok()
    }

    /// Writes the Record, followed by the configuration as it stood in config.json.
    pub fn write(&self, record: &Record<'_>, config: &[u8]) -> Result<()> {
        let mut json = Writer::default();
        json.object("");
        record.write(record.pid, &mut json);
        json.number("startTime", i64::try_from(record.start_time).unwrap_or(0));
        json.string("cgroupPath", record.cgroup_path);
        json.verbatim("config", core::str::from_utf8(config).unwrap_or("null")); // parsed already, so it is UTF-8
        json.end_object();
        let json = json.finish();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.directory, RECORD_NEW, flags, Mode::RUSR | Mode::WUSR)
            .map_err(Error::os(words!("state.json: create")))?;
        write_all(file.as_fd(), json.as_bytes()).map_err(Error::os(words!("state.json: write")))?;
        core::mem::forget(file); // exit closes it, with all else
        rustix::fs::renameat(&self.directory, RECORD_NEW, &self.directory, RECORD)
            .map_err(Error::os(words!("state.json: rename")))
    }

    /// The text of state.json; None for a container whose create has not got that far.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        match rustix::fs::openat(
            &self.directory,
            RECORD,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(file) => read_all(&file).map(Some).map_err(Error::os(words!("state.json: read"))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::os(words!("state.json: open"))(errno)),
        }
    }

    /// Whether a file of the directory is there.
    pub fn has(&self, name: &CStr) -> bool {
        rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

/// What is known of a container: the specification's state without the status, and what later commands need.
#[derive(Debug, Default)]
pub struct Record<'a> {
    /// runtime.md "State".
    pub oci_version: &'a str,
    pub id: &'a str,
    /// The container's first process, in the pid namespace of the caller of create.
    pub pid: i32,
    pub bundle: &'a str,
    pub rootfs: &'a str,
    /// RFC 3339.
    pub created: &'a str,
    /// Name or number of the user who made it.
    pub owner: &'a str,
    pub annotations: Map<'a, &'a str>,
    /// Field 22 of /proc/PID/stat, clock ticks since boot; 0 where there was no /proc. With the pid it names one process.
    pub start_time: u64,
    /// Absolute path of the cgroup in the host's view; empty for none.
    pub cgroup_path: &'a str,
}

object!(Record<'a> { "ociVersion" => oci_version, "id" => id, "pid" => pid, "bundle" => bundle, "rootfs" => rootfs, "created" => created, "owner" => owner, "annotations" => annotations, "startTime" => start_time, "cgroupPath" => cgroup_path });

/// Statuses of runtime.md, and `paused`, which every caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    /// The status as `state` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl<'a> Record<'a> {
    /// Writes what the specification and runc have in a state, but the status.
    pub fn write(&self, pid: i32, json: &mut Writer) {
        json.string("ociVersion", self.oci_version);
        json.string("id", self.id);
        json.number("pid", i64::from(pid));
        json.string("bundle", self.bundle);
        json.string("rootfs", self.rootfs);
        json.string("created", self.created);
        json.string("owner", self.owner);
        json.object("annotations");
        for (name, value) in self.annotations.iter() {
            json.string(name, value);
        }
        json.end_object();
    }

    /// Writes the state as `state` prints it and hooks read it (runtime.md "State"). A stopped container has no process.
    /// `pid` is that of the container's first process, as who reads it knows it; `name` that of the property, or empty.
    pub fn write_state(&self, pid: i32, status: Status, oom_kills: u64, json: &mut Writer, name: &str) {
        json.object(name);
        self.write(if status == Status::Stopped { 0 } else { pid }, json);
        json.string("status", status.name());
        if oom_kills > 0 {
            json.number("oomKills", i64::try_from(oom_kills).unwrap_or(i64::MAX));
        }
        json.end_object();
    }

    /// Reads a Record. The configuration that stands behind it is passed over.
    pub fn parse(json: &'a [u8]) -> Result<&'a Record<'a>> {
        crate::config::parse("state.json", json).map(|record| &*record)
    }

    /// The status, from the process and the barrier. Whether a running container is paused is the cgroup's to say.
    pub fn status(&self, entry: &Entry) -> Status {
        match self.is_alive() {
            false => Status::Stopped,
            true if entry.has(FIFO) => Status::Created,
            true if entry.has(FIFO_NEW) => Status::Creating,
            true => Status::Running,
        }
    }

    /// Whether the container's first process is there: a zombie is not, nor is a later process that got its pid.
    pub fn is_alive(&self) -> bool {
        match proc::stat(self.pid) {
            Stat::Alive(start_time) => self.start_time == 0 || start_time == self.start_time,
            Stat::Gone => false,
            Stat::NoProc => proc::is_there(self.pid),
        }
    }
}

/// The error for an id that names no container.
pub fn missing(id: &str) -> Error {
    error!("container does not exist: {quoted}", id)
}

/// Whether a state root is a directory of the caller's or root's that nobody else may write to.
fn judge(root: &rustix::fs::Stat) -> rustix::io::Result<()> {
    const OTHERS_WRITE: u32 = 0o002;
    let owner = root.st_uid == 0 || root.st_uid == syscalls::ids::start().uid;
    let directory = FileType::from_raw_mode(root.st_mode) == FileType::Directory;
    match owner && directory && root.st_mode & OTHERS_WRITE == 0 {
        true => Ok(()),
        false => Err(NOT_OURS),
    }
}

/// Makes a directory with its parents, 0700 for the last.
fn make_directories(path: &str) -> Result<()> {
    if make_directory(path, Mode::RWXU).is_ok() {
        return Ok(()); // what holds it is nearly always there
    }
    for end in 1..=path.len() {
        if path.as_bytes().get(end).is_some_and(|byte| *byte != b'/') {
            continue;
        }
        let part = path.get(..end).unwrap_or_default();
        let mode = if end == path.len() { Mode::RWXU } else { Mode::from_raw_mode(0o755) };
        match make_directory(part, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => {
                return Err(Error::sys(words!("--root: create"), part)(errno)
                    .hint(words!("give a writable directory with --root")));
            }
        }
    }
    Ok(())
}

/// Writes all of it.
#[inline(never)]
pub fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// All of a file that the caller names, for as long as the process lives, and the file; `what` names it, as a flag.
#[inline(never)]
pub fn read_named(what: &str, path: &str) -> Result<(&'static [u8], OwnedFd)> {
    let mut step = "open";
    let read = open(cstring(path), OFlags::RDONLY).and_then(|file| {
        step = "read";
        Ok((&*read_all(&file)?.leak(), file))
    });
    match read {
        Ok(read) => Ok(read),
        Err(errno) => Err(error!("{}: {} {quoted}", what, step, path).errno(errno)),
    }
}

/// Reads to the end of a file from its beginning. What can be read at a place is no pipe: a read that leaves room was the last.
pub fn read_all(file: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    /// Most configurations; what is not filled is not touched.
    const ROOM: usize = 32 * 1024;
    let mut bytes = Vec::with_capacity(ROOM);
    let mut at_places = true;
    loop {
        let room = bytes.capacity().saturating_sub(bytes.len());
        let read = match at_places {
            true => {
                let place = bytes.len() as u64;
                rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), place)
            }
            false => rustix::io::read(file, rustix::buffer::spare_capacity(&mut bytes)),
        };
        match read {
            Ok(0) => return Ok(bytes),
            Ok(length) if at_places && length < room => return Ok(bytes),
            Ok(_) => bytes.reserve(ROOM),
            Err(Errno::SPIPE) if at_places => at_places = false,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Reads to the end of what may be a pipe.
pub fn read_stream(stream: BorrowedFd<'_>) -> rustix::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        match rustix::io::read(stream, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) => bytes.reserve(4096),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_be_paths_or_options_are_refused() {
        for id in ["", ".", "..", "a/b", "/abs", "a\nb", "-rf", "a b", "é", &"x".repeat(3000)] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
        for id in ["a", "_", "A.b+c-d", ".hidden", &"x".repeat(255)] {
            assert!(check_id(id).is_ok(), "{id:?}");
        }
    }
}

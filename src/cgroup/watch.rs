//! Waits for what happens in a cgroup: the end of its last process, the out-of-memory killer, or the time.

use super::Cgroup;
use super::dir::{key, open_file, read_to_end};
use crate::error::{Error, Result};
use alloc::vec::Vec;
use core::time::Duration;
use rustix::fs::OFlags;
use rustix::io::Errno;
use syscalls::fd::{POLLPRI, PollFd, poll};
use syscalls::time;

/// Without files that tell of a change (cgroup v1) the cgroup is looked at this often, in milliseconds.
const LOOK: u64 = 500;

/// A cgroup being watched. Times are in milliseconds.
pub struct Watch<'c> {
    cgroup: &'c Cgroup,
    /// cgroup2's files that become readable (POLLPRI) when they change.
    files: Vec<PollFd<'static>>,
    oom_kills: u64,
    /// When the interval began.
    since: u64,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many processes were killed for memory since the last time.
    pub out_of_memory: u64,
    /// No process is left.
    pub ended: bool,
    /// The interval is over.
    pub is_due: bool,
}

fn now() -> u64 {
    // A clock that every kernel has.
    let now = time::clock(time::CLOCK_MONOTONIC).unwrap_or_default();
    now.as_secs().wrapping_mul(1000).wrapping_add(u64::from(now.subsec_millis()))
}

impl<'c> Watch<'c> {
    /// Starts to watch.
    pub fn new(cgroup: &'c Cgroup) -> Result<Self> {
        let mut files = Vec::new();
        for dir in cgroup.dirs.iter().filter(|dir| !dir.v1) {
            for name in [c"cgroup.events", c"memory.events"] {
                match open_file(&dir.fd, name, OFlags::RDONLY) {
                    Ok(file) => files.push(PollFd::new(syscalls::leak(file), POLLPRI)),
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(Error::sys(words!("watch the cgroup"), dir.path)(errno)),
                }
            }
        }
        Ok(Watch { cgroup, files, oom_kills: cgroup.oom_kills(), since: now() })
    }

    /// Returns when there was something to be seen, or when an interval is over.
    pub fn wait(&mut self, interval: u64) -> Result<Seen> {
        loop {
            let mut seen = Seen { ended: !self.is_populated(), ..Seen::default() };
            let kills = self.cgroup.oom_kills();
            seen.out_of_memory = kills.saturating_sub(self.oom_kills);
            self.oom_kills = self.oom_kills.max(kills);
            let passed = now().saturating_sub(self.since);
            if passed >= interval {
                seen.is_due = true;
                self.since = now();
            }
            if seen.ended || seen.is_due || seen.out_of_memory > 0 {
                return Ok(seen);
            }
            let mut left = interval.saturating_sub(passed);
            if self.files.is_empty() {
                left = left.min(LOOK);
            }
            match poll(&mut self.files, Some(Duration::from_millis(left))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os(words!("wait for the cgroup"))(errno)),
            }
        }
    }

    /// Also takes the change off the files: one that was read polls again only when it changes.
    fn is_populated(&self) -> bool {
        let mut populated = None;
        for file in &self.files {
            let start = rustix::fs::seek(file.fd(), rustix::fs::SeekFrom::Start(0));
            let text = start.and_then(|_| read_to_end(file.fd())).unwrap_or_default();
            populated = populated.or(key(&text, "populated"));
        }
        match populated {
            Some(count) => count > 0,
            // Gone, or cgroup v1.
            None => self.cgroup.dirs.first().is_some_and(|dir| dir.is_populated().unwrap_or(false)),
        }
    }
}

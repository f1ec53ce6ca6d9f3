//! Stops, lets go on and ends all processes of a cgroup at once.

use super::dir::{Dir, each_process, has, key, pause, read_file, write_file};
use super::{Cgroup, PATIENCE};
use crate::error::{Error, Result};
use rustix::io::Errno;
use syscalls::process::{SIGKILL, kill};

impl Dir {
    /// Whether the directory, or one above it, is frozen; `settled` when all its processes have stopped.
    pub(super) fn is_frozen(&self, settled: bool) -> rustix::io::Result<bool> {
        match self.v1 {
            false => Ok(key(&read_file(&self.fd, c"cgroup.events")?, "frozen") == Some(1)),
            true => match read_file(&self.fd, c"freezer.state") {
                Ok(state) => Ok(state.starts_with(b"FROZEN") || !settled && state.starts_with(b"FREEZING")),
                Err(Errno::NOENT) => Ok(false),
                Err(errno) => Err(errno),
            },
        }
    }

    /// Asks for it. `ENOENT` where this directory cannot freeze.
    fn set_frozen(&self, frozen: bool) -> rustix::io::Result<()> {
        match (self.v1, frozen) {
            (false, true) => write_file(&self.fd, c"cgroup.freeze", b"1"),
            (false, false) => write_file(&self.fd, c"cgroup.freeze", b"0"),
            (true, true) => write_file(&self.fd, c"freezer.state", b"FROZEN"),
            (true, false) => write_file(&self.fd, c"freezer.state", b"THAWED"),
        }
    }

    /// Stops all processes and returns when they have stopped. What does not stop in time is let go on again.
    fn freeze(&self) -> rustix::io::Result<()> {
        self.set_frozen(true)?;
        let mut waited = 0u32;
        while !self.is_frozen(true)? {
            if waited >= PATIENCE {
                self.set_frozen(false)?;
                return Err(Errno::TIMEDOUT);
            }
            waited = waited.saturating_add(pause());
            // cgroup v1 can stay at FREEZING when a process was forked meanwhile: asking again takes it in.
            if self.v1 {
                self.set_frozen(true)?;
            }
        }
        Ok(())
    }

    /// Sends a signal to every process in the directory and below it, as they are listed at this moment.
    fn signal(&self, signal: u32) -> rustix::io::Result<()> {
        let mut sent = Ok(());
        each_process(&self.fd, &mut |pid| match kill(pid, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            refused => sent = refused,
        })?;
        sent
    }
}

impl Cgroup {
    /// The directory that freezes: cgroup2's cgroup.freeze (Linux 5.2), else cgroup v1's freezer.
    fn freezer(&self) -> Option<&Dir> {
        self.dirs.iter().find(|dir| has(&dir.fd, if dir.v1 { c"freezer.state" } else { c"cgroup.freeze" }))
    }

    /// Whether the container is paused.
    pub fn is_frozen(&self) -> bool {
        self.dirs.iter().any(|dir| match dir.v1 {
            false => read_file(&dir.fd, c"cgroup.freeze").is_ok_and(|text| text.starts_with(b"1")),
            true => dir.is_frozen(false).unwrap_or(false),
        })
    }

    /// Stops all processes and returns when they have stopped. What does not stop in time is let go on again.
    pub fn freeze(&self) -> Result<()> {
        match self.freezer() {
            Some(dir) => dir.freeze().map_err(Error::sys(words!("freeze the cgroup"), dir.path)),
            None => Err(Error::new(words!("pause: the cgroup cannot freeze"))
                .hint(words!("needs Linux 5.2 or cgroup v1's freezer"))),
        }
    }

    /// Lets all processes go on.
    pub fn thaw(&self) -> Result<()> {
        match self.freezer() {
            Some(dir) => dir.set_frozen(false).map_err(Error::sys(words!("thaw the cgroup"), dir.path)),
            None => Ok(()),
        }
    }

    /// Lets processes go on that are paused by cgroup v1's freezer, which holds back even a SIGKILL that was sent. A cgroup2 needs it
    /// not.
    pub fn wake_killed(&self) -> Result<()> {
        match self.needs_join().then(|| self.freezer()).flatten() {
            Some(dir) if dir.v1 && dir.is_frozen(false).unwrap_or(true) => self.thaw(),
            _ => Ok(()),
        }
    }

    /// Ends every process in the cgroup, frozen ones and those that fork meanwhile too. Returns when none is left.
    pub fn kill(&self) -> Result<()> {
        match self.dirs.first() {
            Some(dir) => {
                self.empty(dir).map_err(Error::sys(words!("kill the processes of the cgroup"), dir.path))
            }
            None => Ok(()),
        }
    }

    fn empty(&self, first: &Dir) -> rustix::io::Result<()> {
        // cgroup.kill (Linux 5.14) reaches all of them in one step.
        let at_once = !first.v1 && write_file(&first.fd, c"cgroup.kill", b"1").is_ok();
        let mut waited = 0u32;
        while first.is_populated()? {
            if waited >= PATIENCE {
                return Err(Errno::TIMEDOUT);
            }
            if at_once {
                waited = waited.saturating_add(first.wait_for_event());
                continue;
            }
            // A frozen cgroup forks no more, so that one round reaches all; a signal is acted on when it thaws.
            let freezer = self.freezer();
            freezer.map_or(Ok(()), |dir| dir.set_frozen(true))?;
            let sent = first.signal(SIGKILL);
            freezer.map_or(Ok(()), |dir| dir.set_frozen(false))?;
            sent?;
            waited = waited.saturating_add(pause());
        }
        Ok(())
    }

    /// Sends a signal to every process in the cgroup, as they are listed at this moment.
    pub fn signal(&self, signal: u32) -> Result<()> {
        match self.dirs.first() {
            Some(dir) => dir.signal(signal).map_err(Error::sys(words!("send a signal into"), dir.path)),
            None => Ok(()),
        }
    }
}

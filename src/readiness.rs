//! Readiness (sd_notify(3)): what the program tells is passed on to the service manager that runlet itself was started by.
//!
//! NOTIFY_SOCKET names a socket of the host, which the program could not reach, and the manager would not take a message from a
//! process that it does not know. So the container gets a socket of its own, `notify/notify.sock` in its state directory, whose
//! directory is bound on /run/notify (as with runc), and NOTIFY_SOCKET says so inside. `start` and `run --detach` wait for
//! READY=1 there, and tell the manager which process it is about; `run` in the foreground passes messages on as long as it lives.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::log::Log;
use crate::proc;
use crate::store::Entry;
use alloc::{format, vec::Vec};
use core::time::Duration;
use rustix::fs::{AtFlags, Mode};
use syscalls::{AsFd, AsRawFd, Buffer, Errno, OwnedFd, fd, net};

/// The directory of the socket, in the state directory.
pub const DIRECTORY: &core::ffi::CStr = c"notify";
/// The socket in it.
pub const SOCKET: &core::ffi::CStr = c"notify/notify.sock";
/// Where the program finds the directory.
pub const INSIDE: &str = "/run/notify";

/// What a program may say of itself. Not MAINPID, whose number would be of another pid namespace, nor what comes with descriptors.
const PASSED_ON: [&str; 8] = [
    "READY",
    "STATUS",
    "RELOADING",
    "MONOTONIC_USEC",
    "STOPPING",
    "WATCHDOG",
    "EXTEND_TIMEOUT_USEC",
    "ERRNO",
];

/// How long the manager may take to read what it was told before its teller ends (sd_notify_barrier(3)).
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a process is looked for that cannot be waited for.
const STEP: Duration = Duration::from_millis(100);

/// The service manager's socket.
pub struct Manager(Vec<u8>);

impl Manager {
    /// The manager that NOTIFY_SOCKET names, a path or an abstract name. None for a container that brings a NOTIFY_SOCKET of its own:
    /// its caller has made other arrangements.
    pub fn of(env: syscalls::Args, config: &Config<'_>) -> Option<Self> {
        let own = config.process.iter().flat_map(|process| &process.env);
        match own.into_iter().any(|entry| entry.starts_with("NOTIFY_SOCKET=")) {
            true => None,
            false => Manager::from_env(env),
        }
    }

    fn from_env(env: syscalls::Args) -> Option<Self> {
        match env.var(b"NOTIFY_SOCKET")?.to_bytes() {
            path @ [b'/', ..] => Some(Manager(path.into())),
            [b'@', name @ ..] => Some(Manager([b"\0", name].concat())),
            _ => None,
        }
    }

    /// Sends one message; the descriptor is gone from here when the manager has taken it.
    fn tell(&self, message: &[u8], descriptor: Option<OwnedFd>) -> syscalls::Result<()> {
        let socket = net::connected(net::SOCK_DGRAM, &self.0)?;
        match descriptor {
            None => net::send(socket.as_fd(), message, net::MSG_NOSIGNAL),
            Some(descriptor) => {
                net::send_with_fds(socket.as_fd(), message, &[descriptor.as_fd()], net::MSG_NOSIGNAL)
            }
        }
        .map(drop)
    }
}

/// Makes the directory of the socket, for everybody to see through: the state directory above it stays private.
pub fn make_directory(entry: &Entry) -> Result<()> {
    let mode = Mode::from_raw_mode(0o755);
    rustix::fs::mkdirat(&entry.directory, DIRECTORY, mode)
        .and_then(|()| rustix::fs::chmodat(&entry.directory, DIRECTORY, mode, AtFlags::empty()))
        .map_err(Error::os(words!("NOTIFY_SOCKET: make the socket's directory")))
}

/// Removes it with the socket.
pub fn remove(entry: &Entry) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(&entry.directory, SOCKET, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => rustix::fs::unlinkat(&entry.directory, DIRECTORY, AtFlags::REMOVEDIR),
        Err(errno) => Err(errno),
    }
}

/// The container's socket, open.
pub struct Proxy<'a> {
    socket: OwnedFd,
    manager: Manager,
    log: &'a Log,
}

impl<'a> Proxy<'a> {
    /// Binds the container's socket, in place of one that an earlier process has left.
    pub fn bind(entry: &Entry, manager: Manager, log: &'a Log) -> Result<Self> {
        let failed = |errno| Error::os(words!("NOTIFY_SOCKET: bind the container's socket"))(errno);
        match rustix::fs::unlinkat(&entry.directory, SOCKET, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let socket = net::socket(net::AF_UNIX, net::SOCK_DGRAM, 0).map_err(failed)?;
        // The path of the state directory may be longer than an address.
        let path = format!("/proc/self/fd/{}/{}", entry.directory.as_raw_fd(), SOCKET.to_string_lossy());
        net::bind_unix(socket.as_fd(), path.as_bytes()).map_err(failed)?;
        rustix::fs::chmodat(&entry.directory, SOCKET, Mode::from_raw_mode(0o777), AtFlags::empty())
            .map_err(failed)?;
        Ok(Proxy { socket, manager, log })
    }

    /// For a container that is being started: if it was created with a socket, and there is a manager now.
    pub fn of_created(entry: &Entry, env: syscalls::Args, log: &'a Log) -> Result<Option<Self>> {
        match Manager::from_env(env).filter(|_| entry.has(DIRECTORY)) {
            Some(manager) => Proxy::bind(entry, manager, log).map(Some),
            None => Ok(None),
        }
    }

    /// From now on SIGIO, which is blocked, tells of messages.
    pub fn signal(&self) -> Result<()> {
        fd::signal_when_readable(self.socket.as_fd()).map_err(Error::os(words!("NOTIFY_SOCKET")))
    }

    /// Passes on all messages that are there; whether one of them said that the program is ready.
    pub fn pass(&self, main: i32) -> bool {
        let mut ready = false;
        let mut buffer = [0; 4096];
        while let Ok(length) = net::recv(self.socket.as_fd(), &mut buffer, net::MSG_DONTWAIT) {
            let (message, says_ready) = filter(buffer.get(..length).unwrap_or_default(), main);
            ready |= says_ready;
            if !message.is_empty()
                && let Err(errno) = self.manager.tell(&message, None)
            {
                self.log.warn(&Error::os(words!("NOTIFY_SOCKET: tell the service manager"))(errno));
            }
        }
        ready
    }

    /// Waits until the program is ready, or is gone.
    pub fn until_ready(&self, main: i32, pidfd: Option<&OwnedFd>) -> Result<()> {
        let failed = |errno| Error::os(words!("NOTIFY_SOCKET: wait"))(errno);
        loop {
            let gone = match pidfd {
                Some(pidfd) => {
                    let mut fds = [&self.socket, pidfd].map(|fd| fd::PollFd::new(fd.as_fd(), fd::POLLIN));
                    match fd::poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                    fds.get(1).is_some_and(|pidfd| pidfd.revents() != 0)
                }
                None => {
                    let mut socket = [fd::PollFd::new(self.socket.as_fd(), fd::POLLIN)];
                    fd::poll(&mut socket, Some(STEP)).map_err(failed)?;
                    !matches!(proc::stat(main), proc::Stat::Alive(_))
                }
            };
            if self.pass(main) {
                return self.barrier().map_err(failed);
            }
            if gone {
                return Ok(());
            }
        }
    }

    /// Waits until the manager has read everything: it asks the kernel who the teller was, which must still be there then.
    fn barrier(&self) -> syscalls::Result<()> {
        let (end, sent) = fd::pipe(0)?;
        if self.manager.tell(b"BARRIER=1", Some(sent)).is_ok() {
            fd::poll(&mut [fd::PollFd::new(end.as_fd(), 0)], Some(PATIENCE))?;
        }
        Ok(())
    }
}

/// The lines of a message that are passed on, with the process they are about beside READY=1; and whether that was there.
fn filter(message: &[u8], main: i32) -> (Buffer, bool) {
    let mut passed = Buffer::default();
    let mut ready = false;
    for line in core::str::from_utf8(message).unwrap_or_default().lines() {
        let name = line.split('=').next().unwrap_or_default();
        if name.len() < line.len() && PASSED_ON.contains(&name) {
            for part in [if passed.is_empty() { "" } else { "\n" }, line] {
                passed.extend(part.as_bytes());
            }
            ready |= line == "READY=1";
        }
    }
    if ready {
        passed.extend(format!("\nMAINPID={main}").as_bytes());
    }
    (passed, ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_program_may_say_of_itself_is_passed_on() {
        let message = b"MAINPID=1\nREADY=1\nFDSTORE=1\nSTATUS=up=1\nREADY\nNOTIFYACCESS=all\nX_READY=1\n";
        let passed = |message| {
            let (passed, ready) = filter(message, 7);
            (alloc::string::String::from_utf8_lossy(&passed).into_owned(), ready)
        };
        assert_eq!(passed(message), ("READY=1\nSTATUS=up=1\nMAINPID=7".into(), true));
        assert_eq!(passed(b"STATUS=starting"), ("STATUS=starting".into(), false));
        assert_eq!(passed(b"READY=0"), ("READY=0".into(), false));
        for nothing in [&b""[..], b"MAINPID=1", b"BARRIER=1", b"\xff\xff", b"\n\n"] {
            assert_eq!(passed(nothing), ("".into(), false));
        }
    }
}

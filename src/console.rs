//! The other side of a container's terminal, when it is the caller's own: `run -t` and `exec -t` in the foreground.
//!
//! The child sends the pty's master over a socket pair. The caller's terminal is made raw, and is what it was again on every
//! way out (`Drop`). Called by `supervise`.

use crate::error::{Error, Result};
use crate::handover::connect;
use core::ffi::CStr;
use syscalls::tty::{self, Termios};
use syscalls::{AsFd, BorrowedFd, Errno, OwnedFd, fd, net};

/// How much is copied at once.
const BUFFER: usize = 4096;

/// End of transmission: what a terminal sends when the person has nothing more to say.
const END_OF_INPUT: u8 = 4;

/// Who is the other side of the container's terminal.
pub enum OtherSide {
    /// There is no terminal.
    None,
    /// Whoever listens on `--console-socket`.
    Socket(OwnedFd),
    /// This process.
    Own(Expected),
}

impl OtherSide {
    /// With a terminal: the socket that the caller names, else this process if it stays in the foreground.
    pub fn of(terminal: bool, socket: Option<&CStr>, foreground: bool) -> Result<Self> {
        match (socket, terminal) {
            (Some(path), true) => connect(path, "--console-socket").map(OtherSide::Socket),
            (Some(_), false) => Err(Error::new(
                "--console-socket: process.terminal is false, so there is no terminal to hand over",
            )),
            (None, true) if foreground => Expected::new().map(OtherSide::Own),
            (None, true) => Err(Error::new("process.terminal: needs --console-socket")
                .hint("or the command in the foreground, which is then the terminal's other side itself")),
            (None, false) => Ok(OtherSide::None),
        }
    }

    /// Where the child sends the master.
    pub fn there(&self) -> Option<BorrowedFd<'_>> {
        match self {
            OtherSide::None => None,
            OtherSide::Socket(socket) => Some(socket.as_fd()),
            OtherSide::Own(expected) => Some(expected.there.as_fd()),
        }
    }

    /// After the child has sent it: the terminal, if this process is its other side.
    pub fn arrive(self) -> Result<Option<Console>> {
        match self {
            OtherSide::Own(expected) => expected.arrive().map(Some),
            OtherSide::None | OtherSide::Socket(_) => Ok(None),
        }
    }
}

/// The socket pair over which the master will come.
pub struct Expected {
    here: OwnedFd,
    /// The child's end.
    there: OwnedFd,
}

impl Expected {
    /// Before the clone.
    fn new() -> Result<Self> {
        let (here, there) = net::socketpair(net::SOCK_STREAM).map_err(Error::os("socketpair"))?;
        Ok(Expected { here, there })
    }

    /// After it: takes the master, gives it the caller's size and makes the caller's terminal raw.
    fn arrive(self) -> Result<Console> {
        drop(self.there);
        let mut master = [None];
        net::recv_with_fds(self.here.as_fd(), &mut [0; 16], &mut master, 0)
            .map_err(Error::os("receive the terminal"))?;
        let [master] = master;
        let master = master.ok_or_else(|| Error::new("the container's process sent no terminal"))?;
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::NONBLOCK).map_err(Error::os("terminal"))?;
        let mut console = Console { master, saved: None, pending: [0; BUFFER], from: 0, to: 0, input: true };
        console.resize();
        let stdin = fd::inherited(0).map_err(Error::os("stdin"))?;
        if let Ok(settings) = tty::get_termios(stdin) {
            // Line ends are translated on this side only: the container's are its own (CLI.md).
            tty::set_termios(stdin, &settings.raw().with_newline_translation(true))
                .map_err(Error::os("terminal"))?;
            console.saved = Some(settings);
        }
        Ok(console)
    }
}

/// A terminal in use.
pub struct Console {
    master: OwnedFd,
    /// The caller's settings, if it has a terminal.
    saved: Option<Termios>,
    /// Input that the container has not taken yet.
    pending: [u8; BUFFER],
    from: usize,
    to: usize,
    /// Whether there may be more input.
    input: bool,
}

impl Drop for Console {
    fn drop(&mut self) {
        if let (Some(settings), Ok(stdin)) = (&self.saved, fd::inherited(0)) {
            // The terminal may be gone, which is no reason to fail.
            tty::set_termios(stdin, settings).ok();
        }
    }
}

impl Console {
    /// The container's terminal gets the size of the caller's.
    pub fn resize(&self) {
        if let Ok(size) = fd::inherited(0).and_then(tty::get_winsize) {
            tty::set_winsize(self.master.as_fd(), size).ok();
        }
    }

    /// Waits until there is something to copy or `other` is readable, and copies. Returns whether `other` is.
    pub fn turn(&mut self, other: BorrowedFd<'_>) -> Result<bool> {
        let waiting = self.from < self.to;
        let master = fd::POLLIN | if waiting { fd::POLLOUT } else { 0 };
        let stdin = fd::inherited(0).map_err(Error::os("stdin"))?;
        let wants = if self.input && !waiting { fd::POLLIN } else { 0 };
        let mut fds = [
            fd::PollFd::new(other, fd::POLLIN),
            fd::PollFd::new(self.master.as_fd(), master),
            fd::PollFd::new(stdin, wants),
        ];
        // A closed stdin is always readable to poll: it is left out once its end was seen.
        let watched = if wants == 0 { fds.get_mut(..2) } else { Some(&mut fds[..]) };
        match fd::poll(watched.unwrap_or_default(), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::os("poll")(errno)),
        }
        let [other, master, stdin] = fds;
        let (other, master, stdin) = (other.revents(), master.revents(), stdin.revents());
        if master & fd::POLLIN != 0 {
            self.output()?;
        }
        if wants != 0 && stdin != 0 {
            self.fill();
        }
        if self.from < self.to && (master & fd::POLLOUT != 0 || wants != 0) {
            self.feed();
        }
        if master & fd::POLLHUP != 0 && master & fd::POLLIN == 0 {
            // Nobody has the terminal open. It may be opened again (a daemon's child), so the program's end decides.
            if other == 0 {
                fd::poll(&mut [], Some(core::time::Duration::from_millis(20))).map_err(Error::os("poll"))?;
            }
        }
        Ok(other != 0)
    }

    /// Copies what the container has still written, after its end.
    pub fn drain(&mut self) -> Result<()> {
        while self.output()? {}
        Ok(())
    }

    /// Copies one buffer from the container to stdout; false when there was nothing.
    fn output(&self) -> Result<bool> {
        let mut buffer = [0; BUFFER];
        match fd::read(self.master.as_fd(), &mut buffer) {
            Ok(0) | Err(Errno::IO | Errno::AGAIN) => Ok(false),
            Err(Errno::INTR) => Ok(true),
            Err(errno) => Err(Error::os("read from the terminal")(errno)),
            Ok(length) => {
                let stdout = fd::inherited(1).map_err(Error::os("stdout"))?;
                let mut rest = buffer.get(..length).unwrap_or_default();
                while !rest.is_empty() {
                    match fd::write(stdout, rest) {
                        Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                        Err(Errno::INTR) => {}
                        // A stdout that does not block is the caller's doing: wait for it.
                        Err(Errno::AGAIN) => {
                            fd::poll(&mut [fd::PollFd::new(stdout, fd::POLLOUT)], None)
                                .map_err(Error::os("poll"))?;
                        }
                        Err(errno) => return Err(Error::os("write to stdout")(errno)),
                    }
                }
                Ok(true)
            }
        }
    }

    /// Takes input from the caller. Its end, when it is no terminal, is typed as the end-of-file character.
    fn fill(&mut self) {
        let stdin = fd::inherited(0);
        match stdin.and_then(|stdin| fd::read(stdin, &mut self.pending)) {
            Ok(length @ 1..) => (self.from, self.to) = (0, length),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(_) | Err(_) => {
                self.input = false;
                if let Some(first) = self.pending.first_mut() {
                    *first = END_OF_INPUT;
                    (self.from, self.to) = (0, 1);
                }
            }
        }
    }

    /// Gives input to the container, as much as it takes.
    fn feed(&mut self) {
        match fd::write(self.master.as_fd(), self.pending.get(self.from..self.to).unwrap_or_default()) {
            Ok(written) => self.from = self.from.saturating_add(written),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.from = self.to,
        }
    }
}

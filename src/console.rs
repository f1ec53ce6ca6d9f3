//! The other side of a container's terminal, when it is the caller's own: `run -t` and `exec -t` in the foreground.
//!
//! The child sends the pty's master over a socket pair. The caller's terminal is made raw, and is what it was again on every
//! way out (`Drop`). Called by `supervise`.

use crate::error::{Error, Result};
use crate::handover::connect;
use crate::plan::Terminal;
use core::ffi::CStr;
use syscalls::tty::{self, Termios, WinSize};
use syscalls::{AsFd, BorrowedFd, Errno, OwnedFd, fd, net};

/// How much is copied at once.
const BUFFER: usize = 4096;

/// End of transmission: what a terminal sends when the person has nothing more to say. In the middle of a line the first one ends
/// the line only (termios(3), VEOF).
const END_OF_INPUT: [u8; 2] = [4, 4];

/// How many buffers are copied at most when the program has ended: more than a terminal holds (64 KiB), so that one who still
/// writes to it does not keep this process for ever.
const LAST_WORDS: usize = 64;

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
    /// With a terminal: the socket that the caller names, else this process if it stays in the foreground; then the terminal starts
    /// with the size of the caller's, and line ends are left to the caller's.
    pub fn of(terminal: Option<&mut Terminal>, socket: Option<&CStr>, foreground: bool) -> Result<Self> {
        match (socket, terminal) {
            (Some(path), Some(_)) => connect(path, "--console-socket").map(OtherSide::Socket),
            (Some(_), None) => Err(Error::new(words!(
                "--console-socket: process.terminal is false, so there is no terminal to hand over"
            ))),
            (None, Some(terminal)) if foreground => {
                terminal.plain_newlines = true;
                if let Some(size) = callers_size() {
                    (terminal.height, terminal.width) = (size.rows, size.columns);
                }
                Expected::new().map(OtherSide::Own)
            }
            (None, Some(_)) => Err(Error::new(words!("process.terminal: needs --console-socket")).hint(
                words!("or the command in the foreground, which is then the terminal's other side itself"),
            )),
            (None, None) => Ok(OtherSide::None),
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
        let (here, there) = net::socketpair(net::SOCK_STREAM).map_err(Error::os(words!("socketpair")))?;
        Ok(Expected { here, there })
    }

    /// After it: takes the master, gives it the caller's size and makes the caller's terminal raw.
    fn arrive(self) -> Result<Console> {
        drop(self.there);
        let mut master = [None];
        net::recv_with_fds(self.here.as_fd(), &mut [0; 16], &mut master, 0)
            .map_err(Error::os(words!("receive the terminal")))?;
        let [master] = master;
        let master = master.ok_or_else(|| Error::new(words!("the container's process sent no terminal")))?;
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::NONBLOCK)
            .map_err(Error::os(words!("terminal")))?;
        let mut console = Console {
            master,
            saved: None,
            pending: heapless::Vec::new(),
            input: true,
            mid_line: false,
            output: Output::Ready,
        };
        console.resize();
        let stdin = fd::inherited(0).map_err(Error::os(words!("stdin")))?;
        if let Ok(settings) = tty::get_termios(stdin) {
            // Line ends are translated on this side only: the container's are its own (CLI.md).
            tty::set_termios(stdin, &settings.raw().with_newline_translation(true))
                .map_err(Error::os(words!("terminal")))?;
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
    pending: heapless::Vec<u8, BUFFER>,
    /// Whether there may be more input.
    input: bool,
    /// Whether what was typed so far ends within a line.
    mid_line: bool,
    output: Output,
}

/// The state of stdout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Ready,
    /// Its reader is slow; meanwhile signals and input must go on.
    Full,
    /// Nobody reads any more. What the program writes is thrown away, and it runs on.
    Gone,
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
        if let Some(size) = callers_size() {
            tty::set_winsize(self.master.as_fd(), size).ok();
        }
    }

    /// Waits until there is something to copy or `other` is readable, and copies. Returns whether `other` is.
    pub fn turn(&mut self, other: BorrowedFd<'_>) -> Result<bool> {
        let (stdin, stdout) = (stdio(0)?, stdio(1)?);
        let waiting = !self.pending.is_empty();
        let full = self.output == Output::Full;
        let reads = if full { 0 } else { fd::POLLIN };
        let feeds = if waiting { fd::POLLOUT } else { 0 };
        // One that is not to be looked at is left out: poll would report a closed stdin, or a stdout without reader, for ever.
        let mut fds = [
            fd::PollFd::new(other, fd::POLLIN),
            fd::PollFd::new(self.master.as_fd(), reads | feeds),
            fd::PollFd::new(if full { stdout } else { other }, if full { fd::POLLOUT } else { 0 }),
            fd::PollFd::new(if self.input && !waiting { stdin } else { other }, fd::POLLIN),
        ];
        match fd::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::os(words!("poll"))(errno)),
        }
        let [other, master, stdout, stdin] = fds.map(|fd| fd.revents());
        if full && stdout != 0 {
            self.output = Output::Ready;
        }
        if !full && master & fd::POLLIN != 0 {
            self.copy_out()?;
        }
        if self.input && !waiting && stdin != 0 {
            self.fill();
        }
        if !self.pending.is_empty() {
            self.feed();
        }
        if master & fd::POLLHUP != 0 && master & fd::POLLIN == 0 {
            // Nobody has the terminal open. It may be opened again (a daemon's child), so the program's end decides.
            if other == 0 {
                fd::poll(&mut [], Some(core::time::Duration::from_millis(20)))
                    .map_err(Error::os(words!("poll")))?;
            }
        }
        Ok(other != 0)
    }

    /// Copies what the container has still written, after its end.
    pub fn drain(&mut self) -> Result<()> {
        for _ in 0..LAST_WORDS {
            // Now nothing else is to be done than to wait for a slow reader.
            if self.output == Output::Full {
                fd::poll(&mut [fd::PollFd::new(stdio(1)?, fd::POLLOUT)], None)
                    .map_err(Error::os(words!("poll")))?;
                self.output = Output::Ready;
            }
            if !self.copy_out()? {
                break;
            }
        }
        Ok(())
    }

    /// Copies one buffer from the container to stdout, if that takes it now; false when there was nothing.
    fn copy_out(&mut self) -> Result<bool> {
        let stdout = stdio(1)?;
        if self.output == Output::Ready {
            // What is writable to poll takes a buffer of this size without blocking (PIPE_BUF, pipe(7)).
            let mut ready = [fd::PollFd::new(stdout, fd::POLLOUT)];
            if fd::poll(&mut ready, Some(core::time::Duration::ZERO)).is_ok_and(|ready| ready == 0) {
                self.output = Output::Full;
                return Ok(true);
            }
        }
        let mut buffer = [0; BUFFER];
        let length = match fd::read(self.master.as_fd(), &mut buffer) {
            Ok(0) | Err(Errno::IO | Errno::AGAIN) => return Ok(false),
            Err(Errno::INTR) => return Ok(true),
            Err(errno) => return Err(Error::os(words!("read from the terminal"))(errno)),
            Ok(length) => length,
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while !rest.is_empty() && self.output != Output::Gone {
            match fd::write(stdout, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    fd::poll(&mut [fd::PollFd::new(stdout, fd::POLLOUT)], None)
                        .map_err(Error::os(words!("poll")))?;
                }
                Err(_) => self.output = Output::Gone,
            }
        }
        Ok(true)
    }

    /// Takes input from the caller. Its end, when it is no terminal, is typed as the end-of-file character.
    fn fill(&mut self) {
        let mut buffer = [0; BUFFER];
        let typed = match fd::inherited(0).and_then(|stdin| fd::read(stdin, &mut buffer)) {
            Ok(length @ 1..) => {
                let typed = buffer.get(..length).unwrap_or_default();
                self.mid_line = !typed.ends_with(b"\n");
                typed
            }
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(_) | Err(_) => {
                self.input = false;
                if self.mid_line { &END_OF_INPUT } else { &END_OF_INPUT[1..] }
            }
        };
        // It is empty now, and as large as the buffer.
        self.pending.extend_from_slice(typed).ok();
    }

    /// Gives input to the container, as much as it takes.
    fn feed(&mut self) {
        match fd::write(self.master.as_fd(), &self.pending) {
            Ok(written) => drop(self.pending.drain(..written.min(self.pending.len()))),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.pending.clear(),
        }
    }
}

/// The size of the caller's terminal, whichever of its descriptors is one.
fn callers_size() -> Option<WinSize> {
    (0..3).find_map(|stdio| fd::inherited(stdio).and_then(tty::get_winsize).ok())
}

fn stdio(number: i32) -> Result<BorrowedFd<'static>> {
    fd::inherited(number).map_err(Error::os(words!("standard input and output")))
}

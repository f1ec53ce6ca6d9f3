//! The runtime as the process that waits: signals go to the program, orphans are reaped, a terminal is copied.

use crate::console::Console;
use crate::error::{Error, Result};
use crate::readiness::Proxy;
use syscalls::process::{self, WEXITED, WNOHANG, WaitFor, WaitStatus};
use syscalls::signal::{self, SIGCHLD, SIGIO, SIGWINCH, Set};
use syscalls::{AsFd, Errno};

/// Blocks all signals, before the clone: one that comes now is there when the program can get it.
pub fn hold_signals() -> Result<()> {
    signal::set_mask(signal::SIG_SETMASK, &Set::all()).map(drop).map_err(Error::os(words!("block signals")))
}

/// Waits for the end of a process, as its supervisor. What it tells of itself by `notify` is passed on meanwhile.
pub fn supervise(pid: i32, terminal: Option<Console>, notify: Option<&Proxy<'_>>) -> Result<WaitStatus> {
    let status = match terminal {
        Some(terminal) => with_terminal(pid, terminal, notify),
        None => plain(pid, notify),
    };
    // Its end may have been seen before its last words.
    pass(notify);
    status
}

/// What a shell makes of an end: the program's own status, 128 + signal for one that was killed.
pub fn exit_status(status: WaitStatus) -> i32 {
    match status {
        WaitStatus::Exited(code) => code,
        WaitStatus::Killed(signal) | WaitStatus::Dumped(signal) => signal.saturating_add(128),
        WaitStatus::Stopped(_) | WaitStatus::Continued => 0,
    }
}

fn plain(pid: i32, notify: Option<&Proxy<'_>>) -> Result<WaitStatus> {
    loop {
        match signal::wait(&Set::all(), None) {
            Ok(SIGCHLD) => {
                if let Some(status) = reap(pid)? {
                    return Ok(status);
                }
            }
            Ok(signal) => forward(pid, signal, notify),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::os(words!("wait for a signal"))(errno)),
        }
    }
}

fn with_terminal(pid: i32, mut terminal: Console, notify: Option<&Proxy<'_>>) -> Result<WaitStatus> {
    let own = process::getpid().unsigned_abs();
    let signals = signal::signalfd(&Set::all(), 0).map_err(Error::os(words!("signalfd")))?;
    loop {
        if !terminal.turn(signals.as_fd())? {
            continue;
        }
        let signal = signal::read_signalfd(signals.as_fd()).map_err(Error::os(words!("read a signal")))?;
        match signal.signo {
            // What this process does to itself: SIGPIPE, for a stdout that nobody reads.
            _ if signal.pid == own => {}
            SIGCHLD => {
                if let Some(status) = reap(pid)? {
                    terminal.drain()?;
                    return Ok(status);
                }
            }
            SIGWINCH => terminal.resize(),
            signal => forward(pid, signal, notify),
        }
    }
}

/// Passes a signal on. The program may have ended meanwhile; then its SIGCHLD is on the way.
fn forward(pid: i32, signal: u32, notify: Option<&Proxy<'_>>) {
    match notify {
        Some(_) if signal == SIGIO => pass(notify),
        _ => drop(process::kill(pid, signal)),
    }
}

/// Passes on what the program tells of itself.
fn pass(notify: Option<&Proxy<'_>>) {
    if let Some(proxy) = notify {
        // In the foreground it makes no difference whether it is ready.
        proxy.pass(process::getpid());
    }
}

/// Reaps every child that has ended: one SIGCHLD stands for any number of them.
fn reap(pid: i32) -> Result<Option<WaitStatus>> {
    loop {
        match process::waitid(WaitFor::Any, WEXITED | WNOHANG) {
            Ok(Some((ended, status))) if ended == pid => return Ok(Some(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(errno) => return Err(Error::os(words!("wait for the container"))(errno)),
        }
    }
}

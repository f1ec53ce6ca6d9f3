//! Where the runtime says what went wrong: standard error for a person, and a file or the system log for callers.
//!
//! Owns the two line formats and when a line is written; knows nothing of what is said. Made once by `main` and
//! lent to whoever has something to say. An error is logged once, at the end, by `main`.
//!
//! Several calls share one file, and their callers take its last error line (containerd's shim) or the whole file
//! for one object (Podman). So a line is one write to a file opened for appending, and a warning in JSON is held
//! back until [`Log::flush`]: a call that fails writes its one error line and nothing else, unless more than
//! warnings was asked for.

use crate::args::{Flag, Given};
use crate::error::{Error, Result};
use crate::json::quote;
use crate::paths::shown;
use crate::time::Time;
use alloc::{format, string::String, string::ToString};
use core::cell::Cell;
use core::fmt::Display;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr, write};
use syscalls::net;

/// The log of one call.
#[derive(Default)]
pub struct Log {
    sink: Sink,
    /// One JSON object a line, in place of `time="…" level=error msg="…"`.
    json: bool,
    level: Level,
    /// Finished lines that wait for the call to succeed.
    held: Cell<String>,
    /// What is said once at most: a bit each, whose meaning is the caller's.
    said: Cell<u32>,
}

/// How much is logged: a line is written when its level is at most the one asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Why the command failed.
    Error,
    /// What could not be had and was not essential.
    #[default]
    Warning,
    /// What a person may want to know.
    Info,
    /// What was probed, skipped or fallen back to.
    Debug,
}

/// What gets the lines besides standard error.
#[derive(Debug, Default)]
enum Sink {
    #[default]
    None,
    File(OwnedFd),
    /// A datagram socket, and the name that the lines carry.
    Syslog(OwnedFd, String),
}

impl Log {
    /// Opens what `--log` names: a file, made if absent and never truncated, or `syslog:` perhaps with a name.
    /// Without `--log`, as before this, there is only standard error.
    pub fn open(&mut self, given: &Given) -> Result<()> {
        self.level = match given.number(Flag::LogLevel) {
            _ if given.switch(Flag::Debug) => Level::Debug,
            Some(0) => Level::Error,
            Some(2) => Level::Info,
            Some(3) => Level::Debug,
            _ => Level::Warning,
        };
        self.json = given.number(Flag::LogFormat) == Some(1);
        let Some(path) = given.path(Flag::Log) else { return Ok(()) };
        self.sink = match path.to_bytes().strip_prefix(b"syslog:") {
            Some(name) => {
                let name = if name.is_empty() { b"runlet" } else { name };
                let socket = syslog().map_err(Error::sys(words!("--log: connect"), "/dev/log"))?;
                Sink::Syslog(socket, String::from_utf8_lossy(name).into_owned())
            }
            None => {
                let flags =
                    OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
                let mode = Mode::from_raw_mode(0o644);
                let file = retry_on_intr(|| rustix::fs::open(path, flags, mode));
                // Where the caller left standard error closed it must not become that.
                let above = |file: OwnedFd| match file.as_raw_fd() > 2 {
                    true => Ok(file),
                    false => syscalls::fd::duplicate(file.as_fd(), 3),
                };
                Sink::File(file.and_then(above).map_err(Error::sys(words!("--log: open"), shown(path)))?)
            }
        };
        Ok(())
    }

    /// Says why the call failed: to standard error and to the log. What was held back is dropped.
    pub fn error(&self, what: &dyn Display) {
        let message = what.to_string();
        stderr(&["runlet: ", &message]);
        self.line(Level::Error, &message);
    }

    /// Says that something asked for could not be had and the call goes on.
    pub fn warn(&self, what: &dyn Display) {
        self.say(Level::Warning, what, "runlet: warning: ");
    }

    /// Says what was probed, skipped or fallen back to.
    pub fn debug(&self, what: &dyn Display) {
        self.say(Level::Debug, what, "runlet: debug: ");
    }

    /// Those of these bits that have not been asked about before.
    pub fn first_time(&self, bits: u32) -> u32 {
        let said = self.said.get();
        self.said.set(said | bits);
        bits & !said
    }

    /// Writes the warnings that were held back. Called when the call has succeeded.
    pub fn flush(&self) {
        if let Sink::File(file) = &self.sink {
            write_line(file, self.held.take().as_bytes());
        }
    }

    /// To the log, or to standard error where there is none: with a log, standard error is the container's.
    fn say(&self, level: Level, what: &dyn Display, prefix: &str) {
        if level > self.level {
            return;
        }
        let message = what.to_string();
        match self.sink {
            Sink::None => stderr(&[prefix, &message]),
            _ => self.line(level, &message),
        }
    }

    fn line(&self, level: Level, message: &str) {
        // The names are logrus's, which callers know.
        let (name, severity) = match level {
            Level::Error => ("error", 3),
            Level::Warning => ("warning", 4),
            Level::Info => ("info", 6),
            Level::Debug => ("debug", 7),
        };
        match &self.sink {
            Sink::None => {}
            Sink::Syslog(socket, tag) => {
                // <PRI>: facility 3 (daemon) times 8, plus the severity (RFC 3164, 4.1.1).
                let pid = rustix::process::getpid().as_raw_nonzero();
                let text = format!("<{}>{tag}[{pid}]: {}", 24 | severity, printable(message, '?'));
                write_line(socket, text.as_bytes());
            }
            Sink::File(file) => {
                let time = Time::now().whole();
                let message = quote(message);
                let text = match self.json {
                    true => format!("{{\"level\":\"{name}\",\"msg\":{message},\"time\":\"{time}\"}}\n"),
                    false => format!("time=\"{time}\" level={name} msg={message}\n"),
                };
                let hold = self.json && level == Level::Warning && self.level <= Level::Warning;
                if hold {
                    let mut held = self.held.take();
                    held.push_str(&text);
                    self.held.set(held);
                } else {
                    write_line(file, text.as_bytes());
                }
            }
        }
    }
}

/// A socket connected to the system log: a datagram one everywhere but with some old daemons (syslog(3)).
fn syslog() -> core::result::Result<OwnedFd, Errno> {
    match net::connected(net::SOCK_DGRAM, b"/dev/log") {
        Err(Errno::PROTOTYPE) => net::connected(net::SOCK_STREAM, b"/dev/log"),
        result => result,
    }
}

/// One line for a person. Standard error may be closed; then nobody listens.
fn stderr(parts: &[&str]) {
    if let Ok(stderr) = syscalls::fd::inherited(2) {
        let mut text = printable(&parts.concat(), '?');
        text.push('\n');
        write_line(stderr, text.as_bytes());
    }
}

/// One line, one write: lines of other calls cannot come between. A log that cannot be written to has nowhere to
/// say so, and the call's own result is what counts.
fn write_line(to: impl AsFd, line: &[u8]) {
    if !line.is_empty() {
        retry_on_intr(|| write(&to, line)).ok();
    }
}

/// The text with something else for what would start a new line or drive a terminal: names come from config.json.
pub fn printable(text: &str, instead: char) -> String {
    text.chars().map(|next| if next.is_control() { instead } else { next }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    extern crate std;
    use super::*;
    use alloc::ffi::CString;
    use alloc::vec::Vec;
    use core::ffi::CStr;
    use std::{env, fs, process};

    /// Runs `say` with a log to a file and returns the file's text.
    fn logged(name: &str, format: &'static CStr, level: &'static CStr, say: impl Fn(&Log)) -> String {
        let path = env::temp_dir().join(format!("runlet-log-{}-{name}", process::id()));
        fs::write(&path, "before\n").unwrap();
        let path_c = CString::new(path.to_str().unwrap()).unwrap();
        let mut given = Given::default();
        given.put(Flag::Log, alloc::boxed::Box::leak(path_c.into_boxed_c_str())).unwrap();
        given.put(Flag::LogFormat, format).unwrap();
        given.put(Flag::LogLevel, level).unwrap();
        let mut log = Log::default();
        log.open(&given).unwrap();
        say(&log);
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        text.strip_prefix("before\n").unwrap().into()
    }

    #[test]
    fn an_error_is_one_json_object_whatever_it_says() {
        let message = "a \"b\" \\ \n\t\u{1}\u{7f} é 𝄞";
        let text = logged("json", c"json", c"warning", |log| log.error(&message));
        assert_eq!(text.lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read.get("level").unwrap(), "error");
        assert_eq!(read.get("msg").unwrap(), message);
        let time = read.get("time").unwrap().as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 20, "{time}");
        assert_eq!(read.as_object().unwrap().len(), 3);
    }

    #[test]
    fn a_failing_call_writes_one_line_and_a_succeeding_one_its_warnings() {
        let failing = |log: &Log| {
            log.warn(&"w");
            log.debug(&"d");
            log.error(&"e");
        };
        let text = logged("fail", c"json", c"warning", failing);
        assert!(text.lines().count() == 1 && text.contains("\"e\""), "{text}");
        let text = logged("debug", c"json", c"debug", failing);
        assert_eq!(text.lines().count(), 3, "{text}");
        let text = logged("ok", c"json", c"warning", |log| {
            log.warn(&"w1");
            log.warn(&"w2");
            log.flush();
            log.flush();
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        let text = logged("quiet", c"json", c"error", |log| {
            log.warn(&"w");
            log.flush();
        });
        assert_eq!(text, "");
    }

    #[test]
    fn the_text_format_is_one_line_too() {
        let text = logged("text", c"text", c"warning", |log| log.error(&"a\n\"b\""));
        let parts: Vec<_> = text.splitn(3, ' ').collect();
        assert!(parts.first().unwrap().starts_with("time=\"20"), "{text}");
        assert_eq!(parts.get(1..).unwrap(), ["level=error", "msg=\"a\\n\\\"b\\\"\"\n"]);
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_an_error_that_names_it() {
        let mut given = Given::default();
        given.put(Flag::Log, c"/nonexistent/dir/log").unwrap();
        let error = Log::default().open(&given).unwrap_err().to_string();
        assert!(error.contains("--log") && error.contains("/nonexistent/dir/log"), "{error}");
    }

    #[test]
    fn a_line_for_a_person_drives_no_terminal() {
        assert_eq!(printable("a\u{1b}[31m\nb\u{9b}é", '?'), "a?[31m?b?é");
    }
}

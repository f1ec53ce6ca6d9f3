//! The one error type: an operation, its subject, the kernel's answer and, where a person needs one, a hint.
//!
//! An error is made once, where it happens, and names the place in config.json or the flag; callers add nothing
//! but a hint, the kernel's answer or the exit status. It is printed as one line: `mounts[7] "/proc/sys": mount: EROFS (read-only file system)`.

use crate::json::quote;
use crate::words::{Phrases, Words};
use alloc::{boxed::Box, string::String, string::ToString};
use core::fmt;
use rustix::io::Errno;

/// What went wrong, in one line. One word, so that a result costs a register to pass on; what it points to lives as long as the
/// process, which an error is about to end, and is never freed.
pub struct Error(&'static mut Body);

#[derive(Debug)]
struct Body {
    /// Where and what: `root.path "/x": open`.
    message: &'static str,
    /// The kernel's answer, if it was the kernel that refused.
    errno: Option<Errno>,
    /// What the person at the terminal can do about it.
    hint: Words,
    /// The exit status that it stands for.
    status: i32,
}

/// The runtime's result.
pub type Result<T> = core::result::Result<T, Error>;

/// `error!("… {} … {quoted}", one, other)`: an error that no system call caused, with what is put in as it is and in quotes.
#[macro_export]
macro_rules! error {
    ($message:literal) => {
        $crate::error::Error::new($crate::words!($message))
    };
    ($message:literal, $($part:expr),+ $(,)?) => {
        $crate::filled!($crate::error::Error::say; $message, $($part),+)
    };
}
pub use error;

impl Error {
    /// An error that no system call caused.
    #[cold]
    pub fn new(message: Words) -> Self {
        Error::told(message.text())
    }

    /// The same for a message with values in it; `error!` writes it shorter.
    #[cold]
    pub fn say(message: Words, parts: &[&str]) -> Self {
        Error::told(message.with(parts))
    }

    /// The same for one that was made.
    pub fn told(message: &'static str) -> Self {
        Error(Box::leak(Box::new(Body { message, errno: None, hint: Words::NONE, status: 1 })))
    }

    /// For `map_err`: the operation and its subject, quoted, around the errno that comes.
    pub fn sys<'a>(operation: Words, subject: &'a str) -> impl FnOnce(Errno) -> Error + 'a {
        #[cold]
        fn make(operation: Words, subject: &str, errno: Errno) -> Error {
            Error::at(operation.text(), subject)(errno)
        }
        move |errno| make(operation, subject, errno)
    }

    /// The same for a place in config.json, or a flag, in place of the operation.
    pub fn at<'a>(place: &'a str, subject: &'a str) -> impl FnOnce(Errno) -> Error + 'a {
        #[cold]
        fn make(place: &str, subject: &str, errno: Errno) -> Error {
            error!("{} {quoted}", place, subject).errno(errno)
        }
        move |errno| make(place, subject, errno)
    }

    /// The same for an operation that has no subject.
    pub fn os(operation: Words) -> impl FnOnce(Errno) -> Error {
        #[cold]
        fn make(operation: Words, errno: Errno) -> Error {
            Error::new(operation).errno(errno)
        }
        move |errno| make(operation, errno)
    }

    /// The exit status to end with, where it is not 1.
    pub fn status(self, status: i32) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a hint.
    pub fn hint(self, hint: Words) -> Self {
        self.0.hint = hint;
        self
    }

    /// Adds the kernel's answer.
    pub fn errno(self, errno: Errno) -> Self {
        self.0.errno = Some(errno);
        self
    }

    /// Adds what only the caller knows: the place, or what else the kernel says.
    pub fn between(self, before: &str, after: &str) -> Self {
        self.0.message = [before, self.0.message, after].concat().leak();
        self
    }

    /// Where and what, without the kernel's answer.
    pub fn message(&self) -> &'static str {
        self.0.message
    }

    /// The kernel's answer, if it was the kernel that refused.
    pub fn cause(&self) -> Option<Errno> {
        self.0.errno
    }

    /// The exit status that it stands for.
    pub fn exit_status(&self) -> i32 {
        self.0.status
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message)?;
        if let Some(errno) = self.0.errno {
            write!(f, ": {}", Text(errno))?;
        }
        if !self.0.hint.is_empty() {
            write!(f, " ({})", self.0.hint)?;
        }
        Ok(())
    }
}

/// A text that comes from outside, in quotes and on one line: what would end the line or drive a terminal is escaped. In place of
/// `{:?}`, which brings Unicode's tables of what can be seen.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(self.0))
    }
}

/// A number, which is none below 0, in digits.
pub fn decimal(number: impl TryInto<u64>) -> String {
    #[inline(never)]
    fn shown(number: u64) -> String {
        number.to_string()
    }
    shown(number.try_into().unwrap_or(u64::MAX))
}

/// Prints an errno as `EROFS (read-only file system)`. The words are those that callers search for.
pub struct Text(pub Errno);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = ERRNOS.iter().position(|errno| *errno == self.0);
        match place.and_then(|place| WORDS.get(place).split_once(' ')) {
            Some((name, words)) => write!(f, "{name} ({words})"),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}

macro_rules! errnos {
    ($($errno:ident $row:literal)*) => {
        const ERRNOS: &[Errno] = &[$(Errno::$errno),*];
        static WORDS: Phrases = phrases![$($row),*];
    };
}

// The errnos a runtime meets, with strerror's words in lower case (errno(3)).
errnos! {
    PERM "EPERM operation not permitted"
    NOENT "ENOENT no such file or directory"
    SRCH "ESRCH no such process"
    INTR "EINTR interrupted"
    IO "EIO input/output error"
    NXIO "ENXIO no such device or address"
    TOOBIG "E2BIG argument list too long"
    NOEXEC "ENOEXEC exec format error"
    BADF "EBADF bad file descriptor"
    CHILD "ECHILD no child processes"
    AGAIN "EAGAIN resource temporarily unavailable"
    NOMEM "ENOMEM cannot allocate memory"
    ACCESS "EACCES permission denied"
    FAULT "EFAULT bad address"
    NOTBLK "ENOTBLK block device required"
    BUSY "EBUSY device or resource busy"
    EXIST "EEXIST file exists"
    XDEV "EXDEV crosses a mount point"
    NODEV "ENODEV no such device"
    NOTDIR "ENOTDIR not a directory"
    ISDIR "EISDIR is a directory"
    INVAL "EINVAL invalid argument"
    NFILE "ENFILE too many open files in system"
    MFILE "EMFILE too many open files"
    NOTTY "ENOTTY not a terminal"
    TXTBSY "ETXTBSY text file busy"
    NOSPC "ENOSPC no space left on device"
    ROFS "EROFS read-only file system"
    MLINK "EMLINK too many links"
    PIPE "EPIPE broken pipe"
    RANGE "ERANGE out of range"
    DEADLK "EDEADLK would deadlock"
    NAMETOOLONG "ENAMETOOLONG file name too long"
    NOSYS "ENOSYS not implemented by this kernel"
    NOTEMPTY "ENOTEMPTY directory not empty"
    LOOP "ELOOP symbolic link where none is allowed"
    OVERFLOW "EOVERFLOW value too large"
    USERS "EUSERS too many users"
    OPNOTSUPP "EOPNOTSUPP operation not supported"
    CONNREFUSED "ECONNREFUSED connection refused"
    TIMEDOUT "ETIMEDOUT timed out"
    ALREADY "EALREADY already in progress"
    DQUOT "EDQUOT quota exceeded"
}

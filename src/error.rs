//! The one error type: an operation, its subject, the kernel's answer and, where a person needs one, a hint.
//!
//! An error is made once, where it happens, and names the place in config.json or the flag; callers add nothing
//! but a hint. It is printed as one line: `mounts[7] "/proc/sys": mount: EROFS (read-only file system)`.

use alloc::{format, string::String};
use core::fmt;
use rustix::io::Errno;

/// What went wrong, in one line.
#[derive(Debug)]
pub struct Error {
    /// Where and what: `root.path "/x": open`.
    pub message: String,
    /// The kernel's answer, if it was the kernel that refused.
    pub errno: Option<Errno>,
    /// What the person at the terminal can do about it; empty for none.
    pub hint: &'static str,
    /// The exit status that it stands for.
    pub status: i32,
}

/// The runtime's result.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An error that no system call caused.
    pub fn new(message: impl Into<String>) -> Self {
        Error { message: message.into(), errno: None, hint: "", status: 1 }
    }

    /// For `map_err`: the operation and its subject, quoted, around the errno that comes.
    pub fn sys<'a>(operation: &'a str, subject: &'a str) -> impl FnOnce(Errno) -> Error + 'a {
        move |errno| Error {
            message: format!("{operation} {subject:?}"),
            errno: Some(errno),
            hint: "",
            status: 1,
        }
    }

    /// The same for an operation that has no subject.
    pub fn os(operation: &str) -> impl FnOnce(Errno) -> Error + '_ {
        move |errno| Error { message: operation.into(), errno: Some(errno), hint: "", status: 1 }
    }

    /// The exit status to end with, where it is not 1.
    pub fn status(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(errno) = self.errno {
            write!(f, ": {}", Text(errno))?;
        }
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// Prints an errno as `EROFS (read-only file system)`. The words are those that callers search for.
pub struct Text(pub Errno);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.raw_os_error();
        match ERRNOS.iter().find(|(errno, _, _)| errno.raw_os_error() == number) {
            Some((_, name, words)) => write!(f, "{name} ({words})"),
            None => write!(f, "errno {number}"),
        }
    }
}

/// The errnos a runtime meets, with strerror's words in lower case (errno(3)).
const ERRNOS: &[(Errno, &str, &str)] = &[
    (Errno::PERM, "EPERM", "operation not permitted"),
    (Errno::NOENT, "ENOENT", "no such file or directory"),
    (Errno::SRCH, "ESRCH", "no such process"),
    (Errno::INTR, "EINTR", "interrupted"),
    (Errno::IO, "EIO", "input/output error"),
    (Errno::NXIO, "ENXIO", "no such device or address"),
    (Errno::TOOBIG, "E2BIG", "argument list too long"),
    (Errno::NOEXEC, "ENOEXEC", "exec format error"),
    (Errno::BADF, "EBADF", "bad file descriptor"),
    (Errno::CHILD, "ECHILD", "no child processes"),
    (Errno::AGAIN, "EAGAIN", "resource temporarily unavailable"),
    (Errno::NOMEM, "ENOMEM", "cannot allocate memory"),
    (Errno::ACCESS, "EACCES", "permission denied"),
    (Errno::FAULT, "EFAULT", "bad address"),
    (Errno::NOTBLK, "ENOTBLK", "block device required"),
    (Errno::BUSY, "EBUSY", "device or resource busy"),
    (Errno::EXIST, "EEXIST", "file exists"),
    (Errno::XDEV, "EXDEV", "crosses a mount point"),
    (Errno::NODEV, "ENODEV", "no such device"),
    (Errno::NOTDIR, "ENOTDIR", "not a directory"),
    (Errno::ISDIR, "EISDIR", "is a directory"),
    (Errno::INVAL, "EINVAL", "invalid argument"),
    (Errno::NFILE, "ENFILE", "too many open files in system"),
    (Errno::MFILE, "EMFILE", "too many open files"),
    (Errno::NOTTY, "ENOTTY", "not a terminal"),
    (Errno::TXTBSY, "ETXTBSY", "text file busy"),
    (Errno::NOSPC, "ENOSPC", "no space left on device"),
    (Errno::ROFS, "EROFS", "read-only file system"),
    (Errno::MLINK, "EMLINK", "too many links"),
    (Errno::PIPE, "EPIPE", "broken pipe"),
    (Errno::RANGE, "ERANGE", "out of range"),
    (Errno::DEADLK, "EDEADLK", "would deadlock"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG", "file name too long"),
    (Errno::NOSYS, "ENOSYS", "not implemented by this kernel"),
    (Errno::NOTEMPTY, "ENOTEMPTY", "directory not empty"),
    (Errno::LOOP, "ELOOP", "symbolic link where none is allowed"),
    (Errno::OVERFLOW, "EOVERFLOW", "value too large"),
    (Errno::USERS, "EUSERS", "too many users"),
    (Errno::OPNOTSUPP, "EOPNOTSUPP", "operation not supported"),
    (Errno::CONNREFUSED, "ECONNREFUSED", "connection refused"),
    (Errno::TIMEDOUT, "ETIMEDOUT", "timed out"),
    (Errno::ALREADY, "EALREADY", "already in progress"),
    (Errno::DQUOT, "EDQUOT", "quota exceeded"),
];

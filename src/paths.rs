//! Paths as text, and as the kernel takes them.

use alloc::{fmt, string::String};
use core::ffi::CStr;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

/// A C string, never freed, of text that holds no NUL: strings of config.json never do (config/json.rs refuses them), nor do arguments.
pub fn cstring(text: &str) -> &'static CStr {
    CStr::from_bytes_until_nul([text, "\0"].concat().leak().as_bytes()).unwrap_or_default()
}

/// A path for the kernel: `c_path(format_args!("/proc/{pid}/stat"))`. Never freed; a NUL would end it.
#[inline(never)]
pub fn c_path(path: fmt::Arguments<'_>) -> &'static CStr {
    let mut path = fmt::format(path);
    path.push('\0');
    CStr::from_bytes_until_nul(path.leak().as_bytes()).unwrap_or_default()
}

/// Opens what is there. Whatever the runtime opens is closed by an exec.
#[inline(never)]
pub fn open(path: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// mkdir(2).
#[inline(never)]
pub fn make_directory(path: &str, mode: Mode) -> rustix::io::Result<()> {
    rustix::fs::mkdir(cstring(path), mode)
}

/// rmdir(2).
#[inline(never)]
pub fn remove_directory(path: &str) -> rustix::io::Result<()> {
    rustix::fs::rmdir(cstring(path))
}

/// A C string for a person. What is no UTF-8 is shown as something else, and never freed.
pub fn shown(text: &CStr) -> &str {
    match text.to_str() {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(text.to_bytes()).into_owned().leak(),
    }
}

/// Its parts as one text. Never freed: the program has few paths, and ends.
#[inline(never)]
pub fn join(parts: &[&str]) -> &'static str {
    parts.concat().leak()
}

/// A directory's path without slashes at its end.
#[inline(never)]
pub fn without_slash(mut path: &str) -> &str {
    while let Some(rest) = path.strip_suffix('/') {
        path = rest;
    }
    path
}

/// What stands before and after the last of an ASCII character: of a slash, the directory and the name in it.
pub fn split_last(text: &str, last: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| byte == last)?;
    Some((text.get(..at)?, text.get(at.saturating_add(1)..)?))
}

/// The last component of a path.
pub fn name(path: &str) -> &str {
    split_last(path, b'/').map_or(path, |(_, name)| name)
}

/// The directories on the way down a path, behind the one that has so many bytes of it.
pub fn above(path: &str, root: usize) -> impl Iterator<Item = &str> {
    core::iter::successors(next(path, root), move |above| next(path, above.len()))
}

/// A path up to the first slash behind the one at `from`.
fn next(path: &str, from: usize) -> Option<&str> {
    let at = path.bytes().skip(from.saturating_add(1)).position(|byte| byte == b'/')?;
    path.get(..from.saturating_add(at).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_divides() {
        assert_eq!(split_last("/a/b", b'/'), Some(("/a", "b")));
        assert_eq!(split_last("1 (a) b) S", b')'), Some(("1 (a) b", " S")));
        assert_eq!(split_last("a", b'/'), None);
        assert_eq!(["/a/b", "a", "a/"].map(name), ["b", "a", ""]);
    }

    #[test]
    fn the_directories_above_are_all_but_the_root_and_itself() {
        assert!(above("/a/bc/d", 0).eq(["/a", "/a/bc"]));
        assert!(above("/a/bc/d", 2).eq(["/a/bc"]));
        assert_eq!(above("/a", 0).next(), None);
    }
}

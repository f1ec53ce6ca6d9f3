//! Extended attributes of open files.
//!
//! # Safety
//!
//! Strings, and buffers with their length.

use crate::call::{ret, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use rustix::fd::BorrowedFd;
use rustix::io::Result;

/// flistxattr: the names, each with its NUL, and how long they are together. `ERANGE` when `names` is too short.
pub fn list(fd: BorrowedFd<'_>, names: &mut [u8]) -> Result<usize> {
    // SAFETY: writes at most `len` bytes.
    ret(unsafe { sys!(k::__NR_flistxattr, fd, names.as_mut_ptr(), names.len()) })
}

/// fgetxattr: the value, and its length. `ERANGE` when `value` is too short, `ENODATA` when there is none.
pub fn get(fd: BorrowedFd<'_>, name: &CStr, value: &mut [u8]) -> Result<usize> {
    // SAFETY: a string; writes at most `len` bytes.
    ret(unsafe { sys!(k::__NR_fgetxattr, fd, name, value.as_mut_ptr(), value.len()) })
}

/// fsetxattr: made, or replaced. `EOPNOTSUPP` where the file system has none of this class.
pub fn set(fd: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: a string; reads `len` bytes.
    ret_unit(unsafe { sys!(k::__NR_fsetxattr, fd, name, value.as_ptr(), value.len(), 0u32) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Directory;
    use crate::{AsFd, fs};
    use rustix::io::Errno;

    #[test]
    fn what_was_set_is_listed_and_read() {
        let directory = Directory::new();
        let flags = fs::O_CREAT | fs::O_RDWR;
        let file = fs::openat(directory.fd.as_fd(), c"file", flags, 0o600).unwrap();
        let (mut names, mut value) = ([0; 256], [0; 256]);
        assert_eq!(get(file.as_fd(), c"user.none", &mut value), Err(Errno::NODATA));
        match set(file.as_fd(), c"user.one", b"1 and more") {
            Err(Errno::OPNOTSUPP) => {
                std::println!("SKIP what_was_set_is_listed_and_read: no user attributes here");
                return;
            }
            done => done.unwrap(),
        }
        let length = list(file.as_fd(), &mut names).unwrap();
        assert!(names[..length].windows(9).any(|name| name == b"user.one\0"));
        assert_eq!(get(file.as_fd(), c"user.one", &mut value), Ok(10));
        assert_eq!(&value[..10], b"1 and more");
        assert_eq!(get(file.as_fd(), c"user.one", &mut value[..3]), Err(Errno::RANGE));
    }
}

//! Names for descriptors: mount(2) knows paths only, and a path of the container may lead elsewhere by the time it is looked up
//! again. procfs has a name for every descriptor that leads straight to what is open (`/proc/self/fd/N`).
//!
//! The directory of these names is the machine's own, opened before pivot_root. It is the working directory while the container is
//! made, so that a name is its number, and stays in reach after pivot_root.

use super::resolve::join;
use core::ffi::CStr;
use syscalls::{AsRawFd, BorrowedFd, Result, fs, mount};

/// A descriptor and a name in it; an empty one for the descriptor itself.
pub type At<'a> = (BorrowedFd<'a>, &'a CStr);

/// Goes to /proc/self/fd of this machine. Before pivot_root, after which /proc is the container's. A machine that has no procfs gets
/// one, in this mount namespace.
pub fn enter() -> Result<()> {
    let go = || fs::chdir(c"/proc/self/fd");
    // The machine's own /proc, as in `seal`; in one that is no procfs the names lead nowhere and the first mount fails.
    go().or_else(|_| {
        mount::mount(Some(c"proc"), c"/proc", Some(c"proc"), 0, None)?;
        go()
    })
}

/// A descriptor has ten digits at most; a slash, a file name, a NUL.
pub const LONGEST: usize = 10 + 1 + 256;

/// The name of a place, in the directory of names.
pub fn name<'b>((fd, below): At<'_>, buffer: &'b mut [u8; LONGEST]) -> Result<&'b CStr> {
    let mut number = [0; 10];
    let digits = digits(fd.as_raw_fd().unsigned_abs(), &mut number);
    let slash: &[u8] = if below.is_empty() { b"" } else { b"/" };
    join(buffer, &[digits, slash, below.to_bytes()])
}

/// A number in decimal, in a buffer.
pub fn digits(mut number: u32, buffer: &mut [u8; 10]) -> &[u8] {
    let mut start = buffer.len();
    for (place, byte) in buffer.iter_mut().enumerate().rev() {
        *byte = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        start = place;
        if number == 0 {
            break;
        }
    }
    buffer.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::{format, string::String};
    use syscalls::Errno;

    #[test]
    fn a_name_is_the_descriptors_number_and_what_is_below_it() {
        for number in [0, 7, 10, 4096, u32::MAX] {
            assert_eq!(
                String::from_utf8(digits(number, &mut [0; 10]).to_vec()).unwrap(),
                format!("{number}")
            );
        }
        let stdin = syscalls::fd::inherited(0).unwrap();
        for (below, text) in [(c"", "0"), (c"kcore", "0/kcore")] {
            assert_eq!(name((stdin, below), &mut [0; LONGEST]).unwrap().to_str(), Ok(text));
        }
        let long = alloc::ffi::CString::new(alloc::vec![b'x'; 300]).unwrap();
        assert_eq!(name((stdin, &long), &mut [0; LONGEST]), Err(Errno::NAMETOOLONG));
    }
}

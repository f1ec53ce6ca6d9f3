//! Names for descriptors, where the calls that take descriptors are missing (before Linux 5.2 and 5.12).
//!
//! mount(2) knows paths only, and a path of the container may lead elsewhere by the time it is looked up again. procfs has a name
//! for every descriptor that leads straight to what is open (`/proc/self/fd/N`). The directory of these names is the machine's
//! own, opened before pivot_root, and stays in reach after it.

use super::resolve::PROC_MAGIC;
use core::ffi::CStr;
use syscalls::{AsRawFd, BorrowedFd, CWD, Errno, Result, fs, leak, mount, stat};

/// /proc/self/fd of this machine.
#[derive(Clone, Copy)]
pub struct Names(BorrowedFd<'static>);

impl Names {
    /// Before pivot_root, after which /proc is the container's. A machine that has no procfs gets one, in this mount namespace.
    pub fn open() -> Result<Self> {
        let open = || fs::openat(CWD, c"/proc/self/fd", fs::O_PATH | fs::O_DIRECTORY, 0);
        let names = leak(open().or_else(|_| {
            mount::mount(Some(c"proc"), c"/proc", Some(c"proc"), 0, None)?;
            open()
        })?);
        match stat::fstatfs(names)?.kind {
            PROC_MAGIC => Ok(Names(names)),
            _ => Err(Errno::NOSYS),
        }
    }

    /// mount(2) without a file system type: a bind of `source`, or (without one) new flags or another propagation for what is mounted
    /// at `target`. The working directory is the names' afterwards.
    pub fn mount(self, source: Option<BorrowedFd<'_>>, target: BorrowedFd<'_>, flags: u32) -> Result<()> {
        fs::fchdir(self.0)?;
        let (mut from, mut to) = ([0; DIGITS], [0; DIGITS]);
        let source = source.map(|source| name(source, &mut from)).transpose()?;
        mount::mount(source, name(target, &mut to)?, None, flags, None)
    }
}

/// A descriptor has ten digits at most, and a NUL.
const DIGITS: usize = 11;

fn name<'b>(fd: BorrowedFd<'_>, buffer: &'b mut [u8; DIGITS]) -> Result<&'b CStr> {
    digits(u32::try_from(fd.as_raw_fd()).map_err(|_| Errno::BADF)?, buffer)
}

fn digits(mut number: u32, buffer: &mut [u8; DIGITS]) -> Result<&CStr> {
    let mut start = DIGITS;
    for (place, byte) in buffer.iter_mut().enumerate().rev().skip(1) {
        *byte = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        start = place;
        if number == 0 {
            break;
        }
    }
    CStr::from_bytes_with_nul(buffer.get(start..).unwrap_or_default()).map_err(|_| Errno::BADF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    extern crate std;

    #[test]
    fn a_descriptors_name_is_its_number_in_decimal() {
        for number in [0, 7, 10, 4096, u32::MAX] {
            let mut buffer = [0; DIGITS];
            assert_eq!(digits(number, &mut buffer).unwrap().to_str(), Ok(&*std::format!("{number}")));
        }
    }
}

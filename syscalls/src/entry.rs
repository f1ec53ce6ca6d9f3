//! The program's start without the standard library's: `entry!` defines the C `main`.
//!
//! std's own start polls stdio, installs a stack-overflow handler and changes SIGPIPE: a dozen system calls of which a short-lived
//! static program needs none. It also means that SIGPIPE keeps its default and closed stdio stays closed.
//!
//! Nor is there any thread-local storage: no variable of the program is one (`cargo dist` looks for the segment), and what musl keeps
//! there is errno, which the calls of this crate and of rustix do not set. A use of it all the same ends the program at once.
//!
//! The program itself can be `#![forbid(unsafe_code)]`: what the macro brings along (a symbol named `main`, one call) is this
//! crate's code, here to be read, and the lint leaves code of another crate's macro to that crate.
//!
//! # Safety
//!
//! [`Args::new`] is called by the `main` that `entry!` makes, with what the C library (glibc and musl alike) passes to main:
//! NULL-terminated arrays of strings that live until the process ends and that nothing here changes.

use core::ffi::{CStr, c_char};

/// The arguments and the environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    argv: *const *const c_char,
    envp: *const *const c_char,
}

impl Args {
    /// For [`entry!`](crate::entry) only.
    ///
    /// # Safety
    ///
    /// Both are NULL-terminated arrays of C strings that are never freed or changed.
    #[doc(hidden)]
    pub unsafe fn new(argv: *const *const c_char, envp: *const *const c_char) -> Self {
        Args { argv, envp }
    }

    /// The arguments, the program's name first (which a caller may have left out).
    pub fn args(&self) -> Strings {
        Strings(self.argv)
    }

    /// The environment: `NAME=value`, as it came.
    pub fn env(&self) -> Strings {
        Strings(self.envp)
    }

    /// The value of the first variable of that name.
    pub fn var(&self, name: &[u8]) -> Option<&'static CStr> {
        self.env().find_map(|pair| {
            let rest = pair.to_bytes_with_nul().strip_prefix(name)?.strip_prefix(b"=")?;
            CStr::from_bytes_with_nul(rest).ok()
        })
    }
}

/// Strings of [`Args`], in order.
#[derive(Clone, Debug)]
pub struct Strings(*const *const c_char);

impl Iterator for Strings {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        // SAFETY: at or before the terminating NULL, by the contract of `Args::new`.
        let string = unsafe { *self.0 };
        if string.is_null() {
            return None;
        }
        // SAFETY: not at the end; then a string that lives for ever.
        unsafe {
            self.0 = self.0.add(1);
            Some(CStr::from_ptr(string))
        }
    }
}

/// `entry!(run)` makes `fn run(args: syscalls::Args) -> i32` the program. Once, in a binary with `#![no_main]`.
///
/// The value is the exit status. std works without its start but for `std::env::args`, which is empty on musl.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn main(
                _argc: core::ffi::c_int,
                argv: *const *const core::ffi::c_char,
                envp: *const *const core::ffi::c_char,
            ) -> core::ffi::c_int {
                let run: fn($crate::Args) -> i32 = $run;
                // SAFETY: the C library's arguments of main.
                let status = run(unsafe { $crate::Args::new(argv, envp) });
                // Nothing was registered to be done at the end.
                $crate::process::exit_group(status)
            }

            /// Takes the place of musl's: no thread but the first, and nothing that is kept for each thread. Two system calls less.
            #[cfg(all(
                target_env = "musl",
                any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
            ))]
            #[unsafe(no_mangle)]
            extern "C" fn __init_tls(_auxiliary: *const usize) {}
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::null;

    #[test]
    fn arguments_and_variables_are_read_to_the_null() {
        let argv = [c"name".as_ptr(), c"".as_ptr(), c"--flag".as_ptr(), null()];
        let envp =
            [c"A=1".as_ptr(), c"AB=2".as_ptr(), c"odd".as_ptr(), c"AB=3".as_ptr(), c"E=".as_ptr(), null()];
        // SAFETY: NULL-terminated arrays that outlive the use.
        let args = unsafe { Args::new(argv.as_ptr(), envp.as_ptr()) };
        assert!(args.args().eq([c"name", c"", c"--flag"]));
        assert_eq!(args.env().count(), 5);
        assert_eq!(args.var(b"AB"), Some(c"2"));
        assert_eq!(args.var(b"A"), Some(c"1"));
        assert_eq!(args.var(b"E"), Some(c""));
        assert_eq!(args.var(b"odd"), None);
        assert_eq!(args.var(b"B"), None);
        let none = [null()];
        // SAFETY: as above.
        let args = unsafe { Args::new(none.as_ptr(), none.as_ptr()) };
        assert_eq!((args.args().next(), args.var(b"A")), (None, None));
    }
}

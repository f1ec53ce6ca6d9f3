//! The program's start without the standard library's: `entry!` defines the C `main`.
//!
//! std's own start polls stdio, installs a stack-overflow handler and changes SIGPIPE: a dozen system calls of which a short-lived
//! static program needs none. It also means that SIGPIPE keeps its default and closed stdio stays closed.
//!
//! Nor does musl's start run, which prepares what the program does without: streams, functions for the end, thread-local storage, of
//! which no variable of the program is made (`cargo dist` looks for the segment). Where errno would be is one word here, for the program
//! has one thread; the calls of this crate and of rustix do not touch it. Closed stdio is not filled for a set-user-ID program either.
//!
//! The program itself can be `#![forbid(unsafe_code)]`: what the macro brings along (symbols that the C library and `_start` look
//! for) is this crate's code, here to be read, and the lint leaves code of another crate's macro to that crate.
//!
//! # Safety
//!
//! [`Args::new`] is called by the `main` that `entry!` makes, with what the C library (glibc and musl alike) or [`begin`] passes to main:
//! NULL-terminated arrays of strings that live until the process ends and that nothing here changes. [`begin`] is called with what the
//! kernel puts on the stack of a new process: arguments, NULL, environment, NULL, pairs of words, of which the last begins with 0.

use core::ffi::{CStr, c_char, c_int};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

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

/// The C library's errno: of one thread, the only one.
static ERRNO: AtomicI32 = AtomicI32::new(0);

/// For [`entry!`](crate::entry) only.
#[doc(hidden)]
pub fn errno() -> *mut c_int {
    ERRNO.as_ptr()
}

/// The auxiliary vector of this process, behind its environment: pairs of words that end with a zero (getauxval(3)).
static AUXILIARY: AtomicPtr<usize> = AtomicPtr::new(null_mut());

/// For [`entry!`](crate::entry) only: a value of the auxiliary vector, 0 without one.
#[doc(hidden)]
pub fn auxiliary(kind: usize) -> usize {
    let mut pair = AUXILIARY.load(Ordering::Relaxed);
    if pair.is_null() {
        return 0;
    }
    loop {
        // SAFETY: at or before the pair that ends the vector, by the contract of `begin`.
        match unsafe { (*pair, *pair.add(1)) } {
            (0, _) => return 0,
            (have, value) if have == kind => return value,
            // SAFETY: not at the end.
            _ => pair = unsafe { pair.add(2) },
        }
    }
}

/// For [`entry!`](crate::entry) only: finds environment and auxiliary vector behind the arguments.
///
/// # Safety
///
/// `argv` is where the kernel puts `argc` arguments at the start of a process.
#[doc(hidden)]
pub unsafe fn begin(argc: c_int, argv: *const *const c_char) -> *const *const c_char {
    // SAFETY: a NULL ends the arguments, another one the environment.
    unsafe {
        let envp = argv.add(argc as usize).add(1);
        let mut end = envp;
        while !(*end).is_null() {
            end = end.add(1);
        }
        AUXILIARY.store(end.add(1).cast_mut().cast(), Ordering::Relaxed);
        envp
    }
}

/// `entry!(run)` makes `fn run(args: syscalls::Args) -> i32` the program. Once, in a binary with `#![no_main]`.
///
/// The value is the exit status. Of std works what needs no start: not its arguments, environment and threads.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        const _: () = {
            use core::ffi::{c_char, c_int};

            #[unsafe(no_mangle)]
            extern "C" fn main(
                _argc: c_int,
                argv: *const *const c_char,
                envp: *const *const c_char,
            ) -> c_int {
                let run: fn($crate::Args) -> i32 = $run;
                // SAFETY: the C library's arguments of main.
                let status = run(unsafe { $crate::Args::new(argv, envp) });
                // Nothing was registered to be done at the end.
                $crate::process::exit_group(status)
            }
        };

        #[cfg(all(
            target_env = "musl",
            any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
        ))]
        const _: () = {
            use core::ffi::{c_char, c_int};
            type Main = extern "C" fn(c_int, *const *const c_char, *const *const c_char) -> c_int;

            /// Takes the place of musl's: no thread but the first, nothing that is kept for each thread. Two system calls less.
            #[unsafe(no_mangle)]
            extern "C" fn __libc_start_main(main: Main, argc: c_int, argv: *const *const c_char) -> c_int {
                // SAFETY: `_start` passes on what the kernel has put there.
                main(argc, argv, unsafe { $crate::begin(argc, argv) })
            }

            /// Takes the place of musl's, for which its start would note where to look.
            #[unsafe(no_mangle)]
            extern "C" fn getauxval(kind: usize) -> usize {
                $crate::auxiliary(kind)
            }

            /// Takes the place of musl's, which looks for it in the thread.
            #[unsafe(no_mangle)]
            extern "C" fn __errno_location() -> *mut c_int {
                $crate::errno()
            }

            /// What musl's own functions call it.
            #[unsafe(no_mangle)]
            extern "C" fn ___errno_location() -> *mut c_int {
                $crate::errno()
            }

            /// What std's `OwnedFd` is closed with; nobody asks why it failed.
            #[unsafe(no_mangle)]
            extern "C" fn close(fd: c_int) -> c_int {
                $crate::fd::close_raw(fd).map_or(-1, |()| 0)
            }
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

    #[test]
    fn the_auxiliary_vector_lies_behind_the_environment() {
        assert_eq!(auxiliary(33), 0);
        let text = c"a".as_ptr().addr();
        let stack = [text, text, 0, text, 0, 33, 7, 11, 1000, 0, 0];
        // SAFETY: two arguments, a variable, two pairs.
        let envp = unsafe { begin(2, stack.as_ptr().cast()) };
        assert_eq!(envp.addr(), (&raw const stack[3]).addr());
        assert_eq!([11, 33, 6].map(auxiliary), [1000, 7, 0]);
        AUXILIARY.store(null_mut(), Ordering::Relaxed);
    }
}

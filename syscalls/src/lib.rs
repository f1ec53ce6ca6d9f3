//! Raw Linux system calls, one short wrapper each. All unsafe code of the project lives in this crate.
#![no_std]

//! The program: reads the command line, opens the log, dispatches, and turns the result into an exit status.
#![forbid(unsafe_code)]
// A test build has libtest's main: with this one the tests of the command line would never run, and pass.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code, unused_imports))]

#[macro_use] // words! and its like
extern crate runlet;

mod cli;

use core::cell::Cell;
use runlet::args::Given;
use runlet::cmd::Context;
use runlet::log::Log;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Hundreds of small blocks, nearly all of them kept to the end: no system call for all of them.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: syscalls::Bump = syscalls::Bump;

#[cfg(not(test))]
syscalls::entry!(program);

fn program(args: syscalls::Args) -> i32 {
    let mut words = Vec::new();
    let mut typed = args.args();
    typed.next();
    for word in typed {
        words.push(OsStr::from_bytes(word.to_bytes()).to_os_string());
    }
    let given: &'static mut Given = Box::leak(Box::default());
    let command = cli::parse(words, given);
    let log: &'static mut Log = Box::leak(Box::default());
    let opened = log.open(given);
    let context = Context { given, log, env: args, status: Cell::new(0) };
    // What is wrong with the command line matters more than a log that cannot be opened.
    match command.and_then(|run| opened.and_then(|()| run(&context))) {
        Ok(()) => {
            context.log.flush();
            context.status.get()
        }
        Err(error) => {
            context.log.error(&error);
            error.exit_status()
        }
    }
}

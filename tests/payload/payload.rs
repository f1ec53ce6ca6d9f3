//! The test program: one static file that is put into every container the tests make, and that also does on the host what
//! the tests, which hold no unsafe code, cannot (private mount namespace, system-call shims, ptrace, rename races).
//!
//! Usage: `payload VERB ARG… [, VERB ARG…]…`. Each verb prints one line of JSON, `{"verb":…,"args":[…],"out":…}` or
//! `{…,"errno":"EPERM"}`, and the next one follows; verbs that end the process (`exit`, `raise`, `exec`) come last.
//! It is compiled with a bare `rustc`: no crate, no cargo (tests/harness/mod.rs does it at first use).

mod act;
mod agent;
mod json;
mod load;
mod net;
mod outside;
mod pty;
mod rdma;
mod report;
mod resctrl;
mod scan;
mod sys;
mod trace;
mod traffic;

use std::io::Write;

fn main() {
    let mut arguments: Vec<String> =
        std::env::args_os().skip(1).map(|one| one.to_string_lossy().into_owned()).collect();
    if arguments.is_empty() {
        arguments.push("report".to_string());
    }
    if let Some(status) = outside::run(&arguments) {
        std::process::exit(status);
    }
    let mut failed = false;
    for command in arguments.split(|one| one == ",") {
        let Some((verb, rest)) = command.split_first() else { continue };
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let result = act::perform(verb, &rest);
        failed |= result.is_err();
        let outcome = match result {
            Ok(value) => ("out", value),
            Err(errno) => ("errno", json::string(&sys::errno_name(errno))),
        };
        say(&json::object([("verb", json::string(verb)), ("args", json::strings(&rest)), outcome]).0);
    }
    std::process::exit(if failed { 3 } else { 0 });
}

/// A line to standard output, whole or not at all; a closed stdout is not an error of the program.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

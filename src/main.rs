//! Seal check, dispatch, exit status.
#![forbid(unsafe_code)]

mod cli;

use runlet::args::{Command, Global};
use runlet::cmd;
use runlet::error::{Error, Result};
use runlet::log::Log;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (global, command) = match cli::parse(std::env::args_os().skip(1)) {
        Ok(read) => (read.global, Ok(read.command)),
        Err(failure) => (failure.global, Err(failure.error)),
    };
    let (log, opened) = match Log::open(&global) {
        Ok(log) => (log, Ok(())),
        Err(error) => (Log::default(), Err(error)),
    };
    // What is wrong with the command line matters more than a log that cannot be opened.
    match command.and_then(|command| opened.and_then(|()| run(&global, command))) {
        Ok(()) => {
            log.flush();
            ExitCode::SUCCESS
        }
        Err(error) => {
            log.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(_global: &Global, command: Command) -> Result<()> {
    match command {
        Command::Version => cmd::print(&cmd::version::text()),
        Command::Help(text) => cmd::print(&text),
        Command::Spec(spec) => cmd::spec::run(&spec),
        command => Err(Error::new(format!("{command:?} does not exist yet"))),
    }
}

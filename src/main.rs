//! Seal check, dispatch, exit status.
#![forbid(unsafe_code)]

mod cli;

use runlet::args::Command;
use runlet::cmd;
use runlet::error::Error;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done =
        cli::parse(std::env::args_os().skip(1)).map_err(|failure| failure.error).and_then(|read| match read
            .command
        {
            Command::Version => print(&cmd::version::text()),
            Command::Help(text) => print(&text),
            command => Err(Error::new(format!("{command:?} does not exist yet"))),
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runlet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<(), Error> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map_err(|error| Error::new(format!("standard output: {error}")))
}

//! The program: reads the command line, opens the log, dispatches, and turns the result into an exit status.
#![forbid(unsafe_code)]
// A test build has libtest's main: with this one the tests of the command line would never run, and pass.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code, unused_imports))]

mod cli;

use runlet::args::Command;
use runlet::cmd::{self, Context};
use runlet::error::{Error, Result};
use runlet::log::Log;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use syscalls::signal;

/// Hundreds of small blocks, nearly all of them kept to the end: no system call for all of them.
#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: syscalls::Bump = syscalls::Bump;

#[cfg(not(test))]
syscalls::entry!(program);

fn program(args: syscalls::Args) -> i32 {
    let words = args.args().skip(1).map(|word| OsStr::from_bytes(word.to_bytes()).to_os_string());
    let (global, command) = match cli::parse(words) {
        Ok(read) => (read.global, Ok(read.command)),
        Err(failure) => (failure.global, Err(failure.error)),
    };
    let (log, opened) = match Log::open(&global) {
        Ok(log) => (log, Ok(())),
        Err(error) => (Log::default(), Err(error)),
    };
    // What is wrong with the command line matters more than a log that cannot be opened.
    let (global, log) = (&*Box::leak(Box::new(global)), &*Box::leak(Box::new(log)));
    let context = Context { global, log, env: args };
    match command.and_then(|command| opened.and_then(|()| run(&context, command))) {
        Ok(status) => {
            log.flush();
            status
        }
        Err(error) => {
            log.error(&error);
            error.exit_status()
        }
    }
}

/// The exit status, which only `run` and `exec` choose.
fn run(context: &Context<'static>, command: Command) -> Result<i32> {
    let is_exec = matches!(command, Command::Exec(_));
    // Why it failed is logged as for every command; the status tells callers that the program never ran.
    perform(context, command).map_err(|error| if is_exec { error.status(cmd::exec::FAILED) } else { error })
}

fn perform(context: &Context<'static>, command: Command) -> Result<i32> {
    if matches!(command, Command::Create(_) | Command::Run(_) | Command::Exec(_)) {
        runlet::seal::seal(context.env, context.log)?;
        // A caller that ignores it would leave no child to be waited for (waitid(2)), nor a program that can.
        signal::set_action(signal::SIGCHLD, signal::Action::Default).map_err(Error::os("SIGCHLD"))?;
    }
    match command {
        Command::Create(args) => cmd::create::create(context, args),
        Command::Start { id } => cmd::start::start(context, id),
        Command::Run(args) => return cmd::run::run(context, args),
        Command::Exec(args) => return cmd::exec::exec(context, args),
        Command::Kill(args) => cmd::kill::kill(context, &args),
        Command::Delete(args) => cmd::delete::delete(context, &args),
        Command::State { id } => cmd::state::state(context, id),
        Command::List(args) => cmd::list::list(context, &args),
        Command::Check(args) => return cmd::check::check(context, args),
        Command::Features => cmd::features::run(),
        Command::Ps(args) => cmd::ps::ps(context, &args),
        Command::Pause { id } => cmd::pause::pause(context, id),
        Command::Resume { id } => cmd::pause::resume(context, id),
        Command::Update(args) => cmd::update::update(context, args),
        Command::Events(args) => cmd::events::events(context, &args),
        Command::Spec(args) => cmd::spec::run(&args),
        Command::Version => cmd::print(&cmd::version::text()),
        Command::Help(text) => cmd::print(&text),
    }
    .map(|()| 0)
}

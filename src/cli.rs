//! The command line: argv -> [`Given`] and the command's function, by lexopt and the tables in `commands` and `args::flags`.
//!
//! Low-level arguments only: a flag's spelling and the shape of its value are checked here, what it means is not.
//! This is the one place that uses std. Called by `main`, once. It neither prints nor exits: a mistake is an error, and what was
//! said about the log is in [`Given`] even so, because callers read the reason there.

mod commands;
mod help;
#[cfg(test)]
mod tests;

use commands::{COMMANDS, GLOBAL, Spec, UNSUPPORTED};
use core::ffi::CStr;
use lexopt::{Arg, Parser};
use runlet::args::{
    Flag, Given,
    flags::{Row, Shape},
};
use runlet::cmd::{self, Context};
use runlet::error::{Error, Result};
use runlet::json::{self, escape};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// What carries a command out.
pub type Run = fn(&Context) -> Result<()>;

/// Reads the arguments after the program's name.
pub fn parse(args: impl Iterator<Item = OsString>, given: &mut Given) -> Result<Run> {
    let mut reader = Reader { given, command: None, mistake: Ok(()) };
    let run = reader.read(Parser::from_args(args))?;
    reader.mistake.map(|()| run)
}

/// The command line as far as it was read.
struct Reader<'a> {
    given: &'a mut Given,
    /// Which command, once its name was read.
    command: Option<&'static Spec>,
    /// The first mistake in a value. It is remembered, not returned: what stands behind it may say where the log is.
    mistake: Result<()>,
}

impl Reader<'_> {
    /// Sorts the arguments.
    fn read(&mut self, mut parser: Parser) -> Result<Run> {
        let mut help = false;
        while let Some(arg) = parser.next().map_err(describe)? {
            let flag = match arg {
                Arg::Value(value) => {
                    let value = kept(value)?;
                    if let Some(command) = self.command {
                        self.given.operands.push(value);
                        if command.runs_another() {
                            for value in parser.raw_args().map_err(describe)? {
                                self.given.operands.push(kept(value)?);
                            }
                        }
                        continue;
                    }
                    let name = value.to_string_lossy();
                    if UNSUPPORTED.contains(&&*name) {
                        return Err(usage(&["runlet does not support ", &name]));
                    }
                    let Some(command) = COMMANDS.iter().find(|command| command.name() == name) else {
                        let known = &mut COMMANDS.iter().map(Spec::name);
                        return Err(unknown("unknown command ", &name, "", known));
                    };
                    // "help" is a word for --help, so a command may follow.
                    if name == "help" {
                        help = true;
                    } else if help {
                        return Ok(self.help(command.name()));
                    } else {
                        self.command = Some(command);
                    }
                    continue;
                }
                Arg::Short(short) => self.find("-", short.encode_utf8(&mut [0; 4]), |row| row.short)?,
                Arg::Long(long) => self.find("--", long, |row| row.long)?,
            };
            if flag == Flag::Version {
                return Ok(cmd::version::version);
            }
            if flag == Flag::Help {
                if let Some(command) = self.command {
                    return Ok(self.help(command.name()));
                }
                help = true;
                continue;
            }
            let put = if flag.shape() != Shape::Switch {
                let value = parser.value().map_err(describe)?;
                self.given.put(flag, kept(value)?)
            } else {
                // Callers written in Go may spell a switch --flag=true, as Go's own flag package does.
                match parser.optional_value() {
                    Some(value) if value == "false" => {
                        self.given.unset(flag);
                        continue;
                    }
                    Some(value) if value != "true" => {
                        return Err(usage(&[
                            "--",
                            flag.long(),
                            " is a switch: it takes no value but true or false",
                        ]));
                    }
                    _ => self.given.put(flag, c""),
                }
            };
            self.note(put);
        }
        let manager = self.given.number(Flag::CgroupManager);
        if self.given.switch(Flag::SystemdCgroup) && !matches!(manager, None | Some(0 | 2)) {
            self.note(Err(usage(&["--systemd-cgroup and --cgroup-manager ask for different managers"])));
        }
        match self.command {
            Some(command) if !help => {
                let judged = self.operands(command);
                self.note(judged);
                Ok(command.run)
            }
            _ => Ok(self.help("")),
        }
    }

    fn help(&mut self, name: &'static str) -> Run {
        self.given.id = name;
        help::help
    }

    /// Remembers the first mistake.
    fn note(&mut self, result: Result<()>) {
        if self.mistake.is_ok() {
            self.mistake = result;
        }
    }

    /// Holds the operands against what the command's row says of them.
    fn operands(&mut self, command: &Spec) -> Result<()> {
        let given = &mut *self.given;
        if let Some(extra) = given.operands.get(command.most()) {
            return Err(usage(&[command.name(), ": unexpected argument ", &quote(extra)]));
        }
        if command.operands().starts_with("ID") {
            let Some(id) = given.operands.first() else {
                return Err(usage(&[command.name(), ": the container's ID is missing"]));
            };
            // UTF-8, because it is shown, compared and written as JSON.
            given.id = id.to_str().map_err(|_| usage(&[command.name(), ": an ID is not UTF-8"]))?;
        }
        Ok(())
    }

    /// Finds a flag of the command or a global one. The command's come first: `spec` has a --rootless of its own.
    fn find(&self, dashes: &str, name: &str, column: fn(&Row) -> &'static str) -> Result<Flag> {
        let own = self.command.map_or(&[][..], |command| command.flags);
        let among = |flags: &[Flag]| flags.iter().copied().find(|flag| column(&flag.row()) == name);
        if let Some(flag) = among(own).or_else(|| among(&GLOBAL)) {
            return Ok(flag);
        }
        let typed = [dashes, name].concat();
        let longs = &mut own.iter().chain(&GLOBAL).map(|flag| flag.long());
        let Some(command) = self.command else {
            // A flag of some command, in the wrong place.
            if COMMANDS.iter().any(|command| among(command.flags).is_some()) {
                return Err(usage(&["flag ", &typed, " belongs after the name of a command"]));
            }
            return Err(unknown("unknown flag ", &typed, "--", longs));
        };
        if command.name() == "kill" && dashes == "-" {
            let typed = escape(&typed);
            return Err(usage(&["kill: unknown flag ", &typed, " (a signal has no dash: kill web TERM)"]));
        }
        Err(unknown(&[command.name(), ": unknown flag "].concat(), &typed, "--", longs))
    }
}

/// An error of usage, from its parts. Called in so many places that its copies would weigh kilobytes.
#[inline(never)]
fn usage(parts: &[&str]) -> Error {
    Error::told(parts.concat().leak())
}

/// An argument as the kernel takes it, kept as long as the process. argv cannot hold a NUL, but an iterator of OsString can.
fn kept(value: OsString) -> Result<&'static CStr> {
    let value = CString::new(value.into_vec()).map_err(|_| usage(&["an argument holds a NUL"]))?;
    Ok(Box::leak(value.into_boxed_c_str()))
}

/// What was typed, as it can be shown on one line.
fn quote(text: &CStr) -> String {
    json::quote(&text.to_string_lossy())
}

/// A name that no table knows, with the nearest one that a table does.
fn unknown(what: &str, typed: &str, dashes: &str, known: &mut dyn Iterator<Item = &'static str>) -> Error {
    let typed = escape(typed);
    match help::nearest(typed.trim_start_matches('-'), known) {
        Some(near) => usage(&[what, &typed, " (did you mean ", dashes, near, "?)"]),
        None => usage(&[what, &typed, " (see --help)"]),
    }
}

/// lexopt's own findings. The other kinds come from conversions that are not used here.
fn describe(error: lexopt::Error) -> Error {
    match error {
        lexopt::Error::MissingValue { option: Some(option) } => usage(&[&option, " needs a value"]),
        lexopt::Error::UnexpectedValue { option, .. } => usage(&[&option, " takes no value"]),
        _ => usage(&["the command line cannot be read"]),
    }
}

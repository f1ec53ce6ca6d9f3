//! The command line: argv -> [`Given`] and the command's function, by lexopt and the tables in `commands` and `args::flags`.
//!
//! Low-level arguments only: a flag's spelling and the shape of its value are checked here, what it means is not.
//! This is the one place that names std. Called by `main`, once. It neither prints nor exits: a mistake is an error, and what was
//! said about the log is in [`Given`] even so, because callers read the reason there.

mod commands;
mod help;
#[cfg(test)]
mod tests;

use commands::{Command, GLOBAL, Run, UNSUPPORTED};
use core::ffi::CStr;
use lexopt::{Arg, Parser};
use runlet::args::{Flag, Given, flags::Shape};
use runlet::cmd;
use runlet::error::{Error, Result};
use runlet::json::escape;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Reads the arguments after the program's name.
pub fn parse(args: Vec<OsString>, given: &mut Given) -> Result<Run> {
    let mut reader = Reader { given, command: None, mistake: Ok(()) };
    let run = reader.read(Parser::from_args(args))?;
    reader.mistake.map(|()| run)
}

/// The command line as far as it was read.
struct Reader<'a> {
    given: &'a mut Given,
    /// Which command, once its name was read.
    command: Option<Command>,
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
                        if command.runs_another()
                            && let Some(rest) = parser.try_raw_args()
                        {
                            for value in rest {
                                self.given.operands.push(kept(value)?);
                            }
                        }
                        continue;
                    }
                    let command = command(&value.to_string_lossy())?;
                    // "help" is a word for --help, so a command may follow.
                    if command.name() == "help" {
                        help = true;
                    } else if help {
                        return Ok(self.help(command.name()));
                    } else {
                        self.command = Some(command);
                    }
                    continue;
                }
                Arg::Short(short) => self.find("-", short.encode_utf8(&mut [0; 4]))?,
                Arg::Long(long) => self.find("--", long)?,
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
            let switch = flag.shape() == Shape::Switch;
            let value = match parser.optional_value() {
                None if switch => c"true",
                None => match parser.try_raw_args().and_then(|mut rest| rest.next()) {
                    Some(value) => kept(value)?,
                    None => return Err(error!("--{} needs a value", flag.long())),
                },
                Some(value) => kept(value)?,
            };
            // Callers written in Go may spell a switch --flag=true, as Go's own flag package does.
            let put = match value.to_bytes() {
                b"false" if switch => {
                    self.given.unset(flag);
                    continue;
                }
                b"true" if switch => self.given.put(flag, c""),
                _ if switch => {
                    return Err(error!("--{} is a switch: it takes no value but true or false", flag.long()));
                }
                _ => self.given.put(flag, value),
            };
            self.note(put);
        }
        let manager = self.given.number(Flag::CgroupManager);
        if self.given.switch(Flag::SystemdCgroup) && !matches!(manager, None | Some(0 | 2)) {
            self.note(Err(error!("--systemd-cgroup and --cgroup-manager ask for different managers")));
        }
        match self.command {
            Some(command) if !help => {
                let judged = self.operands(command);
                self.note(judged);
                Ok(command.run())
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
    fn operands(&mut self, command: Command) -> Result<()> {
        let given = &mut *self.given;
        if let Some(extra) = given.operands.get(command.most()) {
            return Err(error!("{}: unexpected argument {quoted}", command.name(), extra.to_string_lossy()));
        }
        if command.operands().starts_with("ID") {
            let Some(id) = given.operands.first() else {
                return Err(error!("{}: the container's ID is missing", command.name()));
            };
            // UTF-8, because it is shown, compared and written as JSON.
            given.id = id.to_str().map_err(|_| error!("{}: an ID is not UTF-8", command.name()))?;
        }
        Ok(())
    }

    /// Finds a flag of the command or a global one. The command's come first: `spec` has a --rootless of its own.
    fn find(&self, dashes: &str, name: &str) -> Result<Flag> {
        let is = |flag: &&Flag| {
            let row = flag.row();
            name == if dashes == "-" { row.short } else { row.long }
        };
        let own = self.command.map_or(&[][..], Command::flags);
        if let Some(flag) = own.iter().find(is).or_else(|| GLOBAL.iter().find(is)) {
            return Ok(*flag);
        }
        let typed = escape(&[dashes, name].concat());
        let longs = &mut own.iter().chain(&GLOBAL).map(|flag| flag.long());
        let Some(command) = self.command else {
            // A flag of some command, in the wrong place.
            if Command::all().any(|command| command.flags().iter().any(|flag| is(&flag))) {
                return Err(error!("flag {} belongs after the name of a command", typed));
            }
            return Err(error!("unknown flag {} ({})", typed, hint(name, "--", longs)));
        };
        if command.name() == "kill" && dashes == "-" {
            return Err(error!("kill: unknown flag {} (a signal has no dash: kill web TERM)", typed));
        }
        Err(error!("{}: unknown flag {} ({})", command.name(), typed, hint(name, "--", longs)))
    }
}

/// The command of a name.
fn command(name: &str) -> Result<Command> {
    if UNSUPPORTED.position(name).is_some() {
        return Err(error!("runlet does not support {}", name));
    }
    let hint = || hint(name, "", &mut Command::names());
    Command::find(name).ok_or_else(|| error!("unknown command {} ({})", escape(name), hint()))
}

/// An argument as the kernel takes it, kept as long as the process. argv cannot hold a NUL, but an OsString can.
fn kept(value: OsString) -> Result<&'static CStr> {
    let mut bytes = value.into_vec();
    bytes.push(0);
    CStr::from_bytes_with_nul(bytes.leak()).map_err(|_| error!("an argument holds a NUL"))
}

/// What to do about a name that no table knows: the nearest one that a table does.
fn hint(typed: &str, dashes: &str, known: &mut dyn Iterator<Item = &'static str>) -> &'static str {
    help::nearest(typed.trim_start_matches('-'), known)
        .map_or("see --help", |near| filled!("did you mean {}{}?", dashes, near))
}

/// lexopt's own findings. The other kinds come from conversions that are not used here.
fn describe(error: lexopt::Error) -> Error {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => error!("{} takes no value", option),
        _ => error!("the command line cannot be read"),
    }
}

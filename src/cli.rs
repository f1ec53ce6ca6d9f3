//! The command line: argv -> [`Invocation`], by lexopt and the tables in `flags`.
//!
//! Low-level arguments only: a flag's spelling and the shape of its value are checked here, what it means is not.
//! This is the one place that uses std. Called by `main`, once. It neither prints nor exits: help is a command
//! whose text is ready, a mistake is a [`Failure`] that carries what was already said about the log, because
//! callers read the reason there.

mod flags;
mod given;
mod help;
#[cfg(test)]
mod tests;
mod values;

use core::ptr;
use flags::{COMMANDS, Flag, GLOBAL, UNSUPPORTED};
use given::Given;
use lexopt::{Arg, Parser};
use runlet::args::{self, Command, Format, Global, Invocation};
use runlet::error::{Error, Result};
use runlet::json::{self, escape};
use runlet::signal;
use std::ffi::OsString;

/// A command line that cannot be followed.
#[derive(Debug)]
pub struct Failure {
    /// The global flags as far as they were read.
    pub global: Global,
    /// What is wrong, in one line.
    pub error: Error,
}

/// Reads the arguments after the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> core::result::Result<Invocation, Failure> {
    let mut given = Given::default();
    let read = given.read(Parser::from_args(args));
    let global = given.global();
    let command = read.map(|done| done.unwrap_or_else(|| given.command()));
    match (command, given.mistake.take()) {
        (Ok(command), None) => Ok(Invocation { global, command }),
        (Err(error), _) | (_, Some(error)) => Err(Failure { global, error }),
    }
}

impl Given {
    /// Sorts the arguments. Returns a command that needs no more than its name: help and version.
    fn read(&mut self, mut parser: Parser) -> Result<Option<Command>> {
        let mut help = false;
        while let Some(arg) = parser.next().map_err(describe)? {
            let flag = match arg {
                Arg::Value(value) => {
                    let Some(command) = self.command else {
                        let name = value.to_string_lossy();
                        if UNSUPPORTED.contains(&&*name) {
                            return Err(usage(&["runlet does not support ", &name]));
                        }
                        let command = COMMANDS.iter().find(|command| command.name == name);
                        let command = command.ok_or_else(|| {
                            unknown(
                                "unknown command ",
                                &name,
                                "",
                                &mut COMMANDS.iter().map(|command| command.name),
                            )
                        })?;
                        // "help" is a word for --help, so a command may follow.
                        if command.name == "help" {
                            help = true;
                        } else if help {
                            return Ok(Some(Command::Help(help::command(command))));
                        } else {
                            self.command = Some(command);
                        }
                        continue;
                    };
                    self.operands.push(value);
                    if matches!(command.name, "exec" | "ps") {
                        self.operands.extend(parser.raw_args().map_err(describe)?);
                    }
                    continue;
                }
                Arg::Short(short) => {
                    self.find("-", short.encode_utf8(&mut [0; 4]), &|flag| flag.short == short)?
                }
                Arg::Long(long) => self.find("--", long, &|flag| flag.long == long)?,
            };
            if ptr::eq(flag, &flags::VERSION) {
                return Ok(Some(Command::Version));
            }
            if ptr::eq(flag, &flags::HELP) {
                if let Some(command) = self.command {
                    return Ok(Some(Command::Help(help::command(command))));
                }
                help = true;
                continue;
            }
            if !flag.value.is_empty() {
                let value = parser.value().map_err(describe)?;
                self.flags.push((flag, value));
                continue;
            }
            // Callers written in Go may spell a switch --flag=true, as Go's own flag package does.
            match parser.optional_value() {
                None => self.flags.push((flag, OsString::new())),
                Some(value) if value == "true" => self.flags.push((flag, OsString::new())),
                Some(value) if value == "false" => self.flags.retain(|(other, _)| !ptr::eq(*other, flag)),
                Some(_) => {
                    return Err(usage(&[
                        "--",
                        flag.long,
                        " is a switch: it takes no value but true or false",
                    ]));
                }
            }
        }
        if help || self.command.is_none() {
            return Ok(Some(Command::Help(help::overview())));
        }
        Ok(None)
    }

    /// Finds a flag of the command or a global one. The command's come first: `spec` has a --rootless of its own.
    fn find(&self, dashes: &str, name: &str, is: &dyn Fn(&Flag) -> bool) -> Result<&'static Flag> {
        let own = self.command.map_or(&[][..], |command| command.flags);
        let all = || own.iter().chain(&GLOBAL).copied();
        if let Some(flag) = all().find(|flag| is(flag)) {
            return Ok(flag);
        }
        let typed = [dashes, name].concat();
        let Some(command) = self.command else {
            // A flag of some command, in the wrong place.
            if COMMANDS.iter().any(|command| command.flags.iter().any(|flag| is(flag))) {
                return Err(usage(&["flag ", &typed, " belongs after the name of a command"]));
            }
            return Err(unknown("unknown flag ", &typed, "--", &mut all().map(|flag| flag.long)));
        };
        if command.name == "kill" && dashes == "-" {
            let typed = escape(&typed);
            return Err(usage(&["kill: unknown flag ", &typed, " (a signal has no dash: kill web TERM)"]));
        }
        let what = [command.name, ": unknown flag "].concat();
        Err(unknown(&what, &typed, "--", &mut all().map(|flag| flag.long)))
    }

    /// The global flags as far as they can be read: where the log is matters most when the rest is wrong.
    fn global(&self) -> Global {
        use args::{CgroupManager, Level, LogFormat};
        let formats = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
        let level = self.choice(
            &flags::LOG_LEVEL,
            &[
                ("error", Level::Error),
                ("warning", Level::Warning),
                ("warn", Level::Warning),
                ("info", Level::Info),
                ("debug", Level::Debug),
            ],
        );
        let manager = self.choice(
            &flags::CGROUP_MANAGER,
            &[
                ("auto", CgroupManager::Auto),
                ("cgroupfs", CgroupManager::Cgroupfs),
                ("systemd", CgroupManager::Systemd),
                ("disabled", CgroupManager::Disabled),
            ],
        );
        let cgroup_manager = match (self.switch(&flags::SYSTEMD_CGROUP), manager) {
            (false, manager) => manager.unwrap_or_default(),
            (true, None | Some(CgroupManager::Auto | CgroupManager::Systemd)) => CgroupManager::Systemd,
            (true, Some(other)) => {
                self.wrong(usage(&["--systemd-cgroup and --cgroup-manager ask for different managers"]));
                other
            }
        };
        let rootless = &[("true", Some(true)), ("false", Some(false)), ("auto", None)];
        Global {
            root: self.path(&flags::ROOT),
            log: self.path(&flags::LOG),
            log_format: self.choice(&flags::LOG_FORMAT, formats).unwrap_or_default(),
            log_level: if self.switch(&flags::DEBUG) { Level::Debug } else { level.unwrap_or_default() },
            cgroup_manager,
            rootless: self.choice(&flags::ROOTLESS, rootless).flatten(),
            allow_unknown_syscalls: self.switch(&flags::ALLOW_UNKNOWN_SYSCALLS),
        }
    }

    /// Builds the command's own struct.
    fn command(&self) -> Command {
        match self.name() {
            "create" => Command::Create(self.create()),
            "start" => Command::Start { id: self.only_id() },
            "run" => Command::Run(args::Run {
                create: self.create(),
                detach: self.switch(&flags::DETACH),
                tty: self.switch(&flags::TTY),
                keep: self.switch(&flags::KEEP),
                no_subreaper: self.switch(&flags::NO_SUBREAPER),
                exit_file: self.path(&flags::EXIT_FILE),
                ready_fd: self.descriptor(&flags::READY_FD),
            }),
            "exec" => Command::Exec(self.exec()),
            "kill" => {
                self.at_most(2);
                let term = OsString::from("TERM");
                let text = self.operands.get(1).unwrap_or(&term);
                let signal = text.to_str().and_then(signal::parse);
                if signal.is_none() {
                    self.wrong(usage(&["kill: unknown signal ", &quote(text)]));
                }
                Command::Kill(args::Kill {
                    all: self.switch(&flags::ALL),
                    id: self.id(),
                    signal: signal.unwrap_or(0),
                })
            }
            "delete" => {
                self.id();
                let ids = self.operands.iter().map(|id| self.accept(values::text(id, "the container's ID")));
                Command::Delete(args::Delete { force: self.switch(&flags::FORCE), ids: ids.collect() })
            }
            "state" => Command::State { id: self.only_id() },
            "list" => {
                self.at_most(0);
                Command::List(args::List { format: self.format(), quiet: self.switch(&flags::QUIET) })
            }
            "ps" => Command::Ps(self.ps()),
            "pause" => Command::Pause { id: self.only_id() },
            "resume" => Command::Resume { id: self.only_id() },
            "update" => Command::Update(self.update()),
            "events" => Command::Events(args::Events {
                stats: self.switch(&flags::STATS),
                interval_ms: self.shaped(&flags::INTERVAL, values::duration).unwrap_or(5000),
                id: self.only_id(),
            }),
            "spec" => {
                self.at_most(0);
                Command::Spec(args::Spec {
                    bundle: self.path(&flags::SPEC_BUNDLE),
                    output: self.path(&flags::OUTPUT),
                    rootless: self.switch(&flags::SPEC_ROOTLESS),
                })
            }
            "features" => {
                self.at_most(0);
                Command::Features
            }
            "check" => Command::Check(self.check()),
            _ => {
                self.at_most(0);
                Command::Version
            }
        }
    }

    fn create(&self) -> args::Create {
        args::Create {
            bundle: self.path(&flags::BUNDLE),
            config: self.path(&flags::CONFIG),
            console_socket: self.path(&flags::CONSOLE_SOCKET),
            pidfd_socket: self.path(&flags::PIDFD_SOCKET),
            pid_file: self.path(&flags::PID_FILE),
            preserve_fds: self.descriptor(&flags::PRESERVE_FDS).unwrap_or(0),
            no_pivot: self.switch(&flags::NO_PIVOT),
            no_new_keyring: self.switch(&flags::NO_NEW_KEYRING),
            id: self.only_id(),
        }
    }

    fn exec(&self) -> args::Exec {
        let process = self.path(&flags::PROCESS);
        let program = self.operands.iter().skip(1);
        let program: Vec<_> =
            program.map(|arg| self.accept(values::bytes(arg, "exec: an argument"))).collect();
        let id = self.id();
        match (&process, program.is_empty()) {
            (None, true) => self.wrong(usage(&["exec: a program or --process is missing after the ID"])),
            (Some(_), false) => {
                self.wrong(usage(&["exec: --process names the program, so none can stand after the ID"]));
            }
            _ => {}
        }
        args::Exec {
            tty: self.switch(&flags::TTY),
            detach: self.switch(&flags::DETACH),
            env: self.all(&flags::ENV, values::variable),
            user: self.shaped(&flags::USER, values::user),
            additional_gids: self.all(&flags::ADDITIONAL_GIDS, |text| values::id(text.to_str()?)),
            cwd: self.path(&flags::CWD),
            process,
            pid_file: self.path(&flags::PID_FILE),
            console_socket: self.path(&flags::CONSOLE_SOCKET),
            pidfd_socket: self.path(&flags::PIDFD_SOCKET),
            caps: self.all(&flags::CAP, |text| text.to_str().map(String::from)),
            no_new_privs: self.switch(&flags::NO_NEW_PRIVS),
            apparmor: self.text(&flags::APPARMOR),
            process_label: self.text(&flags::PROCESS_LABEL),
            preserve_fds: self.descriptor(&flags::PRESERVE_FDS).unwrap_or(0),
            cgroup: self.all(&flags::CGROUP, |path| values::path(path, "").ok()),
            ignore_paused: self.switch(&flags::IGNORE_PAUSED),
            id,
            program,
        }
    }

    /// After the ID of `ps` stand options of the ps program, and our own --format if its value is one of ours:
    /// `-f` alone is ps's.
    fn ps(&self) -> args::Ps {
        let mut format = self.format();
        let mut options = Vec::new();
        let mut rest = self.operands.get(1..).unwrap_or_default().iter();
        while let Some(option) = rest.next() {
            if option == "--" {
                for option in rest.by_ref() {
                    options.push(self.accept(values::bytes(option, "ps: an option")));
                }
                break;
            }
            let (name, joined) = match option.to_str().and_then(|text| text.split_once('=')) {
                Some((name, value)) => (name, Some(value)),
                None => (option.to_str().unwrap_or(""), None),
            };
            let value = joined.or_else(|| rest.as_slice().first().and_then(|next| next.to_str()));
            match value.and_then(|value| values::one_of(value, FORMATS)) {
                Some(wanted) if matches!(name, "-f" | "--format") => {
                    format = wanted;
                    if joined.is_none() {
                        rest.next();
                    }
                }
                _ => options.push(self.accept(values::bytes(option, "ps: an option"))),
            }
        }
        args::Ps { format, id: self.id(), options }
    }

    fn update(&self) -> args::Update {
        args::Update {
            resources: self.path(&flags::RESOURCES),
            blkio_weight: self
                .integer(&flags::BLKIO_WEIGHT, 0..=1000)
                .and_then(|weight| u16::try_from(weight).ok()),
            cpu_period: self.unsigned(&flags::CPU_PERIOD),
            cpu_quota: self.integer(&flags::CPU_QUOTA, i64::MIN..=i64::MAX),
            cpu_burst: self.unsigned(&flags::CPU_BURST),
            cpu_share: self.unsigned(&flags::CPU_SHARE),
            cpu_rt_period: self.unsigned(&flags::CPU_RT_PERIOD),
            cpu_rt_runtime: self.integer(&flags::CPU_RT_RUNTIME, -1..=i64::MAX),
            cpu_idle: self.integer(&flags::CPU_IDLE, 0..=1),
            cpuset_cpus: self.text(&flags::CPUSET_CPUS),
            cpuset_mems: self.text(&flags::CPUSET_MEMS),
            memory: self.shaped(&flags::MEMORY, values::size),
            memory_reservation: self.shaped(&flags::MEMORY_RESERVATION, values::size),
            memory_swap: self.shaped(&flags::MEMORY_SWAP, values::size),
            pids_limit: self.integer(&flags::PIDS_LIMIT, -1..=i64::MAX),
            l3_cache_schema: self.text(&flags::L3_CACHE_SCHEMA),
            mem_bw_schema: self.text(&flags::MEM_BW_SCHEMA),
            id: self.only_id(),
        }
    }

    fn check(&self) -> args::Check {
        self.at_most(1);
        args::Check {
            bundle: self.operands.first().map(|dir| self.accept(values::path(dir, "check: BUNDLE"))),
            format: self.format(),
            plan: self.switch(&flags::PLAN),
            seccomp: self.path(&flags::SECCOMP),
            syscall: self.text(&flags::SYSCALL),
            args: self.all(&flags::ARG, |text| values::call_argument(text.to_str()?)),
        }
    }
}

const FORMATS: &[(&str, Format)] = &[("table", Format::Table), ("json", Format::Json)];

/// An error of usage, from its parts. Called in so many places that its copies would weigh kilobytes.
#[inline(never)]
fn usage(parts: &[&str]) -> Error {
    Error::new(&parts.concat())
}

/// What was typed, as it can be shown on one line.
fn quote(text: &OsString) -> String {
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

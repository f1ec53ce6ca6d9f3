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

use core::ffi::CStr;
use flags::{COMMANDS, Flag, GLOBAL, Row, Shape, UNSUPPORTED, Verb};
use given::Given;
use lexopt::{Arg, Parser};
use runlet::args::{self, Command, Format, Global, Invocation};
use runlet::error::{Error, Result};
use runlet::json::{self, escape};
use runlet::signal;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

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
                    let value = kept(value)?;
                    if let Some(command) = self.command {
                        self.operands.push(value);
                        if matches!(command.verb, Verb::Exec | Verb::Ps) {
                            for value in parser.raw_args().map_err(describe)? {
                                self.operands.push(kept(value)?);
                            }
                        }
                        continue;
                    }
                    let name = value.to_string_lossy();
                    if UNSUPPORTED.contains(&&*name) {
                        return Err(usage(&["runlet does not support ", &name]));
                    }
                    let Some(command) = COMMANDS.iter().find(|command| command.name() == name) else {
                        let known = &mut COMMANDS.iter().map(flags::Spec::name);
                        return Err(unknown("unknown command ", &name, "", known));
                    };
                    // "help" is a word for --help, so a command may follow.
                    if command.verb == Verb::Help {
                        help = true;
                    } else if help {
                        return Ok(Some(Command::Help(help::command(command))));
                    } else {
                        self.command = Some(command);
                    }
                    continue;
                }
                Arg::Short(short) => self.find("-", short.encode_utf8(&mut [0; 4]), |row| row.short)?,
                Arg::Long(long) => self.find("--", long, |row| row.long)?,
            };
            if flag == Flag::Version {
                return Ok(Some(Command::Version));
            }
            if flag == Flag::Help {
                if let Some(command) = self.command {
                    return Ok(Some(Command::Help(help::command(command))));
                }
                help = true;
                continue;
            }
            if flag.shape() != Shape::Switch {
                let value = parser.value().map_err(describe)?;
                self.put(flag, kept(value)?);
                continue;
            }
            // Callers written in Go may spell a switch --flag=true, as Go's own flag package does.
            match parser.optional_value() {
                Some(value) if value == "false" => self.unset(flag),
                Some(value) if value != "true" => {
                    return Err(usage(&[
                        "--",
                        flag.long(),
                        " is a switch: it takes no value but true or false",
                    ]));
                }
                _ => self.put(flag, c""),
            }
        }
        if help || self.command.is_none() {
            return Ok(Some(Command::Help(help::overview())));
        }
        Ok(None)
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
        if command.verb == Verb::Kill && dashes == "-" {
            let typed = escape(&typed);
            return Err(usage(&["kill: unknown flag ", &typed, " (a signal has no dash: kill web TERM)"]));
        }
        Err(unknown(&[command.name(), ": unknown flag "].concat(), &typed, "--", longs))
    }

    /// The global flags as far as they can be read: where the log is matters most when the rest is wrong.
    fn global(&self) -> Global {
        use args::{CgroupManager, Level, LogFormat};
        // A word stands for its place in the flag's row.
        let level = match self.number(Flag::LogLevel) {
            _ if self.switch(Flag::Debug) => Level::Debug,
            Some(0) => Level::Error,
            Some(2) => Level::Info,
            Some(3) => Level::Debug,
            _ => Level::Warning,
        };
        let manager = match self.number(Flag::CgroupManager) {
            Some(1) => CgroupManager::Cgroupfs,
            Some(2) => CgroupManager::Systemd,
            Some(3) => CgroupManager::Disabled,
            _ => CgroupManager::Auto,
        };
        let cgroup_manager = match (self.switch(Flag::SystemdCgroup), manager) {
            (false, manager) => manager,
            (true, CgroupManager::Auto | CgroupManager::Systemd) => CgroupManager::Systemd,
            (true, other) => {
                self.wrong(usage(&["--systemd-cgroup and --cgroup-manager ask for different managers"]));
                other
            }
        };
        Global {
            root: self.path(Flag::Root),
            log: self.path(Flag::Log),
            log_format: if self.number(Flag::LogFormat) == Some(1) {
                LogFormat::Json
            } else {
                LogFormat::Text
            },
            log_level: level,
            cgroup_manager,
            rootless: self.number(Flag::Rootless).filter(|place| *place < 2).map(|place| place == 0),
            allow_unknown_syscalls: self.switch(Flag::AllowUnknownSyscalls),
        }
    }

    /// Builds the command's own struct.
    fn command(&self) -> Command {
        let Some(command) = self.command else { return Command::Version };
        match command.verb {
            Verb::Create => {
                let create: &mut args::Create = Box::leak(Box::default());
                self.fill(create);
                Command::Create(create)
            }
            Verb::Start => Command::Start { id: self.only_id() },
            Verb::Run => Command::Run(self.run()),
            Verb::Exec => Command::Exec(self.exec()),
            Verb::Kill => {
                self.at_most(2);
                let text = self.operands.get(1).copied().unwrap_or(c"TERM");
                let signal = text.to_str().ok().and_then(signal::parse);
                if signal.is_none() {
                    self.wrong(usage(&["kill: unknown signal ", &quote(text)]));
                }
                Command::Kill(args::Kill {
                    all: self.switch(Flag::All),
                    id: self.id(),
                    signal: signal.unwrap_or(0),
                })
            }
            Verb::Delete => {
                self.id();
                let ids = self.operands.iter().map(|id| self.word(id));
                Command::Delete(args::Delete { force: self.switch(Flag::Force), ids: ids.collect() })
            }
            Verb::State => Command::State { id: self.only_id() },
            Verb::List => {
                self.at_most(0);
                Command::List(args::List { format: self.format(), quiet: self.switch(Flag::Quiet) })
            }
            Verb::Ps => Command::Ps(self.ps()),
            Verb::Pause => Command::Pause { id: self.only_id() },
            Verb::Resume => Command::Resume { id: self.only_id() },
            Verb::Update => Command::Update(self.update()),
            Verb::Events => Command::Events(args::Events {
                stats: self.switch(Flag::Stats),
                interval_ms: self.natural(Flag::Interval).unwrap_or(5000),
                id: self.only_id(),
            }),
            Verb::Spec => {
                self.at_most(0);
                Command::Spec(args::Spec {
                    bundle: self.path(Flag::SpecBundle),
                    output: self.path(Flag::Output),
                    rootless: self.switch(Flag::SpecRootless),
                })
            }
            Verb::Features => {
                self.at_most(0);
                Command::Features
            }
            Verb::Check => Command::Check(self.check()),
            Verb::Version | Verb::Help => {
                self.at_most(0);
                Command::Version
            }
        }
    }

    /// What `create` and `run` take. Here as in the other large commands the fields are written where they stay: as one value each
    /// would be moved twice.
    #[inline(never)]
    fn fill(&self, create: &mut args::Create) {
        create.bundle = self.path(Flag::Bundle);
        create.config = self.path(Flag::Config);
        create.console_socket = self.path(Flag::ConsoleSocket);
        create.pidfd_socket = self.path(Flag::PidfdSocket);
        create.pid_file = self.path(Flag::PidFile);
        create.preserve_fds = self.count(Flag::PreserveFds).unwrap_or(0);
        create.no_pivot = self.switch(Flag::NoPivot);
        create.no_new_keyring = self.switch(Flag::NoNewKeyring);
        create.id = self.only_id();
    }

    fn run(&self) -> &'static args::Run {
        let run: &mut args::Run = Box::leak(Box::default());
        self.fill(&mut run.create);
        run.detach = self.switch(Flag::Detach);
        run.tty = self.switch(Flag::Tty);
        run.keep = self.switch(Flag::Keep);
        run.no_subreaper = self.switch(Flag::NoSubreaper);
        run.exit_file = self.path(Flag::ExitFile);
        run.ready_fd = self.count(Flag::ReadyFd);
        run
    }

    fn exec(&self) -> &'static args::Exec {
        let process = self.path(Flag::Process);
        let program = self.after_id();
        match (process, program.is_empty()) {
            (None, true) if !self.operands.is_empty() => {
                self.wrong(usage(&["exec: a program or --process is missing after the ID"]));
            }
            (Some(_), false) => {
                self.wrong(usage(&["exec: --process names the program, so none can stand after the ID"]));
            }
            _ => {}
        }
        let exec: &mut args::Exec = Box::leak(Box::default());
        exec.tty = self.switch(Flag::Tty);
        exec.detach = self.switch(Flag::Detach);
        exec.env = self.all(Flag::Env);
        exec.user = self.text(Flag::User).and_then(values::user);
        exec.additional_gids = self.ids(Flag::AdditionalGids);
        exec.cwd = self.path(Flag::Cwd);
        exec.process = process;
        exec.pid_file = self.path(Flag::PidFile);
        exec.console_socket = self.path(Flag::ConsoleSocket);
        exec.pidfd_socket = self.path(Flag::PidfdSocket);
        exec.caps = self.all(Flag::Cap);
        exec.no_new_privs = self.switch(Flag::NoNewPrivs);
        exec.apparmor = self.text(Flag::Apparmor);
        exec.process_label = self.text(Flag::ProcessLabel);
        exec.preserve_fds = self.count(Flag::PreserveFds).unwrap_or(0);
        exec.cgroup = self.all(Flag::Cgroup);
        exec.ignore_paused = self.switch(Flag::IgnorePaused);
        exec.id = self.id();
        exec.program = program;
        exec
    }

    /// What stands after the ID.
    fn after_id(&self) -> &'static [&'static CStr] {
        self.operands.get(1..).unwrap_or_default().to_vec().leak()
    }

    /// After the ID of `ps` stand options of the ps program, and our own --format if its value is one of ours:
    /// `-f` alone is ps's.
    fn ps(&self) -> args::Ps {
        let mut format = self.format();
        let mut options = Vec::new();
        let mut rest = self.after_id();
        while let Some((option, after)) = rest.split_first() {
            rest = after;
            if *option == c"--" {
                options.extend_from_slice(rest);
                break;
            }
            let text = option.to_str().unwrap_or("");
            let (name, joined) =
                text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            let value = joined.or_else(|| rest.first().and_then(|next| next.to_str().ok()));
            let wanted = match value {
                Some("table") => Format::Table,
                Some("json") => Format::Json,
                _ => {
                    options.push(*option);
                    continue;
                }
            };
            if !matches!(name, "-f" | "--format") {
                options.push(*option);
                continue;
            }
            format = wanted;
            if joined.is_none() {
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        args::Ps { format, id: self.id(), options: options.leak() }
    }

    fn update(&self) -> &'static args::Update {
        let update: &mut args::Update = Box::leak(Box::default());
        update.resources = self.path(Flag::Resources);
        update.blkio_weight = self.number(Flag::BlkioWeight).and_then(|weight| u16::try_from(weight).ok());
        update.cpu_period = self.natural(Flag::CpuPeriod);
        update.cpu_quota = self.number(Flag::CpuQuota);
        update.cpu_burst = self.natural(Flag::CpuBurst);
        update.cpu_share = self.natural(Flag::CpuShare);
        update.cpu_rt_period = self.natural(Flag::CpuRtPeriod);
        update.cpu_rt_runtime = self.number(Flag::CpuRtRuntime);
        update.cpu_idle = self.number(Flag::CpuIdle);
        update.cpuset_cpus = self.text(Flag::CpusetCpus);
        update.cpuset_mems = self.text(Flag::CpusetMems);
        update.memory = self.number(Flag::Memory);
        update.memory_reservation = self.number(Flag::MemoryReservation);
        update.memory_swap = self.number(Flag::MemorySwap);
        update.pids_limit = self.number(Flag::PidsLimit);
        update.l3_cache_schema = self.text(Flag::L3CacheSchema);
        update.mem_bw_schema = self.text(Flag::MemBwSchema);
        update.id = self.only_id();
        update
    }

    fn check(&self) -> &'static args::Check {
        self.at_most(1);
        let bundle = self.operands.first().copied();
        if bundle.is_some_and(CStr::is_empty) {
            self.wrong(usage(&["check: BUNDLE is empty"]));
        }
        let calls = self.all(Flag::Arg).iter().filter_map(|text| values::call_argument(text.to_str().ok()?));
        let check: &mut args::Check = Box::leak(Box::default());
        check.bundle = bundle;
        check.format = self.format();
        check.plan = self.switch(Flag::Plan);
        check.seccomp = self.path(Flag::Seccomp);
        check.syscall = self.text(Flag::Syscall);
        check.args = calls.collect();
        check
    }
}

/// An error of usage, from its parts. Called in so many places that its copies would weigh kilobytes.
#[inline(never)]
fn usage(parts: &[&str]) -> Error {
    Error::new(&parts.concat())
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

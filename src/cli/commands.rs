//! The commands: every one once, with its flags and the function that carries it out.

use super::help;
use runlet::args::Flag;
use runlet::cmd::{self, Context};
use runlet::error::Result;
use runlet::texts::Texts;
use runlet::words::Phrases;

/// What carries a command out.
pub type Run = fn(&Context) -> Result<()>;

/// One command: its place in the table.
#[derive(Clone, Copy)]
pub struct Command(usize);

macro_rules! commands {
    ($($run:path, $name:literal $operands:literal $about:literal $example:literal [$($flag:ident),*])*) => {
        const RUNS: &[Run] = &[$($run),*];
        static NAMES: Texts = texts![$($name),*];
        static OPERANDS: Texts = texts![$($operands),*];
        static ABOUT: Phrases = phrases![$($about),*];
        static EXAMPLES: Phrases = phrases![$($example),*];
        const FLAGS: &[&[Flag]] = &[$(&[$(Flag::$flag),*]),*];
    };
}

// In the order in which the help names them. A row: what carries it out, its name, what stands after the flags, what it does, a line
// that works, and its own flags, which come before the global ones of the same name.
#[rustfmt::skip]
commands! {
    cmd::create::create, "create" "ID" "make a container, ready to start" "create --bundle /srv/web web"
        [Bundle, Config, ConsoleSocket, PidfdSocket, PidFile, PreserveFds, NoPivot, NoNewKeyring]
    cmd::start::start, "start" "ID" "run the program of a created container" "start web" []
    cmd::run::run, "run" "ID" "create and start a container and wait for its end" "run --bundle /srv/web web"
        [Bundle, Config, ConsoleSocket, PidfdSocket, PidFile, PreserveFds, NoPivot, NoNewKeyring, Detach, Tty,
            Keep, NoSubreaper, ExitFile, ReadyFd]
    cmd::exec::exec, "exec" "ID [PROGRAM [ARG...]]" "run another program in a container" "exec -t web sh -l"
        [Tty, Detach, Env, User, AdditionalGids, Cwd, Process, PidFile, ConsoleSocket, PidfdSocket, Cap,
            NoNewPrivs, Apparmor, ProcessLabel, PreserveFds, Cgroup, IgnorePaused]
    cmd::kill::kill, "kill" "ID [SIGNAL]" "send a signal to a container" "kill web HUP" [All]
    cmd::delete::delete, "delete" "ID..." "remove what is left of a container" "delete --force web" [Force]
    cmd::state::state, "state" "ID" "print a container's state as JSON" "state web" []
    cmd::list::list, "list" "" "list the containers" "list --format json" [Format, Quiet]
    cmd::ps::ps, "ps" "ID [PS OPTION...]" "list the processes of a container" "ps web -f json" [Format]
    cmd::pause::pause, "pause" "ID" "freeze the processes of a container" "pause web" []
    cmd::pause::resume, "resume" "ID" "thaw the processes of a container" "resume web" []
    cmd::update::update, "update" "ID" "change the limits of a container" "update --memory 64m --pids-limit 100 web"
        [Resources, BlkioWeight, CpuPeriod, CpuQuota, CpuBurst, CpuShare, CpuRtPeriod, CpuRtRuntime, CpuIdle,
            CpusetCpus, CpusetMems, Memory, MemoryReservation, MemorySwap, PidsLimit, L3CacheSchema,
            MemBwSchema]
    cmd::events::events, "events" "ID" "print the use of resources as it changes" "events --stats web" [Stats, Interval]
    cmd::spec::spec, "spec" "" "write a default config.json" "spec --bundle /srv/web" [SpecBundle, Output, SpecRootless]
    cmd::features::features, "features" "" "print what this runtime supports as JSON" "features" []
    cmd::check::check, "check" "[BUNDLE]" "say what this machine has, and whether a bundle would start" "check /srv/web"
        [Format, Plan, Seccomp, Syscall, Arg]
    cmd::version::version, "version" "" "print the version" "version" []
    help::help, "help" "[COMMAND]" "print help for a command" "help run" []
}

impl Command {
    /// The one of a name.
    pub fn find(name: &str) -> Option<Command> {
        NAMES.position(name).map(Command)
    }

    /// Every one.
    pub fn all() -> impl Iterator<Item = Command> {
        (0..RUNS.len()).map(Command)
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter()
    }

    /// What carries it out.
    pub fn run(self) -> Run {
        RUNS.get(self.0).copied().unwrap_or(help::help)
    }

    /// Its own flags.
    pub fn flags(self) -> &'static [Flag] {
        FLAGS.get(self.0).copied().unwrap_or_default()
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        NAMES.get(self.0)
    }

    /// What stands after the flags.
    pub fn operands(self) -> &'static str {
        OPERANDS.get(self.0)
    }

    /// What it does, in one line.
    pub fn about(self) -> &'static str {
        ABOUT.get(self.0)
    }

    /// A line that works, without the program's name.
    pub fn example(self) -> &'static str {
        EXAMPLES.get(self.0)
    }

    /// How many operands it takes at most: as many as their text has words, or any number.
    pub fn most(self) -> usize {
        let text = self.operands();
        if text.contains('.') { usize::MAX } else { text.split_ascii_whitespace().count() }
    }

    /// Whether what stands after the first operand is the command line of another program.
    pub fn runs_another(self) -> bool {
        let text = self.operands();
        text.contains('.') && text.ends_with(']')
    }
}

/// The flags that every command takes.
pub static GLOBAL: [Flag; 11] = [
    Flag::Root,
    Flag::Log,
    Flag::LogFormat,
    Flag::LogLevel,
    Flag::Debug,
    Flag::SystemdCgroup,
    Flag::CgroupManager,
    Flag::Rootless,
    Flag::AllowUnknownSyscalls,
    Flag::Help,
    Flag::Version,
];

/// Commands of the field that runlet does not have: named to be refused by name.
pub static UNSUPPORTED: Texts = texts!["checkpoint", "restore"];

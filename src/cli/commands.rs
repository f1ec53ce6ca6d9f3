//! The commands: every one once, with its flags and the function that carries it out.

use super::help;
use runlet::args::Flag;
use runlet::cmd::{self, Context};
use runlet::error::Result;

/// One command.
pub struct Spec {
    /// What carries it out.
    pub run: fn(&Context) -> Result<()>,
    /// Its name, what stands after the flags, what it does, and a line that works, with `|` between.
    row: &'static str,
    /// Its own flags. They come before the global ones of the same name.
    pub flags: &'static [Flag],
}

impl Spec {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        self.part(0)
    }

    /// What stands after the flags.
    pub fn operands(&self) -> &'static str {
        self.part(1)
    }

    /// What it does, in one line.
    pub fn about(&self) -> &'static str {
        self.part(2)
    }

    /// A line that works, without the program's name.
    pub fn example(&self) -> &'static str {
        self.part(3)
    }

    /// How many operands it takes at most: as many as their text has words, or any number.
    pub fn most(&self) -> usize {
        let text = self.operands();
        if text.contains('.') { usize::MAX } else { text.split_ascii_whitespace().count() }
    }

    /// Whether what stands after the first operand is the command line of another program.
    pub fn runs_another(&self) -> bool {
        let text = self.operands();
        text.contains('.') && text.ends_with(']')
    }

    #[inline(never)]
    fn part(&self, number: usize) -> &'static str {
        self.row.split('|').nth(number).unwrap_or_default()
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

/// Every command, in the order in which the help names them.
#[rustfmt::skip]
pub static COMMANDS: [Spec; 18] = {
    use Flag::*;
    [
        Spec { run: cmd::create::create, row: "create|ID|make a container, ready to start|create --bundle /srv/web web",
            flags: &[Bundle, Config, ConsoleSocket, PidfdSocket, PidFile, PreserveFds, NoPivot, NoNewKeyring] },
        Spec { run: cmd::start::start, row: "start|ID|run the program of a created container|start web", flags: &[] },
        Spec { run: cmd::run::run, row: "run|ID|create and start a container and wait for its end|run --bundle /srv/web web",
            flags: &[Bundle, Config, ConsoleSocket, PidfdSocket, PidFile, PreserveFds, NoPivot, NoNewKeyring, Detach, Tty, Keep,
                NoSubreaper, ExitFile, ReadyFd] },
        Spec { run: cmd::exec::exec, row: "exec|ID [PROGRAM [ARG...]]|run another program in a container|exec -t web sh -l",
            flags: &[Tty, Detach, Env, User, AdditionalGids, Cwd, Process, PidFile, ConsoleSocket, PidfdSocket, Cap, NoNewPrivs,
                Apparmor, ProcessLabel, PreserveFds, Cgroup, IgnorePaused] },
        Spec { run: cmd::kill::kill, row: "kill|ID [SIGNAL]|send a signal to a container|kill web HUP", flags: &[All] },
        Spec { run: cmd::delete::delete, row: "delete|ID...|remove what is left of a container|delete --force web", flags: &[Force] },
        Spec { run: cmd::state::state, row: "state|ID|print a container's state as JSON|state web", flags: &[] },
        Spec { run: cmd::list::list, row: "list||list the containers|list --format json", flags: &[Format, Quiet] },
        Spec { run: cmd::ps::ps, row: "ps|ID [PS OPTION...]|list the processes of a container|ps web -f json", flags: &[Format] },
        Spec { run: cmd::pause::pause, row: "pause|ID|freeze the processes of a container|pause web", flags: &[] },
        Spec { run: cmd::pause::resume, row: "resume|ID|thaw the processes of a container|resume web", flags: &[] },
        Spec { run: cmd::update::update, row: "update|ID|change the limits of a container|update --memory 64m --pids-limit 100 web",
            flags: &[Resources, BlkioWeight, CpuPeriod, CpuQuota, CpuBurst, CpuShare, CpuRtPeriod, CpuRtRuntime, CpuIdle,
                CpusetCpus, CpusetMems, Memory, MemoryReservation, MemorySwap, PidsLimit, L3CacheSchema, MemBwSchema] },
        Spec { run: cmd::events::events, row: "events|ID|print the use of resources as it changes|events --stats web",
            flags: &[Stats, Interval] },
        Spec { run: cmd::spec::spec, row: "spec||write a default config.json|spec --bundle /srv/web",
            flags: &[SpecBundle, Output, SpecRootless] },
        Spec { run: cmd::features::features, row: "features||print what this runtime supports as JSON|features", flags: &[] },
        Spec { run: cmd::check::check, row: "check|[BUNDLE]|say what this machine has, and whether a bundle would start|check /srv/web",
            flags: &[Format, Plan, Seccomp, Syscall, Arg] },
        Spec { run: cmd::version::version, row: "version||print the version|version", flags: &[] },
        Spec { run: help::help, row: "help|[COMMAND]|print help for a command|help run", flags: &[] },
    ]
};

/// Commands of the field that runlet does not have: named to be refused by name.
pub const UNSUPPORTED: [&str; 2] = ["checkpoint", "restore"];

//! What a command line says: one struct a command, filled by the argument parser, read by the commands.
//!
//! Owns types, and the one way from a word to text. A value here has the right shape (a number in its range, an option's one spelling) and means
//! nothing yet: no default root, no path made absolute, no id checked against the store. Defaults and rules are
//! the commands'. Paths are C strings because argv cannot hold a NUL and the kernel takes nothing else; they are
//! as the caller typed them, so relative ones are relative to the caller's working directory.

use crate::error::{Result, error};
use alloc::{string::String, vec::Vec};
use core::ffi::CStr;

/// A whole command line.
#[derive(Debug)]
pub struct Invocation {
    /// What every command takes.
    pub global: Global,
    /// Which command, with its own flags.
    pub command: Command,
}

/// The flags that every command takes, before or after its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// `--root`: the state directory.
    pub root: Option<&'static CStr>,
    /// `--log`: a file, or a text that starts with `syslog:`.
    pub log: Option<&'static CStr>,
    /// `--log-format`.
    pub log_format: LogFormat,
    /// `--log-level`, or what `--debug` stands for.
    pub log_level: Level,
    /// `--systemd-cgroup`, or `--cgroup-manager`.
    pub cgroup_manager: CgroupManager,
    /// `--rootless`; nothing for `auto`.
    pub rootless: Option<bool>,
    /// `--allow-unknown-syscalls`: a seccomp profile may name mostly calls that nobody knows.
    pub allow_unknown_syscalls: bool,
}

/// How the lines of the log look.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `time="…" level=error msg="…"`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged: a line is written when its level is at most the one asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Why the command failed.
    Error,
    /// What could not be had and was not essential.
    #[default]
    Warning,
    /// What a person may want to know.
    Info,
    /// What was probed, skipped or fallen back to.
    Debug,
}

/// Who makes the container's cgroup.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum CgroupManager {
    /// Whatever the machine has.
    #[default]
    Auto,
    /// The runtime, in the cgroup file system.
    Cgroupfs,
    /// systemd, asked over D-Bus.
    Systemd,
    /// Nobody: no cgroup is made.
    Disabled,
}

/// The command and its own flags.
#[derive(Debug)]
#[expect(missing_docs, reason = "a variant is the command of its name")]
pub enum Command {
    Create(&'static Create),
    Start {
        id: &'static str,
    },
    Run(&'static Run),
    Exec(&'static Exec),
    Kill(Kill),
    Delete(Delete),
    State {
        id: &'static str,
    },
    List(List),
    Ps(Ps),
    Pause {
        id: &'static str,
    },
    Resume {
        id: &'static str,
    },
    Update(&'static Update),
    Events(Events),
    Spec(Spec),
    Features,
    Check(&'static Check),
    Version,
    /// `--help`: the text, for standard output.
    Help(String),
}

/// `create`, and the part of `run` that is the same.
#[derive(Debug, Default)]
pub struct Create {
    /// `--bundle`: the directory of the bundle; the working directory if absent.
    pub bundle: Option<&'static CStr>,
    /// `--config`: the file to read in place of the bundle's config.json.
    pub config: Option<&'static CStr>,
    /// `--console-socket`: the socket that gets the terminal's master.
    pub console_socket: Option<&'static CStr>,
    /// `--pidfd-socket`: the socket that gets a pidfd of init.
    pub pidfd_socket: Option<&'static CStr>,
    /// `--pid-file`: where init's pid is written.
    pub pid_file: Option<&'static CStr>,
    /// `--preserve-fds`: how many file descriptors from 3 on the program keeps.
    pub preserve_fds: u32,
    /// `--no-pivot`: move the root instead of pivot_root.
    pub no_pivot: bool,
    /// `--no-new-keyring`: keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// The container's id, not yet checked.
    pub id: &'static str,
}

/// `run`.
#[derive(Debug, Default)]
pub struct Run {
    /// What `create` takes as well.
    pub create: Create,
    /// `--detach`: return when the program runs.
    pub detach: bool,
    /// `--tty`: a terminal, whatever config.json says.
    pub tty: bool,
    /// `--keep`: leave the container's record when it ends.
    pub keep: bool,
    /// `--no-subreaper`: do not adopt the container's orphans.
    pub no_subreaper: bool,
    /// `--exit-file`: where the end of the container is described.
    pub exit_file: Option<&'static CStr>,
    /// `--ready-fd`: the file descriptor that gets a newline when the program runs.
    pub ready_fd: Option<u32>,
}

/// `exec`.
#[derive(Debug, Default)]
pub struct Exec {
    /// `--tty`.
    pub tty: bool,
    /// `--detach`: return when the program runs.
    pub detach: bool,
    /// `--env`, each `NAME=VALUE`, in order.
    pub env: &'static [&'static CStr],
    /// `--user`: the user's id and, if given, the group's; neither is 2^32-1.
    pub user: Option<(u32, Option<u32>)>,
    /// `--additional-gids`, none of them 2^32-1.
    pub additional_gids: &'static [u32],
    /// `--cwd`: the working directory in the container.
    pub cwd: Option<&'static CStr>,
    /// `--process`: a file that holds a whole process object.
    pub process: Option<&'static CStr>,
    /// `--pid-file`.
    pub pid_file: Option<&'static CStr>,
    /// `--console-socket`.
    pub console_socket: Option<&'static CStr>,
    /// `--pidfd-socket`.
    pub pidfd_socket: Option<&'static CStr>,
    /// `--cap`: capabilities to add, not yet looked up.
    pub caps: &'static [&'static CStr],
    /// `--no-new-privs`.
    pub no_new_privs: bool,
    /// `--apparmor`: a profile's name.
    pub apparmor: Option<&'static str>,
    /// `--process-label`: an SELinux label.
    pub process_label: Option<&'static str>,
    /// `--preserve-fds`.
    pub preserve_fds: u32,
    /// `--cgroup`: `PATH` or `CONTROLLERS:PATH`, below the container's cgroup.
    pub cgroup: &'static [&'static CStr],
    /// `--ignore-paused`: do not refuse a paused container.
    pub ignore_paused: bool,
    /// The container's id, not yet checked.
    pub id: &'static str,
    /// The program and its arguments; empty exactly when `process` is given.
    pub program: &'static [&'static CStr],
}

/// `kill`.
#[derive(Debug)]
pub struct Kill {
    /// `--all`: every process of the container.
    pub all: bool,
    /// The container's id, not yet checked.
    pub id: &'static str,
    /// The signal's number.
    pub signal: i32,
}

/// `delete`.
#[derive(Debug)]
pub struct Delete {
    /// `--force`: kill what runs, succeed for what does not exist.
    pub force: bool,
    /// The containers' ids, at least one, not yet checked.
    pub ids: Vec<&'static str>,
}

/// How `list`, `ps` and `check` print.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    #[default]
    Table,
    /// For a program.
    Json,
}

/// `list`.
#[derive(Debug, Default)]
pub struct List {
    /// `--format`.
    pub format: Format,
    /// `--quiet`: ids only.
    pub quiet: bool,
}

/// `ps`.
#[derive(Debug)]
pub struct Ps {
    /// `--format`.
    pub format: Format,
    /// The container's id, not yet checked.
    pub id: &'static str,
    /// What `ps` itself is given, untouched.
    pub options: &'static [&'static CStr],
}

/// `update`. What is absent was not named and stays as it is.
#[derive(Debug, Default)]
pub struct Update {
    /// `--resources`: a file with a resources object; `-` for standard input.
    pub resources: Option<&'static CStr>,
    /// `--blkio-weight`: 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// `--cpu-period`, in microseconds.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota`, in microseconds; negative is unlimited.
    pub cpu_quota: Option<i64>,
    /// `--cpu-burst`, in microseconds.
    pub cpu_burst: Option<u64>,
    /// `--cpu-share`: relative weight as of cgroup v1.
    pub cpu_share: Option<u64>,
    /// `--cpu-rt-period`, in microseconds.
    pub cpu_rt_period: Option<u64>,
    /// `--cpu-rt-runtime`, in microseconds.
    pub cpu_rt_runtime: Option<i64>,
    /// `--cpu-idle`: 1 for SCHED_IDLE, 0 for not.
    pub cpu_idle: Option<i64>,
    /// `--cpuset-cpus`: a list as in `0-3,7`.
    pub cpuset_cpus: Option<&'static str>,
    /// `--cpuset-mems`.
    pub cpuset_mems: Option<&'static str>,
    /// `--memory`, in bytes; -1 is unlimited.
    pub memory: Option<i64>,
    /// `--memory-reservation`, in bytes; -1 is unlimited.
    pub memory_reservation: Option<i64>,
    /// `--memory-swap`: memory and swap together in bytes; -1 is unlimited.
    pub memory_swap: Option<i64>,
    /// `--pids-limit`; -1 is unlimited.
    pub pids_limit: Option<i64>,
    /// `--l3-cache-schema`: a line of resctrl's schemata.
    pub l3_cache_schema: Option<&'static str>,
    /// `--mem-bw-schema`: a line of resctrl's schemata.
    pub mem_bw_schema: Option<&'static str>,
    /// The container's id, not yet checked.
    pub id: &'static str,
}

/// `events`.
#[derive(Debug)]
pub struct Events {
    /// `--stats`: print one record and return.
    pub stats: bool,
    /// `--interval`, in milliseconds, at least 1.
    pub interval_ms: u64,
    /// The container's id, not yet checked.
    pub id: &'static str,
}

/// `spec`.
#[derive(Debug, Default)]
pub struct Spec {
    /// `--bundle`: the directory that gets config.json.
    pub bundle: Option<&'static CStr>,
    /// `--output`: the file to write in place of config.json; `-` for standard output.
    pub output: Option<&'static CStr>,
    /// `--rootless`: for a user namespace of the caller's own.
    pub rootless: bool,
}

/// `check`.
#[derive(Debug, Default)]
pub struct Check {
    /// `BUNDLE`: the directory whose config.json is judged.
    pub bundle: Option<&'static CStr>,
    /// `--format`.
    pub format: Format,
    /// `--plan`: print what the bundle compiles to.
    pub plan: bool,
    /// `--seccomp`: a profile to print as its program.
    pub seccomp: Option<&'static CStr>,
    /// `--syscall`: the call to evaluate the profile for.
    pub syscall: Option<&'static str>,
    /// `--arg N=VALUE`: that call's arguments, by number 0 to 5.
    pub args: Vec<(u8, u64)>,
}

/// A path or word of the command line as text.
pub fn text<'a>(value: &'a CStr, flag: &str) -> Result<&'a str> {
    value.to_str().map_err(|_| error!("{flag}: is not UTF-8"))
}

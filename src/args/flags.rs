//! Every flag of the command line, once.
//!
//! The parser, the help text and the hint for a misspelt flag are all made from this table. A flag is a variant of [`Flag`], so that
//! a command's list and the code that reads its value name the same thing and a wrong name does not compile.

use crate::words::Phrases;
use crate::{texts, texts::Texts};

/// What a flag takes; `values::number` says what each looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing: given or not.
    Switch,
    /// Any bytes, but at least one.
    Path,
    /// UTF-8, because it is shown, compared and written as JSON.
    Text,
    /// One of the words in its row, which stands for its place there.
    Word,
    /// A whole number from 0.
    Natural,
    /// A whole number from -1, which means no limit.
    Limit,
    /// Any whole number.
    Integer,
    /// 0 to 1000.
    Weight,
    /// The number of a file descriptor, or of several.
    Descriptor,
    /// A number of bytes, perhaps with a unit.
    Size,
    /// A user's or group's id.
    Id,
    /// `UID` or `UID:GID`.
    User,
    /// `NAME=VALUE`.
    Variable,
    /// Numbers with units of time.
    Duration,
    /// `N=VALUE`, a system call's argument.
    CallArgument,
}

/// What the table says of a flag.
pub struct Row {
    /// The letter after one dash; empty for none.
    pub short: &'static str,
    /// The name after two dashes.
    pub long: &'static str,
    /// What the help calls its value; empty for a switch.
    pub value: &'static str,
}

macro_rules! flags {
    ($($name:ident $shape:ident $row:literal $help:literal)*) => {
        /// One flag: its place in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flag { $($name),* }

        const SHAPES: &[Shape] = &[$(Shape::$shape),*];
        static ROWS: Texts = texts![$($row),*];
        static HELP: Phrases = phrases![$($help),*];
    };
}

// A row: the letter, if there is one, and the name; what the value is called, if there is one. Then one line of help.
#[rustfmt::skip]
flags! {
    Root Path "root DIR" "state directory (default /run/runlet)"
    Log Path "log FILE" "also log to FILE, or to syslog: for the system log"
    LogFormat Word "log-format text|json" "format of the lines in the log"
    LogLevel Word "log-level error|warning|info|debug|warn" "how much is logged (default warning)"
    Debug Switch "debug" "same as --log-level debug"
    SystemdCgroup Switch "systemd-cgroup" "same as --cgroup-manager systemd"
    CgroupManager Word "cgroup-manager auto|cgroupfs|systemd|disabled" "who makes the container's cgroup"
    Rootless Word "rootless true|false|auto" "whether this user lacks root's rights (default auto)"
    AllowUnknownSyscalls Switch "allow-unknown-syscalls" "take a seccomp profile with more than a fifth unknown names"
    Help Switch "h,help" "print help"
    Version Switch "v,version" "print the version"

    Bundle Path "b,bundle DIR" "directory of the bundle (default .)"
    Config Path "f,config FILE" "read FILE instead of the bundle's config.json"
    ConsoleSocket Path "console-socket PATH" "send the terminal's master to this socket"
    PidfdSocket Path "pidfd-socket PATH" "send a pidfd of the process to this socket"
    PidFile Path "pid-file FILE" "write the process's pid to FILE"
    PreserveFds Descriptor "preserve-fds N" "pass N file descriptors from 3 on to the program"
    NoPivot Switch "no-pivot" "move the root file system instead of pivot_root"
    NoNewKeyring Switch "no-new-keyring" "keep the caller's session keyring"
    Detach Switch "d,detach" "return as soon as the program runs"
    Tty Switch "t,tty" "give the program a terminal"
    Keep Switch "keep" "do not delete the container when it ends"
    NoSubreaper Switch "no-subreaper" "do not adopt the container's orphans"
    ExitFile Path "exit-file FILE" "write how the container ended to FILE, as JSON"
    ReadyFd Descriptor "ready-fd N" "write a newline to file descriptor N when the program runs"
    Env Variable "e,env NAME=VALUE" "set a variable of the environment (repeats)"
    User User "u,user UID[:GID]" "run as this user and group"
    AdditionalGids Id "g,additional-gids GID" "run with this group as well (repeats)"
    Cwd Path "cwd DIR" "working directory in the container"
    Process Path "p,process FILE" "read the whole process object from FILE"
    Cap Text "c,cap NAME" "add a capability (repeats)"
    NoNewPrivs Switch "no-new-privs" "forbid gaining privileges by exec"
    Apparmor Text "apparmor PROFILE" "AppArmor profile of the process"
    ProcessLabel Text "process-label LABEL" "SELinux label of the process"
    Cgroup Path "cgroup PATH" "[CONTROLLERS:]PATH below the container's cgroup (repeats)"
    IgnorePaused Switch "ignore-paused" "exec in a paused container as well"
    All Switch "a,all" "signal every process of the container"
    Force Switch "f,force" "kill what runs, succeed for what does not exist"
    Format Word "f,format table|json" "output format (default table)"
    Quiet Switch "q,quiet" "print ids only"
    Resources Path "r,resources FILE" "read a resources object from FILE, or - for standard input"
    BlkioWeight Weight "blkio-weight N" "block I/O weight, 10 to 1000"
    CpuPeriod Natural "cpu-period USEC" "CPU period in microseconds"
    CpuQuota Integer "cpu-quota USEC" "CPU time in a period, -1 for no limit"
    CpuBurst Natural "cpu-burst USEC" "CPU time that may be saved up"
    CpuShare Natural "cpu-share N" "CPU shares, 2 to 262144"
    CpuRtPeriod Natural "cpu-rt-period USEC" "real-time period"
    CpuRtRuntime Limit "cpu-rt-runtime USEC" "real-time CPU time in a period"
    CpuIdle Word "cpu-idle 0|1" "run only when the machine is idle"
    CpusetCpus Text "cpuset-cpus LIST" "CPUs to run on, as 0-3,7"
    CpusetMems Text "cpuset-mems LIST" "memory nodes to use"
    Memory Size "memory SIZE" "memory limit, as 64m; -1 for none"
    MemoryReservation Size "memory-reservation SIZE" "soft memory limit"
    MemorySwap Size "memory-swap SIZE" "limit of memory and swap together"
    PidsLimit Limit "pids-limit N" "greatest number of tasks, -1 for no limit"
    L3CacheSchema Text "l3-cache-schema LINE" "Intel RDT: L3 cache schema"
    MemBwSchema Text "mem-bw-schema LINE" "Intel RDT: memory bandwidth schema"
    Stats Switch "stats" "print the figures once and return"
    Interval Duration "interval DURATION" "time between two records, as 1m30s (default 5s)"
    Output Path "o,output FILE" "write FILE instead of config.json, - for standard output"
    SpecBundle Path "b,bundle DIR" "directory that gets config.json (default .)"
    SpecRootless Switch "rootless" "for a user namespace of the caller's own"
    Plan Switch "plan" "print what the bundle compiles to, as JSON"
    Seccomp Path "seccomp PROFILE" "print what a seccomp profile, or a config.json's, really does"
    Syscall Text "syscall NAME" "with --seccomp: evaluate this call"
    Arg CallArgument "arg N=VALUE" "with --syscall: argument N, 0 to 5 (repeats)"
}

impl Flag {
    /// What it takes.
    pub fn shape(self) -> Shape {
        SHAPES.get(self as usize).copied().unwrap_or(Shape::Switch)
    }

    /// The words of its row.
    #[inline(never)]
    pub fn row(self) -> Row {
        let row = ROWS.get(self as usize);
        let (names, value) = row.split_once(' ').unwrap_or((row, ""));
        let (short, long) = names.split_once(',').unwrap_or(("", names));
        Row { short, long, value }
    }

    /// One line of help.
    pub fn help(self) -> &'static str {
        HELP.get(self as usize)
    }

    /// The name after two dashes.
    pub fn long(self) -> &'static str {
        self.row().long
    }
}

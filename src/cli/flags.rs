//! The tables of the command line: every flag once, every command once.
//!
//! The parser, the help text and the hint for a misspelt flag are all made from these. A flag is a `static`, so
//! that a command's list and the code that reads its value name the same thing and a wrong name does not compile.

/// One flag.
pub struct Flag {
    /// The letter after one dash; `'\0'` for none.
    pub short: char,
    /// The name after two dashes.
    pub long: &'static str,
    /// What the help calls its value; empty for a switch, which takes none.
    pub value: &'static str,
    /// One line of help.
    pub help: &'static str,
}

/// One command.
pub struct Spec {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What stands after the flags.
    pub operands: &'static str,
    /// Its own flags. They come before the global ones of the same name.
    pub flags: &'static [&'static Flag],
    /// A line that works, without the program's name.
    pub example: &'static str,
}

macro_rules! flags {
    ($($name:ident = $short:literal $long:literal $value:literal $help:literal)*) => {
        $(pub static $name: Flag = Flag { short: $short, long: $long, value: $value, help: $help };)*
    };
}

#[rustfmt::skip]
flags! {
    ROOT = '\0' "root" "DIR" "state directory (default /run/runlet)"
    LOG = '\0' "log" "FILE" "also log to FILE, or to syslog: for the system log"
    LOG_FORMAT = '\0' "log-format" "text|json" "format of the lines in the log"
    LOG_LEVEL = '\0' "log-level" "error|warning|info|debug" "how much is logged (default warning)"
    DEBUG = '\0' "debug" "" "same as --log-level debug"
    SYSTEMD_CGROUP = '\0' "systemd-cgroup" "" "same as --cgroup-manager systemd"
    CGROUP_MANAGER = '\0' "cgroup-manager" "auto|cgroupfs|systemd|disabled" "who makes the container's cgroup"
    ROOTLESS = '\0' "rootless" "true|false|auto" "whether this user lacks root's rights (default auto)"
    ALLOW_UNKNOWN_SYSCALLS = '\0' "allow-unknown-syscalls" "" "take a seccomp profile with more than a fifth unknown names"
    HELP = 'h' "help" "" "print help"
    VERSION = 'v' "version" "" "print the version"

    BUNDLE = 'b' "bundle" "DIR" "directory of the bundle (default .)"
    CONFIG = 'f' "config" "FILE" "read FILE instead of the bundle's config.json"
    CONSOLE_SOCKET = '\0' "console-socket" "PATH" "send the terminal's master to this socket"
    PIDFD_SOCKET = '\0' "pidfd-socket" "PATH" "send a pidfd of the process to this socket"
    PID_FILE = '\0' "pid-file" "FILE" "write the process's pid to FILE"
    PRESERVE_FDS = '\0' "preserve-fds" "N" "pass N file descriptors from 3 on to the program"
    NO_PIVOT = '\0' "no-pivot" "" "move the root file system instead of pivot_root"
    NO_NEW_KEYRING = '\0' "no-new-keyring" "" "keep the caller's session keyring"
    DETACH = 'd' "detach" "" "return as soon as the program runs"
    TTY = 't' "tty" "" "give the program a terminal"
    KEEP = '\0' "keep" "" "do not delete the container when it ends"
    NO_SUBREAPER = '\0' "no-subreaper" "" "do not adopt the container's orphans"
    EXIT_FILE = '\0' "exit-file" "FILE" "write how the container ended to FILE, as JSON"
    READY_FD = '\0' "ready-fd" "N" "write a newline to file descriptor N when the program runs"
    ENV = 'e' "env" "NAME=VALUE" "set a variable of the environment (repeats)"
    USER = 'u' "user" "UID[:GID]" "run as this user and group"
    ADDITIONAL_GIDS = 'g' "additional-gids" "GID" "run with this group as well (repeats)"
    CWD = '\0' "cwd" "DIR" "working directory in the container"
    PROCESS = 'p' "process" "FILE" "read the whole process object from FILE"
    CAP = 'c' "cap" "NAME" "add a capability (repeats)"
    NO_NEW_PRIVS = '\0' "no-new-privs" "" "forbid gaining privileges by exec"
    APPARMOR = '\0' "apparmor" "PROFILE" "AppArmor profile of the process"
    PROCESS_LABEL = '\0' "process-label" "LABEL" "SELinux label of the process"
    CGROUP = '\0' "cgroup" "PATH" "[CONTROLLERS:]PATH below the container's cgroup (repeats)"
    IGNORE_PAUSED = '\0' "ignore-paused" "" "exec in a paused container as well"
    ALL = 'a' "all" "" "signal every process of the container"
    FORCE = 'f' "force" "" "kill what runs, succeed for what does not exist"
    FORMAT = 'f' "format" "table|json" "output format (default table)"
    QUIET = 'q' "quiet" "" "print ids only"
    RESOURCES = 'r' "resources" "FILE" "read a resources object from FILE, or - for standard input"
    BLKIO_WEIGHT = '\0' "blkio-weight" "N" "block I/O weight, 10 to 1000"
    CPU_PERIOD = '\0' "cpu-period" "USEC" "CPU period in microseconds"
    CPU_QUOTA = '\0' "cpu-quota" "USEC" "CPU time in a period, -1 for no limit"
    CPU_BURST = '\0' "cpu-burst" "USEC" "CPU time that may be saved up"
    CPU_SHARE = '\0' "cpu-share" "N" "CPU shares, 2 to 262144"
    CPU_RT_PERIOD = '\0' "cpu-rt-period" "USEC" "real-time period"
    CPU_RT_RUNTIME = '\0' "cpu-rt-runtime" "USEC" "real-time CPU time in a period"
    CPU_IDLE = '\0' "cpu-idle" "0|1" "run only when the machine is idle"
    CPUSET_CPUS = '\0' "cpuset-cpus" "LIST" "CPUs to run on, as 0-3,7"
    CPUSET_MEMS = '\0' "cpuset-mems" "LIST" "memory nodes to use"
    MEMORY = '\0' "memory" "SIZE" "memory limit, as 64m; -1 for none"
    MEMORY_RESERVATION = '\0' "memory-reservation" "SIZE" "soft memory limit"
    MEMORY_SWAP = '\0' "memory-swap" "SIZE" "limit of memory and swap together"
    PIDS_LIMIT = '\0' "pids-limit" "N" "greatest number of tasks, -1 for no limit"
    L3_CACHE_SCHEMA = '\0' "l3-cache-schema" "LINE" "Intel RDT: L3 cache schema"
    MEM_BW_SCHEMA = '\0' "mem-bw-schema" "LINE" "Intel RDT: memory bandwidth schema"
    STATS = '\0' "stats" "" "print the figures once and return"
    INTERVAL = '\0' "interval" "DURATION" "time between two records, as 1m30s (default 5s)"
    OUTPUT = 'o' "output" "FILE" "write FILE instead of config.json, - for standard output"
    SPEC_BUNDLE = 'b' "bundle" "DIR" "directory that gets config.json (default .)"
    SPEC_ROOTLESS = '\0' "rootless" "" "for a user namespace of the caller's own"
    PLAN = '\0' "plan" "" "print what the bundle compiles to, as JSON"
    SECCOMP = '\0' "seccomp" "PROFILE" "print what a seccomp profile, or a config.json's, really does"
    SYSCALL = '\0' "syscall" "NAME" "with --seccomp: evaluate this call"
    ARG = '\0' "arg" "N=VALUE" "with --syscall: argument N, 0 to 5 (repeats)"
}

/// The flags that every command takes.
pub static GLOBAL: [&Flag; 11] = [
    &ROOT,
    &LOG,
    &LOG_FORMAT,
    &LOG_LEVEL,
    &DEBUG,
    &SYSTEMD_CGROUP,
    &CGROUP_MANAGER,
    &ROOTLESS,
    &ALLOW_UNKNOWN_SYSCALLS,
    &HELP,
    &VERSION,
];

/// Every command, in the order in which the help names them.
#[rustfmt::skip]
pub static COMMANDS: [Spec; 18] = [
    Spec { name: "create", about: "make a container, ready to start", operands: "ID", example: "create --bundle /srv/web web",
        flags: &[&BUNDLE, &CONFIG, &CONSOLE_SOCKET, &PIDFD_SOCKET, &PID_FILE, &PRESERVE_FDS, &NO_PIVOT, &NO_NEW_KEYRING] },
    Spec { name: "start", about: "run the program of a created container", operands: "ID", example: "start web", flags: &[] },
    Spec { name: "run", about: "create and start a container and wait for its end", operands: "ID", example: "run --bundle /srv/web web",
        flags: &[&BUNDLE, &CONFIG, &CONSOLE_SOCKET, &PIDFD_SOCKET, &PID_FILE, &PRESERVE_FDS, &NO_PIVOT, &NO_NEW_KEYRING,
            &DETACH, &TTY, &KEEP, &NO_SUBREAPER, &EXIT_FILE, &READY_FD] },
    Spec { name: "exec", about: "run another program in a container", operands: "ID [PROGRAM [ARG...]]", example: "exec -t web sh -l",
        flags: &[&TTY, &DETACH, &ENV, &USER, &ADDITIONAL_GIDS, &CWD, &PROCESS, &PID_FILE, &CONSOLE_SOCKET, &PIDFD_SOCKET, &CAP,
            &NO_NEW_PRIVS, &APPARMOR, &PROCESS_LABEL, &PRESERVE_FDS, &CGROUP, &IGNORE_PAUSED] },
    Spec { name: "kill", about: "send a signal to a container", operands: "ID [SIGNAL]", example: "kill web HUP", flags: &[&ALL] },
    Spec { name: "delete", about: "remove what is left of a container", operands: "ID...", example: "delete --force web", flags: &[&FORCE] },
    Spec { name: "state", about: "print a container's state as JSON", operands: "ID", example: "state web", flags: &[] },
    Spec { name: "list", about: "list the containers", operands: "", example: "list --format json", flags: &[&FORMAT, &QUIET] },
    Spec { name: "ps", about: "list the processes of a container", operands: "ID [PS OPTION...]", example: "ps web -f json", flags: &[&FORMAT] },
    Spec { name: "pause", about: "freeze the processes of a container", operands: "ID", example: "pause web", flags: &[] },
    Spec { name: "resume", about: "thaw the processes of a container", operands: "ID", example: "resume web", flags: &[] },
    Spec { name: "update", about: "change the limits of a container", operands: "ID", example: "update --memory 64m --pids-limit 100 web",
        flags: &[&RESOURCES, &BLKIO_WEIGHT, &CPU_PERIOD, &CPU_QUOTA, &CPU_BURST, &CPU_SHARE, &CPU_RT_PERIOD, &CPU_RT_RUNTIME, &CPU_IDLE,
            &CPUSET_CPUS, &CPUSET_MEMS, &MEMORY, &MEMORY_RESERVATION, &MEMORY_SWAP, &PIDS_LIMIT, &L3_CACHE_SCHEMA, &MEM_BW_SCHEMA] },
    Spec { name: "events", about: "print the use of resources as it changes", operands: "ID", example: "events --stats web", flags: &[&STATS, &INTERVAL] },
    Spec { name: "spec", about: "write a default config.json", operands: "", example: "spec --bundle /srv/web", flags: &[&SPEC_BUNDLE, &OUTPUT, &SPEC_ROOTLESS] },
    Spec { name: "features", about: "print what this runtime supports as JSON", operands: "", example: "features", flags: &[] },
    Spec { name: "check", about: "say what this machine has, and whether a bundle would start", operands: "[BUNDLE]", example: "check /srv/web",
        flags: &[&FORMAT, &PLAN, &SECCOMP, &SYSCALL, &ARG] },
    Spec { name: "version", about: "print the version", operands: "", example: "version", flags: &[] },
    Spec { name: "help", about: "print help for a command", operands: "[COMMAND]", example: "help run", flags: &[] },
];

/// Commands of the field that runlet does not have: named to be refused by name.
pub const UNSUPPORTED: [&str; 2] = ["checkpoint", "restore"];

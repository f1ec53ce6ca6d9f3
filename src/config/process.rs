//! `process`: what runs, as whom, with what. Also the whole of what `exec --process` takes.

#![allow(missing_docs)] // a field is the property of its name in config.md and config-linux.md

use super::slot::{List, lists, object};
use crate::{texts, texts::Texts};

/// `process`.
#[derive(Debug, Default)]
pub struct Process<'a> {
    pub terminal: bool,
    pub console_size: Option<ConsoleSize>,
    pub user: User,
    pub args: List<&'a str>,
    pub env: List<&'a str>,
    pub cwd: &'a str,
    pub capabilities: Option<Capabilities<'a>>,
    pub rlimits: List<Rlimit<'a>>,
    pub no_new_privileges: bool,
    pub apparmor_profile: &'a str,
    pub oom_score_adj: Option<i32>,
    pub selinux_label: &'a str,
    pub scheduler: Option<Scheduler<'a>>,
    pub io_priority: Option<IoPriority<'a>>,
    pub exec_cpu_affinity: Option<CpuAffinity<'a>>,
}

object!(Process<'a> { "terminal" => terminal, "consoleSize" => console_size, "user" => user, "args" => args, "env" => env, "cwd" => cwd, "capabilities" => capabilities, "rlimits" => rlimits, "noNewPrivileges" => no_new_privileges, "apparmorProfile" => apparmor_profile, "oomScoreAdj" => oom_score_adj, "selinuxLabel" => selinux_label, "scheduler" => scheduler, "ioPriority" => io_priority, "execCPUAffinity" => exec_cpu_affinity });

/// `process.consoleSize`, in characters.
#[derive(Debug, Default, Clone, Copy)]
pub struct ConsoleSize {
    pub height: u16,
    pub width: u16,
}

object!(ConsoleSize { "height" => height, "width" => width });

/// `process.user`.
#[derive(Debug, Default)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub umask: Option<u32>,
    pub additional_gids: List<u32>,
}

object!(User { "uid" => uid, "gid" => gid, "umask" => umask, "additionalGids" => additional_gids });

/// `process.capabilities`: the names in each set, as in capabilities(7).
#[derive(Debug, Default)]
pub struct Capabilities<'a>(pub [List<&'a str>; 5]);

/// The names of the sets.
pub static SETS: Texts = texts!["bounding", "effective", "permitted", "inheritable", "ambient"];

lists!(Capabilities<'a>, SETS);

/// One of `process.rlimits`. Units are those of getrlimit(2).
#[derive(Debug, Default)]
pub struct Rlimit<'a> {
    pub kind: &'a str,
    pub soft: u64,
    pub hard: u64,
}

object!(Rlimit<'a> { "type" => kind, "soft" => soft, "hard" => hard });

/// `process.scheduler`, values as in sched_setattr(2).
#[derive(Debug, Default)]
pub struct Scheduler<'a> {
    pub policy: &'a str,
    pub nice: i32,
    pub priority: i32,
    pub flags: List<&'a str>,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

object!(Scheduler<'a> { "policy" => policy, "nice" => nice, "priority" => priority, "flags" => flags, "runtime" => runtime, "deadline" => deadline, "period" => period });

/// `process.ioPriority`, values as in ioprio_set(2).
#[derive(Debug, Default)]
pub struct IoPriority<'a> {
    pub class: &'a str,
    pub priority: i32,
}

object!(IoPriority<'a> { "class" => class, "priority" => priority });

/// `process.execCPUAffinity`: CPU lists around joining the cgroup.
#[derive(Debug, Default)]
pub struct CpuAffinity<'a> {
    pub initial: &'a str,
    pub last: &'a str,
}

object!(CpuAffinity<'a> { "initial" => initial, "final" => last });

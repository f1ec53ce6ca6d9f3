//! `process`: what runs, as whom, with what. Also the whole of what `exec --process` takes.

#![allow(missing_docs)] // a field is the property of its name in config.md and config-linux.md

use super::Str;
use super::json::nullable;
use alloc::vec::Vec;
use serde::Deserialize;

/// `process`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Process<'a> {
    #[serde(deserialize_with = "nullable")]
    pub terminal: bool,
    pub console_size: Option<ConsoleSize>,
    #[serde(deserialize_with = "nullable")]
    pub user: User,
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<Str<'a>>,
    pub cwd: Str<'a>,
    pub capabilities: Option<Capabilities<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub rlimits: Vec<Rlimit<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub no_new_privileges: bool,
    #[serde(deserialize_with = "nullable")]
    pub apparmor_profile: Str<'a>,
    pub oom_score_adj: Option<i32>,
    #[serde(deserialize_with = "nullable")]
    pub selinux_label: Str<'a>,
    pub scheduler: Option<Scheduler<'a>>,
    pub io_priority: Option<IoPriority<'a>>,
    #[serde(rename = "execCPUAffinity")]
    pub exec_cpu_affinity: Option<CpuAffinity<'a>>,
}

/// `process.consoleSize`, in characters.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct ConsoleSize {
    pub height: u16,
    pub width: u16,
}

/// `process.user`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub umask: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    pub additional_gids: Vec<u32>,
}

/// `process.capabilities`, names as in capabilities(7).
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Capabilities<'a> {
    #[serde(deserialize_with = "nullable")]
    pub bounding: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub effective: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub inheritable: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub permitted: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub ambient: Vec<Str<'a>>,
}

/// One of `process.rlimits`. Units are those of getrlimit(2).
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Rlimit<'a> {
    #[serde(rename = "type")]
    pub kind: Str<'a>,
    pub soft: u64,
    pub hard: u64,
}

/// `process.scheduler`, values as in sched_setattr(2).
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Scheduler<'a> {
    pub policy: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub nice: i32,
    #[serde(deserialize_with = "nullable")]
    pub priority: i32,
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub runtime: u64,
    #[serde(deserialize_with = "nullable")]
    pub deadline: u64,
    #[serde(deserialize_with = "nullable")]
    pub period: u64,
}

/// `process.ioPriority`, values as in ioprio_set(2).
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct IoPriority<'a> {
    pub class: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub priority: i32,
}

/// `process.execCPUAffinity`: CPU lists around joining the cgroup.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct CpuAffinity<'a> {
    #[serde(deserialize_with = "nullable")]
    pub initial: Str<'a>,
    #[serde(rename = "final", deserialize_with = "nullable")]
    pub last: Str<'a>,
}

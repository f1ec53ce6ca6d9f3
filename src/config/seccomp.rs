//! `linux.seccomp` as runtime-spec 1.3 has it (config-linux.md, "Seccomp"). Shapes only: every name in here is judged by
//! `compile::seccomp`, so that `create`, `check` and `features` share one table of each concept.

#![allow(missing_docs)] // a field is the property of its name in config-linux.md

use super::slot::{List, object};

/// `linux.seccomp`.
#[derive(Debug, Default)]
pub struct Seccomp<'a> {
    pub default_action: &'a str,
    pub default_errno_ret: Option<u32>,
    pub architectures: List<&'a str>,
    /// Absent is not the empty list: an absent one takes the default flags.
    pub flags: Option<List<&'a str>>,
    pub listener_path: &'a str,
    pub listener_metadata: &'a str,
    pub syscalls: List<Rule<'a>>,
}

object!(Seccomp<'a> { "defaultAction" => default_action, "defaultErrnoRet" => default_errno_ret, "architectures" => architectures, "flags" => flags, "listenerPath" => listener_path, "listenerMetadata" => listener_metadata, "syscalls" => syscalls });

/// One of `syscalls`.
#[derive(Debug, Default)]
pub struct Rule<'a> {
    pub names: List<&'a str>,
    pub action: &'a str,
    pub errno_ret: Option<u32>,
    pub args: List<Arg<'a>>,
}

object!(Rule<'a> { "names" => names, "action" => action, "errnoRet" => errno_ret, "args" => args });

/// One of `syscalls[].args`. `index`, `value` and `op` are required; an absent one is told from zero.
#[derive(Debug, Default)]
pub struct Arg<'a> {
    pub index: Option<u32>,
    pub value: Option<u64>,
    pub value_two: Option<u64>,
    pub op: &'a str,
}

object!(Arg<'a> { "index" => index, "value" => value, "valueTwo" => value_two, "op" => op });

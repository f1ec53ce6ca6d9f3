//! `linux.seccomp` as runtime-spec 1.3 has it (config-linux.md, "Seccomp"). Shapes only: every name in here is judged by
//! `compile::seccomp`, so that `create`, `check` and `features` share one table of each concept.

#![allow(missing_docs)] // a field is the property of its name in config-linux.md

use super::{Str, json::nullable};
use alloc::vec::Vec;
use serde::Deserialize;

/// `linux.seccomp`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Seccomp<'a> {
    pub default_action: Str<'a>,
    pub default_errno_ret: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    pub architectures: Vec<Str<'a>>,
    /// Absent is not the empty list: an absent one takes the default flags.
    pub flags: Option<Vec<Str<'a>>>,
    #[serde(deserialize_with = "nullable")]
    pub listener_path: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub listener_metadata: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub syscalls: Vec<Rule<'a>>,
}

/// One of `syscalls`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Rule<'a> {
    #[serde(deserialize_with = "nullable")]
    pub names: Vec<Str<'a>>,
    pub action: Str<'a>,
    pub errno_ret: Option<u32>,
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<Arg<'a>>,
}

/// One of `syscalls[].args`. `index`, `value` and `op` are required; an absent one is told from zero.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Arg<'a> {
    pub index: Option<u32>,
    pub value: Option<u64>,
    pub value_two: Option<u64>,
    pub op: Str<'a>,
}

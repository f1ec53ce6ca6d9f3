//! config.json as types that borrow the JSON buffer: runtime-spec 1.3, whole.
//!
//! Shapes only. What a value must be is decided by `validate`, what it means by `compile`. Unknown properties are
//! ignored and `null` is the same as absent (both per config.md and the habits of Go callers); duplicate names,
//! wrong types and strings with a NUL are errors that name their place.

#![allow(missing_docs)] // a field is the property of its name in config.md and config-linux.md

mod json;
pub mod process;
pub mod resources;
pub mod seccomp;

pub use json::{Map, Str, parse};
pub use process::Process;

use alloc::vec::Vec;
use json::nullable;
use serde::Deserialize;

/// The whole of config.json.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Config<'a> {
    pub oci_version: Str<'a>,
    pub root: Option<Root<'a>>,
    pub process: Option<Process<'a>>,
    pub hostname: Option<Str<'a>>,
    pub domainname: Option<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub mounts: Vec<Mount<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub hooks: Hooks<'a>,
    #[serde(deserialize_with = "nullable")]
    pub annotations: Map<'a, Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub linux: Linux<'a>,
}

/// `root`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Root<'a> {
    pub path: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub readonly: bool,
}

/// One of `mounts`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Mount<'a> {
    pub destination: Str<'a>,
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub fstype: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub source: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub options: Vec<Str<'a>>,
    pub uid_mappings: Option<Vec<IdMapping>>,
    pub gid_mappings: Option<Vec<IdMapping>>,
}

/// One range of `uidMappings` or `gidMappings`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IdMapping {
    #[serde(rename = "containerID")]
    pub container_id: u32,
    #[serde(rename = "hostID")]
    pub host_id: u32,
    pub size: u32,
}

/// `hooks`, each list in the order in which it runs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Hooks<'a> {
    #[serde(deserialize_with = "nullable")]
    pub prestart: Vec<Hook<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub create_runtime: Vec<Hook<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub create_container: Vec<Hook<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub start_container: Vec<Hook<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub poststart: Vec<Hook<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub poststop: Vec<Hook<'a>>,
}

/// One hook. `timeout` is in seconds.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Hook<'a> {
    pub path: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub args: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<Str<'a>>,
    pub timeout: Option<i64>,
}

/// `linux`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Linux<'a> {
    #[serde(deserialize_with = "nullable")]
    pub uid_mappings: Vec<IdMapping>,
    #[serde(deserialize_with = "nullable")]
    pub gid_mappings: Vec<IdMapping>,
    #[serde(deserialize_with = "nullable")]
    pub sysctl: Map<'a, Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub resources: resources::Resources<'a>,
    #[serde(deserialize_with = "nullable")]
    pub cgroups_path: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub namespaces: Vec<Namespace<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub devices: Vec<Device<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub net_devices: Map<'a, NetDevice<'a>>,
    pub seccomp: Option<seccomp::Seccomp<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub rootfs_propagation: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub masked_paths: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub readonly_paths: Vec<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub mount_label: Str<'a>,
    pub intel_rdt: Option<IntelRdt<'a>>,
    pub memory_policy: Option<MemoryPolicy<'a>>,
    pub personality: Option<Personality<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub time_offsets: Map<'a, TimeOffset>,
}

/// One of `linux.namespaces`: new, or joined by path.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Namespace<'a> {
    #[serde(rename = "type")]
    pub kind: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub path: Str<'a>,
}

/// One of `linux.devices`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct Device<'a> {
    #[serde(rename = "type")]
    pub kind: Str<'a>,
    pub path: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub major: i64,
    #[serde(deserialize_with = "nullable")]
    pub minor: i64,
    pub file_mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// One of `linux.netDevices`: the name inside the container.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct NetDevice<'a> {
    #[serde(deserialize_with = "nullable")]
    pub name: Str<'a>,
}

/// `linux.intelRdt`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub struct IntelRdt<'a> {
    #[serde(rename = "closID")]
    pub clos_id: Option<Str<'a>>,
    pub schemata: Option<Vec<Str<'a>>>,
    pub l3_cache_schema: Option<Str<'a>>,
    pub mem_bw_schema: Option<Str<'a>>,
    #[serde(deserialize_with = "nullable")]
    pub enable_monitoring: bool,
}

/// `linux.memoryPolicy`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct MemoryPolicy<'a> {
    pub mode: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub nodes: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<Str<'a>>,
}

/// `linux.personality`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub struct Personality<'a> {
    pub domain: Str<'a>,
    #[serde(deserialize_with = "nullable")]
    pub flags: Vec<Str<'a>>,
}

/// One of `linux.timeOffsets`.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct TimeOffset {
    pub secs: i64,
    pub nanosecs: u32,
}

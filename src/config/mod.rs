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

pub(crate) use json::object;
pub use json::{Map, Member, Read, Slot, Str, parse};
pub use process::Process;

use alloc::vec::Vec;

/// The whole of config.json.
#[derive(Debug, Default)]
pub struct Config<'a> {
    pub oci_version: Str<'a>,
    pub root: Option<Root<'a>>,
    pub process: Option<Process<'a>>,
    pub hostname: Option<Str<'a>>,
    pub domainname: Option<Str<'a>>,
    pub mounts: Vec<Mount<'a>>,
    pub hooks: Hooks<'a>,
    pub annotations: Map<'a, Str<'a>>,
    pub linux: Linux<'a>,
}

object!(Config<'a> { "ociVersion" => oci_version, "root" => root, "process" => process, "hostname" => hostname, "domainname" => domainname, "mounts" => mounts, "hooks" => hooks, "annotations" => annotations, "linux" => linux });

/// `root`.
#[derive(Debug, Default)]
pub struct Root<'a> {
    pub path: Str<'a>,
    pub readonly: bool,
}

object!(Root<'a> { "path" => path, "readonly" => readonly });

/// One of `mounts`.
#[derive(Debug, Default)]
pub struct Mount<'a> {
    pub destination: Str<'a>,
    pub fstype: Str<'a>,
    pub source: Str<'a>,
    pub options: Vec<Str<'a>>,
    pub uid_mappings: Option<Vec<IdMapping>>,
    pub gid_mappings: Option<Vec<IdMapping>>,
}

object!(Mount<'a> { "destination" => destination, "type" => fstype, "source" => source, "options" => options, "uidMappings" => uid_mappings, "gidMappings" => gid_mappings });

/// One range of `uidMappings` or `gidMappings`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct IdMapping {
    pub container_id: u32,
    pub host_id: u32,
    pub size: u32,
}

object!(IdMapping { "containerID" => container_id, "hostID" => host_id, "size" => size });

/// `hooks`, each list in the order in which it runs.
#[derive(Debug, Default)]
pub struct Hooks<'a> {
    pub prestart: Vec<Hook<'a>>,
    pub create_runtime: Vec<Hook<'a>>,
    pub create_container: Vec<Hook<'a>>,
    pub start_container: Vec<Hook<'a>>,
    pub poststart: Vec<Hook<'a>>,
    pub poststop: Vec<Hook<'a>>,
}

object!(Hooks<'a> { "prestart" => prestart, "createRuntime" => create_runtime, "createContainer" => create_container, "startContainer" => start_container, "poststart" => poststart, "poststop" => poststop });

impl Hooks<'_> {
    /// Whether there are hooks that run before the container's program does.
    pub fn any_before_the_program(&self) -> bool {
        [&self.prestart, &self.create_runtime, &self.create_container, &self.start_container]
            .iter()
            .any(|hooks| !hooks.is_empty())
    }
}

/// One hook. `timeout` is in seconds.
#[derive(Debug, Default)]
pub struct Hook<'a> {
    pub path: Str<'a>,
    pub args: Vec<Str<'a>>,
    pub env: Vec<Str<'a>>,
    pub timeout: Option<i64>,
}

object!(Hook<'a> { "path" => path, "args" => args, "env" => env, "timeout" => timeout });

/// `linux`.
#[derive(Debug, Default)]
pub struct Linux<'a> {
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
    pub sysctl: Map<'a, Str<'a>>,
    pub resources: resources::Resources<'a>,
    pub cgroups_path: Str<'a>,
    pub namespaces: Vec<Namespace<'a>>,
    pub devices: Vec<Device<'a>>,
    pub net_devices: Map<'a, NetDevice<'a>>,
    pub seccomp: Option<seccomp::Seccomp<'a>>,
    pub rootfs_propagation: Str<'a>,
    pub masked_paths: Vec<Str<'a>>,
    pub readonly_paths: Vec<Str<'a>>,
    pub mount_label: Str<'a>,
    pub intel_rdt: Option<IntelRdt<'a>>,
    pub memory_policy: Option<MemoryPolicy<'a>>,
    pub personality: Option<Personality<'a>>,
    pub time_offsets: Map<'a, TimeOffset>,
}

object!(Linux<'a> { "uidMappings" => uid_mappings, "gidMappings" => gid_mappings, "sysctl" => sysctl, "resources" => resources, "cgroupsPath" => cgroups_path, "namespaces" => namespaces, "devices" => devices, "netDevices" => net_devices, "seccomp" => seccomp, "rootfsPropagation" => rootfs_propagation, "maskedPaths" => masked_paths, "readonlyPaths" => readonly_paths, "mountLabel" => mount_label, "intelRdt" => intel_rdt, "memoryPolicy" => memory_policy, "personality" => personality, "timeOffsets" => time_offsets });

/// One of `linux.namespaces`: new, or joined by path.
#[derive(Debug, Default)]
pub struct Namespace<'a> {
    pub kind: Str<'a>,
    pub path: Str<'a>,
}

object!(Namespace<'a> { "type" => kind, "path" => path });

/// One of `linux.devices`.
#[derive(Debug, Default)]
pub struct Device<'a> {
    pub kind: Str<'a>,
    pub path: Str<'a>,
    pub major: i64,
    pub minor: i64,
    pub file_mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

object!(Device<'a> { "type" => kind, "path" => path, "major" => major, "minor" => minor, "fileMode" => file_mode, "uid" => uid, "gid" => gid });

/// One of `linux.netDevices`: the name inside the container.
#[derive(Debug, Default)]
pub struct NetDevice<'a> {
    pub name: Str<'a>,
}

object!(NetDevice<'a> { "name" => name });

/// `linux.intelRdt`.
#[derive(Debug, Default)]
pub struct IntelRdt<'a> {
    pub clos_id: Option<Str<'a>>,
    pub schemata: Option<Vec<Str<'a>>>,
    pub l3_cache_schema: Option<Str<'a>>,
    pub mem_bw_schema: Option<Str<'a>>,
    pub enable_monitoring: bool,
}

object!(IntelRdt<'a> { "closID" => clos_id, "schemata" => schemata, "l3CacheSchema" => l3_cache_schema, "memBwSchema" => mem_bw_schema, "enableMonitoring" => enable_monitoring });

/// `linux.memoryPolicy`.
#[derive(Debug, Default)]
pub struct MemoryPolicy<'a> {
    pub mode: Str<'a>,
    pub nodes: Str<'a>,
    pub flags: Vec<Str<'a>>,
}

object!(MemoryPolicy<'a> { "mode" => mode, "nodes" => nodes, "flags" => flags });

/// `linux.personality`.
#[derive(Debug, Default)]
pub struct Personality<'a> {
    pub domain: Str<'a>,
    pub flags: Vec<Str<'a>>,
}

object!(Personality<'a> { "domain" => domain, "flags" => flags });

/// One of `linux.timeOffsets`.
#[derive(Debug, Default, Clone, Copy)]
pub struct TimeOffset {
    pub secs: i64,
    pub nanosecs: u32,
}

object!(TimeOffset { "secs" => secs, "nanosecs" => nanosecs });

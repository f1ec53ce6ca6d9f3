//! config.json as types that borrow the JSON buffer: runtime-spec 1.3, whole.
//!
//! Shapes only. What a value must be is decided by `validate`, what it means by `compile`. Unknown properties are
//! ignored and `null` is the same as absent (both per config.md and the habits of Go callers); duplicate names,
//! wrong types and strings with a NUL are errors that name their place.

#![allow(missing_docs)] // a field is the property of its name in config.md and config-linux.md

mod json;
mod place;
pub mod process;
pub mod resources;
pub mod seccomp;
mod slot;

use crate::{texts, texts::Texts};
pub use json::{parse, read};
pub use process::Process;
use slot::lists;
pub(crate) use slot::object;
pub use slot::{List, Map, Next, Put, Slot, Value, number};

/// The runtime-spec version that config.json, state and features are written to.
pub const SPEC: &str = "1.3.0";

/// The whole of config.json.
#[derive(Debug, Default)]
pub struct Config<'a> {
    pub oci_version: &'a str,
    pub root: Option<Root<'a>>,
    pub process: Option<Process<'a>>,
    pub hostname: Option<&'a str>,
    pub domainname: Option<&'a str>,
    pub mounts: List<Mount<'a>>,
    pub hooks: Hooks<'a>,
    pub annotations: Map<'a, &'a str>,
    pub linux: Linux<'a>,
}

object!(Config<'a> { "ociVersion" => oci_version, "root" => root, "process" => process, "hostname" => hostname, "domainname" => domainname, "mounts" => mounts, "hooks" => hooks, "annotations" => annotations, "linux" => linux });

/// `root`.
#[derive(Debug, Default)]
pub struct Root<'a> {
    pub path: &'a str,
    pub readonly: bool,
}

object!(Root<'a> { "path" => path, "readonly" => readonly });

/// One of `mounts`.
#[derive(Debug, Default)]
pub struct Mount<'a> {
    pub destination: &'a str,
    pub fstype: &'a str,
    pub source: &'a str,
    pub options: List<&'a str>,
    pub uid_mappings: Option<List<IdMapping>>,
    pub gid_mappings: Option<List<IdMapping>>,
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

/// `hooks`: a list for each kind, in the order in which it runs.
#[derive(Debug, Default)]
pub struct Hooks<'a>([List<Hook<'a>>; 6]);

/// The kinds of hooks, in the order in which a container's life comes to them (config.md "POSIX-platform Hooks").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

/// Their names.
pub static HOOKS: Texts =
    texts!["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

lists!(Hooks<'a>, HOOKS);

impl HookKind {
    /// Every one.
    pub const ALL: [HookKind; 6] = {
        use HookKind::*;
        [Prestart, CreateRuntime, CreateContainer, StartContainer, Poststart, Poststop]
    };

    /// Its name.
    pub fn name(self) -> &'static str {
        HOOKS.get(self as usize)
    }
}

impl<'a> Hooks<'a> {
    /// Those of one kind.
    pub fn of(&self, kind: HookKind) -> &[Hook<'a>] {
        self.0.get(kind as usize).map_or(&[], |list| list)
    }

    /// Whether there are hooks that run before the container's program does.
    pub fn any_before_the_program(&self) -> bool {
        self.0.iter().take(HookKind::Poststart as usize).any(|hooks| !hooks.is_empty())
    }
}

/// One hook. `timeout` is in seconds.
#[derive(Debug, Default)]
pub struct Hook<'a> {
    pub path: &'a str,
    pub args: List<&'a str>,
    pub env: List<&'a str>,
    pub timeout: Option<i64>,
}

object!(Hook<'a> { "path" => path, "args" => args, "env" => env, "timeout" => timeout });

/// `linux`.
#[derive(Debug, Default)]
pub struct Linux<'a> {
    pub uid_mappings: List<IdMapping>,
    pub gid_mappings: List<IdMapping>,
    pub sysctl: Map<'a, &'a str>,
    pub resources: resources::Resources<'a>,
    pub cgroups_path: &'a str,
    pub namespaces: List<Namespace<'a>>,
    pub devices: List<Device<'a>>,
    pub net_devices: Map<'a, NetDevice<'a>>,
    pub seccomp: Option<seccomp::Seccomp<'a>>,
    pub rootfs_propagation: &'a str,
    pub masked_paths: List<&'a str>,
    pub readonly_paths: List<&'a str>,
    pub mount_label: &'a str,
    pub intel_rdt: Option<IntelRdt<'a>>,
    pub memory_policy: Option<MemoryPolicy<'a>>,
    pub personality: Option<Personality<'a>>,
    pub time_offsets: Map<'a, TimeOffset>,
}

object!(Linux<'a> { "uidMappings" => uid_mappings, "gidMappings" => gid_mappings, "sysctl" => sysctl, "resources" => resources, "cgroupsPath" => cgroups_path, "namespaces" => namespaces, "devices" => devices, "netDevices" => net_devices, "seccomp" => seccomp, "rootfsPropagation" => rootfs_propagation, "maskedPaths" => masked_paths, "readonlyPaths" => readonly_paths, "mountLabel" => mount_label, "intelRdt" => intel_rdt, "memoryPolicy" => memory_policy, "personality" => personality, "timeOffsets" => time_offsets });

/// One of `linux.namespaces`: new, or joined by path.
#[derive(Debug, Default)]
pub struct Namespace<'a> {
    pub kind: &'a str,
    pub path: &'a str,
}

object!(Namespace<'a> { "type" => kind, "path" => path });

/// One of `linux.devices`.
#[derive(Debug, Default)]
pub struct Device<'a> {
    pub kind: &'a str,
    pub path: &'a str,
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
    pub name: &'a str,
}

object!(NetDevice<'a> { "name" => name });

/// `linux.intelRdt`.
#[derive(Debug, Default)]
pub struct IntelRdt<'a> {
    pub clos_id: Option<&'a str>,
    pub schemata: Option<List<&'a str>>,
    pub l3_cache_schema: Option<&'a str>,
    pub mem_bw_schema: Option<&'a str>,
    pub enable_monitoring: bool,
}

object!(IntelRdt<'a> { "closID" => clos_id, "schemata" => schemata, "l3CacheSchema" => l3_cache_schema, "memBwSchema" => mem_bw_schema, "enableMonitoring" => enable_monitoring });

/// `linux.memoryPolicy`.
#[derive(Debug, Default)]
pub struct MemoryPolicy<'a> {
    pub mode: &'a str,
    pub nodes: &'a str,
    pub flags: List<&'a str>,
}

object!(MemoryPolicy<'a> { "mode" => mode, "nodes" => nodes, "flags" => flags });

/// `linux.personality`.
#[derive(Debug, Default)]
pub struct Personality<'a> {
    pub domain: &'a str,
    pub flags: List<&'a str>,
}

object!(Personality<'a> { "domain" => domain, "flags" => flags });

/// One of `linux.timeOffsets`.
#[derive(Debug, Default, Clone, Copy)]
pub struct TimeOffset {
    pub secs: i64,
    pub nanosecs: u32,
}

object!(TimeOffset { "secs" => secs, "nanosecs" => nanosecs });

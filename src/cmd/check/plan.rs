//! `check --plan`: everything that a bundle compiles to, as JSON with the names of `plan`. What is absent or an empty text is left out.

use crate::compile::seccomp::{asm, table};
use crate::json::Writer;
use crate::plan::*;
use alloc::{string::String, vec::Vec};
use core::{ffi::CStr, str::Lines};
use syscalls::CStrArray;

/// The Plan for a person.
pub fn text(plan: &Plan) -> String {
    let mut page = Page::default();
    plan.show(&mut page);
    page.out.finish()
}

/// What is being written, and the names of what comes next.
#[derive(Default)]
struct Page {
    out: Writer,
    /// Of each object that is open those that are still to come, with a space behind each; elements of an array have none.
    names: Vec<&'static str>,
}

impl Page {
    #[inline(never)]
    fn name(&mut self) -> &'static str {
        let Some(names) = self.names.last_mut() else { return "" };
        let (name, rest) = names.split_once(' ').unwrap_or_default();
        *names = rest;
        name
    }

    #[inline(never)]
    fn skip(&mut self) {
        self.name();
    }

    #[inline(never)]
    fn object(&mut self, names: &'static str) {
        let name = self.name();
        self.out.object(name);
        self.names.push(names);
    }

    #[inline(never)]
    fn end_object(&mut self) {
        self.names.pop();
        self.out.end_object();
    }

    #[inline(never)]
    fn array(&mut self) {
        let name = self.name();
        self.out.array(name);
        self.names.push("");
    }

    #[inline(never)]
    fn end_array(&mut self) {
        self.names.pop();
        self.out.end_array();
    }

    #[inline(never)]
    fn bytes(&mut self, value: &[u8]) {
        let name = self.name();
        self.out.bytes(name, value);
    }

    fn strings(&mut self, values: &mut dyn Iterator<Item = &str>) {
        let name = self.name();
        self.out.strings(name, values);
    }

    #[inline(never)]
    fn number(&mut self, value: u64) {
        let name = self.name();
        self.out.unsigned(name, value);
    }
}

/// What can be shown, under the next name.
trait Shown {
    fn show(&self, page: &mut Page);
}

/// `shown! { value: Type { "name" expression, … } }`: the properties of an object.
macro_rules! shown {
    ($($this:ident: $type:ty { $($name:literal $value:expr),* $(,)? })*) => {$(
        impl Shown for $type {
            fn show(&self, page: &mut Page) {
                let $this = self;
                page.object(concat!($($name, " "),*));
                $($value.show(page);)*
                page.end_object();
            }
        }
    )*};
}

shown! {
    plan: Plan {
        "namespaces" plan.namespaces,
        "join" plan.namespaces.join,
        "root" plan.root,
        "mounts" plan.mounts,
        "devices" plan.devices,
        "devIsBound" plan.dev_is_bound,
        "secondIpc" plan.second_ipc,
        "netDevices" plan.net_devices,
        "masked" plan.masked,
        "readonly" plan.readonly,
        "maskData" plan.mask_data,
        "sysctls" plan.sysctls,
        "hostname" plan.hostname,
        "domainname" plan.domainname,
        "createContainer" plan.create_container,
        "startContainer" plan.start_container,
        "process" plan.process,
        "warnings" plan.warnings,
    }
    namespaces: Namespaces {
        "new" namespaces.new,
        "uidMap" namespaces.uid_map,
        "gidMap" namespaces.gid_map,
        "timeOffsets" namespaces.time_offsets,
    }
    join: Join { "kind" join.kind, "index" join.index, "path" join.path }
    root: Root {
        "path" root.path,
        "readonly" root.readonly,
        "noPivot" root.no_pivot,
        "propagation" root.propagation,
    }
    mount: Mount {
        "kind" mount.kind,
        "source" mount.source,
        "target" mount.target,
        "fstype" mount.fstype,
        "data" mount.data,
        "label" mount.label,
        "flags" mount.flags,
        "attrSet" mount.attr.set,
        "attrClear" mount.attr.clear,
        "treeAttrSet" mount.tree_attr.set,
        "treeAttrClear" mount.tree_attr.clear,
        "propagation" mount.propagation,
        "index" mount.index,
        "copyUp" mount.copy_up,
        "modeBelow" mount.mode_below,
        "lateReadonly" mount.late_readonly,
        "sourceNofollow" mount.source_nofollow,
        "targetNofollow" mount.target_nofollow,
        "noSymlinks" mount.no_symlinks,
        "idmap" mount.idmap,
    }
    idmap: IdMap { "uidMap" idmap.uid_map, "gidMap" idmap.gid_map, "recursive" idmap.recursive }
    device: Device {
        "path" device.path,
        "mode" device.mode,
        "major" device.major,
        "minor" device.minor,
        "uid" device.uid,
        "gid" device.gid,
        "index" device.index,
    }
    device: NetDevice { "name" device.name, "inside" device.inside }
    sysctl: Sysctl { "path" sysctl.path, "value" sysctl.value }
    hook: Hook { "path" hook.path, "args" hook.args, "env" hook.env, "timeout" hook.timeout }
    process: Process {
        "args" process.args,
        "env" process.env,
        "candidates" process.candidates,
        "cwd" process.cwd,
        "uid" process.uid,
        "gid" process.gid,
        "umask" process.umask,
        "preserveFds" process.preserve_fds,
        "groups" process.groups,
        "wantsHome" !process.home.is_empty(),
        "wantsListenPid" !process.listen_pid.is_empty(),
        "groupsDenied" process.groups_denied,
        "noNewPrivileges" process.no_new_privileges,
        "newKeyring" process.new_keyring,
        "capabilities" process.capabilities,
        "rlimits" process.rlimits,
        "oomScoreAdj" process.oom_score_adj,
        "apparmor" process.apparmor,
        "selinux" process.selinux,
        "personality" process.personality,
        "ioPriority" process.io_priority,
        "scheduler" process.scheduler,
        "memoryPolicy" process.memory_policy,
        "affinityInitial" Numbers(process.affinity_initial),
        "affinityFinal" Numbers(process.affinity_final),
        "seccomp" process.seccomp,
        "terminal" process.terminal,
    }
    sets: Capabilities {
        "bounding" sets.bounding,
        "effective" sets.effective,
        "permitted" sets.permitted,
        "inheritable" sets.inheritable,
        "ambient" sets.ambient,
    }
    limit: Rlimit { "resource" limit.resource, "soft" limit.soft, "hard" limit.hard, "index" limit.index }
    scheduler: Scheduler {
        "nice" scheduler.nice,
        "policy" scheduler.policy,
        "flags" scheduler.flags,
        "priority" scheduler.priority,
        "runtime" scheduler.runtime,
        "deadline" scheduler.deadline,
        "period" scheduler.period,
    }
    policy: MemoryPolicy { "mode" policy.mode, "nodes" policy.nodes }
    filter: Filter {
        "flags" filter.flags,
        "defaultFlags" filter.default_flags,
        "unknown" filter.unknown,
        "program" asm::print(filter.program, &table::NATIVE).lines(),
    }
    terminal: Terminal { "height" terminal.height, "width" terminal.width }
}

impl Shown for bool {
    fn show(&self, page: &mut Page) {
        let name = page.name();
        page.out.flag(name, *self);
    }
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Shown for $type {
            fn show(&self, page: &mut Page) {
                page.number(u64::try_from(*self).unwrap_or(u64::MAX));
            }
        }
    )*};
}

numbers! { u16 u32 u64 usize }

impl Shown for i32 {
    fn show(&self, page: &mut Page) {
        let name = page.name();
        page.out.number(name, (*self).into());
    }
}

impl Shown for MountKind {
    fn show(&self, page: &mut Page) {
        use MountKind::*;
        page.bytes(match self {
            Filesystem => b"Filesystem",
            Cgroup => b"Cgroup",
            Bind => b"Bind",
            TreeBind => b"TreeBind",
            CopySymlink => b"CopySymlink",
            BindRemount => b"BindRemount",
            Remount => b"Remount",
            Propagation => b"Propagation",
        });
    }
}

impl Shown for &[u8] {
    fn show(&self, page: &mut Page) {
        page.bytes(self);
    }
}

impl Shown for &CStr {
    fn show(&self, page: &mut Page) {
        page.bytes(self.to_bytes());
    }
}

impl<T: Shown> Shown for Option<T> {
    fn show(&self, page: &mut Page) {
        match self {
            Some(value) => value.show(page),
            None => page.skip(),
        }
    }
}

impl Shown for Lines<'_> {
    fn show(&self, page: &mut Page) {
        page.strings(&mut self.clone());
    }
}

impl Shown for [&str] {
    fn show(&self, page: &mut Page) {
        page.strings(&mut self.iter().copied());
    }
}

impl<T: Shown> Shown for [T] {
    fn show(&self, page: &mut Page) {
        page.array();
        self.iter().for_each(|value| value.show(page));
        page.end_array();
    }
}

impl Shown for CStrArray {
    fn show(&self, page: &mut Page) {
        page.array();
        self.iter().for_each(|value| value.show(page));
        page.end_array();
    }
}

/// Bytes that are no text.
struct Numbers(&'static [u8]);

impl Shown for Numbers {
    fn show(&self, page: &mut Page) {
        page.array();
        self.0.iter().for_each(|byte| page.number((*byte).into()));
        page.end_array();
    }
}

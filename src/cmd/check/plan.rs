//! `check --plan`: everything that a bundle compiles to, as JSON with the names of `plan`. What is absent or an empty text is left out.

use crate::compile::seccomp::{asm, table};
use crate::json::Writer;
use crate::plan::{Capabilities, Hook, Mount, MountKind, Plan, Process, Scheduler};
use alloc::string::String;
use syscalls::CStrArray;

/// The Plan for a person.
pub fn text(plan: &Plan) -> String {
    let Plan { namespaces, root, process, .. } = plan;
    let out = &mut Writer::default();
    out.object("");
    out.object("namespaces");
    out.numbers("new", &[namespaces.new]);
    out.bytes("uidMap", namespaces.uid_map);
    out.bytes("gidMap", namespaces.gid_map);
    out.bytes("timeOffsets", namespaces.time_offsets);
    out.end_object();
    out.objects("join", namespaces.join, &|out, join| {
        out.numbers("kind index", &[join.kind, join.index.into()]);
        out.bytes("path", join.path.to_bytes());
    });
    out.object("root");
    out.bytes("path", root.path.to_bytes());
    out.flags("readonly noPivot", &[root.readonly, root.no_pivot]);
    out.numbers("propagation", &[root.propagation.into()]);
    out.end_object();
    out.objects("mounts", &plan.mounts, &mount);
    out.objects("devices", plan.devices, &|out, device| {
        out.bytes("path", device.path.to_bytes());
        let numbers = [device.mode, device.major, device.minor, device.uid, device.gid].map(u64::from);
        out.numbers("mode major minor uid gid", &numbers);
        out.optional("index", device.index.map(u32::from));
    });
    out.flags("devIsBound secondIpc", &[plan.dev_is_bound, plan.second_ipc]);
    out.objects("netDevices", plan.net_devices, &|out, device| {
        out.bytes("name", device.name.to_bytes());
        out.bytes("inside", device.inside.to_bytes());
    });
    for (name, paths) in [("masked", &plan.masked), ("readonly", &plan.readonly)] {
        out.array(name);
        paths.iter().for_each(|path| out.bytes("", path.to_bytes()));
        out.end_array();
    }
    out.bytes("maskData", plan.mask_data.to_bytes());
    out.objects("sysctls", plan.sysctls, &|out, sysctl| {
        out.bytes("path", sysctl.path.to_bytes());
        out.bytes("value", sysctl.value);
    });
    out.bytes("hostname", plan.hostname.unwrap_or_default());
    out.bytes("domainname", plan.domainname.unwrap_or_default());
    out.objects("createContainer", plan.create_container, &hook);
    out.objects("startContainer", plan.start_container, &hook);
    self::process(out, process);
    out.strings("warnings", &mut plan.warnings.iter().copied());
    out.end_object();
    core::mem::take(out).finish()
}

fn mount(out: &mut Writer, mount: &Mount) {
    use MountKind::*;
    out.string(
        "kind",
        match mount.kind {
            Filesystem => "Filesystem",
            Cgroup => "Cgroup",
            Bind => "Bind",
            TreeBind => "TreeBind",
            CopySymlink => "CopySymlink",
            BindRemount => "BindRemount",
            Remount => "Remount",
            Propagation => "Propagation",
        },
    );
    for (name, text) in [
        ("source", &mount.source),
        ("target", &mount.target),
        ("fstype", &mount.fstype),
        ("data", &mount.data),
        ("label", &mount.label),
    ] {
        out.bytes(name, text.to_bytes());
    }
    let (attr, tree) = (mount.attr, mount.tree_attr);
    out.numbers(
        "flags attrSet attrClear treeAttrSet treeAttrClear propagation index",
        &[
            mount.flags.into(),
            attr.set,
            attr.clear,
            tree.set,
            tree.clear,
            mount.propagation.into(),
            mount.index.into(),
        ],
    );
    out.flags(
        "copyUp modeBelow lateReadonly sourceNofollow targetNofollow noSymlinks",
        &[
            mount.copy_up,
            mount.mode_below,
            mount.late_readonly,
            mount.source_nofollow,
            mount.target_nofollow,
            mount.no_symlinks,
        ],
    );
    if let Some(idmap) = &mount.idmap {
        out.object("idmap");
        out.bytes("uidMap", idmap.uid_map);
        out.bytes("gidMap", idmap.gid_map);
        out.flags("recursive", &[idmap.recursive]);
        out.end_object();
    }
}

fn hook(out: &mut Writer, hook: &Hook) {
    out.bytes("path", hook.path.to_bytes());
    strings(out, "args", &hook.args);
    strings(out, "env", &hook.env);
    out.optional("timeout", hook.timeout);
}

fn strings(out: &mut Writer, name: &str, strings: &CStrArray) {
    out.array(name);
    strings.iter().for_each(|string| out.bytes("", string.to_bytes()));
    out.end_array();
}

fn process(out: &mut Writer, process: &Process) {
    out.object("process");
    strings(out, "args", &process.args);
    strings(out, "env", &process.env);
    out.array("candidates");
    process.candidates.iter().for_each(|path| out.bytes("", path.to_bytes()));
    out.end_array();
    out.bytes("cwd", process.cwd.to_bytes());
    let numbers = [process.uid, process.gid, process.umask, process.preserve_fds].map(u64::from);
    out.numbers("uid gid umask preserveFds", &numbers);
    out.array("groups");
    process.groups.iter().for_each(|group| out.unsigned("", u64::from(*group)));
    out.end_array();
    out.flags(
        "wantsHome wantsListenPid groupsDenied noNewPrivileges newKeyring",
        &[
            !process.home.is_empty(),
            !process.listen_pid.is_empty(),
            process.groups_denied,
            process.no_new_privileges,
            process.new_keyring,
        ],
    );
    let Capabilities { bounding, effective, permitted, inheritable, ambient } = process.capabilities;
    out.object("capabilities");
    out.numbers(
        "bounding effective permitted inheritable ambient",
        &[bounding, effective, permitted, inheritable, ambient],
    );
    out.end_object();
    out.objects("rlimits", process.rlimits, &|out, limit| {
        let (resource, index) = (limit.resource.into(), limit.index.into());
        out.numbers("resource soft hard index", &[resource, limit.soft, limit.hard, index]);
    });
    if let Some(adjust) = process.oom_score_adj {
        out.number("oomScoreAdj", adjust.into());
    }
    for (name, label) in [("apparmor", &process.apparmor), ("selinux", &process.selinux)] {
        out.bytes(name, label.as_ref().map_or(&[], |label| label.to_bytes()));
    }
    out.optional("personality", process.personality);
    out.optional("ioPriority", process.io_priority);
    if let Some(Scheduler { policy, flags, nice, priority, runtime, deadline, period }) = process.scheduler {
        out.object("scheduler");
        out.number("nice", nice.into());
        out.numbers(
            "policy flags priority runtime deadline period",
            &[policy.into(), flags, priority.into(), runtime, deadline, period],
        );
        out.end_object();
    }
    if let Some(policy) = &process.memory_policy {
        out.object("memoryPolicy");
        out.numbers("mode", &[policy.mode.into()]);
        out.array("nodes");
        policy.nodes.iter().for_each(|nodes| out.unsigned("", u64::try_from(*nodes).unwrap_or(u64::MAX)));
        out.end_array();
        out.end_object();
    }
    for (name, mask) in
        [("affinityInitial", &process.affinity_initial), ("affinityFinal", &process.affinity_final)]
    {
        out.array(name);
        mask.iter().for_each(|byte| out.unsigned("", u64::from(*byte)));
        out.end_array();
    }
    if let Some(filter) = &process.seccomp {
        out.object("seccomp");
        out.numbers("flags", &[filter.flags.into()]);
        out.flags("defaultFlags", &[filter.default_flags]);
        out.strings("unknown", &mut filter.unknown.iter().copied());
        out.strings("program", &mut asm::print(filter.program, &table::NATIVE).lines());
        out.end_object();
    }
    if let Some(terminal) = process.terminal {
        out.object("terminal");
        out.numbers("height width", &[terminal.height.into(), terminal.width.into()]);
        out.end_object();
    }
    out.end_object();
}

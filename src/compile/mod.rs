//! config.json -> Plan: a pure function. Every refusal that needs no kernel is made here or in `validate`, before any
//! side effect; what comes out needs no decision any more.

pub mod capabilities;
pub mod cgroup;
pub mod device;
pub mod devices;
pub mod mounts;
pub mod namespaces;
pub mod netdev;
pub mod options;
pub mod process;
pub mod seccomp;
pub mod sysctl;

use crate::config::{Config, HookKind, Hooks, Linux};
use crate::error::{Error, Result, decimal, error};
use crate::paths::cstring;
use crate::plan::{Filter, Hook, MountKind, Plan, Process};
use crate::words::Words;
use alloc::{boxed::Box, string::String, vec::Vec};
use core::ffi::CStr;
use syscalls::CStrArray;

/// What `create` and `run` know besides config.json.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Absolute path of the bundle.
    pub bundle: &'a str,
    pub id: &'a str,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    pub preserve_fds: u32,
    /// Environment that the runtime adds.
    pub env: &'a [String],
    /// Absolute path of the directory with the container's own NOTIFY_SOCKET, if it gets one.
    pub notify: Option<&'a str>,
    /// `--allow-unknown-syscalls`.
    pub allow_unknown_syscalls: bool,
}

/// Compiles a whole container. The Plan stands still from then on and, like the process that carries it out, is never taken apart.
pub fn compile(config: &Config<'_>, request: Request<'_>) -> Result<&'static mut Plan> {
    // Filled in where it is to stay: to move it there would take as much code again.
    let plan = Box::leak(Box::<Plan>::default());
    namespaces::namespaces(config, &mut plan.namespaces)?;
    let user_namespace = plan.namespaces.has(u64::from(linux_raw_sys::general::CLONE_NEWUSER));
    let linux = &config.linux;

    let around = process::Surroundings {
        place: "config.json: process",
        new_keyring: !request.no_new_keyring,
        preserve_fds: request.preserve_fds,
        env: request.env,
    };
    let process =
        config.process.as_ref().ok_or_else(|| Error::new(words!("config.json: process: is missing")))?;
    process::compile(process, around, &mut plan.process, &mut plan.warnings)?;
    surroundings(linux, request.allow_unknown_syscalls, &mut plan.process)?;
    // "This setting is not applicable to the container's init process" (config.md "execCPUAffinity").
    (plan.process.affinity_initial, plan.process.affinity_final) = (&[], &[]);

    mounts::root(config, request.bundle, plan)?;
    plan.root.no_pivot = request.no_pivot;
    mounts::mounts(config, request.bundle, plan)?;
    if plan.namespaces.joins(u64::from(linux_raw_sys::general::CLONE_NEWNS)) {
        mounts::attached_nowhere(&plan.root, &plan.mounts)?;
    }
    if let Some(directory) = request.notify {
        mounts::notify(directory, config, plan)?;
    }
    mounts::late_readonly(&mut plan.mounts);
    let dev = plan.mounts.iter().rev().find(|mount| mount.target.to_bytes() == b"dev" && mount.is_mounted());
    plan.dev_is_bound = dev.is_some_and(|dev| matches!(dev.kind, MountKind::Bind | MountKind::TreeBind));
    let labelled = plan.mounts.iter().any(|mount| !mount.label.is_empty());
    plan.second_ipc = labelled
        && user_namespace
        && plan.namespaces.new & u64::from(linux_raw_sys::general::CLONE_NEWIPC) != 0;
    // Without a cgroup namespace of its own a container sees the host's whole tree: only one that may do everything anyway may
    // write there (CVE-2022-0492, CVE-2023-25809).
    let privileged = plan.process.capabilities.bounding >> linux_raw_sys::general::CAP_SYS_ADMIN & 1 == 1;
    if !plan.namespaces.has(u64::from(linux_raw_sys::general::CLONE_NEWCGROUP)) && !privileged {
        mounts::read_only_cgroups(&mut plan.mounts);
    }
    // Those that the runtime runs are compiled when their time comes; what is wrong with one is said now.
    for kind in HookKind::ALL {
        let compiled = hooks(&config.hooks, kind)?;
        match kind {
            HookKind::CreateContainer => plan.create_container = compiled,
            HookKind::StartContainer => plan.start_container = compiled,
            _ => {}
        }
    }
    devices::devices(config, plan)?;
    netdev::net_devices(config, plan)?;
    paths(&linux.masked_paths, "maskedPaths", &mut plan.masked)?;
    plan.mask_data = mounts::labelled(linux.mount_label, "nr_blocks=1,nr_inodes=1");
    paths(&linux.readonly_paths, "readonlyPaths", &mut plan.readonly)?;
    sysctl::sysctls(config, plan)?;
    name(config.hostname, "hostname", &mut plan.hostname)?;
    name(config.domainname, "domainname", &mut plan.domainname)?;
    Ok(plan)
}

/// What `linux` adds to every process of a container, the first as those of exec.
pub fn surroundings(linux: &Linux<'_>, allow_unknown_syscalls: bool, process: &mut Process) -> Result<()> {
    if let Some(profile) = &linux.seccomp {
        let options = seccomp::Options { allow_unknown: allow_unknown_syscalls };
        let filter =
            seccomp::compile("config.json: linux.seccomp.", profile, &seccomp::table::NATIVE, options)?;
        let mut unknown = Vec::new();
        for name in filter.unknown {
            unknown.push(&*String::from(name).leak());
        }
        process.seccomp = Some(Filter {
            program: filter.program.leak(),
            flags: filter.flags,
            default_flags: filter.default_flags,
            unknown: unknown.leak(),
        });
    }
    if let Some(asked) = &linux.personality {
        process.personality = Some(process::personality(asked)?);
    }
    if let Some(asked) = &linux.memory_policy {
        process.memory_policy = Some(process::memory_policy(asked)?);
    }
    Ok(())
}

/// The hooks of one kind.
pub fn hooks(hooks: &Hooks<'_>, kind: HookKind) -> Result<&'static [Hook]> {
    let hooks = hooks.of(kind);
    let mut plan = Vec::with_capacity(hooks.len());
    for (index, hook) in hooks.iter().enumerate() {
        let refuse = |why: Words| error!("config.json: hooks.{}[{}].{}", kind.name(), decimal(index), why);
        if !hook.path.starts_with('/') {
            return Err(refuse(words!("path: must be absolute")));
        }
        let timeout = match hook.timeout {
            None => None,
            Some(seconds) => match u32::try_from(seconds) {
                Ok(seconds @ 1..) => Some(seconds),
                _ => return Err(refuse(words!("timeout: must be greater than zero (seconds)"))),
            },
        };
        let path = cstring(hook.path);
        let args = match hook.args.is_empty() {
            true => cstrings(&[hook.path]),
            false => cstrings(&hook.args),
        };
        let env = cstrings(&hook.env);
        plan.push(Hook { path, args, env, timeout });
    }
    Ok(plan.leak())
}

fn paths(paths: &[&str], list: &str, plan: &mut &'static [&'static CStr]) -> Result<()> {
    let mut inner = Vec::with_capacity(paths.len());
    for (index, path) in paths.iter().enumerate() {
        if !path.starts_with('/') {
            return Err(error!(
                "config.json: linux.{}[{}] {quoted}: must be absolute",
                list,
                decimal(index),
                path
            ));
        }
        inner.push(inside(path));
    }
    *plan = inner.leak();
    Ok(())
}

/// A UTS name: at most 64 bytes (__NEW_UTS_LEN).
fn name(name: Option<&str>, field: &str, plan: &mut Option<&'static [u8]>) -> Result<()> {
    let name = name.unwrap_or_default();
    if name.len() > 64 {
        return Err(error!("config.json: {}: is longer than 64 bytes", field));
    }
    if !name.is_empty() {
        *plan = Some(cstring(name).to_bytes());
    }
    Ok(())
}

/// Such strings as execve(2) takes them.
fn cstrings(texts: &[&str]) -> CStrArray {
    texts.iter().map(|text| cstring(text)).collect()
}

/// A path of the container, cleaned as text (`a//b`, `.` and `..` resolved, never above the root) and made relative to the
/// container's root: `/dev/./pts` is `dev/pts`, `/` is `.`. Symbolic links are for the kernel to resolve, inside the root.
pub fn inside(path: &str) -> &'static CStr {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    match parts.is_empty() {
        true => cstring("."),
        false => cstring(&parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_paths_never_leave_the_root() {
        for (given, clean) in
            [("/", "."), ("", "."), ("/a/../../b//c/.", "b/c"), ("dev/pts/", "dev/pts"), ("/..", ".")]
        {
            assert_eq!(inside(given).to_str(), Ok(clean), "{given}");
        }
    }
}

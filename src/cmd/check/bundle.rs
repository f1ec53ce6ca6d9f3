//! Whether a bundle would start on this machine, and what it would have less of than it asks for.
//!
//! First the refusals of `create` itself, made by the same code; then what only the kernel or a file could refuse.

use super::machine::{self, Machine};
use crate::bundle::Bundle;
use crate::cgroup::{self, Wanted};
use crate::cmd::Context;
use crate::compile::{self, capabilities, namespaces, process};
use crate::config::{self, Config, HookKind, Hooks};
use crate::error::{Quoted, Result, Text};
use crate::paths::{c_path, open};
use crate::plan::{MountKind, Plan};
use crate::rdt;
use crate::spawn::{self, maps, render::quoted};
use crate::validate::validate;
use alloc::{fmt, format, string::String, vec::Vec};
use core::ffi::CStr;
use rustix::fs::{Access, OFlags};
use syscalls::{AsFd, CWD, Errno, OwnedFd, fd, fs, net, ns, process as call, stat};

/// Capabilities by number (linux/capability.h).
const CAP_SYS_RESOURCE: u32 = 24;
const CAP_MKNOD: u32 = 27;

/// What was found, each a finished line.
#[derive(Default)]
pub struct Findings {
    /// Why it would not start.
    pub fails: Vec<String>,
    /// What it would not get, or not as asked.
    pub losses: Vec<String>,
}

impl Findings {
    fn fail(&mut self, line: fmt::Arguments<'_>) {
        self.fails.push(fmt::format(line));
    }

    fn lose(&mut self, line: fmt::Arguments<'_>) {
        self.losses.push(fmt::format(line));
    }
}

/// Judges a bundle.
pub fn judge(context: &Context, bundle: &'static Bundle, machine: &Machine) -> Findings {
    let mut found = Findings::default();
    if let Err(error) = refusals(context, bundle, machine, &mut found) {
        found.fail(format_args!("{error}"));
    }
    found
}

/// Goes as far as `create` would, and on from there.
fn refusals(
    context: &Context,
    bundle: &'static Bundle,
    machine: &Machine,
    found: &mut Findings,
) -> Result<()> {
    let config: &mut Config<'_> = config::parse("config.json", bundle.json)?;
    validate(config)?;
    let plan = compile::compile(config, super::request(bundle))?;
    found.losses.extend(plan.warnings.iter().map(|warning| String::from(*warning)));
    let user_namespace = plan.namespaces.has(ns::CLONE_NEWUSER);
    let wanted = Wanted {
        manager: context.cgroup_manager(),
        cgroups_path: config.linux.cgroups_path,
        id: super::ID,
        holds: false,
        may_mknod: plan.process.capabilities.bounding & (1 << CAP_MKNOD) != 0 && !user_namespace,
    };
    match cgroup::prepare(&config.linux.resources, wanted) {
        Ok(prepared) => found.losses.extend(prepared.warning.map(String::from)),
        Err(error) => found.fail(format_args!("{error}")),
    }
    if let Err(error) = rdt::prepare(config, super::ID) {
        found.fail(format_args!("{error}"));
    }
    if let Err(error) = spawn::open_joins(&plan.namespaces) {
        found.fail(format_args!("{error}"));
    }
    new_namespaces(plan, machine, found);
    mounts(plan, machine, found);
    net_devices(plan, found);
    root(plan, found);
    process(plan, machine, user_namespace, found);
    security(plan, config.linux.mount_label, machine, found);
    for sysctl in plan.sysctls {
        let path = c_path(format_args!("/proc/sys/{}", sysctl.path.to_string_lossy()));
        if rustix::fs::access(path, Access::EXISTS).is_err() {
            let path = path.to_string_lossy();
            found.fail(format_args!("linux.sysctl: {}: is not in this kernel", Quoted(&path)));
        }
    }
    for kind in HookKind::ALL {
        // What startContainer runs is in the container.
        if kind != HookKind::StartContainer {
            hook(kind, &config.hooks, found);
        }
    }
    Ok(())
}

/// Makes them once, in a process that ends at once.
fn new_namespaces(plan: &Plan, machine: &Machine, found: &mut Findings) {
    let new = plan.namespaces.new;
    for (name, flag, file) in namespaces::NAMESPACES {
        let path = c_path(format_args!("/proc/self/ns/{file}"));
        if new & flag != 0 && rustix::fs::access(path, Access::EXISTS).is_err() {
            found.fail(format_args!("linux.namespaces: {name}: this kernel has none"));
            return;
        }
    }
    if let Err(errno) = machine::try_namespaces(new & !ns::CLONE_NEWTIME) {
        let hint = if new & ns::CLONE_NEWUSER == 0 && !machine.root {
            " (an ordinary user needs a user namespace)"
        } else {
            ""
        };
        found.fail(format_args!("linux.namespaces: {}{hint}", Text(errno)));
    }
    let asked = &plan.namespaces;
    if !machine.root && new & ns::CLONE_NEWUSER != 0 {
        let user = syscalls::ids::start().uid;
        let group = syscalls::ids::start().gid;
        let own = maps::is_single(asked.uid_map, user) && maps::is_single(asked.gid_map, group);
        if !own && !machine.has("newuidmap, newgidmap") {
            found.fail(format_args!("linux.uidMappings: more than the own id needs newuidmap and newgidmap"));
        }
    }
}

fn mounts(plan: &Plan, machine: &Machine, found: &mut Findings) {
    for mount in &plan.mounts {
        let place = format!("mounts[{}] {}", mount.index, quoted(mount.target));
        match mount.kind {
            MountKind::Filesystem => {
                let fstype = mount.fstype.to_string_lossy();
                if !machine.mounts(&fstype) {
                    found.lose(format_args!(
                        "{place}: {fstype} is not in this kernel, unless a module brings it"
                    ));
                }
            }
            MountKind::Bind | MountKind::TreeBind => {
                if let Err(errno) = rustix::fs::access(mount.source, Access::EXISTS) {
                    let source = mount.source.to_string_lossy();
                    found.fail(format_args!("{place}: source {}: {}", Quoted(&source), Text(errno)));
                }
            }
            _ => {}
        }
        if mount.idmap.is_some() && !machine.has("mount_setattr") {
            found.fail(format_args!("{place}: idmap needs mount_setattr (Linux 5.12)"));
        }
    }
    if !plan.mounts.is_empty() {
        for name in ["openat2", "open_tree", "fsopen"] {
            if let Some(item) = machine.items.iter().find(|item| item.name == name && !item.has) {
                found.lose(format_args!("mounts: no {name}: {}", item.without));
            }
        }
    }
}

fn net_devices(plan: &Plan, found: &mut Findings) {
    if plan.net_devices.is_empty() {
        return;
    }
    let Ok(socket) = net::socket(net::AF_UNIX, net::SOCK_DGRAM, 0) else { return };
    for device in plan.net_devices {
        if let Err(errno) = net::get_interface_index(socket.as_fd(), device.name) {
            found.fail(format_args!(
                "linux.netDevices {}: {}",
                Quoted(&device.name.to_string_lossy()),
                Text(errno)
            ));
        }
    }
}

/// The root, and the program in it unless a mount could bring that.
fn root(plan: &Plan, found: &mut Findings) {
    let path = plan.root.path.to_string_lossy();
    let root = match open(plan.root.path, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(root) => root,
        Err(errno) => return found.fail(format_args!("root.path {}: {}", Quoted(&path), Text(errno))),
    };
    let covered = |candidate: &CStr| {
        let candidate = candidate.to_bytes().strip_prefix(b"/").unwrap_or(candidate.to_bytes());
        plan.mounts.iter().any(|mount| {
            let target = mount.target.to_bytes();
            target == b"."
                || candidate
                    .strip_prefix(target)
                    .is_some_and(|rest| rest.starts_with(b"/") || rest.is_empty())
        })
    };
    let relative = |candidate: &CStr| !candidate.to_bytes().starts_with(b"/");
    let candidates = plan.process.candidates;
    // A path relative to the working directory is left to the kernel.
    if candidates.iter().any(|candidate| covered(candidate) || relative(candidate)) {
        return;
    }
    let mut why = Errno::NOENT;
    for candidate in candidates {
        match executable(&root, candidate) {
            Ok(()) | Err(Errno::NOSYS) => return,
            Err(Errno::NOENT) => {}
            Err(errno) => why = errno,
        }
    }
    let name = candidates.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match (why, candidates.len()) {
        (Errno::NOENT, 2..) => {
            found.fail(format_args!("process.args[0]: executable file not found in $PATH"));
        }
        (errno, _) => found.fail(format_args!("process.args[0] {}: {}", Quoted(&name), Text(errno))),
    }
}

fn executable(root: &OwnedFd, path: &CStr) -> core::result::Result<(), Errno> {
    let file = fs::openat2(root.as_fd(), path, fs::O_PATH, 0, fs::RESOLVE_IN_ROOT)?;
    let mode = stat::fstat(file.as_fd())?.mode;
    if mode & 0o170_000 == 0o100_000 && mode & 0o111 != 0 { Ok(()) } else { Err(Errno::ACCESS) }
}

fn process(plan: &Plan, machine: &Machine, user_namespace: bool, found: &mut Findings) {
    let sets = &plan.process.capabilities;
    let asked = sets.bounding | sets.permitted | sets.effective | sets.inheritable | sets.ambient;
    for (number, name) in (0_u32..).zip(capabilities::NAMES.iter()) {
        let bit = 1_u64.wrapping_shl(number);
        if asked & bit != 0 && !user_namespace && !machine.may(number) {
            found.lose(format_args!("process.capabilities: CAP_{name}: this caller has not got it to give"));
        }
    }
    if machine.may(CAP_SYS_RESOURCE) {
        return;
    }
    for limit in plan.process.rlimits {
        let now = call::prlimit(0, limit.resource, None);
        if now.is_ok_and(|now| limit.hard > now.maximum) {
            let name = process::RLIMITS.iter().find(|(_, number)| *number == limit.resource);
            let name = name.map_or("", |(name, _)| name);
            found.fail(format_args!(
                "process.rlimits[{}] RLIMIT_{name}: more than this caller may have (CAP_SYS_RESOURCE)",
                limit.index
            ));
        }
    }
    let now =
        machine::read(c"/proc/self/oom_score_adj").and_then(|text| text.trim_ascii().parse::<i32>().ok());
    if let (Some(wanted), Some(now)) = (plan.process.oom_score_adj, now)
        && wanted < now
    {
        found.fail(format_args!(
            "process.oomScoreAdj: {wanted} is less than the caller's {now} (CAP_SYS_RESOURCE)"
        ));
    }
}

fn security(plan: &Plan, mount_label: &str, machine: &Machine, found: &mut Findings) {
    let process = &plan.process;
    if let Some(profile) = &process.apparmor {
        let profile = profile.to_string_lossy();
        let loaded = machine::read(c"/sys/kernel/security/apparmor/profiles");
        if !machine.has("AppArmor") {
            found.fail(format_args!(
                "process.apparmorProfile {}: this kernel has no AppArmor",
                Quoted(&profile)
            ));
        } else if loaded.is_some_and(|loaded| {
            // Each line is a name and, in brackets, its mode.
            let is = |line: &str| {
                line.strip_prefix(&*profile)
                    .is_some_and(|mode| mode.starts_with(" (") && mode.matches('(').count() == 1)
            };
            !loaded.lines().any(is)
        }) && profile != "unconfined"
        {
            found.fail(format_args!("process.apparmorProfile {}: is not loaded", Quoted(&profile)));
        }
    }
    let process_label = process.selinux.map(CStr::to_bytes).unwrap_or_default();
    for (property, label) in
        [("process.selinuxLabel", process_label), ("linux.mountLabel", mount_label.as_bytes())]
    {
        if !label.is_empty() && !is_known(label) {
            found.fail(format_args!("{property}: this kernel has no SELinux, or that no such label"));
        }
    }
    if let Some(filter) = &process.seccomp {
        if !machine.has("seccomp") {
            found.fail(format_args!("linux.seccomp: this kernel has no seccomp filters"));
        }
        if filter.flags & syscalls::seccomp::NEW_LISTENER != 0 && !machine.has("seccomp notify") {
            found.fail(format_args!("linux.seccomp: SCMP_ACT_NOTIFY is not in this kernel (Linux 5.0)"));
        }
    }
    if process.memory_policy.is_some() && rustix::fs::access(c"/proc/self/numa_maps", Access::EXISTS).is_err()
    {
        found.fail(format_args!("linux.memoryPolicy: this kernel has no NUMA"));
    }
}

/// Whether SELinux takes this label. It may also tell this caller nothing.
fn is_known(label: &[u8]) -> bool {
    let file = fs::openat(CWD, c"/sys/fs/selinux/context", fs::O_WRONLY, 0);
    matches!(file.and_then(|file| fd::write(file.as_fd(), label)), Ok(_) | Err(Errno::ACCESS))
}

/// Programs of the host that the runtime would run.
fn hook(kind: HookKind, hooks: &Hooks<'_>, found: &mut Findings) {
    let plans = match compile::hooks(hooks, kind) {
        Ok(plans) => plans,
        Err(error) => return found.fail(format_args!("{error}")),
    };
    for (index, hook) in plans.iter().enumerate() {
        if let Err(errno) = rustix::fs::access(hook.path, Access::EXEC_OK) {
            let report = if kind == HookKind::Poststop { Findings::lose } else { Findings::fail };
            let path = hook.path.to_string_lossy();
            report(
                found,
                format_args!("hooks.{}[{index}].path {}: {}", kind.name(), Quoted(&path), Text(errno)),
            );
        }
    }
}

//! Whether a bundle would start on this machine, and what it would have less of than it asks for.
//!
//! First the refusals of `create` itself, made by the same code; then what only the kernel or a file could refuse.

use super::machine::{self, Machine, is_there};
use crate::args::values::integer;
use crate::bundle::Bundle;
use crate::cgroup::{self, Wanted};
use crate::cmd::Context;
use crate::compile::{self, capabilities, namespaces, process};
use crate::config::{self, Config, HookKind, Hooks};
use crate::error::{Error, Result, decimal, error};
use crate::paths::{c_path, open, shown};
use crate::plan::{MountKind, Plan};
use crate::rdt;
use crate::spawn::{self, maps, render::quoted};
use crate::validate::validate;
use alloc::{format, string::ToString, vec::Vec};
use core::ffi::CStr;
use rustix::fs::{Access, OFlags};
use syscalls::{AsFd, CWD, Errno, OwnedFd, fd, fs, net, ns, process as call, stat};

/// Capabilities by number (linux/capability.h).
const CAP_SYS_RESOURCE: u32 = 24;
const CAP_MKNOD: u32 = 27;

/// What was found, each a finished line.
pub struct Findings {
    /// The bundle's path.
    pub path: &'static str,
    /// Why it would not start.
    pub fails: Vec<&'static str>,
    /// What it would not get, or not as asked.
    pub losses: Vec<&'static str>,
}

impl Findings {
    #[inline(never)]
    fn fail(&mut self, error: Error) {
        self.fails.push(error.to_string().leak());
    }

    #[inline(never)]
    fn lose(&mut self, error: Error) {
        self.losses.push(error.to_string().leak());
    }

    /// Goes on after what one of the judgements says.
    fn take(&mut self, judged: Result<()>) {
        judged.unwrap_or_else(|error| self.fail(error));
    }
}

/// Judges a bundle.
pub fn judge(context: &Context, bundle: &'static Bundle, machine: &Machine) -> Findings {
    let mut found = Findings { path: bundle.path, fails: Vec::new(), losses: Vec::new() };
    let judged = refusals(context, bundle, machine, &mut found);
    found.take(judged);
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
    found.losses.extend_from_slice(&plan.warnings);
    let user_namespace = plan.namespaces.has(ns::CLONE_NEWUSER);
    let wanted = Wanted {
        manager: context.cgroup_manager(),
        cgroups_path: config.linux.cgroups_path,
        id: super::ID,
        holds: false,
        may_mknod: plan.process.capabilities.bounding & (1 << CAP_MKNOD) != 0 && !user_namespace,
    };
    match cgroup::prepare(&config.linux.resources, wanted) {
        Ok(prepared) => found.losses.extend(prepared.warning),
        Err(error) => found.fail(error),
    }
    found.take(rdt::prepare(config, super::ID).map(drop));
    found.take(spawn::open_joins(&plan.namespaces).map(drop));
    found.take(new_namespaces(plan, machine));
    found.take(id_maps(plan, machine));
    mounts(plan, machine, found);
    net_devices(plan, found);
    found.take(root(plan));
    process(plan, machine, user_namespace, found);
    security(plan, config.linux.mount_label, machine, found);
    for sysctl in plan.sysctls {
        let path = c_path(format_args!("/proc/sys/{}", shown(sysctl.path)));
        if !is_there(path) {
            found.fail(error!("linux.sysctl: {quoted}: is not in this kernel", shown(path)));
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
fn new_namespaces(plan: &Plan, machine: &Machine) -> Result<()> {
    let new = plan.namespaces.new;
    for (name, flag, file) in namespaces::NAMESPACES {
        if new & flag != 0 && !is_there(c_path(format_args!("/proc/self/ns/{file}"))) {
            return Err(error!("linux.namespaces: {}: this kernel has none", name));
        }
    }
    machine::try_namespaces(new & !ns::CLONE_NEWTIME).map_err(|errno| {
        let error = error!("linux.namespaces").errno(errno);
        match new & ns::CLONE_NEWUSER == 0 && !machine.root {
            true => error.hint(words!("an ordinary user needs a user namespace")),
            false => error,
        }
    })
}

fn id_maps(plan: &Plan, machine: &Machine) -> Result<()> {
    let asked = &plan.namespaces;
    if !machine.root && asked.new & ns::CLONE_NEWUSER != 0 {
        let user = syscalls::ids::start().uid;
        let group = syscalls::ids::start().gid;
        let own = maps::is_single(asked.uid_map, user) && maps::is_single(asked.gid_map, group);
        if !own && !machine.has("newuidmap, newgidmap") {
            return Err(error!("linux.uidMappings: more than the own id needs newuidmap and newgidmap"));
        }
    }
    Ok(())
}

fn mounts(plan: &Plan, machine: &Machine, found: &mut Findings) {
    for mount in &plan.mounts {
        let place = format!("mounts[{}] {}", mount.index, quoted(mount.target));
        match mount.kind {
            MountKind::Filesystem => {
                let fstype = shown(mount.fstype);
                if !machine.mounts(fstype) {
                    found.lose(error!(
                        "{}: {} is not in this kernel, unless a module brings it",
                        place, fstype
                    ));
                }
            }
            MountKind::Bind | MountKind::TreeBind => {
                if let Err(errno) = rustix::fs::access(mount.source, Access::EXISTS) {
                    let source = shown(mount.source);
                    found.fail(error!("{}: source {quoted}", place, source).errno(errno));
                }
            }
            _ => {}
        }
        if mount.idmap.is_some() && !machine.has("mount_setattr") {
            found.fail(error!("{}: idmap needs mount_setattr (Linux 5.12)", place));
        }
    }
    if !plan.mounts.is_empty() {
        for name in ["openat2", "open_tree", "fsopen"] {
            if let Some(item) = machine.items.iter().find(|item| item.name == name && !item.has) {
                found.lose(error!("mounts: no {}: {}", name, item.without));
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
        let name = shown(device.name);
        let index = net::get_interface_index(socket.as_fd(), device.name);
        found.take(index.map(drop).map_err(Error::at("linux.netDevices", name)));
    }
}

/// The root, and the program in it unless a mount could bring that.
fn root(plan: &Plan) -> Result<()> {
    let path = shown(plan.root.path);
    let root =
        open(plan.root.path, OFlags::PATH | OFlags::DIRECTORY).map_err(Error::at("root.path", path))?;
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
        return Ok(());
    }
    let mut why = None;
    for candidate in candidates {
        match executable(&root, candidate) {
            Ok(()) | Err(Errno::NOSYS) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => why = Some((errno, candidate)),
        }
    }
    match (why, candidates) {
        (Some((errno, name)), _) => Err(Error::at("process.args[0]", shown(name))(errno)),
        (None, [name]) => Err(Error::at("process.args[0]", shown(name))(Errno::NOENT)),
        (None, _) => Err(error!("process.args[0]: executable file not found in $PATH")),
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
            found.lose(error!("process.capabilities: CAP_{}: this caller has not got it to give", name));
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
            found.fail(error!(
                "process.rlimits[{}] RLIMIT_{}: more than this caller may have (CAP_SYS_RESOURCE)",
                decimal(limit.index),
                name
            ));
        }
    }
    let now = machine::read(c"/proc/self/oom_score_adj").unwrap_or_default();
    let now = now.trim_ascii();
    if let (Some(wanted), Some(number)) = (plan.process.oom_score_adj, integer(now))
        && i64::from(wanted) < number
    {
        found.fail(error!(
            "process.oomScoreAdj: {} is less than the caller's {} (CAP_SYS_RESOURCE)",
            wanted.to_string(),
            now
        ));
    }
}

fn security(plan: &Plan, mount_label: &str, machine: &Machine, found: &mut Findings) {
    let process = &plan.process;
    if let Some(profile) = &process.apparmor {
        let profile = shown(profile);
        let loaded = machine::read(c"/sys/kernel/security/apparmor/profiles");
        if !machine.has("AppArmor") {
            found.fail(error!("process.apparmorProfile {quoted}: this kernel has no AppArmor", profile));
        } else if loaded.is_some_and(|loaded| {
            // Each line is a name and, in brackets, its mode.
            let is = |line: &str| {
                let mode = line.strip_prefix(profile).and_then(|mode| mode.strip_prefix(" ("));
                mode.is_some_and(|mode| !mode.as_bytes().contains(&b'('))
            };
            !loaded.lines().any(is)
        }) && profile != "unconfined"
        {
            found.fail(error!("process.apparmorProfile {quoted}: is not loaded", profile));
        }
    }
    let process_label = process.selinux.map(CStr::to_bytes).unwrap_or_default();
    for (property, label) in
        [("process.selinuxLabel", process_label), ("linux.mountLabel", mount_label.as_bytes())]
    {
        if !label.is_empty() && !is_known(label) {
            found.fail(error!("{}: this kernel has no SELinux, or that no such label", property));
        }
    }
    if let Some(filter) = &process.seccomp {
        if !machine.has("seccomp") {
            found.fail(error!("linux.seccomp: this kernel has no seccomp filters"));
        }
        if filter.flags & syscalls::seccomp::NEW_LISTENER != 0 && !machine.has("seccomp notify") {
            found.fail(error!("linux.seccomp: SCMP_ACT_NOTIFY is not in this kernel (Linux 5.0)"));
        }
    }
    if process.memory_policy.is_some() && !is_there(c"/proc/self/numa_maps") {
        found.fail(error!("linux.memoryPolicy: this kernel has no NUMA"));
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
        Err(error) => return found.fail(error),
    };
    for (index, hook) in plans.iter().enumerate() {
        if let Err(errno) = rustix::fs::access(hook.path, Access::EXEC_OK) {
            let report = if kind == HookKind::Poststop { Findings::lose } else { Findings::fail };
            let path = shown(hook.path);
            let error = error!("hooks.{}[{}].path {quoted}", kind.name(), decimal(index), path);
            report(found, error.errno(errno));
        }
    }
}

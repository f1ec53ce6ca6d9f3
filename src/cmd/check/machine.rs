//! What the kernel and the machine have: one line a fact, by probes that change nothing.
//!
//! A system call is there when it does not fail in the ways an absent one does (ENOSYS, and EPERM under a filter). What
//! its absence costs stands beside it, and is nothing where the fallback is as good.

use crate::cgroup::host::Host;
use crate::compile::{capabilities, namespaces};
use crate::error::Text;
use crate::paths::{self, c_path};
use crate::sync::ABSENT;
use crate::words::Words;
use alloc::{string::String, string::ToString, vec::Vec};
use core::ffi::CStr;
use rustix::fs::{Access, OFlags};
use syscalls::mount::MountAttr;
use syscalls::process::{self, CloneArgs, Fork, SIGCHLD, WEXITED, WaitFor};
use syscalls::{AsFd, CWD, Errno, bpf, caps, fd, fs, mount, ns, seccomp, stat};

/// One fact.
pub struct Item {
    pub name: &'static str,
    pub has: bool,
    pub detail: &'static str,
    /// What is lost where it is absent.
    pub without: &'static str,
}

/// All facts.
pub struct Machine {
    /// Release, as uname(2) has it.
    pub kernel: String,
    pub items: Vec<Item>,
    /// /proc/filesystems.
    filesystems: String,
    /// Capabilities that this process may hand on.
    permitted: u64,
    pub root: bool,
}

impl Machine {
    /// Whether a fact of this name is one.
    pub fn has(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.name == name && item.has)
    }

    /// Whether the kernel has this type of file system, without a module that is not there yet.
    pub fn mounts(&self, fstype: &str) -> bool {
        let name = |line| paths::split_last(line, b'\t').map(|(_, name)| name);
        self.filesystems.lines().any(|line| name(line) == Some(fstype))
    }

    /// Whether this process holds a capability in the host's user namespace, by its number.
    pub fn may(&self, capability: u32) -> bool {
        self.permitted & 1_u64.wrapping_shl(capability) != 0
    }
}

/// The calls of [`ABSENT`], in its order.
const PROBES: [fn() -> Result<(), Errno>; ABSENT.len()] = [
    clone3,
    || fs::openat2(CWD, c".", fs::O_PATH, 0, fs::RESOLVE_IN_ROOT).map(drop),
    || mount::open_tree(CWD, c".", 0).map(drop),
    mount_setattr,
    || mount::fsopen(c"tmpfs").map(drop),
    || fd::close_range_cloexec(u32::MAX, u32::MAX),
    || process::pidfd_open(own_pid(), 0).map(drop),
    pidfd_send_signal,
];

/// Those that nothing stands in for, with the version that brought them.
type Probe = (&'static str, &'static str, fn() -> Result<(), Errno>, Words);

const ESSENTIAL: &[Probe] = &[
    ("pidfd_getfd", "5.6", pidfd_getfd, words!("no seccomp notification")),
    ("seccomp", "4.14", || seccomp::get_action_avail(0x7fff_0000), words!("no seccomp filters")),
    ("seccomp notify", "5.0", || seccomp::get_action_avail(0x7fc0_0000), words!("no seccomp notification")),
    ("device program", "4.15", device_program, words!("device rules need cgroup v1's devices controller")),
];

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// No flag has all bits, so the call is refused once it is there.
pub fn mount_setattr() -> Result<(), Errno> {
    mount::mount_setattr(CWD, c".", u32::MAX, &MountAttr::default())
}

fn pidfd_send_signal() -> Result<(), Errno> {
    let own = process::pidfd_open(own_pid(), 0)?;
    process::pidfd_send_signal(own.as_fd(), 0)
}

fn pidfd_getfd() -> Result<(), Errno> {
    let own = process::pidfd_open(own_pid(), 0)?;
    process::pidfd_getfd(own.as_fd(), -1).map(drop)
}

/// Loads the smallest device program there is: allow.
fn device_program() -> Result<(), Errno> {
    let program = [
        bpf::Insn { code: 0xb7, imm: 1, ..bpf::Insn::default() },
        bpf::Insn { code: 0x95, ..bpf::Insn::default() },
    ];
    bpf::prog_load(bpf::PROG_TYPE_CGROUP_DEVICE, &program, c"", None).map(drop)
}

fn clone3() -> Result<(), Errno> {
    end_at_once(process::clone3(&CloneArgs { exit_signal: SIGCHLD, ..CloneArgs::default() }))
}

/// Whether a process can be made in new namespaces; it ends at once, and they with it.
pub fn try_namespaces(flags: u64) -> Result<(), Errno> {
    end_at_once(process::clone(flags, false, SIGCHLD))
}

fn end_at_once(forked: Result<Fork, Errno>) -> Result<(), Errno> {
    match forked? {
        Fork::Child => process::exit_group(0),
        Fork::Parent { pid, .. } => process::waitid(WaitFor::Pid(pid), WEXITED).map(drop),
    }
}

/// Looks at everything.
pub fn probe() -> Machine {
    let kernel =
        read(c"/proc/sys/kernel/osrelease").map_or("unknown".into(), |text| text.trim_ascii().into());
    let root = syscalls::ids::is_root();
    let permitted = caps::get().map(|caps| caps.permitted).unwrap_or(0);
    let filesystems = read(c"/proc/filesystems").unwrap_or_default();
    let mut machine = Machine { kernel, items: Vec::new(), filesystems, permitted, root };
    calls(&mut machine);
    spaces(&mut machine);
    cgroups(&mut machine);
    rest(&mut machine);
    machine
}

#[inline(never)]
fn add(machine: &mut Machine, name: &'static str, has: bool, detail: &'static str, without: Words) {
    machine.items.push(Item { name, has, detail, without: without.text() });
}

/// A fact of which there is no more to say.
#[inline(never)]
fn plain(machine: &mut Machine, name: &'static str, has: bool, without: Words) {
    add(machine, name, has, "", without);
}

/// Whether there is a file of this name.
#[inline(never)]
pub fn is_there(path: &CStr) -> bool {
    rustix::fs::access(path, Access::EXISTS).is_ok()
}

fn calls(machine: &mut Machine) {
    let replaced = ABSENT.iter().zip(PROBES).map(|((name, since, cost), call)| (*name, *since, call, *cost));
    for (name, since, call, without) in replaced.chain(ESSENTIAL.iter().copied()) {
        let (has, detail): (bool, &str) = match call() {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => (false, filled!("since Linux {}", since)),
            // A filter's answer, or that this user may not: for root only the former.
            Err(Errno::PERM) => match machine.root {
                true => (false, "denied"),
                false => (name != "device program", "not for this user alone"),
            },
            _ => (true, ""),
        };
        add(machine, name, has, detail, without);
    }
}

/// Each namespace by making one; a user without root's rights makes it within a user namespace.
fn spaces(machine: &mut Machine) {
    let with = if machine.root { 0 } else { ns::CLONE_NEWUSER };
    for (name, flag, _) in namespaces::NAMESPACES {
        let made = match *flag {
            // clone(2) has no room for this one among its flags; it is made by unshare.
            ns::CLONE_NEWTIME if is_there(c"/proc/self/ns/time") => Ok(()),
            ns::CLONE_NEWTIME => Err(Errno::INVAL),
            flag => try_namespaces(flag | with),
        };
        let without = match *flag {
            ns::CLONE_NEWUSER => words!("no rootless containers"),
            ns::CLONE_NEWNS => words!("no containers at all"),
            _ => Words::NONE,
        };
        let detail = match made {
            Ok(()) => "",
            Err(Errno::INVAL) => "not in this kernel",
            Err(Errno::NOSPC | Errno::USERS) => "the limit in /proc/sys/user is reached",
            Err(errno) => Text(errno).to_string().leak(),
        };
        add(machine, [*name, " namespace"].concat().leak(), made.is_ok(), detail, without);
    }
    let restricted = [
        (c"/proc/sys/kernel/unprivileged_userns_clone", "0"),
        (c"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ];
    let restricted =
        restricted.iter().any(|(path, denies)| read(path).is_some_and(|text| text.trim_ascii() == *denies));
    let without = words!("no rootless containers but by root's leave");
    plain(machine, "unprivileged user namespaces", !restricted, without);
}

fn cgroups(machine: &mut Machine) {
    let mut host = Host::default();
    host.find();
    let (has, detail) = match &host.v2 {
        None => (false, "not mounted"),
        Some(path) => {
            let controllers = read(c_path(format_args!("{path}/cgroup.controllers"))).unwrap_or_default();
            let controllers = match controllers.trim_ascii() {
                "" => "no controllers",
                controllers => controllers,
            };
            (true, filled!("{}: {}", path, controllers))
        }
    };
    add(machine, "cgroup2", has, detail, words!("limits only by cgroup v1; no limit at all without both"));
    host.find_all();
    let v1 = host.v1;
    let mut list = String::new();
    v1.iter().for_each(|(_, path)| append(&mut list, paths::name(path)));
    add(machine, "cgroup v1", !v1.is_empty(), list.leak(), Words::NONE);
    plain(machine, "systemd", is_there(c"/run/systemd/system"), words!("no --systemd-cgroup"));
}

fn rest(machine: &mut Machine) {
    let apparmor = read(c"/sys/module/apparmor/parameters/enabled").is_some_and(|text| text.starts_with('Y'));
    plain(machine, "AppArmor", apparmor, words!("no apparmorProfile"));
    let selinux = is_there(c"/sys/fs/selinux/enforce");
    plain(machine, "SELinux", selinux, words!("no selinuxLabel, no mountLabel"));
    plain(machine, "resctrl", is_there(c"/sys/fs/resctrl/schemata"), words!("no intelRdt"));
    for name in ["overlay", "mqueue", "fuse"] {
        let has = machine.mounts(name);
        plain(machine, name, has, if has { Words::NONE } else { words!("unless a module brings it") });
    }
    let newuidmap = program("newuidmap") && program("newgidmap");
    plain(machine, "newuidmap, newgidmap", newuidmap, words!("one id each for a rootless container"));
    // pivot_root cannot leave a ramfs or tmpfs that the kernel mounted as its first root.
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    let kind = paths::open(c"/", OFlags::PATH).and_then(|root| stat::fstatfs(root.as_fd()));
    if kind.is_ok_and(|stat| stat.kind == RAMFS_MAGIC) {
        add(machine, "root on initramfs", true, "the root is moved in place of pivot_root", Words::NONE);
    }
    let mut missing = String::new();
    for (number, name) in (0_u32..).zip(capabilities::NAMES.iter()) {
        if !machine.may(number) {
            append(&mut missing, name);
        }
    }
    let detail = match machine.root {
        _ if missing.is_empty() => "",
        true => filled!("lacks {}", missing),
        false => "this user has not root's",
    };
    add(machine, "all capabilities", missing.is_empty(), detail, Words::NONE);
}

/// Puts a word at the end of a list.
#[inline(never)]
fn append(list: &mut String, word: &str) {
    if !list.is_empty() {
        list.push(' ');
    }
    list.push_str(word);
}

/// Whether a program is where the runtime looks for helpers.
fn program(name: &str) -> bool {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|dir| rustix::fs::access(c_path(format_args!("{dir}/{name}")), Access::EXEC_OK).is_ok())
}

/// A small file's text.
pub fn read(path: &CStr) -> Option<String> {
    let file = paths::open(path, OFlags::RDONLY).ok()?;
    let bytes = crate::store::read_all(&file).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

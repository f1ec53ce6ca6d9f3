//! The child's half: straight-line code over the Plan, from clone to exec.
//!
//! No JSON, no allocation, no formatting, no decision that could have been made earlier; only `plan`, `sync` and
//! `syscalls` are in reach. What fails is reported as a frame; the parent holds the same Plan and renders the sentence.
//! Descriptors made here are never closed: each is close-on-exec.

pub mod bare;
mod console;
mod copy;
mod devices;
mod finish;
mod hook;
mod mounts;
mod names;
mod procfs;
mod resolve;
mod root;

use crate::plan::{Namespaces, Plan};
use crate::sync::{FRAME, Frame, Kind, Step};
use core::cell::Cell;

pub use finish::schedule;
pub use hook::run as run_hook;
pub use resolve::{Jail, PROC_MAGIC};
use syscalls::process::Fork;
use syscalls::{
    AsFd, AsRawFd, BorrowedFd, Errno, OwnedFd, Result, fd, fs, ids, net, ns, prctl, process, signal,
};

/// What the child is to do besides the Plan, and with what; each descriptor opened before the clone.
#[derive(Default)]
pub struct Setup<'a> {
    /// The cgroup that the child is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The container's root, seen from outside, for `exec`.
    pub root: Option<BorrowedFd<'a>>,
    /// exec.fifo: `create` waits on it, `run` and `exec` do not.
    pub fifo: Option<BorrowedFd<'a>>,
    /// Detached copies of those bind sources that cannot be opened here, by the mount's place in the Plan.
    pub sources: &'a [Option<OwnedFd>],
    /// Where the pty's master goes.
    pub console: Option<BorrowedFd<'a>>,
    /// The container's state as JSON, for the stdin of the hooks that run here.
    pub state: Option<BorrowedFd<'a>>,
    /// The locked state directory. The child closes it: flock(2) lasts as long as any copy of the open file, and a runtime that
    /// was killed would leave its container holding the lock until it is started.
    pub lock: Option<BorrowedFd<'a>>,
    /// Whether to wait until the parent has written its Record and what it has to do in the new namespaces.
    pub wait_maps: bool,
    /// Whether the device rules of its cgroup are loaded while it is at work already.
    pub wait_rules: bool,
    /// Whether it is moved into a cgroup after its birth, which goes with `wait_maps`: a cgroup namespace is made then, for its
    /// root is where its maker is.
    pub joins_late: bool,
    /// Whether there are hooks to run before pivot_root.
    pub wait_hooks: bool,
    /// Whether the parent blocks signals, which the program must not inherit.
    pub unblock: bool,
    /// Whether a joined pid namespace is entered last of all, by a process that has nothing of the host any more.
    pub late_pid: bool,
}

impl Setup<'_> {
    /// Whether it waits for its device rules. With `wait_maps` they are there before.
    pub fn waits_for_rules(&self) -> bool {
        self.wait_rules && !self.wait_maps
    }

    /// Which of the new namespaces it is born in. A cgroup namespace may come later; a time namespace is its own to make, when it is
    /// root over it and before its clocks run.
    pub fn born_in(&self, namespaces: &Namespaces) -> u64 {
        let late = if self.joins_late { ns::CLONE_NEWCGROUP } else { 0 };
        namespaces.new & !ns::CLONE_NEWTIME & !late
    }
}

/// What the child has.
pub struct Fds<'a> {
    pub setup: &'a Setup<'a>,
    /// The container's root.
    pub jail: Jail,
    /// Frames go out here, and answers come in, one byte each; close-on-exec, so that its end tells that the program runs.
    pub parent: BorrowedFd<'a>,
    /// The namespaces to join, as `Namespaces::join` has them.
    pub joins: &'a [OwnedFd],
    /// The mount namespace that the container is taken to in the end.
    pub mount: Option<BorrowedFd<'a>>,
    /// procfs of the runtime's own, when a sysctl or a label is to be written (R3).
    pub proc: Option<BorrowedFd<'a>>,
    /// No descriptor is numbered higher than about this, where close_range(2) is missing.
    pub highest: u32,
    /// What is being done, and which element of its list it is about: what the parent is told when a call fails.
    pub step: Cell<Step>,
    pub index: Cell<usize>,
}

impl Fds<'_> {
    /// From here on a failure is one of this step.
    fn at(&self, step: Step) {
        self.step.set(step);
    }

    /// From here on a failure is one of this step, with this element of its list.
    fn nth(&self, step: Step, index: usize) {
        self.step.set(step);
        self.index.set(index);
    }
}

/// Makes the container and becomes its program.
pub fn init(plan: &mut Plan, fds: &Fds<'_>) -> ! {
    match create(plan, fds) {
        Ok(()) => {
            let ids = ids_in(&plan.namespaces);
            finish::finish(&mut plan.process, plan.start_container, fds, ids)
        }
        Err(errno) => give_up(errno, fds),
    }
}

/// Joins what has to be joined first, and clones the container's first process.
pub fn trampoline(plan: &mut Plan, new: u64, fds: &mut Fds<'_>) -> ! {
    match join_all(&plan.namespaces, u64::MAX, fds).and_then(|()| succeed(new, fds)) {
        Ok(()) => {
            fds.joins = &[];
            init(plan, fds)
        }
        Err(errno) => give_up(errno, fds),
    }
}

/// Clones the process that takes this one's place, a child of the runtime. Comes back in it, when the runtime knows of it.
fn succeed(new: u64, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Clone);
    // A child of one's parent has its exit signal.
    match process::clone(new | process::CLONE_PARENT, false, 0)? {
        Fork::Child => hear(fds),
        Fork::Parent { pid, .. } => process::exit_group(i32::from(tell(Kind::Pid, pid, fds).is_err())),
    }
}

/// Joins a container and becomes a program in it.
pub fn exec(namespaces: &Namespaces, process: &mut crate::plan::Process, fds: &Fds<'_>) -> ! {
    match join(namespaces, process, fds) {
        Ok(()) => finish::finish(process, &[], fds, ids_in(namespaces)),
        Err(errno) => give_up(errno, fds),
    }
}

/// The container, in the order that a reviewer reads: namespaces, mounts, devices, root, what is hidden.
fn create(plan: &Plan, fds: &Fds<'_>) -> Result<()> {
    enter(&plan.namespaces, !ns::CLONE_NEWPID, fds)?;
    fds.at(Step::Clone);
    if fds.mount.is_some() {
        // Others live in the joined one, and it is theirs: the container is made in a copy of it.
        ns::unshare(ns::CLONE_NEWNS)?;
    }
    if plan.second_ipc {
        ns::unshare(ns::CLONE_NEWIPC)?;
    }
    if plan.namespaces.new & ns::CLONE_NEWNET != 0 {
        fds.at(Step::Loopback);
        loopback()?;
    }
    if let Some(name) = &plan.hostname {
        fds.at(Step::Hostname);
        ns::sethostname(name)?;
    }
    if let Some(name) = &plan.domainname {
        fds.at(Step::Domainname);
        ns::setdomainname(name)?;
    }
    process::umask(0); // modes below are meant as they stand

    root::attach(&plan.root, fds)?;
    let own = mounts::mount_all(plan, fds)?;
    devices::make_all(plan, own, fds)?;
    if fds.setup.waits_for_rules() {
        fds.at(Step::Rules);
        hear(fds)?;
    }
    if fds.setup.wait_hooks {
        fds.at(Step::Hooks);
        ask(Kind::Hooks, 0, fds)?;
    }
    if !plan.create_container.is_empty() {
        fds.nth(Step::CreateContainer, 0);
        fds.jail.enter()?;
    }
    for (index, hook) in plan.create_container.iter().enumerate() {
        fds.nth(Step::CreateContainer, index);
        run_hook(hook, fds.setup.state)?;
    }
    if fds.setup.late_pid {
        // Hooks have the host's root.
        join_all(&plan.namespaces, ns::CLONE_NEWPID, fds)?;
    }
    for (index, sysctl) in plan.sysctls.iter().enumerate() {
        fds.nth(Step::Sysctl, index);
        finish::write_proc(fds, c"sys", sysctl.path, sysctl.value)?;
    }

    let before = fds.jail.root().as_raw_fd();
    root::pivot(&plan.root, fds)?;
    // A root that is a copy has mounts of its own.
    let own = own.filter(|_| fds.jail.root().as_raw_fd() == before);
    root::protect(plan, own, fds)?;
    match fds.mount {
        Some(namespace) => root::take_along(plan, namespace, fds),
        None => Ok(()),
    }
}

/// 127.0.0.1 works in a new network namespace without anybody's help, as callers know it of runc and crun.
fn loopback() -> Result<()> {
    const IFF_UP: u16 = 1;
    let socket = syscalls::leak(net::socket(net::AF_UNIX, net::SOCK_DGRAM, 0)?);
    net::set_interface_flags(socket, c"lo", IFF_UP)
}

/// Joins namespaces. With privilege over the host all others can be joined as they are, and could perhaps not be from inside the
/// user namespace; without, it is the user namespace that gives the privilege. A pid namespace is joined for the children.
fn join_all(namespaces: &Namespaces, kinds: u64, fds: &Fds<'_>) -> Result<()> {
    if fds.joins.is_empty() {
        return Ok(());
    }
    let privileged = ids::geteuid() == 0;
    for user in [!privileged, privileged] {
        for (index, (join, namespace)) in namespaces.join.iter().zip(fds.joins).enumerate() {
            if (join.kind == ns::CLONE_NEWUSER) == user && join.kind & kinds != 0 {
                fds.nth(Step::Join, index);
                ns::setns(namespace.as_fd(), join.kind)?;
            }
        }
    }
    Ok(())
}

/// The ids after `enter`.
fn ids_in(namespaces: &Namespaces) -> ids::Start {
    match namespaces.has(ns::CLONE_NEWUSER) {
        true => ids::Start::ROOT,
        false => ids::start(),
    }
}

/// Namespaces: joined ones of these kinds first, then the id maps of a new user namespace.
fn enter(namespaces: &Namespaces, kinds: u64, fds: &Fds<'_>) -> Result<()> {
    join_all(namespaces, kinds, fds)?;
    if fds.setup.wait_maps {
        fds.at(Step::Maps);
        ask(Kind::Maps, 0, fds)?;
    }
    if fds.setup.joins_late && namespaces.new & ns::CLONE_NEWCGROUP != 0 {
        fds.at(Step::Clone);
        ns::unshare(ns::CLONE_NEWCGROUP)?;
    }
    if namespaces.new & ns::CLONE_NEWTIME != 0 {
        fds.at(Step::Time);
        make_time(namespaces.time_offsets, fds)?;
    }
    if namespaces.has(ns::CLONE_NEWUSER) {
        fds.at(Step::Identity);
        ids::set_gid(0)?;
        ids::set_uid(0)?;
        // A process that others may trace would hand them its descriptors (R4); a change of ids made it so again.
        fds.at(Step::Dumpable);
        prctl::set_dumpable(false)?;
    }
    fds.at(Step::Session);
    if fds.setup.unblock {
        signal::set_mask(signal::SIG_SETMASK, &signal::Set::empty())?;
    }
    process::setsid().map(drop)
}

/// A new time namespace, with its offsets, which can be written as long as no process is in it (time_namespaces(7)). This one is as a
/// child of its own would be.
fn make_time(offsets: &[u8], fds: &Fds<'_>) -> Result<()> {
    let proc = fds.proc.ok_or(Errno::NOSYS)?;
    ns::unshare(ns::CLONE_NEWTIME)?;
    if !offsets.is_empty() {
        let file = fs::openat(proc, c"self/timens_offsets", fs::O_WRONLY, 0)?;
        fd::write(file.as_fd(), offsets)?;
    }
    let new = fs::openat(proc, c"self/ns/time_for_children", fs::O_RDONLY, 0)?;
    ns::setns(new.as_fd(), ns::CLONE_NEWTIME)
}

/// The namespaces of a container that exists, and its root.
fn join(namespaces: &Namespaces, process: &crate::plan::Process, fds: &Fds<'_>) -> Result<()> {
    // A pid namespace takes effect for children only: it is the parent's to join, unless it is to come last.
    enter(namespaces, if fds.setup.late_pid { u64::MAX } else { !ns::CLONE_NEWPID }, fds)?;
    fds.at(Step::Root);
    // setns went to the root of the mount namespace, which on an initramfs lies below the container's.
    if let Some(root) = fds.setup.root {
        fs::fchdir(root)?;
        fs::chroot(c".")?;
    }
    let root = fs::openat(syscalls::CWD, c"/", fs::O_PATH | fs::O_DIRECTORY, 0)?;
    fds.jail.set_root(syscalls::leak(root));
    match process.terminal {
        Some(terminal) => console::make(terminal, None, fds),
        None => Ok(()),
    }
}

/// Sends a frame about what is being done.
fn tell(kind: Kind, value: i32, fds: &Fds<'_>) -> Result<()> {
    match fd::write(fds.parent, &frame(kind, value, fds))? {
        FRAME => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// What is being done cannot be had, and the specification calls that a warning.
fn warn(errno: Errno, fds: &Fds<'_>) -> Result<()> {
    tell(Kind::Warning, errno.raw_os_error(), fds)
}

/// Sends a frame and waits for the parent's byte. End of file means that the parent is gone: nobody waits for this container.
fn ask(kind: Kind, value: i32, fds: &Fds<'_>) -> Result<()> {
    tell(kind, value, fds)?;
    hear(fds)
}

/// Waits for the parent's byte.
fn hear(fds: &Fds<'_>) -> Result<()> {
    loop {
        match fd::read(fds.parent, &mut [0]) {
            Ok(1) => return Ok(()),
            Ok(_) | Err(Errno::CONNRESET) => process::exit_group(1),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn frame(kind: Kind, value: i32, fds: &Fds<'_>) -> [u8; FRAME] {
    let index = u16::try_from(fds.index.get()).unwrap_or(u16::MAX);
    Frame { kind, step: fds.step.get(), index, value }.encode()
}

/// Reports what failed, and ends. After `start` the report goes into the fifo, where `start` looks for it.
fn give_up(errno: Errno, fds: &Fds<'_>) -> ! {
    let to = match (fds.step.get(), fds.setup.fifo) {
        (Step::StartContainer | Step::Exec, Some(fifo)) => fifo,
        _ => fds.parent,
    };
    // Nobody is left to be told when this fails too; the exit status says the rest.
    match fd::write(to, &frame(Kind::Failure, errno.raw_os_error(), fds)) {
        Ok(_) | Err(_) => process::exit_group(1),
    }
}

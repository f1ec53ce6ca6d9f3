//! The parent's half: everything the child needs is made, the child is cloned, and its frames are answered.
//!
//! Called by `create`, `run` and `exec` with a finished Plan. Owns the socket between the two; the `conversation` over it is drawn in
//! `sync`, and what a failure means in words is `render`'s.

pub mod conversation;
pub mod maps;
pub mod procfs;
pub mod render;
pub mod sources;

use crate::child::{Fds, Jail, Setup};
use crate::compile::namespaces::NAMESPACES;
use crate::error::{Error, Quoted, Result, decimal, error};
use crate::paths::{cstring, open, shown};
use crate::plan::{Namespaces, Plan, Process};
use crate::sync::{self, Absent, FRAME, Frame, Kind, Step};
use crate::words::Words;
use alloc::{format, vec::Vec};
use core::cell::Cell;
use rustix::fd::AsRawFd;
use rustix::fs::OFlags;
use syscalls::process::{self, CloneArgs, Fork, SIGCHLD, WEXITED, WaitFor, WaitStatus};
use syscalls::{AsFd, BorrowedFd, Errno, OwnedFd, fd, leak, net, ns};

/// A child at work.
pub struct Child {
    pub pid: i32,
    pub pidfd: Option<OwnedFd>,
    /// Whether it was born in the cgroup; otherwise it is to be moved there.
    pub in_cgroup: bool,
    /// Whether it waits for `go` until its device rules are in force.
    pub waits_for_rules: bool,
    /// What was done without to make it: bits of [`Absent`].
    pub without: u32,
    /// It is not the process yet that becomes the program, and says when that is there.
    in_between: bool,
    socket: BorrowedFd<'static>,
}

/// What the child did next.
pub enum Event {
    /// A message, answered with `Child::go` where its kind asks for it.
    Frame(Frame),
    /// The socket was closed: by exec, or by the child's end.
    Closed,
}

/// Which half of a container the clone runs.
pub enum Task<'a> {
    Init(&'a mut Plan),
    Exec(&'a Namespaces, &'a mut Process),
}

impl Task<'_> {
    fn namespaces(&self) -> &Namespaces {
        match self {
            Task::Init(plan) => &plan.namespaces,
            Task::Exec(namespaces, _) => namespaces,
        }
    }

    fn process(&self) -> &Process {
        match self {
            Task::Init(plan) => &plan.process,
            Task::Exec(_, process) => process,
        }
    }
}

/// Clones the child. Comes back in the parent only.
pub fn spawn(task: Task<'_>, joins: &[OwnedFd], setup: &mut Setup<'_>) -> Result<Child> {
    if syscalls::ids::is_root() {
        // Nobody may trace the child while it holds descriptors of the host (R4). An unprivileged parent could not write the
        // id maps of such a child: there the child does it itself, when it has them.
        syscalls::prctl::set_dumpable(false).map_err(Error::os(words!("prctl(PR_SET_DUMPABLE)")))?;
    }
    let highest = close_all_but(task.process().preserve_fds.saturating_add(3))?;
    let mut without = if highest.is_some() { Absent::CloseRange.bit() } else { 0 };
    let (socket, parent) = net::socketpair(net::SOCK_STREAM).map_err(Error::os(words!("socketpair")))?;
    let (socket, parent) = (leak(socket), leak(parent));
    let mut proc = None;
    if needs_proc(&task) {
        let (opened, own) = open_proc()?;
        without |= if own { 0 } else { Absent::Fsopen.bit() };
        proc = Some(leak(opened));
    }
    let namespaces = task.namespaces();
    let through = needs_trampoline(namespaces);
    let mut new = setup.born_in(namespaces);
    // A pid namespace is entered by this process for its children, and left again afterwards.
    let mut left = None;
    if !through
        && !setup.late_pid
        && let Some(namespace) = joined(namespaces, ns::CLONE_NEWPID, joins)
    {
        left = Some(leak(leave(c"/proc/self/ns/pid")?));
        ns::setns(namespace, ns::CLONE_NEWPID).map_err(Error::os(words!("setns to the pid namespace")))?;
    }

    let first = |new| if through { 0 } else { new };
    let mut in_cgroup = true;
    let mut forked = clone(first(new), setup);
    if let Err(errno) = forked
        && is_absent(errno)
    {
        in_cgroup = setup.cgroup.is_none();
        if !in_cgroup && !setup.joins_late {
            // Without CLONE_INTO_CGROUP (Linux 5.7) the child waits until it has been moved.
            (setup.wait_maps, setup.joins_late) = (true, true);
            new = setup.born_in(namespaces);
            without |= if errno == Errno::ACCESS { 0 } else { Absent::Clone3.bit() };
        }
        forked = clone_before_clone3(first(new));
    }
    let failed = |errno| {
        let hint = match errno == Errno::PERM && new & ns::CLONE_NEWUSER == 0 {
            true => words!("an ordinary user needs a user namespace in linux.namespaces"),
            false => Words::NONE,
        };
        Error::os(words!("clone3: make the container's namespaces"))(errno).hint(hint)
    };
    match forked.map_err(failed)? {
        Fork::Child => {
            #[cfg(feature = "seal-allocator")]
            seal_allocator(task.process());
            // The parent's end, so that each side sees when the other is gone.
            for other in [Some(socket), setup.lock].into_iter().flatten() {
                fd::close_raw(other.as_raw_fd()).unwrap_or_default();
            }
            let mut fds = Fds {
                setup,
                jail: Jail::default(),
                parent,
                joins,
                mount: joined(namespaces, ns::CLONE_NEWNS, joins),
                proc,
                highest: highest.unwrap_or(0).saturating_add(FEW),
                step: Cell::new(Step::Join),
                index: Cell::new(0),
            };
            match task {
                Task::Init(plan) if through => crate::child::trampoline(plan, new, &mut fds),
                Task::Init(plan) => crate::child::init(plan, &fds),
                Task::Exec(namespaces, process) => crate::child::exec(namespaces, process, &fds),
            }
        }
        Fork::Parent { pid, pidfd } => {
            fd::close_raw(parent.as_raw_fd()).unwrap_or_default();
            return_to(left)?;
            let (waits_for_rules, in_between) = (setup.waits_for_rules(), setup.late_pid);
            let mut child = Child { pid, pidfd, in_cgroup, waits_for_rules, without, in_between, socket };
            if through {
                child.land(task.process())?;
            }
            Ok(child)
        }
    }
}

/// The open one among the joined namespaces that is of this kind.
fn joined<'a>(namespaces: &Namespaces, kind: u64, joins: &'a [OwnedFd]) -> Option<BorrowedFd<'a>> {
    let place = namespaces.join.iter().position(|join| join.kind == kind)?;
    joins.get(place).map(AsFd::as_fd)
}

/// In a build for tests: from here to the program nothing may be allocated. A program of this name shows that it would be seen.
#[cfg(feature = "seal-allocator")]
fn seal_allocator(process: &Process) {
    syscalls::seal();
    if process.args.iter().next() == Some(c"/allocate-after-clone") {
        drop(core::hint::black_box(alloc::boxed::Box::new(process.uid)));
    }
}

/// Whether the new namespaces must belong to a user namespace that has to be joined first, or others have to be joined before a new
/// user namespace takes the privilege to do so away: then a process in between does that, and clones the container's first
/// process as the runtime's own child.
fn needs_trampoline(namespaces: &Namespaces) -> bool {
    let others = namespaces.joins(!ns::CLONE_NEWPID) && namespaces.new & ns::CLONE_NEWUSER != 0;
    (namespaces.joins(ns::CLONE_NEWUSER) || others) && namespaces.new != 0
}

/// clone3, into the cgroup.
fn clone(new: u64, setup: &Setup<'_>) -> syscalls::Result<Fork> {
    process::clone3(&CloneArgs { flags: new, pidfd: true, cgroup: setup.cgroup, exit_signal: SIGCHLD })
}

/// The older call (before Linux 5.3, or where clone3 is hidden); before 5.2 it knows no pidfd.
fn clone_before_clone3(new: u64) -> syscalls::Result<Fork> {
    match process::clone(new, true, SIGCHLD) {
        Err(Errno::INVAL) => process::clone(new, false, SIGCHLD),
        other => other,
    }
}

/// Whether clone3, or its way into a cgroup, may be missing here. An ordinary user may not go from everywhere to a cgroup of his own
/// (cgroups(7) "Cgroups delegation: delegation containment"), but have his service manager move a process there.
fn is_absent(errno: Errno) -> bool {
    sync::is_absent(errno) || matches!(errno, Errno::TOOBIG | Errno::BADF | Errno::ACCESS)
}

/// More descriptors than runtime and child open from here on.
const FEW: u32 = 256;

/// Everything from this number on is closed by exec, the caller's descriptors too (R4): what the runtime opens is so from the
/// beginning. The result is the highest one, where each had to be looked at.
fn close_all_but(first: u32) -> Result<Option<u32>> {
    if fd::close_range_cloexec(first, u32::MAX).is_ok() {
        return Ok(None);
    }
    let failed = |errno| Error::os(words!("close descriptors that are not the container's"))(errno);
    let mut highest = first;
    let mut close = |number: u32| match fd::set_cloexec(number.cast_signed(), true) {
        Ok(()) => {
            highest = highest.max(number);
            Ok(())
        }
        Err(Errno::BADF) => Ok(()),
        Err(errno) => Err(failed(errno)),
    };
    match open(c"/proc/self/fd", OFlags::DIRECTORY) {
        Ok(directory) => {
            let mut buffer = Vec::with_capacity(2048);
            let mut names = rustix::fs::RawDir::new(&directory, buffer.spare_capacity_mut());
            while let Some(name) = names.next() {
                let name = name.map_err(failed)?;
                let number = name
                    .file_name()
                    .to_str()
                    .ok()
                    .and_then(|name| u32::try_from(name.parse::<u64>().ok()?).ok());
                if let Some(number) = number.filter(|number| *number >= first) {
                    close(number)?;
                }
            }
        }
        // Without /proc each number is tried, up to the limit that most kernels have for it (fs.nr_open).
        Err(_) => (first..1 << 20).try_for_each(close)?,
    }
    Ok(Some(highest))
}

/// Opens a namespace of this process, to come back to.
pub fn leave(path: &core::ffi::CStr) -> Result<OwnedFd> {
    open(path, OFlags::RDONLY).map_err(Error::sys(words!("open the runtime's own namespace"), shown(path)))
}

fn return_to(left: Option<BorrowedFd<'_>>) -> Result<()> {
    let Some(own) = left else { return Ok(()) };
    // Hooks and helpers of this process belong to its own namespaces. The way back is open only to who is privileged over
    // them, which root of a user namespace of his own (Podman rootless) is not; nothing is forked after an exec.
    match ns::setns(own, ns::CLONE_NEWPID) {
        Ok(()) | Err(Errno::PERM) => Ok(()),
        Err(errno) => Err(Error::os(words!("setns: back to the runtime's own namespace"))(errno)),
    }
}

/// Opens the namespaces that are joined by path, and checks that each is of its type (a wrong one would be joined silently as
/// what it is).
pub fn open_joins(namespaces: &Namespaces) -> Result<Vec<OwnedFd>> {
    let mut joins = Vec::with_capacity(namespaces.join.len());
    for join in namespaces.join {
        let place = format!("config.json: linux.namespaces[{}].path", join.index);
        let path = shown(join.path);
        let file = open(join.path, OFlags::RDONLY).map_err(Error::at(&place, path))?;
        match ns::get_type(file.as_fd()) {
            Ok(kind) if kind == join.kind => joins.push(file),
            Ok(_) => return Err(error!("{} {quoted}: is a namespace of another type", place, path)),
            Err(_) => return Err(error!("{} {quoted}: is not a namespace", place, path)),
        }
    }
    Ok(joins)
}

/// A joined namespace may be the runtime's own: its kernel parameters and network devices are the host's, and not the
/// container's to change; nor are its mounts the container's to see, which no root of its own hides from who may `unshare`.
pub fn keep_own(plan: &Plan, joins: &[OwnedFd]) -> Result<()> {
    for (join, there) in plan.namespaces.join.iter().zip(joins) {
        let held = |name: &str| crate::compile::sysctl::namespace_of(name).map(u64::from) == Some(join.kind);
        let mut names = plan.sysctls.iter().map(|sysctl| shown(sysctl.path));
        let asked = match names.find(|name| held(name)) {
            Some(name) => format!("linux.sysctl {}", Quoted(name)),
            None if join.kind == ns::CLONE_NEWNET && !plan.net_devices.is_empty() => {
                "linux.netDevices".into()
            }
            None if join.kind == ns::CLONE_NEWNS => "root".into(),
            None => continue,
        };
        let file = NAMESPACES.iter().find(|(_, kind, _)| *kind == join.kind).map_or("", |(.., file)| file);
        let path = format!("/proc/self/ns/{file}");
        let own = rustix::fs::stat(cstring(&path))
            .map_err(Error::sys(words!("open the runtime's own namespace"), &path))?;
        let there =
            rustix::fs::fstat(there).map_err(Error::sys(words!("look at a namespace"), shown(join.path)))?;
        if (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino) {
            return Err(error!(
                "config.json: {}: linux.namespaces[{}] is the host's own: it would change the host",
                asked,
                decimal(join.index)
            ));
        }
    }
    Ok(())
}

fn needs_proc(task: &Task<'_>) -> bool {
    let process = task.process();
    let sysctls = matches!(task, Task::Init(plan) if !plan.sysctls.is_empty());
    let clocks = task.namespaces().new & ns::CLONE_NEWTIME != 0;
    sysctls || clocks || process.apparmor.is_some() || process.selinux.is_some()
}

/// A procfs of the runtime's own, or where that is denied the mounted one, checked to be one (R3), and false.
pub fn open_proc() -> Result<(OwnedFd, bool)> {
    let private = syscalls::mount::fsopen(c"proc").and_then(|context| {
        syscalls::mount::fsconfig_create(context.as_fd())?;
        syscalls::mount::fsmount(context.as_fd(), 0)
    });
    if let Ok(proc) = private {
        return Ok((proc, true));
    }
    let proc =
        open(c"/proc", OFlags::PATH | OFlags::DIRECTORY).map_err(Error::sys(words!("open"), "/proc"))?;
    match syscalls::stat::fstatfs(proc.as_fd()) {
        Ok(stat) if stat.kind == crate::child::PROC_MAGIC => Ok((proc, false)),
        _ => Err(Error::new(words!("/proc: is not a procfs, and one of the runtime's own cannot be had"))),
    }
}

impl Child {
    /// Waits for the child's next frame.
    pub fn listen(&mut self) -> Result<Event> {
        let mut bytes = [0; FRAME];
        loop {
            match fd::read(self.socket, &mut bytes) {
                // With an answer that it has not read.
                Ok(0) | Err(Errno::CONNRESET) => return Ok(Event::Closed),
                Ok(FRAME) => {
                    let frame = Frame::decode(bytes);
                    return frame
                        .map(Event::Frame)
                        .ok_or_else(|| Error::new(words!("the container's process speaks nonsense")));
                }
                Ok(_) => return Err(Error::new(words!("the container's process speaks nonsense"))),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os(words!("read from the container's process"))(errno)),
            }
        }
    }

    /// From the trampoline to the process that it has cloned.
    fn land(&mut self, process: &Process) -> Result<()> {
        let event = self.listen()?;
        if let Event::Frame(Frame { kind: Kind::Pid, value, .. }) = event {
            self.replaced_by(value)?;
            return self.go();
        }
        self.wait()?;
        Err(match event {
            Event::Frame(frame) => render::render(frame, None, process),
            Event::Closed => Error::new(words!("the container's process ended while it was being made")),
        })
    }

    /// Lets the child go on.
    pub fn go(&self) -> Result<()> {
        match net::send(self.socket, &[1], net::MSG_NOSIGNAL) {
            // It has ended, and what it had to say about that is still to be read.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(errno) => Err(Error::os(words!("write to the container's process"))(errno)),
        }
    }

    /// The process that the child has made is there, takes its place, and waits.
    pub fn replaced_by(&mut self, pid: i32) -> Result<()> {
        self.wait()?;
        self.pid = pid;
        self.in_between = false;
        self.pidfd = process::pidfd_open(pid, 0).ok();
        Ok(())
    }

    /// Whether its end is not the program's beginning.
    pub fn is_in_between(&self) -> bool {
        self.in_between
    }

    /// Ends the child, with everything in its pid namespace, and waits for it.
    pub fn kill(&self) {
        // It may have ended by itself, and its parent may be another: nothing to do then, and nothing to report.
        if process::kill(self.pid, process::SIGKILL).is_ok() {
            self.wait().ok();
        }
        // A process that it has made and could not tell of any more ends by itself.
        while self.in_between && process::waitid(WaitFor::Any, WEXITED).is_ok() {}
    }

    /// Waits for the child's end.
    pub fn wait(&self) -> Result<WaitStatus> {
        loop {
            match process::waitid(WaitFor::Pid(self.pid), WEXITED) {
                Ok(Some((_, status))) => return Ok(status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os(words!("wait for the container's process"))(errno)),
            }
        }
    }
}

/// Writes a file of a process in /proc.
pub fn write_proc(pid: i32, file: &str, bytes: &[u8], place: &str) -> Result<()> {
    write_file(&format!("/proc/{pid}/{file}"), bytes, place)
}

/// Writes a small file in one call.
pub fn write_file(path: &str, bytes: &[u8], place: &str) -> Result<()> {
    open(cstring(path), OFlags::WRONLY)
        .and_then(|file| rustix::io::write(file, bytes))
        .map(drop)
        .map_err(Error::at(place, path))
}

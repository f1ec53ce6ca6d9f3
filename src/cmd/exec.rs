//! `exec`: one more process in a container that runs.

use super::Context;
use super::container::{Container, not_running};
use crate::activation;
use crate::args::{Flag, text, values};
use crate::cgroup::Cgroup;
use crate::child::Setup;
use crate::compile::{self, capabilities, namespaces::NAMESPACES, process::Surroundings};
use crate::config::{self, Config, List, process::Capabilities};
use crate::console::OtherSide;
use crate::error::{Error, Result, error};
use crate::handover::{send_pidfd, write_pid_file};
use crate::log::Log;
use crate::paths::{c_path, cstring, open, shown};
use crate::plan::{Join, Namespaces, Process};
use crate::rdt;
use crate::spawn::{self, Child, Task, conversation::Conversation, render::done_without};
use crate::store::{self, Record, Status};
use crate::supervise;
use crate::sync::Absent;
use alloc::{boxed::Box, vec::Vec};
use rustix::fs::OFlags;
use syscalls::{AsFd, Errno, OwnedFd, ns, process};

/// What `exec` answers when the program could not be started (CLI.md); from then on the status is the program's own.
const FAILED: i32 = 255;

/// `exec`. The exit status is the program's, or 0 with `--detach`.
pub fn exec(context: &Context) -> Result<()> {
    context.seal().and_then(|()| start(context)).map_err(|error| error.status(FAILED))
}

fn start(context: &Context) -> Result<()> {
    let given = context.given;
    let file = given.path(Flag::Process);
    match (file, given.after_id().is_empty()) {
        (None, true) => {
            return Err(Error::new(words!("exec: a program or --process is missing after the ID")));
        }
        (Some(_), false) => {
            return Err(Error::new(words!(
                "exec: --process names the program, so none can stand after the ID"
            )));
        }
        _ => {}
    }
    let container = Container::open(context, false)?;
    let record = container.record;
    let status = super::state::status(record, &container.entry);
    match status {
        Status::Running | Status::Created => {}
        Status::Paused if given.switch(Flag::IgnorePaused) => {}
        Status::Paused => {
            return Err(error!("container {quoted} is paused", given.id)
                .hint(words!("resume it first, or use --ignore-paused")));
        }
        Status::Creating | Status::Stopped => return Err(not_running(given.id)),
    }
    let config = container.config()?;
    let file = file.map(|file| store::read_named("--process", text(file, "--process")?)).transpose()?;
    let file = file.map(|(json, _)| json);
    let late_pid = late_pid(config);
    let process = plan(context, config, file)?;
    let foreground = !given.switch(Flag::Detach);
    let socket = given.path(Flag::ConsoleSocket);
    let terminal = OtherSide::of(process.terminal.as_mut(), socket, foreground)?;
    let below = given.all(Flag::Cgroup);
    let cgroup = match (container.cgroup()?, below.is_empty()) {
        (Some(cgroup), false) => Some(cgroup.below(below)?),
        (None, false) => return Err(Error::new(words!("--cgroup: the container has no cgroup"))),
        (cgroup, true) => cgroup.map(|cgroup| &*cgroup),
    };
    let rdt = rdt::group(config, given.id)?;
    if foreground {
        supervise::hold_signals()?;
    }
    if !process.affinity_initial.is_empty() {
        syscalls::sched::sched_setaffinity(0, process.affinity_initial)
            .map_err(Error::os(words!("process.execCPUAffinity.initial: sched_setaffinity")))?;
    }

    let mut join = |target: &Target, cgroup: Option<&Cgroup>| -> Result<Child> {
        let joins_late = cgroup.is_some_and(Cgroup::needs_join);
        let mut setup = Setup {
            cgroup: cgroup.and_then(Cgroup::cgroup2),
            root: target.root.as_ref().map(AsFd::as_fd),
            console: terminal.there(),
            joins_late,
            wait_maps: joins_late || process.oom_score_adj.is_some() || rdt.is_some(),
            unblock: foreground,
            late_pid,
            ..Setup::default()
        };
        let task = Task::Exec(&target.namespaces, process);
        let mut child = spawn::spawn(task, &target.joins, &mut setup)?;
        let mut parent = Conversation {
            log: context.log,
            config,
            record,
            plan: None,
            process,
            cgroup,
            moves: &mut None,
            rdt,
            privileged: !context.is_rootless(),
            state: None,
            barrier: false,
        };
        let told = parent
            .hold(&mut child)
            .and_then(|()| send_pidfd(given, &child))
            .and_then(|()| write_pid_file(given, &child));
        match told {
            Ok(()) => Ok(child),
            Err(error) => {
                child.kill();
                Err(error)
            }
        }
    };
    let (mut target, mut cgroup) = (Target::open(context.log, record, config)?, cgroup);
    let mut follows = below.is_empty();
    let child = loop {
        match join(&target, cgroup) {
            // Before Linux 5.8 setns takes no pidfd. What is invalid for another reason is so the second time as well.
            Err(error) if error.cause() == Some(Errno::INVAL) && target.by_pidfd => {
                target = Target::open_each(context.log, record, config)?;
            }
            Err(error) if error.cause() == Some(Errno::BUSY) && follows => {
                follows = false;
                cgroup = container.cgroup()?.map(|cgroup| cgroup.follow(record.pid)).transpose()?;
            }
            // Until `start` it is the runtime that waits there, and no ordinary user looks into that (R4).
            Err(error) if error.cause() == Some(Errno::PERM) && status == Status::Created => {
                return Err(error.hint(words!("start the container first")));
            }
            other => break other?,
        }
    };
    if foreground {
        let status = supervise::supervise(child.pid, terminal.arrive()?, None)?;
        context.status.set(supervise::exit_status(status));
    }
    Ok(())
}

/// Whether the pid namespace has to be entered last. Without privilege it can be joined only from inside the user namespace. And a
/// container that shares the runtime's user namespace may hold CAP_SYS_PTRACE in it, by its configuration or (in a pid namespace of
/// several containers) by that of another: before such eyes the process must be no more than its program (R4, CVE-2016-9962).
fn late_pid(config: &Config<'_>) -> bool {
    let namespace = |kind: &str| config.linux.namespaces.iter().find(|namespace| namespace.kind == kind);
    let Some(pid) = namespace("pid") else { return false };
    let capabilities = config.process.as_ref().and_then(|process| process.capabilities.as_ref());
    let traces = |name: &&str| capabilities::bit(name) == capabilities::bit("CAP_SYS_PTRACE");
    let tracer = capabilities.is_some_and(|Capabilities([bounding, _, permitted, ..])| {
        bounding.iter().chain(permitted).any(traces)
    });
    !syscalls::ids::is_root() || namespace("user").is_none() && (tracer || !pid.path.is_empty())
}

/// The process: the file's, or the container's own with what the flags change.
fn plan(
    context: &Context,
    config: &mut Config<'static>,
    file: Option<&'static [u8]>,
) -> Result<&'static mut Process> {
    let given = context.given;
    let mut asked = config.process.get_or_insert_default();
    if let Some(json) = file {
        let own = core::mem::replace(&mut asked, config::parse("--process", json)?);
        // A process object without them gets the container's: it must not have more than the container.
        if asked.capabilities.is_none() {
            asked.capabilities = own.capabilities.take();
        }
        if asked.rlimits.is_empty() {
            asked.rlimits = core::mem::take(&mut own.rlimits);
        }
        if asked.apparmor_profile.is_empty() {
            asked.apparmor_profile = own.apparmor_profile;
        }
        if asked.selinux_label.is_empty() {
            asked.selinux_label = own.selinux_label;
        }
    }
    if file.is_none() {
        asked.args = List::default();
        for word in given.after_id() {
            asked.args.push(text(word, "the program's arguments")?);
        }
        asked.terminal = false;
        asked.console_size = None;
    }
    asked.terminal |= given.switch(Flag::Tty);
    for entry in given.all(Flag::Env) {
        asked.env.push(text(entry.text, "--env")?);
    }
    if let Some((uid, gid)) = given.text(Flag::User).and_then(values::user) {
        asked.user.uid = uid;
        asked.user.gid = gid.unwrap_or(asked.user.gid);
    }
    for gid in given.all(Flag::AdditionalGids) {
        if let Ok(gid) = u32::try_from(gid.number) {
            asked.user.additional_gids.push(gid);
        }
    }
    if let Some(cwd) = given.path(Flag::Cwd) {
        asked.cwd = text(cwd, "--cwd")?;
    }
    asked.no_new_privileges |= given.switch(Flag::NoNewPrivs);
    if let Some(profile) = given.text(Flag::Apparmor) {
        asked.apparmor_profile = profile;
    }
    if let Some(label) = given.text(Flag::ProcessLabel) {
        asked.selinux_label = label;
    }

    let mut warnings = Vec::new();
    let passed = activation::passed(context.env, given.count(Flag::PreserveFds).unwrap_or(0))?;
    let around = Surroundings {
        place: if file.is_some() { "--process" } else { "process" },
        new_keyring: true,
        preserve_fds: passed.descriptors,
        env: &passed.env,
    };
    let process = Box::leak(Box::<Process>::default());
    compile::process::compile(asked, around, process, &mut warnings)?;
    for name in given.all(Flag::Cap) {
        let name = text(name.text, "--cap")?;
        let bit =
            capabilities::bit(name).ok_or_else(|| error!("--cap {quoted}: is not a capability", name))?;
        // Never inheritable: a program with file capabilities would hand it on (CVE-2022-29162).
        process.capabilities.bounding |= bit;
        process.capabilities.permitted |= bit;
        process.capabilities.effective |= bit;
    }
    process.groups_denied = context.is_rootless();
    // The profile was judged when the container was made.
    compile::surroundings(&config.linux, true, process)?;
    for warning in &warnings {
        context.log.warn(warning);
    }
    Ok(process)
}

/// The container as what the new process joins.
struct Target {
    namespaces: Namespaces,
    joins: Vec<OwnedFd>,
    /// What these are.
    named: Vec<Join>,
    /// Its root, where there is a /proc to ask; else that of its mount namespace.
    root: Option<OwnedFd>,
    /// Whether its namespaces are joined by a pidfd, all in one call.
    by_pidfd: bool,
}

impl Target {
    /// Opens a pidfd of the container's first process: it stands for all of its namespaces at once, and, since a process enters
    /// a pid namespace only for its children, a second time for that one.
    fn open(log: &Log, record: &Record<'_>, config: &Config<'_>) -> Result<Self> {
        let all = own_kinds(config);
        let mut target = Target::new(record, true);
        for kind in [all & !ns::CLONE_NEWPID, all & ns::CLONE_NEWPID] {
            match process::pidfd_open(record.pid, 0) {
                _ if kind == 0 => {}
                Ok(pidfd) => target.join(kind, pidfd),
                Err(Errno::SRCH) => return Err(not_running(record.id)),
                // Before Linux 5.3, or hidden.
                Err(_) => return Target::open_each(log, record, config),
            }
        }
        target.checked(record)
    }

    /// Opens the namespaces one by one, for kernels that do not join them by a pidfd.
    fn open_each(log: &Log, record: &Record<'_>, config: &Config<'_>) -> Result<Self> {
        done_without(log, Absent::PidfdOpen.bit());
        let all = own_kinds(config);
        let mut target = Target::new(record, false);
        // With privilege over the host all others are joined first: from inside the user namespace those that it does not own
        // could not be. Without, it is the user namespace that gives the privilege.
        let privileged = syscalls::ids::is_root();
        for user in [!privileged, privileged] {
            for (_, kind, file) in NAMESPACES {
                if all & kind == 0 || (*kind == ns::CLONE_NEWUSER) != user {
                    continue;
                }
                let path = c_path(format_args!("/proc/{}/ns/{file}", record.pid));
                let namespace = open(path, OFlags::RDONLY)
                    .map_err(Error::sys(words!("join the container: open"), shown(path)))?;
                // To enter one's own user namespace again is invalid (setns(2)), and the others need not be.
                let own = rustix::fs::stat(c_path(format_args!("/proc/self/ns/{file}")));
                let here = own.is_ok_and(|own| {
                    rustix::fs::fstat(&namespace).is_ok_and(|there| there.st_ino == own.st_ino)
                });
                if !here {
                    target.join(*kind, namespace);
                }
            }
        }
        target.checked(record)
    }

    fn new(record: &Record<'_>, by_pidfd: bool) -> Self {
        let path = c_path(format_args!("/proc/{}/root", record.pid));
        let root = open(path, OFlags::PATH | OFlags::DIRECTORY).ok();
        Target { namespaces: Namespaces::default(), joins: Vec::new(), named: Vec::new(), root, by_pidfd }
    }

    fn join(&mut self, kind: u64, namespace: OwnedFd) {
        self.named.push(Join { kind, path: cstring("the container's process"), index: 0 });
        self.joins.push(namespace);
    }

    /// The container's process was there when all was open, so it is its own, not that of a later process with its pid.
    fn checked(mut self, record: &Record<'_>) -> Result<Self> {
        self.namespaces.join = core::mem::take(&mut self.named).leak();
        if record.is_alive() { Ok(self) } else { Err(not_running(record.id)) }
    }
}

/// The namespaces that the container has of its own, or has joined.
fn own_kinds(config: &Config<'_>) -> u64 {
    let named = |name: &str| config.linux.namespaces.iter().any(|namespace| namespace.kind == name);
    NAMESPACES.iter().filter(|(name, ..)| named(name)).fold(0, |all, (_, kind, _)| all | kind)
}

//! `create`, and the making of a container that `run` shares with it: think, make, converse, commit.

use super::{Context, delete};
use crate::activation;
use crate::args::Flag;
use crate::bundle::{self, Bundle};
use crate::cgroup::{self, Cgroup, Wanted};
use crate::child::Setup;
use crate::compile::{self, Request};
use crate::config::{self, Config, HookKind};
use crate::console::OtherSide;
use crate::error::{Error, Quoted, Result, decimal};
use crate::handover;
use crate::hooks;
use crate::netdev::Moves;
use crate::paths::shown;
use crate::plan::{Device, Mount, MountKind, Plan};
use crate::proc;
use crate::rdt;
use crate::readiness::{self, Manager, Proxy};
use crate::spawn::{self, Child, Task, conversation::Conversation, maps, sources};
use crate::store::{Entry, FIFO, FIFO_NEW, Record, Store};
use crate::time::Time;
use crate::validate::validate;
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::mem;
use rustix::fs::{Mode, OFlags};
use syscalls::{AsFd, OwnedFd, ns};

/// CAP_MKNOD in the bounding set.
const MKNOD: u64 = 1 << linux_raw_sys::general::CAP_MKNOD;

/// What `run` asks for beyond `create`.
#[derive(Default)]
pub struct Running {
    /// The program starts at once.
    pub at_once: bool,
    /// A terminal whatever config.json says.
    pub terminal: bool,
    /// This process stays: it is the terminal's other side, and has blocked signals.
    pub foreground: bool,
    /// It adopts the container's orphans, if the container has no first process that does.
    pub adopts: bool,
    /// It reads what the cgroup has counted when the container has ended.
    pub counts: bool,
}

/// `create`.
pub fn create(context: &Context) -> Result<()> {
    context.seal()?;
    let bundle = Bundle::of(context.given)?;
    // From here on the container exists, whatever becomes of this process.
    make(context, bundle, &Running::default()).map(drop)
}

/// Makes a container, all of it or nothing. Its process waits to be started, or runs as its program already.
pub fn make<'a>(
    context: &'a Context,
    bundle: &'static Bundle,
    running: &'a Running,
) -> Result<&'a mut Made<'a>> {
    let design = think(context, bundle, running)?;
    // Side effects start here.
    let store = context.store()?;
    let entry = store.create(context.given.id)?;
    let made = Box::leak(Box::new(Made {
        context,
        bundle,
        running,
        design,
        store,
        entry,
        notify: None,
        cgroup: None,
        child: None,
        moves: None,
        record: None,
    }));
    let done = made
        .listen()
        .and_then(|()| made.place())
        .and_then(|()| made.spawn())
        .and_then(|state| made.converse(state))
        .and_then(|()| made.commit());
    match done {
        Ok(()) => Ok(made),
        Err(error) => {
            made.undo();
            Err(error)
        }
    }
}

/// Everything that is decided, checked and opened before the first side effect.
pub struct Design {
    /// Also for the hooks that come later.
    pub config: &'static Config<'static>,
    plan: &'static mut Plan,
    cgroup: &'static cgroup::Prepared,
    rdt: Option<&'static rdt::Prepared>,
    joins: Vec<OwnedFd>,
    /// Where the child sends the terminal's master.
    pub terminal: OtherSide,
    /// The service manager to which the program's readiness is passed on.
    manager: Option<Manager>,
    /// Whether the process is to wait in front of its program: a container with hooks is created before it is started, by `run` too,
    /// so that they find it in the states of runtime.md.
    pub barrier: bool,
}

fn think(context: &Context, bundle: &'static Bundle, running: &Running) -> Result<&'static mut Design> {
    let given = context.given;
    let config: &'static mut Config<'static> = config::parse("config.json", bundle.json)?;
    validate(config)?;
    if let Some(process) = &mut config.process {
        process.terminal |= running.terminal;
    }
    let mut passed = activation::passed(context.env, given.count(Flag::PreserveFds).unwrap_or(0))?;
    let manager = Manager::of(context.env, config);
    let notify = match &manager {
        None => None,
        Some(_) => {
            passed.env.push(format!("NOTIFY_SOCKET={}/notify.sock", readiness::INSIDE));
            Some(format!("{}/{}/notify", bundle::absolute(context.root()?)?, given.id))
        }
    };
    let request = Request {
        bundle: bundle.path,
        id: given.id,
        no_pivot: given.switch(Flag::NoPivot),
        no_new_keyring: given.switch(Flag::NoNewKeyring),
        preserve_fds: passed.descriptors,
        env: &passed.env,
        notify: notify.as_deref(),
        allow_unknown_syscalls: given.switch(Flag::AllowUnknownSyscalls),
    };
    let plan = compile::compile(config, request)?;
    plan.process.groups_denied = context.is_rootless() && maps::gives_groups_up(&plan.namespaces);
    for warning in &plan.warnings {
        context.log.warn(warning);
    }
    for name in plan.process.seccomp.iter().flat_map(|filter| filter.unknown) {
        context
            .log
            .debug(&format!("config.json: linux.seccomp.syscalls: unknown name {} is skipped", Quoted(name)));
    }
    let wanted = Wanted {
        manager: context.cgroup_manager(),
        cgroups_path: config.linux.cgroups_path,
        id: given.id,
        holds: running.counts,
        may_mknod: plan.process.capabilities.bounding & MKNOD != 0 && !plan.namespaces.has(ns::CLONE_NEWUSER),
    };
    // The program that guards the devices is there before the nodes are made.
    let node = |device: &Device| Some((device.is_block()?, device.major, device.minor));
    config.linux.resources.nodes = plan.devices.iter().filter_map(node).collect();
    let config: &'static Config<'static> = config;
    let cgroup = cgroup::prepare(&config.linux.resources, wanted)?;
    let rdt = rdt::prepare(config, given.id)?;
    let joins = spawn::open_joins(&plan.namespaces)?;
    spawn::keep_own(plan, &joins)?;
    let socket = given.path(Flag::ConsoleSocket);
    let terminal = OtherSide::of(plan.process.terminal.as_mut(), socket, running.foreground)?;
    let barrier = !running.at_once || config.hooks.any_before_the_program();
    let design = Design { config, plan, cgroup, rdt, joins, terminal, manager, barrier };
    Ok(Box::leak(Box::new(design)))
}

/// What has been made so far: to be taken back when the rest fails, and what `run` works with in the end.
pub struct Made<'a> {
    context: &'a Context,
    bundle: &'static Bundle,
    running: &'a Running,
    pub design: &'static mut Design,
    store: Store,
    pub entry: Entry,
    /// Where the program says that it is ready, if this process passes that on.
    pub notify: Option<Proxy<'a>>,
    pub cgroup: Option<&'static Cgroup>,
    pub child: Option<Child>,
    moves: Option<Moves>,
    pub record: Option<&'static mut Record<'static>>,
}

impl Made<'_> {
    /// Makes the socket on which the program says that it is ready. `create` leaves listening to `start`.
    fn listen(&mut self) -> Result<()> {
        let Some(manager) = self.design.manager.take() else { return Ok(()) };
        readiness::make_directory(&self.entry)?;
        if self.running.at_once {
            let proxy = self.notify.insert(Proxy::bind(&self.entry, manager, self.context.log)?);
            if self.running.foreground {
                proxy.signal()?;
            }
        }
        Ok(())
    }

    /// Makes the cgroup, with its limits, its device rules and its owner, and the resctrl group.
    fn place(&mut self) -> Result<()> {
        let Design { config, plan, cgroup: prepared, rdt, .. } = &*self.design;
        if !prepared.note.is_empty() {
            self.entry.note_cgroup(prepared.note)?;
        }
        if let Some(warning) = prepared.warning {
            self.context.log.warn(&warning);
        }
        self.cgroup = prepared.create()?;
        if let Some(rdt) = rdt {
            rdt.make(&self.entry)?;
        }
        let Some(cgroup) = self.cgroup else { return Ok(()) };
        if let Some(owner) = cgroup_owner(config, plan) {
            cgroup.delegate(owner)?;
        }
        Ok(())
    }

    /// Puts the device rules into force. Loading the program takes the kernel as long as the mounts take the process.
    fn rule(&self) -> Result<()> {
        let (design, log) = (&self.design, self.context.log);
        if let Some(program) = &design.cgroup.plan.devices {
            let loaded = self.cgroup.map(|cgroup| Ok((cgroup, cgroup::device::load(program)?)));
            match loaded.transpose()? {
                Some((cgroup, Some(program))) => {
                    cgroup.attach(&program)?;
                    mem::forget(program); // exit closes it, with all else
                }
                // Every configuration denies all; who names devices wants more than their permissions.
                _ if compile::device::grants(&design.config.linux.resources.devices) => {
                    log.warn(&cgroup::device::UNENFORCED);
                }
                _ => log.debug(&cgroup::device::UNENFORCED),
            }
        }
        match &self.child {
            Some(child) if child.waits_for_rules => child.go(),
            _ => Ok(()),
        }
    }

    /// Clones the container's process and writes the Record. The result is the file from which the hooks that the process runs
    /// read the state, when it has any.
    fn spawn(&mut self) -> Result<Option<OwnedFd>> {
        let Made { context, running, design, .. } = self;
        let Design { config, plan, cgroup: prepared, rdt, joins, terminal, barrier, .. } = &mut **design;
        let cgroup = self.cgroup;
        if cgroup.is_some() {
            compile::mounts::cgroups_v1(&mut plan.mounts, config.linux.mount_label, &prepared.on_v1());
        }
        let (sources, late_pid) = sources::open(plan, joins, context.log)?;
        let fifo = if *barrier { Some(make_fifo(&self.entry)?) } else { None };
        let state = match plan.create_container.is_empty() && plan.start_container.is_empty() {
            true => None,
            false => Some(hooks::state_file()?),
        };
        let mut setup = Setup {
            cgroup: cgroup.and_then(Cgroup::cgroup2),
            root: None,
            fifo: fifo.as_ref().map(AsFd::as_fd),
            sources: &sources,
            console: terminal.there(),
            state: state.as_ref().map(AsFd::as_fd),
            // A process that waits for nobody lets go of it by itself.
            lock: (*barrier || state.is_some()).then_some(self.entry.directory.as_fd()),
            // Without a cgroup nothing but the Record tells a later `delete` which process to end: the child waits for it.
            wait_maps: plan.namespaces.new & ns::CLONE_NEWUSER != 0
                || state.is_some()
                || cgroup.is_none_or(Cgroup::needs_join)
                || plan.process.oom_score_adj.is_some()
                || !plan.net_devices.is_empty()
                || rdt.is_some(),
            wait_rules: cgroup.is_some() && prepared.plan.devices.is_some(),
            joins_late: cgroup.is_some_and(Cgroup::needs_join),
            wait_hooks: !config.hooks.of(HookKind::Prestart).is_empty()
                || !config.hooks.of(HookKind::CreateRuntime).is_empty(),
            unblock: running.foreground,
            late_pid,
        };
        if running.adopts && plan.namespaces.new & ns::CLONE_NEWPID == 0 {
            syscalls::prctl::set_child_subreaper(true).map_err(Error::os(words!("become a subreaper")))?;
        }
        let child = spawn::spawn(Task::Init(plan), joins, &mut setup)?;
        let pid = self.child.insert(child).pid;
        self.rule()?;
        let Design { config, plan, .. } = &*self.design;
        let record = record(self.context.given.id, self.bundle, config, plan, pid, cgroup);
        self.entry.write(self.record.insert(record), self.bundle.json)?;
        Ok(state)
    }

    /// Answers the process until the container is there.
    fn converse(&mut self, state: Option<OwnedFd>) -> Result<()> {
        let Made { context, bundle, design, .. } = self;
        let (Some(child), Some(record)) = (&mut self.child, &mut self.record) else { return Ok(()) };
        loop {
            let mut parent = Conversation {
                log: context.log,
                config: design.config,
                record,
                plan: Some(design.plan),
                process: &design.plan.process,
                cgroup: self.cgroup,
                moves: &mut self.moves,
                rdt: design.rdt.map(|rdt| rdt.group),
                privileged: !context.is_rootless(),
                state: state.as_ref(),
                barrier: design.barrier,
            };
            parent.hold(child)?;
            if child.pid == record.pid {
                break;
            }
            record.pid = child.pid;
            record.start_time = proc::start_time(child.pid);
            self.entry.write(record, bundle.json)?;
            child.go()?;
        }
        self.cgroup.map_or(Ok(()), Cgroup::is_born)
    }

    /// Tells the caller, and lets `start` and `delete` have the container.
    fn commit(&mut self) -> Result<()> {
        let Made { context, design, .. } = self;
        design.joins.clear();
        let Some(child) = &self.child else {
            return Err(Error::new(words!("the container's process is missing")));
        };
        handover::send_pidfd(context.given, child)?;
        if let Some(rdt) = &design.rdt {
            rdt.keep(&self.entry)?;
        }
        // From here on `start` can have it: what may still fail comes before, what tells the caller that it is there comes after.
        if design.barrier {
            rustix::fs::renameat(&self.entry.directory, FIFO_NEW, &self.entry.directory, FIFO)
                .map_err(Error::os(words!("exec.fifo: rename")))?;
        }
        handover::write_pid_file(context.given, child)?;
        self.entry.unlock()
    }

    /// Takes everything back. What cannot be is left for `delete --force` and said in the log; the first error is the one that counts.
    fn undo(&mut self) {
        let back = self.moves.take().map_or(Ok(()), Moves::undo);
        if let Some(child) = &self.child {
            child.kill();
        }
        for error in [back.err(), self.take_away().err()].into_iter().flatten() {
            self.context.log.warn(&format!("while cleaning up: {error}"));
        }
    }

    /// Removes what was made, when the container's process is gone.
    pub fn take_away(&self) -> Result<()> {
        let left = self.record.as_deref().map(|record| (self.design.config, record));
        delete::take_away(self.context, &self.store, &self.entry, self.cgroup, left)
    }
}

/// Who is to own the container's cgroup, if not root: its program, seen from the host, when it has a cgroup namespace of its own
/// and a cgroup file system that it may write to (config-linux.md "Cgroup ownership").
fn cgroup_owner(config: &Config<'_>, plan: &Plan) -> Option<u32> {
    const MS_RDONLY: u32 = 1;
    let writable = |mount: &Mount| mount.kind == MountKind::Cgroup && mount.flags & MS_RDONLY == 0;
    if plan.namespaces.new & ns::CLONE_NEWCGROUP == 0 || !plan.mounts.iter().any(writable) {
        return None;
    }
    let uid = plan.process.uid;
    let owner = match plan.namespaces.new & ns::CLONE_NEWUSER {
        0 => Some(uid),
        _ => config.linux.uid_mappings.iter().find_map(|range| {
            let place = uid.checked_sub(range.container_id).filter(|place| *place < range.size)?;
            range.host_id.checked_add(place)
        }),
    };
    owner.filter(|owner| *owner != 0)
}

/// exec.fifo, open for both directions: so that the child holds it whatever becomes of its ids and its view of the disk.
fn make_fifo(entry: &Entry) -> Result<OwnedFd> {
    rustix::fs::mkfifoat(&entry.directory, FIFO_NEW, Mode::RUSR | Mode::WUSR)
        .map_err(Error::os(words!("exec.fifo: make")))?;
    rustix::fs::openat(
        &entry.directory,
        FIFO_NEW,
        OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )
    .map_err(Error::os(words!("exec.fifo: open")))
}

fn record(
    id: &'static str,
    bundle: &'static Bundle,
    config: &Config<'static>,
    plan: &Plan,
    pid: i32,
    cgroup: Option<&Cgroup>,
) -> &'static mut Record<'static> {
    // As `list` shows the owner: root, or else a number, since other names are for the C library to know.
    let owner = match syscalls::ids::start().real_uid {
        0 => String::from("root"),
        uid => decimal(uid),
    };
    Box::leak(Box::new(Record {
        oci_version: config::SPEC,
        id,
        pid,
        bundle: bundle.path,
        rootfs: shown(plan.root.path),
        created: Time::now().to_string().leak(),
        owner: owner.leak(),
        annotations: config.annotations.clone(),
        start_time: proc::start_time(pid),
        cgroup_path: cgroup.map(Cgroup::path).unwrap_or_default(),
    }))
}

//! `create`, and the making of a container that `run` shares with it.

use super::{Context, text};
use crate::activation;
use crate::args;
use crate::cgroup::{self, Cgroup, Wanted};
use crate::compile::{self, Request};
use crate::config::{self, Config};
use crate::console::Expected;
use crate::error::{Error, Result};
use crate::hooks;
use crate::plan::{MountKind, Plan};
use crate::spawn::{self, Child, Event, Setup, Task, render::render};
use crate::store::{self, Entry, FIFO, FIFO_NEW, Record, Stat, Store};
use crate::sync::Kind;
use crate::time::Time;
use crate::validate::validate;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::ffi::CStr;
use rustix::fs::{AtFlags, Mode, OFlags};
use syscalls::{AsFd, Errno, OwnedFd, ns};

/// A bundle's configuration as it stands on disk.
pub struct Bundle {
    /// Absolute.
    pub path: String,
    pub json: Vec<u8>,
}

impl Bundle {
    /// Reads `config.json` of a bundle, or the file that `--config` names instead.
    pub fn read(bundle: Option<&CStr>, config: Option<&CStr>) -> Result<Bundle> {
        let path = match bundle {
            Some(path) if path.to_bytes().starts_with(b"/") => text(path, "--bundle")?,
            relative => {
                let here = rustix::process::getcwd(Vec::new()).map_err(Error::os("getcwd"))?;
                let here = text(&here, "the working directory")?;
                match relative {
                    Some(path) => format!("{here}/{}", text(path, "--bundle")?),
                    None => here,
                }
            }
        };
        let file = match config {
            Some(file) => text(file, "--config")?,
            None => format!("{path}/config.json"),
        };
        let opened =
            rustix::fs::open(&*file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
                let error = Error::sys("config.json: open", &file)(errno);
                match errno {
                    Errno::NOENT => error.hint("`runlet spec` writes one"),
                    _ => error,
                }
            })?;
        let json = store::read_all(&opened).map_err(Error::sys("config.json: read", &file))?;
        Ok(Bundle { path, json })
    }
}

/// A container that has been made: its process runs up to the barrier (`create`) or as its program (`run`).
pub struct Made<'a> {
    pub store: Store,
    pub entry: Entry,
    pub record: Record<'a>,
    pub child: Child,
    pub cgroup: Option<Cgroup>,
    /// The terminal that the child has sent, if this process is its other side.
    pub console: Option<Expected>,
    /// The config, for the hooks that come later.
    pub config: Config<'a>,
}

/// Who is the other side of the container's terminal.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Whoever listens on `--console-socket`.
    #[default]
    Socket,
    /// This process.
    Own,
}

/// What `run` asks for beyond `create`.
#[derive(Default)]
pub struct Running {
    /// The program starts at once, without a barrier.
    pub at_once: bool,
    /// A terminal whatever config.json says.
    pub terminal: bool,
    /// Who is the terminal's other side.
    pub console: Console,
    /// Signals are blocked in the caller.
    pub unblock: bool,
}

/// `create`.
pub fn create(context: &Context<'_>, args: &args::Create) -> Result<()> {
    let bundle = Bundle::read(args.bundle.as_deref(), args.config.as_deref())?;
    let made = make(context, args, &bundle, &Running::default())?;
    // From here on the container exists, whatever becomes of this process.
    drop(made);
    Ok(())
}

/// Makes a container, all of it or nothing.
pub fn make<'b>(
    context: &Context<'_>,
    args: &args::Create,
    bundle: &'b Bundle,
    running: &Running,
) -> Result<Made<'b>> {
    store::check_id(&args.id)?;
    let mut config: Config<'b> = config::parse("config.json", &bundle.json)?;
    validate(&config)?;
    if let Some(process) = &mut config.process {
        process.terminal |= running.terminal;
    }
    let env = activation::env(context);
    let request = Request {
        bundle: &bundle.path,
        id: &args.id,
        no_pivot: args.no_pivot,
        no_new_keyring: args.no_new_keyring,
        preserve_fds: args.preserve_fds.saturating_add(activation::listen_fds(context)),
        env: &env,
        allow_unknown_syscalls: context.global.allow_unknown_syscalls,
    };
    let mut plan = compile::compile(&config, request)?;
    plan.process.groups_denied = context.is_rootless()
        && spawn::is_single(&plan.namespaces.gid_map, rustix::process::getegid().as_raw());
    let own = match plan.process.terminal.is_some() && running.console == Console::Own {
        true => Some(Expected::new()?),
        false => None,
    };
    let socket =
        console_socket(plan.process.terminal.is_some(), args.console_socket.as_deref(), own.is_some())?;
    for warning in &plan.warnings {
        context.log.warn(warning);
    }
    for name in plan.process.seccomp.iter().flat_map(|filter| &filter.unknown) {
        context.log.debug(&format!("config.json: linux.seccomp.syscalls: unknown name {name:?} is skipped"));
    }
    let mknod =
        plan.process.capabilities.bounding & (1 << 27) != 0 && !plan.namespaces.has(ns::CLONE_NEWUSER);
    let wanted = Wanted {
        manager: context.global.cgroup_manager,
        cgroups_path: &config.linux.cgroups_path,
        id: &args.id,
        may_mknod: mknod,
    };
    let prepared = cgroup::prepare(&config.linux.resources, wanted)?;
    let joins = spawn::open_joins(&plan.namespaces)?;
    spawn::keep_own_sysctls(&plan, &joins)?;
    let idmaps = spawn::open_idmaps(&plan)?;

    // Side effects start here.
    let store = Store::open(&context.root()?, true)?.ok_or_else(|| Error::new("--root: cannot be made"))?;
    let entry = store.create(&args.id)?;
    let mut undo = Undo { store: &store, entry: &entry, cgroup: None, child: None };
    let done = (|| {
        if !prepared.note.is_empty() {
            entry.note_cgroup(&prepared.note)?;
        }
        if let Some(warning) = prepared.warning {
            context.log.warn(&warning);
        }
        undo.cgroup = prepared.create()?;
        let cgroup = undo.cgroup.as_ref();
        if let (Some(cgroup), Some(owner)) = (cgroup, cgroup_owner(&config, &plan)) {
            cgroup.delegate(owner)?;
        }
        if let (Some(cgroup), Some(program)) = (cgroup, &prepared.plan.devices)
            && let Some(program) = cgroup::device::load(program)?
        {
            cgroup.attach(&program)?;
        }
        let hooks_before = !config.hooks.prestart.is_empty() || !config.hooks.create_runtime.is_empty();
        let fifo = match running.at_once && !hooks_before {
            true => None,
            false => Some(make_fifo(&entry)?),
        };
        let state = match plan.create_container.is_empty() && plan.start_container.is_empty() {
            true => None,
            false => Some(syscalls::fs::memfd_create(c"state", 0).map_err(Error::os("memfd_create"))?),
        };
        let new_user = plan.namespaces.new & ns::CLONE_NEWUSER != 0;
        let setup = Setup {
            cgroup: cgroup.and_then(Cgroup::cgroup2),
            root: None,
            fifo: fifo.as_ref().filter(|_| !running.at_once).map(AsFd::as_fd),
            console: own.as_ref().map(|own| &own.there).or(socket.as_ref()).map(AsFd::as_fd),
            state: state.as_ref().map(AsFd::as_fd),
            lock: Some(entry.directory.as_fd()),
            // Without a cgroup nothing but the Record tells a later `delete` which process to end: the child waits for it.
            wait_maps: new_user
                || state.is_some()
                || cgroup.is_none_or(Cgroup::needs_join)
                || plan.process.oom_score_adj.is_some(),
            joins_late: cgroup.is_some_and(Cgroup::needs_join),
            wait_hooks: hooks_before,
            unblock: running.unblock,
        };
        let child = undo.child.insert(spawn::spawn(Task::Init(&mut plan), &joins, &idmaps, &setup)?);
        if let Some(cgroup) = cgroup {
            cgroup.is_born();
        }

        let record = record(context, args, bundle, &config, &plan, child, cgroup);
        entry.write(&record, &bundle.json)?;
        let mut parent = Conversation {
            context,
            config: &config,
            plan: &mut plan,
            record: &record,
            barrier: !running.at_once,
            cgroup,
            state,
        };
        parent.hold(child)?;
        if let Some(path) = &args.pid_file {
            write_pid_file(path, child.pid)?;
        }
        if let Some(path) = &args.pidfd_socket {
            send_pidfd(path, child)?;
        }
        match running.at_once {
            false => rustix::fs::renameat(&entry.directory, FIFO_NEW, &entry.directory, FIFO)
                .map_err(Error::os("exec.fifo: rename"))?,
            true if hooks_before => rustix::fs::unlinkat(&entry.directory, FIFO_NEW, AtFlags::empty())
                .map_err(Error::os("exec.fifo: remove"))?,
            true => {}
        }
        entry.unlock()?;
        Ok(record)
    })();
    match done {
        Ok(record) => match undo {
            Undo { cgroup, child: Some(child), .. } => {
                Ok(Made { store, entry, record, child, cgroup, console: own, config })
            }
            Undo { .. } => Err(Error::new("the container's process is missing")),
        },
        Err(error) => {
            undo.undo(context);
            Err(error)
        }
    }
}

/// Who is to own the container's cgroup, if not root: its program, seen from the host, when it has a cgroup namespace of its own
/// and a cgroup file system that it may write to (config-linux.md "Cgroup ownership").
fn cgroup_owner(config: &Config<'_>, plan: &Plan) -> Option<u32> {
    const MS_RDONLY: u32 = 1;
    let writable =
        |mount: &crate::plan::Mount| mount.kind == MountKind::Cgroup && mount.flags & MS_RDONLY == 0;
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

/// What has been made so far, to be taken back when the rest fails.
struct Undo<'s> {
    store: &'s Store,
    entry: &'s Entry,
    cgroup: Option<Cgroup>,
    child: Option<Child>,
}

impl Undo<'_> {
    /// Takes everything back. What cannot be is left for `delete --force` and said in the log; the first error is the one that counts.
    fn undo(self, context: &Context<'_>) {
        let complain = |what: Result<()>| {
            if let Err(error) = what {
                context.log.warn(&format!("while cleaning up: {error}"));
            }
        };
        if let Some(child) = self.child {
            child.kill();
        }
        if let Some(cgroup) = self.cgroup {
            complain(cgroup.kill());
            complain(cgroup.remove());
        }
        complain(self.store.remove(self.entry));
    }
}

/// The parent's side of the child's frames until the container is made.
struct Conversation<'a, 'b> {
    context: &'a Context<'a>,
    config: &'a Config<'b>,
    plan: &'a mut Plan,
    record: &'a Record<'b>,
    /// Whether the child is to report before it becomes its program.
    barrier: bool,
    cgroup: Option<&'a Cgroup>,
    state: Option<OwnedFd>,
}

impl Conversation<'_, '_> {
    /// Answers frames until the child is ready, or has become its program.
    fn hold(&mut self, child: &Child) -> Result<()> {
        loop {
            let frame = match child.next()? {
                Event::Frame(frame) => frame,
                Event::Closed if self.barrier => {
                    let hint = "killed, perhaps for want of memory";
                    return Err(
                        Error::new("the container's process ended while it was being made").hint(hint)
                    );
                }
                Event::Closed => return Ok(()),
            };
            match frame.kind {
                Kind::Ready => return Ok(()),
                Kind::Failure => return Err(render(frame, Some(self.plan), &self.plan.process)),
                Kind::Warning => self.context.log.warn(&render(frame, Some(self.plan), &self.plan.process)),
                Kind::Maps => {
                    self.enter(child)?;
                    child.go()?;
                }
                Kind::Hooks => {
                    hooks::before_pivot(self.config, self.record)?;
                    child.go()?;
                }
                Kind::Listener => {
                    crate::notify::hand_over(
                        self.config,
                        self.record,
                        store::Status::Creating,
                        child,
                        frame.value,
                    )?;
                    child.go()?;
                }
                Kind::Pid => return Err(Error::new("the container's process speaks nonsense")),
            }
        }
    }

    /// What is done from outside in the new namespaces, before the child does anything in them.
    fn enter(&mut self, child: &Child) -> Result<()> {
        if let Some(cgroup) = self.cgroup.filter(|cgroup| cgroup.needs_join() || !child.in_cgroup) {
            cgroup.join(child.pid, child.in_cgroup && cgroup.cgroup2().is_some())?;
        }
        if let Some(adjust) = self.plan.process.oom_score_adj {
            let path = format!("/proc/{}/oom_score_adj", child.pid);
            spawn::write_file(&path, adjust.to_string().as_bytes(), "process.oomScoreAdj")?;
        }
        if let Some(state) = &self.state {
            let json = hooks::state(self.record, store::Status::Creating);
            store::write_all(state, json.as_bytes()).map_err(Error::os("write the hooks' state"))?;
        }
        if self.plan.namespaces.new & ns::CLONE_NEWUSER != 0 {
            let privileged = !self.context.is_rootless();
            spawn::write_maps(child.pid, &self.plan.namespaces, privileged)?;
        }
        Ok(())
    }
}

fn record<'b>(
    _context: &Context<'_>,
    args: &args::Create,
    bundle: &'b Bundle,
    config: &Config<'b>,
    plan: &Plan,
    child: &Child,
    cgroup: Option<&Cgroup>,
) -> Record<'b> {
    let start_time = match store::stat(child.pid) {
        Stat::Alive(start_time) => start_time,
        Stat::Gone | Stat::NoProc => 0,
    };
    let owned = |text: String| config::Str(text.into());
    Record {
        oci_version: crate::cmd::version::SPEC.into(),
        id: owned(args.id.clone()),
        pid: child.pid,
        bundle: config::Str(bundle.path.as_str().into()),
        rootfs: owned(plan.root.path.to_string_lossy().into_owned()),
        created: owned(Time::now().to_string()),
        owner: owned(spawn::owner()),
        annotations: config.annotations.clone(),
        start_time,
        cgroup_path: owned(cgroup.map(Cgroup::path).unwrap_or_default().into()),
        cgroup_manager: owned(String::new()),
    }
}

/// The socket of `--console-socket`, and the rules about having one.
pub fn console_socket(terminal: bool, path: Option<&CStr>, own: bool) -> Result<Option<OwnedFd>> {
    match (path, terminal, own) {
        (Some(path), true, _) => connect(path, "--console-socket").map(Some),
        (Some(_), false, _) => Err(Error::new(
            "--console-socket: process.terminal is false, so there is no terminal to hand over",
        )),
        (None, true, false) => Err(Error::new("process.terminal: needs --console-socket")
            .hint("or the command in the foreground, which is then the terminal's other side itself")),
        (None, _, _) => Ok(None),
    }
}

/// Connects to a Unix socket of the caller's.
pub fn connect(path: &CStr, flag: &str) -> Result<OwnedFd> {
    let failed = |errno| Error::sys(flag, &path.to_string_lossy())(errno);
    let socket =
        syscalls::net::socket(syscalls::net::AF_UNIX, syscalls::net::SOCK_STREAM, 0).map_err(failed)?;
    syscalls::net::connect_unix(socket.as_fd(), path.to_bytes()).map_err(failed)?;
    Ok(socket)
}

/// exec.fifo, open for both directions: so that the child holds it whatever becomes of its ids and its view of the disk.
fn make_fifo(entry: &Entry) -> Result<OwnedFd> {
    rustix::fs::mkfifoat(&entry.directory, FIFO_NEW, Mode::RUSR | Mode::WUSR)
        .map_err(Error::os("exec.fifo: make"))?;
    rustix::fs::openat(
        &entry.directory,
        FIFO_NEW,
        OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )
    .map_err(Error::os("exec.fifo: open"))
}

/// Writes a pid beside the file and renames it: whoever sees the file sees all of it.
pub fn write_pid_file(path: &CStr, pid: i32) -> Result<()> {
    let path = text(path, "--pid-file")?;
    let failed = |errno| Error::sys("--pid-file: write", &path)(errno);
    let beside = match path.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/.{name}.new"),
        None => format!(".{path}.new"),
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&*beside, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
    store::write_all(&file, pid.to_string().as_bytes()).map_err(failed)?;
    rustix::fs::rename(&*beside, &*path).map_err(failed)
}

/// Hands a pidfd of the child to `--pidfd-socket`.
pub fn send_pidfd(path: &CStr, child: &Child) -> Result<()> {
    let socket = connect(path, "--pidfd-socket")?;
    let pidfd = match &child.pidfd {
        Some(pidfd) => pidfd.as_fd(),
        None => return Err(Error::new("--pidfd-socket: this kernel has no pidfds (Linux 5.2)")),
    };
    syscalls::net::send_with_fds(socket.as_fd(), b"pidfd", &[pidfd], syscalls::net::MSG_NOSIGNAL)
        .map(drop)
        .map_err(Error::sys("--pidfd-socket", &path.to_string_lossy()))
}

//! `exec`: one more process in a container that runs.

use super::start::Kept;
use super::{Context, text};
use crate::activation;
use crate::args;
use crate::cgroup::Cgroup;
use crate::compile::{self, capabilities, cstring, namespaces::NAMESPACES, process::Surroundings};
use crate::config::{self, Config, Str};
use crate::console::OtherSide;
use crate::error::{Error, Result};
use crate::handover::{send_pidfd, write_pid_file};
use crate::plan::{Join, Namespaces, Process};
use crate::spawn::{self, Setup, Task, conversation::Conversation};
use crate::store::{self, Record, Status};
use crate::supervise;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use rustix::fs::{Mode, OFlags};
use syscalls::{AsFd, OwnedFd, ns, process};

/// What `exec` answers when the program could not be started (CLI.md); from then on the status is the program's own.
pub const FAILED: i32 = 255;

/// `exec`. The result is the program's exit status, or 0 with `--detach`.
pub fn exec(context: &Context<'_>, args: &args::Exec) -> Result<i32> {
    let entry = context.store(&args.id)?.find(&args.id)?;
    let json = entry.read()?.ok_or_else(|| Error::new(format!("container not running: {:?}", args.id)))?;
    let record = Record::parse(&json)?;
    match super::state::status(&record, &entry) {
        Status::Running | Status::Created => {}
        Status::Paused if args.ignore_paused => {}
        Status::Paused => {
            return Err(Error::new(format!("container {:?} is paused", args.id))
                .hint("resume it first, or use --ignore-paused"));
        }
        Status::Creating | Status::Stopped => {
            return Err(Error::new(format!("container not running: {:?}", args.id)));
        }
    }
    let kept: Kept<'_> = config::parse("state.json", &json)?;
    let file = args.process.as_deref().map(read_process).transpose()?;
    let mut process = plan(context, args, &kept.config, file.as_deref())?;
    let namespaces = container_namespaces(&kept.config);
    let joins = open(&record, &namespaces)?;
    let foreground = !args.detach;
    let socket = args.console_socket.as_deref();
    let terminal = OtherSide::of(process.terminal.is_some(), socket, foreground)?;
    let root = rustix::fs::open(
        format!("/proc/{}/root", record.pid),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let cgroup = entry.cgroup().map_or(Ok(None), |note| Cgroup::open(&note))?;
    let cgroup = match (cgroup, args.cgroup.is_empty()) {
        (Some(cgroup), false) => Some(cgroup.below(&args.cgroup)?),
        (None, false) => return Err(Error::new("--cgroup: the container has no cgroup")),
        (cgroup, true) => cgroup,
    };
    if foreground {
        supervise::hold_signals()?;
    }
    if !process.affinity_initial.is_empty() {
        syscalls::sched::sched_setaffinity(0, &process.affinity_initial)
            .map_err(Error::os("process.execCPUAffinity.initial: sched_setaffinity"))?;
    }
    let joins_late = cgroup.as_ref().is_some_and(Cgroup::needs_join);
    let setup = Setup {
        cgroup: cgroup.as_ref().and_then(Cgroup::cgroup2),
        root: root.as_ref().ok().map(AsFd::as_fd),
        console: terminal.there(),
        joins_late,
        wait_maps: joins_late || process.oom_score_adj.is_some(),
        unblock: foreground,
        ..Setup::default()
    };
    let child = spawn::spawn(Task::Exec(&namespaces, &mut process), &joins, &[], &setup)?;
    let parent = Conversation {
        log: context.log,
        config: &kept.config,
        record: &record,
        plan: None,
        process: &process,
        cgroup: cgroup.as_ref(),
        privileged: !context.is_rootless(),
        state: None,
        barrier: false,
    };
    let started = parent.hold(&child).and_then(|()| {
        if let Some(path) = &args.pidfd_socket {
            send_pidfd(path, &child)?;
        }
        match &args.pid_file {
            Some(path) => write_pid_file(path, child.pid),
            None => Ok(()),
        }
    });
    if let Err(error) = started {
        child.kill();
        return Err(error);
    }
    if args.detach {
        return Ok(0);
    }
    supervise::supervise(child.pid, terminal.arrive()?).map(supervise::exit_status)
}

fn read_process(path: &core::ffi::CStr) -> Result<Vec<u8>> {
    let name = text(path, "--process")?;
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(Error::sys("--process: open", &name))?;
    store::read_all(&file).map_err(Error::sys("--process: read", &name))
}

/// The process: the file's, or the container's own with what the flags change.
fn plan(
    context: &Context<'_>,
    args: &args::Exec,
    config: &Config<'_>,
    file: Option<&[u8]>,
) -> Result<Process> {
    let mut words: Vec<String> = Vec::new();
    for word in &args.program {
        words.push(text(word, "the program's arguments")?);
    }
    let mut asked: config::Process<'_> = match (file, &config.process) {
        (Some(json), _) => config::parse("--process", json)?,
        (None, Some(own)) => own.clone(),
        (None, None) => config::Process::default(),
    };
    let owned = |text: &str| Str(text.to_string().into());
    if file.is_none() {
        asked.args = words.iter().map(|word| owned(word)).collect();
        asked.terminal = false;
        asked.console_size = None;
    }
    asked.terminal |= args.tty;
    for entry in &args.env {
        asked.env.push(owned(&text(entry, "--env")?));
    }
    if let Some((uid, gid)) = args.user {
        asked.user.uid = uid;
        asked.user.gid = gid.unwrap_or(asked.user.gid);
    }
    asked.user.additional_gids.extend(&args.additional_gids);
    if let Some(cwd) = &args.cwd {
        asked.cwd = owned(&text(cwd, "--cwd")?);
    }
    asked.no_new_privileges |= args.no_new_privs;
    if let Some(profile) = &args.apparmor {
        asked.apparmor_profile = owned(profile);
    }
    if let Some(label) = &args.process_label {
        asked.selinux_label = owned(label);
    }

    let mut warnings = Vec::new();
    let keyring = format!("_ses.{}", args.id);
    let env = activation::env(context);
    let around = Surroundings {
        place: if file.is_some() { "--process" } else { "process" },
        keyring: Some(&keyring),
        preserve_fds: args.preserve_fds.saturating_add(activation::listen_fds(context)),
        env: &env,
    };
    let mut process = compile::process::compile(&asked, around, &mut warnings)?;
    for name in &args.caps {
        let bit = capabilities::bit(name)
            .ok_or_else(|| Error::new(format!("--cap {name:?}: is not a capability")))?;
        // Never inheritable: a program with file capabilities would hand it on (CVE-2022-29162).
        process.capabilities.bounding |= bit;
        process.capabilities.permitted |= bit;
        process.capabilities.effective |= bit;
    }
    process.groups_denied = context.is_rootless();
    // The profile was judged when the container was made.
    compile::surroundings(config, true, &mut process)?;
    for warning in &warnings {
        context.log.warn(warning);
    }
    Ok(process)
}

/// The namespaces that the container has of its own, as one set for a pidfd, and the pid namespace apart: it is the parent's to join.
fn container_namespaces(config: &Config<'_>) -> Namespaces {
    let mut kinds = 0;
    for namespace in &config.linux.namespaces {
        if let Some((_, kind, _)) = NAMESPACES.iter().find(|(name, ..)| *name == &*namespace.kind) {
            kinds |= kind;
        }
    }
    let mut namespaces = Namespaces::default();
    for kind in [kinds & !ns::CLONE_NEWPID, kinds & ns::CLONE_NEWPID] {
        if kind != 0 {
            namespaces.join.push(Join { kind, path: cstring("the container's process"), index: 0 });
        }
    }
    namespaces
}

/// Opens what is joined: the pidfd of init, whose identity is checked after; or where setns takes none (before Linux 5.8) the
/// namespaces themselves.
fn open(record: &Record<'_>, namespaces: &Namespaces) -> Result<Vec<OwnedFd>> {
    let mut joins = Vec::new();
    for _ in &namespaces.join {
        joins.push(process::pidfd_open(record.pid, 0).map_err(Error::os("pidfd_open"))?);
    }
    match record.is_alive() {
        true => Ok(joins),
        false => Err(Error::new(format!("container not running: {:?}", &*record.id))),
    }
}

//! Hooks that run in the runtime's namespaces: prestart, createRuntime, poststart, poststop (config.md "POSIX-platform Hooks").
//!
//! Each gets the container's state on its stdin. The other two kinds run in the container's namespaces and are the child's.

use crate::child::run_hook;
use crate::compile;
use crate::config::{Config, HookKind, Hooks};
use crate::error::{Error, Result, decimal, error};
use crate::json::Writer;
use crate::log::Log;
use crate::paths::shown;
use crate::store::{Record, Status, write_all};
use syscalls::{AsFd, Errno, OwnedFd};

/// The hooks of one kind, in order; the first that fails ends it.
pub fn run(kind: HookKind, hooks: &Hooks<'_>, record: &Record<'_>, status: Status) -> Result<()> {
    if hooks.of(kind).is_empty() {
        return Ok(());
    }
    let stdin = stdin(record, status)?;
    for (index, hook) in compile::hooks(hooks, kind)?.iter().enumerate() {
        run_hook(hook, Some(stdin.as_fd())).map_err(|errno| failed(kind, index, shown(hook.path), errno))?;
    }
    Ok(())
}

/// prestart and createRuntime, while the child waits before pivot_root.
pub fn before_pivot(config: &Config<'_>, record: &Record<'_>) -> Result<()> {
    run(HookKind::Prestart, &config.hooks, record, Status::Creating)?;
    run(HookKind::CreateRuntime, &config.hooks, record, Status::Creating)
}

/// poststop: each runs whatever became of the others, and a failing one is a warning.
pub fn poststop(log: &Log, config: &Config<'_>, record: &Record<'_>) {
    let kind = HookKind::Poststop;
    if config.hooks.of(kind).is_empty() {
        return;
    }
    let ran =
        stdin(record, Status::Stopped).and_then(|stdin| Ok((stdin, compile::hooks(&config.hooks, kind)?)));
    match ran {
        Ok((stdin, hooks)) => {
            for (index, hook) in hooks.iter().enumerate() {
                if let Err(errno) = run_hook(hook, Some(stdin.as_fd())) {
                    log.warn(&failed(kind, index, shown(hook.path), errno));
                }
            }
        }
        Err(error) => log.warn(&error),
    }
}

/// The file that hooks have as their stdin.
pub fn state_file() -> Result<OwnedFd> {
    syscalls::fs::memfd_create(c"state", 0)
        .or_else(|errno| crate::nameless::file(false).or(Err(errno)))
        .map_err(Error::os(words!("memfd_create")))
}

/// Writes the state as JSON into it, in place of what was there. `pid` is what the hooks know the container's first process by.
pub fn give_state(file: &OwnedFd, record: &Record<'_>, pid: i32, status: Status) -> Result<()> {
    let mut json = Writer::default();
    record.write_state(pid, status, 0, &mut json, "");
    let json = json.finish();
    let rewind = || {
        syscalls::fs::ftruncate(file.as_fd(), 0)?;
        syscalls::fs::lseek(file.as_fd(), 0, syscalls::fs::SEEK_SET)?;
        write_all(file.as_fd(), json.as_bytes())
    };
    rewind().map_err(Error::os(words!("write the hooks' state")))
}

fn stdin(record: &Record<'_>, status: Status) -> Result<OwnedFd> {
    let file = state_file()?;
    give_state(&file, record, record.pid, status)?;
    Ok(file)
}

/// A hook that failed, wherever it ran.
pub fn failed(kind: HookKind, index: usize, path: &str, errno: Errno) -> Error {
    let error = error!("hooks.{}[{}] {quoted}", kind.name(), decimal(index), path);
    match errno {
        Errno::CANCELED => error.between("", ": failed"),
        Errno::TIMEDOUT => error.between("", ": timed out, and was killed with its processes"),
        errno => error.errno(errno),
    }
}

//! Id maps: of a container's new user namespace, and of the throw-away ones that id-mapped mounts (`sources`) take theirs from.

use super::write_proc;
use crate::error::{Error, Result, error};
use crate::paths::{cstring, open};
use crate::plan::Namespaces;
use crate::sync::is_absent;
use alloc::format;
use rustix::fs::OFlags;
use syscalls::process::{self, CloneArgs, Fork, SIGCHLD, WEXITED, WaitFor, WaitStatus};
use syscalls::{CStrArray, Errno, OwnedFd, ns, prctl};

/// Writes what belongs to the new user namespace of a process: directly with privilege over the ids, else a single range of
/// one's own directly, else by newuidmap and newgidmap (user_namespaces(7)).
pub fn write(pid: i32, namespaces: &Namespaces, privileged: bool) -> Result<()> {
    let uid = syscalls::ids::start().uid;
    match privileged || is_single(namespaces.uid_map, uid) {
        true => write_proc(pid, "uid_map", namespaces.uid_map, "linux.uidMappings")?,
        false => helper("newuidmap", pid, namespaces.uid_map)?,
    }
    let direct = privileged || gives_groups_up(namespaces);
    if direct && !privileged {
        // Before Linux 3.19 there is no such file, and none is needed.
        match write_proc(pid, "setgroups", b"deny", "setgroups") {
            Err(error) if error.cause() == Some(Errno::NOENT) => {}
            other => other?,
        }
    }
    match direct {
        true => write_proc(pid, "gid_map", namespaces.gid_map, "linux.gidMappings"),
        false => helper("newgidmap", pid, namespaces.gid_map),
    }
}

/// Whether an unprivileged user's group map is written directly, which takes setgroups away from the namespace.
pub fn gives_groups_up(namespaces: &Namespaces) -> bool {
    is_single(namespaces.gid_map, syscalls::ids::start().gid)
}

/// Whether a map is one range of one id, the caller's own: what an unprivileged process may write itself.
pub fn is_single(map: &[u8], own: u32) -> bool {
    let text = core::str::from_utf8(map).unwrap_or_default();
    let mut numbers = text.split_ascii_whitespace().skip(1);
    numbers.next().and_then(|host| host.parse().ok()) == Some(u64::from(own))
        && numbers.next() == Some("1")
        && numbers.next().is_none()
}

/// newuidmap PID CONTAINER HOST SIZE...
fn helper(name: &str, pid: i32, map: &[u8]) -> Result<()> {
    let text = core::str::from_utf8(map).unwrap_or_default();
    let (mut args, mut env) = (CStrArray::new(), CStrArray::new());
    args.push(cstring(name));
    args.push(cstring(&format!("{pid}")));
    for number in text.split_ascii_whitespace() {
        args.push(cstring(number));
    }
    env.push(c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let mut tried = Errno::NOENT;
    for directory in &["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"] {
        let path = cstring(&format!("{directory}/{name}"));
        if let Err(errno) = rustix::fs::access(path, rustix::fs::Access::EXEC_OK) {
            tried = errno;
            continue;
        }
        return match process::clone(0, false, SIGCHLD).map_err(Error::os(words!("fork")))? {
            Fork::Child => {
                process::execve(path, &args, &env);
                process::exit_group(127)
            }
            Fork::Parent { pid, .. } => match process::waitid(WaitFor::Pid(pid), WEXITED) {
                Ok(Some((_, WaitStatus::Exited(0)))) => Ok(()),
                _ => Err(error!("{}: did not allow the id mappings", name)
                    .hint(words!("see subuid(5) and subgid(5): the ranges must be listed for this user"))),
            },
        };
    }
    Err(Error::sys(words!("find"), name)(tried)
        .hint(words!("more than one id can be mapped without root only with the uidmap package")))
}

/// A user namespace with these maps, which lives in a process that does nothing, just long enough to be opened.
pub fn namespace_with(uid_map: &[u8], gid_map: &[u8], place: &str) -> Result<OwnedFd> {
    let failed = |errno| error!("{}", place).errno(errno);
    let own = process::getpid();
    let args = CloneArgs { flags: ns::CLONE_NEWUSER, exit_signal: SIGCHLD, ..CloneArgs::default() };
    let forked = match process::clone3(&args) {
        Err(errno) if is_absent(errno) => process::clone(ns::CLONE_NEWUSER, false, SIGCHLD),
        other => other,
    };
    match forked.map_err(failed)? {
        Fork::Child => {
            // It does not outlive a runtime that is killed, even before it could say so.
            if prctl::set_pdeathsig(process::SIGKILL).is_err() || process::getppid() != own {
                process::exit_group(1);
            }
            loop {
                syscalls::signal::pause();
            }
        }
        Fork::Parent { pid, .. } => {
            let opened = write_proc(pid, "uid_map", uid_map, place)
                .and_then(|()| write_proc(pid, "gid_map", gid_map, place))
                .and_then(|()| {
                    let path = format!("/proc/{pid}/ns/user");
                    open(cstring(&path), OFlags::RDONLY).map_err(Error::at(place, &path))
                });
            process::kill(pid, process::SIGKILL).map_err(failed)?;
            process::waitid(WaitFor::Pid(pid), WEXITED).map_err(failed)?;
            opened
        }
    }
}

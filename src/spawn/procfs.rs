//! The procfs of a pid namespace that a container joins by path, made before the container's process is there: that one enters the
//! namespace last of all (R4, CVE-2016-9962), and a procfs shows the namespace that its maker was born in.
//!
//! Since Linux 6.17 the namespace can be said (`pidns`). Before, the context is opened by a process that is born in it, and that has
//! nothing of the host (`child::bare`).

use crate::child::{PROC_MAGIC, bare};
use crate::compile::seccomp::{graph::code, table::NATIVE};
use crate::plan::Mount;
use syscalls::mount;
use syscalls::process::{self, Fork, WEXITED, WaitFor, WaitStatus};
use syscalls::seccomp::SockFilter;
use syscalls::{AsFd, BorrowedFd, CWD, Errno, OwnedFd, net};

/// Makes one, detached, with all but its options.
pub fn make(mount: &Mount, namespace: BorrowedFd<'_>) -> syscalls::Result<OwnedFd> {
    // To attach it takes another call, which a profile may deny alone. A flag that does not exist tells.
    if mount::move_mount(CWD, c"", CWD, c"", u32::MAX) != Err(Errno::INVAL) {
        return Err(Errno::NOSYS);
    }
    let mut context = mount::fsopen(c"proc")?;
    let own = mount::fsconfig_fd(context.as_fd(), c"pidns", namespace).is_ok();
    if !own {
        context = receive(namespace)?;
    }
    // What is wrong with one that was received, others may have made so: that is never a reason to do without.
    finish(context.as_fd(), mount).map_err(|errno| if own { errno } else { Errno::IO })
}

fn finish(context: BorrowedFd<'_>, mount: &Mount) -> syscalls::Result<OwnedFd> {
    mount::fsconfig_string(context, c"source", mount.source)?;
    mount::fsconfig_create(context)?;
    let procfs = mount::fsmount(context, mount.attr.set)?;
    match syscalls::stat::fstatfs(procfs.as_fd())?.kind {
        PROC_MAGIC => Ok(procfs),
        _ => Err(Errno::IO),
    }
}

/// A procfs context that was opened in the pid namespace. Who lives there can keep it from coming, or send another of its own.
fn receive(namespace: BorrowedFd<'_>) -> syscalls::Result<OwnedFd> {
    let (ours, theirs) = net::socketpair(net::SOCK_SEQPACKET)?;
    let pid = match process::clone(0, false, process::SIGCHLD)? {
        Fork::Child => bare::send_procfs(namespace, theirs.as_fd(), &FILTER),
        Fork::Parent { pid, .. } => pid,
    };
    // It is the one outside, whose end is nobody's there.
    if !matches!(process::waitid(WaitFor::Pid(pid), WEXITED)?, Some((_, WaitStatus::Exited(0)))) {
        return Err(Errno::NOSYS);
    }
    let mut context = [None];
    net::recv_with_fds(ours.as_fd(), &mut [0], &mut context, net::MSG_DONTWAIT)?;
    let [context] = context;
    context.ok_or(Errno::IO)
}

/// What is left to the process in the pid namespace, and to who takes it over: five calls of this machine's own kind, with which nothing
/// can be done to the host, whatever privilege the process has. Another call ends it.
static FILTER: [SockFilter; 10] = {
    const ALLOW: u32 = 0x7fff_0000;
    const KILL_PROCESS: u32 = 0x8000_0000;
    const fn op(code: u16, jt: u8, jf: u8, k: u32) -> SockFilter {
        SockFilter { code, jt, jf, k }
    }
    let audit = match NATIVE.abis {
        [native, ..] => native.audit,
        [] => 0,
    };
    use linux_raw_sys::general as k;
    [
        op(code::LOAD, 0, 0, 4),
        op(code::JEQ, 0, 6, audit),
        op(code::LOAD, 0, 0, 0),
        op(code::JEQ, 5, 0, k::__NR_clone),
        op(code::JEQ, 4, 0, k::__NR_waitid),
        op(code::JEQ, 3, 0, k::__NR_fsopen),
        op(code::JEQ, 2, 0, k::__NR_sendmsg),
        op(code::JEQ, 1, 0, k::__NR_exit_group),
        op(code::RETURN, 0, 0, KILL_PROCESS),
        op(code::RETURN, 0, 0, ALLOW),
    ]
};

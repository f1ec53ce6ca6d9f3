//! The tail that init and exec share: from the finished surroundings to the program.

use super::resolve::Jail;
use super::{Done, Fail, Fds, ask, at, give_up, nth, tell, warn};
use crate::plan::{Capabilities, Hook, Process};
use crate::sync::{Frame, Kind, Step, is_absent};
use core::ffi::CStr;
use syscalls::caps::{self, Caps};
use syscalls::fs::{self, O_DIRECTORY};
use syscalls::ids::{self, Start};
use syscalls::process;
use syscalls::{AsFd, CStrArray, CWD, Errno, fd, leak, prctl, sched, seccomp, stat};

/// CAP_SYS_ADMIN: a filter without no_new_privs needs it (seccomp(2)).
const SYS_ADMIN: u64 = 1 << 21;

/// Everything from here to the program, for a process that has these ids.
pub fn finish(process: &mut Process, hooks: &[Hook], fds: Fds<'_>, jail: &Jail, ids: Start) -> ! {
    let mut home = [0u8; 512];
    let home = match process.wants_home {
        true => find_home(&mut home, process.uid, jail),
        false => None,
    };
    let prepared = prepare(process, fds, jail, ids).and_then(|()| match jail.without() {
        0 => Ok(()),
        bits => {
            tell(Frame { kind: Kind::Without, step: Step::Exec, index: 0, value: bits.cast_signed() }, fds)
        }
    });
    if let Err(fail) = prepared {
        give_up(fail, fds);
    }
    let entered = if fds.late_pid { enter_pid_namespace(process, fds) } else { Ok(()) };
    if let Err(fail) = entered.and_then(|()| wait_for_start(hooks, fds)) {
        give_up(fail, fds);
    }
    let mut pid = [0u8; 32];
    let pid = match process.wants_listen_pid {
        true => listen_pid(&mut pid),
        false => None,
    };
    let Process { args, env, candidates, .. } = process;
    let with_pid = |env: &mut CStrArray| match pid {
        Some(pid) => env.with_one_more(pid, |env| execute(candidates, args, env)),
        None => execute(candidates, args, env),
    };
    let fail = match home {
        Some(home) => env.with_one_more(home, with_pid),
        None => with_pid(env),
    };
    give_up(fail, fds)
}

/// `LISTEN_PID=` and the pid of this process, whom the activated descriptors are for (sd_listen_fds(3)).
fn listen_pid(buffer: &mut [u8; 32]) -> Option<&CStr> {
    let mut number = [0; 10];
    let digits = super::names::digits(process::getpid().unsigned_abs(), &mut number);
    let text = b"LISTEN_PID=".iter().chain(digits);
    for (place, byte) in buffer.iter_mut().zip(text) {
        *place = *byte;
    }
    CStr::from_bytes_until_nul(buffer).ok()
}

/// The barrier of `create`, and what comes between it and the program.
fn wait_for_start(hooks: &[Hook], fds: Fds<'_>) -> Done<()> {
    if let Some(fifo) = fds.fifo {
        tell(Frame { kind: Kind::Ready, step: Step::Wait, index: 0, value: 0 }, fds)?;
        loop {
            match fd::read(fifo, &mut [0]) {
                Ok(1) => break,
                Err(Errno::INTR) => {}
                Ok(_) => return Err(at(Step::Wait)(Errno::PIPE)),
                Err(errno) => return Err(at(Step::Wait)(errno)),
            }
        }
    }
    for (index, hook) in hooks.iter().enumerate() {
        super::hook::run(hook, fds.state).map_err(nth(Step::StartContainer, index))?;
    }
    Ok(())
}

/// What applies to the process itself; last the privileges, because all else may need them.
fn prepare(process: &Process, fds: Fds<'_>, jail: &Jail, ids: Start) -> Done<()> {
    if process.new_keyring {
        if let Some(label) = &process.selinux {
            // Keys have the label of who makes them, which the program may not be allowed to use. Exec ends it.
            write_proc(fds, b"thread-self/attr/", c"keycreate", label.to_bytes())
                .map_err(nth(Step::Label, 1))?;
        }
        // Without a name: one that another container of this user has made beforehand would be joined.
        match sched::keyctl_join_session_keyring(None) {
            // A kernel without keys has no keyring to share either; a full quota is no reason not to start (runc, crun).
            Ok(_) | Err(Errno::NOSYS | Errno::DQUOT) => {}
            Err(errno) => return Err(at(Step::Keyring)(errno)),
        }
    }
    if let Some(profile) = &process.apparmor {
        // A command with its argument (security/apparmor/lsm.c, do_setattr). The directory is there since Linux 5.8.
        let mut command = [0; 1024];
        let command = after(b"exec ", profile.to_bytes(), &mut command).map_err(nth(Step::Label, 0))?;
        write_proc(fds, b"thread-self/attr/", c"apparmor/exec", command.to_bytes())
            .or_else(|_| write_proc(fds, b"thread-self/attr/", c"exec", command.to_bytes()))
            .map_err(nth(Step::Label, 0))?;
    }
    if let Some(label) = &process.selinux {
        write_proc(fds, b"thread-self/attr/", c"exec", label.to_bytes()).map_err(nth(Step::Label, 1))?;
    }
    if !process.affinity_final.is_empty() {
        sched::sched_setaffinity(0, process.affinity_final).map_err(at(Step::Affinity))?;
    }
    if !fds.late_pid {
        schedule(process, 0).map_err(at(Step::Scheduler))?;
    }
    if let Some(priority) = process.io_priority {
        sched::ioprio_set(priority >> 13, priority & 7).map_err(at(Step::IoPriority))?;
    }
    if let Some(policy) = &process.memory_policy {
        sched::set_mempolicy(policy.mode, policy.nodes).map_err(at(Step::MemoryPolicy))?;
    }
    if let Some(persona) = process.personality {
        process::personality(persona).map_err(at(Step::Personality))?;
    }
    for limit in process.rlimits {
        let new = process::Rlimit { current: limit.soft, maximum: limit.hard };
        process::prlimit(0, limit.resource, Some(&new))
            .map_err(nth(Step::Rlimit, usize::from(limit.index)))?;
    }
    stdio_owner(process)?;
    process::umask(process.umask);
    let inside = enter_cwd(process.cwd, jail);

    for cap in 0..64 {
        if process.capabilities.bounding & (1 << cap) == 0 {
            match prctl::capbset_drop(cap) {
                Ok(()) => {}
                Err(Errno::INVAL) => break, // beyond the last capability of this kernel
                Err(errno) => return Err(nth(Step::Bounding, cap as usize)(errno)),
            }
        }
    }
    if process.uid != 0 {
        prctl::set_keepcaps(true).map_err(at(Step::Capabilities))?;
    }
    match ids::set_groups(process.groups) {
        // A user namespace of an unprivileged user: setgroups is denied there for good (user_namespaces(7)).
        Err(Errno::PERM) if process.groups_denied && process.groups.is_empty() => {}
        other => other.map_err(at(Step::Groups))?,
    }
    if !ids.is(process.uid, process.gid) {
        ids::set_gid(process.gid).map_err(at(Step::Gid))?;
        ids::set_uid(process.uid).map_err(at(Step::Uid))?;
    }
    match inside {
        // Only the user itself may enter (a home directory on a file system that squashes root).
        Err(Errno::ACCESS) => enter_cwd(process.cwd, jail),
        other => other,
    }
    .map_err(|errno| at(if errno == Errno::XDEV { Step::CwdOutside } else { Step::Cwd })(errno))?;
    if fds.fifo.is_some() {
        // Who creates wants to know now; otherwise exec itself is about to tell.
        look_up(process)?;
    }

    if process.no_new_privileges {
        prctl::set_no_new_privs().map_err(at(Step::NoNewPrivileges))?;
    } else if process.seccomp.is_some() {
        if process.uid != 0 {
            // The change of ids cleared the effective set.
            let mut have = caps::get().map_err(at(Step::Capabilities))?;
            have.effective |= have.permitted & SYS_ADMIN;
            caps::set(&have).map_err(at(Step::Capabilities))?;
        }
        install_filter(process, fds)?;
    }
    set_capabilities(process.capabilities, fds)?;
    if !comes_after_clone(process, fds) {
        install_last(process, fds)?;
    }
    Ok(())
}

/// `process.scheduler`, for this process (0) or another. Of a process that is to be cloned it would be lost (SCHED_FLAG_RESET_ON_FORK), or
/// forbid that (SCHED_DEADLINE): there the parent sets it.
pub fn schedule(process: &Process, pid: i32) -> syscalls::Result<()> {
    let Some(s) = &process.scheduler else { return Ok(()) };
    let mut attr = sched::SchedAttr::default();
    (attr.policy, attr.flags, attr.nice, attr.priority) = (s.policy, s.flags, s.nice, s.priority);
    (attr.runtime, attr.deadline, attr.period) = (s.runtime, s.deadline, s.period);
    sched::sched_setattr(pid, &attr)
}

/// A filter that needs no privilege comes after all else, and after the clone as well if there is one to come, which a profile may
/// deny. One with a listener does not: the descriptors are gone by then.
fn comes_after_clone(process: &Process, fds: Fds<'_>) -> bool {
    let listens = |filter: &crate::plan::Filter| filter.flags & seccomp::NEW_LISTENER != 0;
    fds.late_pid && !process.seccomp.as_ref().is_some_and(listens)
}

fn install_last(process: &Process, fds: Fds<'_>) -> Done<()> {
    match process.no_new_privileges {
        true => install_filter(process, fds),
        false => Ok(()), // done while there was privilege
    }
}

/// The pid namespace that was joined, for its children, is entered by a child that is no more than the program will be: it has the
/// program's rights and no descriptor but those promised to it and those that it waits on. Whoever in there may trace every process
/// (CAP_SYS_PTRACE) sees nothing of the host. Comes back in the child, when the parent knows of it.
fn enter_pid_namespace(process: &Process, fds: Fds<'_>) -> Done<()> {
    let kept = [Some(fds.parent), fds.fifo, fds.state];
    super::bare::close_all_but(kept, process.preserve_fds.saturating_add(3), fds.highest)
        .map_err(at(Step::Clone))?;
    super::succeed(0, fds)?;
    begin_session(process, fds)
}

/// What a process does only for itself.
fn begin_session(process: &Process, fds: Fds<'_>) -> Done<()> {
    process::setsid().map_err(at(Step::Session))?;
    if process.terminal.is_some() {
        let terminal = fd::inherited(0).map_err(at(Step::Stdio))?;
        syscalls::tty::set_controlling(terminal).map_err(at(Step::Stdio))?;
    }
    match comes_after_clone(process, fds) {
        true => install_last(process, fds),
        false => Ok(()),
    }
}

fn install_filter(process: &Process, fds: Fds<'_>) -> Done<()> {
    let Some(filter) = &process.seccomp else { return Ok(()) };
    let listener = match seccomp::set_mode_filter(filter.flags, filter.program) {
        // SPEC_ALLOW came with Linux 4.17, and the profile did not ask for it.
        Err(Errno::INVAL) if filter.default_flags => {
            seccomp::set_mode_filter(filter.flags & !seccomp::SPEC_ALLOW, filter.program)
        }
        other => other,
    }
    .map_err(at(Step::Seccomp))?;
    if let Some(listener) = listener {
        let listener = leak(listener);
        let value = syscalls::AsRawFd::as_raw_fd(&listener);
        ask(Frame { kind: Kind::Listener, step: Step::Seccomp, index: 0, value }, fds)?;
    }
    Ok(())
}

/// The permitted, effective and inheritable sets at once, then the ambient one. What the runtime itself does not hold cannot be
/// granted, which is a warning (config.md).
fn set_capabilities(sets: Capabilities, fds: Fds<'_>) -> Done<()> {
    let Capabilities { effective, permitted, inheritable, mut ambient, .. } = sets;
    match caps::set(&Caps { effective, permitted, inheritable }) {
        Ok(()) => {}
        Err(Errno::PERM) => {
            let have = caps::get().map_err(at(Step::Capabilities))?.permitted;
            let granted = Caps {
                effective: effective & have,
                permitted: permitted & have,
                inheritable: inheritable & have & sets.bounding,
            };
            caps::set(&granted).map_err(at(Step::Capabilities))?;
            ambient &= granted.permitted & granted.inheritable;
            warn(Step::Capabilities, 0, Errno::PERM, fds)?;
        }
        Err(errno) => return Err(at(Step::Capabilities)(errno)),
    }
    // Ambient capabilities of the caller: gone with the permitted or inheritable bit they stand on, kept with both.
    if permitted & inheritable != 0 {
        match prctl::cap_ambient_clear_all() {
            Ok(()) | Err(Errno::INVAL) => {} // before Linux 4.3 there are none
            Err(errno) => return Err(at(Step::Ambient)(errno)),
        }
    }
    for cap in 0..64 {
        if ambient & (1 << cap) != 0 {
            prctl::cap_ambient_raise(cap).map_err(nth(Step::Ambient, cap as usize))?;
        }
    }
    Ok(())
}

/// A program that is not root must be able to open /dev/stdout again: pipes of stdio become its own, and so does its terminal. One
/// that is the caller's stays the caller's: the host may have a user of that number, who could read what is typed there.
fn stdio_owner(process: &Process) -> Done<()> {
    let uid = process.uid;
    if uid == 0 {
        return Ok(());
    }
    for stdio in 0..3 {
        let Ok(stdio) = fd::inherited(stdio) else { continue };
        let have = stat::fstat(stdio).map_err(at(Step::Stdio))?;
        let ours = match have.mode & fs::S_IFMT {
            fs::S_IFIFO => true,
            fs::S_IFCHR => process.terminal.is_some(),
            _ => false,
        };
        if ours && have.uid != uid {
            match fs::fchown(stdio, uid, have.gid) {
                // A pipe of somebody outside the user namespace, or a read-only devpts: usable all the same.
                Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
                Err(errno) => return Err(at(Step::Stdio)(errno)),
            }
        }
    }
    Ok(())
}

/// chdir, and proof that it is inside: a directory that cannot be reached from the root has no path that starts with a slash
/// (getcwd(2), CVE-2024-21626). EXDEV stands for that.
fn enter_cwd(cwd: &CStr, jail: &Jail) -> syscalls::Result<()> {
    match fs::chdir(cwd) {
        Err(Errno::NOENT) => {
            let path = match cwd.to_bytes_with_nul() {
                [b'/', rest @ ..] => CStr::from_bytes_with_nul(rest).unwrap_or(c"."),
                _ => cwd,
            };
            jail.open_or_make_directory(path, super::resolve::Links::Follow)?;
            fs::chdir(cwd)?;
        }
        other => other?,
    }
    if cwd == c"/" {
        return Ok(()); // the root itself, and no way to it that could lead elsewhere
    }
    let mut buffer = [0; 4096];
    match fs::getcwd(&mut buffer)?.first() {
        Some(b'/') => Ok(()),
        _ => Err(Errno::XDEV),
    }
}

/// Whether a candidate may be executed, as execvp(3) would find it.
fn look_up(process: &Process) -> Done<()> {
    let mut forbidden = None;
    for path in process.candidates {
        match fs::faccessat(CWD, path, fs::X_OK) {
            Ok(()) if stat::fstatat(CWD, path, 0).is_ok_and(|have| have.mode & fs::S_IFMT == fs::S_IFDIR) => {
                forbidden = Some(Errno::ACCESS);
            }
            Ok(()) => return Ok(()),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => forbidden = Some(errno),
        }
    }
    Err(at(Step::Lookup)(forbidden.unwrap_or(Errno::NOENT)))
}

/// Executes the first candidate that can be (execvp(3)): what is missing is passed over, and so is what is forbidden, unless
/// nothing better comes.
fn execute(candidates: &[&CStr], args: &CStrArray, env: &CStrArray) -> Fail {
    let mut failure = Errno::NOENT;
    for path in candidates {
        match process::execve(path, args, env) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => failure = Errno::ACCESS,
            errno => return at(Step::Exec)(errno),
        }
    }
    at(Step::Exec)(failure)
}

/// Writes a file of the runtime's own procfs: below a directory of it, crossing no mount and following no link but the first
/// part's own (R3).
pub fn write_proc(fds: Fds<'_>, below: &[u8], path: &CStr, value: &[u8]) -> syscalls::Result<()> {
    let proc = fds.proc.ok_or(Errno::NOSYS)?;
    let mut buffer = [0; 64];
    let directory = super::resolve::c_path(&mut buffer, below)?;
    // thread-self is a link; what it leads to is looked up in the same procfs.
    let directory = fs::openat(proc, directory, fs::O_PATH | O_DIRECTORY, 0)?;
    let resolve = fs::RESOLVE_BENEATH | fs::RESOLVE_NO_XDEV | fs::RESOLVE_NO_SYMLINKS;
    let file = match fs::openat2(directory.as_fd(), path, fs::O_WRONLY, 0, resolve) {
        Err(errno) if is_absent(errno) => {
            fs::openat(directory.as_fd(), path, fs::O_WRONLY | fs::O_NOFOLLOW, 0)?
        }
        other => other?,
    };
    if stat::fstatfs(file.as_fd())?.kind != super::resolve::PROC_MAGIC {
        return Err(Errno::XDEV);
    }
    match fd::write(file.as_fd(), value)? {
        written if written == value.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// `HOME=` and the home directory of a user from the container's passwd, or `/` (config.md: HOME from passwd when absent).
fn find_home<'b>(buffer: &'b mut [u8; 512], uid: u32, jail: &Jail) -> Option<&'b CStr> {
    let mut home = [0u8; 256];
    let mut length = 0usize;
    if let Ok(passwd) = jail.open_to_read(c"etc/passwd") {
        length = scan_passwd(passwd, uid, &mut home).unwrap_or(0);
    }
    let home = match home.get(..length) {
        Some([b'/', ..]) => home.get(..length).unwrap_or_default(),
        _ => b"/",
    };
    after(b"HOME=", home, buffer).ok()
}

/// A word and what follows it, as one string.
fn after<'b>(word: &[u8; 5], rest: &[u8], buffer: &'b mut [u8]) -> syscalls::Result<&'b CStr> {
    let (head, tail) = buffer.split_first_chunk_mut().ok_or(Errno::NAMETOOLONG)?;
    *head = *word;
    super::resolve::c_path(tail, rest)?;
    CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::NAMETOOLONG)
}

/// How much of a passwd is read, in chunks of 1024 bytes: an image's may have no end.
const MAX_CHUNKS: u32 = 8192;

/// Finds the sixth field of the first line whose third field is the uid. Long lines are cut, not split.
fn scan_passwd(passwd: syscalls::BorrowedFd<'_>, uid: u32, home: &mut [u8; 256]) -> syscalls::Result<usize> {
    let mut chunk = [0u8; 1024];
    let (mut field, mut number, mut valid, mut length) = (0u32, 0u32, false, 0usize);
    for _ in 0..MAX_CHUNKS {
        let read = fd::read(passwd, &mut chunk)?;
        for byte in chunk.get(..read).unwrap_or_default().iter().chain((read == 0).then_some(&b'\n')) {
            match (*byte, field) {
                (b'\n', _) => {
                    if field >= 5 && valid && number == uid {
                        return Ok(length);
                    }
                    (field, number, valid, length) = (0, 0, false, 0);
                }
                (b':', _) => field = field.saturating_add(1),
                (digit @ b'0'..=b'9', 2) => {
                    let digit = u32::from(digit.wrapping_sub(b'0'));
                    let next = number.checked_mul(10).and_then(|tens| tens.checked_add(digit));
                    valid = next.is_some();
                    number = next.unwrap_or(u32::MAX);
                }
                (_, 2) => (valid, number) = (false, u32::MAX),
                (byte, 5) => {
                    if let Some(slot) = home.get_mut(length) {
                        *slot = byte;
                        length = length.saturating_add(1);
                    }
                }
                _ => {}
            }
        }
        if read == 0 {
            break;
        }
    }
    Ok(0)
}

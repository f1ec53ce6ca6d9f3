//! The tail that init and exec share: from the finished surroundings to the program.

use super::resolve::{Jail, join};
use super::{Fds, ask, give_up, tell, warn};
use crate::plan::{Capabilities, Hook, Process};
use crate::sync::{Kind, Step, is_absent};
use core::ffi::CStr;
use core::mem;
use syscalls::caps::{self, Caps};
use syscalls::fs::{self, O_DIRECTORY};
use syscalls::ids::{self, Start};
use syscalls::process;
use syscalls::{AsFd, AsRawFd, CWD, Errno, Result, fd, leak, prctl, sched, seccomp, stat};

/// CAP_SYS_ADMIN: a filter without no_new_privs needs it (seccomp(2)).
const SYS_ADMIN: u64 = 1 << 21;

/// Everything from here to the program, for a process that has these ids.
pub fn finish(process: &mut Process, hooks: &[Hook], fds: &Fds<'_>, ids: Start) -> ! {
    let home = mem::take(&mut process.home);
    if !home.is_empty()
        && let Ok(home) = find_home(home, process.uid, &fds.jail)
    {
        process.env.push(home);
    }
    if let Err(errno) = prepare(process, fds, ids).and_then(|()| wait_for_start(hooks, fds)) {
        give_up(errno, fds);
    }
    let pid = mem::take(&mut process.listen_pid);
    if !pid.is_empty() {
        // Whom the activated descriptors are for (sd_listen_fds(3)).
        let mut number = [0; 10];
        let digits = super::names::digits(process::getpid().unsigned_abs(), &mut number);
        if let Ok(pid) = join(pid, &[b"LISTEN_PID=", digits]) {
            process.env.push(pid);
        }
    }
    fds.at(Step::Exec);
    give_up(execute(process), fds)
}

/// The barrier of `create`, and what comes between it and the program.
fn wait_for_start(hooks: &[Hook], fds: &Fds<'_>) -> Result<()> {
    if let Some(fifo) = fds.setup.fifo {
        fds.at(Step::Wait);
        tell(Kind::Ready, 0, fds)?;
        loop {
            match fd::read(fifo, &mut [0]) {
                Ok(1) => break,
                Err(Errno::INTR) => {}
                Ok(_) => return Err(Errno::PIPE),
                Err(errno) => return Err(errno),
            }
        }
    }
    for (index, hook) in hooks.iter().enumerate() {
        fds.nth(Step::StartContainer, index);
        super::hook::run(hook, fds.setup.state)?;
    }
    Ok(())
}

/// What applies to the process itself; last the privileges, because all else may need them.
fn prepare(process: &Process, fds: &Fds<'_>, ids: Start) -> Result<()> {
    if process.new_keyring {
        if let Some(label) = &process.selinux {
            // Keys have the label of who makes them, which the program may not be allowed to use. Exec ends it.
            fds.at(Step::SelinuxLabel);
            write_proc(fds, c"thread-self/attr", c"keycreate", label.to_bytes())?;
        }
        fds.at(Step::Keyring);
        // Without a name: one that another container of this user has made beforehand would be joined.
        match sched::keyctl_join_session_keyring(None) {
            // A kernel without keys has no keyring to share either; a full quota is no reason not to start (runc, crun).
            Ok(_) | Err(Errno::NOSYS | Errno::DQUOT) => {}
            Err(errno) => return Err(errno),
        }
    }
    if let Some(profile) = &process.apparmor {
        fds.at(Step::ApparmorLabel);
        // A command with its argument (security/apparmor/lsm.c, do_setattr). The directory is there since Linux 5.8.
        let mut command = [0; 1024];
        let command = join(&mut command, &[b"exec ", profile.to_bytes()])?;
        write_proc(fds, c"thread-self/attr", c"apparmor/exec", command.to_bytes())
            .or_else(|_| write_proc(fds, c"thread-self/attr", c"exec", command.to_bytes()))?;
    }
    if let Some(label) = &process.selinux {
        fds.at(Step::SelinuxLabel);
        write_proc(fds, c"thread-self/attr", c"exec", label.to_bytes())?;
    }
    if !process.affinity_final.is_empty() {
        fds.at(Step::Affinity);
        sched::sched_setaffinity(0, process.affinity_final)?;
    }
    if !fds.setup.late_pid {
        fds.at(Step::Scheduler);
        schedule(process, 0)?;
    }
    if let Some(priority) = process.io_priority {
        fds.at(Step::IoPriority);
        sched::ioprio_set(priority >> 13, priority & 7)?;
    }
    if let Some(policy) = &process.memory_policy {
        fds.at(Step::MemoryPolicy);
        sched::set_mempolicy(policy.mode, policy.nodes)?;
    }
    if let Some(persona) = process.personality {
        fds.at(Step::Personality);
        process::personality(persona)?;
    }
    for limit in process.rlimits {
        let new = process::Rlimit { current: limit.soft, maximum: limit.hard };
        fds.nth(Step::Rlimit, usize::from(limit.index));
        process::prlimit(0, limit.resource, Some(&new))?;
    }
    fds.at(Step::Stdio);
    stdio_owner(process)?;
    process::umask(process.umask);
    let inside = enter_cwd(process.cwd, &fds.jail);

    for cap in 0..64 {
        if process.capabilities.bounding & (1 << cap) == 0 {
            fds.nth(Step::Bounding, cap as usize);
            match prctl::capbset_drop(cap) {
                Ok(()) => {}
                Err(Errno::INVAL) => break, // beyond the last capability of this kernel
                Err(errno) => return Err(errno),
            }
        }
    }
    if process.uid != 0 {
        fds.at(Step::Capabilities);
        prctl::set_keepcaps(true)?;
    }
    fds.at(Step::Groups);
    match ids::set_groups(process.groups) {
        // A user namespace of an unprivileged user: setgroups is denied there for good (user_namespaces(7)).
        Err(Errno::PERM) if process.groups_denied && process.groups.is_empty() => {}
        other => other?,
    }
    if !ids.is(process.uid, process.gid) {
        fds.at(Step::Gid);
        ids::set_gid(process.gid)?;
        fds.at(Step::Uid);
        ids::set_uid(process.uid)?;
    }
    fds.at(Step::Cwd);
    match inside {
        // Only the user itself may enter (a home directory on a file system that squashes root).
        Err(Errno::ACCESS) => enter_cwd(process.cwd, &fds.jail),
        other => other,
    }
    .inspect_err(|errno| {
        if *errno == Errno::XDEV {
            fds.at(Step::CwdOutside);
        }
    })?;
    if fds.setup.fifo.is_some() {
        // Who creates wants to know now; otherwise exec itself is about to tell.
        fds.at(Step::Lookup);
        look_up(process)?;
    }

    if process.no_new_privileges {
        fds.at(Step::NoNewPrivileges);
        prctl::set_no_new_privs()?;
    } else if process.seccomp.is_some() {
        if process.uid != 0 {
            // The change of ids cleared the effective set.
            fds.at(Step::Capabilities);
            let mut have = caps::get()?;
            have.effective |= have.permitted & SYS_ADMIN;
            caps::set(&have)?;
        }
        install_filter(process, fds)?;
    }
    set_capabilities(process.capabilities, fds)?;
    if !comes_after_clone(process, fds) {
        install_last(process, fds)?;
    }
    if fds.jail.without() != 0 {
        tell(Kind::Without, fds.jail.without().cast_signed(), fds)?;
    }
    match fds.setup.late_pid {
        true => enter_pid_namespace(process, fds),
        false => Ok(()),
    }
}

/// `process.scheduler`, for this process (0) or another. Of a process that is to be cloned it would be lost (SCHED_FLAG_RESET_ON_FORK), or
/// forbid that (SCHED_DEADLINE): there the parent sets it.
pub fn schedule(process: &Process, pid: i32) -> Result<()> {
    let Some(s) = &process.scheduler else { return Ok(()) };
    let mut attr = sched::SchedAttr::default();
    (attr.policy, attr.flags, attr.nice, attr.priority) = (s.policy, s.flags, s.nice, s.priority);
    (attr.runtime, attr.deadline, attr.period) = (s.runtime, s.deadline, s.period);
    sched::sched_setattr(pid, &attr)
}

/// A filter that needs no privilege comes after all else, and after the clone as well if there is one to come, which a profile may
/// deny. One with a listener does not: the descriptors are gone by then.
fn comes_after_clone(process: &Process, fds: &Fds<'_>) -> bool {
    let listens = |filter: &crate::plan::Filter| filter.flags & seccomp::NEW_LISTENER != 0;
    fds.setup.late_pid && !process.seccomp.as_ref().is_some_and(listens)
}

fn install_last(process: &Process, fds: &Fds<'_>) -> Result<()> {
    match process.no_new_privileges {
        true => install_filter(process, fds),
        false => Ok(()), // done while there was privilege
    }
}

/// The pid namespace that was joined, for its children, is entered by a child that is no more than the program will be: it has the
/// program's rights and no descriptor but those promised to it and those that it waits on. Whoever in there may trace every process
/// (CAP_SYS_PTRACE) sees nothing of the host. Comes back in the child, when the parent knows of it.
fn enter_pid_namespace(process: &Process, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Clone);
    let kept = [Some(fds.parent), fds.setup.fifo, fds.setup.state];
    super::bare::close_all_but(kept, process.preserve_fds.saturating_add(3), fds.highest)?;
    super::succeed(0, fds)?;
    begin_session(process, fds)
}

/// What a process does only for itself.
fn begin_session(process: &Process, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Session);
    process::setsid()?;
    if process.terminal.is_some() {
        fds.at(Step::Stdio);
        syscalls::tty::set_controlling(fd::inherited(0)?)?;
    }
    match comes_after_clone(process, fds) {
        true => install_last(process, fds),
        false => Ok(()),
    }
}

fn install_filter(process: &Process, fds: &Fds<'_>) -> Result<()> {
    let Some(filter) = &process.seccomp else { return Ok(()) };
    fds.at(Step::Seccomp);
    let listener = match seccomp::set_mode_filter(filter.flags, filter.program) {
        // SPEC_ALLOW came with Linux 4.17, and the profile did not ask for it.
        Err(Errno::INVAL) if filter.default_flags => {
            seccomp::set_mode_filter(filter.flags & !seccomp::SPEC_ALLOW, filter.program)
        }
        other => other,
    }?;
    match listener {
        Some(listener) => ask(Kind::Listener, leak(listener).as_raw_fd(), fds),
        None => Ok(()),
    }
}

/// The permitted, effective and inheritable sets at once, then the ambient one. What the runtime itself does not hold cannot be
/// granted, which is a warning (config.md).
fn set_capabilities(sets: Capabilities, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Capabilities);
    let Capabilities { effective, permitted, inheritable, mut ambient, .. } = sets;
    match caps::set(&Caps { effective, permitted, inheritable }) {
        Ok(()) => {}
        Err(Errno::PERM) => {
            let have = caps::get()?.permitted;
            let granted = Caps {
                effective: effective & have,
                permitted: permitted & have,
                inheritable: inheritable & have & sets.bounding,
            };
            caps::set(&granted)?;
            ambient &= granted.permitted & granted.inheritable;
            warn(Errno::PERM, fds)?;
        }
        Err(errno) => return Err(errno),
    }
    // Ambient capabilities of the caller: gone with the permitted or inheritable bit they stand on, kept with both.
    if permitted & inheritable != 0 {
        fds.nth(Step::Ambient, 0);
        match prctl::cap_ambient_clear_all() {
            Err(Errno::INVAL) => {} // before Linux 4.3 there are none
            other => other?,
        }
    }
    for cap in 0..64 {
        if ambient & (1 << cap) != 0 {
            fds.nth(Step::Ambient, cap as usize);
            prctl::cap_ambient_raise(cap)?;
        }
    }
    Ok(())
}

/// A program that is not root must be able to open /dev/stdout again: pipes of stdio become its own, and so does its terminal. One
/// that is the caller's stays the caller's: the host may have a user of that number, who could read what is typed there.
fn stdio_owner(process: &Process) -> Result<()> {
    let uid = process.uid;
    if uid == 0 {
        return Ok(());
    }
    for stdio in 0..3 {
        let Ok(stdio) = fd::inherited(stdio) else { continue };
        let have = stat::fstat(stdio)?;
        let ours = match have.mode & fs::S_IFMT {
            fs::S_IFIFO => true,
            fs::S_IFCHR => process.terminal.is_some(),
            _ => false,
        };
        if ours && have.uid != uid {
            match fs::fchown(stdio, uid, have.gid) {
                // A pipe of somebody outside the user namespace, or a read-only devpts: usable all the same.
                Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// chdir, and proof that it is inside: a directory that cannot be reached from the root has no path that starts with a slash
/// (getcwd(2), CVE-2024-21626). EXDEV stands for that.
fn enter_cwd(cwd: &CStr, jail: &Jail) -> Result<()> {
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
fn look_up(process: &Process) -> Result<()> {
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
    Err(forbidden.unwrap_or(Errno::NOENT))
}

/// Executes the first candidate that can be (execvp(3)): what is missing is passed over, and so is what is forbidden, unless
/// nothing better comes.
fn execute(process: &Process) -> Errno {
    let mut failure = Errno::NOENT;
    for path in process.candidates {
        match process::execve(path, &process.args, &process.env) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => failure = Errno::ACCESS,
            errno => return errno,
        }
    }
    failure
}

/// Writes a file of the runtime's own procfs: below a directory of it, crossing no mount and following no link but the first
/// part's own (R3).
pub fn write_proc(fds: &Fds<'_>, below: &CStr, path: &CStr, value: &[u8]) -> Result<()> {
    let proc = fds.proc.ok_or(Errno::NOSYS)?;
    // thread-self is a link; what it leads to is looked up in the same procfs.
    let directory = fs::openat(proc, below, fs::O_PATH | O_DIRECTORY, 0)?;
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
fn find_home<'b>(buffer: &'b mut [u8], uid: u32, jail: &Jail) -> Result<&'b CStr> {
    let mut home = [0u8; 256];
    let found = jail.open_to_read(c"etc/passwd").and_then(|passwd| scan_passwd(passwd, uid, &mut home));
    let home = match found.ok().and_then(|length| home.get(..length)) {
        Some(home @ [b'/', ..]) => home,
        _ => b"/",
    };
    join(buffer, &[b"HOME=", home])
}

/// How much of a passwd is read, in chunks of 1024 bytes: an image's may have no end.
const MAX_CHUNKS: u32 = 8192;

/// Finds the sixth field of the first line whose third field is the uid, and how long it is. Long ones are cut, not split.
fn scan_passwd(passwd: syscalls::BorrowedFd<'_>, uid: u32, home: &mut [u8; 256]) -> Result<usize> {
    let mut chunk = [0u8; 1024];
    let (mut field, mut number, mut length) = (0u32, None, 0usize);
    for _ in 0..MAX_CHUNKS {
        let read = fd::read(passwd, &mut chunk)?;
        let bytes = if read == 0 { b"\n" } else { chunk.get(..read).unwrap_or_default() };
        for byte in bytes {
            match (*byte, field) {
                (b'\n', 5..) if number == Some(uid.into()) => return Ok(length),
                (b'\n', _) => (field, number, length) = (0, None, 0),
                (b':', _) => field = field.saturating_add(1),
                (byte, 2) => {
                    let digit = u64::from(byte.wrapping_sub(b'0'));
                    let tens = if digit < 10 { number.unwrap_or(0u64).saturating_mul(10) } else { u64::MAX };
                    number = Some(tens.saturating_add(digit));
                }
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

//! `linux.seccomp` -> a classic BPF program, with no library.
//!
//! Pure: a profile and a machine's tables give instructions. `create`, `run`, `exec` and `check` call [`compile`]; the child
//! installs what comes out, in one system call. What a profile means here is what it means to runc and crun, who leave it
//! to libseccomp:
//!
//! - A rule whose action is the default's says nothing. Of the rules for one call, the first without conditions decides
//!   wherever it stands; else the first whose conditions hold, in the profile's order; else the default.
//! - All conditions of a rule must hold; but if any two are on one argument, any one of all is enough.
//! - An architecture that is not named is killed (`SECCOMP_RET_KILL_THREAD`); the native one is always named. On x86_64
//!   numbers from 0x40000000 on are x32's, but for -1, with which a tracer skips a call.
//! - ABIs with 32-bit registers, x32 and MIPS n32 compare the lower half of an argument with the lower half of the value.
//! - A rule for a call that socketcall(2) or ipc(2) lead to holds for that way too. There the conditions cannot be tested:
//!   a rule that has some holds without them where it is stricter than the default, and not at all where it is laxer.
//! - A call newer than every one that the profile names gets ENOSYS, so that programs fall back, unless the default is
//!   ALLOW, LOG or TRACE.

pub mod asm;
pub mod graph;
mod leaf;
mod numbers;
mod rules;
pub mod table;
#[cfg(test)]
mod tests;
mod tree;

use crate::config::seccomp::Seccomp;
use crate::error::{Error, Quoted, Result, decimal, error};
use crate::texts::{Table, table};
use alloc::{format, string::String, vec::Vec};
pub use asm::Call;
pub use leaf::Operator;
use rules::Rules;
use rustix::io::Errno;
use syscalls::seccomp::{self as flag, SockFilter};
use table::Machine;

/// What an action's 16 bits of data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// None: `errnoRet` is an error.
    None,
    /// An errno, or what a tracer gets; `errnoRet`, else EPERM. The number is the greatest allowed.
    Up(u32),
}

/// Every action of a profile: name without `SCMP_ACT_`, `SECCOMP_RET_*` (include/uapi/linux/seccomp.h), data. The kernel returns no errno over
/// 4095 (`MAX_ERRNO`).
pub static ACTIONS: Table<(u32, Data)> = table! {
    "KILL" => (KILL_THREAD, Data::None),
    "KILL_PROCESS" => (0x8000_0000, Data::None),
    "KILL_THREAD" => (KILL_THREAD, Data::None),
    "TRAP" => (0x0003_0000, Data::None),
    "ERRNO" => (ERRNO, Data::Up(4095)),
    "TRACE" => (TRACE, Data::Up(0xffff)),
    "ALLOW" => (ALLOW, Data::None),
    "LOG" => (LOG, Data::None),
    "NOTIFY" => (NOTIFY, Data::None),
};

const KILL_THREAD: u32 = 0;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// Every operator of a condition, without `SCMP_CMP_`.
pub static OPERATORS: Table<Operator> = table! {
    "NE" => Operator::NotEqual,
    "LT" => Operator::Less,
    "LE" => Operator::AtMost,
    "EQ" => Operator::Equal,
    "GE" => Operator::AtLeast,
    "GT" => Operator::Greater,
    "MASKED_EQ" => Operator::MaskedEqual,
};

/// Every flag of a profile, without `SECCOMP_FILTER_FLAG_`.
pub static FLAGS: Table<u32> = table! {
    "TSYNC" => flag::TSYNC,
    "LOG" => flag::LOG,
    "SPEC_ALLOW" => flag::SPEC_ALLOW,
    "WAIT_KILLABLE_RECV" => flag::WAIT_KILLABLE_RECV,
};

const EPERM: u32 = 1;
const ENOSYS: u32 = Errno::NOSYS.raw_os_error().cast_unsigned(); // 38, on MIPS 89

/// A compiled profile.
#[derive(Debug)]
pub struct Filter<'a> {
    /// For `seccomp(SECCOMP_SET_MODE_FILTER)`.
    pub program: Vec<SockFilter>,
    /// Its `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// The flags are not the profile's own but the default, SPEC_ALLOW: a kernel before 4.17 that refuses them with EINVAL
    /// is asked again without.
    pub default_flags: bool,
    /// Where the listener goes, if a rule has SCMP_ACT_NOTIFY.
    pub listener: Option<Listener<'a>>,
    /// Names that no architecture has, in the profile's order: skipped, and a line of the debug log.
    pub unknown: Vec<&'a str>,
}

/// Who answers SCMP_ACT_NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener<'a> {
    /// A stream socket of AF_UNIX.
    pub path: &'a str,
    /// Passed on as it is.
    pub metadata: Option<&'a str>,
}

/// What the compiler is told besides the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Take a profile of which more than a fifth of the names are unknown.
    pub allow_unknown: bool,
}

/// Compiles a profile for a machine; [`table::NATIVE`] is the one this binary runs on.
///
/// Errors name the property: an unknown action, operator, flag or architecture, `errnoRet` on an action that has none, a
/// NOTIFY that nobody could answer, more than a fifth of the names unknown, a program over the kernel's limit.
///
/// `place` stands before the property in a message: `config.json: linux.seccomp.`.
pub fn compile<'a>(
    place: &str,
    profile: &'a Seccomp<'_>,
    machine: &Machine,
    options: Options,
) -> Result<Filter<'a>> {
    inner(profile, machine, options).map_err(|error| error.between(place, ""))
}

fn inner<'a>(profile: &'a Seccomp<'_>, machine: &Machine, options: Options) -> Result<Filter<'a>> {
    let default = action(profile.default_action, profile.default_errno_ret)
        .map_err(|text| error!("defaultAction: {}", text))?;
    if default == NOTIFY {
        // Every call would wait for a listener that nobody has passed on yet.
        return Err(error!("defaultAction: SCMP_ACT_NOTIFY cannot be the default"));
    }
    let (mut rules, unknown) = Rules::read(profile, machine, default)?;
    if unknown.len().saturating_mul(5) > rules.names && !options.allow_unknown {
        let some = unknown.get(..3).unwrap_or(&unknown).join(", ");
        let (few, all) = (unknown.len(), rules.names);
        let error = error!(
            "syscalls: {} of {} names are no system calls known here ({}, ...)",
            decimal(few),
            decimal(all),
            some
        );
        return Err(error.hint(words!("--allow-unknown-syscalls takes such a profile")));
    }
    let (flags, listener) = listener(profile, rules.notify)?;
    let program = numbers::program(&mut rules, profile, machine)?;
    Ok(Filter { program, flags, default_flags: profile.flags.is_none(), listener, unknown })
}

fn too_large() -> Error {
    error!("syscalls: needs more than 4096 instructions")
}

/// The `SECCOMP_RET_*` value of an action, or what is wrong with it.
fn action(name: &str, errno: Option<u32>) -> core::result::Result<u32, String> {
    let Some((action, data)) = ACTIONS.find_after("SCMP_ACT_", name) else {
        return Err(format!("unknown action {}", Quoted(name)));
    };
    match (data, errno) {
        (Data::None, None) => Ok(action),
        (Data::None, Some(_)) => Err(format!("{name} takes no errno")),
        (Data::Up(most), errno) => match errno.unwrap_or(EPERM) {
            errno if errno <= most => Ok(action | errno),
            errno => Err(format!("errno {errno} is more than {most}")),
        },
    }
}

/// The flags for the kernel, and the listener they lead to.
fn listener<'a>(profile: &'a Seccomp<'_>, notify: bool) -> Result<(u32, Option<Listener<'a>>)> {
    let mut flags = match profile.flags {
        None => flag::SPEC_ALLOW,
        Some(_) => 0,
    };
    for (at, name) in profile.flags.iter().flatten().enumerate() {
        match FLAGS.find_after("SECCOMP_FILTER_FLAG_", name) {
            Some(flag) => flags |= flag,
            None => return Err(error!("flags[{}]: unknown flag {quoted}", decimal(at), name)),
        }
    }
    let (path, metadata) = (profile.listener_path, profile.listener_metadata);
    if path.is_empty() && !metadata.is_empty() {
        return Err(error!("listenerMetadata: must not be set without listenerPath"));
    }
    if !notify {
        if flags & flag::WAIT_KILLABLE_RECV != 0 {
            return Err(error!("flags: WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY"));
        }
        return Ok((flags, None));
    }
    if path.is_empty() {
        return Err(error!("listenerPath: is missing, and a rule has SCMP_ACT_NOTIFY"));
    }
    // The child has one thread, so TSYNC changes nothing; with a listener the kernel refuses it (before 5.7 always).
    flags = flags & !flag::TSYNC | flag::NEW_LISTENER;
    Ok((flags, Some(Listener { path, metadata: Some(metadata).filter(|text| !text.is_empty()) })))
}

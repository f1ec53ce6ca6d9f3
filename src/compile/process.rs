//! `process`: the part of the Plan that create, run and exec share.

use super::{capabilities, cstring, cstrings};
use crate::activation::LISTEN_PID;
use crate::config;
use crate::error::{Result, decimal, error};
use crate::paths::without_slash;
use crate::plan::{MemoryPolicy, Process, Rlimit, Scheduler, Terminal};
use crate::texts::{Table, table};
use crate::words::Words;
use alloc::{format, string::String, vec, vec::Vec};
use core::ffi::CStr;
use linux_raw_sys::general::{
    RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK,
    RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME,
    RLIMIT_SIGPENDING, RLIMIT_STACK,
};

/// Resource limits by name without `RLIMIT_` (getrlimit(2)). The numbers differ between architectures.
pub static RLIMITS: Table<u32> = table! {
    "AS" => RLIMIT_AS,
    "CORE" => RLIMIT_CORE,
    "CPU" => RLIMIT_CPU,
    "DATA" => RLIMIT_DATA,
    "FSIZE" => RLIMIT_FSIZE,
    "LOCKS" => RLIMIT_LOCKS,
    "MEMLOCK" => RLIMIT_MEMLOCK,
    "MSGQUEUE" => RLIMIT_MSGQUEUE,
    "NICE" => RLIMIT_NICE,
    "NOFILE" => RLIMIT_NOFILE,
    "NPROC" => RLIMIT_NPROC,
    "RSS" => RLIMIT_RSS,
    "RTPRIO" => RLIMIT_RTPRIO,
    "RTTIME" => RLIMIT_RTTIME,
    "SIGPENDING" => RLIMIT_SIGPENDING,
    "STACK" => RLIMIT_STACK,
};

/// sched_setattr(2) policies by name.
pub static SCHEDULERS: Table<u32> = table! {
    "SCHED_OTHER" => 0,
    "SCHED_FIFO" => 1,
    "SCHED_RR" => 2,
    "SCHED_BATCH" => 3,
    "SCHED_ISO" => 4,
    "SCHED_IDLE" => 5,
    "SCHED_DEADLINE" => 6,
};

/// sched_setattr(2) flags by name without `SCHED_FLAG_`.
pub static SCHEDULER_FLAGS: Table<u32> = table! {
    "RESET_ON_FORK" => 0x01,
    "RECLAIM" => 0x02,
    "DL_OVERRUN" => 0x04,
    "KEEP_POLICY" => 0x08,
    "KEEP_PARAMS" => 0x10,
    "UTIL_CLAMP_MIN" => 0x20,
    "UTIL_CLAMP_MAX" => 0x40,
};

/// ioprio_set(2) classes by name without `IOPRIO_CLASS_`.
pub static IO_CLASSES: Table<u32> = table! {"RT" => 1, "BE" => 2, "IDLE" => 3};

/// The bits under several, which all begin alike; else the name that the table has not.
fn bits<'a>(table: &Table<u32>, beginning: &str, names: &[&'a str]) -> core::result::Result<u32, &'a str> {
    let mut bits = 0;
    for name in names {
        bits |= table.find_after(beginning, name).ok_or(*name)?;
    }
    Ok(bits)
}

/// Where execvp(3) looks when PATH is not set: the usual login path.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is decided outside the process object.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What stands before the JSON path in a message: `config.json: process` or the file of `exec --process`.
    pub place: &'a str,
    /// Whether it gets a session keyring of its own.
    pub new_keyring: bool,
    /// Descriptors beyond the standard three that the program gets.
    pub preserve_fds: u32,
    /// Environment that the runtime adds (LISTEN_FDS, NOTIFY_SOCKET); wins over the configured one.
    pub env: &'a [String],
}

/// Compiles a process object.
pub fn compile(
    process: &config::Process<'_>,
    around: Surroundings<'_>,
    plan: &mut Process,
    warnings: &mut Vec<&'static str>,
) -> Result<()> {
    fill(process, around, plan, warnings).map_err(|error| error.between(&format!("{}.", around.place), ""))
}

fn fill(
    process: &config::Process<'_>,
    around: Surroundings<'_>,
    plan: &mut Process,
    warnings: &mut Vec<&'static str>,
) -> Result<()> {
    let Some(program) = process.args.first().filter(|program| !program.is_empty()) else {
        return Err(error!("args: must name a program"));
    };
    if !process.cwd.starts_with('/') {
        return Err(error!("cwd: must be an absolute path"));
    }
    let user = &process.user;
    // setresuid(-1) means "leave unchanged": the program would stay root (R7).
    let no_id = match u32::MAX {
        id if id == user.uid => "user.uid",
        id if id == user.gid => "user.gid",
        id if user.additional_gids.contains(&id) => "user.additionalGids",
        _ => "",
    };
    if !no_id.is_empty() {
        return Err(error!("{}: 4294967295 is not an id", no_id));
    }
    if user.umask.is_some_and(|umask| umask > 0o777) {
        return Err(error!("user.umask: must be at most 511 (octal 777)"));
    }
    if process.console_size.is_some() && !process.terminal {
        warnings.push(filled!("{}.consoleSize: has no effect without terminal", around.place));
    }
    if process.oom_score_adj.is_some_and(|adjust| !(-1000..=1000).contains(&adjust)) {
        return Err(error!("oomScoreAdj: must lie between -1000 and 1000"));
    }

    let wants_listen_pid = around.env.iter().any(|entry| entry == LISTEN_PID);
    let env = environment(process, around.env, wants_listen_pid.then_some(LISTEN_PID));
    let (mut path, mut wants_home) = (DEFAULT_PATH, true);
    for entry in &env {
        path = entry.strip_prefix("PATH=").unwrap_or(path);
        wants_home &= !entry.starts_with("HOME=");
    }
    plan.args = cstrings(&process.args);
    plan.env = cstrings(&env);
    // After the clone nothing is allocated.
    plan.env.reserve(2);
    plan.home = vec![0; if wants_home { 512 } else { 0 }].leak();
    plan.listen_pid = vec![0; if wants_listen_pid { 32 } else { 0 }].leak();
    plan.candidates = candidates(program, path);
    plan.cwd = cstring(process.cwd);
    plan.uid = user.uid;
    plan.gid = user.gid;
    plan.groups = user.additional_gids.to_vec().leak();
    plan.umask = user.umask.unwrap_or(0o022);
    plan.capabilities = capabilities::compile(process.capabilities.as_ref(), warnings);
    plan.no_new_privileges = process.no_new_privileges;
    plan.rlimits = rlimits(process)?;
    plan.oom_score_adj = process.oom_score_adj;
    plan.apparmor = label(process.apparmor_profile);
    plan.selinux = label(process.selinux_label);
    plan.new_keyring = around.new_keyring;
    if let Some(asked) = &process.scheduler {
        plan.scheduler = Some(scheduler(asked)?);
    }
    if let Some(asked) = &process.io_priority {
        plan.io_priority = Some(io_priority(asked)?);
    }
    if let Some(asked) = &process.exec_cpu_affinity {
        plan.affinity_initial = affinity(asked.initial, "initial")?;
        plan.affinity_final = affinity(asked.last, "final")?;
    }
    if process.terminal {
        let size = process.console_size.unwrap_or_default();
        plan.terminal = Some(Terminal { height: size.height, width: size.width, plain_newlines: false });
    }
    plan.preserve_fds = around.preserve_fds;
    Ok(())
}

/// The environment verbatim and in order, but for an entry that comes later; of entries with one name the last wins, as every shell
/// and Docker have it.
fn environment<'a>(
    process: &'a config::Process<'_>,
    added: &'a [String],
    later: Option<&str>,
) -> Vec<&'a str> {
    let mut all = process.env.to_vec();
    for entry in added {
        all.push(entry);
    }
    let name = |entry: &'a str| entry.split('=').next().unwrap_or_default();
    let mut last = Vec::with_capacity(all.len());
    let mut rest = &*all;
    while let [entry, after @ ..] = rest {
        if Some(*entry) != later && !after.iter().any(|other| name(other) == name(entry)) {
            last.push(*entry);
        }
        rest = after;
    }
    last
}

/// What execvp(3) would try: the name itself when it has a slash, else below each element of PATH, an empty one being the cwd.
fn candidates(program: &str, path: &str) -> &'static [&'static CStr] {
    if program.contains('/') {
        return Vec::from([cstring(program)]).leak();
    }
    let mut candidates = Vec::new();
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { without_slash(directory) };
        candidates.push(cstring(&format!("{directory}/{program}")));
    }
    candidates.leak()
}

fn label(text: &str) -> Option<&'static CStr> {
    (!text.is_empty()).then(|| cstring(text))
}

fn rlimits(process: &config::Process<'_>) -> Result<&'static [Rlimit]> {
    let mut limits: Vec<Rlimit> = Vec::with_capacity(process.rlimits.len());
    for (index, limit) in process.rlimits.iter().enumerate() {
        let refuse = |why: Words| error!("rlimits[{}] {quoted}: {}", decimal(index), limit.kind, why);
        let resource = RLIMITS
            .find_after("RLIMIT_", limit.kind)
            .ok_or_else(|| refuse(words!("is not a resource limit")))?;
        if limits.iter().any(|other| other.resource == resource) {
            return Err(refuse(words!("is there twice")));
        }
        if limit.soft > limit.hard {
            return Err(refuse(words!("soft is greater than hard")));
        }
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        limits.push(Rlimit { resource, soft: limit.soft, hard: limit.hard, index });
    }
    Ok(limits.leak())
}

fn scheduler(asked: &config::process::Scheduler<'_>) -> Result<Scheduler> {
    let name = asked.policy;
    let policy =
        SCHEDULERS.find(name).ok_or_else(|| error!("scheduler.policy: is not a scheduling policy"))?;
    if !(-20..=19).contains(&asked.nice) {
        return Err(error!("scheduler.nice: must lie between -20 and 19"));
    }
    let priority =
        u32::try_from(asked.priority).map_err(|_| error!("scheduler.priority: must not be negative"))?;
    if priority != 0 && !matches!(name, "SCHED_FIFO" | "SCHED_RR") {
        return Err(error!("scheduler.priority: is for SCHED_FIFO and SCHED_RR only"));
    }
    if (asked.runtime, asked.deadline, asked.period) != (0, 0, 0) && name != "SCHED_DEADLINE" {
        return Err(error!("scheduler.runtime: and deadline and period are for SCHED_DEADLINE only"));
    }
    let flags = bits(&SCHEDULER_FLAGS, "SCHED_FLAG_", &asked.flags)
        .map_err(|flag| error!("scheduler.flags: {quoted} is not a scheduler flag", flag))?;
    let flags = u64::from(flags);
    let (runtime, deadline, period) = (asked.runtime, asked.deadline, asked.period);
    Ok(Scheduler { policy, flags, nice: asked.nice, priority, runtime, deadline, period })
}

fn io_priority(asked: &config::process::IoPriority<'_>) -> Result<u32> {
    let class = IO_CLASSES
        .find_after("IOPRIO_CLASS_", asked.class)
        .ok_or_else(|| error!("ioPriority.class: is not an I/O scheduling class"))?;
    match u32::try_from(asked.priority) {
        Ok(level @ 0..=7) => Ok((class << 13) | level),
        _ => Err(error!("ioPriority.priority: must lie between 0 and 7")),
    }
}

/// A CPU list (`0-3,7`) as the mask that sched_setaffinity(2) takes.
fn affinity(list: &str, field: &str) -> Result<&'static [u8]> {
    if list.is_empty() {
        return Ok(&[]);
    }
    bit_list(list)
        .ok_or_else(|| error!("execCPUAffinity.{} {quoted}: is not a CPU list such as 0-3,7", field, list))
}

/// Personality domains and flags (config-linux.md "Personality", personality(2)).
static DOMAINS: Table<u32> = table! {"LINUX" => 0x0000, "LINUX32" => 0x0008};

/// `linux.personality`. The specification has no flags yet.
pub fn personality(asked: &config::Personality<'_>) -> Result<u32> {
    if !asked.flags.is_empty() {
        return Err(error!("config.json: linux.personality.flags: none are defined by the specification"));
    }
    DOMAINS
        .find(asked.domain)
        .ok_or_else(|| error!("config.json: linux.personality.domain: is neither LINUX nor LINUX32"))
}

/// Memory policy modes without their `MPOL_` (config-linux.md "Memory policy", set_mempolicy(2)).
pub static MEMORY_MODES: Table<u32> = table! {
    "DEFAULT" => 0,
    "PREFERRED" => 1,
    "BIND" => 2,
    "INTERLEAVE" => 3,
    "LOCAL" => 4,
    "PREFERRED_MANY" => 5,
    "WEIGHTED_INTERLEAVE" => 6,
};

/// Memory policy mode flags without their `MPOL_F_`.
pub static MEMORY_FLAGS: Table<u32> = table! {
    "NUMA_BALANCING" => 1 << 13,
    "RELATIVE_NODES" => 1 << 14,
    "STATIC_NODES" => 1 << 15,
};

/// `linux.memoryPolicy`.
pub fn memory_policy(asked: &config::MemoryPolicy<'_>) -> Result<MemoryPolicy> {
    let mode = MEMORY_MODES.find_after("MPOL_", asked.mode).ok_or_else(|| {
        error!("config.json: linux.memoryPolicy.mode: {quoted} is not a memory policy", asked.mode)
    })?;
    let flags = bits(&MEMORY_FLAGS, "MPOL_F_", &asked.flags).map_err(|flag| {
        error!("config.json: linux.memoryPolicy.flags: {quoted} is not a memory policy flag", flag)
    })?;
    let bytes = match asked.nodes.is_empty() {
        true => &[],
        false => bit_list(asked.nodes)
            .ok_or_else(|| error!("config.json: linux.memoryPolicy.nodes: is not a list such as 0-3,7"))?,
    };
    // A mask is of whole words.
    let (words, _) = bytes.as_chunks();
    let nodes = words.iter().map(|word| usize::from_le_bytes(*word)).collect::<Vec<_>>().leak();
    Ok(MemoryPolicy { mode: mode | flags, nodes })
}

/// Calls with the first and the last number of every part of a list such as `0-3,7`; None for what is no such list.
pub fn ranges(list: &str, each: &mut dyn FnMut(u64, u64)) -> Option<()> {
    let number = |text: &str| {
        let text = text.trim_ascii();
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        each(number(first)?, number(last)?);
    }
    Some(())
}

/// A list of numbers and ranges below 8192 (the kernel's NR_CPUS limit) as a mask of whole 64-bit words.
pub fn bit_list(list: &str) -> Option<&'static [u8]> {
    let mut mask: Vec<u8> = Vec::new();
    let mut sound = true;
    ranges(list, &mut |first, last| {
        sound &= first <= last && last < 8192;
        for number in first..=last.min(8191) {
            let byte = (number >> 3) as usize;
            if byte >= mask.len() {
                mask.resize((byte | 7).saturating_add(1), 0);
            }
            if let Some(byte) = mask.get_mut(byte) {
                *byte |= 1u8 << (number & 7);
            }
        }
    })?;
    sound.then_some(mask.leak())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_of_several_values_of_one_variable_wins() {
        let env = ["A=1", "B=2", "A=3", "", "C"].into_iter().collect();
        let process = config::Process { env, ..Default::default() };
        let added = ["B=4".into(), "D=5".into()];
        assert_eq!(environment(&process, &added, Some("D=5")), ["A=3", "", "C", "B=4"]);
        assert_eq!(environment(&process, &[], None), ["B=2", "A=3", "", "C"]);
    }

    #[test]
    fn candidates_are_those_of_execvp() {
        let text = |list: &[&'static CStr]| -> Vec<&str> {
            list.iter().map(|path| path.to_str().unwrap()).collect()
        };
        assert_eq!(text(candidates("sh", "/bin:/usr/bin/:")), ["/bin/sh", "/usr/bin/sh", "./sh"]);
        assert_eq!(text(candidates("./sh", "/bin")), ["./sh"]);
    }

    #[test]
    fn cpu_lists_are_strict() {
        assert_eq!(bit_list("0-1,9"), Some(&[3, 2, 0, 0, 0, 0, 0, 0][..]));
        for bad in ["", "a", "3-1", "-1", "+1", "9999", "1,,2"] {
            assert_eq!(bit_list(bad), None, "{bad}");
        }
    }
}

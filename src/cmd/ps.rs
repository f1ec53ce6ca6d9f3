//! `ps`: the processes of a container, as the caller sees them.

use super::container::Container;
use super::{Context, print};
use crate::args::{Given, values::integer};
use crate::error::{Error, Result};
use crate::json::Writer;
use crate::log::printable;
use crate::paths;
use crate::store::{self, Status};
use alloc::{fmt, format, string::String, vec::Vec};
use core::ffi::CStr;
use rustix::fs::OFlags;
use syscalls::process::{self, Fork, WEXITED, WaitFor, WaitStatus};
use syscalls::{AsFd, CStrArray, fd};

/// `ps`. JSON is a list of process ids. The table needs no other program, unless options ask for what only `ps` can do.
pub fn ps(context: &Context) -> Result<()> {
    let (options, json) = options(context.given);
    let container = Container::open(context, false)?;
    let pids = match (container.cgroup()?, container.status()) {
        (Some(cgroup), _) => cgroup.processes()?,
        (None, Status::Stopped) => Vec::new(),
        (None, _) => alloc::vec![container.record.pid],
    };
    if json {
        let mut out = Writer::line();
        out.array("");
        for pid in pids {
            out.unsigned("", pid.unsigned_abs().into());
        }
        out.end_array();
        return print(&out.finish());
    }
    if !options.is_empty() {
        return print(&filter(&run_ps(context, &options)?, &pids)?);
    }
    let mut table = String::from("UID          PID    PPID     TIME CMD\n");
    for pid in pids {
        // One that has ended meanwhile is left out.
        table.extend(line(pid));
    }
    print(&table)
}

/// After the ID stand options of the ps program, and our own --format if its value is one of ours: `-f` alone is ps's. The other
/// result is whether JSON is wanted.
fn options(given: &Given) -> (Vec<&'static CStr>, bool) {
    let mut json = given.wants_json();
    let mut options = Vec::new();
    let mut rest = given.after_id();
    while let Some((option, after)) = rest.split_first() {
        if *option == c"--" {
            options.extend_from_slice(after);
            break;
        }
        let text = option.to_str().unwrap_or("");
        let (name, joined) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let value = joined.or_else(|| after.first().and_then(|next| next.to_str().ok()));
        rest = after;
        if matches!(name, "-f" | "--format") && matches!(value, Some("table" | "json")) {
            json = value == Some("json");
            if joined.is_none() {
                rest = after.get(1..).unwrap_or_default();
            }
        } else {
            options.push(*option);
        }
    }
    (options, json)
}

/// One line of the table, from /proc/PID.
fn line(pid: i32) -> Option<String> {
    let status = read(format_args!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()
    };
    let stat = read(format_args!("/proc/{pid}/stat"))?;
    // proc_pid_stat(5): utime and stime are fields 14 and 15, the 12th and 13th behind the name.
    let (_, after) = paths::split_last(&stat, b')')?;
    let mut times = after.split_ascii_whitespace().skip(11);
    let tick = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    let seconds = tick(times.next()).saturating_add(tick(times.next())) / 100;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let words = read(format_args!("/proc/{pid}/cmdline"))?;
    let command = match words.bytes().rposition(|byte| byte != 0) {
        Some(end) => printable(words.get(..=end)?, ' '),
        None => format!("[{}]", field("Name:")?),
    };
    let (uid, parent) = (field("Uid:")?, field("PPid:")?);
    Some(format!("{uid:<8} {pid:>7} {parent:>7} {hours:02}:{minutes:02}:{seconds:02} {command}\n"))
}

/// How much of a file in /proc/PID is shown.
const LONGEST: usize = 1 << 16;

fn read(path: fmt::Arguments<'_>) -> Option<String> {
    let file = paths::open(paths::c_path(path), OFlags::RDONLY).ok()?;
    let mut bytes = Vec::with_capacity(4096);
    // A process can make its command line as long as its memory is.
    while bytes.len() < LONGEST
        && rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)).ok()? > 0
    {
        bytes.reserve(4096);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs the machine's own `ps` with the options and returns what it prints.
fn run_ps(context: &Context, options: &[&'static CStr]) -> Result<String> {
    let failed = |errno| Error::os(words!("run ps"))(errno);
    let argv: CStrArray = [c"ps"].iter().chain(options).copied().collect();
    let env: CStrArray = context.env.env().collect();
    let (output, input) = fd::pipe(OFlags::CLOEXEC.bits()).map_err(failed)?;
    let pid = match process::clone(0, false, process::SIGCHLD).map_err(failed)? {
        Fork::Parent { pid, .. } => pid,
        Fork::Child => {
            let ready = fd::dup_to(input.as_fd(), 1, 0);
            if ready.is_ok() {
                for path in [c"/bin/ps", c"/usr/bin/ps"] {
                    process::execve(path, &argv, &env);
                }
            }
            process::exit_group(127)
        }
    };
    drop(input);
    let text = store::read_stream(output.as_fd()).map_err(failed)?;
    match process::waitid(WaitFor::Pid(pid), WEXITED).map_err(failed)? {
        Some((_, WaitStatus::Exited(0))) => Ok(String::from_utf8_lossy(&text).into_owned()),
        _ => Err(Error::new(words!("ps: failed, or is not there"))
            .hint(words!("without options no ps program is needed"))),
    }
}

/// The heading and the lines of these processes.
fn filter(table: &str, pids: &[i32]) -> Result<String> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading.split_ascii_whitespace().position(|word| word == "PID");
    let column = column.ok_or_else(|| {
        Error::new(words!("ps: printed no PID column")).hint(words!("add one with its options"))
    })?;
    let mut kept = format!("{heading}\n");
    for line in lines {
        let pid = line.split_ascii_whitespace().nth(column).and_then(integer);
        if pid.is_some_and(|pid| pids.iter().any(|own| i64::from(*own) == pid)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn our_flags_and_those_of_the_ps_program_are_told_apart() {
        let told = |operands: &[&'static CStr]| {
            let mut given = Given::default();
            given.operands.extend(operands);
            options(&given)
        };
        assert_eq!(told(&[c"web", c"-f", c"json"]), (Vec::new(), true));
        assert_eq!(told(&[c"web", c"--format=json", c"-e"]), (alloc::vec![c"-e"], true));
        assert_eq!(told(&[c"web", c"-e", c"-f"]), (alloc::vec![c"-e", c"-f"], false));
        assert_eq!(told(&[c"web", c"--", c"-f", c"json"]), (alloc::vec![c"-f", c"json"], false));
        assert_eq!(told(&[c"web", c"-f", c"-o", c"pid"]), (alloc::vec![c"-f", c"-o", c"pid"], false));
    }

    #[test]
    fn only_lines_of_the_containers_processes_are_kept() {
        let table = "UID   PID CMD\nroot    1 init\nroot   12 a 1\nroot  112 b\n";
        assert_eq!(filter(table, &[12, 3]).unwrap(), "UID   PID CMD\nroot   12 a 1\n");
        assert!(filter("USER COMMAND\n", &[1]).is_err());
    }
}

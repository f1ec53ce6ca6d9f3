//! The budgets that hold from one change to the next: size, system calls, memory. They are counts, so no noise decides.
//!
//! Runs in the private view that the bench uses. Called by verify.

use crate::gauge::Gauge;
use crate::host::{self, Context, Error, Result};
use crate::{dist, gauge};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// System calls of each command on a container with the default namespaces, mounts, masks and device rules, of the runtime, its child
/// and the program together: what was counted, on Linux 6.18. Older kernels need some more.
const SYSTEM_CALLS: &[(&str, u64)] = &[
    ("run", 150),
    ("create", 148),
    ("start", 21),
    ("exec", 108),
    ("state", 25),
    ("kill", 21),
    ("delete", 22),
];
/// So many containers more must not change what `create` calls, and cost `list` the same for each.
const CROWD: usize = 150;
/// KiB that a command may have in memory (goal: 1 MiB for any).
const RESIDENT: u64 = 1024;
/// KiB of a `run` that stays in the foreground as supervisor (goal: 600).
const SUPERVISOR: u64 = 600;

#[derive(Default)]
struct Verdict {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Verdict {
    fn hold(&mut self, what: &str, measured: Result<u64>, limit: u64) {
        match measured {
            Ok(value) if value <= limit => {
                println!("{what}: {value} (at most {limit})");
                self.passed += 1;
            }
            Ok(value) => {
                println!("FAILED {what}: {value}, more than {limit}");
                self.failed += 1;
            }
            Err(error) => {
                println!("FAILED {what}: {error}");
                self.failed += 1;
            }
        }
    }
}

/// `budget [calls]`: holds every budget and closes with the counts; with `calls`, lists what a plain run calls instead.
///
/// # Errors
/// A budget does not hold, or the instruments cannot be set up.
pub fn main(arguments: &[String]) -> Result<()> {
    let mut verdict = Verdict::default();
    let program = gauge::program();
    if !host::is_root() {
        let size = std::fs::metadata(&program).context(|| format!("stat {}", program.display()))?;
        verdict.hold("bytes of the binary", Ok(size.len()), dist::SIZE_LIMIT);
        for name in ["system_calls_of_a_plain_run", "memory_of_each_command"] {
            println!("SKIP {name}: needs root");
            verdict.skipped += 1;
        }
        return close(&verdict);
    }
    if gauge::enter("budget", arguments)?.is_some() {
        return Ok(());
    }
    let gauge = Gauge::new()?;
    let [plain, _, paused] = gauge.bundles("{}", true)?;
    let root = gauge.state().join("budget").display().to_string();
    // On any machine that has had a container since it started, the state root is there.
    std::fs::create_dir_all(&root).context(|| format!("make {root}"))?;
    let run = ["--root", &root, "run", "--bundle", &plain, "budget"];
    if arguments.first().is_some_and(|word| word == "calls") {
        return list(&gauge, &program, &run);
    }
    let size = std::fs::metadata(&program).context(|| format!("stat {}", program.display()))?;
    verdict.hold("bytes of the binary", Ok(size.len()), dist::SIZE_LIMIT);
    calls(&mut verdict, &gauge, &program, &root, [&plain, &paused])?;
    memory(&mut verdict, &gauge, &program, &root, [&plain, &paused])?;
    close(&verdict)
}

/// Counts what each command calls in a container's life, then what `create` and `list` call among many others.
fn calls(
    verdict: &mut Verdict,
    gauge: &Gauge,
    program: &Path,
    root: &str,
    [plain, paused]: [&str; 2],
) -> Result<()> {
    let full = |rest: &[&str]| -> Vec<String> {
        ["--root", root].iter().chain(rest).map(|word| (*word).to_owned()).collect()
    };
    let count = |rest: &[&str]| -> Result<u64> {
        let full = full(rest);
        let words: Vec<&str> = full.iter().map(String::as_str).collect();
        gauge.system_calls(program, &words).map(|calls| calls.len() as u64)
    };
    // Not by pipes, which the containers would hold open.
    let quiet = |rest: &[&str]| -> Result<()> {
        let mut command = Command::new(program);
        command.args(full(rest)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.status().context(|| format!("start {}", program.display()))?.success() {
            true => Ok(()),
            false => Err(Error::new(format!("{} failed", rest.join(" ")))),
        }
    };
    let pid_file = gauge.state().join("pid").display().to_string();
    let create = |id: &str| -> Result<(u64, Child)> {
        let full = full(&["create", "--bundle", paused, "--pid-file", &pid_file, id]);
        let words: Vec<&str> = full.iter().map(String::as_str).collect();
        gauge.system_calls_until_it_waits(program, &words).map(|(calls, tracer)| (calls as u64, tracer))
    };
    let limit =
        |name: &str| SYSTEM_CALLS.iter().find(|(known, _)| *known == name).map_or(0, |(_, limit)| *limit);
    let what = |name: &str| format!("system calls of {name}");

    // The kernel may take a moment longer to empty the cgroup, which then is asked for again: the least of a few runs counts.
    let mut least = Ok(u64::MAX);
    for _ in 0..3 {
        least = count(&["run", "--bundle", plain, "budget"])
            .and_then(|calls| least.map(|least: u64| least.min(calls)));
    }
    verdict.hold(&what("run"), least, limit("run"));
    let (alone, mut tracer) = create("budget")?;
    verdict.hold(&what("create"), Ok(alone), limit("create"));
    verdict.hold(&what("start"), count(&["start", "budget"]), limit("start"));
    verdict.hold(&what("exec"), count(&["exec", "budget", "/bin/true"]), limit("exec"));
    verdict.hold(&what("state"), count(&["state", "budget"]), limit("state"));
    verdict.hold(&what("kill"), count(&["kill", "budget", "KILL"]), limit("kill"));
    tracer.wait().context(|| "wait for strace".into())?;
    verdict.hold(&what("delete"), count(&["delete", "budget"]), limit("delete"));

    let mut lists = vec![count(&["list"])?];
    for half in 0..2 {
        for number in 0..CROWD {
            quiet(&["create", "--bundle", paused, &format!("crowd-{half}-{number}")])?;
        }
        lists.push(count(&["list"])?);
    }
    let (among, mut tracer) = create("budget")?;
    verdict.hold(&format!("system calls of create among {} containers", 2 * CROWD), Ok(among), alone);
    quiet(&["delete", "--force", "budget"])?;
    tracer.wait().context(|| "wait for strace".into())?;
    let all: Vec<String> =
        (0..2).flat_map(|half| (0..CROWD).map(move |number| format!("crowd-{half}-{number}"))).collect();
    let mut delete = vec!["delete", "--force"];
    delete.extend(all.iter().map(String::as_str));
    quiet(&delete)?;
    // Reading a longer directory takes a call or two more.
    let each = (lists[1] - lists[0]).div_ceil(CROWD as u64);
    let second = lists[2].saturating_sub(lists[1]);
    let what = format!("system calls of list for {CROWD} containers more, {each} for each before");
    verdict.hold(&what, Ok(second), each * CROWD as u64 + 4);
    Ok(())
}

/// Looks at the memory of every command in a container's life.
fn memory(
    verdict: &mut Verdict,
    gauge: &Gauge,
    program: &Path,
    root: &str,
    [plain, paused]: [&str; 2],
) -> Result<()> {
    let pid_file = gauge.state().join("pid").display().to_string();
    let resources = gauge.state().join("resources.json");
    std::fs::write(&resources, "{}").context(|| format!("write {}", resources.display()))?;
    let resources = resources.display().to_string();
    let directory = gauge.state().join("spec").display().to_string();
    std::fs::create_dir_all(&directory).context(|| format!("make {directory}"))?;
    let mut command = |name: &str, rest: &[&str], limit: u64| {
        let mut full = vec!["--root", root];
        full.extend(rest);
        verdict.hold(&format!("KiB of {name}"), gauge.peak(program, &full), limit);
    };
    command("run, waiting", &["run", "--bundle", plain, "budget"], SUPERVISOR);
    for (name, rest) in [
        ("create", &["create", "--bundle", paused, "--pid-file", &pid_file, "budget"][..]),
        ("start", &["start", "budget"]),
        ("exec", &["exec", "budget", "/bin/true"]),
        ("state", &["state", "budget"]),
        ("list", &["list"]),
        ("ps", &["ps", "budget"]),
        ("pause", &["pause", "budget"]),
        ("resume", &["resume", "budget"]),
        ("update", &["update", "--resources", &resources, "budget"]),
        ("events", &["events", "--stats", "budget"]),
        ("kill", &["kill", "budget", "KILL"]),
    ] {
        command(name, rest, RESIDENT);
    }
    gauge::wait_for_end(&pid_file)?;
    for (name, rest) in [
        ("delete", &["delete", "budget"][..]),
        ("spec", &["spec", "--bundle", &directory]),
        ("features", &["features"]),
        ("check", &["check", plain]),
        ("version", &["version"]),
    ] {
        command(name, rest, RESIDENT);
    }
    Ok(())
}

fn close(Verdict { passed, failed, skipped }: &Verdict) -> Result<()> {
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if *failed == 0 { Ok(()) } else { Err(Error::new("over budget")) }
}

/// Prints every call in order, then how often each was made: where to look for the next one to drop.
fn list(gauge: &Gauge, program: &Path, run: &[&str]) -> Result<()> {
    let calls = gauge.system_calls(program, run)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &calls {
        println!("{line}");
        let call = line.trim_start_matches(|character: char| character.is_ascii_digit() || character == ' ');
        *counts.entry(call.split('(').next().unwrap_or(call)).or_default() += 1;
    }
    let mut sorted: Vec<(&str, usize)> = counts.into_iter().collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    println!();
    for (name, count) in sorted {
        println!("{count:>5} {name}");
    }
    println!("{:>5} all", calls.len());
    Ok(())
}

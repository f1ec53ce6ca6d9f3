//! The budgets that hold from one change to the next: size, system calls, memory. They are counts, so no noise decides.
//!
//! Runs in the private view that the bench uses. Called by verify.

use crate::gauge::Gauge;
use crate::host::{self, Context, Error, Result};
use crate::{dist, gauge};
use std::collections::BTreeMap;
use std::path::Path;

/// System calls of a plain `run /bin/true`, of the runtime, its child and the program together (goal: 150).
const SYSTEM_CALLS: u64 = 153;
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
    let run = ["--root", &root, "run", "--bundle", &plain, "budget"];
    if arguments.first().is_some_and(|word| word == "calls") {
        return list(&gauge, &program, &run);
    }
    let size = std::fs::metadata(&program).context(|| format!("stat {}", program.display()))?;
    verdict.hold("bytes of the binary", Ok(size.len()), dist::SIZE_LIMIT);
    let calls = gauge.system_calls(&program, &run).map(|calls| calls.len() as u64);
    verdict.hold("system calls of a plain run", calls, SYSTEM_CALLS);
    verdict.hold("KiB of run, waiting", gauge.peak(&program, &run), SUPERVISOR);
    let pid_file = gauge.state().join("pid").display().to_string();
    let mut command = |name: &str, rest: &[&str]| {
        let mut full = vec!["--root", root.as_str()];
        full.extend(rest);
        verdict.hold(&format!("KiB of {name}"), gauge.peak(&program, &full), RESIDENT);
    };
    command("create", &["create", "--bundle", &paused, "--pid-file", &pid_file, "budget"]);
    command("start", &["start", "budget"]);
    command("state", &["state", "budget"]);
    command("list", &["list"]);
    command("kill", &["kill", "budget", "KILL"]);
    gauge::wait_for_end(&pid_file)?;
    command("delete", &["delete", "budget"]);
    close(&verdict)
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

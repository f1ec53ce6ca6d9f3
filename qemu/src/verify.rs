//! `cargo verify`: everything that must pass before a change lands, in one command with one verdict.
//!
//! Each step is a program of its own; a failing one does not stop the later ones. The tests run against the binary that
//! ships (`RUNLET`), not against cargo's debug build. What failed is said again at the end, where a person looks first and a
//! log that is cut still has it. The last line is `N passed, N failed, N skipped`. Called by main and, through it, by .ci/run.

use crate::host::{self, Context, Error, Result};
use crate::{dist, setup, vm};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a step or the whole run came to.
#[derive(Default, Clone, Copy)]
pub struct Tally {
    /// Tests and checks that passed, those skipped not among them.
    pub passed: usize,
    /// Tests and checks that failed.
    pub failed: usize,
    /// Tests that could not run here and said why.
    pub skipped: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What a step came to, and the lines that say what failed.
#[derive(Default)]
struct Outcome {
    tally: Tally,
    failures: Vec<String>,
}

impl Outcome {
    fn failed(why: String) -> Self {
        Outcome { tally: Tally { failed: 1, ..Tally::default() }, failures: vec![why] }
    }

    fn passed() -> Self {
        Outcome { tally: Tally { passed: 1, ..Tally::default() }, failures: Vec::new() }
    }
}

struct Row {
    name: &'static str,
    seconds: f32,
    outcome: Outcome,
}

/// `cargo verify`.
///
/// # Errors
/// At least one step failed; what and why is on stdout by then.
pub fn main(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        return Err(Error::new("usage: cargo verify"));
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut binary = None;
    for need in setup::VERIFY {
        if let Err(error) = setup::ensure(std::slice::from_ref(need)) {
            println!("verify: {error}");
        }
    }
    step(&mut rows, "dist", || {
        let built = dist::build(dist::NATIVE)?;
        println!("  {} bytes, {}", built.size, built.how);
        binary = Some(built.file);
        Ok(Outcome::passed())
    });
    step(&mut rows, "format", || check(cargo().args(["fmt", "--all", "--check"])));
    step(&mut rows, "lints", || {
        check(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    step(&mut rows, "tests", || tests(binary.as_ref()));
    step(&mut rows, "no allocation after clone", sealed);
    step(&mut rows, "budgets", || budgets(binary.as_ref()));
    step(&mut rows, "kernels", || {
        let summary = vm::verify()?;
        let (passed, failed, skipped) = (summary.passed, summary.failed, summary.skipped);
        let tally = Tally { passed: passed as usize, failed: failed as usize, skipped: skipped as usize };
        Ok(Outcome { tally, failures: summary.failures })
    });
    summary(&rows)
}

fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(host::workspace()).env("RUST_BACKTRACE", "0");
    command
}

fn step(rows: &mut Vec<Row>, name: &'static str, work: impl FnOnce() -> Result<Outcome>) {
    println!("== {name}");
    let start = Instant::now();
    let outcome = work().unwrap_or_else(|error| {
        println!("  FAILED: {error}");
        Outcome::failed(error.to_string())
    });
    rows.push(Row { name, seconds: start.elapsed().as_secs_f32(), outcome });
}

/// One check that either passes or prints why not.
fn check(command: &mut Command) -> Result<Outcome> {
    host::run(command).map(|()| Outcome::passed())
}

fn tests(binary: Option<&PathBuf>) -> Result<Outcome> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    // The seccomp compiler against its oracle, at full length (src/compile/seccomp/tests/random.rs).
    command.env("RUNLET_ORACLE_CASES", "1000000");
    match binary {
        Some(binary) => command.env("RUNLET", binary),
        None => return Err(Error::new("no binary to test: dist failed")),
    };
    let outcome = count(&mut command, "tests.log")?;
    if outcome.tally.passed == 0 {
        return Err(Error::new("no test ran"));
    }
    Ok(outcome)
}

/// The containers and their lives once more, with a binary in which an allocation after clone ends the container's process
/// (tests/container/sealed.rs).
fn sealed() -> Result<Outcome> {
    let mut command = cargo();
    command.args(["test", "--features", "seal-allocator", "--no-fail-fast"]);
    command.args(["--test", "container", "--test", "lifecycle", "--test", "exec", "--", "--show-output"]);
    // Beside the other build, which is wanted again.
    command.env_remove("RUNLET").env("CARGO_TARGET_DIR", host::target_directory().join("sealed"));
    let outcome = count(&mut command, "sealed.log")?;
    if outcome.tally.passed == 0 {
        return Err(Error::new("no test ran"));
    }
    Ok(outcome)
}

fn budgets(binary: Option<&PathBuf>) -> Result<Outcome> {
    let binary = binary.ok_or_else(|| Error::new("no binary to measure: dist failed"))?;
    let program = std::env::current_exe().context(|| "find this program".into())?;
    count(Command::new(program).arg("budget").env("RUNLET", binary), "budgets.log")
}

/// Runs a test runner and counts what its lines say, of libtest and of our own closing line; prints every skip, every
/// failure's output and every result line, and keeps the whole in target/verify/`log`. A runner that fails without having
/// counted a failure (it did not compile, it crashed) is one failure.
fn count(command: &mut Command, log: &str) -> Result<Outcome> {
    let directory = host::target_directory().join("verify");
    std::fs::create_dir_all(&directory).context(|| format!("make {}", directory.display()))?;
    let path = directory.join(log);
    let mut file = File::create(&path).context(|| format!("create {}", path.display()))?;
    let (reader, writer) = std::io::pipe().context(|| "pipe".into())?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().context(|| "dup".into())?).stderr(writer);
    let mut child = command.spawn().context(|| format!("start {:?}", command.get_program()))?;
    // The builder holds the writing ends; without them the end of the output would never be seen.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut counter = Counter::default();
    let mut failures = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context(|| "read the tests' output".into())?;
        let line = String::from_utf8_lossy(&line);
        writeln!(file, "{line}").context(|| format!("write {}", path.display()))?;
        let kind = counter.line(&line);
        if kind != Kind::Chatter {
            println!("  {line}");
        }
        if kind == Kind::Failure {
            failures.push(line.into_owned());
        }
    }
    let status = child.wait().context(|| "wait".into())?;
    let mut tally = counter.tally();
    if !status.success() && tally.failed == 0 {
        let why = format!("{status}; the whole output is in {}", path.display());
        println!("  FAILED: {why}");
        failures.push(why);
        tally.failed = 1;
    }
    Ok(Outcome { tally, failures })
}

/// Reads the output of a test runner line by line.
#[derive(Default)]
struct Counter {
    /// Sum of libtest's result lines.
    results: Tally,
    /// Lines that begin with SKIP: libtest counts a test that returns early as passed.
    early: usize,
    /// Our own closing line, which stands for everything else: a runner that has one has no other.
    closing: Option<Tally>,
    /// Inside a block of libtest's that says what failed.
    failing: bool,
}

/// What a line is to a person.
#[derive(PartialEq, Clone, Copy, Debug)]
enum Kind {
    Chatter,
    /// What ran, what was left out, what came out.
    News,
    Failure,
}

impl Counter {
    fn tally(&self) -> Tally {
        self.closing.unwrap_or(Tally {
            passed: self.results.passed.saturating_sub(self.early),
            failed: self.results.failed,
            skipped: self.results.skipped + self.early,
        })
    }

    /// Takes one line.
    fn line(&mut self, line: &str) -> Kind {
        let trimmed = line.trim_start();
        if let Some(result) = trimmed.strip_prefix("test result: ") {
            let number = |what: &str| -> usize {
                let part = result.split(';').find(|part| part.trim_end().ends_with(what));
                let digits = part.and_then(|part| part.split_whitespace().rev().nth(1));
                digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
            };
            self.results.passed += number("passed");
            self.results.failed += number("failed");
            self.results.skipped += number("ignored");
            self.failing = false;
            return Kind::News;
        }
        if let Some(closing) = closing_line(trimmed) {
            self.closing = Some(closing);
            return Kind::News;
        }
        if trimmed.starts_with("SKIP ") {
            self.early += 1;
            return Kind::News;
        }
        match trimmed {
            "failures:" => self.failing = true,
            "successes:" => self.failing = false,
            _ => {}
        }
        let failed = trimmed.starts_with("FAILED ")
            || trimmed.starts_with("error")
            || (trimmed.starts_with("test ") && trimmed.ends_with("FAILED"));
        match (failed || self.failing, trimmed.starts_with("Running ")) {
            (true, _) => Kind::Failure,
            (false, true) => Kind::News,
            (false, false) => Kind::Chatter,
        }
    }
}

/// Our own runners close with `N passed, N failed, N skipped`.
fn closing_line(line: &str) -> Option<Tally> {
    let mut parts = line.split(", ");
    let mut number =
        |what: &str| -> Option<usize> { parts.next()?.strip_suffix(what)?.trim_end().parse().ok() };
    Some(Tally { passed: number("passed")?, failed: number("failed")?, skipped: number("skipped")? })
}

fn summary(rows: &[Row]) -> Result<()> {
    let mut total = Tally::default();
    let mut seconds = 0.0;
    println!("\n{:<12} {:>8} {:>8} {:>8} {:>8}", "step", "seconds", "passed", "failed", "skipped");
    for Row { name, seconds: took, outcome: Outcome { tally, .. } } in rows {
        println!("{name:<12} {took:>8.1} {:>8} {:>8} {:>8}", tally.passed, tally.failed, tally.skipped);
        total.add(*tally);
        seconds += took;
    }
    println!("{:<12} {seconds:>8.1}\n", "all");
    for Row { name, outcome, .. } in rows.iter().filter(|row| row.outcome.tally.failed > 0) {
        println!("FAILED in {name}:\n{}\n", outcome.failures.join("\n"));
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 { Ok(()) } else { Err(Error::new("not everything passes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Tally, Vec<&str>) {
        let mut counter = Counter::default();
        let shown = text.lines().filter(|line| counter.line(line) != Kind::Chatter).collect();
        (counter.tally(), shown)
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        let text = "running 3 tests\n\nsuccesses:\n\n---- a stdout ----\nSKIP a: needs root\n\n---- b stdout ----\nchatter\n\n\
                    test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        let (tally, shown) = read(text);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 0, 1));
        assert_eq!(shown.len(), 2, "{shown:?}");
    }

    #[test]
    fn failures_are_counted_and_their_output_is_shown() {
        let text = "test x ... FAILED\nfailures:\n\n---- x stdout ----\nassertion failed\n\nfailures:\n    x\n\n\
                    test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.1s\nlater\n";
        let (tally, shown) = read(text);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (1, 2, 3));
        assert!(shown.contains(&"assertion failed") && !shown.contains(&"later"), "{shown:?}");
    }

    #[test]
    fn what_failed_is_known_from_what_ran() {
        let mut counter = Counter::default();
        let text = "Running x\nFAILED docker, run: no\nfailures:\n---- x stdout ----\ntest result: FAILED. 0 passed; 1 failed;\nSKIP y: z";
        let kinds: Vec<Kind> = text.lines().map(|line| counter.line(line)).collect();
        use Kind::{Failure, News};
        assert_eq!(kinds, [News, Failure, Failure, Failure, News, News]);
    }

    #[test]
    fn our_own_closing_line_counts() {
        let (tally, _) = read("SKIP a: no kernel\n12 passed, 1 failed, 3 skipped\n12 passed\n");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (12, 1, 3));
    }
}

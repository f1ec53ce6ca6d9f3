//! SECURITY.md as a black-box suite over any OCI runtime: every class of vulnerability that a container runtime has had, tried
//! for real. Whatever a broken runtime could be tricked into touching lies in the test's own directory; the checks look at
//! the host's state, and each has a control beside it, the same container without the trick, which must start.
//!
//! `cargo test --test escapes` runs it over the runtime under test, and the checks that Debian's runc and crun are known to fail
//! over those, where they are installed: there the holes must be found, or the suite has lost its teeth. Arguments choose
//! checks by a part of their names; `--runtime PATH` (repeats, the first is the one judged) runs everything over those;
//! RUNLET_RACES is the number of starts of each race (1,000 by default, at most 60 s).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod check;
mod checks;
mod devices;
mod exec;
mod files;
mod kernel;
mod neighbours;
mod process;
mod races;

use check::{Check, Verdict};
use harness::{Context, note};
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Holes of Debian's packages that the suite is known to find: (first words of `--version`, checks). Where these packages are
/// installed and no runtime was named, exactly these checks run over them.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "runc version 1.1.5",
        &[
            "exec-user-strings",
            "dev-is-a-symlink",
            "dev-null-is-a-symlink",
            "mounts-below-proc",
            "cgroup-files-read-only",
            "cgroup-paths-with-dots",
            "keyring-is-its-own",
            "state-root-of-somebody-else",
            "run-beside-a-tracer",
            "strings-with-nul",
        ],
    ),
    (
        "crun version 1.8.1",
        &[
            "exec-cwd-is-a-descriptor",
            "exec-user-strings",
            "exec-session-is-its-own",
            "dev-is-a-symlink",
            "dev-console-is-a-symlink",
            "dev-null-is-a-symlink",
            "mounts-below-proc",
            "cwd-is-a-descriptor",
            "users-that-wrap",
            "ids-with-paths",
            "cgroup-files-read-only",
            "cgroup-paths-with-dots",
            "sysctl-of-the-hosts-network",
            "exec-into-a-tracer",
            "run-beside-a-tracer",
            "keyring-is-its-own",
            "state-root-of-somebody-else",
            "pid-file-name-is-taken",
            "strings-with-nul",
        ],
    ),
];

struct Subject {
    path: PathBuf,
    name: String,
    version: String,
}

impl Subject {
    fn of(path: &Path) -> Option<Self> {
        let output = std::process::Command::new(path).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").to_string();
        let name = version.split_whitespace().next().unwrap_or("?").to_string();
        Some(Self { path: path.to_path_buf(), name, version })
    }

    fn known_holes(&self) -> &'static [&'static str] {
        KNOWN.iter().find(|(version, _)| self.version.starts_with(version)).map_or(&[], |(_, holes)| holes)
    }
}

struct Options {
    filters: Vec<String>,
    runtimes: Vec<PathBuf>,
    /// Runtimes were named: all checks run over each.
    whole: bool,
    list: bool,
}

/// libtest's options are taken and mean nothing here.
fn options() -> Options {
    let mut options = Options { filters: Vec::new(), runtimes: Vec::new(), whole: true, list: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runtime" => options.runtimes.extend(arguments.next().map(PathBuf::from)),
            "--list" => options.list = true,
            "--test-threads" | "--format" | "--color" => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            filter => options.filters.push(filter.to_string()),
        }
    }
    if options.runtimes.is_empty() {
        options.whole = false;
        options.runtimes.push(harness::runtime_path());
        for peer in ["/usr/sbin/runc", "/usr/bin/crun"] {
            if Path::new(peer).exists() && !options.runtimes.contains(&PathBuf::from(peer)) {
                options.runtimes.push(PathBuf::from(peer));
            }
        }
    }
    options
}

fn main() -> ExitCode {
    let options = options();
    let chosen: Vec<Check> = checks::all()
        .into_iter()
        .filter(|check| {
            options.filters.is_empty() || options.filters.iter().any(|one| check.name.contains(one.as_str()))
        })
        .collect();
    if options.list {
        for check in &chosen {
            println!("{}: test", check.name);
        }
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        harness::skip("escapes", "needs root");
        println!(
            "\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s"
        );
        return ExitCode::SUCCESS;
    }
    let subjects: Vec<Subject> = options.runtimes.iter().filter_map(|path| Subject::of(path)).collect();
    if subjects.is_empty() {
        println!("FAILED no runtime to test");
        return ExitCode::FAILURE;
    }
    // The message of a check that panics is its verdict; the default hook would print it twice.
    std::panic::set_hook(Box::new(|_| {}));
    let started = std::time::Instant::now();
    let results = run_all(&subjects, &chosen, options.whole);
    report(&subjects, &chosen, &results, started.elapsed().as_secs_f32())
}

type Results = BTreeMap<(usize, usize), Verdict>;

/// Two at a time: the races want a processor of their own.
fn run_all(subjects: &[Subject], chosen: &[Check], whole: bool) -> Results {
    let wanted = |subject: usize, check: usize| {
        whole || subject == 0 || subjects[subject].known_holes().contains(&chosen[check].name)
    };
    let work: Vec<(usize, usize)> = (0..subjects.len())
        .flat_map(|subject| (0..chosen.len()).map(move |check| (subject, check)))
        .filter(|(subject, check)| wanted(*subject, *check))
        .collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Results::new()));
    println!("\nrunning {} tests", work.len());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (work, next, results) = (&work, &next, &results);
            let builder = std::thread::Builder::new().name("escapes".to_string());
            builder
                .spawn_scoped(scope, move || {
                    while let Some((subject, check)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let verdict = run_one(&subjects[*subject], &chosen[*check], *subject > 0);
                        let mut out = std::io::stdout().lock();
                        let _ = writeln!(
                            out,
                            "test {} on {} ... {verdict}",
                            chosen[*check].name, subjects[*subject].name
                        );
                        drop(out);
                        results.lock().unwrap().insert((*subject, *check), verdict);
                    }
                })
                .expect("thread");
        }
    });
    results.into_inner().unwrap()
}

fn run_one(subject: &Subject, check: &Check, peer: bool) -> Verdict {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let context = Context::of(&subject.path)?;
        // What another project's runtime leaves behind is not our business; ours is asserted by the context's drop.
        context.lenient.set(peer);
        let known = subject.known_holes().contains(&check.name);
        Some((check.run)(&check::Trial { context: &context, runtime: &subject.name, peer, known }))
    }));
    match outcome {
        Ok(Some(verdict)) => verdict,
        Ok(None) => Verdict::Absent("needs root".to_string()),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_string()));
            Verdict::Broken(words.unwrap_or_else(|| "panic".to_string()))
        }
    }
}

fn report(subjects: &[Subject], chosen: &[Check], results: &Results, seconds: f32) -> ExitCode {
    let mut table = format!("\n{:<42} {:<31}", "class", "check");
    for subject in subjects {
        table.push_str(&format!(" {:<8}", subject.name));
    }
    let (mut passed, mut failures, mut skipped) = (0, Vec::new(), 0);
    for (number, check) in chosen.iter().enumerate() {
        table.push_str(&format!("\n{:<42} {:<31}", check.class, check.name));
        for (index, subject) in subjects.iter().enumerate() {
            let Some(verdict) = results.get(&(index, number)) else {
                table.push_str(" -       ");
                continue;
            };
            table.push_str(&format!(" {:<8}", verdict.word()));
            let known = subject.known_holes().contains(&check.name);
            let at = format!("{} on {}", check.name, subject.name);
            match verdict {
                // Of other runtimes only the known holes count: they must be found.
                _ if index > 0 && known && !matches!(verdict, Verdict::Open(_)) => {
                    failures.push(format!(
                        "{at}: this version is known to have the hole, and it was not found: {verdict}"
                    ));
                }
                _ if index > 0 => passed += 1,
                Verdict::Closed => passed += 1,
                Verdict::Absent(why) => {
                    harness::skip(&at, why);
                    passed += 1;
                    skipped += 1;
                }
                Verdict::Open(why) | Verdict::Broken(why) => {
                    failures.push(format!("{at}: {}: {why}", verdict.word()))
                }
            }
        }
    }
    println!("{table}\n");
    for subject in subjects {
        println!("{}: {}", subject.name, subject.version);
    }
    if !failures.is_empty() {
        println!("\nfailures:\n\n{}\n", failures.join("\n\n"));
    }
    note(&format!("escapes: {skipped} of {} checks could not run", chosen.len()));
    println!(
        "\ntest result: {}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; finished in {seconds:.2}s",
        if failures.is_empty() { "ok" } else { "FAILED" },
        failures.len()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! Old and vendor kernels: system calls are taken away by a seccomp filter, singly and all together, by ENOSYS, EPERM and ENOENT,
//! and a container's whole life must be as it was (`life`), and every check of tests/escapes must hold. Every row of the matrix is
//! printed.
//!
//! `cargo verify` takes each call away by one errno with the life, and all calls together by three errnos with the life and all
//! escapes. `RUNLET_FALLBACKS=all` is the whole product, `RUNLET_FALLBACKS=CALL,…` only these, with the escapes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
// The escape suite's modules are shared.
#![allow(dead_code)]

#[path = "../harness/mod.rs"]
mod harness;

#[path = "../escapes/check.rs"]
mod check;
#[path = "../escapes/checks.rs"]
mod checks;
#[path = "../escapes/devices.rs"]
mod devices;
#[path = "../escapes/exec.rs"]
mod exec;
#[path = "../escapes/files.rs"]
mod files;
#[path = "../escapes/kernel.rs"]
mod kernel;
#[path = "../escapes/neighbours.rs"]
mod neighbours;
#[path = "../escapes/process.rs"]
mod process;
#[path = "../escapes/races.rs"]
mod races;

mod calls;
mod life;

use check::{Trial, Verdict};
use harness::{Context, is_runlet, note};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const ERRNOS: [&str; 3] = ["ENOSYS", "EPERM", "ENOENT"];

/// Kernels that are around, as what they lack.
const KERNELS: [calls::Version; 5] = [(4, 14), (4, 19), (5, 4), (5, 10), (5, 15)];

/// One row of the matrix.
struct Row {
    name: String,
    errno: &'static str,
    calls: String,
    /// Whether the escapes run as well.
    whole: bool,
}

fn asked() -> String {
    std::env::var("RUNLET_FALLBACKS").unwrap_or_default()
}

fn words_of(panic: Box<dyn std::any::Any + Send>) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_string())).unwrap_or_default()
}

/// What goes wrong with a row's calls gone.
fn wrong(row: &Row) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut part = |name: &str, body: &mut dyn FnMut(&Context) -> Option<String>| {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let context = Context::wrapped(&["payload", "shim", row.errno, &row.calls])?;
            body(&context)
        }));
        match outcome {
            Ok(None) => {}
            Ok(Some(words)) => wrong.push(format!("{name}: {words}")),
            Err(panic) => wrong.push(format!("{name}: {}", words_of(panic))),
        }
    };
    for (name, life) in life::PARTS {
        part(name, &mut |context| {
            life(context, &row.calls);
            None
        });
    }
    for check in checks::all().into_iter().filter(|_| row.whole) {
        part(check.name, &mut |context| match (check.run)(&Trial {
            context,
            runtime: "runlet",
            peer: true,
            known: false,
        }) {
            Verdict::Closed | Verdict::Absent(_) => None,
            // Without the calls it is in the log what is lost (`life::told`).
            Verdict::Open(_)
                if check.name.starts_with("run-beside-a-tracer")
                    && life::lacks(&row.calls, life::LATE_PID) =>
            {
                None
            }
            verdict => Some(verdict.to_string()),
        });
    }
    wrong
}

fn matrix(rows: &[Row]) {
    if !rustix::process::geteuid().is_root() {
        skip_test!("needs root");
    }
    if !is_runlet() {
        skip_test!("runc and crun have fallbacks for a part of them only");
    }
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = wrong(row);
            let parts = if row.whole { "life, escapes" } else { "life" };
            let verdict = if found.is_empty() { "ok" } else { "FAILED" };
            note(&format!("fallback {:<6} {:<20} {parts:<14} {verdict}", row.errno, row.name));
            // Said at once: a guest's time may be over before the rows are.
            found.iter().for_each(|words| note(&format!("  {words}")));
            let name = |words: String| format!("without {} ({}): {words}", row.name, row.errno);
            failures.lock().unwrap().extend(found.into_iter().map(name));
        }
    };
    // Two at a time: most of the escapes wait.
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Each call by itself: what a kernel that is a little too old says.
#[test]
fn everything_works_without_any_one_call() {
    let asked = asked();
    let mut rows = Vec::new();
    for call in calls::single() {
        if !asked.is_empty() && asked != "all" && !asked.split(',').any(|word| word == call) {
            continue;
        }
        let whole = asked == "all" || asked.split(',').any(|word| word == call);
        for errno in if whole { &ERRNOS[..] } else { &ERRNOS[..1] } {
            // The parts of calls have an answer of their own.
            if *errno == ERRNOS[0] || !call.contains('-') {
                rows.push(Row { name: call.clone(), errno, calls: call.clone(), whole });
            }
        }
    }
    matrix(&rows);
}

/// What container engines' profiles (EPERM), vendors' kernels (ENOENT) and old kernels say, all calls together.
#[test]
fn everything_holds_without_all_of_them() {
    let row = |errno| Row { name: "all".to_string(), errno, calls: calls::all(), whole: true };
    matrix(&ERRNOS.map(row));
}

/// Kernels that are in use.
#[test]
fn everything_works_with_what_old_kernels_have() {
    let row = |kernel: calls::Version| Row {
        name: format!("as Linux {}.{}", kernel.0, kernel.1),
        errno: ERRNOS[0],
        calls: calls::lacking(kernel),
        whole: asked() == "all",
    };
    matrix(&KERNELS.map(row));
}

/// The shim takes away what it says: without this the matrix would prove nothing.
#[test]
fn the_shim_takes_calls_away() {
    let context = context!();
    let program = harness::payload::path().to_string_lossy().into_owned();
    // close_range of nothing (a range above every descriptor), plainly and with its flag.
    let plain = ["syscall", "436", "4000000000", "4000000001", "0"];
    let flag = ["syscall", "436", "4000000000", "4000000001", "4"];
    let answers = |errno: &str, calls: &str| {
        let mut words = vec![&*program, "shim", errno, calls, &program];
        words.extend(plain);
        words.push(",");
        words.extend(flag);
        let output = context.in_world(&words).output().unwrap();
        let seen = harness::Seen::parse(&String::from_utf8_lossy(&output.stdout));
        (seen.errno(&plain.join(" ")), seen.errno(&flag.join(" ")))
    };
    for errno in ERRNOS {
        assert_eq!(answers(errno, "close_range,openat2"), (errno.to_string(), errno.to_string()));
    }
    assert_eq!(answers("ENOSYS", "openat2"), (String::new(), String::new()), "the kernel here has it");
    assert_eq!(answers("ENOSYS", "close_range-cloexec"), (String::new(), "EINVAL".to_string()));
}

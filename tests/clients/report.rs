//! Rows and the tables: which caller's step went how with which runtime. A view writes one line a row to stdout as it happens, so
//! that a view that is killed has still said how far it came; the outer process reads them back and prints the tables.

use std::fmt::Write as _;

/// What every caller is put through, or says that it does not have: the rows of the last table. A caller's step belongs to the one whose
/// name it begins with, up to a comma.
pub const STEPS: &[&str] = &[
    "run",
    "run -d",
    "exec",
    "exec -it",
    "attach",
    "logs",
    "stop",
    "kill",
    "pause",
    "unpause",
    "stats",
    "update",
    "restart",
    "rm",
    "read-only",
    "user",
    "capabilities",
    "seccomp on",
    "seccomp off",
    "tmpfs",
    "bind",
    "userns",
    "privileged",
    "healthcheck",
    "limits",
];

/// How one step went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should: what was seen.
    Failed(String),
    /// Not tried: why.
    Skipped(String),
    /// The caller has no such thing: why.
    Absent(String),
}

/// One cell of the table.
pub struct Row {
    pub caller: String,
    pub runtime: String,
    pub step: String,
    pub outcome: Outcome,
}

/// What a caller's steps report to, inside a view.
#[derive(Default)]
pub struct Report {
    failures: usize,
}

impl Report {
    /// Does one step and prints how it went.
    pub fn step(&mut self, name: &str, action: impl FnOnce() -> Result<(), String>) {
        match action() {
            Ok(()) => println!("{name}\tok\t"),
            Err(problem) => self.failed(name, &problem),
        }
    }

    /// Prints a step that failed.
    pub fn failed(&mut self, name: &str, problem: &str) {
        self.failures += 1;
        println!("{name}\tfail\t{}", problem.replace(['\n', '\t'], " "));
    }

    /// Prints a step that cannot be tried here.
    pub fn skip(&mut self, name: &str, reason: &str) {
        println!("{name}\tskip\t{reason}");
    }

    /// Prints steps that this caller does not have, with any runtime.
    pub fn absent(&mut self, names: &[&str], reason: &str) {
        names.iter().for_each(|name| println!("{name}\tabsent\t{reason}"));
    }

    /// Whether a step has failed so far, in which case a daemon's log is worth showing.
    pub fn any_failed(&self) -> bool {
        self.failures > 0
    }
}

/// Reads one line of a view's stdout; a line that is no row is a note for the reader.
pub fn parse(line: &str) -> Option<(String, Outcome)> {
    let mut parts = line.splitn(3, '\t');
    let (step, verdict, detail) = (parts.next()?, parts.next()?, parts.next()?);
    let outcome = match verdict {
        "ok" => Outcome::Passed,
        "fail" => Outcome::Failed(detail.into()),
        "skip" => Outcome::Skipped(detail.into()),
        "absent" => Outcome::Absent(detail.into()),
        _ => return None,
    };
    Some((step.into(), outcome))
}

/// Prints a table for each caller, then what failed and what was skipped, then one table of all.
pub fn print(callers: &[&str], rows: &[Row]) {
    let runtimes: Vec<&str> =
        ["runlet", "runc"].into_iter().filter(|name| rows.iter().any(|row| row.runtime == *name)).collect();
    let mut notes = String::new();
    for caller in callers {
        let is_step = |row: &&Row| row.caller == *caller && !matches!(row.outcome, Outcome::Absent(_));
        let mine: Vec<&Row> = rows.iter().filter(is_step).collect();
        if mine.is_empty() {
            continue;
        }
        println!("\n{caller:<42}{}", runtimes.iter().map(|name| format!("{name:<8}")).collect::<String>());
        let mut steps: Vec<&str> = Vec::new();
        for row in &mine {
            if !steps.contains(&row.step.as_str()) {
                steps.push(&row.step);
            }
        }
        for step in steps {
            let mut line = format!("  {step:<40}");
            for runtime in &runtimes {
                let row = mine.iter().find(|row| row.step == step && row.runtime == *runtime);
                let cell = match row.map(|row| &row.outcome) {
                    Some(Outcome::Passed) => "ok",
                    Some(Outcome::Failed(problem)) => {
                        let test = if *runtime == "runlet" { "test" } else { "with runc," };
                        writeln!(notes, "{test} {caller}, {step}: {problem} ... FAILED").unwrap();
                        "FAILED"
                    }
                    Some(Outcome::Skipped(reason)) => {
                        if *runtime == "runlet" {
                            writeln!(notes, "SKIP {caller}, {step}: {reason}").unwrap();
                        }
                        "skip"
                    }
                    Some(Outcome::Absent(_)) | None => "-",
                };
                write!(line, "{cell:<8}").unwrap();
            }
            println!("{}", line.trim_end());
        }
    }
    println!("\n{notes}");
    summarize(callers, &runtimes, rows);
}

/// Prints what every caller is put through in one table, a cell for each runtime, and below it what a caller does not have.
fn summarize(callers: &[&str], runtimes: &[&str], rows: &[Row]) {
    let callers: Vec<&&str> =
        callers.iter().filter(|caller| rows.iter().any(|row| row.caller == **caller)).collect();
    let mut reasons: Vec<String> = Vec::new();
    println!(
        "| {} | {} |",
        runtimes.join("/"),
        callers.iter().map(|caller| **caller).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}", "---|".repeat(callers.len()));
    for step in STEPS {
        let mut line = format!("| {step} |");
        for caller in &callers {
            let mut cells: Vec<String> = Vec::new();
            for runtime in runtimes {
                let outcomes: Vec<&Outcome> = of_step(rows, caller, runtime, step).collect();
                let cell = match outcomes.as_slice() {
                    [] => "-".into(),
                    [Outcome::Absent(reason), ..] => {
                        let reason = format!("{caller}: {reason}");
                        let known = reasons.iter().position(|one| *one == reason);
                        let number = known.unwrap_or(reasons.len());
                        if known.is_none() {
                            reasons.push(reason);
                        }
                        format!("none ({})", number + 1)
                    }
                    all if all.iter().any(|one| matches!(one, Outcome::Failed(_))) => "FAILED".into(),
                    all if all.contains(&&Outcome::Passed) => "ok".into(),
                    _ => "skip".into(),
                };
                cells.push(cell);
            }
            cells.dedup_by(|one, other| one == other && one.starts_with("none"));
            write!(line, " {} |", cells.join("/")).unwrap();
        }
        // A guest tries but a few.
        if rows.iter().any(|row| row.step.split(',').next() == Some(*step)) {
            println!("{line}");
        }
    }
    reasons.iter().enumerate().for_each(|(number, reason)| println!("({}) {reason}", number + 1));
    println!();
}

fn of_step<'a>(
    rows: &'a [Row],
    caller: &'a str,
    runtime: &'a str,
    step: &'a str,
) -> impl Iterator<Item = &'a Outcome> {
    rows.iter()
        .filter(move |row| {
            row.caller == caller && row.runtime == runtime && row.step.split(',').next() == Some(step)
        })
        .map(|row| &row.outcome)
}

/// The steps that a caller was neither put through nor said to lack.
pub fn forgotten(caller: &str, runtime: &str, rows: &[Row]) -> Vec<Row> {
    let missing = STEPS.iter().filter(|step| of_step(rows, caller, runtime, step).next().is_none());
    let row = |step: &&str| Row {
        caller: caller.into(),
        runtime: runtime.into(),
        step: (*step).into(),
        outcome: Outcome::Failed("not tried, and no reason given".into()),
    };
    missing.map(row).collect()
}

/// The closing line, as libtest words it, of the rows of runlet that are steps: what cannot be tried here has returned early and so has passed, and its
/// line above says `SKIP`.
pub fn close(rows: &[Row], missing: usize) -> bool {
    let is_step = |row: &&Row| row.runtime == "runlet" && !matches!(row.outcome, Outcome::Absent(_));
    let mine = rows.iter().filter(is_step);
    let failed = mine.clone().filter(|row| matches!(row.outcome, Outcome::Failed(_))).count();
    let passed = mine.count() - failed + missing;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    failed == 0
}

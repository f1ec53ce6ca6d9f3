//! Rows and the table: which caller's step went how with which runtime. A view writes one line a row to stdout as it happens, so
//! that a view that is killed has still said how far it came; the outer process reads them back and prints the table.

use std::fmt::Write as _;

/// How one step went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should: what was seen.
    Failed(String),
    /// Not tried: why.
    Skipped(String),
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
        _ => return None,
    };
    Some((step.into(), outcome))
}

/// Prints a table for each caller, then what failed and what was skipped.
pub fn print(callers: &[&str], rows: &[Row]) {
    let runtimes: Vec<&str> =
        ["runlet", "runc"].into_iter().filter(|name| rows.iter().any(|row| row.runtime == *name)).collect();
    let mut notes = String::new();
    for caller in callers {
        let mine: Vec<&Row> = rows.iter().filter(|row| row.caller == *caller).collect();
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
                    None => "-",
                };
                write!(line, "{cell:<8}").unwrap();
            }
            println!("{}", line.trim_end());
        }
    }
    println!("\n{notes}");
}

/// The closing line, as libtest words it, of the rows of runlet: what cannot be tried here has returned early and so has passed, and its
/// line above says `SKIP`.
pub fn close(rows: &[Row], missing: usize) -> bool {
    let mine = rows.iter().filter(|row| row.runtime == "runlet");
    let failed = mine.clone().filter(|row| matches!(row.outcome, Outcome::Failed(_))).count();
    let passed = mine.count() - failed + missing;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    failed == 0
}

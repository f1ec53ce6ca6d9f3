//! What the guests' reports come to: a table with a row a boot, the failures' output, the skipped tests, one sum.

use super::boot::{self, Report};
use super::plan::Cell;
use crate::host::{Error, Result};

/// What the matrix, or one boot, came to.
#[derive(Default)]
pub struct Summary {
    rows: Vec<String>,
    /// What each failure printed, its place first.
    pub failures: Vec<String>,
    /// Milliseconds and place of the program that took longest.
    slowest: (u64, String),
    /// Tests that passed, failed, were skipped.
    pub passed: u32,
    /// See `passed`.
    pub failed: u32,
    /// See `passed`.
    pub skipped: u32,
    /// What did not run, each a name and a reason.
    skips: Vec<String>,
}

impl Summary {
    /// A boot.
    pub fn add(&mut self, cell: Cell, report: Result<Report>) {
        let place = cell.place();
        let report = match report {
            Ok(report) => report,
            Err(error) => return self.fail(&place, &format!("not booted: {error}")),
        };
        let boot = report.boot.map(|boot| format!("{:.1}", boot.as_secs_f64())).unwrap_or_default();
        let total = report.total.as_secs_f64();
        for outcome in &report.outcomes {
            let took = (outcome.milliseconds, format!("{place} {}", outcome.name));
            self.slowest = self.slowest.clone().max(took);
            if outcome.failed > 0 || !outcome.status.is_empty() {
                let (name, status) = (&outcome.name, &outcome.status);
                self.failures.push(format!("{place} {name} {status}\n{}", outcome.output.join("\n")));
            }
            for line in outcome.output.iter().filter_map(|line| boot::skip_of(line)) {
                self.skips.push(format!("{place} {line}"));
            }
        }
        let (passed, mut failed, skipped) = report.verdict.unwrap_or_else(|| {
            let sum = |of: fn(&boot::Outcome) -> u32| report.outcomes.iter().map(of).sum::<u32>();
            (sum(|one| one.passed), sum(|one| one.failed), sum(|one| one.skipped))
        });
        if report.verdict.is_none() {
            failed += 1;
            let (remarks, tail) = (report.remarks.join("; "), report.tail.join("\n"));
            self.failures.push(format!("{place} gave no verdict: {remarks}\n{tail}"));
        } else if passed + failed + skipped == 0 {
            failed += 1;
            self.failures.push(format!("{place} ran no test"));
        }
        let word = if failed == 0 { "ok" } else { "FAILED" };
        self.row(&place, (passed, failed, skipped), &format!("{boot:>6} {total:>7.1}  {word}"));
    }

    /// A row that is no guest with tests.
    pub fn pass(&mut self, place: &str, words: &str) {
        self.row(place, (1, 0, 0), words);
    }

    /// See `pass`.
    pub fn fail(&mut self, place: &str, why: &str) {
        self.failures.push(format!("{place} {why}"));
        self.row(place, (0, 1, 0), "FAILED");
    }

    /// Something that is left out: `SKIP name: reason`.
    pub fn skip(&mut self, line: String) {
        self.skips.push(line);
        self.skipped += 1;
    }

    fn row(&mut self, place: &str, (passed, failed, skipped): (u32, u32, u32), rest: &str) {
        self.rows.push(format!("{place} {passed:>6} {failed:>6} {skipped:>7} {rest}"));
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
    }

    /// Prints all of it; the failures' output only `with_failures`: one boot's was on the console.
    pub fn print(&self, with_failures: bool) {
        println!();
        for failure in self.failures.iter().filter(|_| with_failures) {
            println!("---- {failure}\n");
        }
        println!(
            "{:<6} {:<9} {:<9} {:<10} {:>6} {:>6} {:>7} {:>6} {:>7}",
            "kernel", "root", "env", "suite", "passed", "failed", "skipped", "boot s", "total s"
        );
        for row in &self.rows {
            println!("{row}");
        }
        if !self.slowest.1.is_empty() {
            println!("slowest: {} ({:.1} s)", self.slowest.1, self.slowest.0 as f64 / 1000.0);
        }
        for line in &self.skips {
            println!("{line}");
        }
    }

    /// An error when anything failed.
    pub fn into_result(self) -> Result<()> {
        if self.failed == 0 {
            return Ok(());
        }
        let first: Vec<&str> = self.failures.iter().filter_map(|failure| failure.lines().next()).collect();
        Err(Error::new(format!("{} failed: {}", self.failed, first.join("; "))))
    }
}

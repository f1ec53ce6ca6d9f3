//! What is booted, and what runs in each guest.
//!
//! Owns the choice: the cells of the matrix, and the lines of each guest's plan. Acts on nothing; mod.rs and matrix.rs call it.

use super::environment::{self, ENVIRONMENTS, Environment, KERNELS, Kernel, ROOTS, Root};
use crate::host::{Error, Result};

/// Time for one program of the plan, in seconds of the guest: some race for a minute at a time, emulation makes each of their seconds
/// many, and the machine may have others to serve.
const PROGRAM_SECONDS: u32 = 1800;

/// Test binaries of an environment on roots other than its first: what a root can change.
const ROOT_TESTS: &[&str] = &["guest"];

/// Test binaries that need the host: its package manager, the sources, its own processors.
const HOST_TESTS: &[&str] = &["clients", "plans"];

/// One boot's place in the matrix.
#[derive(Clone, Copy)]
pub struct Cell {
    pub kernel: &'static Kernel,
    pub root: &'static Root,
    pub environment: &'static Environment,
    /// One of the environment's suites, in a boot of its own. None: the environment's programs and usual tests.
    pub suite: Option<&'static str>,
}

/// How much of the matrix is booted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every environment on every root and kernel. The suites run on the machine itself there.
    Verify,
    /// All of it.
    Whole,
}

impl Cell {
    /// The cell of these names.
    pub fn find(kernel: &str, root: Option<&str>, environment: &str) -> Result<Cell> {
        let environment = environment::find("environment", ENVIRONMENTS, environment, |row| row.name);
        let environment = environment.map_err(Error::new)?;
        let root = root.unwrap_or_else(|| environment.first_root());
        Ok(Cell {
            kernel: environment::find("kernel", KERNELS, kernel, |row| row.name).map_err(Error::new)?,
            root: environment::find("root", ROOTS, root, |row| row.name).map_err(Error::new)?,
            environment,
            suite: None,
        })
    }

    /// Whether [`Extent::Verify`] has it.
    fn is_in_verify(&self) -> bool {
        self.suite.is_none()
    }

    /// Kernel, root, environment and suite in columns.
    pub fn place(&self) -> String {
        let suite = self.suite.unwrap_or_default();
        let (kernel, root, environment) = (self.kernel.name, self.root.name, self.environment.name);
        format!("{kernel:<6} {root:<9} {environment:<9} {suite:<10}")
    }

    /// The plan's lines, of the test binaries that were `built`.
    pub fn plan(&self, built: &[String]) -> String {
        let environment = self.environment;
        let is_built = |name: &str| built.iter().any(|built| built == name);
        let mut lines = Vec::new();
        if let Some(suite) = self.suite {
            lines.extend(is_built(suite).then(|| test_line(suite, None)));
            return lines.join("\n");
        }
        for (name, command) in environment.programs {
            let test = command.iter().find_map(|word| word.strip_prefix("/tests/"));
            if test.is_none_or(is_built) {
                lines.push(format!("{PROGRAM_SECONDS}\t{name}\t{}", command.join("\t")));
            }
        }
        let first = environment.first_root() == self.root.name;
        let tests = if first { environment.tests } else { ROOT_TESTS };
        lines.extend(tests.iter().filter(|name| is_built(name)).map(|name| test_line(name, None)));
        lines.join("\n")
    }
}

/// The cells of `kernels` that `extent` has, those that take longest first, and a line for each that it leaves out.
pub fn cells(kernels: &[&'static Kernel], extent: Extent) -> Result<(Vec<Cell>, Vec<String>)> {
    let mut all = Vec::new();
    for kernel in kernels {
        for environment in ENVIRONMENTS {
            for root in environment.roots {
                all.push(Cell::find(kernel.name, Some(root), environment.name)?);
            }
            if let Some(root) = environment.roots.first() {
                for suite in environment.suites {
                    let cell = Cell::find(kernel.name, Some(root), environment.name)?;
                    all.push(Cell { suite: Some(suite), ..cell });
                }
            }
        }
    }
    all.sort_by_key(|cell| cell.suite.is_none());
    let (booted, left): (Vec<Cell>, Vec<Cell>) =
        all.into_iter().partition(|cell| extent == Extent::Whole || cell.is_in_verify());
    let why = |cell: &Cell| {
        format!(
            "SKIP {}: `cargo vm -- matrix` boots it; here the suite runs on the machine itself",
            cell.place().trim_end()
        )
    };
    Ok((booted, left.iter().map(why).collect()))
}

/// Test binaries that an environment's rows name, as tests, as suites or as programs.
pub fn binaries(environment: &Environment) -> Vec<&'static str> {
    let programs = environment.programs.iter().flat_map(|(_, command)| command.iter());
    let programs = programs.filter_map(|word| word.strip_prefix("/tests/"));
    let mut all: Vec<&str> =
        environment.tests.iter().chain(environment.suites).copied().chain(programs).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The line of a test binary, of which only the tests whose name contains `filter` run.
pub fn test_line(name: &str, filter: Option<&str>) -> String {
    let filter = filter.map(|filter| format!("\t{filter}")).unwrap_or_default();
    format!("{PROGRAM_SECONDS}\t{name}\t/tests/{name}\t--show-output{filter}")
}

/// The line of a shell command.
pub fn command_line(name: &str, command: &str) -> String {
    format!("{PROGRAM_SECONDS}\t{name}\t/bin/sh\t-c\t{}", command.replace(['\t', '\n'], " "))
}

/// The line of a program without arguments.
pub fn program_line(name: &str) -> String {
    format!("{PROGRAM_SECONDS}\t{name}\t/tests/{name}")
}

/// Whether a test binary makes sense in a guest.
pub fn runs_in_a_guest(name: &str) -> bool {
    !HOST_TESTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_has_every_root_and_environment_on_every_kernel_and_names_what_it_leaves_out() {
        let kernels: Vec<&Kernel> = KERNELS.iter().collect();
        let (whole, nothing) = cells(&kernels, Extent::Whole).unwrap();
        assert!(nothing.is_empty());
        let (booted, left) = cells(&kernels, Extent::Verify).unwrap();
        assert_eq!(booted.len() + left.len(), whole.len());
        assert!(!left.is_empty());
        for kernel in KERNELS {
            for environment in ENVIRONMENTS {
                for root in environment.roots {
                    let there = |cell: &Cell| {
                        (cell.kernel.name, cell.root.name, cell.environment.name)
                            == (kernel.name, *root, environment.name)
                    };
                    assert!(booted.iter().any(there), "{} {root} {}", kernel.name, environment.name);
                }
            }
        }
    }

    #[test]
    fn a_plan_has_the_programs_then_the_tests_that_were_built() {
        let cell = Cell::find("6.12", None, "plain").unwrap();
        let plan = cell.plan(&["guest".to_owned()]);
        let lines: Vec<&str> = plan.lines().collect();
        assert!(lines[0].contains("\trun-as-child-of-pid-1\t/bin/runlet\trun\t"), "{plan}");
        assert_eq!(lines[1..], ["1800\tguest\t/tests/guest\t--show-output"]);
        assert_eq!(Cell { suite: Some("faults"), ..cell }.plan(&[]), "");
    }
}

//! `cargo vm`: a kernel of our own under QEMU, booted from an initramfs of our own.
//!
//! Owns the command line. plan.rs chooses what runs where, out of environment.rs's tables; cpio.rs writes archives, package.rs and kernel.rs fetch,
//! tree.rs stages the image, factory.rs makes machines, boot.rs runs QEMU, guest.rs is the other side; matrix.rs boots all of it, summary.rs counts.

mod boot;
mod callers;
pub mod cpio;
mod debian;
mod environment;
mod factory;
pub mod guest;
mod kernel;
mod matrix;
mod package;
mod plan;
mod summary;
pub mod tree;

use crate::host::{Error, Result};
use boot::Machine;
use environment::{ENVIRONMENTS, KERNELS, ROOTS};
use factory::Factory;
use plan::{Cell, Extent};
use std::path::{Path, PathBuf};
use std::time::Duration;
use summary::Summary;

const USAGE: &str = "\
usage: cargo vm -- [shell | list | matrix] [options]

Without a word: boots one guest, runs tests in it and gives their verdict.

  shell              a prompt in the guest
  list               kernels, roots and environments, and what `matrix` boots
  matrix             all of it, as cargo verify does

  --kernel NAME      6.12 unless named; `matrix` takes all
  --root NAME        what / is: the environment's first in `list` unless named
  --env NAME         what the host looks like: plain unless named
  --test BINARY      a test binary, by name (repeats); else what `list` says. `matrix` leaves all others out
  --filter NAME      only tests whose name contains this
  --run COMMAND      a shell command instead of tests (repeats)
  --file PATH        a static program of yours, put at /tests/<its name> and run (repeats)
  --runtime FILE     a static runtime in place of the one that `cargo dist` makes
  --quiet            no console, only the verdict

examples: cargo vm -- --kernel 6.1 --env v1 --test cgroup
          cargo vm -- --run 'cat /proc/self/mountinfo'
";

struct Options {
    /// None is the newest, or all for the matrix.
    kernel: Option<String>,
    /// None is the environment's own first one.
    root: Option<String>,
    environment: String,
    tests: Vec<String>,
    filter: Option<String>,
    run: Vec<String>,
    files: Vec<PathBuf>,
    runtime: Option<PathBuf>,
    quiet: bool,
}

impl Options {
    fn cell(&self) -> Result<Cell> {
        Cell::find(self.kernel.as_deref().unwrap_or("6.12"), self.root.as_deref(), &self.environment)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            kernel: None,
            root: None,
            environment: "plain".to_owned(),
            tests: Vec::new(),
            filter: None,
            run: Vec::new(),
            files: Vec::new(),
            runtime: None,
            quiet: false,
        }
    }
}

/// `cargo vm`.
pub fn main(arguments: &[String]) -> Result<()> {
    let mut options = Options::default();
    let mut word = None;
    let mut rest = arguments.iter().filter(|argument| *argument != "--");
    while let Some(argument) = rest.next() {
        let mut value =
            || rest.next().cloned().ok_or_else(|| Error::new(format!("{argument} takes a value\n\n{USAGE}")));
        match argument.as_str() {
            "--kernel" => options.kernel = Some(value()?),
            "--root" => options.root = Some(value()?),
            "--env" => options.environment = value()?,
            "--test" => options.tests.push(value()?),
            "--filter" => options.filter = Some(value()?),
            "--run" => options.run.push(value()?),
            "--file" => options.files.push(value()?.into()),
            "--runtime" => options.runtime = Some(value()?.into()),
            "--quiet" => options.quiet = true,
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            "shell" | "list" | "matrix" if word.is_none() => word = Some(argument.as_str()),
            _ => return Err(Error::new(format!("unknown argument {argument:?}\n\n{USAGE}"))),
        }
    }
    match word {
        Some("list") => {
            list();
            Ok(())
        }
        Some("shell") => shell(&options),
        Some("matrix") => {
            let (kernel, runtime) = (options.kernel.as_deref(), options.runtime.as_deref());
            matrix::run(Extent::Whole, kernel, &options.tests, runtime)?.into_result()
        }
        _ => single(&options),
    }
}

fn list() {
    println!("kernels:      {}", KERNELS.iter().map(|row| row.name).collect::<Vec<_>>().join(" "));
    println!("roots:");
    for row in ROOTS {
        println!("  {:<12}{}", row.name, row.about);
    }
    println!(
        "environments, what runs in them, and the roots on which `matrix` boots them (a suite in a boot of its own):"
    );
    for row in ENVIRONMENTS {
        let programs = row.programs.iter().map(|(name, _)| *name);
        let runs: Vec<&str> = programs.chain(row.tests.iter().copied()).collect();
        println!("  {:<12}{}; {} on {}", row.name, row.about, runs.join(" "), row.roots.join(" "));
        if !row.suites.is_empty() {
            println!("  {:<12}suites {}", "", row.suites.join(" "));
        }
    }
}

/// The part of the matrix that `cargo verify` boots, printed and summed.
pub fn verify() -> Result<Summary> {
    matrix::run(Extent::Verify, None, &[], None)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn single(options: &Options) -> Result<()> {
    let cell = options.cell()?;
    let named: Vec<&str> = options.tests.iter().map(String::as_str).collect();
    let nothing_else = options.run.is_empty() && options.files.is_empty();
    let wanted = match named.as_slice() {
        [] if options.filter.is_some() => vec!["*"],
        [] if nothing_else => plan::binaries(cell.environment),
        named => named.to_vec(),
    };
    let factory = Factory::new(&[cell.kernel], &wanted, &options.files, options.runtime.as_deref())?;
    let mut lines = Vec::new();
    for (number, command) in options.run.iter().enumerate() {
        lines.push(plan::command_line(&format!("run-{number}"), command));
    }
    for file in &options.files {
        lines.push(plan::program_line(&file_name(file)));
    }
    for name in &options.tests {
        if !factory.tree.tests.contains(name) {
            return Err(Error::new(format!("no test {name:?}; there are: {}", factory.tree.tests.join(" "))));
        }
        lines.push(plan::test_line(name, options.filter.as_deref()));
    }
    if lines.is_empty() {
        match &options.filter {
            Some(filter) => {
                let tests = factory.tree.tests.iter().filter(|name| plan::runs_in_a_guest(name));
                lines.extend(tests.map(|name| plan::test_line(name, Some(filter))));
            }
            None => lines.push(cell.plan(&factory.tree.tests)),
        }
    }
    let mut print = |line: &str| {
        if !options.quiet {
            println!("{line}");
        }
    };
    let report = factory
        .with_machine(cell, &lines.join("\n"), |machine| machine.run(matrix::BOOT_LIMIT, &mut print))?;
    let mut summary = Summary::default();
    summary.add(cell, Ok(report));
    summary.print(options.quiet);
    summary.into_result()
}

fn shell(options: &Options) -> Result<()> {
    let cell = options.cell()?;
    let named: Vec<&str> = options.tests.iter().map(String::as_str).collect();
    let factory = Factory::new(&[cell.kernel], &named, &options.files, options.runtime.as_deref())?;
    factory.with_machine(cell, guest::SHELL, |machine| machine.interact())
}

/// Boots an image of `cargo image` and returns the time from QEMU's start to the first line that a container printed.
pub fn boot_image(
    kernel: &str,
    initramfs: &Path,
    limit: Duration,
    each: &mut dyn FnMut(&str),
) -> Result<Duration> {
    let image = kernel::fetch(Cell::find(kernel, None, "plain")?.kernel)?;
    let machine = Machine {
        kernel: &image.file,
        initramfs,
        disk: None,
        scratch: None,
        command_line: "",
        memory_mib: 512,
        processors: 1,
    };
    machine.first_line(limit, each)
}

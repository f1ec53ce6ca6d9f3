//! `cargo vm`: a kernel of our own under QEMU, booted from an initramfs of our own.
//!
//! Owns the command line, the choice of what runs where, and the table at the end. cpio.rs writes archives, package.rs and kernel.rs fetch, tree.rs
//! stages the image, boot.rs runs QEMU, guest.rs is the other side. verify.rs calls [`matrix`].

mod boot;
mod callers;
pub mod cpio;
mod debian;
mod environment;
pub mod guest;
mod kernel;
mod package;
pub mod tree;

use crate::host::{Context, Error, Result};
use crate::{image, setup};
use boot::{Machine, Report};
use environment::{ENVIRONMENTS, Environment, KERNELS, Kernel, ROOTS, Root, RootKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tree::Tree;

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

/// Time for one program of the plan, in seconds of the guest.
const PROGRAM_SECONDS: u32 = 600;

/// Hard limit for one boot.
const BOOT_LIMIT: Duration = Duration::from_secs(2400);

/// Test binaries of the plain environment on roots other than the first: what a root can change.
const ROOT_TESTS: &[&str] = &["guest"];

/// Test binaries that need the host: its package manager, the sources, several processors.
const HOST_TESTS: &[&str] = &["clients", "plans"];

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
        let environment = environment_row(&self.environment)?;
        let own = environment.roots.first().copied().unwrap_or("ramfs");
        Ok(Cell {
            kernel: kernel_row(self.kernel.as_deref().unwrap_or("6.12"))?,
            root: root_row(self.root.as_deref().unwrap_or(own))?,
            environment,
        })
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
            let summary = run_matrix(&options)?;
            summary.into_result()
        }
        _ => single(&options),
    }
}

fn kernel_row(name: &str) -> Result<&'static Kernel> {
    environment::find("kernel", KERNELS, name, |row| row.name).map_err(Error::new)
}

fn root_row(name: &str) -> Result<&'static Root> {
    environment::find("root", ROOTS, name, |row| row.name).map_err(Error::new)
}

fn environment_row(name: &str) -> Result<&'static Environment> {
    environment::find("environment", ENVIRONMENTS, name, |row| row.name).map_err(Error::new)
}

fn list() {
    println!("kernels:      {}", KERNELS.iter().map(|row| row.name).collect::<Vec<_>>().join(" "));
    println!("roots:");
    for row in ROOTS {
        println!("  {:<12}{}", row.name, row.about);
    }
    println!("environments, with their tests and the roots on which `matrix` boots them:");
    for row in ENVIRONMENTS {
        println!("  {:<12}{}; {} on {}", row.name, row.about, row.tests.join(" "), row.roots.join(" "));
    }
}

/// One boot's place in the matrix.
#[derive(Clone, Copy)]
struct Cell {
    kernel: &'static Kernel,
    root: &'static Root,
    environment: &'static Environment,
}

/// What all boots of one run share: the staged tree, its archive, disk images, kernels.
struct Factory {
    tree: Tree,
    archive: Vec<u8>,
    first_stage: Vec<u8>,
    disks: Mutex<BTreeMap<&'static str, PathBuf>>,
    kernels: BTreeMap<&'static str, kernel::Image>,
    memory_mib: u32,
}

impl Factory {
    fn new(kernels: &[&'static Kernel], tests: &[&str], options: &Options) -> Result<Factory> {
        setup::ensure(&[setup::QEMU])?;
        let mut images = BTreeMap::new();
        for row in kernels {
            let image = kernel::fetch(row)?;
            println!("kernel {}: {}", row.name, image.release);
            images.insert(row.name, image);
        }
        let tree = Tree::stage(tests, options.runtime.as_deref())?;
        for file in &options.files {
            tree.program(&format!("tests/{}", file_name(file)), file)?;
        }
        let archive = tree.archive()?;
        let first_stage = tree.first_stage()?;
        // The archive is in memory twice while it is unpacked, and a moved root copies it.
        let memory_mib = 512 + 3 * u32::try_from(archive.len() >> 20).unwrap_or(u32::MAX);
        let disks = Mutex::new(BTreeMap::new());
        Ok(Factory { tree, archive, first_stage, disks, kernels: images, memory_mib })
    }

    fn disk(&self, kind: &'static str) -> Result<PathBuf> {
        let mut disks = self.disks.lock().map_err(|_| Error::new("a boot that made a disk failed"))?;
        if let Some(disk) = disks.get(kind) {
            return Ok(disk.clone());
        }
        let disk = match kind {
            "debian" => debian::disk(&self.tree)?,
            environment::CALLERS => callers::disk(&self.tree)?,
            _ => self.tree.disk(kind)?,
        };
        disks.insert(kind, disk.clone());
        Ok(disk)
    }

    /// Makes the boot's own initramfs and hands the machine to `use_it`.
    fn with_machine<T>(
        &self,
        cell: Cell,
        plan: &str,
        use_it: impl FnOnce(&Machine<'_>) -> Result<T>,
    ) -> Result<T> {
        let image = self.kernels.get(cell.kernel.name).ok_or_else(|| Error::new("kernel was not fetched"))?;
        let (base, disk) = match cell.root.kind {
            RootKind::Disk(_) if cell.root.name == environment::CALLERS => {
                (&self.first_stage, Some(self.disk(environment::CALLERS)?))
            }
            RootKind::Disk(kind) => (&self.first_stage, Some(self.disk(kind)?)),
            RootKind::Systemd => (&self.first_stage, Some(self.disk("debian")?)),
            RootKind::Initramfs | RootKind::Moved => (&self.archive, None),
        };
        let mut bytes = base.clone();
        bytes.extend_from_slice(&tree::additions(image, plan)?);
        if !cell.environment.packages.is_empty() {
            bytes.extend_from_slice(&debian::layer(cell.environment.packages)?);
        }
        let name = format!(
            "initramfs.{}.{}-{}-{}",
            std::process::id(),
            cell.kernel.name,
            cell.root.name,
            cell.environment.name
        );
        let initramfs = boot::artifact(&name, &bytes)?;
        drop(bytes);
        let command_line =
            format!("{} vm_root={} vm_env={}", cell.root.command_line, cell.root.name, cell.environment.name);
        let machine = Machine {
            kernel: &image.file,
            initramfs: &initramfs,
            disk: disk.as_deref(),
            command_line: &command_line,
            memory_mib: self.memory_mib,
        };
        let result = use_it(&machine);
        std::fs::remove_file(&initramfs).context(|| format!("remove {}", initramfs.display()))?;
        result
    }
}

impl Drop for Factory {
    fn drop(&mut self) {
        for disk in self.disks.get_mut().map(|disks| disks.values()).into_iter().flatten() {
            if let Err(error) = std::fs::remove_file(disk) {
                eprintln!("remove {}: {error}", disk.display());
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Test binaries that an environment's rows name, as tests or as programs.
fn built_for(environment: &Environment) -> Vec<&'static str> {
    let programs = environment.programs.iter().flat_map(|(_, command)| command.iter());
    let programs = programs.filter_map(|word| word.strip_prefix("/tests/"));
    let mut all: Vec<&str> = environment.tests.iter().copied().chain(programs).collect();
    all.dedup();
    all
}

/// The plan's lines for a cell of the matrix.
fn plan(cell: Cell, built: &[String]) -> String {
    let environment = cell.environment;
    let first = environment.roots.first() == Some(&cell.root.name);
    let wanted = match environment.tests {
        _ if !first => ROOT_TESTS,
        tests => tests,
    };
    let mut lines = Vec::new();
    for (name, command) in environment.programs {
        let test = command.iter().find_map(|word| word.strip_prefix("/tests/"));
        if test.is_some_and(|test| !built.iter().any(|name| name == test)) {
            continue;
        }
        lines.push(format!("{PROGRAM_SECONDS}\t{name}\t{}", command.join("\t")));
    }
    for name in built {
        if HOST_TESTS.contains(&name.as_str()) {
            continue;
        }
        if wanted.iter().any(|row| *row == "*" || name == row) {
            lines.push(test_line(name, None));
        }
    }
    lines.join("\n")
}

fn test_line(name: &str, filter: Option<&str>) -> String {
    let filter = filter.map(|filter| format!("\t{filter}")).unwrap_or_default();
    format!("{PROGRAM_SECONDS}\t{name}\t/tests/{name}\t--show-output{filter}")
}

fn single(options: &Options) -> Result<()> {
    let cell = options.cell()?;
    let named: Vec<&str> = options.tests.iter().map(String::as_str).collect();
    let nothing_else = options.run.is_empty() && options.files.is_empty();
    let wanted = match named.as_slice() {
        [] if options.filter.is_some() => vec!["*"],
        [] if nothing_else => built_for(cell.environment),
        named => named.to_vec(),
    };
    let factory = Factory::new(&[cell.kernel], &wanted, options)?;
    let mut lines = Vec::new();
    for (number, command) in options.run.iter().enumerate() {
        lines.push(format!(
            "{PROGRAM_SECONDS}\trun-{number}\t/bin/sh\t-c\t{}",
            command.replace(['\t', '\n'], " ")
        ));
    }
    for file in &options.files {
        let name = file_name(file);
        lines.push(format!("{PROGRAM_SECONDS}\t{name}\t/tests/{name}"));
    }
    for name in &options.tests {
        if !factory.tree.tests.contains(name) {
            return Err(Error::new(format!("no test {name:?}; there are: {}", factory.tree.tests.join(" "))));
        }
        lines.push(test_line(name, options.filter.as_deref()));
    }
    if lines.is_empty() {
        match &options.filter {
            Some(filter) => lines.extend(factory.tree.tests.iter().map(|name| test_line(name, Some(filter)))),
            None => lines.push(plan(cell, &factory.tree.tests)),
        }
    }
    let mut print = |line: &str| {
        if !options.quiet {
            println!("{line}");
        }
    };
    let report =
        factory.with_machine(cell, &lines.join("\n"), |machine| machine.run(BOOT_LIMIT, &mut print))?;
    let mut summary = Summary::default();
    summary.add(cell, Ok(report));
    summary.print(options.quiet);
    summary.into_result()
}

fn shell(options: &Options) -> Result<()> {
    let cell = options.cell()?;
    let named: Vec<&str> = options.tests.iter().map(String::as_str).collect();
    let factory = Factory::new(&[cell.kernel], &named, options)?;
    factory.with_machine(cell, guest::SHELL, |machine| machine.interact())
}

/// Boots an image of `cargo image` and returns the time from QEMU's start to the first line that a container printed.
pub fn boot_image(
    kernel: &str,
    initramfs: &Path,
    limit: Duration,
    each: &mut dyn FnMut(&str),
) -> Result<Duration> {
    let image = kernel::fetch(kernel_row(kernel)?)?;
    let machine = Machine { kernel: &image.file, initramfs, disk: None, command_line: "", memory_mib: 512 };
    machine.first_line(limit, each)
}

/// The most that an image with busybox may have, kernel aside, in bytes.
const IMAGE_LIMIT: usize = 2_000_000;

fn image_cell(kernel: &Kernel, factory: &Factory) -> Result<String> {
    let file = boot::artifact(&format!("image.{}.{}", std::process::id(), kernel.name), b"")?;
    let bundles = [factory.tree.path("bundles/hello")];
    let made = image::build(&factory.tree.path("bin/runlet"), &bundles, &file)?;
    let mut lines = Vec::new();
    let booted = boot_image(kernel.name, &file, BOOT_LIMIT, &mut |line| lines.push(line.to_owned()));
    std::fs::remove_file(&file).context(|| format!("remove {}", file.display()))?;
    let first = booted?;
    if lines.first().map(String::as_str) != Some("hello from a container, pid 1") {
        return Err(Error::new(format!("the container's line is not the first:\n{}", lines.join("\n"))));
    }
    if made.size > IMAGE_LIMIT {
        return Err(Error::new(format!("{} bytes, more than {IMAGE_LIMIT}", made.size)));
    }
    Ok(format!(
        "{:>6.1} s to the container's line, {} bytes with {}",
        first.as_secs_f64(),
        made.size,
        made.packer
    ))
}

/// What the matrix, or one boot, came to.
#[derive(Default)]
pub struct Summary {
    rows: Vec<String>,
    failures: Vec<String>,
    /// Milliseconds and place of the program that took longest.
    slowest: (u64, String),
    /// Tests that passed, failed, were skipped.
    pub passed: u32,
    /// See `passed`.
    pub failed: u32,
    /// See `passed`.
    pub skipped: u32,
    /// Parts that this machine cannot run, each a name and a reason.
    pub missing: Vec<String>,
}

impl Summary {
    fn add(&mut self, cell: Cell, report: Result<Report>) {
        let place = format!("{:<6} {:<9} {:<9}", cell.kernel.name, cell.root.name, cell.environment.name);
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                self.failed += 1;
                self.rows.push(format!("{place} not booted: {error}"));
                self.failures.push(format!("{place} not booted: {error}"));
                return;
            }
        };
        let boot = report.boot.map(|boot| format!("{:.1}", boot.as_secs_f64())).unwrap_or_default();
        let total = report.total.as_secs_f64();
        for outcome in &report.outcomes {
            self.slowest =
                self.slowest.clone().max((outcome.milliseconds, format!("{place} {}", outcome.name)));
            if outcome.failed > 0 || !outcome.status.is_empty() {
                let (name, status) = (&outcome.name, &outcome.status);
                self.failures.push(format!("{place} {name} {status}\n{}", outcome.output.join("\n")));
            }
            for line in outcome.output.iter().filter_map(|line| boot::skip_of(line)) {
                self.missing.push(format!("{place} {line}"));
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
        self.rows
            .push(format!("{place} {passed:>6} {failed:>6} {skipped:>7} {boot:>6} {total:>7.1}  {word}"));
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
    }

    /// `cargo image` as a cell: made, small enough, and booted into its container.
    fn add_image(&mut self, kernel: &'static Kernel, factory: &Factory) {
        let place = format!("{:<6} {:<9} {:<9}", kernel.name, "image", "hello");
        match image_cell(kernel, factory) {
            Ok(words) => {
                self.passed += 1;
                self.rows.push(format!("{place} {:>6} {:>6} {:>7} {words}", 1, 0, 0));
            }
            Err(error) => {
                self.failed += 1;
                self.rows.push(format!("{place} {:>6} {:>6} {:>7}  FAILED", 0, 1, 0));
                self.failures.push(format!("{place} {error}"));
            }
        }
    }

    fn print(&self, with_failures: bool) {
        println!();
        if with_failures {
            for failure in &self.failures {
                println!("---- {failure}\n");
            }
        }
        println!(
            "{:<6} {:<9} {:<9} {:>6} {:>6} {:>7} {:>6} {:>7}",
            "kernel", "root", "env", "passed", "failed", "skipped", "boot s", "total s"
        );
        for row in &self.rows {
            println!("{row}");
        }
        if !self.slowest.1.is_empty() {
            println!("slowest: {} ({:.1} s)", self.slowest.1, self.slowest.0 as f64 / 1000.0);
        }
        for line in &self.missing {
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

/// Boots every cell of one kernel with one suite, two guests at a time, prints the result, and returns the sum. A kernel that this
/// machine cannot get, or a machine without QEMU, is skipped by name and is no failure.
pub fn matrix(kernel: &str, test: &str) -> Result<Summary> {
    run_matrix(&Options { kernel: Some(kernel.into()), tests: vec![test.into()], ..Options::default() })
}

fn run_matrix(options: &Options) -> Result<Summary> {
    let only = options.kernel.as_deref();
    let mut summary = Summary::default();
    if let Err(error) = setup::ensure(&[setup::QEMU]) {
        summary.missing.push(format!("SKIP matrix: {error}"));
        summary.skipped += 1;
        summary.print(true);
        return Ok(summary);
    }
    let mut kernels = Vec::new();
    for row in KERNELS.iter().filter(|row| only.is_none_or(|only| only == row.name)) {
        match kernel::fetch(row) {
            Ok(_) => kernels.push(row),
            Err(error) => {
                summary.missing.push(format!("SKIP kernel {}: {error}", row.name));
                summary.skipped += 1;
            }
        }
    }
    let named: Vec<&str> = options.tests.iter().map(String::as_str).collect();
    let mut wanted = named;
    if wanted.is_empty() {
        wanted = ENVIRONMENTS.iter().flat_map(built_for).collect();
        wanted.sort();
        wanted.dedup();
    }
    let factory = Factory::new(&kernels, &wanted, options)?;
    let mut cells = Vec::new();
    for kernel in kernels.iter().copied() {
        for environment in ENVIRONMENTS {
            for root in environment.roots {
                let cell = Cell { kernel, root: root_row(root)?, environment };
                if !plan(cell, &factory.tree.tests).is_empty() {
                    cells.push(cell);
                }
            }
        }
    }
    let started = Instant::now();
    let next = Mutex::new(cells.iter().copied().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(2) {
            scope.spawn(|| {
                loop {
                    let cell = next.lock().ok().and_then(|mut cells| cells.next());
                    let Some((number, cell)) = cell else { return };
                    let plan = plan(cell, &factory.tree.tests);
                    let report =
                        factory.with_machine(cell, &plan, |machine| machine.run(BOOT_LIMIT, &mut |_| {}));
                    let good = report
                        .as_ref()
                        .is_ok_and(|report| report.verdict.is_some_and(|(_, failed, _)| failed == 0));
                    let (kernel, root, env) = (cell.kernel.name, cell.root.name, cell.environment.name);
                    println!("  {kernel} {root} {env}: {}", if good { "ok" } else { "FAILED" });
                    if let Ok(mut done) = done.lock() {
                        done.push((number, cell, report));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_| Error::new("a boot's thread failed"))?;
    done.sort_by_key(|(number, ..)| *number);
    for (_, cell, report) in done {
        summary.add(cell, report);
    }
    for kernel in kernels {
        summary.add_image(kernel, &factory);
    }
    summary.print(true);
    println!(
        "{} boots in {:.0} s: {} passed, {} failed, {} skipped",
        cells.len(),
        started.elapsed().as_secs_f64(),
        summary.passed,
        summary.failed,
        summary.skipped
    );
    Ok(summary)
}

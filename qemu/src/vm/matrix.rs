//! Many boots, two guests at a time, and one table. Called by `cargo vm -- matrix` and by `cargo verify`.

use super::boot::{self, Report};
use super::environment::{ENVIRONMENTS, KERNELS, Kernel};
use super::factory::Factory;
use super::plan::{self, Cell, Extent};
use super::summary::Summary;
use super::{boot_image, kernel};
use crate::host::{Context, Error, Result};
use crate::{image, setup};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Hard limit for one boot.
pub const BOOT_LIMIT: Duration = Duration::from_secs(3600);

/// Guests at a time: each is one busy thread.
const GUESTS: usize = 2;

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

/// Boots what `extent` has, prints the result, and returns the sum. `only` is one kernel; `tests` are the test binaries to build, all that the
/// tables name when there are none. A kernel that this machine cannot get, or a machine without QEMU, is skipped by name and is no failure.
pub fn run(extent: Extent, only: Option<&str>, tests: &[String], runtime: Option<&Path>) -> Result<Summary> {
    let mut summary = Summary::default();
    if let Err(error) = setup::ensure(&[setup::QEMU]) {
        summary.skip(format!("SKIP matrix: {error}"));
        summary.print(true);
        return Ok(summary);
    }
    let mut kernels = Vec::new();
    for row in KERNELS.iter().filter(|row| only.is_none_or(|only| only == row.name)) {
        match kernel::fetch(row) {
            Ok(_) => kernels.push(row),
            Err(error) => summary.skip(format!("SKIP kernel {}: {error}", row.name)),
        }
    }
    let mut wanted: Vec<&str> = tests.iter().map(String::as_str).collect();
    if wanted.is_empty() {
        let rows = ENVIRONMENTS.iter().filter(|environment| !environment.roots.is_empty());
        wanted = rows.flat_map(plan::binaries).collect();
        wanted.sort_unstable();
        wanted.dedup();
    }
    let factory = Factory::new(&kernels, &wanted, &[], runtime)?;
    let (mut cells, left) = plan::cells(&kernels, extent)?;
    cells.retain(|cell| !cell.plan(&factory.tree.tests).is_empty());
    left.into_iter().for_each(|line| summary.skip(line));
    let started = Instant::now();
    for (cell, report) in boot_all(&factory, &cells)? {
        summary.add(cell, report);
    }
    for kernel in kernels {
        let place = format!("{:<6} {:<9} {:<9} {:<10}", kernel.name, "image", "hello", "");
        match image_cell(kernel, &factory) {
            Ok(words) => summary.pass(&place, &words),
            Err(error) => summary.fail(&place, &error.to_string()),
        }
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

/// All cells' reports, in the cells' order.
fn boot_all(factory: &Factory, cells: &[Cell]) -> Result<Vec<(Cell, Result<Report>)>> {
    let next = Mutex::new(cells.iter().copied().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(GUESTS) {
            scope.spawn(|| {
                loop {
                    let cell = next.lock().ok().and_then(|mut cells| cells.next());
                    let Some((number, cell)) = cell else { return };
                    let plan = cell.plan(&factory.tree.tests);
                    let report =
                        factory.with_machine(cell, &plan, |machine| machine.run(BOOT_LIMIT, &mut |_| {}));
                    let verdict = report.as_ref().ok().and_then(|report| report.verdict);
                    let good = verdict.is_some_and(|(_, failed, _)| failed == 0);
                    println!("  {}: {}", cell.place().trim_end(), if good { "ok" } else { "FAILED" });
                    if let Ok(mut done) = done.lock() {
                        done.push((number, cell, report));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().map_err(|_| Error::new("a boot's thread failed"))?;
    done.sort_by_key(|(number, ..)| *number);
    Ok(done.into_iter().map(|(_, cell, report)| (cell, report)).collect())
}

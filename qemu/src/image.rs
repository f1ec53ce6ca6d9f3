//! `cargo image`: an initramfs of one's own that boots straight into one container or several.
//!
//! What goes in: the runtime, a static busybox, an init of a few lines (image-init.sh), and the bundles as they are, owners and modes kept. Not the kernel.
//! The test image is something else and is made by vm/tree.rs.

use crate::dist;
use crate::host::{self, Context, Error, Result};
use crate::vm::cpio::{Archive, Owners};
use crate::vm::{self, tree};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const USAGE: &str = "\
usage: cargo image -o FILE [--boot [--kernel NAME]] BUNDLE...

Makes an initramfs with the runtime, a static busybox and the bundles. Its init runs every bundle as a container named after its
directory and powers off when all have ended.

  -o FILE         where it goes; compressed with xz, or gzip where there is no xz
  --boot          then boot it under QEMU, and say how long it took to the container's first line
  --kernel NAME   for --boot: 6.12 unless named

example: cargo image -o my.initramfs ./my-bundle
";

const INIT: &str = include_str!("image-init.sh");

/// Time for `--boot`, in which the containers must end.
const LIMIT: Duration = Duration::from_secs(300);

/// `cargo image`.
pub fn main(arguments: &[String]) -> Result<()> {
    let mut output = None;
    let mut bundles: Vec<PathBuf> = Vec::new();
    let mut boot = false;
    let mut kernel = "6.12".to_owned();
    let mut rest = arguments.iter().filter(|argument| *argument != "--");
    while let Some(argument) = rest.next() {
        let mut value =
            || rest.next().cloned().ok_or_else(|| Error::new(format!("{argument} takes a value\n\n{USAGE}")));
        match argument.as_str() {
            "-o" | "--output" => output = Some(PathBuf::from(value()?)),
            "--boot" => boot = true,
            "--kernel" => kernel = value()?,
            "-h" | "--help" => {
                print!("{USAGE}");
                return Ok(());
            }
            flag if flag.starts_with('-') => {
                return Err(Error::new(format!("unknown argument {flag:?}\n\n{USAGE}")));
            }
            bundle => bundles.push(bundle.into()),
        }
    }
    let output = output.ok_or_else(|| Error::new(format!("-o FILE is missing\n\n{USAGE}")))?;
    if bundles.is_empty() {
        return Err(Error::new(format!("name at least one bundle\n\n{USAGE}")));
    }
    let runtime = dist::build(dist::NATIVE)?.file;
    let image = build(&runtime, &bundles, &output)?;
    println!("{}", image.contents);
    println!("{}: {} bytes with {}, kernel aside", output.display(), image.size, image.packer);
    if boot {
        let first = vm::boot_image(&kernel, &output, LIMIT, &mut |line| println!("{line}"))?;
        println!("first line of a container {:.1} s after QEMU was started", first.as_secs_f64());
    }
    Ok(())
}

/// What was made.
pub struct Made {
    /// Its parts and their sizes, for a person.
    pub contents: String,
    /// Bytes of the finished file.
    pub size: usize,
    /// The program that compressed it.
    pub packer: &'static str,
}

/// Writes the image with `runtime` in it.
pub fn build(runtime: &Path, bundles: &[PathBuf], output: &Path) -> Result<Made> {
    let mut archive = Archive::new();
    for name in ["bundles", "dev", "proc", "run", "sys", "tmp"] {
        archive.directory(name, 0o755)?;
    }
    tree::console(&mut archive)?;
    let busybox = tree::busybox()?;
    archive.host_file("bin/runlet", runtime)?;
    archive.host_file("bin/busybox", &busybox)?;
    archive.symlink("bin/sh", "busybox")?;
    archive.file("init", 0o755, INIT.as_bytes())?;
    for bundle in bundles {
        let bundle = bundle.canonicalize().context(|| format!("bundle {}", bundle.display()))?;
        if !bundle.join("config.json").is_file() {
            return Err(Error::new(format!("{}: no config.json here", bundle.display())));
        }
        let name = bundle.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::new(format!("{}: has no plain name", bundle.display())))?;
        archive.host_tree(&format!("bundles/{name}"), &bundle, Owners::Kept)?;
    }
    let plain = archive.finish();
    let (packed, packer) = compress(&plain)?;
    std::fs::write(output, &packed).context(|| format!("write {}", output.display()))?;
    let size = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    let contents = format!(
        "runlet {} + busybox {} + init {} + {} bundle(s) = {} bytes",
        size(runtime),
        size(&busybox),
        INIT.len(),
        bundles.len(),
        plain.len()
    );
    Ok(Made { contents, size: packed.len(), packer })
}

/// xz packs the bundle's copy of a program that the image has too nearly to nothing. The kernel's own decompressor checks CRC-32 and no other sum.
fn compress(plain: &[u8]) -> Result<(Vec<u8>, &'static str)> {
    let (program, arguments): (&str, &[&str]) = match host::find_program("xz") {
        Some(_) => ("xz", &["-9e", "--check=crc32", "--threads=1", "-c"]),
        None => ("gzip", &["-9", "-n", "-c"]),
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context(|| program.to_owned())?;
    let mut input = child.stdin.take().ok_or_else(|| Error::new(format!("{program}: no stdin")))?;
    let output = std::thread::scope(|scope| {
        let writing = scope.spawn(move || input.write_all(plain));
        let output = child.wait_with_output();
        let written = writing.join().map_err(|_| Error::new(format!("{program}: writer failed")))?;
        written.context(|| format!("write to {program}"))?;
        output.context(|| program.to_owned())
    })?;
    if output.status.success() {
        Ok((output.stdout, program))
    } else {
        Err(Error::new(format!("{program}: {}", output.status)))
    }
}

//! `cargo dist`: the static musl binary that ships, made from what the machine has, and one line that says which.
//!
//! Two ways, tried in this order: rustup's std sources built for size, linked with the compiler's own rust-lld and the C library that
//! rustup ships with its musl targets, so that a foreign architecture needs no cross tools; Debian's compiler with std built from
//! Debian's sources. A prebuilt std has thread-local storage, which the program does without.
//! Called by main, demo, verify and the image builder.

use crate::host::{self, Context, Error, Result};
use crate::setup;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The most that the binary of [`NATIVE`] may weigh, in bytes.
/// Instructions of other machines are longer and shorter: ARM's are by a third shorter, those of MIPS longer.
pub const SIZE_LIMIT: u64 = 300_000;

/// The target that `target/dist/runlet` is made for: the machine that builds.
pub const NATIVE: &str = native();

const fn native() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "aarch64-unknown-linux-musl"
    } else if cfg!(target_arch = "riscv64") {
        "riscv64gc-unknown-linux-musl"
    } else {
        "x86_64-unknown-linux-musl"
    }
}

/// A binary that was built, and how.
pub struct Built {
    /// Where it lies.
    pub file: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Which compiler and std it came from.
    pub how: String,
}

/// One way to a binary: its name for `--std`, what decides whether it can be gone, whether it installs a compiler.
struct Way {
    name: &'static str,
    prepare: fn(&str) -> Result<Recipe>,
    installs_a_compiler: bool,
}

const WAYS: &[Way] = &[
    Way { name: "rustup-source", prepare: rustup_source, installs_a_compiler: false },
    Way { name: "debian-source", prepare: debian_source, installs_a_compiler: true },
];

/// `cargo dist [--target TRIPLE] [--std WAY]`.
///
/// # Errors
/// As [`build`], and unknown arguments.
pub fn main(arguments: &[String]) -> Result<()> {
    let mut target = NATIVE;
    let mut ways: Vec<&Way> = WAYS.iter().collect();
    let mut words = arguments.iter().flat_map(|word| word.splitn(2, '='));
    while let Some(word) = words.next() {
        let chosen = |value| WAYS.iter().filter(move |way| way.name == value);
        match (word, words.next()) {
            ("--target", Some(value)) => target = value,
            ("--std", Some(value)) if chosen(value).count() == 1 => ways = chosen(value).collect(),
            _ => {
                let names: Vec<&str> = WAYS.iter().map(|way| way.name).collect();
                let names = names.join("|");
                return Err(Error::new(format!("usage: cargo dist [--target TRIPLE] [--std {names}]")));
            }
        }
    }
    let start = Instant::now();
    let built = build_one_of(target, &ways)?;
    println!("{}  {} bytes", built.file.display(), built.size);
    println!("{target}, {}, in {:.0} s", built.how, start.elapsed().as_secs_f32());
    if target == NATIVE && built.size > SIZE_LIMIT {
        return Err(Error::new(format!("{} bytes are more than {SIZE_LIMIT}", built.size)));
    }
    Ok(())
}

/// Builds the package's binary for `target` and puts it, stripped, below target/dist.
///
/// # Errors
/// No way to get a std for the target, a build that fails, a result that is not static or holds a path of this machine.
pub fn build(target: &str) -> Result<Built> {
    build_one_of(target, &WAYS.iter().collect::<Vec<_>>())
}

fn build_one_of(target: &str, ways: &[&Way]) -> Result<Built> {
    let mut reasons = Vec::new();
    let mut compiled = false;
    for way in ways {
        // What did not compile will not compile with a compiler installed for the purpose either.
        if compiled && way.installs_a_compiler {
            break;
        }
        let result = (way.prepare)(target).and_then(|mut recipe| {
            compiled = true;
            Ok((recipe.run(target, way.name)?, recipe.how))
        });
        match result {
            Ok((binary, how)) => return finish(target, &binary, how),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(Error::new(format!("nothing to build {target} with:\n  {}", reasons.join("\n  "))))
}

fn finish(target: &str, binary: &Path, how: String) -> Result<Built> {
    let mut directory = host::target_directory().join("dist");
    if target != NATIVE {
        directory.push(target);
    }
    std::fs::create_dir_all(&directory).context(|| format!("make {}", directory.display()))?;
    let bytes = std::fs::read(binary).context(|| format!("read {}", binary.display()))?;
    if !is_static(&bytes).unwrap_or(false) {
        let file = binary.display();
        return Err(Error::new(format!(
            "{file} is not a static ELF executable without thread-local storage"
        )));
    }
    for private in [host::workspace(), cargo_home()] {
        let private = private.display().to_string();
        if private.len() > 1 && bytes.windows(private.len()).any(|window| window == private.as_bytes()) {
            return Err(Error::new(format!("{} holds the path {private} of this machine", binary.display())));
        }
    }
    let size = bytes.len() as u64;
    // A new file and a rename: a test that still runs the old binary keeps it (ETXTBSY otherwise).
    let file = directory.join("runlet");
    let fresh = directory.join(".runlet.new");
    std::fs::copy(binary, &fresh).context(|| format!("copy {} to {}", binary.display(), fresh.display()))?;
    std::fs::rename(&fresh, &file).context(|| format!("rename to {}", file.display()))?;
    Ok(Built { file, size, how })
}

/// Everything decided before cargo runs: one way to get a compiler, a std and a C library.
struct Recipe {
    cargo: Command,
    flags: Vec<String>,
    how: String,
}

/// rustup's compiler, std built from its rust-src component for size, without unwinding or panic messages.
fn rustup_source(target: &str) -> Result<Recipe> {
    let sysroot = rustup_sysroot()?;
    if !sysroot.join("lib/rustlib/src/rust/library/Cargo.toml").exists() {
        host::output(Command::new("rustup").args(["--quiet", "component", "add", "rust-src"]))?;
    }
    // Targets without a prebuilt std have no C library there either.
    let musl = match rustup_musl(&sysroot, target) {
        Err(_) if setup::debian_architecture(target).is_some() => setup::musl(target)?,
        musl => musl?,
    };
    let mut flags = size_flags(target);
    // With LLVM 20, which Debian's compiler has not: functions that differ in constants only become one (half a percent), and
    // blocks are placed for the fewest and shortest jumps (1 %).
    flags.extend(
        ["-enable-global-merge-func", "-apply-ext-tsp-for-size"].map(|flag| format!("-Cllvm-args={flag}")),
    );
    flags.extend(lld_flags(target, &rust_lld(&sysroot)?, &musl));
    let how = format!("{}, std built from rust-src for size, {}", version("rustc")?, musl.from);
    Ok(Recipe { cargo: Command::new("cargo"), flags, how })
}

/// Debian's compiler of today (rustc-web) with std from rust-web-src and Debian's musl.
fn debian_source(target: &str) -> Result<Recipe> {
    setup::ensure(&[setup::DEBIAN_RUST])?;
    let musl = setup::musl(target)?;
    let mut flags = size_flags(target);
    match rustup_sysroot().and_then(|sysroot| rust_lld(&sysroot)) {
        Ok(linker) => flags.extend(lld_flags(target, &linker, &musl)),
        Err(_) if target == NATIVE => {
            flags.extend(["-Clinker=musl-gcc".into(), "-Clink-self-contained=no".into()]);
            flags.push(format!("-L{}", musl.directory.display()));
        }
        Err(error) => return Err(error),
    }
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo.env("RUSTC", "/usr/bin/rustc");
    let how = format!(
        "Debian's {}, std built from rust-web-src for size, {}",
        version("/usr/bin/rustc")?,
        musl.from
    );
    Ok(Recipe { cargo, flags, how })
}

fn version(compiler: &str) -> Result<String> {
    host::output(Command::new(compiler).arg("--version")).map(|text| text.trim().to_owned())
}

/// Flags that make std and the program small; the panic strategy leaves no message, no unwinder and no backtrace, which a
/// program whose lints forbid panics does not miss. What the compiler inlines before LLVM weighs costs it 15 %. A function with
/// much on its stack stays one of its own (2 %: short offsets), and sequences of instructions that recur become functions (2 %).
/// A call costs a little more than LLVM thinks, and a table of jumps its relocations (0.4 %).
/// Where two branches share an instruction it stays in both: once it is shared, LLVM no longer sees that nothing is left of a
/// drop (`syscalls::Bump`; 4 %). A value that is computed early is one that a register or the stack keeps: what moves it out of
/// a loop, merges it with an equal one or sums up addresses ahead is left out (2 %).
fn size_flags(target: &str) -> Vec<String> {
    let mut flags = remap_flags();
    if target.starts_with("armv7") {
        flags.push("-Ctarget-feature=+thumb-mode".into()); // a quarter shorter than ARM code
    }
    flags.extend(
        ["-Zunstable-options", "-Cpanic=immediate-abort", "-Cforce-unwind-tables=no", "-Zinline-mir=no"]
            .map(String::from),
    );
    let arguments = [
        "-inline-max-stacksize=128",
        "-inline-call-penalty=40",
        "-enable-machine-outliner=always",
        "-simplifycfg-sink-common=false",
        "-min-jump-table-entries=8",
        "-disable-machine-licm",
        "-disable-machine-cse",
        "-disable-lsr",
        "-disable-constant-hoisting",
    ];
    flags.extend(arguments.map(|argument| format!("-Cllvm-args={argument}")));
    flags
}

/// Two checkouts give the same bytes: no path of the machine goes into the binary.
fn remap_flags() -> Vec<String> {
    let mut flags = vec![format!("--remap-path-prefix={}=runlet", host::workspace().display())];
    flags.push(format!("--remap-path-prefix={}=cargo", cargo_home().display()));
    if let Ok(sysroot) = rustup_sysroot() {
        flags.push(format!("--remap-path-prefix={}=rust", sysroot.display()));
    }
    flags
}

/// A static program at fixed addresses, which the kernel maps as it is. One that relocates itself first (static-pie) is 2 %
/// longer, takes 2.6 page faults and an eighth of the time of a start more, and `create` starts twice (src/seal.rs).
fn lld_flags(target: &str, linker: &Path, musl: &setup::Musl) -> Vec<String> {
    let directory = musl.directory.display();
    let mut flags = vec![
        format!("-Clinker={}", linker.display()),
        "-Clinker-flavor=ld.lld".into(),
        "-Ctarget-feature=+crt-static".into(),
        "-Crelocation-model=static".into(),
        "-Clink-self-contained=no".into(),
        format!("-L{directory}"),
    ];
    let objects = ["crt1.o", "crti.o", "crtn.o"].map(|object| format!("{directory}/{object}"));
    // Nothing reads the table of sections of a program that is only run.
    let how = [
        "-static",
        "-no-pie",
        "-lc",
        "--icf=all",
        "--build-id=none",
        "--no-eh-frame-hdr",
        "-znosectionheader",
    ];
    let mut arguments: Vec<&str> = objects.iter().map(String::as_str).collect();
    arguments.extend(how);
    if target.starts_with("powerpc64") {
        // The table of contents of a PowerPC object holds on to what no code of it uses.
        arguments.extend(["--defsym=_Unwind_GetTextRelBase=0", "--defsym=_Unwind_GetDataRelBase=0"]);
    }
    flags.extend(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    flags
}

impl Recipe {
    /// Builds, and returns the linked binary's path. Each way has a build directory of its own below target/dist-build.
    fn run(&mut self, target: &str, way: &str) -> Result<PathBuf> {
        let directory = host::target_directory().join("dist-build").join(way);
        self.cargo
            .current_dir(host::workspace())
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\u{1f}"))
            .env("RUNLET_COMMIT", commit())
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["build", "--quiet", "--release", "--locked", "--package", "runlet", "--bin", "runlet"])
            .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"])
            .args(["--target", target, "--target-dir"])
            .arg(&directory);
        host::output(&mut self.cargo)?;
        Ok(directory.join(target).join("release/runlet"))
    }
}

/// The commit that `--version` names: its hash, with "-dirty" when tracked files differ; "unknown" outside of a checkout.
fn commit() -> String {
    let mut git = Command::new("git");
    git.current_dir(host::workspace()).args([
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
        "--exclude=*",
    ]);
    host::output(&mut git).map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

fn rustup_sysroot() -> Result<PathBuf> {
    if host::find_program("rustup").is_none() {
        return Err(Error::new("rustup is not installed"));
    }
    let text =
        host::output(Command::new("rustc").current_dir(host::workspace()).args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(text.trim()))
}

/// The C library that rustup ships with its musl targets.
fn rustup_musl(sysroot: &Path, target: &str) -> Result<setup::Musl> {
    let directory = sysroot.join("lib/rustlib").join(target).join("lib/self-contained");
    if !directory.exists() {
        host::output(Command::new("rustup").args(["--quiet", "target", "add", target]))?;
    }
    if !directory.exists() {
        return Err(Error::new(format!("rustup added {target}, but there is no {}", directory.display())));
    }
    Ok(setup::Musl { directory, from: "rustup's musl".into() })
}

fn rust_lld(sysroot: &Path) -> Result<PathBuf> {
    let compiler = host::output(Command::new("rustc").arg("-vV"))?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    if linker.exists() { Ok(linker) } else { Err(Error::new(format!("no {}", linker.display()))) }
}

fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cargo")
    })
}

/// Whether these bytes are a static executable, from the ELF header and program headers (elf(5)): one with an interpreter
/// nothing would load in an initramfs. Thread-local storage the program does not set up (syscalls/src/entry.rs). None for
/// what ends too early.
fn is_static(bytes: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    const PT_TLS: u32 = 7;
    const ET_EXEC: u16 = 2;
    let wide = bytes.get(4) == Some(&2);
    let little = bytes.get(5) == Some(&1);
    let number = |offset: usize, length: usize| -> Option<u64> {
        let field = bytes.get(offset..offset.checked_add(length)?)?;
        let fold = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        Some(if little { field.iter().rev().fold(0, fold) } else { field.iter().fold(0, fold) })
    };
    let (table, size, count) = if wide {
        (number(32, 8)?, number(54, 2)?, number(56, 2)?)
    } else {
        (number(28, 4)?, number(42, 2)?, number(44, 2)?)
    };
    let mut is = bytes.starts_with(b"\x7fELF") && number(16, 2)? as u16 == ET_EXEC;
    for index in 0..count {
        let segment = number((table + index * size) as usize, 4)? as u32;
        is &= !matches!(segment, PT_INTERP | PT_TLS);
    }
    Some(is)
}

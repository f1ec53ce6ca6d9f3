//! `syscall-tables`: makes `src/compile/seccomp/table/syscalls.tbl`, the one table from which the seccomp compiler takes
//! system call numbers. Run by a person when a newer kernel's numbers are wanted, never by a build.
//!
//! Source: the per-architecture constants of the crate linux-raw-sys, which bindgen took from the kernel's exported
//! headers (0.12.1: Linux 6.17). Two tables that machines can run are not in that crate: MIPS n32 and 31-bit s390.
//! They come from Debian's `linux-libc-dev-mips64el-cross` and `linux-libc-dev-s390x-cross` (Linux 6.1), unpacked or
//! installed, and are completed by the rule that since Linux 5.1 a new call has one number on every architecture.

use crate::host::{self, Context, Error, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A column of the table, and where its numbers are.
enum Source {
    /// A directory of linux-raw-sys.
    Crate(&'static str),
    /// A header of a Debian cross package, and the column whose newer calls complete it.
    Header(&'static str, &'static str),
}

const COLUMNS: &[(&str, Source)] = &[
    ("x86_64", Source::Crate("x86_64")),
    ("x86", Source::Crate("x86")),
    ("x32", Source::Crate("x32")),
    ("aarch64", Source::Crate("aarch64")),
    ("arm", Source::Crate("arm")),
    ("riscv64", Source::Crate("riscv64")),
    ("loongarch64", Source::Crate("loongarch64")),
    ("mips64", Source::Crate("mips64")),
    ("mips", Source::Crate("mips")),
    ("mips64n32", Source::Header("mips64el-linux-gnuabi64/include/asm/unistd_n32.h", "mips64")),
    ("ppc64", Source::Crate("powerpc64")),
    ("s390x", Source::Crate("s390x")),
    ("s390", Source::Header("s390x-linux-gnu/include/asm/unistd_32.h", "s390x")),
];

/// x32 numbers carry this bit in the headers; the table leaves it out (`__X32_SYSCALL_BIT`).
const X32_BIT: u32 = 0x4000_0000;

/// From this number on (Linux 5.1) calls are numbered alike everywhere; 403 to 423 are the 64-bit times of 32-bit machines.
const SHARED: u32 = 424;

/// Constants of the headers that look like calls and are none: bases, masks, and the placeholders of old tables.
const NOT_CALLS: &[&str] =
    &["Linux", "OABI_SYSCALL_BASE", "SYSCALL_BASE", "SYSCALL_MASK", "syscalls", "arch_specific_syscall"];

/// What the source lacks: the calls of ARM outside its table (arch/arm/include/uapi/asm/unistd.h, `__ARM_NR_BASE` + 1 to
/// 6), and uprobe of Linux 6.18 (arch/x86/entry/syscalls/syscall_64.tbl).
const MISSING: &[(&str, &str, u32)] = &[
    ("arm", "breakpoint", 0xf0001),
    ("arm", "cacheflush", 0xf0002),
    ("arm", "usr26", 0xf0003),
    ("arm", "usr32", 0xf0004),
    ("arm", "set_tls", 0xf0005),
    ("arm", "get_tls", 0xf0006),
    ("x86_64", "uprobe", 336),
    ("x32", "uprobe", 336),
];

/// Calls newer than the source, numbered alike everywhere (include/uapi/asm-generic/unistd.h of Linux 6.19 and 7.0).
/// 31-bit s390 was frozen before them.
const NEWER: &[(&str, u32)] = &[("listns", 470), ("rseq_slice_yield", 471)];

/// Entries of multiplexed calls that no table has under a number of their own (linux/net.h).
const WITHOUT_NUMBER: &[&str] = &["recv", "send"];

/// `syscall-tables [--headers DIR]`: DIR holds what the cross packages put into /usr.
pub fn main(arguments: &[String]) -> Result<()> {
    let headers = match arguments {
        [] => PathBuf::from("/usr"),
        [flag, directory] if flag == "--headers" => PathBuf::from(directory),
        _ => return Err(Error::new("usage: syscall-tables [--headers DIR]")),
    };
    let (source, version) = linux_raw_sys()?;
    let mut columns: BTreeMap<&str, BTreeMap<String, u32>> = BTreeMap::new();
    for (column, from) in COLUMNS {
        let calls = match from {
            Source::Crate(directory) => {
                calls(&source.join("src").join(directory).join("general.rs"), "pub const __NR_")?
            }
            Source::Header(file, sibling) => {
                let mut calls = calls(&headers.join(file), "#define __NR_")?;
                let sibling =
                    columns.get(sibling).ok_or_else(|| Error::new("columns are in the wrong order"))?;
                complete(&mut calls, sibling)?;
                calls
            }
        };
        columns.insert(column, calls);
    }
    for (column, name, number) in MISSING {
        columns.entry(column).or_default().insert((*name).to_string(), *number);
    }
    for (column, calls) in columns.iter_mut().filter(|(column, _)| **column != "s390") {
        let base = base(calls).ok_or_else(|| Error::new(format!("{column} has no pidfd_send_signal")))?;
        calls.extend(NEWER.iter().map(|(name, number)| ((*name).to_string(), base + number)));
    }

    let mut names: Vec<&str> = columns.values().flat_map(|calls| calls.keys().map(String::as_str)).collect();
    names.extend(WITHOUT_NUMBER);
    names.sort_unstable();
    names.dedup();
    let kernel = kernel_version(&source)?;
    let mut text = format!(
        "# System call numbers of Linux {kernel}, made by `cargo run -p qemu -- syscall-tables` from linux-raw-sys {version}\n\
         # and the generator's own list of newer ones; mips64n32 and s390 from the headers of Debian's cross packages\n\
         # (Linux 6.1), completed from {SHARED} on. Do not edit.\n\
         # x32 without its bit 30. A dash: not a call of that architecture.\nname"
    );
    for (column, _) in COLUMNS {
        let _ = write!(text, " {column}");
    }
    for name in &names {
        let _ = write!(text, "\n{name}");
        for (column, _) in COLUMNS {
            let _ = match columns.get(column).and_then(|calls| calls.get(*name)) {
                Some(number) => write!(text, " {number}"),
                None => write!(text, " -"),
            };
        }
    }
    text.push('\n');
    let file = host::workspace().join("src/compile/seccomp/table/syscalls.tbl");
    std::fs::write(&file, text).context(|| format!("write {}", file.display()))?;
    println!("{}: {} names, {} columns, Linux {kernel}", file.display(), names.len(), COLUMNS.len());
    Ok(())
}

/// Where cargo keeps the source of linux-raw-sys as Cargo.lock pins it, and its version.
fn linux_raw_sys() -> Result<(PathBuf, String)> {
    let metadata = host::output(
        Command::new("cargo").current_dir(host::workspace()).args(["metadata", "--format-version=1"]),
    )?;
    metadata
        .split('"')
        .filter_map(|text| text.strip_suffix("/Cargo.toml"))
        .find_map(|directory| {
            Some((PathBuf::from(directory), directory.rsplit_once("/linux-raw-sys-")?.1.to_string()))
        })
        .ok_or_else(|| Error::new("cargo metadata names no linux-raw-sys"))
}

fn kernel_version(source: &Path) -> Result<String> {
    let file = source.join("src/x86_64/general.rs");
    let text = std::fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
    let code: u32 = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("pub const LINUX_VERSION_CODE: u32 = ")?.strip_suffix(';')?.parse().ok()
        })
        .ok_or_else(|| Error::new(format!("{}: no LINUX_VERSION_CODE", file.display())))?;
    Ok(format!("{}.{}", code >> 16, code >> 8 & 0xff))
}

/// The calls of one file: `pub const __NR_read: u32 = 0;` or `#define __NR_read 0` or `#define __NR_read (__NR_Linux + 0)`.
fn calls(file: &Path, prefix: &str) -> Result<BTreeMap<String, u32>> {
    let text = std::fs::read_to_string(file).context(|| format!("read {}", file.display()))?;
    let base = if file.ends_with("unistd_n32.h") { 6000 } else { 0 };
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) =
            line.strip_prefix(prefix).and_then(|rest| rest.split_once([':', ' ', '\t']))
        else {
            continue;
        };
        let digits: String = value
            .rsplit([' ', '\t'])
            .next()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let number: u32 = digits.parse().context(|| format!("{}: {line}", file.display()))?;
        let number = if value.contains("__NR_Linux") { base + number } else { number };
        if NOT_CALLS.contains(&name) || name.starts_with("unused") || name.starts_with("reserved") {
            continue;
        }
        calls.insert(name.to_string(), number & !X32_BIT);
    }
    if calls.len() < 300 {
        return Err(Error::new(format!("{}: only {} calls", file.display(), calls.len())));
    }
    Ok(calls)
}

/// Where a table starts: 0, or 4000, 5000, 6000 on MIPS.
fn base(calls: &BTreeMap<String, u32>) -> Option<u32> {
    calls.get("pidfd_send_signal").map(|number| number - SHARED)
}

/// Adds to `calls` what `newer` has from SHARED on. Both tables must agree on where they overlap.
fn complete(calls: &mut BTreeMap<String, u32>, newer: &BTreeMap<String, u32>) -> Result<()> {
    let (Some(own), Some(other)) = (base(calls), base(newer)) else {
        return Err(Error::new("a table without pidfd_send_signal"));
    };
    for (name, number) in newer.iter().filter(|(_, number)| **number - other >= SHARED) {
        let number = number - other + own;
        if calls.insert(name.clone(), number).is_some_and(|before| before != number) {
            return Err(Error::new(format!("{name} is not numbered alike")));
        }
    }
    Ok(())
}

//! What the host must have beyond a Rust toolchain, in one place, and the installing of what is missing.
//!
//! Nothing here is needed for `cargo build` or `cargo test`. Called by dist, demo, verify and vm. Only root on a machine
//! with apt installs anything; everybody else is told by name what is missing.

use crate::host::{self, Context, Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One thing that some command needs.
pub struct Need {
    /// Debian's packages, by name.
    pub packages: &'static [&'static str],
    /// A program on PATH or an absolute path that says the packages are there.
    pub proof: &'static str,
    /// What goes missing without it, for a person.
    pub purpose: &'static str,
}

/// The system-call tracer that the budgets count with.
pub const STRACE: Need =
    Need { packages: &["strace"], proof: "strace", purpose: "counting system calls for the budget" };
/// Counts instructions and allocations.
pub const VALGRIND: Need = Need {
    packages: &["valgrind"],
    proof: "valgrind",
    purpose: "counting what compiling a seccomp profile costs",
};
/// A static userland for bundles.
pub const BUSYBOX: Need = Need {
    packages: &["busybox-static"],
    proof: "busybox",
    purpose: "the file system of test and demo bundles",
};
/// Peer for comparison.
pub const RUNC: Need = Need { packages: &["runc"], proof: "runc", purpose: "the comparison with runc" };
/// Peer for comparison.
pub const CRUN: Need = Need { packages: &["crun"], proof: "crun", purpose: "the comparison with crun" };
/// newuidmap and newgidmap, for containers of ordinary users.
pub const UIDMAP: Need =
    Need { packages: &["uidmap"], proof: "newuidmap", purpose: "id maps of an ordinary user's containers" };
/// Debian's toolchain for machines without rustup.
pub const DEBIAN_RUST: Need = Need {
    packages: &["cargo-web", "rustc-web", "rust-web-src", "musl-dev", "musl-tools"],
    proof: "/usr/lib/rustlib/src/rust/library/Cargo.toml",
    purpose: "a std built from source without rustup",
};

/// containerd with ctr and the shim.
pub const CONTAINERD: Need =
    Need { packages: &["containerd"], proof: "containerd", purpose: "ctr's flow over runlet" };
/// Docker's daemon; its client comes with it.
pub const DOCKER: Need =
    Need { packages: &["docker.io"], proof: "dockerd", purpose: "Docker's flow over runlet" };
/// Podman with conmon and what its rootless mode mounts and connects with.
pub const PODMAN: Need = Need {
    packages: &["podman", "conmon", "netavark", "fuse-overlayfs", "slirp4netns", "uidmap", "catatonit"],
    proof: "podman",
    purpose: "Podman's flow over runlet, as root and as an ordinary user",
};
/// Buildah.
pub const BUILDAH: Need =
    Need { packages: &["buildah"], proof: "buildah", purpose: "Buildah's flow over runlet" };
/// What the callers' tests make their surroundings with.
pub const IPROUTE: Need = Need {
    packages: &["iproute2", "bsdutils", "iptables"],
    proof: "ip",
    purpose: "private networks of the callers' tests",
};

/// The emulator that boots the test guests.
pub const QEMU: Need = Need {
    packages: &["qemu-system-x86"],
    proof: "qemu-system-x86_64",
    purpose: "booting kernels of our own",
};
/// Makes the read-only root of a test guest.
pub const SQUASHFS: Need =
    Need { packages: &["squashfs-tools"], proof: "mksquashfs", purpose: "a guest whose root is squashfs" };
/// Makes the read-only root of a test guest.
pub const EXT4: Need =
    Need { packages: &["e2fsprogs"], proof: "mke2fs", purpose: "a guest whose root is ext4" };

/// Compiles the SELinux policy of a test guest.
pub const SECILC: Need =
    Need { packages: &["secilc"], proof: "secilc", purpose: "a guest under an SELinux policy" };

/// The callers' programs, for their tests here and in a guest.
pub const CALLERS: &[Need] = &[IPROUTE, CONTAINERD, DOCKER, PODMAN, BUILDAH, RUNC, BUSYBOX];

/// What `cargo verify` wants on top of the toolchain.
pub const VERIFY: &[Need] =
    &[STRACE, BUSYBOX, RUNC, CRUN, UIDMAP, IPROUTE, CONTAINERD, DOCKER, PODMAN, BUILDAH];

/// Makes sure that everything in `needs` is there, installing it where that is possible.
///
/// # Errors
/// Names every package that is missing and cannot be installed, and what each is for.
pub fn ensure(needs: &[Need]) -> Result<()> {
    let missing = |needs: &[Need]| -> Vec<String> {
        let lacking = needs.iter().filter(|need| !present(need));
        lacking.flat_map(|need| need.packages.iter().map(|package| package.to_string())).collect()
    };
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    let installed = install(&packages);
    let still: Vec<String> = needs
        .iter()
        .filter(|need| !present(need))
        .map(|need| format!("{} ({})", need.packages.join(" "), need.purpose))
        .collect();
    match (still.is_empty(), installed) {
        (true, _) => Ok(()),
        (false, Ok(())) => Err(Error::new(format!("installed, but not found: {}", still.join(", ")))),
        (false, Err(error)) => Err(Error::new(format!("missing: {}; {error}", still.join(", ")))),
    }
}

/// Installs Debian packages by name, refreshing the package lists first.
///
/// # Errors
/// Not root, no apt, or apt's own failure.
pub fn install(packages: &[String]) -> Result<()> {
    if !host::is_root() || host::find_program("apt-get").is_none() {
        return Err(Error::new(format!("as root on Debian: apt-get install {}", packages.join(" "))));
    }
    let mut update = Command::new("apt-get");
    update.args(["-q", "update"]);
    let updated = host::output(&mut update);
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "install", "-y", "--no-install-recommends"])
        .args(packages);
    match (host::output(&mut command), updated) {
        (Ok(_), _) => Ok(()),
        (Err(error), Ok(_)) => Err(error),
        (Err(error), Err(update)) => Err(Error::new(format!("{error}; before that {update}"))),
    }
}

fn present(need: &Need) -> bool {
    if need.proof.starts_with('/') {
        Path::new(need.proof).exists()
    } else {
        host::find_program(need.proof).is_some()
    }
}

/// Debian's name of the architecture of a Rust target, where Debian has a musl for it.
pub fn debian_architecture(target: &str) -> Option<&'static str> {
    const TABLE: &[(&str, &str)] = &[
        ("x86_64-", "amd64"),
        ("aarch64-", "arm64"),
        ("armv7-", "armhf"),
        ("mipsel-", "mipsel"),
        ("mips64el-", "mips64el"),
        ("i686-", "i386"),
        ("powerpc64le-", "ppc64el"),
        ("s390x-", "s390x"),
        ("riscv64gc-", "riscv64"),
        ("loongarch64-", "loong64"),
    ];
    let row = TABLE.iter().find(|(prefix, _)| target.starts_with(prefix))?;
    target.contains("linux-musl").then_some(row.1)
}

/// A C library to link with.
pub struct Musl {
    /// Where crt1.o, crti.o, crtn.o and libc.a are.
    pub directory: PathBuf,
    /// Whose it is, for a person.
    pub from: String,
}

/// Debian's musl for `target`, with empty archives in place of libunwind and libgcc_s, of which an immediate-abort program
/// uses nothing. The package is unpacked, never installed. The newest there is, from [`NEWEST`]; else this machine's own.
///
/// # Errors
/// Debian has no musl for the target, or it cannot be fetched.
pub fn musl(target: &str) -> Result<Musl> {
    let architecture = debian_architecture(target)
        .ok_or_else(|| Error::new(format!("Debian has no musl-dev for {target}")))?;
    let package = fetch_from(Some(NEWEST), architecture, "musl-dev").or_else(|newest| {
        fetch(architecture, "musl-dev").map_err(|own| Error::new(format!("{newest}; {own}")))
    })?;
    let name = package.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let version = name.split('_').nth(1).unwrap_or_default();
    let directory = host::target_directory().join("musl").join(&name);
    let musl = Musl { directory: directory.join("lib"), from: format!("Debian's musl {version}") };
    if musl.directory.join("libc.a").exists() {
        return Ok(musl);
    }
    let unpacked = directory.join("unpacked");
    std::fs::create_dir_all(&unpacked).context(|| format!("make {}", unpacked.display()))?;
    host::output(Command::new("dpkg").arg("-x").arg(&package).arg(&unpacked))?;
    let usr_lib = unpacked.join("usr/lib");
    let found = std::fs::read_dir(&usr_lib)
        .context(|| format!("read {}", usr_lib.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.join("libc.a").exists())
        .ok_or_else(|| Error::new(format!("no libc.a below {}", usr_lib.display())))?;
    for stand_in in ["libunwind.a", "libgcc_s.a", "libgcc_eh.a", "libgcc.a"] {
        // The whole of an empty ar(5) archive is its magic.
        let file = found.join(stand_in);
        std::fs::write(&file, b"!<arch>\n").context(|| format!("write {}", file.display()))?;
    }
    if architecture == "mipsel" {
        for file in ["libc.a", "crt1.o", "crti.o", "crtn.o"].map(|name| found.join(name)) {
            allow_soft_float(&file)?;
        }
    }
    std::fs::rename(&found, &musl.directory).context(|| format!("rename to {}", musl.directory.display()))?;
    Ok(musl)
}

/// Debian's MIPS has floating point registers of any width, Rust's has none, and the linker mixes no two such files. No
/// number of that kind passes between the two, so the library's files are marked as fit for both: in .MIPS.abiflags
/// (version 0, MIPS32r2, 32-bit registers), fp_abi 5 "any width" becomes 0 "does not matter".
fn allow_soft_float(file: &Path) -> Result<()> {
    const FLAGS: [u8; 8] = [0, 0, 32, 2, 1, 1, 0, 5];
    let mut bytes = std::fs::read(file).context(|| format!("read {}", file.display()))?;
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&FLAGS)).collect();
    for at in places {
        bytes[at + 7] = 0;
    }
    std::fs::write(file, bytes).context(|| format!("write {}", file.display()))
}

/// Debian's suite that has every architecture of today, riscv64 and loong64 among them, and the newest musl.
const NEWEST: &str = "sid";

/// Downloads Debian's `package` of `architecture` without installing it or touching the machine's package lists, and
/// returns the .deb's path below target/deb.
///
/// # Errors
/// No apt, or the package is not to be had.
pub fn fetch(architecture: &str, package: &str) -> Result<PathBuf> {
    fetch_from(None, architecture, package)
}

/// The same from a suite that the machine's own list of sources need not name.
fn fetch_from(suite: Option<&str>, architecture: &str, package: &str) -> Result<PathBuf> {
    let directory = host::target_directory().join("deb").join(suite.unwrap_or_default()).join(architecture);
    let find = || -> Option<PathBuf> {
        let entries = std::fs::read_dir(&directory).ok()?;
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with(&format!("{package}_")) && name.ends_with(".deb")
        })
    };
    if let Some(file) = find() {
        return Ok(file);
    }
    let lists = directory.join("lists");
    std::fs::create_dir_all(lists.join("partial")).context(|| format!("make {}", lists.display()))?;
    let mut own_sources = Vec::new();
    if let Some(suite) = suite {
        let sources = directory.join("sources.list");
        let line = format!("deb [signed-by={KEYRING}] {} {suite} main\n", archive()?);
        std::fs::write(&sources, line).context(|| format!("write {}", sources.display()))?;
        own_sources.push(format!("-oDir::Etc::SourceList={}", sources.display()));
        own_sources.push("-oDir::Etc::SourceParts=/dev/null".into());
    }
    let apt = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new("apt-get");
        command
            .current_dir(&directory)
            .arg(format!("-oAPT::Architecture={architecture}"))
            .arg(format!("-oAPT::Architectures={architecture}"))
            .arg(format!("-oDir::State::Lists={}", lists.display()))
            .arg(format!("-oDir::Cache={}", directory.join("cache").display()))
            .args(&own_sources)
            // The download user of a root apt cannot enter every checkout.
            .args(["-q", "-oAPT::Sandbox::User=root"])
            .args(arguments);
        host::output(&mut command)
    };
    if apt(&["download", package]).is_err() {
        // No lists yet, or old ones. An update that could not read every list may still have read the one that matters.
        let updated = apt(&["update"]);
        apt(&["download", package]).or_else(|error| updated.and(Err(error)))?;
    }
    find().ok_or_else(|| Error::new(format!("apt-get download {package}: no file for {architecture}")))
}

/// Debian's keys, as the package debian-archive-keyring installs them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The archive that this machine's apt takes Debian's packages from.
fn archive() -> Result<String> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE)", "Created-By: Packages"]);
    let sites = host::output(&mut command)?;
    let site = sites.lines().find(|site| site.trim_end_matches('/').ends_with("/debian"));
    site.map(str::to_owned).ok_or_else(|| Error::new("this machine's apt names no archive of Debian"))
}

//! The root on which the callers' tests run in a guest: the test image and, as this machine has them installed, the programs of containerd,
//! Docker, Podman and Buildah with their libraries and settings. Called by mod.rs; setup.rs installs what is missing.

use super::tree::Tree;
use crate::host::{self, Context, Result};
use crate::setup;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs, the setuid ones with their mode. Those of Debian, not what else is on PATH.
const PROGRAMS: &[(&str, u32)] = &[
    ("aardvark-dns", 0o755),
    ("buildah", 0o755),
    ("catatonit", 0o755),
    ("chown", 0o755),
    ("conmon", 0o755),
    ("containerd", 0o755),
    ("containerd-shim-runc-v2", 0o755),
    ("ctr", 0o755),
    ("docker", 0o755),
    ("docker-proxy", 0o755),
    ("dockerd", 0o755),
    ("ip", 0o755),
    ("mount", 0o755),
    ("netavark", 0o755),
    ("newgidmap", 0o4755),
    ("newuidmap", 0o4755),
    ("podman", 0o755),
    ("runc", 0o755),
    ("script", 0o755),
    ("setpriv", 0o755),
    ("sha256sum", 0o755),
    ("slirp4netns", 0o755),
    ("tar", 0o755),
    ("umount", 0o755),
    ("unshare", 0o755),
];

/// Settings and data that the programs read.
const FILES: &[&str] = &[
    "/etc/containers/policy.json",
    "/usr/share/containers/containers.conf",
    "/usr/share/containers/seccomp.json",
];

/// The disk image: `tree`, and the programs at the paths that they have here.
pub fn disk(tree: &Tree) -> Result<PathBuf> {
    setup::ensure(setup::CALLERS)?;
    setup::ensure(&[setup::SQUASHFS])?;
    let root = host::target_directory().join(format!("vm/callers.{}", std::process::id()));
    let image = host::target_directory().join(format!("vm/disk.{}.callers", std::process::id()));
    host::output(Command::new("cp").arg("-a").arg(tree.path("")).arg(&root))?;
    // Uncompressed: the emulated processor would spend its time unpacking.
    let plain = ["-noappend", "-all-root", "-no-progress", "-quiet", "-noI", "-noD", "-noF", "-noX"];
    let made = stage(&root).and_then(|()| {
        host::output(Command::new("mksquashfs").arg(&root).arg(&image).args(plain)).map(|_| image)
    });
    std::fs::remove_dir_all(&root).context(|| format!("remove {}", root.display()))?;
    made
}

fn stage(root: &Path) -> Result<()> {
    let copy = |source: &Path, mode: u32| -> Result<()> {
        let target = root.join(source.strip_prefix("/").unwrap_or(source));
        let what = || format!("copy {} to the image", source.display());
        if target.exists() {
            return Ok(());
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).context(what)?;
        }
        std::fs::copy(source, &target).context(what)?;
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode)).context(what)
    };
    for (program, mode) in PROGRAMS {
        let Some(file) = find(program) else { continue };
        copy(&file, *mode)?;
        // A static program has no libraries, and ldd says so by failing.
        let libraries = host::output(Command::new("ldd").arg(&file)).unwrap_or_default();
        for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            copy(Path::new(word), 0o755)?;
        }
    }
    for file in FILES {
        if Path::new(file).is_file() {
            copy(Path::new(file), 0o644)?;
        }
    }
    for directory in ["etc/cni", "etc/docker", "var/lib", "var/tmp", "usr/libexec/podman"] {
        std::fs::create_dir_all(root.join(directory)).context(|| format!("make {directory} in the image"))?;
    }
    let own = [
        ("etc/subuid", ""),
        ("etc/subgid", ""),
        ("etc/hosts", "127.0.0.1 localhost guest\n"),
        ("etc/resolv.conf", "nameserver 127.0.0.1\n"),
    ];
    for (name, text) in own {
        std::fs::write(root.join(name), text).context(|| format!("write {name} in the image"))?;
    }
    Ok(())
}

fn find(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin", "/usr/libexec/podman", "/usr/lib/podman"]
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|file| file.is_file())
}

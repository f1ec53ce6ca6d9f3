//! A kernel out of a Debian package: its image, its release, and the few modules that the guest loads.
//!
//! Called by tree.rs and boot.rs. The module list is the guest's load order; a module that this kernel has built in is simply not in the package.

use super::environment::Kernel;
use super::package;
use crate::host::{Context, Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Modules that roots and tests want: virtio disks, the disk roots' file systems with the checksum that ext4 asks for by its name, overlay
/// mounts, loop devices, a network link.
const WANTED: &[&str] = &[
    "virtio_blk",
    "virtio_pci",
    "crc32c_generic",
    "ext4",
    "squashfs",
    "overlay",
    "loop",
    "dummy",
    "veth",
    "ip_tables",
    "bridge",
];

/// Modules that a test loads itself, from /vm/later (tests/cgroup/modules.rs): a scheduler whose presence changes where a weight goes, a disk
/// of any speed, a soft RDMA device with the checksum that it asks for by its name, a queue of packets with its classifier.
const LATER: &[&str] = &["bfq", "null_blk", "crc32_generic", "rdma_rxe", "sch_prio", "cls_cgroup"];

/// An unpacked kernel.
pub struct Image {
    /// vmlinuz.
    pub file: PathBuf,
    /// As `uname -r` gives it.
    pub release: String,
    modules: Vec<PathBuf>,
}

/// A module ready to be loaded: its name, and its bytes decompressed.
pub struct Module {
    pub name: String,
    pub data: Vec<u8>,
}

/// Fetches `kernel`, or says why it is not to be had on this machine.
pub fn fetch(kernel: &Kernel) -> Result<Image> {
    let prefix = format!("linux-image-{}.", kernel.name);
    let is_flavour = |name: &str| name.contains("-cloud-") == kernel.cloud;
    let mut cached = std::fs::read_dir(package::cache())
        .into_iter()
        .flatten()
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix) && is_flavour(name))
        .collect::<Vec<_>>();
    cached.sort();
    let name = match cached.pop() {
        Some(name) => name,
        None => {
            let mut reasons = Vec::new();
            let found = kernel.packages.iter().find_map(|meta| match package::dependency(meta, &prefix) {
                Ok(name) => Some(name),
                Err(error) => {
                    reasons.push(error.to_string());
                    None
                }
            });
            found.ok_or_else(|| Error::new(reasons.join("; ")))?
        }
    };
    open(&package::unpacked(&name)?)
}

fn open(tree: &Path) -> Result<Image> {
    let boot = tree.join("boot");
    let names = std::fs::read_dir(&boot).context(|| format!("list {}", boot.display()))?;
    let release = names
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned))
        .ok_or_else(|| Error::new(format!("{}: no vmlinuz", boot.display())))?;
    let mut modules = Vec::new();
    // A package of a merged-/usr release has them below usr/lib.
    for top in ["lib/modules", "usr/lib/modules"] {
        walk(&tree.join(top).join(&release).join("kernel"), &mut modules);
    }
    Ok(Image { file: boot.join(format!("vmlinuz-{release}")), release, modules })
}

impl Image {
    /// The wanted modules and what they depend on, in an order in which each can be loaded.
    pub fn modules(&self) -> Result<Vec<Module>> {
        let mut ordered = Vec::new();
        for name in WANTED {
            self.add(name, &mut ordered)?;
        }
        Ok(ordered)
    }

    /// Those that are loaded later or never.
    pub fn later_modules(&self) -> Result<Vec<Module>> {
        let mut ordered = Vec::new();
        for name in LATER {
            self.add(name, &mut ordered)?;
        }
        Ok(ordered)
    }

    fn add(&self, name: &str, ordered: &mut Vec<Module>) -> Result<()> {
        if ordered.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let Some(file) = self.modules.iter().find(|file| module_name(file) == name) else { return Ok(()) };
        let data = read_module(file)?;
        for needed in dependencies(&data) {
            self.add(&needed, ordered)?;
        }
        ordered.push(Module { name: name.to_owned(), data });
        Ok(())
    }
}

/// The file's name up to its first dot, with the kernel's underscores.
fn module_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

fn read_module(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return std::fs::read(file).context(|| format!("read {}", file.display())),
    };
    let output = Command::new(program).arg("-dc").arg(file).stdin(Stdio::null()).output();
    let output = output.context(|| format!("{program} -dc {}", file.display()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::new(format!("{program} -dc {}: {}", file.display(), output.status)))
    }
}

/// A module's .modinfo section is NUL-ended `key=value` strings; `depends` is always there, maybe empty.
fn dependencies(data: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = data.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let value = data.get(at + KEY.len()..).unwrap_or_default();
    let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let value = String::from_utf8_lossy(value);
    value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.filter_map(std::result::Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.to_string_lossy().contains(".ko") {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_depends_on_is_read_from_its_own_bytes() {
        let data = b"\x7fELF\0license=GPL\0depends=virtio,virtio_ring\0intree=Y\0";
        assert_eq!(dependencies(data), ["virtio", "virtio_ring"]);
        assert!(dependencies(b"\0depends=\0").is_empty());
        assert!(dependencies(b"\0nothing=here\0").is_empty());
    }

    #[test]
    fn a_modules_name_has_underscores_whatever_its_file_says() {
        assert_eq!(module_name(Path::new("/k/virtio-pci.ko.xz")), "virtio_pci");
        assert_eq!(module_name(Path::new("/k/overlay.ko")), "overlay");
    }
}

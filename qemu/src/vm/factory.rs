//! Makes the machines of one run: what all its boots share is built once, what one boot needs is put on top.

use super::boot::{self, Machine};
use super::environment::{self, Kernel, Root, RootKind};
use super::plan::Cell;
use super::tree::{self, Tree};
use super::{callers, debian, kernel};
use crate::host::{Context, Error, Result};
use crate::setup;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Two, so that a set of one of them is a limit.
const PROCESSORS: u8 = 2;

/// Space for tests on the scratch disk, in bytes; a sparse file.
const SCRATCH: u64 = 64 << 20;

/// What all boots of one run share: the staged tree, its archive, disk images, kernels.
pub struct Factory {
    pub tree: Tree,
    archive: Vec<u8>,
    first_stage: Vec<u8>,
    disks: Mutex<BTreeMap<&'static str, PathBuf>>,
    scratch: PathBuf,
    kernels: BTreeMap<&'static str, kernel::Image>,
    memory_mib: u32,
}

impl Factory {
    /// Fetches the kernels, builds and stages. `tests` are the test binaries, by name or `*`; `files` go to /tests; `runtime` is put in place of
    /// the one that `cargo dist` makes.
    pub fn new(
        kernels: &[&'static Kernel],
        tests: &[&str],
        files: &[PathBuf],
        runtime: Option<&Path>,
    ) -> Result<Factory> {
        setup::ensure(&[setup::QEMU])?;
        let mut images = BTreeMap::new();
        for row in kernels {
            let image = kernel::fetch(row)?;
            println!("kernel {}: {}", row.name, image.release);
            images.insert(row.name, image);
        }
        let tree = Tree::stage(tests, runtime)?;
        for file in files {
            tree.program(&format!("tests/{}", super::file_name(file)), file)?;
        }
        let archive = tree.archive()?;
        let first_stage = tree.first_stage()?;
        // The archive is in memory twice while it is unpacked, and a moved root copies it.
        let memory_mib = 512 + 3 * u32::try_from(archive.len() >> 20).unwrap_or(u32::MAX);
        let disks = Mutex::new(BTreeMap::new());
        let scratch = boot::artifact(&format!("scratch.{}", std::process::id()), b"")?;
        let file = std::fs::File::options().write(true).open(&scratch);
        file.and_then(|file| file.set_len(SCRATCH)).context(|| format!("size of {}", scratch.display()))?;
        Ok(Factory { tree, archive, first_stage, disks, scratch, kernels: images, memory_mib })
    }

    /// The disk that has the root, made when it is first asked for.
    fn disk(&self, root: &'static Root) -> Result<Option<PathBuf>> {
        let mut disks = self.disks.lock().map_err(|_| Error::new("a boot that made a disk failed"))?;
        if let Some(disk) = disks.get(root.name) {
            return Ok(Some(disk.clone()));
        }
        let disk = match root.kind {
            RootKind::Initramfs | RootKind::Moved => return Ok(None),
            RootKind::Systemd => debian::disk(&self.tree)?,
            RootKind::Disk(_) if root.name == environment::CALLERS => callers::disk(&self.tree)?,
            RootKind::Disk(kind) => self.tree.disk(kind)?,
        };
        disks.insert(root.name, disk.clone());
        Ok(Some(disk))
    }

    /// The SELinux policy as an archive. Made alone: its compiler may have to be installed first.
    fn policy(&self) -> Result<Vec<u8>> {
        let _alone = self.disks.lock().map_err(|_| Error::new("a boot that made a disk failed"))?;
        tree::policy()
    }

    /// Makes the boot's own initramfs and hands the machine to `use_it`.
    pub fn with_machine<T>(
        &self,
        cell: Cell,
        plan: &str,
        use_it: impl FnOnce(&Machine<'_>) -> Result<T>,
    ) -> Result<T> {
        let image = self.kernels.get(cell.kernel.name).ok_or_else(|| Error::new("kernel was not fetched"))?;
        let disk = self.disk(cell.root)?;
        let base = if disk.is_some() { &self.first_stage } else { &self.archive };
        let mut bytes = base.clone();
        bytes.extend_from_slice(&tree::additions(image, plan)?);
        if !cell.environment.packages.is_empty() {
            bytes.extend_from_slice(&debian::layer(cell.environment.packages)?);
        }
        let (root, environment) = (cell.root.name, cell.environment.name);
        let mut command_line = format!("{} vm_root={root} vm_env={environment}", cell.root.command_line);
        if environment == environment::SELINUX {
            bytes.extend_from_slice(&self.policy()?);
            command_line = format!("{command_line} {}", environment::SELINUX_COMMAND_LINE);
        }
        let name = format!(
            "initramfs.{}.{}-{root}-{environment}-{}",
            std::process::id(),
            cell.kernel.name,
            cell.suite.unwrap_or_default()
        );
        let initramfs = boot::artifact(&name, &bytes)?;
        drop(bytes);
        let machine = Machine {
            kernel: &image.file,
            initramfs: &initramfs,
            disk: disk.as_deref(),
            scratch: Some(&self.scratch),
            processors: PROCESSORS,
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
        let disks = self.disks.get_mut().map(|disks| disks.values()).into_iter().flatten();
        for disk in disks.chain([&self.scratch]) {
            if let Err(error) = std::fs::remove_file(disk) {
                eprintln!("remove {}: {error}", disk.display());
            }
        }
    }
}

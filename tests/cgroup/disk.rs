//! The test guest's scratch disk: a real block device that may be limited, filled, and used as swap.

use crate::harness::Context;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

/// A disk that nothing else uses. QEMU gave it the serial number `scratch` (qemu/src/vm/boot.rs).
pub struct Disk {
    pub major: u32,
    pub minor: u32,
    /// Its directory in sysfs.
    directory: PathBuf,
    /// One test at a time.
    _lock: MutexGuard<'static, ()>,
}

static LOCK: Mutex<()> = Mutex::new(());

/// The disk, where there is one.
pub fn scratch() -> Option<Disk> {
    let lock = LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let is_scratch =
        |path: &PathBuf| fs::read_to_string(path.join("serial")).is_ok_and(|name| name.trim() == "scratch");
    let directory = entries.map(|entry| entry.path()).find(is_scratch)?;
    let numbers = fs::read_to_string(directory.join("dev")).unwrap();
    let (major, minor) = numbers.trim().split_once(':').unwrap();
    Some(Disk { major: major.parse().unwrap(), minor: minor.parse().unwrap(), directory, _lock: lock })
}

impl Disk {
    /// `254:0`.
    pub fn numbers(&self) -> String {
        format!("{}:{}", self.major, self.minor)
    }

    fn node(&self) -> String {
        format!("/dev/{}", self.directory.file_name().unwrap().to_string_lossy())
    }

    /// Chooses the scheduler; false where the kernel has no such.
    pub fn scheduler(&self, name: &str) -> bool {
        fs::write(self.directory.join("queue/scheduler"), name).is_ok()
    }

    /// Uses it as swap until what is returned is dropped.
    pub fn swap<'a>(&'a self, context: &'a Context) -> Swap<'a> {
        let swap = Swap { disk: self, context };
        swap.tool("mkswap");
        swap.tool("swapon");
        swap
    }
}

pub struct Swap<'a> {
    disk: &'a Disk,
    context: &'a Context,
}

impl Swap<'_> {
    fn tool(&self, name: &str) {
        let mut command: Command = self.context.in_world(&["/bin/busybox", name, &self.disk.node()]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Swap<'_> {
    fn drop(&mut self) {
        self.tool("swapoff");
    }
}

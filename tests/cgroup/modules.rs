//! Kernel modules that a test loads itself: the guest has them at /vm/later (qemu/src/vm/kernel.rs), no other machine has.

use crate::harness::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether this kernel has the module, for this root.
pub fn has(name: &str) -> bool {
    Path::new(&file(name)).exists()
}

fn file(name: &str) -> String {
    format!("/vm/later/{name}.ko")
}

/// Loads a module and before it those that it depends on, which it names itself; one that is there already is as good.
pub fn load(context: &Context, name: &str, parameters: &[&str]) {
    let file = file(name);
    // One that this kernel has built in is no file.
    let Ok(bytes) = fs::read(&file) else { return };
    let mut information = bytes.split(|byte| *byte == 0).filter_map(|text| text.strip_prefix(b"depends="));
    let needed = String::from_utf8_lossy(information.next().unwrap_or_default()).into_owned();
    needed.split(',').filter(|name| !name.is_empty()).for_each(|name| load(context, name, &[]));
    let mut words = vec!["/bin/busybox", "insmod", &file];
    words.extend(parameters);
    let output = context.in_world(&words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("File exists"), "{name}: {said}");
}

/// A disk without anything behind it, as fast as it is told to be.
pub struct NullDisk<'a> {
    pub major: u32,
    pub minor: u32,
    context: &'a Context,
}

impl<'a> NullDisk<'a> {
    /// Where the kernel has it.
    const DIRECTORY: &'static str = "/sys/block/nullb0";

    /// One that does an operation at a time, in so many microseconds. `None` where the module is not.
    pub fn make(context: &'a Context, microseconds: u32) -> Option<Self> {
        if !has("null_blk") {
            return None;
        }
        let time = format!("completion_nsec={microseconds}000");
        // irqmode 2 ends an operation by a timer, 0 at once.
        let mode = if microseconds > 0 { "irqmode=2" } else { "irqmode=0" };
        load(context, "null_blk", &["nr_devices=1", "submit_queues=1", "hw_queue_depth=1", mode, &time]);
        let numbers = fs::read_to_string(format!("{}/dev", Self::DIRECTORY)).unwrap();
        let (major, minor) = numbers.trim().split_once(':').unwrap();
        Some(Self { major: major.parse().unwrap(), minor: minor.parse().unwrap(), context })
    }

    /// `254:0`.
    pub fn numbers(&self) -> String {
        format!("{}:{}", self.major, self.minor)
    }

    /// Writes a file below the disk's `queue`.
    pub fn set(&self, file: &str, value: &str) {
        let path = PathBuf::from(Self::DIRECTORY).join("queue").join(file);
        fs::write(&path, value).unwrap_or_else(|error| panic!("{value} to {}: {error}", path.display()));
    }
}

impl Drop for NullDisk<'_> {
    fn drop(&mut self) {
        // The scheduler last: without it a weight goes elsewhere, as the other tests expect.
        self.context.in_world(&["/bin/busybox", "rmmod", "null_blk", "bfq"]).output().unwrap();
    }
}

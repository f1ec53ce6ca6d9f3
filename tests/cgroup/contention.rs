//! What a limit is worth to one container beside another that wants the same: memory that is spared, a disk that is shared out.
//!
//! Each has its control: the same two without the limit. Amounts decide, never times; what the emulated machine may blur is tried up to
//! three times.

use crate::harness::{Bundle, Context, PATIENCE, Value, json, note, wait_for};
use crate::modules::{self, NullDisk};
use crate::{cgroup2, cgroups, has, key, not_by_systemd, on_v2, read, skip_test};
use std::fs;

/// Lets a bundle read the disk, as /dev/null-disk.
pub fn give(bundle: &mut Bundle, disk: &NullDisk<'_>, mut resources: Value) {
    let (major, minor) = (disk.major, disk.minor);
    bundle.push(
        "/linux/devices",
        json!({ "path": "/dev/null-disk", "type": "b", "major": major, "minor": minor, "fileMode": 438 }),
    );
    resources["devices"] =
        json!([{ "allow": true, "type": "b", "major": major, "minor": minor, "access": "r" }]);
    bundle.set("/linux/resources", resources);
}

/// memory.reservation: below one parent that has not enough for both, the kernel takes back from the other first.
#[test]
fn reserved_memory_is_spared_while_a_neighbours_is_taken_back() {
    not_by_systemd!();
    let context = cgroups!();
    if !on_v2("memory") {
        skip_test!("no memory controller on cgroup2");
    }
    let Some(disk) = NullDisk::make(&context, 0) else {
        skip_test!("no null_blk module in this guest's root");
    };
    // Multi-generational lists leave alone who has not read for a while, reserved or not; the older lists take from all alike.
    let lists = "/sys/kernel/mm/lru_gen/enabled";
    let before = fs::read_to_string(lists).unwrap_or_default();
    fs::write(lists, "0").unwrap_or_default();
    let parent = format!("/{}-parent", context.tag);
    let directory = format!("{}{parent}", cgroup2().unwrap());
    fs::create_dir(&directory).unwrap();
    fs::write(format!("{directory}/memory.max"), (48 << 20).to_string()).unwrap();
    // How much of 16 MiB in the page cache is left after a neighbour has read 192 MiB, in MiB.
    let left = |memory: Value| {
        let mut bundle = context.bundle(&["read-cached", "/dev/null-disk", "0", "16", ",", "pause"]);
        give(&mut bundle, &disk, json!({ "memory": memory }));
        bundle.set("/linux/cgroupsPath", format!("{parent}/first"));
        let id = context.id();
        let made = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        made.wait_stdout("\"16\"");
        let cached = || key(&read(&bundle.cgroup(), "memory.stat", "-"), "file") >> 20;
        assert!(cached() >= 15, "{} MiB", cached());
        let mut neighbour = context.bundle(&["read-cached", "/dev/null-disk", "1024", "192"]);
        give(&mut neighbour, &disk, json!({}));
        neighbour.set("/linux/cgroupsPath", format!("{parent}/second"));
        context.run(&neighbour).ok();
        let left = cached();
        let low = key(&read(&bundle.cgroup(), "memory.events", "-"), "low");
        context.delete_force(&id).ok();
        note(&format!("effect  memory {memory} of 16 MiB: {left} MiB left, taken all the same {low} times"));
        left
    };
    let spared = left(json!({ "reservation": 32 << 20 }));
    let taken = left(json!({}));
    fs::remove_dir(&directory).unwrap();
    fs::write(lists, before).unwrap_or_default();
    assert!(spared >= 15 && taken <= 8, "{spared} and {taken} MiB");
}

/// Two containers that read a disk of which there is not enough for both.
struct Rivals<'a> {
    context: &'a Context,
    disk: &'a NullDisk<'a>,
    running: Vec<(String, String)>,
}

impl<'a> Rivals<'a> {
    fn start(context: &'a Context, disk: &'a NullDisk<'a>, weights: [u32; 2]) -> Self {
        let running = weights.map(|weight| {
            // More than can be read.
            let mut bundle = context.bundle(&["read-direct", "/dev/null-disk", "1000000000000"]);
            give(&mut bundle, disk, json!({ "blockIO": { "weight": weight } }));
            (context.running(&bundle), bundle.cgroup())
        });
        Self { context, disk, running: running.into() }
    }

    /// How much each has read, in operations of 64 KiB. On cgroup v1 it is BFQ that counts.
    fn read(&self) -> Vec<u64> {
        let word = if on_v2("io") { "rbytes=" } else { "Read " };
        let of = |(_, cgroup): &(String, String)| {
            let text = read(cgroup, "io.stat", "blkio.bfq.io_service_bytes");
            let lines =
                text.lines().filter_map(|line| line.strip_prefix(&format!("{} ", self.disk.numbers())));
            let bytes = lines.filter_map(|line| line.split_once(word)).next();
            let bytes = bytes.and_then(|(_, rest)| rest.split(' ').next());
            bytes.map_or(0, |bytes| bytes.parse::<u64>().unwrap() >> 16)
        };
        self.running.iter().map(of).collect()
    }

    /// What each reads until it is so much together.
    fn share(&self, operations: u64) -> (u64, u64) {
        let before = self.read();
        let mut now = Vec::new();
        let much = wait_for(PATIENCE, || {
            now = self.read();
            now.iter().sum::<u64>() - before.iter().sum::<u64>() >= operations
        });
        assert!(much, "{before:?} {now:?}");
        (now[0] - before[0], now[1] - before[1])
    }

    /// The shares, of which `holds` must be true; at the third try, if not before.
    #[track_caller]
    fn expect(&self, what: &str, holds: impl Fn(u64, u64) -> bool) {
        let mut seen = Vec::new();
        for _ in 0..3 {
            let (first, second) = self.share(300);
            note(&format!("effect  {what}: {first} and {second} reads of 64 KiB"));
            if holds(first, second) {
                return;
            }
            seen.push((first, second));
        }
        panic!("{what}: {seen:?}");
    }

    fn update(&self, number: usize, block_io: Value) {
        let file = self.context.dir.join("weights.json");
        fs::write(&file, json!({ "blockIO": block_io }).to_string()).unwrap();
        self.context.call(&["update", "-r", file.to_str().unwrap(), &self.running[number].0]).go().ok();
    }

    /// The weights of the two by `create`, then by `update` none, then for this disk alone and the other way round.
    fn run(self, scheduler: &str) {
        self.expect(&format!("{scheduler}, weights 1000 and 100"), |first, second| first > 2 * second);
        let stats = self.context.call(&["events", "--stats", &self.running[0].0]).go().ok().json();
        let counts = stats["data"]["blkio"]["ioServiceBytesRecursive"].as_array().unwrap();
        let mut counts = counts.iter().filter(|count| count["major"] == self.disk.major);
        let read = counts.find(|count| count["op"] == "Read").map(|count| count["value"].as_u64().unwrap());
        assert!(read.is_some_and(|read| read > 1 << 20), "{stats}");
        (0..2).for_each(|number| self.update(number, json!({ "weight": 500 })));
        let even = |first, second| first <= 2 * second && second <= 2 * first;
        self.expect(&format!("{scheduler}, weights 500 and 500"), even);
        for (number, weight) in [(0, 100), (1, 1000)] {
            let device = json!({ "major": self.disk.major, "minor": self.disk.minor, "weight": weight });
            self.update(number, json!({ "weightDevice": [device] }));
            // Which leaves the disk's own as it is.
            self.update(number, json!({ "weight": 600 }));
        }
        let what = format!("{scheduler}, weights 600 and 600, of this disk 100 and 1000");
        self.expect(&what, |first, second| second > 2 * first);
    }
}

impl Drop for Rivals<'_> {
    /// The disk, which goes next, must be nobody's.
    fn drop(&mut self) {
        self.running.iter().for_each(|(id, _)| drop(self.context.delete_force(id)));
    }
}

#[test]
fn bfq_gives_a_disk_by_weight() {
    let context = cgroups!();
    if !has("io", "blkio") {
        skip_test!("no io controller");
    }
    let Some(disk) = NullDisk::make(&context, 1000) else {
        skip_test!("no null_blk module in this guest's root");
    };
    modules::load(&context, "bfq", &[]);
    disk.set("scheduler", "bfq");
    // The disk waits for who has the turn, however slow the machine makes him; nobody is preferred for being interactive; turns are short.
    let settings =
        [("slice_idle", "100"), ("strict_guarantees", "1"), ("low_latency", "0"), ("max_budget", "1024")];
    settings.iter().for_each(|(name, value)| disk.set(&format!("iosched/{name}"), value));
    Rivals::start(&context, &disk, [1000, 100]).run("BFQ");
}

/// The model is told that the disk does a part of what it can, so that it is the model that decides.
#[test]
fn iocost_gives_a_disk_by_weight() {
    let context = cgroups!();
    if !on_v2("io") {
        skip_test!("no io controller on cgroup2");
    }
    let Some(disk) = NullDisk::make(&context, 100) else {
        skip_test!("no null_blk module in this guest's root");
    };
    let root = |file: &str, text: &str| {
        let path = format!("{}/{file}", cgroup2().unwrap());
        let line = format!("{} {text}", disk.numbers());
        fs::write(&path, &line).unwrap_or_else(|error| panic!("{line} to {path}: {error}"));
    };
    let rates =
        "rbps=16777216 rseqiops=100000 rrandiops=100000 wbps=16777216 wseqiops=100000 wrandiops=100000";
    root("io.cost.model", &format!("ctrl=user model=linear {rates}"));
    root("io.cost.qos", "enable=1 ctrl=user min=100 max=100");
    Rivals::start(&context, &disk, [1000, 100]).run("iocost");
    root("io.cost.qos", "enable=0");
}

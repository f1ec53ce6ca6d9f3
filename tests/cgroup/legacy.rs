//! What the limits do that only cgroup v1 has, or has in a way of its own: swappiness, the soft limit, memory of TCP, class and priority of
//! packets.
//!
//! Each has its control: the same without the limit, or the other way round. Counts decide, never times.

use crate::contention::give;
use crate::harness::{Context, Seen, Value, json, note, payload};
use crate::modules::{self, NullDisk};
use crate::{cgroups, disk, key, on_v1, read, skip_test};
use std::fs;

/// memory.swappiness: of 10 MiB of memory and 12 of cache, both more than the limit, the cache alone is taken back, or memory is swapped out.
#[test]
fn swappiness_chooses_between_swap_and_cache() {
    let context = cgroups!();
    if !on_v1("memory") {
        skip_test!("no memory controller on cgroup v1");
    }
    let (Some(scratch), Some(disk)) = (disk::scratch(), NullDisk::make(&context, 0)) else {
        skip_test!("no scratch disk, or no null_blk module in this guest's root");
    };
    let _swap = scratch.swap(&context);
    let swapped = |swappiness: u32| {
        let mut words = vec!["memory", "10", "kept"];
        for _ in 0..4 {
            words.extend([",", "read-cached", "/dev/null-disk", "0", "12"]);
        }
        words.extend([",", "echo", "read", ",", "pause"]);
        let mut bundle = context.bundle(&words);
        let limit = 16 << 20;
        let memory = json!({ "limit": limit, "swap": limit * 2, "swappiness": swappiness });
        give(&mut bundle, &disk, json!({ "memory": memory }));
        let id = context.id();
        let made = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        made.wait_stdout("[\"read\"]");
        let stat = read(&bundle.cgroup(), "-", "memory.stat");
        let (swap, cache) = (key(&stat, "swap"), key(&stat, "cache"));
        let status = fs::read_to_string(format!("/proc/{}/status", context.pid(&id))).unwrap();
        let vm = status.lines().find_map(|line| line.strip_prefix("VmSwap:")).unwrap().trim();
        note(&format!(
            "effect  memory.swappiness {swappiness}: {swap} bytes in swap (VmSwap {vm}), {cache} bytes of cache"
        ));
        context.delete_force(&id).ok();
        swap
    };
    assert_eq!(swapped(0), 0);
    let most = swapped(100);
    assert!(most > 1 << 20, "{most}");
}

/// Memory that only huge pages may use, until this is dropped.
struct Ballast(String);

impl Ballast {
    const POOL: &'static str = "/proc/sys/vm/nr_hugepages";

    /// Leaves about so many MiB free.
    fn leave(mebibytes: u64) -> Self {
        let before = fs::read_to_string(Self::POOL).unwrap();
        let free = free_memory();
        fs::write(Self::POOL, (free.saturating_sub(mebibytes) / 2).to_string()).unwrap();
        Self(before)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::write(Self::POOL, &self.0).unwrap();
    }
}

/// In MiB.
fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

/// memory.reservation: when the machine runs out of memory it takes back first from who has more than is reserved for him.
#[test]
fn what_is_over_its_reservation_is_taken_back_first() {
    let context = cgroups!();
    if !on_v1("memory") {
        skip_test!("no memory controller on cgroup v1");
    }
    let Some(disk) = NullDisk::make(&context, 0) else {
        skip_test!("no null_blk module in this guest's root");
    };
    // What each of two loses of its 24 MiB of cache until it is 12 together, in MiB.
    let lost = |reservations: [u64; 2]| {
        // Anew each time, for what a test before has freed comes back late: both must be read before any of it is taken back.
        let _ballast = Ballast::leave(128);
        let free = free_memory();
        let running: Vec<(String, String)> = reservations
            .iter()
            .enumerate()
            .map(|(number, reservation)| {
                let place = (number * 1024).to_string();
                let mut bundle =
                    context.bundle(&["read-cached", "/dev/null-disk", &place, "24", ",", "pause"]);
                give(&mut bundle, &disk, json!({ "memory": { "reservation": reservation << 20 } }));
                let id = context.id();
                let made = context.create(&bundle, &id).ok();
                context.start(&id).ok();
                made.wait_stdout("\"24\"");
                (id, bundle.cgroup())
            })
            .collect();
        let cached = || {
            let of = |(_, cgroup): &(String, String)| key(&read(cgroup, "-", "memory.stat"), "cache") >> 20;
            running.iter().map(of).collect::<Vec<u64>>()
        };
        let before = cached();
        let mut taken = Vec::new();
        let mut now = cached();
        while now.iter().sum::<u64>() + 12 > before.iter().sum() && taken.len() < 512 {
            taken.push(vec![1u8; 1 << 20]);
            now = cached();
        }
        let lost = (before[0] - now[0], before[1] - now[1]);
        note(&format!(
            "effect  memory.reservation {reservations:?} MiB of {before:?}: {lost:?} MiB lost to {} MiB ({free} free)",
            taken.len()
        ));
        running.iter().for_each(|(id, _)| drop(context.delete_force(id).ok()));
        lost
    };
    let holds = |reservations, check: fn(u64, u64) -> bool| {
        let seen = (0..3).any(|_| {
            let (first, second) = lost(reservations);
            check(first, second)
        });
        assert!(seen, "{reservations:?}");
    };
    holds([4, 32], |over, within| over > 2 * within);
    holds([32, 4], |within, over| over > 2 * within);
    holds([32, 32], |one, other| one <= 2 * other && other <= 2 * one);
}

/// memory.kernelTCP: what nobody reads stays in the sender's and the receiver's buffers, which are limited.
#[test]
fn tcp_keeps_no_more_than_its_memory() {
    let context = cgroups!();
    if !on_v1("memory") {
        skip_test!("no memory controller on cgroup v1");
    }
    let kept = |memory: Value| {
        let mut bundle = context.bundle(&["fill-tcp", "8", ",", "pause"]);
        bundle.set("/linux/resources", json!({ "memory": memory }));
        let id = context.id();
        let made = context.create(&bundle, &id).ok();
        context.start(&id).ok();
        let kept = Seen::parse(&made.wait_stdout("\"8\"")).out("fill-tcp 8").as_u64().unwrap();
        let number = |file: &str| read(&bundle.cgroup(), "-", file).parse::<u64>().unwrap();
        let (used, refused) = (number("memory.kmem.tcp.usage_in_bytes"), number("memory.kmem.tcp.failcnt"));
        note(&format!(
            "effect  memory {memory}: {kept} KiB in 8 connections, {used} bytes counted, refused {refused} times"
        ));
        context.delete_force(&id).ok();
        (kept, refused)
    };
    let (few, refused) = kept(json!({ "kernelTCP": 1 << 20 }));
    // Some limit, so that a hybrid machine has a directory of it there.
    let (many, never) = kept(json!({ "limit": 256 << 20 }));
    assert!(few * 2 < many && refused > 0 && never == 0, "{few} {many} {refused} {never}");
}

/// A network device of the machine's own, with a queue of three bands.
struct Link<'a> {
    context: &'a Context,
    name: String,
}

impl<'a> Link<'a> {
    /// Sends by a cgroup's class, or by priority. None where the kernel has not what it takes.
    fn make(context: &'a Context, by: &str) -> Option<Self> {
        if !modules::has("sch_prio") || !modules::has("cls_cgroup") {
            return None;
        }
        modules::load(context, "sch_prio", &[]);
        modules::load(context, "cls_cgroup", &[]);
        let name = format!("rt{}", context.id().len());
        let link = Self { context, name: name.clone() };
        for verb in [
            vec!["link-add", "dummy", &name],
            vec!["address-add", &name, "10.77.0.1/24"],
            vec!["link-set", &name, "up"],
            vec!["bands-add", &name, by],
        ] {
            link.ask(&verb);
        }
        Some(link)
    }

    fn ask(&self, words: &[&str]) -> Value {
        let program = payload::path().to_string_lossy().into_owned();
        let all: Vec<&str> = [program.as_str()].into_iter().chain(words.iter().copied()).collect();
        let output = self.context.in_world(&all).output().unwrap();
        Seen::parse(&String::from_utf8_lossy(&output.stdout)).out(&words.join(" ")).clone()
    }

    fn bands(&self) -> Vec<u64> {
        let bands = self.ask(&["bands", &self.name]);
        bands.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect()
    }

    /// The packets that each band sends while a container with these resources sends 50.
    fn sent(&self, network: Value) -> Vec<u64> {
        let before = self.bands();
        let mut bundle = self.context.bundle(&["datagrams", "10.77.0.2", "50"]);
        bundle.without_namespace("network").set("/linux/resources", json!({ "network": network }));
        self.context.run(&bundle).ok();
        let sent: Vec<u64> = self.bands().iter().zip(before).map(|(now, before)| now - before).collect();
        note(&format!("effect  network {network}: 50 packets, by bands {sent:?}"));
        sent
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.ask(&["link-del", &self.name]);
    }
}

/// network.classID: what the container sends is of its class to the machine's queues.
#[test]
fn packets_are_of_the_class_of_their_container() {
    let context = cgroups!();
    if !on_v1("net_cls") {
        skip_test!("no net_cls controller on cgroup v1");
    }
    let Some(link) = Link::make(&context, "by-class") else {
        skip_test!("no sch_prio or cls_cgroup module in this guest's root");
    };
    assert_eq!(link.sent(json!({ "classID": 0x10_0002 }))[1..], [50, 0]);
    assert_eq!(link.sent(json!({ "classID": 0x10_0003 }))[1..], [0, 50]);
    assert_eq!(link.sent(json!({}))[1..], [0, 0]);
}

/// network.priorities: what the container sends on an interface has the priority that it has for this interface.
#[test]
fn packets_have_the_priority_of_their_container_for_the_interface() {
    let context = cgroups!();
    if !on_v1("net_prio") {
        skip_test!("no net_prio controller on cgroup v1");
    }
    let Some(link) = Link::make(&context, "by-priority") else {
        skip_test!("no sch_prio or cls_cgroup module in this guest's root");
    };
    assert_eq!(link.sent(json!({ "priorities": [{ "name": link.name, "priority": 5 }] }))[1..], [0, 50]);
    assert_eq!(link.sent(json!({ "priorities": [{ "name": "lo", "priority": 5 }] }))[1..], [0, 0]);
    assert_eq!(link.sent(json!({}))[1..], [0, 0]);
}

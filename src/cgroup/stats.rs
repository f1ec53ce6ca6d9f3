//! What a cgroup has used, as the JSON that `events` prints: the names and units are those of runc's `events --stats`, which
//! callers read (types/events.go of runc 1.4). Times in nanoseconds, sizes in bytes, "no limit" as 2^64-1.
//!
//! Where a number is found is told by a text, its sources: that on cgroup v1, then those on cgroup2, of which the first that is there
//! counts. Each is `FILE` for a file of one number, or `FILE:KEY`; then `*N` for its unit, and `+` before another one to be added. A
//! `#` stands for the part of a name that the caller gives.

use super::Cgroup;
use super::dir::{Dir, append, each_process, key, number, open_file};
use crate::compile::process::ranges;
use crate::json::Writer;
use crate::{texts, texts::Texts};
use core::ffi::CStr;
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use syscalls::Buffer;

const UNLIMITED: u64 = u64::MAX;

// Numbers as they are written: a line opens an object, closes one, or is a name and its sources.

/// The ticks of cpuacct.stat are hundredths of a second: USER_HZ is 100 on every architecture that Linux has left.
const CPU_USAGE: &str = "\
cpu{
usage{
total cpuacct.usage cpu.stat:usage_usec*1000
kernel cpuacct.stat:system*10000000 cpu.stat:system_usec*1000
user cpuacct.stat:user*10000000 cpu.stat:user_usec*1000";

const CPU_THROTTLING: &str = "\
}
throttling{
throttledTime cpu.stat:throttled_time cpu.stat:throttled_usec*1000
periods cpu.stat:nr_periods cpu.stat:nr_periods
throttledPeriods cpu.stat:nr_throttled cpu.stat:nr_throttled
}";

/// Swap as cgroup v1 counts it: memory and swap together.
const MEMORY: &str = "\
memory{
cache memory.stat:cache memory.stat:file
usage{
limit memory.limit_in_bytes memory.max
usage memory.usage_in_bytes memory.current
max memory.max_usage_in_bytes memory.peak
failcnt memory.failcnt memory.events:max
}
swap{
limit memory.memsw.limit_in_bytes memory.swap.max+memory.max
usage memory.memsw.usage_in_bytes memory.swap.current+memory.current
max memory.memsw.max_usage_in_bytes
failcnt memory.memsw.failcnt
}
kernel{
limit memory.kmem.limit_in_bytes
usage memory.kmem.usage_in_bytes
max memory.kmem.max_usage_in_bytes
failcnt memory.kmem.failcnt
}
kernelTCP{
limit memory.kmem.tcp.limit_in_bytes
usage memory.kmem.tcp.usage_in_bytes
max memory.kmem.tcp.max_usage_in_bytes
failcnt memory.kmem.tcp.failcnt
}";

const HUGE_PAGES: &str = "\
usage hugetlb.#.usage_in_bytes hugetlb.#.rsvd.current hugetlb.#.current
failcnt hugetlb.#.failcnt hugetlb.#.events:max
max hugetlb.#.max_usage_in_bytes
}";

/// The sizes of huge pages that Linux's architectures have.
static HUGE_PAGE_SIZES: Texts = texts![
    "16KB", "64KB", "256KB", "512KB", "1MB", "2MB", "4MB", "8MB", "16MB", "32MB", "256MB", "512MB", "1GB",
    "2GB", "16GB",
];

/// Reads and writes the numbers of a cgroup, time and again in the same memory.
pub struct Numbers<'c> {
    cgroup: &'c Cgroup,
    /// What a `#` stands for.
    part: &'c str,
    /// The file that was read last, which often has the next number too: its name with the NUL, and its text.
    name: Buffer,
    wanted: Buffer,
    text: Buffer,
    v1: bool,
}

impl Numbers<'_> {
    /// A file's text; empty where there is none.
    pub(super) fn read(&mut self, v1: bool, name: &str) -> &str {
        self.wanted.room(0).clear();
        self.wanted.room(64);
        for byte in name.bytes() {
            match byte {
                b'#' => self.wanted.extend(self.part.as_bytes()),
                byte => self.wanted.extend(&[byte]),
            }
        }
        self.wanted.extend(b"\0");
        if v1 != self.v1 || *self.wanted != *self.name {
            self.v1 = v1;
            core::mem::swap(&mut self.name, &mut self.wanted);
            self.text.room(0).clear();
            let name = CStr::from_bytes_until_nul(&self.name).unwrap_or_default();
            for dir in self.cgroup.dirs.iter().filter(|dir| dir.v1 == v1) {
                if let Ok(file) = open_file(&dir.fd, name, OFlags::RDONLY) {
                    append(&mut self.text, file.as_fd()).unwrap_or_default();
                    break;
                }
            }
        }
        core::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// A number, from the first of its sources that has it.
    pub(super) fn find(&mut self, sources: &str) -> Option<u64> {
        let mut v1 = true;
        for source in sources.split(' ') {
            let found = self.sum(v1, source);
            if found.is_some() {
                return found;
            }
            v1 = false;
        }
        None
    }

    fn sum(&mut self, v1: bool, source: &str) -> Option<u64> {
        let mut sum = 0u64;
        for one in source.split('+') {
            let (place, unit) = one.split_once('*').unwrap_or((one, "1"));
            let (file, name) = place.split_once(':').unwrap_or((place, ""));
            let text = self.read(v1, file);
            let value = match name {
                "" if text.starts_with("max") => UNLIMITED,
                "" => number(text.as_bytes())?,
                name => key(text.as_bytes(), name)?,
            };
            sum = sum.saturating_add(value.saturating_mul(number(unit.as_bytes())?));
        }
        Some(sum)
    }

    /// Writes numbers; 0 for one that is not to be found.
    fn write(&mut self, lines: &str, out: &mut Writer) {
        for line in lines.lines() {
            match (line.split_once(' '), line.strip_suffix('{')) {
                (Some((name, sources)), _) => out.unsigned(name, self.find(sources).unwrap_or(0)),
                (None, Some(name)) => out.object(name),
                (None, None) => out.end_object(),
            }
        }
    }

    /// Pressure stall information: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
    fn pressure(&mut self, file: &str, out: &mut Writer) {
        let text = self.read(false, file);
        if text.is_empty() {
            return;
        }
        out.object("psi");
        for line in text.lines() {
            for word in line.split(' ') {
                match word.split_once('=') {
                    Some((name, value)) => out.verbatim(name, value),
                    None => out.object(word),
                }
            }
            out.end_object();
        }
        out.end_object();
    }

    fn percpu(&mut self, out: &mut Writer) {
        let each = self.read(true, "cpuacct.usage_percpu");
        if !each.is_empty() {
            out.array("percpu");
            for each in each.split_ascii_whitespace() {
                out.verbatim("", each);
            }
            out.end_array();
        }
    }

    /// The processors or the memory nodes, of which there may be none.
    fn cpuset(&mut self, name: &str, v1: &str, v2: &str, out: &mut Writer) {
        let mut list = self.read(false, v2);
        if list.is_empty() {
            list = self.read(true, v1);
        }
        let list = list.trim_ascii();
        if !list.is_empty() {
            out.array(name);
            ranges(list, &mut |first, last| {
                (first..=last).for_each(|number| out.unsigned("", number));
            });
            out.end_array();
        }
    }

    fn memory(&mut self, out: &mut Writer) {
        self.write(MEMORY, out);
        out.object("raw");
        let mut stat = self.read(true, "memory.stat");
        if stat.is_empty() {
            stat = self.read(false, "memory.stat");
        }
        for line in stat.lines() {
            if let Some((name, value)) = line.split_once(' ')
                && number(value.as_bytes()).is_some()
            {
                out.verbatim(name, value);
            }
        }
        out.end_object();
    }

    fn pids(&mut self, out: &mut Writer) {
        let current = self.find("pids.current pids.current").unwrap_or_else(|| {
            let mut count = 0u64;
            let list = |dir: &Dir| each_process(&dir.fd, &mut |_| count = count.saturating_add(1)).ok();
            self.cgroup.dirs.first().and_then(list);
            count
        });
        out.unsigned("current", current);
        // 0 stands for no limit here.
        let limit = self.find("pids.max pids.max").filter(|limit| *limit != UNLIMITED);
        out.unsigned("limit", limit.unwrap_or(0));
    }

    /// Operations on block devices. `part` names them on cgroup v1, where the first file that names a device counts, as runc has it:
    /// BFQ counts what it schedules, the throttle since about Linux 5.16 only what it limits. `field` ends their names in io.stat.
    fn block_io(&mut self, name: &str, part: &'static str, field: &str, out: &mut Writer) {
        self.part = part;
        let mut text = "";
        for file in "blkio.bfq.#_recursive blkio.throttle.#_recursive blkio.throttle.# io.stat".split(' ') {
            text = self.read(file != "io.stat", file);
            if text.contains(':') {
                break;
            }
        }
        if text.is_empty() {
            return;
        }
        // cgroup v1: `8:0 Read 1`, with a total at the end. cgroup2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
        let (between, within) = if text.contains('=') { (' ', '=') } else { ('\n', ' ') };
        out.array(name);
        for line in text.lines() {
            let Some((device, counts)) = line.split_once(' ') else { continue };
            for count in counts.split(between) {
                let Some((name, value)) = count.split_once(within) else { continue };
                let operation = match name.strip_suffix(field).unwrap_or_default().as_bytes() {
                    b"r" => "Read",
                    b"w" => "Write",
                    b"d" => "Discard",
                    _ if within == ' ' => name,
                    _ => continue,
                };
                block_entry(device, operation, value, out);
            }
        }
        out.end_array();
    }

    fn hugetlb(&mut self, out: &mut Writer) {
        for size in HUGE_PAGE_SIZES.iter() {
            self.part = size;
            if self.find("hugetlb.#.usage_in_bytes hugetlb.#.rsvd.current hugetlb.#.current").is_some() {
                out.object(size);
                self.write(HUGE_PAGES, out);
            }
        }
    }

    /// Writes the `data` of a stats event.
    pub fn stats(&mut self, out: &mut Writer) {
        self.name.room(0).clear(); // what was read for the last one is old
        out.object("data");
        self.write(CPU_USAGE, out);
        self.percpu(out);
        self.write(CPU_THROTTLING, out);
        self.pressure("cpu.pressure", out);
        self.write("}\ncpuset{", out);
        self.cpuset("cpus", "cpuset.effective_cpus", "cpuset.cpus.effective", out);
        self.cpuset("mems", "cpuset.effective_mems", "cpuset.mems.effective", out);
        out.end_object();
        self.memory(out);
        self.pressure("memory.pressure", out);
        self.write("}\npids{", out);
        self.pids(out);
        self.write("}\nblkio{", out);
        self.block_io("ioServiceBytesRecursive", "io_service_bytes", "bytes", out);
        self.block_io("ioServicedRecursive", "io_serviced", "ios", out);
        self.pressure("io.pressure", out);
        self.write("}\nhugetlb{", out);
        self.hugetlb(out);
        self.write("}\nintel_rdt{\n}", out);
        out.verbatim("network_interfaces", "null");
        out.end_object();
    }
}

/// One count of a device.
fn block_entry(device: &str, operation: &str, value: &str, out: &mut Writer) {
    let Some((major, minor)) = device.split_once(':') else { return };
    if number(value.as_bytes()).is_some() {
        out.object("");
        out.verbatim("major", major);
        out.verbatim("minor", minor);
        out.string("op", operation);
        out.verbatim("value", value);
        out.end_object();
    }
}

impl Cgroup {
    /// What reads its numbers.
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers {
            cgroup: self,
            part: "",
            name: Buffer::default(),
            wanted: Buffer::default(),
            text: Buffer::default(),
            v1: false,
        }
    }

    /// A number of a cgroup's, by its sources; `None` where there is none.
    pub(super) fn find(&self, sources: &str) -> Option<u64> {
        self.numbers().find(sources)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::tests::with_files;
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_number_is_found_where_its_sources_say() {
        let files = [
            (true, "cpu.stat", "nr_periods 3\n"),
            (false, "cpu.stat", "usage_usec 5\nnr_periods 4\n"),
            (false, "memory.max", "max\n"),
            (false, "memory.swap.max", "7\n"),
            (false, "memory.current", "20\n"),
            (false, "hugetlb.2MB.current", "1\n"),
        ];
        with_files("sources", &files, |cgroup| {
            assert_eq!(cgroup.find("cpu.stat:nr_periods cpu.stat:nr_periods"), Some(3));
            assert_eq!(cgroup.find("cpuacct.usage cpu.stat:usage_usec*1000"), Some(5000));
            assert_eq!(cgroup.find("memory.max"), None, "a file of cgroup v1");
            assert_eq!(cgroup.find("x memory.swap.max+memory.current"), Some(27));
            assert_eq!(cgroup.find("x memory.swap.max+memory.max"), Some(UNLIMITED));
            assert_eq!(cgroup.find("x memory.swap.current+memory.current"), None);
            let mut numbers = cgroup.numbers();
            numbers.part = "2MB";
            assert_eq!(numbers.find("x hugetlb.#.rsvd.current hugetlb.#.current"), Some(1));
        });
    }

    #[test]
    fn operations_on_devices_are_those_of_either_hierarchy() {
        let line = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n";
        for (files, expected) in [
            ([(false, "io.stat", line)], [("Read", 3), ("Write", 4), ("Discard", 6)].as_slice()),
            (
                [(true, "blkio.throttle.io_serviced", "8:0 Read 3\n8:0 Write 4\nTotal 7\n")],
                &[("Read", 3), ("Write", 4)],
            ),
        ] {
            with_files("devices", &files, |cgroup| {
                let mut out = Writer::line();
                out.object("");
                cgroup.numbers().block_io("counts", "io_serviced", "ios", &mut out);
                out.end_object();
                let counts: serde_json::Value = serde_json::from_str(&out.finish()).unwrap();
                let counts: Vec<_> = counts["counts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| (one["op"].as_str().unwrap(), one["value"].as_u64().unwrap()))
                    .collect();
                assert_eq!(counts, expected);
            });
        }
    }

    #[test]
    fn a_device_line_that_is_not_one_is_left_out() {
        let entry = |device, operation, value| {
            let mut out = Writer::line();
            out.array("");
            block_entry(device, operation, value, &mut out);
            out.end_array();
            out.finish()
        };
        assert_eq!(entry("8:16", "Read", "5"), "[{\"major\":8,\"minor\":16,\"op\":\"Read\",\"value\":5}]\n");
        assert_eq!(entry("Total", "5", "5"), "[]\n");
        assert_eq!(entry("8:0", "Total", "x"), "[]\n");
    }
}

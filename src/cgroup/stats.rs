//! What a cgroup has used, as the JSON that `events` prints: the names and units are those of runc's `events --stats`, which
//! callers read (types/events.go of runc 1.4). Times in nanoseconds, sizes in bytes, "no limit" as 2^64-1.

use super::Cgroup;
use super::dir::{Dir, each_process, key, number, read_file};
use crate::compile::process::ranges;
use crate::json::Writer;
use crate::{texts, texts::Texts};
use core::ffi::CStr;
use core::ops::Deref;
use syscalls::Buffer;

/// Nanoseconds of a clock tick in cpuacct.stat: USER_HZ is 100 on every architecture that Linux has left.
const TICK: u64 = 10_000_000;
const UNLIMITED: u64 = u64::MAX;

/// Where the operations on block devices are counted: of io.stat the fields with runc's words for them; of cgroup v1 the files, of which
/// the first that names a device counts, as runc has it. BFQ counts what it schedules, the throttle since about Linux 5.16 only what it limits.
struct Counted {
    name: &'static str,
    v1: [&'static str; 3],
    fields: [(&'static str, &'static str); 3],
}

const BLOCK_IO: [Counted; 2] = [
    Counted {
        name: "ioServiceBytesRecursive",
        v1: [
            "blkio.bfq.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes",
        ],
        fields: [("rbytes", "Read"), ("wbytes", "Write"), ("dbytes", "Discard")],
    },
    Counted {
        name: "ioServicedRecursive",
        v1: [
            "blkio.bfq.io_serviced_recursive",
            "blkio.throttle.io_serviced_recursive",
            "blkio.throttle.io_serviced",
        ],
        fields: [("rios", "Read"), ("wios", "Write"), ("dios", "Discard")],
    },
];

/// The sizes of huge pages that Linux's architectures have.
static HUGE_PAGES: Texts = texts![
    "16KB", "64KB", "256KB", "512KB", "1MB", "2MB", "4MB", "8MB", "16MB", "32MB", "256MB", "512MB", "1GB",
    "2GB", "16GB",
];

/// A file's text, given back when it has been read.
#[derive(Default)]
pub(super) struct Text(Buffer);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Cgroup {
    /// Writes the `data` of a stats event.
    pub fn stats(&self, out: &mut Writer) {
        out.object("data");
        self.cpu(out);
        self.cpuset(out);
        self.memory(out);
        out.object("pids");
        let counted = || {
            let mut count = 0u64;
            let list = |dir: &Dir| each_process(&dir.fd, &mut |_| count = count.saturating_add(1)).ok();
            self.dirs.first().and_then(list);
            count
        };
        out.unsigned("current", self.find("pids.current", "").unwrap_or_else(counted));
        // 0 stands for no limit here.
        out.unsigned("limit", self.find("pids.max", "").filter(|limit| *limit != UNLIMITED).unwrap_or(0));
        out.end_object();
        self.block_io(out);
        self.hugetlb(out);
        out.object("intel_rdt");
        out.end_object();
        out.verbatim("network_interfaces", "null");
        out.end_object();
    }

    /// A file's text, its name in two parts; empty where there is none.
    pub(super) fn text(&self, v1: Option<bool>, name: &str, end: &str) -> Text {
        // At once: a block that grows in place would be given back as a longer one, time and again.
        let mut file = Buffer::default();
        file.room(64);
        for part in [name, end, "\0"] {
            file.extend(part.as_bytes());
        }
        let name = CStr::from_bytes_until_nul(&file).unwrap_or_default();
        let dirs = self.dirs.iter().filter(|dir| v1.is_none_or(|v1| dir.v1 == v1));
        Text(dirs.filter_map(|dir| read_file(&dir.fd, name).ok()).next().unwrap_or_default())
    }

    /// The number in a file; None where there is no file.
    pub(super) fn find(&self, name: &str, end: &str) -> Option<u64> {
        let text = self.text(None, name, end);
        if text.starts_with("max") { Some(UNLIMITED) } else { number(text.as_bytes()) }
    }

    fn count(&self, name: &str, end: &str) -> u64 {
        self.find(name, end).unwrap_or(0)
    }

    fn cpu(&self, out: &mut Writer) {
        // A cgroup2 has the times without any controller; the throttling is counted where the controller is.
        let (v2, v1) = (self.text(Some(false), "cpu.stat", ""), self.text(Some(true), "cpu.stat", ""));
        let (times, throttles) = (&*v2, if v1.is_empty() { &*v2 } else { &*v1 });
        let total = self.find("cpuacct.usage", "");
        let ticks = total.map(|_| self.text(None, "cpuacct.stat", "")).unwrap_or_default();
        out.object("cpu");
        out.object("usage");
        out.unsigned("total", total.unwrap_or_else(|| of(times, "usage_usec", 1000)));
        for (name, ticked, timed) in [("kernel", "system", "system_usec"), ("user", "user", "user_usec")] {
            out.unsigned(
                name,
                match total {
                    Some(_) => of(&ticks, ticked, TICK),
                    None => of(times, timed, 1000),
                },
            );
        }
        if total.is_some() {
            out.array("percpu");
            for each in self.text(None, "cpuacct.usage_percpu", "").split_ascii_whitespace() {
                out.verbatim("", each);
            }
            out.end_array();
        }
        out.end_object();
        out.object("throttling");
        // Nanoseconds on cgroup v1.
        let time = of(throttles, "throttled_time", 1).max(of(throttles, "throttled_usec", 1000));
        out.unsigned("throttledTime", time);
        out.unsigned("periods", of(throttles, "nr_periods", 1));
        out.unsigned("throttledPeriods", of(throttles, "nr_throttled", 1));
        out.end_object();
        self.pressure("cpu.pressure", out);
        out.end_object();
    }

    /// Pressure stall information: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
    fn pressure(&self, file: &str, out: &mut Writer) {
        let text = self.text(None, file, "");
        if text.is_empty() {
            return;
        }
        out.object("psi");
        for line in text.lines() {
            let mut words = line.split(' ');
            out.object(words.next().unwrap_or_default());
            for (name, value) in words.filter_map(|field| field.split_once('=')) {
                out.verbatim(name, value);
            }
            out.end_object();
        }
        out.end_object();
    }

    fn cpuset(&self, out: &mut Writer) {
        out.object("cpuset");
        for (name, file) in [("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")] {
            let mut text = self.text(None, file, ".effective");
            if text.is_empty() {
                text = self.text(None, "cpuset.effective_", name);
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            out.array(name);
            ranges(text.trim_ascii(), &mut |first, last| {
                (first..=last).for_each(|number| out.unsigned("", number));
            });
            out.end_array();
        }
        out.end_object();
    }

    fn memory(&self, out: &mut Writer) {
        let stat = self.text(None, "memory.stat", "");
        let v1 = self.find("memory.usage_in_bytes", "").is_some();
        out.object("memory");
        out.unsigned("cache", of(&stat, if v1 { "cache" } else { "file" }, 1));
        let (limit, usage) = (self.count("memory.max", ""), self.count("memory.current", ""));
        // As cgroup v1 counts it: memory and swap together.
        let together = |swap, memory| self.find(swap, "").map_or(0, |swap| swap.saturating_add(memory));
        for (name, files) in [
            ("usage", "memory"),
            ("swap", "memory.memsw"),
            ("kernel", "memory.kmem"),
            ("kernelTCP", "memory.kmem.tcp"),
        ] {
            let numbers = match name {
                "usage" if !v1 => {
                    let failures = of(&self.text(None, "memory.events", ""), "max", 1);
                    [limit, usage, self.count("memory.peak", ""), failures]
                }
                "swap" if !v1 => {
                    [together("memory.swap.max", limit), together("memory.swap.current", usage), 0, 0]
                }
                _ if !v1 => [0; 4],
                _ => [".limit_in_bytes", ".usage_in_bytes", ".max_usage_in_bytes", ".failcnt"]
                    .map(|file| self.count(files, file)),
            };
            out.object(name);
            for (name, number) in ["limit", "usage", "max", "failcnt"].iter().zip(numbers) {
                out.unsigned(name, number);
            }
            out.end_object();
        }
        out.object("raw");
        for (name, value) in stat.lines().filter_map(|line| line.split_once(' ')) {
            if number(value.as_bytes()).is_some() {
                out.verbatim(name, value);
            }
        }
        out.end_object();
        self.pressure("memory.pressure", out);
        out.end_object();
    }

    fn block_io(&self, out: &mut Writer) {
        // cgroup2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. cgroup v1: `8:0 Read 1`, with a total at the end.
        let v2 = self.text(None, "io.stat", "");
        out.object("blkio");
        for counted in &BLOCK_IO {
            let v1 = counted.v1.iter().map(|file| self.text(None, file, "")).find(|text| text.contains(':'));
            let v1 = v1.unwrap_or_default();
            if v1.is_empty() && v2.is_empty() {
                continue;
            }
            out.array(counted.name);
            for line in v2.lines() {
                let mut words = line.split(' ');
                let device = words.next().unwrap_or_default();
                for (field, value) in words.filter_map(|word| word.split_once('=')) {
                    if let Some((_, operation)) = counted.fields.iter().find(|(name, _)| *name == field) {
                        block_entry(device, operation, value, out);
                    }
                }
            }
            for line in v1.lines() {
                let mut words = line.split(' ');
                if let (Some(device), Some(operation), Some(value)) =
                    (words.next(), words.next(), words.next())
                {
                    block_entry(device, operation, value, out);
                }
            }
            out.end_array();
        }
        self.pressure("io.pressure", out);
        out.end_object();
    }

    fn hugetlb(&self, out: &mut Writer) {
        out.object("hugetlb");
        for size in HUGE_PAGES.iter() {
            let mut pages = Text::default();
            for part in ["hugetlb.", size] {
                pages.0.extend(part.as_bytes());
            }
            let of = |file| self.find(&pages, file);
            let usage = [".rsvd.current", ".current", ".usage_in_bytes"].into_iter().find_map(of);
            let Some(usage) = usage else { continue };
            let events = self.text(None, &pages, ".events");
            let failures = key(events.as_bytes(), "max").or_else(|| of(".failcnt")).unwrap_or(0);
            out.object(size);
            out.unsigned("usage", usage);
            out.unsigned("failcnt", failures);
            out.unsigned("max", of(".max_usage_in_bytes").unwrap_or(0));
            out.end_object();
        }
        out.end_object();
    }
}

/// The number behind a key in a unit of so many; 0 without the key.
fn of(text: &str, name: &str, unit: u64) -> u64 {
    key(text.as_bytes(), name).unwrap_or(0).saturating_mul(unit)
}

/// One count of a device.
fn block_entry(device: &str, operation: &str, value: &str, out: &mut Writer) {
    let Some((major, minor)) = device.split_once(':') else { return };
    let numbers = [major, minor, value].map(|text| number(text.as_bytes()));
    if let [Some(major), Some(minor), Some(value)] = numbers {
        out.object("");
        out.unsigned("major", major);
        out.unsigned("minor", minor);
        out.string("op", operation);
        out.unsigned("value", value);
        out.end_object();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

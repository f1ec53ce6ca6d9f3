//! What a cgroup has used, as the JSON that `events` prints: the names and units are those of runc's `events --stats`, which
//! callers read (types/events.go of runc 1.4). Times in nanoseconds, sizes in bytes, "no limit" as 2^64-1.

use super::Cgroup;
use super::dir::{key, number, read_file};
use alloc::{ffi::CString, format, string::String, vec::Vec};
use core::ffi::CStr;
use core::fmt::Write;

/// Nanoseconds of a clock tick in cpuacct.stat: USER_HZ is 100 on every architecture that Linux has left.
const TICK: u64 = 10_000_000;
const UNLIMITED: u64 = u64::MAX;

/// A JSON object being written.
struct Object(String);

impl Object {
    fn new() -> Self {
        Object(String::from("{"))
    }

    fn name(&mut self, name: &str) -> &mut Self {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        // Names are ours or the kernel's: plain words.
        self.0.extend(["\"", name, "\":"]);
        self
    }

    fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        // Writing to a String does not fail.
        write!(self.0, "{value}").unwrap_or_default();
        self
    }

    fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name).0.push_str(json);
        self
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A list from its parts.
fn list(parts: &[String]) -> String {
    format!("[{}]", parts.join(","))
}

/// Use and limit of memory or swap.
#[derive(Default)]
struct Entry {
    limit: u64,
    usage: u64,
    max: u64,
    failures: u64,
}

impl Entry {
    fn json(&self) -> String {
        let mut object = Object::new();
        object.number("limit", self.limit).number("usage", self.usage);
        object.number("max", self.max).number("failcnt", self.failures);
        object.end()
    }
}

impl Cgroup {
    /// The `data` of a stats event.
    pub fn stats(&self) -> String {
        let mut data = Object::new();
        data.raw("cpu", &self.cpu()).raw("cpuset", &self.cpuset()).raw("memory", &self.memory());
        data.raw("pids", &self.pids()).raw("blkio", &self.block_io()).raw("hugetlb", &self.hugetlb());
        data.raw("intel_rdt", "{}").raw("network_interfaces", "null");
        data.end()
    }

    fn text(&self, name: &CStr) -> Option<Vec<u8>> {
        self.dirs.iter().find_map(|dir| read_file(&dir.fd, name).ok())
    }

    fn text_in(&self, v1: bool, name: &CStr) -> Option<Vec<u8>> {
        self.dirs.iter().filter(|dir| dir.v1 == v1).find_map(|dir| read_file(&dir.fd, name).ok())
    }

    fn number(&self, name: &CStr) -> Option<u64> {
        let text = self.text(name)?;
        match text.starts_with(b"max") {
            true => Some(UNLIMITED),
            false => number(&text),
        }
    }

    fn cpu(&self) -> String {
        // A cgroup2 has the times without any controller; the throttling is counted where the controller is.
        let times = self.text_in(false, c"cpu.stat").unwrap_or_default();
        let throttles = self.text_in(true, c"cpu.stat");
        let throttles = throttles.as_ref().unwrap_or(&times);
        let of = |name| key(throttles, name).unwrap_or(0);
        let micro = |name| key(&times, name).unwrap_or(0).saturating_mul(1000);
        let mut usage = Object::new();
        let mut throttling = Object::new();
        if let Some(total) = self.number(c"cpuacct.usage") {
            let ticks = self.text(c"cpuacct.stat").unwrap_or_default();
            let nano = |name| key(&ticks, name).unwrap_or(0).saturating_mul(TICK);
            usage.number("total", total).number("kernel", nano("system")).number("user", nano("user"));
            let each = self.text(c"cpuacct.usage_percpu").unwrap_or_default();
            let each = core::str::from_utf8(&each).unwrap_or_default();
            let each: Vec<String> = each.split_ascii_whitespace().map(String::from).collect();
            usage.raw("percpu", &list(&each));
        } else {
            usage.number("total", micro("usage_usec"));
            usage.number("kernel", micro("system_usec")).number("user", micro("user_usec"));
        }
        // Nanoseconds on cgroup v1.
        throttling
            .number("throttledTime", of("throttled_time").max(of("throttled_usec").saturating_mul(1000)));
        throttling.number("periods", of("nr_periods")).number("throttledPeriods", of("nr_throttled"));
        let mut cpu = Object::new();
        cpu.raw("usage", &usage.end()).raw("throttling", &throttling.end());
        if let Some(pressure) = self.pressure(c"cpu.pressure") {
            cpu.raw("psi", &pressure);
        }
        cpu.end()
    }

    /// Pressure stall information: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
    fn pressure(&self, name: &CStr) -> Option<String> {
        let text = self.text(name)?;
        let text = core::str::from_utf8(&text).ok()?;
        let mut all = Object::new();
        for line in text.lines() {
            let (kind, fields) = line.split_once(' ')?;
            let mut one = Object::new();
            for (name, value) in fields.split(' ').filter_map(|field| field.split_once('=')) {
                one.raw(name, value);
            }
            all.raw(kind, &one.end());
        }
        Some(all.end())
    }

    fn cpuset(&self) -> String {
        let mut cpuset = Object::new();
        let cpus = self.text(c"cpuset.cpus.effective").or_else(|| self.text(c"cpuset.effective_cpus"));
        let mems = self.text(c"cpuset.mems.effective").or_else(|| self.text(c"cpuset.effective_mems"));
        for (name, text) in [("cpus", cpus), ("mems", mems)] {
            let text = text.unwrap_or_default();
            let numbers = ranges(core::str::from_utf8(&text).unwrap_or_default());
            if !numbers.is_empty() {
                cpuset.raw(name, &list(&numbers));
            }
        }
        cpuset.end()
    }

    fn memory(&self) -> String {
        let stat = self.text(c"memory.stat").unwrap_or_default();
        let mut memory = Object::new();
        let or_zero = |value: Option<u64>| value.unwrap_or(0);
        let mut raw = Object::new();
        for line in core::str::from_utf8(&stat).unwrap_or_default().lines() {
            if let Some((name, value)) =
                line.split_once(' ').filter(|(_, value)| value.parse::<u64>().is_ok())
            {
                raw.raw(name, value);
            }
        }
        if self.text(c"memory.usage_in_bytes").is_some() {
            let part = |limit, usage, max, failures| Entry {
                limit: or_zero(self.number(limit)),
                usage: or_zero(self.number(usage)),
                max: or_zero(self.number(max)),
                failures: or_zero(self.number(failures)),
            };
            let usage = part(
                c"memory.limit_in_bytes",
                c"memory.usage_in_bytes",
                c"memory.max_usage_in_bytes",
                c"memory.failcnt",
            );
            let swap = part(
                c"memory.memsw.limit_in_bytes",
                c"memory.memsw.usage_in_bytes",
                c"memory.memsw.max_usage_in_bytes",
                c"memory.memsw.failcnt",
            );
            let kernel = part(
                c"memory.kmem.limit_in_bytes",
                c"memory.kmem.usage_in_bytes",
                c"memory.kmem.max_usage_in_bytes",
                c"memory.kmem.failcnt",
            );
            let tcp = part(
                c"memory.kmem.tcp.limit_in_bytes",
                c"memory.kmem.tcp.usage_in_bytes",
                c"memory.kmem.tcp.max_usage_in_bytes",
                c"memory.kmem.tcp.failcnt",
            );
            memory.number("cache", or_zero(key(&stat, "cache")));
            memory.raw("usage", &usage.json()).raw("swap", &swap.json());
            memory.raw("kernel", &kernel.json()).raw("kernelTCP", &tcp.json());
        } else {
            let events = self.text(c"memory.events").unwrap_or_default();
            let usage = Entry {
                limit: or_zero(self.number(c"memory.max")),
                usage: or_zero(self.number(c"memory.current")),
                max: or_zero(self.number(c"memory.peak")),
                failures: or_zero(key(&events, "max")),
            };
            // As cgroup v1 counted it: memory and swap together.
            let together = |swap: Option<u64>, memory| swap.map_or(0, |swap| swap.saturating_add(memory));
            let swap = Entry {
                limit: together(self.number(c"memory.swap.max"), usage.limit),
                usage: together(self.number(c"memory.swap.current"), usage.usage),
                ..Entry::default()
            };
            memory.number("cache", or_zero(key(&stat, "file")));
            memory.raw("usage", &usage.json()).raw("swap", &swap.json());
            memory.raw("kernel", &Entry::default().json()).raw("kernelTCP", &Entry::default().json());
        }
        memory.raw("raw", &raw.end());
        if let Some(pressure) = self.pressure(c"memory.pressure") {
            memory.raw("psi", &pressure);
        }
        memory.end()
    }

    fn pids(&self) -> String {
        let mut pids = Object::new();
        let counted = || self.processes().map_or(0, |pids| pids.len() as u64);
        pids.number("current", self.number(c"pids.current").unwrap_or_else(counted));
        // 0 stands for no limit here.
        pids.number("limit", self.number(c"pids.max").filter(|limit| *limit != UNLIMITED).unwrap_or(0));
        pids.end()
    }

    fn block_io(&self) -> String {
        let mut bytes: Vec<String> = Vec::new();
        let mut operations: Vec<String> = Vec::new();
        // cgroup2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
        let stat = self.text(c"io.stat").unwrap_or_default();
        for line in core::str::from_utf8(&stat).unwrap_or_default().lines() {
            let mut fields = line.split(' ');
            let device = fields.next().unwrap_or_default();
            for (name, value) in fields.filter_map(|field| field.split_once('=')) {
                let (list, operation) = match name {
                    "rbytes" => (&mut bytes, "Read"),
                    "wbytes" => (&mut bytes, "Write"),
                    "dbytes" => (&mut bytes, "Discard"),
                    "rios" => (&mut operations, "Read"),
                    "wios" => (&mut operations, "Write"),
                    "dios" => (&mut operations, "Discard"),
                    _ => continue,
                };
                list.extend(block_entry(device, operation, value));
            }
        }
        // cgroup v1: `8:0 Read 1`, with a total at the end.
        for (files, list) in [
            ([c"blkio.throttle.io_service_bytes_recursive", c"blkio.throttle.io_service_bytes"], &mut bytes),
            ([c"blkio.throttle.io_serviced_recursive", c"blkio.throttle.io_serviced"], &mut operations),
        ] {
            let text = files.iter().find_map(|name| self.text(name)).unwrap_or_default();
            for line in core::str::from_utf8(&text).unwrap_or_default().lines() {
                let mut fields = line.split(' ');
                if let (Some(device), Some(operation), Some(value)) =
                    (fields.next(), fields.next(), fields.next())
                {
                    list.extend(block_entry(device, operation, value));
                }
            }
        }
        let mut io = Object::new();
        for (name, entries) in [("ioServiceBytesRecursive", bytes), ("ioServicedRecursive", operations)] {
            if !entries.is_empty() {
                io.raw(name, &list(&entries));
            }
        }
        if let Some(pressure) = self.pressure(c"io.pressure") {
            io.raw("psi", &pressure);
        }
        io.end()
    }

    fn hugetlb(&self) -> String {
        let mut all = Object::new();
        // The sizes that Linux's architectures have.
        for size in [
            "16KB", "64KB", "256KB", "512KB", "1MB", "2MB", "4MB", "8MB", "16MB", "32MB", "256MB", "512MB",
            "1GB", "2GB", "16GB",
        ] {
            let file = |name: &str| CString::new(format!("hugetlb.{size}.{name}")).unwrap_or_default();
            let read = |names: [&str; 3]| names.iter().find_map(|name| self.number(&file(name)));
            let Some(usage) = read(["rsvd.current", "current", "usage_in_bytes"]) else { continue };
            let events = self.text(&file("events")).unwrap_or_default();
            let failures = key(&events, "max").or_else(|| self.number(&file("failcnt"))).unwrap_or(0);
            let mut one = Object::new();
            one.number("usage", usage).number("failcnt", failures);
            one.number("max", self.number(&file("max_usage_in_bytes")).unwrap_or(0));
            all.raw(size, &one.end());
        }
        all.end()
    }
}

/// One count of a device.
fn block_entry(device: &str, operation: &str, value: &str) -> Option<String> {
    let (major, minor) = device.split_once(':')?;
    let mut entry = Object::new();
    entry.number("major", major.parse().ok()?).number("minor", minor.parse().ok()?);
    entry.raw("op", &format!("\"{operation}\"")).number("value", value.parse().ok()?);
    Some(entry.end())
}

/// `0-2,7` as single numbers.
fn ranges(text: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            numbers.extend((first..=last).map(|number| format!("{number}")));
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_lists_are_json() {
        let mut inner = Object::new();
        inner.number("a", 1).number("b", u64::MAX);
        let mut outer = Object::new();
        outer.raw("inner", &inner.end()).raw("list", &list(&ranges("0-2,7\n")));
        assert_eq!(outer.end(), "{\"inner\":{\"a\":1,\"b\":18446744073709551615},\"list\":[0,1,2,7]}");
        assert_eq!(Object::new().end(), "{}");
        assert_eq!(list(&ranges("")), "[]");
    }

    #[test]
    fn a_device_line_that_is_not_one_is_left_out() {
        assert_eq!(
            block_entry("8:16", "Read", "5").as_deref(),
            Some("{\"major\":8,\"minor\":16,\"op\":\"Read\",\"value\":5}")
        );
        assert_eq!(block_entry("Total", "5", "5"), None);
        assert_eq!(block_entry("8:0", "Total", "x"), None);
    }
}

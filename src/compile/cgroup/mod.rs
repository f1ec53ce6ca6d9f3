//! linux.resources -> what is written to which file of a cgroup, and the device program.
//!
//! Pure: every refusal that needs no kernel is here, so that nothing has been made when it comes. `cgroup` carries the
//! plan out; `check --plan` prints it. Values that ask for nothing (absent, zero, or what a new cgroup has anyway) need no
//! controller. Formulas and file names: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of Linux 6.12, and the
//! conversions that config-linux.md leaves to the runtimes as runc 1.4 and crun 1.24 agreed on them.

mod block_io;
mod cpu;
mod memory;
mod weight;

#[cfg(test)]
mod tests;

use super::device;
use crate::config::resources::{HugepageLimit, Network, Resources};
use crate::error::{Error, Quoted, Result, decimal, error};
use crate::words::Words;
use crate::{texts, texts::Texts};
use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{ffi::CStr, fmt::Display};

/// A set of controllers, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controllers(pub u16);

/// The controllers that differ between the hierarchies, as cgroup v1 calls them. The first [`V2`] are there on cgroup v2 too, by the
/// same names but for blkio, which is io.
static CONTROLLERS: Texts = texts![
    "memory", "cpu", "cpuset", "pids", "blkio", "hugetlb", "rdma", "net_cls", "net_prio", "devices",
    "freezer", "cpuacct"
];
const V2: u16 = 7;

impl Controllers {
    /// No controller.
    pub const NONE: Controllers = Controllers(0);
    /// memory.
    pub const MEMORY: Controllers = Controllers(1);
    /// cpu.
    pub const CPU: Controllers = Controllers(1 << 1);
    /// cpuset.
    pub const CPUSET: Controllers = Controllers(1 << 2);
    /// pids.
    pub const PIDS: Controllers = Controllers(1 << 3);
    /// io, blkio.
    pub const IO: Controllers = Controllers(1 << 4);
    /// hugetlb.
    pub const HUGETLB: Controllers = Controllers(1 << 5);
    /// rdma.
    pub const RDMA: Controllers = Controllers(1 << 6);
    /// net_cls.
    pub const NET_CLS: Controllers = Controllers(1 << 7);
    /// net_prio.
    pub const NET_PRIO: Controllers = Controllers(1 << 8);
    /// devices.
    pub const DEVICES: Controllers = Controllers(1 << 9);
    /// freezer.
    pub const FREEZER: Controllers = Controllers(1 << 10);

    /// Whether all of `other` is in this set.
    pub fn has(self, other: Controllers) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets.
    pub fn and(self, other: Controllers) -> Controllers {
        Controllers(self.0 | other.0)
    }

    /// The controller of that name on cgroup v1; the empty set for one that is not known.
    pub fn of_v1(name: &str) -> Controllers {
        Controllers(CONTROLLERS.position(name).map_or(0, |line| 1u16.wrapping_shl(line as u32)))
    }
}

/// What to do when the file of a write is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The limit cannot be had: an error.
    Fail,
    /// The value is what the kernel does without the file.
    Skip,
    /// The next write is the same limit for a kernel that lacks this file; it is left out when this one was done.
    Next,
}

/// One write to one file of the container's cgroup.
#[derive(Debug, PartialEq, Eq)]
pub struct Write {
    /// Whether the file is on the controller's cgroup v1 hierarchy.
    pub v1: bool,
    /// File name; up to the first dot it is the controller's name.
    pub file: &'static CStr,
    /// The text, in one write.
    pub value: &'static str,
    /// Property below linux.resources.
    pub place: String,
    /// When the file is absent.
    pub missing: Missing,
}

impl Write {
    /// Name of the controller that must be enabled; `None` for the files that every cgroup has.
    pub fn controller(&self) -> Option<&str> {
        let name = self.file.to_str().ok()?.split('.').next()?;
        (name != "cgroup" && self.missing != Missing::Skip).then_some(name)
    }
}

/// All that is to be done to a cgroup.
#[derive(Debug, Default)]
pub struct CgroupPlan {
    /// In order. One that the kernel refuses with EINVAL may succeed after a later one.
    pub writes: Vec<Write>,
    /// Device program for a cgroup2, as bpf(2) takes it; `None` where nothing is denied, or where nothing is to change.
    pub devices: Option<Vec<syscalls::bpf::Insn>>,
    /// pids.limit is 0, which pids.max gets when the first process is there.
    pub no_forks: bool,
    /// memory.checkBeforeUpdate: refuse when the present usage in bytes is not below this.
    pub memory_floor: Option<u64>,
}

impl CgroupPlan {
    /// Whether a limit was asked for, so that a host without cgroups must be refused.
    pub fn asks(&self) -> bool {
        self.writes.iter().any(|write| write.missing != Missing::Skip)
    }

    /// Refuses limits that need a controller, where there is none.
    pub fn refuse(&self, hint: Words) -> Result<()> {
        for write in &self.writes {
            if let Some(name) = write.controller() {
                return Err(error!("linux.resources.{}: no {} controller", write.place, name).hint(hint));
            }
        }
        Ok(())
    }
}

/// Present limits of a running container, of which an update may name only a half.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// memory.max in bytes; `None` is unlimited.
    pub memory: Option<u64>,
    /// First number of cpu.max in microseconds; `None` is unlimited.
    pub quota: Option<u64>,
    /// Second number of cpu.max in microseconds; `None` on cgroup v1, where it has a file of its own.
    pub period: Option<u64>,
}

/// What the plan is for.
#[derive(Debug, Clone, Copy)]
pub enum Occasion {
    /// A new cgroup.
    Create,
    /// A running container: what is not named stays.
    Update(Now),
}

/// Compiles the section. `v1` are the controllers that live on cgroup v1 hierarchies of this host.
pub fn compile(
    resources: &Resources<'_>,
    v1: Controllers,
    occasion: Occasion,
) -> Result<&'static mut CgroupPlan> {
    let mut compiler = Compiler { plan: Box::leak(Box::default()), v1: false };
    let on = |controller| v1.has(controller);
    let (now, update) = match occasion {
        Occasion::Create => (Now::default(), false),
        Occasion::Update(now) => (now, true),
    };
    if !update || device::grants(&resources.devices) {
        compiler.devices(resources, on(Controllers::DEVICES))?;
    }
    compiler.v1 = on(Controllers::PIDS);
    if let Some(limit) = resources.pids.limit {
        match limit {
            // The first process cannot be born in a cgroup whose limit is 0; it can be in one whose limit becomes 0.
            0 if !update => {
                compiler.put("pids.max", "pids.limit", &"1");
                compiler.plan.no_forks = true;
            }
            -1 => compiler.default("pids.max", "pids.limit", &"max"),
            0.. => compiler.put("pids.max", "pids.limit", &limit),
            _ => return Err(refuse("pids.limit", words!("must be -1 or more"))),
        }
    }
    compiler.v1 = on(Controllers::MEMORY);
    compiler.memory(&resources.memory, now, update)?;
    compiler.v1 = on(Controllers::CPU);
    compiler.cpu(&resources.cpu, now)?;
    compiler.v1 = on(Controllers::CPUSET);
    for (file, place, list) in
        [("cpuset.cpus", "cpu.cpus", &resources.cpu.cpus), ("cpuset.mems", "cpu.mems", &resources.cpu.mems)]
    {
        if !list.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b',' | b'-' | b' ' | b'\n')) {
            return Err(refuse(place, words!("must be a list of numbers and ranges, such as 0-3,7")));
        }
        if !list.trim_ascii().is_empty() {
            compiler.put(file, place, &list.trim_ascii());
        }
    }
    compiler.v1 = on(Controllers::IO);
    compiler.block_io(&resources.block_io)?;
    compiler.v1 = on(Controllers::HUGETLB);
    compiler.hugepages(&resources.hugepage_limits)?;
    compiler.network(&resources.network, v1)?;
    compiler.v1 = on(Controllers::RDMA);
    for (device, limit) in resources.rdma.iter() {
        if device.is_empty() || device.bytes().any(|byte| byte.is_ascii_whitespace()) {
            return Err(refuse("rdma", words!("a device name must not be empty nor hold white space")));
        }
        let mut line = String::from(device);
        for (key, value) in [("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects)] {
            if let Some(value) = value {
                line = format!("{line} {key}={value}");
            }
        }
        if line.len() > device.len() {
            compiler.put("rdma.max", "rdma", &line);
        }
    }
    compiler.v1 = false;
    for (file, value) in resources.unified.iter() {
        compiler.unified(file, value, v1)?;
    }
    Ok(compiler.plan)
}

/// The plan being made.
struct Compiler {
    plan: &'static mut CgroupPlan,
    /// Whether the controller at hand is on cgroup v1.
    v1: bool,
}

/// A refusal that names the property.
fn refuse(place: &str, what: Words) -> Error {
    error!("linux.resources.{}: {}", place, what)
}

/// A refusal of a property that cgroup v2 has no counterpart for.
fn refuse_v2(place: &str) -> Error {
    refuse(place, words!("cannot be set on cgroup v2, which has no such limit"))
}

impl Compiler {
    fn write(&mut self, file: &str, place: &str, value: &dyn Display, missing: Missing) {
        self.plan.writes.push(Write {
            v1: self.v1,
            file: super::cstring(file),
            value: value.to_string().leak(),
            place: place.into(),
            missing,
        });
    }

    /// A limit that was asked for.
    fn put(&mut self, file: &str, place: &str, value: &dyn Display) {
        self.write(file, place, value, Missing::Fail);
    }

    /// A value that is what the kernel does anyway: asks for no controller.
    fn default(&mut self, file: &str, place: &str, value: &dyn Display) {
        self.write(file, place, value, Missing::Skip);
    }

    /// The file of this hierarchy's version.
    fn pick(&self, v2: &'static str, v1: &'static str) -> &'static str {
        if self.v1 { v1 } else { v2 }
    }

    fn devices(&mut self, resources: &Resources<'_>, v1: bool) -> Result<()> {
        let devices = device::fold(&resources.devices, &resources.nodes).map_err(|invalid| {
            error!("linux.resources.devices[{}].{}", decimal(invalid.index), invalid.what)
        })?;
        if v1 {
            self.v1 = true;
            devices.exceptions(&mut |file, line| self.put(file, "devices", &line)).ok_or_else(|| {
                refuse(
                    "devices",
                    words!("cgroup v1 cannot deny a part of what another rule allows; order them otherwise"),
                )
            })
        } else {
            let program = devices.program();
            self.plan.devices =
                program.map_err(|_| refuse("devices", words!("too many rules for one program")))?;
            Ok(())
        }
    }

    fn hugepages(&mut self, limits: &[HugepageLimit<'_>]) -> Result<()> {
        for (index, limit) in limits.iter().enumerate() {
            let size = limit.page_size;
            if !matches!(size.as_bytes(), [b'1'..=b'9', digits @ .., b'K' | b'M' | b'G', b'B']
                if digits.iter().all(u8::is_ascii_digit))
            {
                return Err(refuse(
                    &format!("hugepageLimits[{index}].pageSize"),
                    words!("must be a size as the kernel spells it: 64KB, 2MB, 1GB"),
                ));
            }
            let place = format!("hugepageLimits[{index}]");
            let file = self.pick("max", "limit_in_bytes");
            // Reservations are limited apart since Linux 5.7; before that the first file counts them by their faults.
            for (what, missing) in [("", Missing::Fail), ("rsvd.", Missing::Skip)] {
                self.write(&format!("hugetlb.{size}.{what}{file}"), &place, &limit.limit, missing);
            }
        }
        Ok(())
    }

    fn network(&mut self, network: &Network<'_>, v1: Controllers) -> Result<()> {
        self.v1 = true;
        if let Some(class) = network.class_id.filter(|class| *class != 0) {
            if !v1.has(Controllers::NET_CLS) {
                return Err(refuse(
                    "network.classID",
                    words!("needs the net_cls controller of cgroup v1, which is not mounted"),
                ));
            }
            self.put("net_cls.classid", "network.classID", &class);
        }
        for (index, priority) in network.priorities.iter().enumerate() {
            let place = format!("network.priorities[{index}]");
            if !v1.has(Controllers::NET_PRIO) {
                return Err(refuse(
                    &place,
                    words!("needs the net_prio controller of cgroup v1, which is not mounted"),
                ));
            }
            if priority.name.is_empty()
                || priority.name.bytes().any(|byte| byte.is_ascii_whitespace() || byte == b'/')
            {
                return Err(refuse(&place, words!("name must be that of an interface")));
            }
            self.put("net_prio.ifpriomap", &place, &format_args!("{} {}", priority.name, priority.priority));
        }
        Ok(())
    }

    /// A file of cgroup v2 named outright. Only its form is looked at; the kernel judges the value.
    fn unified(&mut self, file: &str, value: &str, v1: Controllers) -> Result<()> {
        let place = format!("unified[{}]", Quoted(file));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let Some((controller, rest)) = file.split_once('.') else {
            return Err(refuse(&place, words!("must be the name of a cgroup v2 file, such as memory.high")));
        };
        if controller.is_empty() || rest.is_empty() || !file.bytes().all(plain) {
            return Err(refuse(&place, words!("must be the name of a cgroup v2 file, such as memory.high")));
        }
        if ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type"].contains(&file) {
            return Err(refuse(&place, words!("belongs to the runtime")));
        }
        let controller = Controllers::of_v1(if controller == "io" { "blkio" } else { controller });
        if controller.0 & v1.0 & ((1 << V2) - 1) != 0 {
            return Err(refuse(&place, words!("the controller is on a cgroup v1 hierarchy of this host")));
        }
        if value.trim_ascii().is_empty() {
            return Err(refuse(&place, words!("must not be empty")));
        }
        // Nested keys (io.max, rdma.max) take one line a write.
        for line in value.lines().filter(|line| !line.trim_ascii().is_empty()) {
            self.put(file, &place, &line.trim_ascii());
        }
        Ok(())
    }
}

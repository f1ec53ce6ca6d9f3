//! linux.resources -> what is written to which file of a cgroup, and the device program.
//!
//! Pure: every refusal that needs no kernel is here, so that nothing has been made when it comes. `cgroup` carries the
//! plan out; `check --plan` prints it. Values that ask for nothing (absent, zero, or what a new cgroup has anyway) need no
//! controller. Formulas and file names: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of Linux 6.12, and the
//! conversions that config-linux.md leaves to the runtimes as runc 1.4 and crun 1.24 agreed on them.

mod weight;

#[cfg(test)]
mod tests;

use super::device;
use crate::config::resources::{BlockIo, Cpu, HugepageLimit, Memory, Network, Resources, ThrottleDevice};
use crate::error::{Error, Result};
use alloc::{borrow::Cow, ffi::CString, format, string::String, vec::Vec};

/// A set of controllers, one bit for each line of [`CONTROLLERS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controllers(pub u16);

/// The controllers that differ between the hierarchies: name on cgroup v2, name on cgroup v1. Empty: does not exist there.
pub const CONTROLLERS: [(&str, &str); 12] = [
    ("memory", "memory"),
    ("cpu", "cpu"),
    ("cpuset", "cpuset"),
    ("pids", "pids"),
    ("io", "blkio"),
    ("hugetlb", "hugetlb"),
    ("rdma", "rdma"),
    ("", "net_cls"),
    ("", "net_prio"),
    ("", "devices"),
    ("", "freezer"),
    ("", "cpuacct"),
];

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
        let line = CONTROLLERS.iter().position(|(_, v1)| *v1 == name);
        Controllers(line.and_then(|bit| 1u16.checked_shl(u32::try_from(bit).ok()?)).unwrap_or(0))
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
    pub file: CString,
    /// The bytes, in one write.
    pub value: Vec<u8>,
    /// Property below linux.resources.
    pub place: Cow<'static, str>,
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
    /// memory.checkBeforeUpdate: refuse when the present usage in bytes is not below this.
    pub memory_floor: Option<u64>,
}

impl CgroupPlan {
    /// Whether a limit was asked for, so that a host without cgroups must be refused.
    pub fn asks(&self) -> bool {
        self.writes.iter().any(|write| write.missing != Missing::Skip)
    }
}

/// Present limits of a running container, of which an update may name only a half.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// memory.max in bytes; `None` is unlimited.
    pub memory: Option<u64>,
    /// First number of cpu.max in microseconds; `None` is unlimited.
    pub quota: Option<u64>,
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
pub fn compile(resources: &Resources<'_>, v1: Controllers, occasion: Occasion) -> Result<CgroupPlan> {
    let mut compiler = Compiler { plan: CgroupPlan::default(), v1: false };
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
            // A cgroup whose limit is 0 cannot be the birth place of its first process: fork is refused there, joining is
            // not. With 1 that process exists and forks no more than it would with 0.
            0 | 1 => compiler.put("pids.max", "pids.limit", "1"),
            -1 => compiler.default("pids.max", "pids.limit", "max"),
            2.. => compiler.put("pids.max", "pids.limit", format!("{limit}")),
            _ => return Err(refuse("pids.limit", "must be -1 or more")),
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
        if list.bytes().any(|byte| !byte.is_ascii_digit() && !b",- \n".contains(&byte)) {
            return Err(refuse(place, "must be a list of numbers and ranges, such as 0-3,7"));
        }
        if !list.trim().is_empty() {
            compiler.put(file, place, list.trim());
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
            return Err(refuse("rdma", "a device name must not be empty nor hold white space"));
        }
        let mut line = String::from(&**device);
        for (key, value) in [(" hca_handle=", limit.hca_handles), (" hca_object=", limit.hca_objects)] {
            if let Some(value) = value {
                line.push_str(key);
                line.push_str(&format!("{value}"));
            }
        }
        if line.len() > device.len() {
            compiler.put("rdma.max", "rdma", line);
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
    plan: CgroupPlan,
    /// Whether the controller at hand is on cgroup v1.
    v1: bool,
}

/// A refusal that names the property.
fn refuse(place: &str, what: &str) -> Error {
    Error::new(format!("linux.resources.{place}: {what}"))
}

/// A refusal of a property that cgroup v2 has no counterpart for.
fn refuse_v2(place: &str) -> Error {
    refuse(place, "cannot be set on cgroup v2, which has no such limit")
}

impl Compiler {
    fn write(
        &mut self,
        file: &str,
        place: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        missing: Missing,
    ) {
        // Str holds no NUL, and the names in this file none either.
        let file = CString::new(file).unwrap_or_default();
        let value: String = value.into();
        self.plan.writes.push(Write {
            v1: self.v1,
            file,
            value: value.into_bytes(),
            place: place.into(),
            missing,
        });
    }

    /// A limit that was asked for.
    fn put(&mut self, file: &str, place: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.write(file, place, value, Missing::Fail);
    }

    /// A value that is what the kernel does anyway: asks for no controller.
    fn default(&mut self, file: &str, place: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.write(file, place, value, Missing::Skip);
    }

    /// The file of this hierarchy's version.
    fn pick(&self, v2: &'static str, v1: &'static str) -> &'static str {
        if self.v1 { v1 } else { v2 }
    }

    fn devices(&mut self, resources: &Resources<'_>, v1: bool) -> Result<()> {
        let devices = device::fold(&resources.devices).map_err(|invalid| {
            Error::new(format!("linux.resources.devices[{}].{}", invalid.index, invalid.what))
        })?;
        if v1 {
            self.v1 = true;
            let exceptions = devices.exceptions().ok_or_else(|| {
                refuse(
                    "devices",
                    "cgroup v1 cannot deny a part of what another rule allows; order them otherwise",
                )
            })?;
            for (file, value) in exceptions {
                self.put(file, "devices", value);
            }
        } else if !devices.is_everything() {
            let program =
                devices.program().map_err(|_| refuse("devices", "too many rules for one program"))?;
            self.plan.devices = Some(program.into_iter().map(device::Insn::encode).collect());
        }
        Ok(())
    }

    fn memory(&mut self, memory: &Memory, now: Now, update: bool) -> Result<()> {
        let asked = |value: Option<i64>, place| match value {
            None | Some(0) => Ok(None),
            Some(value) if value < -1 => Err(refuse(place, "must be -1 or more")),
            value => Ok(value),
        };
        let limit = asked(memory.limit, "memory.limit")?;
        let swap = asked(memory.swap, "memory.swap")?;
        let reservation = asked(memory.reservation, "memory.reservation")?;
        let kernel = asked(memory.kernel, "memory.kernel")?;
        let kernel_tcp = asked(memory.kernel_tcp, "memory.kernelTCP")?;
        if memory.check_before_update == Some(true) {
            let least = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
            self.plan.memory_floor = [least(limit), least(swap)].into_iter().flatten().min();
        }

        if self.v1 {
            let present = now.memory.and_then(|bytes| i64::try_from(bytes).ok());
            if let (Some(swap @ 1..), Some(limit @ 1..)) = (swap, limit.or(present))
                && swap < limit
            {
                return Err(refuse(
                    "memory.swap",
                    "is memory and swap together, and must not be below memory.limit",
                ));
            }
            self.limit("memory.limit_in_bytes", "memory.limit", limit, "-1");
            match (limit, swap) {
                (Some(-1), None) => self.default("memory.memsw.limit_in_bytes", "memory.swap", "-1"),
                _ => self.limit("memory.memsw.limit_in_bytes", "memory.swap", swap, "-1"),
            }
            self.limit("memory.soft_limit_in_bytes", "memory.reservation", reservation, "-1");
            self.limit("memory.kmem.limit_in_bytes", "memory.kernel", kernel, "-1");
            self.limit("memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP", kernel_tcp, "-1");
            match memory.swappiness {
                None => {}
                Some(value @ 0..=100) => {
                    self.put("memory.swappiness", "memory.swappiness", format!("{value}"))
                }
                Some(_) => return Err(refuse("memory.swappiness", "must be 0 to 100")),
            }
            if memory.disable_oom_killer == Some(true) {
                self.put("memory.oom_control", "memory.disableOOMKiller", "1");
            } else if memory.disable_oom_killer == Some(false) && update {
                self.default("memory.oom_control", "memory.disableOOMKiller", "0");
            }
            if memory.use_hierarchy == Some(true) {
                self.default("memory.use_hierarchy", "memory.useHierarchy", "1");
            }
            return Ok(());
        }

        for (set, place) in [
            (kernel.is_some_and(|bytes| bytes > 0), "memory.kernel"),
            (kernel_tcp.is_some_and(|bytes| bytes > 0), "memory.kernelTCP"),
            (memory.swappiness.is_some(), "memory.swappiness"),
            (memory.disable_oom_killer == Some(true), "memory.disableOOMKiller"),
        ] {
            if set {
                return Err(refuse_v2(place));
            }
        }
        // config-linux.md counts memory and swap together, memory.swap.max swap alone.
        let ceiling =
            limit.or(now.memory.and_then(|bytes| i64::try_from(bytes).ok()).or(update.then_some(-1)));
        match (swap, ceiling) {
            (None, _) if limit == Some(-1) => self.default("memory.swap.max", "memory.swap", "max"),
            (None, _) => {}
            (Some(-1), _) => self.default("memory.swap.max", "memory.swap", "max"),
            (Some(_), None) => return Err(refuse("memory.swap", "cannot be set without memory.limit")),
            (Some(swap), Some(-1)) => self.put("memory.swap.max", "memory.swap", format!("{swap}")),
            (Some(swap), Some(limit)) => match swap.checked_sub(limit) {
                // Without CONFIG_SWAP there is no such file, nor anything that would need one.
                Some(0) => self.default("memory.swap.max", "memory.swap", "0"),
                Some(rest @ 1..) => self.put("memory.swap.max", "memory.swap", format!("{rest}")),
                _ => {
                    let what = "is memory and swap together, and must not be below memory.limit";
                    return Err(refuse("memory.swap", what));
                }
            },
        }
        self.limit("memory.max", "memory.limit", limit, "max");
        self.limit("memory.low", "memory.reservation", reservation, "max");
        Ok(())
    }

    /// A limit in bytes where -1 stands for none.
    fn limit(&mut self, file: &str, place: &'static str, value: Option<i64>, none: &str) {
        match value {
            None => {}
            Some(-1) => self.default(file, place, none),
            Some(value) => self.put(file, place, format!("{value}")),
        }
    }

    fn cpu(&mut self, cpu: &Cpu<'_>, now: Now) -> Result<()> {
        match cpu.idle {
            None | Some(0 | 1) => {}
            Some(_) => return Err(refuse("cpu.idle", "must be 0 or 1")),
        }
        // The weight of a group that is SCHED_IDLE cannot be set (EINVAL): idle goes before it when it is taken off, behind
        // it when it is put on.
        if cpu.idle == Some(0) {
            self.default("cpu.idle", "cpu.idle", "0");
        }
        match cpu.shares {
            None | Some(0) => {}
            Some(shares) if self.v1 => self.put("cpu.shares", "cpu.shares", format!("{shares}")),
            Some(shares) => self.put("cpu.weight", "cpu.shares", format!("{}", weight::of_shares(shares))),
        }
        if cpu.idle == Some(1) {
            self.put("cpu.idle", "cpu.idle", "1");
        }

        let quota = cpu.quota.filter(|quota| *quota != 0);
        let period = cpu.period.filter(|period| *period != 0);
        if self.v1 {
            if let Some(period) = period {
                self.put("cpu.cfs_period_us", "cpu.period", format!("{period}"));
            }
            match quota {
                None => {}
                Some(..0) => self.default("cpu.cfs_quota_us", "cpu.quota", "-1"),
                Some(quota) => self.put("cpu.cfs_quota_us", "cpu.quota", format!("{quota}")),
            }
        } else {
            match (quota, period) {
                (None, None) => {}
                // A single number leaves the period as it is.
                (Some(..0), None) => self.default("cpu.max", "cpu.quota", "max"),
                (Some(quota), None) => self.put("cpu.max", "cpu.quota", format!("{quota}")),
                (Some(..0), Some(period)) => self.put("cpu.max", "cpu.period", format!("max {period}")),
                (Some(quota), Some(period)) => self.put("cpu.max", "cpu.quota", format!("{quota} {period}")),
                (None, Some(period)) => match now.quota {
                    Some(quota) => self.put("cpu.max", "cpu.period", format!("{quota} {period}")),
                    None => self.put("cpu.max", "cpu.period", format!("max {period}")),
                },
            }
        }
        let file = self.pick("cpu.max.burst", "cpu.cfs_burst_us");
        match cpu.burst {
            None => {}
            Some(0) => self.default(file, "cpu.burst", "0"),
            Some(burst) => self.put(file, "cpu.burst", format!("{burst}")),
        }

        let runtime = cpu.realtime_runtime.filter(|value| *value != 0);
        let period = cpu.realtime_period.filter(|value| *value != 0);
        if let Some(period) = period {
            if !self.v1 {
                return Err(refuse_v2("cpu.realtimePeriod"));
            }
            self.put("cpu.rt_period_us", "cpu.realtimePeriod", format!("{period}"));
        }
        if let Some(runtime) = runtime {
            if !self.v1 {
                return Err(refuse_v2("cpu.realtimeRuntime"));
            }
            self.put("cpu.rt_runtime_us", "cpu.realtimeRuntime", format!("{runtime}"));
        }
        Ok(())
    }

    fn block_io(&mut self, io: &BlockIo) -> Result<()> {
        // BFQ takes the weights of the specification as they are; io.weight, of the iocost model, has another range.
        let bfq = self.pick("io.bfq.weight", "blkio.bfq.weight");
        if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
            let scaled =
                weight::of_blkio(weight).ok_or_else(|| refuse("blockIO.weight", "must be 10 to 1000"))?;
            self.write(bfq, "blockIO.weight", format!("{weight}"), Missing::Next);
            match self.v1 {
                true => self.put("blkio.weight", "blockIO.weight", format!("{weight}")),
                false => self.put("io.weight", "blockIO.weight", format!("{scaled}")),
            }
        }
        if let Some(weight) = io.leaf_weight.filter(|weight| *weight != 0) {
            if !self.v1 {
                return Err(refuse_v2("blockIO.leafWeight"));
            }
            self.put("blkio.leaf_weight", "blockIO.leafWeight", format!("{weight}"));
        }
        for (index, device) in io.weight_device.iter().enumerate() {
            let place = format!("blockIO.weightDevice[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
                let scaled =
                    weight::of_blkio(weight).ok_or_else(|| refuse(&place, "weight must be 10 to 1000"))?;
                let bfq = self.pick("io.bfq.weight", "blkio.bfq.weight_device");
                self.write(bfq, place.clone(), format!("{name} {weight}"), Missing::Next);
                match self.v1 {
                    true => self.put("blkio.weight_device", place.clone(), format!("{name} {weight}")),
                    false => self.put("io.weight", place.clone(), format!("{name} {scaled}")),
                }
            }
            if let Some(weight) = device.leaf_weight.filter(|weight| *weight != 0) {
                if !self.v1 {
                    return Err(refuse(
                        &place,
                        "leafWeight cannot be set on cgroup v2, which has no such limit",
                    ));
                }
                self.put("blkio.leaf_weight_device", place, format!("{name} {weight}"));
            }
        }
        self.throttles(
            &io.throttle_read_bps_device,
            "blockIO.throttleReadBpsDevice",
            "rbps",
            "blkio.throttle.read_bps_device",
        )?;
        self.throttles(
            &io.throttle_write_bps_device,
            "blockIO.throttleWriteBpsDevice",
            "wbps",
            "blkio.throttle.write_bps_device",
        )?;
        self.throttles(
            &io.throttle_read_iops_device,
            "blockIO.throttleReadIOPSDevice",
            "riops",
            "blkio.throttle.read_iops_device",
        )?;
        self.throttles(
            &io.throttle_write_iops_device,
            "blockIO.throttleWriteIOPSDevice",
            "wiops",
            "blkio.throttle.write_iops_device",
        )
    }

    fn throttles(&mut self, list: &[ThrottleDevice], place: &str, key: &str, v1_file: &str) -> Result<()> {
        for (index, device) in list.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            let rate = device.rate;
            match (self.v1, rate) {
                (true, 0) => self.default(v1_file, place, format!("{name} 0")),
                (true, _) => self.put(v1_file, place, format!("{name} {rate}")),
                (false, 0) => self.default("io.max", place, format!("{name} {key}=max")),
                (false, _) => self.put("io.max", place, format!("{name} {key}={rate}")),
            }
        }
        Ok(())
    }

    fn hugepages(&mut self, limits: &[HugepageLimit<'_>]) -> Result<()> {
        for (index, limit) in limits.iter().enumerate() {
            let size = &*limit.page_size;
            let digits = size.strip_suffix("KB").or(size.strip_suffix("MB")).or(size.strip_suffix("GB"));
            if !digits.is_some_and(|n| {
                !n.is_empty() && !n.starts_with('0') && n.bytes().all(|b| b.is_ascii_digit())
            }) {
                return Err(refuse(
                    &format!("hugepageLimits[{index}].pageSize"),
                    "must be a size as the kernel spells it: 64KB, 2MB, 1GB",
                ));
            }
            let place = format!("hugepageLimits[{index}]");
            let file = self.pick("max", "limit_in_bytes");
            let value = limit.limit;
            self.put(&format!("hugetlb.{size}.{file}"), place.clone(), format!("{value}"));
            // Reservations are limited apart since Linux 5.7; before that the first file counts them by their faults.
            self.default(&format!("hugetlb.{size}.rsvd.{file}"), place, format!("{value}"));
        }
        Ok(())
    }

    fn network(&mut self, network: &Network<'_>, v1: Controllers) -> Result<()> {
        self.v1 = true;
        if let Some(class) = network.class_id.filter(|class| *class != 0) {
            if !v1.has(Controllers::NET_CLS) {
                return Err(refuse(
                    "network.classID",
                    "needs the net_cls controller of cgroup v1, which is not mounted",
                ));
            }
            self.put("net_cls.classid", "network.classID", format!("{class}"));
        }
        for (index, priority) in network.priorities.iter().enumerate() {
            let place = format!("network.priorities[{index}]");
            if !v1.has(Controllers::NET_PRIO) {
                return Err(refuse(
                    &place,
                    "needs the net_prio controller of cgroup v1, which is not mounted",
                ));
            }
            if priority.name.is_empty()
                || priority.name.bytes().any(|byte| byte.is_ascii_whitespace() || byte == b'/')
            {
                return Err(refuse(&place, "name must be that of an interface"));
            }
            self.put("net_prio.ifpriomap", place, format!("{} {}", &*priority.name, priority.priority));
        }
        Ok(())
    }

    /// A file of cgroup v2 named outright. Only its form is looked at; the kernel judges the value.
    fn unified(&mut self, file: &str, value: &str, v1: Controllers) -> Result<()> {
        let place = format!("unified[{file:?}]");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let Some((controller, rest)) = file.split_once('.') else {
            return Err(refuse(&place, "must be the name of a cgroup v2 file, such as memory.high"));
        };
        if controller.is_empty() || rest.is_empty() || !file.bytes().all(plain) {
            return Err(refuse(&place, "must be the name of a cgroup v2 file, such as memory.high"));
        }
        if ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type"].contains(&file) {
            return Err(refuse(&place, "belongs to the runtime"));
        }
        let line = CONTROLLERS.iter().find(|(v2, _)| *v2 == controller);
        if line.is_some_and(|(_, name)| v1.has(Controllers::of_v1(name))) {
            return Err(refuse(&place, "the controller is on a cgroup v1 hierarchy of this host"));
        }
        if value.trim().is_empty() {
            return Err(refuse(&place, "must not be empty"));
        }
        // Nested keys (io.max, rdma.max) take one line a write.
        for line in value.lines().filter(|line| !line.trim().is_empty()) {
            self.put(file, place.clone(), line.trim());
        }
        Ok(())
    }
}

/// `8:0`.
fn device_name(major: i64, minor: i64, place: &str) -> Result<String> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(format!("{major}:{minor}")),
        _ => Err(refuse(place, "major and minor must be those of one device")),
    }
}

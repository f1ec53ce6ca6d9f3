//! `linux.resources` of config.json, runtime-spec 1.3 config-linux.md "Control groups".
//!
//! Owns the shape of the section and nothing else: what the values mean, which of them ask for a limit and how
//! they are written to the kernel is `compile::cgroup`. The same types read the file that `update -r` takes.
//! Everything is optional; an absent object equals an empty one. Strings borrow the JSON buffer.

use super::Map;
use super::slot::{List, object};

/// `linux.resources`.
#[derive(Debug, Default)]
pub struct Resources<'a> {
    /// Device access rules, in order, on top of deny-all.
    pub devices: List<DeviceRule<'a>>,
    /// Memory limits.
    pub memory: Memory,
    /// Processor time and placement.
    pub cpu: Cpu<'a>,
    /// Number of tasks.
    pub pids: Pids,
    /// Block device weights and throttles.
    pub block_io: BlockIo,
    /// Huge page limits, one for each page size.
    pub hugepage_limits: List<HugepageLimit<'a>>,
    /// Network class and priorities (cgroup v1 only).
    pub network: Network<'a>,
    /// RDMA limits by device name.
    pub rdma: Map<'a, Rdma>,
    /// cgroup v2 files and the values to write to them, verbatim.
    pub unified: Map<'a, &'a str>,
    /// No property: the nodes that create is to make, whether or not they may be used (config-linux.md "Devices"). Block or not,
    /// major, minor.
    pub nodes: List<(bool, u32, u32)>,
}

object!(Resources<'a> { "devices" => devices, "memory" => memory, "cpu" => cpu, "pids" => pids, "blockIO" => block_io, "hugepageLimits" => hugepage_limits, "network" => network, "rdma" => rdma, "unified" => unified });

/// One device rule.
#[derive(Debug, Default)]
pub struct DeviceRule<'a> {
    /// Whether the rule grants or takes away.
    pub allow: bool,
    /// `a`, `b` or `c`; empty means `a`.
    pub kind: &'a str,
    /// Device major; absent or negative means any.
    pub major: Option<i64>,
    /// Device minor; absent or negative means any.
    pub minor: Option<i64>,
    /// Of `r`, `w` and `m`; empty means all three.
    pub access: &'a str,
}

object!(DeviceRule<'a> { "allow" => allow, "type" => kind, "major" => major, "minor" => minor, "access" => access });

/// Memory limits in bytes; -1 means unlimited.
#[derive(Debug, Default)]
pub struct Memory {
    /// Hard limit.
    pub limit: Option<i64>,
    /// Soft limit.
    pub reservation: Option<i64>,
    /// Limit of memory and swap together.
    pub swap: Option<i64>,
    /// Kernel memory limit (cgroup v1 only, gone from the kernel).
    pub kernel: Option<i64>,
    /// Kernel TCP buffer limit (cgroup v1 only).
    pub kernel_tcp: Option<i64>,
    /// Swappiness 0..100 (cgroup v1 only).
    pub swappiness: Option<u64>,
    /// No out-of-memory killer (cgroup v1 only).
    pub disable_oom_killer: Option<bool>,
    /// Hierarchical accounting (cgroup v1 only; cgroup v2 has no other).
    pub use_hierarchy: Option<bool>,
    /// Refuse a limit that is below the present usage.
    pub check_before_update: Option<bool>,
}

object!(Memory { "limit" => limit, "reservation" => reservation, "swap" => swap, "kernel" => kernel, "kernelTCP" => kernel_tcp, "swappiness" => swappiness, "disableOOMKiller" => disable_oom_killer, "useHierarchy" => use_hierarchy, "checkBeforeUpdate" => check_before_update });

/// Processor limits; times in microseconds.
#[derive(Debug, Default)]
pub struct Cpu<'a> {
    /// Relative share, 2..262144; 0 is unset.
    pub shares: Option<u64>,
    /// Run time in a period; -1 is unlimited, 0 is unset.
    pub quota: Option<i64>,
    /// Run time that may be saved up.
    pub burst: Option<u64>,
    /// Period; 0 is unset.
    pub period: Option<u64>,
    /// Real-time run time in a real-time period (cgroup v1 only).
    pub realtime_runtime: Option<i64>,
    /// Real-time period (cgroup v1 only).
    pub realtime_period: Option<u64>,
    /// Processor list, empty is unset.
    pub cpus: &'a str,
    /// Memory node list, empty is unset.
    pub mems: &'a str,
    /// 1 makes the group SCHED_IDLE.
    pub idle: Option<i64>,
}

object!(Cpu<'a> { "shares" => shares, "quota" => quota, "burst" => burst, "period" => period, "realtimeRuntime" => realtime_runtime, "realtimePeriod" => realtime_period, "cpus" => cpus, "mems" => mems, "idle" => idle });

/// Task limit.
#[derive(Debug, Default)]
pub struct Pids {
    /// Greatest number of tasks; 0 is a limit, -1 is unlimited.
    pub limit: Option<i64>,
}

object!(Pids { "limit" => limit });

/// Block device weights and throttles.
#[derive(Debug, Default)]
pub struct BlockIo {
    /// Weight 10..1000; 0 is unset.
    pub weight: Option<u16>,
    /// Weight against the group's own children (cgroup v1's cfq only).
    pub leaf_weight: Option<u16>,
    /// Weights by device.
    pub weight_device: List<WeightDevice>,
    /// Bytes a second read.
    pub throttle_read_bps_device: List<ThrottleDevice>,
    /// Bytes a second written.
    pub throttle_write_bps_device: List<ThrottleDevice>,
    /// Operations a second read.
    pub throttle_read_iops_device: List<ThrottleDevice>,
    /// Operations a second written.
    pub throttle_write_iops_device: List<ThrottleDevice>,
}

object!(BlockIo { "weight" => weight, "leafWeight" => leaf_weight, "weightDevice" => weight_device, "throttleReadBpsDevice" => throttle_read_bps_device, "throttleWriteBpsDevice" => throttle_write_bps_device, "throttleReadIOPSDevice" => throttle_read_iops_device, "throttleWriteIOPSDevice" => throttle_write_iops_device });

/// Weight of one device.
#[derive(Debug, Default)]
pub struct WeightDevice {
    /// Device major.
    pub major: i64,
    /// Device minor.
    pub minor: i64,
    /// Weight 10..1000.
    pub weight: Option<u16>,
    /// Weight against the group's own children (cgroup v1's cfq only).
    pub leaf_weight: Option<u16>,
}

object!(WeightDevice { "major" => major, "minor" => minor, "weight" => weight, "leafWeight" => leaf_weight });

/// Throttle of one device.
#[derive(Debug, Default)]
pub struct ThrottleDevice {
    /// Device major.
    pub major: i64,
    /// Device minor.
    pub minor: i64,
    /// Bytes or operations a second; 0 is unlimited.
    pub rate: u64,
}

object!(ThrottleDevice { "major" => major, "minor" => minor, "rate" => rate });

/// Limit of one huge page size.
#[derive(Debug, Default)]
pub struct HugepageLimit<'a> {
    /// `2MB`, `1GB` and the like, as the kernel spells its files.
    pub page_size: &'a str,
    /// Bytes.
    pub limit: u64,
}

object!(HugepageLimit<'a> { "pageSize" => page_size, "limit" => limit });

/// Network class and priorities.
#[derive(Debug, Default)]
pub struct Network<'a> {
    /// net_cls class identifier; 0 is unset.
    pub class_id: Option<u32>,
    /// net_prio priorities.
    pub priorities: List<InterfacePriority<'a>>,
}

object!(Network<'a> { "classID" => class_id, "priorities" => priorities });

/// Priority of one interface.
#[derive(Debug, Default)]
pub struct InterfacePriority<'a> {
    /// Interface name in the runtime's network namespace.
    pub name: &'a str,
    /// Priority.
    pub priority: u32,
}

object!(InterfacePriority<'a> { "name" => name, "priority" => priority });

/// RDMA limits of one device.
#[derive(Debug, Default)]
pub struct Rdma {
    /// Greatest number of handles.
    pub hca_handles: Option<u32>,
    /// Greatest number of objects.
    pub hca_objects: Option<u32>,
}

object!(Rdma { "hcaHandles" => hca_handles, "hcaObjects" => hca_objects });

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn reads_every_property_of_the_section() {
        let text = r#"{
            "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"}],
            "memory": {"limit": 1, "reservation": 2, "swap": -1, "kernel": 4, "kernelTCP": 5, "swappiness": 6,
                       "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true},
            "cpu": {"shares": 1, "quota": -1, "burst": 3, "period": 4, "realtimeRuntime": 5, "realtimePeriod": 6,
                    "cpus": "0-1", "mems": "0", "idle": 1},
            "pids": {"limit": 0},
            "blockIO": {"weight": 10, "leafWeight": 11, "weightDevice": [{"major": 8, "minor": 0, "weight": 500}],
                        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
                        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 300}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 9223372036854772000}],
            "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
            "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
            "unified": {"memory.high": "1", "io.max": "8:0 rbps=1"},
            "unknown": {"is": ["ignored"]}
        }"#;
        let read: &mut Resources<'_> = crate::config::parse("resources", text.as_bytes()).unwrap();
        assert!(!read.devices[0].allow && read.devices[0].kind.is_empty());
        assert_eq!((read.devices[1].major, read.devices[1].minor), (Some(1), Some(3)));
        assert_eq!(read.memory.swap, Some(-1));
        assert_eq!(read.memory.kernel_tcp, Some(5));
        assert_eq!(read.memory.disable_oom_killer, Some(true));
        assert_eq!((read.cpu.quota, read.cpu.cpus, read.cpu.idle), (Some(-1), "0-1", Some(1)));
        assert_eq!(read.pids.limit, Some(0));
        assert_eq!(read.block_io.throttle_read_bps_device[0].rate, 600);
        assert_eq!(read.block_io.throttle_write_iops_device[0].minor, 16);
        assert_eq!(read.hugepage_limits[0].page_size, "2MB");
        assert_eq!(read.network.class_id, Some(0x100001));
        assert_eq!(read.rdma.get("mlx5_1").unwrap().hca_objects, Some(10000));
        let unified: alloc::vec::Vec<_> = read.unified.iter().map(|(name, value)| (name, *value)).collect();
        assert_eq!(unified, [("io.max", "8:0 rbps=1"), ("memory.high", "1")]);
    }

    #[test]
    fn refuses_what_does_not_fit_its_type() {
        for text in [
            r#"{"pids": {"limit": 99999999999999999999}}"#,
            r#"{"memory": {"limit": "64m"}}"#,
            r#"{"memory": {"limit": 1, "limit": 2}}"#,
            r#"{"blockIO": {"weight": 70000}}"#,
            r#"{"unified": {"memory.high": "1", "memory.high": "2"}}"#,
            r#"{"network": {"classID": -1}}"#,
        ] {
            assert!(crate::config::parse::<Resources<'_>>("resources", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_object_asks_for_nothing() {
        let read: &mut Resources<'_> = crate::config::parse("resources", b"{}").unwrap();
        assert!(read.devices.is_empty() && read.memory.limit.is_none() && read.cpu.cpus.is_empty());
    }
}

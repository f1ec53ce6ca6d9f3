//! Config -> Plan, pure.

pub mod cgroup;
pub mod device;

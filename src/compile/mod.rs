//! Config -> Plan, pure.

pub mod device;

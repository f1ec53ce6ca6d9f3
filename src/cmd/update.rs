//! `update`: new limits for a running container. What is not named stays.

use super::Context;
use super::container::Container;
use crate::args::flags::Shape;
use crate::args::{Flag, Given, text};
use crate::compile::cgroup::{Controllers, Now, Occasion, compile};
use crate::config::resources::Resources;
use crate::config::{self, Next, Slot, Value};
use crate::error::{Error, Result, error};
use crate::rdt;
use crate::store;
use crate::texts::{Table, table};
use core::ffi::CStr;

/// The flags that are limits, by their place below linux.resources.
static LIMITS: Table<Flag> = table! {
    "blockIO.weight" => Flag::BlkioWeight,
    "cpu.period" => Flag::CpuPeriod,
    "cpu.quota" => Flag::CpuQuota,
    "cpu.burst" => Flag::CpuBurst,
    "cpu.shares" => Flag::CpuShare,
    "cpu.realtimePeriod" => Flag::CpuRtPeriod,
    "cpu.realtimeRuntime" => Flag::CpuRtRuntime,
    "cpu.idle" => Flag::CpuIdle,
    "cpu.cpus" => Flag::CpusetCpus,
    "cpu.mems" => Flag::CpusetMems,
    "memory.limit" => Flag::Memory,
    "memory.reservation" => Flag::MemoryReservation,
    "memory.swap" => Flag::MemorySwap,
    "pids.limit" => Flag::PidsLimit,
};

/// `update`. Flags go over what the file says.
pub fn update(context: &Context) -> Result<()> {
    let given = context.given;
    let file = given.path(Flag::Resources).map_or(Ok(&b"{}"[..]), read)?;
    let resources: &mut Resources<'_> = config::parse("--resources", file)?;
    for (place, flag) in LIMITS.iter() {
        let value = match flag.shape() {
            Shape::Text => given.text(flag).map(Value::Text),
            _ => given.number(flag).map(Value::Signed),
        };
        if let Some(value) = value {
            limit(resources, place, value)?;
        }
    }

    let container = Container::open(context, true)?;
    container.check_alive()?;
    schemata(given, container)?;
    match container.cgroup()? {
        Some(cgroup) => {
            if !cgroup.update(resources, &|note| container.entry.renote_cgroup(note))? {
                context.log.warn(&crate::cgroup::device::UNENFORCED);
            }
        }
        None => {
            compile(resources, Controllers::NONE, Occasion::Update(Now::default()))?
                .refuse(words!("the container has no cgroup"))?;
        }
    }
    Ok(())
}

/// New schemata for the container's resctrl group.
fn schemata(given: &Given, container: &Container) -> Result<()> {
    for flag in [Flag::L3CacheSchema, Flag::MemBwSchema] {
        let Some(schema) = given.text(flag) else { continue };
        let name = flag.long();
        if flag == Flag::MemBwSchema && !rdt::is_bandwidth(schema) {
            return Err(error!("--{} {quoted}: must be one line that starts with MB:", name, schema));
        }
        let group = rdt::group(container.config()?, given.id)?
            .ok_or_else(|| error!("--{}: the container has no linux.intelRdt", name))?;
        group.write_schema(schema)?;
    }
    Ok(())
}

/// Puts a flag's limit over what a file said.
fn limit(resources: &mut Resources<'_>, place: &'static str, value: Value<'static>) -> Result<()> {
    let refused = || error!("linux.resources.{}: cannot be set by a flag", place);
    let mut slot: &mut dyn Slot<'_> = resources;
    for name in place.split('.') {
        let Next::Property(_, property) = slot.next(name) else { return Err(refused()) };
        slot = property;
    }
    slot.put(value).map_err(|_| refused())
}

/// A file's bytes, or those of standard input.
fn read(file: &CStr) -> Result<&'static [u8]> {
    if file == c"-" {
        let stdin = syscalls::fd::inherited(0).map_err(Error::os(words!("standard input")))?;
        let bytes =
            store::read_stream(stdin).map_err(Error::os(words!("--resources: read standard input")))?;
        return Ok(bytes.leak());
    }
    Ok(store::read_named("--resources", text(file, "--resources")?)?.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_limit_has_a_place() {
        for (place, flag) in LIMITS.iter() {
            let value = if flag.shape() == Shape::Text { Value::Text("0") } else { Value::Signed(10) };
            limit(&mut Resources::default(), place, value).unwrap();
        }
        let mut resources = Resources::default();
        limit(&mut resources, "pids.limit", Value::Signed(7)).unwrap();
        assert_eq!(resources.pids.limit, Some(7));
        assert!(limit(&mut resources, "pids.limits", Value::Signed(7)).is_err());
        assert!(limit(&mut resources, "cpu.cpus", Value::Signed(7)).is_err());
    }
}

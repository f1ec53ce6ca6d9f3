//! `update`: new limits for a running container. What is not named stays.

use super::Context;
use super::container::Container;
use crate::args::{Flag, Given, text};
use crate::compile::cgroup::{Controllers, Now, Occasion, compile};
use crate::config;
use crate::config::resources::Resources;
use crate::error::{Error, Quoted, Result, error};
use crate::rdt;
use crate::store;
use alloc::vec::Vec;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

/// `update`. Flags go over what the file says.
pub fn update(context: &Context) -> Result<()> {
    let given = context.given;
    let source = given.path(Flag::Resources);
    let file = match source {
        None => Vec::new(),
        Some(path) if path.to_bytes() == b"-" => {
            let stdin = syscalls::fd::inherited(0).map_err(Error::os("standard input"))?;
            read_stream(stdin)?
        }
        Some(path) => {
            let path = text(path, "--resources")?;
            let failed = |errno| Error::sys("--resources: read", path)(errno);
            let opened: OwnedFd =
                rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
            store::read_all(&opened).map_err(failed)?
        }
    };
    let resources: &mut Resources<'_> = match source {
        None => &mut Resources::default(),
        Some(_) => config::parse("--resources", &file)?,
    };
    flags(resources, given);

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
            let plan = compile(resources, Controllers::NONE, Occasion::Update(Now::default()))?;
            if let Some(write) = plan.writes.iter().find(|write| write.controller().is_some()) {
                let name = write.controller().unwrap_or_default();
                let place = &write.place;
                return Err(error!("linux.resources.{place}: no {name} controller")
                    .hint("the container has no cgroup"));
            }
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
            return Err(error!("--{name} {}: must be one line that starts with MB:", Quoted(schema)));
        }
        let group = rdt::group(container.config()?, given.id)?
            .ok_or_else(|| error!("--{name}: the container has no linux.intelRdt"))?;
        group.write_schema(schema)?;
    }
    Ok(())
}

/// Puts the flags over what a file said.
fn flags(resources: &mut Resources<'_>, given: &Given) {
    let Resources { block_io, cpu, memory, pids, .. } = resources;
    for (value, flag) in [
        (&mut cpu.quota, Flag::CpuQuota),
        (&mut cpu.realtime_runtime, Flag::CpuRtRuntime),
        (&mut cpu.idle, Flag::CpuIdle),
        (&mut memory.limit, Flag::Memory),
        (&mut memory.reservation, Flag::MemoryReservation),
        (&mut memory.swap, Flag::MemorySwap),
        (&mut pids.limit, Flag::PidsLimit),
    ] {
        *value = given.number(flag).or(*value);
    }
    for (value, flag) in [
        (&mut cpu.period, Flag::CpuPeriod),
        (&mut cpu.burst, Flag::CpuBurst),
        (&mut cpu.shares, Flag::CpuShare),
        (&mut cpu.realtime_period, Flag::CpuRtPeriod),
    ] {
        *value = given.natural(flag).or(*value);
    }
    for (list, flag) in [(&mut cpu.cpus, Flag::CpusetCpus), (&mut cpu.mems, Flag::CpusetMems)] {
        *list = given.text(flag).unwrap_or(*list);
    }
    let weight = given.number(Flag::BlkioWeight).and_then(|weight| u16::try_from(weight).ok());
    block_io.weight = weight.or(block_io.weight);
}

fn read_stream(stream: rustix::fd::BorrowedFd<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        match rustix::io::read(stream, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) => bytes.reserve(4096),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::os("--resources: read standard input")(errno)),
        }
    }
}

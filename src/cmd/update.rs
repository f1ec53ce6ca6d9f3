//! `update`: new limits for a running container. What is not named stays.

use super::Context;
use super::container::Container;
use crate::args;
use crate::args::text;
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
pub fn update(context: &Context<'_>, args: &args::Update) -> Result<()> {
    let file = match &args.resources {
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
    let resources: &mut Resources<'_> = match args.resources {
        None => &mut Resources::default(),
        Some(_) => config::parse("--resources", &file)?,
    };
    flags(resources, args);

    let container = Container::open(context, args.id, true)?;
    container.check_alive()?;
    schemata(args, container)?;
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
fn schemata(args: &args::Update, container: &Container) -> Result<()> {
    let asked = [(&args.l3_cache_schema, "--l3-cache-schema"), (&args.mem_bw_schema, "--mem-bw-schema")];
    let asked = asked.into_iter().filter_map(|(schema, flag)| Some((schema.as_ref()?, flag)));
    for (schema, flag) in asked {
        if flag == "--mem-bw-schema" && !rdt::is_bandwidth(schema) {
            return Err(error!("{flag} {}: must be one line that starts with MB:", Quoted(schema)));
        }
        let group = rdt::group(container.config()?, args.id)?
            .ok_or_else(|| error!("{flag}: the container has no linux.intelRdt"))?;
        group.write_schema(schema)?;
    }
    Ok(())
}

/// Puts the flags over what a file said.
fn flags<'a>(resources: &mut Resources<'a>, args: &'a args::Update) {
    fn over<T: Copy>(value: &mut Option<T>, flag: Option<T>) {
        *value = flag.or(*value);
    }
    over(&mut resources.block_io.weight, args.blkio_weight);
    over(&mut resources.cpu.period, args.cpu_period);
    over(&mut resources.cpu.quota, args.cpu_quota);
    over(&mut resources.cpu.burst, args.cpu_burst);
    over(&mut resources.cpu.shares, args.cpu_share);
    over(&mut resources.cpu.realtime_period, args.cpu_rt_period);
    over(&mut resources.cpu.realtime_runtime, args.cpu_rt_runtime);
    over(&mut resources.cpu.idle, args.cpu_idle);
    over(&mut resources.memory.limit, args.memory);
    over(&mut resources.memory.reservation, args.memory_reservation);
    over(&mut resources.memory.swap, args.memory_swap);
    over(&mut resources.pids.limit, args.pids_limit);
    for (list, flag) in
        [(&mut resources.cpu.cpus, args.cpuset_cpus), (&mut resources.cpu.mems, args.cpuset_mems)]
    {
        if let Some(flag) = flag {
            *list = flag;
        }
    }
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

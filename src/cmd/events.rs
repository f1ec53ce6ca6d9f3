//! `events`: what a container uses, now or time and again, and when it runs out of memory.

use super::container::Container;
use super::{Context, print};
use crate::args::Flag;
use crate::cgroup::Watch;
use crate::error::{Result, error};
use crate::json::Writer;

/// `events`. Without `--stats` it goes on until the container ends.
pub fn events(context: &Context) -> Result<()> {
    let container = Container::open(context, false)?;
    let id = context.given.id;
    container.check_alive()?;
    let Some(cgroup) = container.cgroup()? else {
        return Err(error!("container {quoted} has no cgroup to count in", id));
    };
    let mut out = Writer::line();
    let mut numbers = cgroup.numbers();
    let mut record = |kind: &str| {
        out.object("");
        out.string("type", kind);
        out.string("id", id);
        if kind == "stats" {
            numbers.stats(&mut out);
        }
        out.end_object();
        out.take(print)
    };
    if context.given.switch(Flag::Stats) {
        return record("stats");
    }
    let mut watch = Watch::new(cgroup)?;
    let interval = context.given.number(Flag::Interval).map_or(5000, i64::unsigned_abs);
    loop {
        let seen = watch.wait(interval)?;
        for _ in 0..seen.out_of_memory {
            record("oom")?;
        }
        if seen.ended {
            return Ok(());
        }
        if seen.is_due {
            record("stats")?;
        }
    }
}

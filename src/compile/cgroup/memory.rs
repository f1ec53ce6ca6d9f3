//! linux.resources.memory. Sizes are bytes; absent and 0 ask for nothing, -1 is unlimited.

use super::{Compiler, Now, refuse, refuse_v2};
use crate::config::resources::Memory;
use crate::error::Result;

impl Compiler {
    pub(super) fn memory(&mut self, memory: &Memory, now: Now, update: bool) -> Result<()> {
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
                (Some(-1), None) => self.default("memory.memsw.limit_in_bytes", "memory.swap", &"-1"),
                _ => self.limit("memory.memsw.limit_in_bytes", "memory.swap", swap, "-1"),
            }
            self.limit("memory.soft_limit_in_bytes", "memory.reservation", reservation, "-1");
            self.limit("memory.kmem.limit_in_bytes", "memory.kernel", kernel, "-1");
            self.limit("memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP", kernel_tcp, "-1");
            match memory.swappiness {
                None => {}
                Some(value @ 0..=100) => self.put("memory.swappiness", "memory.swappiness", &value),
                Some(_) => return Err(refuse("memory.swappiness", "must be 0 to 100")),
            }
            if memory.disable_oom_killer == Some(true) {
                self.put("memory.oom_control", "memory.disableOOMKiller", &"1");
            } else if memory.disable_oom_killer == Some(false) && update {
                self.default("memory.oom_control", "memory.disableOOMKiller", &"0");
            }
            if memory.use_hierarchy == Some(true) {
                self.default("memory.use_hierarchy", "memory.useHierarchy", &"1");
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
            (None, _) if limit == Some(-1) => self.default("memory.swap.max", "memory.swap", &"max"),
            (None, _) => {}
            (Some(-1), _) => self.default("memory.swap.max", "memory.swap", &"max"),
            (Some(_), None) => return Err(refuse("memory.swap", "cannot be set without memory.limit")),
            (Some(swap), Some(-1)) => self.put("memory.swap.max", "memory.swap", &swap),
            (Some(swap), Some(limit)) => match swap.checked_sub(limit) {
                // Without CONFIG_SWAP there is no such file, nor anything that would need one.
                Some(0) => self.default("memory.swap.max", "memory.swap", &"0"),
                Some(rest @ 1..) => self.put("memory.swap.max", "memory.swap", &rest),
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
            Some(-1) => self.default(file, place, &none),
            Some(value) => self.put(file, place, &value),
        }
    }
}

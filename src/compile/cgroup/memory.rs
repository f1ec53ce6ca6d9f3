//! linux.resources.memory. Sizes are bytes; absent and 0 ask for nothing, -1 is unlimited.

use super::{Compiler, Now, refuse, refuse_v2};
use crate::config::resources::Memory;
use crate::error::Result;
use crate::{texts, texts::Texts};

/// The sizes, and their files on cgroup v1.
static PLACES: Texts =
    texts!["memory.limit", "memory.swap", "memory.reservation", "memory.kernel", "memory.kernelTCP"];
static V1_FILES: Texts = texts![
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.kmem.limit_in_bytes",
    "memory.kmem.tcp.limit_in_bytes",
];

impl Compiler {
    pub(super) fn memory(&mut self, memory: &Memory, now: Now, update: bool) -> Result<()> {
        let mut sizes = [memory.limit, memory.swap, memory.reservation, memory.kernel, memory.kernel_tcp];
        for (place, size) in PLACES.iter().zip(&mut sizes) {
            if size.is_some_and(|size| size < -1) {
                return Err(refuse(place, words!("must be -1 or more")));
            }
            *size = size.filter(|size| *size != 0);
        }
        let [limit, swap, reservation, kernel, kernel_tcp] = sizes;
        if memory.check_before_update == Some(true) {
            // -1 is the greatest of all.
            let least = limit.unwrap_or(-1).cast_unsigned().min(swap.unwrap_or(-1).cast_unsigned());
            self.plan.memory_floor = Some(least).filter(|least| *least != u64::MAX);
        }

        if self.v1 {
            let present = now.memory.and_then(|bytes| i64::try_from(bytes).ok());
            if let (Some(swap @ 1..), Some(limit @ 1..)) = (swap, limit.or(present))
                && swap < limit
            {
                return Err(refuse(
                    "memory.swap",
                    words!("is memory and swap together, and must not be below memory.limit"),
                ));
            }
            let swap = swap.or(limit.filter(|limit| *limit == -1));
            for ((file, place), size) in
                V1_FILES.iter().zip(PLACES.iter()).zip([limit, swap, reservation, kernel, kernel_tcp])
            {
                self.limit(file, place, size, "-1");
            }
            match memory.swappiness {
                None => {}
                Some(value @ 0..=100) => self.put("memory.swappiness", "memory.swappiness", &value),
                Some(_) => return Err(refuse("memory.swappiness", words!("must be 0 to 100"))),
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

        let refused = if kernel > Some(0) {
            "memory.kernel"
        } else if kernel_tcp > Some(0) {
            "memory.kernelTCP"
        } else if memory.swappiness.is_some() {
            "memory.swappiness"
        } else if memory.disable_oom_killer == Some(true) {
            "memory.disableOOMKiller"
        } else {
            ""
        };
        if !refused.is_empty() {
            return Err(refuse_v2(refused));
        }
        // config-linux.md counts memory and swap together, memory.swap.max swap alone.
        let ceiling =
            limit.or(now.memory.and_then(|bytes| i64::try_from(bytes).ok()).or(update.then_some(-1)));
        match (swap.or(limit.filter(|limit| *limit == -1)), ceiling) {
            (None, _) => {}
            (Some(-1), _) => self.default("memory.swap.max", "memory.swap", &"max"),
            (Some(_), None) => {
                return Err(refuse("memory.swap", words!("cannot be set without memory.limit")));
            }
            (Some(swap), Some(-1)) => self.put("memory.swap.max", "memory.swap", &swap),
            (Some(swap), Some(limit)) => match swap.checked_sub(limit) {
                // Without CONFIG_SWAP there is no such file, nor anything that would need one.
                Some(0) => self.default("memory.swap.max", "memory.swap", &"0"),
                Some(rest @ 1..) => self.put("memory.swap.max", "memory.swap", &rest),
                _ => {
                    let what = words!("is memory and swap together, and must not be below memory.limit");
                    return Err(refuse("memory.swap", what));
                }
            },
        }
        self.limit("memory.max", "memory.limit", limit, "max");
        self.limit("memory.low", "memory.reservation", reservation, "max");
        Ok(())
    }

    /// A limit in bytes where -1 stands for none.
    fn limit(&mut self, file: &str, place: &str, value: Option<i64>, none: &str) {
        match value {
            None => {}
            Some(-1) => self.default(file, place, &none),
            Some(value) => self.put(file, place, &value),
        }
    }
}

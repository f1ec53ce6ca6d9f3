//! linux.resources.cpu but for the sets of processors. Times are microseconds; absent and 0 ask for nothing.

use super::{Compiler, Now, refuse, refuse_v2, weight};
use crate::config::resources::Cpu;
use crate::error::Result;
use core::fmt::Display;

impl Compiler {
    pub(super) fn cpu(&mut self, cpu: &Cpu<'_>, now: Now) -> Result<()> {
        match cpu.idle {
            None | Some(0 | 1) => {}
            Some(_) => return Err(refuse("cpu.idle", words!("must be 0 or 1"))),
        }
        // The weight of a group that is SCHED_IDLE cannot be set (EINVAL): idle goes before it when it is taken off, behind
        // it when it is put on.
        if cpu.idle == Some(0) {
            self.default("cpu.idle", "cpu.idle", &"0");
        }
        match cpu.shares {
            None | Some(0) => {}
            Some(shares) if self.v1 => self.put("cpu.shares", "cpu.shares", &shares),
            Some(shares) => self.put("cpu.weight", "cpu.shares", &weight::of_shares(shares)),
        }
        if cpu.idle == Some(1) {
            self.put("cpu.idle", "cpu.idle", &"1");
        }

        let quota = cpu.quota.filter(|quota| *quota != 0);
        let period = cpu.period.filter(|period| *period != 0);
        if self.v1 {
            if let Some(period) = period {
                self.put("cpu.cfs_period_us", "cpu.period", &period);
            }
            match quota {
                None => {}
                Some(..0) => self.default("cpu.cfs_quota_us", "cpu.quota", &"-1"),
                Some(quota) => self.put("cpu.cfs_quota_us", "cpu.quota", &quota),
            }
        } else {
            // A single number leaves the period as it is; systemd, which is told as well, would take its own.
            let period = period.or(quota.and(now.period));
            let (shown, place): (&dyn Display, _) = match (&quota, &now.quota) {
                (Some(quota @ 0..), _) => (quota, "cpu.quota"),
                (None, Some(quota)) => (quota, "cpu.period"),
                _ => (&"max", "cpu.period"),
            };
            match (quota, period) {
                (_, Some(period)) => self.put("cpu.max", place, &format_args!("{shown} {period}")),
                (Some(..0), None) => self.default("cpu.max", "cpu.quota", shown),
                (Some(_), None) => self.put("cpu.max", place, shown),
                (None, None) => {}
            }
        }
        let file = self.pick("cpu.max.burst", "cpu.cfs_burst_us");
        match cpu.burst {
            None => {}
            Some(0) => self.default(file, "cpu.burst", &"0"),
            Some(burst) => self.put(file, "cpu.burst", &burst),
        }

        let runtime = cpu.realtime_runtime.filter(|value| *value != 0);
        let period = cpu.realtime_period.filter(|value| *value != 0);
        if let Some(period) = period {
            if !self.v1 {
                return Err(refuse_v2("cpu.realtimePeriod"));
            }
            self.put("cpu.rt_period_us", "cpu.realtimePeriod", &period);
        }
        if let Some(runtime) = runtime {
            if !self.v1 {
                return Err(refuse_v2("cpu.realtimeRuntime"));
            }
            self.put("cpu.rt_runtime_us", "cpu.realtimeRuntime", &runtime);
        }
        Ok(())
    }
}

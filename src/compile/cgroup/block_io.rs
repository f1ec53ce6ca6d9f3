//! linux.resources.blockIO: weights and throttles of block devices.

use super::{Compiler, Missing, refuse, refuse_v2, weight};
use crate::config::resources::{BlockIo, ThrottleDevice};
use crate::error::Result;
use alloc::{format, string::String};

impl Compiler {
    pub(super) fn block_io(&mut self, io: &BlockIo) -> Result<()> {
        // BFQ takes the weights of the specification as they are; io.weight, of the iocost model, has another range.
        let bfq = self.pick("io.bfq.weight", "blkio.bfq.weight");
        if let Some(weight) = io.weight.filter(|weight| *weight != 0) {
            let scaled =
                weight::of_blkio(weight).ok_or_else(|| refuse("blockIO.weight", "must be 10 to 1000"))?;
            self.write(bfq, "blockIO.weight", &weight, Missing::Next);
            match self.v1 {
                true => self.put("blkio.weight", "blockIO.weight", &weight),
                false => self.put("io.weight", "blockIO.weight", &scaled),
            }
        }
        if let Some(weight) = io.leaf_weight.filter(|weight| *weight != 0) {
            if !self.v1 {
                return Err(refuse_v2("blockIO.leafWeight"));
            }
            self.put("blkio.leaf_weight", "blockIO.leafWeight", &weight);
        }
        for (index, device) in io.weight_device.iter().enumerate() {
            let place = format!("blockIO.weightDevice[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            if let Some(weight) = device.weight.filter(|weight| *weight != 0) {
                let scaled =
                    weight::of_blkio(weight).ok_or_else(|| refuse(&place, "weight must be 10 to 1000"))?;
                let bfq = self.pick("io.bfq.weight", "blkio.bfq.weight_device");
                self.write(bfq, &place, &format_args!("{name} {weight}"), Missing::Next);
                match self.v1 {
                    true => self.put("blkio.weight_device", &place, &format_args!("{name} {weight}")),
                    false => self.put("io.weight", &place, &format_args!("{name} {scaled}")),
                }
            }
            if let Some(weight) = device.leaf_weight.filter(|weight| *weight != 0) {
                if !self.v1 {
                    return Err(refuse(
                        &place,
                        "leafWeight cannot be set on cgroup v2, which has no such limit",
                    ));
                }
                self.put("blkio.leaf_weight_device", &place, &format_args!("{name} {weight}"));
            }
        }
        self.throttles(
            &io.throttle_read_bps_device,
            "blockIO.throttleReadBpsDevice",
            "rbps",
            "blkio.throttle.read_bps_device",
        )?;
        self.throttles(
            &io.throttle_write_bps_device,
            "blockIO.throttleWriteBpsDevice",
            "wbps",
            "blkio.throttle.write_bps_device",
        )?;
        self.throttles(
            &io.throttle_read_iops_device,
            "blockIO.throttleReadIOPSDevice",
            "riops",
            "blkio.throttle.read_iops_device",
        )?;
        self.throttles(
            &io.throttle_write_iops_device,
            "blockIO.throttleWriteIOPSDevice",
            "wiops",
            "blkio.throttle.write_iops_device",
        )
    }

    fn throttles(&mut self, list: &[ThrottleDevice], place: &str, key: &str, v1_file: &str) -> Result<()> {
        for (index, device) in list.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            let rate = device.rate;
            match (self.v1, rate) {
                (true, 0) => self.default(v1_file, &place, &format_args!("{name} 0")),
                (true, _) => self.put(v1_file, &place, &format_args!("{name} {rate}")),
                (false, 0) => self.default("io.max", &place, &format_args!("{name} {key}=max")),
                (false, _) => self.put("io.max", &place, &format_args!("{name} {key}={rate}")),
            }
        }
        Ok(())
    }
}

/// `8:0`.
fn device_name(major: i64, minor: i64, place: &str) -> Result<String> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(format!("{major}:{minor}")),
        _ => Err(refuse(place, "major and minor must be those of one device")),
    }
}

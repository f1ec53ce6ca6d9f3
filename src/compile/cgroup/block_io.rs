//! linux.resources.blockIO: weights and throttles of block devices.

use super::{Compiler, Missing, refuse, refuse_v2, weight};
use crate::config::resources::{BlockIo, ThrottleDevice};
use crate::error::Result;
use alloc::{format, string::String};
use core::fmt::Display;

impl Compiler {
    pub(super) fn block_io(&mut self, io: &BlockIo) -> Result<()> {
        self.weights("blockIO", "", "", io.weight, io.leaf_weight)?;
        for (index, device) in io.weight_device.iter().enumerate() {
            let place = format!("blockIO.weightDevice[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            self.weights(&place, &format!("{name} "), "_device", device.weight, device.leaf_weight)?;
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

    /// The weights of the whole group, or those of a device, whose name stands before the number and whose files on cgroup v1 have
    /// an end of their own.
    fn weights(
        &mut self,
        place: &str,
        device: &str,
        end: &str,
        weight: Option<u16>,
        leaf: Option<u16>,
    ) -> Result<()> {
        if let Some(weight) = weight.filter(|weight| *weight != 0) {
            let place = format!("{place}.weight");
            let scaled = weight::of_blkio(weight).ok_or_else(|| refuse(&place, "must be 10 to 1000"))?;
            let own = format!("{device}{weight}");
            // BFQ takes the weights of the specification as they are; io.weight, of the iocost model, has another range.
            match self.v1 {
                true => {
                    self.write(&format!("blkio.bfq.weight{end}"), &place, &own, Missing::Next);
                    self.put(&format!("blkio.weight{end}"), &place, &own);
                }
                false => {
                    self.write("io.bfq.weight", &place, &own, Missing::Next);
                    self.put("io.weight", &place, &format_args!("{device}{scaled}"));
                }
            }
        }
        if let Some(weight) = leaf.filter(|weight| *weight != 0) {
            let place = format!("{place}.leafWeight");
            if !self.v1 {
                return Err(refuse_v2(&place));
            }
            self.put(&format!("blkio.leaf_weight{end}"), &place, &format_args!("{device}{weight}"));
        }
        Ok(())
    }

    fn throttles(&mut self, list: &[ThrottleDevice], place: &str, key: &str, v1_file: &str) -> Result<()> {
        for (index, device) in list.iter().enumerate() {
            let place = format!("{place}[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            let rate = device.rate;
            let missing = if rate == 0 { Missing::Skip } else { Missing::Fail };
            let shown: &dyn Display = if rate == 0 { &"max" } else { &rate };
            match self.v1 {
                true => self.write(v1_file, &place, &format_args!("{name} {rate}"), missing),
                false => self.write("io.max", &place, &format_args!("{name} {key}={shown}"), missing),
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

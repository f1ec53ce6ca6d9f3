//! linux.resources.blockIO: weights and throttles of block devices.

use super::{Compiler, Missing, refuse, refuse_v2, weight};
use crate::config::resources::{BlockIo, ThrottleDevice};
use crate::error::Result;
use alloc::{format, string::String};
use core::fmt::Display;

impl Compiler {
    pub(super) fn block_io(&mut self, io: &BlockIo) -> Result<()> {
        self.weights("blockIO", "", io.weight, io.leaf_weight)?;
        for (index, device) in io.weight_device.iter().enumerate() {
            let place = format!("blockIO.weightDevice[{index}]");
            let name = device_name(device.major, device.minor, &place)?;
            self.weights(&place, &format!("{name} "), device.weight, device.leaf_weight)?;
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

    /// The weights of the whole group, or those of a device, whose name is then given with a space behind it.
    fn weights(&mut self, place: &str, device: &str, weight: Option<u16>, leaf: Option<u16>) -> Result<()> {
        if let Some(weight) = weight.filter(|weight| *weight != 0) {
            let place = format!("{place}.weight");
            let scaled =
                weight::of_blkio(weight).ok_or_else(|| refuse(&place, words!("must be 10 to 1000")))?;
            // BFQ takes the weights of the specification as they are; io.weight, of the iocost model, has another range.
            let bfq = self.pick("io.bfq.weight", "blkio.bfq.weight");
            self.weight(bfq, &place, device, weight.into(), Missing::Next);
            let (file, weight) = match self.v1 {
                true => ("blkio.weight", weight.into()),
                false => ("io.weight", scaled),
            };
            self.weight(file, &place, device, weight, Missing::Fail);
        }
        if let Some(weight) = leaf.filter(|weight| *weight != 0) {
            let place = format!("{place}.leafWeight");
            if !self.v1 {
                return Err(refuse_v2(&place));
            }
            self.weight("blkio.leaf_weight", &place, device, weight.into(), Missing::Fail);
        }
        Ok(())
    }

    /// On cgroup v1 devices have files of their own.
    fn weight(&mut self, file: &str, place: &str, device: &str, weight: u64, missing: Missing) {
        let end = if self.v1 && !device.is_empty() { "_device" } else { "" };
        self.write(&[file, end].concat(), place, &format_args!("{device}{weight}"), missing);
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
        _ => Err(refuse(place, words!("major and minor must be those of one device"))),
    }
}

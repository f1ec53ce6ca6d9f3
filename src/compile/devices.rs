//! `linux.devices` and the default devices.

use super::{cstring, inside};
use crate::config::Config;
use crate::error::{Result, decimal, error};
use crate::plan::{Device, Plan};
use crate::words::Words;
use alloc::vec::Vec;
use linux_raw_sys::general::{S_IFBLK, S_IFCHR, S_IFIFO};

/// The default devices (config-linux.md "Default Devices"): path, major, minor.
pub const DEFAULTS: &[(&str, u32, u32)] = &[
    ("dev/null", 1, 3),
    ("dev/zero", 1, 5),
    ("dev/full", 1, 7),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
    ("dev/tty", 5, 0),
];

/// The configured devices, and those default ones that are not among them. Where /dev is bound there are none by default, as with
/// runc and crun: they would be made in a directory of the host.
#[inline(never)]
pub fn devices(config: &Config<'_>, plan: &mut Plan) -> Result<()> {
    let configured = &config.linux.devices;
    let mut devices: Vec<Device> = Vec::with_capacity(configured.len().saturating_add(DEFAULTS.len()));
    for (index, device) in configured.iter().enumerate() {
        let refuse = |why: Words| {
            error!("config.json: linux.devices[{}] {quoted}: {}", decimal(index), device.path, why)
        };
        if !device.path.starts_with('/') {
            return Err(refuse(words!("path must be absolute")));
        }
        let kind = match device.kind {
            "c" | "u" => S_IFCHR,
            "b" => S_IFBLK,
            "p" => S_IFIFO,
            _ => return Err(refuse(words!("type must be one of c, b, u, p"))),
        };
        // The specification ignores the numbers of a fifo. The kernel has 12 bits of major and 20 of minor (MKDEV).
        let (major, minor) = if kind == S_IFIFO { (0, 0) } else { (device.major, device.minor) };
        if major >> 12 != 0 || minor >> 20 != 0 {
            return Err(refuse(words!("major must be below 4096 and minor below 1048576")));
        }
        let mode = device.file_mode.unwrap_or(0o666);
        if mode & !0o7777 != 0 && mode & !0o7777 != kind {
            return Err(refuse(words!("fileMode holds more than permission bits")));
        }
        let (uid, gid) = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
        if uid == u32::MAX || gid == u32::MAX {
            return Err(refuse(words!("4294967295 is not an id")));
        }
        let path = inside(device.path);
        if devices.iter().any(|other| other.path == path) {
            return Err(refuse(words!("is there twice")));
        }
        devices.push(Device {
            path,
            mode: kind | (mode & 0o7777),
            major: major as u32,
            minor: minor as u32,
            uid,
            gid,
            index: Some(u16::try_from(index).unwrap_or(u16::MAX)),
        });
    }
    let defaults = if plan.dev_is_bound { &[][..] } else { DEFAULTS };
    for (path, major, minor) in defaults {
        let path = cstring(path);
        if !devices.iter().any(|other| other.path == path) {
            devices.push(Device {
                path,
                mode: S_IFCHR | 0o666,
                major: *major,
                minor: *minor,
                uid: 0,
                gid: 0,
                index: None,
            });
        }
    }
    plan.devices = devices.leak();
    Ok(())
}

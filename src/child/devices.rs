//! Device nodes, the links of /dev, and the terminal.

use super::Fds;
use super::mounts::{Own, bind_at};
use super::resolve::{Links, join, name_in};
use crate::plan::{Device, Plan};
use crate::sync::Step;
use core::ffi::CStr;
use syscalls::fs;
use syscalls::{BorrowedFd, CWD, Errno, Result, leak, stat};

/// The links of /dev (config-linux.md "Dev symbolic links"): text, name.
const LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"fd"),
    (c"/proc/self/fd/0", c"stdin"),
    (c"/proc/self/fd/1", c"stdout"),
    (c"/proc/self/fd/2", c"stderr"),
    (c"pts/ptmx", c"ptmx"),
];

/// Makes all devices and links, and the terminal if there is to be one.
pub fn make_all(plan: &Plan, own: Option<Own<'_>>, fds: &Fds<'_>) -> Result<()> {
    fds.nth(Step::DeviceDirectory, 0);
    let dev = match own {
        Some(own) => own.top,
        None => fds.jail.open_or_make_directory(c"dev", Links::Follow)?,
    };
    for (index, device) in plan.devices.iter().enumerate() {
        fds.nth(Step::DeviceDirectory, index);
        // Nearly all stand in /dev itself, which is open already.
        let (directory, name) = match name_in(device.path, b"dev") {
            Some(name) => (dev, name),
            None => fds.jail.parent(device.path, Links::Follow)?,
        };
        make(device, directory, name, fds)?;
    }
    let links = if plan.dev_is_bound { &[][..] } else { &LINKS };
    fds.at(Step::DeviceLink);
    for (text, name) in links {
        match fs::symlinkat(text, dev, name) {
            // A read-only /dev that was mounted from the host has its own.
            Err(Errno::EXIST | Errno::ROFS) => {}
            other => other?,
        }
    }
    match plan.process.terminal {
        Some(terminal) => super::console::make(terminal, Some(dev), fds),
        None => Ok(()),
    }
}

/// One device: made, or found to be there as it should be.
fn make(device: &Device, directory: BorrowedFd<'_>, name: &CStr, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::Device);
    match fs::mknodat(directory, name, device.mode, device.major, device.minor) {
        Err(Errno::EXIST) => {
            let have = stat::fstatat(directory, name, fs::AT_SYMLINK_NOFOLLOW)?;
            fds.at(Step::DeviceOther);
            let fifo = device.mode & fs::S_IFMT == fs::S_IFIFO;
            return match have.mode & fs::S_IFMT == device.mode & fs::S_IFMT
                && (fifo || (have.rdev_major, have.rdev_minor) == (device.major, device.minor))
            {
                true => Ok(()),
                false => Err(Errno::EXIST),
            };
        }
        // A user namespace may not make devices, however privileged in itself (mknod(2)): the host's is bound instead.
        Err(Errno::PERM) => return bind_from_host(device, directory, name, fds),
        other => other?,
    }
    if (device.uid, device.gid) != (0, 0) {
        fds.at(Step::DeviceOwner);
        fs::fchownat(directory, name, device.uid, device.gid, fs::AT_SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

fn bind_from_host(device: &Device, directory: BorrowedFd<'_>, name: &CStr, fds: &Fds<'_>) -> Result<()> {
    fds.at(Step::DeviceBind);
    let mut buffer = [0; 4096];
    let host = join(&mut buffer, &[b"/", device.path.to_bytes()])?;
    let source = leak(fs::openat(CWD, host, fs::O_PATH | fs::O_NOFOLLOW, 0)?);
    let have = stat::fstat(source)?;
    if have.mode & fs::S_IFMT != device.mode & fs::S_IFMT
        || (have.rdev_major, have.rdev_minor) != (device.major, device.minor)
    {
        fds.at(Step::DeviceOther);
        return Err(Errno::NODEV);
    }
    let made = fs::openat(directory, name, fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW | fs::O_WRONLY, 0o666);
    drop(made?);
    let target = leak(fs::openat(directory, name, fs::O_PATH | fs::O_NOFOLLOW, 0)?);
    bind_at((source, c""), (target, c""), &fds.jail)
}

//! Device nodes, the links of /dev, and the terminal.

use super::mounts::{Own, bind_at};
use super::resolve::{Jail, Links, c_path};
use super::{Done, Fds, at, nth};
use crate::plan::{Device, Plan};
use crate::sync::Step;
use core::ffi::CStr;
use syscalls::fs;
use syscalls::{BorrowedFd, CWD, Errno, leak, stat};

/// The links of /dev (config-linux.md "Dev symbolic links"): text, name.
const LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"fd"),
    (c"/proc/self/fd/0", c"stdin"),
    (c"/proc/self/fd/1", c"stdout"),
    (c"/proc/self/fd/2", c"stderr"),
    (c"pts/ptmx", c"ptmx"),
];

/// Makes all devices and links, and the terminal if there is to be one.
pub fn make_all(plan: &Plan, jail: &Jail, own: Option<Own<'_>>, fds: Fds<'_>) -> Done<()> {
    let dev = match own {
        Some(own) => own.top,
        None => jail.open_or_make_directory(c"dev", Links::Follow).map_err(at(Step::DeviceDirectory))?,
    };
    for (index, device) in plan.devices.iter().enumerate() {
        let path = device.path.to_bytes();
        // Nearly all stand in /dev itself, which is open already.
        let (directory, name) = match path.strip_prefix(b"dev/") {
            Some(name) if !name.contains(&b'/') => (dev, name),
            _ => {
                let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                let mut buffer = [0; 4096];
                let above = match slash {
                    0 => c".",
                    _ => c_path(&mut buffer, path.get(..slash).unwrap_or_default())
                        .map_err(nth(Step::DeviceDirectory, index))?,
                };
                let directory = jail
                    .open_or_make_directory(above, Links::Follow)
                    .map_err(nth(Step::DeviceDirectory, index))?;
                (directory, path.get(slash..).unwrap_or_default())
            }
        };
        let name = match name {
            [b'/', name @ ..] => name,
            name => name,
        };
        let mut buffer = [0; 256];
        let name = c_path(&mut buffer, name).map_err(nth(Step::Device, index))?;
        make(device, index, directory, name, jail)?;
    }
    let links = if plan.dev_is_bound { &[][..] } else { &LINKS };
    for (index, (text, name)) in links.iter().enumerate() {
        match fs::symlinkat(text, dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            // A read-only /dev that was mounted from the host has its own.
            Err(Errno::ROFS) => {}
            Err(errno) => return Err(nth(Step::DeviceLink, index)(errno)),
        }
    }
    match plan.process.terminal {
        Some(terminal) => super::console::make(terminal, jail, Some(dev), fds),
        None => Ok(()),
    }
}

/// One device: made, or found to be there as it should be.
fn make(device: &Device, index: usize, directory: BorrowedFd<'_>, name: &CStr, jail: &Jail) -> Done<()> {
    match fs::mknodat(directory, name, device.mode, device.major, device.minor) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let have = leak(
                fs::openat(directory, name, fs::O_PATH | fs::O_NOFOLLOW, 0)
                    .map_err(nth(Step::Device, index))?,
            );
            let have = stat::fstat(have).map_err(nth(Step::Device, index))?;
            let fifo = device.mode & fs::S_IFMT == fs::S_IFIFO;
            return match have.mode & fs::S_IFMT == device.mode & fs::S_IFMT
                && (fifo || (have.rdev_major, have.rdev_minor) == (device.major, device.minor))
            {
                true => Ok(()),
                false => Err(nth(Step::DeviceOther, index)(Errno::EXIST)),
            };
        }
        // A user namespace may not make devices, however privileged in itself (mknod(2)): the host's is bound instead.
        Err(Errno::PERM) => return bind_from_host(device, index, directory, name, jail),
        Err(errno) => return Err(nth(Step::Device, index)(errno)),
    }
    if (device.uid, device.gid) != (0, 0) {
        fs::fchownat(directory, name, device.uid, device.gid, fs::AT_SYMLINK_NOFOLLOW)
            .map_err(nth(Step::DeviceOwner, index))?;
    }
    Ok(())
}

fn bind_from_host(
    device: &Device,
    index: usize,
    directory: BorrowedFd<'_>,
    name: &CStr,
    jail: &Jail,
) -> Done<()> {
    let failed = |errno| nth(Step::DeviceBind, index)(errno);
    let mut buffer = [0; 4096];
    let path = device.path.to_bytes();
    let (head, tail) = buffer.split_at_mut(1);
    head.fill(b'/');
    c_path(tail, path).map_err(failed)?;
    let host = CStr::from_bytes_until_nul(&buffer).map_err(|_| failed(Errno::NAMETOOLONG))?;

    let source = leak(fs::openat(CWD, host, fs::O_PATH | fs::O_NOFOLLOW, 0).map_err(failed)?);
    let have = stat::fstat(source).map_err(failed)?;
    if have.mode & fs::S_IFMT != device.mode & fs::S_IFMT
        || (have.rdev_major, have.rdev_minor) != (device.major, device.minor)
    {
        return Err(nth(Step::DeviceOther, index)(Errno::NODEV));
    }
    let made = fs::openat(directory, name, fs::O_CREAT | fs::O_EXCL | fs::O_NOFOLLOW | fs::O_WRONLY, 0o666);
    drop(made.map_err(failed)?);
    let target = leak(fs::openat(directory, name, fs::O_PATH | fs::O_NOFOLLOW, 0).map_err(failed)?);
    bind_at((source, c""), (target, c""), jail).map_err(failed)
}

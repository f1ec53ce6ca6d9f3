//! Network devices moved into the container (config-linux.md "Network Devices"), by rtnetlink(7) over a raw socket.
//!
//! Owns the messages and the order of steps: everything that can be known is checked before the first device moves. A device
//! takes its attributes along, but the kernel flushes its addresses, which are read before and set again after. Called by `create`
//! while the child waits in its namespaces. When the container is not made after all the devices come back as they were: the
//! kernel would return physical ones only, and destroy the others with the namespace. A container that was made keeps them.

use crate::error::{Error, Result, error};
use crate::paths::{c_path, open, shown};
use crate::plan::NetDevice;
use crate::spawn;
use crate::words::Words;
use alloc::{format, vec::Vec};
use core::ffi::CStr;
use linux_raw_sys::netlink as n;
use rustix::fs::OFlags;
use syscalls::{AsFd, Errno, OwnedFd, net, ns};

/// IFF_UP (netdevice(7)).
const UP: u32 = 1;
/// Sizes of struct nlmsghdr and struct ifaddrmsg, behind which the attributes stand.
const HEADER: usize = 16;
const ADDRESS: usize = HEADER + 8;
/// Most that the kernel puts into one answer (NLMSG_GOODSIZE).
const ANSWER: usize = 8192;
/// A dump that others' changes interrupted is begun again so often.
const PATIENCE: u32 = 100;

/// Devices that are in the container's network namespace, and the way back.
pub struct Moves {
    here: OwnedFd,
    /// A socket of the container's network namespace, which it keeps alive.
    there: OwnedFd,
    moved: Vec<Moved>,
}

struct Moved {
    /// Its name on the host, and its index in the container.
    name: &'static CStr,
    index: u32,
    addresses: &'static [Vec<u8>],
    flags: u32,
}

impl Moves {
    /// Opens both sides: this process's network namespace, and that of the container's waiting process.
    pub fn new(child: i32) -> Result<Moves> {
        let socket = || net::socket(net::AF_NETLINK, net::SOCK_RAW, n::NETLINK_ROUTE);
        let failed = |errno| {
            Error::os(words!("linux.netDevices: enter the container's network namespace"))(errno)
                .hint(permission(errno))
        };
        let path = c_path(format_args!("/proc/{child}/ns/net"));
        let container = open(path, OFlags::RDONLY).map_err(failed)?;
        let own = spawn::leave(c"/proc/self/ns/net")?;
        let enter = |namespace: &OwnedFd| ns::setns(namespace.as_fd(), ns::CLONE_NEWNET).map_err(failed);
        let here = socket().map_err(failed)?;
        // Who may not enter his own does not get back into it either.
        enter(&own)?;
        enter(&container)?;
        let there = socket();
        enter(&own)?;
        Ok(Moves { here, there: there.map_err(failed)?, moved: Vec::new() })
    }

    /// Moves them all in.
    pub fn go(&mut self, devices: &[NetDevice], child: i32) -> Result<()> {
        let mut found = Vec::with_capacity(devices.len());
        for device in devices {
            let index = net::get_interface_index(self.here.as_fd(), device.name)
                .map_err(failed(device, words!("is not in the runtime's network namespace")))?;
            match net::get_interface_index(self.there.as_fd(), device.inside) {
                Err(Errno::NODEV) => found.push(index),
                Err(errno) => {
                    return Err(failed(device, words!("look into the container's network namespace"))(errno));
                }
                Ok(_) => {
                    let hint = words!("a name that ends in %d gets a free number");
                    let words = words!("name: is in use in the container's network namespace");
                    return Err(failed(device, words)(Errno::EXIST).hint(hint));
                }
            }
        }
        for (device, index) in devices.iter().zip(found) {
            let mut step = words!("read the addresses");
            self.take(device, index, child, &mut step).map_err(failed(device, step))?;
        }
        Ok(())
    }

    /// Moves one in. `step` is what is being done.
    fn take(&mut self, device: &NetDevice, index: u32, child: i32, step: &mut Words) -> syscalls::Result<()> {
        let addresses = &*addresses(&self.here, index)?.leak();
        *step = words!("read the flags");
        let flags = net::get_interface_flags(self.here.as_fd(), device.name)?;
        *step = words!("move");
        let index = hand_over(&self.here, &self.there, index, child)?;
        *step = words!("set up in the container");
        let flags = u32::from(flags) & UP;
        self.moved.push(Moved { name: device.name, index, addresses, flags });
        settle(&self.there, index, device.inside, addresses, device.name != device.inside, UP)
    }

    /// Brings back what was moved, as it was. The first error is the result.
    pub fn undo(self) -> Result<()> {
        let mut first = Ok(());
        for Moved { name, index, addresses, flags } in &self.moved {
            let back = hand_over(&self.there, &self.here, *index, own_pid())
                .and_then(|index| settle(&self.here, index, name, addresses, false, *flags));
            first = first.and(back.map_err(Error::sys(words!("linux.netDevices: bring back"), shown(name))));
        }
        first
    }
}

/// For `map_err`: what failed with a device.
fn failed<'a>(device: &'a NetDevice, words: Words) -> impl FnOnce(Errno) -> Error + 'a {
    move |errno| {
        let hint = match errno {
            Errno::INVAL => words!("this device cannot leave its network namespace"),
            errno => permission(errno),
        };
        error!("linux.netDevices {quoted}: {}", shown(device.name), words.text()).errno(errno).hint(hint)
    }
}

fn permission(errno: Errno) -> Words {
    match errno {
        Errno::PERM => words!("CAP_NET_ADMIN is needed over both network namespaces"),
        _ => Words::NONE,
    }
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Moves a device to the network namespace of a process, which `to` is a socket of, and gives its index there.
///
/// On the way it bears a name that nobody has: with its last one the kernel might find another of that name there, and what it
/// makes of a template it does not tell.
fn hand_over(from: &OwnedFd, to: &OwnedFd, index: u32, pid: i32) -> syscalls::Result<u32> {
    let name = crate::paths::cstring(&format!("runlet{}", own_pid()));
    let mut message = link(index, 0, name);
    attribute(&mut message, n::IFLA_NET_NS_PID as u16, &pid.to_ne_bytes());
    ask(from, message, &mut |_| {})?;
    net::get_interface_index(to.as_fd(), name)
}

/// Gives a device its name, which only one that is down can change on older kernels, sets it up, and adds its addresses.
fn settle(
    socket: &OwnedFd,
    index: u32,
    name: &CStr,
    addresses: &[Vec<u8>],
    renamed: bool,
    flags: u32,
) -> syscalls::Result<()> {
    ask(socket, link(index, flags, name), &mut |_| {})?;
    for address in addresses {
        let mut message = head(n::RTM_NEWADDR as u16, n::NLM_F_ACK | n::NLM_F_CREATE | n::NLM_F_REPLACE);
        message.extend_from_slice(address.get(HEADER..HEADER + 4).unwrap_or_default());
        message.extend_from_slice(&index.to_ne_bytes());
        let mut rest = address.get(ADDRESS..).unwrap_or_default();
        while let Some((kind, value)) = next(&mut rest, Length::Short) {
            // A label begins with the device's name: the kernel's own is right for a new one.
            if !(renamed && kind == n::IFA_LABEL as u16) {
                attribute(&mut message, kind, value.get(4..).unwrap_or_default());
            }
        }
        ask(socket, message, &mut |_| {})?;
    }
    Ok(())
}

/// RTM_NEWADDR messages of a device's permanent addresses of global scope.
fn addresses(socket: &OwnedFd, index: u32) -> syscalls::Result<Vec<Vec<u8>>> {
    for _ in 0..PATIENCE {
        let mut found = Vec::new();
        let mut message = head(n::RTM_GETADDR as u16, n::NLM_F_DUMP);
        message.resize(ADDRESS, 0);
        let whole = ask(socket, message, &mut |answer| {
            // struct ifaddrmsg: family, prefix length, flags, scope, index.
            if let Some([family, _, flags, scope, of @ ..]) = answer.get(HEADER..ADDRESS)
                && u32::from(*flags) & n::IFA_F_PERMANENT != 0
                && *scope == n::rt_scope_t::RT_SCOPE_UNIVERSE as u8
                && of == index.to_ne_bytes()
            {
                // The order matters to IPv4's primary addresses and to IPv6's choice of a source, which lists the newest first.
                let at = if u32::from(*family) == net::AF_INET { found.len() } else { 0 };
                found.insert(at, answer.into());
            }
        })?;
        if whole {
            return Ok(found);
        }
    }
    Err(Errno::AGAIN)
}

/// RTM_NEWLINK for a device that is there: its name, and the flags to be set.
fn link(index: u32, flags: u32, name: &CStr) -> Vec<u8> {
    let mut message = head(n::RTM_NEWLINK as u16, n::NLM_F_ACK);
    // struct ifinfomsg: family and type, index, flags, which of them change.
    for word in [0, index, flags, flags] {
        message.extend_from_slice(&word.to_ne_bytes());
    }
    attribute(&mut message, n::IFLA_IFNAME as u16, name.to_bytes_with_nul());
    message
}

/// struct nlmsghdr, whose length `ask` fills in: length, type, flags, sequence, sender.
fn head(kind: u16, flags: u32) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&((flags | n::NLM_F_REQUEST) as u16).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message
}

/// struct rtattr: length and type, the value, and up to the next multiple of four.
fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Takes the next message (whose length is an int) or attribute (a short) off `rest`: its type, and all of it.
fn next<'a>(rest: &mut &'a [u8], length: Length) -> Option<(u16, &'a [u8])> {
    let (length, kind) = match length {
        Length::Int => (usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?, rest.get(4..)?),
        Length::Short => (usize::from(u16::from_ne_bytes(*rest.first_chunk()?)), rest.get(2..)?),
    };
    let kind = u16::from_ne_bytes(*kind.first_chunk()?);
    let whole = rest.get(..length).filter(|whole| whole.len() >= 4)?;
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, whole))
}

enum Length {
    Int,
    Short,
}

/// Sends a request and hands each message of the answer over. The result tells whether the answer is whole: a dump that was
/// interrupted by a change is not.
fn ask(socket: &OwnedFd, mut message: Vec<u8>, each: &mut dyn FnMut(&[u8])) -> syscalls::Result<bool> {
    let length = u32::try_from(message.len()).unwrap_or(0).to_ne_bytes();
    message.iter_mut().zip(length).for_each(|(to, from)| *to = from);
    net::send(socket.as_fd(), &message, 0)?;
    let mut whole = true;
    let mut buffer = [0; ANSWER];
    loop {
        let received = net::recv(socket.as_fd(), &mut buffer, 0)?;
        let mut rest = buffer.get(..received).unwrap_or_default();
        while let Some((kind, answer)) = next(&mut rest, Length::Int) {
            let flags = answer.get(6..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
            whole &= u32::from(u16::from_ne_bytes(flags)) & n::NLM_F_DUMP_INTR == 0;
            match u32::from(kind) {
                // An int: the negative errno, or 0.
                n::NLMSG_ERROR | n::NLMSG_DONE => {
                    let errno = answer.get(HEADER..).and_then(<[u8]>::first_chunk);
                    return match i32::from_ne_bytes(errno.copied().unwrap_or_default()) {
                        errno @ ..0 => Err(Errno::from_raw_os_error(errno.saturating_neg())),
                        _ => Ok(whole),
                    };
                }
                _ => each(answer),
            }
        }
    }
}

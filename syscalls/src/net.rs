//! Sockets: unix ones with descriptors over them, netlink ones, and the loopback interface.
//!
//! # Safety
//!
//! Message headers point to buffers of the same function. Control messages have the kernel's layout: a header of a long and two
//! ints, padded to a long. Descriptors that arrive are new, and owned at once so that none leaks on an error path.

use crate::call::{own, ret, ret_fd, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use linux_raw_sys::ioctl as io;
use linux_raw_sys::net as n;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

pub use linux_raw_sys::net::{AF_INET, AF_NETLINK, AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC};

// MIPS has stream and datagram the other way round; the rest agrees.
const MIPS: bool = cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
));
/// A stream of bytes.
pub const SOCK_STREAM: u32 = if MIPS { 2 } else { 1 };
/// Datagrams.
pub const SOCK_DGRAM: u32 = if MIPS { 1 } else { 2 };
/// What netlink uses.
pub const SOCK_RAW: u32 = 3;
/// Datagrams in order over a connection.
pub const SOCK_SEQPACKET: u32 = 5;

/// socket with `SOCK_CLOEXEC`.
pub fn socket(family: u32, kind: u32, protocol: u32) -> Result<OwnedFd> {
    // SAFETY: a new descriptor; SOCK_CLOEXEC is O_CLOEXEC by definition.
    unsafe { ret_fd(sys!(k::__NR_socket, family, kind | k::O_CLOEXEC, protocol)) }
}

/// socketpair(AF_UNIX) with `SOCK_CLOEXEC`.
pub fn socketpair(kind: u32) -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1i32; 2];
    // SAFETY: the kernel writes two numbers.
    ret_unit(unsafe { sys!(k::__NR_socketpair, AF_UNIX, kind | k::O_CLOEXEC, 0u32, fds.as_mut_ptr()) })?;
    // SAFETY: both are new.
    unsafe { Ok((own(fds[0]), own(fds[1]))) }
}

#[repr(C)]
struct SockAddrUn {
    family: u16,
    path: [u8; 108],
}

/// A path of at most 107 bytes, or an abstract name: a NUL and at most 107 bytes. `ENAMETOOLONG`; `EINVAL` for an empty one and
/// for a path with a NUL in it, where the kernel would take the part before.
fn address(path: &[u8], addr: &mut SockAddrUn) -> Result<usize> {
    let first = path.first().ok_or(Errno::INVAL)?;
    if *first != 0 && path.contains(&0) {
        return Err(Errno::INVAL);
    }
    // A path is sent with its NUL; an abstract name is just its bytes.
    let len = if *first == 0 { path.len() } else { path.len().saturating_add(1) };
    let room = addr.path.get_mut(..len).and_then(|room| room.get_mut(..path.len()));
    room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(path);
    Ok(len.saturating_add(size_of::<u16>()))
}

/// connect or bind, by the call's number.
fn call_with(number: u32, socket: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    let mut addr = SockAddrUn { family: AF_UNIX as u16, path: [0; 108] };
    let len = address(path, &mut addr)?;
    // SAFETY: an address with its length.
    ret_unit(unsafe { sys!(number, socket, &raw const addr, len) })
}

/// connect to a unix socket: a path, or an abstract name with a leading NUL.
pub fn connect_unix(socket: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    call_with(k::__NR_connect, socket, path)
}

/// A unix socket of this kind (`SOCK_*`) that is connected: [`socket`] and [`connect_unix`] in one.
pub fn connected(kind: u32, path: &[u8]) -> Result<OwnedFd> {
    let socket = socket(AF_UNIX, kind, 0)?;
    connect_unix(socket.as_fd(), path)?;
    Ok(socket)
}

/// bind of a unix socket: a path, or an abstract name with a leading NUL.
pub fn bind_unix(socket: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    call_with(k::__NR_bind, socket, path)
}

/// listen.
pub fn listen(socket: BorrowedFd<'_>, backlog: u32) -> Result<()> {
    // SAFETY: no memory.
    ret_unit(unsafe { sys!(k::__NR_listen, socket, backlog) })
}

/// accept4 with `SOCK_CLOEXEC`.
pub fn accept(socket: BorrowedFd<'_>) -> Result<OwnedFd> {
    // SAFETY: no address is wanted; a new descriptor.
    unsafe { ret_fd(sys!(k::__NR_accept4, socket, 0usize, 0usize, k::O_CLOEXEC)) }
}

/// sendto without an address: `MSG_NOSIGNAL` for `EPIPE` instead of SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, buf: &[u8], flags: u32) -> Result<usize> {
    // SAFETY: reads `len` bytes.
    ret(unsafe { sys!(k::__NR_sendto, socket, buf.as_ptr(), buf.len(), flags, 0usize, 0usize) })
}

/// recvfrom without an address. 0 is the end of a stream. With `MSG_TRUNC` the length of the message, which may be more than `buf`.
pub fn recv(socket: BorrowedFd<'_>, buf: &mut [u8], flags: u32) -> Result<usize> {
    // SAFETY: writes at most `len` bytes.
    ret(unsafe { sys!(k::__NR_recvfrom, socket, buf.as_mut_ptr(), buf.len(), flags, 0usize, 0usize) })
}

/// How many descriptors one message carries here (the kernel's limit is 253).
pub const MAX_FDS: usize = 16;

const HEADER: usize = size_of::<CmsgHeader>().next_multiple_of(size_of::<usize>());

#[repr(C)]
#[derive(Clone, Copy)]
struct CmsgHeader {
    len: usize,
    level: i32,
    kind: i32,
}

const SCM_RIGHTS: i32 = 1;

#[repr(C)]
struct Control {
    header: CmsgHeader,
    fds: [i32; MAX_FDS],
}

/// struct user_msghdr.
#[repr(C)]
struct MsgHeader {
    name: *const u8,
    name_len: i32,
    iov: *const [usize; 2],
    iov_len: usize,
    control: *mut Control,
    control_len: usize,
    flags: u32,
}

/// sendmsg: `buf` (not empty on a stream) with up to [`MAX_FDS`] descriptors. `EINVAL` for more.
pub fn send_with_fds(
    socket: BorrowedFd<'_>,
    buf: &[u8],
    fds: &[BorrowedFd<'_>],
    flags: u32,
) -> Result<usize> {
    let mut control =
        Control { header: CmsgHeader { len: 0, level: sol_socket(), kind: SCM_RIGHTS }, fds: [-1; MAX_FDS] };
    if fds.len() > MAX_FDS {
        return Err(Errno::INVAL);
    }
    for (slot, fd) in control.fds.iter_mut().zip(fds) {
        *slot = fd.as_raw_fd();
    }
    let used = HEADER.saturating_add(fds.len().saturating_mul(size_of::<i32>()));
    control.header.len = used;
    let iov = [buf.as_ptr() as usize, buf.len()];
    let header = MsgHeader {
        name: core::ptr::null(),
        name_len: 0,
        iov: &raw const iov,
        iov_len: 1,
        control: if fds.is_empty() { core::ptr::null_mut() } else { &raw mut control },
        control_len: if fds.is_empty() { 0 } else { used },
        flags: 0,
    };
    // SAFETY: a header of live buffers with their lengths.
    ret(unsafe { sys!(k::__NR_sendmsg, socket, &raw const header, flags) })
}

/// What [`recv_with_fds`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes; 0 is the end of a stream.
    pub bytes: usize,
    /// Descriptors, the first ones of `fds`.
    pub fds: usize,
    /// Whether the message had more bytes, or more descriptors than there was room for: those are closed.
    pub truncated: bool,
}

/// recvmsg with `MSG_CMSG_CLOEXEC`: bytes into `buf`, descriptors into `fds`, of which at most [`MAX_FDS`] are used. What they
/// held before is closed only where a new one comes.
pub fn recv_with_fds(
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
    fds: &mut [Option<OwnedFd>],
    flags: u32,
) -> Result<Received> {
    let mut control = Control { header: CmsgHeader { len: 0, level: 0, kind: 0 }, fds: [-1; MAX_FDS] };
    let room = fds.len().min(MAX_FDS);
    let iov = [buf.as_mut_ptr() as usize, buf.len()];
    let mut header = MsgHeader {
        name: core::ptr::null(),
        name_len: 0,
        iov: &raw const iov,
        iov_len: 1,
        control: &raw mut control,
        control_len: if room == 0 { 0 } else { HEADER.saturating_add(room.saturating_mul(size_of::<i32>())) },
        flags: 0,
    };
    // SAFETY: a header of live buffers with their lengths.
    let bytes = ret(unsafe { sys!(k::__NR_recvmsg, socket, &raw mut header, flags | n::MSG_CMSG_CLOEXEC) })?;
    let mut received = Received { bytes, fds: 0, truncated: header.flags & (MSG_TRUNC | n::MSG_CTRUNC) != 0 };
    let got = header.control_len;
    if got >= HEADER && control.header.level == sol_socket() && control.header.kind == SCM_RIGHTS {
        // A descriptor is an int, four bytes.
        let count = control.header.len.min(got).saturating_sub(HEADER) >> 2;
        for (slot, &fd) in fds.iter_mut().zip(control.fds.iter().take(count.min(room))) {
            // SAFETY: the kernel has just put it into this process.
            *slot = Some(unsafe { own(fd) });
            received.fds = received.fds.saturating_add(1);
        }
    }
    Ok(received)
}

fn sol_socket() -> i32 {
    if MIPS { 0xffff } else { 1 }
}

/// struct ifreq: a name and a union, of which flags (short) and index (int) are the first bytes; 40 bytes on 64-bit machines and
/// 32 else.
#[repr(C)]
pub(crate) struct IfReq {
    name: [u8; 16],
    value: [u8; 4],
    pad: [u8; if cfg!(target_pointer_width = "64") { 20 } else { 12 }],
}

/// One ioctl on an interface, with the value that goes in and the one that comes out.
fn interface(socket: BorrowedFd<'_>, request: u32, name: &CStr, value: [u8; 4]) -> Result<[u8; 4]> {
    let mut req = IfReq { name: [0; 16], value, pad: [0; _] };
    let bytes = name.to_bytes_with_nul();
    req.name.get_mut(..bytes.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(bytes);
    // SAFETY: the kernel reads and writes the struct of these requests.
    ret_unit(unsafe { sys!(k::__NR_ioctl, socket, request, &raw mut req) })?;
    Ok(req.value)
}

/// ioctl(SIOCGIFINDEX): an interface's number in the network namespace of a socket of any kind. `ENODEV`.
pub fn get_interface_index(socket: BorrowedFd<'_>, name: &CStr) -> Result<u32> {
    interface(socket, io::SIOCGIFINDEX, name, [0; 4]).map(u32::from_ne_bytes)
}

/// ioctl(SIOCGIFFLAGS): `IFF_*` of an interface (1 is up), by any socket of the network namespace. `ENODEV`.
pub fn get_interface_flags(socket: BorrowedFd<'_>, name: &CStr) -> Result<u16> {
    let [a, b, _, _] = interface(socket, io::SIOCGIFFLAGS, name, [0; 4])?;
    Ok(u16::from_ne_bytes([a, b]))
}

/// ioctl(SIOCSIFFLAGS): sets `IFF_*` of an interface. `EPERM` without CAP_NET_ADMIN over the network namespace.
pub fn set_interface_flags(socket: BorrowedFd<'_>, name: &CStr, flags: u16) -> Result<()> {
    let [a, b] = flags.to_ne_bytes();
    interface(socket, io::SIOCSIFFLAGS, name, [a, b, 0, 0]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fd::{get_flags, pipe, read, write};
    use crate::testing::{Directory, emulated, holds_in_child, root};
    use rustix::fd::AsFd;

    #[test]
    fn structs_have_the_kernels_size() {
        let wide = cfg!(target_pointer_width = "64");
        assert_eq!(size_of::<IfReq>(), if wide { 40 } else { 32 });
        assert_eq!(size_of::<MsgHeader>(), if wide { 56 } else { 28 });
        assert_eq!(HEADER, if wide { 16 } else { 12 });
        assert_eq!(core::mem::offset_of!(Control, fds), HEADER);
        assert_eq!(size_of::<SockAddrUn>(), 110);
    }

    #[test]
    fn descriptors_arrive_open_and_close_on_exec() {
        let (a, b) = socketpair(SOCK_SEQPACKET).unwrap();
        let (read_end, write_end) = pipe(0).unwrap();
        let sent = send_with_fds(a.as_fd(), b"two", &[read_end.as_fd(), write_end.as_fd()], MSG_NOSIGNAL);
        assert_eq!(sent, Ok(3));
        drop((read_end, write_end));
        let (mut buf, mut fds) = ([0; 8], [const { None }; 3]);
        let received = recv_with_fds(b.as_fd(), &mut buf, &mut fds, 0);
        assert_eq!(received, Ok(Received { bytes: 3, fds: 2, truncated: false }));
        assert_eq!(&buf[..3], b"two");
        let [Some(read_end), Some(write_end), None] = fds else { panic!("{fds:?}") };
        assert_eq!(get_flags(read_end.as_raw_fd()), Ok(k::FD_CLOEXEC));
        write(write_end.as_fd(), b"through").unwrap();
        assert_eq!(read(read_end.as_fd(), &mut buf), Ok(7));
    }

    #[test]
    fn descriptors_without_room_are_closed_not_leaked() {
        if emulated("descriptors_without_room_are_closed_not_leaked") {
            return;
        }
        let (a, b) = socketpair(SOCK_STREAM).unwrap();
        let (read_end, write_end) = pipe(0).unwrap();
        send_with_fds(a.as_fd(), b"x", &[write_end.as_fd(), write_end.as_fd()], 0).unwrap();
        drop(write_end);
        let (mut buf, mut fds) = ([0; 8], [const { None }; 1]);
        let received = recv_with_fds(b.as_fd(), &mut buf, &mut fds, 0);
        assert_eq!(received, Ok(Received { bytes: 1, fds: 1, truncated: true }));
        drop(fds);
        // The end of the pipe shows that no write end is left anywhere.
        assert_eq!(read(read_end.as_fd(), &mut buf), Ok(0));
        send_with_fds(a.as_fd(), b"yy", &[], 0).unwrap();
        let received = recv_with_fds(b.as_fd(), &mut buf, &mut [], 0);
        assert_eq!(received, Ok(Received { bytes: 2, fds: 0, truncated: false }));
        let many = [a.as_fd(); MAX_FDS + 1];
        assert_eq!(send_with_fds(a.as_fd(), b"x", &many, 0), Err(Errno::INVAL));
        assert_eq!(send_with_fds(a.as_fd(), b"x", &many[1..], 0), Ok(1));
        let mut room = [const { None }; MAX_FDS];
        let received = recv_with_fds(b.as_fd(), &mut buf, &mut room, 0).unwrap();
        assert_eq!((received.fds, received.truncated), (MAX_FDS, false));
    }

    #[test]
    fn datagrams_say_when_they_were_cut() {
        let (a, b) = socketpair(SOCK_SEQPACKET).unwrap();
        send(a.as_fd(), b"too long", 0).unwrap();
        let mut buf = [0; 3];
        let received = recv_with_fds(b.as_fd(), &mut buf, &mut [], 0);
        assert_eq!(received, Ok(Received { bytes: 3, fds: 0, truncated: true }));
        send(a.as_fd(), b"too long", 0).unwrap();
        assert_eq!(recv(b.as_fd(), &mut buf, MSG_TRUNC), Ok(8));
        drop(b);
        assert_eq!(send(a.as_fd(), b"x", MSG_NOSIGNAL), Err(Errno::PIPE));
    }

    #[test]
    fn a_path_and_an_abstract_name_are_connected_to() {
        let directory = Directory::new();
        let path = directory.path.join("s");
        let abstract_name = std::format!("\0{}", path.to_str().unwrap());
        for name in [path.to_str().unwrap(), &abstract_name] {
            let server = socket(AF_UNIX, SOCK_STREAM, 0).unwrap();
            bind_unix(server.as_fd(), name.as_bytes()).unwrap();
            let client = socket(AF_UNIX, SOCK_STREAM, 0).unwrap();
            assert_eq!(connect_unix(client.as_fd(), name.as_bytes()), Err(Errno::CONNREFUSED));
            listen(server.as_fd(), 1).unwrap();
            connect_unix(client.as_fd(), name.as_bytes()).unwrap();
            let peer = accept(server.as_fd()).unwrap();
            send(client.as_fd(), b"hello", 0).unwrap();
            let mut buf = [0; 8];
            assert_eq!(recv(peer.as_fd(), &mut buf, 0), Ok(5));
        }
        assert!(path.exists());
    }

    #[test]
    fn addresses_that_do_not_fit_are_refused() {
        let length = |path: &[u8]| address(path, &mut SockAddrUn { family: 0, path: [0; 108] });
        assert_eq!(length(b""), Err(Errno::INVAL));
        assert_eq!(length(b"/run/a\0b"), Err(Errno::INVAL));
        assert_eq!(length(&[b'a'; 107]), Ok(110));
        assert_eq!(length(&[b'a'; 108]), Err(Errno::NAMETOOLONG));
        assert_eq!(length(&[0; 108]), Ok(110));
        assert_eq!(length(&[0; 109]), Err(Errno::NAMETOOLONG));
    }

    #[test]
    fn the_loopback_interface_comes_up() {
        const IFF_UP: u16 = 1;
        let any = socket(AF_UNIX, SOCK_DGRAM, 0).unwrap();
        assert_eq!(get_interface_flags(any.as_fd(), c"a-name-of-16-byt"), Err(Errno::NAMETOOLONG));
        if !root("the_loopback_interface_comes_up") {
            return;
        }
        holds_in_child(|| {
            crate::ns::unshare(crate::ns::CLONE_NEWNET)?;
            let socket = socket(AF_INET, SOCK_DGRAM, 0)?;
            let down = get_interface_flags(socket.as_fd(), c"lo")?;
            set_interface_flags(socket.as_fd(), c"lo", down | IFF_UP)?;
            let up = get_interface_flags(socket.as_fd(), c"lo")?;
            let missing = get_interface_flags(socket.as_fd(), c"none").err();
            let numbers = get_interface_index(socket.as_fd(), c"lo")? == 1
                && get_interface_index(socket.as_fd(), c"none") == Err(Errno::NODEV);
            Ok(down & IFF_UP == 0 && up & IFF_UP != 0 && missing == Some(Errno::NODEV) && numbers)
        });
    }
}

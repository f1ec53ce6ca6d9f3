//! Packets, and where they end up: a device whose queue has three bands, which are counted; packets to send; TCP that nobody reads.
//!
//! - `bands-add NAME [WORD]`: gives a device the queue (tc-prio(8)), handle 10:. Packets of priority 5 go to its third band, all others to the
//!   first; with `by-class`, those of a cgroup's class (tc-cgroup(8)) to that of 10:1, 10:2, 10:3.
//! - `bands NAME`: the packets that each band has sent.
//! - `datagrams ADDRESS COUNT`: sends UDP there.
//! - `fill-tcp COUNT`: writes to so many connections on the loopback until none takes any more; the KiB that were taken.

use crate::json::{self, Json};
use crate::net::{ACK, DUMP, NETLINK_ROUTE, NEW, REQUEST, ask, head, index, put};
use crate::sys::Errno;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

const RTM_NEWQDISC: u16 = 36;
const RTM_NEWTCLASS: u16 = 40;
const RTM_GETTCLASS: u16 = 42;
const RTM_NEWTFILTER: u16 = 44;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_STATS2: u16 = 7;
const TCA_STATS_BASIC: u16 = 1;
const HANDLE: u32 = 0x10_0000;

pub fn perform(verb: &str, a: &[&str]) -> Result<Json, Errno> {
    match verb {
        "bands-add" => {
            // struct tc_prio_qopt: the number of bands, and the band of each priority.
            let mut options = vec![3, 0, 0, 0];
            options.extend([0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let place = traffic(a[0], HANDLE, u32::MAX, 0)?;
            add(RTM_NEWQDISC, place, "prio", &options)?;
            if a.get(1) == Some(&"by-class") {
                // Above the protocol, which is any (ETH_P_ALL, big-endian), the filter's place among others.
                let protocol = 1 << 16 | u32::from(3u16.to_be());
                add(RTM_NEWTFILTER, traffic(a[0], 1, HANDLE, protocol)?, "cgroup", &[])?;
            }
            Ok(json::null())
        }
        "bands" => bands(a[0]),
        "datagrams" => {
            let socket = UdpSocket::bind("0.0.0.0:0").map_err(io)?;
            for _ in 0..a[1].parse::<u32>().expect("a number") {
                socket.send_to(b"datagram", (a[0], 9)).map_err(io)?;
            }
            Ok(json::null())
        }
        "fill-tcp" => fill_tcp(a[0].parse().expect("a number")),
        other => panic!("unknown verb {other}"),
    }
}

fn io(error: std::io::Error) -> Errno {
    error.raw_os_error().unwrap_or(5)
}

/// struct tcmsg.
fn traffic(device: &str, handle: u32, parent: u32, info: u32) -> Result<Vec<u8>, Errno> {
    Ok([0, index(device)?, handle, parent, info].map(u32::to_ne_bytes).concat())
}

fn add(kind: u16, place: Vec<u8>, name: &str, options: &[u8]) -> Result<(), Errno> {
    let mut message = head(kind, REQUEST | ACK | NEW);
    message.extend(place);
    put(&mut message, TCA_KIND, name.as_bytes());
    put(&mut message, TCA_OPTIONS, options);
    ask(NETLINK_ROUTE, message, &mut |_, _| {})
}

fn bands(device: &str) -> Result<Json, Errno> {
    let mut counts = Vec::new();
    let mut message = head(RTM_GETTCLASS, REQUEST | DUMP);
    message.extend(traffic(device, 0, 0, 0)?);
    ask(NETLINK_ROUTE, message, &mut |kind, body| {
        if kind == RTM_NEWTCLASS {
            let basic = attribute(&body[20..], TCA_STATS2).and_then(|all| attribute(all, TCA_STATS_BASIC));
            // struct gnet_stats_basic: bytes as 64 bits, packets as 32.
            let packets = basic.and_then(|basic| basic.get(8..12)?.try_into().ok()).map(u32::from_ne_bytes);
            counts.push(json::number(packets.expect("a count of packets")));
        }
    })?;
    Ok(json::array(counts))
}

fn attribute(mut list: &[u8], wanted: u16) -> Option<&[u8]> {
    while list.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([list[0], list[1]]));
        // The two upper bits are flags.
        if u16::from_ne_bytes([list[2], list[3]]) & 0x3fff == wanted {
            return list.get(4..length);
        }
        list = list.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

fn fill_tcp(connections: usize) -> Result<Json, Errno> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io)?;
    let mut taken = 0;
    let mut kept = Vec::new();
    for _ in 0..connections {
        let mut sender = TcpStream::connect(listener.local_addr().map_err(io)?).map_err(io)?;
        kept.push(listener.accept().map_err(io)?.0);
        sender.set_nonblocking(true).map_err(io)?;
        let block = [0u8; 16384];
        // What the other end takes over makes room again: full is what is full for a while.
        let mut full = 0;
        while full < 3 {
            match sender.write(&block) {
                Ok(length) => (taken, full) = (taken + length, 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    full += 1;
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                Err(error) => return Err(io(error)),
            }
        }
        kept.push(sender);
    }
    std::mem::forget(kept);
    Ok(json::number((taken >> 10) as i64))
}

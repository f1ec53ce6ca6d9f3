//! Network devices: made, given addresses and looked at, by rtnetlink, in whatever network namespace the process is in.
//!
//! - `link-add KIND NAME`: `any` takes the first kind that this kernel has.
//! - `link-del NAME`.
//! - `link-set NAME WORD…`: `up`, `mtu=N`.
//! - `link-get NAME`: flags, MTU, hardware address.
//! - `address-add NAME IP/PREFIX [KEY=VALUE…]`: `scope`, `valid` and `preferred` (seconds), `label`, `peer`, `broadcast`, `metric`.
//! - `addresses NAME`: all but what the kernel makes by itself (IPv6 of link scope).

use crate::json::{self, Json};
use crate::sys::{self, Errno, call, cstr, nr};
use std::net::IpAddr;

type Outcome = Result<Json, Errno>;

const KINDS: [&str; 4] = ["dummy", "veth", "ifb", "bridge"];
pub const NETLINK_ROUTE: i32 = 0;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// NLM_F_*; the last are CREATE and EXCL.
pub const REQUEST: u16 = 1;
pub const ACK: u16 = 4;
pub const DUMP: u16 = 0x300;
pub const NEW: u16 = 0x600;
/// IFA_*: address, local, label, broadcast, cacheinfo, rt_priority.
const ATTRIBUTES: [(u16, &str); 5] =
    [(1, "address"), (2, "local"), (3, "label"), (4, "broadcast"), (9, "metric")];
const CACHEINFO: u16 = 6;

pub fn perform(verb: &str, a: &[&str]) -> Outcome {
    match verb {
        "link-add" => {
            let kinds: &[&str] = if a[0] == "any" { &KINDS } else { &a[..1] };
            kinds.iter().map(|kind| add(kind, a[1])).find(|made| *made != Err(95)).unwrap_or(Err(95))?;
            Ok(json::null())
        }
        "link-del" => {
            let mut message = head(RTM_DELLINK, REQUEST | ACK);
            message.extend([0; 16]);
            put(&mut message, 3, cstr(a[0]).as_bytes_with_nul());
            ask(NETLINK_ROUTE, message, &mut |_, _| {}).map(|()| json::null())
        }
        "link-set" => {
            for word in &a[1..] {
                match word.split_once('=') {
                    None if *word == "up" => {
                        request(0x8914, a[0], &(flags(a[0])? | 1).to_ne_bytes()).map(drop)?
                    }
                    Some(("mtu", value)) => {
                        request(0x8922, a[0], &value.parse::<i32>().unwrap().to_ne_bytes()).map(drop)?
                    }
                    _ => panic!("link-set {word}"),
                }
            }
            Ok(json::null())
        }
        "link-get" => {
            let mtu = request(0x8921, a[0], &[])?;
            // struct sockaddr: the family first.
            let hardware = request(0x8927, a[0], &[])?;
            let hardware: Vec<String> = hardware[2..8].iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(json::object([
                ("up", json::number(flags(a[0])? & 1)),
                ("mtu", json::number(i32::from_ne_bytes(mtu[..4].try_into().unwrap()))),
                ("hardware", json::string(&hardware.join(":"))),
            ]))
        }
        "address-add" => address_add(a),
        "addresses" => addresses(index(a[0])?),
        other => panic!("unknown verb {other}"),
    }
}

/// A request of netdevice(7): the union behind the name comes back.
fn request(number: u32, name: &str, value: &[u8]) -> Result<[u8; 24], Errno> {
    let socket = call!(nr::SOCKET, 1, 2, 0)? as i32;
    let mut block = [0u8; 40];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[16..16 + value.len()].copy_from_slice(value);
    let done = call!(nr::IOCTL, socket, number, block.as_mut_ptr());
    sys::close(socket);
    done.map(|_| block[16..].try_into().unwrap())
}

fn flags(name: &str) -> Result<i16, Errno> {
    request(0x8913, name, &[]).map(|value| i16::from_ne_bytes([value[0], value[1]]))
}

pub fn index(name: &str) -> Result<u32, Errno> {
    request(0x8933, name, &[]).map(|value| u32::from_ne_bytes(value[..4].try_into().unwrap()))
}

fn add(kind: &str, name: &str) -> Result<(), Errno> {
    let mut message = head(RTM_NEWLINK, REQUEST | ACK | NEW);
    message.extend([0; 16]);
    put(&mut message, 3, cstr(name).as_bytes_with_nul());
    // IFLA_LINKINFO, and in it IFLA_INFO_KIND.
    let mut info = Vec::new();
    put(&mut info, 1, kind.as_bytes());
    put(&mut message, 18, &info);
    ask(NETLINK_ROUTE, message, &mut |_, _| {})
}

fn octets(text: &str) -> Vec<u8> {
    match text.parse::<IpAddr>().unwrap_or_else(|_| panic!("not an address: {text}")) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address_add(a: &[&str]) -> Outcome {
    let (address, prefix) = a[1].split_once('/').expect("IP/PREFIX");
    let bytes = octets(address);
    let word = |name: &str| a[2..].iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let seconds = |name| word(name).map_or(u32::MAX, |value| value.parse().unwrap());
    let family = if bytes.len() == 4 { 2 } else { 10 };
    let scope = word("scope").map_or(0, |scope| scope.parse().unwrap());
    let mut message = head(RTM_NEWADDR, REQUEST | ACK | NEW);
    message.extend([family, prefix.parse().unwrap(), 0, scope]);
    message.extend(index(a[0])?.to_ne_bytes());
    put(&mut message, 2, &bytes);
    put(&mut message, 1, &word("peer").map_or(bytes, octets));
    if let Some(label) = word("label") {
        put(&mut message, 3, cstr(label).as_bytes_with_nul());
    }
    if let Some(broadcast) = word("broadcast") {
        put(&mut message, 4, &octets(broadcast));
    }
    if let Some(metric) = word("metric") {
        put(&mut message, 9, &metric.parse::<u32>().unwrap().to_ne_bytes());
    }
    let times = [seconds("preferred"), seconds("valid"), 0, 0];
    put(&mut message, CACHEINFO, &times.map(u32::to_ne_bytes).concat());
    ask(NETLINK_ROUTE, message, &mut |_, _| {}).map(|()| json::null())
}

fn addresses(index: u32) -> Outcome {
    let mut found = Vec::new();
    let mut message = head(RTM_GETADDR, REQUEST | DUMP);
    message.extend([0; 8]);
    ask(NETLINK_ROUTE, message, &mut |kind, body| {
        let (family, prefix, scope) = (body[0], body[1], body[3]);
        if kind != RTM_NEWADDR || body[4..8] != index.to_ne_bytes() || (family, scope) == (10, 253) {
            return;
        }
        let mut items = vec![("prefix", json::number(prefix)), ("scope", json::number(scope))];
        let mut rest = &body[8..];
        while rest.len() >= 4 {
            let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
            let (kind, value) = (u16::from_ne_bytes([rest[2], rest[3]]), &rest[4..length]);
            let word = |at: usize| u32::from_ne_bytes(value[at..at + 4].try_into().unwrap());
            match ATTRIBUTES.iter().find(|(number, _)| *number == kind) {
                Some((_, "label")) => {
                    let text = String::from_utf8_lossy(value);
                    items.push(("label", json::string(text.trim_end_matches('\0'))));
                }
                Some((_, "metric")) => items.push(("metric", json::number(word(0)))),
                Some((_, name)) => {
                    let four: Result<[u8; 4], _> = value.try_into();
                    let sixteen: Result<[u8; 16], _> = value.try_into();
                    let address = four.map(IpAddr::from).or(sixteen.map(IpAddr::from)).expect("an address");
                    items.push((name, json::string(&address.to_string())));
                }
                None if kind == CACHEINFO => {
                    items.extend([("preferred", json::number(word(0))), ("valid", json::number(word(4)))]);
                }
                None => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        found.push(json::object(items));
    })?;
    Ok(json::array(found))
}

/// struct nlmsghdr; the length comes last.
pub fn head(kind: u16, flags: u16) -> Vec<u8> {
    let mut message = vec![0; 4];
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message
}

pub fn put(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend((value.len() as u16 + 4).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Sends a request to a part of the kernel that netlink(7) reaches, and gives what it answers to `each`.
pub fn ask(protocol: i32, mut message: Vec<u8>, each: &mut dyn FnMut(u16, &[u8])) -> Result<(), Errno> {
    let length = (message.len() as u32).to_ne_bytes();
    message[..4].copy_from_slice(&length);
    let socket = call!(nr::SOCKET, 16, 3, protocol)? as i32;
    sys::write_fd(socket, &message)?;
    loop {
        let mut buffer = [0u8; 16384];
        let length = call!(nr::READ, socket, buffer.as_mut_ptr(), buffer.len())? as usize;
        let mut rest = &buffer[..length];
        while rest.len() >= 16 {
            let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
            let kind = u16::from_ne_bytes([rest[4], rest[5]]);
            if kind == 2 || kind == 3 {
                let errno = i32::from_ne_bytes(rest[16..20].try_into().unwrap());
                sys::close(socket);
                return if errno == 0 { Ok(()) } else { Err(-errno) };
            }
            each(kind, &rest[16..length]);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

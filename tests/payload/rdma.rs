//! RDMA devices: a soft one made on top of a network device, and what a program takes of one.
//!
//! - `rdma-link-add NAME NETDEV`: as `rdma link add NAME type rxe netdev NETDEV` does.
//! - `rdma-contexts PATH COUNT`: opens that many contexts of the device, which the kernel counts as hca_handle, and keeps them.
//! - `rdma-objects PATH COUNT`: a context, and in it that many protection domains, each an hca_object; keeps them.

use crate::json::{self, Json};
use crate::net::{ACK, REQUEST, ask, head, put};
use crate::sys::{self, Errno, cstr};

/// RDMA_NL_NLDEV above RDMA_NLDEV_CMD_NEWLINK (rdma/rdma_netlink.h).
const NEW_LINK: u16 = 5 << 10 | 3;
/// RDMA_NLDEV_ATTR_*: the device's name, the network device's, what kind it is.
const DEVICE: u16 = 2;
const NETDEV: u16 = 51;
const KIND: u16 = 65;
const NETLINK_RDMA: i32 = 20;

/// Commands of a uverbs device (rdma/ib_user_verbs.h), which are written to it.
const GET_CONTEXT: u32 = 0;
const ALLOC_PD: u32 = 3;

pub fn perform(verb: &str, a: &[&str]) -> Result<Json, Errno> {
    let count = a[1].parse::<u32>();
    match verb {
        "rdma-link-add" => {
            let mut message = head(NEW_LINK, REQUEST | ACK);
            for (kind, text) in [(DEVICE, a[0]), (KIND, "rxe"), (NETDEV, a[1])] {
                put(&mut message, kind, cstr(text).as_bytes_with_nul());
            }
            ask(NETLINK_RDMA, message, &mut |_, _| {}).map(|()| json::null())
        }
        "rdma-contexts" => {
            let count = count.expect("a number");
            for _ in 0..count {
                context(a[0])?;
            }
            Ok(json::number(count))
        }
        "rdma-objects" => {
            let (count, fd) = (count.expect("a number"), context(a[0])?);
            for _ in 0..count {
                command(fd, ALLOC_PD)?;
            }
            Ok(json::number(count))
        }
        other => panic!("unknown verb {other}"),
    }
}

fn context(path: &str) -> Result<i32, Errno> {
    let fd = sys::open(path, sys::O_RDWR, 0)?;
    command(fd, GET_CONTEXT).map(|()| fd)
}

/// struct ib_uverbs_cmd_hdr (the command, and the sizes of what goes in and comes out in words of four bytes), then where the answer goes.
fn command(fd: i32, number: u32) -> Result<(), Errno> {
    let mut answer = [0u32; 2];
    let words = if number == GET_CONTEXT { 2u16 } else { 1 };
    let mut message = number.to_ne_bytes().to_vec();
    message.extend([4u16, words].map(u16::to_ne_bytes).concat());
    message.extend((answer.as_mut_ptr() as u64).to_ne_bytes());
    let written = sys::write_fd(fd, &message).map(drop);
    std::hint::black_box(answer);
    written
}

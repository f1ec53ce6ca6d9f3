//! Verbs that use up what a limit bounds: huge pages, the page cache, a disk's bandwidth, processor time, a device's permission.

use crate::json::{self, Json};
use crate::sys::{self, Errno, call, nr};
use std::fs;
use std::time::{Duration, Instant};

/// Performs the verb, if it is one of these.
pub fn perform(verb: &str, a: &[&str]) -> Option<Result<Json, Errno>> {
    let number = |index: usize| a.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Some(match verb {
        "hugepages" => hugepages(number(0) << 21, 0),
        "hugepages-unreserved" => hugepages(number(0) << 21, 0x4000), // MAP_NORESERVE
        "page-nodes" => page_nodes(number(0)),
        "read-direct" => direct(nr::READ, 0, a.first().copied().unwrap_or(""), number(1)),
        "write-direct" => direct(nr::WRITE, sys::O_WRONLY, a.first().copied().unwrap_or(""), number(1)),
        "read-cached" => read_cached(a.first().copied().unwrap_or(""), number(1), number(2)),
        "burst" => Ok(burst(number(0), number(1), number(2))),
        "keep-opening" => Ok(keep_opening(a)),
        "affinity" => Ok(crate::report::affinity()),
        _ => return None,
    })
}

/// Maps that many bytes in huge pages of 2 MiB, which reserves them unless `flags` say not to, and touches each.
fn hugepages(bytes: u64, flags: u64) -> Result<Json, Errno> {
    const ANONYMOUS_HUGE: u64 = 0x02 | 0x20 | 0x40000; // MAP_PRIVATE, MAP_ANONYMOUS, MAP_HUGETLB
    let start = call!(nr::MMAP, 0, bytes, 3, ANONYMOUS_HUGE | flags, -1, 0)? as *mut u8;
    for offset in (0..bytes).step_by(1 << 21) {
        unsafe { start.add(offset as usize).write_volatile(1) };
    }
    Ok(json::number(bytes >> 21))
}

/// Touches so many MiB of new memory; gives the nodes that its pages are on.
fn page_nodes(mebibytes: u64) -> Result<Json, Errno> {
    const NODE_OF_ADDRESS: i32 = 1 | 2; // MPOL_F_NODE, MPOL_F_ADDR
    let bytes = mebibytes << 20;
    let start = call!(nr::MMAP, 0, bytes, 3, 0x22, -1, 0)?;
    let mut nodes = std::collections::BTreeSet::new();
    for address in (start as u64..start as u64 + bytes).step_by(4096) {
        unsafe { (address as *mut u8).write_volatile(1) };
        let mut node = 0i32;
        call!(nr::GET_MEMPOLICY, &mut node as *mut i32, 0, 0, address, NODE_OF_ADDRESS)?;
        nodes.insert(node);
    }
    Ok(json::array(nodes.into_iter().map(json::number)))
}

/// Reads or writes that many bytes past the page cache; gives the milliseconds that it took.
fn direct(number: i32, mode: i32, path: &str, bytes: u64) -> Result<Json, Errno> {
    const CHUNK: u64 = 64 << 10;
    // Page-aligned, as O_DIRECT wants it.
    let buffer = call!(nr::MMAP, 0, CHUNK, 3, 0x22, -1, 0)?;
    let fd = sys::open(path, mode | sys::O_DIRECT, 0)?;
    let started = Instant::now();
    let mut left = bytes;
    while left > 0 {
        match call!(number, fd, buffer, CHUNK.min(left))? {
            0 => return Err(5),
            done => left -= done as u64,
        }
    }
    Ok(json::number(started.elapsed().as_millis() as i64))
}

/// Reads so many MiB from a place on, through the page cache, and keeps the file open: a disk's pages go when nobody has it open.
fn read_cached(path: &str, place: u64, mebibytes: u64) -> Result<Json, Errno> {
    let fd = sys::open(path, 0, 0)?;
    let mut chunk = vec![0u8; 1 << 20];
    for number in place..place + mebibytes {
        if call!(nr::PREAD64, fd, chunk.as_mut_ptr(), chunk.len(), number << 20)? as usize != chunk.len() {
            return Err(5);
        }
    }
    Ok(json::number(mebibytes))
}

/// `count` times: idle for `pause` milliseconds, then busy for `busy` milliseconds of the clock.
fn burst(count: u64, pause: u64, busy: u64) -> Json {
    for _ in 0..count {
        std::thread::sleep(Duration::from_millis(pause));
        let end = Instant::now() + Duration::from_millis(busy);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
    json::null()
}

/// Opens every path for reading again and again until /stop is there; how often it worked, and how often not.
fn keep_opening(paths: &[&str]) -> Json {
    let (mut opened, mut refused) = (0u64, 0u64);
    crate::say("\"opening\"");
    while fs::symlink_metadata("/stop").is_err() {
        for path in paths {
            match sys::open(path, sys::O_NONBLOCK | sys::O_NOCTTY, 0) {
                Ok(fd) => {
                    sys::close(fd);
                    opened += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    json::object([("opened", json::number(opened)), ("refused", json::number(refused))])
}

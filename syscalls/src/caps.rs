//! Capability sets of this thread: effective, permitted, inheritable (the bounding and ambient sets are in `prctl`).
//!
//! # Safety
//!
//! Two fixed-size structs.

use crate::call::ret_unit;
use linux_raw_sys::general as k;
use rustix::io::Result;

/// Three sets, capability number n as bit n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// What is checked.
    pub effective: u64,
    /// What may become effective.
    pub permitted: u64,
    /// What is kept over exec of a file that has it inheritable.
    pub inheritable: u64,
}

/// capget of this thread.
pub fn get() -> Result<Caps> {
    let mut header = HEADER;
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 has two words a set.
    ret_unit(unsafe { sys!(k::__NR_capget, &raw mut header, data.as_mut_ptr()) })?;
    let [low, high] = data;
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(Caps {
        effective: join(low.effective, high.effective),
        permitted: join(low.permitted, high.permitted),
        inheritable: join(low.inheritable, high.inheritable),
    })
}

/// capset of this thread. `EPERM` for a permitted set that is not within the old one, or an effective one not within the new
/// permitted. Bits that this kernel does not know are dropped by it.
pub fn set(caps: &Caps) -> Result<()> {
    let mut header = HEADER;
    let word = |shift: u32| Data {
        effective: (caps.effective >> shift) as u32,
        permitted: (caps.permitted >> shift) as u32,
        inheritable: (caps.inheritable >> shift) as u32,
    };
    let data = [word(0), word(32)];
    // SAFETY: version 3 has two words a set.
    ret_unit(unsafe { sys!(k::__NR_capset, &raw mut header, data.as_ptr()) })
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}
const HEADER: Header = Header { version: k::_LINUX_CAPABILITY_VERSION_3, pid: 0 };

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

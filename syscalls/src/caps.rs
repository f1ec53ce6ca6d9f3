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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::holds_in_child;

    #[test]
    fn the_sets_are_those_of_proc() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|l| l.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        let caps = get().unwrap();
        assert_eq!(caps.effective, field("CapEff:"));
        assert_eq!(caps.permitted, field("CapPrm:"));
        assert_eq!(caps.inheritable, field("CapInh:"));
    }

    #[test]
    fn a_dropped_set_stays_dropped() {
        let before = get().unwrap();
        holds_in_child(|| {
            set(&Caps::default())?;
            let gained = set(&before);
            Ok(get()? == Caps::default() && (before == Caps::default() || gained == Err(crate::Errno::PERM)))
        });
    }

    #[test]
    fn high_and_low_words_are_kept_apart() {
        let before = get().unwrap();
        // CAP_KILL 5 and CAP_BPF 39.
        let wanted = before.permitted & (1 << 5 | 1 << 39);
        holds_in_child(|| {
            let caps = Caps { effective: wanted & 1 << 39, permitted: wanted, inheritable: wanted & 1 << 5 };
            set(&caps)?;
            Ok(get()? == caps)
        });
    }
}

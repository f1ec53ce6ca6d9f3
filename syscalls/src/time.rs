//! The clocks.
//!
//! # Safety
//!
//! The kernel writes one time of two words.

use crate::call::ret_unit;
use core::time::Duration;
use linux_raw_sys::general as k;
use rustix::io::Result;

pub use linux_raw_sys::general::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};

/// clock_gettime by a system call, without the vDSO that a short program asks once. A time before the clock's start reads as it.
pub fn clock(clock: u32) -> Result<Duration> {
    #[cfg(target_pointer_width = "64")]
    let time = get::<i64>(k::__NR_clock_gettime, clock)?;
    // 64-bit times came with Linux 5.1; before, a date ends in 2038.
    #[cfg(target_pointer_width = "32")]
    let time = match get::<i64>(k::__NR_clock_gettime64, clock) {
        Err(rustix::io::Errno::NOSYS) => get::<i32>(k::__NR_clock_gettime, clock)?.map(i64::from),
        other => other?,
    };
    let [seconds, nanoseconds] = time.map(|word| u64::try_from(word).unwrap_or(0));
    Ok(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds)))
}

/// The call itself, for words of one size: seconds and nanoseconds.
fn get<Word: Default + Copy>(number: u32, clock: u32) -> Result<[Word; 2]> {
    let mut time = [Word::default(); 2];
    // SAFETY: two words are written, as this call has them.
    ret_unit(unsafe { sys!(number, clock, time.as_mut_ptr()) })?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_clocks_agree_with_the_library_and_go_forward() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = clock(CLOCK_REALTIME).unwrap();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(before <= now && now <= after, "{before:?} {now:?} {after:?}");
        assert!(clock(CLOCK_MONOTONIC).unwrap() <= clock(CLOCK_MONOTONIC).unwrap());
        assert!(clock(9999).is_err());
    }
}

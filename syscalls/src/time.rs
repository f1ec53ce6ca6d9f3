//! The clocks.
//!
//! # Safety
//!
//! The kernel writes one time of two words.

use core::time::Duration;
use rustix::io::Result;
#[cfg(target_pointer_width = "32")]
use {crate::call::ret_unit, linux_raw_sys::general as k};

pub use linux_raw_sys::general::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};

/// clock_gettime: the C library's, which has the time from the vDSO, or with 32 bits a system call. A time before the clock's start reads as it.
pub fn clock(clock: u32) -> Result<Duration> {
    #[cfg(target_pointer_width = "64")]
    let time = {
        let mut time = [0i64; 2];
        // SAFETY: two words are written. No call that could fail is made for a clock that there is.
        match unsafe { clock_gettime(clock as i32, time.as_mut_ptr()) } {
            0 => time,
            _ => return Err(rustix::io::Errno::INVAL),
        }
    };
    // 64-bit times came with Linux 5.1; before, a date ends in 2038.
    #[cfg(target_pointer_width = "32")]
    let time = match get::<i64>(k::__NR_clock_gettime64, clock) {
        Err(rustix::io::Errno::NOSYS) => get::<i32>(k::__NR_clock_gettime, clock)?.map(i64::from),
        other => other?,
    };
    let [seconds, nanoseconds] = time.map(|word| u64::try_from(word).unwrap_or(0));
    Ok(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds)))
}

#[cfg(target_pointer_width = "64")]
unsafe extern "C" {
    fn clock_gettime(clock: core::ffi::c_int, time: *mut i64) -> core::ffi::c_int;
}

/// The call itself, for words of one size: seconds and nanoseconds.
#[cfg(target_pointer_width = "32")]
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

//! The clocks.
//!
//! # Safety
//!
//! The kernel writes one time of two words, and so does its function in the vDSO, which is called as the C library calls it.

use crate::call::ret_unit;
use core::time::Duration;
use linux_raw_sys::general as k;
use rustix::io::Result;

pub use linux_raw_sys::general::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME};

/// clock_gettime: from the vDSO where that has it (x86_64, arm64, riscv64), else the call. A time before the clock's start reads as it.
pub fn clock(clock: u32) -> Result<Duration> {
    // 64-bit times came with Linux 5.1; before, a date ends in 2038.
    #[cfg(target_pointer_width = "32")]
    let time = match get::<i64>(k::__NR_clock_gettime64, clock) {
        Err(rustix::io::Errno::NOSYS) => get::<i32>(k::__NR_clock_gettime, clock)?.map(i64::from),
        other => other?,
    };
    #[cfg(target_pointer_width = "64")]
    let time = match without_call(clock) {
        Some(time) => time,
        None => get::<i64>(k::__NR_clock_gettime, clock)?,
    };
    let [seconds, nanoseconds] = time.map(|word| u64::try_from(word).unwrap_or(0));
    Ok(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds)))
}

/// The time from the vDSO.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
fn without_call(clock: u32) -> Option<[i64; 2]> {
    const NAME: &core::ffi::CStr =
        if cfg!(target_arch = "aarch64") { c"__kernel_clock_gettime" } else { c"__vdso_clock_gettime" };
    type Function = extern "C" fn(u32, *mut i64) -> i32;
    let mut time = [0; 2];
    // SAFETY: the function of that name has this type, and writes two words.
    let function: Function = unsafe { core::mem::transmute(crate::vdso::find(NAME)?) };
    (function(clock, time.as_mut_ptr()) == 0).then_some(time)
}

#[cfg(all(
    target_pointer_width = "64",
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))
))]
fn without_call(_clock: u32) -> Option<[i64; 2]> {
    None
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

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    #[test]
    fn the_kernel_has_the_time_without_a_call() {
        assert!(without_call(CLOCK_REALTIME).is_some() && crate::vdso::find(c"no_such_function").is_none());
    }
}

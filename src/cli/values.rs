//! The shapes of values: numbers, ids, sizes, durations, paths.
//!
//! Strict, because a lenient reading has made root of a user more than once (CVE-2026-30892 and its like): digits
//! only, no sign, no space, no leading zero, no wrap-around. Everything returns `None` for what it does not
//! understand; the caller knows the flag and writes the message.

use super::usage;
use runlet::error::Result;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// Bytes for the kernel. argv cannot hold a NUL, but an iterator of OsString can.
pub fn bytes(value: &OsString, what: &str) -> Result<CString> {
    CString::new(value.clone().into_vec()).map_err(|_| usage(&[what, " contains a NUL"]))
}

/// A path: any bytes, but at least one.
pub fn path(value: &OsString, what: &str) -> Result<CString> {
    if value.is_empty() {
        return Err(usage(&[what, " is empty"]));
    }
    bytes(value, what)
}

/// A text: UTF-8, because it is shown, compared and written as JSON.
pub fn text(value: &OsString, what: &str) -> Result<String> {
    match value.to_str() {
        Some(text) => Ok(text.into()),
        None => Err(usage(&[what, " is not UTF-8"])),
    }
}

/// `NAME=VALUE` with a name.
pub fn variable(value: &OsString) -> Option<CString> {
    let bytes = value.clone().into_vec();
    let name = bytes.iter().position(|byte| *byte == b'=')?;
    if name == 0 { None } else { CString::new(bytes).ok() }
}

/// The value that belongs to a word.
pub fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

/// A decimal number without sign or leading zero.
fn natural(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (text == "0" || !text.starts_with('0')) { text.parse().ok() } else { None }
}

/// A decimal number, perhaps negative.
pub fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(rest) => i64::try_from(natural(rest)?).ok()?.checked_neg(),
        None => i64::try_from(natural(text)?).ok(),
    }
}

/// A user's or group's id. 2^32-1 is none: the kernel takes it for "leave unchanged" (setresuid(2)).
pub fn id(text: &str) -> Option<u32> {
    u32::try_from(natural(text)?).ok().filter(|id| *id != u32::MAX)
}

/// `UID` or `UID:GID`.
pub fn user(text: &str) -> Option<(u32, Option<u32>)> {
    match text.split_once(':') {
        Some((uid, gid)) => Some((id(uid)?, Some(id(gid)?))),
        None => Some((id(text)?, None)),
    }
}

/// A size in bytes: a number and perhaps k, m, g or t in either case, perhaps followed by b or ib; powers of 1024
/// all. -1 means no limit.
pub fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let end = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    i64::try_from(natural(number)?.checked_mul(1 << shift)?).ok()
}

/// A duration of at least a millisecond, in milliseconds: numbers each with its unit h, m, s or ms, as in `1m30s`.
pub fn duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|next: char| !next.is_ascii_digit())?)?;
        let end = after.find(|next: char| next.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let scale = one_of(unit, &[("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)])?;
        total = total.checked_add(natural(number)?.checked_mul(scale)?)?;
        rest = after;
    }
    Some(total).filter(|total| *total > 0)
}

/// `N=VALUE`: a system call's argument 0 to 5; the value decimal, or hexadecimal after 0x.
pub fn call_argument(text: &str) -> Option<(u8, u64)> {
    let (number, value) = text.split_once('=')?;
    let number = u8::try_from(natural(number)?).ok().filter(|number| *number < 6)?;
    let value = match value.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok()?,
        Some(_) => return None,
        None => natural(value)?,
    };
    Some((number, value))
}

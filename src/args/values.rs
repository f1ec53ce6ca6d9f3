//! The shapes of values: numbers, ids, sizes, durations, paths.
//!
//! Strict, because a lenient reading has made root of a user more than once (CVE-2026-30892 and its like): digits
//! only, no sign, no space, no leading zero, no wrap-around. Everything returns `None` for what it does not
//! understand; the caller knows the flag and writes the message.

use super::flags::Shape;
use crate::texts::{Table, table};
use core::ffi::CStr;

/// The number that a value of this shape stands for, 0 where it stands for none. `words` are those of [`Shape::Word`].
pub fn number(shape: Shape, value: &CStr, words: &str) -> Option<i64> {
    match shape {
        Shape::Switch => return Some(0),
        Shape::Path => return if value.is_empty() { None } else { Some(0) },
        Shape::Variable => {
            return if value.to_bytes().iter().position(|byte| *byte == b'=')? > 0 { Some(0) } else { None };
        }
        _ => {}
    }
    let text = value.to_str().ok()?;
    let bounds = match shape {
        Shape::Word => {
            return words.split('|').position(|word| word == text).and_then(|place| place.try_into().ok());
        }
        Shape::Size => return size(text),
        Shape::Id => return id(text).map(i64::from),
        Shape::User => return user(text).map(|_| 0),
        Shape::Duration => return duration(text),
        Shape::CallArgument => return call_argument(text).map(|_| 0),
        Shape::Natural => 0..=i64::MAX,
        Shape::Limit => -1..=i64::MAX,
        Shape::Weight => 0..=1000,
        Shape::Descriptor => 0..=i64::from(i32::MAX),
        Shape::Integer => i64::MIN..=i64::MAX,
        _ => return Some(0),
    };
    integer(text).filter(|number| bounds.contains(number))
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
fn id(text: &str) -> Option<u32> {
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
fn size(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let (number, unit) = digits(text);
    let shift = SIZES.find(&unit.to_ascii_lowercase())?;
    i64::try_from(natural(number)?.checked_mul(1 << shift)?).ok()
}

/// Units of a size, as powers of two.
static SIZES: Table<u32> = table! {
    "" => 0, "b" => 0, "k" => 10, "kb" => 10, "kib" => 10, "m" => 20, "mb" => 20, "mib" => 20,
    "g" => 30, "gb" => 30, "gib" => 30, "t" => 40, "tb" => 40, "tib" => 40,
};

/// Units of time, in milliseconds.
static TIMES: Table<u32> = table! { "h" => 3_600_000, "m" => 60_000, "s" => 1000, "ms" => 1 };

/// A duration of at least a millisecond, in milliseconds: numbers each with its unit h, m, s or ms, as in `1m30s`.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (number, after) = digits(rest);
        let end = after.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let scale = TIMES.find(unit)?.into();
        total = total.checked_add(integer(number)?.checked_mul(scale)?)?;
        rest = after;
    }
    Some(total).filter(|total| *total > 0)
}

/// What a text starts with, and what follows the digits.
#[inline(never)]
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or_default()
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

//! What the fuzzers share: numbers from a seed, and broken texts made of sound ones.
//!
//! Each fuzzer goes through a few seeds in an ordinary test run. `RUNLET_FUZZ_SECONDS=600 cargo test fuzz` goes on for so long,
//! each for itself, and `RUNLET_FUZZ_SEED` says where to begin: a failure names the seed, which says everything.
#![allow(dead_code)] // each user has its own choice
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

extern crate std; // the library is no_std
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::vec::Vec;

/// xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A number from the environment.
pub fn variable<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Pages of memory that a fuzzer may come to have: what runlet has read stays for the rest of its life, and a fuzzer reads for ever.
const MOST_PAGES: u64 = 1 << 18;

fn is_full() -> bool {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0) > MOST_PAGES
}

/// The seeds to go through: so many, or as many as the time and a gigabyte of memory allow.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let first = variable("RUNLET_FUZZ_SEED").unwrap_or(1);
    let end = variable("RUNLET_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    (first..).take_while(move |seed| match end {
        Some(end) if seed % 1000 == 0 && is_full() => {
            let left = end.saturating_duration_since(Instant::now()).as_secs();
            std::println!("no more memory, {left} s left: go on with RUNLET_FUZZ_SEED={seed}");
            false
        }
        Some(end) => Instant::now() < end,
        None => *seed < first + count,
    })
}

/// Values and pieces that JSON's readers stumble over.
const PIECES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1",
    "65535",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e99",
    "0.5",
    "\"\"",
    "\"/\"",
    "\"..\"",
    "\"/../..\"",
    "\"a/../../b\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\n\\t\\u001b[31m\"",
    "\"\u{e9}\u{1f600}\"",
    "\"-\"",
    "\"0\"",
    "\"max\"",
    "\"rw\"",
    "\"idmap\"",
    "\"%d\"",
    "\"net.a/../b\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    "[\"\"]",
    "{\"a\":1,\"a\":2}",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\\",
    "\"",
];

/// Breaks a text in a few places: a value becomes another one, one of `more`, or a piece of the text itself; bytes are lost,
/// doubled or changed.
pub fn mutate(random: &mut Random, text: &mut Vec<u8>, more: &[&str]) {
    for _ in 0..=random.below(4) {
        if text.is_empty() {
            return;
        }
        let at = random.below(text.len());
        let bounds = |byte: &u8| b"[]{},: \n".contains(byte);
        let start = text[..at].iter().rposition(bounds).map_or(0, |place| place + 1);
        let end = text[at..].iter().position(bounds).map_or(text.len(), |place| at + place);
        let value = start.min(end)..end;
        match random.below(8) {
            0 => {
                let end = (at + random.below(24)).min(text.len());
                text.drain(at..end);
            }
            1 => text[at] = random.next() as u8,
            2 => {
                let from = random.below(text.len());
                let to = (from + random.below(80)).min(text.len());
                let copy = text[from..to].to_vec();
                text.splice(at..at, copy);
            }
            3 if !more.is_empty() => {
                let piece = random.pick(more);
                text.splice(value, piece.bytes());
            }
            4 => {
                let other = random.below(text.len());
                let start = text[..other].iter().rposition(bounds).map_or(0, |place| place + 1);
                let end = text[other..].iter().position(bounds).map_or(text.len(), |place| other + place);
                let copy = text[start.min(end)..end].to_vec();
                text.splice(value, copy);
            }
            _ => {
                let piece = random.pick(PIECES);
                text.splice(value, piece.bytes());
            }
        }
    }
}

/// Whether a message is what a person is promised: one line, and nothing that a terminal would obey.
pub fn is_one_clear_line(message: &str) -> bool {
    !message.is_empty() && !message.chars().any(char::is_control)
}

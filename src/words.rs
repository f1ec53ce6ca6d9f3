//! What the program says to a person, kept in half the space: the compiler writes a byte for what often stands together
//! ([`pairs`]), and the program undoes it when somebody is to read it.
//!
//! Only for messages, hints and help: each reading allocates, so names that are compared or written as JSON stay texts.

mod pairs;

use crate::json::quote;
use crate::texts::Texts;
use alloc::string::String;
use core::fmt;
use pairs::PAIRS;
pub use syscalls::Counted; // for `words!`

/// A text for a person, in few bytes. Made by `words!`.
#[derive(Debug, Clone, Copy)]
pub struct Words(Counted);

/// Words by number. Made by `phrases!`.
#[derive(Debug, Clone, Copy)]
pub struct Phrases(Texts);

impl Phrases {
    /// For `phrases!`.
    pub const fn new(rows: Texts) -> Self {
        Phrases(rows)
    }

    /// A row as it is read; empty for a number that has none.
    pub fn get(self, number: usize) -> &'static str {
        read(self.0.row(number))
    }
}

/// The first byte that stands for a pair. Pairs go on past 255 at 0, up to the first character that can be shown.
const FIRST: u8 = 0x7f;

/// Stands for the end of a line, which lies among the pairs.
const NEWLINE: u8 = b'~';

/// Stand for what is put in, as it is and in quotes: `{}` and `{quoted}` in the text.
const PLAIN: u8 = b'{';
const QUOTED: u8 = b'}';

impl Words {
    /// No words.
    pub const NONE: Words = Words(Counted::new(b"\0"));

    /// For `words!`.
    pub const fn new(packed: Counted) -> Self {
        Words(packed)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.bytes().is_empty()
    }

    /// As they are read. Never freed: the program says little, and ends.
    #[inline(never)]
    pub fn text(self) -> &'static str {
        read(self.0.bytes())
    }

    /// The same with each of these in its place.
    pub fn with(self, parts: &[&str]) -> &'static str {
        fill(self.text(), parts)
    }
}

/// A text as it was read, with each of these in its place.
#[inline(never)]
pub fn fill(text: &str, parts: &[&str]) -> &'static str {
    let mut filled = String::new();
    let mut parts = parts.iter();
    for byte in text.bytes() {
        match byte {
            PLAIN => filled.extend(parts.next().copied()),
            QUOTED => filled.extend(parts.next().map(|part| quote(part))),
            _ => filled.push(char::from(byte)),
        }
    }
    filled.leak()
}

impl AsRef<str> for Words {
    fn as_ref(&self) -> &str {
        self.text()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

fn read(packed: &[u8]) -> &'static str {
    let mut text = String::new();
    packed.iter().for_each(|byte| unpack(&mut text, *byte));
    text.leak()
}

/// Appends what a byte stands for.
fn unpack(text: &mut String, byte: u8) {
    match PAIRS.get(usize::from(byte.wrapping_sub(FIRST))) {
        Some(pair) => pair.iter().for_each(|byte| unpack(text, *byte)),
        None if byte == NEWLINE => text.push('\n'),
        None => text.push(char::from(byte)),
    }
}

/// The longest text that can be packed.
pub const LONGEST: usize = 255;

/// A text packed, and how many bytes of it count. Only the compiler calls it, as the two below.
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
pub const fn shorten(text: &str) -> ([u8; LONGEST], usize) {
    let mut packed = [0; LONGEST];
    let mut length = 0;
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        (packed[length], rest) = match rest {
            [b'\n', ..] => (NEWLINE, after),
            [b'{', b'}', after @ ..] => (PLAIN, after),
            [b'{', b'q', b'u', b'o', b't', b'e', b'd', b'}', after @ ..] => (QUOTED, after),
            _ => {
                let code = byte.wrapping_sub(FIRST) as usize;
                assert!(
                    code >= PAIRS.len() && !matches!(*byte, b'{' | b'}' | NEWLINE),
                    "only ASCII that can be shown, no ~, and of braces only the two forms"
                );
                (*byte, after)
            }
        };
        length += 1;
    }
    let mut pair = 0;
    while pair < PAIRS.len() {
        let [one, other] = PAIRS[pair];
        let (mut from, mut to) = (0, 0);
        while from < length {
            if packed[from] == one && from + 1 < length && packed[from + 1] == other {
                packed[to] = FIRST.wrapping_add(pair as u8);
                from += 1;
            } else {
                packed[to] = packed[from];
            }
            from += 1;
            to += 1;
        }
        length = to;
        pair += 1;
    }
    (packed, length)
}

/// The bytes that count.
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
pub const fn cut<const N: usize>(packed: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = packed[at];
        at += 1;
    }
    bytes
}

/// How many places a text has for what is put in.
pub const fn places(text: &str) -> usize {
    let mut places = 0usize;
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        places = places.saturating_add((*byte == PLAIN) as usize);
        rest = after;
    }
    places
}

/// A literal's packed bytes, for `words!` and `phrases!`.
#[macro_export]
macro_rules! shortened {
    ($text:literal) => {{
        const SHORT: ([u8; $crate::words::LONGEST], usize) = $crate::words::shorten($text);
        const BYTES: &[u8] = &$crate::words::cut::<{ SHORT.1 }>(&SHORT.0);
        BYTES
    }};
}

/// `words!("…")`: a text for a person.
#[macro_export]
macro_rules! words {
    ($text:literal) => {{
        const ROWS: &[&[u8]] = &[$crate::shortened!($text)];
        const PACKED: &[u8; $crate::texts::length(ROWS)] = &$crate::texts::pack(ROWS);
        const { $crate::words::Words::new($crate::words::Counted::new(PACKED)) }
    }};
}

/// `phrases!["…", "…"]`: a table of such.
#[macro_export]
macro_rules! phrases {
    ($($row:literal),* $(,)?) => { $crate::words::Phrases::new($crate::packed![$($crate::shortened!($row)),*]) };
}

/// `filled!("… {} … {quoted}", one, other)`: a text with these in it, the second in quotes and on one line. Before a semicolon may stand
/// what takes the text and them in place of [`Words::with`].
#[macro_export]
macro_rules! filled {
    ($text:literal, $($part:expr),+ $(,)?) => { $crate::filled!($crate::words::Words::with; $text, $($part),+) };
    ($taker:expr; $text:literal, $($part:expr),+ $(,)?) => {{
        const { assert!($crate::words::places($text) == [$(stringify!($part)),+].len()) }
        $taker($crate::words!($text), &[$(AsRef::<str>::as_ref(&$part)),+])
    }};
}

#[cfg(test)]
mod tests {
    use super::{FIRST, PAIRS, Phrases, read, shorten};
    use crate::sync::ABSENT;
    use alloc::{format, string::String};

    fn packed(text: &str) -> &'static str {
        let (bytes, length) = shorten(text);
        read(bytes.get(..length).unwrap_or_default())
    }

    #[test]
    fn what_is_packed_reads_as_it_was() {
        let shown: String = (' '..='z').chain(['|', '\n']).collect();
        assert_eq!(packed(&shown), shown);
        for (one, other) in shown.chars().flat_map(|one| shown.chars().map(move |other| (one, other))) {
            for text in [
                format!("{one}{other}"),
                format!("{one}{one}{other}{other}{other}"),
                format!("{other}{one} "),
            ] {
                assert_eq!(packed(&text), text);
            }
        }
        for place in 0..PAIRS.len() {
            let pair = read(&[FIRST.wrapping_add(place as u8)]);
            let written: String = pair.replace('{', "{}").replace('}', "{quoted}").replace("{{quoted}", "{}");
            assert_eq!(packed(&written), pair);
        }
        assert_eq!(words!("").text(), "");
        assert_eq!(format!("{}", words!("a line\nand another")), "a line\nand another");
        const PHRASES: Phrases = phrases!["one", "", "the container's process"];
        assert_eq!(
            [0, 1, 2, 3].map(|number| PHRASES.get(number)),
            ["one", "", "the container's process", ""]
        );
    }

    #[test]
    fn what_is_put_in_stands_in_its_place() {
        assert_eq!(
            filled!("{}: {quoted} is {}", "a", String::from("b \"{}\""), &&"{}c"),
            "a: \"b \\\"{}\\\"\" is {}c"
        );
    }

    #[test]
    fn the_table_of_pairs_halves_what_the_program_says() {
        let costs = || ABSENT.iter().map(|(_, _, cost)| cost);
        let read: usize = costs().map(|cost| cost.text().len()).sum();
        let kept: usize = costs().map(|cost| cost.0.bytes().len()).sum();
        assert!(kept * 10 < read * 6, "{kept} bytes of {read}: cargo run -p qemu -- pairs");
    }
}

//! What the program says to a person, kept in half the space: the compiler writes a byte for what often stands together
//! ([`pairs`]), and the program undoes it when somebody is to read it.
//!
//! Only for messages, hints and help: each reading allocates, so names that are compared or written as JSON stay texts.

mod pairs;

use crate::texts::Texts;
use alloc::string::String;
use core::fmt;
use pairs::PAIRS;

/// A text for a person, in few bytes. Made by `words!`.
#[derive(Debug, Clone, Copy)]
pub struct Words(&'static [u8]);

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
        Words(self.0.row(number)).text()
    }
}

/// The first byte that stands for a pair. Pairs go on past 255 at 0, up to the first character that can be shown.
const FIRST: u8 = 0x7f;

/// Stands for the end of a line, which lies among the pairs.
const NEWLINE: u8 = b'~';

impl Words {
    /// No words.
    pub const NONE: Words = Words(&[]);

    /// For `words!`.
    pub const fn new(packed: &'static [u8]) -> Self {
        Words(packed)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// As they are read. Never freed: the program says little, and ends.
    #[inline(never)]
    pub fn text(self) -> &'static str {
        let mut text = String::new();
        self.0.iter().for_each(|byte| unpack(&mut text, *byte));
        text.leak()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
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
    let mut length = text.len();
    let mut at = 0;
    while at < length {
        packed[at] = match text.as_bytes()[at] {
            b'\n' => NEWLINE,
            byte => byte,
        };
        let code = packed[at].wrapping_sub(FIRST) as usize;
        assert!(
            text.as_bytes()[at] != NEWLINE && code >= PAIRS.len(),
            "only ASCII that can be shown, and no ~"
        );
        at += 1;
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
    ($text:literal) => {
        $crate::words::Words::new($crate::shortened!($text))
    };
}

/// `phrases!["…", "…"]`: a table of such.
#[macro_export]
macro_rules! phrases {
    ($($row:literal),* $(,)?) => { $crate::words::Phrases::new($crate::packed![$($crate::shortened!($row)),*]) };
}

#[cfg(test)]
mod tests {
    use super::{FIRST, PAIRS, Phrases, Words, shorten};
    use crate::sync::ABSENT;
    use alloc::{format, string::String, vec::Vec};

    fn packed(text: &str) -> Words {
        let (bytes, length) = shorten(text);
        Words(bytes.into_iter().take(length).collect::<Vec<u8>>().leak())
    }

    #[test]
    fn what_is_packed_reads_as_it_was() {
        let shown: String = (' '..='}').chain(['\n']).collect();
        assert_eq!(packed(&shown).text(), shown);
        for (one, other) in shown.chars().flat_map(|one| shown.chars().map(move |other| (one, other))) {
            for text in [
                format!("{one}{other}"),
                format!("{one}{one}{other}{other}{other}"),
                format!("{other}{one} "),
            ] {
                assert_eq!(packed(&text).text(), text);
            }
        }
        for place in 0..PAIRS.len() {
            let pair = Words(Vec::from([FIRST.wrapping_add(place as u8)]).leak());
            assert_eq!(packed(pair.text()).text(), pair.text());
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
    fn the_table_of_pairs_halves_what_the_program_says() {
        let costs = || ABSENT.iter().map(|(_, _, cost)| cost);
        let read: usize = costs().map(|cost| cost.text().len()).sum();
        let kept: usize = costs().map(|cost| cost.0.len()).sum();
        assert!(kept * 10 < read * 6, "{kept} bytes of {read}: cargo run -p qemu -- pairs");
    }
}

//! `pairs`: makes `src/words/pairs.rs`, the table by which the program's texts for people are kept short. Run by a person when many
//! texts have changed, never by a build: an older table packs new texts as well, only a little worse.
//!
//! Byte-pair encoding: the two bytes that most often stand together become one, which then may be half of a pair itself, until no
//! byte is left that the texts do not use (Philip Gage, "A New Algorithm for Data Compression", 1994).

use crate::host::{self, Context, Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The first byte that stands for a pair, and how many do: from there past 255 to the last one before the blank (`words::FIRST`).
const FIRST: u8 = 0x7f;
const PAIRS: usize = 161;

/// Stands for the end of a line (`words::NEWLINE`).
const NEWLINE: u8 = b'~';

/// What stands for a value that is put in, plain and in quotes, and what it is packed as (`words::PLAIN`, `words::QUOTED`).
const PLACES: [(&str, &str); 2] = [("{quoted}", "}"), ("{}", "{")];

pub fn main(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        return Err(Error::new("usage: pairs"));
    }
    let mut texts = BTreeSet::new();
    collect(&host::workspace().join("src"), &mut texts)?;
    let before: usize = texts.iter().map(Vec::len).sum();
    let mut texts: Vec<Vec<u8>> = texts.into_iter().collect();
    let mut table = format!(
        "//! Made by `cargo run -p qemu -- pairs` from the texts in `src`. Do not edit.\n\n\
         /// What the bytes from 0x7f on, and past 255 those from 0 on, stand for. Each may be one of those before it.\n\
         #[rustfmt::skip]\n\
         pub const PAIRS: [[u8; 2]; {PAIRS}] = [",
    );
    for place in 0..PAIRS {
        let pair = most_often(&texts).ok_or_else(|| Error::new("too few texts"))?;
        let byte = FIRST.wrapping_add(u8::try_from(place).unwrap_or_default());
        texts.iter_mut().for_each(|text| join(text, pair, byte));
        let gap = if place % 12 == 0 { "\n   " } else { "" };
        let _ = write!(table, "{gap} *b\"{}{}\",", shown(pair.0), shown(pair.1));
    }
    table.push_str("\n];\n");
    let after: usize = texts.iter().map(Vec::len).sum();
    let file = host::workspace().join("src/words/pairs.rs");
    std::fs::write(&file, table).context(|| format!("write {}", file.display()))?;
    println!("{}: {before} bytes of texts become {after}", file.display());
    Ok(())
}

/// Adds the texts of all sources below a directory: what stands in quotes, outside of comments and tests, has a blank
/// and no values put into it but as `filled!` does.
fn collect(directory: &Path, texts: &mut BTreeSet<Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(directory).context(|| format!("read {}", directory.display()))? {
        let path = entry.context(|| format!("read {}", directory.display()))?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, texts)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
            let program = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            literals(program, texts);
        }
    }
    Ok(())
}

/// The literals of a program. Quotes within quotes are escaped in `src`, and a quote as a character stands alone.
fn literals(program: &str, texts: &mut BTreeSet<Vec<u8>>) {
    let mut inside = false;
    let mut text = Vec::new();
    for line in program.lines().map(str::trim_start) {
        let mut characters = line.chars().peekable();
        if !inside && line.starts_with("//") {
            continue;
        }
        while let Some(character) = characters.next() {
            match character {
                '/' if !inside && characters.peek() == Some(&'/') => break,
                '\'' if !inside && characters.peek() == Some(&'"') => {
                    characters.next();
                }
                '"' => {
                    let said = String::from_utf8(std::mem::take(&mut text)).unwrap_or_default();
                    let rest = PLACES.iter().fold(said.clone(), |said, (place, _)| said.replace(place, ""));
                    if inside && said.contains(' ') && !rest.contains('{') && said.is_ascii() {
                        let said = PLACES.iter().fold(said, |said, (place, byte)| said.replace(place, byte));
                        texts.insert(said.into_bytes());
                    }
                    inside = !inside;
                }
                _ if !inside => {}
                '\\' => match characters.next() {
                    Some('n') => text.push(NEWLINE),
                    Some(escaped) => text.extend(escaped.to_string().bytes()),
                    None => {} // the text goes on in the next line
                },
                _ => text.extend(character.to_string().bytes()),
            }
        }
    }
}

/// The pair that joining would save most with; of several the greatest, so that each run finds the same.
fn most_often(texts: &[Vec<u8>]) -> Option<(u8, u8)> {
    let mut times: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    for text in texts {
        for pair in text.windows(2) {
            *times.entry((pair[0], pair[1])).or_default() += 1;
        }
    }
    times.into_iter().max_by_key(|(_, times)| *times).map(|(pair, _)| pair)
}

/// Writes a byte for each such pair.
fn join(text: &mut Vec<u8>, pair: (u8, u8), byte: u8) {
    let mut joined = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let [one, after @ ..] = rest {
        (rest, _) = match after {
            [other, after @ ..] if (*one, *other) == pair => (after, joined.push(byte)),
            _ => (after, joined.push(*one)),
        };
    }
    *text = joined;
}

/// A byte as it is written in a literal.
fn shown(byte: u8) -> String {
    match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

//! Where in a JSON text something is wrong: the place as people count it, and the path that names it. Only an error's message
//! needs this, so the text is gone through again for it.

use alloc::{format, string::String, vec::Vec};

/// A path names no more levels than these, the outermost.
const DEEPEST: usize = 64;

/// The length of a string up to its closing quote.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let is_end = |byte: &u8| {
        let plain = !escaped;
        escaped = *byte == b'\\' && plain;
        *byte == b'"' && plain
    };
    text.iter().position(is_end).unwrap_or(text.len())
}

/// How much of a text ends at a line and column as serde_json counts them: what it has read.
pub fn up_to(json: &[u8], line: usize, column: usize) -> usize {
    let mut end = 0usize;
    for _ in 1..line {
        let rest = json.get(end..).unwrap_or_default();
        end = end.saturating_add(rest.iter().position(|byte| *byte == b'\n').unwrap_or(0)).saturating_add(1);
    }
    end.saturating_add(column).min(json.len())
}

/// The opposite.
pub fn line_and_column(text: &[u8]) -> (usize, usize) {
    let (mut line, mut column) = (1usize, 0usize);
    for byte in text {
        column = column.saturating_add(1);
        if *byte == b'\n' {
            (line, column) = (line.saturating_add(1), 0);
        }
    }
    (line, column)
}

/// Goes through a text up to a token, by its number (`json::Reader::tokens`), or to its end. Returns how much of it that is, and the
/// JSON path (`linux.namespaces[3].type`) of the value that holds or ends there. A lenient scan: broken text gives the path as far as it
/// could be told.
pub fn path_at(text: &[u8], token: usize) -> (usize, String) {
    /// An open object with the name last seen in it, or an open array with the index of the current element.
    enum Open<'a> {
        Object(&'a [u8]),
        Array(usize),
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut deeper = 0usize;
    let mut string: &[u8] = b"";
    let mut before = b' ';
    let (mut at, mut tokens) = (0usize, 0usize);
    let is_word = |byte: &u8| !byte.is_ascii_whitespace() && !b"{}[]:,\"".contains(byte);
    while let Some((byte, rest)) = text.get(at..).and_then(<[u8]>::split_first) {
        let length = match byte {
            b'"' => {
                let length = string_length(rest);
                string = rest.get(..length).unwrap_or_default();
                length.saturating_add(1)
            }
            byte if is_word(byte) => rest.iter().take_while(|byte| is_word(byte)).count(),
            _ => 0,
        };
        at = at.saturating_add(length).saturating_add(1).min(text.len());
        if matches!(byte, b'{' | b'[' | b'"') || is_word(byte) {
            tokens = tokens.saturating_add(1);
        }
        // The last character is where reading stopped: an array or object that should not be there at all.
        let last = at == text.len() || tokens == token;
        let closes = !last || matches!(before, b'{' | b'[');
        let deepest = open.len() == DEEPEST;
        match (byte, open.last_mut()) {
            (b'{' | b'[', _) if last => {}
            (b'{' | b'[', _) if deepest => deeper = deeper.saturating_add(1),
            (b'{', _) => open.push(Open::Object(b"")),
            (b'[', _) => open.push(Open::Array(0)),
            (b'}' | b']', _) if closes && deeper > 0 => deeper = deeper.saturating_sub(1),
            (b'}' | b']', _) if closes => drop(open.pop()),
            _ if deeper > 0 => {}
            (b':', Some(Open::Object(name))) => *name = string,
            (b',', Some(Open::Array(index))) if !last => *index = index.saturating_add(1),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = *byte;
        }
        if tokens == token {
            break;
        }
    }

    let mut path = String::new();
    for level in open {
        match level {
            Open::Object(b"") => {}
            Open::Object(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                // A name is printed as it stands in the text, but for what a terminal would obey.
                let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
                path.extend(String::from_utf8_lossy(name).chars().map(plain));
            }
            Open::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    (at, path)
}

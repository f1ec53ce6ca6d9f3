//! Where in a JSON text something is wrong: the place as people count it, and the path that names it. Only an error's message
//! needs this, so the text is gone through again for it.

use alloc::{format, string::String, vec::Vec};

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

/// Line and column in which a token ends, by its number (`json::Reader::tokens`), as serde_json counts them: what it has read.
pub fn end_of_token(json: &[u8], number: usize) -> (usize, usize) {
    let (mut line, mut column) = (1usize, 0usize);
    let mut tokens = 0usize;
    let mut within = false;
    let mut rest = json;
    while let [byte, after @ ..] = rest {
        let word = !byte.is_ascii_whitespace() && !b"{}[]:,\"".contains(byte);
        let begins = matches!(byte, b'{' | b'[' | b'"') || word && !within;
        if tokens == number && !(word && within) {
            break;
        }
        within = word;
        rest = after;
        let mut length = 1usize;
        if begins {
            tokens = tokens.saturating_add(1);
        }
        if *byte == b'"' {
            length = string_length(rest).saturating_add(2);
            rest = rest.get(length.saturating_sub(1)..).unwrap_or_default();
        }
        column = column.saturating_add(length);
        if *byte == b'\n' {
            (line, column) = (line.saturating_add(1), 0);
        }
    }
    (line, column)
}

/// The JSON path (`linux.namespaces[3].type`) of the value that holds or ends at a place in the text. A lenient scan: what
/// stands after the place is not looked at, and broken text gives the path as far as it could be told.
pub fn path_at(json: &[u8], line: usize, column: usize) -> String {
    let mut end = 0usize;
    for _ in 1..line {
        let rest = json.get(end..).unwrap_or_default();
        end = end.saturating_add(rest.iter().position(|byte| *byte == b'\n').unwrap_or(0)).saturating_add(1);
    }
    let text = json.get(..end.saturating_add(column).min(json.len())).unwrap_or_default();

    /// An open object with the name last seen in it, or an open array with the index of the current element.
    enum Open<'a> {
        Object(&'a [u8]),
        Array(usize),
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut string: &[u8] = b"";
    let mut before = b' ';
    let mut at = 0usize;
    while let Some(byte) = text.get(at) {
        at = at.saturating_add(1);
        match byte {
            b'"' => {
                let start = at;
                at = at.saturating_add(string_length(text.get(at..).unwrap_or_default()));
                string = text.get(start..at).unwrap_or_default();
                at = at.saturating_add(1);
            }
            b':' => {
                if let Some(Open::Object(name)) = open.last_mut() {
                    *name = string;
                }
            }
            b',' => {
                if let (Some(Open::Array(index)), true) = (open.last_mut(), at < text.len()) {
                    *index = index.saturating_add(1);
                }
            }
            // The last character is where reading stopped: an array or object that should not be there at all.
            b'{' if at < text.len() => open.push(Open::Object(b"")),
            b'[' if at < text.len() => open.push(Open::Array(0)),
            b'}' | b']' if at < text.len() || matches!(before, b'{' | b'[') => drop(open.pop()),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = *byte;
        }
        if open.len() > 64 {
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
    path
}

//! JSON as the runtime writes it: indented by tabs or on one line, in the order in which it is told.
//!
//! Owns quoting and punctuation. Read by people and by programs; what is read is parsed by serde (`config`).

use crate::texts::Texts;
use alloc::string::String;
use core::fmt::{Display, Write};
use core::slice::Iter;

/// Builds one JSON document. The caller closes what it opened.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    depth: usize,
    one_line: bool,
}

impl Writer {
    /// Everything on one line, as a stream of records has it.
    pub fn line() -> Self {
        Writer { one_line: true, ..Writer::default() }
    }

    /// Starts an object: the document, an element of an array (both with the name `""`) or a property.
    pub fn object(&mut self, name: &str) {
        self.open(name, '{');
    }

    /// Starts an array.
    pub fn array(&mut self, name: &str) {
        self.open(name, '[');
    }

    /// Ends the object.
    pub fn end_object(&mut self) {
        self.close('}');
    }

    /// Ends the array.
    pub fn end_array(&mut self) {
        self.close(']');
    }

    /// A text.
    pub fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A boolean.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: i64) {
        self.shown(name, &value);
    }

    /// A number that is not negative.
    pub fn unsigned(&mut self, name: &str, value: u64) {
        self.shown(name, &value);
    }

    /// A text that need not be UTF-8; a property is left out if it is empty.
    pub fn bytes(&mut self, name: &str, value: &[u8]) {
        if !value.is_empty() || name.is_empty() {
            self.string(name, &String::from_utf8_lossy(value));
        }
    }

    /// An array of the texts of a table, with the beginning that it leaves out.
    pub fn texts(&mut self, name: &str, beginning: &str, texts: Texts) {
        self.array(name);
        for text in texts.iter() {
            self.string("", &[beginning, text].concat());
        }
        self.end_array();
    }

    /// A template, written as all else: JSON with `'` for `"` and no spaces, a value or several properties. Where an `@` stands, the
    /// next of `parts` comes, which may be a template itself.
    pub fn template(&mut self, template: &str, parts: &[&str]) {
        self.name("");
        self.expand(template, &mut parts.iter());
    }

    fn expand(&mut self, template: &str, parts: &mut Iter<'_, &str>) {
        let mut quoted = false;
        for next in template.chars() {
            match next {
                '\'' => {
                    quoted = !quoted;
                    self.text.push('"');
                }
                '@' if !quoted => parts.next().into_iter().for_each(|part| self.expand(part, parts)),
                '{' | '[' if !quoted => {
                    self.text.push(next);
                    self.depth = self.depth.saturating_add(1);
                    self.new_line();
                }
                '}' | ']' if !quoted => self.close(next),
                ',' if !quoted => {
                    self.text.push(next);
                    self.new_line();
                }
                ':' if !quoted => self.text.push_str(": "),
                next => self.text.push(next),
            }
        }
    }

    /// A value that is JSON already.
    pub fn verbatim(&mut self, name: &str, json: &str) {
        self.raw(name, json);
    }

    /// An array of texts.
    pub fn strings(&mut self, name: &str, values: &mut dyn Iterator<Item = &str>) {
        self.array(name);
        for value in values {
            self.string("", value);
        }
        self.end_array();
    }

    /// The document, with a newline at its end.
    pub fn finish(mut self) -> String {
        self.text.push('\n');
        self.text
    }

    /// The same of a writer that goes on with the next one, in the same place.
    pub fn take<R>(&mut self, read: impl FnOnce(&str) -> R) -> R {
        self.text.push('\n');
        let result = read(&self.text);
        self.text.clear();
        result
    }

    #[inline(never)]
    fn shown(&mut self, name: &str, value: &dyn Display) {
        self.name(name);
        write!(self.text, "{value}").unwrap_or_default(); // into a String, which takes everything
    }

    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        escape_to(text, &mut self.text);
        self.text.push('"');
    }

    #[inline(never)]
    fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.text.push_str(value);
    }

    fn open(&mut self, name: &str, bracket: char) {
        self.name(name);
        self.text.push(bracket);
        self.depth = self.depth.saturating_add(1);
    }

    #[inline(never)]
    fn close(&mut self, bracket: char) {
        self.depth = self.depth.saturating_sub(1);
        if !self.has_begun() {
            self.new_line();
        }
        self.text.push(bracket);
    }

    /// A comma after what went before, a line, the name.
    fn name(&mut self, name: &str) {
        if self.depth == 0 {
            return;
        }
        if !self.has_begun() {
            self.text.push(',');
        }
        self.new_line();
        if !name.is_empty() {
            self.quoted(name);
            self.text.push_str(if self.one_line { ":" } else { ": " });
        }
    }

    /// Whether an object or array was just opened.
    fn has_begun(&self) -> bool {
        matches!(self.text.as_bytes().last(), Some(b'{' | b'['))
    }

    fn new_line(&mut self) {
        if self.one_line {
            return;
        }
        self.text.push('\n');
        for _ in 0..self.depth {
            self.text.push('\t');
        }
    }
}

/// A JSON string (RFC 8259, 7).
pub fn quote(text: &str) -> String {
    ["\"", &escape(text), "\""].concat()
}

/// What stands in it. What a terminal would obey, or show as something else than it is, is escaped too: control characters, those
/// without width and those that turn the direction of writing.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    escape_to(text, &mut escaped);
    escaped
}

fn escape_to(text: &str, escaped: &mut String) {
    for next in text.chars() {
        match next {
            '"' | '\\' => {
                escaped.push('\\');
                escaped.push(next);
            }
            '\n' => escaped.push_str("\\n"),
            '\0'..' '
            | '\x7f'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => write!(escaped, "\\u{:04x}", u32::from(next)).unwrap_or_default(),
            next => escaped.push(next),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec; // for json!
    use serde_json::{Value, json};

    #[test]
    fn what_is_written_is_what_a_parser_reads() {
        let mut out = Writer::default();
        out.object("");
        out.string("a \"b\"", "\u{1}\u{7f}\u{202e}\n\\é𝄞");
        out.array("empty");
        out.end_array();
        out.object("o");
        out.number("n", -5);
        out.flag("t", true);
        out.strings("list", &mut ["x", "y"].into_iter());
        out.array("objects");
        out.object("");
        out.end_object();
        out.object("");
        out.flag("f", false);
        out.end_object();
        out.end_array();
        out.end_object();
        out.end_object();
        let text = out.finish();
        let read: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "a \"b\"": "\u{1}\u{7f}\u{202e}\n\\é𝄞", "empty": [],
            "o": {"n": -5, "t": true, "list": ["x", "y"], "objects": [{}, {"f": false}]},
        });
        assert_eq!(read, expected);
        assert!(text.contains("\n\t\t\"list\": [\n\t\t\t\"x\",\n\t\t\t\"y\"\n\t\t]"), "{text}");
    }

    #[test]
    fn a_template_is_set_like_the_rest() {
        let mut out = Writer::default();
        out.object("");
        out.strings("a", &mut ["b:{", "c,d"].into_iter());
        out.array("e");
        out.flag("", true);
        out.end_array();
        out.number("f", 1);
        out.end_object();
        let mut set = Writer::default();
        set.template("{'a':[@],'e':[true],'f':@}", &["'b:{',@", "'c,d'", "1"]);
        assert_eq!(set.finish(), out.finish());
    }

    #[test]
    fn a_string_that_ends_like_a_bracket_is_no_bracket() {
        let mut out = Writer::default();
        out.strings("", &mut ["{", "["].into_iter());
        assert_eq!(serde_json::from_str::<Value>(&out.finish()).unwrap(), json!(["{", "["]));
    }
}

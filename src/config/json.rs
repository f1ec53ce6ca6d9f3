//! How config.json is read: strings that borrow, errors that name their place.
//!
//! serde_json does the reading; what it reads goes into a [`Slot`].

use super::place::{line_and_column, path_at, up_to};
use super::slot::{Next, Slot, Value};
use crate::error::{Result, decimal, error};
use crate::words::Words;
use alloc::{boxed::Box, string::String, string::ToString};
use core::fmt;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What is read, and what was first found wrong in it. The visitors never fail, but for the syntax: serde_json would make an error
/// of theirs in 2 KB.
#[derive(Default)]
struct Reader {
    /// How many strings, numbers and words, beginnings of arrays and of objects there were.
    tokens: usize,
    /// In words, with the number of the token.
    refusal: Option<(&'static str, usize)>,
}

impl Reader {
    fn refuse(&mut self, words: &dyn Fn() -> &'static str) {
        self.refusal.get_or_insert_with(|| (words(), self.tokens));
    }
}

/// Puts the next value into a slot; without one it is ignored.
struct Into<'s, 'a> {
    slot: Option<&'s mut dyn Slot<'a>>,
    reader: &'s mut Reader,
}

/// Puts the next value into the place that an array has for its next element: made only when there is one.
struct Element<'e, 's, 'a>(&'e mut Into<'s, 'a>);

/// Reads a property's name; None for one with a NUL.
struct Name;

/// A number that is no integer of 64 bits comes as an object with this name: serde_json's `arbitrary_precision`, which is 2 KB
/// smaller than to make a float of it. One that has the name in the text is no JSON to us, as to serde_json.
const NUMBER: &str = "$serde_json::private::Number";

impl<'a> DeserializeSeed<'a> for Into<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> core::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> DeserializeSeed<'a> for Element<'_, '_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> core::result::Result<(), D::Error> {
        let slot = match self.0.slot.as_mut().map(|array| array.next("")) {
            Some(Next::New(slot)) => Some(slot),
            _ => None,
        };
        deserializer.deserialize_any(Into { slot, reader: self.0.reader })
    }
}

impl<'a> Into<'_, 'a> {
    fn put(&mut self, value: Value<'a>) {
        self.reader.tokens = self.reader.tokens.saturating_add(1);
        if let Some(Err(expected)) = self.slot.as_mut().map(|slot| slot.put(value)) {
            self.reader.refuse(&|| filled!("expected {}, found {}", expected, value.name()));
        }
    }
}

impl<'a> Visitor<'a> for Into<'_, 'a> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E: de::Error>(mut self) -> core::result::Result<(), E> {
        self.slot = None;
        self.visit_bool(false)
    }
    fn visit_bool<E: de::Error>(mut self, value: bool) -> core::result::Result<(), E> {
        self.put(Value::Boolean(value));
        Ok(())
    }
    fn visit_u64<E: de::Error>(mut self, value: u64) -> core::result::Result<(), E> {
        self.put(Value::Unsigned(value));
        Ok(())
    }
    fn visit_i64<E: de::Error>(mut self, value: i64) -> core::result::Result<(), E> {
        self.put(Value::Signed(value));
        Ok(())
    }
    /// Not called ([`NUMBER`]); serde's own would bring the words for a float, 13 KB.
    fn visit_f64<E: de::Error>(mut self, _value: f64) -> core::result::Result<(), E> {
        self.put(Value::Other);
        Ok(())
    }
    fn visit_borrowed_str<E: de::Error>(mut self, value: &'a str) -> core::result::Result<(), E> {
        self.put(Value::Text(value)); // a raw NUL is no JSON: one comes by an escape only, below
        Ok(())
    }
    fn visit_str<E: de::Error>(mut self, value: &str) -> core::result::Result<(), E> {
        self.put(Value::Text(match self.slot {
            None => "",
            Some(_) => String::from(value).leak(),
        }));
        if value.as_bytes().contains(&0) {
            self.reader.refuse(&|| NUL.text());
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'a>>(mut self, mut access: A) -> core::result::Result<(), A::Error> {
        self.put(Value::Array);
        while access.next_element_seed(Element(&mut self))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'a>>(mut self, mut access: A) -> core::result::Result<(), A::Error> {
        let mut next = access.next_key_seed(Name)?;
        if let Some(Some(NUMBER)) = next {
            self.put(Value::Other);
            return Ok(());
        }
        self.put(Value::Object);
        let mut seen = 0u64;
        while let Some(name) = next {
            self.reader.tokens = self.reader.tokens.saturating_add(1);
            let name = name.unwrap_or_else(|| {
                self.reader.refuse(&|| NUL.text());
                ""
            });
            let mut again = false;
            let mut slot = match self.slot.as_mut().map_or(Next::Unknown, |object| object.next(name)) {
                Next::Unknown => None,
                Next::New(slot) => Some(slot),
                Next::Duplicate => {
                    again = true;
                    None
                }
                Next::Property(number, slot) => {
                    let bit = 1u64.checked_shl(number).unwrap_or(0);
                    again = seen & bit != 0;
                    seen |= bit;
                    Some(slot)
                }
            };
            if again {
                self.reader.refuse(&|| filled!("duplicate name {quoted}", name));
                slot = None;
            }
            access.next_value_seed(Into { slot, reader: self.reader })?;
            next = access.next_key_seed(Name)?;
        }
        Ok(())
    }
}

/// What a string must not hold, or it would be no C string.
const NUL: Words = words!("a string must not hold a NUL character");

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Option<&'a str>;
    fn deserialize<D: Deserializer<'a>>(
        self,
        deserializer: D,
    ) -> core::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Option<&'a str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E: de::Error>(self, value: &'a str) -> core::result::Result<Self::Value, E> {
        Ok(Some(value))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> core::result::Result<Self::Value, E> {
        Ok((!value.as_bytes().contains(&0)).then(|| &*String::from(value).leak()))
    }
}

/// Parses one JSON document. `file` is the name for the error, which says the JSON path at which reading stopped. What is read
/// lives as long as the text, which is as long as the process: it is never freed.
pub fn parse<'a, T: Slot<'a> + Default>(file: &str, json: &'a [u8]) -> Result<&'a mut T> {
    let value: &'a mut T = Box::leak(Box::new(T::default()));
    read(file, json, value)?;
    Ok(value)
}

/// The same into a place that the caller has.
pub fn read<'a>(file: &str, json: &'a [u8], slot: &mut dyn Slot<'a>) -> Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let mut reader = Reader::default();
    let into = Into { slot: Some(slot), reader: &mut reader };
    let read = into.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let (words, text, token) = match (reader.refusal, read) {
        (Some((words, token)), _) => (words, json, token),
        (None, Ok(())) => return Ok(()),
        (None, Err(error)) => {
            let end = up_to(json, error.line(), error.column());
            (&*error.to_string().leak(), json.get(..end).unwrap_or(json), usize::MAX)
        }
    };
    let (end, path) = path_at(text, token);
    let (line, column) = line_and_column(json.get(..end).unwrap_or_default());
    let at = filled!("line {} column {}", decimal(line), decimal(column));
    let words = words.strip_suffix(at).and_then(|words| words.strip_suffix(" at ")).unwrap_or(words);
    let colon = if path.is_empty() { "" } else { ": " };
    Err(error!("{}: {}{}{} ({})", file, path, colon, words, at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Config;
    use alloc::format;

    fn refusal(json: &str) -> String {
        format!("{}", parse::<Config<'_>>("config.json", json.as_bytes()).unwrap_err())
    }

    #[test]
    fn an_error_names_the_place_by_its_json_path() {
        let text = refusal("{\"process\":{\"user\":{\"uid\":-1}}}");
        assert!(text.starts_with("config.json: process.user.uid: "), "{text}");
        let text = refusal("{\"mounts\":[{\"destination\":\"/a\"},{\"destination\":7}]}");
        assert!(text.starts_with("config.json: mounts[1].destination: "), "{text}");
        let text =
            refusal("{\n \"linux\": {\n  \"namespaces\": [ {\"type\": \"pid\"}, {\"type\": [] } ] } }");
        assert!(text.starts_with("config.json: linux.namespaces[1].type: "), "{text}");
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        for name in ["a\u{7f}b", "a\u{1b}[31m", "a\nb"] {
            let text = refusal(&format!("{{\"annotations\":{{\"{name}\":7}}}}"));
            assert!(
                text.starts_with("config.json: annotations") && !text.contains(char::is_control),
                "{text:?}"
            );
        }
        assert!(
            refusal("{\"annotations\":{\"a\u{7f}b\":7}}")
                .starts_with("config.json: annotations.a\u{fffd}b: ")
        );
    }

    #[test]
    fn duplicates_nuls_depth_and_huge_numbers_are_refused() {
        assert!(refusal("{\"hostname\":\"a\",\"hostname\":\"b\"}").contains("duplicate"));
        assert!(refusal("{\"annotations\":{\"a\":\"1\",\"a\":\"2\"}}").contains("duplicate name \"a\""));
        assert!(refusal("{\"hostname\":\"a\\u0000b\"}").contains("NUL"));
        assert!(
            refusal("{\"process\":{\"user\":{\"uid\":99999999999999999999}}}").contains("process.user.uid")
        );
        for number in ["1.5", "1e3", "99999999999999999999"] {
            for json in [format!("{{\"linux\":{number}}}"), format!("{{\"process\":{{\"cwd\":{number}}}}}")] {
                let text = refusal(&json);
                assert!(
                    text.contains("found a number with a fraction") && text.contains(" column "),
                    "{text}"
                );
            }
        }
        let deep = format!("{{\"x\":{}{},\"process\":{{\"cwd\":7}}}}", "[".repeat(100), "]".repeat(100));
        assert!(refusal(&deep).contains("process.cwd: expected a string"), "{}", refusal(&deep));
        let zero: &mut Config<'_> = parse("c", b"{\"process\":{\"user\":{\"uid\":-0}}}").unwrap();
        assert_eq!(zero.process.as_ref().unwrap().user.uid, 0);
        assert!(refusal("{\"hostname\":{\"a\":1}}").contains("hostname: expected a string, found an object"));
        assert!(refusal(&"[".repeat(200_000)).contains("config.json"));
        assert!(refusal(&alloc::format!("{{\"mounts\":{}", "[".repeat(200_000))).contains("config.json"));
    }

    #[test]
    fn null_is_absent_and_unknown_properties_are_ignored() {
        let json = br#"{"ociVersion":"1.0.2","mounts":null,"process":{"args":null,"cwd":"/"},"future":{"a":[1,{"b":2}]}}"#;
        let config: &mut Config<'_> = parse("config.json", json).unwrap();
        assert_eq!(config.oci_version, "1.0.2");
        assert!(config.mounts.is_empty() && config.process.as_ref().unwrap().args.is_empty());
    }

    #[test]
    fn strings_borrow_unless_escapes_force_a_copy() {
        let json = br#"{"hostname":"plain","domainname":"a\nb"}"#;
        let config: &mut Config<'_> = parse("c", json).unwrap();
        assert!(json.as_ptr_range().contains(&config.hostname.unwrap().as_ptr()));
        assert!(!json.as_ptr_range().contains(&config.domainname.unwrap().as_ptr()));
    }
}

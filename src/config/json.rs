//! How config.json is read: strings that borrow, maps without duplicates, errors that name their place.
//!
//! serde_json does the reading; what it reads goes into a [`Slot`], a place that knows what may stand in it. One visitor for
//! all types, instead of the one for each type that derived code has, makes the runtime 200 KB smaller.

use super::place::{line_and_column, path_at, up_to};
use crate::error::{Result, decimal, error};
use crate::words::Words;
use alloc::{boxed::Box, string::String, string::ToString, vec::Vec};
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A list of what was read. Like all that is read it is never freed, so that no code to do so comes with every type.
#[derive(Debug)]
pub struct List<T>(ManuallyDrop<Vec<T>>);

impl<T> List<T> {
    /// Appends one.
    pub fn push(&mut self, value: T) {
        self.0.push(value);
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(list: Vec<T>) -> Self {
        List(ManuallyDrop::new(list))
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = core::slice::Iter<'l, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Whether a value fits where it was put; if not, what it should have been.
pub type Put = core::result::Result<(), Words>;

/// A place for one JSON value.
pub trait Slot<'a> {
    /// Takes a value. `null` is not put: it leaves the place as it is.
    fn put(&mut self, value: Value<'a>) -> Put;

    /// The place for the next element of the array, or for the property or entry of that name of the object, that was put here.
    fn next(&mut self, _name: &'a str) -> Next<'_, 'a> {
        Next::Unknown
    }
}

/// A value as it stands in the text: of an array or object only that it begins.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Boolean(bool),
    Unsigned(u64),
    /// A negative one, or a flag's.
    Signed(i64),
    /// A number that is no integer of 64 bits: there is no place for one.
    Other,
    /// A string of the buffer, copied only where JSON escapes forced it. Never holds a NUL, so that it is always a C string.
    Text(&'a str),
    Array,
    Object,
}

/// What is there for a name.
pub enum Next<'s, 'a> {
    /// Nothing: the value is ignored, as config.md has it.
    Unknown,
    /// A property with its number, by which a second one of the name is noticed.
    Property(u32, &'s mut dyn Slot<'a>),
    /// A new element, or a new entry of a map.
    New(&'s mut dyn Slot<'a>),
    /// An entry that is there already.
    Duplicate,
}

/// `object!(Type<'a> { "name" => field, … })`: the properties of an object.
macro_rules! object {
    ($name:ident$(<$life:lifetime>)? { $($key:literal => $field:ident),* $(,)? }) => {
        impl<'a> $crate::config::Slot<'a> for $name$(<$life>)? {
            fn put(&mut self, value: $crate::config::Value<'a>) -> $crate::config::Put {
                value.object()
            }
            fn next(&mut self, name: &'a str) -> $crate::config::Next<'_, 'a> {
                #[allow(non_camel_case_types)]
                enum Number { $($field),* }
                let number = $crate::config::number(concat!($($key, " "),*), name);
                let slot: &mut dyn $crate::config::Slot<'a> = match number {
                    $(_ if number == Number::$field as u32 => &mut self.$field,)*
                    _ => return $crate::config::Next::Unknown,
                };
                $crate::config::Next::Property(number, slot)
            }
        }
    };
}
pub(crate) use object;

/// `lists!(Type<'a>, NAMES)`: an object that is an array of lists, one for each of the names in that table.
macro_rules! lists {
    ($name:ident<$life:lifetime>, $names:expr) => {
        impl<'a> $crate::config::Slot<'a> for $name<$life> {
            fn put(&mut self, value: $crate::config::Value<'a>) -> $crate::config::Put {
                value.object()
            }
            fn next(&mut self, name: &'a str) -> $crate::config::Next<'_, 'a> {
                match $names.position(name).and_then(|number| Some((number, self.0.get_mut(number)?))) {
                    Some((number, list)) => $crate::config::Next::Property(number as u32, list),
                    None => $crate::config::Next::Unknown,
                }
            }
        }
    };
}
pub(crate) use lists;

/// The place of a name in a list of names, each with a space behind it.
pub fn number(names: &str, name: &str) -> u32 {
    let mut number = 0u32;
    for known in names.as_bytes().split(|byte| *byte == b' ') {
        if known == name.as_bytes() {
            break;
        }
        number = number.saturating_add(1);
    }
    number
}

impl Value<'_> {
    /// Whether an object begins.
    pub fn object(self) -> Put {
        match self {
            Value::Object => Ok(()),
            _ => Err(words!("an object")),
        }
    }
}

impl Value<'_> {
    /// What it is, for a message.
    fn name(self) -> &'static str {
        let words = match self {
            Value::Unsigned(value) => return value.to_string().leak(),
            Value::Signed(value) => return value.to_string().leak(),
            Value::Other => words!("a number with a fraction, an exponent or too many digits"),
            Value::Boolean(_) => words!("a boolean"),
            Value::Text(_) => words!("a string"),
            Value::Array => words!("an array"),
            Value::Object => words!("an object"),
        };
        words.text()
    }
}

impl<'a> Slot<'a> for bool {
    fn put(&mut self, value: Value<'a>) -> Put {
        let Value::Boolean(value) = value else { return Err(words!("true or false")) };
        *self = value;
        Ok(())
    }
}

macro_rules! integers {
    ($($name:ident $words:literal,)*) => {$(
        impl<'a> Slot<'a> for $name {
            fn put(&mut self, value: Value<'a>) -> Put {
                let value = match value {
                    Value::Unsigned(value) => $name::try_from(value).ok(),
                    Value::Signed(value) => $name::try_from(value).ok(),
                    _ => None,
                };
                *self = value.ok_or(words!($words))?;
                Ok(())
            }
        }
    )*};
}

integers! {
    u16 "an integer from 0 to 65535",
    u32 "an integer from 0 to 4294967295",
    u64 "an integer from 0 to 2^64-1",
    i32 "an integer of 32 bits",
    i64 "an integer of 64 bits",
}

impl<'a> Slot<'a> for &'a str {
    fn put(&mut self, value: Value<'a>) -> Put {
        let Value::Text(value) = value else { return Err(words!("a string")) };
        *self = value;
        Ok(())
    }
}

impl<'a, T: Slot<'a> + Default> Slot<'a> for Option<T> {
    fn put(&mut self, value: Value<'a>) -> Put {
        self.get_or_insert_default().put(value)
    }
    fn next(&mut self, name: &'a str) -> Next<'_, 'a> {
        self.as_mut().map_or(Next::Unknown, |value| value.next(name))
    }
}

impl<'a, T: Slot<'a> + Default> Slot<'a> for List<T> {
    fn put(&mut self, value: Value<'a>) -> Put {
        match value {
            Value::Array => Ok(()),
            _ => Err(words!("an array")),
        }
    }
    fn next(&mut self, _name: &'a str) -> Next<'_, 'a> {
        self.push(T::default());
        self.0.last_mut().map_or(Next::Unknown, |last| Next::New(last))
    }
}

/// A JSON object with arbitrary names: sorted, without duplicates. An entry points to its value, so that the entries of all maps are
/// handled by one code.
#[derive(Debug)]
pub struct Map<'a, V>(List<(&'a str, &'a mut V)>);

impl<V> Default for Map<'_, V> {
    fn default() -> Self {
        Map(List::default())
    }
}

impl<V: Copy> Clone for Map<'_, V> {
    fn clone(&self) -> Self {
        Map(self.iter().map(|(name, value)| (name, Box::leak(Box::new(*value)))).collect())
    }
}

impl<'a, V> Map<'a, V> {
    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
    }

    /// All entries, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &V)> {
        self.0.iter().map(|(name, value)| (*name, &**value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a, V: Slot<'a> + Default> Slot<'a> for Map<'a, V> {
    fn put(&mut self, value: Value<'a>) -> Put {
        value.object()
    }
    fn next(&mut self, name: &'a str) -> Next<'_, 'a> {
        insert(&mut self.0.0, name, Box::leak(Box::default()))
            .map_or(Next::Duplicate, |value| Next::New(value))
    }
}

/// Adds an entry at its place among those sorted by name; None where one of the name is there.
#[inline(never)]
fn insert<'m, 'a, V>(
    entries: &'m mut Vec<(&'a str, &'a mut V)>,
    name: &'a str,
    value: &'a mut V,
) -> Option<&'m mut V> {
    let at = entries.binary_search_by(|(have, _)| (*have).cmp(name)).err()?;
    entries.insert(at, (name, value));
    entries.get_mut(at).map(|(_, value)| &mut **value)
}

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

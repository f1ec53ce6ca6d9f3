//! How config.json is read: strings that borrow, maps without duplicates, errors that name their place.
//!
//! serde_json does the reading; what it reads goes into a [`Slot`], a place that knows what may stand in it. One visitor for
//! all types, instead of the one for each type that derived code has, makes the runtime 200 KB smaller.

use crate::error::{Result, error};
use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::{fmt, ops::Deref};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A place for one JSON value. What a method does not expect is refused; `null` leaves the place as it is.
pub trait Slot<'a> {
    /// What may stand here, for the message.
    fn expects(&self) -> &'static str;
    fn boolean(&mut self, _value: bool) -> Read {
        Err(Refused)
    }
    fn unsigned(&mut self, _value: u64) -> Read {
        Err(Refused)
    }
    /// A negative number.
    fn signed(&mut self, _value: i64) -> Read {
        Err(Refused)
    }
    fn text(&mut self, _value: Str<'a>) -> Read {
        Err(Refused)
    }
    /// The start of an array.
    fn array(&mut self) -> Read {
        Err(Refused)
    }
    /// The place for its next element.
    fn element(&mut self) -> Option<&mut dyn Slot<'a>> {
        None
    }
    /// The start of an object.
    fn object(&mut self) -> Read {
        Err(Refused)
    }
    /// The place for a property.
    fn member(&mut self, _name: Str<'a>) -> Member<'_, 'a> {
        Member::Unknown
    }
}

/// The value may not stand there.
pub struct Refused;

/// What a slot says of a value.
pub type Read = core::result::Result<(), Refused>;

/// What an object says of a name.
pub enum Member<'s, 'a> {
    /// Ignored, as config.md has it.
    Unknown,
    /// A property with its number, by which a second one of the name is noticed.
    Property(u32, &'s mut dyn Slot<'a>),
    /// A new entry of a map.
    Entry(&'s mut dyn Slot<'a>),
    /// An entry that is there already.
    Duplicate,
}

/// `object!(Type<'a> { "name" => field, … })`: the properties of an object.
macro_rules! object {
    ($name:ident$(<$life:lifetime>)? { $($key:literal => $field:ident),* $(,)? }) => {
        impl<'a> $crate::config::Slot<'a> for $name$(<$life>)? {
            fn expects(&self) -> &'static str {
                "an object"
            }
            fn object(&mut self) -> $crate::config::Read {
                Ok(())
            }
            fn member(&mut self, name: $crate::config::Str<'a>) -> $crate::config::Member<'_, 'a> {
                #[allow(non_camel_case_types, dead_code)] // an object may have no property
                enum Number { $($field),* }
                match &*name {
                    $($key => $crate::config::Member::Property(Number::$field as u32, &mut self.$field),)*
                    _ => $crate::config::Member::Unknown,
                }
            }
        }
    };
}
pub(crate) use object;

impl<'a> Slot<'a> for bool {
    fn expects(&self) -> &'static str {
        "true or false"
    }
    fn boolean(&mut self, value: bool) -> Read {
        *self = value;
        Ok(())
    }
}

macro_rules! integers {
    ($($name:ident $words:literal,)*) => {$(
        impl<'a> Slot<'a> for $name {
            fn expects(&self) -> &'static str {
                $words
            }
            fn unsigned(&mut self, value: u64) -> Read {
                *self = $name::try_from(value).map_err(|_| Refused)?;
                Ok(())
            }
            fn signed(&mut self, value: i64) -> Read {
                *self = $name::try_from(value).map_err(|_| Refused)?;
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

impl<'a> Slot<'a> for Str<'a> {
    fn expects(&self) -> &'static str {
        "a string"
    }
    fn text(&mut self, value: Str<'a>) -> Read {
        *self = value;
        Ok(())
    }
}

impl<'a, T: Slot<'a> + Default> Slot<'a> for Option<T> {
    fn expects(&self) -> &'static str {
        T::default().expects()
    }
    fn boolean(&mut self, value: bool) -> Read {
        self.insert(T::default()).boolean(value)
    }
    fn unsigned(&mut self, value: u64) -> Read {
        self.insert(T::default()).unsigned(value)
    }
    fn signed(&mut self, value: i64) -> Read {
        self.insert(T::default()).signed(value)
    }
    fn text(&mut self, value: Str<'a>) -> Read {
        self.insert(T::default()).text(value)
    }
    fn array(&mut self) -> Read {
        self.insert(T::default()).array()
    }
    fn element(&mut self) -> Option<&mut dyn Slot<'a>> {
        self.as_mut().and_then(Slot::element)
    }
    fn object(&mut self) -> Read {
        self.insert(T::default()).object()
    }
    fn member(&mut self, name: Str<'a>) -> Member<'_, 'a> {
        self.as_mut().map_or(Member::Unknown, |value| value.member(name))
    }
}

impl<'a, T: Slot<'a> + Default> Slot<'a> for Vec<T> {
    fn expects(&self) -> &'static str {
        "an array"
    }
    fn array(&mut self) -> Read {
        Ok(())
    }
    fn element(&mut self) -> Option<&mut dyn Slot<'a>> {
        self.push(T::default());
        self.last_mut().map(|last| -> &mut dyn Slot<'a> { last })
    }
}

/// A string of the buffer, copied only where JSON escapes forced it. Never holds a NUL, so that it is always a C string.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Str<'a>(pub Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Str(Cow::Borrowed(text))
    }
}

/// A JSON object with arbitrary names: sorted, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map<'a, V>(Vec<(Str<'a>, V)>);

impl<V> Default for Map<'_, V> {
    fn default() -> Self {
        Map(Vec::new())
    }
}

impl<'a, V> Map<'a, V> {
    /// The value under a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        let at = self.0.binary_search_by(|(have, _)| (**have).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// All entries, sorted by name.
    pub fn iter(&self) -> core::slice::Iter<'_, (Str<'a>, V)> {
        self.0.iter()
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
    fn expects(&self) -> &'static str {
        "an object"
    }
    fn object(&mut self) -> Read {
        Ok(())
    }
    fn member(&mut self, name: Str<'a>) -> Member<'_, 'a> {
        let Err(at) = self.0.binary_search_by(|(have, _)| have.cmp(&name)) else { return Member::Duplicate };
        self.0.insert(at, (name, V::default()));
        self.0.get_mut(at).map_or(Member::Unknown, |(_, value)| Member::Entry(value))
    }
}

/// Puts the next value into a slot.
struct Into<'s, 'a>(&'s mut dyn Slot<'a>);

/// Puts the next value into the place that an array has for its next element: made only when there is one.
struct Element<'s, 'a>(&'s mut dyn Slot<'a>);

/// Reads a property's name.
struct Name;

impl<'a> DeserializeSeed<'a> for Into<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> core::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> DeserializeSeed<'a> for Element<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> core::result::Result<(), D::Error> {
        match self.0.element() {
            Some(slot) => deserializer.deserialize_any(Into(slot)),
            None => Err(de::Error::custom("expected no array")),
        }
    }
}

impl Into<'_, '_> {
    fn done<E: de::Error>(&self, read: Read, found: &str) -> core::result::Result<(), E> {
        read.map_err(|Refused| E::custom(format!("expected {}, found {found}", self.0.expects())))
    }
}

impl<'a> Visitor<'a> for Into<'_, 'a> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expects())
    }
    fn visit_unit<E: de::Error>(self) -> core::result::Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> core::result::Result<(), E> {
        let read = self.0.boolean(value);
        self.done(read, "a boolean")
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> core::result::Result<(), E> {
        let read = self.0.unsigned(value);
        self.done(read, &format!("{value}"))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> core::result::Result<(), E> {
        let read = self.0.signed(value);
        self.done(read, &format!("{value}"))
    }
    fn visit_f64<E: de::Error>(self, _value: f64) -> core::result::Result<(), E> {
        self.done(Err(Refused), "a number with a fraction, an exponent or too many digits")
    }
    fn visit_borrowed_str<E: de::Error>(self, value: &'a str) -> core::result::Result<(), E> {
        let read = self.0.text(Str(Cow::Borrowed(value))); // a raw NUL is no JSON: one comes by an escape only, below
        self.done(read, "a string")
    }
    fn visit_str<E: de::Error>(self, value: &str) -> core::result::Result<(), E> {
        let text = Name.visit_str(value)?;
        let read = self.0.text(text);
        self.done(read, "a string")
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut access: A) -> core::result::Result<(), A::Error> {
        let read = self.0.array();
        self.done(read, "an array")?;
        while access.next_element_seed(Element(self.0))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'a>>(self, mut access: A) -> core::result::Result<(), A::Error> {
        let read = self.0.object();
        self.done(read, "an object")?;
        let mut seen = 0u64;
        while let Some(name) = access.next_key_seed(Name)? {
            let again = || de::Error::custom(format!("duplicate name {:?}", &*name));
            match self.0.member(name.clone()) {
                Member::Unknown => access.next_value::<IgnoredAny>().map(drop)?,
                Member::Entry(slot) => access.next_value_seed(Into(slot))?,
                Member::Duplicate => return Err(again()),
                Member::Property(number, slot) => {
                    let bit = 1u64.checked_shl(number).unwrap_or(0);
                    if seen & bit != 0 {
                        return Err(again());
                    }
                    seen |= bit;
                    access.next_value_seed(Into(slot))?;
                }
            }
        }
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Str<'a>;
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> core::result::Result<Str<'a>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Str<'a>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E: de::Error>(self, value: &'a str) -> core::result::Result<Str<'a>, E> {
        Ok(Str(Cow::Borrowed(value)))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> core::result::Result<Str<'a>, E> {
        match value.contains('\0') {
            true => Err(E::custom("a string must not hold a NUL character")),
            false => Ok(Str(Cow::Owned(value.into()))),
        }
    }
}

/// Parses one JSON document. `file` is the name for the error, which says the JSON path at which reading stopped.
pub fn parse<'a, T: Slot<'a> + Default>(file: &str, json: &'a [u8]) -> Result<T> {
    let mut value = T::default();
    read(file, json, &mut value)?;
    Ok(value)
}

fn read<'a>(file: &str, json: &'a [u8], slot: &mut dyn Slot<'a>) -> Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Into(slot).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    read.map_err(|error| {
        let place = path_at(json, error.line(), error.column());
        let text = format!("{error}");
        let words = text.split(" at line ").next().unwrap_or_default();
        let at = format!("line {} column {}", error.line(), error.column());
        match place.is_empty() {
            true => error!("{file}: {words} ({at})"),
            false => error!("{file}: {place}: {words} ({at})"),
        }
    })
}

/// The JSON path (`linux.namespaces[3].type`) of the value that holds or ends at a place in the text. A lenient scan: what
/// stands after the place is not looked at, and broken text gives the path as far as it could be told.
fn path_at(json: &[u8], line: usize, column: usize) -> String {
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
                while let Some(byte) = text.get(at).filter(|byte| **byte != b'"') {
                    at = at.saturating_add(if *byte == b'\\' { 2 } else { 1 });
                }
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
                path.push_str(&String::from_utf8_lossy(name));
            }
            Open::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Config;

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
    fn duplicates_nuls_depth_and_huge_numbers_are_refused() {
        assert!(refusal("{\"hostname\":\"a\",\"hostname\":\"b\"}").contains("duplicate"));
        assert!(refusal("{\"annotations\":{\"a\":\"1\",\"a\":\"2\"}}").contains("duplicate name \"a\""));
        assert!(refusal("{\"hostname\":\"a\\u0000b\"}").contains("NUL"));
        assert!(
            refusal("{\"process\":{\"user\":{\"uid\":99999999999999999999}}}").contains("process.user.uid")
        );
        assert!(refusal(&"[".repeat(200_000)).contains("config.json"));
        assert!(refusal(&alloc::format!("{{\"mounts\":{}", "[".repeat(200_000))).contains("config.json"));
    }

    #[test]
    fn null_is_absent_and_unknown_properties_are_ignored() {
        let json = br#"{"ociVersion":"1.0.2","mounts":null,"process":{"args":null,"cwd":"/"},"future":{"a":[1,{"b":2}]}}"#;
        let config: Config<'_> = parse("config.json", json).unwrap();
        assert_eq!(&*config.oci_version, "1.0.2");
        assert!(config.mounts.is_empty() && config.process.unwrap().args.is_empty());
    }

    #[test]
    fn strings_borrow_unless_escapes_force_a_copy() {
        let config: Config<'_> = parse("c", br#"{"hostname":"plain","domainname":"a\nb"}"#).unwrap();
        assert!(matches!(config.hostname.unwrap().0, Cow::Borrowed("plain")));
        assert!(matches!(config.domainname.unwrap().0, Cow::Owned(_)));
    }
}

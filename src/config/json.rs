//! How config.json is read: strings that borrow, maps without duplicates, errors that name their place.

use crate::error::{Error, Result};
use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::{fmt, marker::PhantomData, ops::Deref};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

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

impl serde::Serialize for Str<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> core::result::Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text))) // JSON has no raw control characters: a NUL only comes by an escape
            }
            fn visit_str<E: de::Error>(self, text: &str) -> core::result::Result<Str<'de>, E> {
                if text.contains('\0') {
                    return Err(E::custom("a string must not hold a NUL character"));
                }
                Ok(Str(Cow::Owned(text.into())))
            }
        }
        deserializer.deserialize_str(Text)
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

impl<V: serde::Serialize> serde::Serialize for Map<'_, V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Map<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Map<'de, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut access: A,
            ) -> core::result::Result<Self::Value, A::Error> {
                let mut entries: Vec<(Str<'de>, V)> = Vec::new();
                while let Some(name) = access.next_key::<Str<'de>>()? {
                    match entries.binary_search_by(|(have, _)| have.cmp(&name)) {
                        Ok(_) => return Err(de::Error::custom(format!("duplicate name {:?}", &*name))),
                        Err(at) => entries.insert(at, (name, access.next_value()?)),
                    }
                }
                Ok(Map(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// Reads a value in which `null` stands for the default, as Go's encoders write empty lists.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> core::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Parses one JSON document. `file` is the name for the error, which says the JSON path at which reading stopped.
pub fn parse<'a, T: Deserialize<'a>>(file: &str, json: &'a [u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let place = path_at(json, error.line(), error.column());
        let text = format!("{error}");
        let words = text.split(" at line ").next().unwrap_or_default();
        let at = format!("line {} column {}", error.line(), error.column());
        match place.is_empty() {
            true => Error::new(format!("{file}: {words} ({at})")),
            false => Error::new(format!("{file}: {place}: {words} ({at})")),
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
            b'{' => open.push(Open::Object(b"")),
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' if at < text.len() => drop(open.pop()),
            _ => {}
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

//! Places for what is read: a [`Slot`] knows which value may stand in it, and has the places of its elements, properties or entries.
//!
//! One way for all types, which a single visitor (`json`) goes, instead of the visitor for each type that derived code has: the
//! runtime is 200 KB smaller by it.

use crate::words::Words;
use alloc::{boxed::Box, string::ToString, vec::Vec};
use core::mem::ManuallyDrop;
use core::ops::Deref;

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
pub type Put = Result<(), Words>;

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

    /// What it is, for a message.
    pub(super) fn name(self) -> &'static str {
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

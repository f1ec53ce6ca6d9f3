//! Tables of names. Each name is its length in a byte and its bytes, one after the other: a `&str` for each would be 16 bytes and
//! a relocation besides.

/// A list of names.
#[derive(Debug, Clone, Copy)]
pub struct Names(&'static [u8]);

/// Names with what each stands for.
#[derive(Debug)]
pub struct Table<T: 'static> {
    pub names: Names,
    values: &'static [T],
}

/// `names!["a", "b"]`.
macro_rules! names {
    ($($name:literal),* $(,)?) => {{
        const LIST: &[&str] = &[$($name),*];
        static PACKED: [u8; $crate::compile::names::length(LIST)] = $crate::compile::names::pack(LIST);
        $crate::compile::names::Names::new(&PACKED)
    }};
}
pub(crate) use names;

/// `table! { "a" => 1, "b" => 2 }`.
macro_rules! table {
    ($($name:literal => $value:expr),* $(,)?) => {
        $crate::compile::names::Table::new($crate::compile::names::names![$($name),*], &[$($value),*])
    };
}
pub(crate) use table;

impl Names {
    /// For `names!`.
    pub const fn new(packed: &'static [u8]) -> Self {
        Names(packed)
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (name, after) = split(rest)?;
            rest = after;
            core::str::from_utf8(name).ok()
        })
    }

    /// Which one a name is.
    pub fn position(self, name: &str) -> Option<usize> {
        self.position_where(|known| known == name.as_bytes())
    }

    /// The first one for which something holds.
    #[inline(always)]
    pub fn position_where(self, is: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let (mut rest, mut position) = (self.0, 0usize);
        while let Some((known, after)) = split(rest) {
            if is(known) {
                return Some(position);
            }
            (rest, position) = (after, position.wrapping_add(1));
        }
        None
    }
}

/// The first name of a packed list, and the others.
#[inline(always)]
fn split(packed: &'static [u8]) -> Option<(&'static [u8], &'static [u8])> {
    let (length, names) = packed.split_first()?;
    names.split_at_checked(usize::from(*length))
}

impl<T: Copy> Table<T> {
    /// For `table!`.
    pub const fn new(names: Names, values: &'static [T]) -> Self {
        Table { names, values }
    }

    /// What a name stands for.
    pub fn find(&self, name: &str) -> Option<T> {
        self.values.get(self.names.position(name)?).copied()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, T)> {
        self.names.iter().zip(self.values.iter().copied())
    }
}

/// How long the packed list is.
pub const fn length(mut names: &[&str]) -> usize {
    let mut length = 0usize;
    while let [name, rest @ ..] = names {
        length = length.saturating_add(name.len()).saturating_add(1);
        names = rest;
    }
    length
}

/// The packed list. Only the compiler calls it: what does not fit does not build.
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
pub const fn pack<const N: usize>(names: &[&str]) -> [u8; N] {
    let mut packed = [0; N];
    let (mut at, mut to) = (0, 0);
    while at < names.len() {
        let name = names[at].as_bytes();
        assert!(name.len() < 256);
        packed[to] = name.len() as u8;
        let mut byte = 0;
        while byte < name.len() {
            packed[to + 1 + byte] = name[byte];
            byte += 1;
        }
        to += 1 + name.len();
        at += 1;
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_found() {
        static TABLE: Table<u8> = table! { "ro" => 1, "rbind" => 2, "bind" => 3 };
        assert_eq!(["ro", "rbind", "bind"].map(|name| TABLE.find(name)), [Some(1), Some(2), Some(3)]);
        assert_eq!(["", "r", "bin", "binds"].map(|name| TABLE.find(name)), [None; 4]);
        assert!(TABLE.iter().eq([("ro", 1), ("rbind", 2), ("bind", 3)]));
    }
}

//! Tables of texts that cost a byte a row and no relocation, where a slice of `&str` costs sixteen bytes.
//!
//! Owns how such a table is kept: each row is its length in a byte and its bytes, one after the other. What a row means is its
//! owner's, who numbers the rows by an enum or keeps values beside them ([`Table`]).

/// A part of a text, by its number, between separators. Not `Iterator::nth`, which for a split text is large.
pub fn part(text: &str, separator: char, number: usize) -> Option<&str> {
    text.split(separator).enumerate().find(|(at, _)| *at == number).map(|(_, part)| part)
}

/// Whether two texts are the same but for the case of ASCII letters. The library's is faster, and large.
#[inline(never)]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// Texts by number. Made by `texts!`.
#[derive(Debug, Clone, Copy)]
pub struct Texts(&'static [u8]);

impl Texts {
    /// For `texts!`.
    pub const fn new(packed: &'static [u8]) -> Self {
        Texts(packed)
    }

    /// A row; empty for a number that has none.
    pub fn get(self, number: usize) -> &'static str {
        core::str::from_utf8(self.row(number)).unwrap_or_default()
    }

    /// A row's bytes.
    #[inline(never)]
    pub fn row(self, number: usize) -> &'static [u8] {
        let mut rest = self.0;
        for _ in 0..number {
            rest = split(rest).map_or(&[][..], |(_, after)| after);
        }
        split(rest).map_or(&[], |(row, _)| row)
    }

    /// All rows, in order.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (row, after) = split(rest)?;
            rest = after;
            core::str::from_utf8(row).ok()
        })
    }

    /// Which row a text is.
    pub fn position(self, text: &str) -> Option<usize> {
        self.position_where(|row| row == text.as_bytes())
    }

    /// The first row for which something holds.
    #[inline(always)]
    pub fn position_where(self, is: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let (mut rest, mut position) = (self.0, 0usize);
        while let Some((row, after)) = split(rest) {
            if is(row) {
                return Some(position);
            }
            (rest, position) = (after, position.wrapping_add(1));
        }
        None
    }
}

/// The first row of a packed list, and the others.
#[inline(always)]
fn split(packed: &'static [u8]) -> Option<(&'static [u8], &'static [u8])> {
    let (length, rows) = packed.split_first()?;
    rows.split_at_checked(usize::from(*length))
}

/// How long the packed list is.
pub const fn length(mut rows: &[&[u8]]) -> usize {
    let mut length = 0usize;
    while let [row, rest @ ..] = rows {
        length = length.saturating_add(row.len()).saturating_add(1);
        rows = rest;
    }
    length
}

/// The packed list. Only the compiler calls it: what does not fit does not build.
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
pub const fn pack<const N: usize>(rows: &[&[u8]]) -> [u8; N] {
    let mut packed = [0; N];
    let (mut at, mut to) = (0, 0);
    while at < rows.len() {
        let row = rows[at];
        assert!(row.len() < 256);
        packed[to] = row.len() as u8;
        let mut byte = 0;
        while byte < row.len() {
            packed[to + 1 + byte] = row[byte];
            byte += 1;
        }
        to += 1 + row.len();
        at += 1;
    }
    packed
}

/// The table of these rows, for `texts!` and `phrases!`.
#[macro_export]
macro_rules! packed {
    ($($row:expr),*) => {{
        const ROWS: &[&[u8]] = &[$($row),*];
        static PACKED: [u8; $crate::texts::length(ROWS)] = $crate::texts::pack(ROWS);
        $crate::texts::Texts::new(&PACKED)
    }};
}

/// `texts!["…", "…"]`: a table of these literals.
#[macro_export]
macro_rules! texts {
    ($($row:literal),* $(,)?) => { $crate::packed![$($row.as_bytes()),*] };
}

/// Texts with what each stands for. Made by `table!`.
#[derive(Debug)]
pub struct Table<T: 'static> {
    pub names: Texts,
    values: &'static [T],
}

impl<T: Copy> Table<T> {
    /// For `table!`.
    pub const fn new(names: Texts, values: &'static [T]) -> Self {
        Table { names, values }
    }

    /// What a name stands for.
    pub fn find(&self, name: &str) -> Option<T> {
        self.values.get(self.names.position(name)?).copied()
    }

    /// The same for a name with a beginning that all have, which the table leaves out.
    pub fn find_after(&self, beginning: &str, name: &str) -> Option<T> {
        self.find(name.strip_prefix(beginning)?)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, T)> {
        self.values.iter().enumerate().map(|(number, value)| (self.names.get(number), *value))
    }
}

/// `table! { "a" => 1, "b" => 2 }`.
macro_rules! table {
    ($($name:literal => $value:expr),* $(,)?) => {
        $crate::texts::Table::new($crate::texts![$($name),*], &[$($value),*])
    };
}
pub(crate) use table;

#[cfg(test)]
mod tests {
    use super::{Table, Texts};

    #[test]
    fn only_whole_names_are_found() {
        static TABLE: Table<u8> = table! { "ro" => 1, "rbind" => 2, "bind" => 3 };
        assert_eq!(["ro", "rbind", "bind"].map(|name| TABLE.find(name)), [Some(1), Some(2), Some(3)]);
        assert_eq!(["", "r", "bin", "binds"].map(|name| TABLE.find(name)), [None; 4]);
        assert!(TABLE.iter().eq([("ro", 1), ("rbind", 2), ("bind", 3)]));
    }

    #[test]
    fn a_row_is_had_by_its_number() {
        const TEXTS: Texts = texts!["one", "", "zwei é", "3"];
        let read: [&str; 6] = core::array::from_fn(|number| TEXTS.get(number));
        assert_eq!(read, ["one", "", "zwei é", "3", "", ""]);
        assert!(TEXTS.iter().eq(["one", "", "zwei é", "3"]));
    }
}

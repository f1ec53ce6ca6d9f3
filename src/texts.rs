//! Tables of texts that cost two bytes a row and no relocation, where a slice of `&str` costs sixteen.
//!
//! Owns how such a table is kept: all rows as one text, and where each of them ends. What a row means is its owner's, who numbers
//! the rows by an enum or keeps a slice of values beside them. Any row is found at once; names that are only walked through lie
//! a byte closer in `compile::names`.

/// Texts by number. Made by `texts!`.
#[derive(Debug)]
pub struct Texts {
    rows: &'static str,
    ends: &'static [u16],
}

impl Texts {
    /// For `texts!`: the rows, one after the other, and where they end.
    pub const fn new(rows: &'static str, ends: &'static [u16]) -> Self {
        Texts { rows, ends }
    }

    /// A row; empty for a number that has none.
    #[inline(never)]
    pub fn get(&self, number: usize) -> &'static str {
        let end = |number: usize| self.ends.get(number).map(|end| usize::from(*end));
        let start = number.checked_sub(1).and_then(end).unwrap_or(0);
        end(number).and_then(|end| self.rows.get(start..end)).unwrap_or_default()
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        (0..self.ends.len()).map(|number| self.get(number))
    }
}

/// Where each row ends when they stand one after the other.
pub const fn ends<const N: usize>(rows: [&str; N]) -> [u16; N] {
    let mut ends = [0; N];
    let (mut rows, mut places): (&[&str], &mut [u16]) = (&rows, &mut ends);
    let mut at = 0_usize;
    while let ([row, rows_after @ ..], [place, places_after @ ..]) = (rows, places) {
        at = at.wrapping_add(row.len());
        assert!(at <= u16::MAX as usize, "the rows are too long for their ends");
        *place = at as u16;
        (rows, places) = (rows_after, places_after);
    }
    ends
}

/// `texts!["…", "…"]`: a table of these literals.
#[macro_export]
macro_rules! texts {
    ($($row:literal),* $(,)?) => {
        $crate::texts::Texts::new(concat!($($row),*), &const { $crate::texts::ends([$($row),*]) })
    };
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn a_row_is_had_by_its_number() {
        const TEXTS: Texts = texts!["one", "", "zwei é", "3"];
        let read: [&str; 6] = core::array::from_fn(|number| TEXTS.get(number));
        assert_eq!(read, ["one", "", "zwei é", "3", "", ""]);
        assert!(TEXTS.iter().eq(["one", "", "zwei é", "3"]));
    }
}

//! Reads `syscalls.tbl` into the arrays of one machine. All of this runs in the compiler, where a wrong index or an
//! overflow is a build error; none of it is in the binary.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::panic)]

use super::{BLOCK, MULTIPLEXED, NONE, PRIVATE};

const TEXT: &[u8] = include_bytes!("syscalls.tbl");
const COLUMNS: usize = 13;
const ROWS: usize = rows();

/// The sizes of a machine's arrays.
pub struct Size {
    pub names: usize,
    pub packed: usize,
    pub elsewhere: usize,
    pub exceptions: usize,
}

/// The text as numbers: where each name lies, and its number in every column.
struct Rows {
    start: [usize; ROWS],
    end: [usize; ROWS],
    number: [[u16; COLUMNS]; ROWS],
}

static ROW: Rows = parse();
/// Where the column heads lie.
static HEAD: ([usize; COLUMNS], [usize; COLUMNS]) = head();

/// FNV-1a, its halves folded.
pub const fn hash(name: &[u8]) -> u16 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < name.len() {
        hash = (hash ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash >> 16 ^ hash) as u16
}

const fn after_line(mut at: usize) -> usize {
    while TEXT[at] != b'\n' {
        at += 1;
    }
    at + 1
}

/// Where the line of column heads starts.
const fn head_line() -> usize {
    let mut at = 0;
    while TEXT[at] == b'#' {
        at = after_line(at);
    }
    at
}

const fn rows() -> usize {
    let mut at = after_line(head_line());
    let mut rows = 0;
    while at < TEXT.len() {
        at = after_line(at);
        rows += 1;
    }
    rows
}

const fn after_word(mut at: usize) -> usize {
    while TEXT[at] != b' ' && TEXT[at] != b'\n' {
        at += 1;
    }
    at
}

const fn head() -> ([usize; COLUMNS], [usize; COLUMNS]) {
    let (mut start, mut end) = ([0; COLUMNS], [0; COLUMNS]);
    let mut at = after_word(head_line());
    let mut column = 0;
    while column < COLUMNS {
        start[column] = at + 1;
        at = after_word(at + 1);
        end[column] = at;
        column += 1;
    }
    assert!(TEXT[at] == b'\n');
    (start, end)
}

const fn parse() -> Rows {
    let mut row = Rows { start: [0; ROWS], end: [0; ROWS], number: [[NONE; COLUMNS]; ROWS] };
    let mut at = after_line(head_line());
    let mut line = 0;
    while line < ROWS {
        row.start[line] = at;
        at = after_word(at);
        row.end[line] = at;
        let mut column = 0;
        while column < COLUMNS {
            at += 1;
            let mut number: usize = 0;
            let end = after_word(at);
            let none = TEXT[at] == b'-';
            while at < end {
                if !none {
                    number = number * 10 + (TEXT[at] - b'0') as usize;
                }
                at += 1;
            }
            if number >= 0xf_0000 {
                number -= 0xf_0000;
                assert!(number < 15);
                number += PRIVATE as usize;
            } else {
                number %= 1000; // MIPS numbers from 4000, 5000 and 6000
                // The one behind the last is asked for as well.
                assert!(number + 1 < PRIVATE as usize || number >= 512);
            }
            if !none {
                row.number[line][column] = number as u16;
            }
            column += 1;
        }
        at += 1;
        line += 1;
    }
    row
}

const fn same(start: usize, end: usize, word: &[u8]) -> bool {
    if end - start != word.len() {
        return false;
    }
    let mut at = 0;
    while at < word.len() {
        if TEXT[start + at] != word[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn column(name: &str) -> usize {
    let mut column = 0;
    while column < COLUMNS {
        if same(HEAD.0[column], HEAD.1[column], name.as_bytes()) {
            return column;
        }
        column += 1;
    }
    panic!("no such column")
}

/// The entry of MULTIPLEXED that a row is.
const fn multiplexed_at(row: usize) -> Option<usize> {
    let mut at = 0;
    while at < MULTIPLEXED.len() {
        if same(ROW.start[row], ROW.end[row], MULTIPLEXED[at].0.as_bytes()) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Which rows a machine has: its calls, and the names that a multiplexer may know.
const fn own(columns: &[&str]) -> [bool; ROWS] {
    let mut own = [false; ROWS];
    let mut row = 0;
    while row < ROWS {
        own[row] = multiplexed_at(row).is_some();
        row += 1;
    }
    let mut at = 0;
    while at < columns.len() {
        let column = column(columns[at]);
        let mut row = 0;
        while row < ROWS {
            own[row] |= ROW.number[row][column] != NONE;
            row += 1;
        }
        at += 1;
    }
    own
}

/// How many bytes two names have in common at their start, as far as three bits can say.
const fn shared(one: usize, other: usize) -> usize {
    let mut at = 0;
    while at < 7
        && ROW.start[one] + at < ROW.end[one]
        && ROW.start[other] + at < ROW.end[other]
        && TEXT[ROW.start[one] + at] == TEXT[ROW.start[other] + at]
    {
        at += 1;
    }
    at
}

/// The names as [`super::Table`] has them, and where each block of them starts.
const fn pack<const N: usize, const B: usize>(columns: &[&str]) -> ([u8; N], [u16; B], usize) {
    let own = own(columns);
    let (mut packed, mut blocks) = ([0; N], [0; B]);
    let (mut row, mut entry, mut to, mut before) = (0, 0, 0, 0);
    while row < ROWS {
        if own[row] {
            let mut from = 0;
            if entry % BLOCK != 0 {
                from = shared(before, row);
            } else if B > 0 {
                blocks[entry / BLOCK] = to as u16;
            }
            let length = ROW.end[row] - ROW.start[row] - from;
            assert!(length < 32);
            let mut byte = 0;
            while N > 0 && byte <= length {
                packed[to + byte] = match byte {
                    0 => (from << 5 | length) as u8,
                    _ => TEXT[ROW.start[row] + from + byte - 1],
                };
                byte += 1;
            }
            to += 1 + length;
            before = row;
            entry += 1;
        }
        row += 1;
    }
    (packed, blocks, to)
}

pub const fn measure(columns: &[&str], like: &[&str]) -> Size {
    let own = own(columns);
    let mut size = Size { names: 0, packed: 0, elsewhere: 0, exceptions: 0 };
    let mut row = 0;
    while row < ROWS {
        if own[row] {
            size.names += 1;
        } else {
            size.elsewhere += 1;
        }
        size.exceptions += is_exception(row, like) as usize;
        assert!(own[row] || !is_exception(row, like));
        row += 1;
    }
    (_, _, size.packed) = pack::<0, 0>(columns);
    size
}

pub const fn names<const N: usize>(columns: &[&str]) -> [u8; N] {
    pack::<N, 0>(columns).0
}

pub const fn blocks<const B: usize>(columns: &[&str]) -> [u16; B] {
    pack::<0, B>(columns).1
}

/// Whether a row differs in two columns, the second of which is like the first.
const fn is_exception(row: usize, like: &[&str]) -> bool {
    !like.is_empty() && ROW.number[row][column(like[0])] != ROW.number[row][column(like[1])]
}

pub const fn exceptions<const N: usize>(columns: &[&str], like: &[&str]) -> [(u16, u16); N] {
    let own = own(columns);
    let mut exceptions = [(0, 0); N];
    let (mut row, mut entry, mut to) = (0, 0, 0);
    while row < ROWS {
        if is_exception(row, like) {
            exceptions[to] = (entry, ROW.number[row][column(like[1])]);
            to += 1;
        }
        if own[row] {
            entry += 1;
        }
        row += 1;
    }
    exceptions
}

pub const fn numbers<const N: usize>(columns: &[&str]) -> [u16; N] {
    let own = own(columns);
    let mut numbers = [NONE; N];
    let (mut at, mut to) = (0, 0);
    while at < columns.len() {
        let column = column(columns[at]);
        let mut row = 0;
        while row < ROWS {
            if own[row] {
                numbers[to] = ROW.number[row][column];
                to += 1;
            }
            row += 1;
        }
        at += 1;
    }
    assert!(to == N);
    numbers
}

/// The lower eight bits of numbers.
pub const fn low<const N: usize>(numbers: &[u16; N]) -> [u8; N] {
    let mut low = [0; N];
    let mut at = 0;
    while at < N {
        assert!(numbers[at] <= NONE);
        low[at] = numbers[at] as u8;
        at += 1;
    }
    low
}

/// The ninth bits of eight numbers in each byte.
pub const fn high<const N: usize, const B: usize>(numbers: &[u16; N]) -> [u8; B] {
    let mut high = [0; B];
    let mut at = 0;
    while at < N {
        high[at / 8] |= ((numbers[at] >> 8) as u8) << (at % 8);
        at += 1;
    }
    high
}

pub const fn elsewhere<const N: usize>(columns: &[&str]) -> [u16; N] {
    let own = own(columns);
    let mut elsewhere = [0; N];
    let (mut row, mut to) = (0, 0);
    while row < ROWS {
        if !own[row] {
            let (name, _) = TEXT.split_at(ROW.end[row]);
            elsewhere[to] = hash(name.split_at(ROW.start[row]).1);
            to += 1;
        }
        row += 1;
    }
    elsewhere
}

pub const fn multiplexed<const N: usize>(columns: &[&str]) -> [(u16, u16); N] {
    let own = own(columns);
    let mut multiplexed = [(0, 0); N];
    let (mut row, mut entry, mut to) = (0, 0, 0);
    while row < ROWS {
        if let Some(at) = multiplexed_at(row) {
            multiplexed[to] = (entry, MULTIPLEXED[at].1);
            to += 1;
        }
        if own[row] {
            entry += 1;
        }
        row += 1;
    }
    assert!(to == N);
    multiplexed
}

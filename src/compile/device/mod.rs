//! Device rules -> the smallest eBPF program with their meaning (BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15).
//!
//! Pure. `compile::cgroup` calls it; `cgroup::device` loads what comes out. The meaning is kept bit by bit: an access
//! is granted when, for each of read, write and mknod that it asks for, the last rule that speaks of that device and
//! that bit is one that allows. Before the first rule everything is denied; after the last one the default devices of
//! runtime-spec (config-linux.md, "Default Devices") are granted.
//!
//! The rules are first folded into a table (type, major, minor) -> granted bits, in which order no longer matters; the
//! program is written from the table. So rules that say nothing new cost no instruction.

#[cfg(test)]
mod tests;

use crate::config::resources::DeviceRule;
use crate::error::decimal;
use alloc::{string::String, vec::Vec};
use syscalls::bpf::Insn;

/// Access bits, as the kernel passes them (BPF_DEVCG_ACC_*, linux/bpf.h).
pub const MKNOD: u8 = 1;
/// Reading.
pub const READ: u8 = 2;
/// Writing.
pub const WRITE: u8 = 4;
const ALL: u8 = MKNOD | READ | WRITE;

/// Types (BPF_DEVCG_DEV_*, linux/bpf.h).
const BLOCK: u8 = 1;
const CHAR: u8 = 2;

/// Any number; of what rules come to, those that are not named.
const ANY: i32 = -1;

/// Always granted, character devices: null, zero, full, random, urandom, tty, ptmx and the pseudo terminals of /dev/pts.
static DEFAULTS: [(i32, i32); 8] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, ANY)];

/// A rule that is not one.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Which rule.
    pub index: usize,
    /// The property and what is wrong with it.
    pub what: &'static str,
}

/// One rule, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// BLOCK, CHAR or both.
    kinds: u8,
    access: u8,
    major: i32,
    minor: i32,
}

/// What is granted of some devices of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    major: i32,
    minor: i32,
    bits: u8,
}

/// What the rules come to, for each type. The cells of a major are a row: first that of its other minors, then, ascending, those that
/// differ from it. The first row is that of all other majors; then come, ascending, those that differ from it.
#[derive(Debug)]
pub struct Devices {
    block: Vec<Cell>,
    char: Vec<Cell>,
}

fn rows(cells: &[Cell]) -> impl Iterator<Item = &[Cell]> {
    cells.chunk_by(|one, next| one.major == next.major)
}

/// The bits, where every device of a type has the same.
fn uniform(cells: &[Cell]) -> Option<u8> {
    match cells {
        [cell] => Some(cell.bits),
        _ => None,
    }
}

/// Folds the rules of config.json, with deny-all before and the default devices after them. `nodes` may be made in any case: block
/// or not, major, minor.
pub fn fold(rules: &[DeviceRule<'_>], nodes: &[(bool, u32, u32)]) -> Result<Devices, Invalid> {
    let mut checked = Vec::with_capacity(rules.len().saturating_add(DEFAULTS.len()));
    for (index, rule) in rules.iter().enumerate() {
        checked.push(check(rule).map_err(|what| Invalid { index, what })?);
    }
    for (major, minor) in DEFAULTS {
        checked.push(Rule { allow: true, kinds: CHAR, access: ALL, major, minor });
    }
    for (block, major, minor) in nodes {
        let kinds = if *block { BLOCK } else { CHAR };
        let (major, minor) = (major.cast_signed(), minor.cast_signed());
        checked.push(Rule { allow: true, kinds, access: MKNOD, major, minor });
    }
    Ok(Devices { block: table(&checked, BLOCK), char: table(&checked, CHAR) })
}

/// Whether any rule grants something: a list without such a rule says no more than deny-all does.
pub fn grants(rules: &[DeviceRule<'_>]) -> bool {
    rules.iter().any(|rule| rule.allow)
}

fn check(rule: &DeviceRule<'_>) -> Result<Rule, &'static str> {
    let kinds = match rule.kind.as_bytes() {
        b"" | b"a" => BLOCK | CHAR,
        b"b" => BLOCK,
        b"c" | b"u" => CHAR,
        _ => return Err("type: must be a, b, c or u"),
    };
    // A negative number is any.
    let number = |value: Option<i64>| i32::try_from(value.unwrap_or(-1).max(-1));
    let Ok(major) = number(rule.major) else { return Err("major: out of range") };
    let Ok(minor) = number(rule.minor) else { return Err("minor: out of range") };
    let mut access = 0;
    for letter in rule.access.bytes() {
        access |= match letter {
            b'r' => READ,
            b'w' => WRITE,
            b'm' => MKNOD,
            _ => return Err("access: must be made of r, w and m"),
        };
    }
    Ok(Rule { allow: rule.allow, kinds, access: if access == 0 { ALL } else { access }, major, minor })
}

fn table(rules: &[Rule], kind: u8) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut others = 0;
    let mut major = ANY;
    loop {
        let start = cells.len();
        row(rules, kind, major, &mut cells);
        if start == 0 {
            others = cells.len();
        } else {
            let (first, row) = cells.split_at_checked(start).unwrap_or_default();
            let first = first.iter().take(others).map(|cell| (cell.minor, cell.bits));
            if first.eq(row.iter().map(|cell| (cell.minor, cell.bits))) {
                cells.truncate(start);
            }
        }
        match next(rules, kind, major, &|rule| rule.major) {
            Some(next) => major = next,
            None => return cells,
        }
    }
}

/// Adds the cells of a major.
fn row(rules: &[Rule], kind: u8, major: i32, cells: &mut Vec<Cell>) {
    let is_of = |rule: &Rule| rule.major == ANY || rule.major == major;
    let mut other = None;
    let mut minor = ANY;
    loop {
        let mut bits = 0;
        for rule in rules {
            if rule.kinds & kind != 0 && is_of(rule) && (rule.minor == ANY || rule.minor == minor) {
                bits = if rule.allow { bits | rule.access } else { bits & !rule.access };
            }
        }
        if other != Some(bits) {
            cells.push(Cell { major, minor, bits });
        }
        other = other.or(Some(bits));
        match next(rules, kind, minor, &|rule| if is_of(rule) { rule.minor } else { ANY }) {
            Some(next) => minor = next,
            None => return,
        }
    }
}

/// The least number above another that the rules for a type have.
fn next(rules: &[Rule], kind: u8, above: i32, number: &dyn Fn(&Rule) -> i32) -> Option<i32> {
    let of_kind = rules.iter().filter(|rule| rule.kinds & kind != 0);
    of_kind.map(number).filter(|number| *number > above).min()
}

// Operations used (linux/bpf.h and bpf_common.h): class | size or operation | source.
const LOAD_HALF: u8 = 0x69;
const LOAD_WORD: u8 = 0x61;
const MOV: u8 = 0xb7;
const EXIT: u8 = 0x95;
const JA: u8 = 0x05;
const JEQ: u8 = 0x15;
const JNE: u8 = 0x55;
const JSET: u8 = 0x45;
const JLT: u8 = 0xa5;
const JLE: u8 = 0xb5;

/// Registers: r0 the verdict, r1 the context, then what the program loads from it.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Labels are numbers, where a jump goes before distances are known: those up to [`ALL`] are the verdicts on so many granted bits.
const GRANT: usize = ALL as usize;
const DENY: usize = 0;
/// For what is not a jump.
const NOWHERE: usize = usize::MAX;

/// Code being written.
struct Assembler {
    code: Vec<(Insn, usize)>,
    /// Position of each label.
    labels: Vec<usize>,
    /// Bits that were granted by the first test and need no further one.
    floor: u8,
}

impl Assembler {
    fn push(&mut self, code: u8, dst: u8, imm: i32, label: usize) {
        self.code.push((Insn::new(code, dst, 0, 0, imm), label));
    }

    fn load(&mut self, code: u8, dst: u8, off: i16) {
        self.code.push((Insn::new(code, dst, CONTEXT, off, 0), NOWHERE));
    }

    /// The verdict on bits.
    fn verdict(&self, bits: u8) -> usize {
        if bits == self.floor { DENY } else { usize::from(bits) }
    }

    fn label(&mut self) -> usize {
        self.labels.push(usize::MAX);
        self.labels.len().saturating_sub(1)
    }

    fn place(&mut self, label: usize) {
        let here = self.code.len();
        if let Some(position) = self.labels.get_mut(label) {
            *position = here;
        }
    }

    /// Goes to a verdict, which is what all that is left comes to.
    fn finish(&mut self, verdict: usize) {
        match self.code.last() {
            // The jump that stands here already serves those who come by a label, too.
            Some((Insn { code: JA, .. }, same)) if *same == verdict => {
                let here = self.code.len();
                self.labels.iter_mut().filter(|at| **at == here).for_each(|at| *at = here.saturating_sub(1));
            }
            _ => self.push(JA, 0, 0, verdict),
        }
    }

    /// Tests of the minor, one for each run of neighbours with the same bits, then the row's other bits.
    fn row(&mut self, row: &[Cell]) {
        let Some((other, mut rest)) = row.split_first() else { return };
        while let Some(&Cell { minor: first, bits, .. }) = rest.first() {
            let run = rest
                .iter()
                .zip(first..=i32::MAX)
                .take_while(|(cell, expected)| cell.minor == *expected && cell.bits == bits)
                .count();
            let (these, others) = rest.split_at_checked(run).unwrap_or_default();
            let last = these.last().map_or(first, |cell| cell.minor);
            let verdict = self.verdict(bits);
            match (first, run) {
                (_, 1) => self.push(JEQ, MINOR, first, verdict),
                (0, _) => self.push(JLE, MINOR, last, verdict),
                _ => {
                    let below = self.label();
                    self.push(JLT, MINOR, first, below);
                    self.push(JLE, MINOR, last, verdict);
                    self.place(below);
                }
            }
            rest = others;
        }
        self.finish(self.verdict(other.bits));
    }

    /// Majors of one verdict first, one test each; then those with minors, the last of which falls through.
    fn table(&mut self, cells: &[Cell]) {
        for row in rows(cells).skip(1) {
            if let [cell] = row {
                self.push(JEQ, MAJOR, cell.major, self.verdict(cell.bits));
            }
        }
        for row in rows(cells).skip(1) {
            if let [cell, _, ..] = row {
                let next = self.label();
                self.push(JNE, MAJOR, cell.major, next);
                self.row(row);
                self.place(next);
            }
        }
        self.row(rows(cells).next().unwrap_or_default());
    }

    /// Writes the verdicts behind the code and fills in the distances.
    ///
    /// Verdicts on some bits come first, each a block that denies if one more bit is asked for; then the denial, which falls
    /// into the exit. r0 is 1 from the start, so that a grant is the exit alone.
    fn link(&mut self) -> Result<Vec<Insn>, TooLong> {
        // A bit for each verdict.
        let bit =
            |label: usize| u32::try_from(label).ok().and_then(|label| 1u8.checked_shl(label)).unwrap_or(0);
        let used = self.code.iter().fold(0, |used, (_, label)| used | bit(*label));
        let mut partial = used & !bit(DENY) & !bit(GRANT);
        // The verdict that the code ends with goes next, so that it needs no jump.
        let mut verdict = GRANT;
        if let Some((Insn { code: JA, .. }, last)) = self.code.last().copied() {
            verdict = last;
            if partial & bit(last) != 0 || (last == DENY && partial == 0) {
                while matches!(self.code.last(), Some((Insn { code: JA, .. }, same)) if *same == last) {
                    self.code.pop();
                }
            }
        }
        let end = self.code.len();
        // What falls off the end is denied, unless a block of a verdict stands there.
        let falls = !matches!(self.code.last(), Some((Insn { code: JA, .. }, _)));
        self.labels.iter_mut().for_each(|at| *at = end.min(*at));
        while partial != 0 {
            if partial & bit(verdict) == 0 {
                verdict = partial.trailing_zeros() as usize;
            }
            partial &= !bit(verdict);
            self.place(verdict);
            self.push(JSET, ACCESS, GRANT.saturating_sub(verdict) as i32, DENY);
            self.finish(GRANT);
        }
        self.place(DENY);
        if falls || end < self.code.len() || self.code.iter().any(|(_, label)| *label == DENY) {
            self.push(MOV, VERDICT, 0, NOWHERE);
        }
        self.place(GRANT);
        self.push(EXIT, 0, 0, NOWHERE);

        let mut linked = Vec::with_capacity(self.code.len());
        for (at, (insn, label)) in self.code.iter().enumerate() {
            let mut insn = *insn;
            if let Some(to) = self.labels.get(*label) {
                insn.off = i16::try_from(to.saturating_sub(at).saturating_sub(1)).map_err(|_| TooLong)?;
            }
            linked.push(insn);
        }
        Ok(linked)
    }
}

/// More rules than one program can hold.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Devices {
    /// The same as writes to cgroup v1's `devices.deny` and `devices.allow`, for `put`. There a list of exceptions is added to
    /// "nothing" or taken from "everything"; an exception cannot itself have one, which is the case that gives `None`.
    pub fn exceptions(&self, put: &mut dyn FnMut(&'static str, &str)) -> Option<()> {
        let all = |cells: &[Cell]| cells.first().is_some_and(|cell| cell.bits == ALL);
        let from_all = all(&self.block) && all(&self.char);
        let (start, file) = match from_all {
            true => ("devices.allow", "devices.deny"),
            false => ("devices.deny", "devices.allow"),
        };
        put(start, "a");
        for (letter, cells) in [("b ", &self.block), ("c ", &self.char)] {
            let others = rows(cells).next().unwrap_or_default();
            let mut told: Vec<Cell> = Vec::new();
            for row in rows(cells) {
                for Cell { minor, .. } in row.iter().chain(others) {
                    let mut cell = *row.iter().find(|cell| cell.minor == *minor).or(row.first())?;
                    cell.minor = *minor;
                    if from_all {
                        cell.bits ^= ALL;
                    }
                    let mut covered = cell.bits == 0;
                    for wider in &told {
                        if (wider.major == ANY || wider.major == cell.major)
                            && (wider.minor == ANY || wider.minor == cell.minor)
                        {
                            covered |= wider.bits == cell.bits;
                            if wider.bits & !cell.bits != 0 {
                                return None;
                            }
                        }
                    }
                    if !covered {
                        told.push(cell);
                        put(file, &cell.line(letter));
                    }
                }
            }
        }
        Some(())
    }

    /// The program: r0 is 1 to grant, 0 to deny. None is needed where every access to every device is granted.
    pub fn program(&self) -> Result<Option<Vec<Insn>>, TooLong> {
        // What is granted everywhere, and whether there is a place where it is some access but not all.
        let (mut floor, mut partial) = (ALL, false);
        let (mut majors, mut minors) = (false, false);
        for cell in self.block.iter().chain(&self.char) {
            majors |= cell.major != ANY;
            minors |= cell.minor != ANY;
            floor &= cell.bits;
            partial |= cell.bits != 0 && cell.bits != ALL;
        }
        if floor == ALL {
            return Ok(None);
        }
        let mut asm = Assembler { code: Vec::new(), labels: Vec::from([usize::MAX; GRANT + 1]), floor };
        let split = self.block != self.char;
        // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, access in the upper half of access_type.
        let (upper, lower) = if cfg!(target_endian = "big") { (0, 2) } else { (2, 0) };
        if split {
            asm.load(LOAD_HALF, TYPE, lower);
        }
        if partial || floor != 0 {
            asm.load(LOAD_HALF, ACCESS, upper);
        }
        if majors {
            asm.load(LOAD_WORD, MAJOR, 4);
        }
        if minors {
            asm.load(LOAD_WORD, MINOR, 8);
        }
        asm.push(MOV, VERDICT, 1, NOWHERE);
        match floor {
            0 => {}
            MKNOD => asm.push(JLE, ACCESS, MKNOD.into(), GRANT),
            _ => {
                let beyond = asm.label();
                asm.push(JSET, ACCESS, (ALL & !floor).into(), beyond);
                asm.finish(GRANT);
                asm.place(beyond);
            }
        }
        let (kind, cells, others) = match (uniform(&self.block), uniform(&self.char)) {
            (None, Some(_)) => (BLOCK, &self.block, &self.char),
            _ => (CHAR, &self.char, &self.block),
        };
        if !split {
            asm.table(cells);
        } else if let Some(bits) = uniform(others) {
            asm.push(JNE, TYPE, kind.into(), asm.verdict(bits));
            asm.table(cells);
        } else {
            let next = asm.label();
            asm.push(JNE, TYPE, kind.into(), next);
            asm.table(cells);
            asm.place(next);
            asm.table(others);
        }
        asm.link().map(Some)
    }
}

impl Cell {
    /// As cgroup v1 takes it, behind the type.
    fn line(&self, kind: &str) -> String {
        let shown = |number: i32| if number == ANY { "*".into() } else { decimal(number) };
        let mut line = [kind, &shown(self.major), ":", &shown(self.minor), " "].concat();
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
            if self.bits & bit != 0 {
                line.push(letter);
            }
        }
        line
    }
}

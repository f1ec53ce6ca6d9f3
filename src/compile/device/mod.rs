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
use alloc::{format, string::String, vec::Vec};

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

/// Always granted, character devices, `None` for any minor: null, zero, full, random, urandom, tty, ptmx and the pseudo
/// terminals of /dev/pts.
static DEFAULTS: [(u32, Option<u32>); 8] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(2)),
    (136, None),
];

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
    major: Option<u32>,
    minor: Option<u32>,
    access: u8,
}

impl Rule {
    fn speaks_of(&self, kind: u8, major: Option<u32>, minor: Option<u32>) -> bool {
        self.kinds & kind != 0
            && (self.major.is_none() || self.major == major)
            && (self.minor.is_none() || self.minor == minor)
    }
}

/// Granted bits of one major.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// `None` for all majors that have no row of their own.
    major: Option<u32>,
    /// For minors that are not listed.
    other: u8,
    /// Listed minors, ascending, each with bits that differ from `other`.
    minors: Vec<(u32, u8)>,
}

impl Row {
    fn bits(&self, minor: Option<u32>) -> u8 {
        let listed = self.minors.iter().find(|(listed, _)| Some(*listed) == minor);
        listed.map_or(self.other, |(_, bits)| *bits)
    }
}

/// What the rules come to: the rows of each type, first that of all other majors, then, ascending, those that differ from it.
#[derive(Debug)]
pub struct Devices {
    block: Vec<Row>,
    char: Vec<Row>,
}

/// The bits, where every device of a type has the same.
fn uniform(rows: &[Row]) -> Option<u8> {
    match rows {
        [row] if row.minors.is_empty() => Some(row.other),
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
    for (major, minor) in &DEFAULTS {
        checked.push(Rule { allow: true, kinds: CHAR, major: Some(*major), minor: *minor, access: ALL });
    }
    for (block, major, minor) in nodes {
        let kinds = if *block { BLOCK } else { CHAR };
        checked.push(Rule { allow: true, kinds, major: Some(*major), minor: Some(*minor), access: MKNOD });
    }
    Ok(Devices { block: table(&checked, BLOCK), char: table(&checked, CHAR) })
}

/// Whether any rule grants something: a list without such a rule says no more than deny-all does.
pub fn grants(rules: &[DeviceRule<'_>]) -> bool {
    rules.iter().any(|rule| rule.allow)
}

fn check(rule: &DeviceRule<'_>) -> Result<Rule, &'static str> {
    let kinds = match rule.kind {
        "" | "a" => BLOCK | CHAR,
        "b" => BLOCK,
        "c" | "u" => CHAR,
        _ => return Err("type: must be a, b, c or u"),
    };
    let beyond = |number: Option<i64>| number > Some(i32::MAX.into());
    if beyond(rule.major) {
        return Err("major: out of range");
    }
    if beyond(rule.minor) {
        return Err("minor: out of range");
    }
    // A negative number is any.
    let number = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let mut access = 0;
    for letter in rule.access.bytes() {
        access |= match letter {
            b'r' => READ,
            b'w' => WRITE,
            b'm' => MKNOD,
            _ => return Err("access: must be made of r, w and m"),
        };
    }
    Ok(Rule {
        allow: rule.allow,
        kinds,
        major: number(rule.major),
        minor: number(rule.minor),
        access: if access == 0 { ALL } else { access },
    })
}

fn granted(rules: &[Rule], kind: u8, major: Option<u32>, minor: Option<u32>) -> u8 {
    rules
        .iter()
        .filter(|rule| rule.speaks_of(kind, major, minor))
        .fold(0, |bits, rule| if rule.allow { bits | rule.access } else { bits & !rule.access })
}

fn row(rules: &[Rule], kind: u8, major: Option<u32>) -> Row {
    let other = granted(rules, kind, major, None);
    let of_major = |rule: &Rule| rule.minor.filter(|_| rule.major.is_none() || rule.major == major);
    let mut minors = Vec::new();
    for minor in numbers(rules, kind, &of_major) {
        let bits = granted(rules, kind, major, Some(minor));
        if bits != other {
            minors.push((minor, bits));
        }
    }
    Row { major, other, minors }
}

/// The numbers that the rules for a kind have, sorted, each once.
fn numbers(rules: &[Rule], kind: u8, number: &dyn Fn(&Rule) -> Option<u32>) -> Vec<u32> {
    let mut numbers = Vec::new();
    for rule in rules {
        if let Some(number) = number(rule).filter(|_| rule.kinds & kind != 0)
            && let Err(place) = numbers.binary_search(&number)
        {
            numbers.insert(place, number);
        }
    }
    numbers
}

fn table(rules: &[Rule], kind: u8) -> Vec<Row> {
    let mut rows = Vec::from([row(rules, kind, None)]);
    for major in numbers(rules, kind, &|rule| rule.major) {
        let row = row(rules, kind, Some(major));
        let same = |other: &Row| other.other == row.other && other.minors == row.minors;
        if !rows.first().is_some_and(same) {
            rows.push(row);
        }
    }
    rows
}

/// One eBPF instruction (linux/bpf.h, struct bpf_insn).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Jump distance or memory offset.
    pub off: i16,
    /// Immediate value.
    pub imm: i32,
}

impl Insn {
    /// As bpf(2) takes it.
    pub fn encode(self) -> syscalls::bpf::Insn {
        syscalls::bpf::Insn::new(self.code, self.dst, self.src, self.off, self.imm)
    }
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
    fn push(&mut self, code: u8, dst: u8, imm: u32, label: usize) {
        self.code.push((Insn { code, dst, src: 0, off: 0, imm: imm.cast_signed() }, label));
    }

    fn load(&mut self, code: u8, dst: u8, off: i16) {
        self.code.push((Insn { code, dst, src: CONTEXT, off, imm: 0 }, NOWHERE));
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
    fn row(&mut self, row: &Row) {
        let mut rest = row.minors.as_slice();
        while let Some(&(first, bits)) = rest.first() {
            let run = rest
                .iter()
                .zip(first..)
                .take_while(|((minor, same), expected)| minor == expected && *same == bits)
                .count();
            let last = first.saturating_add(u32::try_from(run).unwrap_or(1)).saturating_sub(1);
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
            rest = rest.get(run..).unwrap_or_default();
        }
        self.finish(self.verdict(row.other));
    }

    /// Majors of one verdict first, one test each; then those with minors, the last of which falls through.
    fn table(&mut self, rows: &[Row]) {
        let [other, majors @ ..] = rows else { return };
        for row in majors.iter().filter(|row| row.minors.is_empty()) {
            self.push(JEQ, MAJOR, row.major.unwrap_or_default(), self.verdict(row.other));
        }
        for row in majors.iter().filter(|row| !row.minors.is_empty()) {
            let next = self.label();
            self.push(JNE, MAJOR, row.major.unwrap_or_default(), next);
            self.row(row);
            self.place(next);
        }
        self.row(other);
    }

    /// Writes the verdicts behind the code and fills in the distances.
    ///
    /// Verdicts on some bits come first, each a block that denies if one more bit is asked for; then the denial, which falls
    /// into the exit. r0 is 1 from the start, so that a grant is the exit alone.
    fn link(mut self) -> Result<Vec<Insn>, TooLong> {
        let mut partial: Vec<usize> = Vec::new();
        for (_, label) in &self.code {
            if (DENY + 1..GRANT).contains(label) && !partial.contains(label) {
                partial.push(*label);
            }
        }
        // The verdict that the code ends with goes next, so that it needs no jump.
        if let Some((Insn { code: JA, .. }, verdict)) = self.code.last().copied() {
            let last = partial.iter().position(|other| *other == verdict);
            if let Some(at) = last {
                partial.swap(0, at);
            }
            if last.is_some() || (verdict == DENY && partial.is_empty()) {
                while matches!(self.code.last(), Some((Insn { code: JA, .. }, same)) if *same == verdict) {
                    self.code.pop();
                }
            }
        }
        let end = self.code.len();
        // What falls off the end is denied, unless a block of a verdict stands there.
        let falls = !matches!(self.code.last(), Some((Insn { code: JA, .. }, _)));
        self.labels.iter_mut().for_each(|at| *at = end.min(*at));
        for verdict in &partial {
            self.place(*verdict);
            let bits = u32::try_from(*verdict).unwrap_or_default();
            self.push(JSET, ACCESS, u32::from(ALL) & !bits, DENY);
            self.finish(GRANT);
        }
        self.place(DENY);
        if falls || end < self.code.len() || self.code.iter().any(|(_, label)| *label == DENY) {
            self.push(MOV, VERDICT, 0, NOWHERE);
        }
        self.place(GRANT);
        self.push(EXIT, 0, 0, NOWHERE);

        let mut linked = Vec::with_capacity(self.code.len());
        for (at, (mut insn, label)) in self.code.into_iter().enumerate() {
            if let Some(to) = self.labels.get(label) {
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
    /// The same as writes to cgroup v1's `devices.deny` and `devices.allow`. There a list of exceptions is added to "nothing"
    /// or taken from "everything"; an exception cannot itself have one, which is the case that gives `None`.
    pub fn exceptions(&self) -> Option<Vec<(&'static str, String)>> {
        let from_all =
            [&self.block, &self.char].iter().all(|rows| rows.first().is_some_and(|row| row.other == ALL));
        let (start, file) = match from_all {
            true => ("devices.allow", "devices.deny"),
            false => ("devices.deny", "devices.allow"),
        };
        let mut writes = alloc::vec![(start, String::from("a"))];
        for (letter, rows) in [('b', &self.block), ('c', &self.char)] {
            let wild = rows.first().map_or(&[][..], |row| &row.minors);
            let mut told: Vec<(Option<u32>, Option<u32>, u8)> = Vec::new();
            let mut tell = |row: &Row, minor: Option<u32>| {
                let bits = row.bits(minor);
                let bits = if from_all { ALL & !bits } else { bits };
                let mut covered = bits == 0;
                for (major, other, wider) in &told {
                    if (major.is_none() || *major == row.major) && (other.is_none() || *other == minor) {
                        covered |= *wider == bits;
                        if wider & !bits != 0 {
                            return None;
                        }
                    }
                }
                if !covered {
                    told.push((row.major, minor, bits));
                    let shown = |number: Option<u32>| number.map_or("*".into(), |number| format!("{number}"));
                    let mut line = format!("{letter} {}:{} ", shown(row.major), shown(minor));
                    for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
                        if bits & bit != 0 {
                            line.push(letter);
                        }
                    }
                    writes.push((file, line));
                }
                Some(())
            };
            for row in rows {
                tell(row, None)?;
                for minors in [&row.minors[..], wild] {
                    for (minor, _) in minors {
                        tell(row, Some(*minor))?;
                    }
                }
            }
        }
        Some(writes)
    }

    /// The program: r0 is 1 to grant, 0 to deny. None is needed where every access to every device is granted.
    pub fn program(&self) -> Result<Option<Vec<Insn>>, TooLong> {
        // What is granted everywhere, and whether there is a place where it is some access but not all.
        let (mut floor, mut partial) = (ALL, false);
        let (mut majors, mut minors) = (false, false);
        for row in self.block.iter().chain(&self.char) {
            majors |= row.major.is_some();
            minors |= !row.minors.is_empty();
            for (_, bits) in row.minors.iter().chain([&(0, row.other)]) {
                floor &= bits;
                partial |= *bits != 0 && *bits != ALL;
            }
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
                asm.push(JSET, ACCESS, u32::from(ALL & !floor), beyond);
                asm.finish(GRANT);
                asm.place(beyond);
            }
        }
        if !split {
            asm.table(&self.char);
            return asm.link().map(Some);
        }
        let (kind, rows, others) = match (uniform(&self.block), uniform(&self.char)) {
            (None, Some(_)) => (BLOCK, &self.block, &self.char),
            _ => (CHAR, &self.char, &self.block),
        };
        match uniform(others) {
            Some(bits) => {
                asm.push(JNE, TYPE, kind.into(), asm.verdict(bits));
                asm.table(rows);
            }
            None => {
                let next = asm.label();
                asm.push(JNE, TYPE, kind.into(), next);
                asm.table(rows);
                asm.place(next);
                asm.table(others);
            }
        }
        asm.link().map(Some)
    }
}

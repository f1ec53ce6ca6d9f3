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

/// Granted bits of one major (or of all that have no row of their own).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// For minors that are not listed.
    other: u8,
    /// Listed minors, ascending, each with bits that differ from `other`.
    minors: Vec<(u32, u8)>,
}

/// Granted bits of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    other: Row,
    /// Listed majors, ascending, each with a row that differs from `other`.
    majors: Vec<(u32, Row)>,
}

/// What the rules come to.
#[derive(Debug)]
pub struct Devices {
    block: Table,
    char: Table,
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
    let number = |value: Option<i64>, what| match value {
        None => Ok(None),
        Some(any) if any < 0 => Ok(None),
        Some(value) => u32::try_from(value).ok().filter(|n| *n <= i32::MAX as u32).map(Some).ok_or(what),
    };
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
        major: number(rule.major, "major: out of range")?,
        minor: number(rule.minor, "minor: out of range")?,
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
    Row { other, minors }
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

fn table(rules: &[Rule], kind: u8) -> Table {
    let other = row(rules, kind, None);
    let mut majors = Vec::new();
    for major in numbers(rules, kind, &|rule| rule.major) {
        let row = row(rules, kind, Some(major));
        if row != other {
            majors.push((major, row));
        }
    }
    Table { other, majors }
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

/// Where a jump goes before distances are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Nowhere: not a jump, or one that is final.
    None,
    /// The verdict on these granted bits.
    Leaf(u8),
    /// A label.
    Label(usize),
}

/// Code being written.
struct Assembler {
    code: Vec<(Insn, Target)>,
    /// Position of each label.
    labels: Vec<usize>,
    /// Bits that were granted by the first test and need no further one.
    floor: u8,
}

impl Assembler {
    fn push(&mut self, code: u8, dst: u8, imm: u32, target: Target) {
        self.code.push((Insn { code, dst, src: 0, off: 0, imm: imm.cast_signed() }, target));
    }

    fn load(&mut self, code: u8, dst: u8, off: i16) {
        self.code.push((Insn { code, dst, src: CONTEXT, off, imm: 0 }, Target::None));
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

    /// Goes to the verdict on `bits`, which is what all that is left comes to.
    fn finish(&mut self, bits: u8) {
        match self.code.last() {
            // The jump that stands here already serves those who come by a label, too.
            Some((Insn { code: JA, .. }, Target::Leaf(same))) if *same == bits => {
                let here = self.code.len();
                self.labels.iter_mut().filter(|at| **at == here).for_each(|at| *at = here.saturating_sub(1));
            }
            _ => self.push(JA, 0, 0, Target::Leaf(bits)),
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
            match (first, run) {
                (_, 1) => self.push(JEQ, MINOR, first, Target::Leaf(bits)),
                (0, _) => self.push(JLE, MINOR, last, Target::Leaf(bits)),
                _ => {
                    let below = self.label();
                    self.push(JLT, MINOR, first, Target::Label(below));
                    self.push(JLE, MINOR, last, Target::Leaf(bits));
                    self.place(below);
                }
            }
            rest = rest.get(run..).unwrap_or_default();
        }
        self.finish(row.other);
    }

    /// Majors of one verdict first, one test each; then those with minors, the last of which falls through.
    fn table(&mut self, table: &Table) {
        for (major, row) in table.majors.iter().filter(|(_, row)| row.minors.is_empty()) {
            self.push(JEQ, MAJOR, *major, Target::Leaf(row.other));
        }
        for (major, row) in table.majors.iter().filter(|(_, row)| !row.minors.is_empty()) {
            let next = self.label();
            self.push(JNE, MAJOR, *major, Target::Label(next));
            self.row(row);
            self.place(next);
        }
        self.row(&table.other);
    }

    /// Writes the verdicts behind the code and fills in the distances.
    ///
    /// Verdicts on some bits come first, each a block that denies if one more bit is asked for; then the denial, which falls
    /// into the exit. r0 is 1 from the start, so that a grant is the exit alone.
    fn link(mut self) -> Result<Vec<Insn>, TooLong> {
        let denied = |bits: u8, floor: u8| bits == 0 || bits == floor;
        let mut partial: Vec<u8> = Vec::new();
        for (_, target) in &self.code {
            if let Target::Leaf(bits) = *target
                && !denied(bits, self.floor)
                && bits != ALL
                && !partial.contains(&bits)
            {
                partial.push(bits);
            }
        }
        // The verdict that the code ends with goes next, so that it needs no jump.
        if let Some((Insn { code: JA, .. }, Target::Leaf(bits))) = self.code.last().copied() {
            let last = partial.iter().position(|other| *other == bits);
            if let Some(at) = last {
                partial.swap(0, at);
            }
            if last.is_some() || (denied(bits, self.floor) && partial.is_empty()) {
                while matches!(self.code.last(), Some((Insn { code: JA, .. }, Target::Leaf(same))) if *same == bits)
                {
                    self.code.pop();
                }
            }
        }
        let end = self.code.len();
        // What falls off the end is denied, unless a block of a verdict stands there.
        let falls = !matches!(self.code.last(), Some((Insn { code: JA, .. }, _)));
        let mut blocks = [0; ALL as usize];
        for bits in &partial {
            if let Some(block) = blocks.get_mut(usize::from(*bits)) {
                *block = self.code.len();
            }
            self.push(JSET, ACCESS, u32::from(ALL & !bits), Target::Leaf(0));
            self.finish(ALL);
        }
        let denial = self.code.len();
        let denies = |target: &Target| matches!(target, Target::Leaf(bits) if denied(*bits, self.floor));
        if falls || end < denial || self.code.iter().any(|(_, target)| denies(target)) {
            self.push(MOV, VERDICT, 0, Target::None);
        }
        let grant = self.code.len();
        self.push(EXIT, 0, 0, Target::None);

        let mut linked = Vec::with_capacity(self.code.len());
        for (at, (mut insn, target)) in self.code.iter().copied().enumerate() {
            let to = match target {
                Target::None => None,
                Target::Label(label) => self.labels.get(label).map(|to| (*to).min(end)),
                Target::Leaf(ALL) => Some(grant),
                Target::Leaf(bits) if denied(bits, self.floor) => Some(denial),
                Target::Leaf(bits) => blocks.get(usize::from(bits)).copied(),
            };
            if let Some(to) = to {
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
    /// Whether every access to every device is granted, so that no program is needed.
    pub fn is_everything(&self) -> bool {
        let all = |table: &Table| {
            table.majors.is_empty() && table.other.minors.is_empty() && table.other.other == ALL
        };
        all(&self.block) && all(&self.char)
    }

    /// The same as writes to cgroup v1's `devices.deny` and `devices.allow`. There a list of exceptions is added to "nothing"
    /// or taken from "everything"; an exception cannot itself have one, which is the case that gives `None`.
    pub fn exceptions(&self) -> Option<Vec<(&'static str, String)>> {
        let from_all = self.block.other.other == ALL && self.char.other.other == ALL;
        let (start, file) = match from_all {
            true => ("devices.allow", "devices.deny"),
            false => ("devices.deny", "devices.allow"),
        };
        let mut writes = alloc::vec![(start, String::from("a"))];
        let turned = |bits: u8| if from_all { ALL & !bits } else { bits };
        for (letter, table) in [('b', &self.block), ('c', &self.char)] {
            let mut put = |major: Option<u32>, minor: Option<u32>, bits: u8| {
                if bits == 0 {
                    return;
                }
                let mut line = format!("{letter} ");
                for (number, end) in [(major, ':'), (minor, ' ')] {
                    match number {
                        Some(number) => line.push_str(&format!("{number}{end}")),
                        None => line.extend(['*', end]),
                    }
                }
                let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
                line.extend(letters.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, letter)| *letter));
                writes.push((file, line));
            };
            let any = turned(table.other.other);
            put(None, None, any);
            for (minor, bits) in &table.other.minors {
                if turned(*bits) & any != any {
                    return None;
                }
                put(None, Some(*minor), turned(*bits));
            }
            for (major, row) in &table.majors {
                let base = turned(row.other);
                if base & any != any {
                    return None;
                }
                if base != any {
                    put(Some(*major), None, base);
                }
                let wild = |minor: u32| table.other.minors.iter().find(|(other, _)| *other == minor);
                for (minor, bits) in &row.minors {
                    let least = base | wild(*minor).map_or(0, |(_, bits)| turned(*bits));
                    if turned(*bits) & least != least {
                        return None;
                    }
                    put(Some(*major), Some(*minor), turned(*bits));
                }
                let listed = |minor: u32| row.minors.iter().any(|(other, _)| *other == minor);
                let strays = |(minor, bits): &(u32, u8)| !listed(*minor) && turned(*bits) & !base != 0;
                if table.other.minors.iter().any(strays) {
                    return None;
                }
            }
        }
        Some(writes)
    }

    /// The program: r0 is 1 to grant, 0 to deny.
    pub fn program(&self) -> Result<Vec<Insn>, TooLong> {
        // What is granted everywhere, and whether there is a place where it is some access but not all.
        let (mut floor, mut partial) = (ALL, false);
        let mut look = |row: &Row| {
            for (_, bits) in row.minors.iter().chain([&(0, row.other)]) {
                floor &= bits;
                partial |= *bits != 0 && *bits != ALL;
            }
        };
        for table in [&self.block, &self.char] {
            look(&table.other);
            table.majors.iter().for_each(|(_, row)| look(row));
        }
        let mut asm = Assembler { code: Vec::new(), labels: Vec::new(), floor };
        if floor == ALL {
            asm.push(MOV, VERDICT, 1, Target::None);
            asm.push(EXIT, 0, 0, Target::None);
            return Ok(asm.code.into_iter().map(|(insn, _)| insn).collect());
        }
        let split = self.block != self.char;
        let plain = |table: &Table| table.other.minors.is_empty() && table.majors.is_empty();
        let tables: &[&Table] = if split { &[&self.block, &self.char] } else { &[&self.char] };
        let minors = tables.iter().any(|table| {
            !table.other.minors.is_empty() || table.majors.iter().any(|(_, row)| !row.minors.is_empty())
        });

        // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }, access in the upper half of access_type.
        let (upper, lower) = if cfg!(target_endian = "big") { (0, 2) } else { (2, 0) };
        if split {
            asm.load(LOAD_HALF, TYPE, lower);
        }
        if partial || floor != 0 {
            asm.load(LOAD_HALF, ACCESS, upper);
        }
        if tables.iter().any(|table| !table.majors.is_empty()) {
            asm.load(LOAD_WORD, MAJOR, 4);
        }
        if minors {
            asm.load(LOAD_WORD, MINOR, 8);
        }
        asm.push(MOV, VERDICT, 1, Target::None);
        match floor {
            0 => {}
            MKNOD => asm.push(JLE, ACCESS, MKNOD.into(), Target::Leaf(ALL)),
            _ => {
                let beyond = asm.label();
                asm.push(JSET, ACCESS, u32::from(ALL & !floor), Target::Label(beyond));
                asm.finish(ALL);
                asm.place(beyond);
            }
        }
        match split {
            false => asm.table(&self.char),
            true if plain(&self.block) => {
                asm.push(JNE, TYPE, CHAR.into(), Target::Leaf(self.block.other.other));
                asm.table(&self.char);
            }
            true if plain(&self.char) => {
                asm.push(JNE, TYPE, BLOCK.into(), Target::Leaf(self.char.other.other));
                asm.table(&self.block);
            }
            true => {
                let block = asm.label();
                asm.push(JNE, TYPE, CHAR.into(), Target::Label(block));
                asm.table(&self.char);
                asm.place(block);
                asm.table(&self.block);
            }
        }
        asm.link()
    }
}

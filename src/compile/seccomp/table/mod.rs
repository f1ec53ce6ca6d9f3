//! System call numbers: which machine runs which ABIs, and what a name is called by there.
//!
//! The source is `syscalls.tbl`, a text made by `cargo run -p qemu -- syscall-tables`. It is read by the compiler, not by
//! the program: each binary carries the columns that its machine can run and, of all other names, a 16-bit hash, so that
//! a name that belongs elsewhere is told from one that nobody knows.

mod build;
mod machines;

use crate::{texts, texts::Texts};
use alloc::string::String;
use core::cmp::Ordering;
pub use machines::NATIVE;
#[cfg(test)]
pub use machines::*;

/// `__X32_SYSCALL_BIT`.
pub const X32_BIT: u32 = 0x4000_0000;

/// One system call ABI: a value of `seccomp_data.arch`, or on x86_64 the half of one.
#[derive(Debug)]
pub struct Abi {
    /// Its column of the table and its name for a person.
    pub name: &'static str,
    /// Its name in a profile, without `SCMP_ARCH_`.
    pub scmp: &'static str,
    /// `AUDIT_ARCH_*` (include/uapi/linux/audit.h), what the kernel puts into `seccomp_data.arch`.
    pub audit: u32,
    /// The bit that every number has set: x32's `__X32_SYSCALL_BIT`, else 0.
    pub bit: u32,
    /// The first number of the table: 0, on MIPS 4000, 5000 or 6000.
    pub base: u16,
    /// Where numbers begin that tell nothing of a call's age (x32: 512, ARM: 0xf0000 as `PRIVATE` here); `NONE` without such.
    pub special: u16,
    /// Where they end.
    pub special_end: u16,
    /// Whether arguments are 64 bits. On the others, x32 and n32 too, the lower half is compared, as libseccomp does.
    pub wide: bool,
    /// Whether the upper half of an argument comes first in `seccomp_data`.
    pub big_endian: bool,
    /// Whether socketcall(2), number 102 from `base`, and ipc(2), 117, lead to other calls.
    pub multiplexed: bool,
    /// s390 passes numbers over 255 in a register, and a number that the kernel does not know arrives as 0.
    pub zero_is_unknown: bool,
    /// Whether its numbers are those of its column but for the table's exceptions.
    exceptional: bool,
    column: u8,
}

impl Abi {
    /// The number that the kernel reports for a table entry's number.
    #[inline(never)]
    pub fn real(&self, number: u16) -> u32 {
        match number & !0xf {
            PRIVATE => 0xf_0000 | u32::from(number & 0xf),
            _ => u32::from(number.wrapping_add(self.base)) | self.bit,
        }
    }
}

/// What one binary can filter.
#[derive(Debug)]
pub struct Machine {
    /// The native ABI first, then those that share its `audit`, then the others.
    pub abis: &'static [Abi],
    /// Names and numbers.
    pub table: Table,
}

/// Names in order, and the number of each in every column.
///
/// A name is a byte, of which the upper three bits say how many bytes it shares with the name before and the others how many
/// follow, and those. The first of each [`BLOCK`] shares none.
#[derive(Debug)]
pub struct Table {
    len: usize,
    names: &'static [u8],
    blocks: &'static [u16],
    /// Columns of numbers from the ABI's `base` on: the lower eight bits of each, and the ninth of each in eight.
    low: &'static [u8],
    high: &'static [u8],
    exceptions: &'static [(u16, u16)],
    elsewhere: &'static [u16],
    multiplexed: &'static [(u16, u16)],
}

/// No call of that ABI: the greatest number of nine bits.
pub const NONE: u16 = 0x1ff;

/// ARM's private calls among numbers of nine bits.
const PRIVATE: u16 = 0x1f0;

/// How many names one search walks over at most.
const BLOCK: usize = 16;

impl Table {
    /// How many names there are. An entry is an index below this.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no name at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The name of an entry.
    pub fn name(&self, entry: usize) -> String {
        let mut name = String::new();
        let mut at = self.blocks.get(entry.wrapping_div(BLOCK)).copied().unwrap_or_default().into();
        for _ in 0..=entry.wrapping_rem(BLOCK) {
            let (shared, rest) = self.packed(at);
            name.truncate(shared);
            name.push_str(core::str::from_utf8(rest).unwrap_or_default());
            at = at.wrapping_add(rest.len()).wrapping_add(1);
        }
        name
    }

    /// What is packed at a place: how many bytes a name shares with the one before, and its others.
    fn packed(&self, at: usize) -> (usize, &'static [u8]) {
        let Some((head, rest)) = self.names.get(at..).and_then(<[u8]>::split_first) else { return (0, &[]) };
        (usize::from(head.wrapping_shr(5)), rest.get(..usize::from(head & 31)).unwrap_or_default())
    }

    /// The entry of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        Search::new(self).find(name)
    }

    /// The number of an entry in an ABI.
    pub fn number(&self, abi: &Abi, entry: usize) -> Option<u16> {
        let exception = match abi.exceptional {
            true => self.exceptions.binary_search_by(|(have, _)| usize::from(*have).cmp(&entry)).ok(),
            false => None,
        };
        let number = match exception {
            Some(at) => self.exceptions.get(at)?.1,
            None => {
                let at = usize::from(abi.column).wrapping_mul(self.len).wrapping_add(entry);
                let high = u16::from(*self.high.get(at >> 3)?).wrapping_shr(at as u32 & 7) & 1;
                u16::from(*self.low.get(at)?) | high << 8
            }
        };
        Some(number).filter(|number| *number != NONE)
    }

    /// The entry that a real number has in an ABI.
    pub fn entry(&self, abi: &Abi, real: u32) -> Option<usize> {
        (0..self.len).find(|entry| self.number(abi, *entry).is_some_and(|have| abi.real(have) == real))
    }

    /// Whether a name that has no entry is a call of some other machine. May be wrong for one name in some hundred.
    pub fn is_elsewhere(&self, name: &str) -> bool {
        self.elsewhere.contains(&hash(name.as_bytes()))
    }

    /// How an entry is reached through a multiplexer, where an ABI has them: the number of that call from its `base` on, and
    /// its first argument.
    pub fn multiplexer(&self, entry: usize) -> Option<(u16, u16)> {
        let at = self.multiplexed.binary_search_by(|(have, _)| usize::from(*have).cmp(&entry)).ok()?;
        let (_, call) = self.multiplexed.get(at)?;
        Some(match call.checked_sub(IPC) {
            None => (102, *call),
            Some(call) => (117, call),
        })
    }
}

/// Looks for one name after another. Profiles list names in order, so most searches end a step or two after the last one.
pub struct Search<'t, 'n> {
    table: &'t Table,
    /// The name found last, and the entry after it with its place.
    last: &'n [u8],
    entry: usize,
    at: usize,
}

/// No name is after this.
const END: &[u8] = &[0xff];

impl<'t, 'n> Search<'t, 'n> {
    /// Nothing was looked for yet.
    pub fn new(table: &'t Table) -> Self {
        Search { table, last: END, entry: 0, at: 0 }
    }

    /// The entry of a name.
    pub fn find(&mut self, name: &'n str) -> Option<usize> {
        let (table, name) = (self.table, name.as_bytes());
        // How far this name is the one before the entry, which is less.
        let mut same = common(self.last, name);
        if self.last.get(same) >= name.get(same) {
            let blocks = table.blocks;
            let not_after = |start: &&u16| table.packed(usize::from(**start)).1 <= name;
            let block = blocks.iter().take_while(not_after).count().checked_sub(1)?;
            (self.entry, self.at, same) = (block.wrapping_mul(BLOCK), usize::from(*blocks.get(block)?), 0);
        }
        self.last = END;
        while self.entry < table.len {
            let (shared, have) = table.packed(self.at);
            let entry = self.entry;
            let next = (entry.wrapping_add(1), self.at.wrapping_add(have.len()).wrapping_add(1));
            if shared <= same {
                let want = name.get(shared..)?;
                let more = common(have, want);
                match have.get(more).cmp(&want.get(more)) {
                    Ordering::Less => same = more.wrapping_add(shared),
                    Ordering::Equal => {
                        self.last = name;
                        (self.entry, self.at) = next;
                        return Some(entry);
                    }
                    Ordering::Greater => return None,
                }
            }
            (self.entry, self.at) = next;
        }
        None
    }
}

/// How many bytes are the same at the start of two names.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// What is added to the numbers of ipc(2) in `MULTIPLEXED`.
const IPC: u16 = 100;

/// The first argument of socketcall(2) (include/uapi/linux/net.h), and that of ipc(2) (linux/ipc.h) + `IPC`.
const MULTIPLEXED: &[(&str, u16)] = &[
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
    ("semop", 101),
    ("semget", 102),
    ("semctl", 103),
    ("semtimedop", 104),
    ("msgsnd", 111),
    ("msgrcv", 112),
    ("msgget", 113),
    ("msgctl", 114),
    ("shmat", 121),
    ("shmdt", 122),
    ("shmget", 123),
    ("shmctl", 124),
];

/// Every architecture a profile may name (runtime-spec 1.3), without `SCMP_ARCH_`. One that this machine cannot run is passed over: no call
/// of it can arrive.
pub static ARCHITECTURES: Texts = texts![
    "X86",
    "X86_64",
    "X32",
    "ARM",
    "AARCH64",
    "MIPS",
    "MIPS64",
    "MIPS64N32",
    "MIPSEL",
    "MIPSEL64",
    "MIPSEL64N32",
    "PPC",
    "PPC64",
    "PPC64LE",
    "S390",
    "S390X",
    "PARISC",
    "PARISC64",
    "RISCV64",
    "LOONGARCH64",
    "M68K",
    "SH",
    "SHEB",
];

const fn hash(name: &[u8]) -> u16 {
    build::hash(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    use super::*;
    extern crate std;
    use std::{collections::BTreeMap, vec::Vec};

    /// The text again, read the obvious way.
    pub fn text() -> BTreeMap<(String, String), u32> {
        let mut lines = include_str!("syscalls.tbl").lines().filter(|line| !line.starts_with('#'));
        let head: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let mut all = BTreeMap::new();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words.len(), head.len(), "{line}");
            for (column, word) in head.iter().zip(&words).skip(1) {
                if let Ok(number) = word.parse() {
                    all.insert(((*column).into(), words[0].into()), number);
                }
            }
        }
        all
    }

    #[test]
    fn every_machine_has_the_numbers_of_the_text() {
        let text = text();
        for machine in MACHINES {
            for abi in machine.abis {
                let mut found = 0;
                for ((_, name), number) in text.iter().filter(|((column, _), _)| column == abi.name) {
                    let entry = machine.table.find(name).unwrap();
                    assert_eq!(&machine.table.name(entry), name);
                    let real = abi.real(machine.table.number(abi, entry).unwrap());
                    assert_eq!(real & !abi.bit, *number, "{} {name}", abi.name);
                    // The other way round it is a name that has the number, should two have it.
                    let back = machine.table.entry(abi, real).unwrap();
                    assert_eq!(machine.table.number(abi, back).map(|back| abi.real(back)), Some(real));
                    found += 1;
                }
                assert!(found > 300, "{}", abi.name);
                assert_eq!(machine.table.entry(abi, abi.bit | 0xeeee), None);
            }
        }
    }

    #[test]
    fn known_numbers_of_the_x86_machine() {
        let x86 = &X86_64;
        let number = |abi: usize, name: &str| {
            let entry = x86.table.find(name).unwrap();
            x86.table.number(&x86.abis[abi], entry).map(|number| x86.abis[abi].real(number))
        };
        assert_eq!(number(0, "read"), Some(0));
        assert_eq!(number(0, "clone3"), Some(435));
        assert_eq!(number(1, "clone3"), Some(0x4000_0000 + 435));
        assert_eq!(number(1, "execve"), Some(0x4000_0000 + 520));
        assert_eq!(number(2, "execve"), Some(11));
        assert_eq!(number(0, "socketcall"), None);
    }

    #[test]
    fn only_names_are_found() {
        for machine in MACHINES {
            let table = &machine.table;
            let names: Vec<String> = (0..table.len()).map(|entry| table.name(entry)).collect();
            assert!(names.is_sorted());
            for (entry, name) in names.iter().enumerate() {
                assert_eq!(table.find(name), Some(entry));
                let (shorter, longer) = (&name[..name.len() - 1], [name, "0"].concat());
                for near in [shorter, &longer, &name.to_uppercase(), &name[1..]] {
                    let known = names.iter().position(|name| name == near);
                    assert_eq!(table.find(near), known, "{near}");
                }
            }
            // One search for all of them, from wherever the last one ended.
            for step in 1..names.len() {
                let mut search = Search::new(table);
                for entry in (0..names.len()).map(|at| at * step % names.len()).take(60) {
                    assert_eq!(search.find(&names[entry]), Some(entry));
                    if entry % 3 == 0 {
                        assert_eq!(search.find(&names[entry][1..]), table.find(&names[entry][1..]));
                    }
                }
            }
            for miss in ["", "a", "zzz", "\u{e9}", "mmap3"] {
                assert_eq!(table.find(miss), None, "{miss}");
            }
        }
    }

    #[test]
    fn numbers_that_the_code_knows_are_those_of_the_table() {
        for machine in MACHINES {
            for abi in machine.abis {
                let number = |name: &str| machine.table.number(abi, machine.table.find(name)?);
                // asm/unistd.h of MIPS: each ABI has a thousand numbers of its own.
                let write = number("write").map(|number| abi.real(number));
                match abi.name {
                    "mips" => assert_eq!(write, Some(4004)),
                    "mips64" => assert_eq!(write, Some(5001)),
                    "mips64n32" => assert_eq!(write, Some(6001)),
                    _ => assert_eq!(abi.base, 0),
                }
                let both = ["socketcall", "ipc"].map(number);
                if abi.multiplexed {
                    assert_eq!(both, [Some(102), Some(117)], "{}", abi.name);
                } else {
                    assert_eq!(both[0], None, "{}", abi.name);
                }
                let all = (0..machine.table.len()).filter_map(|entry| machine.table.number(abi, entry));
                let last = all.filter(|number| *number >= abi.special).max();
                assert_eq!(last.map_or(NONE, |last| last + 1), abi.special_end, "{}", abi.name);
            }
        }
    }

    #[test]
    fn names_of_other_machines_are_told_from_unknown_ones() {
        assert!(X86_64.table.find("riscv_hwprobe").is_none());
        assert!(X86_64.table.is_elsewhere("riscv_hwprobe"));
        assert!(RISCV64.table.is_elsewhere("stat64"));
        assert!(!X86_64.table.is_elsewhere("opennat"));
    }

    #[test]
    fn multiplexed_calls_have_their_first_argument() {
        let table = &X86_64.table;
        let of = |name: &str| table.multiplexer(table.find(name).unwrap());
        assert_eq!(of("socket"), Some((102, 1)));
        assert_eq!(of("recv"), Some((102, 10)));
        assert_eq!(of("shmctl"), Some((117, 24)));
        assert_eq!(of("read"), None);
    }

    #[test]
    fn no_machines_tables_take_more_than_six_kilobytes() {
        for machine in MACHINES {
            let Table { names, blocks, low, high, exceptions, elsewhere, multiplexed, .. } = &machine.table;
            let shorts = blocks.len() + elsewhere.len();
            let bytes = names.len()
                + low.len()
                + high.len()
                + 2 * shorts
                + 4 * (exceptions.len() + multiplexed.len());
            let abis: Vec<&str> = machine.abis.iter().map(|abi| abi.name).collect();
            std::println!("{bytes} bytes for {}", abis.join(", "));
            assert!(bytes <= 6 << 10);
        }
    }
}

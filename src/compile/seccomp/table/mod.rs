//! System call numbers: which machine runs which ABIs, and what a name is called by there.
//!
//! The source is `syscalls.tbl`, a text made by `cargo run -p qemu -- syscall-tables`. It is read by the compiler, not by
//! the program: each binary carries the columns that its machine can run and, of all other names, a 16-bit hash, so that
//! a name that belongs elsewhere is told from one that nobody knows.

mod build;
mod machines;

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
    /// Its name in a profile.
    pub scmp: &'static str,
    /// `AUDIT_ARCH_*` (include/uapi/linux/audit.h), what the kernel puts into `seccomp_data.arch`.
    pub audit: u32,
    /// The bit that every number has set: x32's `__X32_SYSCALL_BIT`, else 0.
    pub bit: u32,
    /// The first number of the table: 0, on MIPS 4000, 5000 or 6000.
    pub base: u16,
    /// Where numbers begin that tell nothing of a call's age (x32: 512, ARM: 0xf0000 as 0xf000 here); `NONE` without such.
    pub special: u16,
    /// Whether arguments are 64 bits. On the others, x32 and n32 too, the lower half is compared, as libseccomp does.
    pub wide: bool,
    /// Whether the upper half of an argument comes first in `seccomp_data`.
    pub big_endian: bool,
    /// Whether socketcall(2) and ipc(2) lead to other calls.
    pub multiplexed: bool,
    /// s390 passes numbers over 255 in a register, and a number that the kernel does not know arrives as 0.
    pub zero_is_unknown: bool,
    column: u8,
}

impl Abi {
    /// The number that the kernel reports for a table entry's number.
    pub fn real(&self, number: u16) -> u32 {
        match number >= 0xf000 {
            true => 0xf_0000 | u32::from(number & 0xfff),
            false => u32::from(number) | self.bit,
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
#[derive(Debug)]
pub struct Table {
    names: &'static [u8],
    ends: &'static [u16],
    numbers: &'static [u16],
    elsewhere: &'static [u16],
    multiplexed: &'static [(u16, u16)],
}

/// No call of that ABI.
pub const NONE: u16 = 0xffff;

impl Table {
    /// How many names there are. An entry is an index below this.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no name at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name of an entry.
    pub fn name(&self, entry: usize) -> &'static str {
        core::str::from_utf8(self.bytes(entry)).unwrap_or_default()
    }

    fn bytes(&self, entry: usize) -> &'static [u8] {
        let start =
            entry.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| usize::from(*end));
        let end = self.ends.get(entry).map_or(start, |end| usize::from(*end));
        self.names.get(start..end).unwrap_or_default()
    }

    /// The entry of a name. `near` is where the last search ended: profiles list names in order, so most searches
    /// end after one or two steps from there. It is moved to the place found, or to where the name would be.
    pub fn find(&self, name: &str, near: &mut usize) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        let mut probe = *near;
        let mut step: usize = 1;
        while low < high {
            let at = match probe {
                probe if probe >= low && probe < high => probe,
                _ => low.midpoint(high),
            };
            let order = self.bytes(at).cmp(name.as_bytes());
            *near = at;
            match order {
                Ordering::Equal => return Some(at),
                Ordering::Less => low = at.saturating_add(1),
                Ordering::Greater => high = at,
            }
            probe = match order {
                Ordering::Less => at.saturating_add(step),
                _ => at.saturating_sub(step),
            };
            step = step.saturating_mul(4);
        }
        None
    }

    /// The number of an entry in an ABI's column.
    pub fn number(&self, abi: &Abi, entry: usize) -> Option<u16> {
        self.column(abi).get(entry).copied().filter(|number| *number != NONE)
    }

    /// The numbers of all entries in an ABI's column.
    pub fn column(&self, abi: &Abi) -> &'static [u16] {
        let start = usize::from(abi.column).saturating_mul(self.len());
        self.numbers.get(start..start.saturating_add(self.len())).unwrap_or_default()
    }

    /// The entry that a real number has in an ABI.
    pub fn entry(&self, abi: &Abi, real: u32) -> Option<usize> {
        self.column(abi).iter().position(|number| *number != NONE && abi.real(*number) == real)
    }

    /// Whether a name that has no entry is a call of some other machine. May be wrong for one name in some hundred.
    pub fn is_elsewhere(&self, name: &str) -> bool {
        self.elsewhere.contains(&hash(name.as_bytes()))
    }

    /// How an entry is reached through a multiplexer: the call to make, and its first argument.
    pub fn multiplexer(&self, entry: usize) -> Option<(Multiplexer, u32)> {
        let at = self.multiplexed.binary_search_by(|(have, _)| usize::from(*have).cmp(&entry)).ok()?;
        let (_, call) = self.multiplexed.get(at)?;
        match call.checked_sub(IPC) {
            None => Some((Multiplexer::Socketcall, u32::from(*call))),
            Some(call) => Some((Multiplexer::Ipc, u32::from(call))),
        }
    }
}

/// A system call that leads to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiplexer {
    /// socketcall(2).
    Socketcall,
    /// ipc(2).
    Ipc,
}

impl Multiplexer {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Multiplexer::Socketcall => "socketcall",
            Multiplexer::Ipc => "ipc",
        }
    }
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

/// Every architecture a profile may name (runtime-spec 1.3). One that this machine cannot run is passed over: no call
/// of it can arrive.
pub const ARCHITECTURES: &[&str] = &[
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
];

const fn hash(name: &[u8]) -> u16 {
    build::hash(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    use super::*;
    extern crate std;
    use std::{collections::BTreeMap, string::String, vec::Vec};

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
                    let entry = machine.table.find(name, &mut 0).unwrap();
                    assert_eq!(machine.table.name(entry), name);
                    let number = abi.real(machine.table.number(abi, entry).unwrap()) & !abi.bit == *number;
                    assert!(number, "{} {name}", abi.name);
                    found += 1;
                }
                assert!(found > 300, "{}", abi.name);
            }
        }
    }

    #[test]
    fn known_numbers_of_the_x86_machine() {
        let x86 = &X86_64;
        let number = |abi: usize, name: &str| {
            let entry = x86.table.find(name, &mut 0).unwrap();
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
    fn a_search_finds_the_same_from_everywhere() {
        let table = &X86_64.table;
        for entry in 0..table.len() {
            for near in [0, 1, entry.saturating_sub(1), entry, entry + 1, table.len() - 1, table.len() + 9] {
                assert_eq!(table.find(table.name(entry), &mut near.clone()), Some(entry));
                for miss in ["", "a", "readx", "zzz", "mmap3"] {
                    assert_eq!(table.find(miss, &mut near.clone()), None);
                }
            }
        }
    }

    #[test]
    fn names_of_other_machines_are_told_from_unknown_ones() {
        assert!(X86_64.table.find("riscv_hwprobe", &mut 0).is_none());
        assert!(X86_64.table.is_elsewhere("riscv_hwprobe"));
        assert!(RISCV64.table.is_elsewhere("stat64"));
        assert!(!X86_64.table.is_elsewhere("opennat"));
    }

    #[test]
    fn multiplexed_calls_have_their_first_argument() {
        let table = &X86_64.table;
        let of = |name: &str| table.multiplexer(table.find(name, &mut 0).unwrap());
        assert_eq!(of("socket"), Some((Multiplexer::Socketcall, 1)));
        assert_eq!(of("recv"), Some((Multiplexer::Socketcall, 10)));
        assert_eq!(of("shmctl"), Some((Multiplexer::Ipc, 24)));
        assert_eq!(of("read"), None);
    }

    #[test]
    fn the_tables_of_the_x86_machine_take_less_than_twelve_kilobytes() {
        let table = &X86_64.table;
        let shorts =
            table.ends.len() + table.numbers.len() + table.elsewhere.len() + 2 * table.multiplexed.len();
        assert!(table.names.len() + 2 * shorts < 12 << 10, "{}", table.names.len() + 2 * shorts);
    }
}

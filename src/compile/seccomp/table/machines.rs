//! Which ABIs each kind of machine runs. A new one is a column of `syscalls.tbl` and an entry here.

use super::{Abi, Machine, NONE, Table, X32_BIT, build};

/// An ABI with the ordinary properties; what differs is said where it is used.
const fn abi(name: &'static str, scmp: &'static str, audit: u32, column: u8) -> Abi {
    Abi {
        name,
        scmp,
        audit,
        bit: 0,
        base: 0,
        special: NONE,
        special_end: NONE,
        exceptional: false,
        wide: audit & AUDIT_64 != 0,
        big_endian: audit & AUDIT_LE == 0,
        multiplexed: false,
        zero_is_unknown: false,
        column,
    }
}

/// `__AUDIT_ARCH_64BIT` and `__AUDIT_ARCH_LE`.
const AUDIT_64: u32 = 0x8000_0000;
const AUDIT_LE: u32 = 0x4000_0000;

macro_rules! machine {
    ($name:ident, $columns:expr, $like:expr, $abis:expr, $($doc:literal)+, $used:meta) => {
        $(#[doc = $doc])+
        #[cfg(any(test, $used))]
        pub static $name: Machine = {
            const COLUMNS: &[&str] = $columns;
            const LIKE: &[&str] = $like;
            const SIZE: build::Size = build::measure(COLUMNS, LIKE);
            static NAMES: [u8; SIZE.packed] = build::names(COLUMNS);
            static BLOCKS: [u16; SIZE.names.div_ceil(super::BLOCK)] = build::blocks(COLUMNS);
            const NUMBERS: [u16; SIZE.names * COLUMNS.len()] = build::numbers(COLUMNS);
            static LOW: [u8; NUMBERS.len()] = build::low(&NUMBERS);
            static HIGH: [u8; NUMBERS.len().div_ceil(8)] = build::high(&NUMBERS);
            static EXCEPTIONS: [(u16, u16); SIZE.exceptions] = build::exceptions(COLUMNS, LIKE);
            static ELSEWHERE: [u16; SIZE.elsewhere] = build::elsewhere(COLUMNS);
            static MULTIPLEXED: [(u16, u16); super::MULTIPLEXED.len()] = build::multiplexed(COLUMNS);
            static ABIS: [Abi; COLUMNS.len() + LIKE.len() / 2] = $abis;
            Machine {
                abis: &ABIS,
                table: Table {
                    len: SIZE.names,
                    names: &NAMES,
                    blocks: &BLOCKS,
                    low: &LOW,
                    high: &HIGH,
                    exceptions: &EXCEPTIONS,
                    elsewhere: &ELSEWHERE,
                    multiplexed: &MULTIPLEXED,
                },
            }
        };
        #[cfg(all($used))]
        pub use $name as NATIVE;
    };
}

machine!(
    X86_64,
    &["x86_64", "x86"],
    &["x86_64", "x32"],
    [
        abi("x86_64", "X86_64", 0xc000_003e, 0),
        Abi {
            bit: X32_BIT,
            special: 512,
            special_end: 548,
            exceptional: true,
            wide: false,
            ..abi("x32", "X32", 0xc000_003e, 0)
        },
        Abi { multiplexed: true, ..abi("x86", "X86", 0x4000_0003, 1) },
    ],
    "x86_64, which runs x32 (where the kernel has it) and i386 programs too.",
    target_arch = "x86_64"
);
machine!(
    X86,
    &["x86"],
    &[],
    [Abi { multiplexed: true, ..abi("x86", "X86", 0x4000_0003, 0) }],
    "i386.",
    target_arch = "x86"
);
machine!(
    AARCH64,
    &["aarch64", "arm"],
    &[],
    [
        abi("aarch64", "AARCH64", 0xc000_00b7, 0),
        Abi { special: super::PRIVATE, special_end: super::PRIVATE + 7, ..abi("arm", "ARM", 0x4000_0028, 1) },
    ],
    "64-bit ARM, which runs 32-bit programs on most processors.",
    target_arch = "aarch64"
);
machine!(
    ARM,
    &["arm"],
    &[],
    [Abi { special: super::PRIVATE, special_end: super::PRIVATE + 7, ..abi("arm", "ARM", 0x4000_0028, 0) }],
    "32-bit ARM, EABI.",
    target_arch = "arm"
);
machine!(
    RISCV64,
    &["riscv64"],
    &[],
    [abi("riscv64", "RISCV64", 0xc000_00f3, 0)],
    "64-bit RISC-V.",
    target_arch = "riscv64"
);
machine!(
    LOONGARCH64,
    &["loongarch64"],
    &[],
    [abi("loongarch64", "LOONGARCH64", 0xc000_0102, 0)],
    "64-bit LoongArch.",
    target_arch = "loongarch64"
);
machine!(
    MIPS64EL,
    &["mips64", "mips", "mips64n32"],
    &[],
    [
        Abi { base: 5000, ..abi("mips64", "MIPSEL64", 0xc000_0008, 0) },
        Abi { base: 4000, multiplexed: true, ..abi("mips", "MIPSEL", 0x4000_0008, 1) },
        Abi { base: 6000, wide: false, ..abi("mips64n32", "MIPSEL64N32", 0xe000_0008, 2) },
    ],
    "Little-endian 64-bit MIPS: n64, o32 and n32.",
    all(target_arch = "mips64", target_endian = "little")
);
machine!(
    MIPS64,
    &["mips64", "mips", "mips64n32"],
    &[],
    [
        Abi { base: 5000, ..abi("mips64", "MIPS64", 0x8000_0008, 0) },
        Abi { base: 4000, multiplexed: true, ..abi("mips", "MIPS", 0x0000_0008, 1) },
        Abi { base: 6000, wide: false, ..abi("mips64n32", "MIPS64N32", 0xa000_0008, 2) },
    ],
    "Big-endian 64-bit MIPS: n64, o32 and n32.",
    all(target_arch = "mips64", target_endian = "big")
);
machine!(
    MIPSEL,
    &["mips"],
    &[],
    [Abi { base: 4000, multiplexed: true, ..abi("mips", "MIPSEL", 0x4000_0008, 0) }],
    "Little-endian 32-bit MIPS.",
    all(target_arch = "mips", target_endian = "little")
);
machine!(
    MIPS,
    &["mips"],
    &[],
    [Abi { base: 4000, multiplexed: true, ..abi("mips", "MIPS", 0x0000_0008, 0) }],
    "Big-endian 32-bit MIPS.",
    all(target_arch = "mips", target_endian = "big")
);
machine!(
    PPC64LE,
    &["ppc64"],
    &[],
    [Abi { multiplexed: true, ..abi("ppc64", "PPC64LE", 0xc000_0015, 0) }],
    "Little-endian 64-bit PowerPC, which has no 32-bit programs.",
    all(target_arch = "powerpc64", target_endian = "little")
);
machine!(
    PPC64,
    &["ppc64"],
    &[],
    [Abi { multiplexed: true, ..abi("ppc64", "PPC64", 0x8000_0015, 0) }],
    "Big-endian 64-bit PowerPC.",
    all(target_arch = "powerpc64", target_endian = "big")
);
machine!(
    S390X,
    &["s390x", "s390"],
    &[],
    [
        Abi { multiplexed: true, zero_is_unknown: true, ..abi("s390x", "S390X", 0x8000_0016, 0) },
        Abi { multiplexed: true, zero_is_unknown: true, ..abi("s390", "S390", 0x0000_0016, 1) },
    ],
    "64-bit s390, and its 31-bit programs up to Linux 6.18.",
    target_arch = "s390x"
);

/// Every machine, for tests that must not depend on the one they run on.
#[cfg(test)]
pub static MACHINES: &[&Machine] = &[
    &X86_64,
    &X86,
    &AARCH64,
    &ARM,
    &RISCV64,
    &LOONGARCH64,
    &MIPS64EL,
    &MIPS64,
    &MIPSEL,
    &MIPS,
    &PPC64LE,
    &PPC64,
    &S390X,
];

//! A filter for a person: the program as assembly with names, its size and depth, and what it does to one call.
//!
//! Works on the instructions alone, as the kernel sees them, and knows nothing of how they came to be. `check --seccomp`
//! prints with it; the tests run programs with it.

use super::graph::{MAX_INSTRUCTIONS, code};
use super::table::{Machine, X32_BIT};
use super::{ACTIONS, Data};
use crate::error::{Text, decimal};
use alloc::{format, string::String, vec, vec::Vec};
use core::fmt::Write as _;
use rustix::io::Errno;
use syscalls::seccomp::SockFilter;

/// A system call as a filter sees it, `struct seccomp_data`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub architecture: u32,
    /// The six registers.
    pub arguments: [u64; 6],
}

impl Call {
    /// The word at an offset, in the order of bytes of the machine that an architecture says it is (`__AUDIT_ARCH_LE`).
    fn word(&self, offset: u32) -> Option<u32> {
        let index = offset.checked_sub(16)?.checked_div(8)?;
        let argument = self.arguments.get(usize::try_from(index).ok()?)?;
        let second = offset & 4 != 0;
        let upper = second == (self.architecture & 0x4000_0000 != 0);
        let word = if upper { argument.wrapping_shr(32) } else { *argument };
        u32::try_from(word & 0xffff_ffff).ok()
    }
}

/// What a program did to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// `SECCOMP_RET_*` and its data.
    pub value: u32,
    /// How many instructions it took.
    pub steps: u32,
    /// Bits of the arguments that were looked at.
    pub arguments: u8,
}

/// Runs a program; `None` for one that the kernel would not take.
pub fn run(program: &[SockFilter], call: &Call) -> Option<Outcome> {
    let mut accumulator = 0;
    let mut arguments = 0;
    let mut at: usize = 0;
    for steps in 1..=u32::try_from(MAX_INSTRUCTIONS).ok()? {
        let instruction = program.get(at)?;
        let k = instruction.k;
        let skip = match instruction.code {
            code::LOAD => {
                accumulator = match k {
                    0 => call.number,
                    4 => call.architecture,
                    _ => {
                        arguments |= 1u8.wrapping_shl(k.saturating_sub(16).wrapping_shr(3));
                        call.word(k)?
                    }
                };
                0
            }
            code::AND => {
                accumulator &= k;
                0
            }
            code::JUMP => usize::try_from(k).ok()?,
            code::RETURN => return Some(Outcome { value: k, steps, arguments }),
            code => {
                let holds = match code {
                    code::JEQ => accumulator == k,
                    code::JGT => accumulator > k,
                    code::JGE => accumulator >= k,
                    _ => return None,
                };
                usize::from(if holds { instruction.jt } else { instruction.jf })
            }
        };
        at = at.checked_add(skip)?.checked_add(1)?;
    }
    None
}

/// How long a program is, and how many instructions of it are executed at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Instructions.
    pub instructions: usize,
    /// On the longest way to a decision that reads no argument.
    pub unconditional: u32,
    /// On the longest way of all.
    pub longest: u32,
}

/// Where an instruction goes next; twice the same where it does not branch. `None` at a return.
fn targets(at: usize, instruction: &SockFilter) -> Option<[usize; 2]> {
    let skips = match instruction.code {
        code::RETURN => return None,
        code::LOAD | code::AND => [0, 0],
        code::JUMP => [usize::try_from(instruction.k).ok()?; 2],
        _ => [usize::from(instruction.jt), usize::from(instruction.jf)],
    };
    Some(skips.map(|skip| at.saturating_add(skip).saturating_add(1)))
}

/// Measures a program.
pub fn size(program: &[SockFilter]) -> Size {
    // For each instruction, from the last: the longest way to an end, without (0: there is
    // none) and with arguments read.
    let mut ways: Vec<(u32, u32)> = vec![(0, 0); program.len()];
    for (at, instruction) in program.iter().enumerate().rev() {
        let reads_argument = instruction.code == code::LOAD && instruction.k >= 16;
        let way = match targets(at, instruction) {
            None => (1, 1),
            Some(targets) => {
                let of = |target: usize| ways.get(target).copied().unwrap_or_default();
                let [(a, longest_a), (b, longest_b)] = targets.map(of);
                let plain = match a.max(b) {
                    way @ 1.. if !reads_argument => way.saturating_add(1),
                    _ => 0,
                };
                (plain, longest_a.max(longest_b).saturating_add(1))
            }
        };
        if let Some(place) = ways.get_mut(at) {
            *place = way;
        }
    }
    let (plain, longest) = ways.first().copied().unwrap_or_default();
    Size { instructions: program.len(), unconditional: plain, longest }
}

/// An action as a profile names it, without `SCMP_ACT_`: `ERRNO EPERM (operation not permitted)`.
pub fn action(value: u32) -> String {
    let (action, data) = (value & 0xffff_0000, value & 0xffff);
    match ACTIONS.iter().filter(|(_, (have, _))| *have == action).last() {
        Some((name, (_, Data::None))) => name.into(),
        Some((name, (_, Data::Up(4095)))) => {
            let errno = Errno::from_raw_os_error(i32::try_from(data).unwrap_or_default());
            format!("{name} {}", Text(errno))
        }
        Some((name, (_, Data::Up(_)))) => format!("{name} {data}"),
        None => hex(value),
    }
}

/// Prints a program, one instruction a line. `machine` gives the names.
pub fn print(program: &[SockFilter], machine: &Machine) -> String {
    let mut out = String::new();
    // What is known at each instruction: the architecture tested for, and the offset last loaded.
    let mut known: Vec<(Option<u32>, u32)> = vec![(None, u32::MAX); program.len()];
    for (at, instruction) in program.iter().enumerate() {
        let (architecture, loaded) = known.get(at).copied().unwrap_or_default();
        let here = match instruction.code {
            code::LOAD => (architecture, instruction.k),
            _ => (architecture, loaded),
        };
        if let Some([yes, no]) = targets(at, instruction) {
            let tested = instruction.code == code::JEQ && loaded == 4;
            let there = if tested { (Some(instruction.k), loaded) } else { here };
            for (target, learned) in [(yes, there), (no, here)] {
                if let Some(known) = known.get_mut(target) {
                    *known = learned;
                }
            }
        }
        if loaded == 4 && instruction.code == code::LOAD && instruction.k == 0 {
            let audit = architecture.unwrap_or_default();
            let mut comma = "";
            for abi in machine.abis.iter().filter(|abi| abi.audit == audit) {
                out.push_str(comma);
                out.push_str(abi.name);
                comma = ", ";
            }
            out.push_str(":\n");
        }
        line(at, instruction, here, machine, &mut out);
    }
    out
}

/// One instruction, with what is known where it stands.
fn line(
    at: usize,
    instruction: &SockFilter,
    (architecture, loaded): (Option<u32>, u32),
    machine: &Machine,
    out: &mut String,
) {
    let k = instruction.k;
    let [yes, no] = targets(at, instruction).unwrap_or_default();
    let hex = || hex(k);
    let (operation, operand) = match instruction.code {
        code::LOAD => ("ld", word(k, machine)),
        code::AND => ("and", hex()),
        code::RETURN => ("ret", action(k)),
        code::JUMP => ("ja", decimal(yes)),
        test => {
            let constant = match loaded {
                4 => machine.abis.iter().find(|abi| abi.audit == k).map_or_else(hex, |abi| abi.name.into()),
                0 => call(k, architecture, machine),
                _ if k < 10 => decimal(k),
                _ => hex(),
            };
            let test = match test {
                code::JEQ => "jeq",
                code::JGT => "jgt",
                _ => "jge",
            };
            (test, format!("{constant:32} ? {yes} : {no}"))
        }
    };
    let _infallible = writeln!(out, "{at:5}  {operation:3}  {operand}");
}

/// A word of `struct seccomp_data` by name.
fn word(offset: u32, machine: &Machine) -> String {
    let big_endian = machine.abis.first().is_some_and(|abi| abi.big_endian);
    match offset {
        0 => "nr".into(),
        4 => "arch".into(),
        _ => {
            let upper = (offset & 4 == 0) == big_endian;
            let half = if upper { "upper" } else { "lower" };
            format!("arg{}.{half}", offset.saturating_sub(16).wrapping_shr(3))
        }
    }
}

/// A call's number with the name that the architecture gives it.
fn call(real: u32, architecture: Option<u32>, machine: &Machine) -> String {
    let mut call = number(real);
    for abi in machine.abis.iter().filter(|abi| Some(abi.audit) == architecture) {
        if let Some(entry) = machine.table.entry(abi, real) {
            call.push(' ');
            call.push_str(&machine.table.name(entry));
            break;
        }
    }
    call
}

/// A call's number as people know it: in decimal, but x32's with their bit.
pub fn number(real: u32) -> String {
    match real & X32_BIT {
        0 => decimal(real),
        _ => hex(real),
    }
}

fn hex(value: u32) -> String {
    format!("{value:#x}")
}

/// What a program makes of every call that has a name, an ABI after the other: the calls of each action, all together where
/// they are most, and what a number gets that has no name yet.
pub fn summary(program: &[SockFilter], machine: &Machine, out: &mut String) {
    for abi in machine.abis {
        // None is "by argument".
        let ask = |number| {
            let outcome = run(program, &Call { number, architecture: abi.audit, arguments: [0; 6] });
            outcome.filter(|outcome| outcome.arguments == 0).map(|outcome| outcome.value)
        };
        let say = |value: Option<u32>| value.map_or("by argument".into(), action);
        let mut groups: Vec<(Option<u32>, Vec<usize>)> = Vec::new();
        let mut last = 0;
        for entry in 0..machine.table.len() {
            let Some(number) = machine.table.number(abi, entry) else { continue };
            if number < abi.special {
                last = last.max(abi.real(number));
            }
            let value = ask(abi.real(number));
            match groups.iter_mut().find(|(have, _)| *have == value) {
                Some((_, entries)) => entries.push(entry),
                None => groups.push((value, Vec::from([entry]))),
            }
        }
        let most = groups.iter().map(|(_, entries)| entries.len()).max().unwrap_or_default();
        let _infallible = writeln!(out, "{}", abi.name);
        for (value, entries) in &groups {
            let mut column = out.len();
            let _infallible = write!(out, "  {}:", say(*value));
            if entries.len() == most {
                let others = if groups.len() > 1 { "the others" } else { "all" };
                let _infallible = write!(out, " {others}, {most} calls");
            } else {
                for entry in entries {
                    let name = machine.table.name(*entry);
                    let length = out.len().wrapping_sub(column).wrapping_add(name.len());
                    if length > 110 {
                        out.push_str("\n   ");
                        column = out.len();
                    }
                    out.push(' ');
                    out.push_str(&name);
                }
            }
            out.push('\n');
        }
        let _infallible =
            writeln!(out, "  {}: what is newer than {}", say(ask(last.wrapping_add(1))), number(last));
    }
}

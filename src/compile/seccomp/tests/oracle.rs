//! What a profile means, said slowly and obviously: the compiled program must agree.
//!
//! Nothing here is shared with the compiler but the profile's types and the list of ABIs: names come from the text of the
//! table, and every call walks through the whole profile.

use crate::compile::seccomp::asm::Call;
use crate::compile::seccomp::table::{Abi, Machine};
use crate::config::seccomp::{Arg, Rule, Seccomp};
extern crate std;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

const SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];
const IPC: [(&str, u32); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// `syscalls.tbl`, column by column.
pub struct Text(BTreeMap<String, BTreeMap<String, u32>>);

impl Text {
    pub fn read() -> Self {
        let text = include_str!("../table/syscalls.tbl");
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let head: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let mut columns: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            for (column, word) in head.iter().zip(&words).skip(1).filter(|(_, word)| **word != "-") {
                let column = columns.entry(column.to_string()).or_default();
                column.insert(words[0].to_string(), word.parse().unwrap());
            }
        }
        Text(columns)
    }

    pub fn numbers(&self, abi: &Abi) -> &BTreeMap<String, u32> {
        &self.0[abi.name]
    }
}

/// What a rule says in one ABI: its value, the numbers it is about, and numbers with a first argument.
struct Meaning {
    value: u32,
    direct: Vec<u32>,
    through: Vec<(u32, u32)>,
}

/// What does not change from call to call in one ABI.
struct Fixed {
    meanings: Vec<Meaning>,
    /// The greatest ordinary number that the profile names.
    newest: Option<u32>,
    /// The greatest number there is.
    last: u32,
}

/// Where the numbers begin that do not tell how new a call is.
fn special(abi: &Abi) -> u32 {
    match abi.name {
        "x32" => 512,
        "arm" => 0xf0000,
        _ => u32::MAX,
    }
}

/// A profile, with the numbers of its names looked up once.
pub struct Oracle<'p> {
    profile: &'p Seccomp<'p>,
    machine: &'static Machine,
    default: u32,
    fixed: BTreeMap<&'static str, Fixed>,
}

fn value_of(action: &str, errno: Option<u32>) -> u32 {
    match action {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 + errno.unwrap_or(1),
        "SCMP_ACT_NOTIFY" => 0x7fc0_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 + errno.unwrap_or(1),
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        _ => panic!("{action}"),
    }
}

/// How strict an action is, by the list in seccomp(2).
fn strictness(value: u32) -> usize {
    let order = [0x7fff, 0x7ffc, 0x7ff0, 0x7fc0, 0x0005, 0x0003, 0x0000, 0x8000];
    order.iter().position(|action| *action == value >> 16).unwrap()
}

fn condition(arg: &Arg<'_>, argument: u64, wide: bool) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let (have, value, second) = (cut(argument), cut(arg.value.unwrap()), cut(arg.value_two.unwrap_or(0)));
    match arg.op {
        "SCMP_CMP_NE" => have != value,
        "SCMP_CMP_LT" => have < value,
        "SCMP_CMP_LE" => have <= value,
        "SCMP_CMP_EQ" => have == value,
        "SCMP_CMP_GE" => have >= value,
        "SCMP_CMP_GT" => have > value,
        "SCMP_CMP_MASKED_EQ" => have & value == second & value,
        operator => panic!("{operator}"),
    }
}

fn conditions(rule: &Rule<'_>, call: &Call, wide: bool) -> bool {
    let mut seen = [0; 6];
    for arg in &rule.args {
        seen[arg.index.unwrap() as usize] += 1;
    }
    let mut hold =
        rule.args.iter().map(|arg| condition(arg, call.arguments[arg.index.unwrap() as usize], wide));
    match seen.iter().any(|times| *times > 1) {
        true => hold.any(|holds| holds),
        false => hold.all(|holds| holds),
    }
}

impl<'p> Oracle<'p> {
    pub fn new(profile: &'p Seccomp<'p>, machine: &'static Machine, text: &Text) -> Self {
        let mut fixed = BTreeMap::new();
        for abi in machine.abis {
            let numbers = text.numbers(abi);
            let mut meanings = Vec::new();
            for rule in &profile.syscalls {
                let value = value_of(rule.action, rule.errno_ret);
                let mut meaning = Meaning { value, direct: Vec::new(), through: Vec::new() };
                for name in &rule.names {
                    meaning.direct.extend(numbers.get(*name));
                    if abi.multiplexed {
                        if let Some(at) = SOCKETCALL.iter().position(|have| **have == **name) {
                            meaning.through.push((numbers["socketcall"], at as u32 + 1));
                        }
                        if let Some((_, call)) = IPC.iter().find(|(have, _)| **have == **name) {
                            meaning.through.push((numbers["ipc"], *call));
                        }
                    }
                }
                meanings.push(meaning);
            }
            let named = meanings.iter().flat_map(|meaning| &meaning.direct).copied();
            let newest = named.filter(|number| *number < special(abi)).max();
            let last = numbers.values().copied().max().unwrap();
            fixed.insert(abi.name, Fixed { meanings, newest, last });
        }
        let default = value_of(profile.default_action, profile.default_errno_ret);
        Oracle { profile, machine, default, fixed }
    }

    fn named(&self, abi: &Abi) -> bool {
        core::ptr::eq(abi, &self.machine.abis[0])
            || self.profile.architectures.iter().any(|name| name.strip_prefix("SCMP_ARCH_") == Some(abi.scmp))
    }

    /// What the kernel is to do with a call.
    pub fn decide(&self, call: &Call) -> u32 {
        let same = |abi: &&Abi| abi.audit == call.architecture;
        let abis: Vec<&Abi> = self.machine.abis.iter().filter(same).collect();
        let abi = match abis[..] {
            [] => return 0,
            [abi] => abi,
            [native, x32] if self.named(x32) => {
                if call.number >= x32.bit {
                    x32
                } else {
                    native
                }
            }
            [_, x32] if call.number >= x32.bit && call.number != u32::MAX => return 0,
            [native, _] => native,
            _ => panic!("three ABIs of one architecture"),
        };
        if !self.named(abi) {
            return 0;
        }
        let number = call.number & !abi.bit;
        let default = self.default;
        let Fixed { meanings, newest, last } = &self.fixed[abi.name];
        let rules =
            || self.profile.syscalls.iter().zip(meanings).filter(|(_, meaning)| meaning.value != default);

        for (rule, meaning) in rules() {
            if rule.args.is_empty() && meaning.direct.contains(&number) {
                return meaning.value;
            }
        }
        let mut spoken_of = false;
        for (rule, meaning) in rules() {
            if meaning.direct.contains(&number) {
                spoken_of = true;
                if conditions(rule, call, abi.wide) {
                    return meaning.value;
                }
            }
            for (through, first) in &meaning.through {
                let counts = rule.args.is_empty() || strictness(meaning.value) > strictness(default);
                if *through == number && counts {
                    spoken_of = true;
                    let have = if abi.wide { call.arguments[0] } else { call.arguments[0] & 0xffff_ffff };
                    if have == u64::from(*first) {
                        return meaning.value;
                    }
                }
            }
        }
        if spoken_of {
            return default;
        }
        let newer = match *newest {
            None => false,
            Some(newest) if number >= special(abi) => number > *last && number > newest,
            Some(newest) => number > newest || (abi.name.starts_with("s390") && number == 0),
        };
        match default & 0xffff_0000 {
            0x7fff_0000 | 0x7ffc_0000 | 0x7ff0_0000 => default,
            _ if newer => 0x0005_0000 + 38,
            _ => default,
        }
    }
}

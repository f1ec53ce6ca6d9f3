//! Random profiles and random calls: the program against the oracle, on every kind of machine.

use super::fuzz::{Random, mutate, seeds, variable};
use super::*;
use crate::config::seccomp::{Arg, Rule};
use std::vec::Vec;

/// Values around which comparisons go wrong.
const VALUES: &[u64] = &[
    0,
    1,
    2,
    8,
    40,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x2_0000_0000,
    0x2_0000_0028,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_fffe,
    u64::MAX,
];

fn value(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => random.next(),
        1 => 1 << random.below(64),
        _ => random.pick(VALUES),
    }
}

fn arg(random: &mut Random, arguments: usize) -> Arg<'static> {
    Arg {
        index: Some(random.below(arguments) as u32),
        value: Some(value(random)),
        value_two: if random.one_in(2) { Some(value(random)) } else { None },
        op: ["SCMP_CMP_", random.pick(&OPERATORS.names.iter().collect::<Vec<_>>())].concat().leak(),
    }
}

/// An action that may stand in a rule, with or without an errno.
fn action(random: &mut Random) -> (&'static str, Option<u32>) {
    let (name, (_, data)) = random.pick(&ACTIONS.iter().collect::<Vec<_>>());
    let name = &*["SCMP_ACT_", name].concat().leak();
    let errno = match data {
        Data::Up(most) if random.one_in(2) => Some(random.below(most as usize + 1) as u32),
        Data::Up(_) if random.one_in(4) => Some(38),
        _ => None,
    };
    (name, errno)
}

fn profile(random: &mut Random, machine: &'static Machine) -> Seccomp<'static> {
    let (default, default_errno) = loop {
        let action = action(random);
        if action.0 != "SCMP_ACT_NOTIFY" {
            break action;
        }
    };
    let names = machine.table.len();
    // A few names that many rules speak of, or any.
    let few: Vec<usize> = (0..=random.below(12)).map(|_| random.below(names)).collect();
    let any = random.one_in(2);
    let arguments = random.pick(&[1, 2, 6]);
    let conditional = random.pick(&[1, 2, 4, 1000]);
    let mut rules = Vec::new();
    for _ in 0..random.pick(&[0, 1, 3, 6, 12, 24]) {
        let (action, errno_ret) = action(random);
        let mut rule = Rule { action, errno_ret, ..Rule::default() };
        let start = random.below(names);
        for next in 0..=random.pick(&[0, 0, 2, 10, 60]) {
            let entry = match random.below(4) {
                0 if any => random.below(names),
                1 | 2 if any => (start + next) % names,
                _ => random.pick(&few),
            };
            let name = machine.table.name(entry);
            if !(name == "write" && action == "SCMP_ACT_NOTIFY") {
                rule.names.push(name.leak());
            }
        }
        if random.one_in(10) {
            rule.names.push(random.pick(&["socketcall", "ipc", "riscv_hwprobe", "no_such_call"]));
        }
        if random.one_in(conditional) {
            rule.args = (0..=random.pick(&[0, 0, 1, 2, 5])).map(|_| arg(random, arguments)).collect();
        }
        if !rule.names.is_empty() {
            rules.push(rule);
        }
    }
    let mut architectures = Vec::new();
    for abi in machine.abis {
        if !random.one_in(3) {
            architectures.push(&*["SCMP_ARCH_", abi.scmp].concat().leak());
        }
    }
    Seccomp {
        default_action: default,
        default_errno_ret: default_errno,
        architectures: architectures.into(),
        listener_path: "/run/agent.sock",
        syscalls: rules.into(),
        ..Seccomp::default()
    }
}

fn random_call(random: &mut Random, machine: &'static Machine, profile: &Seccomp<'_>) -> Call {
    let abi = &machine.abis[random.below(machine.abis.len())];
    let rule = if profile.syscalls.is_empty() { None } else { Some(random.below(profile.syscalls.len())) };
    let rule = rule.map(|at| &profile.syscalls[at]);
    let named = rule.and_then(|rule| {
        let name = &rule.names[random.below(rule.names.len())];
        let entry = machine.table.find(name)?;
        Some(abi.real(machine.table.number(abi, entry)?))
    });
    let number = match (random.below(12), named) {
        (0, _) => random.next() as u32,
        (1, _) => random.pick(&[0, 1, u32::MAX, 0x3fff_ffff, 0x4000_0000, 0x8000_0000, 0xf0000, 0xf0007]),
        (2, _) => (u32::from(abi.base) + random.below(700) as u32) | abi.bit,
        (3, Some(number)) => number.wrapping_add(random.pick(&[1, u32::MAX])),
        (4, Some(number)) => number ^ random.pick(&[abi.bit, 0x4000_0000]),
        (5, _) => {
            let through = random.pick(&["socketcall", "ipc"]);
            let entry = machine.table.find(through);
            let number = entry.and_then(|entry| machine.table.number(abi, entry));
            number.map_or(0, |number| abi.real(number))
        }
        (_, Some(number)) => number,
        (_, None) => random.below(600) as u32,
    };
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = match random.below(4) {
            0 => random.below(26) as u64,
            _ => value(random),
        };
    }
    for arg in rule.iter().flat_map(|rule| &rule.args) {
        let near = match random.below(6) {
            0 => 1,
            1 => u64::MAX,
            2 => 1 << 32,
            _ => 0,
        };
        let wanted = if arg.op == "SCMP_CMP_MASKED_EQ" { arg.value_two } else { arg.value };
        arguments[arg.index.unwrap() as usize] = wanted.unwrap_or(0).wrapping_add(near);
    }
    let architecture = if random.one_in(30) { random.next() as u32 } else { abi.audit };
    Call { number, architecture, arguments }
}

/// Compares until so many cases agreed; returns how many programs that took.
fn compare(seed: u64, cases: usize) -> usize {
    const CALLS: usize = 500;
    let text = Text::read();
    let mut random = Random::new(seed);
    let options = Options { allow_unknown: true };
    let (mut agreed, mut programs, mut values) = (0, 0, std::collections::BTreeSet::new());
    while agreed < cases {
        let machine = random.pick(MACHINES);
        let profile = profile(&mut random, machine);
        let filter = match compile("linux.seccomp.", &profile, machine, options) {
            Ok(filter) => filter,
            Err(error) if error.message().ends_with("needs more than 4096 instructions") => continue,
            Err(error) => panic!("{error}: {profile:?}"),
        };
        programs += 1;
        let oracle = Oracle::new(&profile, machine, &text);
        for _ in 0..CALLS {
            let call = random_call(&mut random, machine, &profile);
            let have =
                asm::run(&filter.program, &call).expect("a program that the kernel would refuse").value;
            let want = oracle.decide(&call);
            values.insert(want >> 16);
            assert_eq!(have, want, "seed {seed}: {call:#x?} of {profile:#?}");
            agreed += 1;
        }
    }
    assert_eq!(values.len(), 8, "not every action was seen: {values:x?}");
    std::println!("oracle: {agreed} calls of {programs} random profiles agree (seed {seed})");
    programs
}

/// `RUNLET_ORACLE_CASES` makes it longer, for one seed.
#[test]
fn fuzz_programs_agree_with_the_oracle() {
    let cases = variable("RUNLET_ORACLE_CASES").unwrap_or(60_000);
    for seed in seeds(1) {
        assert!(compare(seed, cases) >= cases / 500);
    }
}

/// Whatever a broken profile says: an error, or a program that the kernel would take.
#[test]
fn fuzz_broken_profiles_are_errors_or_programs() {
    let sound = include_bytes!("../../../../tests/data/seccomp/podman.json");
    let words =
        &["\"SCMP_ACT_NOTIFY\"", "\"SCMP_CMP_GT\"", "\"SCMP_ARCH_S390X\"", "\"errnoRet\":4096", "\"write\""];
    let (mut taken, mut refused) = (0, 0);
    for seed in seeds(400) {
        let mut random = Random::new(seed);
        let mut json = sound.to_vec();
        mutate(&mut random, &mut json, words);
        let Ok(profile) = crate::config::parse::<Seccomp<'_>>("profile", &json) else {
            refused += 1;
            continue;
        };
        match compile("", profile, &X86_64, Options { allow_unknown: true }) {
            Err(_) => refused += 1,
            Ok(filter) => {
                taken += 1;
                for number in [0, 41, 56, 135, 500, 0x4000_0000, u32::MAX] {
                    asm::run(&filter.program, &call(number, random.next()))
                        .expect("a program without an end");
                }
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

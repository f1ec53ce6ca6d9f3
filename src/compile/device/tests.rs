//! Golden programs, and programs against the rules they come from, access by access.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::panic)]
use super::*;
use crate::config::List;
use alloc::format;

fn rules(json: &str) -> &List<DeviceRule<'_>> {
    crate::config::parse("resources", json.as_bytes()).unwrap()
}

fn program(json: &str) -> Vec<Insn> {
    fold(rules(json), &[]).unwrap().program().unwrap().unwrap()
}

fn exceptions(devices: &Devices) -> Option<Vec<(&'static str, String)>> {
    let mut writes = Vec::new();
    devices.exceptions(&mut |file, line| writes.push((file, line.into()))).map(|()| writes)
}

fn destination(insn: &Insn) -> u8 {
    if cfg!(target_endian = "little") { insn.regs & 15 } else { insn.regs >> 4 }
}

fn listing(program: &[Insn]) -> String {
    let register = |n: u8| ["r0", "r1", "type", "access", "major", "minor"][usize::from(n)];
    let mut text = String::new();
    for (at, insn) in program.iter().enumerate() {
        let to = at as i64 + i64::from(insn.off) + 1;
        let (dst, imm) = (register(destination(insn)), insn.imm);
        text += &match insn.code {
            LOAD_HALF | LOAD_WORD => format!("{at}: {dst} = ctx[{}]\n", insn.off),
            MOV => format!("{at}: {dst} = {imm}\n"),
            EXIT => format!("{at}: exit\n"),
            JA => format!("{at}: goto {to}\n"),
            JEQ => format!("{at}: if {dst} == {imm} goto {to}\n"),
            JNE => format!("{at}: if {dst} != {imm} goto {to}\n"),
            JSET => format!("{at}: if {dst} & {imm} goto {to}\n"),
            JLT => format!("{at}: if {dst} < {imm} goto {to}\n"),
            JLE => format!("{at}: if {dst} <= {imm} goto {to}\n"),
            other => panic!("unknown operation {other:#x}"),
        };
    }
    text
}

/// Runs a program as the kernel would, and refuses what its verifier would: jumps out of the program, backwards, and
/// instructions that nothing reaches.
fn run(program: &[Insn], kind: u8, access: u8, major: u32, minor: u32) -> bool {
    let mut registers = [0xdead_beef_dead_beef_u64; 6];
    let mut at = 0usize;
    loop {
        let insn = program[at];
        at += 1;
        let (dst, imm) = (usize::from(destination(&insn)), i64::from(insn.imm).cast_unsigned());
        let jump = match insn.code {
            LOAD_HALF if insn.off == 0 => {
                registers[dst] = kind.into();
                false
            }
            LOAD_HALF if insn.off == 2 => {
                registers[dst] = access.into();
                false
            }
            LOAD_WORD => {
                registers[dst] = if insn.off == 4 { major.into() } else { minor.into() };
                false
            }
            MOV => {
                registers[dst] = imm;
                false
            }
            EXIT => return registers[0] == 1,
            JA => true,
            JEQ => registers[dst] == imm,
            JNE => registers[dst] != imm,
            JSET => registers[dst] & imm != 0,
            JLT => registers[dst] < imm,
            JLE => registers[dst] <= imm,
            other => panic!("unknown operation {other:#x}"),
        };
        if jump {
            assert!(insn.off >= 0, "a jump backwards");
            at += usize::try_from(insn.off).unwrap();
        }
    }
}

fn every_instruction_is_reached(program: &[Insn]) -> bool {
    let mut reached = alloc::vec![false; program.len()];
    let mut open = alloc::vec![0usize];
    while let Some(at) = open.pop() {
        if core::mem::replace(&mut reached[at], true) {
            continue;
        }
        let to = at + 1 + usize::try_from(program[at].off).unwrap();
        match program[at].code {
            EXIT => {}
            JA => open.push(to),
            JEQ | JNE | JSET | JLT | JLE => open.extend([at + 1, to]),
            _ => open.push(at + 1),
        }
    }
    reached.iter().all(|reached| *reached)
}

/// The meaning, told slowly: bit by bit, the last rule that speaks of it decides.
fn oracle(rules: &[DeviceRule<'_>], kind: char, access: u8, major: u32, minor: u32) -> bool {
    [(MKNOD, 'm'), (READ, 'r'), (WRITE, 'w')].iter().filter(|(bit, _)| access & bit != 0).all(
        |(_, letter)| {
            let default = match (kind, major, minor) {
                ('c', 1, 3 | 5 | 7 | 8 | 9) | ('c', 5, 0 | 2) | ('c', 136, _) => Some(true),
                _ => None,
            };
            let listed = rules.iter().rev().find(|rule| {
                (matches!(rule.kind, "" | "a") || rule.kind.starts_with(kind))
                    && rule.major.is_none_or(|any| any < 0 || any == i64::from(major))
                    && rule.minor.is_none_or(|any| any < 0 || any == i64::from(minor))
                    && (rule.access.is_empty() || rule.access.contains(*letter))
            });
            default.or(listed.map(|rule| rule.allow)).unwrap_or(false)
        },
    )
}

const DEFAULT: &str = r#"[{"allow": false, "access": "rwm"}]"#;
const DOCKER: &str = r#"[{"allow": false, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 8, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 7, "access": "rwm"},
    {"allow": true, "type": "c", "major": 5, "minor": 0, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
    {"allow": true, "type": "c", "major": 1, "minor": 9, "access": "rwm"},
    {"allow": true, "type": "c", "major": 5, "minor": 1, "access": "rwm"},
    {"allow": true, "type": "c", "major": 136, "access": "rwm"},
    {"allow": true, "type": "c", "major": 5, "minor": 2, "access": "rwm"}]"#;
const MKNOD_ANY: &str =
    r#"[{"allow": true, "type": "c", "access": "m"}, {"allow": true, "type": "b", "access": "m"}]"#;

#[test]
#[cfg(target_endian = "little")]
fn the_default_rules_become_this_program() {
    let expected = "0: type = ctx[0]\n1: major = ctx[4]\n2: minor = ctx[8]\n3: r0 = 1\n\
        4: if type != 2 goto 15\n5: if major == 136 goto 16\n6: if major != 1 goto 12\n\
        7: if minor == 3 goto 16\n8: if minor == 5 goto 16\n9: if minor < 7 goto 11\n10: if minor <= 9 goto 16\n\
        11: goto 15\n12: if major != 5 goto 15\n13: if minor == 0 goto 16\n14: if minor == 2 goto 16\n\
        15: r0 = 0\n16: exit\n";
    assert_eq!(listing(&program(DEFAULT)), expected);
    assert_eq!(listing(&program("[]")), expected);
}

#[test]
#[cfg(target_endian = "little")]
fn a_device_that_grants_some_bits_gets_a_block_of_its_own() {
    let text =
        listing(&program(r#"[{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]"#));
    let tail = "17: if major != 10 goto 19\n18: if minor == 229 goto 20\n19: goto 22\n\
        20: if access & 5 goto 22\n21: goto 23\n22: r0 = 0\n23: exit\n";
    assert!(text.ends_with(tail), "{text}");
}

#[test]
fn the_rules_that_engines_send_stay_under_thirty_instructions() {
    for rules in [DEFAULT, DOCKER, MKNOD_ANY] {
        let program = program(rules);
        assert!(program.len() < 30, "{}:\n{}", program.len(), listing(&program));
    }
}

#[test]
fn everything_granted_needs_no_program() {
    let needs_one = |json| fold(rules(json), &[]).unwrap().program().unwrap().is_some();
    assert!(!needs_one(r#"[{"allow": true, "access": "rwm"}]"#));
    assert!(!needs_one(r#"[{"allow": false}, {"allow": true}]"#));
    assert!(needs_one(r#"[{"allow": true}, {"allow": false, "type": "b", "major": 8, "access": "w"}]"#));
}

#[test]
fn a_rule_that_is_not_one_is_refused_by_its_place() {
    let refused = |json: &str| fold(rules(json), &[]).unwrap_err();
    let access = r#"[{"allow": true}, {"allow": true, "access": "rx"}]"#;
    assert_eq!(refused(access), Invalid { index: 1, what: "access: must be made of r, w and m" });
    assert_eq!(refused(r#"[{"type": "p"}]"#), Invalid { index: 0, what: "type: must be a, b, c or u" });
    assert_eq!(refused(r#"[{"major": 4294967296}]"#).what, "major: out of range");
    assert_eq!(refused(r#"[{"minor": 4294967295}]"#).what, "minor: out of range");
}

#[test]
fn every_program_means_what_its_rules_say() {
    // xorshift64*, seeded: the same rule lists in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    };
    let numbers = [0, 1, 2, 3, 4, 5, 7, 8, 9, 136, 200];
    for _ in 0..400 {
        let list: Vec<DeviceRule<'_>> = (0..random(9))
            .map(|_| DeviceRule {
                allow: random(3) > 0,
                kind: ["", "a", "b", "c"][random(4) as usize],
                major: (random(3) > 0).then(|| numbers[random(11) as usize]),
                minor: (random(3) > 0).then(|| numbers[random(11) as usize]),
                access: ["", "r", "w", "m", "rw", "rm", "wm", "rwm"][random(8) as usize],
            })
            .collect();
        let devices = fold(&list, &[]).unwrap();
        let Some(program) = devices.program().unwrap() else {
            assert!(
                numbers
                    .iter()
                    .all(|n| oracle(&list, 'b', ALL, *n as u32, 3) && oracle(&list, 'c', ALL, 3, *n as u32))
            );
            continue;
        };
        assert!(every_instruction_is_reached(&program), "{}", listing(&program));
        for (letter, kind) in [('b', BLOCK), ('c', CHAR)] {
            for major in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 136, 200, 4095] {
                for minor in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 136, 200, 1_048_575] {
                    for access in 1..=7 {
                        assert_eq!(
                            run(&program, kind, access, major, minor),
                            oracle(&list, letter, access, major, minor),
                            "{letter} {major}:{minor} access {access} of {list:?}\n{}",
                            listing(&program)
                        );
                    }
                }
            }
        }
    }
}

/// What cgroup v1 makes of the writes (security/device_cgroup.c): one exception must cover the whole of what is asked for,
/// and one that covers a part of it denies.
fn v1_grants(writes: &[(&str, String)], kind: char, access: u8, major: u32, minor: u32) -> bool {
    let mut covered = false;
    for (_, line) in &writes[1..] {
        let mut words = line.split([' ', ':']);
        let (letter, m, n, bits) =
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let bits = bits.bytes().fold(0, |all, b| {
            all | [(b'r', READ), (b'w', WRITE), (b'm', MKNOD)].iter().find(|x| x.0 == b).unwrap().1
        });
        let same = letter.starts_with(kind)
            && (m == "*" || m == format!("{major}"))
            && (n == "*" || n == format!("{minor}"));
        covered |=
            same && if writes[0].0 == "devices.deny" { access & !bits == 0 } else { access & bits != 0 };
    }
    covered == (writes[0].0 == "devices.deny")
}

#[test]
fn cgroup_v1_gets_the_same_meaning_or_a_refusal() {
    let writes = exceptions(&fold(rules(DEFAULT), &[]).unwrap()).unwrap();
    let lines: Vec<_> = writes.iter().map(|(file, line)| format!("{file} {line}")).collect();
    assert_eq!(lines[..3], ["devices.deny a", "devices.allow c 1:3 rwm", "devices.allow c 1:5 rwm"]);
    assert_eq!(lines.last().unwrap(), "devices.allow c 136:* rwm");
    for list in [
        DEFAULT,
        DOCKER,
        MKNOD_ANY,
        r#"[{"allow": true}]"#,
        r#"[{"allow": true}, {"allow": false, "type": "b", "major": 8}, {"allow": false, "type": "c", "major": 10, "minor": 3, "access": "w"}]"#,
        r#"[{"allow": true, "type": "c", "minor": 3, "access": "r"}, {"allow": true, "type": "c", "major": 7, "minor": 3, "access": "rw"}]"#,
    ] {
        let list = rules(list);
        let writes = exceptions(&fold(list, &[]).unwrap()).unwrap();
        for kind in ['b', 'c'] {
            for major in [0, 1, 5, 7, 8, 10, 136] {
                for minor in [0, 1, 2, 3, 5] {
                    for access in 1..=7 {
                        assert_eq!(
                            v1_grants(&writes, kind, access, major, minor),
                            oracle(list, kind, access, major, minor),
                            "{kind} {major}:{minor} {access} of {writes:?}"
                        );
                    }
                }
            }
        }
    }
    let hole = r#"[{"allow": true, "type": "b", "major": 8}, {"allow": false, "type": "b", "major": 8, "minor": 1}]"#;
    assert!(exceptions(&fold(rules(hole), &[]).unwrap()).is_none());
}

/// config-linux.md "Devices": a node of the list is made whether or not it may be used.
#[test]
fn nodes_may_be_made_and_not_used() {
    let list = rules(r#"[{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]"#);
    let devices = fold(list, &[(false, 10, 229), (true, 7, 300), (false, 1, 11)]).unwrap();
    let writes = exceptions(&devices).unwrap();
    for line in ["c 10:229 rwm", "b 7:300 m", "c 1:11 m"] {
        assert!(writes.iter().any(|(_, value)| value == line), "{line}: {writes:?}");
    }
}

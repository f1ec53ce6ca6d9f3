#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic
)]

#[path = "../../../../tests/harness/fuzz.rs"]
mod fuzz;
mod golden;
mod oracle;
mod random;
mod refusals;

use super::asm;
use super::table::{AARCH64, MACHINES, S390X, X86_64};
use super::*;
extern crate std;
use oracle::{Oracle, Text};
use std::string::String;

/// Compiles a profile written as JSON.
pub fn from_json<T>(json: &str, then: impl FnOnce(&Seccomp<'_>) -> T) -> T {
    then(crate::config::parse("profile", json.as_bytes()).unwrap())
}

/// Compiles for x86_64 and gives the value of one call.
fn value(json: &str, call: Call) -> u32 {
    from_json(json, |profile| {
        let filter = compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap();
        asm::run(&filter.program, &call).unwrap().value
    })
}

const X86_64_ARCH: u32 = 0xc000_003e;
const X86_ARCH: u32 = 0x4000_0003;

fn call(number: u32, first: u64) -> Call {
    Call { number, architecture: X86_64_ARCH, arguments: [first, 0, 0, 0, 0, 0] }
}

#[test]
fn upper_halves_come_first_on_big_endian_machines() {
    let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW",
        "args":[{"index":1,"value":4294967296,"op":"SCMP_CMP_EQ"}]}]}"#;
    let loads = |machine: &'static Machine| {
        from_json(json, |profile| {
            let program = compile("linux.seccomp.", profile, machine, Options::default()).unwrap().program;
            let loads = program.iter().filter(|one| one.code == graph::code::LOAD && one.k >= 16);
            loads.map(|one| one.k).collect::<Vec<u32>>()
        })
    };
    assert_eq!(loads(&AARCH64), [28, 24]);
    assert_eq!(loads(&S390X), [24, 28]);
}

#[test]
fn a_kernel_decides_allowed_calls_once_for_all() {
    // Since Linux 5.11 a call is allowed without running the filter when the filter reads only the number and the
    // architecture on its way there (kernel/seccomp.c, `seccomp_is_const_allow`), with these instructions and no others.
    let json = include_str!("../../../../tests/data/seccomp/docker.json");
    from_json(json, |profile| {
        let program = compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap().program;
        let size = asm::size(&program);
        for number in [0, 1, 3, 9, 202, 257] {
            let outcome = asm::run(&program, &call(number, 0)).unwrap();
            assert_eq!((outcome.value, outcome.arguments), (ALLOW, 0));
            assert!(outcome.steps <= size.unconditional);
        }
    });
}

#[test]
fn five_values_of_one_argument_load_it_once() {
    let rule = |value: u64| {
        std::format!(
            "{{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{{\"index\":0,\"value\":{value},\"op\":\"SCMP_CMP_EQ\"}}]}}"
        )
    };
    let rules: Vec<String> = [0, 8, 131_072, 131_080, 4_294_967_295].map(rule).into();
    let json = std::format!(
        "{{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"syscalls\":[{}]}}",
        rules.join(",")
    );
    from_json(&json, |profile| {
        let program = compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap().program;
        let loads = program.iter().filter(|one| one.code == graph::code::LOAD && one.k >= 16).count();
        assert_eq!((program.len(), loads), (17, 2), "{program:?}");
    });
}

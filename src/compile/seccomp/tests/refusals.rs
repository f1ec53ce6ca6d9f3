//! What is refused, each beside a profile that differs in one word and is taken.

use super::*;
use std::{format, string::ToString};

fn refusal(json: &str) -> String {
    from_json(json, |profile| match compile("linux.seccomp.", profile, &X86_64, Options::default()) {
        Ok(filter) => panic!("taken: {filter:?}"),
        Err(error) => error.to_string(),
    })
}

fn taken(json: &str) {
    from_json(json, |profile| {
        compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap();
    });
}

fn profile(rest: &str) -> String {
    format!("{{\"defaultAction\":\"SCMP_ACT_ERRNO\"{rest}}}")
}

fn rule(rest: &str) -> String {
    profile(&format!(",\"syscalls\":[{{\"names\":[\"read\"],{rest}}}]"))
}

fn arg(rest: &str) -> String {
    rule(&format!("\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{{{rest}}}]"))
}

#[test]
fn words_that_are_none_name_their_place() {
    taken(&profile(""));
    let text = refusal("{\"defaultAction\":\"SCMP_ACT_MAYBE\"}");
    assert_eq!(text, "linux.seccomp.defaultAction: unknown action \"SCMP_ACT_MAYBE\"");
    assert!(refusal("{}").starts_with("linux.seccomp.defaultAction: unknown action \"\""));
    taken(&rule("\"action\":\"SCMP_ACT_KILL\""));
    assert!(refusal(&rule("\"action\":\"kill\"")).starts_with("linux.seccomp.syscalls[0].action: unknown"));
    taken(&arg("\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\""));
    let text = refusal(&arg("\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_IS\""));
    assert_eq!(text, "linux.seccomp.syscalls[0].args[0].op: unknown operator \"SCMP_CMP_IS\"");
    taken(&profile(",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]"));
    assert!(refusal(&profile(",\"flags\":[\"LOG\"]")).starts_with("linux.seccomp.flags[0]: unknown flag"));
    taken(&profile(",\"architectures\":[\"SCMP_ARCH_AARCH64\"]"));
    let text = refusal(&profile(",\"architectures\":[\"SCMP_ARCH_X86\",\"amd64\"]"));
    assert_eq!(text, "linux.seccomp.architectures[1]: unknown architecture \"amd64\"");
}

#[test]
fn an_errno_belongs_to_an_action_that_has_one_and_fits() {
    taken(&rule("\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":4095"));
    assert!(refusal(&rule("\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":4096")).contains("more than 4095"));
    taken(&rule("\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65535"));
    assert!(refusal(&rule("\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65536")).contains("more than 65535"));
    for action in ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "ALLOW", "LOG"] {
        let text = refusal(&rule(&format!("\"action\":\"SCMP_ACT_{action}\",\"errnoRet\":1")));
        assert_eq!(text, format!("linux.seccomp.syscalls[0].action: SCMP_ACT_{action} takes no errno"));
    }
    let text = refusal("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}");
    assert!(text.starts_with("linux.seccomp.defaultAction:"), "{text}");
}

#[test]
fn conditions_are_whole() {
    assert!(refusal(&arg("\"value\":1,\"op\":\"SCMP_CMP_EQ\"")).contains("args[0].index: must be 0 to 5"));
    assert!(refusal(&arg("\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"")).contains("must be 0 to 5"));
    assert!(refusal(&arg("\"index\":5,\"op\":\"SCMP_CMP_EQ\"")).contains("args[0].value: is missing"));
    assert!(
        refusal(&profile(",\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]")).contains("names")
    );
}

#[test]
fn a_notification_needs_someone_to_answer_it() {
    let notify = "\"action\":\"SCMP_ACT_NOTIFY\"}],\"listenerPath\":\"/run/agent\"";
    let rules = |name: &str| profile(&format!(",\"syscalls\":[{{\"names\":[\"{name}\"],{notify}"));
    taken(&rules("read"));
    assert!(refusal(&rules("write")).contains("cannot be used for write"));
    assert!(
        refusal(&rule("\"action\":\"SCMP_ACT_NOTIFY\""))
            .starts_with("linux.seccomp.listenerPath: is missing")
    );
    let text = refusal("{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"/run/agent\"}");
    assert!(text.contains("cannot be the default"));
    assert!(refusal(&profile(",\"listenerMetadata\":\"x\"")).starts_with("linux.seccomp.listenerMetadata"));
    taken(&profile(",\"listenerMetadata\":\"x\",\"listenerPath\":\"/run/agent\""));
    let flags = profile(",\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]");
    assert!(refusal(&flags).contains("needs a rule with SCMP_ACT_NOTIFY"));
}

#[test]
fn flags_are_passed_on_and_absent_ones_have_a_default() {
    let flags = |json: &str| {
        from_json(json, |profile| {
            let filter = compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap();
            (filter.flags, filter.default_flags)
        })
    };
    assert_eq!(flags(&profile("")), (flag::SPEC_ALLOW, true));
    assert_eq!(flags(&profile(",\"flags\":[]")), (0, false));
    let both = ",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"]";
    assert_eq!(flags(&profile(both)), (flag::LOG | flag::TSYNC, false));
    let notify =
        ",\"listenerPath\":\"/a\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"}]";
    assert_eq!(flags(&profile(&format!("{both}{notify}"))), (flag::LOG | flag::NEW_LISTENER, false));
}

#[test]
fn unknown_names_are_skipped_and_told_until_they_are_more_than_a_fifth() {
    let names = |names: &str| {
        profile(&format!(",\"syscalls\":[{{\"names\":[{names}],\"action\":\"SCMP_ACT_ALLOW\"}}]"))
    };
    let four = names("\"read\",\"write\",\"open\",\"close\",\"riscv_hwprobe\",\"nosuch\"");
    from_json(&four, |profile| {
        assert_eq!(
            compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap().unknown,
            ["nosuch"]
        );
    });
    let three = names("\"read\",\"write\",\"open\",\"nosuch\"");
    let text = refusal(&three);
    assert!(
        text.starts_with("linux.seccomp.syscalls: 1 of 4 names are no system calls known here"),
        "{text}"
    );
    from_json(&three, |profile| {
        let filter = compile("linux.seccomp.", profile, &X86_64, Options { allow_unknown: true }).unwrap();
        assert_eq!(filter.unknown, ["nosuch"]);
    });
}

#[test]
fn a_program_over_the_kernels_limit_is_refused() {
    let rules = |count: usize| {
        let rule = |value: usize| {
            format!(
                "{{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{{\"index\":{},\"value\":{value},\"op\":\"SCMP_CMP_EQ\"}}]}}",
                value % 6
            )
        };
        let all: Vec<String> = (0..count).map(rule).collect();
        profile(&format!(",\"syscalls\":[{}]", all.join(",")))
    };
    taken(&rules(600));
    assert!(refusal(&rules(3000)).contains("more than 4096 instructions"));
    assert!(refusal(&rules(20_000)).contains("more than 4096 instructions"));
}

//! `--log`: the line that shims read (CLI.md, "--log with json").

use crate::harness::{Kind, is_runlet, kind};
use crate::{context, skip_test};
use std::fs;

/// One object a line, level, msg, time; appended, never truncated; the same words on stderr.
#[test]
fn a_failing_call_appends_one_json_line() {
    let context = context!();
    if kind() == Kind::Crun {
        skip_test!("crun truncates the log file");
    }
    let file = context.dir.join("log.json");
    let path = file.to_string_lossy().into_owned();
    fs::write(&file, "{\"level\":\"info\",\"msg\":\"before\",\"time\":\"2020-01-01T00:00:00Z\"}\n").unwrap();
    for round in 1..=2 {
        let output = context.call(&["--log", &path, "--log-format", "json", "start", "ghost"]).go().fails();
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect();
        assert_eq!(lines[0]["msg"], "before");
        assert_eq!(lines.len(), 1 + round, "exactly one line a failing call: {text}");
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "error");
        let message = last["msg"].as_str().unwrap();
        assert!(message.contains("does not exist"), "{message}");
        assert!(output.stderr.contains("does not exist"), "{}", output.describe());
        let time = last["time"].as_str().unwrap();
        assert!(time.len() >= 20 && &time[10..11] == "T", "RFC 3339: {time}");
    }
}

/// Podman reads the whole file as one object, also after a create that failed late.
#[test]
fn a_failing_create_writes_exactly_one_line() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc 1.1 logs more than one");
    }
    let mut bundle = context.bundle(&["true"]);
    bundle.mount("/broken", "nosuchfs", "none", &[]);
    let file = context.dir.join("log.json");
    let id = context.id();
    context
        .call(&[
            "--log-format=json",
            &format!("--log={}", file.display()),
            "create",
            "--bundle",
            &bundle.path(),
            &id,
        ])
        .go()
        .fails();
    let text = fs::read_to_string(&file).unwrap();
    let one: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let message = one["msg"].as_str().unwrap();
    assert!(
        message.contains("mounts[6]") && message.contains("/broken"),
        "the message names its place: {message}"
    );
}

#[test]
fn a_successful_call_logs_nothing() {
    let context = context!();
    let bundle = context.bundle(&["true"]);
    let file = context.dir.join("log");
    let id = context.id();
    let output = context
        .call(&["--log", &file.to_string_lossy(), "--log-format", "json", "run", "-b", &bundle.path(), &id])
        .go()
        .ok();
    assert!(output.stderr.is_empty(), "{}", output.describe());
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), "");
}

/// A log that cannot be written is told, and the call goes on or fails in order.
#[test]
fn an_unwritable_log_is_no_crash() {
    let context = context!();
    let output =
        context.call(&["--log", "/nonexistent/dir/log", "--log-format", "json", "state", "ghost"]).go();
    assert!(output.code != 0 && output.code < 128, "{}", output.describe());
    context.call(&["--log-format", "xml", "state", "ghost"]).go().fails();
}

//! Each system call of runtime and container fails in turn, with what a broken disk (EIO) and a machine without memory (ENOMEM) answer: the
//! command says so in one line, or does without, and leaves nothing. tests/harness asserts the latter after each failing call.

use crate::harness::{Context, Output, PATIENCE, is_runlet, note, wait_for};
use crate::{MANY, context, everything, gone, skip_test, step};

/// Whether it was the writing itself that failed, or the look whether there is a stderr (write, fcntl).
fn is_untold(output: &Output) -> bool {
    let failed = |number: u32| output.stdout.contains(&format!("failed call {number}\n"));
    output.stderr.is_empty() && (failed(1) || failed(72))
}

/// One line of the runtime, beside what hooks say.
#[track_caller]
fn tells_once(output: &Output) {
    let lines = output.stderr.lines().filter(|line| line.starts_with("runlet: ")).count();
    assert!(lines == 1 || is_untold(output), "one line: {}", output.describe());
}

/// The command that `words` makes, with its first, second, … system call failing; gives how many calls failed, and how often that was an
/// error of the command.
fn fail_each_call(
    context: &Context,
    errno: &str,
    words: impl Fn(&Context) -> Vec<String>,
    look: impl Fn(&Context, u32, &Output),
) -> (u32, u32) {
    let (mut calls, mut errors) = (0, 0);
    for number in (1..MANY).step_by(step()) {
        let words = words(context);
        let text = number.to_string();
        let output = context.call(&words).through(&["payload", "fail-tree-at", &text, errno]).go();
        if output.stdout.contains("got through") {
            output.ok();
            return (calls, errors);
        }
        calls += 1;
        let place = format!("call {number} gives {errno}: {}", output.describe());
        if output.code != 0 {
            errors += 1;
            assert!(output.code < 128 || output.code == 255, "{place}");
            tells_once(&output);
        }
        look(context, number, &output);
    }
    panic!("never got through");
}

fn create(context: &Context, errno: &str, everything: bool) {
    if !is_runlet() {
        skip_test!("about runlet's calls");
    }
    if cfg!(not(target_arch = "x86_64")) {
        skip_test!("the tracer changes registers of x86_64");
    }
    let bundle = if everything { everything::bundle(context) } else { context.bundle(&["pause"]) };
    let (id, path) = (context.id(), bundle.path());
    if everything && let Some(why) = everything::works(context, &bundle, &id) {
        skip_test!("{}", why.trim());
    }
    let consoles = std::cell::RefCell::default();
    let words = |context: &Context| {
        let mut words = ["create", "--bundle", &path, &id].map(str::to_string).to_vec();
        if everything {
            let (console, flag) = everything::listener(context);
            *consoles.borrow_mut() = Some(console);
            words.insert(1, flag);
        }
        words
    };
    let (calls, errors) = fail_each_call(context, errno, words, |context, number, output| {
        if output.code == 0 {
            gone(context, &id, number);
        }
    });
    note(&format!("create: each of {calls} calls gave {errno}, {errors} errors"));
    assert!(calls as usize * step() > 100 && errors as usize * step() > 50, "{calls} {errors}");
    context.delete_force(&id).ok();
}

#[test]
fn a_call_of_create_that_fails_for_the_disk_leaves_nothing() {
    create(&context!(), "EIO", false);
}

#[test]
fn a_call_of_create_that_fails_for_want_of_memory_leaves_nothing() {
    create(&context!(), "ENOMEM", false);
}

#[test]
fn a_call_of_a_create_with_everything_that_fails_leaves_nothing() {
    create(&context!(), "EIO", true);
}

#[test]
fn a_call_of_exec_that_fails_leaves_the_container_running() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's calls");
    }
    if cfg!(not(target_arch = "x86_64")) {
        skip_test!("the tracer changes registers of x86_64");
    }
    let id = context.running(&context.bundle(&["pause"]));
    let processes = || context.call(&["ps", "--format", "json", &id]).go().ok().json().to_string();
    let alone = processes();
    let words = |_: &Context| ["exec", &id, "/no/such/program"].map(str::to_string).to_vec();
    // The control: it fails anyway, and says why.
    context.call(&words(&context)).go().status(255).says("no such file or directory");
    let mut number = 0;
    loop {
        number += step() as u32;
        let text = number.to_string();
        let output = context.call(&words(&context)).through(&["payload", "fail-tree-at", &text, "EIO"]).go();
        if output.stdout.contains("got through") {
            break;
        }
        let place = format!("call {number}: {}", output.describe());
        tells_once(&output);
        assert!(output.code == 255 || is_untold(&output), "{place}");
        let alone = wait_for(PATIENCE, || processes() == alone);
        assert!(alone, "{place}");
    }
    assert!(number > 30, "{number}");
    note(&format!("exec: each of {number} calls gave EIO"));
    everything::reap_orphans();
    context.delete_force(&id).ok();
}

//! A shell on the terminal: job control is what shows that session, process groups and the controlling terminal are right.

use crate::harness::Context;
use crate::{Person, context, skip_test};
use std::fs;
use std::path::Path;

/// The machine's busybox, if it is one that runs anywhere.
fn busybox() -> Option<&'static Path> {
    let found = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new).into_iter().find(|path| path.exists())?;
    // A static program names no interpreter.
    let content = fs::read(found).ok()?;
    let dynamic = content.windows(7).take(4096).any(|window| window == b"/lib/ld" || window == b"/lib64/");
    (!dynamic).then_some(found)
}

fn shell(context: &Context, exec: bool) -> Option<Person> {
    let busybox = busybox()?;
    let mut bundle = context.bundle(&["pause"]);
    let bin = bundle.root().join("bin");
    fs::copy(busybox, bin.join("busybox")).unwrap();
    for name in ["sh", "sleep", "cat", "stty", "tty", "echo", "ps"] {
        let _ = std::os::unix::fs::symlink("busybox", bin.join(name));
    }
    bundle.push("/process/env", "PS1=$$ ".into());
    let id = context.id();
    let person = if exec {
        context.create(&bundle, &id).ok();
        context.start(&id).ok();
        Person::at(context.call(&["exec", "-t", "-e", "PS1=$ ", &id, "/bin/sh", "-i"]))
    } else {
        bundle.set("/process/terminal", true).set("/process/args", vec!["/bin/sh", "-i"]);
        Person::at(context.call(&["run", "-b", &bundle.path(), &id]))
    };
    Some(person)
}

/// Whether whoever started the tests has SIGINT ignored, as a script's `&` does: it stays so over every exec, in a container too.
fn ignores_interrupts() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(ignored, 16).unwrap() & 2 != 0
}

fn session(exec: bool) {
    let context = context!();
    if ignores_interrupts() {
        skip_test!("SIGINT is ignored here, by whoever started the tests");
    }
    let Some(mut person) = shell(&context, exec) else { skip_test!("no static busybox here") };
    // A shell that has no control of its terminal says so at once.
    person.types("echo be''gin; tty\r");
    let screen = person.sees("begin\r\n/dev/pts/");
    assert!(!screen.contains("job control turned off"), "{screen:?}");

    // ^C ends the job in the foreground, not the shell.
    person.types("sleep 1000\r");
    std::thread::sleep(std::time::Duration::from_millis(200));
    person.types("\u{3}");
    person.types("echo status=$?\r");
    person.sees("status=130");

    // ^Z stops it; it goes on in the background and comes back to the foreground.
    person.types("sleep 1000\r");
    std::thread::sleep(std::time::Duration::from_millis(200));
    person.types("\u{1a}");
    person.sees("Stopped");
    person.types("bg\r");
    person.types("jobs\r");
    person.sees("Running");
    person.types("fg\r");
    std::thread::sleep(std::time::Duration::from_millis(200));
    person.types("\u{3}");
    person.types("echo again=$?\r");
    person.sees("again=130");

    // A job in the background must not read from the terminal (SIGTTIN).
    person.types("cat &\r");
    person.types("sleep 1; jobs\r");
    person.sees("Stopped (tty input)");
    person.types("kill -9 %1; wait; echo gone''.\r");
    person.sees("gone.");

    // The size, as stty asks for it, before and after a change; and a program that edits its own terminal's settings.
    person.types("stty size\r");
    person.sees("30 90");
    person.resizes(44, 111);
    std::thread::sleep(std::time::Duration::from_millis(200));
    person.types("stty size\r");
    person.sees("44 111");
    person.types("stty -echo; echo sil''ent; stty echo\r");
    person.sees("silent");

    // ^D ends the shell.
    person.types("(exit 5)\r\u{4}");
    assert_eq!(person.ends(), (5, "same".into()));
}

/// `run` with a terminal.
#[test]
fn job_control_works_in_a_container() {
    session(false);
}

/// `exec -t`.
#[test]
fn job_control_works_in_an_execd_shell() {
    session(true);
}

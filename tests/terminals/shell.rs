//! A shell on the terminal: job control is what shows that session, process groups and the controlling terminal are right.
//!
//! Nothing is typed before the shell has its prompt or the job in the foreground has said that it is up: a key is another one to a shell
//! that reads a line than to the terminal while a job runs.

use crate::harness::{Context, PATIENCE, host, wait_for};
use crate::{Person, context, skip_test};
use std::fs;
use std::path::Path;

/// In no line that is typed. The shell's terminal is raw when this is on the screen.
const PROMPT: &str = "<prompt> ";

/// A job that says `up`, then each time that it goes on after a stop.
const JOB: &str = "payload interrupt-by 18 , echo up , await , await , pause";
const UP: &str = "\"out\":[\"up\"]";
const GOES_ON: &str = "\"verb\":\"await\"";

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
    host::copy_program(busybox, &bin.join("busybox"));
    for name in ["sh", "cat", "stty", "tty"] {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    let prompt = format!("PS1={PROMPT}");
    bundle.push("/process/env", prompt.as_str().into());
    let id = context.id();
    let person = if exec {
        context.create(&bundle, &id).ok();
        context.start(&id).ok();
        Person::at(context.call(&["exec", "-t", "-e", &prompt, &id, "/bin/sh", "-i"]))
    } else {
        bundle.set("/process/terminal", true).set("/process/args", vec!["/bin/sh", "-i"]);
        Person::at(context.call(&["run", "-b", &bundle.path(), &id]))
    };
    Some(person)
}

impl Person {
    /// Types keys, and waits until the screen has these words after them, one after the other; gives what came.
    #[track_caller]
    fn gets(&mut self, keys: &str, words: &[&str]) -> String {
        let before = self.screen().len();
        self.types(keys);
        let rest = || self.screen()[before..].to_string();
        let all_in = |text: &str| {
            let mut places = words.iter();
            places.try_fold(text, |text, word| text.split_once(word).map(|(_, rest)| rest)).is_some()
        };
        assert!(wait_for(PATIENCE, || all_in(&rest())), "{keys:?} never gave {words:?}: {:?}", self.screen());
        rest()
    }

    /// A line for the shell, its answer, and the next prompt.
    #[track_caller]
    fn asks(&mut self, line: &str, answer: &str) {
        self.gets(&format!("{line}\r"), &[answer, PROMPT]);
    }

    /// The same again and again, for an answer that is right after a while.
    #[track_caller]
    fn keeps_asking(&mut self, line: &str, answer: &str) {
        let asked = wait_for(PATIENCE, || self.gets(&format!("{line}\r"), &[PROMPT]).contains(answer));
        assert!(asked, "{line} never gave {answer:?}: {:?}", self.screen());
    }
}

fn session(exec: bool) {
    let context = context!();
    let Some(mut person) = shell(&context, exec) else { skip_test!("no static busybox here") };
    // A shell that has no control of its terminal says so at once.
    let screen = person.sees(PROMPT);
    assert!(!screen.contains("job control turned off"), "{screen:?}");
    person.asks("tty", "/dev/pts/");

    // ^C ends the job in the foreground, not the shell.
    person.gets(&format!("{JOB}\r"), &[UP]);
    person.gets("\u{3}", &[PROMPT]);
    person.asks("echo status=$?", "status=130");

    // ^Z stops it; it goes on in the background and comes back to the foreground.
    person.gets(&format!("{JOB}\r"), &[UP]);
    person.gets("\u{1a}", &["Stopped", PROMPT]);
    person.gets("bg\r", &[GOES_ON]);
    person.asks("jobs", "Running");
    // The shell gives it the terminal before it sends SIGCONT.
    person.gets("fg\r", &[GOES_ON]);
    person.gets("\u{3}", &[PROMPT]);
    person.asks("echo again=$?", "again=130");

    // A job in the background must not read from the terminal (SIGTTIN).
    person.gets("cat &\r", &[PROMPT]);
    person.keeps_asking("jobs", "Stopped (tty input)");
    person.asks("kill -9 %1; wait; echo gone''.", "gone.");

    // The size, as stty asks for it, before and after a change; and a program that edits its own terminal's settings.
    person.asks("stty size", "30 90");
    person.resizes(44, 111);
    person.keeps_asking("stty size", "44 111");
    person.asks("stty -echo; echo sil''ent; stty echo", "silent");

    // ^D ends the shell.
    person.asks("echo la''st; (exit 5)", "last");
    person.types("\u{4}");
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

//! `run -t` and `exec -t` on the caller's own terminal.

use crate::harness::{self, Context, PATIENCE, Seen, is_runlet, json, wait_for};
use crate::{Person, context, not_on, skip_test};
use std::fs;
use std::process::Stdio;

/// What a program sees of its terminal.
const LOOK: &[&str] = &[
    "winsize",
    "0",
    ",",
    "readlink",
    "/proc/self/fd/0",
    ",",
    "readlink",
    "/proc/self/fd/2",
    ",",
    "stat",
    "/dev/console",
    ",",
    "stat",
    "/dev/pts/0",
    ",",
    "report",
];

/// A person before a terminal at which `run` shows this bundle's, and the container's id.
fn at_its_terminal(context: &Context, bundle: &mut harness::Bundle) -> (Person, String) {
    bundle.set("/process/terminal", true);
    let id = context.id();
    (Person::at(context.call(&["run", "-b", &bundle.path(), &id])), id)
}

/// Standard input, output and error are the container's own terminal, of the caller's size and the program's session; /dev/console
/// is the same device.
#[test]
fn the_program_has_a_terminal_of_its_own() {
    let context = context!();
    let (person, _) = at_its_terminal(&context, &mut context.bundle(LOOK));
    let screen = person.sees("report");
    assert_eq!(person.ends(), (0, "same".into()));
    let seen = Seen::parse(&screen.replace('\r', ""));
    assert_eq!(seen.out("winsize 0"), &json!([30, 90, 0, 0]));
    for end in [0, 2] {
        assert_eq!(seen.text(&format!("readlink /proc/self/fd/{end}")), "/dev/pts/0");
    }
    let (console, terminal) = (seen.out("stat /dev/console"), seen.out("stat /dev/pts/0"));
    assert_eq!(console["type"], "char");
    assert_eq!((&console["major"], &console["minor"]), (&terminal["major"], &terminal["minor"]));
    assert_eq!(console["ino"], terminal["ino"]);
}

/// `run -t` and `exec -t` where config.json asks for none; an exec's terminal is another one of the same devpts.
#[test]
fn the_flag_gives_a_terminal() {
    let context = context!();
    not_on!(Runc, "run has no such flag");
    not_on!(Crun, "run has no such flag");
    let bundle = context.bundle(&["winsize", "1", ",", "trap"]);
    let id = context.id();
    let person = Person::at(context.call(&["run", "-t", "-b", &bundle.path(), &id]));
    person.sees("[30,90,0,0]");
    person.sees("ready");
    let words = [
        "exec",
        "-t",
        &id,
        "/bin/payload",
        "winsize",
        "1",
        ",",
        "readlink",
        "/proc/self/fd/1",
        ",",
        "exit",
        "9",
    ];
    let other = Person::at(context.call(&words));
    let screen = other.sees("readlink");
    assert!(screen.contains("[30,90,0,0]") && screen.contains("/dev/pts/1"), "{screen}");
    assert_eq!(other.ends(), (9, "same".into()));
    harness::host::signal(person.runtime_pid(), 15);
    assert_eq!(person.ends(), (0, "same".into()));
}

/// Keys go to the program as they are, also those that make signals on the caller's side, and line ends come as they should.
#[test]
fn keys_pass_unchanged_and_lines_end_once() {
    let context = context!();
    let (mut person, _) = at_its_terminal(&context, &mut context.bundle(&["trap"]));
    person.sees("ready");
    assert_eq!(person.mode(), "raw");
    // ^C and ^\ are for the program.
    person.types("\u{3}");
    person.sees("2\r\n");
    person.types("\u{1c}");
    let screen = person.sees("3\r\n");
    assert!(!screen.contains("\r\r\n"), "{screen:?}");
    person.types("typed\r");
    person.sees("typed");
    harness::host::signal(person.runtime_pid(), 15);
    assert_eq!(person.ends(), (0, "same".into()));
}

/// The container's terminal follows the caller's size, for run and for exec.
#[test]
fn a_change_of_size_is_passed_on() {
    let context = context!();
    let (mut person, id) = at_its_terminal(&context, &mut context.bundle(&["trap"]));
    person.sees("ready");
    person.resizes(50, 132);
    // SIGWINCH, as the kernel sends it to the terminal's foreground group.
    person.sees("\n28\r\n");
    let size = || {
        context
            .call(&["exec", &id, "/bin/payload", "spawn", "/bin/payload", "size-of", "/dev/pts/0"])
            .go()
            .stdout
    };
    assert!(wait_for(PATIENCE, || size().contains("[50,132,0,0]")), "{}", size());
    harness::host::signal(person.runtime_pid(), 15);
    assert_eq!(person.ends(), (0, "same".into()));
}

/// However it ends, the caller's terminal is what it was.
#[test]
fn the_terminal_is_restored_on_every_way_out() {
    let context = context!();
    let run = |context: &Context, args: &[&str], hook: Option<harness::Value>| {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/process/args", args.to_vec());
        if let Some(hook) = hook {
            bundle.push("/hooks/poststart", hook);
        }
        at_its_terminal(context, &mut bundle)
    };
    // It ends by itself, with a status and by a signal of its own.
    for (word, number, status) in [("exit", "0", 0), ("exit", "7", 7)] {
        let (person, _) = run(&context, &["/bin/payload", word, number], None);
        assert_eq!(person.ends(), (status, "same".into()), "{word} {number}");
    }
    // It cannot be started at all.
    let (person, _) = run(&context, &["/no/such/program"], None);
    let (status, mode) = person.ends();
    assert!(status != 0 && mode == "same", "{status} {mode}");
    // Another call kills the container, or a signal comes to the runtime that the program ends by.
    for how in ["kill", "delete", "INT", "TERM", "HUP", "QUIT", "USR1"] {
        let (mut person, id) = run(&context, &["/bin/payload", "trap"], None);
        person.sees("ready");
        assert_eq!(person.mode(), "raw", "{how}");
        match how {
            "kill" => drop(context.kill(&id, "KILL").ok()),
            "delete" => drop(context.delete_force(&id).ok()),
            "TERM" => harness::host::signal(person.runtime_pid(), 15),
            name => {
                let number = match name {
                    "INT" => 2,
                    "HUP" => 1,
                    "QUIT" => 3,
                    _ => 10,
                };
                harness::host::signal(person.runtime_pid(), number);
                person.sees(&format!("\n{number}\r\n"));
                assert_eq!(person.mode(), "raw", "the program has caught it and runs on");
                context.kill(&id, "KILL").ok();
            }
        }
        let expected = if how == "TERM" { 0 } else { 137 };
        assert_eq!(person.ends(), (expected, "same".into()), "{how}");
    }
    if is_runlet() {
        // A hook fails when the terminal is raw already.
        let hook = json!({ "path": "/bin/false" });
        let (person, _) = run(&context, &["/bin/payload", "pause"], Some(hook));
        assert_eq!(person.ends(), (1, "same".into()), "a failing hook");
    }
    context.assert_clean();
}

/// Standard input is a pipe: the program has a terminal all the same, reads what comes, and then its end.
#[test]
fn it_works_where_stdin_is_no_terminal() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own way: runc copies no end of input");
    }
    let fifo = context.dir.join("input");
    for (text, ends) in
        [("one\ntwo\n", "one\ntwo\none\ntwo\n"), ("no end of line", "no end of lineno end of line")]
    {
        fs::write(&fifo, text).unwrap();
        let mut bundle = context.bundle(&["cat"]);
        bundle.set("/process/terminal", true);
        let id = context.id();
        let call = context
            .call(&["run", "-b", &bundle.path(), &id])
            .stdin(Stdio::from(fs::File::open(&fifo).unwrap()));
        let output = call.go().ok();
        // What was typed is echoed (there is a terminal), and the program's own line ends have no carriage return.
        assert!(output.stdout.starts_with(ends), "{:?}", output.stdout);
        assert!(
            output.stdout.contains("\"end\""),
            "the program sees the end of its input: {:?}",
            output.stdout
        );
        assert!(!output.stdout.contains("\"end\"\r\n"), "ONLCR is cleared: {:?}", output.stdout);
    }
    context.assert_clean();
}

/// Nobody reads the output any more, or slowly: the program runs on, and signals reach it.
#[test]
fn a_reader_that_stops_reading_stops_nothing_else() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own supervisor");
    }
    let ends = |id: &str| wait_for(PATIENCE, || context.call(&["state", id]).go().code != 0);
    for (reader, slow) in [("head -c 1 > /dev/null", false), ("sleep 1000", true)] {
        let mut bundle = context.bundle(&[
            "end-on-term",
            ",",
            "create",
            "/flooding",
            "x",
            ",",
            "flood",
            "300000",
            ",",
            "create",
            "/flooded",
            "x",
            ",",
            "pause",
        ]);
        bundle.set("/process/terminal", true);
        let id = context.id();
        let script = format!("exec \"$@\" | {reader}");
        let script = format!("sh -c '{script}' sh \"$@\"");
        let call =
            context.call(&["run", "-b", &bundle.path(), &id]).through(&["sh", "-c", &script, "sh"]).spawn();
        // SIGTERM ends the program from now on.
        let floods = || bundle.root().join("flooding").exists();
        assert!(wait_for(PATIENCE, floods), "{reader}: {}", call.stderr_now());
        if slow {
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert!(!bundle.root().join("flooded").exists(), "the output is stuck");
        } else {
            let flooded = wait_for(PATIENCE, || bundle.root().join("flooded").exists());
            assert!(flooded, "{reader}: the program is not held up by its output");
        }
        let record = fs::read_to_string(context.state_dir().join(&id).join("state.json")).unwrap();
        let record: harness::Value = serde_json::from_str(&record).unwrap();
        // The runtime is the parent of the container's first process.
        let status = fs::read_to_string(format!("/proc/{}/status", record["pid"])).unwrap();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        harness::host::signal(parent.trim().parse().unwrap(), 15);
        if slow {
            // What is still to be copied waits for the reader.
            assert!(
                wait_for(PATIENCE, || context.status(&id) == "stopped"),
                "{reader}: the signal reaches the program"
            );
            harness::host::end_processes(&context.tag, context.world_pid());
            context.delete_force(&id).ok();
        } else {
            assert!(ends(&id), "{reader}");
            call.wait();
        }
    }
}

/// The caller's window is closed.
#[test]
fn a_hangup_is_the_end_of_input() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own supervisor");
    }
    let (mut person, _) = at_its_terminal(&context, &mut context.bundle(&["echo", "here", ",", "cat"]));
    person.sees("here");
    person.types("typed\r");
    person.sees("typed\r\ntyped\r\n");
    person.hangs_up();
    let (status, mode) = person.ends();
    assert_eq!((status, mode.as_str()), (0, "gone"), "the program saw the end of its input and ended");
    context.assert_clean();
}

/// Who is not root can open its terminal again.
#[test]
fn the_terminal_belongs_to_the_programs_user() {
    let context = context!();
    let mut bundle = context.bundle(&[
        "stat",
        "/dev/pts/0",
        ",",
        "open",
        "/dev/tty",
        "rw",
        ",",
        "open",
        "/dev/stdout",
        "rw",
    ]);
    bundle.set("/process/user", json!({ "uid": 1234, "gid": 1234 }));
    let (person, _) = at_its_terminal(&context, &mut bundle);
    let screen = person.sees("open\",\"args\":[\"/dev/stdout");
    assert_eq!(person.ends(), (0, "same".into()));
    let seen = Seen::parse(&screen.replace('\r', ""));
    assert_eq!(seen.out("stat /dev/pts/0")["uid"], 1234);
}

/// What cannot be had is said by the place that asks for it.
#[test]
fn a_terminal_that_cannot_be_had_is_an_error() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/process/terminal", true).remove_mount("/dev/pts");
    context.run(&bundle).fails().says("process.terminal").says("devpts");
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/process/terminal", true);
    context.create(&bundle, &context.id()).fails().says("--console-socket");
    bundle.set("/process/terminal", false).set("/process/consoleSize", json!({ "height": 10, "width": 20 }));
    let output = context.run(&bundle).ok();
    assert!(output.stderr.contains("consoleSize"), "it has no effect, and says so: {}", output.describe());
}

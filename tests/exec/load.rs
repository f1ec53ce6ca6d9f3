//! A health check is an exec, thousands a day: nothing may be left of any of them, neither in the container nor in who supervises it.
//! The same for hundreds of containers at once.

use crate::harness::{Output, PATIENCE, host, wait_for};
use crate::{Home, context};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a process holds: its descriptors, and the memory that is of no file.
#[derive(Debug, PartialEq)]
struct Held {
    descriptors: usize,
    kib: u64,
}

fn held(pid: u32) -> Held {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count).unwrap_or(0);
    Held { descriptors, kib: host::anonymous_kib(pid) }
}

fn entries(path: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// 2,000 in a row, some of which fail.
#[test]
fn two_thousand_execs_in_a_row_leave_nothing() {
    let context = context!();
    let bundle = context.bundle(&["trap"]);
    let id = context.id();
    let run = context.call(&["run", "-b", &bundle.path(), &id]).spawn();
    run.wait_stdout("ready");
    let init = context.pid(&id);
    let exec = |round: usize| -> Output {
        match round % 10 {
            0 => context.call(&["exec", &id, "/no/such/program"]).go(),
            1 => context.call(&["exec", &id, "/bin/payload", "exit", "9"]).go().status(9),
            _ => context.call(&["exec", &id, "/bin/payload", "true"]).go().ok(),
        }
    };
    (0..20).for_each(|round| drop(exec(round)));
    let see = || {
        let cgroups = host::cgroups(&context.tag).len();
        (held(run.pid()), held(init), entries(&context.state_dir().join(&id)), cgroups)
    };
    let before = see();
    assert!(before.0.descriptors > 0 && before.0.kib > 0 && before.3 > 0, "there is something to look at");
    for round in 0..if host::is_guest() { 200 } else { 2000 } {
        drop(exec(round));
        // The harness keeps what each call has printed.
        let _ =
            fs::remove_dir_all(context.dir.join("io")).and_then(|()| fs::create_dir(context.dir.join("io")));
    }
    let after = see();
    assert_eq!(before, after, "the supervisor, the container's init, the state directory, the cgroups");
    let others = host::processes(&context.tag, context.world_pid());
    assert_eq!(others.len(), 2, "the supervisor and the init: {others:?}");
    run.signal(15);
    run.wait();
}

/// 200 at once, each with its own status.
#[test]
fn two_hundred_execs_at_once_all_work() {
    let context = context!();
    let home = Home::new(&context, |_| {});
    let calls: Vec<_> = (0..200u32)
        .map(|number| {
            let status = (number % 200 + 1).to_string();
            let words = ["/bin/payload", "wait-file", "/go", ",", "exit", &status];
            home.call(&[], &words).spawn()
        })
        .collect();
    let programs = || {
        host::processes(&context.tag, context.world_pid())
            .iter()
            .filter(|line| line.contains("wait-file"))
            .count()
    };
    // The runtime's own command lines have the word as well.
    assert!(wait_for(PATIENCE, || programs() == 400), "all are there at once: {}", programs());
    fs::write(format!("/proc/{}/root/go", context.pid(&home.id)), "").unwrap();
    for (number, call) in calls.into_iter().enumerate() {
        call.wait().status(i32::try_from(number % 200 + 1).unwrap());
    }
    assert_eq!(context.status(&home.id), "running");
}

/// SECURITY.md "Load": hundreds of containers at once, created, exec'd and deleted from several callers.
#[test]
fn hundreds_of_containers_from_several_callers_leave_nothing() {
    const CALLERS: usize = 4;
    let each = if host::is_guest() { 15 } else { 60 };
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let mut bundle_of_all = bundle;
    // One place for all would be refused: each has its own by default.
    bundle_of_all.unset("/linux/cgroupsPath");
    let path = bundle_of_all.path();
    let ids: Vec<Vec<String>> = (0..CALLERS).map(|_| (0..each).map(|_| context.id()).collect()).collect();
    let (root, runtime) = (context.state_dir().to_string_lossy().into_owned(), context.runtime.clone());
    let (world, payload) = (context.world_pid().to_string(), crate::harness::payload::path());
    let tag = context.tag.clone();
    // A container keeps the outputs of its `create`: files, which nobody waits for.
    let log = context.dir.join("errors");
    let errors = || fs::File::options().create(true).append(true).open(&log).unwrap();
    let call = |words: &[&str]| {
        let mut command = std::process::Command::new(payload);
        command.args(["enter", &world]).arg(&runtime).args(["--root", &root]).args(words);
        command.env("RUNLET_TEST_TAG", &tag).stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(errors()).status().unwrap()
    };
    let alive = AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::<String>::new());
    let (call, alive_here, failed_here, path_here) = (&call, &alive, &failed, &path);
    std::thread::scope(|scope| {
        for own in &ids {
            scope.spawn(move || {
                let (alive, failed, path) = (alive_here, failed_here, path_here);
                let must = |words: &[&str]| {
                    let status = call(words);
                    if !status.success() {
                        failed.lock().unwrap().push(format!("{words:?}: {status}"));
                    }
                };
                for id in own {
                    must(&["create", "-b", path, id]);
                    must(&["start", id]);
                    alive.fetch_add(1, Ordering::SeqCst);
                }
                for id in own {
                    must(&["exec", id, "/bin/payload", "true"]);
                    must(&["state", id]);
                }
                // All callers' containers are there before the first one goes.
                while alive.load(Ordering::SeqCst) < CALLERS * each && failed.lock().unwrap().is_empty() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                for id in own {
                    must(&["delete", "--force", id]);
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}\n{}", failed.join("\n"), fs::read_to_string(&log).unwrap_or_default());
    assert_eq!(alive.into_inner(), CALLERS * each);
    context.assert_clean();
}

//! Real callers over a real runtime: containerd's ctr and the Kubernetes CRI, Docker, Podman (root and rootless) and Buildah run their own flows with runlet
//! as the runtime, and once more with runc for comparison. The result is a table of each caller's steps, and one of all callers, step x
//! caller x runtime, in which each cell is a result or a reason.
//!
//! This file starts every caller in a view of its own (`view`), collects the rows that it prints and gives the verdict: a step that
//! fails with runlet fails the test; runc's column only compares. Each caller's steps are in its own module, the programs come from
//! Debian's packages, the images are made here. A caller that is not installed is a line `SKIP name: reason`.
//!
//! Environment: `RUNLET` (the runtime under test, an absolute path), `CLIENTS_RUNTIMES` (`runlet,runc` by default, in a guest `runlet`), `CLIENTS_DELEGATE=1`
//! (this machine is ours alone: hand the root cgroup's controllers down, so that limits are tested too). Arguments that are not
//! options choose callers: `cargo test --test clients -- docker podman`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod buildah;
mod command;
mod containerd;
mod cri;
mod ctr;
mod docker;
mod engine;
mod grpc;
mod image;
mod podman;
mod report;
mod stream;
mod view;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One caller: its name, the programs that it needs, and its steps, run inside a view.
struct Caller {
    name: &'static str,
    programs: &'static [&'static str],
    steps: fn(&mut report::Report, &view::Inside),
}

const CALLERS: &[Caller] = &[
    Caller {
        name: "docker",
        programs: &["dockerd", "docker", "containerd", "containerd-shim-runc-v2"],
        steps: docker::steps,
    },
    Caller { name: "podman", programs: &["podman", "conmon"], steps: podman::steps },
    Caller {
        name: "rootless",
        programs: &["podman", "conmon", "newuidmap", "newgidmap", "setpriv"],
        steps: podman::rootless_steps,
    },
    Caller { name: "ctr", programs: &["containerd", "ctr", "containerd-shim-runc-v2"], steps: ctr::steps },
    Caller { name: "cri", programs: &["containerd", "ctr", "containerd-shim-runc-v2"], steps: cri::steps },
    Caller { name: "buildah", programs: &["buildah"], steps: buildah::steps },
];

/// What every caller needs besides its own programs.
const TOOLS: &[&str] =
    &["unshare", "setpriv", "mount", "umount", "ip", "tar", "sha256sum", "script", "busybox"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == view::STAGE) {
        return inside(&arguments[1..]);
    }
    if arguments.iter().any(|argument| argument == "--list") {
        for caller in CALLERS {
            println!("{}: test", caller.name);
        }
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&Caller> = CALLERS
        .iter()
        .filter(|caller| {
            let mut names = arguments.iter().filter(|argument| !argument.starts_with('-'));
            let mut given = names.clone();
            given.next().is_none() || names.any(|name| caller.name == name)
        })
        .collect();
    let mut missing = 0;
    let mut skip = |name: &str, reason: &str| {
        println!("SKIP {name}: {reason}");
        missing += 1;
    };
    let mut work: Vec<(&Caller, Runtime)> = Vec::new();
    let unavailable = view::unavailable(TOOLS);
    for caller in chosen {
        let lacking = caller.programs.iter().find(|program| command::find(program).is_none());
        match (&unavailable, lacking) {
            (Some(reason), _) => skip(caller.name, reason),
            (None, Some(program)) => skip(caller.name, &format!("{program} is not installed")),
            (None, None) => work.extend(runtimes().into_iter().map(|runtime| (caller, runtime))),
        }
    }
    let rows = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    // Two at a time: most of the time is waiting for daemons, and more than two crowd a machine of two processors. An emulated guest
    // has one.
    let workers = if view::is_emulated() { 1 } else { 2 };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((caller, runtime)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut found = view::run(caller.name, runtime);
                    // A guest leaves out what has been seen outside; a view that broke off has said so.
                    let whole = !view::is_emulated() && !found.iter().any(|row| row.step == "view");
                    if whole {
                        found.extend(report::forgotten(caller.name, runtime.name, &found));
                    }
                    rows.lock().unwrap().extend(found);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    let order: Vec<&str> = CALLERS.iter().map(|caller| caller.name).collect();
    report::print(&order, &rows);
    if report::close(&rows, missing) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A runtime to put under the callers: the name that the callers know it by, and its program.
pub struct Runtime {
    name: &'static str,
    program: PathBuf,
}

fn runtimes() -> Vec<Runtime> {
    let both = if view::is_emulated() { "runlet" } else { "runlet,runc" };
    let wanted = std::env::var("CLIENTS_RUNTIMES").unwrap_or_else(|_| both.into());
    let mut found = Vec::new();
    if wanted.split(',').any(|name| name == "runlet") {
        let program = std::env::var_os("RUNLET").unwrap_or_else(|| env!("CARGO_BIN_EXE_runlet").into());
        found.push(Runtime { name: "runlet", program: program.into() });
    }
    if wanted.split(',').any(|name| name == "runc") {
        match command::find("runc") {
            Some(program) => found.push(Runtime { name: "runc", program }),
            None => println!("runc is not installed: nothing to compare with"),
        }
    }
    found
}

/// The last stage of a view: `CALLER RUNTIME-NAME RUNTIME-PROGRAM`, running as the child of the view's pid 1.
fn inside(arguments: &[String]) -> ExitCode {
    if let Some(status) = view::earlier_stage(arguments) {
        return status;
    }
    let [_, _, name, runtime, program] = arguments else {
        eprintln!("unexpected arguments {arguments:?}");
        return ExitCode::from(2);
    };
    let caller = CALLERS.iter().find(|caller| caller.name == name).unwrap();
    let mut report = report::Report::default();
    match view::Inside::prepare(runtime, Path::new(program)) {
        Ok(inside) => (caller.steps)(&mut report, &inside),
        Err(problem) => report.failed("view", &problem),
    }
    ExitCode::SUCCESS
}

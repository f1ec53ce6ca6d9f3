//! Old and vendor kernels: system calls are taken away by a seccomp filter, singly and all together, by ENOSYS, EPERM and
//! ENOENT, and a condensed suite runs: the whole life of a container, its world, and the static escapes. Every row of the
//! matrix is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
// The escape suite's modules are shared, and not all of their checks run here.
#![allow(dead_code)]

#[path = "../escapes/check.rs"]
mod check;
#[path = "../escapes/files.rs"]
mod files;
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../escapes/process.rs"]
mod process;

use check::{Check, Trial, Verdict};
use harness::{Context, is_runlet, note};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What older kernels lack (BUILD.md), with the version that brought it.
const CALLS: &[&str] = &[
    "memfd_create",      // 3.17
    "statx",             // 4.11
    "pidfd_send_signal", // 5.1
    "open_tree",         // 5.2
    "move_mount",        // 5.2
    "fsopen",            // 5.2
    "pidfd_open",        // 5.3
    "clone3",            // 5.3
    "openat2",           // 5.6
    "pidfd_getfd",       // 5.6
    "faccessat2",        // 5.8
    "close_range",       // 5.9
    "mount_setattr",     // 5.12
    "fchmodat2",         // 6.6
    "open_tree_attr",    // 6.15
];

/// The static escapes that a fallback could open.
const ESCAPES: &[&str] = &[
    "dev-is-a-symlink",
    "dev-null-is-a-symlink",
    "mount-destination-has-symlinks",
    "directories-made-outside",
    "mask-source-is-a-symlink",
    "device-path-has-symlinks",
    "callers-descriptors",
];

fn escapes() -> impl Iterator<Item = &'static Check> {
    files::CHECKS.iter().chain(process::CHECKS).filter(|check| ESCAPES.contains(&check.name))
}

/// A container's life and world with these calls gone.
fn life(context: &Context) {
    let source = context.outside("source");
    std::fs::write(source.join("file"), "content").unwrap();
    let mut bundle = context.bundle(&[
        "report",
        ",",
        "read",
        "/deep/in/there/file",
        ",",
        "create",
        "/deep/in/there/new",
        "x",
        ",",
        "read",
        "/proc/meminfo",
        ",",
        "write",
        "/proc/sys/kernel/hostname",
        "x",
        ",",
        "write",
        "/dev/null",
        "x",
        ",",
        "exit",
        "7",
    ]);
    bundle.bind(&source, "/deep/in/there", &["ro", "nosuid"]);
    bundle.push("/linux/maskedPaths", harness::json!("/proc/meminfo"));
    let wrap = ["payload", "leak-fd", "5", "/", "payload", "leak-fd", "77", "/"];
    let id = context.id();
    let output = context.call(&["run", "--bundle", &bundle.path(), &id]).through(&wrap).go().status(7);
    let seen = output.seen();
    assert_eq!(seen.report()["pid"], 1);
    assert_eq!(seen.report()["uname"][1], "box");
    let descriptors: Vec<&String> = seen.report()["fds"].as_object().unwrap().keys().collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
    assert_eq!(seen.text("read /deep/in/there/file"), "content");
    assert_eq!(seen.errno("create /deep/in/there/new x"), "EROFS");
    assert_eq!(seen.text("read /proc/meminfo"), "");
    assert_eq!(seen.errno("write /proc/sys/kernel/hostname x"), "EROFS");
    assert_eq!(seen.errno("write /dev/null x"), "");
    assert!(seen.mounts().at("/deep/in/there").has("nosuid"));
    assert_eq!(seen.mounts().0.iter().filter(|mount| mount.point == "/").count(), 1);

    let bundle = context.bundle(&["trap"]);
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    assert_eq!(context.status(&id), "created");
    let pid = context.pid(&id);
    context.start(&id).ok();
    output.wait_stdout("ready");
    assert_eq!(context.status(&id), "running");
    context.kill(&id, "USR1").ok();
    output.wait_stdout("\n10\n");
    context.kill(&id, "KILL").ok();
    assert_eq!(context.reap(pid), Some(137));
    context.wait_status(&id, "stopped");
    context.delete(&id).ok();
    let left = context.settled_leftovers();
    assert!(left.is_empty(), "left: {left:?}");
}

fn words_of(panic: Box<dyn std::any::Any + Send>) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_string()))
        .unwrap_or_default()
}

/// Everything with `calls` answering `errno`; what went wrong.
fn without(errno: &str, calls: &str, whole: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut part = |name: &str, body: &mut dyn FnMut(&Context) -> Option<String>| {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let context = Context::wrapped(&["payload", "shim", errno, calls])?;
            body(&context)
        }));
        match outcome {
            Ok(None) => {}
            Ok(Some(words)) => wrong.push(format!("{name}: {words}")),
            Err(panic) => wrong.push(format!("{name}: {}", words_of(panic))),
        }
    };
    part("life", &mut |context| {
        life(context);
        None
    });
    if whole {
        for check in escapes() {
            part(check.name, &mut |context| match (check.run)(&Trial {
                context,
                runtime: "runlet",
                peer: true,
            }) {
                Verdict::Closed | Verdict::Absent(_) => None,
                verdict => Some(verdict.to_string()),
            });
        }
    }
    wrong
}

fn matrix(errno: &str) {
    if !rustix::process::geteuid().is_root() {
        skip_test!("needs root");
    }
    if !is_runlet() {
        skip_test!("runc and crun have fallbacks for a part of them only");
    }
    // The kernel here has them all, or there would be nothing to take away; the shim itself is the control.
    let mut wrong = Vec::new();
    for call in CALLS {
        let found = without(
            errno,
            call,
            ["openat2", "open_tree", "move_mount", "close_range", "statx"].contains(call),
        );
        note(&format!("fallback {errno:<6} {call:<18} {}", if found.is_empty() { "ok" } else { "FAILED" }));
        wrong.extend(found.into_iter().map(|words| format!("without {call} ({errno}): {words}")));
    }
    // The binary seals itself by open_tree or by memfd_create (3.17), which every kernel that runs containers has; without
    // either there is no seal, which is an error.
    let all: Vec<&str> = CALLS.iter().copied().filter(|call| *call != "memfd_create").collect();
    let found = without(errno, &all.join(","), true);
    note(&format!(
        "fallback {errno:<6} {:<18} {}",
        "all together",
        if found.is_empty() { "ok" } else { "FAILED" }
    ));
    wrong.extend(found.into_iter().map(|words| format!("without all ({errno}): {words}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What a kernel that is too old says.
#[test]
fn everything_works_without_calls_that_old_kernels_lack() {
    matrix("ENOSYS");
}

/// What container engines' own seccomp profiles say, where the runtime is nested.
#[test]
fn everything_works_where_a_profile_denies_the_calls() {
    matrix("EPERM");
}

/// What some vendors' kernels say.
#[test]
fn everything_works_where_a_vendor_kernel_says_enoent() {
    matrix("ENOENT");
}

/// The shim takes away what it says: without this the matrix would prove nothing.
#[test]
fn the_shim_takes_calls_away() {
    let context = context!();
    let program = harness::payload::path().to_string_lossy().into_owned();
    for (errno, word) in [("ENOSYS", "ENOSYS"), ("EPERM", "EPERM"), ("ENOENT", "ENOENT")] {
        // close_range of nothing (a range above every descriptor).
        let output = context
            .in_world(&[
                &program,
                "shim",
                errno,
                "close_range,openat2",
                &program,
                "syscall",
                "436",
                "4000000000",
                "4000000001",
                "0",
                ",",
                "true",
            ])
            .output()
            .unwrap();
        let seen = harness::Seen::parse(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(seen.errno("syscall 436 4000000000 4000000001 0"), word);
        seen.out("true");
    }
    let output =
        context.in_world(&[&program, "syscall", "436", "4000000000", "4000000001", "0"]).output().unwrap();
    let seen = harness::Seen::parse(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(seen.errno("syscall 436 4000000000 4000000001 0"), "", "the kernel here has it");
}

//! Faults: the runtime is killed at each of its system calls in turn, each of them fails in turn, and its state directory cannot be written. Afterwards
//! `delete --force` leaves no process, mount, cgroup or file, and the id can be used again (SECURITY.md, "Faults").
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod each_call_fails;
mod everything;

use harness::{Bundle, Context, is_runlet, payload};
use std::fs;

/// More calls than any of the commands makes; reaching it means that the tracer counts wrongly.
const MANY: u32 = 3000;

/// Every Nth call only, for a slow machine: `RUNLET_FAULT_STEP`. A guest without a processor of its own takes every tenth.
fn step() -> usize {
    let standard = if std::env::var_os("RUNLET_VM_ENV").is_some() { 10 } else { 1 };
    std::env::var("RUNLET_FAULT_STEP").ok().and_then(|text| text.parse().ok()).unwrap_or(standard)
}

/// Kills the command that `words` makes at its first, second, … system call until it gets through; `look` is called after
/// each kill and must leave the context clean. Gives how many kills there were.
fn kill_at_each_call(
    context: &Context,
    mode: &str,
    words: impl Fn(&Context) -> Vec<String>,
    look: impl Fn(&Context, u32),
) -> u32 {
    let mut kills = 0;
    for number in (1..MANY).step_by(step()) {
        let words = words(context);
        let text = number.to_string();
        let output = context.call(&words).through(&["payload", mode, &text]).go();
        let killed = output.code == 137;
        kills += u32::from(killed);
        look(context, number);
        // Another end than by the kill, well before the count, would be a failing control.
        if !killed {
            assert!(output.code == 0, "got through at {number}, and failed: {}", output.describe());
            return kills;
        }
    }
    panic!("never got through");
}

fn gone(context: &Context, id: &str, number: u32) {
    context.delete_force(id).ok();
    let left = context.settled_leftovers();
    assert!(left.is_empty(), "killed at call {number}, then deleted; left:\n  {}", left.join("\n  "));
}

fn usable_again(context: &Context, bundle: &Bundle, id: &str, number: u32) {
    if number.is_multiple_of(10) {
        context.create(bundle, id).ok();
        context.delete_force(id).ok();
    }
}

/// Kills a call that makes a container at each of its own calls; every time it can be deleted, and the id used again.
fn killed_and_done_again(verb: &str, program: &str) {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun leave a cgroup or a process at many of their calls");
    }
    let bundle = context.bundle(&[program]);
    let (id, path) = (context.id(), bundle.path());
    let kills = kill_at_each_call(
        &context,
        "kill-at",
        |_| [verb, "--bundle", &path, &id].map(str::to_string).to_vec(),
        |context, number| {
            gone(context, &id, number);
            usable_again(context, &bundle, &id, number);
        },
    );
    assert!(kills as usize * step() > 5, "{kills} kills");
    harness::note(&format!("{verb}: killed at {kills} calls"));
}

#[test]
fn create_killed_at_any_call_can_be_deleted_and_done_again() {
    killed_and_done_again("create", "pause");
}

#[test]
fn run_killed_at_any_call_can_be_deleted_and_done_again() {
    killed_and_done_again("run", "true");
}

/// The child dies instead of the parent, at each of the calls of both: create fails, in order, and cleans up by itself.
#[test]
fn create_survives_the_death_of_any_of_its_processes() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun hang or leave things");
    }
    let bundle = context.bundle(&["pause"]);
    let (id, path) = (context.id(), bundle.path());
    let kills = kill_at_each_call(
        &context,
        "kill-tree-at",
        |_| ["create", "--bundle", &path, &id].map(str::to_string).to_vec(),
        |context, number| gone(context, &id, number),
    );
    assert!(kills as usize * step() > 20, "{kills} kills");
    harness::note(&format!("create and its child: killed at {kills} calls"));
}

#[test]
fn start_killed_at_any_call_leaves_a_container_that_can_be_deleted() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's records");
    }
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let kills = kill_at_each_call(
        &context,
        "kill-at",
        |context| {
            context.create(&bundle, &id).ok();
            ["start", &id].map(str::to_string).to_vec()
        },
        |context, number| {
            let status = context.status(&id);
            assert!(["created", "running", "stopped"].contains(&status.as_str()), "call {number}: {status}");
            gone(context, &id, number);
        },
    );
    assert!(kills as usize * step() > 3, "{kills} kills");
}

#[test]
fn delete_killed_at_any_call_can_be_repeated() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's records");
    }
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let kills = kill_at_each_call(
        &context,
        "kill-at",
        |context| {
            context.create(&bundle, &id).ok();
            context.start(&id).ok();
            ["delete", "--force", &id].map(str::to_string).to_vec()
        },
        |context, number| {
            gone(context, &id, number);
            usable_again(context, &bundle, &id, number);
        },
    );
    assert!(kills as usize * step() > 3, "{kills} kills");
}

/// ENOSPC from the state directory: an error, nothing left, and once there is room the same call works.
#[test]
fn a_full_state_directory_is_an_error_that_leaves_nothing() {
    let context = context!();
    let state = context.state_dir();
    fs::create_dir_all(&state).unwrap();
    let place = state.to_string_lossy().into_owned();
    let program = payload::path().to_string_lossy().into_owned();
    let host = |words: &[&str]| {
        let mut all = vec![program.as_str()];
        all.extend(words);
        assert!(context.in_world(&all).output().unwrap().status.success(), "{words:?}");
    };
    host(&["mount", "tmpfs", &place, "tmpfs", "-", "size=64k,mode=700"]);
    // All of it is taken; the file system has no block left.
    let filler = format!("{place}/filler");
    let filled = context.in_world(&["/bin/sh", "-c", &format!("cat /dev/zero > {filler}")]).output().unwrap();
    assert!(!filled.status.success(), "it should have become full");
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    context.create(&bundle, &id).fails();
    assert!(harness::host::processes(&context.tag, context.world_pid()).is_empty(), "a process stayed");
    assert!(harness::host::cgroups(&context.tag).is_empty(), "a cgroup stayed");
    host(&["unlink", &filler]);
    context.delete_force(&id).ok();
    context.create(&bundle, &id).ok();
    context.delete_force(&id).ok();
    host(&["umount", &place]);
}

/// A state directory that cannot be written at all.
#[test]
fn a_read_only_state_directory_is_an_error_that_leaves_nothing() {
    let context = context!();
    let state = context.state_dir();
    fs::create_dir_all(&state).unwrap();
    let place = state.to_string_lossy().into_owned();
    let program = payload::path().to_string_lossy().into_owned();
    let mounted =
        context.in_world(&[&program, "mount", "tmpfs", &place, "tmpfs", "ro", "mode=700"]).output().unwrap();
    assert!(mounted.status.success());
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    let output = context.create(&bundle, &id).fails();
    assert!(output.stderr.to_lowercase().contains("read-only file system"), "{}", output.describe());
    assert!(harness::host::processes(&context.tag, context.world_pid()).is_empty(), "a process stayed");
    assert!(harness::host::cgroups(&context.tag).is_empty(), "a cgroup stayed");
    assert!(context.in_world(&[&program, "umount", &place]).output().unwrap().status.success());
}

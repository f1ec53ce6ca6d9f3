//! Faults by ptrace(2): a command is killed at its Nth system call, or the call fails.
//!
//! - `kill-at N CMD…`: runs CMD and kills it at entry of its Nth system call (counted from its exec); status 137. When the command ended
//!   before, status 0. Prints the count reached.
//! - `kill-tree-at N CMD…`: the same, counting and killing over the command and everything it forks.
//! - `fail-at N ERRNO CMD…`, `fail-tree-at N ERRNO CMD…`: the Nth call is not made and gives ERRNO; the status is the command's own.
//!   Prints `failed call NUMBER`, or `got through` when the command ended before. x86_64 only.

use crate::sys::{self, call, nr};
use std::collections::BTreeSet;

const PTRACE_POKEUSER: i32 = 6;
const PTRACE_PEEKUSER: i32 = 3;
const PTRACE_SYSCALL: i32 = 24;
const PTRACE_SEIZE: i32 = 0x4206;
const PTRACE_INTERRUPT: i32 = 0x4207;
const PTRACE_EVENT_EXEC: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGKILL: i32 = 9;

/// struct user of x86_64: the result, and the number as the kernel looks at it once more after the stop.
const RAX: usize = 80;
const ORIG_RAX: usize = 120;

#[derive(Clone, Copy)]
enum Fault {
    Kill,
    Errno(i32),
}

pub fn run(verb: &str, rest: &[&str]) -> i32 {
    let (fault, command) = match verb.starts_with("fail") {
        true => (Fault::Errno(sys::errno_value(rest[1]).expect("an errno")), &rest[2..]),
        false => (Fault::Kill, &rest[1..]),
    };
    at(rest[0].parse().expect("a number"), command, verb.contains("tree"), fault)
}

/// What a call of this number does cannot fail, or has happened although it fails.
fn is_made_all_the_same(number: i64) -> bool {
    number == i64::from(nr::CLOSE)
}

/// PTRACE_SEIZE rather than TRACEME: a traced process's child would be born with a SIGSTOP pending, and stay stopped when this
/// process, its tracer, is gone.
fn at(target: u64, command: &[&str], tree: bool, fault: Fault) -> i32 {
    let mut pipe = [0i32; 2];
    let _ = call!(nr::PIPE2, pipe.as_mut_ptr(), sys::O_CLOEXEC);
    let child = unsafe { sys::fork() };
    if child == 0 {
        let mut byte = 0u8;
        while call!(nr::READ, pipe[0], &mut byte as *mut u8, 1) == Err(4) {}
        std::process::exit(crate::outside::become_command(command));
    }
    // TRACESYSGOOD, TRACEEXEC, and for a tree FORK, VFORK, CLONE.
    let options = 1 | 0x10 | if tree { 0x2 | 0x4 | 0x8 } else { 0 };
    let _ = call!(nr::PTRACE, PTRACE_SEIZE, child, 0, options);
    let _ = call!(nr::PTRACE, PTRACE_INTERRUPT, child, 0, 0);
    let _ = sys::waitpid(child, 0);
    let _ = call!(nr::PTRACE, PTRACE_SYSCALL, child, 0, 0);
    let _ = call!(nr::WRITE, pipe[1], b"x".as_ptr(), 1);
    let (mut count, mut execed, mut inside) = (0u64, false, BTreeSet::new());
    let (mut failing, mut failed, mut ended) = (None, None, 0);
    // __WALL: clone children too.
    while let Ok((pid, status)) = sys::waitpid(if tree { -1 } else { child }, 0x4000_0000) {
        if status & 0x7f == 0 || (status & 0xff) != 0x7f {
            // What the command leaves behind goes on, untraced.
            if pid == child {
                ended = if status & 0x7f == 0 { status >> 8 & 0xff } else { 128 + (status & 0x7f) };
                break;
            }
            continue;
        }
        let (signal, event) = (status >> 8 & 0xff, status >> 16 & 0xff);
        let mut deliver = 0;
        if signal == SIGTRAP | 0x80 {
            // Entry and exit alternate; the exec's own exit comes after its event.
            if !inside.remove(&pid) {
                inside.insert(pid);
                count += u64::from(execed);
                match fault {
                    Fault::Kill if execed && count == target => {
                        let _ = call!(nr::KILL, pid, SIGKILL);
                        // Everybody's end is taken meanwhile: the first process of a pid namespace does not end before those in it
                        // have been reaped, which for a traced one is this process's to do. The others of a tree go on untraced
                        // when it exits.
                        while let Ok((ended, status)) = sys::waitpid(-1, 0x4000_0000) {
                            if ended == pid && (status & 0xff) != 0x7f {
                                break;
                            }
                        }
                        crate::say(&format!("{count}"));
                        return 137;
                    }
                    Fault::Errno(_) if count >= target && failed.is_none() => {
                        let mut number = 0i64;
                        let _ = call!(nr::PTRACE, PTRACE_PEEKUSER, pid, ORIG_RAX, &mut number as *mut i64);
                        // An end cannot fail: the next call does.
                        if ![60, i64::from(nr::EXIT_GROUP)].contains(&number) {
                            (failing, failed) = (Some(pid), Some(number));
                            if !is_made_all_the_same(number) {
                                let _ = call!(nr::PTRACE, PTRACE_POKEUSER, pid, ORIG_RAX, -1i64);
                            }
                        }
                    }
                    _ => {}
                }
            } else if let (true, Fault::Errno(errno)) = (failing == Some(pid), fault) {
                failing = None;
                let _ = call!(nr::PTRACE, PTRACE_POKEUSER, pid, RAX, -i64::from(errno));
            }
        } else if event == PTRACE_EVENT_EXEC {
            execed = true;
        } else if event == 0 && signal != SIGTRAP {
            deliver = signal;
        }
        let _ = call!(nr::PTRACE, PTRACE_SYSCALL, pid, 0, deliver);
    }
    match (fault, failed) {
        (Fault::Kill, _) => {
            crate::say(&format!("{count}"));
            0
        }
        (Fault::Errno(_), Some(number)) => {
            crate::say(&format!("failed call {number}"));
            ended
        }
        (Fault::Errno(_), None) => {
            crate::say("got through");
            ended
        }
    }
}

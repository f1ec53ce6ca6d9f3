//! A child's failure in words: the place in config.json, what was tried, what the kernel said, and a hint where one helps.

use crate::compile::capabilities::NAMES;
use crate::config::HookKind;
use crate::error::{Error, decimal, error};
use crate::hooks;
use crate::json::quote;
use crate::log::Log;
use crate::paths::{shown, split_last};
use crate::plan::{Plan, Process};
use crate::sync::{ABSENT, Frame, Step};
use crate::words::{Words, fill};
use alloc::{format, string::String};
use core::ffi::CStr;
use syscalls::Errno;

/// The error that a failure or warning frame stands for. Without a Plan (exec) only the process can have failed.
pub fn render(frame: Frame, plan: Option<&Plan>, process: &Process) -> Error {
    let errno = Errno::from_raw_os_error(frame.value);
    let program = || process.args.iter().next().map(shown).unwrap_or_default();
    if matches!(frame.step, Step::Lookup | Step::Exec) {
        return program_error(program(), errno, process.selinux.is_some());
    }
    let index = usize::from(frame.index);
    if let (Step::CreateContainer, Some(plan)) = (frame.step, plan) {
        let path = plan.create_container.get(index).map(|hook| shown(hook.path)).unwrap_or_default();
        return hooks::failed(HookKind::CreateContainer, index, path, errno);
    }
    let words = frame.step.words();
    let mut parts = [""; 3];
    let message = match look(&mut parts, (frame.step, index), plan, process) {
        Some(()) => fill(words, &parts),
        // It is said what was done, and not to what.
        None => split_last(words, b':').map_or(words, |(_, operation)| operation.trim_start()),
    };
    let hint = match (frame.step, errno) {
        (Step::Console, Errno::NOENT) => words!("a terminal needs a devpts mounted on /dev/pts"),
        (Step::ApparmorLabel | Step::SelinuxLabel | Step::MountLabel, Errno::INVAL) => {
            words!("the kernel has no such module, or that does not know the label")
        }
        (Step::Mount | Step::Masked, Errno::INVAL)
            if plan.is_some_and(|plan| plan.mask_data.to_bytes().starts_with(b"context=")) =>
        {
            words!("perhaps for linux.mountLabel, which SELinux must know")
        }
        (Step::Mount, Errno::NODEV) => words!("this kernel does not have that file system"),
        (Step::MountCreate, Errno::ROFS) => words!("make it in the image, or mount a tmpfs above it"),
        (Step::MountTarget, Errno::LOOP) => words!("a symbolic link stands where none may"),
        (Step::Uid | Step::Gid | Step::Groups, Errno::INVAL) => {
            words!("the id is not mapped into the user namespace")
        }
        (Step::Groups, Errno::PERM) => words!("an ordinary user's container has no groups but its own"),
        (Step::Rlimit, Errno::PERM) => words!("more than the caller may have needs CAP_SYS_RESOURCE"),
        (Step::Scheduler | Step::IoPriority, Errno::PERM) => words!("needs CAP_SYS_NICE over the host"),
        _ => Words::NONE,
    };
    match frame.step {
        Step::CwdOutside | Step::DeviceOther => Error::told(message).hint(hint),
        _ => Error::told(message).errno(errno).hint(hint),
    }
}

/// Writes down what is put into the words of a step. None where the Plan does not have it.
fn look<'p>(
    [first, second, third]: &mut [&'p str; 3],
    (step, index): (Step, usize),
    plan: Option<&'p Plan>,
    process: &'p Process,
) -> Option<()> {
    match step {
        Step::Join => {
            let join = plan?.namespaces.join.get(index)?;
            *first = number(join.index.into());
            *second = shown(join.path);
        }
        Step::MountSource
        | Step::MountTarget
        | Step::MountCreate
        | Step::MountAttr
        | Step::MountCopy
        | Step::Mount
        | Step::MountPropagation => {
            let mount = plan?.mounts.get(index)?;
            *first = mount.place().leak();
            *second = inside(mount.target);
            *third = shown(mount.source);
        }
        Step::DeviceDirectory | Step::Device | Step::DeviceOther | Step::DeviceBind | Step::DeviceOwner => {
            let device = plan?.devices.get(index)?;
            *first = match device.index {
                Some(index) => format!("linux.devices[{index}]").leak(),
                None => "default device",
            };
            *second = inside(device.path);
        }
        Step::Masked | Step::Readonly => {
            let paths = if step == Step::Masked { plan?.masked } else { plan?.readonly };
            *first = number(index);
            *second = inside(paths.get(index)?);
        }
        Step::Propagation
        | Step::RootBind
        | Step::RootAttach
        | Step::Pivot
        | Step::Detach
        | Step::RootReadonly
        | Step::RootPropagation => *first = shown(plan?.root.path),
        Step::Sysctl => *first = shown(plan?.sysctls.get(index)?.path),
        Step::Cwd | Step::CwdOutside => *first = shown(process.cwd),
        Step::Rlimit => *first = number(index),
        Step::Uid => *first = number(process.uid as usize),
        Step::Gid => *first = number(process.gid as usize),
        Step::Bounding | Step::Ambient => *first = NAMES.get(index),
        _ => {}
    }
    Some(())
}

fn number(number: usize) -> &'static str {
    decimal(number).leak()
}

/// Says in the debug log what was done without, and what that costs: bits of `Absent`, each once.
pub fn done_without(log: &Log, bits: u32) {
    let bits = log.first_time(bits);
    for (place, (name, since, cost)) in ABSENT.iter().enumerate() {
        if bits >> place & 1 == 1 {
            log.debug(&format!("{name} (Linux {since}) is missing or denied: {cost}"));
        }
    }
}

/// What callers look for when a program cannot be executed (CLI.md "Error words"). With an SELinux label it is exec that asks the policy.
pub fn program_error(program: &str, errno: Errno, labelled: bool) -> Error {
    match errno {
        Errno::NOENT if !program.contains('/') => {
            error!("process.args[0] {quoted}: executable file not found in $PATH", program)
        }
        errno => error!("process.args[0] {quoted}: exec", program).errno(errno).hint(match errno {
            Errno::NOEXEC => words!("not a program for this machine, or a script without #!"),
            Errno::NOENT => words!("the program, or the interpreter it names, is not in the container"),
            Errno::ACCESS | Errno::PERM if labelled => {
                words!("perhaps for process.selinuxLabel, which the policy must allow")
            }
            _ => Words::NONE,
        }),
    }
}

/// A path inside the container as config.json has it.
fn inside(path: &CStr) -> &str {
    match path.to_bytes() {
        b"." => "/",
        _ => ["/", shown(path)].concat().leak(),
    }
}

/// The same in quotes.
pub fn quoted(path: &CStr) -> String {
    quote(inside(path))
}

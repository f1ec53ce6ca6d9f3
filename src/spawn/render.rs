//! A child's failure in words: the place in config.json, what was tried, what the kernel said, and a hint where one helps.

use crate::config::HookKind;
use crate::error::{Error, Quoted, error};
use crate::hooks;
use crate::json::quote;
use crate::log::Log;
use crate::plan::{Plan, Process};
use crate::sync::{ABSENT, Frame, Step};
use crate::words::Words;
use alloc::{format, string::String};
use core::ffi::CStr;
use syscalls::Errno;

/// The error that a failure or warning frame stands for. Without a Plan (exec) only the process can have failed.
pub fn render(frame: Frame, plan: Option<&Plan>, process: &Process) -> Error {
    let errno = Errno::from_raw_os_error(frame.value);
    let index = usize::from(frame.index);
    let words = frame.step.words();
    let program = || process.args.iter().next().map(text).unwrap_or_default();
    if matches!(frame.step, Step::Lookup | Step::Exec) {
        return program_error(&program(), errno, process.selinux.is_some());
    }
    if let (Step::CreateContainer, Some(plan)) = (frame.step, plan) {
        let path = plan.create_container.get(index).map(|hook| text(hook.path)).unwrap_or_default();
        return hooks::failed(HookKind::CreateContainer, index, &path, errno);
    }
    let subject = match (frame.step, plan) {
        (Step::Join, Some(plan)) => plan
            .namespaces
            .join
            .get(index)
            .map(|join| format!("linux.namespaces[{}].path {}", join.index, Quoted(&text(join.path)))),
        (
            Step::MountSource
            | Step::MountTarget
            | Step::MountCreate
            | Step::MountAttr
            | Step::MountCopy
            | Step::Mount
            | Step::MountPropagation,
            Some(plan),
        ) => plan.mounts.get(index).map(|mount| {
            let of = match frame.step {
                Step::MountSource => format!(" (source {})", Quoted(&text(mount.source))),
                _ => String::new(),
            };
            format!("{} {}{of}", mount.place(), quoted(mount.target))
        }),
        (
            Step::DeviceDirectory | Step::Device | Step::DeviceOther | Step::DeviceBind | Step::DeviceOwner,
            Some(plan),
        ) => plan.devices.get(index).map(|device| match device.index {
            Some(place) => format!("linux.devices[{place}] {}", quoted(device.path)),
            None => format!("default device {}", quoted(device.path)),
        }),
        (Step::MaskDevice, _) => Some("/dev/null".into()),
        (Step::Masked, Some(plan)) => {
            plan.masked.get(index).map(|path| format!("linux.maskedPaths[{index}] {}", quoted(path)))
        }
        (Step::Readonly, Some(plan)) => {
            plan.readonly.get(index).map(|path| format!("linux.readonlyPaths[{index}] {}", quoted(path)))
        }
        (Step::Sysctl, Some(plan)) => {
            plan.sysctls.get(index).map(|sysctl| format!("linux.sysctl {}", Quoted(&text(sysctl.path))))
        }
        (
            Step::Propagation
            | Step::RootBind
            | Step::RootAttach
            | Step::Pivot
            | Step::Detach
            | Step::RootReadonly
            | Step::RootPropagation,
            Some(plan),
        ) => Some(format!("root.path {}", Quoted(&text(plan.root.path)))),
        (Step::Time, _) => Some("linux.timeOffsets".into()),
        (Step::Hostname, _) => Some("hostname".into()),
        (Step::Domainname, _) => Some("domainname".into()),
        (Step::Cwd | Step::CwdOutside, _) => Some(format!("process.cwd {}", Quoted(&text(process.cwd)))),
        (Step::Rlimit, _) => Some(format!("process.rlimits[{index}]")),
        (Step::Uid, _) => Some(format!("process.user.uid {}", process.uid)),
        (Step::Gid, _) => Some(format!("process.user.gid {}", process.gid)),
        (Step::Groups, _) => Some("process.user.additionalGids".into()),
        (Step::Label, _) if index == 0 => Some("process.apparmorProfile".into()),
        (Step::Label, _) if index == 1 => Some("process.selinuxLabel".into()),
        (Step::Label, _) => Some("linux.mountLabel".into()),
        (Step::Bounding | Step::Ambient, _) => {
            Some(format!("process.capabilities CAP_{}", crate::compile::capabilities::NAMES.get(index)))
        }
        (Step::Capabilities, _) => Some("process.capabilities".into()),
        (Step::Seccomp, _) => Some("linux.seccomp".into()),
        (Step::Console | Step::Stdio, _) => Some("process.terminal".into()),
        (Step::Scheduler, _) => Some("process.scheduler".into()),
        (Step::IoPriority, _) => Some("process.ioPriority".into()),
        (Step::Affinity, _) => Some("process.execCPUAffinity".into()),
        (Step::MemoryPolicy, _) => Some("linux.memoryPolicy".into()),
        (Step::Personality, _) => Some("linux.personality".into()),
        _ => None,
    };
    let message = match subject {
        Some(subject) => format!("{subject}: {words}"),
        None => words.into(),
    };
    let hint = match (frame.step, errno) {
        (Step::Console, Errno::NOENT) => words!("a terminal needs a devpts mounted on /dev/pts"),
        (Step::Label, Errno::INVAL) => {
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
        Step::CwdOutside | Step::DeviceOther => error!("{}", message).hint(hint),
        _ => error!("{}", message).errno(errno).hint(hint),
    }
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

fn text(text: &CStr) -> String {
    text.to_string_lossy().into_owned()
}

/// A path inside the container as config.json has it.
pub fn quoted(path: &CStr) -> String {
    match path.to_bytes() {
        b"." => "\"/\"".into(),
        _ => quote(&format!("/{}", text(path))),
    }
}

//! What parent and child say to each other. Fixed-size frames, no text: the parent holds the same Plan and writes the prose.
//!
//! ```text
//!  create / run / exec                          child
//!    |------------------ clone3 ------------------>|
//!    |                                             | (new user namespace, or a runtime hook to come:)
//!    |<-- Maps ------------------------------------|   waits for a byte
//!    |  uid_map, gid_map, network devices          |
//!    |--- go ------------------------------------->|   ids of its own; root and mounts made
//!    |  device rules                               |   (asked for nothing, the cgroup has device rules:)
//!    |--- go ------------------------------------->|   waits for a byte, too
//!    |<-- Hooks -----------------------------------|   before pivot_root, only when there are hooks
//!    |  prestart, createRuntime                    |
//!    |--- go ------------------------------------->|
//!    |<-- Listener (seccomp notify) ---------------|   the parent takes the descriptor by pidfd_getfd
//!    |--- go ------------------------------------->|
//!    |<-- Warning, any number; Without, once ------|
//!    |                                             | (a pid namespace is entered last, as is what a user namespace is
//!    |                                             |  joined for first: a child of the runtime takes its place and waits)
//!    |<-- Pid -------------------------------------|   ends
//!    |  the Record, with that one's pid            |
//!    |--- go ----------------------------------------> the child from now on
//!    |                                             |
//!    |  create:                                    |
//!    |<-- Ready -----------------------------------|   everything done but the program
//!  (parent ends)                                   |   reads a byte from exec.fifo
//!  start                                           |
//!    |=== exec.fifo: one byte ====================>|   startContainer hooks, exec
//!    |=== exec.fifo: readers gone, empty =========>    exec'd: its descriptor is close-on-exec
//!    |=== exec.fifo: a frame ======================    failed, and why
//!    |                                             |
//!    |  run (one with hooks: create, then start),  |
//!    |  exec:                                      |
//!    |<-- end of file -----------------------------    exec'd: the socket is close-on-exec
//!    |<-- a failure frame -------------------------    failed, and why
//! ```

use crate::words::{Phrases, Words};
use syscalls::Errno;

/// Size of a frame on the wire.
pub const FRAME: usize = 8;

/// One message of the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    /// What the child was doing.
    pub step: Step,
    /// Which element of the step's list, by its place in the Plan's list.
    pub index: u16,
    /// The kernel's answer for a failure or warning; a number the kind explains otherwise.
    pub value: i32,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The container cannot be had; the child is gone. `value` is the errno.
    Failure = 1,
    /// Something asked for could not be had, and the specification calls that a warning. `value` is the errno.
    Warning,
    /// Waits for id maps and for what the parent does in the new namespaces.
    Maps,
    /// Waits for the hooks that run before pivot_root.
    Hooks,
    /// Waits while the parent takes the seccomp listener, whose number is `value`.
    Listener,
    /// It ends, and a process that it has made takes its place, and waits: `value` is that one's pid.
    Pid,
    /// Waits on exec.fifo.
    Ready,
    /// What the child did without: `value` has a bit for each place in [`ABSENT`]. For the debug log.
    Without,
}

/// A system call that the runtime can do without: its place in [`ABSENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Absent {
    Clone3,
    Openat2,
    MoveMount,
    MountSetattr,
    Fsopen,
    CloseRange,
    PidfdOpen,
    PidfdSendSignal,
}

impl Absent {
    /// As one bit of `Kind::Without`'s value.
    pub fn bit(self) -> u32 {
        1u32.wrapping_shl(self as u32)
    }
}

/// For each [`Absent`]: its name, the version that brought what is used of it, and what is lost without it. A kernel may be older,
/// or a seccomp filter may deny it. One table for the debug log, `check` and the tests.
pub const ABSENT: &[(&str, &str, Words)] = &[
    (
        "clone3",
        "5.3, into a cgroup 5.7",
        words!("processes are moved into their cgroup after they were born"),
    ),
    ("openat2", "5.6", words!("paths in the container are walked step by step")),
    (
        "open_tree",
        "5.2, with move_mount",
        words!(
            "mounts are made by mount(2), and are there before their flags are; no joined mount namespace"
        ),
    ),
    (
        "mount_setattr",
        "5.12",
        words!(
            "what is mounted below a read-only path stays writable; no id-mapped mounts, no recursive mount flags"
        ),
    ),
    (
        "fsopen",
        "5.2",
        words!("the machine's /proc is used; joined pid namespaces see a container while it is made"),
    ),
    ("close_range", "5.11", words!("descriptors are closed one by one")),
    ("pidfd_open", "5.3, for setns 5.8", words!("processes are known by pid and start time")),
    ("pidfd_send_signal", "5.1", words!("signals go by pid, after a look at the process's start time")),
];

/// Whether an answer may mean that the call is missing: in this kernel, behind a seccomp filter, or (ENOENT) in a vendor's kernel.
/// What is really forbidden or not there is so for the older call as well.
pub fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::NOENT)
}

macro_rules! steps {
    ($($name:ident = $text:literal,)*) => {
        /// What the child does, in the order in which it does it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Step { $($name,)* }

        impl Step {
            const ALL: &'static [Step] = &[$(Step::$name,)*];

            /// What an error message says: the place in config.json, as far as there is one, what stands there, a colon, and the
            /// operation. What is to be put in is for [`crate::words::fill`].
            pub fn words(self) -> &'static str {
                static WORDS: Phrases = phrases![$($text),*];
                WORDS.get(self as usize)
            }
        }
    };
}

steps! {
    Join = "linux.namespaces[{}].path {quoted}: setns",
    Clone = "clone",
    Maps = "wait for the id maps",
    Time = "linux.timeOffsets: make the time namespace",
    Identity = "become root of the user namespace",
    Root = "enter the container's root",
    Session = "setsid",
    Dumpable = "prctl(PR_SET_DUMPABLE)",
    Loopback = "set up the loopback device",
    Hostname = "hostname: sethostname",
    Domainname = "domainname: setdomainname",
    Propagation = "root.path {quoted}: make the mounts private",
    RootBind = "root.path {quoted}: bind mount",
    RootAttach = "root.path {quoted}: attach the root",
    MountSource = "{} {quoted} (source {quoted}): open the source",
    MountTarget = "{} {quoted}: open the destination",
    MountCreate = "{} {quoted}: create the destination",
    MountAttr = "{} {quoted}: set the mount's flags",
    MountCopy = "{} {quoted}: copy up",
    Mount = "{} {quoted}: mount",
    MountPropagation = "{} {quoted}: set the propagation",
    DeviceDirectory = "{} {quoted}: open the directory",
    Device = "{} {quoted}: mknod",
    DeviceOther = "{} {quoted}: exists and is another file",
    DeviceBind = "{} {quoted}: bind mount from the host",
    DeviceOwner = "{} {quoted}: chown",
    DeviceLink = "symlink",
    Console = "process.terminal: make the terminal",
    Rules = "wait for the device rules",
    Hooks = "wait for the hooks",
    CreateContainer = "createContainer hook",
    Pivot = "root.path {quoted}: pivot_root",
    Detach = "root.path {quoted}: detach the host's mounts",
    RootReadonly = "root.path {quoted}: make read-only",
    RootPropagation = "root.path {quoted}: set the propagation",
    Sysctl = "linux.sysctl {quoted}: write",
    Readonly = "linux.readonlyPaths[{}] {quoted}: make read-only",
    MaskDevice = "/dev/null: is not the null device, which masks are made of",
    Masked = "linux.maskedPaths[{}] {quoted}: mask",
    Keyring = "join a session keyring",
    ApparmorLabel = "process.apparmorProfile: set the security label",
    SelinuxLabel = "process.selinuxLabel: set the security label",
    MountLabel = "linux.mountLabel: set the security label",
    Affinity = "process.execCPUAffinity: sched_setaffinity",
    Scheduler = "process.scheduler: sched_setattr",
    IoPriority = "process.ioPriority: ioprio_set",
    MemoryPolicy = "linux.memoryPolicy: set_mempolicy",
    Personality = "linux.personality: personality",
    Rlimit = "process.rlimits[{}]: setrlimit",
    NoNewPrivileges = "prctl(PR_SET_NO_NEW_PRIVS)",
    Seccomp = "linux.seccomp: seccomp",
    Bounding = "process.capabilities CAP_{}: drop from the bounding set",
    Groups = "process.user.additionalGids: setgroups",
    Gid = "process.user.gid {}: setresgid",
    Uid = "process.user.uid {}: setresuid",
    Capabilities = "process.capabilities: capset",
    Ambient = "process.capabilities CAP_{}: raise ambient capability",
    Stdio = "process.terminal: take the terminal as stdio",
    Cwd = "process.cwd {quoted}: chdir",
    CwdOutside = "process.cwd {quoted}: lies outside the container's root",
    Lookup = "look up",
    Wait = "wait for start",
    StartContainer = "startContainer hook",
    Exec = "exec",
}

impl Kind {
    const ALL: &'static [Kind] = &[
        Kind::Failure,
        Kind::Warning,
        Kind::Maps,
        Kind::Hooks,
        Kind::Listener,
        Kind::Pid,
        Kind::Ready,
        Kind::Without,
    ];
}

impl Frame {
    /// The bytes on the wire: kind, step, index, value, in the machine's byte order.
    pub fn encode(self) -> [u8; FRAME] {
        let [a, b] = self.index.to_ne_bytes();
        let [c, d, e, f] = self.value.to_ne_bytes();
        [self.kind as u8, self.step as u8, a, b, c, d, e, f]
    }

    /// Reads a frame; None for bytes that no child of ours writes.
    pub fn decode(bytes: [u8; FRAME]) -> Option<Frame> {
        let [kind, step, a, b, c, d, e, f] = bytes;
        Some(Frame {
            kind: *Kind::ALL.iter().find(|known| **known as u8 == kind)?,
            step: *Step::ALL.get(usize::from(step))?,
            index: u16::from_ne_bytes([a, b]),
            value: i32::from_ne_bytes([c, d, e, f]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_survives_the_wire_and_garbage_does_not_decode() {
        for kind in Kind::ALL {
            for step in Step::ALL {
                let frame = Frame { kind: *kind, step: *step, index: 65_535, value: -22 };
                assert_eq!(Frame::decode(frame.encode()), Some(frame));
            }
        }
        assert_eq!(Frame::decode([0; FRAME]), None);
        assert_eq!(Frame::decode([1, 255, 0, 0, 0, 0, 0, 0]), None);
    }
}

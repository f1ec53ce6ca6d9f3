//! The Plan: a container as flat data, finished before the first side effect.
//!
//! Types only, and (but for the list of mounts) none that owns: what they point to is made once and never freed.
//! `compile` makes it from config.json, the parent (`spawn`) and the child (`child`) carry it out, and
//! `check --plan` prints it. Paths inside the container are relative to its root, without a leading slash; `.` is the root.
//! A field named `index` is the element's place in config.json, for the message when it fails.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::ffi::CStr;
use linux_raw_sys::general::{CLONE_NEWPID, CLONE_NEWUSER};
use syscalls::CStrArray;

/// All that `create` does in the child.
#[derive(Debug, Default)]
pub struct Plan {
    pub namespaces: Namespaces,
    pub root: Root,
    pub mounts: Vec<Mount>,
    pub devices: &'static [Device],
    /// /dev is a bind: what lies in it is the caller's, and nothing is made there that was not asked for.
    pub dev_is_bound: bool,
    /// Whether the ipc namespace is made once more, from inside the user namespace: the top of its mqueue is whose the namespace was
    /// made by, and only that one may give it a label.
    pub second_ipc: bool,
    pub net_devices: &'static [NetDevice],
    pub masked: &'static [&'static CStr],
    /// Data of the empty tmpfs that hides a directory. It starts with `context=` where linux.mountLabel is given.
    pub mask_data: &'static CStr,
    pub readonly: &'static [&'static CStr],
    pub sysctls: &'static [Sysctl],
    /// UTS names, without a NUL.
    pub hostname: Option<&'static [u8]>,
    pub domainname: Option<&'static [u8]>,
    pub create_container: &'static [Hook],
    pub start_container: &'static [Hook],
    pub process: Box<Process>,
    /// What the person should know though nothing fails, each a finished sentence.
    pub warnings: Vec<&'static str>,
}

/// The namespaces of the container.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// CLONE_NEW* of those to be made.
    pub new: u64,
    /// Those to be joined, in the order in which the child joins them: user first, pid last (R4).
    pub join: &'static [Join],
    /// Finished text for uid_map and gid_map, when a new user namespace has mappings.
    pub uid_map: &'static [u8],
    pub gid_map: &'static [u8],
    /// Finished text for timens_offsets; empty for none.
    pub time_offsets: &'static [u8],
}

impl Namespaces {
    /// Whether the container gets this namespace, by its CLONE_NEW* bit, new or joined.
    pub fn has(&self, kind: u64) -> bool {
        self.new & kind != 0 || self.joins(kind)
    }

    /// Whether this namespace is there already and the container joins it.
    #[inline(never)]
    pub fn joins(&self, kind: u64) -> bool {
        self.join.iter().any(|join| join.kind & kind != 0)
    }

    /// Whether a pid namespace is joined whose processes may have power over the runtime's, since no user namespace is between them: it
    /// is entered last of all where the kernel lets a procfs be made for it beforehand (R4, CVE-2016-9962).
    pub fn may_enter_late(&self) -> bool {
        self.joins(u64::from(CLONE_NEWPID)) && !self.has(u64::from(CLONE_NEWUSER))
    }
}

/// A namespace joined by path.
#[derive(Debug)]
pub struct Join {
    /// Its CLONE_NEW* bit; several for a pidfd, which stands for all namespaces of its process.
    pub kind: u64,
    pub path: &'static CStr,
    pub index: u16,
}

/// The root file system.
#[derive(Debug, Default)]
pub struct Root {
    /// Absolute path on the host.
    pub path: &'static CStr,
    pub readonly: bool,
    /// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with or without MS_REC: what the container's root gets in the end.
    pub propagation: u32,
    /// Move the mount and chroot where pivot_root is not wanted (`--no-pivot`).
    pub no_pivot: bool,
}

/// One mount.
#[derive(Debug, Default, Clone, Copy)]
pub struct Mount {
    pub kind: MountKind,
    /// Absolute host path for a bind; the file system's source otherwise.
    pub source: &'static CStr,
    pub target: &'static CStr,
    pub fstype: &'static CStr,
    /// MS_* for mount(2): per-mount and superblock flags of a new file system or a remount.
    pub flags: u32,
    /// File system options, comma-separated.
    pub data: &'static CStr,
    /// MOUNT_ATTR_* changes of a bind or remount: the mount itself, and the whole tree below it.
    pub attr: AttrChange,
    pub tree_attr: AttrChange,
    /// MS_SHARED and its like, perhaps with MS_REC; 0 leaves what the kernel gives.
    pub propagation: u32,
    /// The maps of an id-mapped bind.
    pub idmap: Option<IdMap>,
    /// An SELinux label for its top that cannot be data; empty for none.
    pub label: &'static CStr,
    /// A tmpfs that starts as a copy of what it covers.
    pub copy_up: bool,
    /// A tmpfs whose data ends with [`MODE_BELOW`].
    pub mode_below: bool,
    /// A tmpfs that is made read-only when all that is to be in it is.
    pub late_readonly: bool,
    /// The last component of the source, or of the destination, must not be a symbolic link.
    pub source_nofollow: bool,
    pub target_nofollow: bool,
    /// No component of the destination may be one.
    pub no_symlinks: bool,
    pub index: u16,
}

impl Mount {
    /// In place of an index: a mount that the runtime adds, for the program's NOTIFY_SOCKET.
    pub const OWN: u16 = u16::MAX;

    /// Whether something is mounted, rather than a mount changed or a link made.
    pub fn is_mounted(&self) -> bool {
        use MountKind::*;
        matches!(self.kind, Filesystem | Cgroup | Bind | TreeBind)
    }

    /// Whether it is a procfs, which shows a pid namespace.
    pub fn is_procfs(&self) -> bool {
        self.kind == MountKind::Filesystem && self.fstype == c"proc"
    }

    /// Its place in config.json, for a message.
    pub fn place(&self) -> String {
        match self.index {
            Mount::OWN => "NOTIFY_SOCKET".into(),
            index => format!("mounts[{index}]"),
        }
    }
}

/// Stands for the mode of the directory that a tmpfs covers, whose four digits the child puts in.
pub const MODE_BELOW: &str = "mode=0000";

/// What is mounted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A new instance of a file system.
    #[default]
    Filesystem,
    /// cgroup2, which has fallbacks: a host without cgroups, a user namespace that may not mount it.
    Cgroup,
    /// A bind of one mount, or of a tree.
    Bind,
    TreeBind,
    /// The symbolic link whose text is the source is made at the destination (`copy-symlink`). Before the source was looked at it is
    /// the path of what may be a link, or else is bound.
    CopySymlink,
    /// New flags for what is mounted there: of the mount, or (without `bind`) of the superblock.
    BindRemount,
    Remount,
    /// Only the propagation of what is mounted there.
    Propagation,
}

/// MOUNT_ATTR_* bits to set and to clear, as mount_setattr(2) takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttrChange {
    pub set: u64,
    pub clear: u64,
}

impl AttrChange {
    /// Whether nothing changes.
    pub fn is_empty(self) -> bool {
        self.set == 0 && self.clear == 0
    }
}

/// An id-mapped mount: finished map text, or empty to use the container's own user namespace.
#[derive(Debug, Clone, Copy)]
pub struct IdMap {
    pub uid_map: &'static [u8],
    pub gid_map: &'static [u8],
    pub recursive: bool,
}

/// One device node.
#[derive(Debug)]
pub struct Device {
    pub path: &'static CStr,
    /// S_IFCHR, S_IFBLK or S_IFIFO with the permission bits.
    pub mode: u32,
    pub major: u32,
    pub minor: u32,
    pub uid: u32,
    pub gid: u32,
    /// Place in linux.devices; None for one of the default devices.
    pub index: Option<u16>,
}

impl Device {
    /// Whether a device of linux.devices is a block device; None for a fifo, and for the default ones, which are always granted.
    pub fn is_block(&self) -> Option<bool> {
        use linux_raw_sys::general::{S_IFBLK, S_IFIFO, S_IFMT};
        let kind = self.mode & S_IFMT;
        (self.index.is_some() && kind != S_IFIFO).then_some(kind == S_IFBLK)
    }
}

/// A network device of the host that is moved into the container's network namespace.
#[derive(Debug)]
pub struct NetDevice {
    /// Its name on the host.
    pub name: &'static CStr,
    /// Its name in the container, perhaps with a `%d` that the kernel fills in.
    pub inside: &'static CStr,
}

/// One kernel parameter: the path below /proc/sys, and its value.
#[derive(Debug)]
pub struct Sysctl {
    pub path: &'static CStr,
    pub value: &'static [u8],
}

/// A finished seccomp filter.
#[derive(Debug)]
pub struct Filter {
    pub program: &'static [syscalls::seccomp::SockFilter],
    /// SECCOMP_FILTER_FLAG_*.
    pub flags: u32,
    /// The flags are the default, not the profile's own: a kernel that refuses them (EINVAL) is asked again without.
    pub default_flags: bool,
    /// Names of the profile that are no system calls anywhere, for the debug log.
    pub unknown: &'static [&'static str],
}

/// One hook, ready to be exec'd.
#[derive(Debug)]
pub struct Hook {
    pub path: &'static CStr,
    pub args: CStrArray,
    pub env: CStrArray,
    /// Seconds; None waits for ever.
    pub timeout: Option<u32>,
}

/// The process: what `create` ends with and the whole of what `exec` does.
#[derive(Debug, Default)]
pub struct Process {
    pub args: CStrArray,
    pub env: CStrArray,
    /// Room for HOME, from the container's passwd; none where it was given.
    pub home: &'static mut [u8],
    /// Room for LISTEN_PID, with its own pid; none where it is not to be told.
    pub listen_pid: &'static mut [u8],
    /// What execvp would try, in order: one path, or the name below each element of PATH.
    pub candidates: &'static [&'static CStr],
    pub cwd: &'static CStr,
    pub uid: u32,
    pub gid: u32,
    pub groups: &'static [u32],
    /// setgroups is denied in the new user namespace: an unprivileged user's (user_namespaces(7)).
    pub groups_denied: bool,
    pub umask: u32,
    pub capabilities: Capabilities,
    pub no_new_privileges: bool,
    pub rlimits: &'static [Rlimit],
    pub oom_score_adj: Option<i32>,
    pub apparmor: Option<&'static CStr>,
    pub selinux: Option<&'static CStr>,
    /// A session keyring of its own, not the caller's.
    pub new_keyring: bool,
    pub personality: Option<u32>,
    pub scheduler: Option<Scheduler>,
    /// ioprio_set's value: class << 13 | level.
    pub io_priority: Option<u32>,
    /// CPU masks, little-endian bytes, before and after joining the cgroup.
    pub affinity_initial: &'static [u8],
    pub affinity_final: &'static [u8],
    pub memory_policy: Option<MemoryPolicy>,
    pub seccomp: Option<Filter>,
    pub terminal: Option<Terminal>,
    /// Descriptors 3..3+N that the program gets (LISTEN_FDS and --preserve-fds).
    pub preserve_fds: u32,
}

/// A terminal of the container's own devpts.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Characters; 0 leaves the kernel's.
    pub height: u16,
    pub width: u16,
    /// A newline leaves it as it came, without a carriage return before it.
    pub plain_newlines: bool,
}

/// The five capability sets, bit n for capability n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub bounding: u64,
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub ambient: u64,
}

/// One resource limit, in getrlimit(2)'s units.
#[derive(Debug, Clone, Copy)]
pub struct Rlimit {
    pub resource: u32,
    pub soft: u64,
    pub hard: u64,
    pub index: u16,
}

/// Arguments of sched_setattr(2).
#[derive(Debug, Clone, Copy, Default)]
pub struct Scheduler {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    /// Nanoseconds.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// Arguments of set_mempolicy(2).
#[derive(Debug)]
pub struct MemoryPolicy {
    pub mode: u32,
    /// One bit a node.
    pub nodes: &'static [usize],
}

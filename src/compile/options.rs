//! Mount options: one table for the compiler, `features` and `check`.

use crate::texts::{Table, table};
use linux_raw_sys::general::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME, MS_DIRSYNC,
    MS_I_VERSION, MS_LAZYTIME, MS_MANDLOCK, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID,
    MS_NOSYMFOLLOW, MS_PRIVATE, MS_RDONLY, MS_REC, MS_RELATIME, MS_SHARED, MS_SILENT, MS_SLAVE,
    MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE,
};

/// What one option does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the default by name.
    None,
    /// Sets or clears a flag of the mount: its MS_* for mount(2), its MOUNT_ATTR_* for mount_setattr(2).
    Set(u32, u32),
    Clear(u32, u32),
    /// The same for the whole tree, which only mount_setattr(2) can.
    SetTree(u32),
    ClearTree(u32),
    /// Sets or clears a flag of the file system itself (MS_* only).
    SetSuper(u32),
    ClearSuper(u32),
    /// Propagation type, with or without MS_REC.
    Propagation(u32),
    /// A word to the runtime, not to the kernel: one of the bits below.
    Word(u32),
}

pub const BIND: u32 = 1;
pub const TREE_BIND: u32 = 1 << 1;
pub const REMOUNT: u32 = 1 << 2;
pub const IDMAP: u32 = 1 << 3;
pub const TREE_IDMAP: u32 = 1 << 4;
pub const COPY_UP: u32 = 1 << 5;
pub const COPY_SYMLINK: u32 = 1 << 6;
pub const SOURCE_NOFOLLOW: u32 = 1 << 7;
pub const TARGET_NOFOLLOW: u32 = 1 << 8;

use Effect::*;

/// Every option that is not file system data, sorted by name (config.md "mounts", config-linux.md; the last three are crun's).
pub static OPTIONS: Table<Effect> = table! {
    "async" => ClearSuper(MS_SYNCHRONOUS),
    "atime" => Clear(MS_NOATIME, MOUNT_ATTR_NOATIME),
    "bind" => Word(BIND),
    "copy-symlink" => Word(COPY_SYMLINK),
    "defaults" => None,
    "dest-nofollow" => Word(TARGET_NOFOLLOW),
    "dev" => Clear(MS_NODEV, MOUNT_ATTR_NODEV),
    "diratime" => Clear(MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    "dirsync" => SetSuper(MS_DIRSYNC),
    "exec" => Clear(MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    "idmap" => Word(IDMAP),
    "iversion" => SetSuper(MS_I_VERSION),
    "lazytime" => SetSuper(MS_LAZYTIME),
    "loud" => ClearSuper(MS_SILENT),
    "mand" => SetSuper(MS_MANDLOCK),
    "noatime" => Set(MS_NOATIME, MOUNT_ATTR_NOATIME),
    "nodev" => Set(MS_NODEV, MOUNT_ATTR_NODEV),
    "nodiratime" => Set(MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    "noexec" => Set(MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    "noiversion" => ClearSuper(MS_I_VERSION),
    "nolazytime" => ClearSuper(MS_LAZYTIME),
    "nomand" => ClearSuper(MS_MANDLOCK),
    "norelatime" => Clear(MS_RELATIME, MOUNT_ATTR__ATIME),
    "nostrictatime" => Clear(MS_STRICTATIME, MOUNT_ATTR_STRICTATIME),
    "nosuid" => Set(MS_NOSUID, MOUNT_ATTR_NOSUID),
    "nosymfollow" => Set(MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    "private" => Propagation(MS_PRIVATE),
    "ratime" => ClearTree(MOUNT_ATTR_NOATIME),
    "rbind" => Word(TREE_BIND),
    "rdev" => ClearTree(MOUNT_ATTR_NODEV),
    "rdiratime" => ClearTree(MOUNT_ATTR_NODIRATIME),
    "relatime" => Set(MS_RELATIME, 0), // MOUNT_ATTR_RELATIME is 0: the value of a cleared ATIME field
    "remount" => Word(REMOUNT),
    "rexec" => ClearTree(MOUNT_ATTR_NOEXEC),
    "ridmap" => Word(TREE_IDMAP),
    "rnoatime" => SetTree(MOUNT_ATTR_NOATIME),
    "rnodev" => SetTree(MOUNT_ATTR_NODEV),
    "rnodiratime" => SetTree(MOUNT_ATTR_NODIRATIME),
    "rnoexec" => SetTree(MOUNT_ATTR_NOEXEC),
    "rnorelatime" => ClearTree(MOUNT_ATTR__ATIME),
    "rnostrictatime" => ClearTree(MOUNT_ATTR_STRICTATIME),
    "rnosuid" => SetTree(MOUNT_ATTR_NOSUID),
    "rnosymfollow" => SetTree(MOUNT_ATTR_NOSYMFOLLOW),
    "ro" => Set(MS_RDONLY, MOUNT_ATTR_RDONLY),
    "rprivate" => Propagation(MS_PRIVATE | MS_REC),
    "rrelatime" => SetTree(0),
    "rro" => SetTree(MOUNT_ATTR_RDONLY),
    "rrw" => ClearTree(MOUNT_ATTR_RDONLY),
    "rshared" => Propagation(MS_SHARED | MS_REC),
    "rslave" => Propagation(MS_SLAVE | MS_REC),
    "rstrictatime" => SetTree(MOUNT_ATTR_STRICTATIME),
    "rsuid" => ClearTree(MOUNT_ATTR_NOSUID),
    "rsymfollow" => ClearTree(MOUNT_ATTR_NOSYMFOLLOW),
    "runbindable" => Propagation(MS_UNBINDABLE | MS_REC),
    "rw" => Clear(MS_RDONLY, MOUNT_ATTR_RDONLY),
    "shared" => Propagation(MS_SHARED),
    "silent" => SetSuper(MS_SILENT),
    "slave" => Propagation(MS_SLAVE),
    "src-nofollow" => Word(SOURCE_NOFOLLOW),
    "strictatime" => Set(MS_STRICTATIME, MOUNT_ATTR_STRICTATIME),
    "suid" => Clear(MS_NOSUID, MOUNT_ATTR_NOSUID),
    "symfollow" => Clear(MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    "sync" => SetSuper(MS_SYNCHRONOUS),
    "tmpcopyup" => Word(COPY_UP),
    "unbindable" => Propagation(MS_UNBINDABLE),
};

/// What an option does; None when it is data for the file system.
pub fn find(name: &str) -> Option<Effect> {
    OPTIONS.find(name)
}

/// The propagation types by their `rootfsPropagation` names; the spec's four are recursive by nature.
pub fn propagation(name: &str) -> Option<u32> {
    match find(name) {
        Some(Propagation(flags)) => Some(flags | MS_REC),
        _ => Option::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_found_and_data_is_not() {
        for (name, effect) in OPTIONS.iter() {
            assert_eq!(find(name), Some(effect), "{name}");
        }
        assert_eq!(find("size=4k"), Option::None);
    }
}

//! Mount options: one table for the compiler, `features` and `check`.

use crate::texts::{Table, table};
use linux_raw_sys::general::{
    MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME, MS_DIRSYNC, MS_I_VERSION, MS_LAZYTIME,
    MS_MANDLOCK, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_NOSYMFOLLOW, MS_PRIVATE,
    MS_RDONLY, MS_REC, MS_RELATIME, MS_SHARED, MS_SILENT, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS,
    MS_UNBINDABLE,
};

/// What one option does: to which flag, kept as the number of its bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    pub what: What,
    bit: u8,
}

/// What is done to the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A flag of the mount is set or cleared: by MS_* for mount(2), by its [`attribute`] for mount_setattr(2).
    Set,
    Clear,
    /// The same for the whole tree, which only mount_setattr(2) can.
    SetTree,
    ClearTree,
    /// A flag of the file system itself is set or cleared (MS_* only).
    SetSuper,
    ClearSuper,
    /// It is the propagation type, of the mount or of the whole tree.
    Propagate,
    PropagateTree,
    /// It is a word to the runtime, not to the kernel: one of the bits below, or none.
    Word,
}

const fn to(what: What, flag: u32) -> Effect {
    assert!(flag.count_ones() <= 1);
    Effect { what, bit: flag.trailing_zeros() as u8 }
}

impl Effect {
    /// The flag: one bit, or 0.
    pub fn flag(self) -> u32 {
        1u32.checked_shl(self.bit.into()).unwrap_or(0)
    }
}

/// The MOUNT_ATTR_* for an MS_* of a mount. That of relatime is 0: the value of a cleared ATIME field.
pub fn attribute(flag: u32) -> u32 {
    match flag {
        MS_NOATIME => MOUNT_ATTR_NOATIME,
        MS_STRICTATIME => MOUNT_ATTR_STRICTATIME,
        MS_RELATIME => 0,
        MS_NODIRATIME => MOUNT_ATTR_NODIRATIME,
        MS_NOSYMFOLLOW => MOUNT_ATTR_NOSYMFOLLOW,
        same => same,
    }
}

const _: () = assert!(
    MS_RDONLY == MOUNT_ATTR_RDONLY
        && MS_NOSUID == MOUNT_ATTR_NOSUID
        && MS_NODEV == MOUNT_ATTR_NODEV
        && MS_NOEXEC == MOUNT_ATTR_NOEXEC
);

pub const BIND: u32 = 1;
pub const TREE_BIND: u32 = 1 << 1;
pub const REMOUNT: u32 = 1 << 2;
pub const IDMAP: u32 = 1 << 3;
pub const TREE_IDMAP: u32 = 1 << 4;
pub const COPY_UP: u32 = 1 << 5;
pub const COPY_SYMLINK: u32 = 1 << 6;
pub const SOURCE_NOFOLLOW: u32 = 1 << 7;
pub const TARGET_NOFOLLOW: u32 = 1 << 8;

use What::*;

/// Every option that is not file system data, sorted by name (config.md "mounts", config-linux.md; copy-symlink, dest-nofollow and src-nofollow are crun's).
pub static OPTIONS: Table<Effect> = table! {
    "async" => to(ClearSuper, MS_SYNCHRONOUS),
    "atime" => to(Clear, MS_NOATIME),
    "bind" => to(Word, BIND),
    "copy-symlink" => to(Word, COPY_SYMLINK),
    "defaults" => to(Word, 0),
    "dest-nofollow" => to(Word, TARGET_NOFOLLOW),
    "dev" => to(Clear, MS_NODEV),
    "diratime" => to(Clear, MS_NODIRATIME),
    "dirsync" => to(SetSuper, MS_DIRSYNC),
    "exec" => to(Clear, MS_NOEXEC),
    "idmap" => to(Word, IDMAP),
    "iversion" => to(SetSuper, MS_I_VERSION),
    "lazytime" => to(SetSuper, MS_LAZYTIME),
    "loud" => to(ClearSuper, MS_SILENT),
    "mand" => to(SetSuper, MS_MANDLOCK),
    "noatime" => to(Set, MS_NOATIME),
    "nodev" => to(Set, MS_NODEV),
    "nodiratime" => to(Set, MS_NODIRATIME),
    "noexec" => to(Set, MS_NOEXEC),
    "noiversion" => to(ClearSuper, MS_I_VERSION),
    "nolazytime" => to(ClearSuper, MS_LAZYTIME),
    "nomand" => to(ClearSuper, MS_MANDLOCK),
    "norelatime" => to(Clear, MS_RELATIME),
    "nostrictatime" => to(Clear, MS_STRICTATIME),
    "nosuid" => to(Set, MS_NOSUID),
    "nosymfollow" => to(Set, MS_NOSYMFOLLOW),
    "private" => to(Propagate, MS_PRIVATE),
    "ratime" => to(ClearTree, MS_NOATIME),
    "rbind" => to(Word, TREE_BIND),
    "rdev" => to(ClearTree, MS_NODEV),
    "rdiratime" => to(ClearTree, MS_NODIRATIME),
    "relatime" => to(Set, MS_RELATIME),
    "remount" => to(Word, REMOUNT),
    "rexec" => to(ClearTree, MS_NOEXEC),
    "ridmap" => to(Word, TREE_IDMAP),
    "rnoatime" => to(SetTree, MS_NOATIME),
    "rnodev" => to(SetTree, MS_NODEV),
    "rnodiratime" => to(SetTree, MS_NODIRATIME),
    "rnoexec" => to(SetTree, MS_NOEXEC),
    "rnorelatime" => to(ClearTree, MS_RELATIME),
    "rnostrictatime" => to(ClearTree, MS_STRICTATIME),
    "rnosuid" => to(SetTree, MS_NOSUID),
    "rnosymfollow" => to(SetTree, MS_NOSYMFOLLOW),
    "ro" => to(Set, MS_RDONLY),
    "rprivate" => to(PropagateTree, MS_PRIVATE),
    "rrelatime" => to(SetTree, MS_RELATIME),
    "rro" => to(SetTree, MS_RDONLY),
    "rrw" => to(ClearTree, MS_RDONLY),
    "rshared" => to(PropagateTree, MS_SHARED),
    "rslave" => to(PropagateTree, MS_SLAVE),
    "rstrictatime" => to(SetTree, MS_STRICTATIME),
    "rsuid" => to(ClearTree, MS_NOSUID),
    "rsymfollow" => to(ClearTree, MS_NOSYMFOLLOW),
    "runbindable" => to(PropagateTree, MS_UNBINDABLE),
    "rw" => to(Clear, MS_RDONLY),
    "shared" => to(Propagate, MS_SHARED),
    "silent" => to(SetSuper, MS_SILENT),
    "slave" => to(Propagate, MS_SLAVE),
    "src-nofollow" => to(Word, SOURCE_NOFOLLOW),
    "strictatime" => to(Set, MS_STRICTATIME),
    "suid" => to(Clear, MS_NOSUID),
    "symfollow" => to(Clear, MS_NOSYMFOLLOW),
    "sync" => to(SetSuper, MS_SYNCHRONOUS),
    "tmpcopyup" => to(Word, COPY_UP),
    "unbindable" => to(Propagate, MS_UNBINDABLE),
};

/// What an option does; None when it is data for the file system.
pub fn find(name: &str) -> Option<Effect> {
    OPTIONS.find(name)
}

/// The propagation types by their `rootfsPropagation` names; the spec's four are recursive by nature.
pub fn propagation(name: &str) -> Option<u32> {
    let effect = find(name)?;
    matches!(effect.what, Propagate | PropagateTree).then_some(effect.flag() | MS_REC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_found_and_data_is_not() {
        for (name, effect) in OPTIONS.iter() {
            assert_eq!(find(name), Some(effect), "{name}");
        }
        assert_eq!(find("size=4k"), None);
    }
}

//! Capability names and the five sets (capabilities(7), R8).

use crate::config::process;
use crate::plan::Capabilities;
use crate::texts;
use crate::texts::{Texts, same};
use alloc::vec::Vec;

/// Every capability without its `CAP_`, its number being its place (linux/capability.h, Linux 5.9 and later).
pub static NAMES: Texts = texts![
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The bit of a capability, named with or without `CAP_`, in any case.
pub fn bit(name: &str) -> Option<u64> {
    let bare = match name.get(..4) {
        Some(prefix) if same(prefix.as_bytes(), b"CAP_") => name.get(4..)?,
        _ => name,
    };
    let number = NAMES.position_where(|known| same(known, bare.as_bytes()))?;
    1u64.checked_shl(u32::try_from(number).ok()?)
}

/// The five sets. No object means none (R8); a name that is not known is a warning (config.md).
pub fn compile(sets: Option<&process::Capabilities<'_>>, warnings: &mut Vec<&'static str>) -> Capabilities {
    let mut masks = [0; 5];
    for (index, (mask, names)) in masks.iter_mut().zip(sets.iter().flat_map(|sets| &sets.0)).enumerate() {
        for name in names {
            match bit(name) {
                Some(bit) => *mask |= bit,
                None => warnings.push(filled!(
                    "config.json: process.capabilities.{}: {quoted} is not a capability that this version knows",
                    process::SETS.get(index),
                    name
                )),
            }
        }
    }
    let [bounding, effective, permitted, inheritable, ambient] = masks;
    // The kernel grants no effective capability that is not permitted, and no ambient one that is not also inheritable.
    Capabilities {
        bounding,
        permitted,
        effective: effective & permitted,
        inheritable,
        ambient: ambient & permitted & inheritable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::List;

    #[test]
    fn names_are_found_in_any_spelling_and_nothing_else_is() {
        assert_eq!(bit("CAP_CHOWN"), Some(1));
        assert_eq!(bit("checkpoint_restore"), Some(1 << 40));
        assert_eq!(bit("CAP_"), None);
        assert_eq!(bit("é"), None);
    }

    #[test]
    fn no_object_means_no_capability_at_all() {
        assert_eq!(compile(None, &mut Vec::new()), Capabilities::default());
    }

    #[test]
    fn ambient_stays_within_inheritable_and_permitted_and_unknown_names_warn() {
        let all = || ["CAP_KILL", "CAP_FROBNICATE"].into_iter().collect();
        let mut warnings = Vec::new();
        let none = List::default;
        let sets = process::Capabilities([none(), none(), all(), none(), all()]);
        assert_eq!(compile(Some(&sets), &mut warnings).ambient, 0);
        assert_eq!(warnings.len(), 2);
        let sets = process::Capabilities([none(), none(), all(), all(), all()]);
        assert_eq!(compile(Some(&sets), &mut warnings).ambient, 1 << 5);
    }
}

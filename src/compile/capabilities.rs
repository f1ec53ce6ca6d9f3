//! Capability names and the five sets (capabilities(7), R8).

use crate::config::process;
use crate::error::Quoted;
use crate::plan::Capabilities;
use crate::{texts, texts::Texts};
use alloc::{format, string::String, vec::Vec};

/// Every capability, its number being its place (linux/capability.h, Linux 5.9 and later).
pub static NAMES: Texts = texts![
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The bit of a capability, named with or without `CAP_`, in any case.
pub fn bit(name: &str) -> Option<u64> {
    let bare = match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CAP_") => name.get(4..)?,
        _ => name,
    };
    let number = NAMES.position_where(|known| {
        known
            .get(4..)
            .is_some_and(|known| known.len() == bare.len() && known.eq_ignore_ascii_case(bare.as_bytes()))
    })?;
    1u64.checked_shl(u32::try_from(number).ok()?)
}

/// The five sets. No object means none (R8); a name that is not known is a warning (config.md).
pub fn compile(sets: Option<&process::Capabilities<'_>>, warnings: &mut Vec<String>) -> Capabilities {
    let Some(sets) = sets else { return Capabilities::default() };
    let mut mask = |set: &str, names: &[&str]| {
        let mut mask = 0;
        for name in names {
            match bit(name) {
                Some(bit) => mask |= bit,
                None => warnings.push(format!(
                    "config.json: process.capabilities.{set}: {} is not a capability that this version knows",
                    Quoted(name)
                )),
            }
        }
        mask
    };
    let bounding = mask("bounding", &sets.bounding);
    let permitted = mask("permitted", &sets.permitted);
    let effective = mask("effective", &sets.effective);
    let inheritable = mask("inheritable", &sets.inheritable);
    let ambient = mask("ambient", &sets.ambient);
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
        let sets = process::Capabilities { ambient: all(), permitted: all(), ..Default::default() };
        assert_eq!(compile(Some(&sets), &mut warnings).ambient, 0);
        assert_eq!(warnings.len(), 2);
        let sets = process::Capabilities { inheritable: all(), ..sets };
        assert_eq!(compile(Some(&sets), &mut warnings).ambient, 1 << 5);
    }
}

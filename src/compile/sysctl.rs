//! `linux.sysctl`: names checked, and only those that belong to a namespace of the container (R3).

use crate::config::Config;
use crate::error::{Result, error};
use crate::paths::cstring;
use crate::plan::{Plan, Sysctl};
use crate::texts::{Table, table};
use crate::words::Words;
use alloc::{string::String, vec::Vec};
use linux_raw_sys::general::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWUTS};

/// Names and prefixes with the namespace that holds them (namespaces(7), ipc_namespaces(7), uts_namespaces(7)).
static NAMESPACED: Table<u32> = table! {
    "kernel/msgmax" => CLONE_NEWIPC,
    "kernel/msgmnb" => CLONE_NEWIPC,
    "kernel/msgmni" => CLONE_NEWIPC,
    "kernel/msg_next_id" => CLONE_NEWIPC,
    "kernel/sem" => CLONE_NEWIPC,
    "kernel/sem_next_id" => CLONE_NEWIPC,
    "kernel/shmall" => CLONE_NEWIPC,
    "kernel/shmmax" => CLONE_NEWIPC,
    "kernel/shmmni" => CLONE_NEWIPC,
    "kernel/shm_next_id" => CLONE_NEWIPC,
    "kernel/shm_rmid_forced" => CLONE_NEWIPC,
    "fs/mqueue/" => CLONE_NEWIPC,
    "net/" => CLONE_NEWNET,
    "kernel/domainname" => CLONE_NEWUTS,
    "kernel/hostname" => CLONE_NEWUTS,
    "user/" => CLONE_NEWUSER,
};

/// The namespace (its CLONE_NEW* bit) that holds a kernel parameter, by its path below /proc/sys.
pub fn namespace_of(path: &str) -> Option<u32> {
    NAMESPACED
        .iter()
        .find(|(known, _)| if known.ends_with('/') { path.starts_with(known) } else { path == *known })
        .map(|(_, kind)| kind)
}

/// Compiles `linux.sysctl`.
pub fn sysctls(config: &Config<'_>, plan: &mut Plan) -> Result<()> {
    let mut sysctls = Vec::new();
    for (name, value) in config.linux.sysctl.iter() {
        let refuse = |why: Words| error!("config.json: linux.sysctl {quoted}: {}", name, why);
        // sysctl(8): the first separator decides, so that net/ipv4/conf/eth0.100/forwarding can be said.
        let mut path = name.as_bytes().to_vec();
        if path.iter().find(|byte| matches!(byte, b'.' | b'/')) != Some(&b'/') {
            for byte in &mut path {
                *byte = match *byte {
                    b'.' => b'/',
                    b'/' => b'.',
                    other => other,
                };
            }
        }
        let path = String::from_utf8(path).unwrap_or_default();
        let clean = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.bytes().any(|byte| byte < b' ' || byte == 127)
        };
        if !path.split('/').all(clean) {
            return Err(refuse(words!("is not the name of a kernel parameter")));
        }
        let kind = namespace_of(&path)
            .ok_or_else(|| refuse(words!("belongs to no namespace: it would change the host")))?;
        if !plan.namespaces.has(u64::from(kind)) {
            return Err(refuse(words!(
                "needs a namespace of the container's own in linux.namespaces, or it would change the host's"
            )));
        }
        sysctls.push(Sysctl { path: cstring(&path), value: cstring(value).to_bytes() });
    }
    plan.sysctls = sysctls.leak();
    Ok(())
}

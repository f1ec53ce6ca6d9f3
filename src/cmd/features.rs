//! `features`: what this runtime supports, as features.md and features-linux.md of the runtime specification have it.
//!
//! The lists are the tables that the compiler looks names up in, so nothing is claimed that is not recognised. What
//! the host has is no part of this: `check` says that.

use super::{Context, version::COMMIT};
use crate::compile::{capabilities, namespaces, options, process, seccomp};
use crate::config::{HOOKS, SPEC};
use crate::error::Result;
use crate::json::Writer;
use alloc::string::String;

/// Prints the document.
pub fn features(_: &Context) -> Result<()> {
    super::print(&text())
}

fn text() -> String {
    let mut out = Writer::default();
    out.object("");
    out.string("ociVersionMin", "1.0.0");
    out.string("ociVersionMax", SPEC);
    out.texts("hooks", "", HOOKS);
    out.texts("mountOptions", "", options::OPTIONS.names);
    linux(&mut out);
    out.object("annotations");
    // The name under which callers look for it.
    out.string("org.opencontainers.runc.checkpoint.enabled", "false");
    out.string("runlet.version", env!("CARGO_PKG_VERSION"));
    out.string("runlet.commit", COMMIT);
    out.end_object();
    // No annotation of config.json changes what runlet does.
    out.array("potentiallyUnsafeConfigAnnotations");
    out.end_array();
    out.end_object();
    out.finish()
}

fn linux(out: &mut Writer) {
    out.object("linux");
    out.strings("namespaces", &mut namespaces::NAMESPACES.iter().map(|(name, ..)| *name));
    out.texts("capabilities", "CAP_", capabilities::NAMES);
    out.object("seccomp");
    out.flag("enabled", true);
    out.texts("actions", "SCMP_ACT_", seccomp::ACTIONS.names);
    out.texts("operators", "SCMP_CMP_", seccomp::OPERATORS.names);
    out.texts("archs", "SCMP_ARCH_", seccomp::table::ARCHITECTURES);
    out.texts("knownFlags", "SECCOMP_FILTER_FLAG_", seccomp::FLAGS.names);
    out.texts("supportedFlags", "SECCOMP_FILTER_FLAG_", seccomp::FLAGS.names);
    out.end_object();
    out.object("memoryPolicy");
    out.texts("modes", "MPOL_", process::MEMORY_MODES.names);
    out.texts("flags", "MPOL_F_", process::MEMORY_FLAGS.names);
    out.end_object();
    out.template(OTHERS, &[]);
    out.end_object();
}

/// What is no list of names.
const OTHERS: &str = "\
    'cgroup':{'v1':true,'v2':true,'systemd':true,'systemdUser':true,'rdma':true},\
    'apparmor':{'enabled':true},\
    'selinux':{'enabled':true},\
    'netDevices':{'enabled':true},\
    'intelRdt':{'enabled':true,'schemata':true,'monitoring':true},\
    'mountExtensions':{'idmap':{'enabled':true}}";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::{Config, HookKind, parse};
    use alloc::format;
    use serde_json::Value;

    #[test]
    fn every_hook_named_is_a_hook_that_is_read() {
        let names =
            ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
        let read: Value = serde_json::from_str(&text()).unwrap();
        assert_eq!(read["hooks"], Value::from(names.to_vec()));
        for (kind, name) in HookKind::ALL.into_iter().zip(names) {
            let json = format!("{{\"hooks\": {{\"{name}\": [{{\"path\": \"/x\"}}]}}}}");
            let config: &mut Config<'_> = parse("config.json", json.as_bytes()).unwrap();
            assert_eq!(config.hooks.of(kind).len(), 1, "{name}");
        }
    }

    #[test]
    fn the_document_is_json_and_versions_are_accepted_ones() {
        let read: Value = serde_json::from_str(&text()).unwrap();
        for name in ["ociVersionMin", "ociVersionMax"] {
            let config = Config { oci_version: read[name].as_str().unwrap(), ..Config::default() };
            assert!(crate::validate::validate(&config).is_ok(), "{name}");
        }
    }
}

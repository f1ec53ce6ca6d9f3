//! `features`: what this runtime supports, as features.md and features-linux.md of the runtime specification have it.
//!
//! The lists are the tables that the compiler looks names up in, so nothing is claimed that is not recognised. What
//! the host has is no part of this: `check` says that.

use super::{Context, version::COMMIT};
use crate::compile::{capabilities, namespaces, options, process, seccomp};
use crate::config::SPEC;
use crate::error::Result;
use crate::json::Writer;
use alloc::string::String;

/// The six hooks, in the order in which a container's life comes to them (config.md "POSIX-platform Hooks").
const HOOKS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Prints the document.
pub fn features(_: &Context) -> Result<()> {
    super::print(&text())
}

fn text() -> String {
    let mut out = Writer::default();
    out.object("");
    out.string("ociVersionMin", "1.0.0");
    out.string("ociVersionMax", SPEC);
    out.strings("hooks", &mut HOOKS.into_iter());
    out.strings("mountOptions", &mut options::OPTIONS.names.iter());
    linux(&mut out);
    out.object("annotations");
    // The name under which callers look for it.
    out.string("org.opencontainers.runc.checkpoint.enabled", "false");
    out.string("runlet.version", env!("CARGO_PKG_VERSION"));
    out.string("runlet.commit", COMMIT);
    out.end_object();
    // No annotation of config.json changes what runlet does.
    out.strings("potentiallyUnsafeConfigAnnotations", &mut [].into_iter());
    out.end_object();
    out.finish()
}

fn linux(out: &mut Writer) {
    out.object("linux");
    out.strings("namespaces", &mut namespaces::NAMESPACES.iter().map(|(name, ..)| *name));
    out.strings("capabilities", &mut capabilities::NAMES.iter());
    out.object("cgroup");
    for name in ["v1", "v2", "systemd", "systemdUser", "rdma"] {
        out.flag(name, true);
    }
    out.end_object();
    out.object("seccomp");
    out.flag("enabled", true);
    out.strings("actions", &mut seccomp::ACTIONS.names.iter());
    out.strings("operators", &mut seccomp::OPERATORS.names.iter());
    out.strings("archs", &mut seccomp::table::ARCHITECTURES.iter());
    for list in ["knownFlags", "supportedFlags"] {
        out.strings(list, &mut seccomp::FLAGS.names.iter());
    }
    out.end_object();
    for name in ["apparmor", "selinux", "netDevices", "intelRdt"] {
        out.object(name);
        out.flag("enabled", true);
        if name == "intelRdt" {
            out.flag("schemata", true);
            out.flag("monitoring", true);
        }
        out.end_object();
    }
    out.object("memoryPolicy");
    out.strings("modes", &mut process::MEMORY_MODES.names.iter());
    out.strings("flags", &mut process::MEMORY_FLAGS.names.iter());
    out.end_object();
    out.object("mountExtensions");
    out.object("idmap");
    out.flag("enabled", true);
    out.end_object();
    out.end_object();
    out.end_object();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::{Config, parse};
    use alloc::format;
    use serde_json::Value;

    #[test]
    fn every_hook_named_is_a_hook_that_is_read() {
        for (index, name) in HOOKS.iter().enumerate() {
            let json = format!("{{\"hooks\": {{\"{name}\": [{{\"path\": \"/x\"}}]}}}}");
            let config: &mut Config<'_> = parse("config.json", json.as_bytes()).unwrap();
            let hooks = &config.hooks;
            let lists = [
                &hooks.prestart,
                &hooks.create_runtime,
                &hooks.create_container,
                &hooks.start_container,
                &hooks.poststart,
                &hooks.poststop,
            ];
            assert_eq!(lists[index].len(), 1, "{name}");
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

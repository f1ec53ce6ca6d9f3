//! linux.resources and the commands that control a running container, from the outside: what is in the kernel's files, and
//! what a process in the container feels of it.
//!
//! The same tests run on a machine with cgroup2 only, with cgroup v1 only and with both; where a controller is missing, the
//! test of its limit asserts that the limit is refused by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod control;
mod devices;
mod effects;
mod limits;
mod place;
mod update;

use harness::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether the runtime sees a controller here: on cgroup2, or on a cgroup v1 hierarchy of a guest (on other machines the
/// harness shows cgroup2 alone).
pub fn has(v2: &str, v1: &str) -> bool {
    on_v2(v2) || on_v1(v1)
}

pub fn on_v2(controller: &str) -> bool {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .filter_map(|root| fs::read_to_string(format!("{root}/cgroup.controllers")).ok())
        .any(|list| list.split_whitespace().any(|name| name == controller))
}

fn on_v1(controller: &str) -> bool {
    Path::new("/tests").is_dir() && Path::new(&format!("/sys/fs/cgroup/{controller}/cgroup.procs")).exists()
}

/// Whether there is a cgroup2 at all.
pub fn has_v2() -> bool {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .any(|root| Path::new(&format!("{root}/cgroup.controllers")).exists())
}

/// A file of a container's cgroup, by its name on cgroup2 or on cgroup v1.
pub fn file(cgroup: &str, v2: &str, v1: &str) -> Option<PathBuf> {
    let controller = v1.split('.').next().unwrap_or_default();
    [
        format!("/sys/fs/cgroup{cgroup}/{v2}"),
        format!("/sys/fs/cgroup/unified{cgroup}/{v2}"),
        format!("/sys/fs/cgroup/{controller}{cgroup}/{v1}"),
    ]
    .iter()
    .map(PathBuf::from)
    .find(|path| path.is_file())
}

#[track_caller]
pub fn read(cgroup: &str, v2: &str, v1: &str) -> String {
    let path = file(cgroup, v2, v1).unwrap_or_else(|| panic!("{cgroup}: neither {v2} nor {v1}"));
    fs::read_to_string(&path).unwrap().trim().to_string()
}

/// The directories of a container's cgroup.
pub fn directories(cgroup: &str) -> Vec<PathBuf> {
    let roots = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    roots
        .chain([PathBuf::from("/sys/fs/cgroup")])
        .map(|root| root.join(cgroup.trim_start_matches('/')))
        .filter(|path| path.join("cgroup.procs").exists())
        .collect()
}

/// A container that pauses with these resources: its id and cgroup.
#[track_caller]
pub fn paused_program(context: &Context, resources: harness::Value) -> (String, String) {
    let mut bundle = context.bundle(&["pause"]);
    bundle.set("/linux/resources", resources);
    let cgroup = bundle.config["linux"]["cgroupsPath"].as_str().unwrap().to_string();
    let id = context.running(&bundle);
    (id, cgroup)
}

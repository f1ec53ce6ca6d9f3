//! linux.resources and the commands that control a running container, from the outside: what is in the kernel's files, and
//! what a process in the container feels of it.
//!
//! The same tests run on a machine with cgroup2 only, with cgroup v1 only, with both, with none, and with systemd as the manager
//! (`RUNLET_TEST_MANAGER=systemd`); where a controller is missing, the test of its limit asserts that the limit is refused by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod contention;
mod control;
mod devices;
mod disk;
mod effects;
mod legacy;
mod limits;
mod managers;
mod modules;
mod place;
mod rdma;
mod update;

use harness::{Context, by_systemd};
use std::fs;
use std::path::{Path, PathBuf};

/// Whether the runtime sees a controller here: on cgroup2, or on a cgroup v1 hierarchy of a guest (on other machines the
/// harness shows cgroup2 alone). A scope of systemd's is on cgroup2.
pub fn has(v2: &str, v1: &str) -> bool {
    on_v2(v2) || (on_v1(v1) && !by_systemd())
}

pub fn on_v2(controller: &str) -> bool {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .filter_map(|root| fs::read_to_string(format!("{root}/cgroup.controllers")).ok())
        .any(|list| list.split_whitespace().any(|name| name == controller))
}

pub fn on_v1(controller: &str) -> bool {
    !controller.is_empty()
        && Path::new("/tests").is_dir()
        && Path::new(&format!("/sys/fs/cgroup/{controller}/cgroup.procs")).exists()
}

/// Whether there is a cgroup2 at all.
pub fn has_v2() -> bool {
    cgroup2().is_some()
}

/// Where cgroup2 is mounted.
pub fn cgroup2() -> Option<&'static str> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .find(|root| Path::new(&format!("{root}/cgroup.controllers")).exists())
}

/// Whether containers get a cgroup here.
pub fn has_any() -> bool {
    has_v2() || on_v1("pids") || on_v1("freezer")
}

/// The context of a test that needs a cgroup to look at.
#[macro_export]
macro_rules! cgroups {
    () => {{
        let context = $crate::context!();
        if !$crate::has_any() {
            $crate::skip_test!("no cgroup file system is mounted; managers.rs has what happens then");
        }
        context
    }};
}

/// Leaves a test out that names the place itself: systemd's scopes have theirs.
#[macro_export]
macro_rules! not_by_systemd {
    () => {
        if $crate::harness::by_systemd() {
            $crate::skip_test!("systemd names the place");
        }
    };
}

/// A file of a container's cgroup, by its name on cgroup2 or on cgroup v1: where its controller is.
pub fn file(cgroup: &str, v2: &str, v1: &str) -> Option<PathBuf> {
    let controller = v1.split('.').next().unwrap_or_default();
    let on_v1 = PathBuf::from(format!("/sys/fs/cgroup/{controller}{cgroup}/{v1}"));
    let on_v2 = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|root| format!("{root}{cgroup}/{v2}"));
    let first = (!on_v2_of(v2)).then_some(on_v1.clone());
    first.into_iter().chain(on_v2.map(PathBuf::from)).chain([on_v1]).find(|path| path.is_file())
}

fn on_v2_of(file: &str) -> bool {
    let controller = file.split('.').next().unwrap_or_default();
    controller == "cgroup" || on_v2(controller)
}

#[track_caller]
pub fn read(cgroup: &str, v2: &str, v1: &str) -> String {
    let path = file(cgroup, v2, v1).unwrap_or_else(|| panic!("{cgroup}: neither {v2} nor {v1}"));
    fs::read_to_string(&path).unwrap().trim().to_string()
}

/// The number behind a key of a flat-keyed file; 0 where there is none.
pub fn key(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |number| number.trim().parse().unwrap())
}

/// The directories of a container's cgroup.
pub fn directories(cgroup: &str) -> Vec<PathBuf> {
    let roots = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    // `cpu` is a link to `cpu,cpuacct`.
    let roots = roots.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    roots
        .map(|entry| entry.path())
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
    let id = context.running(&bundle);
    (id, bundle.cgroup())
}

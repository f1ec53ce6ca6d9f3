//! Directories that stand in for a cgroup's, for tests.

#![allow(clippy::unwrap_used)]

extern crate std;

use super::Cgroup;
use alloc::format;
use std::fs;

/// Directories that stand in for those of a cgroup v1 hierarchy and a cgroup2.
pub fn with_files(name: &str, files: &[(bool, &str, &str)], check: impl Fn(&Cgroup)) {
    let base = std::env::temp_dir().join(format!("runlet-stats-{}-{name}", std::process::id()));
    let mut cgroup = Cgroup::default();
    for v1 in [false, true] {
        let path = base.join(if v1 { "v1" } else { "v2" });
        fs::create_dir_all(&path).unwrap();
        for (_, name, text) in files.iter().filter(|(of, ..)| *of == v1) {
            fs::write(path.join(name), text).unwrap();
        }
        cgroup.enter(words!("open"), format!("{}", path.display()).leak(), v1).unwrap();
    }
    check(&cgroup);
    fs::remove_dir_all(&base).unwrap();
}

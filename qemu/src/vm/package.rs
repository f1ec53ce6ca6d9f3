//! Debian packages for the guest: fetched by name, unpacked below target/vm/packages, never installed.
//!
//! Owns that directory. What the host itself needs is installed by setup.rs, which also does the fetching. A package that is there already is used as it is,
//! without asking anyone, so a machine that ran the matrix once can run it again without a network.

use crate::host::{self, Context, Error, Result};
use crate::setup;
use std::path::PathBuf;
use std::process::Command;

/// The guest's architecture, by Debian's name.
const ARCHITECTURE: &str = "amd64";

/// Where everything of this module lies.
pub fn cache() -> PathBuf {
    host::target_directory().join("vm/packages")
}

/// The directory that package `name` is unpacked in.
pub fn unpacked(name: &str) -> Result<PathBuf> {
    let directory = cache().join(name);
    if directory.is_dir() {
        return Ok(directory);
    }
    let archive = setup::fetch(ARCHITECTURE, name)?;
    std::fs::create_dir_all(cache()).context(|| format!("make {}", cache().display()))?;
    // Renamed when it is whole: a run that was stopped leaves nothing that looks finished.
    let partial = cache().join(format!(".{name}.{}", std::process::id()));
    host::output(Command::new("dpkg").arg("-x").arg(&archive).arg(&partial))?;
    std::fs::rename(&partial, &directory).context(|| format!("rename to {}", directory.display()))?;
    Ok(directory)
}

/// The first package that `meta` depends on whose name starts with `prefix`.
pub fn dependency(meta: &str, prefix: &str) -> Result<String> {
    let archive = setup::fetch(ARCHITECTURE, meta)?;
    let depends = host::output(Command::new("dpkg").arg("-f").arg(&archive).arg("Depends"))?;
    depends
        .split([',', '|'])
        .filter_map(|clause| clause.split_whitespace().next())
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .ok_or_else(|| Error::new(format!("package {meta} depends on no {prefix}*")))
}

//! Debian packages for the guest: fetched by name, unpacked below target/vm/packages, never installed.
//!
//! Owns that directory. What the host itself needs is installed by setup.rs, which also does the fetching. A package that is there already is used as it is,
//! without asking anyone, so a machine that ran the matrix once can run it again without a network.

use crate::host::{self, Context, Error, Result};
use crate::setup;
use std::path::{Path, PathBuf};
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
    let archive = archive(name)?;
    std::fs::create_dir_all(cache()).context(|| format!("make {}", cache().display()))?;
    // Renamed when it is whole: a run that was stopped leaves nothing that looks finished.
    let partial = cache().join(format!(".{name}.{}", std::process::id()));
    host::output(Command::new("dpkg").arg("-x").arg(&archive).arg(&partial))?;
    std::fs::rename(&partial, &directory).context(|| format!("rename to {}", directory.display()))?;
    Ok(directory)
}

/// The package's file.
pub fn archive(name: &str) -> Result<PathBuf> {
    setup::fetch(ARCHITECTURE, name)
}

/// What a package's file says it depends on: a list of alternatives each, by name, without versions.
pub fn depends(archive: &Path) -> Result<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for field in ["Pre-Depends", "Depends"] {
        let text = host::output(Command::new("dpkg").arg("-f").arg(archive).arg(field))?;
        all.extend(clauses(&text));
    }
    Ok(all)
}

/// `a (>= 1), b:any | c` is two clauses, the second with two alternatives.
fn clauses(text: &str) -> Vec<Vec<String>> {
    let name = |part: &str| part.trim().split([' ', '(', ':']).next().unwrap_or_default().to_owned();
    text.split(',')
        .map(|clause| clause.split('|').map(name).filter(|name| !name.is_empty()).collect::<Vec<_>>())
        .filter(|clause| !clause.is_empty())
        .collect()
}

/// The first package that `meta` depends on whose name starts with `prefix`.
pub fn dependency(meta: &str, prefix: &str) -> Result<String> {
    depends(&archive(meta)?)?
        .into_iter()
        .flatten()
        .find(|name| name.starts_with(prefix))
        .ok_or_else(|| Error::new(format!("package {meta} depends on no {prefix}*")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_field_is_names_and_alternatives() {
        let read = clauses("libc6 (>= 2.36), default-dbus-session-bus | dbus-session-bus, python3:any\n");
        let expected = [vec!["libc6"], vec!["default-dbus-session-bus", "dbus-session-bus"], vec!["python3"]];
        assert_eq!(read, expected);
        assert!(clauses("\n").is_empty());
    }
}

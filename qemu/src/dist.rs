//! `cargo dist`: the static musl binary that ships, made from what the machine has. Called by main, demo and verify.

use crate::host::{self, Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Builds the default target and says where the binary is.
pub fn main(_arguments: &[String]) -> Result<()> {
    let file = build("x86_64-unknown-linux-musl")?;
    println!("{}", file.display());
    Ok(())
}

/// Builds `target` and returns the stripped binary's path in target/dist.
pub fn build(target: &str) -> Result<PathBuf> {
    host::run(Command::new("cargo").current_dir(host::workspace()).args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "runlet",
        "--bin",
        "runlet",
        "--target",
        target,
    ]))?;
    let directory = host::target_directory().join("dist");
    std::fs::create_dir_all(&directory).context(|| format!("make {}", directory.display()))?;
    let built = host::target_directory().join(target).join("release/runlet");
    let file = directory.join("runlet");
    std::fs::copy(&built, &file).context(|| format!("copy {}", built.display()))?;
    Ok(file)
}

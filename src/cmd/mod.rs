//! One file a command. Each takes its arguments and the global flags, decides, and calls down.

pub mod spec;
pub mod version;

use crate::error::{Error, Result};
use rustix::io::{retry_on_intr, write};

/// Writes a command's result to standard output.
pub fn print(text: &str) -> Result<()> {
    let stdout = syscalls::fd::inherited(1).map_err(Error::os("standard output"))?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = retry_on_intr(|| write(stdout, rest)).map_err(Error::os("write to standard output"))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

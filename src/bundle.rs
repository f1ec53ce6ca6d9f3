//! The bundle: a directory with a config.json, which is read once and then borrowed from.

use crate::args::{Flag, Given, text};
use crate::error::{Error, Result};
use crate::store;
use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::ffi::CStr;
use syscalls::Errno;

/// A bundle's configuration as it stands on disk.
pub struct Bundle {
    /// Absolute.
    pub path: &'static str,
    pub json: &'static [u8],
}

impl Bundle {
    /// The bundle that a container is to be made of. An id that cannot be is said first: no bundle would help.
    pub fn of(given: &Given) -> Result<&'static Bundle> {
        store::check_id(given.id)?;
        Bundle::read(given.path(Flag::Bundle), given.path(Flag::Config))
    }

    /// Reads `config.json` of a bundle, or the file that `--config` names instead.
    pub fn read(bundle: Option<&'static CStr>, config: Option<&'static CStr>) -> Result<&'static Bundle> {
        let path = absolute(bundle.map_or(Ok(""), |path| text(path, "--bundle"))?)?;
        let file = match config {
            Some(file) => text(file, "--config")?,
            None => format!("{path}/config.json").leak(),
        };
        let (json, file) = store::read_named("config.json", file).map_err(|error| match error.cause() {
            Some(Errno::NOENT) => error.hint(words!("`runlet spec` writes one")),
            _ => error,
        })?;
        core::mem::forget(file); // exit closes it, with all else
        Ok(Box::leak(Box::new(Bundle { path, json })))
    }
}

/// A path that does not depend on the working directory; the empty one is the working directory itself.
pub fn absolute(path: &'static str) -> Result<&'static str> {
    if path.starts_with('/') {
        return Ok(path);
    }
    let here = rustix::process::getcwd(Vec::new()).map_err(Error::os(words!("getcwd")))?;
    let here = text(&here, "the working directory")?;
    Ok(if path.is_empty() { String::from(here).leak() } else { format!("{here}/{path}").leak() })
}

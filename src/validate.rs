//! Refusals that need the whole configuration, before any side effect. What one value must be, its compiler says.

use crate::config::Config;
use crate::error::{Error, Result, error};

/// The versions of the runtime specification whose configurations are taken: every 1.x and its pre-releases, since unknown
/// properties are ignored by its own rule (spec.md, SemVer).
const MAJOR: &str = "1.";

/// Checks a configuration.
pub fn validate(config: &Config<'_>) -> Result<()> {
    let version = config.oci_version;
    if version.is_empty() {
        return Err(Error::new(words!("config.json: ociVersion: is missing")));
    }
    if !is_semver(version) {
        return Err(error!("config.json: ociVersion {quoted}: is not a SemVer version", version));
    }
    if !version.starts_with(MAJOR) {
        return Err(error!("config.json: ociVersion {quoted}: only versions 1.x are supported", version));
    }
    for (name, _) in config.annotations.iter() {
        if name.is_empty() {
            return Err(Error::new(words!("config.json: annotations: a name must not be empty")));
        }
    }
    Ok(())
}

/// MAJOR.MINOR.PATCH, with a pre-release or build part of any kind behind it.
fn is_semver(version: &str) -> bool {
    // Numbers with a point behind them, and digits of the one at hand.
    let (mut numbers, mut digits) = (0u32, 0u32);
    for byte in version.bytes() {
        match byte {
            b'0'..=b'9' => digits = digits.saturating_add(1),
            b'.' if digits > 0 => (numbers, digits) = (numbers.saturating_add(1), 0),
            b'-' | b'+' => break,
            _ => return false,
        }
    }
    numbers == 2 && digits > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semver_and_of_the_first_major() {
        for (version, fine) in [
            ("1.0.2-dev", true),
            ("1.3.0", true),
            ("1.9.0+x", true),
            ("2.0.0", false),
            ("1.0", false),
            ("", false),
        ] {
            let config = Config { oci_version: version, ..Default::default() };
            assert_eq!(validate(&config).is_ok(), fine, "{version:?}");
        }
    }
}

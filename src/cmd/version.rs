//! `version` and `--version`: three lines that callers parse, in this order (Docker reads all three).

use super::{Context, print};
use crate::config::SPEC;
use crate::error::Result;
use alloc::string::String;

/// The source's commit, as `cargo dist` sets it.
pub const COMMIT: &str = match option_env!("RUNLET_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// `version`.
pub fn version(_: &Context) -> Result<()> {
    print(&text())
}

fn text() -> String {
    ["runlet version ", env!("CARGO_PKG_VERSION"), "\ncommit: ", COMMIT, "\nspec: ", SPEC, "\n"].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_three_lines() {
        let text = super::text();
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("runlet version 0.")));
        assert!(lines.next().is_some_and(|line| line.starts_with("commit: ")));
        assert_eq!((lines.next(), lines.next()), (Some("spec: 1.3.0"), None));
    }
}

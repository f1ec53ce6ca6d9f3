//! What every black-box test stands on: a context that owns a directory, a private mount namespace and a set of container
//! ids, a builder of bundles, a way to call the runtime with a time limit, and the check that the host is left as it was.
//!
//! The runtime under test is `$RUNLET`, any OCI runtime's path, or the binary that cargo built. The test program is
//! `$PAYLOAD`, or `payload` beside the test's own executable, or it is compiled by `rustc` at first use. Nothing else is
//! needed at run time, so the tests also run in a guest that has only busybox.
//!
//! No unsafe code here: what needs it (mount namespaces, ptrace, seccomp shims) is done by tests/payload.
#![allow(dead_code, missing_docs, unused_imports)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod bundle;
mod call;
pub mod console;
mod context;
mod helper;
pub mod host;
pub mod mounts;
mod output;
pub mod payload;

pub use bundle::Bundle;
pub use call::{Call, Running};
pub use context::Context;
pub use helper::Helper;
pub use output::{Output, Seen};
pub use serde_json::{Value, json};

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What takes longer than this has hung: a machine may be slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Which runtime is under test: some checks are about what only runlet promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Runlet,
    Runc,
    Crun,
    Other,
}

pub fn runtime_path() -> PathBuf {
    std::env::var_os("RUNLET").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_runlet")), PathBuf::from)
}

/// `--version` of the runtime under test, read once.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let output = Command::new(runtime_path())
            .arg("--version")
            .output()
            .expect("the runtime under test cannot be run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

pub fn kind() -> Kind {
    match version().split_whitespace().next() {
        Some("runlet") => Kind::Runlet,
        Some("runc") => Kind::Runc,
        Some("crun") => Kind::Crun,
        _ => Kind::Other,
    }
}

/// Whether this run is about systemd as the cgroup manager (`RUNLET_TEST_MANAGER=systemd`): every new container is a scope.
pub fn by_systemd() -> bool {
    std::env::var("RUNLET_TEST_MANAGER").is_ok_and(|manager| manager == "systemd")
}

pub fn is_runlet() -> bool {
    kind() == Kind::Runlet
}

/// Says that a test did not run; past libtest's capture, so that it is seen.
pub fn skip(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {reason}");
}

/// A line for the person who runs the tests, past libtest's capture.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The name of the running test, as libtest names its thread.
pub fn test_name() -> String {
    std::thread::current().name().unwrap_or("test").to_string()
}

/// Skips the running test (by returning from it) with a reason.
#[macro_export]
macro_rules! skip_test {
    ($($reason:tt)*) => {{
        $crate::harness::skip(&$crate::harness::test_name(), &format!($($reason)*));
        return;
    }};
}

/// Leaves a test out on a runtime that is known, for `reason`, not to hold it.
#[macro_export]
macro_rules! not_on {
    ($kind:ident, $($reason:tt)*) => {
        if $crate::harness::kind() == $crate::harness::Kind::$kind {
            $crate::skip_test!($($reason)*);
        }
    };
}

/// The context of a test, or a return from it where it cannot run.
#[macro_export]
macro_rules! context {
    () => {
        match $crate::harness::Context::new() {
            Some(context) => context,
            None => return,
        }
    };
}

/// Polls `condition` until it holds or the time is over.
pub fn wait_for(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

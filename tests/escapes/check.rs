//! What a check is and what it says.

use crate::harness::{Bundle, Context, Output, PATIENCE, Seen};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
pub struct Check {
    pub name: &'static str,
    /// The row of SECURITY.md.
    pub class: &'static str,
    pub run: fn(&Trial) -> Verdict,
}

/// One check over one runtime.
pub struct Trial<'a> {
    pub context: &'a Context,
    pub runtime: &'a str,
    /// Another project's runtime, for comparison.
    pub peer: bool,
    /// It is known to have the hole.
    pub known: bool,
}

pub enum Verdict {
    /// The trick did not work, and the control did.
    Closed,
    /// The hole is there, and what was seen of it.
    Open(String),
    /// The runtime (or the machine) lacks what the check needs.
    Absent(String),
    /// The check itself failed: the control did not start.
    Broken(String),
}

impl Verdict {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "OPEN",
            Self::Absent(_) => "n/a",
            Self::Broken(_) => "BROKEN",
        }
    }

    pub fn open_if(holes: Vec<String>) -> Self {
        if holes.is_empty() { Self::Closed } else { Self::Open(holes.join("; ")) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("ok"),
            Self::Absent(why) => write!(f, "ok (not applicable: {why})"),
            Self::Open(why) => write!(f, "OPEN: {why}"),
            Self::Broken(why) => write!(f, "BROKEN: {why}"),
        }
    }
}

impl Trial<'_> {
    /// The control: an honest container, which must start. Panics (a broken check) otherwise.
    pub fn control(&self, bundle: &Bundle) -> Seen {
        self.context.observe(bundle)
    }

    /// The trick: whether the container started at all (3: a verb of its program failed).
    pub fn attempt(&self, bundle: &Bundle) -> Attempt {
        let output = self.context.run(bundle);
        assert!(output.code < 128, "the runtime crashed: {}", output.describe());
        let started = output.stdout.contains("\"verb\"");
        Attempt { seen: output.seen(), started, output }
    }

    /// Does `once` again and again, three times at least, until a hole is `found` or it has been tried long enough: a hole that is known
    /// to be there takes as long as it takes. Gives how often.
    pub fn again(&self, time: Duration, found: impl Fn() -> bool, once: impl FnMut()) -> u32 {
        self.up_to(u32::MAX, time, found, once)
    }

    /// The same, but `most` times.
    pub fn up_to(&self, most: u32, time: Duration, found: impl Fn() -> bool, mut once: impl FnMut()) -> u32 {
        let end = Instant::now() + if self.known { PATIENCE } else { time };
        let mut count = 0;
        while count < 3 || (count < most && Instant::now() < end && !found()) {
            once();
            count += 1;
        }
        count
    }

    /// A directory of the host that must stay as it is, with a marker in it.
    pub fn outside(&self, name: &str) -> Outside {
        let path = self.context.outside(name);
        fs::write(path.join("HOST-MARKER"), "HOST-SECRET").unwrap();
        let before = tree(&path);
        Outside { path, before }
    }
}

pub struct Attempt {
    pub seen: Seen,
    pub started: bool,
    pub output: Output,
}

pub struct Outside {
    pub path: PathBuf,
    before: Vec<String>,
}

impl Outside {
    /// What changed in it.
    pub fn changes(&self) -> Vec<String> {
        let after = tree(&self.path);
        let appeared = after.iter().filter(|one| !self.before.contains(one));
        let vanished = self.before.iter().filter(|one| !after.contains(one));
        appeared
            .map(|one| format!("outside: {one}"))
            .chain(vanished.map(|one| format!("outside no more: {one}")))
            .collect()
    }

    pub fn text(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// Name, kind, owner, mode and content of everything below a directory.
fn tree(path: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let place = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&place) else { continue };
        let content = if metadata.is_file() { fs::read(&place).unwrap_or_default() } else { Vec::new() };
        found.push(format!(
            "{} {:o} {}:{} {}",
            place.display(),
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            String::from_utf8_lossy(&content)
        ));
        if metadata.is_dir() {
            found.extend(tree(&place));
        }
    }
    found.sort();
    found
}

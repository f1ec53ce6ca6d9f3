//! What a call of the runtime gave, and what the program in the container said.

use super::{Kind, PATIENCE, kind, mounts, wait_for};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// What a call of the runtime gave.
#[derive(Debug, Clone)]
pub struct Output {
    pub command: String,
    /// Exit status, or 128 + signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub(super) stdout_path: PathBuf,
    pub(super) stderr_path: PathBuf,
}

impl Output {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == 0, "should succeed: {}", self.describe());
        self
    }

    #[track_caller]
    pub fn status(self, code: i32) -> Self {
        assert!(self.code == code, "should end with {code}: {}", self.describe());
        self
    }

    /// Fails in the orderly way: an exit status, not a signal, and something on stderr.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code != 0, "should fail: {}", self.describe());
        // 255 is what a failing exec gives.
        assert!(self.code < 128 || self.code == 255, "should fail in order, not crash: {}", self.describe());
        assert!(!self.stderr.trim().is_empty(), "should say why it failed: {}", self.describe());
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "stderr should have {words:?}: {}", self.describe());
        self
    }

    /// Fails with the words that callers search for when a container is missing; crun has others.
    #[track_caller]
    pub fn says_missing(self) -> Self {
        let output = self.fails();
        assert!(
            kind() == Kind::Crun || output.stderr.contains("container does not exist"),
            "{}",
            output.describe()
        );
        output
    }

    /// Standard output as it is now; a container that outlives the call writes on.
    pub fn stdout_now(&self) -> String {
        fs::read_to_string(&self.stdout_path).unwrap_or_default()
    }

    pub fn stderr_now(&self) -> String {
        fs::read_to_string(&self.stderr_path).unwrap_or_default()
    }

    /// Waits until standard output has `words` in a line that is complete, and gives the complete lines.
    #[track_caller]
    pub fn wait_stdout(&self, words: &str) -> String {
        let mut lines = String::new();
        let found = wait_for(PATIENCE, || {
            lines = self.stdout_now();
            lines.truncate(lines.rfind('\n').map_or(0, |end| end + 1));
            lines.contains(words)
        });
        assert!(found, "standard output never had {words:?}: {}", self.describe());
        lines
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.describe()))
    }

    pub fn seen(&self) -> Seen {
        Seen::parse(&self.stdout)
    }

    pub fn describe(&self) -> String {
        format!(
            "`{}` -> {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

/// What the payload's verbs reported, in order.
#[derive(Debug, Clone)]
pub struct Seen(pub Vec<Value>);

impl Seen {
    pub fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(Value::is_object)
                .collect(),
        )
    }

    /// The answer of the verb called with exactly this line (`"stat /dev/null"`).
    #[track_caller]
    fn find(&self, line: &str) -> &Value {
        self.0
            .iter()
            .find(|answer| {
                let mut words = vec![answer["verb"].as_str().unwrap_or("")];
                words.extend(answer["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
                words.join(" ") == line
            })
            .unwrap_or_else(|| panic!("the container never answered {line:?}: {:?}", self.0))
    }

    /// What the verb gave; it must have worked.
    #[track_caller]
    pub fn out(&self, line: &str) -> &Value {
        let answer = self.find(line);
        assert!(answer.get("errno").is_none(), "{line} should work: {answer}");
        &answer["out"]
    }

    /// The error's name, or "" when the verb worked.
    #[track_caller]
    pub fn errno(&self, line: &str) -> String {
        self.find(line)["errno"].as_str().unwrap_or("").to_string()
    }

    /// The answer of `report`, which most tests end with.
    #[track_caller]
    pub fn report(&self) -> &Value {
        self.out("report")
    }

    #[track_caller]
    pub fn mounts(&self) -> mounts::Mounts {
        mounts::Mounts::parse(self.report()["mountinfo"].as_str().unwrap_or(""))
    }

    #[track_caller]
    pub fn text(&self, line: &str) -> String {
        self.out(line).as_str().unwrap_or_else(|| panic!("{line}: not a string")).to_string()
    }
}

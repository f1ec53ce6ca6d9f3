//! What every command of the host tool shares: where the workspace is, running other programs, and one error type.
//!
//! It knows nothing about what is built or tested. Called by every other module of this crate.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What went wrong, as one sentence for a person.
#[derive(Debug)]
pub struct Error(String);

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Error(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Adds the operation and its subject to an error of the standard library, once, where it happens.
pub trait Context<T> {
    /// `what` names the operation and its subject: "read target/x".
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error(format!("{}: {error}", what())))
    }
}

/// The workspace's root directory: cargo says where this package lies, and the root is its parent.
pub fn workspace() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .unwrap_or_else(|| OsStr::new(env!("CARGO_MANIFEST_DIR")).into());
    let package = PathBuf::from(package);
    package.parent().map(Path::to_path_buf).unwrap_or(package)
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, else `target` in the workspace.
pub fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace().join(directory),
        None => workspace().join("target"),
    }
}

/// Runs `command` with inherited stdout and stderr; an exit status but 0 is an error that names the program.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().context(|| name(command))?;
    if status.success() { Ok(()) } else { Err(Error(format!("{}: {status}", name(command)))) }
}

/// Runs `command` and returns its stdout; when it fails, the error ends with the lines of its stderr that say why.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context(|| name(command))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).context(|| name(command));
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    // Tools that say "error:" follow it with notes and backtraces; the others end with what matters.
    let first = lines.iter().position(|line| line.starts_with("error") || line.starts_with("E:"));
    let first = first.unwrap_or(lines.len().saturating_sub(6));
    let tail = lines
        .iter()
        .skip(first)
        .take(6)
        .take_while(|line| **line != "Stack backtrace:")
        .copied()
        .collect::<Vec<_>>()
        .join("\n  ");
    Err(Error(format!("{}: {}\n  {tail}", name(command), output.status)))
}

/// Where `program` lies on PATH, or in the directories of system programs that an ordinary user's PATH leaves out.
pub fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Whether the calling process is root, from its effective uid in /proc; false where /proc cannot be read.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    uids.split_whitespace().nth(1) == Some("0")
}

fn name(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

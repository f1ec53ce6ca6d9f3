//! Running other programs with a time limit, always, so that a caller that hangs becomes a failed step and never a hung test.
//! Output goes to files and not to pipes: shims and conmon keep their parent's stderr open long after the caller has ended, and a
//! reader of a pipe would wait for them.

use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an ordinary command may take. Generous: a loaded machine is slow, and only a hang reaches it. An emulated processor is
/// slower still.
pub const LIMIT: Duration = Duration::from_secs(120);

/// How long something that a command has set going may take to be seen.
pub const SOON: Duration = Duration::from_secs(60);

/// What a command did.
pub struct Output {
    /// The exit status; 128 + signal when a signal ended it; -1 when it ran into the time limit and was killed.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Holds when the exit status is `code` and stdout or stderr contains `text`.
    pub fn expect(&self, code: i32, text: &str) -> Result<(), String> {
        if self.code == code && (self.stdout.contains(text) || self.stderr.contains(text)) {
            return Ok(());
        }
        Err(format!("wanted status {code} and {text:?}, got {}", self.describe()))
    }

    /// The whole result in one line.
    pub fn describe(&self) -> String {
        let code = if self.code == -1 { "no end (killed)".into() } else { format!("status {}", self.code) };
        format!("{code}, stdout {:?}, stderr {:?}", self.stdout.trim_end(), self.stderr.trim_end())
    }
}

/// A command that runs beside the test; killed when dropped.
pub struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

/// Starts `command` in a process group of its own.
pub fn start(command: &mut Command, stdin: Stdio) -> Result<Running, String> {
    let stdout = temporary()?;
    let stderr = temporary()?;
    let copy = |file: &File| file.try_clone().map_err(|error| format!("dup: {error}"));
    let child = command
        .stdin(stdin)
        .stdout(copy(&stdout)?)
        .stderr(copy(&stderr)?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    Ok(Running { child, stdout, stderr })
}

impl Running {
    /// Writes to the command's stdin, which `start` was given as a pipe.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        let stdin = self.child.stdin.as_mut().ok_or("stdin is not a pipe")?;
        stdin.write_all(text.as_bytes()).map_err(|error| format!("write: {error}"))
    }

    /// What it has written to stdout so far.
    pub fn stdout(&mut self) -> String {
        contents(&mut self.stdout)
    }

    /// What it has written to stderr so far.
    pub fn stderr(&mut self) -> String {
        contents(&mut self.stderr)
    }

    /// The end of what it has written to stderr, in one line.
    pub fn last_words(&mut self) -> String {
        let text = self.stderr();
        let lines: Vec<&str> = text.lines().rev().take(4).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits up to `limit`, then kills its process group.
    pub fn wait(mut self, limit: Duration) -> Output {
        let deadline = Instant::now() + limit;
        let code = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    break status.code().unwrap_or(128 + status.signal().unwrap_or(0));
                }
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                _ => break -1,
            }
        };
        Output { code, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Ends it with SIGTERM, as a service manager ends a daemon, and waits for it.
    pub fn stop(self, limit: Duration) -> Output {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; the status that `wait` returns says so.
            rustix::process::kill_process(pid, Signal::TERM).ok();
        }
        self.wait(limit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(pid, Signal::KILL).ok();
        }
        self.child.wait().ok();
    }
}

/// Runs `command` to its end with an empty stdin.
pub fn run(command: &mut Command) -> Output {
    finish(start(command, Stdio::null()))
}

/// Runs `command` to its end with `input` on its stdin.
pub fn run_with_input(command: &mut Command, input: &str) -> Output {
    let file = temporary().and_then(|mut file| {
        file.write_all(input.as_bytes()).and_then(|()| file.rewind()).map_err(|error| error.to_string())?;
        Ok(file)
    });
    finish(file.and_then(|file| start(command, file.into())))
}

fn finish(running: Result<Running, String>) -> Output {
    match running {
        Ok(running) => running.wait(LIMIT),
        Err(problem) => not_started(problem),
    }
}

fn not_started(problem: String) -> Output {
    Output { code: -1, stdout: String::new(), stderr: problem }
}

/// Runs `command`, whose program says `words` and goes on until a line comes: callers now and then lose what a program says that ends at
/// once, with any runtime.
pub fn converse(command: &mut Command, words: &str) -> Output {
    let mut running = match start(command, Stdio::piped()) {
        Ok(running) => running,
        Err(problem) => return not_started(problem),
    };
    // Where they do not come, the output says what came.
    until(LIMIT, words, || running.stdout().contains(words) || running.has_ended())
        .and_then(|()| running.write("\n"))
        .ok();
    running.wait(LIMIT)
}

/// The same with a terminal on the command's stdin, stdout and stderr (util-linux's `script` makes it).
pub fn converse_on_terminal(command: &Command, words: &str) -> Output {
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy().replace('\'', "'\\''"));
    let mut line = quoted(command.get_program());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &format!("exec {line}"), "/dev/null"]);
    script.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            script.env(name, value);
        }
    }
    script.env("SHELL", "/bin/sh");
    converse(&mut script, words)
}

/// Tries until it holds, up to `limit`.
pub fn until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() > deadline {
            return Err(format!("{what}: not within {} s", limit.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Where `program` is on PATH or in the directories of system programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// A file without a name: nothing to clean up, whatever happens.
fn temporary() -> Result<File, String> {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::TMPFILE.bits().cast_signed())
        .open("/tmp")
        .map_err(|error| format!("temporary file: {error}"))
}

fn contents(file: &mut File) -> String {
    // By position, because the writer shares the file's offset.
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let mut offset = 0;
    while let Ok(count) = file.read_at(&mut buffer, offset) {
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
        offset += count as u64;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

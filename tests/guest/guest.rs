//! The guest as its tests see it: calls of the runtime with a time limit, and bundles made of busybox.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Emulation on a busy machine is slow; a call that takes longer than this has hung.
const LIMIT: Duration = Duration::from_secs(120);

/// Where the tests run.
pub struct Guest {
    pub environment: String,
    pub root: String,
}

/// The guest, or none and a line that says so anywhere else.
pub fn guest() -> Option<Guest> {
    let word = |name: &str| std::env::var(name).ok();
    match (word("RUNLET_VM_ENV"), word("RUNLET_VM_ROOT")) {
        (Some(environment), Some(root)) => Some(Guest { environment, root }),
        _ => {
            say("this is not the test guest: cargo vm runs it there");
            None
        }
    }
}

fn say(reason: &str) {
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    // Past libtest's capture, so that it is counted.
    std::io::stderr().write_all(format!("SKIP {name}: {reason}\n").as_bytes()).unwrap();
}

/// What a program gave.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Fails in order, with one line that has `words`, warnings aside.
    #[track_caller]
    pub fn refused(&self, words: &str) {
        assert!((1..128).contains(&self.code), "should be refused: {self:?}");
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.contains(" warning: ")).collect();
        assert!(lines.len() == 1 && lines[0].contains(words), "should say {words:?} in one line: {self:?}");
    }
}

impl Guest {
    pub fn kernel(&self) -> String {
        self.program("/bin/busybox", &["uname", "-r"]).ok().stdout
    }

    pub fn runtime(&self, arguments: &[&str]) -> Ended {
        self.program(&std::env::var("RUNLET").unwrap(), arguments)
    }

    pub fn run(&self, bundle: &Bundle) -> Ended {
        self.runtime(&["run", "--bundle", &bundle.path(), bundle.name()])
    }

    /// Runs a program to its end. Pipes for everything: without /dev/null std's default would already fail.
    #[track_caller]
    pub fn program(&self, program: &str, arguments: &[&str]) -> Ended {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        drop(child.stdin.take());
        let read = |mut from: Box<dyn Read + Send>| {
            let (sender, receiver) = channel();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if sender.send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
            });
            receiver
        };
        let out = read(Box::new(child.stdout.take().unwrap()));
        let err = read(Box::new(child.stderr.take().unwrap()));
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{program} {arguments:?} still ran after {} s", LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        // A created container keeps the pipes, which otherwise end with the program.
        let patience = if arguments.contains(&"create") { Duration::from_millis(200) } else { LIMIT };
        let collect = |receiver: Receiver<Vec<u8>>| {
            let mut all = Vec::new();
            loop {
                match receiver.recv_timeout(patience) {
                    Ok(part) => all.extend(part),
                    Err(RecvTimeoutError::Timeout) if patience == LIMIT => {
                        panic!("somebody still holds the output of {program} {arguments:?}")
                    }
                    Err(_) => return String::from_utf8_lossy(&all).into_owned(),
                }
            }
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ended { code, stdout: collect(out), stderr: collect(err) }
    }

    /// Waits for a state that comes by itself.
    #[track_caller]
    pub fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !condition() {
            assert!(Instant::now() < deadline, "never {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A bundle whose only program is busybox, removed at the end with the container of its name.
pub struct Bundle {
    directory: PathBuf,
    config: String,
    name: String,
}

impl Bundle {
    /// `script` is what the container's shell runs as pid 1.
    pub fn new(_: &Guest, script: &str) -> Bundle {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("guest-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(&name);
        for name in ["bin", "dev", "proc", "sys", "tmp"] {
            std::fs::create_dir_all(directory.join("rootfs").join(name)).unwrap();
        }
        std::fs::copy("/bin/busybox", directory.join("rootfs/bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", directory.join("rootfs/bin/sh")).unwrap();
        std::fs::write(directory.join("rootfs/script"), script).unwrap();
        let config = include_str!("config.json").to_owned();
        std::fs::write(directory.join("config.json"), &config).unwrap();
        Bundle { directory, config, name }
    }

    /// Replaces a piece of config.json, which must be there.
    #[track_caller]
    pub fn edit(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from}");
        self.config = self.config.replacen(from, to, 1);
        std::fs::write(self.directory.join("config.json"), &self.config).unwrap();
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> String {
        self.directory.to_string_lossy().into_owned()
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn root(&self) -> PathBuf {
        self.directory.join("rootfs")
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let runtime = std::env::var("RUNLET").unwrap();
        let mut command = Command::new(runtime);
        command.args(["delete", "--force", &self.name]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Ok(mut child) = command.spawn() {
            child.wait().unwrap();
        }
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

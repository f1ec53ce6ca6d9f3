//! The caller's end of `--console-socket`: the test program listens, receives the master of the container's terminal, copies
//! what comes out of it to a file and its own standard input into it.

use super::{PATIENCE, payload, wait_for};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Console {
    path: PathBuf,
    output: PathBuf,
    child: Child,
}

impl Console {
    pub fn new(directory: &Path, name: &str) -> Self {
        let (path, output) = (directory.join(name), directory.join(format!("{name}.out")));
        let _ = fs::remove_file(&path);
        let child = Command::new(payload::path())
            .arg("console")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(File::create(&output).expect("console output"))
            .spawn()
            .expect("payload");
        let console = Self { path, output, child };
        assert!(wait_for(PATIENCE, || console.text().starts_with("ready\n")), "no console socket");
        console
    }

    pub fn path(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    fn text(&self) -> String {
        fs::read(&self.output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for a terminal: how many descriptors came, and the data that came with them.
    pub fn receive(&self, limit: Duration) -> Option<(u32, String)> {
        let mut found = None;
        wait_for(limit, || {
            found = self.text().lines().nth(1).and_then(|line| {
                let (count, name) = line.strip_prefix("received ")?.split_once(' ')?;
                Some((count.parse().ok()?, name.to_string()))
            });
            found.is_some()
        });
        found
    }

    /// The process of a pidfd that came instead of a terminal, as /proc tells it of the holder's descriptors.
    pub fn pid_of_received(&self) -> Option<u32> {
        let descriptors = fs::read_dir(format!("/proc/{}/fdinfo", self.child.id())).ok()?;
        descriptors.flatten().find_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
        })
    }

    /// What came out of the terminal so far.
    pub fn output(&self) -> String {
        self.text().splitn(3, '\n').nth(2).unwrap_or("").to_string()
    }

    /// Waits until `words` have come, or the time is over; gives everything so far.
    pub fn read_until(&self, words: &str, limit: Duration) -> String {
        wait_for(limit, || self.output().contains(words));
        self.output()
    }

    pub fn write(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("pipe");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("write to the terminal");
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

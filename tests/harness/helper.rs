//! Background processes of a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A background process of the test; its standard input is closed and it is killed when this is dropped.
pub struct Helper {
    child: Child,
    reader: BufReader<std::process::ChildStdout>,
}

impl Helper {
    pub fn start(command: &mut Command, first_line: &str) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("helper");
        let mut reader = BufReader::new(child.stdout.take().expect("pipe"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("helper's first line");
        assert!(line.contains(first_line), "helper did not get ready: {line:?}");
        Self { child, reader }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its standard input and gives its last line.
    pub fn finish(mut self) -> String {
        drop(self.child.stdin.take());
        let mut line = String::new();
        let _ = self.reader.read_line(&mut line);
        line
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Terminals: `-t` in the foreground on a real pty, and `--console-socket`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "../harness/mod.rs"]
mod harness;

mod foreground;
mod shell;
mod socket;

use harness::{Call, PATIENCE, Running, wait_for};
use std::io::Write;
use std::process::Stdio;

/// A call of the runtime on a person's terminal of 30 lines and 90 columns.
pub struct Person {
    call: Running,
}

impl Person {
    pub fn at(call: Call<'_>) -> Self {
        Self { call: call.through(&["payload", "pty"]).stdin(Stdio::piped()).spawn() }
    }

    /// Everything on the screen so far.
    pub fn screen(&self) -> String {
        self.call.stdout_now()
    }

    #[track_caller]
    pub fn sees(&self, words: &str) -> String {
        let seen = wait_for(PATIENCE, || self.screen().contains(words));
        assert!(seen, "the screen never had {words:?}: {:?}{}", self.screen(), self.call.stderr_now());
        self.screen()
    }

    pub fn types(&mut self, keys: &str) {
        let input = self.call.child.stdin.as_mut().unwrap();
        input.write_all(keys.as_bytes()).and_then(|()| input.flush()).unwrap();
    }

    /// The person changes the size of the window.
    pub fn resizes(&mut self, rows: u16, columns: u16) {
        self.types(&format!("\0size {rows} {columns}\n"));
    }

    /// Whether keys go through unchanged: `raw` or `cooked`.
    #[track_caller]
    pub fn mode(&mut self) -> String {
        let before = self.screen().matches("\0raw\n").count() + self.screen().matches("\0cooked\n").count();
        self.types("\0mode\n");
        let answers = || -> Vec<String> {
            let screen = self.call.stdout_now();
            let lines = screen.split('\0').skip(1).filter_map(|rest| rest.split('\n').next());
            lines.filter(|line| matches!(*line, "raw" | "cooked")).map(String::from).collect()
        };
        assert!(wait_for(PATIENCE, || answers().len() > before));
        answers().pop().unwrap()
    }

    /// The process of the call, which is the child of the program that holds the terminal.
    pub fn runtime_pid(&self) -> u32 {
        let own = self.call.pid();
        let children =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the runtime runs")
    }

    pub fn hangs_up(&mut self) {
        self.types("\0hangup\n");
    }

    /// Waits for the end: the exit status, and whether the terminal is as it was.
    #[track_caller]
    pub fn ends(self) -> (i32, String) {
        let output = self.call.wait();
        let last = output.stdout.rsplit("\0exit ").next().unwrap_or("").trim_end().to_string();
        let (status, mode) = last.split_once(' ').unwrap_or_else(|| panic!("no end: {}", output.describe()));
        (status.parse().unwrap(), mode.to_string())
    }
}

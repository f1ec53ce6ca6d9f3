//! What a command line says: the flags with their values and what else stands there, as the commands ask for it.
//!
//! A value is judged when it is read, by the shape that its flag's row names, and a command's operands by what its row says of them:
//! what is here has the right shape (a number in its range, an option's one spelling) and means nothing yet. No default root, no
//! path made absolute, no id checked against the store: defaults and rules are the commands'. Paths are C strings because argv cannot
//! hold a NUL and the kernel takes nothing else; they are as the caller typed them, so relative ones are relative to the caller's
//! working directory. All of it lives as long as the process.

pub mod flags;
pub mod values;

pub use flags::Flag;

use crate::error::{Result, error};
use crate::json::quote;
use alloc::vec::Vec;
use core::ffi::CStr;

/// A flag with what stood behind it.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    flag: Flag,
    /// Empty for a switch.
    pub text: &'static CStr,
    /// The number that it stands for, for a word its place in the flag's row; 0 for what is none.
    pub number: i64,
}

/// What was given on the command line.
#[derive(Debug, Default)]
pub struct Given {
    /// In the order given.
    flags: Vec<Value>,
    /// What is no flag, without the command's name.
    pub operands: Vec<&'static CStr>,
    /// The container's id, which is the first operand, not yet checked; for `help` the name of a command.
    pub id: &'static str,
}

impl Given {
    /// Takes a flag and its value, if that has the shape that the flag asks for.
    pub fn put(&mut self, flag: Flag, text: &'static CStr) -> Result<()> {
        let row = flag.row();
        if let Some(number) = values::number(flag.shape(), text, row.value) {
            self.flags.push(Value { flag, text, number });
            return Ok(());
        }
        if text.is_empty() {
            return Err(error!("--{}: its value is empty", row.long));
        }
        let text = quote(&text.to_string_lossy());
        Err(error!("--{}: {} is not {} ({})", row.long, text, row.value, flag.help()))
    }

    /// Forgets a switch.
    pub fn unset(&mut self, flag: Flag) {
        self.flags.retain(|value| value.flag != flag);
    }

    /// A flag's value; given twice, the last one counts.
    #[inline(never)]
    fn last(&self, flag: Flag) -> Option<&Value> {
        self.flags.iter().rev().find(|value| value.flag == flag)
    }

    /// Whether it was given.
    #[inline(never)]
    pub fn switch(&self, flag: Flag) -> bool {
        self.last(flag).is_some()
    }

    /// Its value as it was typed.
    #[inline(never)]
    pub fn path(&self, flag: Flag) -> Option<&'static CStr> {
        self.last(flag).map(|value| value.text)
    }

    /// The value of a flag whose shape is UTF-8.
    #[inline(never)]
    pub fn text(&self, flag: Flag) -> Option<&'static str> {
        self.last(flag).and_then(|value| value.text.to_str().ok())
    }

    /// The number that its value stands for.
    #[inline(never)]
    pub fn number(&self, flag: Flag) -> Option<i64> {
        self.last(flag).map(|value| value.number)
    }

    /// The number of a file descriptor, or of several.
    #[inline(never)]
    pub fn count(&self, flag: Flag) -> Option<u32> {
        self.number(flag).and_then(|number| u32::try_from(number).ok())
    }

    /// Whether output is for a program.
    pub fn wants_json(&self) -> bool {
        self.number(Flag::Format) == Some(1)
    }

    /// All values of a flag that repeats, in order.
    #[inline(never)]
    pub fn all(&self, flag: Flag) -> &'static [Value] {
        let mut values = Vec::new();
        for value in &self.flags {
            if value.flag == flag {
                values.push(*value);
            }
        }
        values.leak()
    }

    /// What stands after the id.
    pub fn after_id(&self) -> &[&'static CStr] {
        self.operands.get(1..).unwrap_or_default()
    }
}

/// Who makes the container's cgroup.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum CgroupManager {
    /// Whatever the machine has.
    #[default]
    Auto,
    /// The runtime, in the cgroup file system.
    Cgroupfs,
    /// systemd, asked over D-Bus.
    Systemd,
    /// Nobody: no cgroup is made.
    Disabled,
}

/// A path or word of the command line as text.
pub fn text<'a>(value: &'a CStr, flag: &str) -> Result<&'a str> {
    value.to_str().map_err(|_| error!("{}: is not UTF-8", flag))
}

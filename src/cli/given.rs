//! What was given on the command line, and the ways to ask for it.
//!
//! A value is judged when it is read, by the shape that its flag's row names, so the code that fills a command's struct is a list
//! of fields. The first mistake is remembered, not returned: what stands behind it may say where the log is. All that is kept lives
//! as long as the process.

use super::flags::{Flag, Spec};
use super::{quote, usage, values};
use core::cell::Cell;
use core::ffi::CStr;
use runlet::args::Format;
use runlet::error::Error;

/// A flag with what stood behind it.
#[derive(Clone, Copy)]
pub struct Value {
    flag: Flag,
    /// Empty for a switch.
    text: &'static CStr,
    /// The number that it stands for; 0 for what is none.
    number: i64,
}

/// What stands on the command line, by flag.
#[derive(Default)]
pub struct Given {
    /// The first mistake in a value.
    pub mistake: Cell<Option<Error>>,
    /// Which command, once its name was read.
    pub command: Option<&'static Spec>,
    /// In the order given.
    flags: Vec<Value>,
    /// What is no flag, without the command's name.
    pub operands: Vec<&'static CStr>,
}

impl Given {
    /// The name of the command, for messages.
    pub fn name(&self) -> &'static str {
        self.command.map_or("runlet", Spec::name)
    }

    /// Remembers the first mistake. What was wrong reads as absent: nobody sees it, since `parse` fails.
    #[inline(never)]
    pub fn wrong(&self, error: Error) {
        self.mistake.set(Some(self.mistake.take().unwrap_or(error)));
    }

    /// Takes a flag and its value, if that has the shape that the flag asks for.
    pub fn put(&mut self, flag: Flag, text: &'static CStr) {
        let row = flag.row();
        if let Some(number) = values::number(flag.shape(), text, row.value) {
            self.flags.push(Value { flag, text, number });
        } else if text.is_empty() {
            self.wrong(usage(&["--", row.long, ": its value is empty"]));
        } else {
            let text = quote(text);
            self.wrong(usage(&["--", row.long, ": ", &text, " is not ", row.value, " (", row.help, ")"]));
        }
    }

    /// Forgets a switch.
    pub fn unset(&mut self, flag: Flag) {
        self.flags.retain(|value| value.flag != flag);
    }

    /// Refuses operands beyond `count`.
    #[inline(never)]
    pub fn at_most(&self, count: usize) {
        if let Some(extra) = self.operands.get(count) {
            self.wrong(usage(&[self.name(), ": unexpected argument ", &quote(extra)]));
        }
    }

    /// The first operand.
    #[inline(never)]
    pub fn id(&self) -> &'static str {
        match self.operands.first() {
            Some(id) => self.word(id),
            None => {
                self.wrong(usage(&[self.name(), ": the container's ID is missing"]));
                ""
            }
        }
    }

    /// An operand as text: UTF-8, because it is shown, compared and written as JSON.
    #[inline(never)]
    pub fn word(&self, operand: &'static CStr) -> &'static str {
        operand.to_str().unwrap_or_else(|_| {
            self.wrong(usage(&[self.name(), ": an ID is not UTF-8"]));
            ""
        })
    }

    /// The first operand, of commands that take no other.
    #[inline(never)]
    pub fn only_id(&self) -> &'static str {
        self.at_most(1);
        self.id()
    }

    /// A flag's value; given twice, the last one counts.
    #[inline(never)]
    fn last(&self, flag: Flag) -> Option<&Value> {
        self.flags.iter().rev().find(|value| value.flag == flag)
    }

    #[inline(never)]
    pub fn switch(&self, flag: Flag) -> bool {
        self.last(flag).is_some()
    }

    #[inline(never)]
    pub fn path(&self, flag: Flag) -> Option<&'static CStr> {
        self.last(flag).map(|value| value.text)
    }

    #[inline(never)]
    pub fn text(&self, flag: Flag) -> Option<&'static str> {
        self.last(flag).and_then(|value| value.text.to_str().ok())
    }

    #[inline(never)]
    pub fn number(&self, flag: Flag) -> Option<i64> {
        self.last(flag).map(|value| value.number)
    }

    /// The number of a file descriptor, or of several; or another number of 32 bits.
    #[inline(never)]
    pub fn count(&self, flag: Flag) -> Option<u32> {
        self.number(flag).and_then(|number| u32::try_from(number).ok())
    }

    /// A number that is not negative.
    #[inline(never)]
    pub fn natural(&self, flag: Flag) -> Option<u64> {
        self.number(flag).map(i64::unsigned_abs)
    }

    pub fn format(&self) -> Format {
        if self.number(Flag::Format) == Some(1) { Format::Json } else { Format::Table }
    }

    /// All values of a flag that repeats.
    #[inline(never)]
    pub fn all(&self, flag: Flag) -> &'static [&'static CStr] {
        let values = self.flags.iter().filter(|value| value.flag == flag);
        values.map(|value| value.text).collect::<Vec<_>>().leak()
    }

    /// The same for numbers.
    pub fn ids(&self, flag: Flag) -> &'static [u32] {
        let values = self.flags.iter().filter(|value| value.flag == flag);
        values.filter_map(|value| u32::try_from(value.number).ok()).collect::<Vec<_>>().leak()
    }
}

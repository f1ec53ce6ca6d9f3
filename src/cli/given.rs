//! What was given on the command line, and the ways to ask for it.
//!
//! The first value that has not the shape its flag asks for is remembered, not returned: the code that fills a
//! command's struct stays a list of fields, and small.

use super::flags::{self, Flag, Spec};
use super::{FORMATS, quote, usage, values};
use core::cell::RefCell;
use core::ops::RangeInclusive;
use core::ptr;
use runlet::args::Format;
use runlet::error::{Error, Result};
use std::ffi::{CString, OsString};

/// What stands on the command line, by flag.
#[derive(Default)]
pub struct Given {
    /// The first mistake in a value.
    pub mistake: RefCell<Option<Error>>,
    /// Which command, once its name was read.
    pub command: Option<&'static Spec>,
    /// In the order given; a switch has no value.
    pub flags: Vec<(&'static Flag, OsString)>,
    /// What is no flag, without the command's name.
    pub operands: Vec<OsString>,
}

impl Given {
    /// The name of the command, for messages.
    pub fn name(&self) -> &'static str {
        self.command.map_or("runlet", |command| command.name)
    }

    /// Remembers the first mistake. What was wrong reads as absent: nobody sees it, since `parse` fails.
    #[inline(never)]
    pub fn wrong(&self, error: Error) {
        self.mistake.borrow_mut().get_or_insert(error);
    }

    /// A flag's value has not the shape that its help names.
    #[inline(never)]
    pub fn misshapen(&self, flag: &Flag, value: &OsString) {
        self.wrong(usage(&[
            "--",
            flag.long,
            ": ",
            &quote(value),
            " is not ",
            flag.value,
            " (",
            flag.help,
            ")",
        ]));
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
    pub fn id(&self) -> String {
        match self.operands.first() {
            Some(id) => self.accept(values::text(id, "the container's ID")),
            None => {
                self.wrong(usage(&[self.name(), ": the container's ID is missing"]));
                String::new()
            }
        }
    }

    /// The first operand, of commands that take no other.
    pub fn only_id(&self) -> String {
        self.at_most(1);
        self.id()
    }

    pub fn accept<T: Default>(&self, read: Result<T>) -> T {
        read.unwrap_or_else(|error| {
            self.wrong(error);
            T::default()
        })
    }

    #[inline(never)]
    pub fn switch(&self, flag: &'static Flag) -> bool {
        self.last(flag).is_some()
    }

    /// A flag's value; given twice, the last one counts.
    #[inline(never)]
    pub fn last(&self, flag: &'static Flag) -> Option<&OsString> {
        self.flags.iter().rev().find(|(other, _)| ptr::eq(*other, flag)).map(|(_, value)| value)
    }

    #[inline(never)]
    pub fn path(&self, flag: &'static Flag) -> Option<CString> {
        self.last(flag).map(|value| self.accept(values::path(value, &["--", flag.long].concat())))
    }

    #[inline(never)]
    pub fn text(&self, flag: &'static Flag) -> Option<String> {
        self.last(flag).map(|value| self.accept(values::text(value, &["--", flag.long].concat())))
    }

    /// A flag's value as `read` understands it.
    #[inline(never)]
    pub fn shaped<T>(&self, flag: &'static Flag, read: fn(&str) -> Option<T>) -> Option<T> {
        let value = self.last(flag)?;
        let read = value.to_str().and_then(read);
        if read.is_none() {
            self.misshapen(flag, value);
        }
        read
    }

    /// All values of a flag that repeats.
    #[inline(never)]
    pub fn all<T>(&self, flag: &'static Flag, read: fn(&OsString) -> Option<T>) -> Vec<T> {
        let mut all = Vec::new();
        for (_, value) in self.flags.iter().filter(|(other, _)| ptr::eq(*other, flag)) {
            match read(value) {
                Some(value) => all.push(value),
                None => self.misshapen(flag, value),
            }
        }
        all
    }

    /// A whole number within bounds.
    #[inline(never)]
    pub fn integer(&self, flag: &'static Flag, bounds: RangeInclusive<i64>) -> Option<i64> {
        let value = self.last(flag)?;
        let number = value.to_str().and_then(values::integer).filter(|number| bounds.contains(number));
        if number.is_none() {
            self.misshapen(flag, value);
        }
        number
    }

    /// A whole number that is not negative, of a type that holds 64 bits.
    pub fn unsigned(&self, flag: &'static Flag) -> Option<u64> {
        self.integer(flag, 0..=i64::MAX).map(i64::unsigned_abs)
    }

    /// The number of a file descriptor, or of several.
    pub fn descriptor(&self, flag: &'static Flag) -> Option<u32> {
        self.integer(flag, 0..=i32::MAX.into()).and_then(|number| u32::try_from(number).ok())
    }

    /// One word of a list.
    pub fn choice<T: Copy>(&self, flag: &'static Flag, words: &[(&str, T)]) -> Option<T> {
        let value = self.last(flag)?;
        let word = value.to_str().and_then(|text| values::one_of(text, words));
        if word.is_none() {
            self.misshapen(flag, value);
        }
        word
    }

    pub fn format(&self) -> Format {
        self.choice(&flags::FORMAT, FORMATS).unwrap_or_default()
    }
}

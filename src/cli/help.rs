//! The help texts and the hint for a misspelt name, all made from the tables.

use super::commands::{Command, GLOBAL};
use runlet::args::{Flag, flags::Shape};
use runlet::cmd::{self, Context};
use runlet::error::Result;

/// The column in which descriptions start.
const COLUMN: usize = 34;

/// `help`: of the command whose name was given, or of all.
pub fn help(context: &Context) -> Result<()> {
    cmd::print(&text(context.given.id))
}

pub fn text(name: &str) -> String {
    Command::find(name).map_or_else(overview, command)
}

/// What plain `runlet` and `runlet --help` print.
fn overview() -> String {
    let mut text = String::from(
        words!("runlet: an OCI container runtime in one small binary\n\nUsage: runlet [FLAGS] COMMAND [FLAGS] ...\n\nCommands:\n").text(),
    );
    for command in Command::all() {
        line(&mut text, command.name(), command.about());
    }
    text.push_str(words!("\nGlobal flags, before or after the command:\n").text());
    list(&mut text, &GLOBAL);
    text.push_str(
        words!("\nExample: runlet run --bundle /srv/web web\nrunlet COMMAND --help says more.\n").text(),
    );
    text
}

/// What `runlet COMMAND --help` prints.
fn command(command: Command) -> String {
    let mut text = String::from("Usage: runlet ");
    text.push_str(command.name());
    if !command.flags().is_empty() {
        text.push_str(" [FLAGS]");
    }
    if !command.operands().is_empty() {
        text.push(' ');
        text.push_str(command.operands());
    }
    let (first, rest) = command.about().split_at(1);
    for part in ["\n\n", &first.to_ascii_uppercase(), rest, ".\n"] {
        text.push_str(part);
    }
    if !command.flags().is_empty() {
        text.push_str("\nFlags:\n");
        list(&mut text, command.flags());
    }
    for part in
        ["\nExample: runlet ", command.example(), words!("\nThe global flags are in runlet --help.\n").text()]
    {
        text.push_str(part);
    }
    text
}

fn list(text: &mut String, flags: &[Flag]) {
    for flag in flags {
        let row = flag.row();
        let before = if row.short.is_empty() { ["    ", "", "--"] } else { ["-", row.short, ", --"] };
        let value = if flag.shape() == Shape::Switch { ["", ""] } else { [" ", row.value] };
        line(text, &[&before.concat(), row.long, &value.concat()].concat(), flag.help());
    }
}

/// One line of two columns; a name that is too long for the first gets a line of its own.
fn line(text: &mut String, name: &str, about: &str) {
    text.push_str("  ");
    text.push_str(name);
    let mut at = name.len().saturating_add(2);
    if at >= COLUMN {
        text.push('\n');
        at = 0;
    }
    for _ in at..COLUMN {
        text.push(' ');
    }
    text.push_str(about);
    text.push('\n');
}

/// The name nearest to what was typed, if it is near enough to have been meant: at most two letters away, and
/// fewer than half of them.
pub fn nearest(typed: &str, names: &mut dyn Iterator<Item = &'static str>) -> Option<&'static str> {
    let mut least = typed.len().div_ceil(2).min(3);
    let mut nearest = None;
    for name in names {
        let far = distance(typed, name);
        if far < least || far == least && nearest.is_some_and(|nearest| name < nearest) {
            (least, nearest) = (far, Some(name));
        }
    }
    nearest
}

/// Levenshtein's distance, in bytes. One row suffices: it is overwritten from the left.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, b) in cells.zip(to.bytes()) {
            let change = diagonal.saturating_add(usize::from(a != b));
            diagonal = *cell;
            left = change.min(diagonal.saturating_add(1)).min(left.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

//! The profile's rules as flat lists: which action, on which conditions, for which names.
//!
//! Judges every word of `syscalls`. What a rule's conditions mean together is decided here: [`Alternative`] is what must hold
//! all at once, and a rule is met by any one of its alternatives. Numbers are for `numbers`.

use super::leaf::Condition;
use super::table::{Machine, Search};
use super::{NOTIFY, OPERATORS, action};
use crate::config::seccomp::{Arg, Seccomp};
use crate::error::{Result, decimal, error};
use alloc::vec::Vec;

/// A rule: its action, and its alternatives as a range of [`Rules::alternatives`]. Without any it always holds.
pub struct Rule {
    pub action: u32,
    pub first: usize,
    pub end: usize,
}

/// Conditions that must hold together, as a range of [`Rules::conditions`].
pub struct Alternative {
    pub action: u32,
    pub first: usize,
    pub end: usize,
}

/// All rules of a profile.
pub struct Rules {
    /// What becomes of a call that no rule holds for.
    pub default: u32,
    pub rules: Vec<Rule>,
    pub alternatives: Vec<Alternative>,
    pub conditions: Vec<Condition>,
    /// Entry of the table and rule, for every known name, in the profile's order.
    pub pairs: Vec<(u16, u32)>,
    /// How many names there are, unknown ones too.
    pub names: usize,
    /// Whether a rule has SCMP_ACT_NOTIFY.
    pub notify: bool,
}

impl Rules {
    /// Reads the rules; also returns the names that nobody knows.
    pub fn read<'a>(
        profile: &'a Seccomp<'_>,
        machine: &Machine,
        default: u32,
    ) -> Result<(Rules, Vec<&'a str>)> {
        let names = profile.syscalls.iter().map(|rule| rule.names.len()).sum();
        let mut all = Rules {
            default,
            rules: Vec::with_capacity(profile.syscalls.len()),
            alternatives: Vec::new(),
            conditions: Vec::new(),
            pairs: Vec::with_capacity(names),
            names,
            notify: false,
        };
        let mut unknown = Vec::new();
        let mut search = Search::new(&machine.table);
        for (at, rule) in profile.syscalls.iter().enumerate() {
            if rule.names.is_empty() {
                return Err(error!("syscalls[{}].names: must name a system call", decimal(at)));
            }
            let action = action(rule.action, rule.errno_ret)
                .map_err(|text| error!("syscalls[{}].action: {}", decimal(at), text))?;
            all.rule(at, action, &rule.args)?;
            all.notify |= action == NOTIFY;
            for name in &rule.names {
                if action == NOTIFY && **name == *"write" {
                    // The child tells the listener's number to the parent by write(2).
                    return Err(error!(
                        "syscalls[{}].names: SCMP_ACT_NOTIFY cannot be used for write",
                        decimal(at)
                    ));
                }
                match search.find(name) {
                    Some(entry) => all.pairs.push((entry as u16, at as u32)),
                    None if machine.table.is_elsewhere(name) => {}
                    None => unknown.push(&**name),
                }
            }
        }
        Ok((all, unknown))
    }

    /// Reads one rule's conditions.
    fn rule(&mut self, at: usize, action: u32, args: &[Arg<'_>]) -> Result<()> {
        let first = self.conditions.len();
        let mut seen = 0u8;
        let mut any = false;
        for (index, arg) in args.iter().enumerate() {
            let fail =
                |text: &str| Err(error!("syscalls[{}].args[{}].{}", decimal(at), decimal(index), text));
            let Some(argument @ 0..6) = arg.index else {
                return fail("index: must be 0 to 5");
            };
            let Some(value) = arg.value else {
                return fail("value: is missing");
            };
            let Some(operator) = OPERATORS.find_after("SCMP_CMP_", arg.op) else {
                let name = arg.op;
                return Err(error!(
                    "syscalls[{}].args[{}].op: unknown operator {quoted}",
                    decimal(at),
                    decimal(index),
                    name
                ));
            };
            let bit = 1u8.wrapping_shl(argument);
            any |= seen & bit != 0;
            seen |= bit;
            let condition = Condition {
                argument: argument as u8,
                operator,
                value,
                second: arg.value_two.unwrap_or_default(),
            };
            // In the order of arguments, so that rules which test alike share their tests.
            let mut place = self.conditions.len();
            self.conditions.push(condition);
            while let Some([before, _]) = self.conditions.get(place.wrapping_sub(1)..=place)
                && place > first
                && before.argument > condition.argument
            {
                self.conditions.swap(place, place.wrapping_sub(1));
                place = place.wrapping_sub(1);
            }
        }
        let alternatives = self.alternatives.len();
        let end = self.conditions.len();
        let length = if any { 1 } else { end.wrapping_sub(first) };
        let mut first = first;
        while first < end {
            let next = first.wrapping_add(length);
            self.alternatives.push(Alternative { action, first, end: next });
            first = next;
        }
        self.rules.push(Rule { action, first: alternatives, end: self.alternatives.len() });
        Ok(())
    }
}

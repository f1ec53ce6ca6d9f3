//! Rules with conditions on arguments, as nodes of the graph.
//!
//! An argument is 64 bits, the accumulator 32: a condition becomes tests of the upper and the lower half. What two rules
//! test alike is tested once, by the graph's threading.

use super::graph::{Fact, Graph, Id, Test, Word};
use super::table::Abi;
use alloc::vec::Vec;

/// The seven operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Argument != value.
    NotEqual,
    /// Argument < value, unsigned, as all of these.
    Less,
    /// Argument <= value.
    AtMost,
    /// Argument == value.
    Equal,
    /// Argument >= value.
    AtLeast,
    /// Argument > value.
    Greater,
    /// Argument & value == second & value.
    MaskedEqual,
}

/// One condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// 0 to 5.
    pub argument: u8,
    /// How it is compared.
    pub operator: Operator,
    /// With what; for `MaskedEqual` the mask.
    pub value: u64,
    /// For `MaskedEqual`, the value.
    pub second: u64,
}

/// A number's upper and lower half.
fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

impl Condition {
    /// The words of the argument, upper and lower, with their masks and what they are compared with. The upper word's
    /// mask is 0 where it does not matter.
    fn words(&self, abi: &Abi) -> ((Word, u32), (Word, u32)) {
        let (mask, value) = match self.operator {
            Operator::MaskedEqual => (self.value, self.second & self.value),
            _ => (u64::MAX, self.value),
        };
        let ((high_mask, low_mask), (high, low)) = (halves(mask), halves(value));
        let offset = self.argument.saturating_mul(8).saturating_add(16);
        let second = offset.saturating_add(4);
        let (high_offset, low_offset) = if abi.big_endian { (offset, second) } else { (second, offset) };
        let high_mask = if abi.wide { high_mask } else { 0 };
        (
            (Word { offset: high_offset, mask: high_mask }, high),
            (Word { offset: low_offset, mask: low_mask }, low),
        )
    }

    /// Adds what holds after the condition did.
    fn learn(&self, abi: &Abi, facts: &mut Vec<Fact>) {
        let ((high_word, high), (low_word, low)) = self.words(abi);
        let (word, value, narrow) = match abi.wide {
            true => (high_word, high, false),
            false => (low_word, low, true),
        };
        match self.operator {
            Operator::NotEqual => {}
            Operator::Equal | Operator::MaskedEqual => {
                facts.push(Fact::within(high_word, high, high));
                facts.push(Fact::within(low_word, low, low));
            }
            Operator::Less if narrow => facts.push(Fact::within(word, 0, value.saturating_sub(1))),
            Operator::Greater if narrow => facts.push(Fact::within(word, value.saturating_add(1), u32::MAX)),
            Operator::Less | Operator::AtMost => facts.push(Fact::within(word, 0, value)),
            Operator::Greater | Operator::AtLeast => facts.push(Fact::within(word, value, u32::MAX)),
        }
    }

    /// The tests of this condition, before `pass` and `fail`.
    fn write(&self, graph: &mut Graph, abi: &Abi, pass: Id, fail: Id, facts: &mut Vec<Fact>) -> Id {
        let ((high_word, high), (low_word, low)) = self.words(abi);
        let (yes, no) = match self.operator {
            Operator::NotEqual | Operator::Less | Operator::AtMost => (fail, pass),
            _ => (pass, fail),
        };
        let (test, ordered) = match self.operator {
            Operator::Greater | Operator::AtMost => (Test::Greater, true),
            Operator::AtLeast | Operator::Less => (Test::AtLeast, true),
            _ => (Test::Equal, false),
        };
        let upper = high_word.mask != 0;
        if upper {
            facts.push(Fact::within(high_word, high, high));
        }
        let lower = match low_word.mask {
            0 => yes,
            _ => match graph.test(low_word, (test, low), yes, no, facts) {
                Ok(branch) => graph.load(low_word, branch),
                Err(known) => known,
            },
        };
        if !upper {
            return lower;
        }
        facts.pop();

        // The upper half: equal leads to the lower, and where the order counts, greater is yes.
        let known = match ordered {
            false => graph.test(high_word, (Test::Equal, high), lower, no, facts),
            true => {
                facts.push(Fact::within(high_word, 0, high));
                let (Ok(not_greater) | Err(not_greater)) =
                    graph.test(high_word, (Test::Equal, high), lower, no, facts);
                facts.pop();
                graph.test(high_word, (Test::Greater, high), yes, not_greater, facts)
            }
        };
        let (Ok(branch) | Err(branch)) = known;
        graph.load(high_word, branch)
    }
}

/// The tests of one rule: `pass` where all conditions hold, else `fail`.
pub fn rule(graph: &mut Graph, abi: &Abi, conditions: &[Condition], pass: Id, fail: Id) -> Id {
    let mut facts = Vec::with_capacity(16);
    let (mut next, mut rest) = (pass, conditions);
    while let [before @ .., condition] = rest {
        facts.clear();
        for earlier in before {
            earlier.learn(abi, &mut facts);
        }
        next = condition.write(graph, abi, next, fail, &mut facts);
        rest = before;
    }
    next
}

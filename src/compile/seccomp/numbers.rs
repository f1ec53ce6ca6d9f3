//! From rules by name to a program by number: each ABI's numbers as spans of one decision, its tree, and the choice between
//! architectures before them.

use super::graph::{Graph, Id, Test, Word};
use super::leaf::{self, Condition, Operator};
use super::rules::{Alternative, Rule, Rules};
use super::table::{self, Abi, Machine};
use super::{ALLOW, ENOSYS, ERRNO, KILL_THREAD, LOG, TRACE, too_large, tree};
use crate::config::seccomp::Seccomp;
use crate::error::{Result, decimal, error};
use alloc::vec::Vec;
use syscalls::seccomp::SockFilter;

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Give(u32),
    /// The alternatives of another leaf, then one more.
    Try {
        before: u16,
        alternative: u32,
    },
}

/// The leaf of every call that no rule names.
const DEFAULT: u16 = 0;

/// More different leaves than this would not fit into a program.
const MAX_LEAVES: usize = super::graph::MAX_INSTRUCTIONS;

/// A table's numbers, its ordinary and its special ones after them, as indices.
const ORDINARY: usize = 640;
const CELLS: usize = ORDINARY + 64;

/// The index after the last multiplexer's.
const MULTIPLEXERS: usize = 118;

/// The program for all architectures that the profile names.
pub fn program(rules: &mut Rules, profile: &Seccomp<'_>, machine: &Machine) -> Result<Vec<SockFilter>> {
    let mut named = 1u32; // bits of machine.abis; the native one always
    for (at, given) in profile.architectures.iter().enumerate() {
        let name = given.strip_prefix("SCMP_ARCH_").unwrap_or_default();
        match machine.abis.iter().position(|abi| abi.scmp == name) {
            Some(abi) => named |= 1u32.wrapping_shl(abi as u32),
            None if table::ARCHITECTURES.position(name).is_some() => {}
            None => {
                return Err(error!("architectures[{}]: unknown architecture {quoted}", decimal(at), given));
            }
        }
    }
    let newer = match rules.default & 0xffff_0000 {
        ALLOW | LOG | TRACE => rules.default,
        _ => ERRNO | ENOSYS,
    };
    let last = (rules.default, DEFAULT);
    let mut leaves = Leaves {
        all: Vec::from([Leaf::Give(rules.default)]),
        rules,
        last,
        made: Vec::new(),
        graph: Graph::new(),
    };
    let newer = leaves.leaf(Leaf::Give(newer))?;
    let kill = leaves.leaf(Leaf::Give(KILL_THREAD))?;

    let mut dispatch = leaves.graph.give(KILL_THREAD);
    let mut spans = Vec::with_capacity(256);
    // The architecture written last comes first in the program: the native one.
    for (first, native) in machine.abis.iter().enumerate().rev() {
        if machine.abis.iter().position(|abi| abi.audit == native.audit) != Some(first) {
            continue; // its architecture is written at its first ABI
        }
        let mut beyond = DEFAULT;
        spans.clear();
        for (at, abi) in machine.abis.iter().enumerate() {
            if abi.audit != native.audit {
                continue;
            }
            if named.wrapping_shr(at as u32) & 1 != 0 {
                beyond = leaves.spans(abi, machine, newer, &mut spans)?;
            } else if abi.bit != 0 {
                leaves.span(abi, abi.bit, kill, &mut spans);
                leaves.span(abi, u32::MAX, beyond, &mut spans);
            }
        }
        if !spans.is_empty() {
            let tree = tree::tree(&mut leaves.graph, &spans);
            let tree = leaves.graph.load(Word { offset: 0, mask: u32::MAX }, tree);
            dispatch = leaves.graph.branch(Test::Equal, native.audit, tree, dispatch);
        }
    }
    let start = leaves.graph.load(Word { offset: 4, mask: u32::MAX }, dispatch);
    leaves.graph.write(start).map_err(|_| too_large())
}

/// The leaves, each once, and the nodes that they have in the graph.
struct Leaves<'r> {
    rules: &'r mut Rules,
    all: Vec<Leaf>,
    /// An action and its leaf: the one that was asked for last, as by many names in a row.
    last: (u32, u16),
    /// Leaf, width of its arguments, node.
    made: Vec<(u16, bool, Id)>,
    graph: Graph,
}

impl Leaves<'_> {
    /// The leaves of one ABI's numbers, appended as spans. Returns the leaf beyond the last number.
    fn spans(
        &mut self,
        abi: &Abi,
        machine: &Machine,
        newer: u16,
        spans: &mut Vec<tree::Span>,
    ) -> Result<u16> {
        let mut cells = [DEFAULT; CELLS];
        let mut newest = None;
        let default = self.rules.default;
        for at in 0..self.rules.pairs.len() {
            let Some((entry, rule)) = self.rules.pairs.get(at).copied() else { break };
            let place = machine.table.number(abi, entry.into()).map(|number| match number {
                number if number >= abi.special => usize::from(number.wrapping_sub(abi.special)) + ORDINARY,
                number => usize::from(number),
            });
            newest = newest.max(place.filter(|place| *place < ORDINARY));
            let Some(Rule { action, first, end }) = self.rules.rules.get(rule as usize) else { continue };
            let (action, first, end) = (*action, *first, *end);
            if action == default {
                continue;
            }
            if let Some(leaf) = place.and_then(|place| cells.get_mut(place)) {
                *leaf = self.add(*leaf, action, first, end)?;
            }
            if abi.multiplexed
                && (first == end || stricter(action, default))
                && let Some((through, call)) = machine.table.multiplexer(entry.into())
                && let Some(leaf) = cells.get_mut(usize::from(through))
            {
                let first = self.first_argument(action, call);
                *leaf = self.add(*leaf, action, first, first.wrapping_add(1))?;
            }
        }

        let newer = if newest.is_some() { newer } else { DEFAULT };
        if let (true, Some(zero)) = (abi.zero_is_unknown, cells.first_mut().filter(|leaf| **leaf == DEFAULT))
        {
            *zero = newer;
        }
        let mut before = None;
        let mut push = |leaves: &mut Self, number: u32, leaf: u16| {
            if before.replace(leaf) != Some(leaf) {
                leaves.span(abi, number, leaf, spans);
            }
        };
        push(self, abi.bit, DEFAULT);
        let mut end = 0;
        let named = newest.map_or(0, |newest| newest.wrapping_add(1)).max(MULTIPLEXERS);
        for (index, leaf) in cells.iter().enumerate().take(named) {
            let unnamed = *leaf == DEFAULT && Some(index) > newest;
            push(self, abi.real(end), if unnamed { newer } else { *leaf });
            end = end.wrapping_add(1);
        }
        push(self, abi.real(end), newer);
        for (number, leaf) in (abi.special..abi.special_end).zip(cells.iter().skip(ORDINARY)) {
            push(self, abi.real(number), *leaf);
        }
        push(self, abi.real(abi.special_end), newer);
        Ok(newer)
    }

    /// Appends a span, or extends the last one.
    fn span(&mut self, abi: &Abi, start: u32, leaf: u16, spans: &mut Vec<tree::Span>) {
        let to = self.node(leaf, abi);
        match spans.last_mut() {
            Some(last) if last.start == start => last.to = to,
            Some(last) if last.to == to => {}
            _ => spans.push(tree::Span { start, to }),
        }
    }

    /// What a leaf becomes when a rule is added.
    fn add(&mut self, leaf: u16, action: u32, first: usize, end: usize) -> Result<u16> {
        if leaf != DEFAULT && matches!(self.all.get(usize::from(leaf)), Some(Leaf::Give(_))) {
            return Ok(leaf); // a rule without conditions came before
        }
        if first == end {
            if self.last.0 != action {
                self.last = (action, self.leaf(Leaf::Give(action))?);
            }
            return Ok(self.last.1);
        }
        let mut leaf = leaf;
        for alternative in first..end {
            leaf = self.leaf(Leaf::Try { before: leaf, alternative: alternative as u32 })?;
        }
        Ok(leaf)
    }

    /// The number of a leaf.
    fn leaf(&mut self, leaf: Leaf) -> Result<u16> {
        let at = self.all.iter().position(|have| *have == leaf).unwrap_or(self.all.len());
        if at >= MAX_LEAVES {
            return Err(too_large());
        }
        if at == self.all.len() {
            self.all.push(leaf);
        }
        Ok(at as u16)
    }

    /// The alternative "the first argument of the multiplexer is this call".
    fn first_argument(&mut self, action: u32, call: u16) -> usize {
        let condition = Condition { argument: 0, operator: Operator::Equal, value: call.into(), second: 0 };
        let first = self.rules.conditions.len();
        self.rules.conditions.push(condition);
        self.rules.alternatives.push(Alternative { action, first, end: first.wrapping_add(1) });
        self.rules.alternatives.len().wrapping_sub(1)
    }

    /// The node of a leaf, made once for each width of arguments.
    fn node(&mut self, leaf: u16, abi: &Abi) -> Id {
        if let Some((_, _, id)) = self.made.iter().find(|have| have.0 == leaf && have.1 == abi.wide) {
            return *id;
        }
        let mut id = self.graph.give(self.rules.default);
        let mut next = self.all.get(usize::from(leaf)).copied();
        while let Some(Leaf::Try { before, alternative }) = next {
            next = self.all.get(usize::from(before)).copied();
            let Some(alternative) = self.rules.alternatives.get(alternative as usize) else { continue };
            let Alternative { action, first, end } = *alternative;
            let conditions = self.rules.conditions.get(first..end).unwrap_or_default();
            let pass = self.graph.give(action);
            id = leaf::rule(&mut self.graph, abi, conditions, pass, id);
        }
        if let Some(Leaf::Give(action)) = self.all.get(usize::from(leaf)) {
            id = self.graph.give(*action);
        }
        self.made.push((leaf, abi.wide, id));
        id
    }
}

/// Whether the kernel prefers an action to another (kernel/seccomp.c, `seccomp_run_filters`: the least, signed).
fn stricter(action: u32, other: u32) -> bool {
    (action & 0xffff_0000).cast_signed() < (other & 0xffff_0000).cast_signed()
}

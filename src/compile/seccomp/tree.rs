//! Ranges of numbers as a decision tree.
//!
//! Neighbours with one decision are one range. A single number in the midst of another range costs one `jeq` instead of
//! two comparisons, so a run of a few such numbers becomes one leaf; the runs are split by `jge`, at the middle wherever
//! that keeps the deepest path as short as it can be.

use super::graph::{Graph, Id, Test};
use alloc::vec::Vec;

/// A decision that holds from a number to the start of the next span.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// First number.
    pub start: u32,
    /// Where it leads.
    pub to: Id,
}

/// Spans `first`, and after it `singles` times a single number and the first's decision again.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: usize,
    singles: u8,
}

/// Makes the tree of spans, which start with 0 and ascend. The accumulator holds the number.
///
/// Long runs save instructions and may cost depth: depth decides, then length.
pub fn tree(graph: &mut Graph, spans: &[Span]) -> Id {
    let mut tree = Tree { spans, runs: Vec::with_capacity(spans.len()) };
    let mut longest = 4;
    tree.find_runs(longest);
    let mut depth = 0;
    while !tree.fits(0, tree.runs.len(), depth) {
        depth = depth.wrapping_add(1);
    }
    for most in [3, 2, 1] {
        tree.find_runs(most);
        while depth > 0 && tree.fits(0, tree.runs.len(), depth.wrapping_sub(1)) {
            (depth, longest) = (depth.wrapping_sub(1), most);
        }
    }
    tree.find_runs(longest);
    tree.split(graph, 0, tree.runs.len(), depth)
}

/// A tree in the making.
struct Tree<'t> {
    spans: &'t [Span],
    runs: Vec<Run>,
}

impl Tree<'_> {
    /// Takes the spans for runs of at most so many single numbers.
    fn find_runs(&mut self, most: u8) {
        self.runs.clear();
        let mut first = 0;
        while first < self.spans.len() {
            let mut run = Run { first, singles: 0 };
            first = first.wrapping_add(1);
            while run.singles < most && self.is_single(first) {
                run.singles = run.singles.wrapping_add(1);
                first = first.wrapping_add(2);
            }
            self.runs.push(run);
        }
    }

    /// Whether the span is one number between two spans that lead to one place.
    fn is_single(&self, at: usize) -> bool {
        let around = self.spans.get(at.wrapping_sub(1)..at.wrapping_add(2));
        matches!(around, Some([before, one, after])
            if after.to == before.to && after.start == one.start.wrapping_add(1))
    }

    /// The end of those of the runs `first..end` that fit into a tree of this depth.
    fn reach(&self, first: usize, end: usize, depth: usize) -> usize {
        match self.runs.get(first).map(|run| usize::from(run.singles)) {
            Some(singles) if first < end && singles <= depth => {
                let Some(below) = depth.checked_sub(1).filter(|below| singles <= *below) else {
                    return first.wrapping_add(1);
                };
                self.reach(self.reach(first, end, below), end, below)
            }
            _ => first,
        }
    }

    fn fits(&self, first: usize, end: usize, depth: usize) -> bool {
        self.reach(first, end, depth) == end
    }

    /// The tree of runs `first..end`, which fit into the depth.
    fn split(&self, graph: &mut Graph, first: usize, end: usize, depth: usize) -> Id {
        let below = depth.wrapping_sub(1);
        if end.wrapping_sub(first) > 1 {
            // In the middle, or as near to it as both sides fit.
            let mut at = first.midpoint(end).min(self.reach(first, end, below));
            while !self.fits(at, end, below) {
                at = at.wrapping_add(1);
            }
            let right = self.split(graph, at, end, below);
            let left = self.split(graph, first, at, below);
            let start = self.runs.get(at).and_then(|run| self.spans.get(run.first)).map(|span| span.start);
            return graph.branch(Test::AtLeast, start.unwrap_or_default(), right, left);
        }
        let Some(run) = self.runs.get(first) else { return 0 };
        let base = self.spans.get(run.first).map_or(0, |span| span.to);
        let singles = self.spans.get(run.first.wrapping_add(1)..).unwrap_or_default();
        let singles = singles.iter().step_by(2).take(usize::from(run.singles));
        singles.fold(base, |no, single| graph.branch(Test::Equal, single.start, single.to, no))
    }
}

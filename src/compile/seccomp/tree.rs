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
pub fn tree(graph: &mut Graph, mut spans: Vec<Span>) -> Id {
    spans.dedup_by_key(|span| span.to);
    let (mut covers, mut runs) = (Vec::new(), Vec::new());
    for most in [4, 3, 2, 1] {
        let these = find_runs(&spans, most);
        let covered = cover(&these, if runs.is_empty() { usize::MAX } else { covers.len() });
        if let Some(covered) = covered {
            (covers, runs) = (covered, these);
        }
    }
    Tree { spans: &spans, runs: &runs, covers: &covers }.split(graph, 0, runs.len(), covers.len())
}

/// Takes the spans for runs of at most so many single numbers.
fn find_runs(spans: &[Span], most: u8) -> Vec<Run> {
    let mut runs = Vec::with_capacity(spans.len());
    let mut first = 0;
    while first < spans.len() {
        let mut run = Run { first, singles: 0 };
        first = first.saturating_add(1);
        while run.singles < most && is_single(spans, first) {
            run.singles = run.singles.saturating_add(1);
            first = first.saturating_add(2);
        }
        runs.push(run);
    }
    runs
}

/// Whether the span is one number between two spans that lead to one place.
fn is_single(spans: &[Span], at: usize) -> bool {
    let around = spans.get(at.saturating_sub(1)..at.saturating_add(2));
    matches!(around, Some([before, one, after])
        if after.to == before.to && after.start == one.start.saturating_add(1))
}

/// For each depth from 0 on, and each run: the end of the runs from that one on that fit into a tree of that depth. The
/// last depth holds all of them. `None` when that is not less deep than `below`.
fn cover(runs: &[Run], below: usize) -> Option<Vec<Vec<u16>>> {
    let mut covers: Vec<Vec<u16>> = Vec::with_capacity(12);
    loop {
        let (depth, last) = (covers.len(), covers.last());
        let end = |at: usize| last.and_then(|last| last.get(at)).copied();
        let fits = |(at, run): (usize, &Run)| {
            let next = u16::try_from(at).unwrap_or(u16::MAX);
            match usize::from(run.singles) {
                singles if singles == depth => next.saturating_add(1),
                singles if singles < depth => {
                    let middle = end(at).unwrap_or(next);
                    end(usize::from(middle)).unwrap_or(middle)
                }
                _ => next,
            }
        };
        let cover: Vec<u16> = runs.iter().enumerate().map(fits).collect();
        let all = cover.first().is_none_or(|end| usize::from(*end) >= runs.len());
        covers.push(cover);
        if all {
            return Some(covers).filter(|covers| covers.len() < below);
        }
    }
}

/// A tree in the making.
struct Tree<'t> {
    spans: &'t [Span],
    runs: &'t [Run],
    covers: &'t [Vec<u16>],
}

impl Tree<'_> {
    /// The tree of runs `first..end`, which fit into the depth before `depths`.
    fn split(&self, graph: &mut Graph, first: usize, end: usize, depths: usize) -> Id {
        let depths = depths.saturating_sub(1);
        let below = depths.checked_sub(1).and_then(|depth| self.covers.get(depth));
        let cover = |at: usize| below.and_then(|ends| ends.get(at)).map_or(at, |end| usize::from(*end));
        let reach = cover(first);
        let fits = |at: &usize| *at > first && *at < end && reach >= *at && cover(*at) >= end;
        let half = first.midpoint(end);
        let outwards = (0..=half).flat_map(|step| [half.saturating_sub(step), half.saturating_add(step)]);
        let start =
            |at| self.runs.get(at).and_then(|run: &Run| self.spans.get(run.first)).map(|span| span.start);
        match (outwards.take_while(|at| *at <= end).find(fits), self.runs.get(first)) {
            (Some(at), _) => {
                let right = self.split(graph, at, end, depths);
                let left = self.split(graph, first, at, depths);
                graph.branch(Test::AtLeast, start(at).unwrap_or_default(), right, left)
            }
            (None, Some(run)) => {
                let base = self.spans.get(run.first).map_or(0, |span| span.to);
                let singles = self.spans.get(run.first.saturating_add(1)..).unwrap_or_default();
                let singles = singles.iter().step_by(2).take(usize::from(run.singles));
                singles.fold(base, |no, single| graph.branch(Test::Equal, single.start, single.to, no))
            }
            (None, None) => 0,
        }
    }
}

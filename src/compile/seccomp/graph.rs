//! The filter as a graph of tests, and its writing as a program.
//!
//! A node only ever leads to nodes that were made before it. So the order of making, reversed, is an order in which every
//! jump goes forward, as the kernel demands (net/core/filter.c, `bpf_check_classic`), and the program is written from its
//! end: the distance to a target is always known. What no path reaches is left out.
//!
//! Edges are threaded: one on which the outcomes of the next tests are known already leads past them. That is what keeps
//! five conditions on one argument from loading it five times. `leaf` and `tree` make nodes; nothing else does.

use alloc::{vec, vec::Vec};
use syscalls::seccomp::SockFilter;

/// What the accumulator holds: a word of `struct seccomp_data` by its offset in bytes, and the mask laid over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// 0 the number, 4 the architecture, 16 and up the arguments.
    pub offset: u8,
    /// `u32::MAX` for the word itself.
    pub mask: u32,
}

/// A comparison of the accumulator with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// `jeq`.
    Equal,
    /// `jgt`.
    Greater,
    /// `jge`.
    AtLeast,
}

/// A node's place in the graph.
pub type Id = u16;

#[derive(Debug, Clone, Copy)]
enum Node {
    Return(u32),
    Load { word: Word, next: Id },
    Branch { test: Test, constant: u32, yes: Id, no: Id },
}

/// What is known of a word on an edge: it lies in a range, and is not one value.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    word: Word,
    min: u32,
    max: u32,
    not: Option<u32>,
}

impl Fact {
    /// The word lies in the range, ends included.
    pub fn within(word: Word, min: u32, max: u32) -> Self {
        Fact { word, min, max, not: None }
    }

    /// What an outcome of a test says.
    fn from_outcome(word: Word, test: Test, constant: u32, outcome: bool) -> Self {
        let mut fact = Fact::within(word, 0, u32::MAX);
        match (test, outcome) {
            (Test::Equal, true) => (fact.min, fact.max) = (constant, constant),
            (Test::Equal, false) => fact.not = Some(constant),
            (Test::Greater, true) => fact.min = constant.saturating_add(1),
            (Test::Greater, false) => fact.max = constant,
            (Test::AtLeast, true) => fact.min = constant,
            (Test::AtLeast, false) => fact.max = constant.saturating_sub(1),
        }
        fact
    }
}

/// The outcome of a test, where the facts leave only one.
fn outcome(facts: &[Fact], word: Word, test: Test, constant: u32) -> Option<bool> {
    let (mut min, mut max) = (0, u32::MAX);
    for fact in facts.iter().filter(|fact| fact.word == word) {
        min = min.max(fact.min);
        max = max.min(fact.max);
    }
    let is_not = |value| facts.iter().any(|fact| fact.word == word && fact.not == Some(value));
    if is_not(min) {
        min = min.saturating_add(1);
    }
    if is_not(max) {
        max = max.saturating_sub(1);
    }
    match test {
        Test::Equal if constant < min || constant > max || is_not(constant) => Some(false),
        Test::Equal if min == max => Some(true),
        Test::Greater if min > constant => Some(true),
        Test::Greater if max <= constant => Some(false),
        Test::AtLeast if min >= constant => Some(true),
        Test::AtLeast if max < constant => Some(false),
        _ => None,
    }
}

/// Instructions of classic BPF (include/uapi/linux/bpf_common.h) that the kernel lets a filter use.
pub mod code {
    /// `BPF_LD | BPF_W | BPF_ABS`: load the word at offset k.
    pub const LOAD: u16 = 0x20;
    /// `BPF_ALU | BPF_AND | BPF_K`.
    pub const AND: u16 = 0x54;
    /// `BPF_JMP | BPF_JA`: skip k instructions.
    pub const JUMP: u16 = 0x05;
    /// `BPF_JMP | BPF_JEQ | BPF_K`.
    pub const JEQ: u16 = 0x15;
    /// `BPF_JMP | BPF_JGT | BPF_K`.
    pub const JGT: u16 = 0x25;
    /// `BPF_JMP | BPF_JGE | BPF_K`.
    pub const JGE: u16 = 0x35;
    /// `BPF_RET | BPF_K`.
    pub const RETURN: u16 = 0x06;
}

/// The kernel's limit, `BPF_MAXINSNS`.
pub const MAX_INSTRUCTIONS: usize = 4096;

/// How many nodes there may be. Each rule leaves some that nothing reaches; a program that fits stays far below.
const MAX_NODES: usize = 0x7fff;

/// The program would have more instructions than the kernel takes.
#[derive(Debug)]
pub struct TooLarge;

/// The nodes, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    given: Vec<(u32, Id)>,
}

impl Graph {
    /// Room for a program of ordinary size.
    pub fn new() -> Self {
        Graph { nodes: Vec::with_capacity(512), given: Vec::new() }
    }

    fn push(&mut self, node: Node) -> Id {
        if self.nodes.len() <= MAX_NODES {
            self.nodes.push(node);
        }
        Id::try_from(self.nodes.len().saturating_sub(1)).unwrap_or_default()
    }

    fn node(&self, id: Id) -> Option<Node> {
        self.nodes.get(usize::from(id)).copied()
    }

    /// The end of a path: a `SECCOMP_RET_*` value with its data. One node for each.
    pub fn give(&mut self, action: u32) -> Id {
        if let Some((_, id)) = self.given.iter().find(|(have, _)| *have == action) {
            return *id;
        }
        let id = self.push(Node::Return(action));
        self.given.push((action, id));
        id
    }

    /// Loads a word before `next`, unless `next` has no use for it.
    pub fn load(&mut self, word: Word, next: Id) -> Id {
        match self.node(next) {
            Some(Node::Branch { .. }) => self.push(Node::Load { word, next }),
            _ => next,
        }
    }

    /// Tests what the accumulator holds.
    pub fn branch(&mut self, test: Test, constant: u32, yes: Id, no: Id) -> Id {
        match yes == no {
            true => yes,
            false => self.push(Node::Branch { test, constant, yes, no }),
        }
    }

    /// Tests `word`, which the accumulator holds, where the facts hold; both edges are threaded. `Err` when the outcome
    /// is known and there is nothing to test.
    pub fn test(
        &mut self,
        word: Word,
        (test, constant): (Test, u32),
        yes: Id,
        no: Id,
        facts: &mut Vec<Fact>,
    ) -> Result<Id, Id> {
        if let Some(outcome) = outcome(facts, word, test, constant) {
            return Err(if outcome { yes } else { no });
        }
        let mut edge = |target, outcome| {
            facts.push(Fact::from_outcome(word, test, constant, outcome));
            let target = self.thread(target, word, facts);
            facts.pop();
            target
        };
        let (yes, no) = (edge(yes, true), edge(no, false));
        Ok(self.branch(test, constant, yes, no))
    }

    /// Follows an edge on which the accumulator holds `held`, for as long as the facts decide what comes next. A place is
    /// good to land on when it needs no accumulator (it loads or returns), or needs what is held.
    fn thread(&self, target: Id, held: Word, facts: &[Fact]) -> Id {
        let (mut at, mut land, mut word) = (target, target, held);
        for _ in 0..256 {
            match self.node(at) {
                Some(Node::Load { word: loaded, next }) => {
                    land = if loaded == held { next } else { at };
                    (at, word) = (next, loaded);
                }
                Some(Node::Branch { test, constant, yes, no }) => {
                    match outcome(facts, word, test, constant) {
                        Some(true) => at = yes,
                        Some(false) => at = no,
                        None => return land,
                    }
                    if word == held {
                        land = at;
                    }
                }
                Some(Node::Return(_)) => return at,
                None => return land,
            }
        }
        land
    }

    /// Writes the program that starts at a node, from its end to its start.
    pub fn write(&self, start: Id) -> Result<Vec<SockFilter>, TooLarge> {
        if self.nodes.len() > MAX_NODES {
            return Err(TooLarge);
        }
        let reached = self.reached(start);
        let mut writer = Writer { program: Vec::with_capacity(256), places: vec![0; self.nodes.len()] };
        for ((at, node), reached) in self.nodes.iter().enumerate().zip(reached) {
            if !reached {
                continue;
            }
            match *node {
                Node::Return(action) => writer.push(code::RETURN, action),
                Node::Load { word, next } => {
                    if writer.distance(next) != 0 {
                        writer.push(code::JUMP, writer.distance(next));
                    }
                    if word.mask != u32::MAX {
                        writer.push(code::AND, word.mask);
                    }
                    writer.push(code::LOAD, u32::from(word.offset));
                }
                Node::Branch { test, constant, yes, no } => {
                    let (yes, no) = self.near(&mut writer, yes, no);
                    let code = match test {
                        Test::Equal => code::JEQ,
                        Test::Greater => code::JGT,
                        Test::AtLeast => code::JGE,
                    };
                    writer.program.push(SockFilter { code, jt: yes, jf: no, k: constant });
                }
            }
            if writer.program.len() > MAX_INSTRUCTIONS {
                return Err(TooLarge);
            }
            if let Some(place) = writer.places.get_mut(at) {
                *place = writer.program.len().saturating_sub(1);
            }
        }
        writer.program.reverse();
        Ok(writer.program)
    }

    fn reached(&self, start: Id) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        if let Some(start) = reached.get_mut(usize::from(start)) {
            *start = true;
        }
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let targets = match (reached.get(at), *node) {
                (Some(true), Node::Load { next, .. }) => [next, next],
                (Some(true), Node::Branch { yes, no, .. }) => [yes, no],
                _ => continue,
            };
            for target in targets {
                if let Some(reached) = reached.get_mut(usize::from(target)) {
                    *reached = true;
                }
            }
        }
        reached
    }

    /// The distances to two targets. A conditional jump reaches 255 instructions: what lies farther gets a stepping stone
    /// here, a copy where it is a return, which later branches then use too.
    fn near(&self, writer: &mut Writer, yes: Id, no: Id) -> (u8, u8) {
        loop {
            let far = match (u8::try_from(writer.distance(yes)), u8::try_from(writer.distance(no))) {
                (Ok(yes), Ok(no)) => return (yes, no),
                (Err(_), _) => yes,
                (_, Err(_)) => no,
            };
            match self.node(far) {
                Some(Node::Return(action)) => writer.push(code::RETURN, action),
                _ => writer.push(code::JUMP, writer.distance(far)),
            }
            if let Some(place) = writer.places.get_mut(usize::from(far)) {
                *place = writer.program.len().saturating_sub(1);
            }
        }
    }
}

/// A program that grows towards its start, and where in it each node lies, counted from its end.
struct Writer {
    program: Vec<SockFilter>,
    places: Vec<usize>,
}

impl Writer {
    fn push(&mut self, code: u16, k: u32) {
        self.program.push(SockFilter { code, jt: 0, jf: 0, k });
    }

    /// How many instructions the next one written skips to get to a node.
    #[inline(never)]
    fn distance(&self, node: Id) -> u32 {
        let place = self.places.get(usize::from(node)).copied().unwrap_or_default();
        u32::try_from(self.program.len().saturating_sub(place).saturating_sub(1)).unwrap_or_default()
    }
}

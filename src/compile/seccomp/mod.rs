//! `linux.seccomp` -> a classic BPF program, with no library.
//!
//! Pure: a profile and a machine's tables give instructions. `create`, `run`, `exec` and `check` call [`compile`]; the child
//! installs what comes out, in one system call. What a profile means here is what it means to runc and crun, who leave it
//! to libseccomp:
//!
//! - A rule whose action is the default's says nothing. Of the rules for one call, the first without conditions decides
//!   wherever it stands; else the first whose conditions hold, in the profile's order; else the default.
//! - All conditions of a rule must hold; but if any two are on one argument, any one of all is enough.
//! - An architecture that is not named is killed (`SECCOMP_RET_KILL_THREAD`); the native one is always named. On x86_64
//!   numbers from 0x40000000 on are x32's, but for -1, with which a tracer skips a call.
//! - ABIs with 32-bit registers, x32 and MIPS n32 compare the lower half of an argument with the lower half of the value.
//! - A rule for a call that socketcall(2) or ipc(2) lead to holds for that way too. There the conditions cannot be tested:
//!   a rule that has some holds without them where it is stricter than the default, and not at all where it is laxer.
//! - A call newer than every one that the profile names gets ENOSYS, so that programs fall back, unless the default is
//!   ALLOW, LOG or TRACE.

pub mod asm;
pub mod graph;
mod leaf;
pub mod table;
#[cfg(test)]
mod tests;
mod tree;

use crate::config::seccomp::{Arg, Seccomp};
use crate::error::{Error, Result, error};
use alloc::{format, vec::Vec};
pub use asm::Call;
use graph::{Graph, Id, Test, Word};
use leaf::Condition;
pub use leaf::Operator;
use rustix::io::Errno;
use syscalls::seccomp::{self as flag, SockFilter};
use table::{Abi, Machine};

/// What an action's 16 bits of data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// None: `errnoRet` is an error.
    None,
    /// An errno, or what a tracer gets; `errnoRet`, else EPERM. The number is the greatest allowed.
    Up(u32),
}

/// Every action of a profile: name, `SECCOMP_RET_*` (include/uapi/linux/seccomp.h), data. The kernel returns no errno over
/// 4095 (`MAX_ERRNO`).
pub const ACTIONS: &[(&str, u32, Data)] = &[
    ("SCMP_ACT_KILL", KILL_THREAD, Data::None),
    ("SCMP_ACT_KILL_PROCESS", 0x8000_0000, Data::None),
    ("SCMP_ACT_KILL_THREAD", KILL_THREAD, Data::None),
    ("SCMP_ACT_TRAP", 0x0003_0000, Data::None),
    ("SCMP_ACT_ERRNO", ERRNO, Data::Up(4095)),
    ("SCMP_ACT_TRACE", TRACE, Data::Up(0xffff)),
    ("SCMP_ACT_ALLOW", ALLOW, Data::None),
    ("SCMP_ACT_LOG", LOG, Data::None),
    ("SCMP_ACT_NOTIFY", NOTIFY, Data::None),
];

const KILL_THREAD: u32 = 0;
const ERRNO: u32 = 0x0005_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// Every operator of a condition.
pub const OPERATORS: &[(&str, Operator)] = &[
    ("SCMP_CMP_NE", Operator::NotEqual),
    ("SCMP_CMP_LT", Operator::Less),
    ("SCMP_CMP_LE", Operator::AtMost),
    ("SCMP_CMP_EQ", Operator::Equal),
    ("SCMP_CMP_GE", Operator::AtLeast),
    ("SCMP_CMP_GT", Operator::Greater),
    ("SCMP_CMP_MASKED_EQ", Operator::MaskedEqual),
];

/// Every flag of a profile.
pub const FLAGS: &[(&str, u32)] = &[
    ("SECCOMP_FILTER_FLAG_TSYNC", flag::TSYNC),
    ("SECCOMP_FILTER_FLAG_LOG", flag::LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", flag::SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", flag::WAIT_KILLABLE_RECV),
];

const EPERM: u32 = 1;
const ENOSYS: u32 = Errno::NOSYS.raw_os_error().cast_unsigned(); // 38, on MIPS 89

/// A compiled profile.
#[derive(Debug)]
pub struct Filter<'a> {
    /// For `seccomp(SECCOMP_SET_MODE_FILTER)`.
    pub program: Vec<SockFilter>,
    /// Its `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// The flags are not the profile's own but the default, SPEC_ALLOW: a kernel before 4.17 that refuses them with EINVAL
    /// is asked again without.
    pub default_flags: bool,
    /// Where the listener goes, if a rule has SCMP_ACT_NOTIFY.
    pub listener: Option<Listener<'a>>,
    /// Names that no architecture has, in the profile's order: skipped, and a line of the debug log.
    pub unknown: Vec<&'a str>,
}

/// Who answers SCMP_ACT_NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener<'a> {
    /// A stream socket of AF_UNIX.
    pub path: &'a str,
    /// Passed on as it is.
    pub metadata: Option<&'a str>,
}

/// What the compiler is told besides the profile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Take a profile of which more than a fifth of the names are unknown.
    pub allow_unknown: bool,
}

/// A rule of the profile: its action, which alternatives it has, and without any the leaf that it is.
struct Rule {
    action: u32,
    leaf: u16,
    first: usize,
    end: usize,
}

/// Conditions that must hold together: a rule, or one of its ways to be met.
struct Alternative {
    action: u32,
    first: usize,
    end: usize,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Give(u32),
    /// The alternatives of another leaf, then one more.
    Try {
        before: u16,
        alternative: u16,
    },
}

/// The leaf of every call that no rule names.
const DEFAULT: u16 = 0;

/// More different leaves than this would not fit into a program.
const MAX_LEAVES: usize = graph::MAX_INSTRUCTIONS;

/// A table's numbers, its ordinary and its special ones after them, as indices.
const ORDINARY: usize = 640;
const CELLS: usize = ORDINARY + 64;

/// Compiles a profile for a machine; [`table::NATIVE`] is the one this binary runs on.
///
/// Errors name the property: an unknown action, operator, flag or architecture, `errnoRet` on an action that has none, a
/// NOTIFY that nobody could answer, more than a fifth of the names unknown, a program over the kernel's limit.
///
/// `place` stands before the property in a message: `config.json: linux.seccomp.`.
pub fn compile<'a>(
    place: &str,
    profile: &'a Seccomp<'_>,
    machine: &Machine,
    options: Options,
) -> Result<Filter<'a>> {
    inner(profile, machine, options).map_err(|error| error.between(place, ""))
}

fn inner<'a>(profile: &'a Seccomp<'_>, machine: &Machine, options: Options) -> Result<Filter<'a>> {
    let default = action("defaultAction", &profile.default_action, profile.default_errno_ret)?;
    if default == NOTIFY {
        // Every call would wait for a listener that nobody has passed on yet.
        return Err(error("defaultAction", "SCMP_ACT_NOTIFY cannot be the default"));
    }
    let mut compiler = Compiler::new(default);
    let unknown = compiler.read(profile, machine)?;
    if unknown.len().saturating_mul(5) > compiler.names && !options.allow_unknown {
        let some = unknown.get(..3).unwrap_or(&unknown).join(", ");
        let (few, all) = (unknown.len(), compiler.names);
        let text = format!("{few} of {all} names are no system calls known here ({some}, ...)");
        return Err(error("syscalls", &text).hint("--allow-unknown-syscalls takes such a profile"));
    }
    let (flags, listener) = compiler.flags(profile)?;
    let program = compiler.program(profile, machine)?;
    Ok(Filter { program, flags, default_flags: profile.flags.is_none(), listener, unknown })
}

/// An error of one property; [`compile`] says of what.
fn error(place: &str, message: &str) -> Error {
    error!("{place}: {message}")
}

/// The `SECCOMP_RET_*` value of an action.
fn action(place: &str, name: &str, errno: Option<u32>) -> Result<u32> {
    let Some((_, action, data)) = ACTIONS.iter().find(|(known, _, _)| *known == name) else {
        return Err(error(place, &format!("unknown action {name:?}")));
    };
    match (*data, errno) {
        (Data::None, None) => Ok(*action),
        (Data::None, Some(_)) => Err(error(place, &format!("{name} takes no errno"))),
        (Data::Up(_), None) => Ok(action | EPERM),
        (Data::Up(most), Some(errno)) if errno <= most => Ok(action | errno),
        (Data::Up(most), Some(errno)) => Err(error(place, &format!("errno {errno} is more than {most}"))),
    }
}

struct Compiler {
    default: u32,
    rules: Vec<Rule>,
    alternatives: Vec<Alternative>,
    conditions: Vec<Condition>,
    /// Entry of the table and rule, for every known name, in the profile's order.
    pairs: Vec<(u16, u16)>,
    /// How many names there are, unknown ones too.
    names: usize,
    notify: bool,
    leaves: Vec<Leaf>,
}

impl Compiler {
    fn new(default: u32) -> Self {
        Compiler {
            default,
            rules: Vec::new(),
            alternatives: Vec::new(),
            conditions: Vec::new(),
            pairs: Vec::with_capacity(512),
            names: 0,
            notify: false,
            leaves: Vec::from([Leaf::Give(default)]),
        }
    }

    /// Reads the rules; returns the names that nobody knows.
    fn read<'a>(&mut self, profile: &'a Seccomp<'_>, machine: &Machine) -> Result<Vec<&'a str>> {
        let mut unknown = Vec::new();
        let mut near = 0;
        for (at, rule) in profile.syscalls.iter().enumerate() {
            let place = |property: &str| format!("syscalls[{at}].{property}");
            let number = u16::try_from(at).map_err(|_| error(&place("names"), "too many rules"))?;
            if rule.names.is_empty() {
                return Err(error(&place("names"), "must name a system call"));
            }
            let action = action(&place("action"), &rule.action, rule.errno_ret)?;
            self.rule(at, action, &rule.args)?;
            self.notify |= action == NOTIFY;
            self.names = self.names.saturating_add(rule.names.len());
            for name in &rule.names {
                if action == NOTIFY && **name == *"write" {
                    // The child tells the listener's number to the parent by write(2).
                    return Err(error(&place("names"), "SCMP_ACT_NOTIFY cannot be used for write"));
                }
                match machine.table.find(name, &mut near).and_then(|entry| u16::try_from(entry).ok()) {
                    Some(entry) => self.pairs.push((entry, number)),
                    None if machine.table.is_elsewhere(name) => {}
                    None => unknown.push(&**name),
                }
            }
        }
        Ok(unknown)
    }

    /// Reads one rule's conditions.
    fn rule(&mut self, at: usize, action: u32, args: &[Arg<'_>]) -> Result<()> {
        let first = self.conditions.len();
        let rule = self.alternatives.len();
        let mut seen = 0u8;
        let mut any = false;
        for (index, arg) in args.iter().enumerate() {
            let fail = |property: &str, message: &str| {
                Err(error(&format!("syscalls[{at}].args[{index}].{property}"), message))
            };
            let Some(argument @ 0..6) = arg.index else {
                return fail("index", "must be 0 to 5");
            };
            let Some(value) = arg.value else {
                return fail("value", "is missing");
            };
            let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == &*arg.op) else {
                return fail("op", &format!("unknown operator {:?}", &*arg.op));
            };
            let bit = 1u8.wrapping_shl(argument);
            any |= seen & bit != 0;
            seen |= bit;
            let argument = u8::try_from(argument).unwrap_or_default();
            let second = arg.value_two.unwrap_or_default();
            self.conditions.push(Condition { argument, operator: *operator, value, second });
        }
        let end = self.conditions.len();
        match any {
            false if first == end => {}
            false => {
                if let Some(conditions) = self.conditions.get_mut(first..) {
                    conditions.sort_unstable_by_key(|condition| condition.argument);
                }
                self.alternatives.push(Alternative { action, first, end });
            }
            true => {
                let ways =
                    (first..end).map(|first| Alternative { action, first, end: first.saturating_add(1) });
                self.alternatives.extend(ways);
            }
        }
        let end = self.alternatives.len();
        let leaf = if rule == end { self.leaf(Leaf::Give(action))? } else { DEFAULT };
        self.rules.push(Rule { action, leaf, first: rule, end });
        Ok(())
    }

    /// The flags for the kernel, and the listener they lead to.
    fn flags<'a>(&self, profile: &'a Seccomp<'_>) -> Result<(u32, Option<Listener<'a>>)> {
        let mut flags = match profile.flags {
            None => flag::SPEC_ALLOW,
            Some(_) => 0,
        };
        for (at, name) in profile.flags.iter().flatten().enumerate() {
            match FLAGS.iter().find(|(known, _)| *known == &**name) {
                Some((_, flag)) => flags |= flag,
                None => return Err(error(&format!("flags[{at}]"), &format!("unknown flag {:?}", &**name))),
            }
        }
        let path = &*profile.listener_path;
        if path.is_empty() && !profile.listener_metadata.is_empty() {
            return Err(error("listenerMetadata", "must not be set without listenerPath"));
        }
        if !self.notify {
            if flags & flag::WAIT_KILLABLE_RECV != 0 {
                return Err(error("flags", "WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY"));
            }
            return Ok((flags, None));
        }
        if path.is_empty() {
            return Err(error("listenerPath", "is missing, and a rule has SCMP_ACT_NOTIFY"));
        }
        // The child has one thread, so TSYNC changes nothing; with a listener the kernel refuses it (before 5.7 always).
        flags = flags & !flag::TSYNC | flag::NEW_LISTENER;
        let metadata = Some(&*profile.listener_metadata).filter(|metadata| !metadata.is_empty());
        Ok((flags, Some(Listener { path, metadata })))
    }

    /// The program for all architectures that the profile names.
    fn program(&mut self, profile: &Seccomp<'_>, machine: &Machine) -> Result<Vec<SockFilter>> {
        let mut named = 1u32; // bits of machine.abis; the native one always
        for (at, name) in profile.architectures.iter().enumerate() {
            match machine.abis.iter().position(|abi| *abi.scmp == **name) {
                Some(abi) => named |= 1u32.wrapping_shl(u32::try_from(abi).unwrap_or_default()),
                None if table::ARCHITECTURES.contains(&&**name) => {}
                None => {
                    let text = format!("unknown architecture {:?}", &**name);
                    return Err(error(&format!("architectures[{at}]"), &text));
                }
            }
        }
        let newer = match self.default & 0xffff_0000 {
            ALLOW | LOG | TRACE => DEFAULT,
            _ => self.leaf(Leaf::Give(ERRNO | ENOSYS))?,
        };
        let kill = self.leaf(Leaf::Give(KILL_THREAD))?;

        let mut nodes = Nodes { graph: Graph::new(), made: Vec::new(), given: Vec::new() };
        let mut dispatch = nodes.give(KILL_THREAD);
        // The architecture written last comes first in the program: the native one.
        let mut end = machine.abis.len();
        while let Some(last) = end.checked_sub(1).and_then(|last| machine.abis.get(last)) {
            let first = machine.abis.iter().position(|abi| abi.audit == last.audit).unwrap_or_default();
            let group = machine.abis.get(first..end).unwrap_or_default();
            end = first;
            let mut spans: Vec<tree::Span> = Vec::with_capacity(256);
            let mut beyond = DEFAULT;
            for (abi, at) in group.iter().zip(first..) {
                let shift = u32::try_from(at).unwrap_or_default();
                if named.wrapping_shr(shift) & 1 != 0 {
                    beyond = self.spans(abi, machine, newer, &mut nodes, &mut spans)?;
                } else if abi.bit != 0 {
                    let to = self.node(kill, abi, &mut nodes);
                    spans.push(tree::Span { start: abi.bit, to });
                    let to = self.node(beyond, abi, &mut nodes);
                    spans.push(tree::Span { start: u32::MAX, to });
                }
            }
            if spans.is_empty() {
                continue;
            }
            let tree = tree::tree(&mut nodes.graph, spans);
            let tree = nodes.graph.load(Word { offset: 0, mask: u32::MAX }, tree);
            dispatch = nodes.graph.branch(Test::Equal, last.audit, tree, dispatch);
        }
        let start = nodes.graph.load(Word { offset: 4, mask: u32::MAX }, dispatch);
        nodes.graph.write(start).map_err(|_| error("syscalls", "needs more than 4096 instructions"))
    }

    /// The leaves of one ABI's numbers, appended as spans. Returns the leaf beyond the last number.
    fn spans(
        &mut self,
        abi: &Abi,
        machine: &Machine,
        newer: u16,
        nodes: &mut Nodes,
        spans: &mut Vec<tree::Span>,
    ) -> Result<u16> {
        let mut cells = [DEFAULT; CELLS];
        let mut newest = None;
        let column = machine.table.column(abi);
        let mut multiplexers = [None; 2];
        if abi.multiplexed {
            multiplexers = [table::Multiplexer::Socketcall, table::Multiplexer::Ipc].map(|call| {
                machine.table.find(call.name(), &mut 0).and_then(|entry| cell(abi, column, entry))
            });
        }
        let pairs = core::mem::take(&mut self.pairs);
        for (entry, rule) in &pairs {
            let (entry, rule) = (usize::from(*entry), usize::from(*rule));
            let place = cell(abi, column, entry);
            if place.is_some_and(|place| place < ORDINARY) {
                newest = newest.max(place);
            }
            let Some(Rule { action, leaf, first, end }) = self.rules.get(rule) else { continue };
            let (action, all, alternatives) = (*action, *leaf, *first..*end);
            if action == self.default {
                continue;
            }
            if let Some(leaf) = place.and_then(|place| cells.get_mut(place)) {
                *leaf = self.add(*leaf, all, alternatives.clone())?;
            }
            if abi.multiplexed
                && let Some((call, first)) = machine.table.multiplexer(entry)
                && (alternatives.is_empty() || stricter(action, self.default))
                && let Some(leaf) = multiplexers
                    .get(call as usize)
                    .and_then(|place| *place)
                    .and_then(|place| cells.get_mut(place))
            {
                let alternative = self.first_argument(action, first);
                *leaf = self.add(*leaf, DEFAULT, alternative..alternative.saturating_add(1))?;
            }
        }
        self.pairs = pairs;

        let newer = if newest.is_some() { newer } else { DEFAULT };
        if let (true, Some(zero)) = (abi.zero_is_unknown, cells.first_mut().filter(|leaf| **leaf == DEFAULT))
        {
            *zero = newer;
        }
        let mut before = None;
        let mut push = |start: u32, leaf: u16| {
            if before.replace(leaf) == Some(leaf) {
                return;
            }
            let span = tree::Span { start, to: self.node(leaf, abi, nodes) };
            match spans.last_mut() {
                Some(last) if last.start == start => *last = span,
                Some(last) if last.to == span.to => {}
                _ => spans.push(span),
            }
        };
        push(abi.bit, DEFAULT);
        for (index, leaf) in cells.iter().enumerate().take(ORDINARY) {
            let number = u16::try_from(index).unwrap_or_default().saturating_add(abi.base);
            let unnamed = *leaf == DEFAULT && Some(index) > newest;
            if number < abi.special {
                push(abi.real(number), if unnamed { newer } else { *leaf });
            }
        }
        if abi.special != table::NONE {
            let special = column.iter().filter(|number| **number != table::NONE && **number >= abi.special);
            let end = special.max().map_or(abi.special, |last| last.saturating_add(1));
            for (number, leaf) in (abi.special..end).zip(cells.iter().skip(ORDINARY)) {
                push(abi.real(number), *leaf);
            }
            push(abi.real(end), newer);
        }
        Ok(newer)
    }

    /// What a leaf becomes when a rule is added: `all` where it has no alternatives.
    fn add(&mut self, leaf: u16, all: u16, alternatives: core::ops::Range<usize>) -> Result<u16> {
        if leaf != DEFAULT && matches!(self.leaves.get(usize::from(leaf)), Some(Leaf::Give(_))) {
            return Ok(leaf); // a rule without conditions came before
        }
        if alternatives.is_empty() {
            return Ok(all);
        }
        let mut leaf = leaf;
        for alternative in alternatives {
            let alternative =
                u16::try_from(alternative).map_err(|_| error("syscalls", "too many conditions"))?;
            leaf = self.leaf(Leaf::Try { before: leaf, alternative })?;
        }
        Ok(leaf)
    }

    /// The number of a leaf.
    fn leaf(&mut self, leaf: Leaf) -> Result<u16> {
        let at = match self.leaves.iter().position(|have| *have == leaf) {
            Some(at) => at,
            None if self.leaves.len() >= MAX_LEAVES => {
                return Err(error("syscalls", "needs more than 4096 instructions"));
            }
            None => {
                self.leaves.push(leaf);
                self.leaves.len().saturating_sub(1)
            }
        };
        Ok(u16::try_from(at).unwrap_or_default())
    }

    /// The alternative "the first argument of the multiplexer is this call".
    fn first_argument(&mut self, action: u32, call: u32) -> usize {
        let value = u64::from(call);
        let condition = Condition { argument: 0, operator: Operator::Equal, value, second: 0 };
        let same = |have: &Alternative| {
            have.action == action && self.conditions.get(have.first..have.end) == Some(&[condition])
        };
        if let Some(at) = self.alternatives.iter().position(same) {
            return at;
        }
        let first = self.conditions.len();
        self.conditions.push(condition);
        self.alternatives.push(Alternative { action, first, end: self.conditions.len() });
        self.alternatives.len().saturating_sub(1)
    }

    /// The node of a leaf, made once for each width of arguments.
    fn node(&self, leaf: u16, abi: &Abi, nodes: &mut Nodes) -> Id {
        let (leaf, mut alternative) = match self.leaves.get(usize::from(leaf)) {
            Some(Leaf::Try { .. }) => (leaf, leaf),
            Some(Leaf::Give(action)) => return nodes.give(*action),
            None => return 0,
        };
        if let Some((_, _, id)) = nodes.made.iter().find(|have| have.0 == leaf && have.1 == abi.wide) {
            return *id;
        }
        let mut id = nodes.give(self.default);
        while let Some(Leaf::Try { before, alternative: at }) = self.leaves.get(usize::from(alternative)) {
            alternative = *before;
            let Some(rule) = self.alternatives.get(usize::from(*at)) else { continue };
            let conditions = self.conditions.get(rule.first..rule.end).unwrap_or_default();
            let pass = nodes.give(rule.action);
            id = leaf::rule(&mut nodes.graph, abi, conditions, pass, id);
        }
        nodes.made.push((leaf, abi.wide, id));
        id
    }
}

/// The index of an entry's number among the cells.
fn cell(abi: &Abi, column: &[u16], entry: usize) -> Option<usize> {
    let number = *column.get(entry).filter(|number| **number != table::NONE)?;
    match number.checked_sub(abi.special) {
        Some(special) => Some(usize::from(special).saturating_add(ORDINARY)),
        None => number.checked_sub(abi.base).map(usize::from),
    }
}

/// Whether the kernel prefers an action to another (kernel/seccomp.c, `seccomp_run_filters`: the least, signed).
fn stricter(action: u32, other: u32) -> bool {
    (action & 0xffff_0000).cast_signed() < (other & 0xffff_0000).cast_signed()
}

/// The graph, and the nodes that leaves already have.
struct Nodes {
    graph: Graph,
    made: Vec<(u16, bool, Id)>,
    given: Vec<(u32, Id)>,
}

impl Nodes {
    fn give(&mut self, action: u32) -> Id {
        if let Some((_, id)) = self.given.iter().find(|(have, _)| *have == action) {
            return *id;
        }
        let id = self.graph.give(action);
        self.given.push((action, id));
        id
    }
}

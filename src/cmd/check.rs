//! `check`: what this kernel and machine have, and whether a bundle would start here.
//!
//! Owns the printing and the exit status; `machine` probes, `bundle` judges. Nothing is made, mounted or written: the
//! probes are calls that change nothing, and processes that end at once. What is judged is compiled by the same code
//! that `create` uses, so the first refusal is the one that `create` would give.

mod bundle;
pub mod machine;
mod plan;
mod seccomp;

use super::Context;
use crate::args::Flag;
use crate::bundle::Bundle;
use crate::compile::{self, Request};
use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::json::Writer;
use crate::validate::validate;
use alloc::{format, string::String};
use bundle::Findings;
use core::ffi::CStr;
use machine::Machine;

/// Stands for the container's id where none was given.
const ID: &str = "check";

/// Prints the judgement, or what `--plan` asks for. The status is 0 when the bundle would start.
pub fn check(context: &Context) -> Result<()> {
    let given = context.given;
    let bundle = given.operands.first().copied();
    if bundle == Some(c"") {
        return Err(Error::new(words!("check: BUNDLE is empty")));
    }
    if let Some(profile) = given.path(Flag::Seccomp) {
        return seccomp::run(profile, given);
    }
    if given.switch(Flag::Syscall) || given.switch(Flag::Arg) {
        return Err(Error::new(words!("check: --syscall and --arg belong to --seccomp")));
    }
    if given.switch(Flag::Plan) {
        return plan(bundle);
    }
    let machine = machine::probe();
    let mut judged = None;
    if bundle.is_some() {
        let found = judged.insert(bundle::judge(context, Bundle::read(bundle, None)?, &machine));
        context.status.set((!found.fails.is_empty()).into());
    }
    let show = if given.wants_json() { json } else { table };
    super::print(&show(&machine, judged.as_ref()))
}

/// `--plan`: everything that the bundle compiles to. It is JSON in either format.
fn plan(bundle: Option<&'static CStr>) -> Result<()> {
    let bundle = Bundle::read(bundle, None)?;
    let config: &mut Config<'_> = config::parse("config.json", bundle.json)?;
    validate(config)?;
    super::print(&plan::text(compile::compile(config, request(bundle))?))
}

/// What `create` would ask for with no flag.
fn request(bundle: &'static Bundle) -> Request<'static> {
    Request {
        bundle: bundle.path,
        id: ID,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        env: &[],
        notify: None,
        allow_unknown_syscalls: false,
    }
}

fn table(machine: &Machine, judged: Option<&Findings>) -> String {
    let mut text = format!("Linux {}\n", machine.kernel);
    for item in &machine.items {
        let (has, lost) = if item.has { ("yes", "") } else { ("no ", item.without) };
        let between = if item.detail.is_empty() || lost.is_empty() { "" } else { "; " };
        let said = [item.detail, between, lost].concat();
        text.push_str(format!("  {has}  {:<28} {said}", item.name).trim_ascii_end());
        text.push('\n');
    }
    if let Some(found) = judged {
        text.extend([found.path, "\n"]);
        for (word, lines) in [("  FAIL ", &found.fails), ("  lost ", &found.losses)] {
            for line in lines {
                text.extend([word, *line, "\n"]);
            }
        }
        text.push_str(match (found.fails.is_empty(), found.losses.is_empty()) {
            (false, _) => "would not start here\n",
            (true, false) => "would start here, with less than it asks for\n",
            (true, true) => "would start here\n",
        });
    }
    text
}

fn json(machine: &Machine, judged: Option<&Findings>) -> String {
    let mut out = Writer::default();
    out.object("");
    out.string("kernel", &machine.kernel);
    out.array("machine");
    for item in &machine.items {
        out.object("");
        out.string("name", item.name);
        out.flag("has", item.has);
        for (name, text) in [("detail", item.detail), ("without", item.without)] {
            if !text.is_empty() {
                out.string(name, text);
            }
        }
        out.end_object();
    }
    out.end_array();
    if let Some(found) = judged {
        out.object("bundle");
        out.string("path", found.path);
        out.flag("starts", found.fails.is_empty());
        out.strings("fails", &mut found.fails.iter().copied());
        out.strings("losses", &mut found.losses.iter().copied());
        out.end_object();
    }
    out.end_object();
    out.finish()
}

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
    let judged = match bundle {
        None => None,
        Some(path) => {
            let bundle = Bundle::read(Some(path), None)?;
            let findings = bundle::judge(context, bundle, &machine);
            Some((bundle.path, findings))
        }
    };
    let judged = judged.as_ref().map(|(path, findings)| (*path, findings));
    if judged.is_some_and(|(_, findings)| !findings.fails.is_empty()) {
        context.status.set(1);
    }
    super::print(&match given.wants_json() {
        true => json(&machine, judged),
        false => table(&machine, judged),
    })
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

fn table(machine: &Machine, judged: Option<(&str, &Findings)>) -> String {
    let mut text = format!("Linux {}\n", machine.kernel);
    for item in &machine.items {
        let has = if item.has { "yes" } else { "no " };
        let lost = if item.has { "" } else { item.without };
        let between = if item.detail.is_empty() || lost.is_empty() { "" } else { "; " };
        text.push_str(&format!("  {has}  {:<28} {}{between}{lost}", item.name, item.detail));
        text.truncate(text.trim_ascii_end().len());
        text.push('\n');
    }
    if let Some((path, findings)) = judged {
        text.push_str(path);
        text.push('\n');
        for (word, found) in [("FAIL", &findings.fails), ("lost", &findings.losses)] {
            for line in found {
                text.push_str(&format!("  {word} {line}\n"));
            }
        }
        text.push_str(match (findings.fails.is_empty(), findings.losses.is_empty()) {
            (false, _) => "would not start here\n",
            (true, false) => "would start here, with less than it asks for\n",
            (true, true) => "would start here\n",
        });
    }
    text
}

fn json(machine: &Machine, judged: Option<(&str, &Findings)>) -> String {
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
    if let Some((path, findings)) = judged {
        out.object("bundle");
        out.string("path", path);
        out.flag("starts", findings.fails.is_empty());
        out.strings("fails", &mut findings.fails.iter().map(String::as_str));
        out.strings("losses", &mut findings.losses.iter().map(String::as_str));
        out.end_object();
    }
    out.end_object();
    out.finish()
}

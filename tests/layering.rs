//! Who may name whom: the direction of dependencies in `src`, read from the source.
//!
//! cli -> cmd -> what carries a plan out -> plan, config, sync, error -> syscalls. The child half is the strictest: what runs
//! between clone and exec is reviewed in one sitting, and may reach nothing that allocates, formats or decides.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A layer: its modules, and whether they may name each other. Each may name what stands in the layers below it.
const LAYERS: &[(bool, &[&str])] = &[
    (true, &["main", "cli"]),
    (true, &["cmd"]),
    (
        true,
        &[
            "activation",
            "bundle",
            "cgroup",
            "compile",
            "console",
            "handover",
            "hooks",
            "netdev",
            "notify",
            "proc",
            "rdt",
            "readiness",
            "seal",
            "spawn",
            "store",
            "supervise",
            "validate",
        ],
    ),
    (false, &["child"]),
    (
        true,
        &[
            "args", "config", "error", "json", "log", "nameless", "paths", "plan", "signal", "sync", "texts",
            "time", "words",
        ],
    ),
];

/// Modules that may name these and no others of the crate, whatever their layer allows.
const STRICT: &[(&str, &[&str])] = &[
    ("child", &["plan", "sync"]),
    ("compile", &["activation", "config", "error", "paths", "plan", "readiness", "texts", "words"]),
    ("validate", &["config", "error"]),
    ("plan", &[]),
    ("proc", &["args", "paths", "store", "texts"]),
    ("sync", &["words"]),
    ("config", &["error", "texts", "words"]),
    ("error", &["json", "words"]),
];

/// Where std may be named: at argv, for lexopt (DESIGN.md). It comes in with rustix, too, for its types of descriptors.
const STD: &[&str] = &["main", "cli"];

/// The program's text: without comments, strings and what is only compiled for tests.
fn program(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines() {
        if line.trim_start() == "#[cfg(test)]" {
            break; // tests stand at the end of a file
        }
        if line.trim_start().starts_with("//") {
            continue;
        }
        let mut inside = false;
        for part in line.split_inclusive('"') {
            if !inside {
                text.push_str(part);
            }
            inside ^= part.ends_with('"') && !part.ends_with("\\\"");
        }
        text.push('\n');
    }
    text
}

/// The names that stand behind a path's beginning: `crate::a` and `crate::{a, b::c}`.
fn names(text: &str, beginning: &str) -> BTreeSet<String> {
    let word =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(beginning) {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let rest = &text[at + beginning.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                found.insert(word(item.trim()));
                item.clear();
            } else {
                item.push(c);
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.remove("");
    found
}

/// What a module names that it may not. `top`: the file is the module's own, so that `super` is the crate.
fn violations(module: &str, top: bool, source: &str) -> Vec<String> {
    let text = program(source);
    let known: BTreeSet<&str> = LAYERS.iter().flat_map(|(_, modules)| *modules).copied().collect();
    let mut named = names(&text, "crate::");
    if ["main", "cli"].contains(&module) {
        named = names(&text, "runlet::");
    } else if top {
        named.extend(names(&text, "super::").into_iter().filter(|name| known.contains(&**name)));
    }
    named.remove(module);
    let Some(own) = LAYERS.iter().position(|(_, modules)| modules.contains(&module)) else {
        return vec![format!("{module} stands in no layer")];
    };
    let strict = STRICT.iter().find(|(name, _)| *name == module);
    let mut wrong = Vec::new();
    for name in named {
        let there = LAYERS.iter().position(|(_, modules)| modules.contains(&&*name));
        let allowed = match (strict, there) {
            (_, None) => name.starts_with(char::is_uppercase) || name == "error", // a macro of the crate's
            (Some((_, only)), Some(_)) => only.contains(&&*name),
            (None, Some(there)) => there > own || there == own && LAYERS[own].0,
        };
        if !allowed {
            wrong.push(format!("{module} names {name}"));
        }
    }
    if !STD.contains(&module) && !names(&text, "std::").is_empty() {
        wrong.push(format!("{module} names std"));
    }
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    if code.lines().any(|line| line.contains(":?}") && !line.trim_start().starts_with("//")) {
        wrong.push(format!("{module} prints by Debug, where error::Quoted is 3 KB smaller"));
    }
    if module == "child" {
        for foreign in ["alloc", "rustix", "serde", "serde_json", "heapless", "linux_raw_sys", "lexopt"] {
            if !names(&text, &format!("{foreign}::")).is_empty() {
                wrong.push(format!("child names {foreign}"));
            }
        }
    }
    wrong
}

/// All files of a directory and those below, without test modules.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            files.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_module_names_only_what_lies_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(files.len() > 50, "the sources are not where they were: {}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative.iter().next().unwrap().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        let depth = relative.iter().count();
        let top = depth == 1 || depth == 2 && relative.ends_with("mod.rs");
        if module == "lib" {
            continue; // it names every module, which is what it is for
        }
        let source = fs::read_to_string(&file).unwrap();
        wrong.extend(
            violations(module, top, &source)
                .into_iter()
                .map(|what| format!("{}: {what}", relative.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_above_beside_or_foreign_is_seen() {
    for (module, source, says) in [
        ("child", "use crate::store::Entry;", "child names store"),
        ("child", "use crate::{plan::Plan, spawn};", "child names spawn"),
        ("child", "fn f() { crate::error::x(); }", "child names error"),
        ("child", "use alloc::vec::Vec;", "child names alloc"),
        ("child", "use rustix::fs;", "child names rustix"),
        ("compile", "use crate::spawn::x;", "compile names spawn"),
        ("plan", "use crate::config::Str;", "plan names config"),
        ("store", "use crate::cmd::Context;", "store names cmd"),
        ("store", "use std::fs;", "store names std"),
        ("store", "use super::cmd;", "store names cmd"),
        ("newcomer", "", "newcomer stands in no layer"),
        ("store", "error!(\"{id:?}\")", "store prints by Debug, where error::Quoted is 3 KB smaller"),
    ] {
        assert_eq!(violations(module, true, source), [says], "{source}");
    }
    for (module, source) in [
        ("child", "use crate::{plan::Plan, sync};\n// crate::store\nuse core::ffi::CStr; use syscalls::fs;"),
        (
            "store",
            "use crate::error::{Error, error};\n#[cfg(test)]\nmod tests { use std::fs; use crate::cmd; }",
        ),
        ("cmd", "use crate::store::Entry; use crate::child::run_hook;"),
        ("cmd", "fn f() { print(\"crate::cli::x std::y\"); }"),
        ("cli", "use runlet::args; use std::ffi::OsStr;"),
        ("store", "// in place of {id:?}\n#[cfg(test)]\nmod tests { assert!(x, \"{id:?}\"); }"),
    ] {
        assert_eq!(violations(module, true, source), [] as [&str; 0], "{source}");
    }
}

//! A hundred config.json that containerd (ctr and CRI), Docker, Podman and Buildah of three Debian releases wrote, compiled as the
//! runtime would: none may be refused, and what each comes to is pinned as text. Pure: nothing is started.
//!
//! tests/data/configs/configs.txt has one a line, its name before the JSON; `"@N"` in it stands for line N (from 0) of parts.txt, which
//! holds what several of them say alike. plans.txt is what they come to: `PLANS_REWRITE=1 cargo test --test plans` writes it anew, and
//! the difference is for a reader to judge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "harness/configs.rs"]
mod configs;

use runlet::compile::cgroup::{self, Controllers, Occasion};
use runlet::compile::{self, Request};
use runlet::config::{self, Config};
use runlet::plan;
use runlet::validate::validate;
use std::fmt::Write as _;

const PLANS: &str = include_str!("data/configs/plans.txt");

/// What a configuration comes to, a line for each thing that is done.
fn summary(name: &str, config: &Config<'_>) -> Result<String, String> {
    let text = |error: runlet::error::Error| error.to_string();
    validate(config).map_err(text)?;
    let request = Request {
        bundle: "/bundle",
        id: name,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        env: &[],
        notify: None,
        allow_unknown_syscalls: false,
    };
    let plan = compile::compile(config, request).map_err(text)?;
    let resources = &config.linux.resources;
    let cgroup = cgroup::compile(resources, Controllers::default(), Occasion::Create).map_err(text)?;
    let mut out = format!("{name}\n");
    let mut line = |what: &str, value: String| {
        if !value.is_empty() {
            writeln!(out, "  {what} {value}").unwrap();
        }
    };
    line("namespaces", namespaces(&plan.namespaces));
    line("root", root(&plan.root));
    for mount in &plan.mounts {
        line("mount", mounted(mount));
    }
    line(
        "devices",
        joined(plan.devices.iter().map(|device| {
            let (path, kind) = (device.path.to_string_lossy(), device.mode);
            format!("{path}:{kind:o}:{}:{}:{}:{}", device.major, device.minor, device.uid, device.gid)
        })),
    );
    line("masked", joined(plan.masked.iter().map(|path| path.to_string_lossy())));
    line("readonly", joined(plan.readonly.iter().map(|path| path.to_string_lossy())));
    line(
        "sysctls",
        joined(plan.sysctls.iter().map(|sysctl| {
            format!("{}={:?}", sysctl.path.to_string_lossy(), String::from_utf8_lossy(sysctl.value))
        })),
    );
    let name = |name: Option<&[u8]>| String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
    line("hostname", name(plan.hostname));
    line("domainname", name(plan.domainname));
    line("createContainer", joined(plan.create_container.iter().map(|hook| hook.path.to_string_lossy())));
    line("startContainer", joined(plan.start_container.iter().map(|hook| hook.path.to_string_lossy())));
    for (what, value) in process(&plan.process) {
        line(what, value);
    }
    line(
        "device program",
        format!("{} instructions", cgroup.devices.as_ref().map_or(0, |program| program.len())),
    );
    line(
        "cgroup",
        joined(
            cgroup
                .writes
                .iter()
                .map(|write| format!("{}={}:{:?}", write.file.to_string_lossy(), write.value, write.missing)),
        ),
    );
    line("warnings", plan.warnings.join("; "));
    Ok(out)
}

fn joined(parts: impl Iterator<Item = impl AsRef<str>>) -> String {
    parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join(" ")
}

fn namespaces(plan: &plan::Namespaces) -> String {
    let mut out = format!("new {:#x}", plan.new);
    for join in plan.join {
        write!(out, ", join {:#x} {}", join.kind, join.path.to_string_lossy()).unwrap();
    }
    for (what, map) in [("uid", &plan.uid_map), ("gid", &plan.gid_map), ("time", &plan.time_offsets)] {
        if !map.is_empty() {
            write!(out, ", {what} {:?}", String::from_utf8_lossy(map)).unwrap();
        }
    }
    out
}

fn root(plan: &plan::Root) -> String {
    let readonly = if plan.readonly { " read-only" } else { "" };
    format!("{}{readonly} propagation {:#x}", plan.path.to_string_lossy(), plan.propagation)
}

fn mounted(plan: &plan::Mount) -> String {
    let mut out = format!(
        "{:?} {} {} at {} flags {:#x}",
        plan.kind,
        plan.fstype.to_string_lossy(),
        plan.source.to_string_lossy(),
        plan.target.to_string_lossy(),
        plan.flags,
    );
    let mut more =
        |what: &str, value: String| write!(out, " {}", format!("{what} {value}").trim_end()).unwrap();
    if !plan.data.is_empty() {
        more("data", plan.data.to_string_lossy().into_owned());
    }
    for (what, change) in [("attr", plan.attr), ("tree", plan.tree_attr)] {
        if !change.is_empty() {
            more(what, format!("+{:#x} -{:#x}", change.set, change.clear));
        }
    }
    if plan.propagation != 0 {
        more("propagation", format!("{:#x}", plan.propagation));
    }
    if let Some(map) = &plan.idmap {
        more("idmap", format!("{:?}", String::from_utf8_lossy(map.uid_map)));
    }
    for (what, set) in [
        ("copy-up", plan.copy_up),
        ("source-nofollow", plan.source_nofollow),
        ("target-nofollow", plan.target_nofollow),
        ("no-symlinks", plan.no_symlinks),
    ] {
        if set {
            more(what, String::new());
        }
    }
    out
}

fn process(plan: &plan::Process) -> Vec<(&'static str, String)> {
    let sets = &plan.capabilities;
    let owned = |option: Option<&std::ffi::CStr>| {
        option.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    vec![
        ("args", format!("{:?}", plan.args)),
        ("env", format!("{:?}{}", plan.env, if plan.home.is_empty() { "" } else { " and HOME" })),
        ("tries", joined(plan.candidates.iter().map(|path| path.to_string_lossy()))),
        ("cwd", plan.cwd.to_string_lossy().into_owned()),
        ("user", format!("{}:{} groups {:?} umask {:o}", plan.uid, plan.gid, plan.groups, plan.umask)),
        (
            "capabilities",
            format!(
                "bounding {:x} effective {:x} permitted {:x} inheritable {:x} ambient {:x}",
                sets.bounding, sets.effective, sets.permitted, sets.inheritable, sets.ambient
            ),
        ),
        ("no new privileges", if plan.no_new_privileges { "yes".into() } else { String::new() }),
        (
            "rlimits",
            joined(
                plan.rlimits.iter().map(|limit| format!("{}={}:{}", limit.resource, limit.soft, limit.hard)),
            ),
        ),
        ("oom_score_adj", plan.oom_score_adj.map(|value| value.to_string()).unwrap_or_default()),
        ("apparmor", owned(plan.apparmor)),
        ("selinux", owned(plan.selinux)),
        ("keyring", if plan.new_keyring { "new".into() } else { String::new() }),
        (
            "seccomp",
            plan.seccomp
                .as_ref()
                .map(|filter| format!("{} instructions, flags {:#x}", filter.program.len(), filter.flags))
                .unwrap_or_default(),
        ),
        (
            "terminal",
            plan.terminal.map(|size| format!("{} x {}", size.width, size.height)).unwrap_or_default(),
        ),
    ]
}

#[test]
fn every_recorded_configuration_compiles_to_its_plan() {
    let mut found = String::new();
    let mut refused = Vec::new();
    let configs = configs::all();
    assert_eq!(configs.len(), 100);
    for (name, json) in &configs {
        let parsed: Result<&mut Config<'_>, _> = config::parse("config.json", json.as_bytes());
        match parsed.map_err(|error| error.to_string()).and_then(|config| summary(name, config)) {
            Ok(text) => found.push_str(&text),
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    }
    assert!(refused.is_empty(), "refused:\n{}", refused.join("\n"));
    if std::env::var_os("PLANS_REWRITE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/configs/plans.txt"), &found).unwrap();
        return;
    }
    for (found, wanted) in found.lines().zip(PLANS.lines()) {
        assert_eq!(found, wanted, "PLANS_REWRITE=1 writes tests/data/configs/plans.txt anew");
    }
    assert_eq!(found.lines().count(), PLANS.lines().count());
}

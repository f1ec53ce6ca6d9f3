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

use runlet::compile::cgroup::{self, Controllers, Occasion};
use runlet::config::{self, Config};
use std::fmt::Write as _;

const CONFIGS: &str = include_str!("data/configs/configs.txt");
const PARTS: &str = include_str!("data/configs/parts.txt");
const PLANS: &str = include_str!("data/configs/plans.txt");

/// Name and JSON of each.
fn configs() -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = PARTS.lines().collect();
    let whole = |line: &'static str| {
        let (name, json) = line.split_once(' ').unwrap();
        let mut pieces = json.split("\"@");
        let mut text = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (number, rest) = piece.split_once('"').unwrap();
            text.push_str(parts[number.parse::<usize>().unwrap()]);
            text.push_str(rest);
        }
        (name, text)
    };
    CONFIGS.lines().map(whole).collect()
}

/// What a configuration comes to.
fn summary(config: &Config<'_>) -> Result<String, String> {
    let mut text = String::new();
    let plan = cgroup::compile(&config.linux.resources, Controllers::default(), Occasion::Create)
        .map_err(|error| error.to_string())?;
    write!(text, "{} mounts", config.mounts.len()).unwrap();
    write!(text, ", devices {} instructions", plan.devices.map_or(0, |program| program.len())).unwrap();
    for write in &plan.writes {
        let value = String::from_utf8_lossy(&write.value);
        write!(text, ", {}={value} ({:?})", write.file.to_string_lossy(), write.missing).unwrap();
    }
    Ok(text)
}

#[test]
fn every_recorded_configuration_compiles_to_its_plan() {
    let mut found = String::new();
    let mut refused = Vec::new();
    let configs = configs();
    assert_eq!(configs.len(), 100);
    for (name, json) in &configs {
        let parsed: Result<Config<'_>, _> = config::parse("config.json", json.as_bytes());
        match parsed.map_err(|error| error.to_string()).and_then(|config| summary(&config)) {
            Ok(text) => writeln!(found, "{name}: {text}").unwrap(),
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

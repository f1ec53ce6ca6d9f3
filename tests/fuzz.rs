//! Broken input for everything that runlet reads: whatever it is, it ends in a Plan that keeps the rules or in one clear line.
//! Pure: nothing is started. How to let it run for long: tests/harness/fuzz.rs. The command line's fuzzer is among the command line's
//! own tests, that of seccomp profiles, which has an oracle, among the compiler's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[path = "harness/configs.rs"]
mod configs;
#[path = "harness/fuzz.rs"]
mod fuzz;

use fuzz::{Random, is_one_clear_line, mutate, seeds};
use runlet::compile::cgroup::{self, Controllers, Occasion};
use runlet::compile::{self, Request};
use runlet::config::{self, Config};
use runlet::error::Result;
use runlet::plan::Plan;
use runlet::store::{self, Record, Status};
use runlet::validate::validate;

/// What `create` does with config.json before it touches the machine.
fn plan(json: &[u8]) -> Result<&'static mut Plan> {
    let config: &mut Config<'_> = config::parse("config.json", json)?;
    validate(config)?;
    let request = Request {
        bundle: "/bundle",
        id: "fuzz",
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        env: &[],
        allow_unknown_syscalls: true,
        notify: None,
    };
    let plan = compile::compile(config, request)?;
    cgroup::compile(&config.linux.resources, Controllers::default(), Occasion::Create)?;
    Ok(plan)
}

/// What SECURITY.md's rules say of every Plan.
fn keeps_the_rules(plan: &Plan) {
    let process = &plan.process;
    // R7: -1 leaves an id as it is.
    assert!(process.uid != u32::MAX && process.gid != u32::MAX && !process.groups.contains(&u32::MAX));
    // R8: nothing becomes ambient that is not inheritable and permitted.
    let caps = &process.capabilities;
    assert_eq!(caps.ambient & !(caps.inheritable & caps.permitted), 0);
    // R1: no path leads out of the root, and none is absolute.
    let inside = |path: &std::ffi::CStr| {
        let path = path.to_str().unwrap();
        !path.starts_with('/') && path.split('/').all(|part| part != "..")
    };
    assert!(plan.mounts.iter().all(|mount| inside(mount.target)), "{:?}", plan.mounts);
    assert!(plan.masked.iter().chain(plan.readonly).all(|path| inside(path)));
    assert!(plan.devices.iter().all(|device| inside(device.path)));
    // R3: a sysctl is a file below /proc/sys.
    assert!(plan.sysctls.iter().all(|sysctl| inside(sysctl.path)), "{:?}", plan.sysctls);
    if let Some(filter) = &process.seccomp {
        assert!((1..=4096).contains(&filter.program.len()));
    }
    assert!(plan.warnings.iter().all(|warning| is_one_clear_line(warning)), "{:?}", plan.warnings);
}

#[test]
fn a_broken_config_is_one_clear_line_or_a_plan_that_keeps_the_rules() {
    let sound = configs::all();
    let (mut taken, mut refused) = (0, 0);
    for seed in seeds(600) {
        let mut random = Random::new(seed);
        let mut json = sound[random.below(sound.len())].1.clone().into_bytes();
        // A piece of another caller's.
        let other = &sound[random.below(sound.len())].1;
        let pieces: Vec<&str> =
            other.split(['[', ']', '{', '}', ',']).filter(|piece| !piece.is_empty()).collect();
        mutate(&mut random, &mut json, &pieces);
        let result = std::panic::catch_unwind(|| plan(&json));
        let text = String::from_utf8_lossy(&json);
        match result.unwrap_or_else(|_| panic!("seed {seed}: {text}")) {
            Ok(plan) => {
                taken += 1;
                keeps_the_rules(plan);
            }
            Err(error) => {
                refused += 1;
                assert!(is_one_clear_line(&error.to_string()), "seed {seed}: {error:?}");
            }
        }
    }
    println!("{taken} configurations taken, {refused} refused");
    assert!(taken > 0 && refused > 0);
}

#[test]
fn a_broken_record_is_one_clear_line_or_a_record_that_can_be_printed() {
    let sound = r#"{"ociVersion":"1.3.0","id":"web","pid":2147483647,"bundle":"/run/b","rootfs":"/run/b/rootfs",
        "created":"2026-01-01T00:00:00Z","owner":"root","annotations":{"a.b":"c","d":"\u00e9"},"status":"running",
        "startTime":18446744073709551615,"cgroupPath":"/runlet/web","config":{"ociVersion":"1.3.0"}}"#;
    let (mut taken, mut refused) = (0, 0);
    for seed in seeds(2000) {
        let mut random = Random::new(seed);
        let mut json = sound.as_bytes().to_vec();
        mutate(&mut random, &mut json, &["\"stopped\"", "\"pid\"", "\"annotations\"", "2147483648"]);
        match Record::parse(&json) {
            // No annotation that `create` takes has an empty name.
            Ok(record) if record.annotations.get("").is_some() => {}
            Ok(record) => {
                taken += 1;
                let mut out = runlet::json::Writer::default();
                record.write_state(record.pid, Status::Running, 1, &mut out, "");
                let printed = out.finish();
                let again =
                    Record::parse(printed.as_bytes()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert_eq!((&again.id, again.pid), (&record.id, record.pid), "seed {seed}");
                assert!(again.annotations.iter().eq(record.annotations.iter()), "seed {seed}");
            }
            Err(error) => {
                refused += 1;
                assert!(is_one_clear_line(&error.to_string()), "seed {seed}: {error:?}");
            }
        }
    }
    println!("{taken} records taken, {refused} refused");
    assert!(taken > 0 && refused > 0);
}

#[test]
fn an_id_that_is_taken_is_a_plain_file_name() {
    for seed in seeds(5000) {
        let mut random = Random::new(seed);
        let mut id = random.pick(&["web", "a.b_c-d+1", "..", "0", "\u{e9}", "a/b"]).as_bytes().to_vec();
        mutate(&mut random, &mut id, &["..", "/", "-", "\n"]);
        let Ok(id) = String::from_utf8(id) else { continue };
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
        let may = plain && !["", ".", ".."].contains(&&*id) && !id.starts_with('-') && id.len() < 256;
        match store::check_id(&id) {
            Ok(()) => assert!(may, "seed {seed}: {id:?}"),
            Err(error) => assert!(!may && is_one_clear_line(&error.to_string()), "seed {seed}: {id:?}"),
        }
    }
}

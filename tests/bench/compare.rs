//! `cargo bench`: hands over to the host tool's `bench`, since cargo does not let an alias take that name. It lends it the one
//! thing that can only be measured from within: `compile TIMES` compiles Docker's seccomp profile so often and prints the
//! median time in ns.
#![forbid(unsafe_code)]

use runlet::compile::seccomp::{self, Options, table};
use runlet::config::{self, seccomp::Seccomp};
use std::process::{Command, ExitCode};
use std::time::Instant;

const PROFILE: &str = include_str!("../data/seccomp/docker.json");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [command, times] if command == "compile" => return compile(times.parse().unwrap_or(1)),
        // `cargo test --benches` runs this file as well, without --bench.
        words if !words.iter().any(|word| word == "--bench") => return ExitCode::SUCCESS,
        _ => {}
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["run", "--quiet", "--package", "qemu", "--", "bench"]).args(arguments);
    if let Ok(program) = std::env::current_exe() {
        command.env("RUNLET_BENCH", program);
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reading the profile is outside of what is timed, but inside of what a tool that counts for the whole program counts: it
/// is done once, and the difference of two counts is without it.
fn compile(times: u32) -> ExitCode {
    let Ok(profile) = config::parse::<Seccomp<'_>>("docker.json", PROFILE.as_bytes()) else {
        return ExitCode::FAILURE;
    };
    let mut nanoseconds = Vec::with_capacity(times as usize);
    for _ in 0..times {
        let start = Instant::now();
        let filter = seccomp::compile("", profile, &table::NATIVE, Options::default());
        nanoseconds.push(start.elapsed().as_nanos());
        if filter.is_err() {
            return ExitCode::FAILURE;
        }
    }
    nanoseconds.sort_unstable();
    println!("{}", nanoseconds.get(nanoseconds.len() / 2).copied().unwrap_or_default());
    ExitCode::SUCCESS
}

//! `cargo bench`: runlet, Debian's runc and crun, and the floor program side by side in one run.
//!
//! Rounds are interleaved: each round runs every command of every runtime once, so that a noisy minute hits all of them.
//! Only medians and ratios of one run mean something. A runtime that lacks a command gets a "-" there and a line that says
//! why. `cargo bench -- seccomp` compares what the runtimes make of Docker's seccomp profile (`seccomp`). Called by main, and by
//! tests/bench, which is what makes it `cargo bench`.

mod seccomp;

use crate::gauge::{Gauge, Sample};
use crate::host::{self, Context, Result};
use crate::{dist, gauge, setup};
use std::path::PathBuf;
use std::process::Command;

const DEFAULT_ROUNDS: usize = 21;

/// The commands that are timed, in the order of a container's life.
const COMMANDS: [&str; 8] = ["run", "run seccomp", "create", "start", "exec", "state", "kill", "delete"];
const RUN: usize = 0;
const SECCOMP: usize = 1;

struct Runtime {
    name: String,
    program: PathBuf,
    /// `--root`.
    root: String,
    size: u64,
    /// Plain, with seccomp, waiting.
    bundles: [String; 3],
    /// One list of samples for each of [`COMMANDS`]; empty when the runtime lacks the command.
    samples: [Vec<Sample>; COMMANDS.len()],
    /// KiB at exit, the largest of the rounds that looked.
    resident: [u64; COMMANDS.len()],
    failed: [bool; COMMANDS.len()],
    /// System calls of run and run with seccomp.
    calls: [Option<usize>; 2],
}

/// `cargo bench [-- [seccomp] [ROUNDS]]`.
///
/// # Errors
/// Not root, or the instruments cannot be set up.
pub fn main(arguments: &[String]) -> Result<()> {
    // `cargo bench` passes --bench, and whatever a person wrote after --.
    let rounds = arguments.iter().find_map(|word| word.parse().ok()).unwrap_or(DEFAULT_ROUNDS);
    for need in [setup::STRACE, setup::RUNC, setup::CRUN] {
        if let Err(error) = setup::ensure(&[need]) {
            println!("bench: {error}");
        }
    }
    if std::env::var_os("RUNLET").is_none() && !gauge::inside() {
        let built = dist::build(dist::NATIVE)?;
        println!("{}: {} bytes, {}", built.file.display(), built.size, built.how);
    }
    if gauge::enter("bench", arguments)?.is_some() {
        return Ok(());
    }
    let gauge = Gauge::new()?;
    let profile = host::workspace().join("tests/data/seccomp/docker.json");
    let profile = std::fs::read_to_string(&profile).context(|| format!("read {}", profile.display()))?;
    let mut runtimes = runtimes(&gauge, &profile)?;
    if arguments.iter().any(|word| word == "seccomp") {
        return seccomp::compare(&gauge, runtimes, rounds);
    }
    let floor = gauge.directory.join("floor");
    let rootfs = gauge.directory.join("rootfs").display().to_string();
    let mut floors = Vec::new();
    for round in 0..=rounds {
        let sample = gauge.sample(&floor, &[&rootfs])?;
        // The first round fills caches and finds out who can do what.
        if round > 0 {
            floors.push(sample);
        }
        for runtime in &mut runtimes {
            runtime.round(&gauge, round);
        }
    }
    let floor_calls = gauge.system_calls(&floor, &[&rootfs]).map(|calls| calls.len()).ok();
    for runtime in &mut runtimes {
        runtime.count(&gauge);
    }
    let floor_peak = gauge.peak(&floor, &[&rootfs])?;
    print_table(&runtimes, &floors, floor_calls, floor_peak, rounds);
    print_ratios(&runtimes, &floors);
    print_resident(&runtimes);
    Ok(())
}

/// Who takes part: runlet, runlet from a file system where it need not protect itself, and whom the machine has.
fn runtimes(gauge: &Gauge, profile: &str) -> Result<Vec<Runtime>> {
    let ours = gauge::program();
    let fixed = gauge.state().join("fixed");
    std::fs::create_dir_all(&fixed).context(|| format!("make {}", fixed.display()))?;
    host::run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&fixed))?;
    let copy = fixed.join("runlet");
    std::fs::copy(&ours, &copy).context(|| format!("copy {}", ours.display()))?;
    host::run(Command::new("mount").args(["-o", "remount,ro"]).arg(&fixed))?;
    let mut found = vec![("runlet".to_owned(), ours), ("runlet, read-only fs".to_owned(), copy)];
    for peer in ["crun", "runc"] {
        if let Some(program) = host::find_program(peer) {
            let text = host::output(Command::new(&program).arg("--version"))?;
            let version =
                text.lines().next().and_then(|line| line.split_whitespace().last()).unwrap_or_default();
            found.push((format!("{peer} {version} (Debian)"), program));
        }
    }
    found
        .into_iter()
        .map(|(name, program)| {
            let size = std::fs::metadata(&program).context(|| format!("stat {}", program.display()))?.len();
            // crun 1.8 raises RLIMIT_MEMLOCK before it loads a device program, which not every root may (CAP_SYS_RESOURCE):
            // it then gets the easier bundle.
            let easier = name.starts_with("crun") && !may_lock_memory();
            let bundles = gauge.bundles(profile, !easier)?;
            let name = if easier { format!("{name}, without device rules") } else { name };
            let root = gauge.state().join(name.replace([' ', ',', '(', ')'], "")).display().to_string();
            Ok(Runtime {
                name,
                program,
                root,
                size,
                bundles,
                samples: Default::default(),
                resident: Default::default(),
                failed: Default::default(),
                calls: Default::default(),
            })
        })
        .collect()
}

fn may_lock_memory() -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max locked memory")).unwrap_or_default();
    line.split_whitespace().nth(4) == Some("unlimited")
}

impl Runtime {
    /// Runs every command once; round 0 only warms up and learns which commands there are.
    fn round(&mut self, gauge: &Gauge, round: usize) {
        let [plain, seccomp, paused] = &self.bundles.clone();
        let id = format!("bench-{}-{round}", std::process::id());
        let pid_file = gauge.state().join("pid").display().to_string();
        self.one(gauge, RUN, round, &["run", "--bundle", plain, &id]);
        self.one(gauge, SECCOMP, round, &["run", "--bundle", seccomp, &id]);
        self.one(gauge, 2, round, &["create", "--bundle", paused, "--pid-file", &pid_file, &id]);
        self.one(gauge, 3, round, &["start", &id]);
        self.one(gauge, 4, round, &["exec", &id, "/bin/true"]);
        self.one(gauge, 5, round, &["state", &id]);
        self.one(gauge, 6, round, &["kill", &id, "KILL"]);
        if !self.failed[6] && gauge::wait_for_end(&pid_file).is_err() {
            println!("{}: no kill: its container lives on", self.name);
            self.failed[6] = true;
        }
        self.one(gauge, 7, round, &["delete", &id]);
        if self.failed[7] {
            // Whatever is left of it must not be in the next round's way; that it fails is told already.
            let _ = host::output(
                Command::new(&self.program).args(["--root", &self.root, "delete", "--force", &id]),
            );
        }
    }

    fn one(&mut self, gauge: &Gauge, command: usize, round: usize, arguments: &[&str]) {
        if self.failed[command] {
            return;
        }
        let mut full = vec!["--root", self.root.as_str()];
        full.extend(arguments);
        // Two rounds look at memory instead of time, since looking takes time.
        let looking = round == 1 || round == 2;
        let result = if looking {
            gauge.peak(&self.program, &full).map(|resident| {
                self.resident[command] = self.resident[command].max(resident);
            })
        } else {
            gauge.sample(&self.program, &full).map(|sample| {
                if round > 0 {
                    self.samples[command].push(sample);
                }
                self.resident[command] = self.resident[command].max(sample.resident);
            })
        };
        if let Err(error) = result {
            println!("{}: no {}: {error}", self.name, COMMANDS[command]);
            self.failed[command] = true;
        }
    }

    fn count(&mut self, gauge: &Gauge) {
        for command in [RUN, SECCOMP] {
            if !self.failed[command] {
                let arguments =
                    ["--root", &self.root, "run", "--bundle", &self.bundles[command], "bench-strace"];
                match gauge.system_calls(&self.program, &arguments) {
                    Ok(calls) => self.calls[command] = Some(calls.len()),
                    Err(error) => println!("{}: calls not counted: {error}", self.name),
                }
            }
        }
    }

    fn wall(&self, command: usize) -> Option<f64> {
        median(&self.samples[command], |sample| sample.wall)
    }

    fn cpu(&self, command: usize) -> Option<f64> {
        median(&self.samples[command], |sample| sample.cpu)
    }
}

fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.1}"))
}

fn number(value: Option<usize>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

fn print_table(
    runtimes: &[Runtime],
    floors: &[Sample],
    floor_calls: Option<usize>,
    floor_peak: u64,
    rounds: usize,
) {
    println!("\nMedians of {rounds} interleaved rounds, milliseconds; state on tmpfs, cgroup2 view\n");
    println!(
        "| runtime | size, bytes | run plain / seccomp | CPU | peak RSS KiB | syscalls of a run | create | start | exec | state | kill | delete |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for runtime in runtimes {
        let times: Vec<String> =
            (2..COMMANDS.len()).map(|command| milliseconds(runtime.wall(command))).collect();
        println!(
            "| {} | {} | {} / {} | {} / {} | {} | {} / {} | {} |",
            runtime.name,
            runtime.size,
            milliseconds(runtime.wall(RUN)),
            milliseconds(runtime.wall(SECCOMP)),
            milliseconds(runtime.cpu(RUN)),
            milliseconds(runtime.cpu(SECCOMP)),
            runtime.resident.iter().max().copied().unwrap_or_default(),
            number(runtime.calls[RUN]),
            number(runtime.calls[SECCOMP]),
            times.join(" | "),
        );
    }
    println!(
        "| floor: one clone3 with six namespaces, four mounts, pivot_root, exec, wait | | {} | {} | {floor_peak} | {} | | | | | | |",
        milliseconds(median(floors, |sample| sample.wall)),
        milliseconds(median(floors, |sample| sample.cpu)),
        number(floor_calls),
    );
}

/// Each goal of the project beside what this run gave.
fn print_ratios(runtimes: &[Runtime], floors: &[Sample]) {
    let find = |name: &str| runtimes.iter().find(|runtime| runtime.name.starts_with(name));
    let Some(ours) = find("runlet") else { return };
    let floor = median(floors, |sample| sample.wall);
    let mut rows: Vec<(String, Option<f64>, Option<f64>, f64)> =
        vec![("run plain / floor".into(), ours.wall(RUN), floor, 1.5)];
    for runtime in runtimes.iter().skip(1) {
        rows.push((format!("run plain, {} / floor", runtime.name), runtime.wall(RUN), floor, f64::NAN));
    }
    let mut against = |peer: &str, command: usize, goal: f64| {
        let theirs = find(peer).and_then(|runtime| runtime.wall(command));
        rows.push((format!("{} / {peer}", COMMANDS[command]), ours.wall(command), theirs, goal));
    };
    against("crun", RUN, 0.35);
    against("runc", RUN, 0.12);
    for (command, goal) in [(SECCOMP, f64::NAN), (4, 0.35), (5, 0.3), (6, 0.3), (7, 0.4)] {
        against("crun", command, goal);
    }
    println!("\n| ratio | here | goal |\n|---|---|---|");
    for (name, mine, theirs, goal) in rows {
        let ratio = mine.zip(theirs).map(|(mine, theirs)| mine / theirs);
        let here = ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"));
        let verdict = match ratio {
            _ if goal.is_nan() => String::new(),
            Some(ratio) if ratio <= goal => format!("{goal}: met"),
            Some(_) => format!("{goal}: not met"),
            None => format!("{goal}: not measured"),
        };
        println!("| {name} | {here} | {verdict} |");
    }
    if let Some((with, without)) = ours.wall(SECCOMP).zip(ours.wall(RUN)) {
        println!("| seccomp costs, ms | {:.2} | 0.3 |", with - without);
    }
}

fn print_resident(runtimes: &[Runtime]) {
    println!("\n| peak RSS, KiB | {} |", COMMANDS.join(" | "));
    println!("|---|{}", "---|".repeat(COMMANDS.len()));
    for runtime in runtimes {
        let cells: Vec<String> = runtime
            .resident
            .iter()
            .zip(runtime.failed)
            .map(|(resident, failed)| if failed { "-".into() } else { resident.to_string() })
            .collect();
        println!("| {} | {} |", runtime.name, cells.join(" | "));
    }
}

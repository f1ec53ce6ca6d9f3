//! What each runtime makes of Docker's seccomp profile: the program that it really installs, as strace sees it go into the kernel;
//! what installing exactly that program costs, and a call under it; what the profile adds to a `run`; and, for runlet, what
//! compiling it costs.

use super::{RUN, Runtime, SECCOMP};
use crate::gauge::Gauge;
use crate::host::{self, Context, Error, Result};
use crate::setup;
use std::path::{Path, PathBuf};
use std::process::Command;

/// code, jt, jf, k.
type Instruction = (u16, u8, u8, u32);

const LOAD: u16 = 0x20;
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;

/// A program, and how it did.
struct Installed {
    file: PathBuf,
    program: Vec<Instruction>,
    /// In ns: installing it, an allowed call, one whose argument is looked at.
    costs: [Vec<f64>; 3],
}

/// Prints the comparison.
///
/// # Errors
/// No runtime could be watched.
pub fn compare(gauge: &Gauge, mut runtimes: Vec<Runtime>, rounds: usize) -> Result<()> {
    // From a read-only file system it makes the same program.
    runtimes.retain(|runtime| !runtime.name.contains("read-only"));
    let mut installed = Vec::new();
    for runtime in &runtimes {
        let program = installs(gauge, runtime)?;
        let file = gauge.state().join(format!("filter-{}", installed.len()));
        std::fs::write(&file, bytes(&program)).context(|| format!("write {}", file.display()))?;
        installed.push(Installed { file, program, costs: Default::default() });
    }
    let id = format!("bench-{}", std::process::id());
    for round in 0..=rounds {
        for (runtime, installed) in runtimes.iter_mut().zip(&mut installed) {
            for command in [RUN, SECCOMP] {
                let bundle = runtime.bundles[command].clone();
                // Round 0 warms up; 1 and 2 would look at memory.
                runtime.one(
                    gauge,
                    command,
                    if round == 0 { 0 } else { round + 2 },
                    &["run", "--bundle", &bundle, &id],
                );
            }
            let text = host::output(Command::new(gauge.directory.join("filter")).arg(&installed.file))?;
            let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let [install, allowed, argument] = numbers[..] else {
                return Err(Error::new("filter printed no line"));
            };
            let costs = [install, allowed / 10.0, argument / 10.0];
            if round > 0 {
                installed.costs.iter_mut().zip(costs).for_each(|(list, cost)| list.push(cost));
            }
        }
    }
    println!("\nDocker's seccomp profile, medians of {rounds} interleaved rounds\n");
    println!(
        "| runtime | instructions | most without an argument | most of all | installing, us | getppid, ns | personality, ns | added to a run: wall, CPU ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (runtime, installed) in runtimes.iter().zip(&mut installed) {
        let (unconditional, longest) = depth(&installed.program);
        let [install, allowed, argument] = installed.costs.each_mut().map(|list| median(list));
        let added = |value: fn(&Runtime, usize) -> Option<f64>| match (
            value(runtime, SECCOMP),
            value(runtime, RUN),
        ) {
            (Some(with), Some(without)) => format!("{:.2}", with - without),
            _ => "-".into(),
        };
        println!(
            "| {} | {} | {unconditional} | {longest} | {:.0} | {allowed:.0} | {argument:.0} | {}, {} |",
            runtime.name,
            installed.program.len(),
            install / 1000.0,
            added(Runtime::wall),
            added(Runtime::cpu),
        );
    }
    match compiling() {
        Ok(text) => println!("\nrunlet compiles it in {text}"),
        Err(error) => println!("\nno figures of compiling: {error}"),
    }
    Ok(())
}

/// The programs that a runtime loads for one container, one after the other.
fn installs(gauge: &Gauge, runtime: &Runtime) -> Result<Vec<Instruction>> {
    let file = gauge.directory.join("strace.out");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-v", "-X", "raw", "-e", "trace=seccomp,prctl", "-e", "signal=none", "-o"])
        .arg(&file);
    command.arg(&runtime.program).args([
        "--root",
        &runtime.root,
        "run",
        "--bundle",
        &runtime.bundles[SECCOMP],
        "watched",
    ]);
    host::output(&mut command)?;
    let text = std::fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
    let programs: Vec<Vec<Instruction>> = text.lines().filter_map(read).collect();
    match programs.len() {
        1 => Ok(programs.concat()),
        count => Err(Error::new(format!("{} installs {count} filters", runtime.name))),
    }
}

/// `…{len=2, filter=[BPF_STMT(0|0|0x20, 0x4), BPF_JUMP(0x5|0|0x10, 0xc000003e, 0x1, 0x2)]}) = 0`
fn read(line: &str) -> Option<Vec<Instruction>> {
    let (length, rest) = line.split_once("{len=")?.1.split_once(", filter=[")?;
    let program: Vec<Instruction> = rest.split("BPF_").skip(1).filter_map(instruction).collect();
    (length.parse() == Ok(program.len())).then_some(program)
}

fn instruction(text: &str) -> Option<Instruction> {
    let words = text.split_once('(')?.1.split_once(')')?.0.split(", ");
    let number = |word: &str| match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    };
    // A code is printed by its parts.
    let number = |word: &str| word.split('|').map(number).try_fold(0, |all, part| Some(all | part?));
    let numbers: Vec<u32> = words.map(number).collect::<Option<_>>()?;
    match numbers[..] {
        [code, k] => Some((code as u16, 0, 0, k)),
        [code, k, jt, jf] => Some((code as u16, jt as u8, jf as u8, k)),
        _ => None,
    }
}

fn bytes(program: &[Instruction]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, jt, jf, k) in program {
        bytes.extend(code.to_ne_bytes());
        bytes.extend([*jt, *jf]);
        bytes.extend(k.to_ne_bytes());
    }
    bytes
}

/// How many instructions are executed at most: on a way that reads no argument, and on any.
fn depth(program: &[Instruction]) -> (usize, usize) {
    let mut ways: Vec<(Option<usize>, usize)> = vec![(None, 0); program.len()];
    for (at, (code, jt, jf, k)) in program.iter().enumerate().rev() {
        let of = |skip: usize| ways.get(at + 1 + skip).copied().unwrap_or_default();
        ways[at] = match *code {
            RETURN => (Some(1), 1),
            code => {
                let (a, b) = match code {
                    JUMP => (of(*k as usize), of(*k as usize)),
                    code if code & 7 == JUMP => (of(usize::from(*jt)), of(usize::from(*jf))),
                    _ => (of(0), of(0)),
                };
                let plain = a.0.max(b.0).filter(|_| code != LOAD || *k < 16);
                (plain.map(|way| way + 1), a.1.max(b.1) + 1)
            }
        };
    }
    ways.first().map_or((0, 0), |(plain, longest)| (plain.unwrap_or_default(), *longest))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// What runlet's compiler costs, from the program that `cargo bench` is: time from within, instructions and allocations as the
/// difference of two runs under valgrind.
fn compiling() -> Result<String> {
    let Some(program) = std::env::var_os("RUNLET_BENCH").map(PathBuf::from) else {
        return Err(Error::new("only `cargo bench` has the program"));
    };
    let median = host::output(Command::new(&program).args(["compile", "2001"]))?;
    let time = median.trim().parse::<f64>().context(|| "compile".into())? / 1000.0;
    setup::ensure(&[setup::VALGRIND])?;
    let [few, many] = [1, 101].map(|times| counts(&program, times));
    let (few, many) = (few?, many?);
    let each: Vec<u64> = few.iter().zip(many).map(|(few, many)| many.saturating_sub(*few) / 100).collect();
    let [instructions, bytes, blocks] = each[..] else { return Err(Error::new("valgrind counted nothing")) };
    Ok(format!(
        "{time:.0} us (median of 2001), {instructions} instructions, {blocks} allocations of {bytes} bytes"
    ))
}

/// Instructions, bytes allocated, allocations of the program that compiles so often.
fn counts(program: &Path, times: u32) -> Result<Vec<u64>> {
    let mut counts = Vec::new();
    // `Collected : 4611`, `Total: 87,136 bytes in 58 blocks`
    for (tool, keep, words) in [
        ("callgrind", "--callgrind-out-file=/dev/null", "Collected :"),
        ("dhat", "--dhat-out-file=/dev/null", "Total:"),
    ] {
        let mut command = Command::new("valgrind");
        command.arg(format!("--tool={tool}")).arg(keep).arg(program).arg("compile").arg(times.to_string());
        let output = command.output().context(|| "valgrind".into())?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line =
            text.lines().find_map(|line| line.split_once(words)).map(|(_, rest)| rest.replace(',', ""));
        counts
            .extend(line.unwrap_or_default().split_whitespace().filter_map(|word| word.parse::<u64>().ok()));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_from_straces_line() {
        let line = "7 seccomp(0x1, 0x4, {len=3, filter=[BPF_STMT(0|0|0x20, 0x10), BPF_JUMP(0x5|0|0x10, 0x7, 0, 0x1), BPF_STMT(0x6|0, 0x7fff0000)]}) = 0";
        let program = read(line).unwrap();
        assert_eq!(program, [(0x20, 0, 0, 16), (0x15, 0, 1, 7), (6, 0, 0, 0x7fff_0000)]);
        assert_eq!(bytes(&program).len(), 24);
        assert_eq!(depth(&program), (0, 3));
        assert!(read("7 seccomp(0x1, 0x4, NULL) = -1 EFAULT (Bad address)").is_none());
    }
}

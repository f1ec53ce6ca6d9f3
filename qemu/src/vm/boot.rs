//! Runs QEMU on a kernel and an initramfs: console, time limits, and what the guest said.
//!
//! Owns the QEMU command line and the reading of guest.rs's lines. A guest's processors share one thread of the emulator: with a thread each its kernel
//! has panicked where it patches code. Emulation unless a quick probe shows that KVM really runs a guest.

use super::guest::MARK;
use crate::host::{self, Context, Error, Result};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The emulator's program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// A guest that says nothing for this long hangs: no single test takes as long.
const SILENCE: Duration = Duration::from_secs(660);

/// A KVM guest that prints its first line later than this does not work (a machine was seen where it never does).
const PROBE: Duration = Duration::from_secs(6);

/// Memory on a node of its own, beside the node that has all else, so that a set of one of them is a limit.
const SECOND_NODE_MIB: u32 = 64;

/// What SeaBIOS prints before the kernel's first line.
const FIRMWARE: &[&str] = &["SeaBIOS", "iPXE", "Booting from"];

/// One boot.
pub struct Machine<'a> {
    pub kernel: &'a Path,
    pub initramfs: &'a Path,
    /// A virtio disk. What the guest writes to it is thrown away.
    pub disk: Option<&'a Path>,
    /// A second one, or the first: space that tests may fill and limit. The guest finds it by its serial number, [`SCRATCH`].
    pub scratch: Option<&'a Path>,
    /// Added to the console and quietness that every guest gets.
    pub command_line: &'a str,
    pub memory_mib: u32,
    pub processors: u8,
}

/// Serial number of the disk for tests (tests/harness/host.rs looks for it).
const SCRATCH: &str = "scratch";

/// What became of one program of the guest's plan.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
    pub milliseconds: u64,
    /// Empty when it exited with 0.
    pub status: String,
    /// All that it printed.
    pub output: Vec<String>,
}

/// The part of a line that says that a test did not run, if it is such a line. With one thread libtest has printed the test's name before it.
pub fn skip_of(line: &str) -> Option<&str> {
    let at = if line.starts_with("SKIP ") { 0 } else { line.find(" ... SKIP ")? + " ... ".len() };
    line.get(at..)
}

/// A boot that came to its end.
#[derive(Debug, Default)]
pub struct Report {
    pub outcomes: Vec<Outcome>,
    /// Passed, failed, skipped: the guest's own sum.
    pub verdict: Option<(u32, u32, u32)>,
    /// Things that the guest did without, and what broke.
    pub remarks: Vec<String>,
    /// From QEMU's start to the first program's.
    pub boot: Option<Duration>,
    pub total: Duration,
    /// The console's last lines, for a guest that gave no verdict.
    pub tail: Vec<String>,
}

impl Machine<'_> {
    fn command(&self, accelerator: &str) -> Result<Command> {
        let program =
            host::find_program(PROGRAM).ok_or_else(|| Error::new(format!("{PROGRAM} is not installed")))?;
        let mut command = Command::new(program);
        let accelerator = if accelerator == "tcg" { "tcg,thread=single" } else { accelerator };
        command.args(["-accel", accelerator, "-smp", &self.processors.to_string(), "-m"]);
        command.arg(format!("{}M", self.memory_mib + SECOND_NODE_MIB));
        let processors = format!(",cpus=0-{}", self.processors.saturating_sub(1));
        for (node, mib, rest) in [(0, self.memory_mib, processors.as_str()), (1, SECOND_NODE_MIB, "")] {
            command.args(["-object", &format!("memory-backend-ram,id=node{node},size={mib}M")]);
            command.args(["-numa", &format!("node,nodeid={node},memdev=node{node}{rest}")]);
        }
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs);
        // In this order they are /dev/vda and /dev/vdb.
        let disks = [(self.disk, "root"), (self.scratch, SCRATCH)];
        for (file, name) in disks.iter().filter_map(|(file, name)| file.map(|file| (file, name))) {
            let drive = format!("file={},format=raw,if=none,id={name},snapshot=on", file.display());
            let device = format!("virtio-blk-pci,drive={name},serial={name}");
            command.args(["-drive", &drive, "-device", &device]);
        }
        // A panic ends QEMU (-no-reboot) instead of waiting; random bytes are there at once. The kernel checks at boot that the timer ticks, by
        // counting, and panics on a host that is busy enough to make it miss some.
        let line = format!(
            "console=ttyS0 quiet loglevel=1 panic=-1 random.trust_bootloader=on no_timer_check {}",
            self.command_line
        );
        command.args(["-append", &line]);
        Ok(command)
    }

    /// Boots with the console as this terminal, until the guest powers off.
    pub fn interact(&self) -> Result<()> {
        let mut command = self.command(accelerator(self))?;
        command.args(["-serial", "mon:stdio"]);
        let status = command.status().context(|| PROGRAM.to_owned())?;
        if status.success() { Ok(()) } else { Err(Error::new(format!("{PROGRAM}: {status}"))) }
    }

    /// Boots, reads the console until the guest is off, and returns what it said. `stream` gets every line of the programs as it comes.
    pub fn run(&self, limit: Duration, stream: &mut dyn FnMut(&str)) -> Result<Report> {
        let mut report = Report::default();
        let mut output: Vec<String> = Vec::new();
        let started = Instant::now();
        let ended = self.console(accelerator(self), limit, SILENCE, &mut |line| {
            let Some(words) = line.strip_prefix(MARK) else {
                output.push(line.to_owned());
                stream(line);
                return true;
            };
            match words.split_once(' ').unwrap_or((words, "")) {
                ("begin", _) => {
                    report.boot.get_or_insert_with(|| started.elapsed());
                    output.clear();
                }
                ("end", rest) => report.outcomes.extend(outcome(rest, std::mem::take(&mut output))),
                ("up", _) => {}
                ("verdict", rest) => report.verdict = verdict(rest),
                _ => report.remarks.push(words.to_owned()),
            }
            true
        });
        report.total = started.elapsed();
        if let Err(error) = ended {
            report.remarks.push(error.to_string());
        }
        report.tail = output.split_off(output.len().saturating_sub(30));
        Ok(report)
    }

    /// Boots an image that is not the test image: every line of the console goes to `each`. Returns when the first came that is the image's own: the
    /// kernel is silent and the firmware's lines start with an escape sequence or its name.
    pub fn first_line(&self, limit: Duration, each: &mut dyn FnMut(&str)) -> Result<Duration> {
        let started = Instant::now();
        let mut first = None;
        self.console("tcg", limit, limit, &mut |line| {
            let firmware = line.is_empty()
                || line.starts_with('\u{1b}')
                || FIRMWARE.iter().any(|name| line.contains(name));
            if !firmware {
                first.get_or_insert_with(|| started.elapsed());
                each(line);
            }
            true
        })?;
        first.ok_or_else(|| Error::new("the image printed nothing"))
    }

    /// Boots and hands each console line to `each` until that returns false or QEMU ends. QEMU is gone when this returns.
    pub fn console(
        &self,
        accelerator: &str,
        limit: Duration,
        silence: Duration,
        each: &mut dyn FnMut(&str) -> bool,
    ) -> Result<()> {
        let mut command = self.command(accelerator)?;
        command.args(["-serial", "stdio"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().context(|| PROGRAM.to_owned())?;
        let mut guard = Guard(child);
        let lines = lines(&mut guard.0)?;
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(silence);
            match lines.recv_timeout(left) {
                Ok(line) => {
                    if !each(&line) {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = limit.min(silence).as_secs();
                    return Err(Error::new(format!(
                        "the guest was stopped: nothing heard, or not done, in {seconds} s"
                    )));
                }
            }
        }
        let status = guard.0.wait().context(|| PROGRAM.to_owned())?;
        if status.success() { Ok(()) } else { Err(Error::new(format!("{PROGRAM}: {status}"))) }
    }
}

/// Kills its QEMU on every way out; by the handle, never by name.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended by itself already: then there is nothing to kill.
        self.0.kill().unwrap_or_default();
        if let Err(error) = self.0.wait() {
            eprintln!("{PROGRAM}: {error}");
        }
    }
}

fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let stdout = child.stdout.take().ok_or_else(|| Error::new(format!("{PROGRAM}: no stdout")))?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(std::result::Result::ok) {
            let text = String::from_utf8_lossy(&line);
            // The firmware leaves escape sequences before the kernel's first line.
            let text = text.trim_end_matches('\r');
            let text = text.find(MARK).and_then(|at| text.get(at..)).unwrap_or(text);
            if sender.send(text.to_owned()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

fn outcome(words: &str, output: Vec<String>) -> Option<Outcome> {
    let mut fields = words.split(' ');
    let name = fields.next()?.to_owned();
    let passed = fields.next()?.parse().ok()?;
    let failed = fields.next()?.parse().ok()?;
    let skipped = fields.next()?.parse().ok()?;
    let milliseconds = fields.next()?.parse().ok()?;
    let status = fields.next().unwrap_or_default().to_owned();
    Some(Outcome { name, passed, failed, skipped, milliseconds, status, output })
}

fn verdict(words: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = words.split(' ').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// "kvm" where a guest was seen to start with it, else "tcg". The answer is kept until this machine is booted again.
fn accelerator(machine: &Machine<'_>) -> &'static str {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let answers = host::target_directory().join("vm/accelerator");
    let known = std::fs::read_to_string(&answers).unwrap_or_default();
    if let Some(answer) = known.strip_prefix(boot.trim()) {
        return if answer.trim() == "kvm" { "kvm" } else { "tcg" };
    }
    let answer = if probe(machine) { "kvm" } else { "tcg" };
    if let Err(error) = std::fs::write(&answers, format!("{} {answer}\n", boot.trim())) {
        eprintln!("{}: {error}", answers.display());
    }
    answer
}

fn probe(machine: &Machine<'_>) -> bool {
    if std::fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return false;
    }
    let mut alive = false;
    let probe = machine.console("kvm", PROBE, PROBE, &mut |line| {
        alive |= line.starts_with(MARK);
        !alive
    });
    if !alive {
        let reason = probe.err().map(|error| error.to_string()).unwrap_or_default();
        eprintln!("vm: /dev/kvm is there and runs no guest in {} s: emulating ({reason})", PROBE.as_secs());
    }
    alive
}

/// Writes `data` to `file` below target/vm and returns its path.
pub fn artifact(file: &str, data: &[u8]) -> Result<PathBuf> {
    let path = host::target_directory().join("vm").join(file);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).context(|| format!("make {}", directory.display()))?;
    }
    let mut output = std::fs::File::create(&path).context(|| format!("create {}", path.display()))?;
    output.write_all(data).context(|| format!("write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_seen_wherever_libtest_put_it() {
        assert_eq!(skip_of("SKIP a: no disk"), Some("SKIP a: no disk"));
        assert_eq!(skip_of("test a ... SKIP a: no disk"), Some("SKIP a: no disk"));
        assert_eq!(skip_of("test a ... ok"), None);
    }

    #[test]
    fn the_guests_lines_are_read_back() {
        let read = outcome("lifecycle 5 1 2 1234 exit-101", vec!["x".to_owned()]).unwrap();
        assert_eq!((read.passed, read.failed, read.skipped, read.milliseconds), (5, 1, 2, 1234));
        assert_eq!((read.name.as_str(), read.status.as_str()), ("lifecycle", "exit-101"));
        assert!(outcome("lifecycle 5", Vec::new()).is_none());
        assert_eq!(verdict("7 0 1"), Some((7, 0, 1)));
        assert_eq!(verdict("7 0"), None);
    }
}

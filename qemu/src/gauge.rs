//! The instruments of bench and budget: the meter program, the private view of the machine that every measured command
//! runs in, one measurement, and the count of system calls.
//!
//! It decides nothing about what is good enough. Called by bench, budget and demo.

use crate::bundle;
use crate::host::{self, Context, Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One run of one command.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    /// Milliseconds from fork to the end of wait.
    pub wall: f64,
    /// Milliseconds of processor time, of the command and of what it waited for.
    pub cpu: f64,
    /// KiB, as the kernel counts it (in batches: see tests/bench/meter.rs).
    pub resident: u64,
}

/// A place to measure in: the meter's programs and bundles below target/bench, and a state directory.
pub struct Gauge {
    /// target/bench.
    pub directory: PathBuf,
}

/// Set in the environment of the process that already has the private view.
const INSIDE: &str = "RUNLET_BENCH_INSIDE";

/// Starts this program again as `command` in a mount namespace of its own, where /sys/fs/cgroup is the machine's cgroup2
/// and nothing that is mounted stays behind. Returns None in the process that is already inside.
///
/// # Errors
/// Not root, no unshare(1), or the inner program's failure.
pub fn enter(command: &str, arguments: &[String]) -> Result<Option<()>> {
    if inside() {
        return Ok(None);
    }
    if !host::is_root() {
        return Err(Error::new("only root can make the view of the machine that is measured in"));
    }
    let program = std::env::current_exe().context(|| "find this program".into())?;
    host::run(
        Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(program)
            .arg(command)
            .args(arguments)
            .env(INSIDE, "1"),
    )
    .map(Some)
}

/// Whether this process already has the private view.
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

impl Gauge {
    /// Builds the meter and, in the private view, mounts the tmpfs for state and cgroup2 over a hybrid host's hierarchies.
    ///
    /// # Errors
    /// A file that cannot be written, a compiler or a mount that fails.
    pub fn new() -> Result<Self> {
        let gauge = Gauge { directory: host::target_directory().join("bench") };
        let meter = gauge.meter()?;
        let rootfs = gauge.directory.join("rootfs");
        for place in ["bin", "proc", "dev", "sys"] {
            let place = rootfs.join(place);
            std::fs::create_dir_all(&place).context(|| format!("make {}", place.display()))?;
        }
        for name in ["true", "pause"] {
            let file = rootfs.join("bin").join(name);
            std::fs::copy(&meter, &file).context(|| format!("copy to {}", file.display()))?;
        }
        for name in ["floor", "peak", "filter"] {
            let file = gauge.directory.join(name);
            std::fs::copy(&meter, &file).context(|| format!("copy to {}", file.display()))?;
        }
        if Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists() {
            host::run(Command::new("mount").args(["--bind", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]))?;
        }
        // Where state lies on any machine. In /tmp, where a checkout may be, a directory is judged by two calls rather than one.
        host::run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]))?;
        let state = gauge.state();
        std::fs::create_dir_all(&state).context(|| format!("make {}", state.display()))?;
        Ok(gauge)
    }

    /// The state directories' parent, on a tmpfs.
    pub fn state(&self) -> PathBuf {
        PathBuf::from("/run/bench")
    }

    /// Three bundles in the one root file system that all share: a plain `true`, one with `profile`, and one that waits.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn bundles(&self, profile: &str, device_rules: bool) -> Result<[String; 3]> {
        let rootfs = self.directory.join("rootfs").display().to_string();
        let make = |name: &str, program: &str, seccomp: Option<&str>| -> Result<String> {
            let directory =
                self.directory.join(if device_rules { "bundles" } else { "no-device-rules" }).join(name);
            let no_device_rules = !device_rules;
            let args = &[program];
            let rootfs = rootfs.as_str();
            bundle::write(
                &directory,
                &bundle::Options { args, rootfs, seccomp, no_device_rules, ..Default::default() },
            )?;
            Ok(directory.display().to_string())
        };
        Ok([
            make("plain", "/bin/true", None)?,
            make("seccomp", "/bin/true", Some(profile))?,
            make("paused", "/bin/pause", None)?,
        ])
    }

    /// Runs `program` once under the meter.
    ///
    /// # Errors
    /// It did not start, or its exit status is not 0: then what it said is in the error.
    pub fn sample(&self, program: &Path, arguments: &[&str]) -> Result<Sample> {
        let numbers = self.under("meter", program, arguments)?;
        match numbers[..] {
            [wall, cpu, resident, _] => {
                Ok(Sample { wall: wall as f64 / 1e6, cpu: cpu as f64 / 1e3, resident })
            }
            _ => Err(Error::new("the meter wrote no line")),
        }
    }

    /// KiB of `program` that are in memory as it exits.
    ///
    /// # Errors
    /// As [`Gauge::sample`].
    pub fn peak(&self, program: &Path, arguments: &[&str]) -> Result<u64> {
        match self.under("peak", program, arguments)?[..] {
            [resident, _] => Ok(resident),
            _ => Err(Error::new("the meter wrote no line")),
        }
    }

    /// Number of system calls of `program` and everything that it starts, the container's program among them.
    ///
    /// # Errors
    /// strace is missing, or the program failed.
    pub fn system_calls(&self, program: &Path, arguments: &[&str]) -> Result<Vec<String>> {
        let file = self.directory.join("strace.out");
        // strace's own fork happens before its first execve, so every line is the program's.
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&file).arg(program).args(arguments);
        host::output(&mut command)?;
        let text = std::fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
        let calls = text.lines().filter(|line| !line.contains(" resumed>") && !line.contains("+++ "));
        Ok(calls.map(str::to_owned).collect())
    }

    /// The same for a program that ends while what it has started waits, as `create` does: what both have called by then. The
    /// tracer goes on until the rest has ended, too, and is then to be waited for.
    ///
    /// # Errors
    /// As [`Gauge::system_calls`], or it does not come to wait within a minute.
    pub fn system_calls_until_it_waits(&self, program: &Path, arguments: &[&str]) -> Result<(usize, Child)> {
        let file = self.directory.join("strace-waits.out");
        let _ = std::fs::remove_file(&file); // of an earlier run
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&file).arg(program).args(arguments);
        let mut tracer =
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context(|| "start strace".into())?;
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let runtime = text.split_whitespace().next().unwrap_or_default().to_owned();
            let of = |line: &str| line.split_whitespace().next().map(str::to_owned);
            let ended =
                text.lines().any(|line| of(line).as_ref() == Some(&runtime) && line.contains(" exit_group("));
            let last = text.lines().rev().find(|line| of(line).as_ref() != Some(&runtime));
            if ended && last.is_some_and(|line| line.contains(" read(")) {
                let calls = text.lines().filter(|line| !line.contains(" resumed>") && !line.contains("+++ "));
                return Ok((calls.count(), tracer));
            }
        }
        tracer.kill().and_then(|()| tracer.wait()).context(|| "end strace".into())?;
        Err(Error::new(format!("{} {}: did not come to wait", program.display(), arguments.join(" "))))
    }

    fn under(&self, tool: &str, program: &Path, arguments: &[&str]) -> Result<Vec<u64>> {
        let line = self.state().join("line");
        let errors = self.state().join("stderr");
        let file = std::fs::File::create(&errors).context(|| format!("create {}", errors.display()))?;
        let mut command = Command::new(self.directory.join(tool));
        command.arg(&line).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let status = command.status().context(|| format!("start {tool}"))?;
        let text = std::fs::read_to_string(&line).unwrap_or_default();
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if status.success() && numbers.last() == Some(&0) {
            return Ok(numbers);
        }
        let said = std::fs::read_to_string(&errors).unwrap_or_default();
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Err(Error::new(format!("{name} {}: {}", arguments.join(" "), said.trim())))
    }

    /// Compiles tests/bench/meter.rs, static where the machine can.
    fn meter(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.directory).context(|| format!("make {}", self.directory.display()))?;
        let source = host::workspace().join("tests/bench/meter.rs");
        let file = self.directory.join("meter");
        let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        if modified(&file) > modified(&source) {
            return Ok(file);
        }
        let compile = |extra: &[&str]| {
            let mut command = Command::new("rustc");
            command.args([
                "--edition",
                "2024",
                "-Copt-level=3",
                "-Cpanic=abort",
                "-Clto=fat",
                "-Cstrip=symbols",
            ]);
            host::output(command.args(extra).arg("-o").arg(&file).arg(&source)).map(|_| ())
        };
        compile(&["--target", crate::dist::NATIVE])
            .or_else(|_| compile(&["-Ctarget-feature=+crt-static"]))?;
        Ok(file)
    }
}

/// Waits until the process in `pid_file` is gone or a zombie, so that `delete` sees a stopped container.
///
/// # Errors
/// No such file, or the process lives on after a minute.
pub fn wait_for_end(pid_file: &str) -> Result<()> {
    let pid = std::fs::read_to_string(pid_file).context(|| format!("read {pid_file}"))?;
    let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let end = Instant::now() + Duration::from_secs(60);
    while let Ok(text) = std::fs::read_to_string(&stat) {
        let state = text.rsplit(") ").next().and_then(|rest| rest.chars().next());
        if state == Some('Z') {
            break;
        }
        if Instant::now() > end {
            return Err(Error::new(format!("{} did not die of KILL", pid.trim())));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// The runtime under test: `RUNLET`, else what dist made.
pub fn program() -> PathBuf {
    std::env::var_os("RUNLET").map_or_else(|| host::target_directory().join("dist/runlet"), PathBuf::from)
}

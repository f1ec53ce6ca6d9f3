//! The guest's init: the same program as the host tool, started by the kernel as /init.
//!
//! Mounts the table, runs the plan, prints one verdict, powers off. It decides nothing about what is tested: the host wrote /vm/plan. It works with
//! nothing but its own file: no /proc, no /dev, no shell. Everything for the host goes to the console in lines that start with
//! [`MARK`]; boot.rs reads them.

use super::boot::skip_of;
use super::environment::{self, Cgroups, ENVIRONMENTS, Environment, MOUNTS, ROOTS, Root, RootKind};
use crate::host::{Context, Error, Result};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_move};
use rustix::process::{Pid, WaitOptions, wait};
use rustix::system::{RebootCommand, finit_module, reboot};
use std::ffi::CString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Opens every line that is meant for the host.
pub const MARK: &str = "@@vm ";

/// Where the host's half put the list of programs: one a line, `seconds TAB name TAB program TAB argument…`.
pub const PLAN: &str = "/vm/plan";

/// The SELinux policy of a guest that has one.
pub const POLICY: &str = "/vm/selinux";

/// Descriptors that a process of the guest may have.
const OPEN_FILES: u64 = 4096;

/// The plan of a guest for a person: no programs, a prompt.
pub const SHELL: &str = "shell";

/// Pid 1. Never returns: the machine is powered off.
pub fn init() -> ! {
    if std::env::var_os("vm_stage").is_none() {
        say("up");
    }
    if let Err(error) = boot() {
        say(&format!("broken {error}"));
    }
    rustix::fs::sync();
    // Without power-off in the firmware the kernel halts; the host's time limit ends that.
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        say(&format!("broken power off: {error}"));
    }
    loop {
        std::thread::park();
    }
}

fn say(text: &str) {
    // Nobody is left to tell when the console is gone; the host then sees a guest without a verdict.
    writeln!(std::io::stdout(), "{MARK}{text}").unwrap_or_default();
}

fn boot() -> Result<()> {
    // The kernel hands `name=value` words that it does not know to init's environment.
    let word = |name: &str| std::env::var(name).unwrap_or_default();
    let root = environment::find("root", ROOTS, &word("vm_root"), |row| row.name).map_err(Error::new)?;
    let environment = environment::find("environment", ENVIRONMENTS, &word("vm_env"), |row| row.name)
        .map_err(Error::new)?;
    if word("vm_stage") == "service" {
        // Another init is pid 1 and has mounted everything; its services' output may go to a journal.
        let console = std::fs::File::options().write(true).open("/dev/console");
        let console = console.context(|| "open /dev/console".to_owned())?;
        rustix::stdio::dup2_stdout(&console).context(|| "dup the console".to_owned())?;
        rustix::stdio::dup2_stderr(&console).context(|| "dup the console".to_owned())?;
        return run_plan(&word("vm_plan"), root, environment);
    }
    let mut plan = word("vm_plan");
    if plan.is_empty() {
        plan = std::fs::read_to_string(PLAN).context(|| format!("read {PLAN}"))?;
    }
    if word("vm_stage").is_empty() {
        load_modules()?;
        match root.kind {
            RootKind::Initramfs => {}
            RootKind::Moved => {
                attach("tmpfs", "/newroot", "tmpfs", MountFlags::empty(), "mode=0755")?;
                copy_tree(Path::new("/"), Path::new("/newroot"))?;
                return enter_new_root(&plan, &["/init"]);
            }
            RootKind::Disk(kind) => {
                mount_disk(kind, MountFlags::RDONLY)?;
                return enter_new_root(&plan, &["/init"]);
            }
            RootKind::Systemd => {
                mount_disk("ext4", MountFlags::empty())?;
                // This root can be written: what tests load later goes with it.
                let later = Path::new("/newroot/vm/later");
                std::fs::create_dir_all(later).context(|| format!("make {}", later.display()))?;
                copy_tree(Path::new("/vm/later"), later)?;
                let unit = format!("--unit={}", super::debian::UNIT);
                return enter_new_root(&plan, &["/usr/lib/systemd/systemd", &unit]);
            }
        }
    }
    prepare(root, environment)?;
    // Init has 1024 (include/uapi/linux/fs.h, INR_OPEN_CUR); a caller that leaks descriptors has more.
    let limit = rustix::process::Rlimit { current: Some(OPEN_FILES), maximum: Some(OPEN_FILES) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .context(|| "raise the limit of open files".to_owned())?;
    if plan.trim() == SHELL {
        return prompt(root, environment);
    }
    if let [init, arguments @ ..] = environment.init {
        // The plan's process is started first and becomes the real init's child when that takes this one's place.
        let mut child = Command::new("/init");
        child
            .env("vm_stage", "service")
            .env("vm_plan", &plan)
            .spawn()
            .context(|| "start the plan".to_owned())?;
        let error = Command::new(init).args(arguments).exec();
        return Err(Error::new(format!("exec {init}: {error}")));
    }
    run_plan(&plan, root, environment)
}

fn mount_disk(kind: &str, flags: MountFlags) -> Result<()> {
    attach("devtmpfs", "/dev", "devtmpfs", MountFlags::empty(), "")?;
    attach("/dev/vda", "/newroot", kind, flags, "")?;
    rustix::mount::unmount("/dev", rustix::mount::UnmountFlags::DETACH).context(|| "unmount /dev".to_owned())
}

/// As switch_root: the new root over the old one, and `program` from there, still as pid 1.
fn enter_new_root(plan: &str, program: &[&str]) -> Result<()> {
    std::env::set_current_dir("/newroot").context(|| "chdir /newroot".to_owned())?;
    mount_move(".", "/").context(|| "move /newroot to /".to_owned())?;
    rustix::process::chroot(".").context(|| "chroot to the new root".to_owned())?;
    std::env::set_current_dir("/").context(|| "chdir /".to_owned())?;
    let name = program.first().copied().unwrap_or_default();
    let mut command = Command::new(name);
    command.args(program.get(1..).unwrap_or_default()).env("vm_stage", "2").env("vm_plan", plan);
    Err(Error::new(format!("exec {name}: {}", command.exec())))
}

fn load_modules() -> Result<()> {
    let Ok(entries) = std::fs::read_dir("/vm/modules") else { return Ok(()) };
    let mut files: Vec<_> = entries.filter_map(std::result::Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    for path in files {
        let file = std::fs::File::open(&path).context(|| format!("open {}", path.display()))?;
        match finit_module(&file, c"", 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::new(format!("load {}: {error}", path.display()))),
        }
    }
    Ok(())
}

fn attach(source: &str, target: &str, kind: &str, flags: MountFlags, data: &str) -> Result<()> {
    let what = || format!("mount {kind} at {target}");
    // On a read-only root the directory is there already.
    if !Path::new(target).is_dir() {
        std::fs::create_dir_all(target).context(what)?;
    }
    let data = CString::new(data).context(what)?;
    mount(source, target, kind, flags, &*data).context(what)
}

fn prepare(root: &Root, environment: &Environment) -> Result<()> {
    let read_only = matches!(root.kind, RootKind::Disk(_));
    let absent = |target: &str| {
        environment
            .without
            .iter()
            .any(|top| target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    for row in MOUNTS.iter().filter(|row| !absent(row.target) && (read_only || !row.only_read_only_root)) {
        attach(row.kind, row.target, row.kind, MountFlags::empty(), row.data)?;
    }
    if absent("/dev") {
        // This program's own console stays open; by name nothing is left.
        for entry in std::fs::read_dir("/dev").context(|| "list /dev".to_owned())? {
            let path = entry.context(|| "list /dev".to_owned())?.path();
            std::fs::remove_file(&path).context(|| format!("remove {}", path.display()))?;
        }
    } else {
        for (name, target) in
            [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
        {
            std::os::unix::fs::symlink(target, Path::new("/dev").join(name))
                .context(|| format!("link /dev/{name}"))?;
        }
    }
    if !absent("/sys") {
        cgroups(environment.cgroups)?;
    }
    if environment.name == environment::SELINUX {
        load_policy()?;
    }
    rustix::system::sethostname(b"guest").context(|| "set the hostname".to_owned())
}

/// This process and all that come of it are in the domain of the policy's initial SID "kernel" from then on.
fn load_policy() -> Result<()> {
    attach("selinuxfs", "/sys/fs/selinux", "selinuxfs", MountFlags::empty(), "")?;
    let policy = std::fs::read(POLICY).context(|| format!("read {POLICY}"))?;
    // The kernel wants the whole of it in one write, as this is.
    std::fs::write("/sys/fs/selinux/load", policy).context(|| "load the SELinux policy".to_owned())
}

const CGROUP: &str = "/sys/fs/cgroup";

/// Version 1 hierarchies as distributions mount them; what a kernel lacks is left out.
const HIERARCHIES: &[&str] = &[
    "cpuset",
    "cpu,cpuacct",
    "memory",
    "devices",
    "freezer",
    "net_cls,net_prio",
    "blkio",
    "perf_event",
    "hugetlb",
    "pids",
    "rdma",
    "misc",
];

fn cgroups(kind: Cgroups) -> Result<()> {
    match kind {
        Cgroups::Absent => Ok(()),
        Cgroups::Two => {
            attach("cgroup2", CGROUP, "cgroup2", MountFlags::empty(), "nsdelegate")?;
            let controllers = format!("{CGROUP}/cgroup.controllers");
            let controllers =
                std::fs::read_to_string(&controllers).context(|| format!("read {controllers}"))?;
            let file = format!("{CGROUP}/cgroup.subtree_control");
            for controller in controllers.split_whitespace() {
                std::fs::write(&file, format!("+{controller}")).context(|| format!("enable {controller}"))?;
            }
            Ok(())
        }
        Cgroups::One | Cgroups::Hybrid => {
            attach("tmpfs", CGROUP, "tmpfs", MountFlags::empty(), "mode=0755")?;
            for controllers in HIERARCHIES {
                let directory = format!("{CGROUP}/{controllers}");
                if let Err(error) = attach("cgroup", &directory, "cgroup", MountFlags::empty(), controllers) {
                    std::fs::remove_dir(&directory).context(|| format!("remove {directory}"))?;
                    say(&format!("without {controllers}: {error}"));
                    continue;
                }
                if controllers.contains(',') {
                    for one in controllers.split(',') {
                        std::os::unix::fs::symlink(controllers, format!("{CGROUP}/{one}"))
                            .context(|| format!("link {one}"))?;
                    }
                }
            }
            attach(
                "cgroup",
                &format!("{CGROUP}/systemd"),
                "cgroup",
                MountFlags::empty(),
                "none,name=systemd",
            )?;
            if kind == Cgroups::Hybrid {
                let unified = format!("{CGROUP}/unified");
                attach("cgroup2", &unified, "cgroup2", MountFlags::empty(), "nsdelegate")?;
            }
            Ok(())
        }
    }
}

/// Every file of the initramfs but what is mounted.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("copy {}", from.display());
    for entry in std::fs::read_dir(from).context(what)? {
        let entry = entry.context(what)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().context(what)?;
        if source == Path::new("/newroot") {
            continue;
        }
        if kind.is_dir() {
            std::fs::create_dir(&target).context(what)?;
            let mode = entry.metadata().context(what)?.permissions();
            copy_tree(&source, &target)?;
            std::fs::set_permissions(&target, mode).context(what)?;
        } else if kind.is_symlink() {
            let link = std::fs::read_link(&source).context(what)?;
            std::os::unix::fs::symlink(link, &target).context(what)?;
        } else if kind.is_file() {
            std::fs::copy(&source, &target).context(what)?;
        }
        // Device nodes are left: devtmpfs brings them.
    }
    Ok(())
}

fn prompt(root: &Root, environment: &Environment) -> Result<()> {
    // setsid and cttyhack give the shell the console as its controlling terminal, so that job control and ^C work.
    let shell = ["setsid", "cttyhack", "/bin/sh", "-l"];
    let mut command = Command::new("/bin/busybox");
    command.args(shell).env_clear().envs(variables(root.name, environment.name));
    let child = command.spawn().context(|| "start /bin/sh".to_owned())?;
    wait_for(child.id(), None).map(drop)
}

fn variables(root: &str, environment: &str) -> Vec<(&'static str, String)> {
    let fixed = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("TERM", "linux"),
        ("TMPDIR", "/tmp"),
        ("RUNLET", "/bin/runlet"),
        ("PAYLOAD", "/bin/payload"),
        ("RUST_TEST_THREADS", "1"),
    ];
    let mut all: Vec<_> = fixed.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    all.push(("RUNLET_VM_ROOT", root.to_owned()));
    all.push(("RUNLET_VM_ENV", environment.to_owned()));
    all
}

/// What became of one program of the plan.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

fn run_plan(plan: &str, root: &Root, environment: &Environment) -> Result<()> {
    let mut total = Tally::default();
    for line in plan.lines() {
        let mut fields = line.split('\t');
        let (Some(seconds), Some(name), Some(program)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(Error::new(format!("{PLAN}: {line:?}: too few fields")));
        };
        let seconds = seconds.parse().context(|| format!("{PLAN}: {line:?}"))?;
        say(&format!("begin {name}"));
        let started = Instant::now();
        let mut command = Command::new(program);
        command.args(fields).env_clear().envs(variables(root.name, environment.name));
        let (status, lines) = run(&mut command, Duration::from_secs(seconds))?;
        let tally = tally(status.as_deref(), &lines);
        let (passed, failed, skipped) = (tally.passed, tally.failed, tally.skipped);
        let status = status.unwrap_or_default().replace(' ', "-");
        let milliseconds = started.elapsed().as_millis();
        say(&format!("end {name} {passed} {failed} {skipped} {milliseconds} {status}"));
        total.passed += passed;
        total.failed += failed;
        total.skipped += skipped;
    }
    say(&format!("verdict {} {} {}", total.passed, total.failed, total.skipped));
    Ok(())
}

/// Runs one program with its output copied to the console. The status is none when it exited with 0, else a sentence.
fn run(command: &mut Command, limit: Duration) -> Result<(Option<String>, Vec<String>)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let what = || format!("run {name}");
    let (reader, writer) = std::io::pipe().context(what)?;
    // An empty pipe is the standard input: there may be no /dev/null.
    let (input, _) = std::io::pipe().context(what)?;
    command.stdin(input).stdout(writer.try_clone().context(what)?).stderr(writer);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok((Some(format!("cannot start: {error}")), Vec::new())),
    };
    // The command holds this end of the pipe: without it the reader sees the end when the last process is gone.
    command.stdin(std::process::Stdio::inherit()).stdout(std::process::Stdio::inherit());
    command.stderr(std::process::Stdio::inherit());
    let lines = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&lines);
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(std::result::Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            writeln!(std::io::stdout(), "{line}").unwrap_or_default();
            if let Ok(mut lines) = shared.lock() {
                lines.push(line);
            }
        }
    });
    let status = wait_for(child.id(), Some(limit))?;
    // A container that was left running holds the pipe: its output after this point is lost, not waited for.
    let patience = Instant::now() + Duration::from_secs(20);
    while !reading.is_finished() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    let lines = lines.lock().map(|lines| lines.clone()).unwrap_or_default();
    Ok((status, lines))
}

/// Reaps everything that ends, as pid 1 must, until `pid` has. After `limit` it is killed, by pid 1 with everything else.
fn wait_for(pid: u32, limit: Option<Duration>) -> Result<Option<String>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut late = false;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((ended, status))) => {
                if Some(ended) == pid {
                    return Ok(match (late, status.exit_status(), status.terminating_signal()) {
                        (true, ..) => Some("still ran at its time limit".to_owned()),
                        (_, Some(0), _) => None,
                        (_, Some(code), _) => Some(format!("exit {code}")),
                        (_, _, signal) => Some(format!("signal {}", signal.unwrap_or_default())),
                    });
                }
                continue;
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::new(format!("wait: {error}"))),
        }
        if !late && deadline.is_some_and(|deadline| Instant::now() > deadline) {
            late = true;
            // Signal 9 to process -1: all that is not pid 1.
            Command::new("/bin/busybox")
                .args(["kill", "-9", "-1"])
                .spawn()
                .context(|| "kill all".to_owned())?;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Counts a test binary's own closing lines; a program without any is one test.
fn tally(status: Option<&str>, lines: &[String]) -> Tally {
    let mut total = Tally::default();
    let mut closed = false;
    // libtest counts a test that says SKIP and returns as passed.
    let mut early = 0;
    for line in lines {
        if let Some(counts) = line.strip_prefix("test result: ") {
            closed = true;
            total.passed += count(counts, "passed");
            total.failed += count(counts, "failed");
            total.skipped += count(counts, "ignored");
        } else if skip_of(line).is_some() {
            early += 1;
        }
    }
    total.skipped += early;
    total.passed = total.passed.saturating_sub(early);
    match (status.is_some(), closed) {
        (false, true) => {}
        (false, false) => total.passed += 1,
        // A binary that died in the middle has failed even if all that it told was good.
        (true, _) => total.failed = total.failed.max(1),
    }
    total
}

/// The number before `word` in libtest's "ok. 5 passed; 0 failed; 2 ignored; …".
fn count(text: &str, word: &str) -> u32 {
    let words: Vec<&str> = text.split([' ', ';']).filter(|part| !part.is_empty()).collect();
    words
        .windows(2)
        .find(|pair| pair.get(1) == Some(&word))
        .and_then(|pair| pair.first()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_test_binary_is_counted_by_its_own_closing_line() {
        let output = lines(
            "running 8 tests\nSKIP a: no disk\ntest result: FAILED. 5 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out",
        );
        assert_eq!(tally(Some("exit 101"), &output), Tally { passed: 4, failed: 1, skipped: 3 });
    }

    #[test]
    fn a_plain_program_is_one_test_and_a_death_is_a_failure() {
        assert_eq!(tally(None, &lines("hello")), Tally { passed: 1, ..Tally::default() });
        assert_eq!(tally(Some("exit 1"), &[]), Tally { failed: 1, ..Tally::default() });
        let good = lines("test result: ok. 3 passed; 0 failed; 0 ignored");
        assert_eq!(tally(Some("signal 11"), &good), Tally { passed: 3, failed: 1, skipped: 0 });
    }
}

//! A view: private mount, network, pid, ipc, uts and cgroup namespaces in which one caller runs with daemons, state and a cgroup
//! tree of its own. Nothing of the machine is reached or changed: the v1 hierarchies of a hybrid machine are unmounted in the private
//! mount namespace only, and killing the view's pid 1 ends everything that the caller left behind.
//!
//! The stages re-execute this program through util-linux's `unshare`, so no unsafe code is needed:
//! outer (makes the cgroup) -> enter (joins it; unshare -C) -> leaf (moves to a leaf below, so that the view's root may hand
//! controllers down; unshare of the rest) -> init (pid 1: mounts, then reaps) -> steps.

use crate::Runtime;
use crate::command;
use crate::report::{self, Outcome, Row};
use rustix::process::{WaitOptions, waitpid};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The first argument of every stage but the outer.
pub const STAGE: &str = "--view-stage";

/// A caller's whole flow with one runtime that takes longer than this has hung. It takes some ten seconds, under emulation some hundred.
const LIMIT: Duration = Duration::from_secs(900);

/// The view's own directory, on a tmpfs of the view.
pub const HOME: &str = "/run/view";

/// Why no view can be made here, if none can.
pub fn unavailable(tools: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root".into());
    }
    if let Some(missing) = tools.iter().find(|tool| command::find(tool).is_none()) {
        return Some(format!("{missing} is not installed"));
    }
    let probe = Group::make("probe", "none").map(Group::remove);
    let unshare = || tool("unshare", &["-m", "-n", "-p", "-i", "-u", "-C", "-f", "true"]);
    probe.and_then(|()| unshare()).err()
}

/// Runs one caller with one runtime in a new view and returns its rows.
pub fn run(caller: &str, runtime: &Runtime) -> Vec<Row> {
    let row = |step: &str, outcome| Row {
        caller: caller.into(),
        runtime: runtime.name.into(),
        step: step.into(),
        outcome,
    };
    let group = match Group::make(caller, runtime.name) {
        Ok(group) => group,
        Err(problem) => return vec![row("view", Outcome::Failed(problem))],
    };
    let mut stage = Command::new("setpriv");
    stage.args(["--pdeathsig", "KILL"]).arg(std::env::current_exe().unwrap());
    stage.args([STAGE, "enter"]).arg(&group.path).args([caller, runtime.name]).arg(&runtime.program);
    let mut child = stage.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).ok();
        text
    });
    let deadline = Instant::now() + LIMIT;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            _ if Instant::now() > deadline => break None,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    group.remove();
    child.wait().ok();
    let text = reader.join().unwrap();
    let mut rows = Vec::new();
    for line in text.lines() {
        match report::parse(line) {
            Some((step, outcome)) => rows.push(row(&step, outcome)),
            None => println!("{caller} with {}: {line}", runtime.name),
        }
    }
    match ended {
        None => rows.push(row("view", Outcome::Failed(format!("killed after {} s", LIMIT.as_secs())))),
        Some(status) if !status.success() => rows.push(row("view", Outcome::Failed(status.to_string()))),
        Some(_) => {}
    }
    rows
}

/// The view's cgroup on the machine's cgroup2 hierarchy.
struct Group {
    path: PathBuf,
}

impl Group {
    fn make(caller: &str, runtime: &str) -> Result<Group, String> {
        let root = cgroup2_mount().ok_or("no cgroup2 hierarchy")?;
        if std::env::var_os("CLIENTS_DELEGATE").is_some() {
            let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
            for controller in controllers.split_whitespace() {
                fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"))
                    .map_err(|error| format!("hand down {controller}: {error}"))?;
            }
        }
        let path = root.join(format!("clients-{}-{caller}-{runtime}", std::process::id()));
        fs::create_dir_all(path.join("init")).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Group { path })
    }

    /// Kills what is left in the view and removes its cgroups.
    fn remove(self) {
        for _ in 0..100 {
            fs::write(self.path.join("cgroup.kill"), "1").ok();
            if remove_tree(&self.path) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("left behind: {}", self.path.display());
    }
}

fn remove_tree(directory: &Path) -> bool {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    fs::remove_dir(directory).is_ok()
}

/// Where the machine has cgroup2: alone, or as the second part of a hybrid.
fn cgroup2_mount() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.join("cgroup.controllers").is_file())
}

/// Does a stage before the last; `None` when `arguments` are those of the last.
pub fn earlier_stage(arguments: &[String]) -> Option<ExitCode> {
    let [stage, group, rest @ ..] = arguments else { return Some(ExitCode::from(2)) };
    let myself = std::env::current_exe().unwrap();
    let mut next = match stage.as_str() {
        "enter" => {
            fs::write(format!("{group}/cgroup.procs"), "0").unwrap();
            let mut next = Command::new("unshare");
            next.arg("-C").arg(myself).args([STAGE, "leaf", group]);
            next
        }
        "leaf" => {
            fs::write(format!("{group}/init/cgroup.procs"), "0").unwrap();
            let mut next = Command::new("unshare");
            next.args(["-m", "-n", "-p", "-i", "-u", "-f", "--kill-child", "--mount-proc"]);
            next.arg(myself).args([STAGE, "init", group]);
            next
        }
        "init" => return Some(first_process(group, rest)),
        _ => return None,
    };
    use std::os::unix::process::CommandExt;
    let error = next.args(rest).exec();
    eprintln!("{stage}: {error}");
    Some(ExitCode::from(2))
}

/// Pid 1 of the view: makes its mounts, starts the steps, and reaps everything that is left to it until they end. A conmon that
/// nobody reaped would make Podman wait for it.
fn first_process(group: &str, rest: &[String]) -> ExitCode {
    if let Err(problem) = mounts() {
        println!("view\tfail\t{problem}");
        return ExitCode::SUCCESS;
    }
    let steps =
        Command::new(std::env::current_exe().unwrap()).args([STAGE, "steps", group]).args(rest).spawn();
    let steps = match steps {
        Ok(child) => i32::try_from(child.id()).unwrap(),
        Err(error) => {
            println!("view\tfail\tsteps: {error}");
            return ExitCode::SUCCESS;
        }
    };
    loop {
        match waitpid(None, WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == steps => {
                return if status.exit_status() == Some(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                println!("view\tfail\twait: {error}");
                return ExitCode::SUCCESS;
            }
        }
    }
}

/// Where the checkout is while something is mounted over its place.
const KEPT: &str = "/run/checkout";

fn mounts() -> Result<(), String> {
    tool("umount", &["-R", "/sys/fs/cgroup"])?;
    tool("mount", &["-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"])?;
    // Podman's locks lie in /dev/shm under a name that is the same for all. A checkout in /tmp stays in sight.
    let checkout = env!("CARGO_MANIFEST_DIR");
    for directory in ["/run", "/tmp", "/dev/shm"] {
        let hides = directory == "/tmp" && Path::new(checkout).starts_with(directory);
        if hides {
            fs::create_dir_all(KEPT).map_err(|error| format!("{KEPT}: {error}"))?;
            tool("mount", &["--bind", checkout, KEPT])?;
        }
        tool("mount", &["-t", "tmpfs", "-o", "mode=1777", "tmpfs", directory])?;
        if hides {
            fs::create_dir_all(checkout).map_err(|error| format!("{checkout}: {error}"))?;
            tool("mount", &["--move", KEPT, checkout])?;
        }
    }
    // What callers read and keep below these by default is the machine's own: they get a copy to write on.
    for directory in ["/etc", "/var"] {
        let (upper, work) = (format!("/run/upper{directory}"), format!("/run/work{directory}"));
        for directory in [&upper, &work] {
            fs::create_dir_all(directory).map_err(|error| format!("{directory}: {error}"))?;
        }
        let options = format!("lowerdir={directory},upperdir={upper},workdir={work}");
        tool("mount", &["-t", "overlay", "-o", &options, "overlay", directory])?;
    }
    fs::create_dir_all("/var/tmp").map_err(|error| format!("/var/tmp: {error}"))?;
    tool("chmod", &["1777", "/var/tmp"])?;
    tool("ip", &["link", "set", "lo", "up"])
}

/// Runs one program that must succeed.
pub fn tool(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = command::run(Command::new(program).args(arguments));
    if output.code == 0 { Ok(()) } else { Err(format!("{program} {arguments:?}: {}", output.describe())) }
}

/// Lets `file` below /etc end with `line` too, in this view only.
pub fn extend(file: &str, line: &str) -> Result<(), String> {
    let old = fs::read_to_string(file).unwrap_or_default();
    fs::write(file, format!("{old}{line}\n")).map_err(|error| format!("{file}: {error}"))
}

/// Whether this is a guest of `cargo vm`.
pub fn is_emulated() -> bool {
    std::env::var_os("RUNLET_VM_ENV").is_some()
}

/// What the steps know about the view they are in.
pub struct Inside {
    /// The name that the callers know the runtime by.
    pub runtime: String,
    /// The runtime's program: a copy on the view's tmpfs, which any user may execute.
    pub program: PathBuf,
    /// The controllers that the view's root cgroup hands down.
    controllers: Vec<String>,
    /// In a guest of `cargo vm`, whose emulated processor is some twenty times slower: only what needs its controllers is tried there,
    /// the rest has been seen outside.
    pub emulated: bool,
}

impl Inside {
    /// Copies the runtime into the view and hands its cgroup controllers down.
    pub fn prepare(runtime: &str, program: &Path) -> Result<Inside, String> {
        let text = |error: std::io::Error| error.to_string();
        fs::create_dir_all(format!("{HOME}/bin")).map_err(text)?;
        let copy = PathBuf::from(format!("{HOME}/bin/{runtime}"));
        fs::copy(program, &copy).map_err(|error| format!("{}: {error}", program.display()))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).map_err(text)?;
        let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").map_err(text)?;
        let controllers: Vec<String> = controllers.split_whitespace().map(str::to_owned).collect();
        for controller in &controllers {
            fs::write("/sys/fs/cgroup/cgroup.subtree_control", format!("+{controller}")).map_err(text)?;
        }
        Ok(Inside { runtime: runtime.into(), program: copy, controllers, emulated: is_emulated() })
    }

    /// Whether limits of `controller` can be had in this view.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// What nobody may leave behind once the daemons have ended: processes but pid 1 and this one, and cgroups.
    pub fn leftovers(&self, allowed: &[&str]) -> Result<(), String> {
        let mut found = Vec::new();
        let clean = command::until(command::SOON, "everything gone", || {
            found = processes(allowed);
            found.is_empty()
        });
        clean.map_err(|_| format!("left running: {}", found.join("; ")))
    }
}

fn processes(allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if pid == 1 || pid == std::process::id() {
            continue;
        }
        // A process may end between the listing and the reading: its command line is then empty, as a zombie's is.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.is_empty() || allowed.iter().any(|name| line.contains(name)) {
            continue;
        }
        found.push(format!("{pid} {}", line.trim_end()));
    }
    found
}

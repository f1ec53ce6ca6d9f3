//! What every black-box test stands on: a context that owns a directory, a private mount namespace and a set of container
//! ids, a builder of bundles, a way to call the runtime with a time limit, and the check that the host is left as it was.
//!
//! The runtime under test is `$RUNLET`, any OCI runtime's path, or the binary that cargo built. The test program is
//! `$PAYLOAD`, or `payload` beside the test's own executable, or it is compiled by `rustc` at first use. Nothing else is
//! needed at run time, so the tests also run in a guest that has only busybox.
//!
//! No unsafe code here: what needs it (mount namespaces, ptrace, seccomp shims) is done by tests/payload.
#![allow(dead_code, missing_docs, unused_imports)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod bundle;
pub mod console;
pub mod host;
pub mod mounts;
pub mod payload;

pub use bundle::Bundle;
pub use serde_json::{Value, json};

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Which runtime is under test: some checks are about what only runlet promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Runlet,
    Runc,
    Crun,
    Other,
}

/// A call that takes longer than this has hung.
const CALL_LIMIT: Duration = Duration::from_secs(30);

pub fn runtime_path() -> PathBuf {
    std::env::var_os("RUNLET").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_runlet")), PathBuf::from)
}

/// `--version` of the runtime under test, read once.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let output = Command::new(runtime_path())
            .arg("--version")
            .output()
            .expect("the runtime under test cannot be run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

pub fn kind() -> Kind {
    match version().split_whitespace().next() {
        Some("runlet") => Kind::Runlet,
        Some("runc") => Kind::Runc,
        Some("crun") => Kind::Crun,
        _ => Kind::Other,
    }
}

pub fn is_runlet() -> bool {
    kind() == Kind::Runlet
}

/// Says that a test did not run; past libtest's capture, so that it is seen.
pub fn skip(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIP {name}: {reason}");
}

/// A line for the person who runs the tests, past libtest's capture.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The name of the running test, as libtest names its thread.
pub fn test_name() -> String {
    std::thread::current().name().unwrap_or("test").to_string()
}

/// Skips the running test (by returning from it) with a reason.
#[macro_export]
macro_rules! skip_test {
    ($($reason:tt)*) => {{
        $crate::harness::skip(&$crate::harness::test_name(), &format!($($reason)*));
        return;
    }};
}

/// Leaves a test out on a runtime that is known, for `reason`, not to hold it.
#[macro_export]
macro_rules! not_on {
    ($kind:ident, $($reason:tt)*) => {
        if $crate::harness::kind() == $crate::harness::Kind::$kind {
            $crate::skip_test!($($reason)*);
        }
    };
}

/// The context of a test, or a return from it where it cannot run.
#[macro_export]
macro_rules! context {
    () => {
        match $crate::harness::Context::new() {
            Some(context) => context,
            None => return,
        }
    };
}

/// What a call of the runtime gave.
#[derive(Debug, Clone)]
pub struct Output {
    pub command: String,
    /// Exit status, or 128 + signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    stdout_path: PathBuf,
    stderr_path: PathBuf,
}

impl Output {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == 0, "should succeed: {}", self.describe());
        self
    }

    #[track_caller]
    pub fn status(self, code: i32) -> Self {
        assert!(self.code == code, "should end with {code}: {}", self.describe());
        self
    }

    /// Fails in the orderly way: an exit status, not a signal, and something on stderr.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code != 0, "should fail: {}", self.describe());
        // 255 is what a failing exec gives.
        assert!(self.code < 128 || self.code == 255, "should fail in order, not crash: {}", self.describe());
        assert!(!self.stderr.trim().is_empty(), "should say why it failed: {}", self.describe());
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "stderr should have {words:?}: {}", self.describe());
        self
    }

    /// Fails with the words that callers search for when a container is missing; crun has others.
    #[track_caller]
    pub fn says_missing(self) -> Self {
        let output = self.fails();
        assert!(
            kind() == Kind::Crun || output.stderr.contains("container does not exist"),
            "{}",
            output.describe()
        );
        output
    }

    /// Standard output as it is now; a container that outlives the call writes on.
    pub fn stdout_now(&self) -> String {
        fs::read_to_string(&self.stdout_path).unwrap_or_default()
    }

    pub fn stderr_now(&self) -> String {
        fs::read_to_string(&self.stderr_path).unwrap_or_default()
    }

    /// Waits until standard output has `words`.
    #[track_caller]
    pub fn wait_stdout(&self, words: &str) -> String {
        let found = wait_for(Duration::from_secs(20), || self.stdout_now().contains(words));
        assert!(found, "standard output never had {words:?}: {}", self.describe());
        self.stdout_now()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.describe()))
    }

    pub fn seen(&self) -> Seen {
        Seen::parse(&self.stdout)
    }

    pub fn describe(&self) -> String {
        format!(
            "`{}` -> {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

/// What the payload's verbs reported, in order.
#[derive(Debug, Clone)]
pub struct Seen(pub Vec<Value>);

impl Seen {
    pub fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(Value::is_object)
                .collect(),
        )
    }

    /// The answer of the verb called with exactly this line (`"stat /dev/null"`).
    #[track_caller]
    fn find(&self, line: &str) -> &Value {
        self.0
            .iter()
            .find(|answer| {
                let mut words = vec![answer["verb"].as_str().unwrap_or("")];
                words.extend(answer["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
                words.join(" ") == line
            })
            .unwrap_or_else(|| panic!("the container never answered {line:?}: {:?}", self.0))
    }

    /// What the verb gave; it must have worked.
    #[track_caller]
    pub fn out(&self, line: &str) -> &Value {
        let answer = self.find(line);
        assert!(answer.get("errno").is_none(), "{line} should work: {answer}");
        &answer["out"]
    }

    /// The error's name, or "" when the verb worked.
    #[track_caller]
    pub fn errno(&self, line: &str) -> String {
        self.find(line)["errno"].as_str().unwrap_or("").to_string()
    }

    /// The answer of `report`, which most tests end with.
    #[track_caller]
    pub fn report(&self) -> &Value {
        self.out("report")
    }

    #[track_caller]
    pub fn mounts(&self) -> mounts::Mounts {
        mounts::Mounts::parse(self.report()["mountinfo"].as_str().unwrap_or(""))
    }

    #[track_caller]
    pub fn text(&self, line: &str) -> String {
        self.out(line).as_str().unwrap_or_else(|| panic!("{line}: not a string")).to_string()
    }
}

/// Polls `condition` until it holds or the time is over.
pub fn wait_for(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// One test's world. Its drop deletes what the test left running and asserts that the host is as it was.
pub struct Context {
    pub name: String,
    /// Everything of the test lies below this directory.
    pub dir: PathBuf,
    /// A word that nothing else on the machine has: in every id, every environment, every path of the test.
    pub tag: String,
    world: RefCell<Option<Helper>>,
    /// Put before every call of the runtime (a system-call shim).
    pub wrap: Vec<String>,
    pub runtime: PathBuf,
    ids: RefCell<Vec<String>>,
    counter: Cell<u32>,
    mounts_before: String,
    /// Set by a test that shows a leak on purpose.
    pub lenient: Cell<bool>,
}

impl Context {
    pub fn new() -> Option<Self> {
        Self::build(Vec::new(), false)
    }

    /// A context whose calls go to another runtime than the one under test.
    pub fn of(runtime: &Path) -> Option<Self> {
        let mut context = Self::new()?;
        context.runtime = runtime.to_path_buf();
        Some(context)
    }

    /// Every call of the runtime goes through `wrap`, whose `payload` is replaced by the test program's path.
    pub fn wrapped(wrap: &[&str]) -> Option<Self> {
        let wrap = wrap.iter().map(|word| (*word).to_string()).collect();
        Self::build(wrap, false)
    }

    fn build(wrap: Vec<String>, private: bool) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = test_name();
        if !rustix::process::geteuid().is_root() {
            skip(&name, "needs root");
            return None;
        }
        // Orphaned inits become ours, as they become a shim's: nobody else reaps them before the test looks.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("subreaper");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("rt{}x{number}", std::process::id());
        let dir = std::env::temp_dir().join(&tag);
        fs::create_dir_all(dir.join("io")).expect("test directory");
        let wrap = wrap
            .into_iter()
            .map(|word| if word == "payload" { payload::path().to_string_lossy().into_owned() } else { word })
            .collect();
        let mut command = Command::new(payload::path());
        command.arg("world");
        if private {
            command.arg("private");
        }
        let world = Helper::start(&mut command, "ready");
        let mounts_before =
            fs::read_to_string(format!("/proc/{}/mountinfo", world.pid())).unwrap_or_default();
        Some(Self {
            name,
            dir,
            tag,
            world: RefCell::new(Some(world)),
            wrap,
            runtime: runtime_path(),
            ids: RefCell::default(),
            counter: Cell::new(0),
            mounts_before,
            lenient: Cell::new(false),
        })
    }

    fn next(&self) -> u32 {
        self.counter.set(self.counter.get() + 1);
        self.counter.get()
    }

    /// A fresh id; the container of it is deleted at the end whatever happens.
    pub fn id(&self) -> String {
        let id = format!("{}-{}", self.tag, self.next());
        self.own(&id);
        id
    }

    /// Remembers an id the test made itself.
    pub fn own(&self, id: &str) {
        self.ids.borrow_mut().push(id.to_string());
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn world_pid(&self) -> u32 {
        self.world.borrow().as_ref().map_or(0, Helper::pid)
    }

    /// A bundle with a root file system that holds the payload and `args` as its command line after `payload`.
    pub fn bundle(&self, args: &[&str]) -> Bundle {
        let dir = self.dir.join(format!("bundle{}", self.next()));
        Bundle::create(dir, &self.tag, args)
    }

    /// A directory of the test outside every bundle.
    pub fn outside(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }

    /// A call of the runtime with this test's `--root`.
    pub fn call<S: AsRef<str>>(&self, arguments: &[S]) -> Call<'_> {
        let mut words = vec!["--root".to_string(), self.state_dir().to_string_lossy().into_owned()];
        words.extend(arguments.iter().map(|word| word.as_ref().to_string()));
        Call::new(self, words)
    }

    /// A call without any global flag.
    pub fn bare_call<S: AsRef<str>>(&self, arguments: &[S]) -> Call<'_> {
        Call::new(self, arguments.iter().map(|word| word.as_ref().to_string()).collect())
    }

    pub fn create(&self, bundle: &Bundle, id: &str) -> Output {
        self.call(&["create", "--bundle", &bundle.path(), id]).go()
    }

    pub fn start(&self, id: &str) -> Output {
        self.call(&["start", id]).go()
    }

    pub fn kill(&self, id: &str, signal: &str) -> Output {
        self.call(&["kill", id, signal]).go()
    }

    pub fn delete(&self, id: &str) -> Output {
        self.call(&["delete", id]).go()
    }

    pub fn delete_force(&self, id: &str) -> Output {
        self.call(&["delete", "--force", id]).go()
    }

    /// Foreground `run` under a fresh id.
    pub fn run(&self, bundle: &Bundle) -> Output {
        let id = self.id();
        self.call(&["run", "--bundle", &bundle.path(), &id]).go()
    }

    /// Runs the bundle and gives what its verbs answered; the container must have started.
    #[track_caller]
    pub fn observe(&self, bundle: &Bundle) -> Seen {
        let output = self.run(bundle);
        // 3: a verb failed, which is an answer too.
        assert!(output.code == 0 || output.code == 3, "the container should start: {}", output.describe());
        output.seen()
    }

    #[track_caller]
    pub fn state(&self, id: &str) -> Value {
        self.call(&["state", id]).go().ok().json()
    }

    #[track_caller]
    pub fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap_or("").to_string()
    }

    #[track_caller]
    pub fn pid(&self, id: &str) -> u32 {
        u32::try_from(self.state(id)["pid"].as_u64().expect("pid")).unwrap()
    }

    #[track_caller]
    pub fn wait_status(&self, id: &str, status: &str) {
        let mut last = String::new();
        let reached = wait_for(Duration::from_secs(20), || {
            last = self.status(id);
            last == status
        });
        assert!(reached, "{id} should become {status}, is {last}");
    }

    /// A running container: created and started.
    #[track_caller]
    pub fn running(&self, bundle: &Bundle) -> String {
        let id = self.id();
        self.create(bundle, &id).ok();
        self.start(&id).ok();
        id
    }

    /// Waits for an orphaned init that became ours and gives its exit status, or 128 + signal.
    pub fn reap(&self, pid: u32) -> Option<i32> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
        let mut code = None;
        wait_for(Duration::from_secs(20), || {
            match rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG) {
                Ok(None) => false,
                Ok(Some((_, status))) => {
                    code = status
                        .exit_status()
                        .or_else(|| status.terminating_signal().map(|signal| signal + 128));
                    true
                }
                Err(_) => true,
            }
        });
        code
    }

    /// Runs a program on the host side of the world (in its mount namespace).
    pub fn in_world(&self, words: &[&str]) -> Command {
        let mut command = Command::new(payload::path());
        command.arg("enter").arg(self.world_pid().to_string());
        command.args(words);
        command
    }

    /// The payload as a helper in the world; started when its first line is `ready`.
    pub fn helper(&self, words: &[&str]) -> Helper {
        let payload = payload::path().to_string_lossy().into_owned();
        let mut all = vec![payload.as_str()];
        all.extend(words);
        Helper::start(&mut self.in_world(&all), "ready")
    }

    /// Processes, mounts, cgroups and state of this test that are still there.
    pub fn leftovers(&self) -> Vec<String> {
        let world = self.world_pid();
        let mut found = host::processes(&self.tag, world);
        found.extend(host::cgroups(&self.tag));
        let mounts = fs::read_to_string(format!("/proc/{world}/mountinfo")).unwrap_or_default();
        found.extend(host::differences("mount", &self.mounts_before, &mounts));
        let own = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        found.extend(
            own.lines()
                .filter(|line| line.contains(&self.tag))
                .map(|line| format!("mount on the host: {line}")),
        );
        found.extend(
            fs::read_dir(self.state_dir())
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| format!("state: {}", entry.path().display())),
        );
        found
    }

    /// Waits a moment for what dies by itself, then gives what stays.
    pub fn settled_leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        wait_for(Duration::from_secs(3), || {
            left = self.leftovers();
            left.is_empty()
        });
        left
    }

    #[track_caller]
    pub fn assert_clean(&self) {
        let left = self.settled_leftovers();
        assert!(left.is_empty(), "the host is not as it was:\n  {}", left.join("\n  "));
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        for id in self.ids.borrow().iter() {
            if self.state_dir().join(id).exists()
                || self.leftovers().iter().any(|left| left.contains(id.as_str()))
            {
                // A destructor must not panic, not even when this hangs.
                self.call(&["delete", "--force", id]).limit(Duration::from_secs(10)).spawn().ended();
            }
        }
        let left = self.settled_leftovers();
        host::end_processes(&self.tag, self.world_pid());
        drop(self.world.borrow_mut().take());
        host::remove_cgroups(&self.tag);
        if std::env::var_os("KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
        if left.is_empty() || self.lenient.get() {
            return;
        }
        let message = format!("{}: the host is not as it was:\n  {}", self.name, left.join("\n  "));
        if failing {
            note(&message);
        } else {
            panic!("{message}");
        }
    }
}

/// A call of the runtime, to be completed and then made with `go`.
pub struct Call<'a> {
    context: &'a Context,
    program: PathBuf,
    words: Vec<String>,
    wrap: Vec<String>,
    directory: Option<PathBuf>,
    environment: Vec<(String, String)>,
    stdin: Option<Stdio>,
    limit: Duration,
}

impl<'a> Call<'a> {
    fn new(context: &'a Context, words: Vec<String>) -> Self {
        Self {
            context,
            program: context.runtime.clone(),
            words,
            wrap: context.wrap.clone(),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            limit: CALL_LIMIT,
        }
    }

    /// A call of another copy of the runtime, without any global flag.
    pub fn at<S: AsRef<str>>(context: &'a Context, program: &Path, words: &[S]) -> Self {
        let words = words.iter().map(|word| word.as_ref().to_string()).collect();
        Self { program: program.to_path_buf(), ..Self::new(context, words) }
    }

    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_path_buf());
        self
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_string(), value.to_string()));
        self
    }

    pub fn stdin(mut self, stdin: Stdio) -> Self {
        self.stdin = Some(stdin);
        self
    }

    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Puts words before the command, `payload` standing for the test program; the context's own wrap comes first.
    pub fn through(mut self, wrap: &[&str]) -> Self {
        let payload = payload::path().to_string_lossy().into_owned();
        self.wrap.extend(
            wrap.iter().map(|word| if *word == "payload" { payload.clone() } else { (*word).to_string() }),
        );
        self
    }

    /// Starts the call without waiting. Both outputs are files: a container that keeps them open keeps nobody waiting.
    pub fn spawn(self) -> Running {
        let number = self.context.next();
        let file = |name: &str| self.context.dir.join("io").join(format!("{number}.{name}"));
        let (stdout_path, stderr_path) = (file("out"), file("err"));
        let append = |path: &Path| File::options().create(true).append(true).open(path).expect("output file");
        let runtime = self.program.to_string_lossy().into_owned();
        let mut words: Vec<&str> = self.wrap.iter().map(String::as_str).collect();
        words.push(&runtime);
        words.extend(self.words.iter().map(String::as_str));
        let mut command = self.context.in_world(&words);
        command.env("RUNLET_TEST_TAG", &self.context.tag);
        for (key, value) in &self.environment {
            command.env(key, value);
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let child = command
            .stdin(self.stdin.unwrap_or_else(Stdio::null))
            .stdout(append(&stdout_path))
            .stderr(append(&stderr_path))
            .spawn()
            .expect("the runtime under test cannot be started");
        Running { child, command: words.join(" "), stdout_path, stderr_path, limit: self.limit }
    }

    #[track_caller]
    pub fn go(self) -> Output {
        self.spawn().wait()
    }
}

/// A call that has been started.
pub struct Running {
    pub child: Child,
    command: String,
    stdout_path: PathBuf,
    stderr_path: PathBuf,
    limit: Duration,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, number: i32) {
        host::signal(self.child.id(), number);
    }

    pub fn stdout_now(&self) -> String {
        fs::read_to_string(&self.stdout_path).unwrap_or_default()
    }

    pub fn stderr_now(&self) -> String {
        fs::read_to_string(&self.stderr_path).unwrap_or_default()
    }

    #[track_caller]
    pub fn wait_stdout(&self, words: &str) {
        let found = wait_for(Duration::from_secs(20), || self.stdout_now().contains(words));
        assert!(
            found,
            "standard output of `{}` never had {words:?}: {}{}",
            self.command,
            self.stdout_now(),
            self.stderr_now()
        );
    }

    #[track_caller]
    pub fn wait(mut self) -> Output {
        self.ended()
            .unwrap_or_else(|| panic!("`{}` hung: {}{}", self.command, self.stdout_now(), self.stderr_now()))
    }

    /// None when it did not end in time; it is killed then.
    fn ended(&mut self) -> Option<Output> {
        let mut status = None;
        wait_for(self.limit, || {
            status = self.child.try_wait().expect("wait");
            status.is_some()
        });
        let Some(status) = status else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            return None;
        };
        Some(Output {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: self.stdout_now(),
            stderr: self.stderr_now(),
            command: self.command.clone(),
            stdout_path: self.stdout_path.clone(),
            stderr_path: self.stderr_path.clone(),
        })
    }
}

/// A background process of the test; its standard input is closed and it is killed when this is dropped.
pub struct Helper {
    child: Child,
    reader: BufReader<std::process::ChildStdout>,
}

impl Helper {
    pub fn start(command: &mut Command, first_line: &str) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("helper");
        let mut reader = BufReader::new(child.stdout.take().expect("pipe"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("helper's first line");
        assert!(line.contains(first_line), "helper did not get ready: {line:?}");
        Self { child, reader }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes its standard input and gives its last line.
    pub fn finish(mut self) -> String {
        drop(self.child.stdin.take());
        let mut line = String::new();
        let _ = self.reader.read_line(&mut line);
        line
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

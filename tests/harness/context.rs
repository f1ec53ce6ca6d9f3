//! One test's world: a directory, a private mount namespace, container ids, and the check at its end that the host is as it was.

use super::{
    Bundle, Call, Helper, Output, PATIENCE, Seen, Value, host, json, note, payload, runtime_path, skip,
    test_name, wait_for,
};
use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
        Self::build(Vec::new())
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
        Self::build(wrap)
    }

    fn build(wrap: Vec<String>) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = test_name();
        if !rustix::process::geteuid().is_root() {
            skip(&name, "needs root");
            return None;
        }
        // Orphaned inits become ours, as they become a shim's: nobody else reaps them before the test looks.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("subreaper");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // No tag is the beginning of another: what is found by one is ended and removed by it.
        let tag = format!("rt{}x{number}x", std::process::id());
        let dir = std::env::temp_dir().join(&tag);
        fs::create_dir_all(dir.join("io")).expect("test directory");
        let wrap = wrap
            .into_iter()
            .map(|word| if word == "payload" { payload::path().to_string_lossy().into_owned() } else { word })
            .collect();
        let mut command = Command::new(payload::path());
        command.arg("world");
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

    pub(super) fn next(&self) -> u32 {
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

    /// Gives a bundle a user namespace whose root is an ordinary id outside, to which its root file system then belongs.
    pub fn in_user_namespace(&self, bundle: &mut Bundle) {
        let mappings = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
        bundle.namespace("user", None);
        bundle.set("/linux/uidMappings", mappings.clone()).set("/linux/gidMappings", mappings);
        host::chown_tree(&bundle.root(), 100_000, 100_000);
        host::open_path(&self.dir);
        host::open_path(&bundle.dir);
    }

    /// A directory of the test outside every bundle.
    pub fn outside(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }

    /// A call of the runtime with this test's `--root`, and for a new container with the flags that the whole run is about.
    pub fn call<S: AsRef<str>>(&self, arguments: &[S]) -> Call<'_> {
        let mut words = vec!["--root".to_string(), self.state_dir().to_string_lossy().into_owned()];
        if super::by_systemd()
            && arguments.first().is_some_and(|verb| ["create", "run"].contains(&verb.as_ref()))
        {
            words.push("--systemd-cgroup".to_string());
        }
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
        let reached = wait_for(PATIENCE, || {
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
        wait_for(PATIENCE, || {
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

    /// Processes with their namespaces, open files, cgroups, mounts and state of this test that are still there.
    pub fn leftovers(&self) -> Vec<String> {
        let world = self.world_pid();
        let mut found = host::processes(&self.tag, world);
        found.extend(host::open_files(&self.tag, world));
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

    /// Waits for what dies by itself, then gives what stays.
    pub fn settled_leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        // Another project's runtime leaves things for good.
        let soon = Duration::from_secs(3);
        let mut settle = |limit| {
            wait_for(limit, || {
                left = self.leftovers();
                left.is_empty()
            })
        };
        if !settle(soon) && !self.lenient.get() && settle(PATIENCE) {
            note(&format!("{}: something was still there after {soon:?}", self.tag));
        }
        left
    }

    /// The cgroups that a container of this bundle has where its configuration does not say otherwise.
    pub(super) fn cgroups_of(&self, bundle: Option<&Path>) -> Vec<String> {
        let name =
            bundle.and_then(Path::file_name).map(|name| format!("{}-{}", self.tag, name.to_string_lossy()));
        name.map_or_else(Vec::new, |name| host::cgroups(&name))
    }

    /// A call that makes a container has failed: it must have taken back what it had made, before anybody deletes anything.
    #[track_caller]
    pub(super) fn assert_taken_back(&self, id: &str, mut left: Vec<String>, output: &Output) {
        if self.state_dir().join(id).exists() {
            left.push(format!("state: {id}"));
        }
        assert!(left.is_empty(), "failed, and left:\n  {}\nafter {}", left.join("\n  "), output.describe());
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
                self.call(&["delete", "--force", id]).limit(PATIENCE).spawn().ended();
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

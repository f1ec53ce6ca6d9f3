//! A call of the runtime: put together, started, waited for with a time limit.

use super::{Context, Output, PATIENCE, host, payload, wait_for};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

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
    pub(super) fn new(context: &'a Context, words: Vec<String>) -> Self {
        Self {
            context,
            program: context.runtime.clone(),
            words,
            wrap: context.wrap.clone(),
            directory: None,
            environment: Vec::new(),
            stdin: None,
            limit: PATIENCE,
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

    /// Makes the call and waits for its end. One that makes a container and fails must leave nothing.
    #[track_caller]
    pub fn go(self) -> Output {
        let context = self.context;
        let made = self.makes().filter(|id| !context.state_dir().join(id).exists()).map(str::to_string);
        let bundle = self.after(&["--bundle", "-b"]).map(PathBuf::from).filter(|_| made.is_some());
        let before = context.cgroups_of(bundle.as_deref());
        let output = self.spawn().wait();
        if let Some(id) = made.filter(|_| (1..128).contains(&output.code) && !context.lenient.get()) {
            let mut left = context.cgroups_of(bundle.as_deref());
            left.retain(|cgroup| !before.contains(cgroup));
            context.assert_taken_back(&id, left, &output);
        }
        output
    }

    /// The id of the container that this call of runlet makes in the test's own state directory, and does not mean to keep.
    fn makes(&self) -> Option<&str> {
        let known = self.program == super::runtime_path() && super::is_runlet();
        let verb = self.words.iter().any(|word| word == "create" || word == "run");
        let own = self.after(&["--root"]) == Some(&*self.context.state_dir().to_string_lossy());
        let keeps = self.words.iter().any(|word| ["--keep", "--detach", "-d", "--help"].contains(&&**word));
        let killed = self.wrap.iter().any(|word| word.starts_with("kill"));
        let id = self.words.last().filter(|id| id.starts_with(&self.context.tag));
        id.map(String::as_str).filter(|_| known && verb && own && !keeps && !killed)
    }

    /// The word behind a flag.
    fn after(&self, flags: &[&str]) -> Option<&str> {
        let at = self.words.iter().position(|word| flags.contains(&&**word))?;
        self.words.get(at + 1).map(String::as_str)
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
        let found = wait_for(PATIENCE, || self.stdout_now().contains(words));
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
    pub(super) fn ended(&mut self) -> Option<Output> {
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

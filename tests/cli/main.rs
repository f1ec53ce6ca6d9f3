//! The command line from the outside: help, version, strict values, the log, `spec`. None of it needs root or a
//! container. What a refusal test refuses has a positive control beside it: the same call with an honest value gets
//! past the command line and fails on the container that is not there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod features;
mod spec;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What one call gave.
struct Output {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Output {
    /// Ends in order, with a reason in one line, and prints no result.
    #[track_caller]
    fn refused(&self, words: &str) {
        assert_eq!(self.code, 1, "status; {}", self.stderr);
        assert!(self.stderr.contains(words), "{:?} should have {words:?}", self.stderr);
        assert!(self.stderr.starts_with("runlet: ") && self.stderr.lines().count() == 1, "{:?}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}

/// Runs the runtime under test with an empty state directory of its own.
fn runlet<S: AsRef<OsStr>>(args: &[S]) -> Output {
    let root = Scratch::new();
    let program = std::env::var_os("RUNLET").unwrap_or_else(|| env!("CARGO_BIN_EXE_runlet").into());
    let output = Command::new(program)
        .args(args)
        .env("XDG_RUNTIME_DIR", &root.0)
        .stdin(Stdio::null())
        .output()
        .expect("the runtime under test cannot be run");
    Output {
        code: output.status.code().expect("killed by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The same for a line of words.
fn line(text: &str) -> Output {
    runlet(&text.split_whitespace().collect::<Vec<_>>())
}

/// A directory of a test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("runlet-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every command with every flag that callers or documents of the field know, written down apart from the tables of
/// the parser.
const COMMANDS: &[(&str, &[&str])] = &[
    (
        "create",
        &[
            "-b, --bundle DIR",
            "-f, --config FILE",
            "--console-socket",
            "--pidfd-socket",
            "--pid-file",
            "--preserve-fds N",
            "--no-pivot",
            "--no-new-keyring",
        ],
    ),
    ("start", &[]),
    (
        "run",
        &[
            "-b, --bundle DIR",
            "-f, --config FILE",
            "--console-socket",
            "--pidfd-socket",
            "--pid-file",
            "--preserve-fds N",
            "--no-pivot",
            "--no-new-keyring",
            "-d, --detach",
            "-t, --tty",
            "--keep",
            "--no-subreaper",
            "--exit-file FILE",
            "--ready-fd N",
        ],
    ),
    (
        "exec",
        &[
            "-t, --tty",
            "-d, --detach",
            "-e, --env",
            "-u, --user UID[:GID]",
            "-g, --additional-gids",
            "--cwd",
            "-p, --process FILE",
            "--pid-file",
            "--console-socket",
            "--pidfd-socket",
            "-c, --cap",
            "--no-new-privs",
            "--apparmor",
            "--process-label",
            "--preserve-fds N",
            "--cgroup",
            "--ignore-paused",
        ],
    ),
    ("kill", &["-a, --all"]),
    ("delete", &["-f, --force"]),
    ("state", &[]),
    ("list", &["-f, --format table|json", "-q, --quiet"]),
    ("ps", &["-f, --format table|json"]),
    ("pause", &[]),
    ("resume", &[]),
    (
        "update",
        &[
            "-r, --resources FILE",
            "--blkio-weight",
            "--cpu-period",
            "--cpu-quota",
            "--cpu-burst",
            "--cpu-share",
            "--cpu-rt-period",
            "--cpu-rt-runtime",
            "--cpu-idle",
            "--cpuset-cpus",
            "--cpuset-mems",
            "--memory SIZE",
            "--memory-reservation",
            "--memory-swap",
            "--pids-limit",
            "--l3-cache-schema",
            "--mem-bw-schema",
        ],
    ),
    ("events", &["--stats", "--interval"]),
    ("spec", &["-b, --bundle", "-o, --output FILE", "--rootless"]),
    ("features", &[]),
    ("check", &["-f, --format table|json", "--plan", "--seccomp PROFILE"]),
    ("version", &[]),
];

#[test]
fn the_help_of_each_command_names_its_flags_and_has_an_example() {
    for (command, flags) in COMMANDS {
        for args in [[*command, "--help"], [*command, "-h"], ["help", *command]] {
            let help = runlet(&args);
            assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{args:?}");
            for flag in *flags {
                assert!(help.stdout.contains(flag), "{command}: {flag}\n{}", help.stdout);
            }
            assert!(help.stdout.contains(&format!("Example: runlet {command}")), "{}", help.stdout);
        }
    }
}

#[test]
fn plain_runlet_prints_every_command_and_every_global_flag() {
    for args in ["", "--help", "-h", "help"] {
        let help = line(args);
        assert_eq!(help.code, 0, "{args}");
        assert!(
            COMMANDS.iter().all(|(name, _)| help.stdout.contains(&format!("\n  {name} "))),
            "{}",
            help.stdout
        );
        for flag in [
            "--root DIR",
            "--log FILE",
            "--log-format text|json",
            "--log-level",
            "--debug",
            "--systemd-cgroup",
            "--cgroup-manager auto|cgroupfs|systemd|disabled",
            "--rootless true|false|auto",
            "-h, --help",
            "-v, --version",
        ] {
            assert!(help.stdout.contains(flag), "{flag}");
        }
    }
}

/// Docker reads all three lines of this, 46 times in an hour.
#[test]
fn the_version_is_three_lines() {
    for args in ["--version", "-v", "version", "--log-format json --version", "run --version"] {
        let version = line(args);
        assert_eq!((version.code, version.stderr.as_str()), (0, ""), "{args}");
        let lines: Vec<_> = version.stdout.lines().collect();
        assert_eq!(lines.len(), 3, "{args}: {}", version.stdout);
        let number = lines[0].strip_prefix("runlet version ").expect("the first line");
        assert!(number.split('.').count() == 3 && number.split('.').all(|part| part.parse::<u32>().is_ok()));
        assert!(lines[1].starts_with("commit: "), "{}", lines[1]);
        assert_eq!(lines[2], "spec: 1.3.0");
    }
}

#[test]
fn checkpoint_and_restore_say_that_they_are_not_supported() {
    for args in [
        "checkpoint",
        "checkpoint --help",
        "checkpoint --image-path X web",
        "restore -h",
        "--debug restore web",
    ] {
        line(args).refused("not support");
    }
}

#[test]
fn a_mistake_is_told_in_one_line_with_a_hint() {
    line("create --bundel B web").refused("unknown flag --bundel (did you mean --bundle?)");
    line("strat web").refused("unknown command strat (did you mean start?)");
    line("--bundle B create web").refused("--bundle belongs after the name of a command");
    line("state a b").refused("unexpected argument \"b\"");
    line("list a").refused("unexpected argument \"a\"");
    line("create --bundle").refused("--bundle needs a value");
    line("delete").refused("ID is missing");
    line("exec").refused("ID is missing");
    for args in ["exec web", "exec -p F web sh"] {
        let exec = line(args);
        assert!(exec.code == 255 && exec.stderr.contains("--process"), "{}", exec.stderr);
    }
    line("kill web NOSUCH").refused("unknown signal \"NOSUCH\"");
    line("list --format xml").refused("--format");
    runlet(&["state", "a\u{1b}[31m\nb", "c\n"]).refused("unexpected argument");
}

#[test]
fn bytes_that_are_no_text_are_refused_where_text_is_meant() {
    let odd = OsStr::from_bytes(b"\xff\xfe");
    runlet(&[OsStr::new("state"), odd]).refused("not UTF-8");
    runlet(&[odd]).refused("unknown command");
    runlet(&[OsStr::new("list"), OsStr::from_bytes(b"--\xff")]).refused("unknown flag");
    runlet(&[OsStr::new("kill"), OsStr::new("web"), odd]).refused("unknown signal");
    runlet(&[OsStr::new("exec"), OsStr::new("-u"), odd, OsStr::new("web"), OsStr::new("sh")])
        .refused("--user");
}

/// R7: an id is digits, 32 bits and never 2^32-1, or it is no id; nothing odd becomes root.
#[test]
fn odd_users_and_groups_are_refused() {
    let odd = [
        "",
        " ",
        "-1",
        "+0",
        " 0",
        "0 ",
        "0\n",
        "00",
        "0x0",
        "1e3",
        "root",
        "4294967295",
        "4294967296",
        "0:",
        ":0",
        "0:-1",
        "0:0:0",
        "0:4294967295",
        "18446744073709551616",
        "\u{660}",
    ];
    for user in odd {
        runlet(&["exec", "--user", user, "ghost", "true"]).refused("--user");
        runlet(&["exec", "-u", user, "ghost", "true"]).refused("--user");
        if !user.contains(':') {
            runlet(&["exec", "-g", user, "ghost", "true"]).refused("--additional-gids");
        }
    }
    for user in ["0", "0:0", "1000", "1000:1000", "4294967294:4294967294"] {
        let honest = runlet(&["exec", "-u", user, "-g", "7", "ghost", "true"]);
        assert!(
            honest.code != 0 && honest.stderr.contains("container does not exist"),
            "{user}: {}",
            honest.stderr
        );
    }
}

#[test]
fn odd_numbers_are_refused() {
    for (flag, odd) in [
        ("--memory", ["64x", "-2", "1.5g", "9999999t", ""]),
        ("--pids-limit", ["-2", "many", "0x10", "99999999999999999999", ""]),
        ("--cpu-share", ["-1", "1k", "+5", "99999999999999999999", ""]),
        ("--blkio-weight", ["1001", "-1", "1.0", "abc", ""]),
        ("--cpu-idle", ["2", "-1", "true", "yes", ""]),
    ] {
        for value in odd {
            runlet(&["update", flag, value, "ghost"]).refused(flag);
            runlet(&["update", "ghost", &format!("{flag}={value}")]).refused(flag);
        }
    }
    let honest = "update ghost --memory 64m --memory-swap=-1 --pids-limit 10 --cpu-share 512 --blkio-weight 10 --cpu-idle 0";
    let honest = line(honest);
    assert!(honest.code != 0 && honest.stderr.contains("container does not exist"), "{}", honest.stderr);
    for fds in ["-1", "3.0", "4294967296", "x", ""] {
        runlet(&["create", "--preserve-fds", fds, "ghost"]).refused("--preserve-fds");
        runlet(&["run", "--ready-fd", fds, "ghost"]).refused("--ready-fd");
    }
    for interval in ["5", "0s", "-1s", "1.5s", ""] {
        runlet(&["events", "--interval", interval, "ghost"]).refused("--interval");
    }
}

/// A usage mistake reaches the caller's log as one JSON object, appended.
#[test]
fn a_mistake_is_one_json_line_in_the_log() {
    let scratch = Scratch::new();
    let log = scratch.path("log.json");
    for (round, args) in [["create", "--wrong"], ["state", "--wrong"]].iter().enumerate() {
        let failed = runlet(&["--log", &log, "--log-format=json", args[0], args[1]]);
        failed.refused("unknown flag --wrong");
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(text.lines().count(), round + 1, "{text}");
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["level"], "error");
        assert_eq!(format!("runlet: {}\n", last["msg"].as_str().unwrap()), failed.stderr);
        let time = last["time"].as_str().unwrap();
        assert!(time.len() == 20 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    }
    let log = scratch.path("log.txt");
    runlet(&["state", "--wrong"]).refused("unknown flag");
    runlet(&["--log", &log, "state", "--wrong"]).refused("unknown flag");
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.starts_with("time=\"20") && text.contains(" level=error msg=\"state: unknown flag"),
        "{text}"
    );
}

#[test]
fn a_log_that_cannot_be_opened_is_named() {
    line("--log /nonexistent/dir/log list").refused("/nonexistent/dir/log");
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let program = std::env::var_os("RUNLET").unwrap_or_else(|| env!("CARGO_BIN_EXE_runlet").into());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(program).arg("--version").stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

/// `check --seccomp` needs no privilege and loads nothing: a profile as its program, or its answer to one call.
#[cfg(target_arch = "x86_64")]
#[test]
fn check_shows_what_a_seccomp_profile_does() {
    let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/seccomp/docker.json");
    let whole = runlet(&["check", "--seccomp", profile]);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    assert!(
        whole.stdout.contains("ret  ALLOW") && whole.stdout.contains(" instructions;"),
        "{}",
        whole.stdout
    );
    let flag = "--arg=0=0x10000000";
    let one = runlet(&["check", "--seccomp", profile, "--syscall", "clone", flag]);
    assert_eq!(one.code, 0, "{}", one.stderr);
    assert!(one.stdout.lines().all(|line| line.contains("ERRNO EPERM")), "{}", one.stdout);
    assert_eq!(runlet(&["check", "--seccomp", "/nonexistent"]).code, 1);
}

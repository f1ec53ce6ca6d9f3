//! The steps that Docker and Podman share: their command lines are alike, so the same flow runs through both, and what differs is
//! asked from `Kind`. The names of the steps are those of the table.

use crate::command::{self, LIMIT, Output, SOON};
use crate::report::Report;
use crate::view::{HOME, Inside};
use std::fs;
use std::process::{Command, Stdio};

/// Which program, and run by whom.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Docker,
    Podman,
    Rootless,
}

/// The ordinary user that Podman rootless runs as; the view's own /etc/passwd and /etc/subuid know it.
pub const USER: &str = "12345";

/// A container engine's client.
pub struct Engine<'a> {
    pub kind: Kind,
    pub inside: &'a Inside,
    pub environment: Vec<(&'static str, String)>,
}

/// A main program that says when it is ready, notes two signals, and ends with a status of its own.
const MAIN: &str = "trap 'echo got term; exit 5' TERM; trap 'echo got usr1' USR1; echo ready; while :; do sleep 1 & wait $!; done";

impl Engine<'_> {
    /// The client with `arguments`, to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = if self.kind == Kind::Docker { "docker" } else { "podman" };
        let mut command = match self.kind {
            Kind::Rootless => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", USER, "--regid", USER, "--clear-groups", program]);
                command
            }
            _ => Command::new(program),
        };
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "xterm");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments).current_dir("/");
        command
    }

    /// Runs the client with `arguments`.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command::run(&mut self.command(arguments))
    }

    fn image(&self) -> &'static str {
        if self.kind == Kind::Docker { "box:1" } else { "localhost/box:1" }
    }

    /// `run --rm OPTIONS box:1 PROGRAM`.
    fn once(&self, options: &[&str], program: &[&str]) -> Output {
        let mut arguments = vec!["run", "--rm", "--network", "none"];
        arguments.extend(options);
        arguments.push(self.image());
        arguments.extend(program);
        self.run(&arguments)
    }

    /// `run -d --name NAME OPTIONS box:1 PROGRAM`.
    fn detached(&self, name: &str, options: &[&str], program: &[&str]) -> Result<(), String> {
        let mut arguments = vec!["run", "-d", "--network", "none", "--name", name];
        arguments.extend(options);
        arguments.push(self.image());
        arguments.extend(program);
        self.run(&arguments).expect(0, "")
    }

    fn inspect(&self, name: &str, what: &str) -> String {
        self.run(&["inspect", "-f", &format!("{{{{{what}}}}}"), name]).stdout.trim().to_owned()
    }

    fn inspected(&self, name: &str, what: &str, wanted: &str) -> Result<(), String> {
        let mut seen = String::new();
        command::until(SOON, what, || {
            seen = self.inspect(name, what);
            seen == wanted
        })
        .map_err(|problem| format!("{problem}: {seen:?} and not {wanted:?}"))
    }

    fn logged(&self, name: &str, text: &str) -> Result<(), String> {
        let mut last = String::new();
        command::until(SOON, &format!("{text:?} in the logs"), || {
            last = self.run(&["logs", name]).describe();
            last.contains(text)
        })
        .map_err(|problem| format!("{problem}: {last}"))
    }

    fn remove(&self, name: &str) {
        // Whether it worked shows in the step `all removed`.
        self.run(&["rm", "-f", name]);
    }

    /// The whole flow.
    pub fn steps(&self, report: &mut Report) {
        let archive = format!("{HOME}/rootfs.tar");
        report.step("import", || self.run(&["import", &archive, "box:1"]).expect(0, ""));
        report.step("run", || self.once(&[], &["echo", "hello"]).expect(0, "hello\n"));
        self.limits(report);
        report.step("privileged", || {
            let output =
                self.once(&["--privileged"], &["grep", "-E", "CapEff|Seccomp:", "/proc/self/status"]);
            output.expect(0, "Seccomp:\t0")?;
            powerful(&output)
        });
        if !self.inside.emulated {
            self.plain_runs(report);
            self.long_running(report);
            self.attach(report);
            self.settings(report);
            self.isolation(report);
            self.health(report);
        }
        report.step("all removed", || {
            let output = self.run(&["ps", "-a", "-q"]);
            if output.code == 0 && output.stdout.trim().is_empty() { Ok(()) } else { Err(output.describe()) }
        });
    }

    fn plain_runs(&self, report: &mut Report) {
        report.step("exit status", || self.once(&[], &["sh", "-c", "exit 7"]).expect(7, ""));
        report.step("program not found", || {
            self.once(&[], &["nosuchprogram"]).expect(
                127,
                if self.kind == Kind::Docker { "executable file not found in $PATH" } else { "not found" },
            )
        });
        report.step("program not executable", || {
            self.once(&[], &["/etc/passwd"]).expect(126, "ermission denied")
        });
        report.step("run -i", || {
            let mut command = self.command(&["run", "--rm", "--network", "none", "-i", self.image(), "cat"]);
            command::run_with_input(&mut command, "through stdin\n").expect(0, "through stdin\n")
        });
        report.step("much output", || {
            let output = self.once(&[], &["sh", "-c", "yes 0123456 | head -c 2000000"]);
            if output.stdout.len() == 2_000_000 {
                Ok(())
            } else {
                Err(format!("{} bytes arrived", output.stdout.len()))
            }
        });
        report.step("run -it", || {
            let program = ["sh", "-c", "tty; read line"];
            let mut arguments = vec!["run", "--rm", "--network", "none", "-it", self.image()];
            arguments.extend(program);
            let command = self.command(&arguments);
            command::converse_on_terminal(&command, "/dev/pts/0\r\n").expect(0, "/dev/pts/0\r\n")
        });
        report.step("create, start", || {
            self.run(&["create", "--network", "none", "--name", "made", self.image(), "echo", "started"])
                .expect(0, "")?;
            let output = self.run(&["start", "-a", "made"]);
            // Podman now and then shows nothing of a program that ends at once: what counts is that its words arrived.
            let result = output
                .expect(0, "started")
                .or_else(|problem| self.logged("made", "started").map_err(|_| problem));
            self.remove("made");
            result
        });
    }

    fn long_running(&self, report: &mut Report) {
        // Docker lets others join only an ipc namespace that was made to be shared.
        report.step("run -d", || self.detached("main", &["--ipc", "shareable"], &["sh", "-c", MAIN]));
        report.step("logs", || self.logged("main", "ready"));
        report.step("exec", || self.run(&["exec", "main", "sh", "-c", "id -u; exit 3"]).expect(3, "0\n"));
        report.step("exec -u", || {
            self.run(&["exec", "-u", "app", "main", "id"]).expect(0, "uid=1000(app) gid=1000(app)")
        });
        report.step("exec -e -w", || {
            self.run(&["exec", "-e", "COLOR=red", "-w", "/tmp", "main", "sh", "-c", "echo $COLOR $PWD"])
                .expect(0, "red /tmp")
        });
        report.step("exec -i", || {
            command::run_with_input(&mut self.command(&["exec", "-i", "main", "cat"]), "to exec\n")
                .expect(0, "to exec\n")
        });
        report.step("exec -d", || {
            self.run(&["exec", "-d", "main", "touch", "/tmp/touched"]).expect(0, "")?;
            command::until(SOON, "the detached exec's file", || {
                self.run(&["exec", "main", "test", "-e", "/tmp/touched"]).code == 0
            })
        });
        report.step("exec -it", || {
            let command = self.command(&["exec", "-it", "main", "sh", "-c", "tty; read line; exit 4"]);
            command::converse_on_terminal(&command, "/dev/pts/").expect(4, "/dev/pts/")
        });
        report.step("exec --privileged", || {
            powerful(&self.run(&["exec", "--privileged", "main", "grep", "CapEff", "/proc/self/status"]))
        });
        report.step("exec, not found", || {
            let output = self.run(&["exec", "main", "nosuchprogram"]);
            // Docker 20.10 turns every failing exec into 126.
            output.expect(
                if self.kind == Kind::Docker { output.code.clamp(126, 127) } else { 127 },
                "not found",
            )
        });
        report.step("exec, not executable", || {
            self.run(&["exec", "main", "/etc/passwd"]).expect(126, "ermission denied")
        });
        report.step("exec, many", || {
            (0..10).try_for_each(|_| self.run(&["exec", "main", "true"]).expect(0, ""))
        });
        report.step("top", || self.run(&["top", "main"]).expect(0, "sleep"));
        report.step("pause", || {
            self.run(&["pause", "main"]).expect(0, "")?;
            self.inspected("main", ".State.Status", "paused")
        });
        report.step("exec while paused", || {
            let output = self.run(&["exec", "main", "true"]);
            if output.code == 0 || output.code == -1 { Err(output.describe()) } else { Ok(()) }
        });
        report.step("unpause", || {
            self.run(&["unpause", "main"]).expect(0, "")?;
            self.inspected("main", ".State.Status", "running")?;
            self.run(&["exec", "main", "echo", "awake"]).expect(0, "awake")
        });
        report.step("stats", || self.run(&["stats", "--no-stream", "main"]).expect(0, "main"));
        report.step("update", || self.run(&["update", "--cpu-shares", "0", "main"]).expect(0, ""));
        report.step("kill, -s USR1", || {
            self.run(&["kill", "-s", "USR1", "main"]).expect(0, "")?;
            self.logged("main", "got usr1")
        });
        report.step("restart", || {
            let before = self.inspect("main", ".State.Pid");
            self.run(&["restart", "-t", "60", "main"]).expect(0, "")?;
            self.inspected("main", ".State.Status", "running")?;
            let after = self.inspect("main", ".State.Pid");
            if before == after { Err(format!("still pid {before}")) } else { Ok(()) }
        });
        report.step("restart, by policy", || {
            self.detached("again", &["--restart", "on-failure:2"], &["sh", "-c", "exit 3"])?;
            self.inspected("again", ".RestartCount", "2")?;
            self.inspected("again", ".State.ExitCode", "3")
        });
        self.remove("again");
        report.step("join its namespaces", || {
            let joined = ["--pid", "container:main", "--ipc", "container:main"];
            self.once(&joined, &["ps"]).expect(0, "trap")
        });
        report.step("stop", || {
            self.run(&["exec", "main", "true"]).expect(0, "")?;
            self.run(&["stop", "-t", "60", "main"]).expect(0, "")?;
            self.inspected("main", ".State.ExitCode", "5")
        });
        report.step("kill, start again", || {
            self.run(&["start", "main"]).expect(0, "")?;
            self.inspected("main", ".State.Status", "running")?;
            self.run(&["kill", "main"]).expect(0, "")?;
            self.inspected("main", ".State.ExitCode", "137")
        });
        report.step("rm", || self.run(&["rm", "main"]).expect(0, ""));
        self.remove("main");
        report.step("stop, deaf to SIGTERM", || {
            self.detached("deaf", &[], &["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])?;
            self.logged("deaf", "ready")?;
            self.run(&["stop", "-t", "1", "deaf"]).expect(0, "")?;
            self.inspected("deaf", ".State.ExitCode", "137")
        });
        self.remove("deaf");
        report.step("rm, -f while running", || {
            self.detached("removed", &[], &["sleep", "100"])?;
            self.run(&["rm", "-f", "removed"]).expect(0, "")
        });
    }

    fn attach(&self, report: &mut Report) {
        report.step("attach", || {
            self.detached("echoing", &["-i"], &["cat"])?;
            let mut command = self.command(&["attach", "--sig-proxy=false", "echoing"]);
            let mut attached = command::start(&mut command, Stdio::piped())?;
            attached.write("said to attach\n")?;
            command::until(LIMIT, "the echo", || attached.stdout().contains("said to attach"))
                .map_err(|problem| format!("{problem}: {}", attached.stderr()))
        });
        self.remove("echoing");
    }

    fn settings(&self, report: &mut Report) {
        let status = |field: &'static str| ["grep", field, "/proc/self/status"];
        report.step("read-only", || {
            self.once(&["--read-only"], &["touch", "/x"]).expect(1, "Read-only file system")
        });
        report.step("user", || {
            self.once(&["--user", "1000:1000"], &["id"]).expect(0, "uid=1000(app) gid=1000(app)")
        });
        report.step("additional group", || {
            self.once(&["--group-add", "2000"], &["id"]).expect(0, "2000(extra)")
        });
        report.step("capabilities", || {
            let options = ["--cap-drop", "ALL", "--cap-add", "NET_RAW"];
            let output = self.once(&options, &status("Cap"));
            output.expect(
                0,
                "CapPrm:\t0000000000002000\nCapEff:\t0000000000002000\nCapBnd:\t0000000000002000",
            )?;
            output.expect(0, "CapInh:\t0000000000000000")
        });
        report.step("seccomp on", || {
            self.once(&[], &status("Seccomp:")).expect(0, "Seccomp:\t2")?;
            self.once(
                &["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=/run/view/deny.json"],
                &["mkdir", "/tmp/x"],
            )
            .expect(1, "Operation not permitted")
        });
        report.step("seccomp off", || {
            self.once(&["--security-opt", "seccomp=unconfined"], &status("Seccomp:")).expect(0, "Seccomp:\t0")
        });
        report.step("no new privileges", || {
            self.once(&["--security-opt", "no-new-privileges"], &status("NoNewPrivs:"))
                .expect(0, "NoNewPrivs:\t1")
        });
        report.step("tmpfs", || {
            let output = self.once(&["--tmpfs", "/t:size=1m,mode=700"], &["grep", " /t ", "/proc/mounts"]);
            output.expect(0, "size=1024k")?;
            output.expect(0, "mode=700")
        });
        report.step("bind", || {
            let shared = format!("{HOME}/shared");
            self.once(
                &["-v", &format!("{shared}:/b")],
                &["sh", "-c", "echo written >> /b/file; cat /b/file"],
            )
            .expect(0, "written")?;
            self.once(&["-v", &format!("{shared}:/b:ro")], &["touch", "/b/file"])
                .expect(1, "Read-only file system")?;
            let seen = fs::read_to_string(format!("{shared}/file")).map_err(|error| error.to_string())?;
            if seen.contains("written") { Ok(()) } else { Err(format!("outside it reads {seen:?}")) }
        });
        report.step("volume", || {
            let result = self.once(&["-v", "kept:/v"], &["touch", "/v/file"]).expect(0, "");
            result.and_then(|()| self.once(&["-v", "kept:/v"], &["ls", "/v"]).expect(0, "file"))
        });
        report.step("hostname, env, workdir", || {
            let options = ["--hostname", "cask", "-e", "COLOR=blue", "-w", "/etc"];
            self.once(&options, &["sh", "-c", "echo $(hostname) $COLOR $PWD"]).expect(0, "cask blue /etc")
        });
        report.step("sysctl", || {
            self.once(&["--sysctl", "kernel.msgmax=4242"], &["cat", "/proc/sys/kernel/msgmax"])
                .expect(0, "4242\n")
        });
        report.step("device", || {
            self.once(&["--device", "/dev/zero:/dev/nought"], &["sh", "-c", "head -c 5 /dev/nought | wc -c"])
                .expect(0, "5\n")
        });
        report.step("rlimit", || {
            self.once(&["--ulimit", "nofile=77:77", "--ulimit", "nproc=999:999"], &["sh", "-c", "ulimit -n"])
                .expect(0, "77\n")
        });
    }

    fn isolation(&self, report: &mut Report) {
        report.step("masked and read-only paths", || {
            self.once(&[], &["sh", "-c", "echo 1 > /proc/sys/kernel/panic"])
                .expect(1, "Read-only file system")?;
            self.once(&[], &["sh", "-c", "cat /proc/keys | wc -c"]).expect(0, "0\n")
        });
        report.step("host namespaces", || {
            let own = fs::read_link("/proc/self/ns/pid").map_err(|error| error.to_string())?;
            // Podman binds the host's /dev/mqueue for --ipc host, which a small machine has not.
            let options = ["--pid", "host", "--uts", "host"];
            let output = self.once(&options, &["sh", "-c", "ls -l /proc/self/ns"]);
            let own = own.to_string_lossy();
            output.expect(0, &own)
        });
        if self.kind == Kind::Podman {
            report.step("userns", || {
                let options = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
                let output = self.once(
                    &options,
                    &["sh", "-c", "cat /proc/self/uid_map; id -u; touch /made; ls -ln /made"],
                );
                output.expect(0, "100000      65536\n0\n")
            });
            report.step("userns, read-only, bind", || {
                let shared = format!("{HOME}/shared:/b");
                self.once(&["--uidmap", "0:200000:65536", "--read-only", "-v", &shared], &["ls", "/b"])
                    .expect(0, "file")
            });
        }
        if self.kind == Kind::Rootless {
            report.step("userns", || self.once(&["--userns", "keep-id"], &["id", "-u"]).expect(0, "12345\n"));
        }
        if self.kind != Kind::Docker && self.inside.runtime == "runlet" {
            report.step("without a cgroup", || {
                self.once(&["--cgroups", "disabled"], &["echo", "free"]).expect(0, "free")
            });
        }
    }

    fn health(&self, report: &mut Report) {
        let options: &[&str] = match self.kind {
            Kind::Docker => &["--health-cmd", "test -e /tmp/ok", "--health-interval", "1s"],
            _ => &["--health-cmd", "test -e /tmp/ok", "--health-interval", "disable"],
        };
        report.step("healthcheck", || {
            self.detached("healthy", options, &["sleep", "100"])?;
            if self.kind == Kind::Docker {
                self.run(&["exec", "healthy", "touch", "/tmp/ok"]).expect(0, "")?;
                return self.inspected("healthy", ".State.Health.Status", "healthy");
            }
            self.run(&["healthcheck", "run", "healthy"]).expect(1, "unhealthy")?;
            self.run(&["exec", "healthy", "touch", "/tmp/ok"]).expect(0, "")?;
            self.run(&["healthcheck", "run", "healthy"]).expect(0, "")
        });
        self.remove("healthy");
    }

    /// Limits need controllers, which a hybrid machine's cgroup2 hierarchy has not: QEMU has them.
    fn limits(&self, report: &mut Report) {
        let inside_of = |file: &str| format!("cat /sys/fs/cgroup/{file}");
        let mut limited = |step: &str, controller: &str, options: &[&str], file: &str, wanted: &str| {
            if !self.inside.has(controller) {
                return report.skip(step, &format!("no {controller} controller on this machine's cgroup2"));
            }
            report.step(step, || self.once(options, &["sh", "-c", &inside_of(file)]).expect(0, wanted));
        };
        limited("limits, memory", "memory", &["--memory", "32m"], "memory.max", "33554432\n");
        limited("limits, pids", "pids", &["--pids-limit", "33"], "pids.max", "33\n");
        limited("limits, cpu", "cpu", &["--cpus", "0.5"], "cpu.max", "50000 100000\n");
        limited("limits, cpuset", "cpuset", &["--cpuset-cpus", "0"], "cpuset.cpus", "0\n");
        if !self.inside.has("memory") {
            return report.skip("limits, update, stats", "no memory controller on this machine's cgroup2");
        }
        report.step("limits, update, stats", || {
            self.detached("limited", &["--memory", "64m", "--memory-swap", "64m"], &["sleep", "100"])?;
            self.run(&["update", "--memory", "48m", "--memory-swap", "48m", "limited"]).expect(0, "")?;
            self.run(&["exec", "limited", "cat", "/sys/fs/cgroup/memory.max"]).expect(0, "50331648\n")?;
            // Podman shows what the container was made with.
            let shown = if self.kind == Kind::Docker { "/ 48MiB" } else { "/ 67.11MB" };
            let stats = self.run(&["stats", "--no-stream", "limited"]);
            stats.expect(0, shown)?;
            if stats.stderr.contains("warning") { Err(stats.describe()) } else { Ok(()) }
        });
        self.remove("limited");
        report.step("limits, killed by memory", || {
            let eat = ["sh", "-c", "a=x; while :; do a=$a$a; done"];
            self.once(&["--memory", "16m", "--memory-swap", "16m"], &eat).expect(137, "")
        });
    }
}

/// Holds when the effective set that a process printed has NET_ADMIN, SYS_MODULE and SYS_ADMIN. The machine itself may lack some other, and
/// an old caller does not know the newest.
fn powerful(output: &Output) -> Result<(), String> {
    let set = output.stdout.split_whitespace().skip_while(|word| *word != "CapEff:").nth(1);
    let set = set.and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or_default();
    let wanted = 1 << 12 | 1 << 16 | 1 << 21;
    if set & wanted == wanted { Ok(()) } else { Err(output.describe()) }
}

/// What the steps bind and load: a shared directory, and a seccomp profile that refuses to make directories.
pub fn prepare() -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let text = |error: std::io::Error| error.to_string();
    let shared = format!("{HOME}/shared");
    fs::create_dir_all(&shared).map_err(text)?;
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).map_err(text)?;
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}"#;
    fs::write(format!("{HOME}/deny.json"), profile).map_err(text)
}

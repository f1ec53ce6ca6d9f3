//! containerd through its own client `ctr`: a daemon with all its directories in the view. `--cpu-shares 0` throughout, because ctr
//! asks for 1024 shares by itself, which needs the cpu controller; one step asks for them where the controller is.

use crate::command::{self, LIMIT, Output, SOON};
use crate::containerd;
use crate::engine;
use crate::image;
use crate::report::Report;
use crate::view::{HOME, Inside};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const IMAGE: &str = "local/box:1";
const MAIN: &str = "trap 'echo got term; exit 5' TERM; echo ready; while :; do sleep 1 & wait $!; done";

struct Ctr<'a> {
    inside: &'a Inside,
}

/// ctr's flow.
pub fn steps(report: &mut Report, inside: &Inside) {
    let ctr = Ctr { inside };
    let daemon = match containerd::start("containerd", None) {
        Ok(daemon) => daemon,
        Err(problem) => return report.failed("daemon", &problem),
    };
    report.step("import", || {
        engine::prepare()?;
        ctr.call(&["image", "import", &image::oci_archive(IMAGE)?]).expect(0, "")
    });
    report.step("run", || ctr.once(&[], &["echo", "hello"]).expect(0, "hello\n"));
    limits(report, &ctr);
    report.step("privileged", || {
        ctr.once(&["--privileged"], &["grep", "CapEff", "/proc/self/status"]).expect(0, "CapEff:\t000001f")
    });
    if !inside.emulated {
        plain_runs(report, &ctr);
        long_running(report, &ctr);
        settings(report, &ctr);
    }
    report.absent(&["update"], "ctr 1.6 has no such command: what containerd's update does, the CRI's does");
    report.absent(&["healthcheck"], "containerd has none: the kubelet's probe is an exec of the CRI");
    report.step("all removed", || {
        let output = ctr.call(&["container", "ls", "-q"]);
        if output.code == 0 && output.stdout.trim().is_empty() { Ok(()) } else { Err(output.describe()) }
    });
    containerd::end(report, inside, daemon);
}

fn plain_runs(report: &mut Report, ctr: &Ctr<'_>) {
    report.step("exit status", || ctr.once(&[], &["sh", "-c", "exit 7"]).expect(7, ""));
    report.step("program not found", || {
        ctr.once(&[], &["nosuchprogram"]).expect(1, "executable file not found in $PATH")
    });
    report.step("program not executable", || ctr.once(&[], &["/etc/passwd"]).expect(1, "permission denied"));
    report.step("after a failure, the same id again", || ctr.once(&[], &["true"]).expect(0, ""));
    report.step("run -it", || {
        let program = ["sh", "-c", "tty; read line"];
        let command = ctr.command(&ctr.run_arguments(&["--rm", "-t"], "once", &program));
        command::converse_on_terminal(&command, "/dev/pts/0").expect(0, "/dev/pts/0")
    });
}

fn long_running(report: &mut Report, ctr: &Ctr<'_>) {
    let log = format!("{HOME}/main.log");
    report.step("run -d", || {
        let uri = format!("file://{log}");
        ctr.call(&ctr.run_arguments(&["-d", "--log-uri", &uri], "main", &["sh", "-c", MAIN])).expect(0, "")
    });
    report.step("logs", || logged(&log, "ready"));
    report.step("list", || ctr.call(&["task", "ls"]).expect(0, "RUNNING"));
    report.step("exec", || ctr.exec_says(&[], "id -u; read line; exit 3", 3, "0\n"));
    report.step("user, exec --user --cwd", || {
        let program = "echo $(id -u) $(pwd); read line";
        ctr.exec_says(&["--user", "1000", "--cwd", "/tmp"], program, 0, "1000 /tmp\n")
    });
    report.step("exec -it", || {
        let command = ctr.exec_command(&["-t"], &["sh", "-c", "tty; read line; exit 4"]);
        command::converse_on_terminal(&command, "/dev/pts/0").expect(4, "/dev/pts/0")
    });
    report.step("exec, not found", || {
        ctr.exec(&[], &["nosuchprogram"]).expect(1, "executable file not found in $PATH")
    });
    report.step("exec, many", || (0..10).try_for_each(|_| ctr.exec(&[], &["true"]).expect(0, "")));
    // A heading, the main program and its sleep, which is another one every second.
    report.step("ps", || {
        command::until(SOON, "three lines", || {
            let output = ctr.call(&["task", "ps", "main"]);
            output.code == 0 && output.stdout.lines().count() >= 3
        })
    });
    report.step("stats", || ctr.call(&["task", "metrics", "main"]).expect(0, "cpu.usage_usec"));
    report.step("pause", || {
        ctr.call(&["task", "pause", "main"]).expect(0, "")?;
        ctr.call(&["task", "ls"]).expect(0, "PAUSED")
    });
    report.step("exec while paused", || {
        let output = ctr.exec(&[], &["true"]);
        if output.code == 0 || output.code == -1 { Err(output.describe()) } else { Ok(()) }
    });
    report.step("unpause", || {
        ctr.call(&["task", "resume", "main"]).expect(0, "")?;
        ctr.call(&["task", "ls"]).expect(0, "RUNNING")?;
        ctr.exec_says(&[], "echo awake; read line", 0, "awake")
    });
    report.step("checkpoint is refused", || {
        let output = ctr.call(&["task", "checkpoint", "main"]);
        if output.code == 0 || output.code == -1 { Err(output.describe()) } else { Ok(()) }
    });
    report.step("stop", || {
        ctr.call(&["task", "kill", "-s", "SIGTERM", "main"]).expect(0, "")?;
        ctr.stopped("main")?;
        logged(&log, "got term")?;
        ctr.call(&["task", "delete", "main"]).expect(0, "code 5")
    });
    report.step("restart", || {
        let log = format!("file://{log}");
        ctr.call(&["task", "start", "-d", "--log-uri", &log, "main"]).expect(0, "")?;
        ctr.call(&["task", "ls"]).expect(0, "RUNNING")
    });
    report.step("kill, --all", || {
        ctr.call(&["task", "kill", "-a", "-s", "SIGKILL", "main"]).expect(0, "")?;
        ctr.stopped("main")?;
        ctr.call(&["task", "delete", "main"]).expect(0, "code 137")
    });
    report.step("rm", || ctr.call(&["container", "rm", "main"]).expect(0, ""));
    ctr.remove("main");
    report.step("attach", || {
        ctr.call(&ctr.run_arguments(&["-d"], "echoing", &["sh", "-c", "sleep 1; echo said; sleep 100"]))
            .expect(0, "")?;
        let mut attached = command::start(&mut ctr.command(&["task", "attach", "echoing"]), Stdio::null())?;
        command::until(LIMIT, "the words of the container", || attached.stdout().contains("said"))
            .map_err(|problem| format!("{problem}: {}", attached.stderr()))
    });
    report.step("rm, delete -f while running", || {
        ctr.call(&["task", "delete", "-f", "echoing"]).expect(0, "code 137")?;
        ctr.call(&["container", "rm", "echoing"]).expect(0, "")
    });
    ctr.remove("echoing");
}

fn settings(report: &mut Report, ctr: &Ctr<'_>) {
    let status = |field: &'static str| ["grep", field, "/proc/self/status"];
    report.step("read-only", || {
        ctr.once(&["--read-only"], &["touch", "/x"]).expect(1, "Read-only file system")
    });
    // ctr of this age has no --user for run: its exec has.
    report.step("env, workdir", || {
        ctr.once(&["--cwd", "/tmp", "--env", "COLOR=red"], &["sh", "-c", "echo $COLOR $(pwd)"])
            .expect(0, "red /tmp\n")
    });
    report.step("capabilities", || {
        ctr.once(&["--cap-drop", "CAP_CHOWN"], &status("CapBnd")).expect(0, "CapBnd:\t00000000a80425fa")
    });
    report.step("seccomp on", || ctr.once(&["--seccomp"], &status("Seccomp:")).expect(0, "Seccomp:\t2"));
    report.step("seccomp off", || ctr.once(&[], &status("Seccomp:")).expect(0, "Seccomp:\t0"));
    report.step("seccomp profile", || {
        let profile = format!("{HOME}/deny.json");
        ctr.once(&["--seccomp", "--seccomp-profile", &profile], &["mkdir", "/tmp/x"])
            .expect(1, "Operation not permitted")
    });
    report.step("tmpfs", || {
        let mount = "type=tmpfs,src=tmpfs,dst=/t,options=size=1m";
        ctr.once(&["--mount", mount], &["grep", " /t ", "/proc/mounts"]).expect(0, "size=1024k")
    });
    report.step("bind", || {
        let mount = |options: &str| format!("type=bind,src={HOME}/shared,dst=/b,options={options}");
        ctr.once(&["--mount", &mount("rbind:rw")], &["touch", "/b/file"]).expect(0, "")?;
        ctr.once(&["--mount", &mount("rbind:ro")], &["touch", "/b/file"])
            .expect(1, "Read-only file system")?;
        if Path::new(&format!("{HOME}/shared/file")).exists() {
            Ok(())
        } else {
            Err("no file outside".into())
        }
    });
    report.step("userns", || {
        let options = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];
        ctr.once(&options, &["sh", "-c", "cat /proc/self/uid_map; id -u"]).expect(0, "100000      65536\n0\n")
    });
    report.step("host network", || ctr.once(&["--net-host"], &["cat", "/proc/net/dev"]).expect(0, "lo:"));
    report.step("join a namespace", || {
        let own = fs::read_link("/proc/self/ns/ipc").map_err(|error| error.to_string())?;
        ctr.once(&["--with-ns", "ipc:/proc/self/ns/ipc"], &["ls", "-l", "/proc/self/ns"])
            .expect(0, &own.to_string_lossy())
    });
    report.step("custom rootfs", || {
        let rootfs = format!("{HOME}/rootfs");
        ctr.call(&[
            "run",
            "--rm",
            "--cpu-shares",
            "0",
            "--runc-binary",
            &ctr.runtime(),
            "--rootfs",
            &rootfs,
            "once",
            "/bin/echo",
            "own",
        ])
        .expect(0, "own\n")
    });
}

fn limits(report: &mut Report, ctr: &Ctr<'_>) {
    limited(
        report,
        ctr,
        "limits, memory",
        "memory",
        &["--memory-limit", "33554432"],
        "memory.max",
        "33554432\n",
    );
    limited(report, ctr, "limits, cpu", "cpu", &["--cpus", "0.5"], "cpu.max", "50000 100000\n");
    limited(report, ctr, "limits, cpu shares", "cpu", &["--cpu-shares", "1024"], "cpu.weight", "");
}

fn limited(
    report: &mut Report,
    ctr: &Ctr<'_>,
    step: &str,
    controller: &str,
    options: &[&str],
    file: &str,
    wanted: &str,
) {
    if !ctr.inside.has(controller) {
        return report.skip(step, &format!("no {controller} controller on this machine's cgroup2"));
    }
    // ctr gives neither a cgroup namespace nor a cgroup mount: the container gets to see the whole tree, its own part below default/once.
    report.step(step, || {
        let mut all = vec!["--mount", "type=bind,src=/sys/fs/cgroup,dst=/sys/fs/cgroup,options=rbind:ro"];
        all.extend(options);
        let program = format!("cat /sys/fs/cgroup/default/once/{file}");
        ctr.once(&all, &["sh", "-c", &program]).expect(0, wanted)
    });
}

impl Ctr<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "xterm");
        command.env("CONTAINERD_ADDRESS", containerd::socket("containerd"));
        command.args(arguments).current_dir("/");
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        command::run(&mut self.command(arguments))
    }

    fn runtime(&self) -> String {
        self.inside.program.to_string_lossy().into_owned()
    }

    /// The arguments of `run`, owned, for `name`.
    fn run_arguments<'b>(&'b self, options: &[&'b str], name: &'b str, program: &[&'b str]) -> Vec<&'b str> {
        let binary = self.inside.program.to_str().unwrap();
        let mut arguments = vec!["run", "--runc-binary", binary];
        if !options.contains(&"--cpu-shares") {
            arguments.extend(["--cpu-shares", "0"]);
        }
        arguments.extend(options);
        arguments.extend([IMAGE, name]);
        arguments.extend(program);
        arguments
    }

    fn once(&self, options: &[&str], program: &[&str]) -> Output {
        let mut all = vec!["--rm"];
        all.extend(options);
        self.call(&self.run_arguments(&all, "once", program))
    }

    fn exec_command(&self, options: &[&str], program: &[&str]) -> Command {
        let mut arguments = vec!["task", "exec", "--exec-id", "e"];
        arguments.extend(options);
        arguments.push("main");
        arguments.extend(program);
        self.command(&arguments)
    }

    fn exec(&self, options: &[&str], program: &[&str]) -> Output {
        command::run(&mut self.exec_command(options, program))
    }

    /// For a shell's program that says something and then reads a line.
    fn exec_says(&self, options: &[&str], program: &str, code: i32, words: &str) -> Result<(), String> {
        let mut command = self.exec_command(options, &["sh", "-c", program]);
        command::converse(&mut command, words).expect(code, words)
    }

    fn stopped(&self, name: &str) -> Result<(), String> {
        command::until(SOON, "STOPPED in the list", || {
            let list = self.call(&["task", "ls"]).stdout;
            list.lines().any(|line| line.starts_with(name) && line.contains("STOPPED"))
        })
    }

    fn remove(&self, name: &str) {
        // Whether it worked shows in the step `all removed`.
        self.call(&["task", "delete", "-f", name]);
        self.call(&["container", "rm", name]);
    }
}

fn logged(file: &str, text: &str) -> Result<(), String> {
    command::until(SOON, &format!("{text:?} in {file}"), || {
        fs::read_to_string(file).is_ok_and(|log| log.contains(text))
    })
}

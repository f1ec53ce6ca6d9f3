//! Buildah: a working container from scratch, filled, run with every option of `buildah run` that reaches the runtime, committed.

use crate::command::{self, Output};
use crate::engine;
use crate::image;
use crate::report::Report;
use crate::view::{HOME, Inside};
use std::fs;
use std::path::Path;
use std::process::Command;

struct Buildah<'a> {
    inside: &'a Inside,
}

/// Buildah's flow.
pub fn steps(report: &mut Report, inside: &Inside) {
    let buildah = Buildah { inside };
    report.step("prepare", || buildah.prepare());
    report.step("from scratch, copy", || {
        buildah.call(&["from", "--network", "none", "--name", "box", "scratch"]).expect(0, "box")?;
        buildah.call(&["copy", "box", &format!("{HOME}/rootfs"), "/"]).expect(0, "")
    });
    report.step("run", || buildah.run(&[], &["echo", "hello"]).expect(0, "hello\n"));
    if inside.has("memory") {
        report.step("limits, memory", || {
            let options = ["--memory", "33554432", "--network", "none"];
            let program = ["sh", "-c", "cat /sys/fs/cgroup/memory.max"];
            buildah.in_another(&options, &[], &program).expect(0, "33554432\n")
        });
    } else {
        report.skip("limits, memory", "no memory controller on this machine's cgroup2");
    }
    let alone = "it makes a container for one command in the foreground and removes it after that";
    report
        .absent(&["run -d", "exec", "exec -it", "attach", "logs", "stop", "kill", "pause", "unpause"], alone);
    report.absent(&["stats", "update", "restart", "healthcheck"], alone);
    report.absent(&["read-only", "privileged"], "`buildah run` has no such option");
    if !inside.emulated {
        further_runs(report, &buildah);
    }
    report.step("rm", || buildah.call(&["rm", "--all"]).expect(0, ""));
    report.step("nothing left", || inside.leftovers(&[]));
}

fn further_runs(report: &mut Report, buildah: &Buildah<'_>) {
    report.step("exit status", || buildah.run(&[], &["sh", "-c", "exit 7"]).expect(7, ""));
    report.step("program not found", || {
        // A path of its own: Buildah looks for the words and not for a status.
        let output = buildah.run(&[], &["nosuchprogram"]);
        output.expect(output.code.max(1), "executable file not found in $PATH")
    });
    report.step("after a failure", || buildah.run(&[], &["true"]).expect(0, ""));
    report.step("run -t", || {
        let command = buildah.command(&buildah.run_arguments(&["-t"], &["sh", "-c", "tty; read line"]));
        command::converse_on_terminal(&command, "/dev/pts/0\r\n").expect(0, "/dev/pts/0\r\n")
    });
    report.step("stdin", || {
        let mut command = buildah.command(&buildah.run_arguments(&["--terminal=false"], &["cat"]));
        command::run_with_input(&mut command, "through stdin\n").expect(0, "through stdin\n")
    });
    report.step("user", || buildah.run(&["--user", "app"], &["id"]).expect(0, "uid=1000(app) gid=1000(app)"));
    report.step("workdir, env, hostname", || {
        let options = ["--workingdir", "/tmp", "--env", "COLOR=red", "--hostname", "cask"];
        buildah.run(&options, &["sh", "-c", "echo $(hostname) $COLOR $PWD"]).expect(0, "cask red /tmp")
    });
    report.step("capabilities", || {
        let options = ["--cap-drop", "CAP_CHOWN", "--cap-add", "CAP_SYS_TIME"];
        buildah.run(&options, &["grep", "CapBnd", "/proc/self/status"]).expect(0, "CapBnd:\t")?;
        let output = buildah.run(&options, &["touch", "/tmp/owned"]);
        output.expect(0, "")
    });
    report.step("bind", || {
        let mount = format!("{HOME}/shared:/b");
        buildah.run(&["-v", &mount], &["touch", "/b/file"]).expect(0, "")?;
        buildah
            .run(&["-v", &format!("{mount}:ro")], &["touch", "/b/file"])
            .expect(1, "Read-only file system")?;
        if Path::new(&format!("{HOME}/shared/file")).exists() {
            Ok(())
        } else {
            Err("no file outside".into())
        }
    });
    report.step("tmpfs", || {
        buildah
            .run(&["--mount", "type=tmpfs,dst=/t,tmpfs-size=1048576"], &["grep", " /t ", "/proc/mounts"])
            .expect(0, "tmpfs /t tmpfs")
    });
    report.step("seccomp on", || {
        buildah.run(&[], &["grep", "Seccomp:", "/proc/self/status"]).expect(0, "Seccomp:\t2")
    });
    report.step("seccomp off", || {
        let options = ["--security-opt", "seccomp=unconfined", "--network", "none"];
        buildah.in_another(&options, &[], &["grep", "Seccomp:", "/proc/self/status"]).expect(0, "Seccomp:\t0")
    });
    report.step("rlimit", || {
        buildah
            .in_another(&["--ulimit", "nofile=77:77", "--network", "none"], &[], &["sh", "-c", "ulimit -n"])
            .expect(0, "77\n")
    });
    report.step("host namespaces", || {
        let own = fs::read_link("/proc/self/ns/uts").map_err(|error| error.to_string())?;
        buildah
            .run(&["--uts", "host", "--ipc", "host", "--network", "host"], &["ls", "-l", "/proc/self/ns"])
            .expect(0, &own.to_string_lossy())
    });
    report.step("userns", || {
        let options =
            ["--userns-uid-map", "0:100000:65536", "--userns-gid-map", "0:100000:65536", "--network", "none"];
        buildah.in_another(&options, &[], &["cat", "/proc/self/uid_map"]).expect(0, "100000      65536\n")
    });
    report.step("--no-pivot", || buildah.run(&["--no-pivot"], &["echo", "moved"]).expect(0, "moved\n"));
    report.step("commit, run the result", || {
        buildah.call(&["commit", "-q", "box", "made:1"]).expect(0, "")?;
        buildah
            .call(&["from", "--network", "none", "--name", "again", "localhost/made:1"])
            .expect(0, "again")?;
        let arguments = buildah.run_arguments(&[], &["echo", "again"]);
        let arguments: Vec<&str> =
            arguments.into_iter().map(|text| if text == "box" { "again" } else { text }).collect();
        buildah.call(&arguments).expect(0, "again\n")
    });
    report.step("bud", || {
        let directory = format!("{HOME}/context");
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        fs::write(
            format!("{directory}/Dockerfile"),
            "FROM localhost/made:1\nRUN echo built > /built\nUSER app\nRUN id && cat /built\n",
        )
        .map_err(|error| error.to_string())?;
        let runtime = buildah.inside.program.to_string_lossy();
        buildah
            .call(&[
                "bud",
                "--runtime",
                &runtime,
                "--isolation",
                "oci",
                "--network",
                "none",
                "--pull-never",
                "-t",
                "bud:1",
                &directory,
            ])
            .expect(0, "uid=1000(app)")
    });
}

impl Buildah<'_> {
    fn prepare(&self) -> Result<(), String> {
        let home = format!("{HOME}/buildah");
        let text = |error: std::io::Error| error.to_string();
        fs::create_dir_all(&home).map_err(text)?;
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{home}/root\"\nrunroot = \"{home}/runroot\"\n"
        );
        fs::write(format!("{home}/storage.conf"), storage).map_err(text)?;
        fs::write(format!("{home}/containers.conf"), "[engine]\ncgroup_manager = \"cgroupfs\"\n")
            .map_err(text)?;
        fs::write(format!("{home}/policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)
            .map_err(text)?;
        image::root()?;
        engine::prepare()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let home = format!("{HOME}/buildah");
        let mut command = Command::new("buildah");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm")
            .env("HOME", &home);
        command.env("XDG_RUNTIME_DIR", &home).env("BUILDAH_ISOLATION", "oci");
        command.env("CONTAINERS_CONF", format!("{home}/containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", format!("{home}/storage.conf"));
        command.args(arguments).current_dir("/");
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        command::run(&mut self.command(arguments))
    }

    fn run_arguments<'b>(&'b self, options: &[&'b str], program: &[&'b str]) -> Vec<&'b str> {
        let binary = self.inside.program.to_str().unwrap();
        let mut arguments = vec!["run", "--runtime", binary, "--isolation", "oci"];
        arguments.extend(options);
        arguments.extend(["box", "--"]);
        arguments.extend(program);
        arguments
    }

    fn run(&self, options: &[&str], program: &[&str]) -> Output {
        self.call(&self.run_arguments(options, program))
    }

    /// Runs in a new working container made with `from`'s options, and removes it.
    fn in_another(&self, from: &[&str], options: &[&str], program: &[&str]) -> Output {
        let mut arguments = vec!["from", "--name", "other"];
        arguments.extend(from);
        arguments.push("scratch");
        let made = self.call(&arguments);
        if made.code != 0 {
            return made;
        }
        let copied = self.call(&["copy", "other", &format!("{HOME}/rootfs"), "/"]);
        if copied.code != 0 {
            return copied;
        }
        let arguments = self.run_arguments(options, program);
        let arguments: Vec<&str> =
            arguments.into_iter().map(|text| if text == "box" { "other" } else { text }).collect();
        let output = self.call(&arguments);
        self.call(&["rm", "other"]);
        output
    }
}

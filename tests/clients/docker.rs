//! Docker: dockerd over a containerd, all its directories in the view, no bridge and no firewall rules; the shared flow;
//! then a second daemon with user namespaces for all containers.

use crate::command::{self, LIMIT, Running};
use crate::containerd;
use crate::engine::{self, Engine, Kind};
use crate::image;
use crate::report::Report;
use crate::view::{self, HOME, Inside};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

/// Docker's flow.
pub fn steps(report: &mut Report, inside: &Inside) {
    report.step("prepare", || {
        image::archive()?;
        engine::prepare()
    });
    with_daemon(report, inside, "plain", &[], |report, engine| {
        engine.steps(report);
        if !inside.emulated {
            build(report, engine);
        }
    });
    if let Err(problem) = remap_table() {
        return report.failed("userns", &problem);
    }
    with_daemon(report, inside, "remapped", &["--userns-remap", "boxes"], |report, engine| {
        report.step("userns", || {
            engine.run(&["import", &format!("{HOME}/rootfs.tar"), "box:1"]).expect(0, "")?;
            let program = ["sh", "-c", "cat /proc/self/uid_map; touch /made; id -u"];
            let mut arguments = vec!["run", "--rm", "--network", "none", "box:1"];
            arguments.extend(program);
            engine.run(&arguments).expect(0, "300000      65536\n0\n")
        });
        report.step("userns, exec", || {
            engine
                .run(&["run", "-d", "--network", "none", "--name", "mapped", "box:1", "sleep", "100"])
                .expect(0, "")?;
            let result =
                engine.run(&["exec", "mapped", "cat", "/proc/self/uid_map"]).expect(0, "300000      65536\n");
            engine.run(&["rm", "-f", "mapped"]).expect(0, "")?;
            result
        });
    });
}

/// Builds an image both ways: the old builder runs each step as a container, BuildKit as `run --bundle` of the program called runc.
fn build(report: &mut Report, engine: &Engine<'_>) {
    let directory = format!("{HOME}/context");
    let file = "FROM box:1\nRUN echo built > /built\nUSER app\nRUN id -u && cat /built\n";
    for (step, kit) in [("build", "0"), ("build with BuildKit", "1")] {
        report.step(step, || {
            fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
            fs::write(format!("{directory}/Dockerfile"), file).map_err(|error| error.to_string())?;
            let arguments = ["build", "--no-cache", "--network", "none", "-t", "built:1", &directory];
            command::run(engine.command(&arguments).env("DOCKER_BUILDKIT", kit)).expect(0, "")?;
            engine.run(&["run", "--rm", "--network", "none", "built:1", "cat", "/built"]).expect(0, "built\n")
        });
    }
    report.step("build that fails", || {
        let file = "FROM box:1\nRUN exit 9\n";
        fs::write(format!("{directory}/Dockerfile"), file).map_err(|error| error.to_string())?;
        let arguments = ["build", "--no-cache", "--network", "none", &directory];
        command::run(engine.command(&arguments).env("DOCKER_BUILDKIT", "1")).expect(1, "exit code: 9")
    });
}

fn with_daemon(
    report: &mut Report,
    inside: &Inside,
    name: &str,
    options: &[&str],
    steps: impl FnOnce(&mut Report, &Engine<'_>),
) {
    let home = format!("{HOME}/docker-{name}");
    let engine = Engine {
        kind: Kind::Docker,
        inside,
        environment: vec![
            ("HOME", home.clone()),
            ("DOCKER_CONFIG", home.clone()),
            ("DOCKER_HOST", format!("unix://{home}/docker.sock")),
        ],
    };
    let containerd = format!("containerd-{name}");
    let started = containerd::start(&containerd, None)
        .and_then(|below| Ok((below, daemon(&engine, &home, &containerd::socket(&containerd), options)?)));
    match started {
        Ok((below, mut daemon)) => {
            steps(report, &engine);
            if report.any_failed() && inside.runtime == "runlet" {
                log(&daemon.stderr());
            }
            report.step(&format!("daemon ({name}) ends, nothing left"), || {
                let output = daemon.stop(LIMIT);
                if output.code != 0 {
                    return Err(format!("status {}", output.code));
                }
                below.stop(LIMIT).expect(0, "")?;
                inside.leftovers(&[])
            });
        }
        Err(problem) => report.failed(&format!("daemon ({name})"), &problem),
    }
}

/// What a daemon said of errors, as notes beside the table.
fn log(text: &str) {
    for line in text.lines().filter(|line| line.contains("level=error")).take(40) {
        println!("dockerd: {line}");
    }
}

fn daemon(engine: &Engine<'_>, home: &str, containerd: &str, options: &[&str]) -> Result<Running, String> {
    fs::create_dir_all(home).map_err(|error| error.to_string())?;
    fs::write(format!("{home}/daemon.json"), "{}").map_err(|error| error.to_string())?;
    let runtime = format!("{}={}", engine.inside.runtime, engine.inside.program.display());
    let mut command = Command::new("dockerd");
    // BuildKit in dockerd takes the program called runc, whatever the default runtime is.
    let shadow = format!("{home}/shadow");
    fs::create_dir_all(&shadow).map_err(|error| error.to_string())?;
    symlink(&engine.inside.program, format!("{shadow}/runc")).map_err(|error| error.to_string())?;
    command.env("PATH", format!("{shadow}:/usr/sbin:/usr/bin:/sbin:/bin"));
    command.env("HOME", home).current_dir("/");
    command.args(["--config-file", &format!("{home}/daemon.json")]);
    command.args(["--data-root", &format!("{home}/data"), "--exec-root", &format!("{home}/exec")]);
    command.args(["--pidfile", &format!("{home}/pid"), "-H", &format!("unix://{home}/docker.sock")]);
    command.args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]);
    command.args(["--ip-masq=false", "--userland-proxy=false", "--exec-opt", "native.cgroupdriver=cgroupfs"]);
    // Docker knows a runtime called runc by itself and refuses to have it added.
    if engine.inside.runtime != "runc" {
        command.args(["--add-runtime", &runtime, "--default-runtime", &engine.inside.runtime]);
    }
    command.args(["--containerd", containerd]).args(options);
    let mut daemon = command::start(&mut command, Stdio::null())?;
    let socket = format!("{home}/docker.sock");
    let ready = command::until(LIMIT, "dockerd answers", || {
        Path::new(&socket).exists() && engine.run(&["version"]).code == 0
    });
    ready.map_err(|problem| format!("{problem}: {}", daemon.last_words()))?;
    Ok(daemon)
}

/// The view's own users: `boxes` with a range of subordinate ids.
fn remap_table() -> Result<(), String> {
    view::extend("/etc/passwd", "boxes:x:12346:12346::/nonexistent:/bin/false")?;
    view::extend("/etc/group", "boxes:x:12346:")?;
    view::extend("/etc/subuid", "boxes:300000:65536")?;
    view::extend("/etc/subgid", "boxes:300000:65536")
}

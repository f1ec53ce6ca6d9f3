//! Podman: as root, and as an ordinary user with a delegated cgroup and subordinate ids; both through conmon, with cgroupfs as the
//! cgroup manager and no network but loopback.

use crate::engine::{self, Engine, Kind, USER};
use crate::image;
use crate::report::Report;
use crate::view::{self, HOME, Inside, tool};
use std::fs;

/// Podman's flow as root.
pub fn steps(report: &mut Report, inside: &Inside) {
    let home = format!("{HOME}/podman");
    let engine = match prepare(inside, &home, Kind::Podman) {
        Ok(engine) => engine,
        Err(problem) => return report.failed("prepare", &problem),
    };
    engine.steps(report);
    report.step("pod", || {
        // A pod's infrastructure container holds the namespaces that its members join. Podman 4.3 with cgroupfs gives the pod's
        // own cgroup a device program that denies everything, so the members are not put below it.
        engine
            .run(&[
                "pod",
                "create",
                "--share-parent=false",
                "--name",
                "pod",
                "--infra-command",
                "/bin/sleep 1000",
                "--infra-image",
                "localhost/box:1",
                "--network",
                "none",
            ])
            .expect(0, "")?;
        let result = engine
            .run(&["run", "--rm", "--pod", "pod", "localhost/box:1", "echo", "member"])
            .expect(0, "member");
        engine.run(&["pod", "rm", "-f", "-t", "0", "pod"]).expect(0, "")?;
        result
    });
    report.step("checkpoint is refused", || {
        engine
            .run(&["run", "-d", "--network", "none", "--name", "kept", "localhost/box:1", "sleep", "100"])
            .expect(0, "")?;
        let output = engine.run(&["container", "checkpoint", "kept"]);
        engine.run(&["rm", "-f", "-t", "0", "kept"]).expect(0, "")?;
        if output.code == 0 { Err(output.describe()) } else { Ok(()) }
    });
    report.step("nothing left", || inside.leftovers(&[]));
}

/// Podman's flow as an ordinary user.
pub fn rootless_steps(report: &mut Report, inside: &Inside) {
    let home = format!("{HOME}/podman");
    let engine = match users().and_then(|()| prepare(inside, &home, Kind::Rootless)) {
        Ok(engine) => engine,
        Err(problem) => return report.failed("prepare", &problem),
    };
    engine.steps(report);
    // Podman keeps one process that holds its user namespace.
    report.step("nothing left", || inside.leftovers(&["catatonit", "podman"]));
}

fn prepare<'a>(inside: &'a Inside, home: &str, kind: Kind) -> Result<Engine<'a>, String> {
    let text = |error: std::io::Error| error.to_string();
    let runtime = &inside.runtime;
    let program = inside.program.display();
    fs::create_dir_all(format!("{home}/run")).map_err(text)?;
    let configuration = format!(
        "[containers]\nnetns = \"none\"\npids_limit = 0\nlog_driver = \"k8s-file\"\ndefault_sysctls = []\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"{runtime}\"\n\
         network_config_dir = \"{home}/net\"\n\
         runtime_supports_json = [\"runlet\", \"runc\"]\nruntime_supports_nocgroup = [\"runlet\"]\n\
         [engine.runtimes]\n{runtime} = [\"{program}\"]\n"
    );
    fs::write(format!("{home}/containers.conf"), configuration).map_err(text)?;
    let storage = match kind {
        Kind::Rootless => "[storage]\ndriver = \"overlay\"\n".into(),
        _ => format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{home}/root\"\nrunroot = \"{home}/runroot\"\n"
        ),
    };
    fs::write(format!("{home}/storage.conf"), storage).map_err(text)?;
    image::archive()?;
    engine::prepare()?;
    if kind == Kind::Rootless {
        tool("chown", &["-R", &format!("{USER}:{USER}"), home])?;
    }
    Ok(Engine {
        kind,
        inside,
        environment: vec![
            ("HOME", home.into()),
            ("XDG_RUNTIME_DIR", format!("{home}/run")),
            ("CONTAINERS_CONF", format!("{home}/containers.conf")),
            ("CONTAINERS_STORAGE_CONF", format!("{home}/storage.conf")),
        ],
    })
}

/// The view's own user with subordinate ids, and a cgroup that belongs to it, as a service manager would delegate one.
fn users() -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    view::extend("/etc/passwd", &format!("boxer:x:{USER}:{USER}::{HOME}/podman:/bin/sh"))?;
    view::extend("/etc/group", &format!("boxer:x:{USER}:"))?;
    view::extend("/etc/subuid", "boxer:200000:65536")?;
    view::extend("/etc/subgid", "boxer:200000:65536")?;
    fs::create_dir_all("/sys/fs/cgroup/user/init").map_err(text)?;
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control").map_err(text)?;
    for controller in controllers.split_whitespace() {
        fs::write("/sys/fs/cgroup/user/cgroup.subtree_control", format!("+{controller}")).map_err(text)?;
    }
    tool("chown", &["-R", &format!("{USER}:{USER}"), "/sys/fs/cgroup/user"])?;
    fs::write("/sys/fs/cgroup/user/init/cgroup.procs", "0").map_err(text)
}

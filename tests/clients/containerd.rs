//! containerd as a daemon of the view's own: for ctr, for the CRI, and for Docker, which by itself would give it fifteen seconds.

use crate::command::{self, LIMIT, Running};
use crate::report::Report;
use crate::view::{HOME, Inside};
use std::fs;
use std::process::{Command, Stdio};

/// The CRI's plug-in, which only the CRI's flow wants.
const CRI: &str = "\"io.containerd.grpc.v1.cri\", ";

/// Where a daemon called `name` listens.
pub fn socket(name: &str) -> String {
    format!("{HOME}/{name}.sock")
}

/// Starts a daemon called `name`, with `cri`'s settings for that plug-in or without it, and waits until it answers.
pub fn start(name: &str, cri: Option<&str>) -> Result<Running, String> {
    let (home, socket) = (format!("{HOME}/{name}"), socket(name));
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    let without = if cri.is_some() { "" } else { CRI };
    let configuration = format!(
        "version = 2\nroot = \"{home}/root\"\nstate = \"{home}/state\"\n\
         disabled_plugins = [{without}\"io.containerd.snapshotter.v1.devmapper\"]\n\
         [grpc]\naddress = \"{socket}\"\n[ttrpc]\naddress = \"{socket}.ttrpc\"\n[debug]\naddress = \"{home}/debug.sock\"\n{}",
        cri.unwrap_or_default(),
    );
    fs::write(format!("{home}/config.toml"), configuration).map_err(|error| error.to_string())?;
    let mut command = Command::new("containerd");
    command.args(["--config", &format!("{home}/config.toml")]).current_dir("/");
    let mut daemon = command::start(&mut command, Stdio::null())?;
    command::until(LIMIT, "containerd answers", || {
        command::run(Command::new("ctr").args(["-a", &socket, "version"])).code == 0
    })
    .map_err(|problem| format!("{problem}: {}", daemon.last_words()))?;
    Ok(daemon)
}

/// Ends a flow's daemon, with what it said of errors where a step has failed, and sees that nothing is left.
pub fn end(report: &mut Report, inside: &Inside, mut daemon: Running) {
    if report.any_failed() && inside.runtime == "runlet" {
        for line in daemon.stderr().lines().filter(|line| line.contains("level=error")).take(40) {
            println!("containerd: {line}");
        }
    }
    report.step("daemon ends, nothing left", || {
        daemon.stop(LIMIT).expect(0, "")?;
        inside.leftovers(&[])
    });
}

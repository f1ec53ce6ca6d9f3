//! Hands the seccomp listener to whoever answers SCMP_ACT_NOTIFY (config-linux.md "Seccomp", ContainerProcessState).

use crate::config::Config;
use crate::error::{Error, Result};
use crate::hooks::State;
use crate::spawn::Child;
use crate::store::{Record, Status};
use alloc::format;
use serde::Serialize;
use syscalls::{AsFd, net, process};

/// config-linux.md "The Container Process State".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    fds: [&'a str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: State<'a>,
}

/// Takes the listener out of the child, where it has this number, and sends it with the state to `listenerPath`.
pub fn hand_over(
    config: &Config<'_>,
    record: &Record<'_>,
    status: Status,
    child: &Child,
    number: i32,
) -> Result<()> {
    let Some(seccomp) = &config.linux.seccomp else {
        return Err(Error::new("linux.seccomp: a listener without a profile"));
    };
    let path = &*seccomp.listener_path;
    let failed = |errno| Error::sys("linux.seccomp.listenerPath", path)(errno);
    let pidfd = match &child.pidfd {
        Some(pidfd) => pidfd,
        None => return Err(Error::new("linux.seccomp.listenerPath: this kernel has no pidfds (Linux 5.2)")),
    };
    let listener = process::pidfd_getfd(pidfd.as_fd(), number)
        .map_err(Error::os("linux.seccomp: pidfd_getfd (Linux 5.6)"))?;
    let socket = net::socket(net::AF_UNIX, net::SOCK_STREAM, 0).map_err(failed)?;
    net::connect_unix(socket.as_fd(), path.as_bytes()).map_err(failed)?;
    let state = ProcessState {
        oci_version: crate::cmd::version::SPEC,
        fds: ["seccompFd"],
        pid: child.pid,
        metadata: &seccomp.listener_metadata,
        state: State::new(record, status),
    };
    let json = serde_json::to_vec(&state).map_err(|_| {
        Error::new(format!("linux.seccomp.listenerPath {path:?}: the state cannot be written as JSON"))
    })?;
    net::send_with_fds(socket.as_fd(), &json, &[listener.as_fd()], net::MSG_NOSIGNAL)
        .map(drop)
        .map_err(failed)
}

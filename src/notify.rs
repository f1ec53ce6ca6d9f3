//! Hands the seccomp listener to whoever answers SCMP_ACT_NOTIFY (config-linux.md "Seccomp", ContainerProcessState).

use crate::config::Config;
use crate::error::{Error, Result};
use crate::json::Writer;
use crate::spawn::Child;
use crate::store::{Record, Status};
use syscalls::{AsFd, net, process};

/// Takes the listener out of the child, where it has this number, and sends it with the state to `listenerPath`.
pub fn hand_over(
    config: &Config<'_>,
    record: &Record<'_>,
    status: Status,
    child: &Child,
    number: i32,
) -> Result<()> {
    let Some(seccomp) = &config.linux.seccomp else {
        return Err(Error::new(words!("linux.seccomp: a listener without a profile")));
    };
    let path = seccomp.listener_path;
    let failed = |errno| Error::sys(words!("linux.seccomp.listenerPath"), path)(errno);
    let pidfd = match &child.pidfd {
        Some(pidfd) => pidfd,
        None => {
            return Err(Error::new(words!(
                "linux.seccomp.listenerPath: this kernel has no pidfds (Linux 5.2)"
            )));
        }
    };
    let listener = process::pidfd_getfd(pidfd.as_fd(), number)
        .map_err(Error::os(words!("linux.seccomp: pidfd_getfd (Linux 5.6)")))?;
    let socket = net::connected(net::SOCK_STREAM, path.as_bytes()).map_err(failed)?;
    // config-linux.md "The Container Process State".
    let mut json = Writer::default();
    json.object("");
    json.string("ociVersion", crate::config::SPEC);
    json.strings("fds", &mut ["seccompFd"].into_iter());
    json.number("pid", i64::from(child.pid));
    if !seccomp.listener_metadata.is_empty() {
        json.string("metadata", seccomp.listener_metadata);
    }
    record.write_state(record.pid, status, 0, &mut json, "state");
    json.end_object();
    let json = json.finish();
    net::send_with_fds(socket.as_fd(), json.as_bytes(), &[listener.as_fd()], net::MSG_NOSIGNAL)
        .map(drop)
        .map_err(failed)
}

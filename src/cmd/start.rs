//! `start`: lets a created container's program go, and learns whether it came to run.

use super::Context;
use super::container::Container;
use crate::config::{Config, HookKind};
use crate::error::{Error, Result, error};
use crate::hooks;
use crate::readiness::Proxy;
use crate::spawn::render;
use crate::store::{Entry, FIFO, Status};
use crate::sync::{FRAME, Frame, Step};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use syscalls::{AsFd, fd, process};

/// `start`. Returns after the poststart hooks did (config.md).
pub fn start(context: &Context) -> Result<()> {
    let container = Container::open(context, true)?;
    let (entry, record) = (&container.entry, container.record);
    match container.status() {
        Status::Created => {}
        status => {
            let status = status.name();
            return Err(error!(
                "cannot start container {quoted}: its status is {}, not created",
                record.id, status
            ));
        }
    }
    let config = container.config()?;
    let notify = Proxy::of_created(entry, context.env, context.log)?;
    let started = release(entry, config)?
        .and_then(|()| hooks::run(HookKind::Poststart, &config.hooks, record, Status::Running));
    if started.is_err() {
        // A container whose hook fails is stopped and destroyed (runtime.md "Lifecycle" 7 and 9).
        super::delete::destroy(context, &context.store()?, entry, true)?;
    }
    started?;
    if let Some(proxy) = notify {
        // The container is there for others, who may want it to end.
        entry.unlock()?;
        proxy.until_ready(record.pid, process::pidfd_open(record.pid, 0).ok().as_ref())?;
    }
    Ok(())
}

/// Writes the byte that the container's process waits for, and waits until it has let go of the fifo: by exec, or with a
/// frame that says what failed. The inner result is that of the startContainer hooks.
pub fn release(entry: &Entry, config: &Config<'_>) -> Result<Result<()>> {
    // ENXIO: nobody reads any more, the process has ended since its status was looked at.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fifo =
        rustix::fs::openat(&entry.directory, FIFO, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NXIO => Error::new(words!("the container's process has ended before it was started")),
            errno => Error::os(words!("exec.fifo: open"))(errno),
        })?;
    retry_on_intr(|| rustix::io::write(&fifo, &[1])).map_err(Error::os(words!("exec.fifo: write")))?;
    // POLLERR on the writing end: the last reader is gone (pipe(7)).
    let mut fds = [fd::PollFd::new(fifo.as_fd(), 0)];
    retry_on_intr(|| fd::poll(&mut fds, None)).map_err(Error::os(words!("exec.fifo: poll")))?;
    let frame = leftover(entry)?;
    // The container is not "created" any more; the lock kept others from starting it twice.
    rustix::fs::unlinkat(&entry.directory, FIFO, AtFlags::empty())
        .map_err(Error::os(words!("exec.fifo: remove")))?;
    let Some(frame) = frame else { return Ok(Ok(())) };
    let errno = Errno::from_raw_os_error(frame.value);
    if frame.step == Step::StartContainer {
        let index = usize::from(frame.index);
        let kind = HookKind::StartContainer;
        let path = config.hooks.of(kind).get(index).map(|hook| hook.path).unwrap_or_default();
        return Ok(Err(hooks::failed(kind, index, path, errno)));
    }
    let process = config.process.as_ref();
    let program = process.and_then(|process| process.args.first());
    let labelled = process.is_some_and(|process| !process.selinux_label.is_empty());
    Err(render::program_error(program.copied().unwrap_or_default(), errno, labelled))
}

/// The frame that the process left in the fifo, if it failed. Its bytes stay there as long as the writing end is open.
fn leftover(entry: &Entry) -> Result<Option<Frame>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let reader = rustix::fs::openat(&entry.directory, FIFO, flags, Mode::empty())
        .map_err(Error::os(words!("exec.fifo: open")))?;
    let mut bytes = [0; FRAME];
    match retry_on_intr(|| rustix::io::read(&reader, &mut bytes)) {
        Ok(FRAME) => Ok(Frame::decode(bytes)),
        Ok(_) | Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(Error::os(words!("exec.fifo: read"))(errno)),
    }
}

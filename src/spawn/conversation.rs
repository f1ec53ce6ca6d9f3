//! The parent's side of the conversation drawn in `sync`: the same for create, run and exec.

use super::{
    Child, Event, maps,
    render::{done_without, render},
    write_proc,
};
use crate::cgroup::Cgroup;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::hooks;
use crate::log::Log;
use crate::netdev::Moves;
use crate::notify;
use crate::plan::{Plan, Process};
use crate::proc;
use crate::rdt;
use crate::store::{Record, Status};
use crate::sync::{Frame, Kind};
use alloc::string::ToString;
use syscalls::{OwnedFd, ns};

/// What the child's questions are answered with.
pub struct Conversation<'a, 'b> {
    pub log: &'a Log,
    pub config: &'a Config<'b>,
    pub record: &'a Record<'b>,
    /// The whole container; none for `exec`.
    pub plan: Option<&'a Plan>,
    pub process: &'a Process,
    pub cgroup: Option<&'a Cgroup>,
    /// Where the network devices are kept that have been moved into the container.
    pub moves: &'a mut Option<Moves>,
    pub rdt: Option<&'a rdt::Group>,
    /// Whether id maps may be written without help.
    pub privileged: bool,
    /// What the hooks that the child runs have on their stdin.
    pub state: Option<&'a OwnedFd>,
    /// Whether the child is to report before it becomes its program, rather than by becoming it.
    pub barrier: bool,
}

impl Conversation<'_, '_> {
    /// Answers frames until the child is ready, or has become its program; of a container also when a process that the child has made
    /// takes its place, and waits until that is written down.
    pub fn hold(&mut self, child: &mut Child) -> Result<()> {
        done_without(self.log, child.without);
        loop {
            match child.listen()? {
                Event::Frame(frame) => {
                    if self.answer(frame, child)? {
                        return Ok(());
                    }
                }
                Event::Closed if self.barrier || child.is_in_between() => {
                    return Err(Error::new(words!("the container's process ended while it was being made"))
                        .hint(words!("killed, perhaps for want of memory")));
                }
                Event::Closed => return Ok(()),
            }
        }
    }

    /// One of them. Whether it was the last.
    fn answer(&mut self, frame: Frame, child: &mut Child) -> Result<bool> {
        match (frame.kind, self.plan) {
            (Kind::Ready, Some(plan)) => return self.ready(child, plan).map(|()| true),
            (Kind::Failure, plan) => return Err(render(frame, plan, self.process)),
            (Kind::Warning, plan) => {
                self.log.warn(&render(frame, plan, self.process));
                return Ok(false);
            }
            (Kind::Without, _) => {
                done_without(self.log, frame.value.cast_unsigned());
                return Ok(false);
            }
            (Kind::Maps, plan) => self.enter(child, plan)?,
            (Kind::Hooks, Some(_)) => hooks::before_pivot(self.config, self.record)?,
            (Kind::Listener, plan) => {
                let status = if plan.is_some() { Status::Creating } else { Status::Running };
                notify::hand_over(self.config, self.record, status, child, frame.value)?;
            }
            (Kind::Pid, plan) if child.is_in_between() => {
                child.replaced_by(frame.value)?;
                crate::child::schedule(self.process, child.pid)
                    .map_err(Error::os(words!("process.scheduler")))?;
                if plan.is_some() {
                    return Ok(true);
                }
            }
            (Kind::Pid, _) | (Kind::Ready | Kind::Hooks, None) => {
                return Err(Error::new(words!("the container's process speaks nonsense")));
            }
        }
        child.go().map(|()| false)
    }

    /// What is done from outside in the new namespaces, before the child does anything in them.
    fn enter(&mut self, child: &Child, plan: Option<&Plan>) -> Result<()> {
        if let Some(cgroup) = self.cgroup.filter(|cgroup| cgroup.needs_join() || !child.in_cgroup) {
            cgroup.join(child.pid, child.in_cgroup && cgroup.cgroup2().is_some())?;
        }
        if let Some(group) = self.rdt {
            group.assign(child.pid)?;
        }
        if let Some(adjust) = self.process.oom_score_adj {
            write_proc(child.pid, "oom_score_adj", adjust.to_string().as_bytes(), "process.oomScoreAdj")?;
        }
        let Some(plan) = plan else { return Ok(()) };
        if let Some(state) = &self.state {
            hooks::give_state(state, self.record, inside(child, plan), Status::Creating)?;
        }
        if plan.namespaces.new & ns::CLONE_NEWUSER != 0 {
            maps::write(child.pid, &plan.namespaces, self.privileged)?;
        }
        match plan.net_devices.is_empty() {
            true => Ok(()),
            false => self.moves.insert(Moves::new(child.pid)?).go(plan.net_devices, child.pid),
        }
    }

    /// Everything is done but the program; startContainer hooks find the container created.
    fn ready(&self, child: &Child, plan: &Plan) -> Result<()> {
        match &self.state {
            Some(state) if !plan.start_container.is_empty() => {
                hooks::give_state(state, self.record, inside(child, plan), Status::Created)
            }
            _ => Ok(()),
        }
    }
}

/// The pid as the container's own processes see it: that of their pid namespace (runtime.md "State").
fn inside(child: &Child, plan: &Plan) -> i32 {
    match plan.namespaces.new & ns::CLONE_NEWPID {
        0 if plan.namespaces.has(ns::CLONE_NEWPID) => proc::innermost_pid(child.pid),
        0 => child.pid,
        _ => 1,
    }
}

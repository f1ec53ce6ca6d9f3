//! Loads a device program and puts it on a cgroup2.

use super::Cgroup;
use crate::error::{Error, Result};
use crate::words::Words;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use syscalls::bpf::{self, Insn};

/// Most programs that an update looks for on one cgroup.
const MOST_PROGRAMS: usize = 64;

/// What somebody is told whose rules are not in force.
pub const UNENFORCED: &str = "linux.resources.devices: not enforced, for only root may load the rules: device nodes have their permissions, and none can be made";

/// Loads a program. `None` for a caller whom the kernel does not let load one because he is not privileged in the host's user
/// namespace: then no process of his can make a device node either, and nodes that exist are guarded by their permissions.
pub fn load(program: &[Insn]) -> Result<Option<OwnedFd>> {
    match bpf::prog_load(bpf::PROG_TYPE_CGROUP_DEVICE, program, c"", None) {
        Ok(program) => Ok(Some(program)),
        Err(Errno::PERM | Errno::ACCESS) if !is_privileged() => Ok(None),
        Err(errno) => {
            let hint = match errno {
                Errno::NOSYS | Errno::INVAL => {
                    words!("the kernel needs CONFIG_CGROUP_BPF, or cgroup v1's devices controller")
                }
                _ => Words::NONE,
            };
            Err(Error::os(words!("linux.resources.devices: load the device program"))(errno).hint(hint))
        }
    }
}

/// Root, and of the host's own user namespace: only there the identity map covers all ids.
pub fn is_privileged() -> bool {
    let map = super::dir::read("/proc/self/uid_map").unwrap_or_default();
    let mut words = map.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let whole = [&b"0"[..], b"0", b"4294967295"].iter().all(|number| words.next() == Some(number));
    syscalls::ids::is_root() && (whole || map.is_empty())
}

impl Cgroup {
    /// Puts a loaded program on the new cgroup. Programs of cgroups below and above run too, and all must grant.
    pub fn attach(&self, program: &OwnedFd) -> Result<()> {
        let Some(dir) = self.cgroup2() else { return Ok(()) };
        bpf::prog_attach(dir, program.as_fd(), bpf::CGROUP_DEVICE, bpf::F_ALLOW_MULTI, None)
            .map_err(Error::os(words!("linux.resources.devices: attach the device program")))
    }

    /// Puts a loaded program in the place of the one that is there, in one step where the kernel can (Linux 5.6); before that
    /// both are there for a moment, which grants less, not more.
    pub fn replace(&self, program: &OwnedFd) -> Result<()> {
        let Some(dir) = self.cgroup2() else { return Ok(()) };
        let failed = |errno| Error::os(words!("linux.resources.devices: replace the device program"))(errno);
        let mut ids = [0u32; MOST_PROGRAMS];
        let mut old = bpf::prog_query(dir, bpf::CGROUP_DEVICE, &mut ids).map_err(failed)?.iter();
        let first = old.next().map(|id| bpf::prog_get_fd(*id)).transpose().map_err(failed)?;
        let Some(first) = first else { return self.attach(program) };
        let flags = bpf::F_ALLOW_MULTI | bpf::F_REPLACE;
        match bpf::prog_attach(dir, program.as_fd(), bpf::CGROUP_DEVICE, flags, Some(first.as_fd())) {
            Ok(()) => {}
            Err(Errno::INVAL) => {
                self.attach(program)?;
                bpf::prog_detach(dir, first.as_fd(), bpf::CGROUP_DEVICE).map_err(failed)?;
            }
            Err(errno) => return Err(failed(errno)),
        }
        for id in old {
            let program = bpf::prog_get_fd(*id).map_err(failed)?;
            bpf::prog_detach(dir, program.as_fd(), bpf::CGROUP_DEVICE).map_err(failed)?;
        }
        Ok(())
    }
}

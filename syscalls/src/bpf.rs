//! bpf(2), as far as cgroup device programs need it.
//!
//! # Safety
//!
//! Each command is given the leading part of `union bpf_attr` that it uses. Kernels take a shorter or a longer one: what is
//! missing counts as zero, and what they do not know must be zero. Addresses in it are of live slices.

use crate::call::{ret_fd, ret_unit};
use core::ffi::CStr;
use linux_raw_sys::general as k;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};

/// `BPF_PROG_TYPE_CGROUP_DEVICE`. Linux 4.15.
pub const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
/// `BPF_CGROUP_DEVICE`.
pub const CGROUP_DEVICE: u32 = 6;
/// Programs of this cgroup and of its ancestors all run, and all must allow.
pub const F_ALLOW_MULTI: u32 = 2;
/// Replaces the program given, in one step. Linux 5.6.
pub const F_REPLACE: u32 = 4;

/// struct bpf_insn.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination in the low four bits and source in the high four, on little-endian machines.
    pub regs: u8,
    /// Jump or memory offset.
    pub off: i16,
    /// Operand.
    pub imm: i32,
}

impl Insn {
    /// With the registers packed for this machine's byte order.
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        let regs = if cfg!(target_endian = "little") { dst & 15 | src << 4 } else { dst << 4 | src & 15 };
        Insn { code, regs, off, imm }
    }
}

fn bpf<T>(command: u32, attr: &T) -> isize {
    // SAFETY: this file's structs begin `union bpf_attr`; the kernel is told their size.
    unsafe { sys!(k::__NR_bpf, command, core::ptr::from_ref(attr), size_of::<T>()) }
}

#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// BPF_PROG_LOAD. `EACCES` when the verifier refuses it, which `log` then explains (`ENOSPC` when it is short), `EPERM` without
/// CAP_BPF or CAP_SYS_ADMIN. Without a log, loading costs less.
pub fn prog_load(prog_type: u32, insns: &[Insn], license: &CStr, log: Option<&mut [u8]>) -> Result<OwnedFd> {
    let mut attr = Load {
        prog_type,
        insn_cnt: u32::try_from(insns.len()).map_err(|_| Errno::TOOBIG)?,
        insns: insns.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        ..Load::default()
    };
    if let Some(log) = log {
        attr.log_level = 1;
        attr.log_size = u32::try_from(log.len()).unwrap_or(u32::MAX);
        attr.log_buf = log.as_mut_ptr().expose_provenance() as u64;
    }
    const PROG_LOAD: u32 = 5;
    // SAFETY: a new descriptor, always close-on-exec.
    unsafe { ret_fd(bpf(PROG_LOAD, &attr)) }
}

#[repr(C)]
struct Attach {
    target_fd: i32,
    prog_fd: i32,
    attach_type: u32,
    flags: u32,
    replace_fd: i32,
}

/// BPF_PROG_ATTACH to a cgroup. `replaced` goes with [`F_REPLACE`]; both need [`F_ALLOW_MULTI`].
pub fn prog_attach(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    attach_type: u32,
    flags: u32,
    replaced: Option<BorrowedFd<'_>>,
) -> Result<()> {
    const PROG_ATTACH: u32 = 8;
    ret_unit(bpf(
        PROG_ATTACH,
        &Attach {
            target_fd: cgroup.as_raw_fd(),
            prog_fd: program.as_raw_fd(),
            attach_type,
            flags,
            replace_fd: replaced.map_or(0, |fd| fd.as_raw_fd()),
        },
    ))
}

/// BPF_PROG_DETACH from a cgroup. `ENOENT` when it is not attached.
pub fn prog_detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>, attach_type: u32) -> Result<()> {
    const PROG_DETACH: u32 = 9;
    ret_unit(bpf(
        PROG_DETACH,
        &Attach {
            target_fd: cgroup.as_raw_fd(),
            prog_fd: program.as_raw_fd(),
            attach_type,
            flags: 0,
            replace_fd: 0,
        },
    ))
}

/// Whole, because the kernel writes into it without looking at the size it was told: the count always, `revision` since 6.17.
#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: i32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// BPF_PROG_QUERY: the ids of the programs attached to this very cgroup. `ENOSPC` when there are more than `ids` holds.
pub fn prog_query<'i>(cgroup: BorrowedFd<'_>, attach_type: u32, ids: &'i mut [u32]) -> Result<&'i [u32]> {
    const PROG_QUERY: u32 = 16;
    let mut attr = Query {
        target_fd: cgroup.as_raw_fd(),
        attach_type,
        prog_ids: ids.as_mut_ptr().expose_provenance() as u64,
        prog_cnt: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        ..Query::default()
    };
    // SAFETY: as `bpf`, and this command writes the count and flags back into the struct.
    ret_unit(unsafe { sys!(k::__NR_bpf, PROG_QUERY, &raw mut attr, size_of::<Query>()) })?;
    ids.get(..attr.prog_cnt as usize).ok_or(Errno::NOSPC)
}

#[repr(C)]
struct GetFd {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// BPF_PROG_GET_FD_BY_ID: a descriptor for a loaded program. `ENOENT` when it has gone, `EPERM` without CAP_SYS_ADMIN.
pub fn prog_get_fd(id: u32) -> Result<OwnedFd> {
    const PROG_GET_FD_BY_ID: u32 = 13;
    // SAFETY: a new descriptor, always close-on-exec.
    unsafe { ret_fd(bpf(PROG_GET_FD_BY_ID, &GetFd { id, next_id: 0, open_flags: 0 })) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{emulated, root};
    use rustix::fd::AsFd;

    /// r0 = `value`; exit
    fn constant(value: i32) -> [Insn; 2] {
        [Insn::new(0xb7, 0, 0, 0, value), Insn::new(0x95, 0, 0, 0, 0)]
    }

    #[test]
    fn structs_have_the_kernels_layout() {
        use core::mem::offset_of;
        assert_eq!(size_of::<Insn>(), 8);
        assert_eq!(size_of::<Load>(), 48);
        assert_eq!(offset_of!(Load, log_buf), 32);
        assert_eq!(size_of::<Attach>(), 20);
        assert_eq!(size_of::<Query>(), 64);
        assert_eq!(offset_of!(Query, prog_cnt), 24);
        assert_eq!(offset_of!(Query, revision), 56);
        assert_eq!(size_of::<GetFd>(), 12);
        assert_eq!(
            Insn::new(0xbf, 1, 6, 0, 0).regs,
            if cfg!(target_endian = "little") { 0x61 } else { 0x16 }
        );
    }

    #[test]
    fn a_good_program_loads_and_a_bad_one_is_explained() {
        let name = "a_good_program_loads_and_a_bad_one_is_explained";
        if emulated(name) || !root(name) {
            return;
        }
        let program = match prog_load(PROG_TYPE_CGROUP_DEVICE, &constant(1), c"GPL", None) {
            Err(Errno::PERM | Errno::NOSYS | Errno::INVAL) => {
                std::println!("SKIP {name}: bpf is not allowed here");
                return;
            }
            program => program.unwrap(),
        };
        assert_eq!(crate::fd::get_flags(program.as_raw_fd()), Ok(1));
        let mut log = [0; 512];
        let bad = [Insn::new(0xbf, 0, 5, 0, 0), Insn::new(0x95, 0, 0, 0, 0)]; // r0 = r5, which was never set
        let refused = prog_load(PROG_TYPE_CGROUP_DEVICE, &bad, c"GPL", Some(&mut log));
        assert_eq!(refused.err(), Some(Errno::ACCESS));
        assert!(log.windows(9).any(|w| w == b"R5 !read_"));
        let file = crate::fs::openat(crate::CWD, c"/", crate::fs::O_DIRECTORY, 0).unwrap();
        assert_eq!(
            prog_attach(file.as_fd(), program.as_fd(), CGROUP_DEVICE, F_ALLOW_MULTI, None),
            Err(Errno::BADF)
        );
    }

    #[test]
    fn a_program_is_attached_replaced_found_and_detached() {
        let name = "a_program_is_attached_replaced_found_and_detached";
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let Some(mount) = mounts.iter().find(|m| std::path::Path::new(m).join("cgroup.procs").exists())
        else {
            std::println!("SKIP {name}: no cgroup2");
            return;
        };
        if emulated(name) || !root(name) {
            return;
        }
        let path = std::format!("{mount}/syscalls-test-{}", std::process::id());
        if std::fs::create_dir(&path).is_err() {
            std::println!("SKIP {name}: no cgroup can be made");
            return;
        }
        let text = std::ffi::CString::new(path.as_str()).unwrap();
        let cgroup = crate::fs::openat(crate::CWD, &text, crate::fs::O_DIRECTORY, 0).unwrap();
        let load = |value| prog_load(PROG_TYPE_CGROUP_DEVICE, &constant(value), c"GPL", None);
        let outcome = (|| {
            let (first, second) = (load(0)?, load(1)?);
            let mut ids = [0; 4];
            let before = prog_query(cgroup.as_fd(), CGROUP_DEVICE, &mut ids)?.len();
            prog_attach(cgroup.as_fd(), first.as_fd(), CGROUP_DEVICE, F_ALLOW_MULTI, None)?;
            let found = prog_get_fd(
                *prog_query(cgroup.as_fd(), CGROUP_DEVICE, &mut ids)?.first().ok_or(Errno::NOENT)?,
            )?;
            let flags = F_ALLOW_MULTI | F_REPLACE;
            prog_attach(cgroup.as_fd(), second.as_fd(), CGROUP_DEVICE, flags, Some(found.as_fd()))?;
            let gone = prog_detach(cgroup.as_fd(), first.as_fd(), CGROUP_DEVICE);
            let during = prog_query(cgroup.as_fd(), CGROUP_DEVICE, &mut ids)?.len();
            prog_detach(cgroup.as_fd(), second.as_fd(), CGROUP_DEVICE)?;
            Ok((before, gone, during, prog_query(cgroup.as_fd(), CGROUP_DEVICE, &mut ids)?.len()))
        })();
        std::fs::remove_dir(&path).unwrap();
        match outcome {
            Err(Errno::PERM | Errno::NOSYS) => std::println!("SKIP {name}: bpf is not allowed here"),
            outcome => assert_eq!(outcome, Ok((0, Err(Errno::NOENT), 1, 0))),
        }
    }
}

//! The container's procfs, looked at once: what is in it, so that what is hidden there costs no look for each name.
//!
//! The names at its top are the kernel's: no image and no process can put a link in the place of one.

use super::names::At;
use super::resolve::{Jail, Links, PROC_MAGIC};
use super::root::ST_RDONLY;
use core::ffi::CStr;
use syscalls::fs;
use syscalls::{BorrowedFd, Result, stat};

/// Types of directory entries (readdir(3)).
const DT_DIR: u8 = 4;
const DT_REG: u8 = 8;

/// What is mounted on /proc, and its list of names.
pub struct Procfs {
    /// None where /proc is no procfs, or has more names than there is room for: then every path is looked at.
    pub top: Option<BorrowedFd<'static>>,
    pub is_readonly: bool,
    names: [u8; 8192],
    length: usize,
}

/// Where a path of the container leads.
pub enum Place<'p> {
    /// To nothing.
    Nowhere,
    /// To a directory, or a file, of this name at the procfs' top.
    Directory(At<'p>),
    File(At<'p>),
    /// Somewhere that has to be looked at.
    Elsewhere,
}

impl Procfs {
    /// Nothing is known.
    pub fn unknown() -> Procfs {
        Procfs { top: None, is_readonly: false, names: [0; 8192], length: 0 }
    }

    /// Looks.
    pub fn look(&mut self, jail: &Jail) -> Result<()> {
        let top = jail.open_to_list(c"proc", Links::Refuse)?;
        let have = stat::fstatfs(top)?;
        if have.kind == PROC_MAGIC {
            self.is_readonly = have.flags & ST_RDONLY != 0;
            self.length = fs::getdents(top, &mut self.names)?;
            // The kernel lists `self` after all that is always there, and before the processes.
            self.top = self.kind(b"self").map(|_| top);
        }
        Ok(())
    }

    fn kind(&self, name: &[u8]) -> Option<u8> {
        let names = fs::entries(self.names.get(..self.length).unwrap_or_default());
        names.into_iter().find(|entry| entry.name.to_bytes() == name).map(|entry| entry.kind)
    }

    /// Where a path (relative to the root) leads, as far as the list tells.
    pub fn place<'p>(&self, path: &'p CStr) -> Place<'p> {
        let below = path.to_bytes_with_nul().strip_prefix(b"proc/");
        let name = below.and_then(|name| CStr::from_bytes_with_nul(name).ok());
        let (Some(top), Some(name)) = (self.top, name) else { return Place::Elsewhere };
        let bytes = name.to_bytes();
        let first = bytes.split(|byte| *byte == b'/').next().unwrap_or_default();
        match self.kind(first) {
            // Threads are there without being listed.
            None if first.iter().any(u8::is_ascii_digit) => Place::Elsewhere,
            None => Place::Nowhere,
            Some(DT_DIR) if first == bytes => Place::Directory((top, name)),
            Some(DT_REG) if first == bytes => Place::File((top, name)),
            Some(_) => Place::Elsewhere,
        }
    }
}

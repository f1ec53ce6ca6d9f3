//! The archive format of an initramfs: cpio in its "newc" form, written from scratch.
//!
//! Owns the bytes only: it knows nothing about what an image holds (tree.rs, image.rs do). The format is the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst: a 110-byte header of hexadecimal fields, the name, the data, each padded
//! to 4 bytes, and an end mark. Times are zero, and inode numbers are counted, so that the same content gives the same bytes.

use crate::host::{Context, Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

const S_IFMT: u32 = 0o170000;
const S_IFSOCK: u32 = 0o140000;
const S_IFLNK: u32 = 0o120000;
const S_IFREG: u32 = 0o100000;
const S_IFBLK: u32 = 0o060000;
const S_IFDIR: u32 = 0o040000;
const S_IFCHR: u32 = 0o020000;
const S_IFIFO: u32 = 0o010000;

/// The kernel drops an entry whose name or link target is longer (init/initramfs.c: N_ALIGN(name_len) > PATH_MAX), so it is refused here.
const PATH_MAX: usize = 4096;

/// Whose the files of a host directory are in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// As on the host: for a person's bundle.
    Kept,
    /// Root's, whoever made the directory.
    Root,
}

/// An archive in the making. Parent directories that were not named are made with mode 0755, root's.
pub struct Archive {
    bytes: Vec<u8>,
    seen: BTreeSet<String>,
    /// Host (device, inode) of files with several names -> the archive's inode number.
    links: BTreeMap<(u64, u64), u32>,
    next_inode: u32,
}

struct Entry<'a> {
    name: &'a str,
    inode: u32,
    mode: u32,
    owner: (u32, u32),
    links: u32,
    device: (u32, u32),
    data: &'a [u8],
}

impl Archive {
    /// An archive with nothing in it.
    pub fn new() -> Self {
        Archive { bytes: Vec::new(), seen: BTreeSet::new(), links: BTreeMap::new(), next_inode: 1 }
    }

    /// A directory. One that exists already keeps what it has, as `mkdir -p` would.
    pub fn directory(&mut self, name: &str, mode: u32) -> Result<()> {
        let name = clean(name)?;
        if name.is_empty() || self.seen.contains(name) {
            return Ok(());
        }
        self.plain(name, S_IFDIR | mode, (0, 0), b"")
    }

    /// A regular file of root's.
    pub fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> Result<()> {
        self.plain(name, S_IFREG | mode, (0, 0), data)
    }

    /// A symbolic link; `target` is kept as it is.
    pub fn symlink(&mut self, name: &str, target: &str) -> Result<()> {
        if target.is_empty() || target.len() >= PATH_MAX {
            return Err(Error::new(format!("cpio: {name}: a link target has 1..{PATH_MAX} bytes")));
        }
        self.plain(name, S_IFLNK | 0o777, (0, 0), target.as_bytes())
    }

    /// A character device of root's, as /dev/console.
    pub fn character_device(&mut self, name: &str, mode: u32, major: u32, minor: u32) -> Result<()> {
        self.special(name, S_IFCHR | mode, (0, 0), (major, minor))
    }

    /// A file of the host's, with its permission bits; root's in the archive.
    pub fn host_file(&mut self, name: &str, source: &Path) -> Result<()> {
        let data = std::fs::read(source).context(|| format!("read {}", source.display()))?;
        let metadata = std::fs::metadata(source).context(|| format!("stat {}", source.display()))?;
        self.file(name, metadata.mode() & 0o7777, &data)
    }

    /// A directory of the host's and everything below it, below `name`: modes, owners, symbolic links, device nodes, fifos, sockets, and
    /// hard links among its files. Names come in sorted order, so the bytes do not depend on the host's directory order.
    pub fn host_tree(&mut self, name: &str, source: &Path, owners: Owners) -> Result<()> {
        let metadata = std::fs::symlink_metadata(source).context(|| format!("stat {}", source.display()))?;
        let kind = metadata.file_type();
        let mode = metadata.mode();
        let owner = match owners {
            Owners::Kept => (metadata.uid(), metadata.gid()),
            Owners::Root => (0, 0),
        };
        if kind.is_dir() {
            let top = clean(name)?;
            if !top.is_empty() && !self.seen.contains(top) {
                self.plain(top, mode, owner, b"")?;
            }
            let entries = std::fs::read_dir(source).context(|| format!("list {}", source.display()))?;
            let mut names = Vec::new();
            for entry in entries {
                names.push(entry.context(|| format!("list {}", source.display()))?.file_name());
            }
            names.sort();
            for child in names {
                let text = child
                    .to_str()
                    .ok_or_else(|| Error::new(format!("{}: {child:?} is not UTF-8", source.display())))?;
                self.host_tree(&format!("{top}/{text}"), &source.join(text), owners)?;
            }
            return Ok(());
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(source).context(|| format!("readlink {}", source.display()))?;
            let target = target
                .to_str()
                .ok_or_else(|| Error::new(format!("{}: the link's target is not UTF-8", source.display())))?;
            return self.plain(name, mode, owner, target.as_bytes());
        }
        if !kind.is_file() {
            let number = metadata.rdev();
            let device = if kind.is_char_device() || kind.is_block_device() {
                (major(number), minor(number))
            } else {
                (0, 0)
            };
            return self.special(name, mode, owner, device);
        }
        let data = std::fs::read(source).context(|| format!("read {}", source.display()))?;
        if metadata.nlink() < 2 {
            return self.plain(name, mode, owner, &data);
        }
        // A file with several names: the first carries the data, the others only the same inode number and no data. The kernel
        // links a later name to the first and does not truncate it (init/initramfs.c, maybe_link).
        let key = (metadata.dev(), metadata.ino());
        let links = u32::try_from(metadata.nlink()).unwrap_or(u32::MAX);
        let (inode, data) = match self.links.get(&key) {
            Some(inode) => (*inode, Vec::new()),
            None => {
                let inode = self.inode();
                self.links.insert(key, inode);
                (inode, data)
            }
        };
        self.put(&Entry { name, inode, mode, owner, links, device: (0, 0), data: &data })
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.append(&Entry {
            name: "TRAILER!!!",
            inode: 0,
            mode: 0,
            owner: (0, 0),
            links: 1,
            device: (0, 0),
            data: b"",
        });
        self.bytes
    }

    fn plain(&mut self, name: &str, mode: u32, owner: (u32, u32), data: &[u8]) -> Result<()> {
        let links = if mode & S_IFMT == S_IFDIR { 2 } else { 1 };
        let inode = self.inode();
        self.put(&Entry { name, inode, mode, owner, links, device: (0, 0), data })
    }

    fn special(&mut self, name: &str, mode: u32, owner: (u32, u32), device: (u32, u32)) -> Result<()> {
        match mode & S_IFMT {
            S_IFCHR | S_IFBLK | S_IFIFO | S_IFSOCK => {}
            other => return Err(Error::new(format!("cpio: {name}: file type {other:o}"))),
        }
        let inode = self.inode();
        self.put(&Entry { name, inode, mode, owner, links: 1, device, data: b"" })
    }

    fn inode(&mut self) -> u32 {
        let inode = self.next_inode;
        self.next_inode += 1;
        inode
    }

    fn put(&mut self, entry: &Entry<'_>) -> Result<()> {
        let name = clean(entry.name)?;
        if name.is_empty() || name.len() + 1 >= PATH_MAX {
            return Err(Error::new(format!("cpio: {name:?}: a name has 1..{} bytes", PATH_MAX - 1)));
        }
        if u32::try_from(entry.data.len()).is_err() {
            return Err(Error::new(format!("cpio: {name}: larger than 4 GiB")));
        }
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent, 0o755)?;
        }
        if !self.seen.insert(name.to_owned()) {
            return Err(Error::new(format!("cpio: {name}: added twice")));
        }
        self.append(&Entry { name, ..*entry });
        Ok(())
    }

    fn append(&mut self, entry: &Entry<'_>) {
        let size = entry.data.len();
        let name_size = entry.name.len() + 1;
        let mut header = String::from("070701");
        let fields = [
            entry.inode as usize,
            entry.mode as usize,
            entry.owner.0 as usize,
            entry.owner.1 as usize,
            entry.links as usize,
            0,
            size,
            0,
            0,
            entry.device.0 as usize,
            entry.device.1 as usize,
            name_size,
            0,
        ];
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(entry.name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(entry.data);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

/// `name` without slashes at its ends; what is not a plain path below the image's root is refused.
fn clean(name: &str) -> Result<&str> {
    let name = name.trim_matches('/');
    if name.split('/').any(|part| part == ".." || part == ".") || name.contains("//") || name.contains('\0') {
        return Err(Error::new(format!("cpio: {name:?}: not a plain path")));
    }
    Ok(name)
}

/// Linux's device numbers as stat(2) gives them to user space (glibc's gnu_dev_major).
fn major(device: u64) -> u32 {
    (((device >> 8) & 0xfff) | ((device >> 32) & 0xffff_f000)) as u32
}

fn minor(device: u64) -> u32 {
    ((device & 0xff) | ((device >> 12) & 0xffff_ff00)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Read {
        name: String,
        inode: u32,
        mode: u32,
        links: u32,
        device: (u32, u32),
        data: Vec<u8>,
    }

    /// An independent reader, as strict about padding and digits as the kernel's.
    fn read(bytes: &[u8]) -> Vec<Read> {
        let mut entries = Vec::new();
        let mut at = 0;
        loop {
            assert_eq!(at % 4, 0);
            assert_eq!(&bytes[at..at + 6], b"070701");
            let field = |n: usize| {
                let digits = &bytes[at + 6 + n * 8..at + 14 + n * 8];
                u32::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            };
            let name_size = field(11) as usize;
            let size = field(6) as usize;
            let name_at = at + 110;
            assert_eq!(bytes[name_at + name_size - 1], 0);
            let name = String::from_utf8(bytes[name_at..name_at + name_size - 1].to_vec()).unwrap();
            let data_at = (name_at + name_size).next_multiple_of(4);
            let next = (data_at + size).next_multiple_of(4);
            if name == "TRAILER!!!" {
                assert_eq!(next, bytes.len());
                return entries;
            }
            entries.push(Read {
                name,
                inode: field(0),
                mode: field(1),
                links: field(4),
                device: (field(9), field(10)),
                data: bytes[data_at..data_at + size].to_vec(),
            });
            at = next;
        }
    }

    #[test]
    fn names_and_data_of_every_length_are_padded_to_four() {
        let mut archive = Archive::new();
        for length in 0..9 {
            archive.file(&"n".repeat(length + 1), 0o640, &vec![7; length]).unwrap();
        }
        let entries = read(&archive.finish());
        assert_eq!(entries.len(), 9);
        for (length, entry) in entries.iter().enumerate() {
            assert_eq!(entry.name.len(), length + 1);
            assert_eq!(entry.data, vec![7; length]);
            assert_eq!(entry.mode, 0o100640);
        }
    }

    #[test]
    fn parents_come_before_their_children_and_once() {
        let mut archive = Archive::new();
        archive.file("/a/b/one", 0o644, b"1").unwrap();
        archive.file("a/b/two", 0o644, b"2").unwrap();
        archive.directory("a/b", 0o700).unwrap();
        let entries = read(&archive.finish());
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "a/b", "a/b/one", "a/b/two"]);
        assert_eq!(entries[1].mode, 0o040755);
        assert_eq!(entries[1].links, 2);
    }

    #[test]
    fn device_nodes_carry_their_numbers_and_set_id_bits_stay() {
        let mut archive = Archive::new();
        archive.character_device("dev/console", 0o600, 5, 1).unwrap();
        archive.special("dev/vda", S_IFBLK | 0o660, (0, 6), (254, 300)).unwrap();
        archive.file("bin/su", 0o4755, b"x").unwrap();
        archive.symlink("bin/sh", "busybox").unwrap();
        let entries = read(&archive.finish());
        assert_eq!((entries[1].mode, entries[1].device), (0o020600, (5, 1)));
        assert_eq!((entries[2].mode, entries[2].device), (0o060660, (254, 300)));
        assert_eq!(entries[4].mode, 0o104755);
        assert_eq!((entries[5].mode, entries[5].data.as_slice()), (0o120777, b"busybox".as_slice()));
    }

    #[test]
    fn a_name_added_twice_or_leaving_the_image_is_refused() {
        let mut archive = Archive::new();
        archive.file("a", 0o644, b"").unwrap();
        assert!(archive.file("/a", 0o644, b"").is_err());
        assert!(archive.file("b/../../c", 0o644, b"").is_err());
        assert!(archive.file("", 0o644, b"").is_err());
        assert!(archive.file(&"x".repeat(PATH_MAX), 0o644, b"").is_err());
        assert!(archive.symlink("l", "").is_err());
        archive.file("b", 0o644, b"").unwrap();
    }

    #[test]
    fn hard_links_share_an_inode_and_only_the_first_has_data() {
        let directory = std::env::temp_dir().join(format!("cpio-links-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("a"), b"data").unwrap();
        std::fs::write(directory.join("c"), b"data").unwrap();
        std::fs::hard_link(directory.join("a"), directory.join("b")).unwrap();
        let mut archive = Archive::new();
        archive.host_tree("t", &directory, Owners::Kept).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        let entries = read(&archive.finish());
        let [_, a, b, c] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!((a.inode, a.links, a.data.as_slice()), (b.inode, 2, b"data".as_slice()));
        assert!(b.data.is_empty());
        assert_ne!(c.inode, a.inode);
        assert_eq!(c.data, b"data");
    }

    #[test]
    fn device_numbers_are_split_as_the_kernel_packs_them() {
        assert_eq!((major(0x0501), minor(0x0501)), (5, 1));
        assert_eq!((major((1 << 44) | 0x0501), minor((1 << 44) | 0x0501)), (0x1005, 1));
        assert_eq!(minor((254 << 8) | 0x2c | (1 << 20)), 300);
    }
}

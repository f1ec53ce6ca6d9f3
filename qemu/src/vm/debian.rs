//! A Debian with systemd as pid 1, for what only a real systemd shows: transient scopes, delegation, its own cgroup tree.
//!
//! Put together from packages without installing any: each is unpacked into one tree with merged /usr, and the few files that their maintainer scripts
//! would have made are written here. The result is a writable ext4 disk; the test tree is laid over it.

use super::cpio::{Archive, Owners};
use super::package;
use super::tree::{Tree, ext4};
use crate::host::{self, Context, Error, Result};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is asked for; the rest comes by dependency.
const WANTED: &[&str] = &["systemd", "dbus", "dbus-user-session"];

/// Dependencies that only maintainer scripts use.
const UNUSED: &[&str] = &[
    "adduser",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "libpam-systemd",
    "passwd",
    "perl-base",
    "tar",
    "usr-is-merged",
    "usrmerge",
];

/// The service that runs the plan, started in place of the default target.
const SERVICE: &str = "\
[Unit]
Description=The plan of the test guest
Requires=dbus.socket
After=dbus.socket basic.target

[Service]
Type=oneshot
Environment=vm_stage=service
PassEnvironment=vm_plan vm_root vm_env
ExecStart=/init
TimeoutStartSec=infinity
";

/// A user's own systemd needs his runtime directory, which PAM tells it of elsewhere.
const USER_MANAGER: &str = "[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n";

/// The service's name.
pub const UNIT: &str = "runlet-plan.service";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nmessagebus:x:100:100::/nonexistent:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\nuser:x:1000:1000:user:/home/user:/bin/sh\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nmessagebus:x:100:\nuser:x:1000:\nnogroup:x:65534:\n";

/// The disk image: Debian, and `tree` over it where it has no file of its own.
pub fn disk(tree: &Tree) -> Result<PathBuf> {
    let root = host::target_directory().join(format!("vm/debian.{}", std::process::id()));
    let made = assemble(&root, tree).and_then(|()| {
        ext4(&root, &host::target_directory().join(format!("vm/disk.{}.debian", std::process::id())), 768)
    });
    std::fs::remove_dir_all(&root).context(|| format!("remove {}", root.display()))?;
    made
}

/// The files of packages and of all that they depend on, as an archive to be unpacked over the test image: programs of /usr and their libraries,
/// no documentation.
pub fn layer(packages: &[&str]) -> Result<Vec<u8>> {
    let directory = package::cache().join(format!("+{}", packages.join("+")));
    if !directory.is_dir() {
        let partial = package::cache().join(format!(".layer.{}", std::process::id()));
        // Only the libraries' directories are merged: the image's own /bin stays a directory.
        for (link, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64")] {
            let path = partial.join(target);
            std::fs::create_dir_all(&path).context(|| format!("make {}", path.display()))?;
            symlink(target, partial.join(link)).context(|| format!("link {link}"))?;
        }
        for archive in closure(packages)? {
            unpack(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&archive), &partial)?;
        }
        for unwanted in ["usr/share", "usr/lib/x86_64-linux-gnu/gconv", "etc"] {
            let path = partial.join(unwanted);
            if path.is_dir() {
                std::fs::remove_dir_all(&path).context(|| format!("remove {}", path.display()))?;
            }
        }
        std::fs::rename(&partial, &directory).context(|| format!("rename to {}", directory.display()))?;
    }
    let mut archive = Archive::new();
    archive.host_tree("", &directory, Owners::Root)?;
    Ok(archive.finish())
}

fn assemble(root: &Path, tree: &Tree) -> Result<()> {
    for (link, directory) in
        [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
    {
        let path = root.join(directory);
        std::fs::create_dir_all(&path).context(|| format!("make {}", path.display()))?;
        symlink(directory, root.join(link)).context(|| format!("link {link}"))?;
    }
    for archive in closure(WANTED)? {
        unpack(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&archive), root)?;
    }
    // Debian's own programs stay; the test tree brings /init, the runtime, the tests, and busybox for every name that is missing.
    unpack(Command::new("tar").args(["--create", "--directory"]).arg(tree.path("")).arg("."), root)?;
    for name in ["dev", "proc", "run", "sys", "tmp", "root", "var/lib/dbus", "home/user"] {
        let path = root.join(name);
        std::fs::create_dir_all(&path).context(|| format!("make {}", path.display()))?;
    }
    let files = [
        ("etc/passwd", PASSWD),
        ("etc/group", GROUP),
        ("etc/machine-id", "00112233445566778899aabbccddeeff\n"),
        ("etc/hostname", "guest\n"),
        ("etc/fstab", ""),
        ("etc/systemd/system/user@.service.d/guest.conf", USER_MANAGER),
    ];
    for (name, text) in files {
        if let Some(parent) = root.join(name).parent() {
            std::fs::create_dir_all(parent).context(|| format!("make the directory of {name}"))?;
        }
        std::fs::write(root.join(name), text).context(|| format!("write {name}"))?;
    }
    let unit = root.join("etc/systemd/system").join(UNIT);
    std::fs::write(&unit, SERVICE).context(|| format!("write {}", unit.display()))
}

/// The wanted packages' files with those of everything that they depend on.
fn closure(wanted: &[&str]) -> Result<Vec<PathBuf>> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut queue: Vec<Vec<String>> = wanted.iter().map(|name| vec![(*name).to_owned()]).collect();
    let mut archives = Vec::new();
    while let Some(alternatives) = queue.pop() {
        let known = |name: &String| seen.contains(name) || UNUSED.contains(&name.as_str());
        if alternatives.iter().any(known) {
            continue;
        }
        let mut last = None;
        for name in &alternatives {
            match package::archive(name) {
                Ok(archive) => {
                    seen.insert(name.clone());
                    queue.extend(package::depends(&archive)?);
                    archives.push(archive);
                    last = None;
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        if let Some(error) = last {
            return Err(error);
        }
    }
    Ok(archives)
}

/// Unpacks what `producer` writes. Neither `dpkg -x` nor `cp` keeps the links of the merged /usr.
fn unpack(producer: &mut Command, root: &Path) -> Result<()> {
    let name = format!("{producer:?}");
    let mut reading = producer.stdout(Stdio::piped()).spawn().context(|| name.clone())?;
    let stream = reading.stdout.take().ok_or_else(|| Error::new(name.clone()))?;
    let tar = Command::new("tar")
        .args(["--extract", "--keep-directory-symlink", "--skip-old-files", "--directory"])
        .arg(root)
        .stdin(stream)
        .status()
        .context(|| "tar".to_owned())?;
    let read = reading.wait().context(|| name.clone())?;
    if tar.success() && read.success() {
        Ok(())
    } else {
        Err(Error::new(format!("{name}: {read}, tar: {tar}")))
    }
}

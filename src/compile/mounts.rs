//! `root` and `mounts`: paths made relative to the container's root, options sorted into flags, attributes and data.

use super::{cstring, inside, options, options::Effect, options::What};
use crate::config::{self, Config};
use crate::error::{Error, Result, decimal, error};
use crate::paths::without_slash;
use crate::plan::{AttrChange, IdMap, MODE_BELOW, Mount, MountKind, Namespaces, Plan, Root};
use crate::words::Words;
use crate::{texts, texts::Texts};
use alloc::{format, string::String, vec::Vec};
use core::ffi::CStr;
use linux_raw_sys::general::{
    CLONE_NEWIPC, CLONE_NEWUSER, MOUNT_ATTR__ATIME, MOUNT_ATTR_RDONLY, MS_NOATIME, MS_PRIVATE, MS_RDONLY,
    MS_REC, MS_RELATIME, MS_SHARED, MS_SLAVE, MS_STRICTATIME, MS_UNBINDABLE,
};

/// Files below /proc that lxcfs and its like replace; all other destinations there are refused (CVE-2019-16884: a mount
/// below /proc can redirect what a runtime writes).
static PROC_FILES: Texts = texts![
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// `root`, with `bundle` as the directory of a relative path.
#[inline(never)]
pub fn root(config: &Config<'_>, bundle: &str, plan: &mut Plan) -> Result<()> {
    let root = config.root.as_ref().ok_or_else(|| Error::new(words!("config.json: root: is missing")))?;
    if root.path.is_empty() {
        return Err(Error::new(words!("config.json: root.path: must not be empty")));
    }
    let name = config.linux.rootfs_propagation;
    plan.root.propagation = match name {
        "" => MS_SLAVE | MS_REC,
        _ => options::propagation(name).ok_or_else(|| {
            error!(
                "config.json: linux.rootfsPropagation {quoted}: is none of shared, slave, private, unbindable",
                name
            )
        })?,
    };
    plan.root.path = below(bundle, root.path);
    plan.root.readonly = root.readonly;
    Ok(())
}

/// `mounts`, in order. What has no effect is told in the plan's warnings.
pub fn mounts(config: &Config<'_>, bundle: &str, plan: &mut Plan) -> Result<()> {
    for (index, mount) in config.mounts.iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        compile(mount, index, config, bundle, plan)?;
    }
    Ok(())
}

/// A tmpfs in which more is going to be made, by a mount further down, by the devices or from what it covers, is made read-only
/// when that is done. One that is covered as a whole is not seen.
pub fn late_readonly(mounts: &mut [Mount]) {
    let mut rest = mounts;
    while let [mount, later @ ..] = rest {
        let path = mount.target.to_bytes();
        let within = |outer: &[u8], path: &[u8]| {
            outer == b"."
                || path.strip_prefix(outer).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
        };
        let covers = |other: &Mount| other.is_mounted() && within(other.target.to_bytes(), path);
        let covered = later.iter().any(covers);
        let used = mount.copy_up
            || path == b"dev"
            || later
                .iter()
                .any(|other| within(path, other.target.to_bytes()) && other.target != mount.target);
        if mount.kind == MountKind::Filesystem
            && mount.fstype.to_bytes() == b"tmpfs"
            && mount.flags & MS_RDONLY != 0
            && used
            && !covered
        {
            mount.flags &= !MS_RDONLY;
            mount.late_readonly = true;
        }
        rest = later;
    }
}

/// In a mount namespace that was joined the container's tree is attached nowhere (`child::root::take_along`): nothing propagates to
/// it or from it, what is unbindable is not taken along, and the sources are those of that namespace.
pub fn attached_nowhere(root: &Root, mounts: &[Mount]) -> Result<()> {
    let refuse = |what: &str| {
        let why = "needs a mount namespace of its own in linux.namespaces, not one joined by path";
        Err(error!("config.json: {}: shared, slave, unbindable or id-mapped {}", what, why))
    };
    if root.propagation & (MS_SHARED | MS_UNBINDABLE) != 0 {
        return refuse("linux.rootfsPropagation");
    }
    match mounts.iter().find(|mount| mount.propagation & !(MS_PRIVATE | MS_REC) != 0 || mount.idmap.is_some())
    {
        Some(mount) => refuse(&mount.place()),
        None => Ok(()),
    }
}

/// The bind through which the program reaches its NOTIFY_SOCKET.
pub fn notify(directory: &str, config: &Config<'_>, plan: &mut Plan) -> Result<()> {
    let mount = config::Mount {
        destination: crate::readiness::INSIDE,
        source: directory,
        options: ["bind", "ro", "nosuid", "nodev", "noexec"].into_iter().collect(),
        ..config::Mount::default()
    };
    compile(&mount, Mount::OWN, config, "/", plan)
}

/// Makes every mount of the cgroup file system read-only.
pub fn read_only_cgroups(mounts: &mut [Mount]) {
    for mount in mounts.iter_mut().filter(|mount| mount.kind == MountKind::Cgroup) {
        mount.flags |= MS_RDONLY;
        mount.attr.set |= u64::from(MOUNT_ATTR_RDONLY);
        mount.attr.clear &= !u64::from(MOUNT_ATTR_RDONLY);
    }
}

/// Cgroup mounts of a container whose cgroup is on version 1 hierarchies alone, given by the names of their mount points and its
/// directories: a tmpfs with each of them bound, and for a name that says several controllers a link for each.
pub fn cgroups_v1(mounts: &mut Vec<Mount>, mount_label: &str, own: &[(&str, &str)]) {
    if own.is_empty() {
        return;
    }
    for mut mount in core::mem::take(mounts) {
        let cgroup = mount;
        if cgroup.kind != MountKind::Cgroup {
            mounts.push(mount);
            continue;
        }
        mount.kind = MountKind::Filesystem;
        mount.fstype = c"tmpfs";
        mount.data = labelled(mount_label, "mode=755");
        mount.late_readonly = mount.flags & MS_RDONLY != 0;
        mount.flags &= !MS_RDONLY;
        mounts.push(mount);
        let mut below = |kind, source: &str, name: &str| {
            let mut below = cgroup;
            below.kind = kind;
            below.source = cstring(source);
            below.target = cstring(&format!("{}/{name}", cgroup.target.to_string_lossy()));
            (below.fstype, below.data) = (c"", c"");
            below.source_nofollow = true;
            mounts.push(below);
        };
        for (name, path) in own {
            below(MountKind::Bind, path, name);
            for one in name.split(',').filter(|one| one != name) {
                below(MountKind::CopySymlink, name, one);
            }
        }
    }
}

/// Compiles one mount at the end of the list, where it is filled in.
fn compile(
    mount: &config::Mount<'_>,
    index: u16,
    config: &Config<'_>,
    bundle: &str,
    plan: &mut Plan,
) -> Result<()> {
    let told =
        |why: &str| error!("config.json: mounts[{}] {quoted}: {}", decimal(index), mount.destination, why);
    let refuse = |why: Words| told(why.text());
    if mount.destination.is_empty() {
        return Err(refuse(words!("destination must not be empty")));
    }

    let made = plan.mounts.push_mut(Mount::default());
    let mut seen = Seen { mount: made, superblock: 0, data: String::new(), words: 0 };
    let mut has_mode = false;
    for (place, option) in mount.options.iter().enumerate() {
        match options::find(option) {
            Some(effect) => seen.apply(effect),
            None if option.is_empty() => {}
            None => {
                seen.add_data(option);
                let has = |name| option.split(',').any(|one| one.starts_with(name));
                has_mode |= has("mode=");
                if has("context=") && !config.linux.mount_label.is_empty() {
                    return Err(told(filled!(
                        "options[{}]: linux.mountLabel already gives the context",
                        decimal(place)
                    )));
                }
            }
        }
    }

    let fstype = mount.fstype;
    let bind = seen.has(options::BIND | options::TREE_BIND) || fstype == "bind";
    let kind = match (seen.has(options::REMOUNT), bind) {
        _ if seen.has(options::COPY_SYMLINK) && bind => MountKind::CopySymlink,
        (true, true) => MountKind::BindRemount,
        (true, false) => MountKind::Remount,
        (false, true) if seen.has(options::TREE_BIND) => MountKind::TreeBind,
        (false, true) => MountKind::Bind,
        (false, false) if matches!(fstype, "" | "none") && seen.mount.propagation != 0 => {
            MountKind::Propagation
        }
        (false, false) if fstype.is_empty() => {
            return Err(refuse(words!("type must be given where options do not say bind")));
        }
        (false, false) if matches!(fstype, "cgroup" | "cgroup2") => MountKind::Cgroup,
        (false, false) => MountKind::Filesystem,
    };

    let binds = matches!(kind, MountKind::Bind | MountKind::TreeBind | MountKind::CopySymlink);
    if binds && mount.source.is_empty() {
        return Err(refuse(words!("source must be given for a bind")));
    }
    let tmpfs = kind == MountKind::Filesystem && fstype == "tmpfs";
    if seen.has(options::COPY_UP) && !tmpfs {
        return Err(refuse(words!("tmpcopyup is for tmpfs")));
    }
    if seen.has(options::COPY_SYMLINK | options::SOURCE_NOFOLLOW) && !binds {
        return Err(refuse(words!("copy-symlink and src-nofollow are for binds")));
    }
    if seen.has(options::COPY_SYMLINK) && seen.has(options::SOURCE_NOFOLLOW | options::TARGET_NOFOLLOW) {
        return Err(refuse(words!("copy-symlink goes without src-nofollow and dest-nofollow")));
    }
    let bound = binds || kind == MountKind::BindRemount;
    if !seen.data.is_empty() && bound {
        return Err(told(filled!(
            "option {quoted} is unknown, and a bind has no file system to pass it to",
            seen.data
        )));
    }
    if seen.superblock != 0 && bound {
        let why = words!(
            "flags of the file system itself (sync, dirsync, lazytime, iversion, mand) have no effect on a bind"
        );
        plan.warnings.push(refuse(why).message());
    }
    if !seen.mount.tree_attr.is_empty() && !bound && kind != MountKind::Filesystem {
        return Err(refuse(words!("recursive flags (rro and its like) need a mount of its own")));
    }

    let target = inside(mount.destination);
    let target_text = target.to_str().unwrap_or_default();
    if target_text.strip_prefix("proc/").is_some_and(|file| PROC_FILES.position(file).is_none()) {
        return Err(refuse(words!("no mounts below /proc, except for the files that lxcfs replaces")));
    }
    let kernels = matches!(fstype, "proc" | "sysfs");
    if kernels && target_text == "." {
        return Err(refuse(words!("the root cannot be a procfs or sysfs")));
    }

    idmap(mount, &mut seen, binds, &plan.namespaces).map_err(refuse)?;
    // The kernel labels the files of procfs and sysfs one by one. The queues of an ipc namespace have their context already, and the
    // host's queues keep the label that they have there.
    let label = if kind == MountKind::Filesystem && !kernels { config.linux.mount_label } else { "" };
    let (context, label) = match fstype {
        "mqueue" if plan.namespaces.has(u64::from(CLONE_NEWIPC)) => ("", label),
        "mqueue" => ("", ""),
        _ => (label, ""),
    };

    // A tmpfs takes the place of a directory, and so its mode, which the child puts in.
    let mode_below = tmpfs && !has_mode;
    if mode_below {
        seen.add_data(MODE_BELOW);
    }

    let Seen { mount: made, superblock, data, words } = seen;
    made.kind = kind;
    made.source = match mount.source {
        source if binds => below(bundle, source),
        "" if fstype.is_empty() => c"none",
        "" => cstring(fstype),
        source => cstring(source),
    };
    made.target = target;
    made.fstype = if kind == MountKind::Cgroup { c"cgroup2" } else { cstring(fstype) };
    made.flags |= superblock;
    made.data = labelled(context, &data);
    made.label = cstring(label);
    made.copy_up = words & options::COPY_UP != 0;
    made.mode_below = mode_below;
    made.source_nofollow = words & options::SOURCE_NOFOLLOW != 0;
    made.target_nofollow = words & options::TARGET_NOFOLLOW != 0;
    // A link named /proc or /sys would let the image choose what the masks cover (CVE-2019-19921).
    made.no_symlinks = kernels || kind == MountKind::Cgroup && target_text.starts_with("sys/");
    made.index = index;
    Ok(())
}

/// Data of a file system whose files all have this label, if there is one; in quotes for the commas of its level.
pub fn labelled(label: &str, data: &str) -> &'static CStr {
    let comma = if data.is_empty() { "" } else { "," };
    match label {
        "" => cstring(data),
        _ => cstring(&["context=\"", label, "\"", comma, data].concat()),
    }
}

/// `uidMappings` and `gidMappings` of a mount.
fn idmap(
    mount: &config::Mount<'_>,
    seen: &mut Seen<'_>,
    binds: bool,
    namespaces: &Namespaces,
) -> core::result::Result<(), Words> {
    let (uids, gids) = match (&mount.uid_mappings, &mount.gid_mappings) {
        (Some(uids), Some(gids)) if !uids.is_empty() && !gids.is_empty() => (&uids[..], &gids[..]),
        (Some(uids), Some(gids)) if uids.is_empty() && gids.is_empty() => (&[][..], &[][..]),
        (None, None) => (&[][..], &[][..]),
        _ => return Err(words!("uidMappings and gidMappings are given both or not at all")),
    };
    let asked = seen.has(options::IDMAP | options::TREE_IDMAP);
    if uids.is_empty() && !asked {
        return Ok(());
    }
    if !binds {
        return Err(words!("only binds can be id-mapped"));
    }
    if uids.is_empty() && !namespaces.has(u64::from(CLONE_NEWUSER)) {
        return Err(words!("idmap needs uidMappings and gidMappings, or a user namespace of the container"));
    }
    seen.mount.idmap = Some(IdMap {
        uid_map: super::namespaces::map_text(uids)
            .ok_or(words!("has more id ranges than the kernel takes (340)"))?,
        gid_map: super::namespaces::map_text(gids)
            .ok_or(words!("has more id ranges than the kernel takes (340)"))?,
        recursive: seen.has(options::TREE_IDMAP),
    });
    Ok(())
}

/// The options of one mount, added up. A later option overrides an earlier one.
struct Seen<'m> {
    /// What they make of the mount at once.
    mount: &'m mut Mount,
    superblock: u32,
    data: String,
    /// Bits of those that are a [`What::Word`].
    words: u32,
}

impl Seen<'_> {
    /// Whether one of these words is among them.
    fn has(&self, words: u32) -> bool {
        self.words & words != 0
    }

    fn add_data(&mut self, option: &str) {
        if !self.data.is_empty() {
            self.data.push(',');
        }
        self.data.push_str(option);
    }

    fn apply(&mut self, effect: Effect) {
        let flag = effect.flag();
        let mount = &mut *self.mount;
        match effect.what {
            What::Set => {
                if flag & ATIMES != 0 {
                    mount.flags &= !ATIMES;
                }
                mount.flags |= flag;
                set(&mut mount.attr, flag);
            }
            What::Clear => {
                mount.flags &= !flag;
                clear(&mut mount.attr, flag);
            }
            What::SetTree => set(&mut mount.tree_attr, flag),
            What::ClearTree => clear(&mut mount.tree_attr, flag),
            What::SetSuper => self.superblock |= flag,
            What::ClearSuper => self.superblock &= !flag,
            What::Propagate => mount.propagation = flag,
            What::PropagateTree => mount.propagation = flag | MS_REC,
            What::Word => self.words |= flag,
        }
    }
}

/// One of them holds, the last.
const ATIMES: u32 = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

/// The access time attributes are values of one field, which mount_setattr(2) wants cleared before it is set.
const ATIME: u64 = MOUNT_ATTR__ATIME as u64;

fn set(change: &mut AttrChange, flag: u32) {
    let attr = u64::from(options::attribute(flag));
    if flag & ATIMES != 0 {
        change.set &= !ATIME;
        change.clear |= ATIME;
    } else {
        change.clear &= !attr;
    }
    change.set |= attr;
}

fn clear(change: &mut AttrChange, flag: u32) {
    // Clearing one access time mode leaves the kernel's default, relatime.
    let attr = if flag & ATIMES != 0 { ATIME } else { u64::from(options::attribute(flag)) };
    change.set &= !attr;
    change.clear |= attr;
}

/// A host path, absolute: relative ones are below the bundle.
fn below(bundle: &str, path: &str) -> &'static CStr {
    match path.starts_with('/') {
        true => cstring(path),
        false => cstring(&format!("{}/{path}", without_slash(bundle))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use alloc::vec;
    use linux_raw_sys::general::{MS_I_VERSION, MS_SILENT};

    fn one(fstype: &str, options: &str) -> Mount {
        let json = format!(
            "{{\"mounts\": [{{\"destination\": \"/m\", \"type\": \"{fstype}\", \"options\": [{options}]}}]}}"
        );
        let config: &mut Config<'_> = config::parse("config.json", json.as_bytes()).unwrap();
        let mut plan = Plan::default();
        mounts(config, "/", &mut plan).unwrap();
        plan.mounts.pop().unwrap()
    }

    /// The kernel tells these two nowhere: what it is given is looked at instead.
    #[test]
    fn iversion_and_silent_are_flags_and_their_opposites_clear_them() {
        for (options, flags) in [
            (r#""iversion""#, MS_I_VERSION),
            (r#""iversion", "noiversion""#, 0),
            (r#""noiversion", "iversion""#, MS_I_VERSION),
            (r#""silent""#, MS_SILENT),
            (r#""silent", "loud""#, 0),
            (r#""loud", "silent""#, MS_SILENT),
        ] {
            let mount = one("tmpfs", options);
            assert_eq!(mount.flags, flags, "{options}");
            assert_eq!(mount.data.to_bytes(), MODE_BELOW.as_bytes(), "{options} is no data");
        }
    }

    /// No guest has both version 1 hierarchies and SELinux.
    #[test]
    fn the_tmpfs_of_cgroup_version_1_has_the_mount_label() {
        for (label, data) in [("", "mode=755"), ("u:r:t:s0:c1,c2", "context=\"u:r:t:s0:c1,c2\",mode=755")] {
            let mut mounts = vec![one("cgroup", "")];
            cgroups_v1(&mut mounts, label, &[("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/box")]);
            assert_eq!((mounts.len(), mounts[0].data.to_bytes()), (4, data.as_bytes()), "{label}");
        }
    }
}

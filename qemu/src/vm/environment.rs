//! The tables of the matrix: kernels, roots, environments. The host half (mod.rs) picks rows from them and puts the names on the kernel's
//! command line; the guest half (guest.rs) looks the same rows up and makes them true. Data only, nothing here acts.

/// A kernel line, fetched by package name.
pub struct Kernel {
    /// What `--kernel` takes and what its release starts with.
    pub name: &'static str,
    /// Debian meta packages to ask, the first that depends on an image of this line wins: the names differ between Debian releases.
    pub packages: &'static [&'static str],
    /// Whether it is Debian's flavour for virtual machines, which lacks what only hardware has, soft RDMA devices among that.
    pub cloud: bool,
}

/// The kernels of the matrix: of either flavour one.
pub const KERNELS: &[Kernel] = &[
    Kernel { name: "6.1", packages: &["linux-image-cloud-amd64"], cloud: true },
    Kernel { name: "6.12", packages: &["linux-image-6.12-amd64", "linux-image-amd64"], cloud: false },
];

/// What `/` is in the guest.
pub struct Root {
    pub name: &'static str,
    pub about: &'static str,
    /// Added to the kernel's command line. The first root file system is a tmpfs unless `rootfstype` says otherwise
    /// (init/do_mounts.c, init_rootfs).
    pub command_line: &'static str,
    pub kind: RootKind,
}

/// How the root is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// The kernel's first root file system, which pivot_root cannot leave.
    Initramfs,
    /// The initramfs copies itself to a tmpfs and moves that over `/`, as switch_root does.
    Moved,
    /// A read-only image on a virtio disk of this file system; /run and /tmp are tmpfs.
    Disk(&'static str),
    /// A writable ext4 disk with Debian's systemd as pid 1 (debian.rs).
    Systemd,
}

/// What a test guest can do without, because emulation makes each second ten.
const SYSTEMD_COMMAND_LINE: &str = "systemd.mask=systemd-journald.service systemd.mask=systemd-journald.socket \
    systemd.mask=systemd-journald-dev-log.socket systemd.mask=systemd-journal-flush.service \
    systemd.mask=systemd-sysusers.service systemd.mask=systemd-tmpfiles-setup.service \
    systemd.mask=systemd-tmpfiles-setup-dev.service systemd.mask=systemd-sysctl.service \
    systemd.mask=systemd-random-seed.service systemd.mask=systemd-update-done.service \
    systemd.mask=systemd-journal-catalog-update.service systemd.mask=systemd-machine-id-commit.service \
    systemd.mask=systemd-boot-system-token.service systemd.mask=systemd-pstore.service \
    systemd.mask=sys-kernel-debug.mount systemd.mask=sys-kernel-tracing.mount systemd.mask=dev-hugepages.mount \
    systemd.mask=systemd-update-utmp.service systemd.mask=modprobe@.service systemd.mask=systemd-remount-fs.service";

/// The roots of the matrix.
pub const ROOTS: &[Root] = &[
    Root {
        name: "ramfs",
        about: "initramfs, / is the kernel's ramfs",
        command_line: "rootfstype=ramfs",
        kind: RootKind::Initramfs,
    },
    Root {
        name: "tmpfs",
        about: "initramfs, / is the kernel's tmpfs",
        command_line: "",
        kind: RootKind::Initramfs,
    },
    Root {
        name: "moved",
        about: "a tmpfs moved over the initramfs",
        command_line: "",
        kind: RootKind::Moved,
    },
    Root {
        name: "ext4",
        about: "read-only ext4 disk, state on tmpfs",
        command_line: "",
        kind: RootKind::Disk("ext4"),
    },
    Root {
        name: "squashfs",
        about: "read-only squashfs disk, state on tmpfs",
        command_line: "",
        kind: RootKind::Disk("squashfs"),
    },
    Root {
        name: CALLERS,
        about: "read-only squashfs disk with the callers' programs: containerd, Docker, Podman, Buildah",
        command_line: "",
        kind: RootKind::Disk("squashfs"),
    },
    Root {
        name: "debian",
        about: "ext4 disk with Debian's systemd as pid 1",
        command_line: SYSTEMD_COMMAND_LINE,
        kind: RootKind::Systemd,
    },
];

/// The root that has the callers' programs.
pub const CALLERS: &str = "callers";

/// Which cgroup hierarchies are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroups {
    Absent,
    /// cgroup2 at /sys/fs/cgroup, every controller enabled for children.
    Two,
    /// One version 1 hierarchy a controller below /sys/fs/cgroup.
    One,
    /// As `One`, and an empty cgroup2 at /sys/fs/cgroup/unified, as systemd's hybrid mode has it.
    Hybrid,
}

/// What the host looks like to the runtime.
pub struct Environment {
    pub name: &'static str,
    pub about: &'static str,
    /// Mount points of [`MOUNTS`] that stay empty, with what lies below them.
    pub without: &'static [&'static str],
    pub cgroups: Cgroups,
    /// Test binaries that run here, on its first root, when the command line names none.
    pub tests: &'static [&'static str],
    /// Longer test binaries that `matrix` runs here too, each in a boot of its own on the first root.
    pub suites: &'static [&'static str],
    /// Programs that pid 1 starts itself, as its direct children: name, shell command. Status 0 passes.
    pub programs: &'static [(&'static str, &'static [&'static str])],
    /// The real init that takes over as pid 1 once everything is mounted, while a child runs the plan. Empty: the plan is pid 1's.
    pub init: &'static [&'static str],
    /// Debian packages whose files are laid over the image.
    pub packages: &'static [&'static str],
    /// Roots on which `cargo verify` boots it. The command line can ask for any other.
    pub roots: &'static [&'static str],
}

impl Environment {
    /// The root that it is booted on when none is named.
    pub fn first_root(&self) -> &'static str {
        self.roots.first().copied().unwrap_or("ramfs")
    }
}

const FIRST: &[&str] = &["ramfs"];
const PROOF: (&str, &[&str]) =
    ("run-as-child-of-pid-1", &["/bin/runlet", "run", "--bundle", "/bundles/proof", "proof"]);
/// The shell is replaced by the runtime, which therefore is pid 1's direct child with no file descriptor open at all.
const CLOSED: (&str, &[&str]) = (
    "run-with-stdio-closed",
    &["/bin/sh", "-c", "exec /bin/runlet run --bundle /bundles/proof closed <&- >&- 2>&-"],
);

/// The environment whose kernel has SELinux in place of AppArmor, enforcing the policy of tests/data/selinux.
pub const SELINUX: &str = "selinux";

/// What makes it so: the two exclude each other, and AppArmor is Debian's choice.
pub const SELINUX_COMMAND_LINE: &str = "security=selinux enforcing=1";

/// The suite about limits with every new container in a scope of systemd's.
const SCOPES: (&str, &[&str]) = (
    "cgroup-by-systemd",
    &["/bin/busybox", "env", "RUNLET_TEST_MANAGER=systemd", "/tests/cgroup", "--show-output"],
);

/// The environments. The first is the default.
pub const ENVIRONMENTS: &[Environment] = &[
    Environment {
        name: "plain",
        about: "proc, sys, dev, cgroup2",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &["guest", "cgroup"],
        suites: &["escapes", "fallbacks", "container", "lifecycle", "hooks", "faults", "syscalls"],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: &["ramfs", "tmpfs", "moved", "ext4", "squashfs"],
    },
    Environment {
        name: "child",
        about: "the runtime is pid 1's direct child",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "noproc",
        about: "nothing at /proc",
        without: &["/proc"],
        cgroups: Cgroups::Two,
        tests: &["guest"],
        suites: &[],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "nosys",
        about: "nothing at /sys, so no cgroups",
        without: &["/sys"],
        cgroups: Cgroups::Absent,
        tests: &["guest"],
        suites: &[],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "nocgroup",
        about: "no cgroup file system mounted",
        without: &[],
        cgroups: Cgroups::Absent,
        tests: &["guest"],
        suites: &[],
        programs: &[PROOF, ("cgroup-without-any", &["/tests/cgroup", "--show-output", "managers", "limits"])],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "nodev",
        about: "an empty /dev",
        without: &["/dev"],
        cgroups: Cgroups::Two,
        tests: &["guest"],
        suites: &[],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "nostdio",
        about: "standard input, output and error closed",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &["guest"],
        suites: &[],
        programs: &[CLOSED],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "bare",
        about: "no proc, no sys, no cgroups, an empty /dev, stdio closed",
        without: &["/proc", "/sys", "/dev"],
        cgroups: Cgroups::Absent,
        tests: &["guest"],
        suites: &[],
        programs: &[PROOF, CLOSED],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "v1",
        about: "cgroup version 1 hierarchies only",
        without: &[],
        cgroups: Cgroups::One,
        tests: &["guest", "cgroup"],
        suites: &[],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "hybrid",
        about: "cgroup version 1 hierarchies and an empty cgroup2",
        without: &[],
        cgroups: Cgroups::Hybrid,
        tests: &["guest", "cgroup"],
        suites: &[],
        programs: &[PROOF],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: SELINUX,
        about: "SELinux enforces a policy",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &["guest"],
        suites: &[],
        programs: &[
            PROOF,
            ("labels", &["/tests/container", "--show-output", "label"]),
            ("exec-labels", &["/tests/exec", "--show-output", "label"]),
            ("check-labels", &["/tests/check", "--show-output", "security_module"]),
            ("unknown-labels", &["/tests/escapes", "unknown-"]),
        ],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "callers",
        about: "containerd, Docker, Podman and Buildah over runlet, with every cgroup controller",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[
            ("docker", &["/tests/clients", "docker"]),
            ("podman", &["/tests/clients", "podman"]),
            ("rootless", &["/tests/clients", "rootless"]),
            ("ctr", &["/tests/clients", "ctr"]),
            ("cri", &["/tests/clients", "cri"]),
            ("buildah", &["/tests/clients", "buildah"]),
        ],
        init: &[],
        packages: &[],
        // By name only (`cargo vm -- --env callers --root callers`): six daemons under emulation take longer than all the rest.
        roots: &[],
    },
    Environment {
        name: "systemd",
        about: "a service of a real systemd, with a system bus and a user's",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[
            PROOF,
            ("transient-scope", &["/bin/sh", "/vm/check-scope"]),
            ("users-scope", &["/bin/sh", "/vm/check-user-scope"]),
            SCOPES,
        ],
        init: &[],
        packages: &[],
        roots: &["debian"],
    },
    Environment {
        name: "busybox",
        about: "busybox init is pid 1 and has a container as a service",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[("busybox-init", &["/bin/sh", "/vm/check-init", "busybox", "init"])],
        init: &["/bin/init"],
        packages: &[],
        roots: FIRST,
    },
    Environment {
        name: "runit",
        about: "runit is pid 1 and has a container as a service",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[("runit", &["/bin/sh", "/vm/check-init", "runit", "runit"])],
        init: &["/sbin/runit"],
        packages: &["runit"],
        roots: FIRST,
    },
    Environment {
        name: "s6",
        about: "s6-svscan is pid 1 and has a container as a service",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[("s6", &["/bin/sh", "/vm/check-init", "s6", "s6-svscan"])],
        init: &["/usr/bin/s6-svscan", "/service"],
        packages: &["s6"],
        roots: FIRST,
    },
    Environment {
        name: "openrc",
        about: "openrc-init is pid 1 and has a container as a service",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[("openrc", &["/bin/sh", "/vm/check-init", "openrc", "openrc-init"])],
        init: &["/sbin/openrc-init"],
        packages: &["openrc"],
        roots: FIRST,
    },
    Environment {
        name: "procd",
        about: "a loop that does what procd does with the OpenWrt script; procd itself is no Debian package",
        without: &[],
        cgroups: Cgroups::Two,
        tests: &[],
        suites: &[],
        programs: &[("procd", &["/bin/sh", "/vm/check-init", "procd", "init"])],
        init: &[],
        packages: &[],
        roots: FIRST,
    },
];

/// A file system of the guest's host side.
pub struct Mount {
    pub target: &'static str,
    pub kind: &'static str,
    pub data: &'static str,
    /// Wanted only where `/` is read-only: elsewhere these stay part of the root, the harder case for the runtime.
    pub only_read_only_root: bool,
}

const fn mount(target: &'static str, kind: &'static str, data: &'static str) -> Mount {
    Mount { target, kind, data, only_read_only_root: false }
}

/// In order of mounting; the cgroup hierarchies come after these.
pub const MOUNTS: &[Mount] = &[
    mount("/proc", "proc", ""),
    mount("/sys", "sysfs", ""),
    mount("/dev", "devtmpfs", "mode=0755"),
    mount("/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5"),
    mount("/dev/shm", "tmpfs", "mode=1777"),
    mount("/dev/mqueue", "mqueue", ""),
    Mount { target: "/run", kind: "tmpfs", data: "mode=0755", only_read_only_root: true },
    Mount { target: "/tmp", kind: "tmpfs", data: "mode=1777", only_read_only_root: true },
];

/// The row called `name`, or a sentence that lists what there is.
pub fn find<'a, T>(
    what: &str,
    rows: &'a [T],
    name: &str,
    name_of: fn(&T) -> &'static str,
) -> Result<&'a T, String> {
    rows.iter().find(|row| name_of(row) == name).ok_or_else(|| {
        let names: Vec<&str> = rows.iter().map(name_of).collect();
        format!("no {what} {name:?}; there are: {}", names.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_names_roots_and_mount_points_that_exist() {
        for environment in ENVIRONMENTS {
            for root in environment.roots {
                find("root", ROOTS, root, |row| row.name).unwrap();
            }
            for target in environment.without {
                assert!(MOUNTS.iter().any(|mount| mount.target == *target), "{target}");
            }
            assert!(!environment.tests.is_empty() || !environment.programs.is_empty());
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("kernel", KERNELS, "5.10", |row| row.name).err().unwrap();
        assert_eq!(error, "no kernel \"5.10\"; there are: 6.1 6.12");
    }
}

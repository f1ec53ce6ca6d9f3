//! What the test image holds: this program as /init, the runtime, a static busybox with all its names, the black-box tests built static, a bundle.
//!
//! Staged as a directory, once a run, and turned into a cpio archive or a disk image from there. Called by mod.rs.

use super::cpio::{Archive, Owners};
use super::kernel::Image;
use super::package;
use crate::host::{self, Context, Error, Result};
use crate::{dist, setup};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The staged directory; removed when dropped.
pub struct Tree {
    directory: PathBuf,
    /// Names of the test binaries in /tests.
    pub tests: Vec<String>,
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nuser:x:1000:1000:user:/home/user:/bin/sh\n";
const GROUP: &str = "root:x:0:\ntty:x:5:\nuser:x:1000:\nnogroup:x:65534:\n";
const PROFILE: &str = "PS1='guest:\\w# '\ncd /root\ncat /etc/motd\n";
const MOTD: &str = "\nrunlet's test image. Bundles are in /bundles, tests in /tests: try `runlet run -b /bundles/proof c1`.\nctrl-d powers off; ctrl-a x ends QEMU.\n\n";
const DIRECTORIES: &[&str] = &[
    "bin",
    "dev",
    "etc",
    "home/user",
    "mnt",
    "newroot",
    "proc",
    "root",
    "run",
    "sys",
    "tests",
    "tmp",
    "var",
    "vm",
];

/// Files of qemu/examples and their places in the image.
const EXAMPLES: &[(&str, &str)] = &[
    ("busybox/inittab", "etc/inittab"),
    ("openrc/web", "etc/init.d/web"),
    ("openwrt/web", "etc/procd/web"),
    ("runit/1", "etc/runit/1"),
    ("runit/2", "etc/runit/2"),
    ("runit/3", "etc/runit/3"),
    ("runit/service/run", "etc/service/web/run"),
    ("runit/service/finish", "etc/service/web/finish"),
    ("s6/service/run", "service/web/run"),
    ("s6/service/notification-fd", "service/web/notification-fd"),
];

impl Tree {
    /// Builds everything and stages it. `tests` are the black-box tests to build, by name or `*`; `runtime` is put in place of what `cargo dist` makes.
    pub fn stage(tests: &[&str], runtime: Option<&Path>) -> Result<Tree> {
        let directory = host::target_directory().join(format!("vm/tree.{}", std::process::id()));
        let mut tree = Tree { directory, tests: Vec::new() };
        for name in DIRECTORIES {
            tree.make_directory(name)?;
        }
        std::fs::set_permissions(tree.path("tmp"), std::fs::Permissions::from_mode(0o1777))
            .context(|| "mode of /tmp".to_owned())?;
        match runtime {
            Some(runtime) => tree.program("bin/runlet", runtime)?,
            None => tree.program("bin/runlet", &dist::build(dist::NATIVE)?.file)?,
        }
        tree.busybox()?;
        symlink("../run", tree.path("var/run")).context(|| "link var/run".to_owned())?;
        tree.write("etc/passwd", PASSWD)?;
        tree.write("etc/group", GROUP)?;
        tree.write("etc/profile", PROFILE)?;
        tree.write("etc/motd", MOTD)?;
        tree.bundles()?;
        tree.examples()?;
        tree.cargo(tests)?;
        Ok(tree)
    }

    /// Where `name` of the guest lies on the host.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Copies a program of the host into the image.
    pub fn program(&self, name: &str, source: &Path) -> Result<()> {
        let target = self.path(name);
        std::fs::copy(source, &target).context(|| format!("copy {} to the image", source.display()))?;
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755))
            .context(|| format!("mode of {}", target.display()))
    }

    fn make_directory(&self, name: &str) -> Result<()> {
        std::fs::create_dir_all(self.path(name)).context(|| format!("make {name} in the image"))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.path(name), text).context(|| format!("write {name} in the image"))
    }

    fn busybox(&self) -> Result<()> {
        let busybox = busybox()?;
        self.program("bin/busybox", &busybox)?;
        for applet in host::output(Command::new(&busybox).arg("--list"))?.lines() {
            if applet != "busybox" {
                let link = self.path("bin").join(applet);
                symlink("busybox", &link).context(|| format!("link {}", link.display()))?;
            }
        }
        Ok(())
    }

    /// `proof` checks from the inside that it is a container, and its exit status says what was wrong; `web` is the examples' service; `hello` goes
    /// into the image that boots straight into it.
    fn bundles(&self) -> Result<()> {
        let proof = include_str!("proof.json");
        self.bundle("proof", proof, include_str!("proof.sh"))?;
        let web = proof.replace("proof", "web").replace("\"readonly\": true", "\"readonly\": false");
        self.bundle("web", &web, include_str!("web.sh"))?;
        let scope = web.replace("web", "scope").replacen(
            "\"namespaces\"",
            "\"cgroupsPath\": \"runlet.slice:runlet:scope\",\n    \"resources\": { \"memory\": { \"limit\": 67108864 } },\n    \"namespaces\"",
            1,
        );
        self.bundle("scope", &scope, include_str!("web.sh"))?;
        self.bundle("hello", &proof.replace("proof", "hello"), "echo hello from a container, pid $$\n")
    }

    fn bundle(&self, bundle: &str, config: &str, script: &str) -> Result<()> {
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            self.make_directory(&format!("bundles/{bundle}/rootfs/{name}"))?;
        }
        let root = format!("bundles/{bundle}/rootfs");
        self.program(&format!("{root}/bin/busybox"), &self.path("bin/busybox"))?;
        symlink("busybox", self.path(&format!("{root}/bin/sh"))).context(|| "link sh".to_owned())?;
        self.write(&format!("bundles/{bundle}/config.json"), config)?;
        self.write(&format!("{root}/bin/{bundle}"), script)
    }

    /// The examples where each init system looks for them.
    fn examples(&self) -> Result<()> {
        let examples = host::workspace().join("qemu/examples");
        for name in ["etc/init.d", "etc/procd", "etc/runit", "etc/service/web", "service/web"] {
            self.make_directory(name)?;
        }
        for (from, to) in EXAMPLES {
            self.program(to, &examples.join(from))?;
        }
        // OpenRC's runlevels are directories of links.
        for runlevel in ["sysinit", "boot", "default", "shutdown"] {
            self.make_directory(&format!("etc/runlevels/{runlevel}"))?;
        }
        symlink("/etc/init.d/web", self.path("etc/runlevels/default/web"))
            .context(|| "add web to a runlevel".to_owned())?;
        self.write(
            "etc/init.d/localmount",
            "#!/sbin/openrc-run\n# The guest's init has mounted everything.\n",
        )?;
        std::fs::set_permissions(self.path("etc/init.d/localmount"), std::fs::Permissions::from_mode(0o755))
            .context(|| "mode of localmount".to_owned())?;
        self.write("vm/procd", include_str!("procd.sh"))?;
        self.write("vm/check-init", include_str!("check-init.sh"))?;
        self.write("vm/check-user-scope", include_str!("check-user-scope.sh"))?;
        self.write("vm/check-scope", include_str!("check-scope.sh"))
    }

    /// This program for the guest, and the tests, from one cargo target directory of their own: other flags than the host's builds.
    fn cargo(&mut self, wanted: &[&str]) -> Result<()> {
        let target = StaticTarget::find()?;
        let build = target.cargo(&["build", "--package", "qemu", "--bin", "qemu"])?;
        let init = build.iter().find(|built| built.kind == "bin" && built.name == "qemu");
        let init = init.ok_or_else(|| Error::new("cargo built no qemu program for the guest"))?;
        self.program("init", &init.file)?;
        if wanted.iter().any(|name| ["*", "syscalls"].contains(name)) {
            let built = target.cargo(&["test", "--no-run", "--package", "syscalls", "--lib"])?;
            self.take_tests(&built)?;
        }
        let mut arguments = vec!["test", "--no-run", "--package", "runlet"];
        // A table may name a test that this tree does not have (yet); cargo would stop at it.
        let tests = host::workspace().join("tests");
        let there = |name: &str| {
            name == "*" || tests.join(name).is_dir() || tests.join(format!("{name}.rs")).is_file()
        };
        for name in wanted.iter().filter(|name| there(name)) {
            arguments.extend(["--test", name]);
        }
        if !arguments.contains(&"--test") {
            return Ok(());
        }
        self.take_tests(&target.cargo(&arguments)?)?;
        self.tests.sort();
        target.payload(&self.path("bin/payload"))
    }

    fn take_tests(&mut self, built: &[Built]) -> Result<()> {
        for test in built.iter().filter(|built| ["test", "lib"].contains(&built.kind.as_str())) {
            self.program(&format!("tests/{}", test.name), &test.file)?;
            self.tests.push(test.name.clone());
        }
        Ok(())
    }

    /// The whole tree as an initramfs.
    pub fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        archive.host_tree("", &self.directory, Owners::Root)?;
        console(&mut archive)?;
        Ok(archive.finish())
    }

    /// Only what the first stage of a guest with a disk needs.
    pub fn first_stage(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        archive.host_file("init", &self.path("init"))?;
        archive.directory("newroot", 0o755)?;
        console(&mut archive)?;
        Ok(archive.finish())
    }

    /// The tree as a disk image of file system `kind`; made by the file system's own tool, which the host must have.
    pub fn disk(&self, kind: &str) -> Result<PathBuf> {
        let image = host::target_directory().join(format!("vm/disk.{}.{kind}", std::process::id()));
        if kind == "ext4" {
            return ext4(&self.directory, &image, 512);
        }
        setup::ensure(&[setup::SQUASHFS])?;
        let mut command = Command::new("mksquashfs");
        command.arg(&self.directory).arg(&image).args(["-noappend", "-all-root", "-no-progress", "-quiet"]);
        host::output(&mut command)?;
        Ok(image)
    }
}

/// Makes an ext4 image of `mib` mebibytes out of a directory, without mounting anything.
pub fn ext4(directory: &Path, image: &Path, mib: u32) -> Result<PathBuf> {
    setup::ensure(&[setup::EXT4])?;
    // Debian has it where an ordinary user's PATH does not look.
    let program = host::find_program("mke2fs").unwrap_or_else(|| "mke2fs".into());
    let mut command = Command::new(program);
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-E", "root_owner=0:0", "-d"]);
    command.arg(directory).arg(image).arg(format!("{mib}M"));
    host::output(&mut command)?;
    Ok(image.to_path_buf())
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            eprintln!("remove {}: {error}", self.directory.display());
        }
    }
}

/// A static busybox from Debian's package.
pub fn busybox() -> Result<PathBuf> {
    let package = package::unpacked("busybox-static")?;
    ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|name| package.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Error::new("package busybox-static holds no bin/busybox"))
}

/// The node that the kernel opens as init's standard input, output and error; the null device for a shell.
pub fn console(archive: &mut Archive) -> Result<()> {
    archive.character_device("dev/console", 0o600, 5, 1)?;
    archive.character_device("dev/null", 0o666, 1, 3)
}

/// What one boot adds: the kernel's modules and the plan. The kernel unpacks archives that follow one another.
pub fn additions(kernel: &Image, plan: &str) -> Result<Vec<u8>> {
    let mut archive = Archive::new();
    for (number, module) in kernel.modules()?.iter().enumerate() {
        archive.file(&format!("vm/modules/{number:02}-{}.ko", module.name), 0o644, &module.data)?;
    }
    for module in kernel.later_modules()? {
        archive.file(&format!("vm/later/{}.ko", module.name), 0o644, &module.data)?;
    }
    archive.file(super::guest::PLAN, 0o644, plan.as_bytes())?;
    Ok(archive.finish())
}

/// The tests' SELinux policy, compiled, as an archive.
pub fn policy() -> Result<Vec<u8>> {
    setup::ensure(&[setup::SECILC])?;
    let compiled = super::boot::artifact(&format!("selinux.{}", std::process::id()), b"")?;
    let mut command = Command::new("secilc");
    // Version 30 is older than every kernel here; file contexts there are none.
    command.args(["-c", "30", "-f", "/dev/null", "-o"]).arg(&compiled);
    host::output(command.arg(host::workspace().join("tests/data/selinux/runlet-test.cil")))?;
    let mut archive = Archive::new();
    archive.host_file(super::guest::POLICY.trim_start_matches('/'), &compiled)?;
    std::fs::remove_file(&compiled).context(|| format!("remove {}", compiled.display()))?;
    Ok(archive.finish())
}

struct Built {
    kind: String,
    name: String,
    file: PathBuf,
}

/// How this toolchain links a static program: musl where rustup brought its std, else the C library's static archive.
struct StaticTarget {
    triple: &'static str,
    flags: &'static str,
}

impl StaticTarget {
    fn find() -> Result<StaticTarget> {
        let musl = "x86_64-unknown-linux-musl";
        let directory =
            host::output(Command::new("rustc").args(["--print", "target-libdir", "--target", musl]))?;
        Ok(if Path::new(directory.trim()).is_dir() {
            StaticTarget { triple: musl, flags: "" }
        } else {
            StaticTarget { triple: "x86_64-unknown-linux-gnu", flags: "-Ctarget-feature=+crt-static" }
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Vec<Built>> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(host::workspace())
            .args(arguments)
            .args(["--quiet", "--message-format=json", "--target", self.triple, "--target-dir"])
            .arg(host::target_directory().join("vm/build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env("CARGO_PROFILE_DEV_STRIP", "symbols")
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DEV_INCREMENTAL", "false");
        if !self.flags.is_empty() {
            command.env("RUSTFLAGS", self.flags);
        }
        Ok(host::output(&mut command)?.lines().filter_map(built).collect())
    }
}

impl StaticTarget {
    /// The tests' static program, which is no crate: the same one call of rustc that the harness makes on a host.
    fn payload(&self, file: &Path) -> Result<()> {
        let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        command.args(["--edition", "2024", "--crate-name", "payload", "--target", self.triple]);
        command.args(["-Copt-level=1", "-Cpanic=abort", "-Cstrip=symbols"]);
        if !self.flags.is_empty() {
            command.args([self.flags, "-Crelocation-model=static"]);
        }
        command.arg(host::workspace().join("tests/payload/payload.rs")).arg("-o").arg(file);
        host::output(&mut command).map(drop)
    }
}

/// One line of cargo's machine-readable output. Only strings without escapes are looked for, so no JSON reader is needed.
fn built(line: &str) -> Option<Built> {
    let field = |text: &str, name: &str| -> Option<String> {
        let start = text.find(name)? + name.len();
        let rest = text.get(start..)?;
        Some(rest.split('"').next()?.to_owned())
    };
    if !line.contains("\"reason\":\"compiler-artifact\"") {
        return None;
    }
    let target = line.get(line.find("\"target\":{")?..)?;
    Some(Built {
        kind: field(target, "\"kind\":[\"")?,
        name: field(target, "\"name\":\"")?,
        file: field(line, "\"executable\":\"")?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_line_about_a_test_binary_is_understood() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///w#runlet@0.1.0","manifest_path":"/w/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"lifecycle","src_path":"/w/tests/lifecycle/main.rs"},"profile":{"test":true},"filenames":["/w/t/lifecycle-1"],"executable":"/w/t/lifecycle-1","fresh":true}"#;
        let read = built(line).unwrap();
        assert_eq!((read.kind.as_str(), read.name.as_str()), ("test", "lifecycle"));
        assert_eq!(read.file, Path::new("/w/t/lifecycle-1"));
        assert!(built(&line.replace(r#""/w/t/lifecycle-1","fresh""#, r#"null,"fresh""#)).is_none());
        assert!(built(r#"{"reason":"build-finished","success":true}"#).is_none());
    }
}

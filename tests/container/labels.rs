//! config.md "apparmorProfile" and "selinuxLabel", config-linux.md "Mount Label", on a kernel that has the module: AppArmor in the guests of
//! `cargo vm`, SELinux in the one of its environment `selinux`.

use crate::harness::{Bundle, Call, Context, Output, Seen, json, payload};
use crate::{context, not_on, skip_test};
use std::fs;
use std::io::Write;
use std::path::Path;

/// A profile that allows everything but to read /secret, as apparmor_parser(8) compiles it (tests/data/apparmor/runlet-test).
const POLICY: &[u8] = include_bytes!("../data/apparmor/runlet-test.policy");
const PLACE: &str = "/sys/kernel/security/apparmor";

fn on_host(context: &Context, words: &[&str]) -> Output {
    let program = payload::path().to_string_lossy().into_owned();
    Call::at(context, Path::new(&program), words).go()
}

/// The profile is loaded as long as this is there, and AppArmor's files are in the test's world.
struct Loaded<'a>(&'a Context);

impl<'a> Loaded<'a> {
    fn new(context: &'a Context) -> Option<Self> {
        let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled").unwrap_or_default();
        if !enabled.starts_with('Y') {
            return None;
        }
        on_host(context, &["mount", "securityfs", "/sys/kernel/security", "securityfs", "-", ""]).ok();
        fs::write(context.dir.join("policy"), POLICY).unwrap();
        let loaded = Loaded(context);
        loaded.shell(&format!("cat {}/policy >{PLACE}/.load", context.dir.display()));
        Some(loaded)
    }

    fn shell(&self, line: &str) {
        let output = self.0.in_world(&["/bin/sh", "-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        let remove = format!("printf runlet-test >{PLACE}/.remove");
        let _ = self.0.in_world(&["/bin/sh", "-c", &remove]).output();
        on_host(self.0, &["umount", "/sys/kernel/security"]);
    }
}

/// "apparmorProfile": the program and what exec brings are under it, whoever they are; what the profile denies is denied; a profile that
/// is not loaded starts nothing.
#[test]
fn an_apparmor_profile_is_in_force_and_an_unknown_one_starts_nothing() {
    let context = context!();
    let Some(loaded) = Loaded::new(&context) else {
        skip_test!("this kernel has no AppArmor");
    };
    let look = ["read", "/proc/self/attr/current", ",", "read", "/secret"];
    let mut bundle = context.bundle(&look);
    fs::write(bundle.root().join("secret"), "secret").unwrap();
    let plain = context.observe(&bundle);
    assert_eq!(plain.text("read /proc/self/attr/current"), "unconfined\n");
    assert_eq!(plain.text("read /secret"), "secret");

    bundle.set("/process/apparmorProfile", "runlet-test");
    for (privileges, uid) in [(true, 0), (false, 0), (true, 1000)] {
        bundle.set("/process/noNewPrivileges", privileges);
        bundle.set("/process/user", json!({ "uid": uid, "gid": uid }));
        let seen = context.observe(&bundle);
        assert_eq!(seen.text("read /proc/self/attr/current"), "runlet-test (enforce)\n");
        assert_eq!(seen.errno("read /secret"), "EACCES");
    }
    bundle.args(&["pause"]);
    let id = context.running(&bundle);
    let words: Vec<&str> = ["exec", &id, "/bin/payload"].into_iter().chain(look).collect();
    let seen = context.call(&words).go().seen();
    assert_eq!(seen.text("read /proc/self/attr/current"), "runlet-test (enforce)\n");
    assert_eq!(seen.errno("read /secret"), "EACCES");
    let unknown = context.call(&["exec", "--apparmor", "no-such-profile", &id, "/bin/payload", "true"]).go();
    unknown.fails().says("process.apparmorProfile");
    context.delete_force(&id).ok();

    bundle.set("/process/apparmorProfile", "no-such-profile");
    context.run(&bundle).fails().says("process.apparmorProfile");
    drop(loaded);
}

// What follows has the types of tests/data/selinux/runlet-test.cil. A container's level has categories, and so commas.
const RUNTIME: &str = "system_u:system_r:runtime_t:s0-s0:c0.c3";
const BOX: &str = "system_u:system_r:box_t:s0:c1,c2";
const OPEN: &str = "system_u:system_r:open_t:s0:c1,c2";
const LOOSE: &str = "system_u:system_r:loose_t:s0:c1,c2";
const FOREIGN: &str = "system_u:system_r:foreign_t:s0:c1,c2";
const UNKNOWN: &str = "system_u:system_r:nonesuch_t:s0:c1,c2";
const FILE: &str = "system_u:object_r:file_t:s0";
const MOUNT: &str = "system_u:object_r:mount_t:s0:c1,c2";
const ATTRIBUTE: &str = "security.selinux";
const CURRENT: &str = "/proc/self/attr/current";

/// Whether SELinux enforces the tests' policy: it knows a label of it.
fn enforced() -> bool {
    let known = fs::File::options().write(true).open("/sys/fs/selinux/context");
    known.is_ok_and(|mut file| file.write_all(BOX.as_bytes()).is_ok())
}

/// Gives a file of the host a label.
fn relabel(context: &Context, path: &Path, label: &str) {
    let value: String = label.bytes().map(|byte| format!("{byte:02x}")).collect();
    on_host(context, &["set-xattr", &path.to_string_lossy(), ATTRIBUTE, &value]).ok();
}

/// The label that a verb gave, which the kernel ends with a NUL or not.
fn label(seen: &Seen, line: &str) -> String {
    seen.text(line).trim_end_matches('\0').to_string()
}

/// A bundle that tells its process's label and reads a file that box_t may not, one of another container's category, and one for all.
fn looking(context: &Context) -> (Bundle, Vec<&'static str>) {
    let look = ["read", CURRENT, ",", "read", "/secret", ",", "read", "/other", ",", "read", "/plain"];
    let bundle = context.bundle(&look);
    for (name, label) in [
        ("secret", "system_u:object_r:secret_t:s0"),
        ("other", "system_u:object_r:mount_t:s0:c3"),
        ("plain", "system_u:object_r:mount_t:s0:c2"),
    ] {
        let path = bundle.root().join(name);
        fs::write(&path, name).unwrap();
        relabel(context, &path, label);
    }
    (bundle, look.to_vec())
}

#[track_caller]
fn assert_box(seen: &Seen) {
    assert_eq!(label(seen, &format!("read {CURRENT}")), BOX);
    assert_eq!(seen.errno("read /secret"), "EACCES", "the type may not");
    assert_eq!(seen.errno("read /other"), "EACCES", "the level may not");
    assert_eq!(seen.text("read /plain"), "plain");
}

/// "selinuxLabel": the program and what exec brings are under it, whoever they are; what the policy denies them is denied.
#[test]
fn an_selinux_label_is_in_force() {
    let context = context!();
    if !enforced() {
        skip_test!("SELinux does not enforce the tests' policy here");
    }
    let (mut bundle, look) = looking(&context);
    let plain = context.observe(&bundle);
    assert_eq!(label(&plain, &format!("read {CURRENT}")), RUNTIME);
    for name in ["secret", "other", "plain"] {
        assert_eq!(plain.text(&format!("read /{name}")), name);
    }
    for (privileges, uid) in [(true, 0), (false, 0), (true, 1000)] {
        bundle.set("/process/selinuxLabel", BOX);
        bundle.set("/process/noNewPrivileges", privileges);
        bundle.set("/process/user", json!({ "uid": uid, "gid": uid }));
        assert_box(&context.observe(&bundle));
        bundle.set("/process/selinuxLabel", OPEN);
        let open = context.observe(&bundle);
        assert_eq!(label(&open, &format!("read {CURRENT}")), OPEN);
        assert_eq!(open.text("read /secret"), "secret");
        assert_eq!(open.errno("read /other"), "EACCES");
    }

    bundle.set("/process/selinuxLabel", BOX);
    bundle.set("/process/user", json!({ "uid": 0, "gid": 0 }));
    bundle.args(&["pause"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    let outside = format!("/proc/{}/attr/current", context.pid(&id));
    let outside = || fs::read_to_string(&outside).unwrap().trim_end_matches('\0').to_string();
    assert_eq!(outside(), RUNTIME, "the label comes with the program");
    context.start(&id).ok();
    assert_eq!(outside(), BOX);

    let exec = |flags: &[&str]| {
        let words = [&["exec"], flags, &[&id, "/bin/payload"], &look].concat();
        context.call(&words).go().seen()
    };
    assert_box(&exec(&[]));
    assert_box(&exec(&["--user", "1000:1000"]));
    let open = exec(&["--process-label", OPEN]);
    assert_eq!(label(&open, &format!("read {CURRENT}")), OPEN);
    assert_eq!(open.text("read /secret"), "secret");
    // A process of its own has the container's label unless it names another.
    let mut process = bundle.config["process"].clone();
    process["args"] = ["/bin/payload"].iter().chain(&look).copied().collect();
    process.as_object_mut().unwrap().remove("selinuxLabel");
    let file = context.dir.join("process.json");
    let path = file.to_string_lossy().into_owned();
    fs::write(&file, process.to_string()).unwrap();
    assert_box(&context.call(&["exec", "--process", &path, &id]).go().seen());
    process["selinuxLabel"] = OPEN.into();
    fs::write(&file, process.to_string()).unwrap();
    let open = context.call(&["exec", "--process", &path, &id]).go().seen();
    assert_eq!(label(&open, &format!("read {CURRENT}")), OPEN);
    context.delete_force(&id).ok();
}

/// A label that the policy does not have, or does not let the runtime give, starts nothing; it is told in one line, and nothing is left.
#[test]
fn a_label_that_selinux_refuses_starts_nothing() {
    let context = context!();
    if !enforced() {
        skip_test!("SELinux does not enforce the tests' policy here");
    }
    let mut bundle = context.bundle(&["pause"]);
    bundle.set("/process/selinuxLabel", BOX);
    let id = context.running(&bundle);
    let mut bundle = context.bundle(&["read", CURRENT]);
    let one_line = |output: Output| {
        let output = output.fails().says("process.selinuxLabel");
        assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{}", output.describe());
    };
    for refused in [UNKNOWN, "no label", "system_u:system_r:box_t:s0:c9", FOREIGN] {
        bundle.set("/process/selinuxLabel", refused);
        one_line(context.run(&bundle));
        one_line(
            context.call(&["exec", "--process-label", refused, &id, "/bin/payload", "read", CURRENT]).go(),
        );
    }
    // One that may not be given to a process that must not gain privileges.
    bundle.set("/process/selinuxLabel", LOOSE);
    one_line(context.run(&bundle));
    bundle.set("/process/noNewPrivileges", false);
    assert_eq!(label(&context.observe(&bundle), &format!("read {CURRENT}")), LOOSE);

    // Whether the policy allows the change is asked when the program comes.
    bundle.set("/process/selinuxLabel", FOREIGN);
    let created = context.id();
    context.create(&bundle, &created).ok();
    one_line(context.start(&created));
    context.wait_status(&created, "stopped");
    context.delete(&created).ok();
    context.delete_force(&id).ok();
}

/// The session keyring is the container's: with its label, or the policy would keep it from the container.
#[test]
fn the_session_keyring_has_the_selinux_label() {
    let context = context!();
    if !enforced() {
        skip_test!("SELinux does not enforce the tests' policy here");
    }
    let mut bundle = context.bundle(&["key-label"]);
    assert_eq!(label(&context.observe(&bundle), "key-label"), RUNTIME);
    bundle.set("/process/selinuxLabel", BOX);
    assert_eq!(label(&context.observe(&bundle), "key-label"), BOX);
    bundle.args(&["pause"]);
    let id = context.running(&bundle);
    let seen = context.call(&["exec", "--process-label", OPEN, &id, "/bin/payload", "key-label"]).go().seen();
    assert_eq!(label(&seen, "key-label"), OPEN);
    context.delete_force(&id).ok();
}

/// "mountLabel": the context of every file system that is new, but for those that the kernel labels itself; a bind keeps its files' labels.
#[test]
fn a_mount_label_is_the_context_of_new_file_systems() {
    let context = context!();
    not_on!(Crun, "other data of its own");
    if !enforced() {
        skip_test!("SELinux does not enforce the tests' policy here");
    }
    let labelled =
        ["/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/mqueue", "/new", "/up", "/up/file", "/hidden"];
    let untouched = ["/bound", "/", "/bin/payload"];
    let mut words = vec!["create", "/new/made", "", ","];
    for path in labelled.iter().chain(&untouched).chain(&["/proc", "/sys", "/new/made"]) {
        words.extend(["xattr", path, ATTRIBUTE, ","]);
    }
    words.push("report");
    let mut bundle = context.bundle(&words);
    for name in ["up", "hidden", "new", "bound"] {
        fs::create_dir(bundle.root().join(name)).unwrap();
    }
    fs::write(bundle.root().join("up/file"), "").unwrap();
    bundle.mount("/new", "tmpfs", "tmpfs", &["size=1m", "nosuid"]);
    bundle.mount("/up", "tmpfs", "tmpfs", &["tmpcopyup"]);
    bundle.bind(context.outside("bound"), "/bound", &[]);
    bundle.push("/linux/maskedPaths", json!("/hidden"));
    let told = |seen: &Seen, path: &str| label(seen, &format!("xattr {path} {ATTRIBUTE}"));
    let plain = context.observe(&bundle);
    for path in labelled.iter().chain(&untouched) {
        assert_eq!(told(&plain, path), FILE, "{path}");
    }

    bundle.set("/linux/mountLabel", MOUNT);
    bundle.set("/process/selinuxLabel", BOX);
    for user_namespace in [false, true] {
        if user_namespace {
            context.in_user_namespace(&mut bundle);
        }
        let seen = context.observe(&bundle);
        for path in labelled.iter().chain(&["/new/made"]) {
            // The devices of a user namespace are the host's.
            let wanted = if user_namespace && *path == "/dev/null" { FILE } else { MOUNT };
            assert_eq!(told(&seen, path), wanted, "{path}");
        }
        for path in untouched {
            assert_eq!(told(&seen, path), FILE, "{path}");
        }
        for path in ["/proc", "/sys"] {
            assert_eq!(told(&seen, path), told(&plain, path), "{path}");
        }
        let new = seen.mounts().at("/new").clone();
        assert!(new.has("nosuid") && new.data.iter().any(|word| word == "size=1024k"), "{new:?}");
    }
    // The queues of the host's ipc namespace keep the label that they have there.
    bundle.without_namespace("user").without_namespace("ipc");
    bundle.unset("/linux/uidMappings").unset("/linux/gidMappings");
    assert_eq!(told(&context.observe(&bundle), "/dev/mqueue"), FILE);
    bundle.namespace("ipc", None);
    // One that the policy does not have, and one that stands there already.
    bundle.set("/linux/mountLabel", "system_u:object_r:nonesuch_t:s0");
    context.run(&bundle).fails().says("linux.mountLabel");
    bundle.set("/linux/mountLabel", MOUNT);
    bundle.mount("/twice", "tmpfs", "tmpfs", &[&format!("context=\"{FILE}\"")]);
    context.run(&bundle).fails().says("linux.mountLabel");
    bundle.unset("/linux/mountLabel");
    context.run(&bundle).ok();
}

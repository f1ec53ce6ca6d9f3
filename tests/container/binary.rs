//! DESIGN.md "The runtime's own binary": what runs in the container is a read-only mount or a copy of it, and itself only where nobody
//! can write to it anyway, for which nothing is paid.

use crate::harness::{Call, Context, Output, Seen, host, is_runlet, json, payload};
use crate::{context, skip_test};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs words of the test program in the test's world.
fn on_host(context: &Context, words: &[&str]) -> Output {
    let program = payload::path().to_string_lossy().into_owned();
    Call::at(context, Path::new(&program), words).go()
}

/// A copy of the runtime in a directory of the test.
fn copy(context: &Context, directory: &str) -> PathBuf {
    let copy = context.outside(directory).join("runtime");
    host::copy_program(&context.runtime, &copy);
    copy
}

/// What a startContainer hook, which runs beside the runtime's process in the container, sees of that: the name that it was started
/// by, whether the mount it comes from is read-only, and what becomes of an attempt to write to it (ETXTBSY as long as it runs;
/// tests/escapes holds it open until it does not).
fn seen_from_inside(context: &Context, runtime: &Path, wrap: &[&str]) -> (String, bool, String) {
    let mut bundle = context.bundle(&["true"]);
    bundle.capabilities(&["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    let look = ["read", "/proc/1/cmdline", ",", "statfs", "/proc/1/exe", ",", "write", "/proc/1/exe", "x"];
    let mut words = vec!["/bin/payload"];
    words.extend(look);
    // A startContainer hook stands behind the barrier of `create`: its output is the container's.
    bundle.set("/hooks/startContainer", json!([{ "path": "/bin/payload", "args": words }]));
    let (root, id) = (context.state_dir().to_string_lossy().into_owned(), context.id());
    let call = ["--root", root.as_str(), "run", "--bundle", &bundle.path(), &id];
    let output = Call::at(context, runtime, &call).through(wrap).go();
    let seen = output.seen();
    let command = seen.text("read /proc/1/cmdline");
    let name = command.split('\0').next().unwrap_or("").to_string();
    let flags = seen.out("statfs /proc/1/exe")["flags"].clone();
    let readonly = flags.as_array().unwrap().contains(&json!("ro"));
    (name, readonly, seen.errno("write /proc/1/exe x"))
}

/// How many system calls a call of the runtime is.
fn calls(context: &Context, runtime: &Path, words: &[&str]) -> u32 {
    let mut all = vec!["kill-at", "0", runtime.to_str().unwrap(), "--root", "/no/such/root"];
    all.extend(words);
    let output = on_host(context, &all);
    output.stdout.lines().last().unwrap().parse().unwrap()
}

/// Where the file could be written to, the runtime starts again from a read-only mount of it.
#[test]
fn on_a_writable_file_system_it_runs_from_a_read_only_mount() {
    let context = context!();
    if !is_runlet() {
        skip_test!("DESIGN.md's defence");
    }
    let runtime = copy(&context, "writable");
    let (name, readonly, written) = seen_from_inside(&context, &runtime, &[]);
    assert!(name.starts_with("runlet:sealed"), "{name}");
    assert!(readonly && !written.is_empty(), "{readonly} {written}");
}

/// On a read-only file system it runs as it is: `run` and `exec` pay for the look at where they are, and no more.
#[test]
fn on_a_read_only_file_system_it_runs_as_it_is() {
    let context = context!();
    if !is_runlet() {
        skip_test!("DESIGN.md's defence");
    }
    let writable = copy(&context, "writable");
    let place = context.outside("image").to_string_lossy().into_owned();
    on_host(&context, &["mount", "tmpfs", &place, "tmpfs", "-", ""]).ok();
    let runtime = Path::new(&place).join("runtime");
    let copied = context.in_world(&["cp", writable.to_str().unwrap(), runtime.to_str().unwrap()]).status();
    assert!(copied.unwrap().success());
    on_host(&context, &["mount", "none", &place, "", "remount,ro", ""]).ok();

    let (name, readonly, written) = seen_from_inside(&context, &runtime, &[]);
    assert_eq!(name, runtime.to_string_lossy());
    assert!(readonly && !written.is_empty(), "{readonly} {written}");
    for verb in [&["exec", "missing", "/x"][..], &["run", "--bundle", "/no/such/bundle", "missing"]] {
        let spared = calls(&context, &writable, verb) - calls(&context, &runtime, verb);
        // To make the mount, to start from it, and to look again where it is: more on kernels that make it in two calls.
        assert!(spared >= 4, "{verb:?}: {spared}");
    }
    // open and statfs; and who makes or joins a container sees to it that SIGCHLD is not ignored.
    let look = calls(&context, &runtime, &["exec", "missing", "/x"]);
    let plain = calls(&context, &runtime, &["state", "missing"]);
    assert_eq!(look, plain + 3);
    on_host(&context, &["umount", &place]).ok();
}

/// An overlay is not taken at its word: the file below a read-only one may be written to by another way.
#[test]
fn on_an_overlay_it_is_sealed() {
    let context = context!();
    if !is_runlet() {
        skip_test!("DESIGN.md's defence");
    }
    copy(&context, "lower");
    let at = |name: &str| context.outside(name).to_string_lossy().into_owned();
    let (lower, empty, merged) = (at("lower"), at("empty"), at("merged"));
    let layers = context.outside("layers").to_string_lossy().into_owned();
    on_host(&context, &["mount", "tmpfs", &layers, "tmpfs", "-", ""]).ok();
    let made =
        on_host(&context, &["mkdir", &format!("{layers}/up"), ",", "mkdir", &format!("{layers}/work")]);
    made.ok();
    let kinds = [
        format!("lowerdir={lower}:{empty}"),
        format!("lowerdir={lower},upperdir={layers}/up,workdir={layers}/work"),
    ];
    for options in kinds {
        let mounted = on_host(&context, &["mount", "overlay", &merged, "overlay", "-", &options]);
        if mounted.code != 0 {
            on_host(&context, &["umount", &layers]).ok();
            skip_test!("this kernel mounts no overlay: {}", mounted.stdout.trim());
        }
        let runtime = Path::new(&merged).join("runtime");
        let (name, readonly, written) = seen_from_inside(&context, &runtime, &[]);
        assert!(name.starts_with("runlet:sealed"), "{options}: {name}");
        assert!(readonly && !written.is_empty(), "{options}: {readonly} {written}");
        on_host(&context, &["umount", &merged]).ok();
    }
    on_host(&context, &["umount", &layers]).ok();
}

/// Without the calls that make such a mount it runs from a copy in memory, which nobody can write to either.
#[test]
fn without_detached_mounts_it_runs_from_a_copy() {
    let context = context!();
    if !is_runlet() {
        skip_test!("DESIGN.md's defence");
    }
    let runtime = copy(&context, "writable");
    let before = fs::read(&runtime).unwrap();
    let wrap = ["payload", "shim", "ENOSYS", "open_tree_attr,mount_setattr"];
    let (name, _, written) = seen_from_inside(&context, &runtime, &wrap);
    assert!(name.starts_with("runlet:sealed"), "{name}");
    assert!(!written.is_empty());
    assert_eq!(fs::read(&runtime).unwrap(), before);
}

/// A machine whose /proc is not mounted: the runtime asks a procfs of its own where it is.
#[test]
fn without_proc_it_is_sealed_all_the_same() {
    let context = context!();
    if !is_runlet() {
        skip_test!("DESIGN.md's defence");
    }
    let runtime = copy(&context, "writable");
    let wrap = [
        "payload",
        "unshare",
        "mount",
        ",",
        "mount",
        "none",
        "/",
        "",
        "rec,private",
        "",
        ",",
        "umount",
        "/proc",
    ];
    let mut words = wrap.to_vec();
    words.extend([",", "ls", "/proc", ",", "exec"]);
    let (name, readonly, written) = seen_from_inside(&context, &runtime, &words);
    assert!(name.starts_with("runlet:sealed"), "{name}");
    assert!(readonly && !written.is_empty(), "{readonly} {written}");
    // The control: there was none.
    let mut words = wrap[1..].to_vec();
    words.extend([",", "ls", "/proc"]);
    let seen: Seen = on_host(&context, &words).seen();
    assert_eq!(seen.out("ls /proc"), &json!([]));
}

//! What only a machine of our own shows: the runtime on an initramfs, and on hosts that lack what it usually finds.
//!
//! Runs in the test guest (`cargo vm`), once in each environment of qemu/src/vm/environment.rs; anywhere else every test skips itself. It uses nothing of
//! the harness, which reads /proc: here there may be none, and no /dev/null either.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod guest;

use guest::{Bundle, Guest, guest};

/// `bare`, and every environment with one thing missing.
fn has(guest: &Guest, what: &str) -> bool {
    guest.environment != "bare" && guest.environment != format!("no{what}")
}

#[test]
fn a_container_runs_and_its_output_and_status_come_back() {
    let Some(guest) = guest() else { return };
    let bundle = Bundle::new(&guest, "echo inside $$; exit 7");
    let ended = guest.run(&bundle);
    assert_eq!((ended.code, ended.stdout.as_str()), (7, "inside 1\n"), "{ended:?}");
}

#[test]
fn a_container_goes_through_its_whole_life() {
    let Some(guest) = guest() else { return };
    let bundle = Bundle::new(&guest, "trap 'exit 0' TERM; while :; do busybox sleep 1; done");
    let id = bundle.name();
    guest.runtime(&["create", "--bundle", &bundle.path(), id]).ok();
    assert!(guest.runtime(&["state", id]).ok().stdout.contains("\"created\""));
    guest.runtime(&["start", id]).ok();
    assert!(guest.runtime(&["state", id]).ok().stdout.contains("\"running\""));
    assert!(guest.runtime(&["list", "-q"]).ok().stdout.lines().any(|line| line == id));
    guest.runtime(&["kill", id, "KILL"]).ok();
    guest.until("stopped", || guest.runtime(&["state", id]).ok().stdout.contains("\"stopped\""));
    guest.runtime(&["delete", id]).ok();
    guest.runtime(&["state", id]).refused("container does not exist");
}

/// The container sees its own mounts and nothing of the machine's, whatever the machine's root is.
#[test]
fn no_mount_and_no_file_of_the_host_is_left() {
    let Some(guest) = guest() else { return };
    let bundle = Bundle::new(&guest, "busybox cut -d' ' -f5 /proc/self/mountinfo; busybox ls /");
    let ended = guest.run(&bundle).ok();
    let allowed = |line: &str| ["/proc", "/dev", "/sys"].iter().any(|top| line.starts_with(top));
    for line in ended.stdout.lines().filter(|line| line.starts_with('/') && *line != "/") {
        assert!(allowed(line), "a mount of the host's: {line}\n{}", ended.stdout);
    }
    // /vm and /bundles are the host's; bin is the positive control.
    assert!(ended.stdout.lines().any(|line| line == "bin"));
    assert!(!ended.stdout.lines().any(|line| line == "vm" || line == "bundles"), "{}", ended.stdout);
}

/// The kernel lets an unprivileged user mount a fresh, unmasked /proc only where a fully visible one is in its mount namespace. The host's own /proc
/// hidden below the container's root would be one: this is what a move of the root in place of pivot_root leaves behind on an initramfs.
#[test]
fn the_masks_of_proc_cannot_be_shed_in_a_user_namespace() {
    let Some(guest) = guest() else { return };
    let script = "busybox mkdir /tmp/p; busybox unshare -U -r -m -p -f busybox mount -t proc proc /tmp/p && echo mounted";
    let masked = guest.run(&Bundle::new(&guest, script));
    assert!(!masked.stdout.contains("mounted"), "{masked:?}");
    let mut open = Bundle::new(&guest, script);
    open.edit("\"maskedPaths\": [\"/proc/kcore\", \"/proc/keys\"],", "");
    open.edit("\"readonlyPaths\": [\"/proc/sys\"]", "\"readonlyPaths\": []");
    let open = guest.run(&open);
    assert!(open.stdout.contains("mounted"), "without masks there is nothing to protect: {open:?}");
}

#[test]
fn a_limit_that_no_cgroup_can_hold_is_refused_by_name() {
    let Some(guest) = guest() else { return };
    let mut bundle = Bundle::new(&guest, "exit 0");
    bundle.edit("\"resources\": {}", "\"resources\": { \"memory\": { \"limit\": 67108864 } }");
    let ended = guest.run(&bundle);
    // The newer kernel is built without the memory controller of version 1.
    let none = guest.environment == "v1" && guest.kernel().starts_with("6.12");
    if has(&guest, "cgroup") && has(&guest, "sys") && !none {
        ended.ok();
    } else {
        ended.refused("memory");
    }
}

#[test]
fn a_device_that_the_host_lacks_is_named() {
    let Some(guest) = guest() else { return };
    let mut bundle = Bundle::new(&guest, "exit 0");
    bundle.edit(
        "\"mounts\": [",
        "\"mounts\": [ { \"destination\": \"/tmp/x\", \"type\": \"bind\", \"source\": \"/dev/no-such-device\", \"options\": [\"bind\"] },",
    );
    guest.run(&bundle).refused("/dev/no-such-device");
}

/// Device nodes are made, not taken from the host's /dev, so an empty one is enough.
#[test]
fn the_usual_devices_are_there() {
    let Some(guest) = guest() else { return };
    let script = "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done
        test -e /dev/ptmx || echo no ptmx
        echo x >/dev/null && busybox head -c 4 /dev/zero | busybox wc -c";
    assert_eq!(guest.run(&Bundle::new(&guest, script)).ok().stdout, "4\n");
}

/// With nothing open, the container's own files must not end up as its standard output.
#[test]
fn closed_standard_streams_stay_harmless() {
    let Some(guest) = guest() else { return };
    let bundle = Bundle::new(&guest, "echo lost; echo kept >/tmp/kept; exit 5");
    let line = format!("exec \"$RUNLET\" run --bundle {} {} <&- >&- 2>&-", bundle.path(), bundle.name());
    let ended = guest.program("/bin/sh", &["-c", &line]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert_eq!(std::fs::read_to_string(bundle.root().join("tmp/kept")).unwrap(), "kept\n");
    assert!(!std::fs::read_to_string(bundle.directory().join("config.json")).unwrap().contains("lost"));
}

#[test]
fn a_state_directory_on_a_read_only_root_is_refused_by_name_and_the_default_one_works() {
    let Some(guest) = guest() else { return };
    let bundle = Bundle::new(&guest, "exit 0");
    let ended = guest.runtime(&["--root", "/etc/runlet", "run", "--bundle", &bundle.path(), bundle.name()]);
    if guest.root == "ext4" || guest.root == "squashfs" {
        ended.refused("/etc/runlet");
    } else {
        ended.ok();
    }
    guest.run(&bundle).ok();
}

#[test]
fn commands_that_need_no_container_work_on_the_barest_host() {
    let Some(guest) = guest() else { return };
    assert!(guest.runtime(&["--version"]).ok().stdout.starts_with("runlet version "));
    guest.runtime(&["list"]).ok();
    let directory = Bundle::new(&guest, "exit 0");
    let file = directory.directory().join("spec.json");
    guest.runtime(&["spec", "--output", &file.to_string_lossy()]).ok();
    assert!(std::fs::read_to_string(&file).unwrap().contains("ociVersion"));
}

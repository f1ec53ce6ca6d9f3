//! linux.resources.rdma, with a device in software: what a container may hold of it.

use crate::harness::{Context, json, note};
use crate::{cgroups, has, modules, read, skip_test};
use std::fs;
use std::path::{Path, PathBuf};

/// The soft RDMA device that all of these tests use, on the loopback interface. It stays as long as the guest does: Linux 6.12 has been seen
/// to break when one is taken away.
const DEVICE: &str = "rxe0";

/// Makes the device where it is not there yet; gives the numbers of its node, /dev/infiniband/uverbsN.
fn device(context: &Context) -> (u32, u32) {
    // Its checksum is asked for by name.
    ["crc32_generic", "rdma_rxe"].iter().for_each(|name| modules::load(context, name, &[]));
    if !Path::new("/sys/class/infiniband").join(DEVICE).exists() {
        let made = context.in_world(&["/bin/payload", "rdma-link-add", DEVICE, "lo"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    }
    let nodes = fs::read_dir("/sys/class/infiniband_verbs").unwrap().flatten().map(|entry| entry.path());
    let is_its = |node: &PathBuf| fs::read_to_string(node.join("ibdev")).is_ok_and(|of| of.trim() == DEVICE);
    let numbers = fs::read_to_string(nodes.into_iter().find(is_its).unwrap().join("dev")).unwrap();
    let (major, minor) = numbers.trim().split_once(':').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

#[test]
fn handles_and_objects_of_an_rdma_device_are_limited() {
    let context = cgroups!();
    if !has("rdma", "rdma") {
        skip_test!("no rdma controller");
    }
    if !modules::has("rdma_rxe") {
        skip_test!("no rdma_rxe module: Debian's cloud kernels have none, and it is not in a disk's root");
    }
    let (major, minor) = device(&context);
    let mut bundle = context.bundle(&[]);
    let node = json!({ "path": "/dev/uverbs", "type": "c", "major": major, "minor": minor, "fileMode": 438 });
    bundle.push("/linux/devices", node);
    let allow = json!([{ "allow": true, "type": "c", "major": major, "minor": minor, "access": "rw" }]);
    let mut with = |words: &[&str], limit: crate::harness::Value| {
        bundle.args(words);
        bundle.set("/linux/resources", json!({ "devices": allow, "rdma": limit }));
        context.observe(&bundle)
    };

    // Two handles are there, a third is not; without a limit it is.
    let handles = ["rdma-contexts", "/dev/uverbs", "2", ",", "rdma-contexts", "/dev/uverbs", "1"];
    let limited = with(&handles, json!({ DEVICE: { "hcaHandles": 2 } }));
    assert_eq!(limited.out("rdma-contexts /dev/uverbs 2"), 2);
    assert_eq!(limited.errno("rdma-contexts /dev/uverbs 1"), "EAGAIN");
    let free = with(&handles, json!({}));
    assert_eq!(free.out("rdma-contexts /dev/uverbs 1"), 1);
    // Objects likewise; a limit that is enough is no hindrance.
    let objects = ["rdma-objects", "/dev/uverbs", "4"];
    let limited = with(&objects, json!({ DEVICE: { "hcaHandles": 1, "hcaObjects": 3 } }));
    assert_eq!(limited.errno("rdma-objects /dev/uverbs 4"), "EAGAIN");
    let enough = with(&objects, json!({ DEVICE: { "hcaHandles": 1, "hcaObjects": 4 } }));
    assert_eq!(enough.out("rdma-objects /dev/uverbs 4"), 4);
    note(
        "effect  rdma hcaHandles 2: a third context EAGAIN; hcaObjects 3: a fourth protection domain EAGAIN",
    );
}

#[test]
fn limits_of_an_rdma_device_are_read_back_and_kept_by_update() {
    let context = cgroups!();
    if !has("rdma", "rdma") {
        skip_test!("no rdma controller");
    }
    if !modules::has("rdma_rxe") {
        skip_test!("no rdma_rxe module: Debian's cloud kernels have none, and it is not in a disk's root");
    }
    device(&context);
    let limits = json!({ DEVICE: { "hcaHandles": 3, "hcaObjects": 100 } });
    let (id, cgroup) = crate::paused_program(&context, json!({ "rdma": limits }));
    let now = || read(&cgroup, "rdma.max", "rdma.max");
    let line = |handles, objects| format!("{} hca_handle={handles} hca_object={objects}", DEVICE);
    assert_eq!(now(), line("3", "100"));
    note(&format!("limit  {limits}  rdma.max = {}", now()));
    // What an update does not name stays: another limit, or half of the device's.
    context.call(&["update", &id, "--pids-limit", "50"]).go().ok();
    assert_eq!(now(), line("3", "100"));
    let file = context.dir.join("rdma.json");
    fs::write(&file, json!({ "rdma": { DEVICE: { "hcaHandles": 5 } } }).to_string()).unwrap();
    context.call(&["update", "-r", file.to_str().unwrap(), &id]).go().ok();
    assert_eq!(now(), line("5", "100"));
    // One that fails changes nothing.
    let both = json!({ "rdma": { DEVICE: { "hcaHandles": 7 }, "no_such_device0": { "hcaHandles": 1 } } });
    fs::write(&file, both.to_string()).unwrap();
    context.call(&["update", "-r", file.to_str().unwrap(), &id]).go().fails().says("linux.resources.rdma");
    assert_eq!(now(), line("5", "100"));
    context.delete_force(&id).ok();
}

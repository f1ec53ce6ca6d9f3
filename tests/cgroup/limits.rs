//! Every limit: written by the runtime, read back from the kernel, or refused by the name of its property.

use crate::harness::{Value, json, note};
use crate::{context, directories, disk, file, has, on_v1, on_v2, read};

/// What a property becomes.
struct Limit {
    /// Below linux.resources, as a refusal names it.
    name: &'static str,
    resources: Value,
    /// Files and values on cgroup2; the controller is the files' first word. None: there is no such limit.
    v2: &'static [(&'static str, &'static str)],
    /// Files and values on cgroup v1.
    v1: &'static [(&'static str, &'static str)],
}

/// Stands for the scratch disk's numbers.
const DISK: &str = "DISK";

fn limits() -> Vec<Limit> {
    type Files = &'static [(&'static str, &'static str)];
    let limit = |name, resources, v2: Files, v1: Files| Limit { name, resources, v2, v1 };
    vec![
        limit(
            "memory.limit",
            json!({ "memory": { "limit": 67108864 } }),
            &[("memory.max", "67108864")],
            &[("memory.limit_in_bytes", "67108864")],
        ),
        limit(
            "memory.reservation",
            json!({ "memory": { "reservation": 33554432 } }),
            &[("memory.low", "33554432")],
            &[("memory.soft_limit_in_bytes", "33554432")],
        ),
        // Memory and swap together, of which cgroup2 limits the swap alone.
        limit(
            "memory.swap",
            json!({ "memory": { "limit": 67108864, "swap": 100663296 } }),
            &[("memory.max", "67108864"), ("memory.swap.max", "33554432")],
            &[("memory.limit_in_bytes", "67108864"), ("memory.memsw.limit_in_bytes", "100663296")],
        ),
        limit(
            "memory.swap",
            json!({ "memory": { "limit": 67108864, "swap": 67108864 } }),
            &[("memory.swap.max", "0")],
            &[("memory.memsw.limit_in_bytes", "67108864")],
        ),
        limit(
            "memory.swap",
            json!({ "memory": { "limit": 67108864, "swap": -1 } }),
            &[("memory.swap.max", "max")],
            &[("memory.memsw.limit_in_bytes", "9223372036854771712")],
        ),
        limit(
            "memory.swappiness",
            json!({ "memory": { "swappiness": 10 } }),
            &[],
            &[("memory.swappiness", "10")],
        ),
        limit(
            "memory.disableOOMKiller",
            json!({ "memory": { "limit": 67108864, "disableOOMKiller": true } }),
            &[],
            &[("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0")],
        ),
        limit(
            "memory.kernelTCP",
            json!({ "memory": { "kernelTCP": 16777216 } }),
            &[],
            &[("memory.kmem.tcp.limit_in_bytes", "16777216")],
        ),
        // By the curve through 2 -> 1, 1024 -> 100, 262144 -> 10000.
        limit(
            "cpu.shares",
            json!({ "cpu": { "shares": 1024 } }),
            &[("cpu.weight", "100")],
            &[("cpu.shares", "1024")],
        ),
        limit(
            "cpu.shares",
            json!({ "cpu": { "shares": 512 } }),
            &[("cpu.weight", "59")],
            &[("cpu.shares", "512")],
        ),
        limit(
            "cpu.shares",
            json!({ "cpu": { "shares": 2 } }),
            &[("cpu.weight", "1")],
            &[("cpu.shares", "2")],
        ),
        limit(
            "cpu.shares",
            json!({ "cpu": { "shares": 262144 } }),
            &[("cpu.weight", "10000")],
            &[("cpu.shares", "262144")],
        ),
        limit(
            "cpu.quota",
            json!({ "cpu": { "quota": 20000, "period": 50000 } }),
            &[("cpu.max", "20000 50000")],
            &[("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "50000")],
        ),
        limit(
            "cpu.quota",
            json!({ "cpu": { "quota": 20000 } }),
            &[("cpu.max", "20000 100000")],
            &[("cpu.cfs_quota_us", "20000"), ("cpu.cfs_period_us", "100000")],
        ),
        limit(
            "cpu.period",
            json!({ "cpu": { "period": 50000 } }),
            &[("cpu.max", "max 50000")],
            &[("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "50000")],
        ),
        limit(
            "cpu.burst",
            json!({ "cpu": { "quota": 20000, "burst": 1000 } }),
            &[("cpu.max.burst", "1000")],
            &[("cpu.cfs_burst_us", "1000")],
        ),
        limit(
            "cpu.idle",
            json!({ "cpu": { "idle": 1, "shares": 512 } }),
            &[("cpu.idle", "1")],
            &[("cpu.idle", "1")],
        ),
        limit(
            "cpu.cpus",
            json!({ "cpu": { "cpus": "0" } }),
            &[("cpuset.cpus", "0")],
            &[("cpuset.cpus", "0")],
        ),
        limit(
            "cpu.mems",
            json!({ "cpu": { "mems": "0" } }),
            &[("cpuset.mems", "0")],
            &[("cpuset.mems", "0")],
        ),
        limit("pids.limit", json!({ "pids": { "limit": 20 } }), &[("pids.max", "20")], &[("pids.max", "20")]),
        limit("pids.limit", json!({ "pids": { "limit": 0 } }), &[("pids.max", "0")], &[("pids.max", "0")]),
        limit(
            "hugepageLimits[0]",
            json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4194304 }] }),
            &[("hugetlb.2MB.max", "4194304"), ("hugetlb.2MB.rsvd.max", "4194304")],
            &[("hugetlb.2MB.limit_in_bytes", "4194304"), ("hugetlb.2MB.rsvd.limit_in_bytes", "4194304")],
        ),
        limit(
            "blockIO.throttleReadBpsDevice[0]",
            json!({ "blockIO": {
                "throttleReadBpsDevice": [{ "major": DISK, "minor": DISK, "rate": 1048576 }],
                "throttleWriteBpsDevice": [{ "major": DISK, "minor": DISK, "rate": 2097152 }],
                "throttleReadIOPSDevice": [{ "major": DISK, "minor": DISK, "rate": 300 }],
                "throttleWriteIOPSDevice": [{ "major": DISK, "minor": DISK, "rate": 400 }]
            } }),
            &[("io.max", "DISK rbps=1048576 wbps=2097152 riops=300 wiops=400")],
            &[
                ("blkio.throttle.read_bps_device", "DISK 1048576"),
                ("blkio.throttle.write_bps_device", "DISK 2097152"),
                ("blkio.throttle.read_iops_device", "DISK 300"),
                ("blkio.throttle.write_iops_device", "DISK 400"),
            ],
        ),
        limit(
            "network.classID",
            json!({ "network": { "classID": 1048577 } }),
            &[],
            &[("net_cls.classid", "1048577")],
        ),
        limit(
            "network.priorities[0]",
            json!({ "network": { "priorities": [{ "name": "lo", "priority": 5 }] } }),
            &[],
            &[("net_prio.ifpriomap", "lo 5")],
        ),
        limit("rdma", json!({ "rdma": { "no_such_device0": { "hcaHandles": 3 } } }), &[], &[]),
        limit(
            "unified[\"memory.high\"]",
            json!({ "unified": { "memory.high": "50331648" } }),
            &[("memory.high", "50331648")],
            &[],
        ),
        limit(
            "unified[\"cpu.weight\"]",
            json!({ "unified": { "cpu.weight": "77" } }),
            &[("cpu.weight", "77")],
            &[],
        ),
        limit(
            "unified[\"pids.max\"]",
            json!({ "unified": { "pids.max": "23" } }),
            &[("pids.max", "23")],
            &[],
        ),
    ]
}

/// A file that some kernels are built without, or start without.
fn kernel_lacks(limit: &Limit, said: &str) -> bool {
    ["memory.swap", "cpu.burst", "cpu.idle"].contains(&limit.name) && said.contains("has no ")
}

/// A number that a file of many lines holds is looked for by its line.
fn holds(found: &str, expected: &str) -> bool {
    found == expected || (!expected.contains('\n') && found.lines().any(|line| line == expected))
}

#[test]
fn every_limit_is_read_back_or_refused_by_its_name() {
    let context = context!();
    let disk = disk::scratch();
    let numbers = disk.as_ref().map_or("8:0".to_string(), disk::Disk::numbers);
    for limit in limits() {
        let (major, minor) = numbers.split_once(':').unwrap();
        let text = limit.resources.to_string();
        let text = text.replace("\"major\":\"DISK\"", &format!("\"major\":{major}"));
        let text = text.replace("\"minor\":\"DISK\"", &format!("\"minor\":{minor}"));
        let controller = |files: &[(&'static str, &'static str)]| {
            files.first().map_or("", |(file, _)| file.split('.').next().unwrap())
        };
        let (v2, v1) = (controller(limit.v2), controller(limit.v1));
        let is_on_v2 = on_v2(v2) && !limit.v2.is_empty();
        let there = is_on_v2 || (has("", v1) && on_v1(v1));
        let device_is_there = disk.is_some() || !text.contains("blockIO");
        let mut bundle = context.bundle(&["pause"]);
        bundle.set("/linux/resources", serde_json::from_str::<Value>(&text).unwrap());
        let id = context.id();
        let output = context.create(&bundle, &id);
        if !there || !device_is_there || (output.code != 0 && kernel_lacks(&limit, &output.stderr)) {
            // One that needs another property too is refused by the first of the two whose controller is missing.
            let section = limit.name.split(['[', '.']).next().unwrap();
            let output = output.fails().says(&format!("linux.resources.{section}"));
            note(&format!("limit  {text}  refused: {}", output.stderr.trim()));
            context.assert_clean();
            continue;
        }
        output.ok();
        for (name, expected) in if is_on_v2 { limit.v2 } else { limit.v1 } {
            let expected = expected.replace(DISK, &numbers);
            let found =
                if is_on_v2 { read(&bundle.cgroup(), name, "-") } else { read(&bundle.cgroup(), "-", name) };
            assert!(holds(&found, &expected), "{text}: {name} should have {expected:?} and has {found:?}");
            note(&format!("limit  {text}  {name} = {}", expected.replace('\n', ", ")));
        }
        context.delete_force(&id).ok();
        assert!(directories(&bundle.cgroup()).is_empty(), "{text}: the cgroup is left");
    }
}

/// The cgroup2 weight of the kernel's iocost model has another range than the specification's; BFQ's has the same, and is used where
/// that scheduler is. A device's own stays when all others get a new one.
#[test]
fn a_weight_of_block_devices_goes_to_the_scheduler_that_is_there() {
    let context = context!();
    let Some(disk) = disk::scratch() else {
        crate::skip_test!("no scratch disk, which the test guest has");
    };
    let numbers = disk.numbers();
    let device = |weight: u32| json!([{ "major": disk.major, "minor": disk.minor, "weight": weight }]);
    let resources = json!({ "blockIO": { "weight": 500, "weightDevice": device(300) } });
    if !has("io", "blkio") {
        let mut bundle = context.bundle(&["pause"]);
        bundle.set("/linux/resources", resources);
        context.run(&bundle).fails().says("blockIO.weight");
        return;
    }
    // On cgroup v1 this is BFQ's file that shows the devices' own too.
    let there = |bfq: bool, bundle: &crate::harness::Bundle| {
        let (v2, v1) =
            if bfq { ("io.bfq.weight", "blkio.bfq.weight_device") } else { ("io.weight", "blkio.weight") };
        file(&bundle.cgroup(), v2, v1).map(|path| std::fs::read_to_string(path).unwrap())
    };
    let with = |bfq: bool, all: u32, own: u32, updated: u32| {
        let mut bundle = context.bundle(&["pause"]);
        bundle.set("/linux/resources", resources.clone());
        let id = context.id();
        let output = context.create(&bundle, &id);
        if output.code != 0 {
            // Without BFQ a kernel after Linux 4.20 has no weights on cgroup v1.
            assert!(!bfq, "{}", output.describe());
            output.fails().says("blockIO.weight").says("has no blkio.weight here");
            return;
        }
        let made = format!("default {all}\n{numbers} {own}\n");
        assert_eq!(there(bfq, &bundle).as_deref(), Some(made.as_str()));
        // What fails behind the weights takes them back.
        let update = context.dir.join("weights.json");
        let pages = json!([{ "pageSize": "3MB", "limit": 1 }]);
        let block_io = json!({ "weight": 700, "weightDevice": device(400) });
        let text = json!({ "blockIO": block_io, "hugepageLimits": pages }).to_string();
        std::fs::write(&update, text).unwrap();
        context.call(&["update", "-r", update.to_str().unwrap(), &id]).go().fails().says("hugepageLimits[0]");
        assert_eq!(there(bfq, &bundle).as_deref(), Some(made.as_str()));
        context.call(&["update", "--blkio-weight", "700", &id]).go().ok();
        let now = format!("default {updated}\n{numbers} {own}\n");
        assert_eq!(there(bfq, &bundle).as_deref(), Some(now.as_str()));
        let name = if bfq { "BFQ's weight" } else { "io.weight" };
        note(&format!("limit  blockIO.weight 500, of the disk 300  {name} = default {all}, disk {own}"));
        note(&format!("limit  update --blkio-weight 700  {name} = default {updated}, disk {own}"));
        context.delete_force(&id).ok();
    };
    if !disk.scheduler("bfq") {
        // A device has a weight once the cost model is switched on for it, in the root cgroup.
        if let (true, Some(root)) = (on_v2("io"), crate::cgroup2()) {
            std::fs::write(format!("{root}/io.cost.qos"), format!("{numbers} enable=1")).unwrap();
        }
        // 10 to 1000 stretched over 1 to 10000.
        with(false, 4950, 2930, 6970);
    }
    let load = context.in_world(&["/bin/busybox", "insmod", "/vm/later/bfq.ko"]).output().unwrap();
    if !load.status.success() && !disk.scheduler("bfq") {
        crate::skip_test!("the bfq module is not in this guest's root");
    }
    assert!(disk.scheduler("bfq"));
    with(true, 500, 300, 700);
    assert!(disk.scheduler("none"));
    context.in_world(&["/bin/busybox", "rmmod", "bfq"]).output().unwrap();
}

#[test]
fn what_asks_for_nothing_needs_no_controller() {
    let context = context!();
    for resources in [
        json!({}),
        json!({ "blockIO": { "weight": 0 }, "cpu": { "shares": 0, "quota": 0, "period": 0 }, "memory": { "limit": 0 } }),
        json!({ "memory": { "limit": -1, "swap": -1 }, "pids": { "limit": -1 }, "cpu": { "quota": -1 } }),
        json!({ "devices": [{ "allow": false, "access": "rwm" }] }),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/linux/resources", resources);
        context.run(&bundle).ok();
    }
    context.assert_clean();
}

#[test]
fn limits_that_are_none_are_refused_and_leave_nothing() {
    let context = context!();
    for (resources, place) in [
        (json!({ "unified": { "../memory.max": "1" } }), "unified"),
        (json!({ "unified": { "cgroup.procs": "1" } }), "unified"),
        (json!({ "unified": { "nothing.max": "1" } }), "unified"),
        (json!({ "unified": { "memory.nothing": "1" } }), "unified"),
        (json!({ "hugepageLimits": [{ "pageSize": "../2MB", "limit": 1 }] }), "hugepageLimits[0]"),
        (json!({ "hugepageLimits": [{ "pageSize": "3MB", "limit": 1 }] }), "hugepageLimits[0]"),
        (json!({ "memory": { "limit": 100, "swap": 50 } }), "memory.swap"),
        (json!({ "memory": { "kernel": -5 } }), "memory.kernel"),
        (json!({ "cpu": { "cpus": "0-zero" } }), "cpu.cpus"),
        (json!({ "cpu": { "idle": 2 } }), "cpu.idle"),
        (json!({ "cpu": { "realtimeRuntime": 1000 } }), "cpu.realtimeRuntime"),
        (json!({ "pids": { "limit": -5 } }), "pids.limit"),
        (json!({ "blockIO": { "weight": 5 } }), "blockIO.weight"),
        (json!({ "blockIO": { "leafWeight": 500 } }), "blockIO.leafWeight"),
        (json!({ "devices": [{ "allow": true, "type": "x" }] }), "devices[0]"),
    ] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/linux/resources", resources);
        context.run(&bundle).fails().says(place);
        context.assert_clean();
    }
}

#[test]
fn a_failing_limit_takes_back_what_was_made_before_it() {
    let context = context!();
    let mut bundle = context.bundle(&["true"]);
    if !crate::by_systemd() {
        bundle.set("/linux/cgroupsPath", format!("/{}-a/b/c", context.tag));
    }
    // 4096 processors are more than any machine here has; without the controller it is refused as well.
    bundle.set("/linux/resources", json!({ "cpu": { "cpus": "4000-4095" } }));
    context.run(&bundle).fails().says("cpu");
    context.assert_clean();
    bundle.unset("/linux/resources");
    context.run(&bundle).ok();
    context.assert_clean();
}

#[test]
fn a_running_container_has_its_limits_in_one_place() {
    let context = crate::cgroups!();
    let (id, cgroup) = crate::paused_program(&context, json!({}));
    assert!(!directories(&cgroup).is_empty());
    let pids = context.call(&["ps", "--format", "json", &id]).go().ok().json();
    assert_eq!(pids, json!([context.pid(&id)]));
    context.delete_force(&id).ok();
    assert!(directories(&cgroup).is_empty());
}

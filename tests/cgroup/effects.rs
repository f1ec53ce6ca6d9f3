//! What a limit does to the processes under it.

use crate::harness::{PATIENCE, Value, json, note, wait_for};
use crate::{cgroups, disk, has, key, on_v1, on_v2, read, skip_test};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_fork_beyond_the_limit_fails() {
    let context = cgroups!();
    if !has("pids", "pids") {
        skip_test!("no pids controller");
    }
    let mut bundle = context.bundle(&["forks", "20"]);
    bundle.set("/linux/resources", json!({ "pids": { "limit": 10 } }));
    assert_eq!(context.observe(&bundle).errno("forks 20"), "EAGAIN");
    bundle.set("/linux/resources", json!({ "pids": { "limit": 30 } }));
    assert_eq!(context.observe(&bundle).out("forks 20"), 20);
    bundle.set("/linux/resources", json!({ "pids": { "limit": 0 } }));
    assert_eq!(context.observe(&bundle).errno("forks 20"), "EAGAIN");
    context.assert_clean();
}

#[test]
fn memory_over_the_limit_is_killed_and_the_kill_is_told() {
    let context = cgroups!();
    if !has("memory", "memory") {
        skip_test!("no memory controller");
    }
    let mut bundle = context.bundle(&["memory", "96"]);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 33554432 } }));
    let exit = context.dir.join("exit.json");
    let told = || serde_json::from_str::<Value>(&fs::read_to_string(&exit).unwrap()).unwrap();
    let id = context.id();
    let path = bundle.path();
    let words = ["run", "--keep", "--exit-file", exit.to_str().unwrap(), "--bundle", &path, &id];
    context.call(&words).go().status(137);
    assert_eq!((&told()["code"], &told()["signal"]), (&json!(137), &json!(9)));
    assert!(told()["oomKills"].as_u64().unwrap() >= 1, "{}", told());
    // systemd takes a scope away with its last process, and the count with it: `run` has held it just until it was read.
    if !crate::by_systemd() {
        assert!(context.state(&id)["oomKills"].as_u64().unwrap() >= 1);
    }
    context.delete(&id).ok();
    // Under a limit that is enough nobody is killed.
    bundle.set("/linux/resources", json!({ "memory": { "limit": 268435456 } }));
    let id = context.id();
    let path = bundle.path();
    context.call(&["run", "--exit-file", exit.to_str().unwrap(), "--bundle", &path, &id]).go().ok();
    assert_eq!(told(), json!({ "code": 0, "signal": 0, "oomKills": 0 }));
    context.assert_clean();
}

/// A limit of processes is the container's, whatever holds its cgroup until the exit file is written.
#[test]
fn an_exit_file_takes_nothing_of_the_limit_of_processes() {
    let context = cgroups!();
    if !has("pids", "pids") {
        skip_test!("no pids controller");
    }
    let exit = context.dir.join("exit.json");
    let mut bundle = context.bundle(&["forks", "20"]);
    let mut run = |limit: u32| {
        bundle.set("/linux/resources", json!({ "pids": { "limit": limit } }));
        let id = context.id();
        let path = bundle.path();
        context.call(&["run", "--exit-file", exit.to_str().unwrap(), "--bundle", &path, &id]).go()
    };
    for (limit, errno) in [(21, ""), (20, "EAGAIN"), (1, "EAGAIN"), (0, "EAGAIN")] {
        assert_eq!(run(limit).seen().errno("forks 20"), errno, "{limit}");
    }
    context.assert_clean();
}

/// The same amount of memory lives where swap is allowed beside the limit, and dies where the limit is all that there is.
#[test]
fn swap_is_what_is_left_of_memory_and_swap() {
    let context = cgroups!();
    if !has("memory", "memory") {
        skip_test!("no memory controller");
    }
    let Some(disk) = disk::scratch() else {
        skip_test!("no scratch disk, which the test guest has");
    };
    let _swap = disk.swap(&context);
    let mut bundle = context.bundle(&["memory", "48"]);
    let mut with = |swap: i64| {
        bundle.set("/linux/resources", json!({ "memory": { "limit": 33554432, "swap": swap } }));
        context.run(&bundle)
    };
    // Where the disk is slow the kernel may lose patience with the swap and kill all the same; without any it always does.
    let lived = (0..3).any(|_| with(33554432 + 33554432).code == 0);
    assert!(lived, "killed three times although there is swap");
    with(33554432).status(137);
    context.assert_clean();
}

/// Without the kernel's killer the processes wait for memory instead; a container of such is deleted all the same.
#[test]
fn without_the_oom_killer_processes_wait_and_are_deleted() {
    let context = cgroups!();
    if !on_v1("memory") || on_v2("memory") {
        skip_test!("disableOOMKiller is for cgroup v1's memory controller");
    }
    let mut bundle = context.bundle(&["memory", "96"]);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 33554432, "disableOOMKiller": true } }));
    let id = context.running(&bundle);
    let control = || read(&bundle.cgroup(), "-", "memory.oom_control");
    assert!(wait_for(PATIENCE, || key(&control(), "under_oom") == 1), "{}", control());
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
    context.assert_clean();
}

/// memory.high, by `unified`: over it the kernel takes back instead of killing.
#[test]
fn a_high_mark_by_unified_is_counted() {
    let context = cgroups!();
    if !on_v2("memory") {
        skip_test!("no memory controller on cgroup2");
    }
    let mut bundle = context.bundle(&["memory", "20", ",", "pause"]);
    bundle.set("/linux/resources", json!({ "unified": { "memory.high": "16777216" } }));
    let id = context.running(&bundle);
    let high = || key(&read(&bundle.cgroup(), "memory.events", "-"), "high");
    assert!(wait_for(PATIENCE, || high() > 0), "memory.events: never high");
    context.delete_force(&id).ok();
}

#[test]
fn a_quota_throttles() {
    let context = cgroups!();
    if !has("cpu", "cpu") {
        skip_test!("no cpu controller");
    }
    let mut bundle = context.bundle(&["burst", "1", "0", "3000", ",", "pause"]);
    bundle.set("/linux/resources", json!({ "cpu": { "quota": 5000, "period": 50000 } }));
    let id = context.running(&bundle);
    let throttled = || key(&read(&bundle.cgroup(), "cpu.stat", "cpu.stat"), "nr_throttled");
    assert!(wait_for(PATIENCE, || throttled() > 2), "never throttled");
    let stats = context.call(&["events", "--stats", &id]).go().ok().json();
    let throttling = &stats["data"]["cpu"]["throttling"];
    assert!(throttling["throttledPeriods"].as_u64().unwrap() > 2, "{throttling}");
    assert!(throttling["throttledTime"].as_u64().unwrap() > 1_000_000, "nanoseconds: {throttling}");
    context.delete_force(&id).ok();
}

/// What was not used of the quota is used up in a burst, where one is allowed.
#[test]
fn a_burst_uses_what_was_saved() {
    let context = cgroups!();
    if !has("cpu", "cpu") {
        skip_test!("no cpu controller");
    }
    let mut counts = Vec::new();
    for burst in [20000, 0] {
        let mut bundle = context.bundle(&["burst", "8", "250", "35", ",", "pause"]);
        bundle
            .set("/linux/resources", json!({ "cpu": { "quota": 20000, "period": 100000, "burst": burst } }));
        let id = context.running(&bundle);
        let bursts = || key(&read(&bundle.cgroup(), "cpu.stat", "cpu.stat"), "nr_bursts");
        let used = wait_for(Duration::from_secs(if burst > 0 { 20 } else { 4 }), || bursts() > 0);
        counts.push(used);
        context.delete_force(&id).ok();
    }
    assert_eq!(counts, [true, false]);
}

/// Two that want one processor get it in the proportion of their shares, and one that is idle gets what is left.
#[test]
fn shares_divide_a_processor() {
    let context = cgroups!();
    if !has("cpu", "cpu") || !has("cpuset", "cpuset") {
        skip_test!("needs the cpu and cpuset controllers");
    }
    compete(&context, json!({ "shares": 2048, "cpus": "0" }), json!({ "shares": 128, "cpus": "0" }));
    compete(&context, json!({ "shares": 1024, "cpus": "0" }), json!({ "idle": 1, "cpus": "0" }));
}

/// The first must get more than twice what the second gets.
fn compete(context: &crate::Context, first: Value, second: Value) {
    let mut used = Vec::new();
    let mut running = Vec::new();
    // The one that gets less is there first: it would take for ever to come up beside the other.
    for cpu in [&second, &first] {
        let mut bundle = context.bundle(&["burst", "1", "0", "60000"]);
        bundle.set("/linux/resources", json!({ "cpu": cpu }));
        running.insert(0, (context.running(&bundle), bundle.cgroup()));
    }
    let busy = |cgroup: &str| match on_v2("cpu") {
        true => key(&read(cgroup, "cpu.stat", "-"), "usage_usec"),
        false => read(cgroup, "-", "cpuacct.usage").parse::<u64>().unwrap() / 1000,
    };
    let start: Vec<u64> = running.iter().map(|(_, cgroup)| busy(cgroup)).collect();
    assert!(wait_for(PATIENCE, || busy(&running[0].1) - start[0] > 2_000_000));
    for ((id, cgroup), start) in running.iter().zip(start) {
        used.push(busy(cgroup) - start);
        context.delete_force(id).ok();
    }
    note(&format!("effect  cpu {first} and {second}: {} and {} us", used[0], used[1]));
    assert!(used[0] > used[1] * 2, "{used:?}");
}

#[test]
fn a_set_of_processors_is_all_that_a_program_sees() {
    let context = cgroups!();
    if !has("cpuset", "cpuset") {
        skip_test!("no cpuset controller");
    }
    let mut bundle = context.bundle(&["affinity"]);
    let all = context.observe(&bundle).out("affinity").clone();
    if all == json!([0]) {
        skip_test!("one processor");
    }
    bundle.set("/linux/resources", json!({ "cpu": { "cpus": "1" } }));
    assert_eq!(context.observe(&bundle).out("affinity"), &json!([1]));
    bundle.args(&["affinity", ",", "wait-file", "/go", ",", "affinity"]);
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    output.wait_stdout("[1]");
    context.call(&["update", &id, "--cpuset-cpus", "0"]).go().ok();
    fs::write(bundle.root().join("go"), "").unwrap();
    output.wait_stdout("[0]");
    context.delete_force(&id).ok();
}

/// New memory comes from the nodes of the set, and after an update from those of the new one.
#[test]
fn a_set_of_memory_nodes_is_where_pages_come_from() {
    let context = cgroups!();
    if !has("cpuset", "cpuset") {
        skip_test!("no cpuset controller");
    }
    if fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default().trim() != "0-1" {
        skip_test!("one node of memory, and the test guest has two");
    }
    let mut bundle = context.bundle(&["page-nodes", "4"]);
    for node in [1, 0] {
        bundle.set("/linux/resources", json!({ "cpu": { "mems": node.to_string() } }));
        assert_eq!(context.observe(&bundle).out("page-nodes 4"), &json!([node]));
    }
    bundle.args(&["page-nodes", "4", ",", "wait-file", "/go", ",", "page-nodes", "5"]);
    let id = context.id();
    let output = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    output.wait_stdout("[0]");
    context.call(&["update", &id, "--cpuset-mems", "1"]).go().ok();
    fs::write(bundle.root().join("go"), "").unwrap();
    output.wait_stdout("[1]");
    context.delete_force(&id).ok();
    note("effect  cpu.mems 1 and 0: all pages from that node");
}

/// Reservations are limited, so that a program hears of it from mmap and is not killed later.
#[test]
fn huge_pages_beyond_the_limit_cannot_be_mapped() {
    let context = cgroups!();
    let pool = "/proc/sys/vm/nr_hugepages";
    if !has("hugetlb", "hugetlb") {
        skip_test!("no hugetlb controller");
    }
    let before = fs::read_to_string(pool).unwrap();
    if fs::write(pool, "8").is_err() || fs::read_to_string(pool).unwrap().trim() != "8" {
        fs::write(pool, before).unwrap_or_default();
        skip_test!("this machine gives no huge pages");
    }
    let mut bundle = context.bundle(&["hugepages", "2", ",", "hugepages", "3"]);
    bundle.set("/linux/resources", json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4194304 }] }));
    let limited = context.observe(&bundle);
    // What nobody reserved is limited as it is used: the program learns of it by SIGBUS.
    bundle.args(&["hugepages-unreserved", "2", ",", "hugepages-unreserved", "1"]);
    let unreserved = context.run(&bundle);
    bundle.set("/linux/resources", json!({}));
    let free_unreserved = context.run(&bundle);
    bundle.args(&["hugepages", "3"]);
    let free = context.observe(&bundle);
    fs::write(pool, before).unwrap();
    assert!(unreserved.stdout.contains("\"2\"") && unreserved.code == 128 + 7, "{}", unreserved.describe());
    free_unreserved.ok();
    note("effect  hugepageLimits 4 MiB: a third page ENOMEM where it is reserved, SIGBUS where not");
    assert_eq!(limited.out("hugepages 2"), 2);
    assert_eq!(limited.errno("hugepages 3"), "ENOMEM");
    assert_eq!(free.out("hugepages 3"), 3);
}

/// A throttled disk is neither read nor written faster than it is allowed to; without a limit it is.
#[test]
fn a_throttled_disk_is_slow() {
    let context = cgroups!();
    let Some(disk) = disk::scratch() else {
        skip_test!("no scratch disk, which the test guest has");
    };
    if !has("io", "blkio") {
        skip_test!("no io controller");
    }
    let (major, minor) = (disk.major, disk.minor);
    let node =
        json!({ "path": "/dev/scratch", "type": "b", "major": major, "minor": minor, "fileMode": 438 });
    let allow = json!([{ "allow": true, "type": "b", "major": major, "minor": minor, "access": "rw" }]);
    for (verb, bytes, operations) in [
        ("read-direct", "throttleReadBpsDevice", "throttleReadIOPSDevice"),
        ("write-direct", "throttleWriteBpsDevice", "throttleWriteIOPSDevice"),
    ] {
        let mut bundle = context.bundle(&[verb, "/dev/scratch", "2097152"]);
        bundle.push("/linux/devices", node.clone());
        let mut took = |throttle: &str, rate: u32| {
            let rate = json!([{ "major": major, "minor": minor, "rate": rate }]);
            let block_io = if throttle.is_empty() { json!({}) } else { json!({ throttle: rate }) };
            bundle.set("/linux/resources", json!({ "devices": allow, "blockIO": block_io }));
            context.observe(&bundle).out(&format!("{verb} /dev/scratch 2097152")).as_u64().unwrap()
        };
        let free = took("", 0);
        let by_bytes = took(bytes, 1 << 20);
        // Each of 64 KiB is one operation or more.
        let by_operations = took(operations, 24);
        note(&format!(
            "effect  {verb} of 2 MiB in {free} ms, at 1 MiB/s in {by_bytes} ms, at 24 operations/s in {by_operations} ms"
        ));
        // Two seconds by the bytes, more than one by the operations; the first tenth of one may pass at once.
        let slow = by_bytes > 1500 && by_operations > 1000;
        assert!(slow && free < by_bytes && free < by_operations, "{verb}: {free} {by_bytes} {by_operations}");
    }
}

/// Processes that are made as fast as others end; the limit is full at every moment.
#[test]
fn a_fork_bomb_in_its_limit_is_deleted() {
    let context = cgroups!();
    if !has("pids", "pids") {
        skip_test!("no pids controller: nothing would hold the bomb");
    }
    let mut bundle = context.bundle(&["bomb"]);
    bundle.set("/linux/resources", json!({ "pids": { "limit": 60 } }));
    for namespaces in ["own", "shared", "frozen"] {
        if namespaces == "shared" {
            bundle.without_namespace("pid");
        }
        let id = context.running(&bundle);
        let many = || read(&bundle.cgroup(), "pids.current", "pids.current");
        assert!(wait_for(PATIENCE, || many() == "60"), "{}", many());
        if namespaces == "frozen" {
            context.call(&["pause", &id]).go().ok();
        }
        let started = Instant::now();
        context.delete_force(&id).ok();
        note(&format!("effect  {namespaces} pids: a bomb deleted in {} ms", started.elapsed().as_millis()));
        context.assert_clean();
    }
}

#[test]
fn many_processes_are_deleted() {
    let context = cgroups!();
    let mut bundle = context.bundle(&["forks", "200", ",", "pause"]);
    if has("pids", "pids") {
        bundle.set("/linux/resources", json!({ "pids": { "limit": 100 } }));
        bundle.args(&["forks", "90", ",", "pause"]);
    }
    for namespaces in ["own", "shared", "frozen"] {
        if namespaces == "shared" {
            bundle.without_namespace("pid");
        }
        let id = context.running(&bundle);
        let many = || context.call(&["ps", "-f", "json", &id]).go().ok().json().as_array().unwrap().len();
        assert!(wait_for(PATIENCE, || many() > 80), "{}", many());
        if namespaces == "frozen" {
            context.call(&["pause", &id]).go().ok();
        }
        let started = Instant::now();
        context.delete_force(&id).ok();
        note(&format!(
            "effect  {namespaces} pids: 90 processes deleted in {} ms",
            started.elapsed().as_millis()
        ));
        context.assert_clean();
    }
}

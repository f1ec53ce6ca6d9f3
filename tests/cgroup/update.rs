//! `update`: new limits while the container runs.

use crate::harness::json;
use crate::{cgroups, has, on_v2, paused_program, read, skip_test};
use std::fs;
use std::process::Stdio;

#[test]
fn what_callers_send_without_asking_for_anything_succeeds() {
    let context = cgroups!();
    let (id, _) = paused_program(&context, json!({}));
    for text in [
        "{}",
        r#"{"devices":[{"allow":false,"access":"rwm"}]}"#,
        r#"{"blockIO":{"weight":0},"memory":{"limit":0},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""}}"#,
        r#"{"memory":{"limit":-1},"pids":{"limit":-1}}"#,
    ] {
        let file = context.dir.join("resources.json");
        fs::write(&file, text).unwrap();
        let input = Stdio::from(fs::File::open(&file).unwrap());
        context.call(&["update", "--resources=-", &id]).stdin(input).go().ok();
        context.call(&["update", "--resources", file.to_str().unwrap(), &id]).go().ok();
    }
    context.call(&["update", &id]).go().ok();
    context.delete_force(&id).ok();
}

#[test]
fn a_limit_without_its_controller_is_refused_by_name() {
    let context = cgroups!();
    let (id, _) = paused_program(&context, json!({}));
    let output = context.call(&["update", &id, "--memory", "64m"]).go();
    if has("memory", "memory") {
        output.ok();
    } else {
        output.fails().says("memory");
    }
    context.call(&["update", &id, "--memory", "nonsense"]).go().fails();
    fs::write(context.dir.join("bad.json"), "{\"memory\":{\"limit\":\"x\"}}").unwrap();
    let bad = context.dir.join("bad.json");
    context.call(&["update", "-r", bad.to_str().unwrap(), &id]).go().fails().says("memory.limit");
    context.delete_force(&id).ok();
}

#[test]
fn every_flag_is_read_back_and_the_rest_stays() {
    let context = cgroups!();
    if !has("memory", "memory") || !has("cpu", "cpu") || !has("pids", "pids") || !has("cpuset", "cpuset") {
        skip_test!("needs memory, cpu, pids and cpuset controllers");
    }
    let all = json!({ "memory": { "limit": 67108864, "reservation": 1048576 }, "cpu": { "shares": 512, "quota": 20000, "period": 50000,
        "cpus": "0", "mems": "0" }, "pids": { "limit": 20 } });
    let (id, cgroup) = paused_program(&context, all);
    let memory = || read(&cgroup, "memory.max", "memory.limit_in_bytes");
    let low = || read(&cgroup, "memory.low", "memory.soft_limit_in_bytes");
    let pids = || read(&cgroup, "pids.max", "pids.max");
    let cpu = || match on_v2("cpu") {
        true => read(&cgroup, "cpu.max", "-"),
        false => {
            format!("{} {}", read(&cgroup, "-", "cpu.cfs_quota_us"), read(&cgroup, "-", "cpu.cfs_period_us"))
        }
    };
    let weight = || read(&cgroup, "cpu.weight", "cpu.shares");
    let update = |words: &[&str]| {
        let mut all = vec!["update"];
        all.extend(words);
        all.push(&id);
        context.call(&all).go()
    };

    update(&["--memory", "128m"]).ok();
    assert_eq!((memory().as_str(), low().as_str(), pids().as_str()), ("134217728", "1048576", "20"));
    update(&["--memory-reservation", "2m", "--pids-limit", "30"]).ok();
    assert_eq!((memory().as_str(), low().as_str(), pids().as_str()), ("134217728", "2097152", "30"));
    update(&["--cpu-quota", "30000"]).ok();
    assert_eq!(cpu(), "30000 50000");
    update(&["--cpu-period", "60000"]).ok();
    assert_eq!(cpu(), "30000 60000");
    update(&["--cpu-quota", "-1"]).ok();
    assert!(["max 60000", "-1 60000"].contains(&cpu().as_str()), "{}", cpu());
    update(&["--cpu-share", "1024"]).ok();
    assert!(["100", "1024"].contains(&weight().as_str()));
    update(&["--pids-limit", "-1"]).ok();
    assert_eq!(pids(), "max");
    update(&["--cpuset-cpus", "0", "--cpuset-mems", "0"]).ok();
    update(&["--cpu-quota", "30000", "--cpu-burst", "1000"]).ok();
    assert_eq!(read(&cgroup, "cpu.max.burst", "cpu.cfs_burst_us"), "1000");
    // A quota that becomes smaller than its burst, and the other way round.
    update(&["--cpu-quota", "2000", "--cpu-burst", "500", "--cpu-period", "20000"]).ok();
    update(&["--cpu-quota", "30000", "--cpu-burst", "20000"]).ok();
    assert_eq!(cpu(), "30000 20000");
    update(&["--cpu-idle", "1"]).ok();
    assert_eq!(read(&cgroup, "cpu.idle", "cpu.idle"), "1");
    update(&["--cpu-idle", "0", "--cpu-share", "512"]).ok();
    assert!(["59", "512"].contains(&weight().as_str()));
    update(&["--pids-limit", "0"]).ok();
    assert_eq!(pids(), "0");
    context.delete_force(&id).ok();
}

/// Real-time scheduling by cgroup is on cgroup v1, in kernels built for it; a flag that has no file is refused by its property.
#[test]
fn real_time_is_written_where_the_kernel_has_it_and_refused_by_name_elsewhere() {
    let context = cgroups!();
    let (id, cgroup) = paused_program(&context, json!({}));
    for (flag, file, property) in [
        ("--cpu-rt-period", "cpu.rt_period_us", "cpu.realtimePeriod"),
        ("--cpu-rt-runtime", "cpu.rt_runtime_us", "cpu.realtimeRuntime"),
    ] {
        let output = context.call(&["update", &id, flag, "1000000"]).go();
        match crate::file(&cgroup, "-", file) {
            Some(_) if output.code == 0 => assert_eq!(read(&cgroup, "-", file), "1000000"),
            _ => drop(output.fails().says(property)),
        }
    }
    context.delete_force(&id).ok();
}

/// Down and up again, memory and swap together: either order is wrong for one of the two on cgroup v1.
#[test]
fn memory_and_swap_go_up_and_down_together() {
    let context = cgroups!();
    if !has("memory", "memory") {
        skip_test!("no memory controller");
    }
    let (id, cgroup) = paused_program(&context, json!({ "memory": { "limit": 67108864, "swap": 67108864 } }));
    for (memory, swap) in [(32, 48), (256, 512), (64, 64), (128, 128), (16, 300), (300, 310)] {
        let (m, s) = (format!("{memory}m"), format!("{swap}m"));
        context.call(&["update", &id, "--memory", &m, "--memory-swap", &s]).go().ok();
        let mib = |text: String| text.parse::<u64>().unwrap() >> 20;
        let found = (
            mib(read(&cgroup, "memory.max", "memory.limit_in_bytes")),
            mib(read(&cgroup, "memory.swap.max", "memory.memsw.limit_in_bytes")),
        );
        assert_eq!(found, (memory, if on_v2("memory") { swap - memory } else { swap }));
    }
    // Half of the pair: the other half stays.
    context.call(&["update", &id, "--memory-swap", "400m"]).go().ok();
    assert_eq!(read(&cgroup, "memory.max", "memory.limit_in_bytes"), "314572800");
    context
        .call(&["update", &id, "--memory", "1m", "--memory-swap", "500k"])
        .go()
        .fails()
        .says("memory.swap");
    assert_eq!(read(&cgroup, "memory.max", "memory.limit_in_bytes"), "314572800");
    context.delete_force(&id).ok();
}

/// A container that was made without limits gets its first one while it runs, wherever the controller lives.
#[test]
fn a_first_limit_comes_by_update() {
    let context = cgroups!();
    if !has("pids", "pids") {
        skip_test!("no pids controller");
    }
    let mut bundle =
        context.bundle(&["forks", "5", ",", "wait-file", "/go", ",", "forks", "20", ",", "pause"]);
    bundle.set("/linux/resources", json!({}));
    let id = context.id();
    let made = context.create(&bundle, &id).ok();
    context.start(&id).ok();
    made.wait_stdout("\"5\"");
    context.call(&["update", &id, "--pids-limit", "10"]).go().ok();
    assert_eq!(read(&bundle.cgroup(), "pids.max", "pids.max"), "10");
    // Those that run already count.
    assert_eq!(read(&bundle.cgroup(), "pids.current", "pids.current"), "6");
    fs::write(bundle.root().join("go"), "").unwrap();
    let seen = crate::harness::Seen::parse(&made.wait_stdout("\"20\""));
    assert_eq!(seen.errno("forks 20"), "EAGAIN");
    // An exec joins it there too.
    let output = context.call(&["exec", &id, "/bin/payload", "read", "/proc/self/cgroup"]).go();
    assert!(output.code != 0 || output.stdout.contains("cgroup"), "{}", output.describe());
    context.delete_force(&id).ok();
    context.assert_clean();
}

#[test]
fn an_update_that_fails_changes_nothing() {
    let context = cgroups!();
    if !has("memory", "memory") || !has("cpuset", "cpuset") {
        skip_test!("needs memory and cpuset controllers");
    }
    let (id, cgroup) = paused_program(
        &context,
        json!({ "memory": { "limit": 67108864 }, "cpu": { "cpus": "0", "mems": "0" } }),
    );
    let words = ["update", &id, "--memory", "128m", "--cpuset-cpus", "4000"];
    context.call(&words).go().fails().says("cpu.cpus");
    assert_eq!(read(&cgroup, "memory.max", "memory.limit_in_bytes"), "67108864");
    assert_eq!(read(&cgroup, "cpuset.cpus", "cpuset.cpus"), "0");
    // checkBeforeUpdate: below the present usage.
    let file = context.dir.join("check.json");
    fs::write(&file, r#"{"memory":{"limit":4096,"checkBeforeUpdate":true}}"#).unwrap();
    context.call(&["update", "-r", file.to_str().unwrap(), &id]).go().fails().says("usage");
    assert_eq!(read(&cgroup, "memory.max", "memory.limit_in_bytes"), "67108864");
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
}

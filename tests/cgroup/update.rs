//! `update`: new limits while the container runs.

use crate::harness::json;
use crate::{context, has, on_v2, paused_program, read, skip_test};
use std::fs;
use std::process::Stdio;

#[test]
fn what_callers_send_without_asking_for_anything_succeeds() {
    let context = context!();
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
    let context = context!();
    let (id, _) = paused_program(&context, json!({}));
    let output = context.call(&["update", &id, "--memory", "64m"]).go();
    if has("memory", "memory") && (on_v2("memory") || !crate::has_v2()) {
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
    let context = context!();
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
    // Down and up again, memory and swap together: either order is wrong for one of the two.
    if update(&["--memory", "32m", "--memory-swap", "48m"]).code == 0 {
        assert_eq!(memory(), "33554432");
        update(&["--memory", "256m", "--memory-swap", "512m"]).ok();
        assert_eq!(memory(), "268435456");
        update(&["--memory", "64m", "--memory-swap", "64m"]).ok();
        assert_eq!(memory(), "67108864");
    }
    context.delete_force(&id).ok();
}

#[test]
fn an_update_that_fails_changes_nothing() {
    let context = context!();
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

//! What a limit does to the processes under it.

use crate::harness::{json, wait_for};
use crate::{context, has, read, skip_test};
use std::fs;
use std::time::Duration;

#[test]
fn a_fork_beyond_the_limit_fails() {
    let context = context!();
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
    let context = context!();
    if !has("memory", "memory") {
        skip_test!("no memory controller");
    }
    let mut bundle = context.bundle(&["memory", "96"]);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 33554432 } }));
    let exit = context.dir.join("exit.json");
    let id = context.id();
    let path = bundle.path();
    let words = ["run", "--keep", "--exit-file", exit.to_str().unwrap(), "--bundle", &path, &id];
    context.call(&words).go().status(137);
    let told: crate::harness::Value = serde_json::from_str(&fs::read_to_string(&exit).unwrap()).unwrap();
    assert_eq!((&told["code"], &told["signal"]), (&json!(137), &json!(9)));
    assert!(told["oomKills"].as_u64().unwrap() >= 1, "{told}");
    assert!(context.state(&id)["oomKills"].as_u64().unwrap() >= 1);
    context.delete(&id).ok();
    // Under a limit that is enough nobody is killed.
    bundle.set("/linux/resources", json!({ "memory": { "limit": 268435456 } }));
    let id = context.id();
    let path = bundle.path();
    context.call(&["run", "--exit-file", exit.to_str().unwrap(), "--bundle", &path, &id]).go().ok();
    let told: crate::harness::Value = serde_json::from_str(&fs::read_to_string(&exit).unwrap()).unwrap();
    assert_eq!(told, json!({ "code": 0, "signal": 0, "oomKills": 0 }));
    context.assert_clean();
}

#[test]
fn a_quota_throttles() {
    let context = context!();
    if !has("cpu", "cpu") {
        skip_test!("no cpu controller");
    }
    let mut bundle = context.bundle(&["scan", "1500", ",", "pause"]);
    bundle.set("/linux/resources", json!({ "cpu": { "quota": 5000, "period": 50000 } }));
    let cgroup = bundle.config["linux"]["cgroupsPath"].as_str().unwrap().to_string();
    let id = context.running(&bundle);
    let throttled = || {
        let stat = read(&cgroup, "cpu.stat", "cpu.stat");
        let count =
            stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap_or("0").to_string();
        count.parse::<u64>().unwrap()
    };
    assert!(wait_for(Duration::from_secs(20), || throttled() > 2), "never throttled");
    let stats = context.call(&["events", "--stats", &id]).go().ok().json();
    assert!(stats["data"]["cpu"]["throttling"]["throttledPeriods"].as_u64().unwrap() > 2);
    context.delete_force(&id).ok();
}

#[test]
fn a_fork_bomb_in_its_limit_is_deleted() {
    let context = context!();
    let mut bundle = context.bundle(&["forks", "200", ",", "pause"]);
    if has("pids", "pids") {
        bundle.set("/linux/resources", json!({ "pids": { "limit": 100 } }));
        bundle.args(&["forks", "90", ",", "pause"]);
    }
    let id = context.running(&bundle);
    let many = || context.call(&["ps", "-f", "json", &id]).go().ok().json().as_array().unwrap().len();
    assert!(wait_for(Duration::from_secs(20), || many() > 80), "{}", many());
    context.delete_force(&id).ok();
    context.assert_clean();
}

//! pause, resume, kill and delete of what is paused, ps, events.

use crate::harness::{PATIENCE, json, wait_for};
use crate::{cgroups, directories, has, paused_program, skip_test};
use std::time::Duration;

/// Whether a process is stopped by a freezer: it does not act on a signal that would end it.
fn cpu_ticks(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .map(|(_, rest)| rest.split(' ').skip(11).take(2).collect::<Vec<_>>().join(" "))
        .unwrap_or_default()
}

#[test]
fn pause_stops_and_resume_goes_on() {
    let context = cgroups!();
    let bundle = context.bundle(&["scan", "/stop"]);
    let id = context.running(&bundle);
    context.call(&["pause", &id]).go().ok();
    assert_eq!(context.status(&id), "paused");
    let pid = context.pid(&id);
    let before = cpu_ticks(pid);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(cpu_ticks(pid), before, "a paused program must not run");
    context.call(&["pause", &id]).go().fails().says("paused");
    context.call(&["resume", &id]).go().ok();
    assert_eq!(context.status(&id), "running");
    assert!(wait_for(PATIENCE, || cpu_ticks(pid) != before), "a resumed program must run");
    context.call(&["resume", &id]).go().fails().says("not paused");
    context.delete_force(&id).ok();
    context.assert_clean();
}

#[test]
fn a_paused_container_is_killed_and_deleted() {
    let context = cgroups!();
    for end in ["kill", "kill --all", "delete"] {
        let (id, cgroup) = paused_program(&context, json!({}));
        context.call(&["pause", &id]).go().ok();
        let pid = context.pid(&id);
        match end {
            "kill" => drop(context.kill(&id, "KILL").ok()),
            "kill --all" => drop(context.call(&["kill", "--all", &id, "9"]).go().ok()),
            _ => {}
        }
        if end != "delete" {
            assert_eq!(context.reap(pid), Some(137), "{end}");
            context.wait_status(&id, "stopped");
        }
        context.delete_force(&id).ok();
        assert!(directories(&cgroup).is_empty(), "{end}");
    }
    context.assert_clean();
}

#[test]
fn what_is_not_running_is_neither_paused_nor_resumed() {
    let context = cgroups!();
    context.call(&["pause", "nobody"]).go().says_missing();
    context.call(&["resume", "nobody"]).go().says_missing();
    context.call(&["update", "nobody", "--memory", "64m"]).go().says_missing();
    context.call(&["events", "--stats", "nobody"]).go().says_missing();
    context.call(&["ps", "nobody"]).go().says_missing();
    let (id, _) = paused_program(&context, json!({}));
    let pid = context.pid(&id);
    context.kill(&id, "KILL").ok();
    context.reap(pid);
    context.wait_status(&id, "stopped");
    context.call(&["pause", &id]).go().fails().says("not running");
    context.call(&["resume", &id]).go().fails().says("not running");
    context.call(&["update", &id, "--memory", "64m"]).go().fails().says("not running");
    context.call(&["events", "--stats", &id]).go().fails().says("not running");
    context.delete(&id).ok();
}

#[test]
fn ps_lists_the_containers_processes_only() {
    let context = cgroups!();
    let bundle = context.bundle(&["forks", "3", ",", "pause"]);
    let id = context.running(&bundle);
    let pids = || context.call(&["ps", "--format", "json", &id]).go().ok().json().as_array().unwrap().clone();
    assert!(wait_for(PATIENCE, || pids().len() == 4), "{:?}", pids());
    assert!(pids().contains(&json!(context.pid(&id))));
    let table = context.call(&["ps", &id]).go().ok().stdout;
    let heading = table.lines().next().unwrap();
    let column = heading.split_whitespace().position(|word| word == "PID").unwrap();
    let mut listed: Vec<u64> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().nth(column).unwrap().parse().unwrap())
        .collect();
    listed.sort_unstable();
    let mut expected: Vec<u64> = pids().iter().map(|pid| pid.as_u64().unwrap()).collect();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert!(table.contains("payload"));
    // All of it comes from the kernel, whatever programs there are.
    let mut alone: Vec<u64> = context
        .call(&["ps", "--format", "json", &id])
        .env("PATH", "/nonexistent")
        .go()
        .ok()
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|pid| pid.as_u64().unwrap())
        .collect();
    alone.sort_unstable();
    assert_eq!(alone, expected);
    let table = context.call(&["ps", &id]).env("PATH", "/nonexistent").go().ok().stdout;
    assert_eq!(table.lines().count(), expected.len() + 1, "{table}");
    // Flags may stand behind the id.
    assert_eq!(context.call(&["ps", &id, "-f", "json"]).go().ok().json().as_array().unwrap().len(), 4);
    context.delete_force(&id).ok();
}

#[test]
fn stats_are_what_callers_read() {
    let context = cgroups!();
    let (id, _) = paused_program(&context, json!({}));
    let event = context.call(&["events", "--stats", &id]).go().ok().json();
    assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(id)));
    let data = &event["data"];
    assert!(data["cpu"]["usage"]["total"].is_u64(), "{event}");
    assert!(data["memory"]["usage"]["usage"].is_u64(), "{event}");
    assert_eq!(data["pids"]["current"], 1, "{event}");
    assert!(data["blkio"].is_object() && data["hugetlb"].is_object(), "{event}");
    if has("memory", "memory") && crate::on_v2("memory") {
        assert!(data["memory"]["usage"]["usage"].as_u64().unwrap() > 0, "{event}");
        assert!(data["memory"]["raw"]["anon"].is_u64(), "{event}");
    }
    context.delete_force(&id).ok();
}

/// runc's `events --stats` has these members, of types/events.go, whether or not a value is known.
#[test]
fn stats_have_the_members_of_runcs() {
    let context = cgroups!();
    let (id, _) = paused_program(&context, json!({}));
    let data = context.call(&["events", "--stats", &id]).go().ok().json()["data"].clone();
    for pointer in [
        "/cpu/usage/total",
        "/cpu/usage/kernel",
        "/cpu/usage/user",
        "/cpu/throttling",
        "/cpuset",
        "/memory/cache",
        "/memory/usage/limit",
        "/memory/usage/usage",
        "/memory/usage/max",
        "/memory/usage/failcnt",
        "/memory/swap/limit",
        "/memory/kernel/limit",
        "/memory/kernelTCP/limit",
        "/memory/raw",
        "/pids/current",
        "/blkio",
        "/hugetlb",
        "/intel_rdt",
        "/network_interfaces",
    ] {
        assert!(data.pointer(pointer).is_some(), "{pointer}: {data}");
    }
    context.delete_force(&id).ok();
}

#[test]
fn events_come_again_and_end_with_the_container() {
    let context = cgroups!();
    let (id, _) = paused_program(&context, json!({}));
    let running = context.call(&["events", "--interval", "100ms", &id]).spawn();
    assert!(wait_for(PATIENCE, || running.stdout_now().lines().count() > 2), "{}", running.stdout_now());
    context.delete_force(&id).ok();
    let output = running.wait().ok();
    assert!(output.stdout.lines().all(|line| line.starts_with("{\"type\":\"stats\"")), "{}", output.stdout);
}

/// Its allocator takes nothing back: what it needs for one record must serve for the next.
#[test]
fn a_runtime_that_watches_does_not_grow() {
    let context = cgroups!();
    let (id, _) = paused_program(&context, json!({}));
    let running = context.call(&["events", "--interval", "1ms", &id]).spawn();
    let records = |count| wait_for(PATIENCE, || running.stdout_now().lines().count() > count);
    let memory = || crate::harness::host::anonymous_kib(running.pid());
    assert!(records(20));
    let before = memory();
    assert!(before > 0 && records(1000));
    assert_eq!(memory(), before, "KiB after 1000 records");
    context.delete_force(&id).ok();
    running.wait().ok();
}

#[test]
fn running_out_of_memory_is_an_event() {
    let context = cgroups!();
    if !has("memory", "memory") {
        skip_test!("no memory controller");
    }
    // The program stays; what it starts is killed.
    let mut bundle =
        context.bundle(&["wait-file", "/go", ",", "spawn", "/bin/payload", "memory", "96", ",", "pause"]);
    bundle.set("/linux/resources", json!({ "memory": { "limit": 33554432 } }));
    let id = context.running(&bundle);
    let running = context.call(&["events", "--interval", "200ms", &id]).spawn();
    running.wait_stdout("stats");
    assert!(!running.stdout_now().contains("oom"));
    std::fs::write(bundle.root().join("go"), "").unwrap();
    running.wait_stdout(&format!("{{\"type\":\"oom\",\"id\":\"{id}\"}}"));
    context.delete_force(&id).ok();
    running.wait().ok();
}

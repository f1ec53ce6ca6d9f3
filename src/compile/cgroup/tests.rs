//! What is written for which property: golden tables, and every refusal by its name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
extern crate std;
use super::*;
use std::string::ToString;

/// `file=value` for every write; `?` behind the file of one that asks for nothing, `|` of one with a fallback.
fn writes(json: &str, v1: Controllers, occasion: Occasion) -> Vec<String> {
    let resources: &mut Resources<'_> = crate::config::parse("resources", json.as_bytes()).unwrap();
    let plan = compile(resources, v1, occasion).unwrap();
    let line = |write: &Write| {
        let mark = match write.missing {
            Missing::Fail => "",
            Missing::Skip => "?",
            Missing::Next => "|",
        };
        format!("{}{mark}={}", write.file.to_str().unwrap(), write.value)
    };
    plan.writes.iter().map(line).collect()
}

fn v2(json: &str) -> Vec<String> {
    writes(json, Controllers::NONE, Occasion::Create)
}

fn update(json: &str, memory: Option<u64>, quota: Option<u64>) -> Vec<String> {
    writes(json, Controllers::NONE, Occasion::Update(Now { memory, quota, period: None }))
}

fn refusal(json: &str, v1: Controllers) -> String {
    let resources: &mut Resources<'_> = crate::config::parse("resources", json.as_bytes()).unwrap();
    compile(resources, v1, Occasion::Create).unwrap_err().to_string()
}

const EVERYTHING: &str = r#"{
    "memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
    "cpu": {"shares": 1024, "quota": 50000, "burst": 1000, "period": 100000, "cpus": "0-1", "mems": "0"},
    "pids": {"limit": 32},
    "blockIO": {"weight": 500, "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 700}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 300}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 0}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}}"#;

#[test]
fn every_limit_of_cgroup_v2_is_written_to_its_file() {
    let expected = [
        "pids.max=32",
        "memory.swap.max=33554432",
        "memory.max=67108864",
        "memory.low=33554432",
        "cpu.weight=100",
        "cpu.max=50000 100000",
        "cpu.max.burst=1000",
        "cpuset.cpus=0-1",
        "cpuset.mems=0",
        "io.bfq.weight|=500",
        "io.weight=4950",
        "io.bfq.weight|=8:0 10",
        "io.weight=8:0 1",
        "io.max=8:0 rbps=600",
        "io.max=8:0 wbps=700",
        "io.max=8:0 riops=300",
        "io.max?=8:16 wiops=max",
        "hugetlb.2MB.max=4194304",
        "hugetlb.2MB.rsvd.max?=4194304",
        "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
    ];
    assert_eq!(v2(EVERYTHING), expected);
}

#[test]
fn the_same_limits_go_to_cgroup_v1_where_the_controllers_are_there() {
    let all = Controllers(!Controllers::DEVICES.0);
    let expected = [
        "pids.max=32",
        "memory.limit_in_bytes=67108864",
        "memory.memsw.limit_in_bytes=100663296",
        "memory.soft_limit_in_bytes=33554432",
        "cpu.shares=1024",
        "cpu.cfs_period_us=100000",
        "cpu.cfs_quota_us=50000",
        "cpu.cfs_burst_us=1000",
        "cpuset.cpus=0-1",
        "cpuset.mems=0",
        "blkio.bfq.weight|=500",
        "blkio.weight=500",
        "blkio.bfq.weight_device|=8:0 10",
        "blkio.weight_device=8:0 10",
        "blkio.throttle.read_bps_device=8:0 600",
        "blkio.throttle.write_bps_device=8:0 700",
        "blkio.throttle.read_iops_device=8:0 300",
        "blkio.throttle.write_iops_device?=8:16 0",
        "hugetlb.2MB.limit_in_bytes=4194304",
        "hugetlb.2MB.rsvd.limit_in_bytes?=4194304",
        "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
    ];
    assert_eq!(writes(EVERYTHING, all, Occasion::Create), expected);
    let v1_only = r#"{"memory": {"kernel": 1, "kernelTCP": 2, "swappiness": 0, "disableOOMKiller": true},
        "cpu": {"realtimePeriod": 9, "realtimeRuntime": 8}, "blockIO": {"leafWeight": 10},
        "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]}}"#;
    let expected = [
        "memory.kmem.limit_in_bytes=1",
        "memory.kmem.tcp.limit_in_bytes=2",
        "memory.swappiness=0",
        "memory.oom_control=1",
        "cpu.rt_period_us=9",
        "cpu.rt_runtime_us=8",
        "blkio.leaf_weight=10",
        "net_cls.classid=1048577",
        "net_prio.ifpriomap=eth0 5",
    ];
    assert_eq!(writes(v1_only, all, Occasion::Create), expected);
}

#[test]
fn a_hybrid_host_gets_each_limit_on_the_hierarchy_of_its_controller() {
    let resources: &mut Resources<'_> =
        crate::config::parse("resources", r#"{"memory": {"limit": 4096}, "pids": {"limit": 5}}"#.as_bytes())
            .unwrap();
    let plan = compile(resources, Controllers::MEMORY, Occasion::Create).unwrap();
    let places: Vec<_> = plan.writes.iter().map(|write| (write.v1, write.controller().unwrap())).collect();
    assert_eq!(places, [(false, "pids"), (true, "memory")]);
}

#[test]
fn what_callers_always_send_asks_for_no_controller() {
    for json in [
        "{}",
        r#"{"blockIO": {"weight": 0}, "cpu": {"shares": 0}, "memory": {}, "pids": {}}"#,
        r#"{"memory": {"limit": 0, "swap": 0, "reservation": 0, "kernel": 0, "disableOOMKiller": false, "useHierarchy": true},
            "cpu": {"quota": 0, "period": 0, "burst": 0, "cpus": "", "mems": "", "idle": 0, "realtimeRuntime": 0}}"#,
        r#"{"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1}, "network": {"classID": 0}}"#,
        r#"{"devices": [{"allow": false, "access": "rwm"}]}"#,
    ] {
        let resources: &mut Resources<'_> = crate::config::parse("resources", json.as_bytes()).unwrap();
        for occasion in [Occasion::Create, Occasion::Update(Now::default())] {
            let plan = compile(resources, Controllers::NONE, occasion).unwrap();
            assert!(!plan.asks(), "{json}");
            assert!(plan.writes.iter().all(|write| write.controller().is_none()), "{json}");
        }
    }
    // The positive control.
    let resources: &mut Resources<'_> =
        crate::config::parse("resources", r#"{"cpu": {"shares": 2}}"#.as_bytes()).unwrap();
    assert!(compile(resources, Controllers::NONE, Occasion::Create).unwrap().asks());
}

#[test]
fn swap_is_what_is_left_of_memory_and_swap() {
    assert_eq!(v2(r#"{"memory": {"limit": 100, "swap": 100}}"#), ["memory.swap.max?=0", "memory.max=100"]);
    assert_eq!(v2(r#"{"memory": {"limit": 100, "swap": -1}}"#), ["memory.swap.max?=max", "memory.max=100"]);
    assert_eq!(v2(r#"{"memory": {"limit": -1}}"#), ["memory.swap.max?=max", "memory.max?=max"]);
    assert_eq!(v2(r#"{"memory": {"limit": -1, "swap": 50}}"#), ["memory.swap.max=50", "memory.max?=max"]);
    assert_eq!(update(r#"{"memory": {"swap": 300}}"#, Some(100), None), ["memory.swap.max=200"]);
    assert_eq!(update(r#"{"memory": {"swap": 300}}"#, None, None), ["memory.swap.max=300"]);
    let below = refusal(r#"{"memory": {"limit": 100, "swap": 99}}"#, Controllers::NONE);
    assert!(below.starts_with("linux.resources.memory.swap: "), "{below}");
    assert!(refusal(r#"{"memory": {"swap": 99}}"#, Controllers::NONE).contains("without memory.limit"));
    assert!(refusal(r#"{"memory": {"limit": 2, "swap": 1}}"#, Controllers::MEMORY).contains("memory.swap"));
}

#[test]
fn half_of_cpu_max_keeps_the_other_half() {
    assert_eq!(update(r#"{"cpu": {"quota": 7000}}"#, None, Some(1)), ["cpu.max=7000"]);
    assert_eq!(update(r#"{"cpu": {"period": 7000}}"#, None, Some(3000)), ["cpu.max=3000 7000"]);
    assert_eq!(update(r#"{"cpu": {"period": 7000}}"#, None, None), ["cpu.max=max 7000"]);
    assert_eq!(v2(r#"{"cpu": {"period": 7000, "quota": -1}}"#), ["cpu.max=max 7000"]);
}

#[test]
fn idle_goes_behind_the_weight_when_put_on_and_before_it_when_taken_off() {
    assert_eq!(v2(r#"{"cpu": {"idle": 1, "shares": 2}}"#), ["cpu.weight=1", "cpu.idle=1"]);
    assert_eq!(
        update(r#"{"cpu": {"idle": 0, "shares": 1024}}"#, None, None),
        ["cpu.idle?=0", "cpu.weight=100"]
    );
}

#[test]
fn a_limit_of_no_processes_leaves_room_for_the_first() {
    assert_eq!(v2(r#"{"pids": {"limit": 0}}"#), ["pids.max=1"]);
    assert_eq!(update(r#"{"pids": {"limit": 0}}"#, None, None), ["pids.max=0"]);
    assert_eq!(v2(r#"{"pids": {"limit": -1}}"#), ["pids.max?=max"]);
    assert!(
        refusal(r#"{"pids": {"limit": -2}}"#, Controllers::NONE).starts_with("linux.resources.pids.limit: ")
    );
}

#[test]
fn unified_takes_any_file_and_one_line_a_write() {
    let json =
        r#"{"unified": {"memory.high": " 5 ", "io.max": "8:0 rbps=1\n8:16 wbps=2\n", "misc.max": "a 1"}}"#;
    assert_eq!(v2(json), ["io.max=8:0 rbps=1", "io.max=8:16 wbps=2", "memory.high=5", "misc.max=a 1"]);
    for name in
        ["memory", ".max", "memory.", "../x.max", "a/b.max", "memory.max\\n", "cgroup.procs", "cgroup.kill"]
    {
        let text = refusal(&format!("{{\"unified\": {{\"{name}\": \"1\"}}}}"), Controllers::NONE);
        assert!(text.starts_with("linux.resources.unified["), "{text}");
    }
    assert!(refusal(r#"{"unified": {"memory.high": ""}}"#, Controllers::NONE).contains("empty"));
    assert!(refusal(r#"{"unified": {"memory.high": "1"}}"#, Controllers::MEMORY).contains("cgroup v1"));
}

#[test]
fn what_cgroup_v2_does_not_have_is_refused_by_name() {
    for (json, place) in [
        (r#"{"memory": {"kernel": 1}}"#, "memory.kernel"),
        (r#"{"memory": {"kernelTCP": 1}}"#, "memory.kernelTCP"),
        (r#"{"memory": {"swappiness": 60}}"#, "memory.swappiness"),
        (r#"{"memory": {"disableOOMKiller": true}}"#, "memory.disableOOMKiller"),
        (r#"{"cpu": {"realtimePeriod": 1}}"#, "cpu.realtimePeriod"),
        (r#"{"cpu": {"realtimeRuntime": 1}}"#, "cpu.realtimeRuntime"),
        (r#"{"blockIO": {"leafWeight": 10}}"#, "blockIO.leafWeight"),
        (
            r#"{"blockIO": {"weightDevice": [{"major": 1, "minor": 1, "leafWeight": 10}]}}"#,
            "blockIO.weightDevice[0].leafWeight",
        ),
        (r#"{"network": {"classID": 1}}"#, "network.classID"),
        (r#"{"network": {"priorities": [{"name": "eth0", "priority": 1}]}}"#, "network.priorities[0]"),
    ] {
        let text = refusal(json, Controllers::NONE);
        assert!(text.starts_with(&format!("linux.resources.{place}: ")), "{text}");
    }
}

#[test]
fn values_out_of_their_range_are_refused_by_name() {
    for (json, place) in [
        (r#"{"memory": {"limit": -2}}"#, "memory.limit"),
        (r#"{"cpu": {"idle": 2}}"#, "cpu.idle"),
        (r#"{"cpu": {"cpus": "0;1"}}"#, "cpu.cpus"),
        (r#"{"cpu": {"mems": "/"}}"#, "cpu.mems"),
        (r#"{"blockIO": {"weight": 9}}"#, "blockIO.weight"),
        (r#"{"blockIO": {"weight": 1001}}"#, "blockIO.weight"),
        (
            r#"{"blockIO": {"throttleReadBpsDevice": [{"major": -1, "minor": 0, "rate": 1}]}}"#,
            "blockIO.throttleReadBpsDevice[0]",
        ),
        (r#"{"hugepageLimits": [{"pageSize": "2MB/../x", "limit": 1}]}"#, "hugepageLimits[0].pageSize"),
        (r#"{"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]}"#, "hugepageLimits[0].pageSize"),
        (r#"{"hugepageLimits": [{"pageSize": "MB", "limit": 1}]}"#, "hugepageLimits[0].pageSize"),
        (r#"{"rdma": {"a b": {"hcaHandles": 1}}}"#, "rdma"),
        (r#"{"devices": [{"allow": true, "access": "x"}]}"#, "devices[0].access"),
    ] {
        let text = refusal(json, Controllers::NONE);
        assert!(text.starts_with(&format!("linux.resources.{place}: ")), "{text}");
    }
}

#[test]
fn an_update_leaves_the_devices_unless_a_rule_grants_one() {
    let compiled = |json: &str, occasion| {
        let resources: &mut Resources<'_> = crate::config::parse("resources", json.as_bytes()).unwrap();
        compile(resources, Controllers::NONE, occasion).unwrap().devices.clone()
    };
    let now = Occasion::Update(Now::default());
    let deny = r#"{"devices": [{"allow": false, "access": "rwm"}]}"#;
    let grant = r#"{"devices": [{"allow": true, "type": "c", "major": 10, "minor": 229}]}"#;
    assert!(compiled(deny, Occasion::Create).is_some() && compiled("{}", Occasion::Create).is_some());
    assert!(compiled(deny, now).is_none() && compiled("{}", now).is_none());
    assert!(compiled(grant, now).is_some());
    assert!(compiled(r#"{"devices": [{"allow": true}]}"#, Occasion::Create).is_none());
}

#[test]
fn check_before_update_takes_the_smaller_of_the_two_limits() {
    let floor = |json: &str| {
        let resources: &mut Resources<'_> = crate::config::parse("resources", json.as_bytes()).unwrap();
        compile(resources, Controllers::NONE, Occasion::Update(Now::default())).unwrap().memory_floor
    };
    assert_eq!(floor(r#"{"memory": {"limit": 10, "swap": 20, "checkBeforeUpdate": true}}"#), Some(10));
    assert_eq!(floor(r#"{"memory": {"limit": 10, "checkBeforeUpdate": false}}"#), None);
}

//! Where the cgroup is, who may be in it, and that it goes.

use crate::harness::{PATIENCE, json, wait_for};
use crate::{cgroups, directories, has_v2, not_by_systemd, not_on, on_v2, paused_program, skip_test};
use std::fs;

#[test]
fn without_a_path_it_is_named_after_the_container() {
    not_by_systemd!();
    let context = cgroups!();
    let mut bundle = context.bundle(&["pause"]);
    bundle.unset("/linux/cgroupsPath");
    let id = context.running(&bundle);
    assert!(!directories(&format!("/runlet/{id}")).is_empty());
    context.delete_force(&id).ok();
    assert!(directories(&format!("/runlet/{id}")).is_empty());
}

#[test]
fn a_path_is_from_the_mount_and_its_parents_go_with_it() {
    not_by_systemd!();
    let context = cgroups!();
    let mut bundle = context.bundle(&["pause"]);
    let parent = format!("/{}-parent", context.tag);
    bundle.set("/linux/cgroupsPath", format!("{parent}/a//b"));
    let id = context.running(&bundle);
    assert!(!directories(&format!("{parent}/a/b")).is_empty());
    context.delete_force(&id).ok();
    assert!(directories(&parent).is_empty());
    context.assert_clean();
}

/// What was there before the container is not its to remove.
#[test]
fn a_parent_that_was_there_stays() {
    not_by_systemd!();
    let context = cgroups!();
    let parent = format!("/{}-kept", context.tag);
    let roots =
        if has_v2() { ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"] } else { ["/sys/fs/cgroup/pids"; 2] };
    let root = roots.iter().find(|root| fs::metadata(format!("{root}/cgroup.procs")).is_ok()).unwrap();
    let kept = format!("{root}{parent}");
    fs::create_dir(&kept).unwrap();
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/cgroupsPath", format!("{parent}/a"));
    context.run(&bundle).ok();
    assert!(fs::metadata(&kept).is_ok());
    assert!(fs::metadata(format!("{kept}/a")).is_err());
    fs::remove_dir(&kept).unwrap();
}

#[test]
fn a_path_that_leads_out_is_refused() {
    not_by_systemd!();
    let context = cgroups!();
    for path in ["/../x", "a/../../x", "/", "/.."] {
        let mut bundle = context.bundle(&["true"]);
        bundle.set("/linux/cgroupsPath", path);
        context.run(&bundle).fails().says("cgroupsPath");
    }
    context.assert_clean();
}

#[test]
fn a_cgroup_that_holds_processes_is_refused() {
    not_by_systemd!();
    let context = cgroups!();
    let (id, cgroup) = paused_program(&context, json!({}));
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/cgroupsPath", cgroup.clone());
    context.run(&bundle).fails().says("holds processes");
    // The first container is as it was.
    assert_eq!(context.status(&id), "running");
    context.delete_force(&id).ok();
    context.run(&bundle).ok();
}

#[test]
fn a_frozen_cgroup_is_refused() {
    not_by_systemd!();
    let context = cgroups!();
    let mut bundle = context.bundle(&["true"]);
    let cgroup = bundle.cgroup();
    let (root, file, on) = match has_v2() {
        true if fs::metadata("/sys/fs/cgroup/unified").is_ok() => {
            ("/sys/fs/cgroup/unified", "cgroup.freeze", "1")
        }
        true => ("/sys/fs/cgroup", "cgroup.freeze", "1"),
        false => ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN"),
    };
    let directory = format!("{root}{cgroup}");
    fs::create_dir(&directory).unwrap();
    fs::write(format!("{directory}/{file}"), on).unwrap();
    let id = context.id();
    let path = bundle.path();
    context.call(&["run", "--bundle", &path, &id]).go().fails().says("frozen");
    // Below one that is frozen, too.
    bundle.set("/linux/cgroupsPath", format!("{cgroup}/below"));
    context.run(&bundle).fails().says("frozen");
    fs::remove_dir(&directory).unwrap();
    context.run(&bundle).ok();
}

#[test]
fn cgroups_that_the_container_made_go_with_it() {
    let context = cgroups!();
    let (id, cgroup) = paused_program(&context, json!({}));
    for directory in directories(&cgroup) {
        fs::create_dir_all(directory.join("inner/most")).unwrap();
        fs::create_dir_all(directory.join("other")).unwrap();
    }
    context.delete_force(&id).ok();
    assert!(directories(&cgroup).is_empty());
    context.assert_clean();
}

/// Processes in a cgroup of the container's own making are the container's.
#[test]
fn processes_below_are_listed_and_ended() {
    let context = cgroups!();
    let mut bundle = context.bundle(&["forks", "2", ",", "pause"]);
    bundle.without_namespace("pid");
    let cgroup = bundle.cgroup();
    let id = context.running(&bundle);
    let pids = || context.call(&["ps", "-f", "json", &id]).go().ok().json().as_array().unwrap().clone();
    assert!(wait_for(PATIENCE, || pids().len() == 3));
    let own = u64::from(context.pid(&id));
    let child = pids().iter().filter_map(|pid| pid.as_u64()).find(|pid| *pid != own).unwrap();
    for directory in directories(&cgroup) {
        let below = directory.join("below");
        fs::create_dir(&below).unwrap();
        // A cpuset of cgroup v1 starts with nothing in it, and takes nobody in.
        for file in ["cpuset.cpus", "cpuset.mems"].iter().filter(|_| !on_v2("cpuset")) {
            if let Ok(above) = fs::read(directory.join(file)) {
                fs::write(below.join(file), above).unwrap();
            }
        }
        fs::write(below.join("cgroup.procs"), child.to_string()).unwrap();
    }
    assert_eq!(pids().len(), 3);
    context.delete_force(&id).ok();
    context.assert_clean();
}

/// The program sees its own cgroup as the root.
#[test]
fn the_container_is_born_in_its_cgroup() {
    let context = cgroups!();
    let bundle = context.bundle(&["read", "/proc/self/cgroup"]);
    let text = context.observe(&bundle).text("read /proc/self/cgroup");
    if has_v2() {
        assert!(text.lines().any(|line| line == "0::/"), "{text}");
    }
    let mut shared = context.bundle(&["read", "/proc/self/cgroup"]);
    shared.without_namespace("cgroup");
    let cgroup = shared.cgroup();
    let text = context.observe(&shared).text("read /proc/self/cgroup");
    assert!(text.lines().any(|line| line.ends_with(&cgroup)), "{text}");
}

/// Without clone3 a process is moved in after its birth, before its program runs; without cgroup.kill and pidfds the rest works too.
#[test]
fn without_clone3_it_is_moved_in_before_its_program_runs() {
    let Some(context) = crate::Context::wrapped(&["payload", "shim", "ENOSYS", "clone3"]) else { return };
    if !crate::has_any() {
        crate::skip_test!("no cgroup file system is mounted");
    }
    let mut bundle = context.bundle(&["read", "/proc/self/cgroup", ",", "forks", "20"]);
    bundle.without_namespace("cgroup");
    let limited = crate::has("pids", "pids");
    if limited {
        bundle.set("/linux/resources", json!({ "pids": { "limit": 10 } }));
    }
    let seen = context.observe(&bundle);
    let text = seen.text("read /proc/self/cgroup");
    assert!(text.lines().any(|line| line.ends_with(&bundle.cgroup())), "{text}");
    assert_eq!(seen.errno("forks 20"), if limited { "EAGAIN" } else { "" });
    context.assert_clean();
}

/// config.json names the place where callers name it: what they read there does not depend on limits.
#[test]
fn a_named_cgroup_has_every_controller_that_the_machine_gives() {
    not_by_systemd!();
    let context = cgroups!();
    let Some(root) = crate::cgroup2() else {
        crate::skip_test!("needs cgroup2");
    };
    let (id, cgroup) = paused_program(&context, json!({}));
    let list = |directory: &str| {
        let text = fs::read_to_string(format!("{directory}/cgroup.controllers")).unwrap();
        text.split_whitespace().map(str::to_string).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(list(&format!("{root}{cgroup}")), list(root));
    context.delete_force(&id).ok();
}

/// A limit needs its controller in every directory above: those that do not give it down are made to.
#[test]
fn a_limit_reaches_down_a_path_that_nobody_prepared() {
    not_by_systemd!();
    let context = cgroups!();
    if !on_v2("pids") || !on_v2("memory") {
        skip_test!("needs the pids and memory controllers on cgroup2");
    }
    let root = crate::cgroup2().unwrap();
    let parent = format!("/{}-deep", context.tag);
    fs::create_dir_all(format!("{root}{parent}/a")).unwrap();
    let given = |path: &str| fs::read_to_string(format!("{root}{path}/cgroup.subtree_control")).unwrap();
    assert_eq!(given(&parent), "");
    let mut bundle = context.bundle(&["forks", "20"]);
    bundle.set("/linux/cgroupsPath", format!("{parent}/a/b/c"));
    let unified = json!({ "memory.high": "50331648", "pids.max": "10" });
    bundle.set("/linux/resources", json!({ "unified": unified }));
    let id = context.id();
    context.create(&bundle, &id).ok();
    for (file, value) in [("memory.high", "50331648"), ("pids.max", "10")] {
        assert_eq!(crate::read(&format!("{parent}/a/b/c"), file, "-"), value);
    }
    context.delete_force(&id).ok();
    assert_eq!(context.observe(&bundle).errno("forks 20"), "EAGAIN");
    fs::remove_dir(format!("{root}{parent}/a")).unwrap();
    fs::remove_dir(format!("{root}{parent}")).unwrap();
}

/// config-linux.md "Cgroup ownership": a container that may write to its cgroup owns it.
#[test]
fn a_writable_cgroup_belongs_to_the_containers_user() {
    use std::os::unix::fs::MetadataExt;
    let context = cgroups!();
    if !has_v2() {
        skip_test!("needs cgroup2");
    }
    for (option, owner) in [("rw", 4321), ("ro", 0)] {
        let mut bundle = context.bundle(&["pause"]);
        bundle.set("/process/user/uid", 4321);
        bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", option]);
        let cgroup = bundle.cgroup();
        let id = context.running(&bundle);
        let directory =
            directories(&cgroup).into_iter().find(|path| path.join("cgroup.controllers").exists()).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().uid(), owner, "{option}");
        assert_eq!(fs::metadata(directory.join("cgroup.procs")).unwrap().uid(), owner, "{option}");
        // Its limits stay root's.
        assert_eq!(fs::metadata(directory.join("cgroup.freeze")).unwrap().uid(), 0, "{option}");
        context.delete_force(&id).ok();
    }
    context.assert_clean();
}

/// Where there are version 1 hierarchies alone, a cgroup mount shows the container's own directory of each, as runc and crun do it.
#[test]
fn on_version_1_a_cgroup_mount_has_the_containers_directory_of_each_hierarchy() {
    let context = cgroups!();
    if has_v2() || !crate::on_v1("pids") {
        skip_test!("this machine has cgroup2");
    }
    let on_host: std::collections::BTreeSet<String> = fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| crate::on_v1(name))
        .collect();
    for (option, namespaces) in [("ro", "own"), ("rw", "own"), ("ro", "shared cgroup"), ("ro", "user")] {
        let mut bundle = context.bundle(&[
            "ls",
            "/sys/fs/cgroup",
            ",",
            "read",
            "/sys/fs/cgroup/pids/pids.max",
            ",",
            "readlink",
            "/sys/fs/cgroup/cpu",
            ",",
            "read",
            "/sys/fs/cgroup/cpuacct/cgroup.procs",
            ",",
            "mkdir",
            "/sys/fs/cgroup/pids/below",
            ",",
            "mkdir",
            "/sys/fs/cgroup/beside",
            ",",
            "ls",
            "/sys/fs/cgroup/pids",
        ]);
        bundle.set("/linux/resources", json!({ "pids": { "limit": 77 } }));
        bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", option]);
        match namespaces {
            "own" => {}
            "user" => {
                let map = json!([{ "containerID": 0, "hostID": 0, "size": 65536 }]);
                bundle
                    .namespace("user", None)
                    .set("/linux/uidMappings", map.clone())
                    .set("/linux/gidMappings", map);
            }
            _ => drop(bundle.without_namespace("cgroup")),
        }
        let seen = context.observe(&bundle);
        let what = format!("{option}, {namespaces}");
        let list: Vec<String> = serde_json::from_value(seen.out("ls /sys/fs/cgroup").clone()).unwrap();
        // Those of controllers that a container is limited by, under every name that they have on the host.
        for name in
            ["cpu", "cpuacct", "cpu,cpuacct", "memory", "pids", "devices", "freezer", "blkio", "cpuset"]
        {
            assert_eq!(
                list.iter().any(|have| have == name),
                on_host.contains(name),
                "{what}: {name} of {list:?}"
            );
        }
        assert!(!list.iter().any(|name| name == "systemd"), "{what}: the container has no cgroup there");
        assert_eq!(seen.text("read /sys/fs/cgroup/pids/pids.max").trim(), "77", "{what}");
        assert_eq!(seen.text("read /sys/fs/cgroup/cpuacct/cgroup.procs").trim(), "1", "{what}");
        assert_eq!(seen.out("readlink /sys/fs/cgroup/cpu"), "cpu,cpuacct", "{what}");
        let (below, beside) =
            (seen.errno("mkdir /sys/fs/cgroup/pids/below"), seen.errno("mkdir /sys/fs/cgroup/beside"));
        let expected = if option == "ro" { "EROFS" } else { "" };
        assert_eq!((&*below, &*beside), (expected, expected), "{what}");
        // It is not the top of the hierarchy, whose release_agent the kernel runs on the host.
        assert!(!seen.out("ls /sys/fs/cgroup/pids").to_string().contains("release_agent"), "{what}");
    }
    context.assert_clean();
}

/// How deep cgroups lie inside each other is for the container to say: neither descriptors nor stack may depend on it.
#[test]
fn cgroups_deeper_than_descriptors_go_with_the_container() {
    let context = cgroups!();
    not_on!(Crun, "it holds each of them open");
    let (id, cgroup) = paused_program(&context, json!({}));
    for directory in directories(&cgroup) {
        fs::create_dir_all(directory.join("d/".repeat(600))).unwrap();
    }
    let few = ["/bin/sh", "-c", "ulimit -n 100; exec \"$@\"", "sh"];
    context.call(&["ps", "-f", "json", &id]).through(&few).go().ok();
    context.call(&["delete", "--force", &id]).through(&few).go().ok();
    assert!(directories(&cgroup).is_empty());
}

/// A cgroup that gives controllers to those below it takes no process itself (cgroups(7)): an init that manages cgroups, as systemd
/// does, moves into one of its own first, and exec goes there.
#[test]
fn exec_follows_an_init_that_manages_cgroups() {
    let context = cgroups!();
    not_on!(Crun, "crun 1.8 makes a cgroup beside it");
    if !has_v2() {
        skip_test!("needs cgroup2");
    }
    let Some((controller, resources)) = [
        ("hugetlb", json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4_194_304 }] })),
        ("pids", json!({ "pids": { "limit": 50 } })),
        ("memory", json!({ "memory": { "limit": 67_108_864 } })),
    ]
    .into_iter()
    .find(|(controller, _)| on_v2(controller)) else {
        skip_test!("no controller on the cgroup2");
    };
    let (id, cgroup) = paused_program(&context, resources);
    let directory =
        directories(&cgroup).into_iter().find(|path| path.join("cgroup.controllers").exists()).unwrap();
    fs::create_dir(directory.join("init")).unwrap();
    fs::write(directory.join("init/cgroup.procs"), context.pid(&id).to_string()).unwrap();
    fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")).unwrap();
    let exec = |through: &[&str]| {
        let words = ["exec", &id, "/bin/payload", "read", "/proc/self/cgroup"];
        context.call(&words).through(through).go().ok().seen().text("read /proc/self/cgroup")
    };
    for through in [&[][..], &["payload", "shim", "ENOSYS", "clone3"]] {
        let text = exec(through);
        assert!(text.lines().any(|line| line == "0::/init"), "{through:?}: {text}");
    }
    context.delete_force(&id).ok();
}

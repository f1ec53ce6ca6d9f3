//! `features`: the document that Docker and containerd read.

use crate::{Scratch, line};
use serde_json::Value;

fn has(list: &Value, names: &[&str]) {
    let list = list.as_array().unwrap();
    for name in names {
        assert!(list.iter().any(|item| item == name), "{name}");
    }
    let mut seen = std::collections::BTreeSet::new();
    assert!(list.iter().all(|item| seen.insert(item.as_str().unwrap())), "a name stands twice");
}

#[test]
fn the_document_has_what_callers_look_for() {
    let output = line("features");
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let read: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(read["ociVersionMin"], "1.0.0");
    assert_eq!(read["ociVersionMax"], "1.3.0");
    has(
        &read["hooks"],
        &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
    );
    // Every option of the specification that must or should work.
    let options = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime \
        noexec noiversion nolazytime norelatime nostrictatime nosuid private rbind relatime remount ro rprivate rshared \
        rslave runbindable rw shared silent slave strictatime suid sync unbindable nosymfollow symfollow idmap ridmap rro \
        rrw rnosuid rsuid rnodev rdev rnoexec rexec rnodiratime rdiratime rrelatime rnorelatime rnoatime ratime \
        rstrictatime rnostrictatime rnosymfollow rsymfollow tmpcopyup mand nomand copy-symlink src-nofollow dest-nofollow";
    has(&read["mountOptions"], &options.split_whitespace().collect::<Vec<_>>());
    let linux = &read["linux"];
    has(&linux["namespaces"], &["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"]);
    has(&linux["capabilities"], &["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"]);
    assert_eq!(linux["capabilities"].as_array().unwrap().len(), 41);
    for name in ["v1", "v2", "systemd", "systemdUser", "rdma"] {
        assert_eq!(linux["cgroup"][name], true, "{name}");
    }
    for name in ["seccomp", "apparmor", "selinux", "intelRdt", "netDevices"] {
        assert_eq!(linux[name]["enabled"], true, "{name}");
    }
    for name in ["schemata", "monitoring"] {
        assert_eq!(linux["intelRdt"][name], true, "{name}");
    }
    let seccomp = &linux["seccomp"];
    has(&seccomp["actions"], &["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY", "SCMP_ACT_LOG"]);
    has(&seccomp["operators"], &["SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"]);
    assert!(!seccomp["archs"].as_array().unwrap().is_empty());
    for list in ["knownFlags", "supportedFlags"] {
        has(&seccomp[list], &["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    }
    has(&linux["memoryPolicy"]["modes"], &["MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_PREFERRED_MANY"]);
    assert_eq!(linux["mountExtensions"]["idmap"]["enabled"], true);
    assert_eq!(read["potentiallyUnsafeConfigAnnotations"], serde_json::json!([]));
    // checkpoint and restore are refused, and a caller can know it.
    assert_eq!(read["annotations"]["org.opencontainers.runc.checkpoint.enabled"], "false");
}

/// "The runtime MUST recognize the elements": a profile of everything that the document names is taken, and one name more is not.
#[test]
fn what_it_names_of_seccomp_is_recognised() {
    let read: Value = serde_json::from_str(&line("features").stdout).unwrap();
    let named = &read["linux"]["seccomp"];
    let list = |name: &str| named[name].as_array().unwrap().clone();
    assert!(list("archs").len() >= 16, "those that another machine runs are recognised as well");
    let mut rules: Vec<Value> = Vec::new();
    for action in list("actions") {
        rules.push(serde_json::json!({ "names": ["read"], "action": action }));
    }
    for operator in list("operators") {
        let arg = serde_json::json!({ "index": 0, "value": 1, "op": operator });
        rules.push(serde_json::json!({ "names": ["write"], "action": "SCMP_ACT_ERRNO", "args": [arg] }));
    }
    // A listener cannot be had together with TSYNC.
    let flags: Vec<Value> =
        list("supportedFlags").into_iter().filter(|flag| flag != "SECCOMP_FILTER_FLAG_TSYNC").collect();
    let mut profile = serde_json::json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": list("archs"),
        "flags": flags, "listenerPath": "/run/agent.sock", "syscalls": rules });
    let scratch = Scratch::new();
    let file = scratch.0.join("profile.json");
    let check = |profile: &Value| {
        std::fs::write(&file, profile.to_string()).unwrap();
        line(&format!("check --seccomp {}", file.display()))
    };
    let taken = check(&profile);
    profile["architectures"].as_array_mut().unwrap().push("SCMP_ARCH_PDP11".into());
    let refused = check(&profile);
    assert_eq!((taken.code, taken.stderr.as_str()), (0, ""));
    assert!(refused.code != 0 && refused.stderr.contains("SCMP_ARCH_PDP11"), "{}", refused.stderr);
}

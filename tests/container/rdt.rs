//! config-linux.md "IntelRdt", rule by rule, on a directory tree that stands in for resctrl (tests/payload/resctrl.rs).

use crate::harness::{Bundle, Call, Context, Value, json};
use crate::{context, not_on};
use std::fs;
use std::path::PathBuf;

struct Stand<'a> {
    context: &'a Context,
    root: PathBuf,
}

macro_rules! stand {
    ($context:expr) => {{
        not_on!(Runc, "runc 1.1 asks the processor");
        not_on!(Crun, "crun 1.8 looks in one place only");
        Stand::new(&$context)
    }};
}

impl<'a> Stand<'a> {
    fn new(context: &'a Context) -> Self {
        let root = context.outside("resctrl");
        fs::create_dir(root.join("info")).unwrap();
        fs::create_dir(root.join("mon_groups")).unwrap();
        fs::write(root.join("info/last_cmd_status"), "the kernel's own words\n").unwrap();
        fs::write(root.join("schemata"), "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n").unwrap();
        fs::write(root.join("tasks"), "").unwrap();
        Stand { context, root }
    }

    fn call(&self, words: &[&str]) -> Call<'_> {
        self.context.call(words).through(&["payload", "resctrl", &self.root.to_string_lossy()])
    }

    fn bundle(&self, intel_rdt: Value) -> Bundle {
        let mut bundle = self.context.bundle(&["pause"]);
        bundle.set("/linux/intelRdt", intel_rdt);
        bundle
    }

    /// What was written since the last look.
    fn log(&self) -> Vec<String> {
        let path = self.root.with_extension("log");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        text.lines().map(str::to_owned).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.root.join(name).is_dir()
    }

    fn create(&self, bundle: &Bundle) -> String {
        let id = self.context.id();
        self.call(&["create", "--bundle", &bundle.path(), &id]).go().ok();
        id
    }
}

/// "If intelRdt is not set, the runtime MUST NOT manipulate any resctrl"; set without one it "MUST generate an error".
#[test]
fn without_the_property_nothing_is_touched_and_without_resctrl_it_is_an_error() {
    let context = context!();
    let stand = stand!(context);
    let plain = context.bundle(&["true"]);
    let id = context.id();
    stand.call(&["run", "--bundle", &plain.path(), &id]).go().ok();
    assert_eq!(stand.log(), [""; 0]);
    let bundle = stand.bundle(json!({}));
    if !fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ") {
        context.run(&bundle).fails().says("linux.intelRdt: no resctrl file system is mounted");
    }
    let id = stand.create(&bundle);
    stand.call(&["delete", &id]).go().ok();
}

/// "If closID is not set, runtimes MUST use the container ID ... and create the directory" and "MUST remove the sub-directory when the
/// container is deleted". The order: l3CacheSchema, memBwSchema, schemata, and the process last, with what it starts.
#[test]
fn a_container_without_closid_has_a_group_of_its_own() {
    let context = context!();
    let stand = stand!(context);
    let asked =
        json!({ "schemata": ["L2:0=3", "MB:1=30"], "memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=ff" });
    let id = stand.create(&stand.bundle(asked));
    let pid = context.pid(&id);
    let lines = [
        "schemata L3:0=ff",
        "schemata MB:0=20",
        "schemata L2:0=3",
        "schemata MB:1=30",
        &format!("tasks {pid}"),
    ];
    assert_eq!(stand.log(), lines.map(|line| format!("{id}/{line}")));
    assert!(stand.has(&id));
    stand.call(&["delete", &id]).go().ok();
    assert!(!stand.has(&id));

    // "If none of l3CacheSchema, memBwSchema or schemata is set, runtimes MUST NOT write to schemata files".
    let id = stand.create(&stand.bundle(json!({})));
    assert_eq!(stand.log(), [format!("{id}/tasks {}", context.pid(&id))]);
    stand.call(&["delete", "--force", &id]).go().ok();
    assert!(!stand.has(&id));

    // `run` cleans up after itself.
    let mut bundle = stand.bundle(json!({}));
    bundle.args(&["true"]);
    let id = context.id();
    stand.call(&["run", "--bundle", &bundle.path(), &id]).go().ok();
    assert!(!stand.has(&id));
}

/// "If closID is set": made by a schema, compared when it is there, an error when it is not and nothing could make it; never removed.
#[test]
fn a_group_that_is_named_is_made_or_joined_and_stays() {
    let context = context!();
    let stand = stand!(context);
    let fails = |intel_rdt: Value, words: &str| {
        let id = context.id();
        stand.call(&["run", "--bundle", &stand.bundle(intel_rdt).path(), &id]).go().fails().says(words);
    };
    fails(json!({ "closID": "gold" }), "linux.intelRdt.closID: there is no such group");
    assert!(!stand.has("gold"));
    let id = stand.create(&stand.bundle(json!({ "closID": "gold", "schemata": ["L3:0=f"] })));
    assert_eq!(stand.log(), ["gold/schemata L3:0=f".to_owned(), format!("gold/tasks {}", context.pid(&id))]);
    stand.call(&["delete", "--force", &id]).go().ok();
    assert!(stand.has("gold"));

    // There it is: joined, and what it is asked to be must match.
    fs::write(stand.root.join("gold/schemata"), "    L3:0=000ff;1=fffff\n    MB:0= 20;1=100\n").unwrap();
    let id = stand.create(&stand.bundle(json!({ "closID": "gold" })));
    assert_eq!(stand.log(), [format!("gold/tasks {}", context.pid(&id))]);
    context.delete_force(&id).ok();
    let matching =
        json!({ "closID": "gold", "l3CacheSchema": "L3:1=FFFFF;0=0xff", "memBwSchema": "MB:0=20" });
    context.delete_force(&stand.create(&stand.bundle(matching))).ok();
    fs::write(stand.root.join("gold/schemata"), "    L3:0=000ff;1=fffff\n    MB:0= 20;1=100\n").unwrap();
    stand.log();
    fails(json!({ "closID": "gold", "l3CacheSchema": "L3:0=f" }), "linux.intelRdt.l3CacheSchema: the group");
    fails(
        json!({ "closID": "gold", "memBwSchema": "MB:0=20;1=20" }),
        "linux.intelRdt.memBwSchema: the group",
    );
    fails(json!({ "closID": "gold", "memBwSchema": "L3:0=ff" }), "linux.intelRdt.memBwSchema: must");
    fails(json!({ "closID": "a/../gold" }), "linux.intelRdt.closID");
    assert_eq!(stand.log(), [""; 0]);

    // "value / means that the container MUST be assigned to the default CLOS".
    let id = stand.create(&stand.bundle(json!({ "closID": "/" })));
    assert_eq!(stand.log(), [format!("tasks {}", context.pid(&id))]);
    stand.call(&["delete", "--force", &id]).go().ok();
    assert!(stand.has("gold") && stand.has(""));
}

/// "If enableMonitoring is set, the runtime MUST create a dedicated MON group for the container ... MUST delete the MON group after the
/// container is deleted."
#[test]
fn a_monitoring_group_is_made_and_removed() {
    let context = context!();
    let stand = stand!(context);
    for (closid, top) in [(Some("/"), ""), (None, "own/"), (Some("new"), "new/")] {
        let mut asked = json!({ "enableMonitoring": true });
        if let Some(closid) = closid {
            asked["closID"] = closid.into();
            asked["l3CacheSchema"] = "L3:0=fffff".into();
        }
        let id = stand.create(&stand.bundle(asked));
        let top = top.replace("own", &id);
        let pid = context.pid(&id);
        let log: Vec<String> = stand.log().into_iter().filter(|line| line.contains("tasks")).collect();
        assert_eq!(log, [format!("{top}tasks {pid}"), format!("{top}mon_groups/{id}/tasks {pid}")]);
        stand.call(&["delete", "--force", &id]).go().ok();
        assert!(!stand.has(&format!("{top}mon_groups/{id}")));
        assert_eq!(stand.has(&top), closid.is_some());
    }
}

/// A process of `exec` belongs to the container, and so to its group.
#[test]
fn exec_joins_the_group_and_update_changes_it() {
    let context = context!();
    let stand = stand!(context);
    let id = stand.create(&stand.bundle(json!({ "enableMonitoring": true })));
    context.start(&id).ok();
    stand.log();
    stand.call(&["exec", &id, "/bin/payload", "true"]).go().ok();
    let log = stand.log();
    let pid = log[0].rsplit(' ').next().unwrap();
    assert_eq!(log, [format!("{id}/tasks {pid}"), format!("{id}/mon_groups/{id}/tasks {pid}")]);
    assert_ne!(pid, context.pid(&id).to_string());

    stand.call(&["update", "--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=40", &id]).go().ok();
    assert_eq!(stand.log(), [format!("{id}/schemata L3:0=3"), format!("{id}/schemata MB:0=40")]);
    stand.call(&["update", "--mem-bw-schema", "L3:0=3", &id]).go().fails().says("--mem-bw-schema");
    stand.call(&["delete", "--force", &id]).go().ok();
    let plain = context.running(&context.bundle(&["pause"]));
    stand
        .call(&["update", "--l3-cache-schema", "L3:0=3", &plain])
        .go()
        .fails()
        .says("--l3-cache-schema: the container has no linux.intelRdt");
    assert_eq!(stand.log(), [""; 0]);
}

/// "An error leaves the machine as it was", a group with a name too; and the kernel's reason is told.
#[test]
fn a_failing_create_takes_back_what_it_made() {
    let context = context!();
    let stand = stand!(context);
    for intel_rdt in
        [json!({}), json!({ "closID": "named", "schemata": ["L3:0=f"], "enableMonitoring": true })]
    {
        let mut bundle = stand.bundle(intel_rdt);
        bundle.bind("/nonexistent/source", "/mnt", &[]);
        let id = context.id();
        stand.call(&["run", "--bundle", &bundle.path(), &id]).go().fails().says("mounts[6]");
        assert!(!stand.has(&id) && !stand.has("named"));
    }
    // A file where a directory must be made: the message has the kernel's word for it.
    fs::write(stand.root.join("named"), "").unwrap();
    let bundle = stand.bundle(json!({ "closID": "named", "schemata": ["L3:0=f"] }));
    let id = context.id();
    let refused = stand.call(&["run", "--bundle", &bundle.path(), &id]).go().fails();
    assert!(
        refused.stderr.contains("named") && refused.stderr.contains("the kernel's own words"),
        "{}",
        refused.stderr
    );
}

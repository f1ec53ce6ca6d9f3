//! config-linux.md "Network Devices", with links in a network namespace of the test's own that stands for the host's.

use crate::harness::{Bundle, Context, Helper, Output, PATIENCE, Seen, Value, json, payload, wait_for};
use crate::{context, not_on, skip_test};

/// Links of the host: each word list is one verb of the test program. The first link is `host0`, with addresses of every sort.
const HOST: &[&[&str]] = &[
    &["link-add", "any", "host0"],
    &["link-set", "host0", "mtu=1380"],
    &["address-add", "host0", "10.5.0.1/24", "broadcast=10.5.0.255", "label=host0:x"],
    &["address-add", "host0", "10.5.0.2/24"],
    &["address-add", "host0", "10.6.0.1/32", "peer=10.6.0.2", "metric=77"],
    &["address-add", "host0", "10.7.0.1/24", "scope=253"],
    &["address-add", "host0", "10.8.0.1/24", "valid=3600", "preferred=1800"],
    &["address-add", "host0", "fd00::1/64"],
    &["address-add", "host0", "fd00::2/64", "preferred=0"],
    &["link-set", "host0", "up"],
    &["addresses", "host0"],
    &["link-get", "host0"],
];

/// What the host said before and after, and what the runtime's call gave.
struct Run {
    host: Seen,
    output: Value,
}

impl Run {
    /// What the container said; its program must have run.
    #[track_caller]
    fn seen(&self) -> Seen {
        let status = &self.output["status"];
        assert!(status == 0 || status == 3, "the container should start: {}", self.output);
        Seen::parse(self.output["stdout"].as_str().unwrap())
    }

    #[track_caller]
    fn refused(&self, words: &str) {
        let stderr = self.output["stderr"].as_str().unwrap();
        assert!(self.output["status"] == 1 && stderr.contains(words), "{words:?}: {}", self.output);
    }

    /// The device is on the host with all that it had; temporary addresses of its own aside.
    #[track_caller]
    fn is_as_before(&self) {
        let answers =
            |verb: &str| self.host.0.iter().filter(|answer| answer["verb"] == verb).collect::<Vec<_>>();
        let [before, after] = answers("addresses")[..] else { panic!("{:?}", self.host.0) };
        assert_eq!(permanent(&before["out"]), permanent(&after["out"]), "{after}");
        let [before, after] = answers("link-get")[..] else { panic!("{:?}", self.host.0) };
        assert_eq!(before["out"], after["out"]);
    }
}

/// Permanent addresses of global scope, as they are to be kept.
fn permanent(addresses: &Value) -> Vec<Value> {
    let kept = |address: &&Value| address["valid"] == u32::MAX && address["scope"] == 0;
    addresses.as_array().unwrap().iter().filter(kept).cloned().collect()
}

/// Runs the bundle from a network namespace with the links of `host`, and looks at `host0` again, and at a file, as long as that
/// namespace is there: with it end the other ends of its links. None where there are no links.
fn run(context: &Context, bundle: &Bundle, host: &[&[&str]], file: &str) -> Option<Run> {
    let mut before = vec!["payload", "unshare", "network", ","];
    for verb in host {
        before.extend(*verb);
        before.push(",");
    }
    before.push("spawn");
    let id = context.id();
    let path = bundle.path();
    let mut call = vec!["run", "--bundle", &path, &id];
    call.extend([",", "addresses", "host0", ",", "link-get", "host0", ",", "read", file]);
    let output: Output = context.call(&call).through(&before).go();
    let host = output.seen();
    if host.errno(&host0_made()) == "EOPNOTSUPP" {
        return None;
    }
    let spawned = host.0.iter().find(|answer| answer["verb"] == "spawn");
    let output = spawned.unwrap_or_else(|| panic!("{}", output.describe()))["out"].clone();
    Some(Run { host, output })
}

fn host0_made() -> String {
    HOST[0].join(" ")
}

macro_rules! run {
    ($context:expr, $bundle:expr, $host:expr) => {
        run!($context, $bundle, $host, "/dev/null")
    };
    ($context:expr, $bundle:expr, $host:expr, $file:expr) => {
        match run(&$context, &$bundle, $host, $file) {
            Some(run) => run,
            None => skip_test!("this kernel makes no network links"),
        }
    };
}

macro_rules! network_context {
    () => {{
        let context = context!();
        not_on!(Runc, "runc 1.1 does not know it");
        not_on!(Crun, "crun 1.8 does not know it");
        context
    }};
}

/// "MUST preserve existing network interface attributes, including all permanent IP addresses of any family with global scope";
/// "MUST set the network device state to up".
#[test]
fn a_device_comes_with_its_permanent_addresses_and_is_up() {
    let context = network_context!();
    let mut bundle =
        context.bundle(&["addresses", "host0", ",", "link-get", "host0", ",", "ls", "/sys/class/net"]);
    bundle.set("/linux/netDevices", json!({ "host0": {} }));
    let run = run!(context, bundle, HOST);
    let seen = run.seen();
    let before = run.host.0.iter().find(|answer| answer["verb"] == "addresses").unwrap();
    let (before, inside) = (permanent(&before["out"]), seen.out("addresses host0"));
    assert!(before.len() == 5, "{before:?}");
    assert_eq!(&json!(before), inside, "those and no others");
    let before = run.host.0.iter().find(|answer| answer["verb"] == "link-get").unwrap();
    assert_eq!(&before["out"], seen.out("link-get host0"), "up, MTU and hardware address");
    assert_eq!(before["out"]["up"], 1);
    assert_eq!(before["out"]["mtu"], 1380);
    // Moved, not copied; a virtual one ends with the namespace.
    let after = run.host.0.iter().rfind(|answer| answer["verb"] == "link-get").unwrap();
    assert_eq!(after["errno"], "ENODEV", "{after}");
}

/// "name: the name of the network device inside the container namespace". One that was down comes up, and gets no label of its old
/// name.
#[test]
fn a_device_gets_the_name_that_is_asked_for() {
    let context = network_context!();
    let mut bundle =
        context.bundle(&["addresses", "net0", ",", "link-get", "net0", ",", "ls", "/sys/class/net"]);
    bundle.set("/linux/netDevices", json!({ "host0": { "name": "net0" } }));
    let host = [HOST[0], &["address-add", "host0", "10.5.0.1/24", "label=host0:x"]];
    let run = run!(context, bundle, &host);
    let seen = run.seen();
    assert_eq!(seen.out("link-get net0")["up"], 1);
    let address = &seen.out("addresses net0")[0];
    assert_eq!((address["local"].as_str(), address["label"].as_str()), (Some("10.5.0.1"), Some("net0")));
    assert_eq!(seen.out("ls /sys/class/net"), &json!(["lo", "net0"]));
}

/// "unless the user has provided a template by appending %d to the new name": two of them, and beside one whose name is taken on
/// the way.
#[test]
fn a_template_gives_each_device_a_free_name() {
    let context = network_context!();
    let mut bundle = context.bundle(&["ls", "/sys/class/net"]);
    bundle.set(
        "/linux/netDevices",
        json!({ "host0": { "name": "n%d" }, "n0": {}, "n1": { "name": "n%d" }, "lo%d": { "name": "x%d" } }),
    );
    let host = [HOST[0], &["link-add", "any", "n0"], &["link-add", "any", "n1"]];
    let run = run!(context, bundle, &host);
    run.refused("linux.netDevices \"lo%d\"");
    bundle.set("/linux/netDevices", json!({ "host0": { "name": "n%d" }, "n0": {}, "n1": { "name": "n%d" } }));
    let run = run!(context, bundle, &host);
    let seen = run.seen();
    let names = seen.out("ls /sys/class/net").as_array().unwrap();
    let names: Vec<&str> =
        names.iter().map(|name| name.as_str().unwrap()).filter(|name| *name != "lo").collect();
    assert_eq!(names, ["n0", "n1", "n2"]);
}

/// A network namespace that others hold, with a link `taken` in it.
fn held(context: &Context) -> Helper {
    let program = payload::path().to_string_lossy().into_owned();
    let words = [
        &program,
        "unshare",
        "network",
        ",",
        "link-add",
        "any",
        "taken",
        ",",
        "addresses",
        "taken",
        ",",
        "pause",
    ];
    let helper = Helper::start(&mut context.in_world(&words), "unshare");
    let path = format!("/proc/{}/net/dev", helper.pid());
    let there = || std::fs::read_to_string(&path).is_ok_and(|text| text.contains("taken:"));
    assert!(wait_for(PATIENCE, there), "{}: no link", helper.pid());
    helper
}

/// "If a network device with the specified name already exists in the container namespace, the runtime MUST generate an error,
/// unless ..."; in a joined namespace a device stays, whose lifecycle is its owner's.
#[test]
fn a_name_that_is_taken_is_an_error_and_the_device_stays_on_the_host() {
    let context = network_context!();
    let holder = held(&context);
    let mut bundle = context.bundle(&["ls", "/sys/class/net"]);
    bundle.namespace("network", Some(&format!("/proc/{}/ns/net", holder.pid())));
    bundle.set("/linux/netDevices", json!({ "host0": { "name": "taken" }, "first": {} }));
    let mut host = HOST.to_vec();
    host.insert(1, &["link-add", "any", "first"]);
    let run = run!(context, bundle, &host);
    run.refused("linux.netDevices \"host0\": name: is in use in the container's network namespace: EEXIST");
    run.is_as_before();

    bundle.set("/linux/netDevices", json!({ "host0": { "name": "taken%d" } }));
    let there = format!("/proc/{}/net/dev", holder.pid());
    let run = run!(context, bundle, HOST, &there);
    assert!(run.seen().out("ls /sys/class/net").as_array().unwrap().contains(&json!("taken0")));
    let kept = run.host.text(&format!("read {there}"));
    assert!(kept.contains("taken0:"), "it stays in the namespace that was joined: {kept}");
}

/// "An error leaves the machine as it was": a container that fails later gives back what it got, virtual devices too.
#[test]
fn a_failing_create_brings_the_devices_back_as_they_were() {
    let context = network_context!();
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/netDevices", json!({ "host0": { "name": "net%d" } }));
    bundle.bind("/nonexistent/source", "/mnt", &[]);
    let run = run!(context, bundle, HOST);
    run.refused("mounts[6]");
    run.is_as_before();
    // The same into a namespace that goes on.
    let holder = held(&context);
    bundle.namespace("network", Some(&format!("/proc/{}/ns/net", holder.pid())));
    let run = run!(context, bundle, HOST);
    run.refused("mounts[6]");
    run.is_as_before();
    // One that comes after those that could be moved cannot be.
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/netDevices", json!({ "host0": {}, "lo": { "name": "low" } }));
    let run = run!(context, bundle, HOST);
    run.refused("linux.netDevices \"lo\": move: EINVAL");
    run.is_as_before();
}

/// "The runtime MUST check if moving the network interface to the container namespace is possible."
#[test]
fn what_cannot_be_moved_is_refused_by_its_name() {
    let context = network_context!();
    let mut bundle = context.bundle(&["true"]);
    bundle.set("/linux/netDevices", json!({ "host0": {}, "nowhere": {} }));
    let run = run!(context, bundle, HOST);
    run.refused("linux.netDevices \"nowhere\": is not in the runtime's network namespace: ENODEV");
    run.is_as_before();
    for name in ["a/b", "a b", "..", "", "sixteen-letters-", "a%db"] {
        bundle.set("/linux/netDevices", json!({ name: {} }));
        context.run(&bundle).fails().says("linux.netDevices");
    }
    // No network namespace of its own, or the host's by path.
    bundle.set("/linux/netDevices", json!({ "host0": {} }));
    bundle.without_namespace("network");
    bundle.remove_mount("/sys");
    context.run(&bundle).fails().says("linux.netDevices");
    bundle.namespace("network", Some("/proc/self/ns/net"));
    let refused = run!(context, bundle, HOST);
    refused.refused("linux.netDevices: linux.namespaces[5] is the host's own");
    refused.is_as_before();
}

/// A device goes into a network namespace that belongs to the container's user namespace.
#[test]
fn a_device_goes_into_a_user_namespaces_network() {
    let context = network_context!();
    let mut bundle = context.bundle(&["addresses", "host0"]);
    bundle.set("/linux/netDevices", json!({ "host0": {} }));
    context.in_user_namespace(&mut bundle);
    let run = run!(context, bundle, HOST);
    assert_eq!(run.seen().out("addresses host0").as_array().unwrap().len(), 5);
}

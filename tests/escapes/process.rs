//! What the runtime gives to the program, or takes from strings: descriptors, directories, capabilities, ids, its own file.

use crate::check::{Check, Trial, Verdict};
use crate::harness::{Bundle, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    Check { name: "cwd-is-a-descriptor", class: "CVE-2024-21626", run: cwd_is_a_descriptor },
    Check { name: "callers-descriptors", class: "CVE-2024-21626 (caller's own)", run: callers_descriptors },
    Check { name: "entry-point-is-the-runtime", class: "CVE-2019-5736", run: entry_point_is_the_runtime },
    Check {
        name: "inheritable-capabilities",
        class: "CVE-2022-24769, 2022-29162, 2016-8867",
        run: inheritable_capabilities,
    },
    Check { name: "users-that-wrap", class: "CVE-2026-30892, 2016-3697", run: users_that_wrap },
    Check { name: "session-is-its-own", class: "CVE-2016-10124, 2017-5226", run: session_is_its_own },
    Check { name: "lengths-that-overflow", class: "CVE-2021-43784, TOB-OWRT-6", run: lengths_that_overflow },
    Check { name: "ids-with-paths", class: "container ids", run: ids_with_paths },
    Check { name: "annotations-do-nothing", class: "CVE-2024-3154", run: annotations_do_nothing },
    Check { name: "runtime-is-not-traceable", class: "CVE-2016-9962 (run)", run: runtime_is_not_traceable },
    Check {
        name: "run-beside-a-users-tracer",
        class: "CVE-2016-9962 (run, user namespace)",
        run: |trial| run_beside_a_tracer(trial, true, &[]),
    },
    Check {
        name: "run-beside-a-tracer",
        class: "CVE-2016-9962 (run, CAP_SYS_PTRACE)",
        run: |trial| run_beside_a_tracer(trial, false, &[]),
    },
    Check {
        name: "run-beside-a-tracer-without-pidns",
        class: "CVE-2016-9962 (run, before Linux 6.17)",
        run: |trial| run_beside_a_tracer(trial, false, &["payload", "shim", "EINVAL", "fsconfig:1=5"]),
    },
];

/// cwd = /proc/self/fd/N, plainly and through a link, for every number a runtime or its caller may have open.
fn cwd_is_a_descriptor(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut holes = Vec::new();
    let mut bundle =
        trial.context.bundle(&["read", "HOST-MARKER", ",", "cwd", ",", "ls", "../../../../../../../.."]);
    trial.control(&bundle);
    let numbers: Vec<u32> = if trial.peer { (3..=15).step_by(2).collect() } else { (3..=15).collect() };
    for number in numbers {
        for linked in [false, true] {
            let cwd = format!("/proc/self/fd/{number}");
            if linked {
                let link = bundle.root().join("link");
                let _ = fs::remove_file(&link);
                symlink(&cwd, link).unwrap();
                bundle.set("/process/cwd", "/link");
            } else {
                bundle.set("/process/cwd", cwd);
            }
            // Once with a directory of the host leaked by the caller as that very number, once without.
            for leak in [true, false] {
                let id = trial.context.id();
                let mut call = trial.context.call(&["run", "--bundle", &bundle.path(), &id]);
                let (number, path) = (number.to_string(), outside.text());
                if leak {
                    call = call.through(&["payload", "leak-fd", &number, &path]);
                }
                let output = call.go();
                if !output.stdout.contains("\"verb\"") {
                    continue;
                }
                let seen = output.seen();
                let cwd = seen.out("cwd").as_str().unwrap_or("").to_string();
                if seen.errno("read HOST-MARKER").is_empty() {
                    holes.push(format!(
                        "fd {number}, leaked {leak}, link {linked}: the host's directory is the cwd"
                    ));
                } else if !cwd.starts_with('/') {
                    holes.push(format!("fd {number}, leaked {leak}, link {linked}: cwd is {cwd:?}"));
                }
            }
        }
    }
    Verdict::open_if(holes)
}

fn callers_descriptors(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let bundle = trial.context.bundle(&["report"]);
    let id = trial.context.id();
    let path = outside.text();
    let mut wrap = Vec::new();
    let numbers: Vec<String> =
        [3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 63, 255, 900].iter().map(ToString::to_string).collect();
    for number in &numbers {
        wrap.extend(["payload", "leak-fd", number.as_str(), path.as_str()]);
    }
    let output = trial.context.call(&["run", "--bundle", &bundle.path(), &id]).through(&wrap).go();
    assert!(output.stdout.contains("\"verb\""), "control: {}", output.describe());
    let seen = output.seen();
    let extra: Vec<String> = seen.report()["fds"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(number, _)| number.parse::<u32>().unwrap() > 2)
        .map(|(number, target)| format!("descriptor {number} -> {target}"))
        .collect();
    Verdict::open_if(extra)
}

/// The runtime under attack is a copy, so that a hole that is really there harms nobody.
pub fn copy_of_the_runtime(trial: &Trial) -> (std::path::PathBuf, String, Vec<u8>) {
    let copy = trial.context.outside("victim-bin").join("runtime");
    crate::harness::host::copy_program(&trial.context.runtime, &copy);
    let metadata = fs::metadata(&copy).unwrap();
    let content = fs::read(&copy).unwrap();
    (copy, format!("{}:{}", metadata.dev(), metadata.ino()), content)
}

/// `#!/proc/self/exe` as the program: the runtime's own file is executed in the container, where a second container in the
/// same pid namespace tries to write it through /proc/PID/exe.
fn entry_point_is_the_runtime(trial: &Trial) -> Verdict {
    let (copy, own, before) = copy_of_the_runtime(trial);
    let capable = ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"];
    let mut watcher = trial.context.bundle(&["watch-exe", "/stop"]);
    watcher.capabilities(&capable);
    let id = trial.context.id();
    let output = trial.context.create(&watcher, &id).ok();
    trial.context.start(&id).ok();
    output.wait_stdout("ready");
    let pid = trial.context.pid(&id);
    let mut honest = trial.context.bundle(&["sleep", "20"]);
    honest.capabilities(&capable);
    honest.namespace("pid", Some(&format!("/proc/{pid}/ns/pid")));
    let root = trial.context.state_dir().to_string_lossy().into_owned();
    // Whoever is there has the watcher try to open its file for writing, in which moment nobody can start that (ETXTBSY): the copy's.
    let run = |bundle: &Bundle| {
        let (path, id) = (bundle.path(), trial.context.id());
        let words = ["--root", &root, "run", "--bundle", &path, &id];
        crate::harness::Call::at(trial.context, &copy, &words).go()
    };
    run(&honest).ok();
    trial.again(
        Duration::from_millis(2500),
        || false,
        || {
            let mut trick: Bundle = trial.context.bundle(&[]);
            crate::harness::host::write_script(&trick.root().join("bin/entry"), "#!/proc/self/exe\n");
            trick.capabilities(&capable);
            trick.namespace("pid", Some(&format!("/proc/{pid}/ns/pid")));
            for program in ["/bin/entry", "/proc/self/exe"] {
                trick.set("/process/args", json!([program, "--version"]));
                run(&trick);
            }
            let _ = fs::remove_dir_all(&trick.dir);
        },
    );
    fs::write(watcher.root().join("stop"), "").unwrap();
    let seen = crate::harness::Seen::parse(&output.wait_stdout("\"verb\":\"watch-exe\""));
    let told = seen.out("watch-exe /stop");
    let mut holes = Vec::new();
    if fs::read(&copy).unwrap() != before {
        holes.push("the runtime's file was overwritten from inside".to_string());
    }
    if told["opened"].to_string().contains(&own) {
        holes.push("the runtime's file could be opened for writing".to_string());
    }
    Verdict::open_if(holes)
}

fn inheritable_capabilities(trial: &Trial) -> Verdict {
    let seen = trial.control(&trial.context.bundle(&["report"]));
    let mut holes = Vec::new();
    for set in ["CapInh", "CapAmb"] {
        let value = seen.report()["status"][set].as_str().unwrap().to_string();
        if !value.trim_start_matches('0').is_empty() {
            holes.push(format!("{set} is {value}"));
        }
    }
    // As an ordinary user nothing is left at all.
    let mut bundle = trial.context.bundle(&["report"]);
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let seen = trial.control(&bundle);
    for set in ["CapInh", "CapAmb", "CapEff", "CapPrm"] {
        let value = seen.report()["status"][set].as_str().unwrap().to_string();
        if !value.trim_start_matches('0').is_empty() {
            holes.push(format!("as a user {set} is {value}"));
        }
    }
    Verdict::open_if(holes)
}

/// setresuid(-1) changes nothing: the program would go on as root.
fn users_that_wrap(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    let mut bundle = trial.context.bundle(&["report"]);
    bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    assert!(trial.control(&bundle).report()["status"]["Uid"].as_str().unwrap().starts_with("1000\t"));
    for value in
        [json!(4_294_967_295u64), json!(4_294_967_296u64), json!(-1), json!("0"), json!(0.5), json!(1e30)]
    {
        for key in ["uid", "gid"] {
            bundle.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
            bundle.set(&format!("/process/user/{key}"), value.clone());
            let attempt = trial.attempt(&bundle);
            if attempt.started {
                let status = &attempt.seen.report()["status"];
                holes.push(format!("{key} {value}: started as {} {}", status["Uid"], status["Gid"]));
            }
        }
    }
    Verdict::open_if(holes)
}

fn session_is_its_own(trial: &Trial) -> Verdict {
    let seen = trial.control(&trial.context.bundle(&["report", ",", "tiocsti", "x"]));
    let mut holes = Vec::new();
    if seen.report()["sid"] != 1 {
        holes.push(format!("the session is {}", seen.report()["sid"]));
    }
    if seen.errno("tiocsti x").is_empty() {
        holes.push("a character was pushed into the caller's terminal".to_string());
    }
    Verdict::open_if(holes)
}

fn lengths_that_overflow(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    trial.control(&trial.context.bundle(&["true"]));
    let long = "x".repeat(3_000_000);
    let many: Vec<_> = (0..6000)
        .map(|index| json!({ "containerID": index, "hostID": 100_000 + index, "size": 1 }))
        .collect();
    type Change = Box<dyn Fn(&mut Bundle) -> &mut Bundle>;
    let tricks: Vec<(&str, Change)> = vec![
        (
            "6,000 id mappings",
            Box::new(move |bundle| {
                bundle.namespace("user", None);
                bundle.set("/linux/uidMappings", many.clone()).set("/linux/gidMappings", many.clone())
            }),
        ),
        ("huge hostname", {
            let long = long.clone();
            Box::new(move |bundle| bundle.set("/hostname", long.as_str()))
        }),
        ("huge argument", {
            let long = long.clone();
            Box::new(move |bundle| bundle.set("/process/args", json!(["/bin/payload", "echo", long])))
        }),
        ("huge mount data", {
            let long = long.clone();
            Box::new(move |bundle| bundle.mount("/m", "tmpfs", "tmpfs", &[&format!("size={long}")]))
        }),
        ("huge path", {
            let long = long.clone();
            Box::new(move |bundle| bundle.push("/linux/maskedPaths", json!(format!("/{long}"))))
        }),
        ("huge cgroupsPath", {
            let long = long.clone();
            Box::new(move |bundle| bundle.set("/linux/cgroupsPath", format!("/{long}")))
        }),
        ("mapping of 2^32", {
            Box::new(move |bundle| {
                let wrap = json!([{ "containerID": 0, "hostID": 0, "size": 4_294_967_296u64 }]);
                bundle.namespace("user", None);
                bundle.set("/linux/uidMappings", wrap.clone()).set("/linux/gidMappings", wrap)
            })
        }),
    ];
    for (what, change) in tricks {
        let mut bundle = trial.context.bundle(&["report"]);
        change(&mut bundle);
        let output = trial.context.run(&bundle);
        if output.code >= 128 || output.stderr.contains("panic") {
            holes.push(format!("{what}: crashed with {}", output.code));
        } else if output.code == 0 && what.contains("mapping") {
            holes.push(format!("{what}: started"));
        }
    }
    Verdict::open_if(holes)
}

fn ids_with_paths(trial: &Trial) -> Verdict {
    let mut holes = Vec::new();
    trial.control(&trial.context.bundle(&["true"]));
    let bundle = trial.context.bundle(&["true"]);
    let path = bundle.path();
    let long = "x".repeat(3000);
    for id in ["..", "../up", "a/b", "/abs", "", "new\nline", ".", &long] {
        let output = trial.context.call(&["create", "--bundle", &path, id]).go();
        if output.code == 0 {
            holes.push(format!("{:?} is taken for an id", &id[..id.len().min(20)]));
            trial.context.delete_force(id);
        }
    }
    if trial.context.dir.join("up").exists() {
        holes.push("something was made beside the state directory".to_string());
    }
    Verdict::open_if(holes)
}

/// Annotations of other runtimes that write files, keep groups, run another program.
fn annotations_do_nothing(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let plain = trial.context.bundle(&["report"]);
    trial.control(&plain);
    let mut bundle = trial.context.bundle(&["report"]);
    bundle.set(
        "/annotations",
        json!({
            "run.oci.hooks.stdout": format!("{}/out", outside.text()),
            "run.oci.hooks.stderr": format!("{}/err", outside.text()),
            "run.oci.keep_original_groups": "1",
            "run.oci.mount_context_type": "rootcontext",
            "run.oci.seccomp_fail_unknown_syscall": "0",
            "run.oci.handler": "wasm",
            "module.wasm.image/variant": "compat",
            "org.criu.config": format!("{}/criu", outside.text()),
            "org.systemd.property.ExecStartPre": "'/bin/true'",
        }),
    );
    let attempt = trial.attempt(&bundle);
    let mut holes = outside.changes();
    if !attempt.started {
        holes.push(format!("an annotation changed what happens: {}", attempt.output.stderr.trim()));
    }
    Verdict::open_if(holes)
}

/// A container in the pid namespace that `run` joins looks at the runtime's child while it still has the host in its hands.
fn runtime_is_not_traceable(trial: &Trial) -> Verdict {
    let outside = trial.outside("outside");
    let mut scanner = trial.context.bundle(&["scan", "/stop"]);
    scanner.capabilities(&["CAP_DAC_OVERRIDE", "CAP_CHOWN"]);
    let id = trial.context.id();
    let output = trial.context.create(&scanner, &id).ok();
    trial.context.start(&id).ok();
    output.wait_stdout("ready");
    let pid = trial.context.pid(&id);
    let mut joined = trial.context.bundle(&["true"]);
    joined.capabilities(&["CAP_DAC_OVERRIDE", "CAP_CHOWN"]);
    joined.namespace("pid", Some(&format!("/proc/{pid}/ns/pid")));
    trial.control(&joined);
    let (path, marker) = (outside.text(), outside.path.join("HOST-MARKER").to_string_lossy().into_owned());
    trial.again(
        Duration::from_millis(2600),
        || false,
        || {
            let id = trial.context.id();
            trial
                .context
                .call(&["run", "--bundle", &joined.path(), &id])
                .through(&["payload", "leak-fd", "7", &path, "payload", "leak-fd", "8", &marker])
                .go();
        },
    );
    fs::write(scanner.root().join("stop"), "").unwrap();
    let seen = crate::harness::Seen::parse(&output.wait_stdout("\"verb\":\"scan\""));
    let told = seen.out("scan /stop");
    assert!(told["looked"].as_u64().unwrap() > 0);
    // The joined container's own root is another directory than the scanner's, which is no leak.
    let holes: Vec<String> = told["leaks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|leak| leak.as_str())
        .filter(|leak| leak.contains("marker") || leak.contains("fd file") || leak.contains("fd dir"))
        .map(str::to_string)
        .collect();
    Verdict::open_if(holes)
}

/// A pod whose containers share a pid namespace, one of them with CAP_SYS_PTRACE, which looks for the host's root behind every process
/// while another container is made.
///
/// In a user namespace of the pod (`own`) the capability counts for nothing over the runtime's process, which is not dumpable and whose
/// memory belongs to the host's. Without one the capability is the host's own, and that container may trace whatever it sees: nothing of
/// the host may ever be in its pid namespace. `wrap`: through what the runtime is called while it is looked for.
fn run_beside_a_tracer(trial: &Trial, own: bool, wrap: &[&str]) -> Verdict {
    let host = fs::metadata("/").map(|root| format!("{}:{}", root.dev(), root.ino())).unwrap();
    let tracing =
        ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT"];
    let user = |bundle: &mut Bundle, path: Option<&str>| {
        let mappings = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
        bundle.namespace("user", path);
        if path.is_none() {
            bundle.set("/linux/uidMappings", mappings.clone());
            bundle.set("/linux/gidMappings", mappings);
        }
        crate::harness::host::chown_tree(&bundle.root(), 100_000, 100_000);
        crate::harness::host::open_path(&trial.context.dir);
    };
    let mut scanner = trial.context.bundle(&["scan-for", "/stop", &host]);
    scanner.capabilities(&tracing);
    if own {
        user(&mut scanner, None);
    }
    let id = trial.context.id();
    let output = trial.context.create(&scanner, &id);
    if own && output.code != 0 && trial.peer {
        return Verdict::Absent(output.stderr.trim().to_string());
    }
    let output = output.ok();
    trial.context.start(&id).ok();
    output.wait_stdout("ready");
    let pid = trial.context.pid(&id);
    let beside = |words: &[&str]| {
        let mut bundle = trial.context.bundle(words);
        bundle.namespace("pid", Some(&format!("/proc/{pid}/ns/pid")));
        if own {
            user(&mut bundle, Some(&format!("/proc/{pid}/ns/user")));
        }
        bundle
    };
    let joined = beside(&["true"]);
    trial.control(&joined);
    let found = || output.stdout_now().contains("\"found ");
    let starts = trial.again(Duration::from_millis(6500), found, || {
        let id = trial.context.id();
        trial.context.call(&["run", "--bundle", &joined.path(), &id]).through(wrap).go().ok();
    });
    let stop = scanner.root().join("stop");
    fs::write(&stop, "").unwrap();
    // Its cgroup is that of the watcher below.
    trial.context.reap(pid);
    let seen = crate::harness::Seen::parse(&output.stdout_now());
    let told = seen.out(&format!("scan-for /stop {host}")).clone();
    assert!(told["looked"].as_u64().unwrap() > 0);
    let leaks = told["leaks"].as_array().unwrap();

    // The control: what a process of that pod really holds of the host is found.
    let watcher = trial.context.id();
    fs::remove_file(&stop).unwrap();
    let output = trial.context.create(&scanner, &watcher).ok();
    trial.context.start(&watcher).ok();
    output.wait_stdout("ready");
    let pid = trial.context.pid(&watcher);
    let mut holder = trial.context.bundle(&["pause"]);
    holder.namespace("pid", Some(&format!("/proc/{pid}/ns/pid")));
    if own {
        user(&mut holder, Some(&format!("/proc/{pid}/ns/user")));
    }
    let id = trial.context.id();
    let call = ["run", "--detach", "--preserve-fds", "1", "--bundle", &holder.path(), &id];
    trial.context.call(&call).through(&["payload", "leak-fd", "3", "/"]).go().ok();
    output.wait_stdout("\"found fd\"");
    let pid = trial.context.pid(&id);
    trial.context.delete_force(&id).ok();
    trial.context.reap(pid);
    trial.context.delete_force(&watcher).ok();

    let leaks: Vec<String> =
        leaks.iter().map(|leak| format!("the host's root behind {leak} in {starts} starts")).collect();
    Verdict::open_if(leaks)
}

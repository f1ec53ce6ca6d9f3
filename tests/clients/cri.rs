//! The Kubernetes CRI of containerd, called as the kubelet calls it: a pod sandbox, containers in it, probes by ExecSync. The pod's network is
//! the node's, so no CNI plug-in is needed; where this machine's cgroup2 has no cpu controller, containerd is told to leave cgroups alone,
//! because it asks for cpu shares for every sandbox.

use crate::command::{self, LIMIT, Running, SOON};
use crate::containerd;
use crate::engine;
use crate::grpc::{self, Answer, Message};
use crate::image;
use crate::report::Report;
use crate::stream::Stream;
use crate::view::{HOME, Inside, tool};
use std::fs;
use std::path::Path;
use std::process::Command;

const IMAGE: &str = "box.test/box:1";
const MAIN: &str = "trap 'echo got term; exit 5' TERM; echo ready; while :; do sleep 1 & wait $!; done";
/// `NamespaceMode` of runtime.v1.
const CONTAINER: u64 = 1;
const NODE: u64 = 2;
/// `ContainerState` of runtime.v1.
const RUNNING: u64 = 1;
const EXITED: u64 = 2;
/// `SecurityProfile.ProfileType` of runtime.v1.
const UNCONFINED: u64 = 1;

struct Cri {
    socket: String,
    sandbox: String,
}

/// The CRI's flow.
pub fn steps(report: &mut Report, inside: &Inside) {
    let mut cri = Cri { socket: containerd::socket("containerd"), sandbox: String::new() };
    let daemon = match daemon(&cri, inside) {
        Ok(daemon) => daemon,
        Err(problem) => return report.failed("daemon", &problem),
    };
    report.step("import", || {
        engine::prepare()?;
        let archive = image::oci_archive(IMAGE)?;
        let mut command = Command::new("ctr");
        command.args(["-a", &cri.socket, "-n", "k8s.io", "image", "import", &archive]);
        command::run(&mut command).expect(0, "")?;
        // The CRI learns of the image from an event.
        let service = "/runtime.v1.ImageService/ImageStatus";
        let request = Message::default().message(1, Message::default().text(1, IMAGE));
        command::until(LIMIT, "the image is known", || {
            grpc::call(&cri.socket, service, &request, LIMIT)
                .is_ok_and(|answer| !answer.field(1).text(1).is_empty())
        })
    });
    report.step("version", || match cri.call("Version", &Message::default())?.text(2).as_str() {
        "containerd" => Ok(()),
        other => Err(format!("runtime {other:?}")),
    });
    report.step("run a pod sandbox", || {
        cri.sandbox = cri.call("RunPodSandbox", &Message::default().message(1, sandbox()))?.text(1);
        Ok(())
    });
    if !inside.emulated {
        main_container(report, &cri);
        streams(report, &cri);
        again(report, &cri);
        settings(report, &cri);
    }
    report.absent(&["pause", "unpause"], "no such call");
    report.absent(&["userns"], "containerd's has user namespaces from 1.7 on, Debian 12 has 1.6");
    limits(report, &cri, inside);
    report.step("stop and remove the sandbox", || {
        let request = Message::default().text(1, &cri.sandbox);
        cri.call("StopPodSandbox", &request)?;
        cri.call("RemovePodSandbox", &request).map(drop)
    });
    containerd::end(report, inside, daemon);
}

fn main_container(report: &mut Report, cri: &Cri) {
    let mut main = String::new();
    report.step("run -d, create and start", || {
        main = cri.create(container("main", &["sh", "-c", MAIN]))?;
        cri.call("StartContainer", &Message::default().text(1, &main))?;
        cri.state(&main, RUNNING).map(drop)
    });
    report.step("logs", || cri.logged("main", "ready"));
    report.step("exec", || {
        let answer = cri.exec(&main, &["sh", "-c", "echo out; echo err >&2; exit 3"], 60)?;
        let seen = (answer.text(1), answer.text(2), answer.number(3));
        if seen == ("out\n".into(), "err\n".into(), 3) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    report.step("healthcheck, many probes", || {
        (0..20).try_for_each(|_| match cri.exec(&main, &["true"], 60)?.number(3) {
            0 => Ok(()),
            status => Err(format!("status {status}")),
        })
    });
    report.step("exec, not found", || match cri.exec(&main, &["nosuchprogram"], 60) {
        Ok(answer) => Err(format!("{answer:?}")),
        Err(_) => Ok(()),
    });
    report.step("healthcheck, a probe that takes too long", || match cri.exec(&main, &["sleep", "100"], 1) {
        Ok(answer) => Err(format!("{answer:?}")),
        Err(_) => match cri.exec(&main, &["true"], 60)?.number(3) {
            0 => Ok(()),
            status => Err(format!("the next one: status {status}")),
        },
    });
    report.step("stats", || {
        let answer = cri.call("ContainerStats", &Message::default().text(1, &main))?;
        if answer.field(1).field(1).text(1) == main { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    report.step("update, asking for nothing", || {
        let request = Message::default().text(1, &main).message(2, Message::default());
        cri.call("UpdateContainerResources", &request).map(drop)
    });
    report.step("stop", || {
        cri.call("StopContainer", &Message::default().text(1, &main).number(2, 60))?;
        let status = cri.state(&main, EXITED)?.number(7);
        if status == 5 { cri.logged("main", "got term") } else { Err(format!("status {status}")) }
    });
    report.step("rm", || cri.call("RemoveContainer", &Message::default().text(1, &main)).map(drop));
    report.step("kill, after the timeout", || {
        let deaf = cri.create(container(
            "deaf",
            &["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
        ))?;
        cri.call("StartContainer", &Message::default().text(1, &deaf))?;
        cri.logged("deaf", "ready")?;
        cri.call("StopContainer", &Message::default().text(1, &deaf).number(2, 1))?;
        let status = cri.state(&deaf, EXITED)?.number(7);
        cri.call("RemoveContainer", &Message::default().text(1, &deaf))?;
        if status == 137 { Ok(()) } else { Err(format!("status {status}")) }
    });
    report.step("program not found", || {
        let absent = cri.create(container("absent", &["nosuchprogram"]))?;
        let started = cri.call("StartContainer", &Message::default().text(1, &absent));
        cri.call("RemoveContainer", &Message::default().text(1, &absent))?;
        if started.is_ok() { Err("it started".into()) } else { Ok(()) }
    });
}

/// What a person sees of a container through the kubelet's streams.
fn streams(report: &mut Report, cri: &Cri) {
    let mut id = String::new();
    report.step("run -d, with stdin", || {
        id = cri.create(container("echoing", &["cat"]).number(12, 1))?;
        cri.call("StartContainer", &Message::default().text(1, &id)).map(drop)
    });
    report.step("exec -it", || {
        let program = "tty; read line; echo got $line; while test \"$(stty size)\" != '33 77'; do sleep 0.1; done; exit 4";
        let request = Message::default().text(1, &id).texts(2, &["sh", "-c", program]);
        let request = request.number(3, 1).number(4, 1).number(5, 1);
        let mut stream = Stream::open(&cri.call("Exec", &request)?.text(1), LIMIT)?;
        stream.until("/dev/pts/0\r\n")?;
        stream.write("typed\n")?;
        stream.until("got typed\r\n")?;
        stream.resize(77, 33)?;
        stream.ends_with(r#""reason":"ExitCode","message":"4""#)
    });
    report.step("attach", || {
        let request = Message::default().text(1, &id).number(2, 1).number(4, 1).number(5, 1);
        let mut stream = Stream::open(&cri.call("Attach", &request)?.text(1), LIMIT)?;
        stream.write("said to attach\n")?;
        stream.until("said to attach\n")
    });
    report.step("rm, while running", || {
        cri.call("RemoveContainer", &Message::default().text(1, &id)).map(drop)
    });
}

/// The CRI starts no container twice: the kubelet makes the next one in the same sandbox while the last one can still be looked at.
fn again(report: &mut Report, cri: &Cri) {
    report.step("restart, as the kubelet does it", || {
        let metadata = |attempt| Message::default().text(1, "again").number(2, attempt);
        let mut ids = Vec::new();
        for attempt in 0..2 {
            let settings = Message::default()
                .message(1, metadata(attempt))
                .message(2, Message::default().text(1, IMAGE));
            let settings =
                settings.texts(3, &["sh", "-c", "echo ready; sleep 0.1; exit 6"]).text(11, "again.log");
            let id = cri.create(settings)?;
            cri.call("StartContainer", &Message::default().text(1, &id))?;
            let status = cri.state(&id, EXITED)?.number(7);
            if status != 6 {
                return Err(format!("attempt {attempt}: status {status}"));
            }
            ids.push(id);
        }
        cri.state(&ids[0], EXITED)?;
        ids.iter().try_for_each(|id| cri.call("RemoveContainer", &Message::default().text(1, id)).map(drop))
    });
}

fn settings(report: &mut Report, cri: &Cri) {
    let none = Message::default;
    report.step("run", || cri.once(none(), none(), "echo hello; exit 7", 7, "hello"));
    report
        .step("read-only", || cri.once(none().number(7, 1), none(), "touch /x", 1, "Read-only file system"));
    report.step("user", || {
        let context = none().message(5, none().number(1, 1000)).message(12, none().number(1, 1000));
        cri.once(context, none(), "id", 0, "uid=1000(app) gid=1000(app)")
    });
    report.step("capabilities", || {
        let context = none().message(1, none().text(1, "NET_ADMIN").text(2, "CHOWN"));
        cri.once(context, none(), "grep CapBnd /proc/self/status", 0, "CapBnd:\t00000000a80435fa")
    });
    report.step("privileged", || {
        cri.once(none().number(2, 1), none(), "grep CapEff /proc/self/status", 0, "CapEff:\t000001f")
    });
    report.step("seccomp on", || {
        cri.once(none().message(15, none()), none(), "grep Seccomp: /proc/self/status", 0, "Seccomp:\t2")
    });
    report.step("seccomp off", || {
        let context = none().message(15, none().number(1, UNCONFINED));
        cri.once(context, none(), "grep Seccomp: /proc/self/status", 0, "Seccomp:\t0")
    });
    report.step("no new privileges", || {
        cri.once(none().number(11, 1), none(), "grep NoNewPrivs /proc/self/status", 0, "NoNewPrivs:\t1")
    });
    report.step("bind", || {
        let mount = none().text(1, "/b").text(2, &format!("{HOME}/shared"));
        cri.once(none(), none().message(7, mount.clone()), "touch /b/file && ls /b", 0, "file")?;
        cri.once(none(), none().message(7, mount.number(3, 1)), "touch /b/file", 1, "Read-only file system")
    });
    report.step("tmpfs, bound as the kubelet does it", || {
        let place = format!("{HOME}/memory");
        fs::create_dir_all(&place).map_err(|error| error.to_string())?;
        tool("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs", &place])?;
        let mount = none().text(1, "/t").text(2, &place);
        let result = cri.once(none(), none().message(7, mount), "grep ' /t ' /proc/mounts", 0, "size=1024k");
        tool("umount", &[&place])?;
        result
    });
    report.step("env, workdir", || {
        let variable = none().text(1, "COLOR").text(2, "red");
        cri.once(none(), none().text(5, "/tmp").message(6, variable), "echo $COLOR $PWD", 0, "red /tmp")
    });
    report.step("terminal", || cri.once(none(), none().number(14, 1), "tty", 0, "/dev/pts/0"));
    report.step("pid namespace of its own", || {
        let context = none().message(3, none().number(1, NODE).number(2, CONTAINER));
        cri.once(context, none(), "exec echo pid $$", 0, "pid 1\n")
    });
    report.step("pid namespace of the pod", || cri.once(none(), none(), "ps", 0, "sleep 100000"));
}

fn limits(report: &mut Report, cri: &Cri, inside: &Inside) {
    if !inside.has("memory") || !inside.has("cpu") {
        return report.skip("limits, update", "no memory and cpu controllers on this machine's cgroup2");
    }
    report.step("limits, update", || {
        let limit = |bytes| Message::default().number(3, 512).number(4, bytes);
        let linux = Message::default().message(1, limit(64 << 20));
        let id = cri.create(container("limited", &["sleep", "100"]).message(15, linux))?;
        cri.call("StartContainer", &Message::default().text(1, &id))?;
        let read = || cri.exec(&id, &["cat", "/sys/fs/cgroup/memory.max"], 60).map(|answer| answer.text(1));
        let before = read()?;
        cri.call("UpdateContainerResources", &Message::default().text(1, &id).message(2, limit(48 << 20)))?;
        let after = read()?;
        cri.call("RemoveContainer", &Message::default().text(1, &id))?;
        match (before.as_str(), after.as_str()) {
            ("67108864\n", "50331648\n") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// `PodSandboxConfig`: the node's network, and privileged containers may be in it.
fn sandbox() -> Message {
    let metadata = Message::default().text(1, "pod").text(2, "uid").text(3, "default");
    let namespaces = Message::default().message(1, Message::default().number(1, NODE));
    Message::default()
        .message(1, metadata)
        .text(3, &format!("{HOME}/pod-logs"))
        .message(8, Message::default().message(2, namespaces.number(6, 1)))
}

/// `ContainerConfig` without its `linux`.
fn container(name: &str, program: &[&str]) -> Message {
    Message::default()
        .message(1, Message::default().text(1, name))
        .message(2, Message::default().text(1, IMAGE))
        .texts(3, program)
        .text(11, &format!("{name}.log"))
}

impl Cri {
    fn call(&self, method: &str, request: &Message) -> Result<Answer, String> {
        grpc::call(&self.socket, &format!("/runtime.v1.RuntimeService/{method}"), request, LIMIT)
    }

    fn create(&self, config: Message) -> Result<String, String> {
        // A privileged container is taken in a sandbox that may have some, and an ordinary one there as well.
        let request = Message::default().text(1, &self.sandbox).message(2, config).message(3, sandbox());
        Ok(self.call("CreateContainer", &request)?.text(1))
    }

    fn exec(&self, id: &str, program: &[&str], seconds: u64) -> Result<Answer, String> {
        self.call("ExecSync", &Message::default().text(1, id).texts(2, program).number(3, seconds))
    }

    /// Waits for a state and returns the `ContainerStatus`.
    fn state(&self, id: &str, wanted: u64) -> Result<Answer, String> {
        let request = Message::default().text(1, id);
        let mut last = None;
        command::until(SOON, &format!("state {wanted}"), || {
            last = self.call("ContainerStatus", &request).ok().map(|answer| answer.field(1));
            last.as_ref().is_some_and(|status| status.number(3) == wanted)
        })?;
        last.ok_or_else(|| "no status".into())
    }

    fn logged(&self, name: &str, text: &str) -> Result<(), String> {
        let file = format!("{HOME}/pod-logs/{name}.log");
        let mut log = String::new();
        command::until(SOON, &format!("{text:?} in {file}"), || {
            log = fs::read_to_string(&file).unwrap_or_default();
            log.contains(text)
        })
        .map_err(|problem| format!("{problem}: {log:?}"))
    }

    /// Runs a shell command in a container of its own with this security context and these further settings.
    fn once(
        &self,
        context: Message,
        config: Message,
        program: &str,
        status: u64,
        text: &str,
    ) -> Result<(), String> {
        let log = format!("{HOME}/pod-logs/once.log");
        if Path::new(&log).exists() {
            fs::remove_file(&log).map_err(|error| error.to_string())?;
        }
        let linux = Message::default().message(2, context);
        let id = self.create(container("once", &["sh", "-c", program]).merged(config).message(15, linux))?;
        let started = self.call("StartContainer", &Message::default().text(1, &id));
        let result = started.and_then(|_| {
            let found = self.state(&id, EXITED)?.number(7);
            self.logged("once", text)?;
            if found == status { Ok(()) } else { Err(format!("status {found}")) }
        });
        self.call("RemoveContainer", &Message::default().text(1, &id))?;
        result
    }
}

fn daemon(cri: &Cri, inside: &Inside) -> Result<Running, String> {
    let plugin = "plugins.\"io.containerd.grpc.v1.cri\"";
    let settings = format!(
        "[{plugin}]\nsandbox_image = \"{IMAGE}\"\nstream_server_address = \"127.0.0.1\"\n\
         disable_cgroup = {}\nrestrict_oom_score_adj = true\ndisable_apparmor = true\n\
         [{plugin}.containerd]\ndefault_runtime_name = \"tested\"\n\
         [{plugin}.containerd.runtimes.tested]\nruntime_type = \"io.containerd.runc.v2\"\n\
         [{plugin}.containerd.runtimes.tested.options]\nBinaryName = \"{}\"\n",
        !inside.has("cpu"),
        inside.program.display(),
    );
    let mut daemon = containerd::start("containerd", Some(&settings))?;
    command::until(LIMIT, "the CRI answers", || cri.call("Version", &Message::default()).is_ok())
        .map_err(|problem| format!("{problem}: {}", daemon.last_words()))?;
    Ok(daemon)
}

//! Bundles: a root file system with the test program in it and a config.json that a test changes before it is written.

use super::payload;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A bundle on disk. `config` is written by `path()`, so that a test changes it freely before the first call.
pub struct Bundle {
    pub dir: PathBuf,
    pub config: Value,
}

/// The usual capabilities of a container of Docker and Podman.
pub const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

pub const MASKED: [&str; 8] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

pub const READONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// systemd wants `slice:prefix:name`.
fn cgroups_path(tag: &str, dir: &Path) -> String {
    let name = dir.file_name().unwrap().to_string_lossy();
    if super::by_systemd() { format!("runlettest.slice:{tag}:{name}") } else { format!("/{tag}-{name}") }
}

impl Bundle {
    pub fn create(dir: PathBuf, tag: &str, args: &[&str]) -> Self {
        let root = dir.join("rootfs");
        for name in ["proc", "sys", "dev", "tmp", "etc", "bin"] {
            fs::create_dir_all(root.join(name)).expect("rootfs");
        }
        super::host::copy_program(payload::path(), &root.join("bin/payload"));
        let mut words = vec!["/bin/payload"];
        words.extend(args);
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": { "uid": 0, "gid": 0 },
                "args": words,
                "env": ["PATH=/bin:/sbin:/usr/bin", format!("RUNLET_TEST_TAG={tag}")],
                "cwd": "/",
                "capabilities": {
                    "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES
                },
                "noNewPrivileges": true
            },
            "root": { "path": "rootfs", "readonly": false },
            "hostname": "box",
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                  "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                  "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] },
                { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                  "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
                { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] },
                { "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"] }
            ],
            "linux": {
                "cgroupsPath": cgroups_path(tag, &dir),
                "namespaces": [
                    { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" },
                    { "type": "cgroup" }
                ],
                "maskedPaths": MASKED,
                "readonlyPaths": READONLY
            }
        });
        Self { dir, config }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    /// The container's cgroup, below the mount of cgroups.
    pub fn cgroup(&self) -> String {
        let path = self.config["linux"]["cgroupsPath"].as_str().unwrap();
        match path.split(':').collect::<Vec<_>>().as_slice() {
            [slice, prefix, name] => format!("/{slice}/{prefix}-{name}.scope"),
            _ => path.to_string(),
        }
    }

    /// Writes config.json and gives the bundle's directory.
    pub fn path(&self) -> String {
        self.write_text(&self.config.to_string());
        self.dir.to_string_lossy().into_owned()
    }

    /// Writes any text as config.json.
    pub fn write_text(&self, text: &str) {
        fs::write(self.dir.join("config.json"), text).expect("config.json");
    }

    /// Sets the value at a JSON pointer (`/linux/rootfsPropagation`), making objects on the way.
    pub fn set(&mut self, pointer: &str, value: impl Into<Value>) -> &mut Self {
        let mut place = &mut self.config;
        for key in pointer.split('/').skip(1) {
            place = match place {
                Value::Array(items) => &mut items[key.parse::<usize>().expect("index")],
                other => {
                    if !other.is_object() {
                        *other = json!({});
                    }
                    other.as_object_mut().unwrap().entry(key).or_insert(Value::Null)
                }
            };
        }
        *place = value.into();
        self
    }

    /// Removes the member at a JSON pointer.
    pub fn unset(&mut self, pointer: &str) -> &mut Self {
        let (parent, key) = pointer.rsplit_once('/').expect("pointer");
        if let Some(Value::Object(map)) = self.config.pointer_mut(parent) {
            map.remove(key);
        }
        self
    }

    pub fn push(&mut self, pointer: &str, value: Value) -> &mut Self {
        if !self.config.pointer(pointer).is_some_and(Value::is_array) {
            self.set(pointer, json!([]));
        }
        self.config.pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(value);
        self
    }

    /// The payload's command line.
    pub fn args(&mut self, words: &[&str]) -> &mut Self {
        let mut all = vec!["/bin/payload"];
        all.extend(words);
        self.set("/process/args", all)
    }

    pub fn mount(&mut self, destination: &str, kind: &str, source: &str, options: &[&str]) -> &mut Self {
        self.push(
            "/mounts",
            json!({ "destination": destination, "type": kind, "source": source, "options": options }),
        )
    }

    pub fn bind(&mut self, source: impl AsRef<Path>, destination: &str, options: &[&str]) -> &mut Self {
        let mut all = vec!["bind"];
        all.extend(options);
        self.mount(destination, "bind", &source.as_ref().to_string_lossy(), &all)
    }

    pub fn remove_mount(&mut self, destination: &str) -> &mut Self {
        self.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != destination);
        self
    }

    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        self.config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .retain(|namespace| namespace["type"] != kind);
        self
    }

    pub fn namespace(&mut self, kind: &str, path: Option<&str>) -> &mut Self {
        self.without_namespace(kind);
        self.push(
            "/linux/namespaces",
            match path {
                Some(path) => json!({ "type": kind, "path": path }),
                None => json!({ "type": kind }),
            },
        )
    }

    /// All five capability sets at once.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Self {
        self.set(
            "/process/capabilities",
            json!({ "bounding": names, "effective": names, "permitted": names, "inheritable": names, "ambient": names }),
        )
    }
}

//! A transient scope of systemd's as the container's cgroup.
//!
//! systemd makes a scope only around a process, so a placeholder is put into it, the container is then born there like in any
//! other cgroup, and the placeholder goes. Limits are given to systemd as properties, so that it does not undo them when it
//! reloads, and written to the files as well, which is what is read back. The scope is delegated: systemd leaves what is
//! below it alone.

use super::dbus::{BUS, Call, Connection, Object};
use crate::compile::cgroup::Write;
use crate::compile::process::bit_list;
use crate::error::{Error, Result, decimal, error};
use crate::paths;
use crate::{texts, texts::Texts};
use alloc::{boxed::Box, string::String};
use rustix::fd::OwnedFd;
use syscalls::process::{Fork, SIGCHLD, WEXITED, WaitFor};

const MANAGER: Object<'static> = Object {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};
const PROPERTIES: Object<'static> = Object { interface: "org.freedesktop.DBus.Properties", ..MANAGER };
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// A scope by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Of the user's systemd, not the system's.
    pub user: bool,
    /// `system.slice`; may be nested (`a-b.slice` is in `a.slice`).
    pub slice: &'static str,
    /// `prefix-name.scope`.
    pub unit: &'static str,
    /// The cgroup below the manager's own; of a noted scope the note has it.
    pub path: &'static str,
}

/// Whether a cgroupsPath has systemd's form.
pub fn is_form(cgroups_path: &str) -> bool {
    !cgroups_path.starts_with('/') && cgroups_path.split(':').count() == 3
}

/// Whether systemd runs this machine (sd_booted(3)).
pub fn is_running() -> bool {
    rustix::fs::access(c"/run/systemd/system", rustix::fs::Access::EXISTS).is_ok()
}

impl Scope {
    /// From `slice:prefix:name`, or the default for a container that names none.
    pub fn of(cgroups_path: &str, id: &str, user: bool) -> Result<&'static Scope> {
        let refuse = |why: &str| error!("linux.cgroupsPath {quoted}: {}", cgroups_path, why);
        let mut parts = cgroups_path.split(':');
        let (slice, prefix, name) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(""), None, ..) => ("", "runlet", id),
            (Some(slice), Some(prefix), Some(name), None) => (slice, prefix, name),
            _ => {
                return Err(refuse("must be slice:prefix:name").hint(words!("systemd is the cgroup manager")));
            }
        };
        let slice = match (slice, user) {
            ("", false) => "system.slice",
            ("", true) => "user.slice",
            (slice, _) => slice,
        };
        let dash = if prefix.is_empty() { "" } else { "-" };
        let unit = paths::join(&[prefix, dash, name, ".scope"]);
        // systemd.unit(5), "String Escaping for Inclusion in Unit Names".
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if name.is_empty() || unit.len() > 255 || !unit.bytes().all(plain) || !slice.bytes().all(plain) {
            return Err(refuse("is not the name of a unit"));
        }
        let Some(above) = path(slice) else { return Err(refuse("is not the name of a slice")) };
        let path = paths::join(&[&above, "/", unit]);
        Ok(Box::leak(Box::new(Scope { user, slice: paths::join(&[slice]), unit, path })))
    }

    /// The note of the scope, whose cgroup is at this path.
    pub fn note(&self, path: &str) -> &'static str {
        paths::join(&[path, if self.user { "\n@user " } else { "\n@system " }, self.slice, " ", self.unit])
    }

    /// From the line of a note.
    pub fn of_note(line: &'static str) -> Option<&'static Scope> {
        let (manager, rest) = line.strip_prefix('@')?.split_once(' ')?;
        let (slice, unit) = rest.split_once(' ')?;
        Some(Box::leak(Box::new(Scope { user: manager == "user", slice, unit, path: "" })))
    }

    fn connect(&self) -> Result<Box<Connection>> {
        match self.user {
            false => Connection::open(SYSTEM_BUS),
            true => {
                Connection::open(paths::join(&["/run/user/", &decimal(syscalls::ids::start().uid), "/bus"]))
            }
        }
    }

    /// Calls a method of the manager that answers with nothing of interest.
    fn tell(&self, call: &mut Call) -> Result<()> {
        self.connect()?.call(call).map(drop)
    }

    /// The cgroup of the manager itself, below which its slices are: empty for the system's.
    pub fn manager_path(&self) -> Result<&'static str> {
        if !self.user {
            return Ok("");
        }
        let mut get = Call::new(&PROPERTIES, "Get", "ss");
        get.string(MANAGER.interface).string("ControlGroup");
        let answer = self.connect()?.call(&mut get)?;
        Ok(paths::without_slash(answer.variant().unwrap_or_default()))
    }

    /// Makes the scope, with a placeholder in it.
    pub fn start(&self, id: &str, writes: &[Write]) -> Result<Placeholder> {
        let placeholder = Placeholder::new()?;
        self.start_around(placeholder.pid, id, writes)?;
        Ok(placeholder)
    }

    fn start_around(&self, pid: i32, id: &str, writes: &[Write]) -> Result<()> {
        let mut connection = self.connect()?;
        let mut rule = Call::new(&BUS, "AddMatch", "s");
        rule.string("type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
        connection.call(&mut rule)?;
        connection.call(&mut Call::new(&MANAGER, "Subscribe", ""))?;

        let mut start = Call::new(&MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))");
        let list = start.string(self.unit).string("fail").array(8);
        start.text("Description", paths::join(&["container ", id]));
        start.text("Slice", self.slice);
        start.flag("Delegate", true);
        let pids = start.property("PIDs", "au").array(4);
        start.word(pid.cast_unsigned()).end(pids);
        start.flag("DefaultDependencies", false);
        // A scope whose last process was killed for memory counts as failed, and would stay to be looked at.
        start.text("CollectMode", "inactive-or-failed");
        // The placeholder and the container's first process.
        properties(writes, 2, &mut start);
        start.end(list);
        // No auxiliary units.
        start.array(8);
        let mut answer = connection.call(&mut start);
        if answer.as_ref().is_err_and(|error| says(error, b"UnitExists")) {
            // Left over from a container that failed.
            let mut reset = Call::new(&MANAGER, "ResetFailedUnit", "s");
            reset.string(self.unit);
            connection.call(&mut reset)?;
            answer = connection.call(&mut start);
        }
        match connection.job_result(answer?.string(0, 0).unwrap_or_default())? {
            "done" => Ok(()),
            result => Err(error!("systemd: start of {}: {}", self.unit, result)),
        }
    }

    /// Tells systemd of new limits.
    pub fn update(&self, writes: &[Write]) -> Result<()> {
        let mut set = Call::new(&MANAGER, "SetUnitProperties", "sba(sv)");
        // True: until the next boot.
        let list = set.string(self.unit).word(1).array(8);
        properties(writes, 1, &mut set);
        if set.end(list) { self.tell(&mut set) } else { Ok(()) }
    }

    /// Has systemd move a process into the scope, which may do so where the caller may not.
    pub fn attach(&self, pid: i32) -> Result<()> {
        let mut attach = Call::new(&MANAGER, "AttachProcessesToUnit", "ssau");
        // To the scope's own cgroup, none below it.
        let pids = attach.string(self.unit).string("").array(4);
        attach.word(pid.cast_unsigned()).end(pids);
        self.tell(&mut attach)
    }

    /// Lets systemd forget the scope. One that it has forgotten already is success.
    pub fn stop(&self) -> Result<()> {
        let mut stop = Call::new(&MANAGER, "StopUnit", "ss");
        stop.string(self.unit).string("replace");
        match self.tell(&mut stop) {
            Err(error) if says(&error, b"NoSuchUnit") => Ok(()),
            other => other,
        }
    }
}

/// The cgroup of a slice below the manager's own: each dash of its name is a level (systemd.slice(5)).
fn path(slice: &str) -> Option<String> {
    let name = slice.strip_suffix(".slice")?;
    let mut path = String::new();
    let mut end = 0usize;
    for part in name.split('-').filter(|_| name != "-") {
        if part.is_empty() {
            return None;
        }
        end = end.saturating_add(part.len());
        path.push('/');
        path.push_str(name.get(..end)?);
        path.push_str(".slice");
        end = end.saturating_add(1);
    }
    Some(path)
}

/// Whether an answer is the error of that name.
fn says(error: &Error, name: &[u8]) -> bool {
    error.message().as_bytes().windows(name.len()).any(|part| part == name)
}

/// A process that does nothing but be there.
#[derive(Debug)]
pub struct Placeholder {
    pid: i32,
    /// It ends when this is closed, also by the end of the runtime.
    leash: Option<OwnedFd>,
}

impl Placeholder {
    fn new() -> Result<Placeholder> {
        let failed = |errno| Error::os(words!("start a process to hold the scope"))(errno);
        let (read, write) = syscalls::fd::pipe(rustix::pipe::PipeFlags::CLOEXEC.bits()).map_err(failed)?;
        match syscalls::process::clone(0, false, SIGCHLD).map_err(failed)? {
            Fork::Parent { pid, .. } => Ok(Placeholder { pid, leash: Some(write) }),
            Fork::Child => {
                drop(write);
                let mut byte = [0u8];
                // Nothing is ever written: this returns when the last writer is gone.
                let status = syscalls::fd::read(syscalls::AsFd::as_fd(&read), &mut byte);
                syscalls::process::exit_group(i32::from(status.is_err()))
            }
        }
    }
}

impl Placeholder {
    /// Lets it end by itself. Nobody else has its leash any more, and who waits for any child may have reaped it already.
    pub fn let_go(mut self) {
        self.leash = None;
        core::mem::forget(self);
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        self.leash = None;
        // The container's process has a copy of the leash until it executes its program, so that is not enough. It is this process's
        // child, and ends at once.
        let killed = syscalls::process::kill(self.pid, syscalls::process::SIGKILL);
        debug_assert!(killed.is_ok());
        let ended = syscalls::process::waitid(WaitFor::Pid(self.pid), WEXITED);
        debug_assert!(ended.is_ok());
    }
}

/// Files with a property of the same meaning (systemd.resource-control(5), org.freedesktop.systemd1(5)).
static PROPERTIES_OF: Texts = texts![
    "memory.max MemoryMax",
    "memory.low MemoryLow",
    "memory.high MemoryHigh",
    "memory.min MemoryMin",
    "memory.swap.max MemorySwapMax",
    "cpu.weight CPUWeight",
    "io.weight IOWeight",
    "pids.max TasksMax",
    "cpuset.cpus AllowedCPUs",
    "cpuset.mems AllowedMemoryNodes",
    "cpu.max CPUQuotaPerSecUSec",
];

/// Says what systemd can be told of the limits; the rest it does not touch. `tasks` is the least that it is told for TasksMax: it knows
/// none of 0, which allows as much as 1.
fn properties(writes: &[Write], tasks: u64, call: &mut Call) {
    let number = |text: &str| if text == "max" { Some(u64::MAX) } else { text.parse().ok() };
    for write in writes.iter().filter(|write| !write.v1) {
        let mut rows = PROPERTIES_OF.iter().filter_map(|row| row.split_once(' '));
        let name = rows.find(|(file, _)| file.as_bytes() == write.file.to_bytes()).map_or("", |row| row.1);
        let value = write.value;
        let value = match name {
            "" => None,
            "AllowedCPUs" | "AllowedMemoryNodes" => {
                if let Some(mask) = mask(value) {
                    call.property(name, "ay").bytes(mask);
                }
                None
            }
            "CPUQuotaPerSecUSec" => {
                let (quota, period) = value.split_once(' ').unwrap_or((value, ""));
                let period = number(period);
                if let Some(period) = period {
                    call.number("CPUQuotaPeriodUSec", period);
                }
                // Microseconds in a second of time; in whole hundredths of a processor, rounded up, as systemd keeps it.
                number(quota).map(|quota| {
                    let exact = quota.saturating_mul(1_000_000).checked_div(period.unwrap_or(100_000));
                    let second = exact.unwrap_or(0).div_ceil(10_000).saturating_mul(10_000);
                    if quota == u64::MAX { quota } else { second }
                })
            }
            "TasksMax" => number(value).map(|number| number.max(tasks)),
            _ => number(value),
        };
        if let Some(value) = value {
            call.number(name, value);
        }
    }
}

/// `0-2,7` as bits, without bytes of none at the end. The kernel lets a part of such a list be empty.
fn mask(list: &str) -> Option<&'static [u8]> {
    let mut parts = String::new();
    for part in list.split(',').filter(|part| !part.trim_ascii().is_empty()) {
        parts.push(',');
        parts.push_str(part);
    }
    let bits = bit_list(parts.get(1..)?)?;
    let end = bits.iter().rposition(|byte| *byte != 0)?;
    bits.get(..=end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compile::cgroup::Missing;

    #[test]
    fn a_scope_is_where_its_slice_says() {
        let scope = Scope::of("a-b.slice:docker:box", "id", false).unwrap();
        assert_eq!((scope.slice, scope.unit), ("a-b.slice", "docker-box.scope"));
        assert_eq!(scope.path, "/a.slice/a-b.slice/docker-box.scope");
        assert_eq!(Scope::of("", "id", false).unwrap().path, "/system.slice/runlet-id.scope");
        assert_eq!(Scope::of("", "id", true).unwrap().path, "/user.slice/runlet-id.scope");
        assert_eq!(Scope::of("-.slice::x", "id", false).unwrap().path, "/x.scope");
        let (_, line) = scope.note("/x").split_once('\n').unwrap();
        assert_eq!(*Scope::of_note(line).unwrap(), Scope { path: "", ..*scope });
    }

    #[test]
    fn what_is_not_a_unit_is_refused() {
        for path in [
            "/a/b",
            "a:b",
            "a.slice:b:",
            "a:b:c",
            "a--b.slice:x:y",
            ".slice:x:y",
            "a.slice:x:../y",
            "a.slice:x y:z",
        ] {
            assert!(Scope::of(path, "id", false).is_err(), "{path}");
        }
        assert!(is_form("a.slice:b:c") && is_form("::") && !is_form("/a:b:c") && !is_form("/a/b"));
    }

    #[test]
    fn limits_become_properties() {
        let write = |file: &str, value: &str| Write {
            v1: false,
            file: paths::cstring(file),
            value: String::from(value).leak(),
            place: "".into(),
            missing: Missing::Fail,
        };
        let writes = [
            write("memory.max", "4096"),
            write("memory.swap.max", "max"),
            write("pids.max", "7"),
            write("pids.max", "0"),
            write("cpu.max", "50000 100000"),
            write("cpu.max", "max"),
            write("cpu.max", "12345"),
            write("cpuset.cpus", "0-1,9"),
            write("io.max", "8:0 rbps=1"),
        ];
        let mut expected = Call::new(&BUS, "", "");
        for (name, value) in [
            ("MemoryMax", 4096),
            ("MemorySwapMax", u64::MAX),
            ("TasksMax", 7),
            ("TasksMax", 1),
            ("CPUQuotaPeriodUSec", 100_000),
            ("CPUQuotaPerSecUSec", 500_000),
            ("CPUQuotaPerSecUSec", u64::MAX),
            ("CPUQuotaPerSecUSec", 130_000),
        ] {
            expected.number(name, value);
        }
        expected.property("AllowedCPUs", "ay").bytes(&[3, 2]);
        let mut said = Call::new(&BUS, "", "");
        properties(&writes, 1, &mut said);
        assert_eq!(said, expected);
    }
}

//! `linux.intelRdt` (config-linux.md "IntelRdt"): the container's group in the resctrl file system.
//!
//! Owns the group's directory: which it is, what is written there and in what order, and what is removed again. Whether a mask or
//! a bandwidth can be had is the kernel's to say. Without the property nothing here is called and no resctrl is touched. What has
//! been made is noted in the state directory before it is, as the cgroup is, so that a killed create can be undone.

use crate::cgroup::host;
use crate::config::{Config, IntelRdt};
use crate::error::{Error, Quoted, Result, decimal, error};
use crate::paths::{self, cstring};
use crate::spawn::write_file;
use crate::store::{self, Entry};
use crate::texts::{part, same};
use alloc::{boxed::Box, format, string::String, vec::Vec};
use rustix::fs::{Access, Mode, OFlags};
use rustix::io::Errno;

/// A container's group: where its processes and its schemata go.
pub struct Group {
    /// The mount point of resctrl.
    root: &'static str,
    /// The control group, below it or itself.
    control: &'static str,
    /// The container's own monitoring group in there, if it is to have one.
    monitor: Option<&'static str>,
}

/// A group that is about to be used: what is made and what is written. Nothing has happened yet.
pub struct Prepared {
    pub group: &'static Group,
    /// Lines for `schemata`, in the order in which they are written.
    schemata: Vec<String>,
    /// Whether the directory is not there yet.
    is_new: bool,
    /// Whether config.json names the group: then it outlives the container, whoever made it.
    is_named: bool,
}

/// The group of a container that has one. Only reads.
pub fn group(config: &Config<'_>, id: &str) -> Result<Option<&'static Group>> {
    match &config.linux.intel_rdt {
        Some(asked) => group_in(mount_point(&host::mountinfo())?, asked, id).map(Some),
        None => Ok(None),
    }
}

/// The group, and what is to be done with it. Refuses what cannot be had. Only reads.
pub fn prepare(config: &Config<'_>, id: &str) -> Result<Option<&'static Prepared>> {
    match (&config.linux.intel_rdt, group(config, id)?) {
        (Some(asked), Some(group)) => prepare_group(group, asked).map(Some),
        _ => Ok(None),
    }
}

/// Where the first resctrl of a mountinfo is mounted.
fn mount_point(mountinfo: &str) -> Result<&'static str> {
    for line in mountinfo.lines() {
        if let Some((mount, file_system)) = host::halves(line)
            && file_system.starts_with("resctrl ")
            && let Some(point) = part(mount, ' ', 4)
        {
            return Ok(host::unescape(point).leak());
        }
    }
    Err(Error::new(words!("linux.intelRdt: no resctrl file system is mounted"))
        .hint(words!("mount -t resctrl resctrl /sys/fs/resctrl, where the processor and the kernel have it")))
}

fn group_in(root: &'static str, asked: &IntelRdt<'_>, id: &str) -> Result<&'static Group> {
    let name = asked.clos_id.unwrap_or(id);
    let control = match name {
        // The default group is the root itself.
        "/" => root,
        // The directories that are no groups, and names that would lead elsewhere.
        _ if ["", ".", "..", "info", "mon_groups", "mon_data"].contains(&name) || name.contains('/') => {
            return Err(refuse("closID", "is not a name for a group"));
        }
        _ => paths::join(&[root, "/", name]),
    };
    let monitor = asked.enable_monitoring.then(|| paths::join(&[control, "/mon_groups/", id]));
    Ok(Box::leak(Box::new(Group { root, control, monitor })))
}

fn refuse(field: &str, why: &str) -> Error {
    error!("config.json: linux.intelRdt.{}: {}", field, why)
}

fn prepare_group(group: &'static Group, asked: &IntelRdt<'_>) -> Result<&'static Prepared> {
    let is_new = rustix::fs::access(cstring(group.control), Access::EXISTS).is_err();
    let is_named = asked.clos_id.is_some();
    let l3 = asked.l3_cache_schema.unwrap_or_default();
    let bandwidth = asked.mem_bw_schema.unwrap_or_default();
    if !bandwidth.is_empty() && !is_bandwidth(bandwidth) {
        return Err(refuse("memBwSchema", "must be one line that starts with MB:"));
    }
    let mut schemata = Vec::new();
    let mut add = |field, line: &str| {
        if line.is_empty() {
            return Ok(());
        }
        if is_named && !is_new && !agrees(&read(paths::join(&[group.control, "/schemata"]))?, line) {
            return Err(refuse(field, "the group of that closID is there and has another schema"));
        }
        schemata.push(line.into());
        Ok(())
    };
    add("l3CacheSchema", l3)?;
    add("memBwSchema", bandwidth)?;
    for line in asked.schemata.as_deref().unwrap_or_default() {
        if line.contains('\n') {
            return Err(refuse("schemata", "each must be one line"));
        }
        schemata.push(String::from(*line));
    }
    if is_named && is_new && schemata.is_empty() {
        return Err(refuse("closID", "there is no such group, and no schema to make it with"));
    }
    Ok(Box::leak(Box::new(Prepared { group, schemata, is_new, is_named })))
}

/// Whether this is a schema of memory bandwidth, which `--mem-bw-schema` takes as well.
pub fn is_bandwidth(line: &str) -> bool {
    line.starts_with("MB:") && !line.contains('\n')
}

/// Whether everything that a schema says is so already in `schemata`. There the kernel has padded names, and numbers without the
/// zeros that may lead them (fs/resctrl/ctrlmondata.c).
fn agrees(schemata: &str, schema: &str) -> bool {
    for line in schema.lines().filter(|line| !line.is_empty()) {
        let Some((resource, domains)) = line.split_once(':') else { return false };
        for domain in domains.split(';').filter(|domain| !domain.is_empty()) {
            if !says(schemata, resource, domain) {
                return false;
            }
        }
    }
    true
}

/// Whether `schemata` gives a resource this value in this domain (`0=f`).
fn says(schemata: &str, resource: &str, domain: &str) -> bool {
    let Some((id, value)) = domain.split_once('=') else { return false };
    for line in schemata.lines() {
        let Some((name, domains)) = line.split_once(':') else { continue };
        for domain in domains.split(';') {
            if let Some((other, have)) = domain.split_once('=')
                && name.trim_ascii() == resource.trim_ascii()
                && other.trim_ascii() == id.trim_ascii()
            {
                return same(bare(have), bare(value));
            }
        }
    }
    false
}

/// A number without what may lead it.
fn bare(number: &str) -> &[u8] {
    let mut bare = number.trim_ascii().as_bytes();
    while let [b'0' | b'x', rest @ ..] = bare {
        bare = rest;
    }
    bare
}

impl Prepared {
    /// Makes the group, its schemata and its monitoring group.
    pub fn make(&self, entry: &Entry) -> Result<()> {
        self.make_directory(entry)?;
        for line in &self.schemata {
            self.group.write_schema(line)?;
        }
        self.make_monitor(entry)
    }

    fn make_directory(&self, entry: &Entry) -> Result<()> {
        match self.is_new {
            true => self.group.make(self.group.control, Some(entry)),
            false => Ok(()),
        }
    }

    fn make_monitor(&self, entry: &Entry) -> Result<()> {
        match self.group.monitor {
            // In a group that is new it goes together with that one, which is noted already.
            Some(monitor) => self.group.make(monitor, (!self.is_new).then_some(entry)),
            None => Ok(()),
        }
    }

    /// The container is made. A group that has a name stays when it is deleted.
    pub fn keep(&self, entry: &Entry) -> Result<()> {
        if !(self.is_new && self.is_named) {
            return Ok(());
        }
        entry.forget_rdt()?;
        self.group.monitor.map_or(Ok(()), |monitor| entry.note_rdt(monitor))
    }
}

impl Group {
    /// Puts a process into the group, with all that it will start.
    pub fn assign(&self, pid: i32) -> Result<()> {
        let pid = decimal(pid);
        self.write(paths::join(&[self.control, "/tasks"]), &pid, "linux.intelRdt")?;
        match self.monitor {
            Some(monitor) => self.write(paths::join(&[monitor, "/tasks"]), &pid, "linux.intelRdt"),
            None => Ok(()),
        }
    }

    /// Writes one schema.
    pub fn write_schema(&self, schema: &str) -> Result<()> {
        let place = format!("linux.intelRdt: {} to", Quoted(schema));
        self.write(paths::join(&[self.control, "/schemata"]), paths::join(&[schema, "\n"]), &place)
    }

    fn write(&self, path: &str, text: &str, place: &str) -> Result<()> {
        write_file(path, text.as_bytes(), place).map_err(|error| self.explain(error))
    }

    /// Makes a directory. With an entry it is one that `delete` is to remove: noted there before.
    fn make(&self, path: &str, entry: Option<&Entry>) -> Result<()> {
        entry.map_or(Ok(()), |entry| entry.note_rdt(path))?;
        let made = paths::make_directory(path, Mode::from_raw_mode(0o755));
        made.map_err(|errno| {
            let error = self.explain(Error::sys(words!("linux.intelRdt: make"), path)(errno));
            entry.and_then(|entry| entry.forget_rdt().err()).unwrap_or(error)
        })
    }

    /// Adds what the kernel says of the last command.
    fn explain(&self, error: Error) -> Error {
        match read(paths::join(&[self.root, "/info/last_cmd_status"])) {
            Ok(status) => error.between("", paths::join(&[" (", status.trim_ascii(), ")"])),
            Err(_) => error,
        }
    }
}

/// Removes what was noted. One that is gone is no error.
pub fn remove(entry: &Entry) -> Result<()> {
    let Some(path) = entry.rdt() else { return Ok(()) };
    match paths::remove_directory(path) {
        Ok(()) | Err(Errno::NOENT) => entry.forget_rdt(),
        Err(errno) => Err(Error::sys(words!("remove the resctrl group"), path)(errno)),
    }
}

fn read(path: &str) -> Result<String> {
    let failed = |errno| Error::sys(words!("linux.intelRdt: read"), path)(errno);
    let file = paths::open(cstring(path), OFlags::RDONLY).map_err(failed)?;
    store::read_all(&file).map_err(failed).map(|text| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    extern crate std;
    use super::*;
    use crate::store::Store;
    use alloc::string::ToString;
    use std::fs;
    use std::path::PathBuf;

    /// A directory tree that stands in for resctrl, with a state directory beside it. The kernel's part, which is to fill new
    /// directories and to empty those that go, is played by `fill` and `empty`.
    struct Stand {
        base: PathBuf,
        entry: Entry,
        store: Store,
    }

    impl Stand {
        fn new(name: &str) -> Stand {
            let base = std::env::temp_dir().join(format!("runlet-rdt-{}-{name}", std::process::id()));
            fs::create_dir_all(base.join("resctrl/info")).unwrap();
            fs::write(base.join("resctrl/info/last_cmd_status"), "ok\n").unwrap();
            fill(&base.join("resctrl"), "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n");
            let store = Store::new(String::from(base.join("state").to_str().unwrap()).leak());
            let entry = store.create("box").unwrap();
            Stand { base, entry, store }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.base.join("resctrl").join(name)
        }

        fn prepare(&self, json: &str) -> core::result::Result<&'static Prepared, String> {
            let asked: &mut IntelRdt<'_> = crate::config::parse("intelRdt", json.as_bytes()).unwrap();
            let root = self.path("").to_str().unwrap().trim_end_matches('/').to_string().leak();
            let group = group_in(root, asked, "box").map_err(|error| error.to_string())?;
            prepare_group(group, asked).map_err(|error| error.to_string())
        }

        /// Prepares and makes a group whose directory the stand fills.
        fn make(&self, json: &str) -> &'static Prepared {
            let prepared = self.prepare(json).unwrap_or_else(|error| panic!("{json}: {error}"));
            prepared.make_directory(&self.entry).unwrap();
            if prepared.is_new {
                fill(prepared.group.control.as_ref(), "");
            }
            prepared
        }
    }

    impl Drop for Stand {
        fn drop(&mut self) {
            // A test may have removed them itself, and what failed before must stay the failure that is seen.
            let _ = self.store.remove(&self.entry);
            let _ = fs::remove_dir_all(&self.base);
        }
    }

    fn fill(directory: &std::path::Path, schemata: &str) {
        fs::create_dir_all(directory.join("mon_groups")).unwrap();
        fs::write(directory.join("schemata"), schemata).unwrap();
        fs::write(directory.join("tasks"), "").unwrap();
    }

    fn empty(directory: &std::path::Path) {
        fs::remove_dir_all(directory).unwrap();
        fs::create_dir(directory).unwrap();
    }

    #[test]
    fn the_mount_is_found_by_its_type_wherever_it_is() {
        let table = "24 1 0:21 / /sys rw - sysfs sysfs rw\n30 24 0:9 / /my\\040rdt rw,relatime shared:5 - resctrl none rw\n";
        assert_eq!(mount_point(table).unwrap(), "/my rdt");
        let none = mount_point("24 1 0:21 / /sys/fs/resctrl rw - tmpfs resctrl rw\n").unwrap_err();
        assert!(none.to_string().contains("no resctrl file system is mounted"), "{none}");
    }

    #[test]
    fn a_group_of_its_own_is_made_filled_in_order_and_removed() {
        let stand = Stand::new("own");
        let json =
            r#"{"memBwSchema": "MB:0=20", "l3CacheSchema": "L3:0=f", "schemata": ["L2:0=3", "MB:1=40"]}"#;
        let prepared = stand.make(json);
        assert_eq!(prepared.schemata, ["L3:0=f", "MB:0=20", "L2:0=3", "MB:1=40"]);
        prepared.group.write_schema("L3:0=f").unwrap();
        assert_eq!(fs::read_to_string(stand.path("box/schemata")).unwrap(), "L3:0=f\n");
        prepared.group.assign(4711).unwrap();
        assert_eq!(fs::read_to_string(stand.path("box/tasks")).unwrap(), "4711");
        prepared.keep(&stand.entry).unwrap();
        empty(&stand.path("box"));
        remove(&stand.entry).unwrap();
        assert!(!stand.path("box").exists() && stand.entry.rdt().is_none());
        // One of that name that is there is used, and not ours to remove.
        fill(&stand.path("box"), "    L3:0=fffff\n");
        let prepared = stand.make(json);
        prepared.keep(&stand.entry).unwrap();
        remove(&stand.entry).unwrap();
        assert!(stand.path("box/tasks").exists());
    }

    #[test]
    fn a_named_group_must_be_there_or_be_made_by_a_schema_and_stays() {
        let stand = Stand::new("named");
        let refused = stand.prepare(r#"{"closID": "gold"}"#).err().unwrap();
        assert!(refused.contains("linux.intelRdt.closID: there is no such group"), "{refused}");
        let prepared = stand.make(r#"{"closID": "gold", "schemata": ["L3:0=f"]}"#);
        assert!(stand.path("gold").is_dir());
        assert!(stand.entry.rdt().is_some(), "a create that is killed now is undone");
        prepared.keep(&stand.entry).unwrap();
        remove(&stand.entry).unwrap();
        assert!(stand.path("gold").is_dir());
        // Now it is there, and needs no schema.
        let prepared = stand.make(r#"{"closID": "gold"}"#);
        assert!(prepared.schemata.is_empty() && stand.entry.rdt().is_none());
        prepared.keep(&stand.entry).unwrap();
        // So is the default group.
        let prepared = stand.make(r#"{"closID": "/"}"#);
        prepared.group.assign(1).unwrap();
        assert_eq!(fs::read_to_string(stand.path("tasks")).unwrap(), "1");
    }

    #[test]
    fn the_schemata_of_a_group_that_is_there_must_match() {
        let stand = Stand::new("match");
        for (fields, place) in [
            (r#""l3CacheSchema": "L3:0=fffff""#, ""),
            (r#""l3CacheSchema": "L3:1=0x0FFFFF;0=fffff", "memBwSchema": "MB:1=100""#, ""),
            (r#""l3CacheSchema": "L3:0=ffff""#, "l3CacheSchema"),
            (r#""l3CacheSchema": "L3:0=fffff", "memBwSchema": "MB:0=10""#, "memBwSchema"),
            (r#""l3CacheSchema": "L3:2=fffff""#, "l3CacheSchema"),
            (r#""l3CacheSchema": "L2:0=f""#, "l3CacheSchema"),
            (r#""l3CacheSchema": "nonsense""#, "l3CacheSchema"),
            // Only the two are compared: more schemata are written last, and the kernel decides.
            (r#""schemata": ["L3:0=1"]"#, ""),
        ] {
            let prepared = stand.prepare(&format!("{{\"closID\": \"/\", {fields}}}"));
            let refused = prepared.err().unwrap_or_default();
            assert_eq!(refused.is_empty(), place.is_empty(), "{fields}: {refused}");
            assert!(refused.contains(place), "{fields}: {refused}");
        }
    }

    #[test]
    fn a_monitoring_group_is_the_containers_own_wherever_the_group_is_from() {
        let stand = Stand::new("monitor");
        for (json, place) in
            [(r#"{"closID": "/", "enableMonitoring": true}"#, ""), (r#"{"enableMonitoring": true}"#, "box")]
        {
            let prepared = stand.make(json);
            prepared.make_monitor(&stand.entry).unwrap();
            let monitor = stand.path(place).join("mon_groups/box");
            assert!(monitor.is_dir(), "{json}");
            fs::write(monitor.join("tasks"), "").unwrap();
            prepared.group.assign(7).unwrap();
            assert_eq!(fs::read_to_string(monitor.join("tasks")).unwrap(), "7");
            prepared.keep(&stand.entry).unwrap();
            let noted = PathBuf::from(stand.entry.rdt().unwrap());
            assert_eq!(noted, if place.is_empty() { monitor } else { stand.path(place) });
            empty(&noted);
            remove(&stand.entry).unwrap();
        }
        // "If creation of the MON group fails ... the runtime MUST return an error": one that is there is another's.
        fs::create_dir(stand.path("mon_groups/box")).unwrap();
        let prepared = stand.make(r#"{"closID": "/", "enableMonitoring": true}"#);
        let refused = prepared.make_monitor(&stand.entry).unwrap_err().to_string();
        assert!(refused.contains("mon_groups/box") && refused.contains("(ok)"), "{refused}");
        remove(&stand.entry).unwrap();
        assert!(stand.path("mon_groups/box").is_dir(), "what others made stays");
    }

    #[test]
    fn values_that_are_none_are_refused_by_their_place() {
        let stand = Stand::new("values");
        for (json, place) in [
            (r#"{"closID": "../up"}"#, "closID"),
            (r#"{"closID": ".."}"#, "closID"),
            (r#"{"closID": ""}"#, "closID"),
            (r#"{"closID": "info"}"#, "closID"),
            (r#"{"memBwSchema": "L3:0=f"}"#, "memBwSchema"),
            (r#"{"memBwSchema": "MB:0=1\nL3:0=f"}"#, "memBwSchema"),
            (r#"{"schemata": ["L3:0=f", "MB:0=1\nL3:0=f"]}"#, "schemata"),
        ] {
            let refused = stand.prepare(json).err().unwrap_or_default();
            assert!(refused.contains(&format!("linux.intelRdt.{place}")), "{json}: {refused}");
        }
        assert!(stand.prepare(r#"{}"#).is_ok());
    }
}

//! A process that looks at all others in its pid namespace, for what they have of the host: once, and on until a file is there. What it
//! finds it says at once, and all of it at the end.

use crate::act::{Outcome, io};
use crate::json;
use crate::sys::{self, Errno, call, nr};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

fn others() -> Vec<i64> {
    let own = i64::from(std::process::id());
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .collect()
}

/// Says `ready`, then looks once, and on until `stop` is there. One whose test was killed ends after three minutes.
fn until(stop: &str, mut look: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    crate::say("\"ready\"");
    let start = Instant::now();
    loop {
        look()?;
        if fs::symlink_metadata(stop).is_ok() || start.elapsed() > Duration::from_secs(180) {
            return Ok(());
        }
    }
}

fn found(leaks: &mut BTreeSet<String>, leak: String) {
    if leaks.insert(leak.clone()) {
        crate::say(&json::string(&format!("found {leak}")).0);
    }
}

/// Tries to open for writing the file behind /proc/PID/exe of every other process. Says what it could open,
/// and each inode it saw that is not its own program.
pub fn watch_exe(stop: &str) -> Outcome {
    let own = fs::metadata("/proc/self/exe").map(|own| (own.dev(), own.ino())).map_err(io)?;
    let (mut seen, mut opened, mut kept) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    until(stop, || {
        for pid in others() {
            let path = format!("/proc/{pid}/exe");
            let Ok(fd) = sys::open(&path, sys::O_PATH, 0) else { continue };
            let name = format!("/proc/self/fd/{fd}");
            if let Ok(found) = fs::metadata(&name) {
                let id = (found.dev(), found.ino());
                if id != own && seen.insert(format!("{}:{}", id.0, id.1)) {
                    // Held open: the runtime may end, after which the file is no longer busy.
                    kept.push((fd, format!("{}:{}", id.0, id.1)));
                    continue;
                }
            }
            sys::close(fd);
        }
        for (fd, id) in &kept {
            if let Ok(writable) = sys::open(&format!("/proc/self/fd/{fd}"), sys::O_WRONLY | sys::O_APPEND, 0)
            {
                let _ = sys::write_fd(writable, b"#owned");
                sys::close(writable);
                opened.insert(id.clone());
            }
        }
        Ok(())
    })?;
    Ok(json::object([("seen", json::strings(seen)), ("opened", json::strings(opened))]))
}

/// Looks through fd, cwd and root of every other process for a directory or file of the host: one whose
/// device is that of no mount of this namespace.
pub fn scan(stop: &str) -> Outcome {
    let own = fs::metadata("/").map(|root| (root.dev(), root.ino())).map_err(io)?;
    let mut leaks = BTreeSet::new();
    let mut looked = 0u64;
    until(stop, || {
        for pid in others() {
            let base = format!("/proc/{pid}");
            for name in ["cwd", "root"] {
                if let Ok(place) = fs::metadata(format!("{base}/{name}")) {
                    looked += 1;
                    // A root other than ours is the host's; a cwd from which the host's marker can be read is outside.
                    if name == "root" && (place.dev(), place.ino()) != own {
                        found(&mut leaks, format!("{name} {}", target(&format!("{base}/{name}"))));
                    }
                    if fs::metadata(format!("{base}/{name}/HOST-MARKER")).is_ok() {
                        found(&mut leaks, format!("{name} marker"));
                    }
                }
            }
            for entry in fs::read_dir(format!("{base}/fd")).into_iter().flatten().flatten() {
                looked += 1;
                let path = entry.path();
                let Ok(open) = fs::metadata(&path) else { continue };
                if open.is_dir() {
                    // Up from a directory of the host leads out of the container.
                    let top = (0..32).fold(path.to_string_lossy().into_owned(), |path, _| path + "/..");
                    if let Ok(top) = fs::metadata(&top)
                        && (top.dev(), top.ino()) != own
                    {
                        found(&mut leaks, format!("fd dir {}", target(&path.to_string_lossy())));
                    }
                } else if open.is_file()
                    && fs::read(&path).is_ok_and(|content| content.starts_with(b"HOST-SECRET"))
                {
                    found(&mut leaks, format!("fd file {}", target(&path.to_string_lossy())));
                }
            }
        }
        Ok(())
    })?;
    Ok(json::object([("looked", json::number(looked)), ("leaks", json::strings(leaks))]))
}

/// Looks whether root, cwd, a descriptor or the mount namespace of another process leads to a directory
/// (`DEVICE:INODE`), going up from each. Other containers' own directories do not.
pub fn scan_for(stop: &str, wanted: &str) -> Outcome {
    let mut leaks = BTreeSet::new();
    let mut looked = 0u64;
    let is = |path: &str| {
        fs::metadata(path).is_ok_and(|found| format!("{}:{}", found.dev(), found.ino()) == wanted)
    };
    until(stop, || {
        for pid in others() {
            let base = format!("/proc/{pid}");
            let fds = fs::read_dir(format!("{base}/fd")).into_iter().flatten().flatten();
            let fds = fds.map(|entry| format!("fd/{}", entry.file_name().to_string_lossy()));
            for name in ["root".to_string(), "cwd".to_string()].into_iter().chain(fds) {
                looked += 1;
                let top = (0..32).fold(format!("{base}/{name}/."), |path, _| path + "/..");
                if is(&top) {
                    found(&mut leaks, name.split('/').next().unwrap_or("").to_string());
                }
            }
            if let Ok(fd) = sys::open(&format!("{base}/ns/mnt"), 0, 0) {
                let child = unsafe { sys::fork() };
                if child == 0 {
                    let inside = call!(nr::SETNS, fd, 0x2_0000).is_ok() && is("/");
                    std::process::exit(i32::from(inside));
                }
                if sys::waitpid(child, 0)?.1 != 0 {
                    found(&mut leaks, "mount namespace".to_string());
                }
                sys::close(fd);
            }
        }
        Ok(())
    })?;
    Ok(json::object([("looked", json::number(looked)), ("leaks", json::strings(leaks))]))
}

fn target(path: &str) -> String {
    fs::read_link(path).map_or_else(|_| "?".to_string(), |target| target.to_string_lossy().into_owned())
}

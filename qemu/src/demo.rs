//! `cargo demo`: a person sees in a dozen lines that a container is one.
//!
//! Builds, makes a bundle below target/demo, runs a program in it that looks around, and sets what it saw beside what this
//! program sees of the machine. As root, or as anybody in a user namespace. Called by main.

use crate::bundle::{self, Options};
use crate::host::{self, Context, Error, Result};
use crate::{dist, setup};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs of `/bin/true` of which the median is shown.
const RUNS: usize = 21;

/// What the program inside does: only the shell's own means and cat, ls and readlink, which every userland has. `$$` is
/// its pid, the pattern counts processes without starting one.
const LOOK: &str = r#"
echo "pid=$$"
set -- /proc/[0-9]*; echo "processes=$#"
echo "hostname=$(cat /proc/sys/kernel/hostname)"
echo "uid=$(id -u)"
set -- $(cat /proc/self/uid_map); echo "mapped=$2"
echo "mounts=$(cat /proc/self/mountinfo | wc -l)"
echo "network=$(ls /sys/class/net | tr '\n' ' ')"
while read -r name value; do echo "$name$value"; done < /proc/self/status
for kind in pid mnt ipc uts net cgroup user; do echo "ns_$kind=$(readlink /proc/self/ns/$kind)"; done
echo "files=$(ls / | tr '\n' ' ')"
[ "$$" != 1 ] || if (: > /proof) 2>/dev/null; then echo "write=works"; else echo "write=refused"; fi
echo "devices=$(ls /dev | tr '\n' ' ')"
echo "keys=$(cat /proc/keys 2>/dev/null | wc -c)"
"#;

type Facts = HashMap<String, String>;

/// `cargo demo`.
///
/// # Errors
/// It cannot be built, or the container does not start: then what the runtime said is in the error.
pub fn main(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        return Err(Error::new("usage: cargo demo (RUNTIME=/path/to/runc shows another runtime)"));
    }
    let userland = match setup::ensure(&[setup::BUSYBOX]) {
        Ok(()) => host::find_program("busybox"),
        Err(error) => {
            println!("demo: {error}; the container borrows this machine's /usr instead");
            None
        }
    };
    let (program, how) = match std::env::var_os("RUNTIME") {
        Some(program) => (PathBuf::from(program), String::new()),
        None => {
            if !host::target_directory().join("dist/runlet").exists() {
                println!(
                    "Building runlet and the standard library for it; the first time takes some minutes."
                );
            }
            let built = dist::build(dist::NATIVE)?;
            (built.file, format!("one static file, by {}", built.how))
        }
    };
    let directory = host::target_directory().join("demo");
    let borrowed = root_file_system(&directory.join("rootfs"), userland.as_deref())?;
    let borrowed: Vec<&str> = borrowed.iter().map(String::as_str).collect();
    let profile = host::workspace().join("tests/data/seccomp/docker.json");
    let profile = std::fs::read_to_string(&profile).context(|| format!("read {}", profile.display()))?;
    let rootfs = directory.join("rootfs").display().to_string();
    let bundle = |name: &str, args: &[&str]| -> Result<PathBuf> {
        let place = directory.join(name);
        let options = Options {
            args,
            rootfs: &rootfs,
            hostname: "a-small-cask",
            seccomp: Some(&profile),
            mapped: ids(),
            shown: &borrowed,
            ..Options::default()
        };
        bundle::write(&place, &options)?;
        Ok(place)
    };
    let look = bundle("look", &["/bin/sh", "-c", LOOK])?;
    let nothing = bundle("true", &["/bin/true"])?;

    let state = directory.join("state");
    let run = |bundle: &Path| -> Result<String> {
        let mut command = Command::new(&program);
        command.arg("--root").arg(&state).args(["run", "--bundle"]).arg(bundle).arg("demo");
        host::output(&mut command)
    };
    let inside = facts(&run(&look)?);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run(&nothing)?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let outside = Command::new("sh").args(["-c", LOOK]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let outside = facts(&String::from_utf8_lossy(&outside.context(|| "sh".into())?.stdout));
    let size = std::fs::metadata(&program).context(|| format!("stat {}", program.display()))?.len();

    show(&inside, &outside);
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let median = times.get(RUNS / 2).copied().unwrap_or_default();
    println!(
        "\n{median:.1} ms from `{name} run` to the end of /bin/true in such a container (median of {RUNS})"
    );
    println!("{} bytes of {name}{}{how}", grouped(size), if how.is_empty() { "" } else { ": " });
    println!("\nagain:    {} run --bundle {} demo", program.display(), look.display());
    println!("to edit:  {}", look.join("config.json").display());
    Ok(())
}

/// The caller's ids to be mapped, when the caller is not root.
fn ids() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let id = |name: &str| -> u32 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    (!host::is_root()).then(|| (id("Uid:"), id("Gid:")))
}

/// Makes the root file system: busybox and its links, or, without one, links into the machine's own /usr; returns the
/// directories of the machine that the container is to see.
fn root_file_system(rootfs: &Path, busybox: Option<&Path>) -> Result<Vec<String>> {
    if rootfs.exists() {
        std::fs::remove_dir_all(rootfs).context(|| format!("remove {}", rootfs.display()))?;
    }
    for place in ["proc", "dev", "sys", "tmp"] {
        let place = rootfs.join(place);
        std::fs::create_dir_all(&place).context(|| format!("make {}", place.display()))?;
    }
    let Some(busybox) = busybox else {
        let mut borrowed = vec!["/usr".to_owned()];
        for name in ["bin", "sbin", "lib", "lib64"] {
            let host = Path::new("/").join(name);
            match std::fs::read_link(&host) {
                Ok(target) => symlink(&target, rootfs.join(name)).context(|| format!("link {name}"))?,
                Err(_) if host.exists() => borrowed.push(host.display().to_string()),
                Err(_) => {}
            }
        }
        return Ok(borrowed);
    };
    let bin = rootfs.join("bin");
    std::fs::create_dir_all(&bin).context(|| format!("make {}", bin.display()))?;
    let file = bin.join("busybox");
    std::fs::copy(busybox, &file).context(|| format!("copy {}", busybox.display()))?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
        .context(|| format!("chmod {}", file.display()))?;
    for applet in ["sh", "cat", "ls", "id", "readlink", "tr", "true", "wc", "ps", "mount", "ip", "hostname"] {
        symlink("busybox", bin.join(applet)).context(|| format!("link {applet}"))?;
    }
    Ok(Vec::new())
}

/// `name=value` and /proc/self/status's `Name:value` lines.
fn facts(text: &str) -> Facts {
    let split = |line: &str| {
        let (name, value) = line.split_once(['=', ':'])?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    text.lines().filter_map(split).collect()
}

fn show(inside: &Facts, outside: &Facts) {
    let bold = std::io::stdout().is_terminal();
    let (on, off) = if bold { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    println!("\n{on}{:<16}{:<42}out here{off}", "", "in the container");
    let get = |facts: &Facts, name: &str| facts.get(name).cloned().unwrap_or_else(|| "-".into());
    let row = |name: &str, in_there: String, out_here: String| {
        println!("{on}{name:<16}{off}{in_there:<42}{out_here}");
    };
    let plain = |title: &str, name: &str| row(title, get(inside, name), get(outside, name));
    plain("its own pid", "pid");
    plain("processes seen", "processes");
    plain("hostname", "hostname");
    let user = |facts: &Facts| {
        let (uid, mapped) = (get(facts, "uid"), get(facts, "mapped"));
        if uid == "0" && mapped != "0" { format!("0, which is {mapped} out here") } else { uid }
    };
    row("uid", user(inside), user(outside));
    row("network", short(&get(inside, "network")), short(&get(outside, "network")));
    row("files in /", short(&get(inside, "files")), short(&get(outside, "files")));
    row("writing to /", get(inside, "write"), if host::is_root() { "works" } else { "refused" }.into());
    plain("mounts", "mounts");
    row("devices", count(&get(inside, "devices")), count(&get(outside, "devices")));
    let capabilities = |facts: &Facts| {
        let mask = u64::from_str_radix(&get(facts, "CapEff"), 16).unwrap_or(0);
        mask.count_ones().to_string()
    };
    row("capabilities", capabilities(inside), capabilities(outside));
    let seccomp = |facts: &Facts| match get(facts, "Seccomp").as_str() {
        "2" => "mode 2, a filter".to_owned(),
        "0" => "mode 0, none".to_owned(),
        other => other.to_owned(),
    };
    row("seccomp", seccomp(inside), seccomp(outside));
    let own: Vec<&str> = ["pid", "mnt", "ipc", "uts", "net", "cgroup", "user"]
        .into_iter()
        .filter(|kind| get(inside, &format!("ns_{kind}")) != get(outside, &format!("ns_{kind}")))
        .collect();
    row("own namespaces", own.join(" "), "-".into());
}

fn short(names: &str) -> String {
    let all: Vec<&str> = names.split_whitespace().collect();
    let mut text = all.iter().take(6).copied().collect::<Vec<_>>().join(" ");
    if all.len() > 6 {
        text.push_str(&format!(" … {} in all", all.len()));
    }
    text
}

fn count(names: &str) -> String {
    format!("{} in /dev", names.split_whitespace().count())
}

/// 187264 as "187,264".
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! Finds or builds the static test program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The test program's path: `$PAYLOAD` (in the guest `$RUNLET_PAYLOAD`), beside the test's executable, or built now.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(given) = std::env::var_os("PAYLOAD").or_else(|| std::env::var_os("RUNLET_PAYLOAD")) {
            return PathBuf::from(given);
        }
        let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("payload")));
        match beside {
            Some(beside) if beside.is_file() => beside,
            _ => build(),
        }
    })
}

fn newest(directory: &Path) -> SystemTime {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// One `rustc` call: the musl target where it is installed, else the C library linked in.
fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payload");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(directory).expect("target directory");
    let target = directory.join("payload");
    // Several test executables may come here at once.
    let lock = fs::File::create(directory.join("payload.lock")).expect("lock");
    lock.lock().expect("lock");
    let fresh =
        fs::metadata(&target).and_then(|built| built.modified()).is_ok_and(|built| built > newest(&source));
    if fresh {
        return target;
    }
    let part = directory.join("payload.part");
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let attempts: [&[&str]; 2] =
        [&["--target", &musl], &["-Ctarget-feature=+crt-static", "-Crelocation-model=static"]];
    let mut errors = String::new();
    for attempt in attempts {
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args([
                "--edition",
                "2024",
                "--crate-name",
                "payload",
                "-Copt-level=1",
                "-Cpanic=abort",
                "-Cstrip=symbols",
            ])
            .args(attempt)
            .arg(source.join("payload.rs"))
            .arg("-o")
            .arg(&part)
            .output()
            .expect("rustc cannot be run; set PAYLOAD to a built test program");
        if output.status.success() {
            fs::rename(&part, &target).expect("rename");
            return target;
        }
        errors.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    panic!("the test program cannot be built:\n{errors}");
}

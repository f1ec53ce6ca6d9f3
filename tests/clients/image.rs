//! The image that all callers run: a root file system of busybox with two users, as a tar archive for `import` and as an OCI image
//! archive for containerd. Made from what the machine has; nothing is fetched.

use crate::command;
use crate::view::{HOME, tool};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The busybox programs that the steps use.
const APPLETS: &[&str] = &[
    "sh", "cat", "echo", "env", "false", "grep", "head", "hostname", "id", "ls", "mkdir", "mount", "ps",
    "pwd", "sleep", "stty", "test", "touch", "true", "tty", "wc", "yes",
];

/// Makes the root file system as a directory and returns its path.
pub fn root() -> Result<PathBuf, String> {
    let root = PathBuf::from(format!("{HOME}/rootfs"));
    fill(&root).map_err(|error| format!("image: {error}"))?;
    Ok(root)
}

fn fill(root: &Path) -> std::io::Result<()> {
    for directory in ["bin", "dev", "etc", "home/app", "proc", "root", "run", "sys", "tmp"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let busybox = command::find("busybox").unwrap_or_default();
    fs::copy(busybox, root.join("bin/busybox"))?;
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n",
    )?;
    fs::write(root.join("etc/group"), "root:x:0:\napp:x:1000:\nextra:x:2000:app\n")
}

/// Makes the root file system's tar archive and returns its path.
pub fn archive() -> Result<String, String> {
    let root = root()?;
    let file = format!("{HOME}/rootfs.tar");
    let root = root.to_string_lossy();
    tool("tar", &["-C", &root, "--owner=0", "--group=0", "--numeric-owner", "-cf", &file, "."])?;
    Ok(file)
}

/// Makes an OCI image archive of one layer, which imports under `name`, and returns its path.
pub fn oci_archive(name: &str) -> Result<String, String> {
    let layer = fs::read(archive()?).map_err(|error| error.to_string())?;
    let layout = format!("{HOME}/oci");
    let blobs = format!("{layout}/blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|error| error.to_string())?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let (layer_digest, layer_size) = blob(&blobs, &layer)?;
    let config = format!(
        r#"{{"architecture":"{architecture}","os":"linux","config":{{"Env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/bin/sleep","100000"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{layer_digest}"]}}}}"#
    );
    let (config_digest, config_size) = blob(&blobs, config.as_bytes())?;
    let media = "application/vnd.oci.image";
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media}.manifest.v1+json","config":{{"mediaType":"{media}.config.v1+json","digest":"sha256:{config_digest}","size":{config_size}}},"layers":[{{"mediaType":"{media}.layer.v1.tar","digest":"sha256:{layer_digest}","size":{layer_size}}}]}}"#
    );
    let (digest, size) = blob(&blobs, manifest.as_bytes())?;
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{media}.manifest.v1+json","digest":"sha256:{digest}","size":{size},"annotations":{{"io.containerd.image.name":"{name}"}},"platform":{{"architecture":"{architecture}","os":"linux"}}}}]}}"#
    );
    fs::write(format!("{layout}/index.json"), index).map_err(|error| error.to_string())?;
    fs::write(format!("{layout}/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
        .map_err(|error| error.to_string())?;
    let file = format!("{HOME}/oci.tar");
    tool("tar", &["-C", &layout, "-cf", &file, "."])?;
    Ok(file)
}

fn blob(directory: &str, content: &[u8]) -> Result<(String, usize), String> {
    let unnamed = format!("{directory}/new");
    fs::write(&unnamed, content).map_err(|error| error.to_string())?;
    let output = command::run(Command::new("sha256sum").arg(&unnamed));
    let digest = output.stdout.split_whitespace().next().unwrap_or_default().to_owned();
    if digest.len() != 64 {
        return Err(format!("sha256sum: {}", output.describe()));
    }
    fs::rename(unnamed, format!("{directory}/{digest}")).map_err(|error| error.to_string())?;
    Ok((digest, content.len()))
}

//! Symbolic links as sources and destinations of binds: copy-symlink, src-nofollow and dest-nofollow, which crun's callers use.

use crate::harness::{Bundle, is_runlet};
use crate::{context, skip_test};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A directory with a file, a directory and links to each, one that leads nowhere and one that leads out.
fn source(context: &crate::harness::Context) -> PathBuf {
    let source = context.outside("source");
    fs::write(source.join("file"), "content").unwrap();
    fs::create_dir(source.join("directory")).unwrap();
    fs::write(source.join("directory/inner"), "inner").unwrap();
    for (text, name) in
        [("file", "link"), ("directory", "dirlink"), ("nowhere", "dangling"), ("/etc/passwd", "absolute")]
    {
        symlink(text, source.join(name)).unwrap();
    }
    source
}

/// The image has a file, and a link to it.
fn image(bundle: &Bundle) {
    fs::write(bundle.root().join("etc/target"), "untouched").unwrap();
    symlink("target", bundle.root().join("etc/link")).unwrap();
}

/// Without any of them both ends are followed, the destination inside the root.
#[test]
fn links_are_followed_by_default() {
    let context = context!();
    let source = source(&context);
    let mut bundle =
        context.bundle(&["read", "/plain", ",", "read", "/etc/target", ",", "readlink", "/etc/link"]);
    image(&bundle);
    bundle.bind(source.join("link"), "/plain", &[]);
    bundle.bind(source.join("file"), "/etc/link", &[]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /plain"), "content");
    assert_eq!(seen.text("read /etc/target"), "content", "what the link names is covered");
    assert_eq!(seen.text("readlink /etc/link"), "target");
}

/// copy-symlink: a link at the source is made again at the destination, whatever it names; what is none is bound.
#[test]
fn copy_symlink_makes_the_same_link() {
    let context = context!();
    if !is_runlet() {
        skip_test!("crun 1.8 has a part of them");
    }
    let source = source(&context);
    let verbs = [
        "readlink",
        "/copied",
        ",",
        "readlink",
        "/deep/er/dangling",
        ",",
        "readlink",
        "/absolute",
        ",",
        "readlink",
        "/dirlink",
        ",",
        "read",
        "/file",
        ",",
        "report",
    ];
    let mut bundle = context.bundle(&verbs);
    for (name, destination) in [
        ("link", "/copied"),
        ("dangling", "/deep/er/dangling"),
        ("absolute", "/absolute"),
        ("dirlink", "/dirlink"),
        ("file", "/file"),
    ] {
        bundle.bind(source.join(name), destination, &["copy-symlink"]);
    }
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("readlink /copied"), "file");
    assert_eq!(seen.text("readlink /deep/er/dangling"), "nowhere");
    assert_eq!(seen.text("readlink /absolute"), "/etc/passwd");
    assert_eq!(seen.text("readlink /dirlink"), "directory");
    assert_eq!(seen.text("read /file"), "content");
    let mounts = seen.mounts();
    assert!(mounts.find("/file").is_some() && mounts.find("/copied").is_none());
    // They are in the image now: the same link is fine, another one or a file is not.
    context.run(&bundle).ok();
    fs::remove_file(bundle.root().join("copied")).unwrap();
    symlink("other", bundle.root().join("copied")).unwrap();
    context.run(&bundle).fails().says("mounts[6] \"/copied\": create the destination: EEXIST");
}

/// The text of a link that only the host's root may read, in a container whose root is somebody else there.
#[test]
fn copy_symlink_reads_what_the_containers_root_cannot() {
    let context = context!();
    if !is_runlet() {
        skip_test!("crun 1.8 has a part of them");
    }
    let source = source(&context);
    let mut bundle = context.bundle(&["readlink", "/copied"]);
    context.in_user_namespace(&mut bundle);
    fs::set_permissions(&source, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    bundle.bind(source.join("link"), "/copied", &["copy-symlink"]);
    assert_eq!(context.observe(&bundle).text("readlink /copied"), "file");
}

/// src-nofollow: the link itself is bound, which is no file of the host's choosing; dest-nofollow: it is the link in the image that is
/// covered, and what it names stays as it is.
#[test]
fn nofollow_takes_the_link_itself() {
    let context = context!();
    if !is_runlet() {
        skip_test!("crun 1.8 has a part of them");
    }
    let source = source(&context);
    let mut bundle = context.bundle(&["readlink", "/taken", ",", "read", "/other"]);
    bundle.bind(source.join("link"), "/taken", &["src-nofollow"]);
    bundle.bind(source.join("file"), "/other", &["src-nofollow"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("readlink /taken"), "file");
    assert_eq!(seen.text("read /other"), "content");

    let verbs = ["read", "/etc/target", ",", "read", "/etc/link", ",", "lstat", "/etc/link", ",", "report"];
    let mut bundle = context.bundle(&verbs);
    image(&bundle);
    bundle.bind(source.join("file"), "/etc/link", &["dest-nofollow"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("read /etc/target"), "untouched");
    assert_eq!(seen.text("read /etc/link"), "content");
    assert_eq!(seen.out("lstat /etc/link")["type"], "file");
    assert!(seen.mounts().find("/etc/link").is_some());
    assert_eq!(fs::read_link(bundle.root().join("etc/link")).unwrap().to_string_lossy(), "target");

    let mut bundle = context.bundle(&["readlink", "/etc/link", ",", "read", "/etc/target"]);
    image(&bundle);
    bundle.bind(source.join("link"), "/etc/link", &["src-nofollow", "dest-nofollow"]);
    let seen = context.observe(&bundle);
    assert_eq!(seen.text("readlink /etc/link"), "file");
    assert_eq!(seen.text("read /etc/target"), "untouched");
}

/// What would have no effect is refused.
#[test]
fn options_about_links_are_for_binds() {
    let context = context!();
    if !is_runlet() {
        skip_test!("about runlet's own words");
    }
    let source = source(&context);
    for options in [["src-nofollow"], ["copy-symlink"]] {
        let mut bundle = context.bundle(&["true"]);
        bundle.mount("/m", "tmpfs", "tmpfs", &options);
        context.run(&bundle).fails().says("mounts[6]");
    }
    for other in ["src-nofollow", "dest-nofollow"] {
        let mut bundle = context.bundle(&["true"]);
        bundle.bind(source.join("link"), "/m", &["copy-symlink", other]);
        context.run(&bundle).fails().says("mounts[6]");
    }
    // A link in the place of a directory for a new file system.
    let mut bundle = context.bundle(&["true"]);
    image(&bundle);
    bundle.mount("/etc/link", "tmpfs", "tmpfs", &["dest-nofollow"]);
    context.run(&bundle).fails().says("mounts[6] \"/etc/link\": open the destination");
}

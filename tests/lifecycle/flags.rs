//! Where flags may stand, and what happens to those nobody knows.

use crate::harness::is_runlet;
use crate::{context, not_on, skip_test};

#[test]
fn unknown_words_are_refused() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let path = bundle.path();
    for words in [
        vec!["frobnicate"],
        vec!["create", "--frobnicate", "--bundle", &path, "x1"],
        vec!["--frobnicate", "list"],
        vec!["create", "--bundle"],
        vec!["create", "--bundle", &path],
        vec!["state"],
        vec!["state", "a", "b"],
        vec!["start"],
        vec!["kill"],
    ] {
        let output = context.call(&words).go();
        assert!(output.code != 0 && output.code < 128, "{}", output.describe());
    }
    context.assert_clean();
}

/// CLI.md: global flags stand before or after the command's name; `--flag value` and `--flag=value`.
#[test]
fn flags_stand_where_callers_put_them() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun want global flags first");
    }
    let root = context.state_dir().to_string_lossy().into_owned();
    let bundle = context.bundle(&["pause"]);
    let path = bundle.path();
    let id = context.id();
    context.bare_call(&["create", "--root", &root, &format!("--bundle={path}"), &id]).go().ok();
    context.bare_call(&[&format!("--root={root}"), "start", &id]).go().ok();
    context.bare_call(&["state", &id, "--root", &root]).go().ok();
    context.bare_call(&["kill", &id, "KILL", &format!("--root={root}")]).go().ok();
    context.wait_status(&id, "stopped");
    context.bare_call(&["delete", &id, "--force", "--root", &root]).go().ok();
}

/// What Podman, Buildah and the shims pass that changes nothing here is taken.
#[test]
fn flags_of_callers_are_taken() {
    let context = context!();
    let bundle = context.bundle(&["pause"]);
    let path = bundle.path();
    let id = context.id();
    context.call(&["--debug", "create", "--bundle", &path, "--no-new-keyring", &id]).go().ok();
    context.call(&["--debug", "start", &id]).go().ok();
    context.call(&["--debug", "delete", "--force", &id]).go().ok();
}

/// stdio may be closed altogether (an init without a console): the runtime must not take its own files for fds 0-2.
#[test]
fn closed_stdio_is_no_problem() {
    let context = context!();
    not_on!(Crun, "crun 1.8 takes descriptors 0 to 2 for its own files");
    let bundle = context.bundle(&["create", "/ran", "x", ",", "exit", "6"]);
    let id = context.id();
    context
        .call(&["run", "--bundle", &bundle.path(), &id])
        .through(&["payload", "swallow-stdio"])
        .go()
        .status(6);
    assert_eq!(std::fs::read_to_string(bundle.root().join("ran")).unwrap(), "x");
}

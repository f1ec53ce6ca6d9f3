//! Container ids and the state directory (SECURITY.md, "container ids").

use crate::harness::is_runlet;
use crate::{context, not_on, skip_test};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn ids_that_are_no_names_are_refused() {
    let context = context!();
    not_on!(Crun, "crun 1.8 takes a path for an id");
    let bundle = context.bundle(&["pause"]);
    let path = bundle.path();
    let long = "x".repeat(3000);
    let mut wrong = vec![
        "..",
        ".",
        "",
        "a/b",
        "/abs",
        "../up",
        "a/../b",
        "new\nline",
        "\u{1}",
        "sp ace",
        "\u{e9}",
        &long,
    ];
    if is_runlet() {
        wrong.extend(["-dash"]);
    }
    for id in wrong {
        let mut words = vec!["create", "--bundle", &path];
        if id.starts_with('-') {
            words.push("--");
        }
        words.push(id);
        let output = context.call(&words).go();
        assert!(output.code != 0 && output.code < 128, "{id:?}: {}", output.describe());
    }
    assert!(!context.dir.join("up").exists());
    context.assert_clean();
}

/// The control: every character that an id may have.
#[test]
fn ids_of_callers_are_accepted() {
    let context = context!();
    let tag = context.tag.clone();
    for suffix in ["-a_b.c+d", "-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "..x"] {
        let id = format!("{tag}{suffix}");
        context.own(&id);
        let bundle = context.bundle(&["pause"]);
        context.create(&bundle, &id).ok();
        assert_eq!(context.status(&id), "created");
        context.delete_force(&id).ok();
    }
}

/// The verbs that only read must check the id as well: `state ../x` reads outside the root.
#[test]
fn every_verb_refuses_an_id_with_a_path_in_it() {
    let context = context!();
    not_on!(Crun, "crun 1.8 takes a path for an id");
    let outside = context.outside("victim");
    fs::write(outside.join("state.json"), "{\"id\":\"victim\",\"pid\":1}").unwrap();
    for words in [
        vec!["state", "../victim"],
        vec!["start", "../victim"],
        vec!["kill", "../victim", "KILL"],
        vec!["delete", "../victim"],
        vec!["delete", "--force", "../victim"],
    ] {
        let output = context.call(&words).go();
        if words[1] != "--force" || is_runlet() {
            assert!(output.code != 0, "{}", output.describe());
        }
    }
    assert!(outside.join("state.json").exists(), "nothing outside the root was touched");
}

/// State of containers is nobody else's business.
#[test]
fn the_state_directory_is_private() {
    let context = context!();
    if !is_runlet() {
        skip_test!("runc and crun leave it readable");
    }
    let bundle = context.bundle(&["pause"]);
    let id = context.id();
    context.create(&bundle, &id).ok();
    for path in [context.state_dir(), context.state_dir().join(&id)] {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{}", path.display());
    }
}

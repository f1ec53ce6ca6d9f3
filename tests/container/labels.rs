//! config.md "apparmorProfile", on a kernel that has AppArmor, as Debian's in the guests of `cargo vm` have.

use crate::harness::{Call, Context, Output, json, payload};
use crate::{context, skip_test};
use std::fs;
use std::path::Path;

/// A profile that allows everything but to read /secret, as apparmor_parser(8) compiles it (tests/data/apparmor/runlet-test).
const POLICY: &[u8] = include_bytes!("../data/apparmor/runlet-test.policy");
const PLACE: &str = "/sys/kernel/security/apparmor";

fn on_host(context: &Context, words: &[&str]) -> Output {
    let program = payload::path().to_string_lossy().into_owned();
    Call::at(context, Path::new(&program), words).go()
}

/// The profile is loaded as long as this is there, and AppArmor's files are in the test's world.
struct Loaded<'a>(&'a Context);

impl<'a> Loaded<'a> {
    fn new(context: &'a Context) -> Option<Self> {
        let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled").unwrap_or_default();
        if !enabled.starts_with('Y') {
            return None;
        }
        on_host(context, &["mount", "securityfs", "/sys/kernel/security", "securityfs", "-", ""]).ok();
        fs::write(context.dir.join("policy"), POLICY).unwrap();
        let loaded = Loaded(context);
        loaded.shell(&format!("cat {}/policy >{PLACE}/.load", context.dir.display()));
        Some(loaded)
    }

    fn shell(&self, line: &str) {
        let output = self.0.in_world(&["/bin/sh", "-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        let remove = format!("printf runlet-test >{PLACE}/.remove");
        let _ = self.0.in_world(&["/bin/sh", "-c", &remove]).output();
        on_host(self.0, &["umount", "/sys/kernel/security"]);
    }
}

/// "apparmorProfile": the program and what exec brings are under it, whoever they are; what the profile denies is denied; a profile that
/// is not loaded starts nothing.
#[test]
fn an_apparmor_profile_is_in_force_and_an_unknown_one_starts_nothing() {
    let context = context!();
    let Some(loaded) = Loaded::new(&context) else {
        skip_test!("this kernel has no AppArmor");
    };
    let look = ["read", "/proc/self/attr/current", ",", "read", "/secret"];
    let mut bundle = context.bundle(&look);
    fs::write(bundle.root().join("secret"), "secret").unwrap();
    let plain = context.observe(&bundle);
    assert_eq!(plain.text("read /proc/self/attr/current"), "unconfined\n");
    assert_eq!(plain.text("read /secret"), "secret");

    bundle.set("/process/apparmorProfile", "runlet-test");
    for (privileges, uid) in [(true, 0), (false, 0), (true, 1000)] {
        bundle.set("/process/noNewPrivileges", privileges);
        bundle.set("/process/user", json!({ "uid": uid, "gid": uid }));
        let seen = context.observe(&bundle);
        assert_eq!(seen.text("read /proc/self/attr/current"), "runlet-test (enforce)\n");
        assert_eq!(seen.errno("read /secret"), "EACCES");
    }
    bundle.args(&["pause"]);
    let id = context.running(&bundle);
    let words: Vec<&str> = ["exec", &id, "/bin/payload"].into_iter().chain(look).collect();
    let seen = context.call(&words).go().seen();
    assert_eq!(seen.text("read /proc/self/attr/current"), "runlet-test (enforce)\n");
    assert_eq!(seen.errno("read /secret"), "EACCES");
    let unknown = context.call(&["exec", "--apparmor", "no-such-profile", &id, "/bin/payload", "true"]).go();
    unknown.fails().says("process.apparmorProfile");
    context.delete_force(&id).ok();

    bundle.set("/process/apparmorProfile", "no-such-profile");
    context.run(&bundle).fails().says("process.apparmorProfile");
    drop(loaded);
}

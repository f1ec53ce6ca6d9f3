#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#[path = "../../tests/harness/fuzz.rs"]
mod fuzz;

use super::*;
use runlet::args::values;
use std::ffi::CString;

fn parsed(words: impl Iterator<Item = OsString>) -> (Given, Result<Run>) {
    let mut given = Given::default();
    let run = parse(words.collect(), &mut given);
    (given, run)
}

fn line(text: &str) -> (Given, Result<Run>) {
    parsed(text.split_whitespace().map(OsString::from))
}

fn ok(text: &str) -> Given {
    let (given, run) = line(text);
    run.map(|_| given).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> String {
    match line(text) {
        (given, Ok(_)) => panic!("{text} was taken for {given:?}"),
        (_, Err(error)) => error.to_string(),
    }
}

/// What was given, if the line is right.
fn taken(parts: &[&str]) -> Option<Given> {
    let (given, run) = line(&parts.concat());
    run.is_ok().then_some(given)
}

fn c(text: &str) -> Option<&'static CStr> {
    Some(Box::leak(CString::new(text).unwrap().into_boxed_c_str()))
}

fn words(words: &[&'static CStr]) -> Vec<&'static str> {
    words.iter().map(|word| word.to_str().unwrap()).collect()
}

#[test]
fn what_containerd_docker_and_podman_run_is_understood() {
    let read = ok(
        "--root R --log L/log.json --log-format json create --bundle B --pid-file P --console-socket S --no-pivot ID",
    );
    assert_eq!((read.path(Flag::Root), read.path(Flag::Log)), (c("R"), c("L/log.json")));
    assert_eq!(read.number(Flag::LogFormat), Some(1));
    assert_eq!((read.path(Flag::Bundle), read.path(Flag::PidFile)), (c("B"), c("P")));
    assert_eq!((read.path(Flag::ConsoleSocket), read.id), (c("S"), "ID"));
    assert!(read.switch(Flag::NoPivot) && !read.switch(Flag::NoNewKeyring));

    let read = ok("kill --all ID 9");
    assert!(read.switch(Flag::All) && read.id == "ID" && words(read.after_id()) == ["9"]);
    let read = ok("delete --force ID");
    assert!(read.switch(Flag::Force) && words(&read.operands) == ["ID"]);
    let read = ok("exec --process F --detach --pid-file P ID");
    assert!(read.path(Flag::Process) == c("F") && read.switch(Flag::Detach) && read.after_id().is_empty());
    let read = ok("ps --format json ID");
    assert!(read.wants_json() && read.id == "ID" && read.after_id().is_empty());
    assert_eq!(ok("update --resources=- ID").path(Flag::Resources), c("-"));
    let read = ok("--log L --log-format json run --bundle B --keep ID");
    assert!(read.switch(Flag::Keep) && read.path(Flag::Bundle) == c("B"));
    let read =
        ok("--log-format=json --log L create --bundle B --pid-file P --preserve-fds 3 --console-socket S ID");
    assert_eq!(read.count(Flag::PreserveFds), Some(3));
    let read =
        ok("--cgroup-manager disabled exec --pid-file P --process F --detach --tty --preserve-fds 1 ID");
    assert_eq!((read.number(Flag::CgroupManager), read.count(Flag::PreserveFds)), (Some(3), Some(1)));
    assert!(read.switch(Flag::Tty) && read.id == "ID");
}

#[test]
fn global_flags_stand_anywhere() {
    for text in
        ["--debug --root R state web", "state --debug --root R web", "state web --root=R --debug=true"]
    {
        let read = ok(text);
        assert_eq!((read.path(Flag::Root), read.switch(Flag::Debug)), (c("R"), true), "{text}");
    }
    assert!(!ok("--debug state web --debug=false").switch(Flag::Debug));
    assert_eq!(ok("--rootless=auto list").number(Flag::Rootless), Some(2));
    assert_eq!(ok("--rootless true list").number(Flag::Rootless), Some(0));
    assert!(ok("--systemd-cgroup --cgroup-manager systemd list").switch(Flag::SystemdCgroup));
}

#[test]
fn the_flags_after_spec_are_its_own() {
    let read = ok("--rootless false spec --rootless -o - -b B");
    assert_eq!(read.number(Flag::Rootless), Some(1));
    assert!(read.switch(Flag::SpecRootless));
    assert_eq!((read.path(Flag::Output), read.path(Flag::SpecBundle)), (c("-"), c("B")));
}

#[test]
fn what_stands_after_execs_id_is_the_program_untouched() {
    let read = ok("exec -t -e A=b=c -e B= -u 1:2 -g 3 -g 4 -c CAP_X web sh -t --help -- --root");
    assert_eq!(words(read.after_id()), ["sh", "-t", "--help", "--", "--root"]);
    let all = |flag| read.all(flag).iter().map(|value| value.text.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((all(Flag::Env), all(Flag::Cap)), (vec!["A=b=c", "B="], vec!["CAP_X"]));
    assert_eq!((all(Flag::AdditionalGids), read.text(Flag::User)), (vec!["3", "4"], Some("1:2")));
    assert!(read.switch(Flag::Tty) && !read.switch(Flag::Root));
    assert!(error("exec").contains("ID is missing"));
}

#[test]
fn odd_users_are_refused_and_never_root() {
    let user = |text: &str| {
        let args = ["exec", "-u", text, "web", "sh"].map(OsString::from);
        match parsed(args.into_iter()) {
            (given, Ok(_)) => given.text(Flag::User).and_then(values::user),
            (_, Err(error)) if error.message().starts_with("--user: ") => None,
            (_, Err(error)) => panic!("{error}"),
        }
    };
    assert_eq!(user("0"), Some((0, None)));
    assert_eq!(user("4294967294:0"), Some((4294967294, Some(0))));
    for odd in [
        "4294967296",
        "4294967295",
        "-1",
        " 0",
        "0 ",
        "0x0",
        "+0",
        "",
        ":",
        "1:",
        ":1",
        "1:2:3",
        "00",
        "01",
        "root",
        "1:4294967295",
        "1:-1",
        "18446744073709551616",
        "٠",
    ] {
        assert_eq!(user(odd), None, "{odd:?}");
    }
    assert!(error("exec -g 4294967295 web sh").contains("--additional-gids"));
    assert!(error("exec -e =x web sh").contains("--env"));
    assert!(error("exec -e x web sh").contains("--env"));
}

#[test]
fn update_takes_sizes_and_refuses_odd_ones() {
    let memory = |text: &str| taken(&["update web --memory ", text])?.number(Flag::Memory);
    assert_eq!(memory("64m"), Some(64 << 20));
    assert_eq!(memory("1G"), Some(1 << 30));
    assert_eq!(memory("2KiB"), Some(2048));
    assert_eq!(memory("0"), Some(0));
    assert_eq!(memory("-1"), Some(-1));
    for odd in ["-2", "64x", "m", "1.5g", "9999999t", "0x10", "+1", "1mm", "1 m"] {
        assert_eq!(memory(odd), None, "{odd}");
    }
    let read = ok("update --cpu-quota=-1 --pids-limit -1 --blkio-weight 1000 --cpu-idle 1 web");
    let numbers = [Flag::CpuQuota, Flag::PidsLimit, Flag::BlkioWeight, Flag::CpuIdle, Flag::Memory];
    assert_eq!(numbers.map(|flag| read.number(flag)), [Some(-1), Some(-1), Some(1000), Some(1), None]);
    for odd in [
        "--blkio-weight 1001",
        "--cpu-idle 2",
        "--pids-limit -2",
        "--cpu-period -1",
        "--cpu-share 99999999999999999999",
    ] {
        assert!(error(&["update web ", odd].concat()).starts_with("--"), "{odd}");
    }
}

#[test]
fn intervals_have_units() {
    let interval = |text: &str| taken(&["events web --interval ", text])?.number(Flag::Interval);
    assert_eq!(interval("5s"), Some(5000));
    assert_eq!(interval("1m30s"), Some(90_000));
    assert_eq!(interval("250ms"), Some(250));
    for odd in ["5", "0s", "s", "-1s", "5x", "1.5s", "5s3"] {
        assert_eq!(interval(odd), None, "{odd}");
    }
}

#[test]
fn mistakes_are_named_with_a_hint() {
    assert_eq!(error("create --bundel B web"), "create: unknown flag --bundel (did you mean --bundle?)");
    assert_eq!(error("creat web"), "unknown command creat (did you mean create?)");
    assert_eq!(error("--bundle B create web"), "flag --bundle belongs after the name of a command");
    assert_eq!(error("start --xyzzy web"), "start: unknown flag --xyzzy (see --help)");
    assert_eq!(error("kill web -9"), "kill: unknown flag -9 (a signal has no dash: kill web TERM)");
    assert_eq!(error("start web web2"), "start: unexpected argument \"web2\"");
    assert_eq!(error("start"), "start: the container's ID is missing");
    assert_eq!(error("create web --bundle"), "--bundle needs a value");
    assert_eq!(error("run --detach=maybe web"), "--detach is a switch: it takes no value but true or false");
    assert_eq!(
        error("--log-format xml list"),
        "--log-format: \"xml\" is not text|json (format of the lines in the log)"
    );
    assert!(error("--systemd-cgroup --cgroup-manager cgroupfs list").contains("different managers"));
    assert!(error("create --pid-file= web").contains("is empty"));
}

#[test]
fn a_mistake_still_reaches_the_log_that_was_asked_for() {
    let (given, run) = line("--log L --log-format json create --wrong web");
    assert!(run.is_err() && given.path(Flag::Log) == c("L") && given.number(Flag::LogFormat) == Some(1));
    let (given, run) = line("--log-format xml --log L create web");
    assert!(run.is_err() && given.path(Flag::Log) == c("L"));
}

#[test]
fn checkpoint_and_restore_are_refused_whatever_follows() {
    for text in
        ["checkpoint", "checkpoint --help", "restore --anything web", "--debug checkpoint -h", "help restore"]
    {
        assert!(error(text).starts_with("runlet does not support "), "{text}");
    }
}

#[test]
fn help_names_every_flag_of_every_command() {
    for command in Command::all() {
        for text in [
            [command.name(), " --help"].concat(),
            ["help ", command.name()].concat(),
            ["-h ", command.name()].concat(),
        ] {
            let help = help::text(ok(&text).id);
            if command.name() == "help" {
                continue;
            }
            assert!(help.starts_with(&["Usage: runlet ", command.name()].concat()), "{help}");
            for flag in command.flags() {
                assert!(help.contains(&["--", flag.long()].concat()), "{}: {}", command.name(), flag.long());
            }
            assert!(line(command.example()).1.is_ok(), "the example of {}", command.name());
        }
    }
    let help = help::text(ok("").id);
    assert!(Command::names().all(|name| help.contains(name)));
    assert!(GLOBAL.iter().all(|flag| help.contains(flag.long())));
}

#[test]
fn no_command_has_two_flags_of_one_name() {
    for command in Command::all() {
        let mut seen = std::collections::HashSet::new();
        for flag in command.flags().iter().chain(&GLOBAL) {
            let own_rootless = *flag == Flag::Rootless && command.name() == "spec";
            assert!(
                own_rootless || seen.insert(flag.long().to_owned()),
                "{} --{}",
                command.name(),
                flag.long()
            );
            assert!(
                flag.row().short.is_empty() || seen.insert(flag.row().short.to_owned()),
                "{} -{}",
                command.name(),
                flag.row().short
            );
        }
    }
}

#[test]
fn the_readme_names_every_command_with_its_flags() {
    let readme = include_str!("../../README.md");
    for command in Command::all() {
        let row = readme.lines().find(|line| {
            line.strip_prefix("| `").is_some_and(|rest| rest.split([' ', '`']).next() == Some(command.name()))
        });
        let row = row.unwrap_or_else(|| panic!("README.md has no row for {}", command.name()));
        assert!(row.contains(command.about()), "{}", command.name());
        let named = row.matches("--").count();
        assert_eq!(named, command.flags().len(), "{}: {row}", command.name());
        for flag in command.flags() {
            assert!(row.contains(&format!("--{}`", flag.long())), "{} --{}", command.name(), flag.long());
        }
    }
    assert!(GLOBAL.iter().all(|flag| readme.contains(&format!("`--{}", flag.long()))));
}

/// Words of every command line that callers use, put together by chance: never more than one line of complaint, and what is
/// taken keeps its promises.
#[test]
fn fuzz_a_broken_command_line_is_one_clear_line() {
    const WORDS: &[&str] = &[
        "--root",
        "R",
        "--log",
        "L",
        "--log-format",
        "json",
        "--debug",
        "--systemd-cgroup",
        "--rootless",
        "true",
        "create",
        "run",
        "exec",
        "kill",
        "delete",
        "state",
        "list",
        "ps",
        "pause",
        "resume",
        "update",
        "events",
        "spec",
        "features",
        "check",
        "version",
        "start",
        "--bundle",
        "-b",
        "--pid-file=P",
        "--preserve-fds",
        "3",
        "-t",
        "-d",
        "-td",
        "--detach",
        "--user",
        "-u",
        "1:2",
        "0:0",
        "root",
        "4294967295",
        "-1",
        "--env",
        "A=B",
        "--cap",
        "CAP_KILL",
        "--cwd",
        "/",
        "--",
        "-",
        "sh",
        "-c",
        "ID",
        "--all",
        "9",
        "KILL",
        "sigterm",
        "--memory",
        "64m",
        "--cpu-quota",
        "--pids-limit=0",
        "-r",
        "-f",
        "--format",
        "-q",
        "--force",
        "--stats",
        "--interval",
        "5s",
        "--help",
        "-h",
        "--version",
        "--seccomp",
        "P",
        "--syscall",
        "openat",
        "--arg",
        "1=0x10",
        "--nonesuch",
        "--=",
        "-=",
        "",
    ];
    let (mut taken, mut refused) = (0, 0);
    for seed in fuzz::seeds(4000) {
        let mut random = fuzz::Random::new(seed);
        let mut words: Vec<OsString> = Vec::new();
        for _ in 0..random.below(8) {
            let mut word = random.pick(WORDS).as_bytes().to_vec();
            if random.one_in(4) {
                fuzz::mutate(&mut random, &mut word, &["=", "\n", "4294967295", "18446744073709551616"]);
            }
            word.retain(|byte| *byte != 0); // no argument can hold one
            words.push(OsStringExt::from_vec(word));
        }
        match parsed(words.iter().cloned()) {
            (_, Err(error)) => {
                refused += 1;
                let text = error.to_string();
                assert!(fuzz::is_one_clear_line(&text), "seed {seed}: {words:?}: {text:?}");
            }
            (given, Ok(_)) => {
                taken += 1;
                let user = given.text(Flag::User).and_then(values::user);
                let ids = user.map_or([0, 0], |(uid, gid)| [uid, gid.unwrap_or_default()]);
                assert!(!ids.contains(&u32::MAX), "seed {seed}: {words:?}");
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

/// Against a slower way to say what an id is (R7): digits, no sign, no zeros in front, below 2^32-1.
#[test]
fn fuzz_a_user_is_exact_or_refused() {
    for seed in fuzz::seeds(4000) {
        let mut random = fuzz::Random::new(seed);
        let mut text = random
            .pick(&["0", "1000", "1:2", "4294967294:0", "4294967295", "65534:65534", "00", "+1"])
            .as_bytes()
            .to_vec();
        fuzz::mutate(&mut random, &mut text, &["0", "4294967295", ":", "0x1", "1_0", "\u{661}"]);
        let Ok(text) = String::from_utf8(text) else { continue };
        let one = |text: &str| {
            (0..=u64::from(u32::MAX) - 1).contains(&text.parse().ok()?).then(|| text.parse::<u64>().ok())?
        };
        let exact = |text: &str| one(text).filter(|id| id.to_string() == text);
        let parts: Vec<Option<u64>> = text.split(':').map(exact).collect();
        let want = match parts[..] {
            [Some(uid)] => Some((uid, None)),
            [Some(uid), Some(gid)] => Some((uid, Some(gid))),
            _ => None,
        };
        let have = values::user(&text).map(|(uid, gid)| (u64::from(uid), gid.map(u64::from)));
        assert_eq!(have, want, "seed {seed}: {text:?}");
    }
}

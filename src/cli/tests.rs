#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#[path = "../../tests/harness/fuzz.rs"]
mod fuzz;

use super::*;
use runlet::args::{CgroupManager, Level, LogFormat};
use std::ffi::CString;

fn line(text: &str) -> core::result::Result<Invocation, Failure> {
    parse(text.split_whitespace().map(OsString::from))
}

fn ok(text: &str) -> Invocation {
    line(text).unwrap_or_else(|failure| panic!("{text}: {}", failure.error))
}

fn error(text: &str) -> String {
    match line(text) {
        Ok(read) => panic!("{text} was taken for {read:?}"),
        Err(failure) => failure.error.to_string(),
    }
}

fn c(text: &str) -> Option<&'static CStr> {
    Some(Box::leak(CString::new(text).unwrap().into_boxed_c_str()))
}

#[test]
fn what_containerd_docker_and_podman_run_is_understood() {
    let read = ok(
        "--root R --log L/log.json --log-format json create --bundle B --pid-file P --console-socket S --no-pivot ID",
    );
    assert_eq!(read.global.root, c("R"));
    assert_eq!(read.global.log, c("L/log.json"));
    assert_eq!(read.global.log_format, LogFormat::Json);
    let Command::Create(create) = read.command else { panic!() };
    assert_eq!((create.bundle, create.pid_file, create.console_socket), (c("B"), c("P"), c("S")));
    assert!(create.no_pivot && !create.no_new_keyring && create.id == "ID");

    let Command::Kill(kill) = ok("kill --all ID 9").command else { panic!() };
    assert!(kill.all && kill.signal == 9 && kill.id == "ID");
    let Command::Delete(delete) = ok("delete --force ID").command else { panic!() };
    assert!(delete.force && delete.ids == ["ID"]);
    let Command::Exec(exec) = ok("exec --process F --detach --pid-file P ID").command else { panic!() };
    assert!(exec.process == c("F") && exec.detach && exec.program.is_empty());
    let Command::Ps(ps) = ok("ps --format json ID").command else { panic!() };
    assert_eq!((ps.format, ps.id, ps.options.len()), (Format::Json, "ID", 0));
    let Command::Update(update) = ok("update --resources=- ID").command else { panic!() };
    assert_eq!(update.resources, c("-"));
    let Command::Run(run) = ok("--log L --log-format json run --bundle B --keep ID").command else {
        panic!()
    };
    assert!(run.keep && run.create.bundle == c("B"));
    let read =
        ok("--log-format=json --log L create --bundle B --pid-file P --preserve-fds 3 --console-socket S ID");
    let Command::Create(create) = read.command else { panic!() };
    assert_eq!(create.preserve_fds, 3);
    let read =
        ok("--cgroup-manager disabled exec --pid-file P --process F --detach --tty --preserve-fds 1 ID");
    assert_eq!(read.global.cgroup_manager, CgroupManager::Disabled);
    let Command::Exec(exec) = read.command else { panic!() };
    assert!(exec.tty && exec.preserve_fds == 1 && exec.id == "ID");
}

#[test]
fn global_flags_stand_anywhere() {
    for text in
        ["--debug --root R state web", "state --debug --root R web", "state web --root=R --debug=true"]
    {
        let read = ok(text);
        assert_eq!((read.global.root, read.global.log_level), (c("R"), Level::Debug), "{text}");
    }
    assert_eq!(ok("state web").global, Global::default());
    assert_eq!(ok("--debug state web --debug=false").global.log_level, Level::Warning);
    assert_eq!(ok("--rootless=auto list").global.rootless, None);
    assert_eq!(ok("--rootless true list").global.rootless, Some(true));
    assert_eq!(ok("--systemd-cgroup list").global.cgroup_manager, CgroupManager::Systemd);
}

#[test]
fn the_flags_after_spec_are_its_own() {
    let read = ok("--rootless false spec --rootless -o - -b B");
    assert_eq!(read.global.rootless, Some(false));
    let Command::Spec(spec) = read.command else { panic!() };
    assert!(spec.rootless && spec.output == c("-") && spec.bundle == c("B"));
}

#[test]
fn what_stands_after_execs_id_is_the_program_untouched() {
    let Command::Exec(exec) =
        ok("exec -t -e A=b=c -e B= -u 1:2 -g 3 -g 4 -c CAP_X web sh -t --help -- --root").command
    else {
        panic!()
    };
    let program: Vec<_> = exec.program.iter().map(|arg| arg.to_str().unwrap()).collect();
    assert_eq!(program, ["sh", "-t", "--help", "--", "--root"]);
    assert_eq!((exec.user, exec.additional_gids), (Some((1, Some(2))), &[3, 4][..]));
    assert_eq!(exec.env.len(), 2);
    assert!(exec.tty && exec.caps == [c"CAP_X"]);
    assert!(error("exec web").contains("--process"));
    assert!(error("exec -p F web sh").contains("--process"));
    assert!(error("exec").contains("ID is missing"));
}

#[test]
fn odd_users_are_refused_and_never_root() {
    let user = |text: &str| {
        let args = ["exec", "-u", text, "web", "sh"].map(OsString::from);
        match parse(args.into_iter()).map(|read| read.command) {
            Ok(Command::Exec(exec)) => exec.user,
            Err(failure) if failure.error.message().starts_with("--user: ") => None,
            other => panic!("{other:?}"),
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
fn flags_of_ps_and_of_the_ps_program_are_told_apart() {
    let ps = |text| match ok(text).command {
        Command::Ps(ps) => (
            ps.format,
            ps.options.iter().map(|o| o.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(" "),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(ps("ps web -f json"), (Format::Json, String::new()));
    assert_eq!(ps("ps web --format=json -e"), (Format::Json, "-e".into()));
    assert_eq!(ps("ps -f json web -ef"), (Format::Json, "-ef".into()));
    assert_eq!(ps("ps web -e -f"), (Format::Table, "-e -f".into()));
    assert_eq!(ps("ps web -- -f json"), (Format::Table, "-f json".into()));
    assert_eq!(ps("ps web -f -o pid"), (Format::Table, "-f -o pid".into()));
}

#[test]
fn update_takes_sizes_and_refuses_odd_ones() {
    let memory = |text: &str| match line(&["update web --memory ", text].concat()).map(|read| read.command) {
        Ok(Command::Update(update)) => update.memory,
        _ => None,
    };
    assert_eq!(memory("64m"), Some(64 << 20));
    assert_eq!(memory("1G"), Some(1 << 30));
    assert_eq!(memory("2KiB"), Some(2048));
    assert_eq!(memory("0"), Some(0));
    assert_eq!(memory("-1"), Some(-1));
    for odd in ["-2", "64x", "m", "1.5g", "9999999t", "0x10", "+1", "1mm", "1 m"] {
        assert_eq!(memory(odd), None, "{odd}");
    }
    let Command::Update(update) =
        ok("update --cpu-quota=-1 --pids-limit -1 --blkio-weight 1000 --cpu-idle 1 web").command
    else {
        panic!()
    };
    assert_eq!((update.cpu_quota, update.pids_limit), (Some(-1), Some(-1)));
    assert_eq!((update.blkio_weight, update.cpu_idle, update.memory), (Some(1000), Some(1), None));
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
    let interval =
        |text: &str| match line(&["events web --interval ", text].concat()).map(|read| read.command) {
            Ok(Command::Events(events)) => Some(events.interval_ms),
            _ => None,
        };
    assert_eq!(interval("5s"), Some(5000));
    assert_eq!(interval("1m30s"), Some(90_000));
    assert_eq!(interval("250ms"), Some(250));
    for odd in ["5", "0s", "s", "-1s", "5x", "1.5s", "5s3"] {
        assert_eq!(interval(odd), None, "{odd}");
    }
    let Command::Events(events) = ok("events --stats web").command else { panic!() };
    assert!(events.stats && events.interval_ms == 5000);
}

#[test]
fn mistakes_are_named_with_a_hint() {
    assert_eq!(error("create --bundel B web"), "create: unknown flag --bundel (did you mean --bundle?)");
    assert_eq!(error("creat web"), "unknown command creat (did you mean create?)");
    assert_eq!(error("--bundle B create web"), "flag --bundle belongs after the name of a command");
    assert_eq!(error("start --xyzzy web"), "start: unknown flag --xyzzy (see --help)");
    assert_eq!(error("kill web -9"), "kill: unknown flag -9 (a signal has no dash: kill web TERM)");
    assert_eq!(error("kill web FOO"), "kill: unknown signal \"FOO\"");
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
    let failure = line("--log L --log-format json create --wrong web").unwrap_err();
    assert_eq!((failure.global.log, failure.global.log_format), (c("L"), LogFormat::Json));
    let failure = line("--log-format xml --log L create web").unwrap_err();
    assert_eq!(failure.global.log, c("L"));
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
    for command in &COMMANDS {
        for text in [
            [command.name(), " --help"].concat(),
            ["help ", command.name()].concat(),
            ["-h ", command.name()].concat(),
        ] {
            let Command::Help(help) = ok(&text).command else { panic!("{text}") };
            if command.name() == "help" {
                continue;
            }
            assert!(help.starts_with(&["Usage: runlet ", command.name()].concat()), "{help}");
            for flag in command.flags {
                assert!(help.contains(&["--", flag.long()].concat()), "{}: {}", command.name(), flag.long());
            }
            assert!(line(command.example()).is_ok(), "the example of {}", command.name());
        }
    }
    let Command::Help(help) = ok("").command else { panic!() };
    assert!(COMMANDS.iter().all(|command| help.contains(command.name())));
    assert!(GLOBAL.iter().all(|flag| help.contains(flag.long())));
}

#[test]
fn no_command_has_two_flags_of_one_name() {
    for command in &COMMANDS {
        let mut seen = std::collections::HashSet::new();
        for flag in command.flags.iter().chain(&GLOBAL) {
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
    for command in &COMMANDS {
        let row = readme.lines().find(|line| {
            line.strip_prefix("| `").is_some_and(|rest| rest.split([' ', '`']).next() == Some(command.name()))
        });
        let row = row.unwrap_or_else(|| panic!("README.md has no row for {}", command.name()));
        assert!(row.contains(command.about()), "{}", command.name());
        let named = row.matches("--").count();
        assert_eq!(named, command.flags.len(), "{}: {row}", command.name());
        for flag in command.flags {
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
        match parse(words.iter().cloned()) {
            Err(failure) => {
                refused += 1;
                let text = failure.error.to_string();
                assert!(fuzz::is_one_clear_line(&text), "seed {seed}: {words:?}: {text:?}");
            }
            Ok(read) => {
                taken += 1;
                if let Command::Exec(exec) = read.command {
                    let ids = exec.user.map_or([0, 0], |(uid, gid)| [uid, gid.unwrap_or_default()]);
                    assert!(!ids.contains(&u32::MAX), "seed {seed}: {words:?}");
                }
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

//! The profiles that Docker, containerd, Podman and Buildah really write (tests/data/seccomp), as programs.
//!
//! A change of the compiler that changes these is looked at: `RUNLET_BLESS=1 cargo test --lib golden` writes them anew.

use super::*;
use std::{format, fs};

const PROFILES: &[(&str, &str)] = &[
    ("docker", include_str!("../../../../tests/data/seccomp/docker.json")),
    ("docker-bookworm", include_str!("../../../../tests/data/seccomp/docker-bookworm.json")),
    ("containerd", include_str!("../../../../tests/data/seccomp/containerd.json")),
    ("podman", include_str!("../../../../tests/data/seccomp/podman.json")),
    ("buildah", include_str!("../../../../tests/data/seccomp/buildah.json")),
];

#[test]
fn real_profiles_compile_to_the_golden_programs() {
    for (name, json) in PROFILES {
        let (printed, size) = from_json(json, |profile| {
            let filter = compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap();
            assert!(filter.unknown.is_empty(), "{name}: {:?}", filter.unknown);
            (asm::print(&filter.program, &X86_64), asm::size(&filter.program))
        });
        assert!(size.instructions <= 250, "{name}: {size:?}");
        assert!(size.unconditional <= 12, "{name}: {size:?}");
        let file = format!("{}/tests/data/seccomp/{name}.asm", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("RUNLET_BLESS").is_some() {
            fs::write(&file, &printed).unwrap();
        }
        assert!(fs::read_to_string(&file).unwrap() == printed, "{file} is not what the compiler makes");
    }
}

#[test]
fn real_profiles_agree_with_the_oracle_on_every_number() {
    let text = Text::read();
    for (name, json) in PROFILES {
        from_json(json, |profile| {
            let filter = compile("linux.seccomp.", profile, &X86_64, Options::default()).unwrap();
            let oracle = Oracle::new(profile, &X86_64, &text);
            for (architecture, bit) in [(X86_64_ARCH, 0), (X86_64_ARCH, 0x4000_0000), (X86_ARCH, 0)] {
                for number in 0..600 {
                    for first in [0, 40, 0x7e02_0000] {
                        let number = number | bit;
                        let call = Call { number, architecture, arguments: [first, 0, 0, 0, 0, 0] };
                        let have = asm::run(&filter.program, &call).unwrap();
                        assert_eq!(have.value, oracle.decide(&call), "{name}: {call:x?}");
                    }
                }
            }
        });
    }
}

#[test]
fn docker_means_what_its_authors_meant() {
    let docker = PROFILES[0].1;
    assert_eq!(value(docker, call(0, 0)), ALLOW, "read");
    assert_eq!(value(docker, call(155, 0)), ERRNO | 1, "pivot_root");
    assert_eq!(value(docker, call(56, 0)), ALLOW, "clone, as fork does it");
    assert_eq!(value(docker, call(56, 0x1000_0000)), ERRNO | 1, "clone of a user namespace");
    assert_eq!(value(docker, call(435, 0)), ERRNO | 38, "clone3");
    assert_eq!(value(docker, call(5000, 0)), ERRNO | 38, "a call of the future");
    assert_eq!(value(docker, call(41, 40)), ERRNO | 1, "socket of AF_VSOCK");
    assert_eq!(value(docker, call(41, 1)), ALLOW, "socket of AF_UNIX");
    let elsewhere = Call { architecture: 0xc000_00b7, ..call(0, 0) };
    assert_eq!(value(docker, elsewhere), KILL_THREAD, "another architecture");
}

//! The build-host tool behind the cargo aliases: `dist`, `demo`, `verify`, `vm`, `image`.
//!
//! This file only dispatches. It is never part of the runtime binary, so it may use std freely, but it stays light:
//! it is built before anything else on a fresh machine.

mod bench;
mod budget;
mod bundle;
mod demo;
mod dist;
mod gauge;
mod host;
mod image;
mod pairs;
mod setup;
mod syscall_tables;
mod verify;
mod vm;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo <dist|demo|verify|vm|image> [arguments]

  dist [--target TRIPLE]   build the static musl binary into target/dist
  demo                     build, make a bundle, run a container and show that it is one
  verify                   format, lints, all tests, budgets, the QEMU matrix
  vm -- shell              boot the test image and give a prompt
  image -o FILE BUNDLE...  make an initramfs that boots straight into a container
";

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    // In the test guest the kernel starts this same program as pid 1.
    if arguments.next().as_deref() == Some("/init") {
        vm::guest::init();
    }
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match command.as_str() {
        "demo" => demo::main(&rest),
        "dist" => dist::main(&rest),
        "image" => image::main(&rest),
        "budget" => budget::main(&rest),
        "bench" => bench::main(&rest),
        "verify" => verify::main(&rest),
        "vm" => vm::main(&rest),
        "pairs" => pairs::main(&rest),
        "syscall-tables" => syscall_tables::main(&rest),
        "-h" | "--help" | "help" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            if !command.is_empty() {
                eprintln!("unknown command {command:?} {rest:?}");
            }
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{command}: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `check --seccomp PROFILE`: what a profile really does, as the program that the kernel would run.
//!
//! The profile is the `linux.seccomp` object by itself, or a config.json that has one. Nothing is loaded into the kernel,
//! and no privilege is needed. After the program stands what it makes of every call, which is found out by asking it.
//! With `--syscall` one call is put to the program instead, for every architecture that has it.

use crate::args::{Flag, Given, text, values};
use crate::cmd::print;
use crate::compile::seccomp::{self, Call, Options, asm, table};
use crate::config::{self, Config, Put, Slot, Value, object, seccomp::Seccomp};
use crate::error::{Result, decimal, error};
use crate::json::Writer;
use crate::store::read_named;
use alloc::{format, string::String};
use core::ffi::CStr;
use core::fmt::Write as _;

/// What tells Docker's and Podman's templates from a profile.
#[derive(Default)]
struct Template {
    arch_map: Present,
}

object!(Template { "archMap" => arch_map });

/// Whether a property is there, whatever it is.
#[derive(Default)]
struct Present(bool);

impl<'a> Slot<'a> for Present {
    fn put(&mut self, _value: Value<'a>) -> Put {
        self.0 = true;
        Ok(())
    }
}

/// Prints a profile's program, or its answer to one call.
pub fn run(profile: &CStr, given: &Given) -> Result<()> {
    let name = text(profile, "--seccomp")?;
    print(&judge(name, read_named("--seccomp", name)?.0, given)?)
}

fn judge(name: &str, json: &[u8], given: &Given) -> Result<String> {
    if config::parse::<Template>(name, json)?.arch_map.0 {
        let error = error!("{}: is a template, from which a profile is made for each container", name);
        return Err(error.hint(words!("check the config.json that Docker or Podman writes")));
    }
    let config: &mut Config<'_> = config::parse(name, json)?;
    let profile: &Seccomp<'_> = match &config.linux.seccomp {
        Some(profile) => profile,
        None => config::parse(name, json)?,
    };
    let machine = &table::NATIVE;
    let allow_unknown = given.switch(Flag::AllowUnknownSyscalls);
    let filter = seccomp::compile(&format!("{name}: "), profile, machine, Options { allow_unknown })?;
    let call = given.text(Flag::Syscall);
    let program = &filter.program;
    let size = asm::size(program);

    if given.wants_json() {
        let mut out = Writer::default();
        out.object("");
        out.number("instructions", i64::try_from(size.instructions).unwrap_or_default());
        out.number("unconditional", size.unconditional.into());
        out.number("longest", size.longest.into());
        out.strings("unknown", &mut filter.unknown.iter().copied());
        match call {
            None => out.strings("program", &mut asm::print(program, machine).lines()),
            Some(call) => {
                out.array("calls");
                answers(call, given, program, machine, &mut |abi, number, outcome| {
                    out.object("");
                    out.string("architecture", abi.name);
                    out.number("number", number.into());
                    out.string("action", &asm::action(outcome.value));
                    out.number("instructions", outcome.steps.into());
                    out.end_object();
                })?;
                out.end_array();
            }
        }
        out.end_object();
        return Ok(out.finish());
    }

    let mut out = String::new();
    if let Some(call) = call {
        answers(call, given, program, machine, &mut |abi, number, outcome| {
            let (name, number, action) = (abi.name, asm::number(number), asm::action(outcome.value));
            let looked = if outcome.arguments == 0 { "" } else { ", with these arguments" };
            let steps = outcome.steps;
            let _infallible = writeln!(out, "{name:12} {number:12} {action} ({steps} instructions{looked})");
        })?;
        return Ok(out);
    }
    let asm::Size { instructions, unconditional, longest } = size;
    out.push_str(&asm::print(program, machine));
    out.push('\n');
    asm::summary(program, machine, &mut out);
    out.push_str(filled!(
        "\n{} instructions; at most {} run where no argument matters, {} in all\n",
        decimal(instructions),
        decimal(unconditional),
        decimal(longest)
    ));
    for unknown in &filter.unknown {
        out.extend(["unknown, skipped: ", unknown, "\n"]);
    }
    Ok(out)
}

/// What the program says to a call, given by name or by number, in each architecture that has it.
fn answers(
    call: &str,
    given: &Given,
    program: &[syscalls::seccomp::SockFilter],
    machine: &table::Machine,
    each: &mut dyn FnMut(&table::Abi, u32, asm::Outcome),
) -> Result<()> {
    let mut arguments = [0; 6];
    for argument in given.all(Flag::Arg) {
        let read = argument.text.to_str().ok().and_then(values::call_argument);
        if let Some((index, value)) = read
            && let Some(argument) = arguments.get_mut(usize::from(index))
        {
            *argument = value;
        }
    }
    let mut answered = false;
    for abi in machine.abis {
        let number = match call.parse::<u64>().map(u32::try_from) {
            Ok(Ok(number)) => number | abi.bit,
            _ => {
                let entry = machine.table.find(call);
                match entry.and_then(|entry| machine.table.number(abi, entry)) {
                    Some(number) => abi.real(number),
                    None => continue,
                }
            }
        };
        let asked = Call { number, architecture: abi.audit, arguments };
        if let Some(outcome) = asm::run(program, &asked) {
            each(abi, number, outcome);
            answered = true;
        }
    }
    match answered {
        true => Ok(()),
        false => Err(error!("--syscall {quoted}: no system call of this machine", call)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::vec::Vec;

    const DOCKER: &str = include_str!("../../../tests/data/seccomp/docker.json");

    fn given(flags: &[(Flag, &'static CStr)]) -> Given {
        let mut given = Given::default();
        flags.iter().for_each(|(flag, value)| given.put(*flag, value).unwrap());
        given
    }

    fn docker(flags: &[(Flag, &'static CStr)]) -> String {
        judge("docker.json", DOCKER.as_bytes(), &given(flags)).unwrap()
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn one_call_is_answered_for_every_architecture_that_has_it() {
        let text = docker(&[(Flag::Syscall, c"socket"), (Flag::Arg, c"0=40")]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        for (line, name) in lines.iter().zip(["x86_64", "x32", "x86"]) {
            assert_eq!(line.first(), Some(&name));
            assert_eq!(line.get(2..4), Some(&["ERRNO", "EPERM"][..]), "{text}");
        }
        let text = docker(&[(Flag::Syscall, c"socket"), (Flag::Arg, c"0=1")]);
        assert!(text.lines().all(|line| line.contains(" ALLOW ")));
        assert!(docker(&[(Flag::Syscall, c"4000")]).contains("ENOSYS"));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_program_is_printed_with_names_and_its_size() {
        let text = docker(&[]);
        assert!(text.contains("x86_64, x32:\n"), "{text}");
        assert!(text.contains(" personality "), "{text}");
        assert!(text.contains("by argument: clone personality socket\n"), "{text}");
        assert!(text.contains("238 instructions; at most 12 run where no argument matters"), "{text}");
    }

    #[test]
    fn a_config_and_its_profile_by_itself_are_the_same() {
        let config = format!("{{\"ociVersion\":\"1.2.0\",\"linux\":{{\"seccomp\":{DOCKER}}}}}");
        for format in [c"table", c"json"] {
            let given = given(&[(Flag::Format, format)]);
            let whole = judge("x", config.as_bytes(), &given).unwrap();
            assert_eq!(whole, judge("x", DOCKER.as_bytes(), &given).unwrap());
        }
    }

    #[test]
    fn what_is_no_profile_is_refused_by_the_name_of_its_file() {
        let refusal = |json: &str| judge("p.json", json.as_bytes(), &Given::default()).unwrap_err().message();
        assert!(refusal("{").starts_with("p.json: "));
        assert!(refusal("{}").starts_with("p.json: defaultAction: "));
        assert!(refusal("{\"archMap\":[]}").contains("template"));
        let given = given(&[(Flag::Syscall, c"nosuch")]);
        let error = judge("p.json", DOCKER.as_bytes(), &given).unwrap_err();
        assert!(error.message().contains("\"nosuch\""));
    }
}

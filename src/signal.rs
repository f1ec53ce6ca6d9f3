//! Signals by name and number: the table, and the one way to read what a person or a caller typed.
//!
//! The numbers are those of the machine's own ABI (MIPS counts differently from all others). Read by the argument
//! parser for `kill`.

use linux_raw_sys::general as raw;

/// The kernel's number of signals (`_NSIG` in the architecture's asm/signal.h): MIPS has twice as many.
pub const MAX: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 127 } else { 64 };

/// The first real-time signal that programs may use. The kernel's is 32; C libraries keep the first ones for
/// themselves and count from 34, as do systemd, Docker and their documents (signal(7)).
pub const REALTIME: i32 = 34;

/// The standard signals, in the order of signal(7), without SIG.
#[rustfmt::skip]
pub const SIGNALS: &[(&str, i32)] = &[
    ("HUP", raw::SIGHUP as i32), ("INT", raw::SIGINT as i32), ("QUIT", raw::SIGQUIT as i32),
    ("ILL", raw::SIGILL as i32), ("TRAP", raw::SIGTRAP as i32), ("ABRT", raw::SIGABRT as i32),
    ("IOT", raw::SIGABRT as i32), ("BUS", raw::SIGBUS as i32), ("FPE", raw::SIGFPE as i32),
    ("KILL", raw::SIGKILL as i32), ("USR1", raw::SIGUSR1 as i32), ("SEGV", raw::SIGSEGV as i32),
    ("USR2", raw::SIGUSR2 as i32), ("PIPE", raw::SIGPIPE as i32), ("ALRM", raw::SIGALRM as i32),
    ("TERM", raw::SIGTERM as i32), ("CHLD", raw::SIGCHLD as i32), ("CLD", raw::SIGCHLD as i32),
    ("CONT", raw::SIGCONT as i32), ("STOP", raw::SIGSTOP as i32), ("TSTP", raw::SIGTSTP as i32),
    ("TTIN", raw::SIGTTIN as i32), ("TTOU", raw::SIGTTOU as i32), ("URG", raw::SIGURG as i32),
    ("XCPU", raw::SIGXCPU as i32), ("XFSZ", raw::SIGXFSZ as i32), ("VTALRM", raw::SIGVTALRM as i32),
    ("PROF", raw::SIGPROF as i32), ("WINCH", raw::SIGWINCH as i32), ("IO", raw::SIGIO as i32),
    ("POLL", raw::SIGIO as i32), ("PWR", raw::SIGPWR as i32), ("SYS", raw::SIGSYS as i32),
    #[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
    ("STKFLT", raw::SIGSTKFLT as i32),
];

/// Reads a signal: a number from 0 to [`MAX`], a name with or without SIG in any case, or a real-time signal as
/// `RTMIN`, `RTMIN+n`, `RTMAX` or `RTMAX-n`. 0 asks only whether the process is there (kill(2)).
pub fn parse(text: &str) -> Option<i32> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return decimal(text).filter(|number| *number <= MAX);
    }
    let name = match text.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("sig") => text.get(3..)?,
        _ => text,
    };
    if let Some((_, number)) = SIGNALS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Some(*number);
    }
    let base = name.get(..5)?;
    let number =
        match (name.get(5..)?, base.eq_ignore_ascii_case("rtmin"), base.eq_ignore_ascii_case("rtmax")) {
            ("", true, _) => REALTIME,
            ("", _, true) => MAX,
            (rest, true, _) => REALTIME.checked_add(decimal(rest.strip_prefix('+')?)?)?,
            (rest, _, true) => MAX.checked_sub(decimal(rest.strip_prefix('-')?)?)?,
            _ => return None,
        };
    (REALTIME..=MAX).contains(&number).then_some(number)
}

/// Digits and nothing else: `str::parse` would take a sign.
fn decimal(text: &str) -> Option<i32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_read_in_every_spelling() {
        for text in ["KILL", "SIGKILL", "sigkill", "kill", "SigKill", "9", "09"] {
            assert_eq!(parse(text), Some(9), "{text}");
        }
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("RTMIN"), Some(34));
        assert_eq!(parse("SIGRTMIN+3"), Some(37));
        assert_eq!(parse("rtmax-1"), Some(MAX - 1));
        assert_eq!(parse("SIGRTMAX"), Some(MAX));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in [
            "",
            "SIG",
            "-9",
            "+9",
            " 9",
            "9 ",
            "65535",
            "0x9",
            "KILLED",
            "SIGSIGKILL",
            "RTMIN+",
            "RTMIN-1",
            "RTMIN++1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in ["RTMAX+1", "RTMAX-99", "RTMIN+99", "rtmé", "sigé", "é", "99999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

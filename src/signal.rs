//! Signals by name and number: the table, and the one way to read what a person or a caller typed.
//!
//! The numbers are those of the machine's own ABI (MIPS counts differently from all others). Read by
//! `kill`.

use crate::texts;
use crate::texts::{Texts, same};
use linux_raw_sys::general as raw;

/// The kernel's number of signals (`_NSIG` in the architecture's asm/signal.h): MIPS has twice as many.
pub const MAX: u32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 127 } else { 64 };

/// The first real-time signal that programs may use. The kernel's is 32; C libraries keep the first ones for
/// themselves and count from 34, as do systemd, Docker and their documents (signal(7)).
pub const REALTIME: u32 = 34;

macro_rules! signals {
    ($($name:literal $signal:ident)*) => {
        /// The standard signals, in the order of signal(7), without SIG.
        static NAMES: Texts = texts![$($name,)* "STKFLT"];
        /// Their numbers. MIPS has none for the last one.
        const NUMBERS: &[u32] = &[
            $(raw::$signal,)*
            #[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
            raw::SIGSTKFLT,
        ];
    };
}

#[rustfmt::skip]
signals! {
    "HUP" SIGHUP  "INT" SIGINT  "QUIT" SIGQUIT  "ILL" SIGILL  "TRAP" SIGTRAP  "ABRT" SIGABRT
    "IOT" SIGABRT  "BUS" SIGBUS  "FPE" SIGFPE  "KILL" SIGKILL  "USR1" SIGUSR1  "SEGV" SIGSEGV
    "USR2" SIGUSR2  "PIPE" SIGPIPE  "ALRM" SIGALRM  "TERM" SIGTERM  "CHLD" SIGCHLD  "CLD" SIGCHLD
    "CONT" SIGCONT  "STOP" SIGSTOP  "TSTP" SIGTSTP  "TTIN" SIGTTIN  "TTOU" SIGTTOU  "URG" SIGURG
    "XCPU" SIGXCPU  "XFSZ" SIGXFSZ  "VTALRM" SIGVTALRM  "PROF" SIGPROF  "WINCH" SIGWINCH  "IO" SIGIO
    "POLL" SIGIO  "PWR" SIGPWR  "SYS" SIGSYS
}

/// Reads a signal: a number from 0 to [`MAX`], a name with or without SIG in any case, or a real-time signal as
/// `RTMIN`, `RTMIN+n`, `RTMAX` or `RTMAX-n`. 0 asks only whether the process is there (kill(2)).
pub fn parse(text: &str) -> Option<u32> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return decimal(text).filter(|number| *number <= MAX);
    }
    let name = match text.get(..3) {
        Some(prefix) if same(prefix.as_bytes(), b"sig") => text.get(3..)?,
        _ => text,
    };
    if let Some(place) = NAMES.position_where(|known| same(known, name.as_bytes())) {
        return NUMBERS.get(place).copied();
    }
    let base = name.get(..5)?.as_bytes();
    let number = match (name.get(5..)?, same(base, b"rtmin"), same(base, b"rtmax")) {
        ("", true, _) => REALTIME,
        ("", _, true) => MAX,
        (rest, true, _) => REALTIME.checked_add(decimal(rest.strip_prefix('+')?)?)?,
        (rest, _, true) => MAX.checked_sub(decimal(rest.strip_prefix('-')?)?)?,
        _ => return None,
    };
    (REALTIME..=MAX).contains(&number).then_some(number)
}

/// Digits and nothing else: `str::parse` would take a sign.
fn decimal(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse::<u64>().ok()?.try_into().ok()
    } else {
        None
    }
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

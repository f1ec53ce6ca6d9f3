//! `pty CMD…`: a person's terminal. The command leads a session on it; what comes out goes to standard output, standard input is
//! what is typed. A line that starts with a NUL is for this program: `size ROWS COLUMNS`, `mode` (answered with a line of the same
//! form, `raw` or `cooked`), `hangup`. At the command's end it says `exit STATUS MODE`, MODE being `same` when the terminal is as it was.

use crate::sys::{self, call, nr};
use std::ffi::c_int;
use std::io::{BufRead, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

const TIOCSCTTY: i32 = 0x540e;
const TIOCSWINSZ: i32 = 0x5414;
const TIOCSPTLCK: i32 = 0x4004_5431;
const TIOCGPTPEER: i32 = 0x5441;
const TCGETS: i32 = 0x5401;
const ICANON: u32 = 2;

/// struct termios of Linux: four words, then characters.
type Termios = [u32; 15];

fn settings(master: i32) -> Termios {
    let mut termios = [0; 15];
    let _ = call!(nr::IOCTL, master, TCGETS, termios.as_mut_ptr());
    termios
}

fn mode(master: i32) -> &'static str {
    if settings(master)[3] & ICANON == 0 { "raw" } else { "cooked" }
}

fn resize(master: i32, rows: u16, columns: u16) {
    let size = [rows, columns, 0u16, 0];
    let _ = call!(nr::IOCTL, master, TIOCSWINSZ, size.as_ptr());
}

static HANGUP: AtomicBool = AtomicBool::new(false);

/// One line to standard output, not within what the command has written.
static OUT: Mutex<()> = Mutex::new(());

fn say(text: &str) {
    let _own = OUT.lock();
    let _ = sys::write_fd(1, format!("\0{text}\n").as_bytes());
}

pub fn run(command: &[&str]) -> i32 {
    let Ok(master) = sys::open("/dev/ptmx", sys::O_RDWR | sys::O_NOCTTY | sys::O_NONBLOCK, 0) else {
        return 126;
    };
    let unlocked: c_int = 0;
    let _ = call!(nr::IOCTL, master, TIOCSPTLCK, &unlocked as *const c_int);
    resize(master, 30, 90);
    let before = settings(master);
    let child = unsafe { sys::fork() };
    if child == 0 {
        let Ok(slave) = call!(nr::IOCTL, master, TIOCGPTPEER, sys::O_RDWR | sys::O_NOCTTY) else {
            return 126;
        };
        let _ = call!(nr::SETSID);
        let _ = call!(nr::IOCTL, slave, TIOCSCTTY, 0);
        for to in 0..3 {
            let _ = call!(nr::DUP3, slave, to, 0);
        }
        sys::close(slave as i32);
        // Whoever started the tests may ignore the keys' signals, as a script's `&` does; who logs in does not.
        for number in 1..=3 {
            unsafe { sys::signal(number, 0) };
        }
        return crate::outside::become_command(command);
    }
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut first = [0u8];
        while let Ok(1) = input.read(&mut first) {
            if first != [0] {
                let _ = sys::write_fd(master, &first);
                continue;
            }
            let mut line = String::new();
            let _ = input.read_line(&mut line);
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["size", rows, columns] => resize(master, rows.parse().unwrap(), columns.parse().unwrap()),
                ["mode"] => say(mode(master)),
                ["hangup"] => {
                    HANGUP.store(true, Ordering::SeqCst);
                    sys::close(master);
                }
                _ => panic!("{line:?}"),
            }
        }
    });
    // EIO is the end: nobody has the terminal open any more.
    let reader = std::thread::spawn(move || {
        let mut block = [0u8; 4096];
        while !HANGUP.load(Ordering::SeqCst) {
            match call!(nr::READ, master, block.as_mut_ptr(), block.len()) {
                Ok(length @ 1..) => {
                    let _own = OUT.lock();
                    let _ = sys::write_fd(1, &block[..length as usize]);
                }
                // A read that waits would keep the terminal open over a hangup.
                Err(11) => std::thread::sleep(std::time::Duration::from_millis(2)),
                _ => break,
            }
        }
    });
    let status = sys::waitpid(child, 0).map_or(-1, |(_, status)| status);
    let hung_up = HANGUP.load(Ordering::SeqCst);
    let same = if hung_up {
        "gone"
    } else if settings(master) == before {
        "same"
    } else {
        "changed"
    };
    if !hung_up {
        let _ = reader.join();
    }
    let status = if status & 0x7f == 0 { status >> 8 & 0xff } else { 128 + (status & 0x7f) };
    say(&format!("exit {status} {same}"));
    0
}

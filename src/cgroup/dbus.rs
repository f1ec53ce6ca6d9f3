//! As much of D-Bus as asking systemd takes: a connection to a bus, method calls, their answers, one signal.
//!
//! Messages are written by hand in this machine's byte order (dbus.freedesktop.org, D-Bus Specification 0.43). Owns no
//! policy; only `cgroup::systemd` uses it.

use crate::error::{Error, Result, decimal, error};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use syscalls::{AsFd, fd, net};

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The protocol's limit of one message is 128 MiB; what is asked for here is far smaller.
const LONGEST: usize = 1 << 20;

/// Message types.
const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// A method call being written, in D-Bus's layout: every value aligned to its size from the start.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    method: &'static str,
    bytes: Vec<u8>,
    /// Where the arguments begin.
    body: usize,
}

/// An array that is being written.
pub struct Array {
    /// Where its length ends.
    length: usize,
    /// Where its first element is: the padding between is not counted.
    start: usize,
}

impl Call {
    /// The call without its arguments, which are of these types.
    pub fn new(object: &Object<'_>, method: &'static str, signature: &str) -> Call {
        let mut call = Call { method, bytes: Vec::new(), body: 0 };
        // Byte order, type, no flags, version; then the length of the body and a serial number, which come last.
        call.put(&[if cfg!(target_endian = "big") { b'B' } else { b'l' }, CALL, 0, 1]);
        call.word(0).word(0);
        let fields = call.array(8);
        call.field(1, b'o').string(object.path);
        call.field(2, b's').string(object.interface);
        call.field(3, b's').string(method);
        call.field(6, b's').string(object.destination);
        if !signature.is_empty() {
            call.field(8, b'g').signature(signature);
        }
        call.end(fields);
        call.align(8);
        call.body = call.bytes.len();
        call
    }

    /// A field of the header.
    fn field(&mut self, code: u8, kind: u8) -> &mut Self {
        self.align(8);
        self.put(&[code, 1, kind, 0])
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// Sets the number that ends there.
    #[inline(never)]
    fn set(&mut self, end: usize, value: usize) {
        let place = end.checked_sub(4).and_then(|at| self.bytes.get_mut(at..)?.first_chunk_mut());
        if let Some(place) = place {
            *place = u32::try_from(value).unwrap_or(0).to_ne_bytes();
        }
    }

    /// u, and b as 0 or 1.
    pub fn word(&mut self, value: u32) -> &mut Self {
        self.align(4);
        self.put(&value.to_ne_bytes())
    }

    /// s and o.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.word(u32::try_from(text.len()).unwrap_or(0)).put(text.as_bytes()).put(&[0])
    }

    /// g.
    fn signature(&mut self, text: &str) -> &mut Self {
        self.put(&[u8::try_from(text.len()).unwrap_or(0)]).put(text.as_bytes()).put(&[0])
    }

    /// ay.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(u32::try_from(bytes.len()).unwrap_or(0)).put(bytes);
    }

    /// Starts an array, whose elements are aligned to so many bytes.
    pub fn array(&mut self, element: usize) -> Array {
        let length = self.word(0).bytes.len();
        self.align(element);
        Array { length, start: self.bytes.len() }
    }

    /// Ends it, and tells whether there is anything in it.
    pub fn end(&mut self, array: Array) -> bool {
        let length = self.bytes.len().saturating_sub(array.start);
        self.set(array.length, length);
        length > 0
    }

    /// (sv): a name and the start of a value of this type.
    pub fn property(&mut self, name: &str, kind: &str) -> &mut Self {
        self.align(8);
        self.string(name).signature(kind)
    }

    /// The same with a string.
    pub fn text(&mut self, name: &str, value: &str) {
        self.property(name, "s").string(value);
    }

    /// The same with a boolean.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.property(name, "b").word(value.into());
    }

    /// The same with a number.
    pub fn number(&mut self, name: &str, value: u64) {
        self.property(name, "t").align(8);
        self.put(&value.to_ne_bytes());
    }
}

/// A message read in the byte order it came in.
#[derive(Clone, Copy)]
struct Reader {
    bytes: &'static [u8],
    at: usize,
    swapped: bool,
}

impl Reader {
    fn take(&mut self, length: usize) -> Option<&'static [u8]> {
        let end = self.at.checked_add(length)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn word(&mut self) -> Option<usize> {
        self.at = self.at.next_multiple_of(4);
        word(self.take(4)?, self.swapped)
    }

    fn string(&mut self) -> Option<&'static str> {
        let length = self.word()?;
        let text = core::str::from_utf8(self.take(length)?).ok()?;
        self.take(1)?;
        Some(text)
    }

    /// The type of a value, where it is one letter.
    fn kind(&mut self) -> Option<u8> {
        match self.take(3)? {
            [1, kind, 0] => Some(*kind),
            _ => None,
        }
    }
}

/// A number at the start of some bytes.
fn word(bytes: &[u8], swapped: bool) -> Option<usize> {
    let word = u32::from_ne_bytes(*bytes.first_chunk()?);
    usize::try_from(if swapped { word.swap_bytes() } else { word }).ok()
}

/// A message that came.
pub struct Message {
    kind: u8,
    /// The call that this answers.
    answers: usize,
    /// Name of the error, or of the signal.
    name: &'static str,
    /// The whole message, at its body.
    body: Reader,
}

impl Message {
    /// A string (or object path) of the body: behind `words` numbers and `strings` others.
    pub fn string(&self, words: usize, strings: usize) -> Option<&'static str> {
        let mut reader = self.body;
        for _ in 0..words {
            reader.word()?;
        }
        for _ in 0..strings {
            reader.string()?;
        }
        reader.string()
    }

    /// The string in a variant, as Properties.Get returns it.
    pub fn variant(&self) -> Option<&'static str> {
        let mut reader = self.body;
        (reader.kind()? == b's').then(|| reader.string())?
    }

    /// Whether a message that begins with these bytes is in the other byte order, where its body begins and where it ends.
    fn extent(start: &[u8]) -> Option<(bool, usize, usize)> {
        let swapped = match (start.first()?, cfg!(target_endian = "big")) {
            (b'l', false) | (b'B', true) => false,
            (b'l', true) | (b'B', false) => true,
            _ => return None,
        };
        let number = |at| word(start.get(at..)?, swapped);
        let body = number(12)?.checked_add(16)?.checked_next_multiple_of(8)?;
        let end = body.checked_add(number(4)?)?;
        (end <= LONGEST).then_some((swapped, body, end))
    }

    /// Reads a whole one.
    fn parse(bytes: &'static [u8]) -> Option<Message> {
        let (swapped, body, _) = Message::extent(bytes)?;
        let mut reader = Reader { bytes, at: 12, swapped };
        let end = reader.word()?.saturating_add(16);
        let body = Reader { at: body, ..reader };
        let mut message = Message { kind: *bytes.get(1)?, answers: 0, name: "", body };
        while reader.at < end {
            reader.at = reader.at.next_multiple_of(8);
            let code = *reader.take(1)?.first()?;
            match (code, reader.kind()?) {
                (5, b'u') => message.answers = reader.word()?,
                // The member of a signal, the name of an error.
                (3 | 4, b's') => message.name = reader.string()?,
                (_, b's' | b'o') => drop(reader.string()?),
                (_, b'u') => drop(reader.word()?),
                (_, b'g') => {
                    let length = *reader.take(1)?.first()?;
                    reader.take(usize::from(length).saturating_add(1))?;
                }
                _ => return None,
            }
        }
        Some(message)
    }
}

/// A connection to a bus.
pub struct Connection {
    socket: OwnedFd,
    serial: usize,
    /// What was received and not yet looked at.
    received: Vec<u8>,
    /// Signals that came.
    signals: Vec<&'static Message>,
}

impl Connection {
    /// Connects to the bus at a path and says who is there: the kernel vouches for the user id (EXTERNAL).
    pub fn open(path: &str) -> Result<Box<Connection>> {
        let failed = |errno| {
            Error::sys(words!("connect to the message bus"), path)(errno)
                .hint(words!("--cgroup-manager cgroupfs does without systemd"))
        };
        let socket = net::connected(net::SOCK_STREAM, path.as_bytes()).map_err(failed)?;
        let mut connection =
            Box::new(Connection { socket, serial: 0, received: Vec::new(), signals: Vec::new() });
        connection.greet().map_err(failed)?;
        if !connection.received.starts_with(b"OK") {
            return Err(error!("message bus {quoted}: refused this user", path));
        }
        connection.received.clear();
        connection.send(b"BEGIN\r\n").map_err(failed)?;
        connection.call(&mut Call::new(&BUS, "Hello", ""))?;
        Ok(connection)
    }

    /// Says the user id in decimal, its digits in hexadecimal: 30 to 39. What is received then is the answer.
    fn greet(&mut self) -> rustix::io::Result<()> {
        let mut greeting = String::from("\0AUTH EXTERNAL ");
        for digit in decimal(syscalls::ids::start().uid).chars() {
            greeting.push('3');
            greeting.push(digit);
        }
        greeting.push_str("\r\n");
        self.send(greeting.as_bytes())?;
        // One line, behind which nothing comes before it is answered.
        while !self.received.ends_with(b"\r\n") && self.received.len() <= 4096 {
            self.receive()?;
        }
        Ok(())
    }

    fn send(&self, mut bytes: &[u8]) -> rustix::io::Result<()> {
        while !bytes.is_empty() {
            match net::send(self.socket.as_fd(), bytes, net::MSG_NOSIGNAL) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> rustix::io::Result<()> {
        loop {
            match fd::poll(&mut [fd::PollFd::new(self.socket.as_fd(), fd::POLLIN)], Some(PATIENCE)) {
                Ok(0) => return Err(Errno::TIMEDOUT),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.received.reserve(4096);
        match rustix::io::read(&self.socket, rustix::buffer::spare_capacity(&mut self.received))? {
            0 => Err(Errno::CONNRESET),
            _ => Ok(()),
        }
    }

    /// The next message; a signal is kept, too.
    fn message(&mut self) -> rustix::io::Result<&'static Message> {
        while self.received.len() < 16 {
            self.receive()?;
        }
        let (.., end) = Message::extent(&self.received).ok_or(Errno::PROTO)?;
        while self.received.len() < end {
            self.receive()?;
        }
        let rest = self.received.split_off(end);
        let bytes = core::mem::replace(&mut self.received, rest).leak();
        let message: &'static Message = Box::leak(Box::new(Message::parse(bytes).ok_or(Errno::PROTO)?));
        if message.kind == SIGNAL {
            self.signals.push(message);
        }
        Ok(message)
    }

    /// Calls a method and waits for its answer.
    pub fn call(&mut self, call: &mut Call) -> Result<&'static Message> {
        let failed = |errno| Error::sys(words!("message bus: call"), call.method)(errno);
        self.serial = self.serial.wrapping_add(1);
        call.set(8, call.bytes.len().saturating_sub(call.body));
        call.set(12, self.serial);
        self.send(&call.bytes).map_err(failed)?;
        loop {
            let message = self.message().map_err(failed)?;
            match message.kind {
                RETURN if message.answers == self.serial => return Ok(message),
                ERROR if message.answers == self.serial => {
                    let text = message.string(0, 0).unwrap_or_default();
                    return Err(error!("{}: {}: {}", call.method, message.name, text));
                }
                _ => {}
            }
        }
    }

    /// Waits for the signal JobRemoved(id, job, unit, result) of a job and returns its result.
    pub fn job_result(&mut self, job: &str) -> Result<&'static str> {
        loop {
            for signal in self.signals.drain(..) {
                // The leading number is the job's id.
                if signal.name == "JobRemoved"
                    && signal.string(1, 0) == Some(job)
                    && let Some(result) = signal.string(1, 2)
                {
                    return Ok(result);
                }
            }
            self.message().map_err(Error::os(words!("message bus: wait for systemd")))?;
        }
    }
}

/// Whose method is called.
pub struct Object<'a> {
    /// Name on the bus.
    pub destination: &'a str,
    /// Object path.
    pub path: &'a str,
    /// Interface of the method.
    pub interface: &'a str,
}

/// The bus itself.
pub const BUS: Object<'static> = Object {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_call_is_laid_out_as_the_specification_says() {
        let mut call = Call::new(&BUS, "Hello", "");
        call.set(12, 1);
        let expected: &[u8] = b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x6d\x00\x00\x00\
            \x01\x01o\x00\x15\x00\x00\x00/org/freedesktop/DBus\x00\x00\x00\
            \x02\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00\
            \x03\x01s\x00\x05\x00\x00\x00Hello\x00\x00\x00\
            \x06\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00";
        assert_eq!(call.bytes, expected);
    }

    fn signal(job: &str, result: &str) -> Vec<u8> {
        let object = Object { destination: ":1.2", path: "/o", interface: "i" };
        let mut call = Call::new(&object, "JobRemoved", "uoss");
        call.word(7).string(job).string("x.scope").string(result);
        call.set(8, call.bytes.len() - call.body);
        call.bytes[1] = SIGNAL;
        call.bytes
    }

    #[test]
    fn a_message_is_read_back_and_a_part_of_one_is_not() {
        let bytes = signal("/job/1", "done").leak();
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.name, "JobRemoved");
        let strings = [0, 1, 2].map(|at| message.string(1, at).unwrap());
        assert_eq!(strings, ["/job/1", "x.scope", "done"]);
        assert_eq!(Message::extent(bytes).unwrap().2, bytes.len());
        for end in 0..bytes.len() {
            let part = Message::parse(&bytes[..end]);
            assert!(part.is_none_or(|message| message.string(1, 2).is_none()), "{end}");
            assert!(Message::extent(&bytes[..end]).is_none_or(|(_, _, whole)| whole > end), "{end}");
        }
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_crash() {
        assert!(Message::parse(b"x").is_none());
        let good = signal("/job/1", "done");
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                if let Some(message) = Message::parse(bad.leak()) {
                    message.string(1, 2);
                }
            }
        }
    }

    #[test]
    fn arrays_count_their_bytes_without_the_first_padding() {
        let mut call = Call { method: "", bytes: Vec::new(), body: 0 };
        let array = call.array(8);
        call.string("a");
        call.end(array);
        assert_eq!(call.bytes[..4], 6u32.to_ne_bytes());
        assert_eq!(call.bytes.len(), 8 + 6);
    }
}

//! As much of D-Bus as asking systemd takes: a connection to a bus, method calls, their answers, one signal.
//!
//! Messages are written by hand in this machine's byte order (dbus.freedesktop.org, D-Bus Specification 0.43). Owns no
//! policy; only `cgroup::systemd` uses it.

use crate::error::{Error, Result, error};
use alloc::{format, string::String, vec::Vec};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use syscalls::{AsFd, net};

/// How long systemd may take to answer.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
/// The protocol's limit of one message is 128 MiB; what is asked for here is far smaller.
const LONGEST: usize = 1 << 20;

/// Message types.
const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// Bytes in D-Bus's layout: every value aligned to its size from the start.
#[derive(Default)]
pub struct Body(Vec<u8>);

impl Body {
    fn align(&mut self, to: usize) {
        while !self.0.len().is_multiple_of(to) {
            self.0.push(0);
        }
    }

    /// y.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// u, and b as 0 or 1.
    pub fn word(&mut self, value: u32) -> &mut Self {
        self.align(4);
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// t.
    pub fn long(&mut self, value: u64) -> &mut Self {
        self.align(8);
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// s and o.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.word(u32::try_from(text.len()).unwrap_or(0));
        self.0.extend(text.bytes());
        self.byte(0)
    }

    /// g.
    pub fn signature(&mut self, text: &str) -> &mut Self {
        self.byte(u8::try_from(text.len()).unwrap_or(0));
        self.0.extend(text.bytes());
        self.byte(0)
    }

    /// An array of what `fill` writes, whose elements are aligned to `element`. The length does not count the first padding.
    pub fn array(&mut self, element: usize, fill: &mut dyn FnMut(&mut Self)) -> &mut Self {
        self.word(0);
        let length_at = self.0.len().saturating_sub(4);
        self.align(element);
        let start = self.0.len();
        fill(self);
        let length = u32::try_from(self.0.len().saturating_sub(start)).unwrap_or(0);
        if let Some(place) = self.0.get_mut(length_at..length_at.saturating_add(4)) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self
    }

    /// The start of a struct or a dictionary's entry.
    pub fn structure(&mut self) -> &mut Self {
        self.align(8);
        self
    }
}

/// A message read in the byte order it came in.
#[derive(Clone, Copy)]
struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
    swapped: bool,
}

impl<'m> Reader<'m> {
    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let end = self.at.checked_add(length)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn word(&mut self) -> Option<u32> {
        self.align(4);
        let word = u32::from_ne_bytes(self.take(4)?.try_into().ok()?);
        Some(if self.swapped { word.swap_bytes() } else { word })
    }

    fn string(&mut self) -> Option<&'m str> {
        let length = usize::try_from(self.word()?).ok()?;
        let text = core::str::from_utf8(self.take(length)?).ok()?;
        self.take(1)?;
        Some(text)
    }

    fn signature(&mut self) -> Option<&'m str> {
        let length = usize::from(*self.take(1)?.first()?);
        let text = core::str::from_utf8(self.take(length)?).ok()?;
        self.take(1)?;
        Some(text)
    }
}

/// A message that came.
pub struct Message {
    kind: u8,
    /// The call that this answers.
    answers: u32,
    /// Name of the error, or of the signal.
    name: &'static str,
    /// The whole message, at its body.
    body: Reader<'static>,
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
        (reader.signature()? == "s").then(|| reader.string())?
    }

    /// Takes one whole message from the front of `bytes`: `None` when there is only a part of one.
    fn parse(bytes: &[u8]) -> Option<rustix::io::Result<Message>> {
        let swapped = match (bytes.first()?, cfg!(target_endian = "big")) {
            (b'l', false) | (b'B', true) => false,
            (b'l', true) | (b'B', false) => true,
            _ => return Some(Err(Errno::PROTO)),
        };
        let mut reader = Reader { bytes, at: 4, swapped };
        let kind = *bytes.get(1)?;
        let body_length = usize::try_from(reader.word()?).ok()?;
        reader.word()?;
        let fields_length = usize::try_from(reader.word()?).ok()?;
        let fields_end = fields_length.saturating_add(16);
        let body = fields_end.next_multiple_of(8);
        let length = body.saturating_add(body_length);
        if length > LONGEST {
            return Some(Err(Errno::PROTO));
        }
        let fields = Reader { bytes: bytes.get(..length)?.to_vec().leak(), at: 16, swapped };
        let mut message = Message { kind, answers: 0, name: "", body: Reader { at: body, ..fields } };
        Some(message.fields(fields, fields_end).ok_or(Errno::PROTO).map(|()| message))
    }

    /// The header fields that matter here.
    fn fields(&mut self, mut reader: Reader<'static>, end: usize) -> Option<()> {
        while reader.at < end {
            reader.align(8);
            let code = *reader.take(1)?.first()?;
            match (code, reader.signature()?) {
                (5, "u") => self.answers = reader.word()?,
                // The member of a signal, the name of an error.
                (3 | 4, "s") => self.name = reader.string()?,
                (_, "s" | "o") => drop(reader.string()?),
                (_, "g") => drop(reader.signature()?),
                (_, "u") => drop(reader.word()?),
                _ => return None,
            }
        }
        Some(())
    }
}

/// A connection to a bus.
pub struct Connection {
    socket: OwnedFd,
    serial: u32,
    /// What was received and not yet looked at.
    received: Vec<u8>,
    /// Signals that came while an answer was waited for.
    signals: Vec<Message>,
}

impl Connection {
    /// Connects to the bus at a path and says who is there: the kernel vouches for the user id (EXTERNAL).
    pub fn open(path: &str) -> Result<Connection> {
        let failed = |errno| {
            Error::sys(words!("connect to the message bus"), path)(errno)
                .hint(words!("--cgroup-manager cgroupfs does without systemd"))
        };
        let socket = net::connected(net::SOCK_STREAM, path.as_bytes()).map_err(failed)?;
        let mut connection = Connection { socket, serial: 0, received: Vec::new(), signals: Vec::new() };
        // The user id in decimal, its digits in hexadecimal: 30 to 39.
        let mut greeting = String::from("\0AUTH EXTERNAL ");
        for digit in format!("{}", syscalls::ids::start().uid).chars() {
            greeting.push('3');
            greeting.push(digit);
        }
        greeting.push_str("\r\n");
        connection.send(greeting.as_bytes()).map_err(failed)?;
        // One line, behind which nothing comes before it is answered.
        while !connection.received.ends_with(b"\r\n") && connection.received.len() <= 4096 {
            connection.receive().map_err(failed)?;
        }
        if !connection.received.starts_with(b"OK") {
            return Err(error!("message bus {:?}: refused this user", path));
        }
        connection.received.clear();
        connection.send(b"BEGIN\r\n").map_err(failed)?;
        connection.call(&BUS, "Hello", "", &Body::default())?;
        Ok(connection)
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
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&PATIENCE)) {
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

    fn message(&mut self) -> rustix::io::Result<Message> {
        loop {
            if let Some(message) = Message::parse(&self.received) {
                let message = message?;
                self.received.drain(..message.body.bytes.len());
                return Ok(message);
            }
            self.receive()?;
        }
    }

    /// Calls a method and waits for its answer.
    pub fn call(
        &mut self,
        object: &Object<'_>,
        method: &str,
        signature: &str,
        body: &Body,
    ) -> Result<Message> {
        let failed = |errno| Error::sys(words!("message bus: call"), method)(errno);
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        self.send(&compose(serial, object, method, signature, body)).map_err(failed)?;
        loop {
            let message = self.message().map_err(failed)?;
            match message.kind {
                RETURN if message.answers == serial => return Ok(message),
                ERROR if message.answers == serial => {
                    let text = message.string(0, 0).unwrap_or_default();
                    return Err(error!("{}: {}: {}", method, message.name, text));
                }
                SIGNAL => self.signals.push(message),
                _ => {}
            }
        }
    }

    /// Waits for the signal JobRemoved(id, job, unit, result) of a job and returns its result.
    pub fn job_result(&mut self, job: &str) -> Result<&'static str> {
        loop {
            for signal in core::mem::take(&mut self.signals) {
                // The leading number is the job's id.
                if signal.name == "JobRemoved"
                    && signal.string(1, 0) == Some(job)
                    && let Some(result) = signal.string(1, 2)
                {
                    return Ok(result);
                }
            }
            let message = self.message().map_err(Error::os(words!("message bus: wait for systemd")))?;
            if message.kind == SIGNAL {
                self.signals.push(message);
            }
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

/// A method call's bytes.
fn compose(serial: u32, object: &Object<'_>, method: &str, signature: &str, body: &Body) -> Vec<u8> {
    let mut message = Body::default();
    message.byte(if cfg!(target_endian = "big") { b'B' } else { b'l' }).byte(CALL).byte(0).byte(1);
    message.word(u32::try_from(body.0.len()).unwrap_or(0)).word(serial);
    message.array(8, &mut |fields| {
        for (code, kind, text) in [
            (1, "o", object.path),
            (2, "s", object.interface),
            (3, "s", method),
            (6, "s", object.destination),
        ] {
            fields.structure().byte(code).signature(kind).string(text);
        }
        if !signature.is_empty() {
            fields.structure().byte(8).signature("g").signature(signature);
        }
    });
    message.align(8);
    message.0.extend(&body.0);
    message.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_call_is_laid_out_as_the_specification_says() {
        let bytes = compose(1, &BUS, "Hello", "", &Body::default());
        let expected: &[u8] = b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x6d\x00\x00\x00\
            \x01\x01o\x00\x15\x00\x00\x00/org/freedesktop/DBus\x00\x00\x00\
            \x02\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00\
            \x03\x01s\x00\x05\x00\x00\x00Hello\x00\x00\x00\
            \x06\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00";
        assert_eq!(bytes, expected);
    }

    fn signal(job: &str, result: &str) -> Vec<u8> {
        let mut body = Body::default();
        body.word(7).string(job).string("x.scope").string(result);
        let object = Object { destination: ":1.2", path: "/o", interface: "i" };
        let mut bytes = compose(9, &object, "JobRemoved", "uoss", &body);
        bytes[1] = SIGNAL;
        bytes
    }

    #[test]
    fn a_message_is_read_back_and_a_part_of_one_is_not() {
        let bytes = signal("/job/1", "done");
        for end in 0..bytes.len() {
            assert!(Message::parse(&bytes[..end]).is_none(), "{end}");
        }
        let message = Message::parse(&bytes).unwrap().unwrap();
        assert_eq!(message.name, "JobRemoved");
        let strings = [0, 1, 2].map(|at| message.string(1, at).unwrap());
        assert_eq!(strings, ["/job/1", "x.scope", "done"]);
        assert_eq!(message.body.bytes.len(), bytes.len());
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_crash() {
        assert!(Message::parse(b"x").unwrap().is_err());
        let good = signal("/job/1", "done");
        for at in 0..good.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                if let Some(Ok(message)) = Message::parse(&bad) {
                    assert!(message.string(1, 2).is_none_or(|text| text.len() < message.body.bytes.len()));
                }
            }
        }
    }

    #[test]
    fn arrays_count_their_bytes_without_the_first_padding() {
        let mut body = Body::default();
        body.array(8, &mut |list| {
            list.structure().string("a");
        });
        assert_eq!(body.0[..4], 6u32.to_ne_bytes());
        assert_eq!(body.0.len(), 8 + 6);
    }
}

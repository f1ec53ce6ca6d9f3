//! As much of gRPC as a unary call to a local socket needs: HTTP/2 frames (RFC 9113), header lists without compression (RFC 7541,
//! literals only), and protobuf messages written and read by field number. Debian 12 has no crictl; the CRI is worth testing all the same.
//!
//! The answer's headers are not decoded: a call that succeeded has a message, one that failed has none, and the server's log says why.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A protobuf message being written.
#[derive(Default, Clone)]
pub struct Message(Vec<u8>);

impl Message {
    /// A string or bytes field.
    pub fn text(mut self, field: u64, value: &str) -> Message {
        self.bytes(field, value.as_bytes());
        self
    }

    /// A repeated string field.
    pub fn texts(mut self, field: u64, values: &[&str]) -> Message {
        values.iter().for_each(|value| self.bytes(field, value.as_bytes()));
        self
    }

    /// A number, an enumeration or a bool; 0 is what an absent field means.
    pub fn number(mut self, field: u64, value: u64) -> Message {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value);
        self
    }

    /// A message within.
    pub fn message(mut self, field: u64, value: Message) -> Message {
        self.bytes(field, &value.0);
        self
    }

    /// This message with the fields of another after its own.
    pub fn merged(mut self, other: Message) -> Message {
        self.0.extend(other.0);
        self
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        varint(&mut self.0, field << 3 | 2);
        varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// A protobuf message that was received.
#[derive(Debug)]
pub struct Answer(Vec<u8>);

impl Answer {
    /// The first bytes field of this number, empty when there is none.
    pub fn field(&self, wanted: u64) -> Answer {
        Answer(self.find(wanted).map(|(bytes, _)| bytes).unwrap_or_default())
    }

    /// The same as text.
    pub fn text(&self, wanted: u64) -> String {
        String::from_utf8_lossy(&self.field(wanted).0).into_owned()
    }

    /// The first number field of this number, 0 when there is none.
    pub fn number(&self, wanted: u64) -> u64 {
        self.find(wanted).map(|(_, number)| number).unwrap_or_default()
    }

    fn find(&self, wanted: u64) -> Option<(Vec<u8>, u64)> {
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            let key = take_varint(&mut rest)?;
            let (bytes, number) = match key & 7 {
                0 => (Vec::new(), take_varint(&mut rest)?),
                1 => (take(&mut rest, 8)?.to_vec(), 0),
                2 => {
                    let length = take_varint(&mut rest)?;
                    (take(&mut rest, length as usize)?.to_vec(), 0)
                }
                5 => (take(&mut rest, 4)?.to_vec(), 0),
                _ => return None,
            };
            if key >> 3 == wanted {
                return Some((bytes, number));
            }
        }
        None
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
/// Flag of DATA and HEADERS.
const END_STREAM: u8 = 1;
/// Flag of SETTINGS and PING.
const ACK: u8 = 1;
/// Flag of HEADERS.
const END_HEADERS: u8 = 4;

/// Calls `method` (`/package.Service/Method`) of the server at `socket`, on a connection of its own.
pub fn call(socket: &str, method: &str, request: &Message, limit: Duration) -> Result<Answer, String> {
    exchange(socket, method, request, limit).map_err(|error| format!("{method}: {error}"))
}

fn exchange(socket: &str, method: &str, request: &Message, limit: Duration) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(limit))?;
    let mut headers = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // A literal header that is not to be indexed, name and value plain. Each is shorter than 127 bytes.
        headers.push(0);
        for text in [name, value] {
            headers.push(text.len() as u8);
            headers.extend_from_slice(text.as_bytes());
        }
    }
    let mut body = vec![0];
    body.extend_from_slice(&(request.0.len() as u32).to_be_bytes());
    body.extend_from_slice(&request.0);
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut out, SETTINGS, 0, 0, &[]);
    frame(&mut out, HEADERS, END_HEADERS, 1, &headers);
    frame(&mut out, DATA, END_STREAM, 1, &body);
    stream.write_all(&out)?;
    let mut answer = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (kind, flags) = (head[3], head[4]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload)?;
        let mut reply = Vec::new();
        match kind {
            SETTINGS if flags & ACK == 0 => frame(&mut reply, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut reply, PING, ACK, 0, &payload),
            GO_AWAY => return Err(std::io::Error::other("the server went away")),
            DATA => answer.extend_from_slice(&payload),
            _ => {}
        }
        stream.write_all(&reply)?;
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            break;
        }
    }
    // One byte that says it is not compressed and four of length come before the message.
    match answer.split_at_checked(5) {
        Some((_, message)) => Ok(Answer(message.to_vec())),
        None => Err(std::io::Error::other("refused")),
    }
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    to.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

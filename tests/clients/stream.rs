//! A terminal of the CRI: `Exec` and `Attach` answer with the address of a stream, which the kubelet hands on to who asked. Spoken here
//! is its WebSocket form (RFC 6455, `v4.channel.k8s.io`): the first byte of each message says which stream the rest belongs to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// The status, as JSON, when the process has ended.
const STATUS: u8 = 3;
/// The terminal's size, as JSON.
const RESIZE: u8 = 4;

/// Opcodes of frames.
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// A stream that is open.
pub struct Stream {
    connection: TcpStream,
    /// What has come out of the process so far, stdout and stderr together.
    pub output: String,
    /// Its status, once it has ended.
    pub status: String,
}

impl Stream {
    /// Opens the stream at `url` (`http://HOST:PORT/PATH`).
    pub fn open(url: &str, limit: Duration) -> Result<Stream, String> {
        let failed = |error: std::io::Error| format!("{url}: {error}");
        let (host, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| format!("{url:?} is no address"))?;
        let mut connection = TcpStream::connect(host).map_err(failed)?;
        connection.set_read_timeout(Some(limit)).map_err(failed)?;
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: cnVubGV0IHJ1bmxldCAuLg==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).map_err(failed)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).map_err(failed)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head);
        if !head.starts_with("HTTP/1.1 101") {
            return Err(format!("{url}: {head:?}"));
        }
        Ok(Stream { connection, output: String::new(), status: String::new() })
    }

    /// Types `text`.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        self.send(STDIN, text)
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, rows: u16) -> Result<(), String> {
        self.send(RESIZE, &format!("{{\"Width\":{columns},\"Height\":{rows}}}"))
    }

    fn send(&mut self, channel: u8, text: &str) -> Result<(), String> {
        // The last frame of its message, and masked, as a client's must be: with zeros, which change nothing. All are short.
        let mut frame = vec![0x80 | BINARY, 0x80 | (text.len() + 1) as u8, 0, 0, 0, 0, channel];
        frame.extend(text.as_bytes());
        self.connection.write_all(&frame).map_err(|error| format!("stream: {error}"))
    }

    /// Reads until the process has written `text`.
    pub fn until(&mut self, text: &str) -> Result<(), String> {
        while !self.output.contains(text) {
            if !self.receive()? {
                return Err(format!("no {text:?} in {:?}, status {:?}", self.output, self.status));
            }
        }
        Ok(())
    }

    /// Reads to the end and holds when the status contains `text`.
    pub fn ends_with(&mut self, text: &str) -> Result<(), String> {
        while self.receive()? {}
        if self.status.contains(text) {
            Ok(())
        } else {
            Err(format!("status {:?}, {:?}", self.status, self.output))
        }
    }

    /// Reads one message; whether there are more.
    fn receive(&mut self) -> Result<bool, String> {
        let failed = |error: std::io::Error| format!("stream: {error}");
        let mut head = [0; 2];
        match self.connection.read_exact(&mut head) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other.map_err(failed)?,
        }
        let mut length = u64::from(head[1]);
        let wide = match length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if wide > 0 {
            let mut bytes = [0; 8];
            self.connection.read_exact(&mut bytes[8 - wide..]).map_err(failed)?;
            length = u64::from_be_bytes(bytes);
        }
        let mut payload = vec![0; length as usize];
        self.connection.read_exact(&mut payload).map_err(failed)?;
        if head[0] & 0x0f == CLOSE {
            return Ok(false);
        }
        match payload.split_first() {
            Some((&(STDOUT | STDERR), text)) => self.output.push_str(&String::from_utf8_lossy(text)),
            Some((&STATUS, text)) => self.status.push_str(&String::from_utf8_lossy(text)),
            _ => {}
        }
        Ok(true)
    }
}

//! A collector of a test's own, and the wire format of Protocol Buffers read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Receiver(TcpListener);

impl Receiver {
    pub(crate) fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(crate) fn accept(&self) -> TcpStream {
        self.0.set_nonblocking(false).unwrap();
        let (stream, _) = self.0.accept().unwrap();
        stream
    }

    /// Takes a request and answers it so: its head and body.
    pub(crate) fn answer(&self, status: &str) -> (String, Vec<u8>) {
        take(self.accept(), status)
    }

    /// As [`Self::answer`]; `None` where nobody asks for a second.
    pub(crate) fn answer_within_a_second(&self, status: &str) -> Option<(String, Vec<u8>)> {
        self.0.set_nonblocking(true).unwrap();
        for _ in 0..200 {
            if let Ok((stream, _)) = self.0.accept() {
                stream.set_nonblocking(false).unwrap();
                return Some(take(stream, status));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        None
    }
}

fn take(mut stream: TcpStream, status: &str) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
    (head, body)
}

/// The value of a field.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Field {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Number(number) => panic!("{number} is no message"),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(bytes) => panic!("{bytes:?} is no number"),
        }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number does not end")
}

/// The fields of a message, in their order.
pub(crate) fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (eight, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Number(u64::from_le_bytes(eight.try_into().unwrap()))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (inner, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(inner.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, value));
    }
    found
}

/// The bytes of the one field of this number.
pub(crate) fn only(fields: &[(u64, Field)], at: u64) -> Vec<u8> {
    let mut found = fields.iter().filter(|(field, _)| *field == at);
    let (_, value) = found.next().unwrap();
    assert!(found.next().is_none(), "field {at} is there twice");
    value.bytes()
}

pub(crate) fn text(fields: &[(u64, Field)], at: u64) -> String {
    String::from_utf8(only(fields, at)).unwrap()
}

//! A stream of bytes cut into blocks with a CRC each.

use std::io::{self, Read, Write};

use crate::StateError;

/// Payload bytes of a full block.
const BLOCK_BYTES: usize = 64 * 1024;
/// Most payload bytes that a reader believes a block to have.
const BLOCK_BYTES_MAX: usize = 1024 * 1024;

fn checksum(number: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(&(payload.len() as u32).to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

/// Writes blocks.
pub(super) struct BlockWriter<'a> {
    out: &'a mut dyn Write,
    payload: Vec<u8>,
    number: u64,
}

impl<'a> BlockWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, payload: Vec::with_capacity(BLOCK_BYTES), number: 0 }
    }

    #[inline]
    pub(super) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.payload.len() + bytes.len() >= BLOCK_BYTES {
            let (now, later) = bytes.split_at(BLOCK_BYTES - self.payload.len());
            self.payload.extend_from_slice(now);
            self.flush()?;
            bytes = later;
        }
        self.payload.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&(self.payload.len() as u32).to_le_bytes())?;
        self.out.write_all(&checksum(self.number, &self.payload).to_le_bytes())?;
        self.out.write_all(&self.payload)?;
        self.payload.clear();
        self.number += 1;
        Ok(())
    }

    /// Writes what is left and the block that ends the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.payload.is_empty() {
            self.flush()?;
        }
        self.flush()?;
        self.out.flush()
    }
}

/// Reads blocks.
pub(super) struct BlockReader<'a> {
    input: &'a mut dyn Read,
    payload: Vec<u8>,
    at: usize,
    number: u64,
    /// Bytes of the file that were read.
    position: u64,
}

impl<'a> BlockReader<'a> {
    /// A reader of the blocks that follow `position` bytes.
    pub(super) fn new(input: &'a mut dyn Read, position: u64) -> Self {
        Self { input, payload: Vec::new(), at: 0, number: 0, position }
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> StateError {
        StateError::Snapshot { at: self.position, what: what.into() }
    }

    /// The next bytes, `N` of them.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let mut out = [0; N];
        if let Some(bytes) = self.payload[self.at..].first_chunk() {
            self.at += N;
            return Ok(*bytes);
        }
        self.fill(&mut out)?;
        Ok(out)
    }

    /// Appends the next `length` bytes to `out`, which grows no faster than the file is read.
    pub(super) fn append(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), StateError> {
        let mut left = length;
        while left > 0 {
            let chunk = self.some(left)?;
            left -= chunk.len();
            out.extend_from_slice(chunk);
        }
        Ok(())
    }

    fn fill(&mut self, mut out: &mut [u8]) -> Result<(), StateError> {
        while !out.is_empty() {
            let chunk = self.some(out.len())?;
            out[..chunk.len()].copy_from_slice(chunk);
            let length = chunk.len();
            out = &mut out[length..];
        }
        Ok(())
    }

    /// Between one and `max` of the next bytes.
    fn some(&mut self, max: usize) -> Result<&[u8], StateError> {
        if self.at == self.payload.len() {
            self.next_block()?;
            if self.payload.is_empty() {
                return Err(self.damaged("it ends in the middle of an entry"));
            }
        }
        let end = self.payload.len().min(self.at + max);
        let chunk = &self.payload[self.at..end];
        self.at = end;
        Ok(chunk)
    }

    fn next_block(&mut self) -> Result<(), StateError> {
        let mut head = [0; 8];
        read_exact(self.input, &mut head, &mut self.position)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let expected = u32::from_le_bytes([e, f, g, h]);
        if length > BLOCK_BYTES_MAX {
            return Err(self.damaged(format!("block {} claims {length} bytes", self.number)));
        }
        self.at = 0;
        self.payload.resize(length, 0);
        read_exact(self.input, &mut self.payload, &mut self.position)?;
        if checksum(self.number, &self.payload) != expected {
            return Err(self.damaged(format!("block {} has another checksum", self.number)));
        }
        self.number += 1;
        Ok(())
    }

    /// Reads the block that ends the file.
    pub(super) fn finish(mut self) -> Result<(), StateError> {
        if self.at < self.payload.len() {
            return Err(self.damaged("there is more than its entries"));
        }
        self.next_block()?;
        if self.payload.is_empty() { Ok(()) } else { Err(self.damaged("it has no end")) }
    }
}

/// Fills `out`; a file that ends before is a damaged one.
pub(super) fn read_exact(
    input: &mut dyn Read,
    out: &mut [u8],
    position: &mut u64,
) -> Result<(), StateError> {
    match input.read_exact(out) {
        Ok(()) => {
            *position += out.len() as u64;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(StateError::Snapshot { at: *position, what: "it is cut short here".to_owned() })
        }
        Err(error) => Err(StateError::Io(error)),
    }
}

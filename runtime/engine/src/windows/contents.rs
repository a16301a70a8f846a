//! Records as the contents of a window keep them: one behind the other, without their key, which is
//! the group's.
//!
//! A row: timestamp i64; value length + 1 as u32 (0: null); number of headers u16; value; for each
//! header name length u16, value length + 1 as u32, name, value. Little-endian.

use pelton_batch::{Records, RecordsBuilder};

/// Appends the record at `row`.
pub(super) fn encode(records: &Records<'_>, row: usize, out: &mut Vec<u8>) {
    let value = records.value(row);
    out.extend_from_slice(&records.timestamp(row).to_le_bytes());
    out.extend_from_slice(&plus_one(value).to_le_bytes());
    let count = records.headers(row).count() as u16;
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(value.unwrap_or_default());
    for header in records.headers(row) {
        out.extend_from_slice(&(header.name.len() as u16).to_le_bytes());
        out.extend_from_slice(&plus_one(header.value).to_le_bytes());
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(header.value.unwrap_or_default());
    }
}

fn plus_one(bytes: Option<&[u8]>) -> u32 {
    bytes.map_or(0, |bytes| bytes.len() as u32 + 1)
}

/// Reads what [`encode`] wrote.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(contents: &'a [u8]) -> Self {
        Self(contents)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn nullable(&mut self, plus_one: u32) -> Option<Option<&'a [u8]>> {
        match plus_one {
            0 => Some(None),
            length => self.take(length as usize - 1).map(Some),
        }
    }

    /// Moves the next record into `out`; `None` at the end.
    pub(super) fn next_into(&mut self, key: Option<&[u8]>, out: &mut RecordsBuilder) -> Option<()> {
        let timestamp = i64::from_le_bytes(self.number()?);
        let value = u32::from_le_bytes(self.number()?);
        let headers = u16::from_le_bytes(self.number()?);
        let value = self.nullable(value)?;
        out.push(key, value, timestamp);
        for _ in 0..headers {
            let name = u16::from_le_bytes(self.number()?);
            let value = u32::from_le_bytes(self.number()?);
            let name = self.take(name.into())?;
            let value = self.nullable(value)?;
            out.header(std::str::from_utf8(name).unwrap_or_default(), value);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_batch::Batch;

    #[test]
    fn records_come_back_as_they_were_kept() {
        let mut builder = RecordsBuilder::new();
        builder.push(Some(b"k"), None, i64::MIN).header("a", None).header("a", Some(b""));
        builder.push(Some(b"k"), Some(b""), 7);
        builder.push(Some(b"k"), Some(b"value"), i64::MAX).header("b", Some(b"x"));
        let bytes = builder.finish();
        let records = Batch::parse(&bytes).unwrap().records().unwrap();
        let mut kept = Vec::new();
        (0..3).for_each(|row| encode(&records, row, &mut kept));
        let mut again = RecordsBuilder::new();
        let mut reader = Reader::new(&kept);
        while !reader.is_empty() {
            reader.next_into(Some(b"k"), &mut again).unwrap();
        }
        assert_eq!(again.finish(), bytes);
    }
}

//! One record on its way in, its memory used again for the next.

/// A record as it was read.
#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    key: Vec<u8>,
    has_key: bool,
    value: Vec<u8>,
    has_value: bool,
    /// Ms since the Unix epoch, where the line has a timestamp.
    pub timestamp: Option<i64>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The topic, where the line names one.
    pub topic: Option<String>,
    /// The line of the input that it begins in, from 1.
    pub line: u64,
}

impl Row {
    /// Forgets the record and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        self.headers.clear();
        (self.has_key, self.has_value) = (false, false);
        self.timestamp = None;
        self.topic = None;
        self.line = 0;
    }

    /// The key.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.has_key.then_some(&self.key)
    }

    /// The value; `None` is a tombstone.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.has_value.then_some(&self.value)
    }

    /// Where to write the key to; from here on there is one.
    pub(crate) fn key_mut(&mut self) -> &mut Vec<u8> {
        self.has_key = true;
        &mut self.key
    }

    /// Where to write the value to; from here on there is one.
    pub(crate) fn value_mut(&mut self) -> &mut Vec<u8> {
        self.has_value = true;
        &mut self.value
    }
}

//! A message as librdkafka holds it, borrowed.
#![allow(unsafe_code, reason = "reads librdkafka's own message structure")]

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::{ptr, slice};

use pelton_batch::RecordsBuilder;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaRespErr as Code;

#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    raw: &'a sys::rd_kafka_message_t,
    _bytes: PhantomData<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// # Safety
    /// librdkafka must have filled the message in, and it must not be destroyed during `'a`.
    pub(crate) unsafe fn new(raw: &'a sys::rd_kafka_message_t) -> Self {
        Self { raw, _bytes: PhantomData }
    }

    pub(crate) fn error(&self) -> Code {
        self.raw.err
    }

    /// Which topic and partition it is of, by an address: the same for all its messages, but not
    /// only one for a topic.
    pub(crate) fn handle(&self) -> (usize, i32) {
        (self.raw.rkt as usize, self.raw.partition)
    }

    pub(crate) fn topic(&self) -> &'a CStr {
        if self.raw.rkt.is_null() {
            return c"";
        }
        // SAFETY: a topic's name lives as long as its handle, which the message holds.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.raw.rkt)) }
    }

    pub(crate) fn partition(&self) -> i32 {
        self.raw.partition
    }

    pub(crate) fn offset(&self) -> u64 {
        u64::try_from(self.raw.offset).unwrap_or(0)
    }

    pub(crate) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: key and length belong together and live as long as the message.
        unsafe { bytes(self.raw.key, self.raw.key_len) }
    }

    /// `None` is a tombstone.
    pub(crate) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: payload and length belong together and live as long as the message.
        unsafe { bytes(self.raw.payload, self.raw.len) }
    }

    /// Milliseconds since the Unix epoch; 0 where the record has no timestamp.
    pub(crate) fn timestamp(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(self.raw, &mut kind) };
        if kind == sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE {
            0
        } else {
            timestamp
        }
    }

    /// Adds key, value, timestamp and headers to the builder.
    pub(crate) fn push_to(&self, builder: &mut RecordsBuilder) {
        builder.push(self.key(), self.value(), self.timestamp());
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive. What comes back belongs to it.
        let code = unsafe { sys::rd_kafka_message_headers(self.raw, &mut headers) };
        if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR || headers.is_null() {
            return;
        }
        for index in 0.. {
            let mut name: *const c_char = ptr::null();
            let (mut value, mut length): (*const c_void, usize) = (ptr::null(), 0);
            // SAFETY: the headers live as long as the message; librdkafka fills in the rest where
            // there is a header of this index, and says so.
            let header = unsafe {
                let (name, value) = (&mut name, &mut value);
                sys::rd_kafka_header_get_all(headers, index, name, value, &mut length)
            };
            if header != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: a name ends with a zero; value and length belong together.
            let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value, length)) };
            builder.header(&name.to_string_lossy(), value);
        }
    }
}

/// The bytes at `start`; `None` where it is null.
///
/// # Safety
/// Where it is not null, `length` bytes have to be there for `'a`.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    Some(unsafe { slice::from_raw_parts(start.cast(), length) })
}

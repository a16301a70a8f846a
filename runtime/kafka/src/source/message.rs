//! A message as librdkafka holds it, borrowed.
#![allow(unsafe_code, reason = "reads librdkafka's own message structure")]

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::{ptr, slice};

use pelton_batch::RecordsBuilder;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaRespErr as Code;

use crate::timestamp::incoming;

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
        let headers = self.headers();
        let timestamp = self.timestamp();
        let first = headers.and_then(|headers| header(headers, 0));
        let told = first.and_then(|(name, value)| incoming(timestamp, name.to_bytes(), value));
        builder.push(self.key(), self.value(), told.unwrap_or(timestamp));
        let Some(headers) = headers else { return };
        for index in usize::from(told.is_some()).. {
            let Some((name, value)) = header(headers, index) else { return };
            builder.header(&name.to_string_lossy(), value);
        }
    }

    fn headers(&self) -> Option<&'a sys::rd_kafka_headers_t> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive.
        let code = unsafe { sys::rd_kafka_message_headers(self.raw, &mut headers) };
        if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        // SAFETY: what came back is null or belongs to the message.
        unsafe { headers.as_ref() }
    }
}

/// Name and value of the header of this index, if there are so many.
fn header(headers: &sys::rd_kafka_headers_t, index: usize) -> Option<(&CStr, Option<&[u8]>)> {
    let mut name: *const c_char = ptr::null();
    let (mut value, mut length): (*const c_void, usize) = (ptr::null(), 0);
    // SAFETY: librdkafka fills in the rest where there is a header of this index, and says so.
    let code = unsafe {
        let (name, value) = (&mut name, &mut value);
        sys::rd_kafka_header_get_all(headers, index, name, value, &mut length)
    };
    if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    // SAFETY: a name ends with a zero; value and length belong together; both live as long as the
    // headers.
    Some(unsafe { (CStr::from_ptr(name), bytes(value, length)) })
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

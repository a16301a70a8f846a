//! What keys and values of new records are made from.

use serde::Serialize;

use crate::error::Result;

/// Something that a key or value can be made from: text, bytes, [`Json`], [`MessagePack`], an
/// `Option` of those, or [`Null`].
pub trait Payload {
    /// The bytes, which may have been written to `scratch`, empty when handed over; `None` is
    /// null.
    ///
    /// # Errors
    /// Where a codec refuses the value.
    fn bytes<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>>;
}

/// No key, or as a value a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Null;

/// A value written as JSON.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A value written as MessagePack, with the names of fields.
#[derive(Debug, Clone, Copy)]
pub struct MessagePack<T>(pub T);

impl Payload for Null {
    fn bytes<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
        Ok(None)
    }
}

impl<T: Serialize> Payload for Json<T> {
    fn bytes<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
        serde_json::to_writer(&mut *scratch, &self.0)?;
        Ok(Some(scratch))
    }
}

impl<T: Serialize> Payload for MessagePack<T> {
    fn bytes<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
        rmp_serde::encode::write_named(&mut *scratch, &self.0)?;
        Ok(Some(scratch))
    }
}

impl<T: Payload> Payload for Option<T> {
    fn bytes<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
        match self {
            Some(payload) => payload.bytes(scratch),
            None => Ok(None),
        }
    }
}

impl<T: Payload + ?Sized> Payload for &T {
    fn bytes<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
        (**self).bytes(scratch)
    }
}

macro_rules! plain_payload {
    ($($type:ty),*) => {$(
        impl Payload for $type {
            #[inline]
            fn bytes<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
                let bytes: &[u8] = self.as_ref();
                Ok(Some(bytes))
            }
        }
    )*};
}
plain_payload!(str, String, [u8], Vec<u8>);

impl<const N: usize> Payload for [u8; N] {
    fn bytes<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Option<&'a [u8]>> {
        Ok(Some(self))
    }
}

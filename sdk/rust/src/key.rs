//! How keys of stores become bytes: readable, and in the order of the keys.

use crate::error::{Error, Result};

/// A type that can be the key of a store. Its bytes compare as its values do, so that range scans
/// of an ordered store come in the order of the keys; text stays readable.
///
/// | type | bytes |
/// |---|---|
/// | `String`, `Vec<u8>` | as they are |
/// | unsigned integers | big-endian |
/// | signed integers | big-endian, sign bit flipped |
/// | `bool` | 0 or 1 |
/// | tuples | parts in order; text and bytes but the last end with 0, a 0 inside is `0 255` |
///
/// ```
/// use pelton_sdk::StoreKey;
///
/// assert_eq!(("JFK".to_string(), 7u16).encoded(), b"JFK\0\x00\x07");
/// assert!((-1i64).encoded() < 1i64.encoded());
/// ```
pub trait StoreKey: Sized {
    /// Appends the bytes; a part that is not the `last` must tell where it ends.
    fn write(&self, last: bool, out: &mut Vec<u8>);

    /// Takes the value off the front of `bytes`.
    ///
    /// # Errors
    /// Where the bytes are not such a key.
    fn read(bytes: &mut &[u8], last: bool) -> Result<Self>;

    /// The bytes of a whole key.
    fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(true, &mut out);
        out
    }

    /// The value that a whole key is.
    ///
    /// # Errors
    /// Where the bytes are not such a key.
    fn decode(mut bytes: &[u8]) -> Result<Self> {
        let key = Self::read(&mut bytes, true)?;
        if bytes.is_empty() { Ok(key) } else { Err(Error::reject("a key has bytes too many")) }
    }
}

/// Something that names a key of type `K`: a `&K`, a `&str` for `String`, an integer itself.
pub trait AsKey<K> {
    /// Appends the bytes that `K` would write.
    fn write_key(&self, last: bool, out: &mut Vec<u8>);
}

impl<K: StoreKey> AsKey<K> for &K {
    #[inline]
    fn write_key(&self, last: bool, out: &mut Vec<u8>) {
        self.write(last, out);
    }
}

impl AsKey<String> for &str {
    #[inline]
    fn write_key(&self, last: bool, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), last, out);
    }
}

impl AsKey<Vec<u8>> for &[u8] {
    #[inline]
    fn write_key(&self, last: bool, out: &mut Vec<u8>) {
        write_bytes(self, last, out);
    }
}

fn write_bytes(bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    if last {
        return out.extend_from_slice(bytes);
    }
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.push(0);
}

fn read_bytes(bytes: &mut &[u8], last: bool) -> Result<Vec<u8>> {
    if last {
        return Ok(core::mem::take(bytes).to_vec());
    }
    let mut read = Vec::new();
    loop {
        let (byte, rest) = bytes.split_first().ok_or(Error::reject("a key is cut short"))?;
        *bytes = rest;
        match (byte, rest.first()) {
            (0, Some(0xff)) => *bytes = &rest[1..],
            (0, _) => return Ok(read),
            _ => {}
        }
        read.push(*byte);
    }
}

impl StoreKey for Vec<u8> {
    #[inline]
    fn write(&self, last: bool, out: &mut Vec<u8>) {
        write_bytes(self, last, out);
    }

    fn read(bytes: &mut &[u8], last: bool) -> Result<Self> {
        read_bytes(bytes, last)
    }
}

impl StoreKey for String {
    #[inline]
    fn write(&self, last: bool, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), last, out);
    }

    fn read(bytes: &mut &[u8], last: bool) -> Result<Self> {
        Self::from_utf8(read_bytes(bytes, last)?).map_err(|_| Error::reject("a key is not UTF-8"))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Error::reject("a key is cut short"))?;
    *bytes = rest;
    Ok(*head)
}

macro_rules! integer_key {
    ($($type:ty, $flip:expr);*) => {$(
        impl StoreKey for $type {
            #[inline]
            fn write(&self, _: bool, out: &mut Vec<u8>) {
                out.extend_from_slice(&(*self ^ $flip).to_be_bytes());
            }

            fn read(bytes: &mut &[u8], _: bool) -> Result<Self> {
                Ok(<$type>::from_be_bytes(take(bytes)?) ^ $flip)
            }
        }

        impl AsKey<$type> for $type {
            #[inline]
            fn write_key(&self, last: bool, out: &mut Vec<u8>) {
                self.write(last, out);
            }
        }
    )*};
}
integer_key!(u8, 0; u16, 0; u32, 0; u64, 0);
integer_key!(i8, i8::MIN; i16, i16::MIN; i32, i32::MIN; i64, i64::MIN);

impl StoreKey for bool {
    fn write(&self, _: bool, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(bytes: &mut &[u8], _: bool) -> Result<Self> {
        Ok(take::<1>(bytes)?[0] != 0)
    }
}

impl AsKey<bool> for bool {
    fn write_key(&self, last: bool, out: &mut Vec<u8>) {
        self.write(last, out);
    }
}

impl StoreKey for () {
    fn write(&self, _: bool, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8], _: bool) -> Result<Self> {
        Ok(())
    }
}

impl AsKey<()> for () {
    fn write_key(&self, _: bool, _: &mut Vec<u8>) {}
}

macro_rules! tuple_key {
    ($($k:ident $q:ident $i:tt),+; $lk:ident $lq:ident $li:tt) => {
        impl<$($k: StoreKey,)+ $lk: StoreKey> StoreKey for ($($k,)+ $lk) {
            fn write(&self, last: bool, out: &mut Vec<u8>) {
                $(self.$i.write(false, out);)+
                self.$li.write(last, out);
            }

            fn read(bytes: &mut &[u8], last: bool) -> Result<Self> {
                Ok(($($k::read(bytes, false)?,)+ $lk::read(bytes, last)?))
            }
        }

        impl<$($k: StoreKey, $q: AsKey<$k>,)+ $lk: StoreKey, $lq: AsKey<$lk>> AsKey<($($k,)+ $lk)>
            for ($($q,)+ $lq)
        {
            fn write_key(&self, last: bool, out: &mut Vec<u8>) {
                $(self.$i.write_key(false, out);)+
                self.$li.write_key(last, out);
            }
        }
    };
}
tuple_key!(A QA 0; B QB 1);
tuple_key!(A QA 0, B QB 1; C QC 2);
tuple_key!(A QA 0, B QB 1, C QC 2; D QD 3);

#[cfg(test)]
mod tests {
    use super::*;

    fn same<K: StoreKey + PartialEq + core::fmt::Debug>(key: K) {
        assert_eq!(K::decode(&key.encoded()).unwrap(), key);
    }

    #[test]
    fn every_key_reads_back() {
        same("Zürich".to_string());
        same(i64::MIN);
        same(("a\0b".to_string(), -3i32));
        same((vec![0, 0xff, 0, 0], "x".to_string(), 9u64));
        same((1u8, ("a".to_string(), "b".to_string()), true));
    }

    #[test]
    fn bytes_are_ordered_as_the_keys_are() {
        let mut keys = [
            ("".to_string(), 5i64),
            ("a".to_string(), -5),
            ("a".to_string(), 5),
            ("a\0".to_string(), 0),
            ("a\0b".to_string(), 0),
            ("ab".to_string(), i64::MIN),
        ];
        keys.sort();
        let mut encoded: Vec<_> = keys.iter().map(StoreKey::encoded).collect();
        let sorted = encoded.clone();
        encoded.sort();
        assert_eq!(encoded, sorted);
    }

    #[test]
    fn a_borrowed_key_writes_what_the_owned_one_does() {
        let mut out = Vec::new();
        AsKey::<(String, u32)>::write_key(&("JFK", 7u32), true, &mut out);
        assert_eq!(out, ("JFK".to_string(), 7u32).encoded());
    }

    #[test]
    fn bytes_that_are_no_key_are_an_error() {
        assert!(u32::decode(&[1, 2, 3]).is_err());
        assert!(u32::decode(&[1, 2, 3, 4, 5]).is_err());
        assert!(String::decode(&[0xff]).is_err());
        assert!(<(String, u8)>::decode(b"no end").is_err());
    }
}

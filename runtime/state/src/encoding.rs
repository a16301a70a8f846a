//! Keys made of several parts, so that their bytes sort as the parts do.

use pelton_core::window::Window;

/// Bytes of an encoded i64.
const NUMBER: usize = 8;

/// Appends a number that sorts as bytes: big endian, sign bit flipped.
pub(crate) fn push_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(&((number as u64) ^ 1 << 63).to_be_bytes());
}

/// Appends a key that may be null: null first.
pub(crate) fn push_key(out: &mut Vec<u8>, key: Option<&[u8]>) {
    out.push(u8::from(key.is_some()));
    out.extend_from_slice(key.unwrap_or_default());
}

/// The window that `bytes` are.
pub(crate) fn read_window(bytes: &[u8]) -> Option<Window> {
    let (end, rest) = split_i64(bytes)?;
    let (start, rest) = split_i64(rest)?;
    rest.is_empty().then_some(Window { start, end })
}

/// The number at the start of `bytes` and the rest.
pub(crate) fn split_i64(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<NUMBER>()?;
    Some(((u64::from_be_bytes(*number) ^ 1 << 63) as i64, rest))
}

/// The target at the start of `bytes` and the rest.
pub(crate) fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*number), rest))
}

/// The key that `bytes` are.
pub(crate) fn read_key(bytes: &[u8]) -> Option<Option<&[u8]>> {
    match bytes.split_first()? {
        (0, []) => Some(None),
        (1, key) => Some(Some(key)),
        _ => None,
    }
}

/// Bytes of an encoded window.
pub(crate) const WINDOW_BYTES: usize = 2 * NUMBER;

/// The start of the keys of all panes of a window.
pub(crate) fn window_prefix(window: Window) -> [u8; WINDOW_BYTES] {
    let mut out = [0; WINDOW_BYTES];
    for (place, number) in out.chunks_exact_mut(NUMBER).zip([window.end, window.start]) {
        place.copy_from_slice(&((number as u64) ^ 1 << 63).to_be_bytes());
    }
    out
}

/// The key of a pane.
#[inline]
pub(crate) fn pane_key(window: Window, key: Option<&[u8]>) -> PaneKey {
    join(window, &[u8::from(key.is_some())], key.unwrap_or_default())
}

/// The key of a pane from its window and what follows that.
#[inline]
pub(crate) fn pane_key_of(window: Window, rest: &[u8]) -> PaneKey {
    join(window, &[], rest)
}

#[inline]
fn join(window: Window, flag: &[u8], key: &[u8]) -> PaneKey {
    let prefix = window_prefix(window);
    let start = WINDOW_BYTES + flag.len();
    let length = start + key.len();
    if length > SHORT {
        return PaneKey::Long([&prefix, flag, key].concat());
    }
    let mut short = [0; SHORT];
    short[..WINDOW_BYTES].copy_from_slice(&prefix);
    short[WINDOW_BYTES..start].copy_from_slice(flag);
    short[start..length].copy_from_slice(key);
    PaneKey::Short(short, length)
}

/// Keys up to this length are built without an allocation.
const SHORT: usize = 96;

/// An encoded pane key.
pub(crate) enum PaneKey {
    Short([u8; SHORT], usize),
    Long(Vec<u8>),
}

impl std::ops::Deref for PaneKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(bytes, length) => &bytes[..*length],
            Self::Long(bytes) => bytes,
        }
    }
}

/// Window and key of an encoded pane key.
pub(crate) fn split_pane(bytes: &[u8]) -> Option<(Window, Option<&[u8]>)> {
    let (end, rest) = split_i64(bytes)?;
    let (start, rest) = split_i64(rest)?;
    Some((Window { start, end }, read_key(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_numbers_sort_as_numbers() {
        let numbers = [i64::MIN, i64::MIN + 1, -256, -1, 0, 1, 255, 256, i64::MAX];
        let mut last = Vec::new();
        for number in numbers {
            let mut bytes = Vec::new();
            push_i64(&mut bytes, number);
            assert!(last < bytes, "{number}");
            assert_eq!(split_i64(&bytes), Some((number, &[][..])));
            last = bytes;
        }
    }

    #[test]
    fn pane_keys_sort_by_end_then_start_then_key_with_none_first() {
        let long = vec![7; 500];
        let keys = [None, Some(&[][..]), Some(&[0][..]), Some(&[0, 0][..]), Some(&long)];
        let windows = [(-5, -1), (-9, 0), (-8, 0), (i64::MIN, i64::MAX)];
        let mut last = Vec::new();
        for (start, end) in windows {
            for key in keys {
                let window = Window { start, end };
                let encoded = pane_key(window, key);
                assert!(*last < *encoded);
                assert_eq!(read_window(&encoded[..WINDOW_BYTES]), Some(window));
                assert_eq!(*pane_key_of(window, &encoded[WINDOW_BYTES..]), *encoded);
                assert_eq!(split_pane(&encoded), Some((window, key)));
                last = encoded.to_vec();
            }
        }
    }
}

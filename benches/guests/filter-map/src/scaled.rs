/// The value with its amount, the eight digits that it starts with, trebled; `None` for amounts
/// that are multiples of four and for what is no amount.
pub(crate) fn scaled(value: &[u8]) -> Option<Vec<u8>> {
    let (digits, rest) = value.split_at_checked(8)?;
    let mut amount = 0_u32;
    for digit in digits {
        amount = amount * 10 + u32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    if amount.is_multiple_of(4) {
        return None;
    }
    let mut scaled = *b"00000000";
    let mut left = amount * 3 % 100_000_000;
    for digit in scaled.iter_mut().rev() {
        *digit += (left % 10) as u8;
        left /= 10;
    }
    let mut out = Vec::with_capacity(value.len());
    out.extend_from_slice(&scaled);
    out.extend_from_slice(rest);
    Some(out)
}

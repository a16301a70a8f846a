//! Views of columns inside a batch. No view panics: an index out of range reads as zero or empty.

/// A fixed-size element of a column.
pub trait Scalar: Copy {
    /// Bytes an element.
    const WIDTH: usize;
    /// The element that these bytes are; `None` where there are too few.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! scalar {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            const WIDTH: usize = size_of::<$t>();
            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|b| Self::from_le_bytes(*b))
            }
        }
    )*};
}
scalar!(u8, u16, u32, u64, i32, i64);

/// A column of fixed-size elements.
#[derive(Debug, Clone, Copy)]
pub struct Fixed<'a, T> {
    bytes: &'a [u8],
    element: core::marker::PhantomData<T>,
}

impl<'a, T: Scalar + Default> Fixed<'a, T> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, element: core::marker::PhantomData }
    }

    /// Number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() / T::WIDTH
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index`; zero where there is none.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> T {
        self.bytes.get(index.saturating_mul(T::WIDTH)..).and_then(T::read).unwrap_or_default()
    }

    /// All elements in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = T> + 'a {
        self.bytes.chunks_exact(T::WIDTH).map(|c| T::read(c).unwrap_or_default())
    }

    /// The bytes of the elements `range`; empty where the range is not there.
    #[must_use]
    #[inline]
    pub fn bytes_of(&self, range: core::ops::Range<usize>) -> &'a [u8] {
        let range = range.start.saturating_mul(T::WIDTH)..range.end.saturating_mul(T::WIDTH);
        self.bytes.get(range).unwrap_or(&[])
    }
}

/// A bitmap, one bit a row, least significant bit first. A bit that is set means "valid".
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a>(pub(crate) &'a [u8]);

impl Bits<'_> {
    /// The bit of `row`; false where there is none.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> bool {
        self.0.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
    }
}

/// A column of byte strings that may be null.
#[derive(Debug, Clone, Copy)]
pub struct BytesColumn<'a> {
    pub(crate) ends: Fixed<'a, u32>,
    pub(crate) bytes: &'a [u8],
    pub(crate) valid: Option<Bits<'a>>,
}

impl<'a> BytesColumn<'a> {
    /// Number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len().saturating_sub(1)
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `row`, `None` for null. A row out of range reads as empty.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a [u8]> {
        if self.is_null(row) {
            return None;
        }
        let range = self.ends.get(row) as usize..self.ends.get(row.saturating_add(1)) as usize;
        Some(self.bytes.get(range).unwrap_or(&[]))
    }

    /// Whether the element at `row` is null.
    #[must_use]
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        self.valid.is_some_and(|valid| !valid.get(row))
    }

    /// The bytes of the rows `range`, one behind the other.
    #[must_use]
    #[inline]
    pub fn bytes_of(&self, range: core::ops::Range<usize>) -> &'a [u8] {
        let range = self.ends.get(range.start) as usize..self.ends.get(range.end) as usize;
        self.bytes.get(range).unwrap_or(&[])
    }

    /// The first row whose end is out of order or range, if any.
    pub(crate) fn first_bad_end(&self) -> Option<u32> {
        let mut last = self.ends.get(0);
        let mut ordered = true;
        for end in self.ends.iter() {
            ordered &= last <= end;
            last = end;
        }
        if ordered && last as usize <= self.bytes.len() {
            return None;
        }
        first_bad_end(&self.ends, self.bytes.len())
    }
}

/// The first row whose end is before its start or past `limit`, if any.
pub(crate) fn first_bad_end(ends: &Fixed<'_, u32>, limit: usize) -> Option<u32> {
    let mut last = 0;
    let bad = ends.iter().position(|end| {
        let wrong = end < last || end as usize > limit;
        last = end;
        wrong
    });
    // The first end is where row 0 starts.
    bad.map(|index| index.saturating_sub(1) as u32)
}

/// The header columns of a batch: for each row a list of names and values.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    pub(crate) ends: Fixed<'a, u32>,
    pub(crate) names: BytesColumn<'a>,
    pub(crate) values: BytesColumn<'a>,
}

impl<'a> Headers<'a> {
    /// Positions in the header list of the headers of `row`; never past the end of the list.
    #[must_use]
    #[inline]
    pub fn range(&self, row: usize) -> core::ops::Range<usize> {
        let end = self.ends.get(row.saturating_add(1)) as usize;
        self.ends.get(row) as usize..end.min(self.names.len())
    }

    /// The header at position `index` of the list: its name and value.
    #[must_use]
    #[inline]
    pub fn entry(&self, index: usize) -> (&'a str, Option<&'a [u8]>) {
        let name = self.names.get(index).unwrap_or(&[]);
        (core::str::from_utf8(name).unwrap_or(""), self.values.get(index))
    }
}

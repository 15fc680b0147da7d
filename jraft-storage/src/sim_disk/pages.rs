//! The bytes of a file, in pages that two images share until one of them writes.

use std::sync::Arc;

/// Bytes of a page.
const PAGE: usize = 4096;
const PAGE_BYTES: u64 = PAGE as u64;
static ZEROS: [u8; PAGE] = [0; PAGE];

/// A file's bytes. A copy costs a pointer a page; pages of zeros cost nothing.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    len: u64,
}

impl Pages {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut pages = Self::default();
        pages.write(0, bytes);
        pages
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads up to `into.len()` bytes at `at`; fewer only at the end.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let end = at.saturating_add(into.len() as u64).min(self.len);
        for (index, inside, part) in parts(at, end) {
            into[part.clone()].copy_from_slice(&self.page(index)[inside..inside + part.len()]);
        }
        end.saturating_sub(at) as usize
    }

    /// Writes `bytes` at `at`, behind zeros if that is beyond the end.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        self.set_len(self.len.max(end));
        for (index, inside, part) in parts(at, end) {
            let page = self.pages[index].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[inside..inside + part.len()].copy_from_slice(&bytes[part]);
        }
    }

    /// Writes zeros from `at` to `end`.
    pub(super) fn zero(&mut self, at: u64, end: u64) {
        self.set_len(self.len.max(end));
        for (index, inside, part) in parts(at, end) {
            let page = &mut self.pages[index];
            if part.len() == PAGE {
                *page = None;
            } else if let Some(page) = page {
                Arc::make_mut(page)[inside..inside + part.len()].fill(0);
            }
        }
    }

    /// Cuts the file, or fills it up with zeros.
    pub(super) fn set_len(&mut self, len: u64) {
        let old = std::mem::replace(&mut self.len, len);
        if len != old {
            self.pages.resize(len.div_ceil(PAGE_BYTES) as usize, None);
        }
        if len < old && !len.is_multiple_of(PAGE_BYTES) {
            // What is cut off must not come back when the file grows again.
            self.zero_tail();
        }
    }

    /// Makes the last page zeros behind the end.
    fn zero_tail(&mut self) {
        if let Some(Some(page)) = self.pages.last_mut() {
            Arc::make_mut(page)[(self.len % PAGE_BYTES) as usize..].fill(0);
        }
    }

    /// Whether both files have the same bytes from `at` to `end`, or end there at the same place.
    pub(super) fn agree(&self, other: &Self, at: u64, end: u64) -> bool {
        let (mine, theirs) = (self.len.clamp(at, end.max(at)), other.len.clamp(at, end.max(at)));
        mine == theirs
            && parts(at, mine).all(|(index, inside, part)| {
                let inside = inside..inside + part.len();
                self.page(index)[inside.clone()] == other.page(index)[inside]
            })
    }

    fn page(&self, index: usize) -> &[u8; PAGE] {
        self.pages[index].as_deref().unwrap_or(&ZEROS)
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(0, &mut bytes);
        bytes
    }
}

/// `at..end` page by page: which page, where in it, and which part of the whole.
fn parts(at: u64, end: u64) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> {
    let mut from = at;
    std::iter::from_fn(move || {
        let to = (from / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES).min(end);
        let part = (from < end).then(|| {
            let range = (from - at) as usize..(to - at) as usize;
            ((from / PAGE_BYTES) as usize, (from % PAGE_BYTES) as usize, range)
        });
        from = to;
        part
    })
}

/// How many bytes at the end of `bytes` are zeros, in whole sectors of `sector` bytes counted from the end.
pub(super) fn zeros_at_end(bytes: &[u8], sector: usize) -> usize {
    let zeros = bytes.rchunks(sector).take_while(|piece| **piece == ZEROS[..piece.len()]);
    zeros.map(<[u8]>::len).sum()
}

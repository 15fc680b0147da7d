//! Reads and writes protobuf by hand, where the generated code would copy or allocate.

use std::ops::Range;

use super::Refusal;

/// A key of a field: its number and its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) field: u64,
    pub(crate) kind: u8,
}

/// Wire type of integers.
pub(crate) const VARINT: u8 = 0;
/// Wire type of strings, bytes and messages.
pub(crate) const LENGTH_DELIMITED: u8 = 2;

/// Walks the fields of a part of a message.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// A reader of the message inside, whose ranges count from the start of the message outside.
    pub(crate) const fn inner(&self, range: &Range<usize>) -> Self {
        Self { bytes: self.bytes, at: range.start, end: range.end }
    }

    pub(crate) const fn left(&self) -> usize {
        self.end - self.at
    }

    /// The next key; `None` at the end.
    pub(crate) fn key(&mut self) -> Result<Option<Key>, Refusal> {
        if self.at == self.end {
            return Ok(None);
        }
        let key = self.varint()?;
        if key >> 3 == 0 {
            return Err(Refusal::unparsable("field number 0"));
        }
        Ok(Some(Key { field: key >> 3, kind: (key & 7) as u8 }))
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Refusal> {
        match self.bytes[self.at..self.end].first() {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Refusal> {
        let mut value = 0_u64;
        for (place, byte) in self.bytes[self.at..self.end].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if *byte < 0x80 {
                self.at += place + 1;
                return Ok(value);
            }
        }
        Err(Refusal::unparsable("a number without an end"))
    }

    /// The place of the bytes of a length-delimited field.
    pub(crate) fn range(&mut self, key: Key) -> Result<Range<usize>, Refusal> {
        if key.kind != LENGTH_DELIMITED {
            return Err(wrong_kind(key));
        }
        let len = self.varint()?;
        let start = self.at;
        let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
        match end {
            Some(end) if end <= self.end => {
                self.at = end;
                Ok(start..end)
            }
            _ => Err(Refusal::unparsable("a length beyond the end")),
        }
    }

    /// The text of a string field.
    pub(crate) fn text(&mut self, key: Key) -> Result<&'a str, Refusal> {
        let range = self.range(key)?;
        std::str::from_utf8(&self.bytes[range])
            .map_err(|_| Refusal::unparsable(format!("field {} is not UTF-8", key.field)))
    }

    /// The value of a field of type int64.
    #[inline]
    pub(crate) fn int64(&mut self, key: Key) -> Result<i64, Refusal> {
        if key.kind != VARINT {
            return Err(wrong_kind(key));
        }
        self.varint().map(u64::cast_signed)
    }

    /// Passes over a field that is not ours.
    pub(crate) fn skip(&mut self, key: Key) -> Result<(), Refusal> {
        let len = match key.kind {
            VARINT => return self.varint().map(drop),
            LENGTH_DELIMITED => return self.range(key).map(drop),
            1 => 8,
            5 => 4,
            _ => return Err(wrong_kind(key)),
        };
        if self.left() < len {
            return Err(Refusal::unparsable("a number beyond the end"));
        }
        self.at += len;
        Ok(())
    }
}

fn wrong_kind(key: Key) -> Refusal {
    Refusal::unparsable(format!("wire type {} in field {}", key.kind, key.field))
}

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`put_varint`] appends.
#[inline]
pub(crate) const fn varint_len(value: u64) -> usize {
    (((value | 1).ilog2() + 7) / 7) as usize
}

/// Appends a field of integers. `tag` is its number times eight.
#[inline]
pub(crate) fn put_number(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    put_varint(out, value);
}

/// Appends a length-delimited field. `tag` is its number times eight, plus two.
pub(crate) fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    put_number(out, tag, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_the_length_told() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                assert_eq!(out.len(), varint_len(value), "{value}");
                let mut reader = Reader::new(&out);
                assert_eq!(reader.varint().unwrap(), value);
                assert_eq!(reader.left(), 0);
            }
        }
    }

    #[test]
    fn refuses_what_has_no_end() {
        assert!(Reader::new(&[0x80; 12]).varint().is_err());
        assert!(Reader::new(&[]).varint().is_err());
        let key = Key { field: 1, kind: LENGTH_DELIMITED };
        assert!(Reader::new(&[3, 1, 2]).range(key).is_err());
        assert!(Reader::new(&[0xff; 10]).range(key).is_err());
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(Reader::new(&huge).range(key).is_err());
        assert!(Reader::new(&[1, 2, 3]).skip(Key { field: 1, kind: 5 }).is_err());
        assert!(Reader::new(&[1, 2, 3]).skip(Key { field: 1, kind: 3 }).is_err());
        assert!(Reader::new(&[0]).key().is_err());
    }
}

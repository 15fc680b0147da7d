//! The bytes of the counter's messages: a version byte first, numbers big-endian, texts behind a length of two bytes.

use bytes::{BufMut, Bytes, BytesMut};

/// The version of every message of the counter. A node that meets another one refuses it.
pub const VERSION: u8 = 1;

/// The longest text in a message; longer ones are cut when they are written and refused when they are read.
pub const MAX_TEXT: usize = 1024;

/// Bytes that are no message of the counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(String);

impl DecodeError {
    /// An error that says what is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no message of the counter: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

/// Writes one message.
pub(super) struct Writer(BytesMut);

impl Writer {
    pub(super) fn new() -> Self {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u8(VERSION);
        Self(bytes)
    }

    pub(super) fn byte(mut self, value: u8) -> Self {
        self.0.put_u8(value);
        self
    }

    pub(super) fn unsigned(mut self, value: u64) -> Self {
        self.0.put_u64(value);
        self
    }

    pub(super) fn signed(mut self, value: i64) -> Self {
        self.0.put_i64(value);
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        let text = cut(text);
        self.0.put_u16(u16::try_from(text.len()).expect("a cut text is short"));
        self.0.put_slice(text.as_bytes());
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.put_slice(bytes);
        self
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

/// Reads one message. Never reads past the end, never allocates more than was there.
pub(super) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Checks the version.
    pub(super) fn new(all: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Self { all, at: 0 };
        match reader.byte()? {
            VERSION => Ok(reader),
            other => Err(DecodeError(format!("version {other}, not {VERSION}"))),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.take::<1>().map(|[byte]| byte)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, DecodeError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn signed(&mut self) -> Result<i64, DecodeError> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = usize::from(self.take().map(u16::from_be_bytes)?);
        if length > MAX_TEXT {
            return Err(DecodeError(format!("a text of {length} bytes, more than {MAX_TEXT}")));
        }
        let bytes = self.slice(length)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::new("a text is not UTF-8"))
    }

    /// How far it has read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// How much is left.
    pub(super) const fn left(&self) -> usize {
        self.all.len() - self.at
    }

    /// A message ends where its bytes end.
    pub(super) fn end<T>(self, value: T) -> Result<T, DecodeError> {
        match self.left() {
            0 => Ok(value),
            left => Err(DecodeError(format!("{left} bytes too many"))),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.slice(N)?;
        Ok(bytes.try_into().expect("a slice of N bytes"))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some(bytes) = self.all.get(self.at..self.at + length) else {
            return Err(DecodeError(format!("{} bytes, too short", self.all.len())));
        };
        self.at += length;
        Ok(bytes)
    }
}

/// The longest beginning of `text` that fits and ends between two characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

//! The fixed parts of the files: header of a segment, header of a group. All numbers are little-endian.

use std::fmt;

/// Where the groups of a segment begin; the header has the first page for itself, so that no write touches it again.
pub(super) const DATA_START: u64 = 4096;
/// Bytes of a segment's header.
pub(super) const SEGMENT_HEADER: usize = 64;
/// Bytes of a group's header.
pub(super) const GROUP_HEADER: usize = 48;
/// Groups begin at multiples of this.
pub(super) const ALIGN: u64 = 8;
/// What every group begins with.
pub(super) const GROUP_MAGIC: [u8; 8] = *b"JRAFTGRP";
/// The version of the format this code writes, and the only one it reads.
pub(super) const VERSION: u32 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"JRAFTWAL";

/// A place in the log: a segment, an offset in it. Ordered as the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

impl Place {
    pub(super) const fn new(segment: u64, offset: u64) -> Self {
        Self { segment, offset }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Its number in the sequence; never used twice but after a cut.
    pub(super) sequence: u64,
    /// The size of the file it was made with.
    pub(super) bytes: u64,
    /// A number no other segment has.
    pub(super) salt: u64,
    /// The data directory.
    pub(super) directory: u64,
    /// Whether the file was zeros behind the header, and not a used one.
    pub(super) zeroed: bool,
}

/// Why a header is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Magic,
    Version(u32),
    Checksum,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&SEGMENT_MAGIC);
        put_u32(&mut out, 8, VERSION);
        put_u32(&mut out, 12, u32::from(self.zeroed));
        put_u64(&mut out, 16, self.sequence);
        put_u64(&mut out, 24, self.bytes);
        put_u64(&mut out, 32, self.salt);
        put_u64(&mut out, 40, self.directory);
        let crc = crc32fast::hash(&out[..60]);
        put_u32(&mut out, 60, crc);
        out
    }

    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<Self, HeaderError> {
        if bytes[..8] != SEGMENT_MAGIC {
            return Err(HeaderError::Magic);
        }
        let version = get_u32(bytes, 8);
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        if crc32fast::hash(&bytes[..60]) != get_u32(bytes, 60) {
            return Err(HeaderError::Checksum);
        }
        Ok(Self {
            sequence: get_u64(bytes, 16),
            bytes: get_u64(bytes, 24),
            salt: get_u64(bytes, 32),
            directory: get_u64(bytes, 40),
            zeroed: get_u32(bytes, 12) != 0,
        })
    }

    /// What the checksums of the segment start from: bytes of another use of the file do not verify.
    pub(super) fn seed(&self) -> u32 {
        get_u32(&self.encode(), 60)
    }
}

/// What a group says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
    /// Where it stands in its file.
    pub(super) offset: u64,
    /// Bytes of its records, without the padding behind them.
    pub(super) length: u32,
    /// How many records.
    pub(super) records: u32,
    /// Everything before this place was durable when the group was written.
    pub(super) durable: Place,
    /// The checksum of the record before. Stands last, so that four bytes before any record is what it goes on from.
    pub(super) chain: u32,
}

impl GroupHeader {
    pub(super) fn encode(&self, seed: u32) -> [u8; GROUP_HEADER] {
        let mut out = [0; GROUP_HEADER];
        out[..8].copy_from_slice(&GROUP_MAGIC);
        put_u32(&mut out, 12, self.length);
        put_u64(&mut out, 16, self.offset);
        put_u64(&mut out, 24, self.durable.segment);
        put_u64(&mut out, 32, self.durable.offset);
        put_u32(&mut out, 40, self.records);
        put_u32(&mut out, 44, self.chain);
        let crc = crc32(seed, &out[12..]);
        put_u32(&mut out, 8, crc);
        out
    }

    /// The header in the first bytes of `bytes`, if it was written by this use of the file, at `offset`.
    pub(super) fn decode(bytes: &[u8], offset: u64, seed: u32) -> Option<Self> {
        let bytes = bytes.first_chunk::<GROUP_HEADER>()?;
        let genuine = bytes[..8] == GROUP_MAGIC
            && crc32(seed, &bytes[12..]) == get_u32(bytes, 8)
            && get_u64(bytes, 16) == offset;
        genuine.then(|| Self {
            offset,
            length: get_u32(bytes, 12),
            records: get_u32(bytes, 40),
            durable: Place::new(get_u64(bytes, 24), get_u64(bytes, 32)),
            chain: get_u32(bytes, 44),
        })
    }

    /// Where the records end.
    pub(super) fn records_end(&self) -> u64 {
        self.offset + GROUP_HEADER as u64 + u64::from(self.length)
    }

    /// Where the next group begins.
    pub(super) fn end(&self) -> u64 {
        self.records_end().next_multiple_of(ALIGN)
    }
}

/// A checksum that goes on from another one.
pub(super) fn crc32(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
    hasher.finalize()
}

pub(super) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

pub(super) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

pub(super) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_segment_survives_and_its_errors_are_told_apart() {
        let header = SegmentHeader {
            sequence: 7,
            bytes: 1 << 26,
            salt: u64::MAX,
            directory: 9,
            zeroed: true,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for at in 0..bytes.len() {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            let expected = match at {
                0..8 => HeaderError::Magic,
                8..12 => HeaderError::Version(VERSION ^ 1 << (8 * (at - 8))),
                _ => HeaderError::Checksum,
            };
            assert_eq!(SegmentHeader::decode(&flipped), Err(expected), "{at}");
        }
    }

    #[test]
    fn the_header_of_a_group_belongs_to_one_place_of_one_use_of_a_file() {
        let durable = Place::new(6, 4096);
        let header = GroupHeader { offset: 4104, length: 99, records: 2, durable, chain: 5 };
        let bytes = header.encode(3);
        assert_eq!(GroupHeader::decode(&bytes, 4104, 3), Some(header));
        assert_eq!(GroupHeader::decode(&bytes, 4112, 3), None);
        assert_eq!(GroupHeader::decode(&bytes, 4104, 4), None);
        assert_eq!(GroupHeader::decode(&bytes[..47], 4104, 3), None);
        for at in 0..bytes.len() {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            assert_eq!(GroupHeader::decode(&flipped, 4104, 3), None, "{at}");
        }
        assert_eq!((header.records_end(), header.end()), (4251, 4256));
    }
}

//! CRC-64 of log entries: ECMA-182, most significant bit first, start 0, no final xor.

use super::{LogEntry, LogIndex, Term};

/// An entry whose bytes are not those its checksum was computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The log entry is corrupted, index={index}, term={term}, expectedChecksum={}, realChecksum={}",
    .expected.cast_signed(), .real.cast_signed()
)]
pub struct ChecksumMismatch {
    /// Index of the entry.
    pub index: LogIndex,
    /// Term of the entry.
    pub term: Term,
    /// The checksum the entry carries.
    pub expected: u64,
    /// The checksum of what it holds.
    pub real: u64,
}

impl LogEntry {
    /// The checksum of what the entry holds: its type, id, peers and data.
    pub fn compute_checksum(&self) -> u64 {
        let mut sum = u64::from(self.kind as u8) ^ self.id.checksum() ^ crc64(&self.data);
        if let Some(conf) = &self.conf {
            // Xor on purpose: the order of the peers and the list they are in do not count, as in Java.
            sum = conf.iter().fold(sum, |sum, peer| sum ^ peer.checksum());
        }
        sum
    }

    /// The entry, carrying its checksum.
    #[must_use]
    pub fn with_checksum(mut self) -> Self {
        self.checksum = Some(self.compute_checksum());
        self
    }

    /// Compares the checksum the entry carries, if any, with that of what it holds.
    pub fn verify_checksum(&self) -> Result<(), ChecksumMismatch> {
        let Some(expected) = self.checksum else { return Ok(()) };
        let real = self.compute_checksum();
        if real == expected {
            return Ok(());
        }
        Err(ChecksumMismatch { index: self.id.index, term: self.id.term, expected, real })
    }
}

/// CRC-64/ECMA-182 of `bytes`; 0 for none.
pub fn crc64(bytes: &[u8]) -> u64 {
    if bytes.len() > LONG {
        return crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Ecma182, bytes);
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0, |sum, word| word_step(sum ^ u64::from_be_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| {
        let [top, ..] = sum.to_be_bytes();
        (sum << 8) ^ TABLES[0][usize::from(top ^ byte)]
    })
}

/// CRC-64 of two big-endian numbers, the 16 bytes of a log id.
pub(super) fn crc64_pair(first: u64, second: u64) -> u64 {
    word_step(word_step(first) ^ second)
}

/// The state after eight bytes, of which `mixed` is the xor with the state before them.
///
/// The checksum is linear, so the eight bytes are looked up apart, each in the table of its distance to the end.
fn word_step(mixed: u64) -> u64 {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = mixed.to_be_bytes().map(usize::from);
    TABLES[7][b0]
        ^ TABLES[6][b1]
        ^ TABLES[5][b2]
        ^ TABLES[4][b3]
        ^ TABLES[3][b4]
        ^ TABLES[2][b5]
        ^ TABLES[1][b6]
        ^ TABLES[0][b7]
}

/// More bytes than this go to the vector instructions, whose start costs more than a few table steps.
const LONG: usize = 32;

const POLYNOMIAL: u64 = 0x42F0_E1EB_A9EA_3693;

/// `TABLES[n][b]` is the checksum of the byte `b` followed by `n` zeros.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u64) << 56;
        let mut zeros = 0;
        while zeros < 8 {
            let mut bit = 0;
            while bit < 8 {
                let carry = sum >> 63;
                sum = (sum << 1) ^ (carry * POLYNOMIAL);
                bit += 1;
            }
            tables[zeros][byte] = sum;
            zeros += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, a bit at a time.
    fn plain(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |sum, byte| {
            (0..8).fold(sum ^ (u64::from(*byte) << 56), |sum: u64, _| {
                if sum >> 63 == 1 { (sum << 1) ^ POLYNOMIAL } else { sum << 1 }
            })
        })
    }

    #[test]
    fn tables_and_vector_instructions_follow_the_definition() {
        let bytes: Vec<u8> =
            (0..600_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        for start in [0, 1, 3] {
            for end in start..bytes.len() {
                assert_eq!(crc64(&bytes[start..end]), plain(&bytes[start..end]), "{start}..{end}");
            }
        }
        assert_eq!(crc64(b"123456789"), 0x6C40_DF5F_0B49_7347);
    }

    #[test]
    fn a_pair_is_its_sixteen_bytes() {
        for (first, second) in [(0, 0), (1, 1), (u64::MAX, 7), (1 << 40, 1 << 33), (7, u64::MAX)] {
            let bytes = [first.to_be_bytes(), second.to_be_bytes()].concat();
            assert_eq!(crc64_pair(first, second), plain(&bytes), "{first} {second}");
        }
    }

    #[test]
    fn mismatch_reads_as_java_says_it() {
        let text =
            ChecksumMismatch { index: LogIndex(5), term: Term(1), expected: u64::MAX, real: 7 };
        assert_eq!(
            text.to_string(),
            "The log entry is corrupted, index=5, term=1, expectedChecksum=-1, realChecksum=7"
        );
    }
}

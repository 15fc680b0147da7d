//! Bytes that wait to be written: small pieces side by side, large ones as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Frames in the order in which they leave.
#[derive(Debug, Default)]
pub(crate) struct OutQueue {
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`.
    chunked: usize,
    tail: BytesMut,
    /// Bytes taken by the writer and not yet written.
    in_flight: usize,
}

impl OutQueue {
    /// Where small pieces are appended.
    pub(crate) const fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends a piece, without copying it if it is large.
    pub(crate) fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < MIN_CHUNK {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        self.close_tail();
        self.chunked += bytes.len();
        self.chunks.push_back(bytes);
    }

    /// Bytes that are not yet handed to the socket.
    pub(crate) fn unsent(&self) -> usize {
        self.chunked + self.tail.len() + self.in_flight
    }

    /// Whether there is something for the writer to take.
    pub(crate) fn has_queued(&self) -> bool {
        !self.chunks.is_empty() || !self.tail.is_empty()
    }

    /// What is to be written next; it counts as unsent until [`Self::wrote`].
    pub(crate) fn take(&mut self) -> VecDeque<Bytes> {
        self.close_tail();
        self.in_flight += self.chunked;
        self.chunked = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Bytes that were taken are written.
    pub(crate) const fn wrote(&mut self, bytes: usize) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
    }

    /// All bytes in one piece.
    pub(crate) fn concat(&mut self) -> Bytes {
        let mut all = BytesMut::with_capacity(self.unsent());
        self.take().iter().for_each(|chunk| all.extend_from_slice(chunk));
        all.freeze()
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunked += self.tail.len();
            self.chunks.push_back(self.tail.split().freeze());
        }
    }
}

/// One vectored write of what `chunks` begins with; removes what was written and tells how much that was.
pub(crate) async fn write_some(
    to: &mut (impl AsyncWrite + Unpin),
    chunks: &mut VecDeque<Bytes>,
) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let mut used = 0;
    for (slice, chunk) in slices.iter_mut().zip(chunks.iter()) {
        *slice = IoSlice::new(chunk);
        used += 1;
    }
    let wrote = to.write_vectored(&slices[..used]).await?;
    if wrote == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut left = wrote;
    while let Some(chunk) = chunks.front_mut() {
        if chunk.len() > left {
            chunk.advance(left);
            break;
        }
        left -= chunk.len();
        chunks.pop_front();
    }
    Ok(wrote)
}

/// Pieces below this are cheaper to copy than to write on their own.
const MIN_CHUNK: usize = 4096;
/// Slices of one write.
const MAX_SLICES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_does_not_copy_large_pieces() {
        let large = Bytes::from(vec![7_u8; MIN_CHUNK]);
        let mut queue = OutQueue::default();
        queue.tail().extend_from_slice(b"ab");
        queue.put_bytes(Bytes::from_static(b"cd"));
        queue.put_bytes(large.clone());
        queue.tail().extend_from_slice(b"ef");
        assert_eq!(queue.unsent(), 6 + MIN_CHUNK);
        let taken = queue.take();
        assert_eq!(taken.iter().map(Bytes::len).collect::<Vec<_>>(), [4, MIN_CHUNK, 2]);
        assert_eq!(taken[1].as_ptr(), large.as_ptr());
        assert_eq!(queue.unsent(), 6 + MIN_CHUNK);
        queue.wrote(6 + MIN_CHUNK);
        assert_eq!(queue.unsent(), 0);
        assert!(queue.take().is_empty());
    }
}

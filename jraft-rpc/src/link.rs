//! What both ends of a connection do: write what is queued, read into a decoder.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::bolt::Decoder;
use crate::out_queue::{OutQueue, write_some};

/// The writing side of a connection, as its writer sees it.
pub(crate) trait Outlet: Sync {
    /// Lends the queue.
    fn with_out<R>(&self, act: impl FnOnce(&mut OutQueue) -> R) -> R;
    /// Notified when the queue is no longer empty.
    fn wake_writer(&self) -> &Notify;
    /// Some bytes left.
    fn note_written(&self);
}

/// Writes until the connection breaks. What was queued while another task ran leaves in one write.
pub(crate) async fn write_all(outlet: &impl Outlet, mut to: impl AsyncWrite + Unpin) -> io::Error {
    loop {
        let mut chunks = outlet.with_out(OutQueue::take);
        if chunks.is_empty() {
            outlet.wake_writer().notified().await;
            continue;
        }
        while !chunks.is_empty() {
            match write_some(&mut to, &mut chunks).await {
                Ok(wrote) => outlet.with_out(|out| out.wrote(wrote)),
                Err(error) => return error,
            }
            outlet.note_written();
        }
        if let Err(error) = to.flush().await {
            return error;
        }
    }
}

/// Reads once; an end of the stream is an error.
pub(crate) async fn read_some(
    from: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
) -> io::Result<()> {
    decoder.make_room();
    match from.read_buf(decoder.buffer()).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the other side")),
        _ => Ok(()),
    }
}

//! Raw connections to a node, frames to send through them, and frames that were recorded from Java nodes.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use jraft_core::message::RaftRequest;
use jraft_rpc::bolt::{Accepts, Class, Decoder, Frame, RequestHead, ResponseFrame};
use jraft_rpc::convert::encode_request;

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long silence must last to count as such.
const SILENCE: Duration = Duration::from_millis(300);

/// What came back.
#[derive(Debug)]
pub enum Answer {
    /// A frame.
    Frame(Frame),
    /// The node closed the connection.
    Closed,
    /// Nothing, and the connection is still open.
    Nothing,
}

/// A connection without a client behind it.
pub struct Raw {
    stream: TcpStream,
    decoder: Decoder,
    /// Every byte that came.
    pub received: Vec<u8>,
}

impl Raw {
    /// Connects.
    pub fn connect(to: &str) -> Self {
        let decoder = Decoder::new(Accepts::Responses, 64 << 20);
        Self { stream: TcpStream::connect(to).unwrap(), decoder, received: Vec::new() }
    }

    /// Sends, as far as the node lets it.
    pub fn send(&mut self, bytes: &[u8]) {
        // A node that has had enough closes in the middle; that shows in what comes back.
        drop(self.stream.write_all(bytes));
    }

    /// Waits for a frame or the end.
    pub fn answer(&mut self) -> Answer {
        self.answer_within(LONGEST)
    }

    /// Waits a little: nothing should come.
    pub fn silence(&mut self) -> Answer {
        self.answer_within(SILENCE)
    }

    fn answer_within(&mut self, limit: Duration) -> Answer {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Answer::Frame(frame);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Answer::Closed,
                Ok(count) => {
                    self.decoder.buffer().extend_from_slice(&bytes[..count]);
                    self.received.extend_from_slice(&bytes[..count]);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Answer::Nothing;
                }
                Err(_) => return Answer::Closed,
            }
        }
    }

    /// Waits for a response.
    pub fn response(&mut self) -> ResponseFrame {
        match self.answer() {
            Answer::Frame(Frame::Response(response)) => response,
            other => panic!("no response: {other:?}"),
        }
    }

    /// The node still answers here.
    pub fn assert_alive(&mut self) {
        self.send(&request_frame(&RaftRequest::Ping, 4711));
        assert_eq!(self.response().id, 4711);
    }
}

/// A request as its frame.
pub fn request_frame(request: &RaftRequest, id: i32) -> Vec<u8> {
    encode_request(request, 1).to_frame(id, 5000).to_vec()
}

/// A frame with these parts.
pub fn frame(class: &[u8], header: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (header_len, content_len) = (header.len(), content.len());
    RequestHead {
        id: 7,
        one_way: false,
        codec: 1,
        timeout_ms: 5000,
        class,
        header_len,
        content_len,
    }
    .put(&mut out);
    [&out[..], header, content].concat()
}

/// The name of a message on the wire.
pub fn class(class: Class) -> &'static [u8] {
    class.name().as_bytes()
}

/// The bytes of a frame that was recorded: `recorded("1.4.1/ping.request")`.
pub fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jraft-rpc/tests/vectors");
    let text = fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
    let hex: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

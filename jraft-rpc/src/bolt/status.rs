//! The status of a response (`ResponseStatus`). Mind the jump from 9 to 0x10.

use std::fmt;

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal $text:literal,)+) => {
        /// How a request went, at the level of bolt. Anything but `Success` carries no message of ours.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ResponseStatus { $($(#[doc = $doc])+ $name,)+ }

        impl ResponseStatus {
            /// The status of a number; `None` for a number that is not in the table, which closes the connection.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)+ }
            }

            const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

statuses! {
    /// The content is the answer.
    Success = 0x00 "SUCCESS",
    /// Failed.
    Error = 0x01 "ERROR",
    /// The processor threw, or there is none.
    ServerException = 0x02 "SERVER_EXCEPTION",
    /// Unknown.
    Unknown = 0x03 "UNKNOWN",
    /// The server is busy.
    ServerThreadpoolBusy = 0x04 "SERVER_THREADPOOL_BUSY",
    /// Communication failed.
    ErrorComm = 0x05 "ERROR_COMM",
    /// There is no processor; the reference says `ServerException` instead.
    NoProcessor = 0x06 "NO_PROCESSOR",
    /// Timed out.
    Timeout = 0x07 "TIMEOUT",
    /// The client could not send.
    ClientSendError = 0x08 "CLIENT_SEND_ERROR",
    /// Encoding or decoding failed.
    CodecException = 0x09 "CODEC_EXCEPTION",
    /// The connection was closed.
    ConnectionClosed = 0x10 "CONNECTION_CLOSED",
    /// The answer cannot be serialised.
    ServerSerialException = 0x11 "SERVER_SERIAL_EXCEPTION",
    /// The request cannot be parsed.
    ServerDeserialException = 0x12 "SERVER_DESERIAL_EXCEPTION",
}

impl fmt::Display for ResponseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_fit() {
        let mut known = 0;
        for number in 0..=u16::MAX {
            if let Some(status) = ResponseStatus::from_number(number) {
                assert_eq!(status.number(), number);
                known += 1;
            }
        }
        assert_eq!(known, 13);
        assert_eq!(ResponseStatus::from_number(0x0a), None);
        assert_eq!(
            ResponseStatus::ServerDeserialException.to_string(),
            "SERVER_DESERIAL_EXCEPTION"
        );
    }
}

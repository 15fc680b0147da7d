//! Standard output, which may be closed by whoever reads it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// What a shell tells of a program that wrote to a closed pipe.
const CLOSED: i32 = 128 + 13;

/// Writes, or ends the program: nobody reads what follows either.
pub(crate) fn write(what: Arguments<'_>) {
    let mut out = io::stdout().lock();
    match out.write_fmt(what).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(CLOSED),
        Err(error) => panic!("standard output: {error}"),
    }
}

//! Where log lines go: standard error, from a thread of their own, none is dropped.

use slog::{Drain, Level, Logger, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};

/// A logger of lines at `level` and above. The lines that are still queued are written when the guard is dropped.
pub fn to_stderr(level: Level) -> (Logger, AsyncGuard) {
    let decorator = slog_term::TermDecorator::new().stderr().build();
    let lines = slog_term::FullFormat::new(decorator).build().fuse();
    let (queue, guard) = Async::new(lines)
        .chan_size(QUEUE_LINES)
        .overflow_strategy(OverflowStrategy::Block)
        .build_with_guard();
    let drain = slog::LevelFilter::new(queue, level).fuse();
    (Logger::root(drain, o!()), guard)
}

const QUEUE_LINES: usize = 4096;

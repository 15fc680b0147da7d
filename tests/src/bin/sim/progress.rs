//! What a person sees while it takes long: one line that changes on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use crate::tally::{Tally, thousands};

/// See the [module](self).
pub(crate) struct Progress {
    terminal: bool,
    /// When the next line is due.
    due: Duration,
    /// A line stands on the terminal.
    stands: bool,
}

impl Progress {
    /// Nothing is shown in the first seconds.
    pub(crate) fn new() -> Self {
        Self { terminal: stderr().is_terminal(), due: Duration::from_secs(2), stands: false }
    }

    /// Shows a line, if it is time. `share` of all is done.
    pub(crate) fn tick(&mut self, tally: &Tally, passed: Duration, share: f64) {
        if passed < self.due {
            return;
        }
        let pause = if self.terminal { Duration::from_millis(500) } else { Duration::from_secs(5) };
        self.due = passed + pause;
        let speed = tally.time as f64 / 1e9 / passed.as_secs_f64();
        let line = format!(
            "{:5.1} %  {:.2} simulated hours, {} seeds, {} x real time, {} violations",
            share.min(1.0) * 100.0,
            tally.hours(),
            thousands(tally.seeds),
            thousands(speed as u64),
            tally.violations.len()
        );
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            self.stands = true;
        } else {
            eprintln!("{line}");
        }
    }

    /// A line that changes makes room.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.stands) {
            eprint!("\r\x1b[K");
        }
    }
}

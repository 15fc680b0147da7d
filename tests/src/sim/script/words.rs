//! The words of a command: names, numbers, times, and which messages are meant.

use std::iter::Peekable;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use crate::sim::net::links::Kind;

/// The words of a command, one after the other.
pub(super) struct Words<'a>(Peekable<SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self(line.split_whitespace().peekable())
    }

    /// The next word, whatever it is.
    pub(super) fn word(&mut self) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| "a word is missing at the end".to_owned())
    }

    /// The next word, if there is one and it will do.
    pub(super) fn word_if(&mut self, will_do: impl FnOnce(&str) -> bool) -> Option<&'a str> {
        self.0.next_if(|word| will_do(word))
    }

    /// The next word, which stays.
    pub(super) fn peek(&mut self) -> Option<&'a str> {
        self.0.peek().copied()
    }

    /// Whether this is the next word; then it is taken.
    pub(super) fn take(&mut self, word: &str) -> bool {
        self.word_if(|next| next == word).is_some()
    }

    /// This must be the next word.
    pub(super) fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("{word:?} belongs here")) }
    }

    /// A number, say.
    pub(super) fn value<T: FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("{word:?} is no {}", std::any::type_name::<T>()))
    }

    /// A number, if the next word is one.
    pub(super) fn number(&mut self) -> Option<u64> {
        self.word_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
    }

    /// `500ms`.
    pub(super) fn time(&mut self) -> Result<Duration, String> {
        time(self.word()?)
    }

    /// `within 3s`, or this much.
    pub(super) fn within(&mut self, usual: Duration) -> Result<Duration, String> {
        if self.take("within") { self.time() } else { Ok(usual) }
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> Vec<&'a str> {
        self.0.by_ref().collect()
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err(format!("{word:?} is too much")),
        }
    }
}

/// `20us`, `500ms`, `3s`.
pub(super) fn time(word: &str) -> Result<Duration, String> {
    let units = [("us", 1), ("ms", 1_000), ("s", 1_000_000)];
    let parsed = units.iter().find_map(|(unit, micros)| {
        let number: u64 = word.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_micros(number * micros))
    });
    parsed.ok_or_else(|| format!("{word:?} is no time like 500ms"))
}

/// `100ms..2s`, or one time.
pub(super) fn times(word: &str) -> Result<(Duration, Duration), String> {
    match word.split_once("..") {
        Some((from, to)) => Ok((time(from)?, time(to)?)),
        None => time(word).map(|time| (time, time)),
    }
}

/// The same in microseconds.
pub(super) fn micros(word: &str) -> Result<(u64, u64), String> {
    let (from, to) = times(word)?;
    Ok((from.as_micros() as u64, to.as_micros() as u64))
}

/// `vote`, or several with commas between them.
pub(super) fn kinds(word: &str) -> Result<Vec<Kind>, String> {
    let named = |name| Kind::named(name).ok_or_else(|| format!("{name:?} is no kind of message"));
    word.split(',').map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("20us"), Ok(Duration::from_micros(20)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(times("1s..3s"), Ok((Duration::from_secs(1), Duration::from_secs(3))));
        assert_eq!(micros("7ms"), Ok((7_000, 7_000)));
        for wrong in ["5", "s", "5m", "-5s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_are_taken_if_they_fit() {
        let mut words = Words::new("run 3 within 5s end");
        assert_eq!((words.take("stop"), words.take("run")), (false, true));
        assert_eq!((words.number(), words.number()), (Some(3), None));
        assert_eq!(words.within(Duration::ZERO), Ok(Duration::from_secs(5)));
        assert!(words.end().is_err());
        assert_eq!(words.within(Duration::ZERO), Ok(Duration::ZERO));
        assert!(words.end().is_ok());
    }

    #[test]
    fn kinds_have_names() {
        assert_eq!(kinds("vote,beat-answer"), Ok(vec![Kind::Vote, Kind::BeatAnswer]));
        assert!(kinds("votes").is_err());
    }
}

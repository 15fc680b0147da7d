//! A tripwire: while it is armed, a thread that asks the operating system for the time, for entropy or for the environment
//! is caught. Simulated code has to ask its seams, or two runs of one seed are not the same run.
//!
//! It stands in for three functions of the C library, which the standard library calls for `Instant::now`,
//! `SystemTime::now`, `RandomState::new` and `env::var`. They do their work as ever. On Linux only; elsewhere nobody is ever
//! caught.

use std::cell::Cell;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// From now on, or no longer, this thread is watched.
pub fn arm(armed: bool) {
    ARMED.set(armed);
}

/// What this thread asked for since this was called last, if it was watched.
pub fn caught() -> Option<&'static str> {
    CAUGHT.take()
}

#[cfg(target_os = "linux")]
fn step(what: &'static str) {
    if ARMED.get() {
        CAUGHT.set(Some(what));
    }
}

#[cfg(target_os = "linux")]
mod stand_ins {
    use std::ffi::{c_char, c_int, c_uint, c_void};

    use super::step;

    /// The clock.
    ///
    /// # Safety
    /// As that of the C library: `time` points to a `timespec`.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
        step("the clock of the operating system");
        // SAFETY: the arguments are the caller's, who promises what the call needs.
        unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
    }

    /// Entropy.
    ///
    /// # Safety
    /// As that of the C library: `into` points to `length` bytes.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getrandom(into: *mut c_void, length: usize, flags: c_uint) -> isize {
        step("the entropy of the operating system");
        // SAFETY: the arguments are the caller's, who promises what the call needs.
        unsafe { libc::syscall(libc::SYS_getrandom, into, length, flags) as isize }
    }

    unsafe extern "C" {
        static environ: *const *const c_char;
    }

    /// A variable of the environment.
    ///
    /// # Safety
    /// As that of the C library: `name` ends with a zero, and nobody changes the environment meanwhile.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
        step("the environment of the process");
        // SAFETY: `environ` is a list of strings that ends with a null, and so is what the caller promises of `name`.
        unsafe {
            let length = libc::strlen(name);
            let mut place = environ;
            while !place.is_null() && !(*place).is_null() {
                let entry = *place;
                if libc::strncmp(entry, name, length) == 0 && *entry.add(length) == b'=' as c_char {
                    return entry.add(length + 1).cast_mut();
                }
                place = place.add(1);
            }
        }
        std::ptr::null_mut()
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "what is banned elsewhere is what must be caught")]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    fn caught_at(read: impl FnOnce()) -> Option<&'static str> {
        arm(true);
        read();
        arm(false);
        caught()
    }

    #[test]
    fn whoever_asks_the_operating_system_is_caught() {
        let clock = Some("the clock of the operating system");
        assert_eq!(caught_at(|| _ = Instant::now()), clock);
        assert_eq!(caught_at(|| _ = SystemTime::now()), clock);
        assert_eq!(
            caught_at(|| drop(std::env::var("HOME"))),
            Some("the environment of the process")
        );
        // The keys of hash maps are drawn once a thread.
        let fresh = std::thread::spawn(|| caught_at(|| drop(std::hash::RandomState::new())));
        assert_eq!(fresh.join().expect("no panic"), Some("the entropy of the operating system"));
    }

    #[test]
    fn nobody_else_is_caught() {
        _ = Instant::now();
        assert_eq!(caught(), None);
        assert_eq!(caught_at(|| drop(Box::new([0; 1000]))), None);
    }

    #[test]
    fn the_answers_are_those_of_the_operating_system() {
        let start = Instant::now();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        assert!(
            wall > Duration::from_secs(1_700_000_000) && start.elapsed() < Duration::from_secs(60)
        );
        assert_eq!(std::env::var("PATH").is_ok(), std::env::vars().any(|(name, _)| name == "PATH"));
        assert!(std::env::var("JRAFT_THERE_IS_NO_SUCH_VARIABLE").is_err());
    }
}

//! Time, tasks and chance of a real process. The rest of this package asks here; the library itself asks its `Env`.
#![expect(
    clippy::disallowed_methods,
    reason = "programs live in real time; what the library bans, it bans for nodes"
)]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio::task::JoinHandle;
pub use tokio::time::Instant;

/// Now.
pub fn now() -> Instant {
    Instant::now()
}

/// Waits.
pub async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Waits for `future`, but no longer than `limit`; then it is dropped.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Starts a task.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// Starts a thread, which ends with the process.
pub fn spawn_thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}

/// A number that nobody can foretell, different in each process: the standard library's own source of seeds.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Resolves when the process is told to end: by Ctrl-C, SIGTERM, or the end of its terminal.
///
/// Listens from the call on, not from the first poll: until then such a signal ends the process as it stands.
pub fn told_to_end() -> std::io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
            _ = hang_up.recv() => "SIGHUP",
        }
    })
}

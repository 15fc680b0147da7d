//! One server process: started, killed, started again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jraft_core::PeerId;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::real_time;
use crate::server::READY;

/// How a server is started: a program, and the arguments before those of `counter-server`.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub executable: PathBuf,
    /// What comes before the data folder.
    pub leading: Vec<String>,
}

impl Program {
    /// The executable that runs now, with a first argument that makes it a server.
    pub fn this(subcommand: &str) -> io::Result<Self> {
        let executable = std::env::current_exe()?;
        Ok(Self { executable, leading: vec![subcommand.to_owned()] })
    }
}

/// A server, running or not. Dropped, its process is killed.
#[derive(Debug)]
pub struct Server {
    peer: PeerId,
    folder: PathBuf,
    program: Program,
    arguments: Vec<String>,
    running: Option<Running>,
}

/// A process. It ends when its standard input ends: even if we are killed, it does not outlive us.
#[derive(Debug)]
struct Running {
    child: Child,
    input: ChildStdin,
}

impl Server {
    /// A server that does not run yet. `arguments` are those after the data folder.
    pub fn new(peer: PeerId, folder: PathBuf, program: Program, arguments: Vec<String>) -> Self {
        Self { peer, folder, program, arguments, running: None }
    }

    /// The node.
    pub const fn peer(&self) -> &PeerId {
        &self.peer
    }

    /// Whether its process has been started, and not been ended by us.
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn start(&mut self) -> io::Result<()> {
        assert!(self.running.is_none(), "a data folder is for one process");
        fs::create_dir_all(&self.folder)?;
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut child = Command::new(&self.program.executable)
            .args(&self.program.leading)
            .arg(&self.folder)
            .args(&self.arguments)
            .arg("--end-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            // Not ours: Ctrl-C is for us alone, and we decide what becomes of the servers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().expect("its input is a pipe");
        let output = child.stdout.take().expect("its output is a pipe");
        self.running = Some(Running { child, input });
        let lines = BufReader::new(output).lines();
        match real_time::within(START_LIMIT, until_ready(lines, log)).await {
            Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => Err(self.start_error("ended")),
            Some(Err(error)) => Err(error),
            None => Err(self.start_error("is not ready in time")),
        }
    }

    /// SIGKILL: it gets no chance to tidy up. Answers when it is dead.
    pub async fn kill(&mut self) -> io::Result<()> {
        match &mut self.running {
            Some(running) => running.child.kill().await?,
            None => return Ok(()),
        }
        self.running = None;
        Ok(())
    }

    /// Asks it to end, and kills it if it does not.
    pub async fn stop(&mut self) -> io::Result<()> {
        let Some(Running { mut child, input }) = self.running.take() else {
            return Ok(());
        };
        drop(input);
        match real_time::within(STOP_LIMIT, child.wait()).await {
            Some(ended) => ended.map(|_| ()),
            None => child.kill().await,
        }
    }

    /// Where its output goes.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn start_error(&self, what: &str) -> io::Error {
        let tail = tail(&self.log_file()).unwrap_or_default();
        let log = self.log_file();
        io::Error::other(format!("{} {what}; the end of {}:\n{tail}", self.peer, log.display()))
    }
}

/// Copies lines to the log until the one that says ready, then the others in the background. False if there was none.
async fn until_ready(mut lines: Lines<BufReader<ChildStdout>>, mut log: File) -> io::Result<bool> {
    while let Some(line) = lines.next_line().await? {
        writeln!(log, "{line}")?;
        if line.starts_with(READY) {
            real_time::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    // A log that cannot be written is no reason to let the process wait for a reader.
                    let _ = writeln!(log, "{line}");
                }
            });
            return Ok(true);
        }
    }
    Ok(false)
}

fn tail(file: &Path) -> io::Result<String> {
    let text = String::from_utf8_lossy(&fs::read(file)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"))
}

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(8);
const SHOWN_LINES: usize = 5;

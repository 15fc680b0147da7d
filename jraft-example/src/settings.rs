//! The options of a node from the command line, in layers: defaults, a file, `--set key=value`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jraft_core::{NodeOptions, OptionError};

/// The arguments that change options.
#[derive(Args, Clone, Debug, Default)]
pub struct Settings {
    /// Read options from a TOML file: names as in Java or in snake_case, flat or in tables raft and rpc
    #[arg(long, value_name = "FILE.toml")]
    pub options: Option<PathBuf>,
    /// Give one option a value; wins over the file, may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Why options were not accepted.
#[derive(Debug)]
pub enum SettingsError {
    /// The file cannot be read, or is no TOML.
    File(PathBuf, String),
    /// An option is not accepted.
    Option(OptionError),
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, why) => write!(f, "{}: {why}", path.display()),
            Self::Option(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<OptionError> for SettingsError {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

impl Settings {
    /// `base` with the file and then the pairs on top, validated.
    pub fn apply_to(&self, base: NodeOptions) -> Result<NodeOptions, SettingsError> {
        let mut options = base;
        if let Some(path) = &self.options {
            merge_file(&mut options, path)?;
        }
        for pair in &self.set {
            // What it warns of is in `NodeOptions::warnings` of the result, too.
            options.set_pair(pair)?;
        }
        options.validate()?;
        Ok(options)
    }

    /// The arguments that say the same on another command line.
    pub fn to_arguments(&self) -> Vec<String> {
        let file = self.options.iter().map(|path| ["--options".into(), path.display().to_string()]);
        let pairs = self.set.iter().map(|pair| ["--set".into(), pair.clone()]);
        file.chain(pairs).flatten().collect()
    }
}

fn merge_file(options: &mut NodeOptions, path: &Path) -> Result<(), SettingsError> {
    let refuse = |why: String| SettingsError::File(path.to_owned(), why);
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let toml = toml::Deserializer::parse(&text).map_err(|error| refuse(error.to_string()))?;
    options.merge(toml).map_err(|error| refuse(error.to_string()))?;
    Ok(())
}

/// Writes every option with its value, marks those that are not at their default, and repeats the warnings.
pub fn write_banner(options: &NodeOptions, out: &mut dyn Write) -> io::Result<()> {
    for row in options.rows() {
        if row.value == row.default {
            writeln!(out, "option   {} = {}", row.name, row.value)?;
        } else {
            writeln!(out, "option * {} = {} (default {})", row.name, row.value, row.default)?;
        }
    }
    for warning in options.warnings() {
        writeln!(out, "warning  {warning}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: Option<&Path>, set: &[&str]) -> Settings {
        let set = set.iter().map(|pair| (*pair).to_owned()).collect();
        Settings { options: file.map(Path::to_owned), set }
    }

    #[test]
    fn pairs_win_over_the_file_and_the_file_over_the_base() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.toml");
        std::fs::write(&file, "electionTimeoutMs = 300\n[raft]\napply_batch = 7\n").unwrap();
        let mut base = NodeOptions::default();
        base.election_timeout_ms = 200;
        base.raft.max_entries_size = 9;
        let options = settings(Some(&file), &["apply_batch=8"]).apply_to(base).unwrap();
        assert_eq!(options.election_timeout_ms, 300);
        assert_eq!(options.raft.apply_batch, 8);
        assert_eq!(options.raft.max_entries_size, 9);
    }

    #[test]
    fn mistakes_are_named() {
        let text =
            |settings: Settings| settings.apply_to(NodeOptions::default()).unwrap_err().to_string();
        assert!(text(settings(None, &["aply_batch=8"])).contains("did you mean `apply_batch`"));
        assert!(text(settings(None, &["apply_batch"])).contains("name=value"));
        assert!(text(settings(Some(Path::new("/no/such.toml")), &[])).contains("/no/such.toml"));
    }

    #[test]
    fn the_banner_marks_what_was_changed() {
        let settings = settings(None, &["step_down_when_vote_timedout=false", "sync=false"]);
        let options = settings.apply_to(NodeOptions::default()).unwrap();
        let mut banner = Vec::new();
        write_banner(&options, &mut banner).unwrap();
        let banner = String::from_utf8(banner).unwrap();
        let rows = banner.lines().filter(|line| line.starts_with("option")).count();
        assert_eq!(rows, NodeOptions::default().rows().len());
        assert!(banner.contains("option * step_down_when_vote_timedout = false (default true)\n"));
        assert!(banner.contains("option   apply_batch = 32\n"), "{banner}");
        assert!(banner.contains("warning  option `sync`"), "{banner}");
    }

    #[test]
    fn arguments_say_the_same_again() {
        let settings = settings(Some(Path::new("a.toml")), &["x=1", "y=2"]);
        assert_eq!(
            settings.to_arguments(),
            ["--options", "a.toml", "--set", "x=1", "--set", "y=2"]
        );
    }
}

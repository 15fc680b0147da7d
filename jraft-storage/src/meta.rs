//! Term and vote in the reference's file `raft_meta` (`LocalRaftMetaStorage`), always synced, file and directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jraft_spi::entity::{PeerId, Term};
use jraft_spi::mutant;
use jraft_spi::pb;
use jraft_spi::storage::{Durable, RaftMeta, RaftMetaStorage, StorageError};
use prost::Message;

use crate::disk::{Context, Disk, make_dir, read_small, replace_small};

/// Keeps a [`RaftMeta`] in `<dir>/raft_meta`, byte for byte as Java does.
pub struct FileMetaStorage {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    path: PathBuf,
    failed: Option<StorageError>,
}

impl FileMetaStorage {
    /// The metadata in `dir`, which is made when it is needed.
    pub fn new(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        let path = dir.join(FILE_NAME);
        Self { disk, dir, path, failed: None }
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything was ever saved.
    pub fn exists(&self) -> Result<bool, StorageError> {
        self.disk.exists(&self.path).context("look for", &self.path)
    }

    fn try_load(&mut self) -> Result<Option<RaftMeta>, StorageError> {
        make_dir(&*self.disk, &self.dir)?;
        if !self.exists()? {
            return Ok(None);
        }
        let bytes = read_small(&*self.disk, &self.path, MAX_BYTES)?;
        let mut meta = decode(&bytes).map_err(|what| self.damaged(what))?;
        if meta.term > Term::LAST {
            // No peer would listen to this node: better said now than found out.
            return Err(self.damaged(beyond_last(meta.term)));
        }
        // A vote that a killed process wrote but did not sync would be believed here and lost at a later power
        // cut; and a page that failed to reach the disk once counts as clean. So it is written and synced anew.
        if !mutant!("M43") {
            replace_small(&*self.disk, &self.path, &bytes)?;
        }
        if mutant!("M20") {
            meta.voted_for = None;
        }
        Ok(Some(meta))
    }

    fn try_save(&self, meta: &RaftMeta) -> Result<(), StorageError> {
        if meta.term > Term::LAST {
            return Err(StorageError::Other(beyond_last(meta.term)));
        }
        replace_small(&*self.disk, &self.path, &encode(meta)?)
    }

    fn damaged(&self, what: String) -> StorageError {
        let (file, group, index) = (self.path.clone(), String::new(), 0.into());
        StorageError::Damaged { file, offset: 0, group, index, what }
    }

    /// Runs `call` unless one failed before, and remembers if it fails: a storage that failed is not asked again.
    fn guarded<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = call(self);
        self.failed = result.as_ref().err().cloned();
        result
    }
}

impl RaftMetaStorage for FileMetaStorage {
    fn load(&mut self) -> Result<Option<RaftMeta>, StorageError> {
        self.guarded(Self::try_load)
    }

    fn save(&mut self, meta: &RaftMeta, done: Durable) {
        let result = self.guarded(|this| this.try_save(meta));
        done.finish(result);
    }
}

/// The bytes of the file: name of the message and message, each behind its length.
fn encode(meta: &RaftMeta) -> Result<Vec<u8>, StorageError> {
    let term = i64::try_from(meta.term.0).map_err(|_| {
        StorageError::Other(format!("term {} is too large for raft_meta", meta.term))
    })?;
    let vote = meta.voted_for.clone().unwrap_or_else(PeerId::empty);
    let message = pb::StablePbMeta { term, votedfor: vote.to_string() }.encode_to_vec();
    let mut bytes = Vec::with_capacity(8 + MESSAGE_NAME.len() + message.len());
    for part in [MESSAGE_NAME.as_bytes(), &message] {
        let length = u32::try_from(part.len()).expect("a peer's text is far shorter than 4 GiB");
        bytes.extend(length.to_be_bytes());
        bytes.extend(part);
    }
    Ok(bytes)
}

fn beyond_last(term: Term) -> String {
    format!("term {term} is beyond the last term, {}", Term::LAST)
}

fn decode(bytes: &[u8]) -> Result<RaftMeta, String> {
    let (name, rest) = framed(bytes, "name")?;
    if name != MESSAGE_NAME.as_bytes() {
        return Err(format!(
            "it holds a {:?}, not a {MESSAGE_NAME}",
            String::from_utf8_lossy(name)
        ));
    }
    let (message, rest) = framed(rest, "message")?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the message", rest.len()));
    }
    if let Some(missing) = pb::STABLE_PB_META.missing(message) {
        return Err(missing.to_string());
    }
    let meta = pb::StablePbMeta::decode(message).map_err(|error| error.to_string())?;
    let term = u64::try_from(meta.term).map_err(|_| format!("term {} is negative", meta.term))?;
    let vote: PeerId = meta.votedfor.parse().map_err(|error| format!("its vote: {error}"))?;
    let voted_for = Some(vote).filter(|vote| !vote.is_empty());
    Ok(RaftMeta { term: Term(term), voted_for })
}

fn framed<'a>(bytes: &'a [u8], what: &str) -> Result<(&'a [u8], &'a [u8]), String> {
    let short = || format!("it ends within the {what}");
    let (length, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let length = i32::from_be_bytes(*length);
    let length = usize::try_from(length).map_err(|_| format!("length {length} of the {what}"))?;
    rest.split_at_checked(length).ok_or_else(short)
}

const FILE_NAME: &str = "raft_meta";
const MESSAGE_NAME: &str = "jraft.StablePBMeta";
/// Far above the longest text of a peer.
const MAX_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests;

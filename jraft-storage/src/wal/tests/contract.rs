use std::sync::Arc;

use super::*;
use crate::testing::entries;

#[test]
fn entries_come_back_before_and_after_a_sync_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn crate::Disk> = Arc::new(crate::RealDisk::new());
    let written = entries(1..=100, 1);
    {
        let mut log = open_at(Arc::clone(&disk), dir.path(), SMALL).unwrap();
        assert_eq!(log.recovered, Recovered::empty());
        log.storage.append(&written).unwrap();
        assert_eq!(read(&*log.reader, 1, 1000), written);
        log.sync().unwrap();
        assert_eq!(read(&*log.reader, 1, 1000), written);
        log.engine.close().unwrap();
    }
    let log = open_at(disk, dir.path(), SMALL).unwrap();
    assert_eq!(log.all(), written);
}

//! Damage at rest: in what is read, and in what a power loss leaves.

use super::*;

fn damaged(damage: impl FnOnce(&SimDisk)) -> Vec<u8> {
    let disk = SimDisk::new(1);
    let bytes: Vec<u8> = (0..1300_u32).map(|at| (at / 512) as u8 + 1).collect();
    file(&disk, "f", &bytes);
    file(&disk, "g", &[9; 600]);
    damage(&disk);
    let found = disk.bytes(&path("f"));
    assert_eq!(durable(&disk, "f").unwrap(), found);
    assert_eq!(floor(&disk), u64::MAX);
    found
}

#[test]
fn bits_and_sectors_are_damaged() {
    let found = damaged(|disk| disk.flip_bit(&path("f"), 700, 7));
    assert_eq!((found[699], found[700], found[701]), (2, 0x82, 2));
    let found = damaged(|disk| disk.zero_sector(&path("f"), 1));
    assert_eq!((found[511], found[512], found[1023], found[1024]), (1, 0, 0, 3));
    let found = damaged(|disk| disk.zero_sector(&path("f"), 2));
    assert_eq!((found[1023], found[1024], found[1299], found.len()), (2, 0, 0, 1300));
    let found = damaged(|disk| disk.copy_sector((&path("f"), 2), (&path("f"), 0)));
    assert_eq!((found[0], found[275], found[276]), (3, 3, 1));
    let found = damaged(|disk| disk.copy_sector((&path("g"), 0), (&path("f"), 2)));
    assert_eq!((found[1023], found[1024], found[1299], found.len()), (2, 9, 9, 1300));
}

#[test]
fn files_are_cut_lengthened_removed_and_put() {
    assert_eq!(damaged(|disk| disk.truncate(&path("f"), 5)), [1; 5]);
    let found = damaged(|disk| disk.extend_zeros(&path("f"), 2));
    assert_eq!((found[1299], &found[1300..]), (3, &[0, 0][..]));
    assert_eq!(damaged(|disk| disk.put_file(&path("f"), b"old")), b"old");
    let disk = SimDisk::new(1);
    disk.create(&path("g")).unwrap();
    file(&disk, "f", b"one");
    disk.put_file(&path("strange"), b"?");
    assert_eq!(durable(&disk, "strange").unwrap(), b"?");
    assert_eq!(disk.files(), [(path("f"), 3), (path("g"), 0), (path("strange"), 1)]);
    disk.create(&path("h")).unwrap();
    disk.remove_file(&path("h"));
    let comes_back = |seed| disk.fork().crash(Crash::Tear(seed)).exists(&path("h")).unwrap();
    assert!(!(0..20).any(comes_back));
    disk.remove_file(&path("f"));
    assert_eq!((durable(&disk, "f"), disk.files().len()), (None, 2));
}

#[test]
fn what_was_written_before_the_damage_is_durable() {
    let disk = SimDisk::new(1);
    let open = file(&disk, "f", b"one");
    open.write_at(0, b"two").unwrap();
    disk.flip_bit(&path("f"), 0, 0);
    assert_eq!((durable(&disk, "f").unwrap(), floor(&disk)), (b"uwo".to_vec(), u64::MAX));
}

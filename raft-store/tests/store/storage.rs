//! The contract of a storage, as tests that run on both implementations.

use crate::node::pairs;
use nexus_raft_store::storage::{
    Batch, Column, Crash, KeyRange, Order, Reader as _, Rocks, SimulatedDisk, Storage,
};
use std::fs;
use tempfile::TempDir;

fn on_both(story: impl Fn(&dyn Storage)) {
    story(&SimulatedDisk::new());
    let folder = TempDir::new().unwrap();
    story(&Rocks::open(folder.path()).unwrap());
}

fn filled(storage: &dyn Storage) {
    let mut batch = Batch::new();
    for byte in 0..10 {
        batch.put(Column::Rows, [1, byte], vec![byte]);
    }
    batch.put(Column::Rows, [2], vec![]);
    batch.put(Column::Documents, [1, 5], b"of another column");
    storage.write(batch).unwrap();
}

fn keys(storage: &dyn Storage, range: &KeyRange, order: Order) -> Vec<Vec<u8>> {
    let scan = storage.scan(Column::Rows, range, order);
    scan.map(|pair| pair.unwrap().0.to_vec()).collect()
}

#[test]
fn a_scan_gives_the_range_in_order_from_either_end() {
    on_both(|storage| {
        filled(storage);
        let range = KeyRange::between([1, 3], [1, 6]);
        assert_eq!(keys(storage, &range, Order::Ascending), [[1, 3], [1, 4], [1, 5]]);
        assert_eq!(keys(storage, &range, Order::Descending), [[1, 5], [1, 4], [1, 3]]);
        assert_eq!(keys(storage, &KeyRange::prefix([1]), Order::Ascending).len(), 10);
        assert_eq!(keys(storage, &KeyRange::all(), Order::Descending)[0], [2]);
        assert_eq!(keys(storage, &KeyRange::from([1, 9]), Order::Ascending), [vec![1, 9], vec![2]]);
        assert!(keys(storage, &KeyRange::between([3], [1]), Order::Ascending).is_empty());
    });
}

#[test]
fn a_batch_changes_in_order_and_one_column_alone() {
    on_both(|storage| {
        filled(storage);
        let mut batch = Batch::new();
        batch.delete_range(Column::Rows, KeyRange::between([1, 0], [1, 8]));
        batch.put(Column::Rows, [1, 4], b"again");
        batch.delete(Column::Rows, [1, 9]);
        storage.write(batch).unwrap();
        assert_eq!(keys(storage, &KeyRange::all(), Order::Ascending), [vec![1, 4], vec![1, 8], vec![2]]);
        assert_eq!(storage.get(Column::Rows, &[1, 4]).unwrap().as_deref(), Some(b"again".as_slice()));
        assert_eq!(storage.get(Column::Rows, &[1, 9]).unwrap(), None);
        assert!(storage.get(Column::Documents, &[1, 5]).unwrap().is_some());

        let mut batch = Batch::new();
        batch.delete_range(Column::Rows, KeyRange::all());
        storage.write(batch).unwrap();
        assert!(keys(storage, &KeyRange::all(), Order::Ascending).is_empty());
    });
}

#[test]
fn a_folder_with_closed_write_ahead_logs_is_read_beside_its_node_and_after_it() {
    let (folder, logs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let read = || {
        let read = Rocks::open_to_read(folder.path(), logs.path()).unwrap();
        assert!(read.get(Column::Documents, &[0]).unwrap().is_some());
    };
    let node = Rocks::open(folder.path()).unwrap();
    // Several write buffers: each that is written out closes a log, of which the database keeps a record.
    for number in 0..24_u8 {
        let mut batch = Batch::new();
        let noise: Vec<u8> = (0..1_u64 << 17)
            .flat_map(|at| (at ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        batch.put(Column::Documents, [number], noise);
        node.write(batch).unwrap();
        node.flush().unwrap();
        read();
    }
    drop(node);
    read();
    drop(Rocks::open(folder.path()).unwrap());
    read();
}

#[test]
fn a_view_stays_as_it_was() {
    on_both(|storage| {
        filled(storage);
        let before = pairs(storage, Column::Rows);
        let mut seen = false;
        storage.with_view(&mut |view| {
            let mut batch = Batch::new();
            batch.delete_range(Column::Rows, KeyRange::all());
            storage.write(batch).unwrap();
            assert_eq!(pairs(view, Column::Rows), before);
            assert!(view.get(Column::Rows, &[1, 1]).unwrap().is_some());
            seen = true;
        });
        assert!(seen);
        assert!(pairs(storage, Column::Rows).is_empty());
    });
}

#[test]
fn a_file_is_what_was_written_into_it() {
    on_both(|storage| {
        let folder = storage.folder();
        let file = folder.create("a").unwrap();
        file.write_at(3, b"defg").unwrap();
        file.write_at(0, b"abc").unwrap();
        file.sync().unwrap();
        folder.rename("a", "b").unwrap();
        folder.sync().unwrap();
        assert!(folder.open("a").unwrap().is_none());
        assert_eq!(folder.names().unwrap(), ["b"]);
        let opened = folder.open("b").unwrap().unwrap();
        folder.remove("b").unwrap();
        folder.remove("b").unwrap();
        let mut bytes = [0; 16];
        assert_eq!(opened.read_at(2, &mut bytes).unwrap(), 5);
        assert_eq!(&bytes[..5], b"cdefg");
        assert_eq!(opened.length().unwrap(), 7);
    });
}

#[test]
fn a_crash_keeps_a_prefix_of_what_was_written() {
    let disk = SimulatedDisk::new();
    let write = |byte: u8| {
        let mut batch = Batch::new();
        batch.put(Column::Rows, [byte], vec![]);
        disk.write(batch).unwrap();
    };
    (0..3).for_each(write);
    disk.flush().unwrap();
    (3..6).for_each(write);
    let left = |crash| pairs(&disk.crash(crash), Column::Rows).len();
    assert_eq!(left(Crash::Process), 6);
    assert_eq!(left(Crash::Torn(2)), 5);
    assert_eq!(left(Crash::Torn(0)), 3);
    assert_eq!(left(Crash::Power), 3);
    assert_eq!(left(Crash::Forgets(2)), 1);
    assert!(disk.write(Batch::new()).is_err(), "a crashed machine does nothing more");
}

#[test]
fn two_processes_cannot_open_one_folder() {
    let folder = TempDir::new().unwrap();
    let first = Rocks::open(folder.path()).unwrap();
    assert!(Rocks::open(folder.path()).is_err());
    drop(first);
    Rocks::open(folder.path()).unwrap();
    assert!(fs::exists(folder.path().join("db")).unwrap());
}

//! The same random operations on RocksDB and on the simulated disk, which must show the same after each of them.

use crate::{
    data_folder::{copy_of, temporary},
    node::{Pairs, pairs},
};
use nexus_raft_store::storage::{
    Batch, Column, Crash, KeyRange, Order, Reader, Rocks, SimulatedDisk, Storage as _,
};
use proptest::{collection::vec, prelude::*, test_runner::Config};
use std::path::Path;
use tempfile::TempDir;

/// The number of random sequences. Each opens RocksDB a few times, which takes most of the time.
const SEQUENCES: u32 = 40;
/// The operations of one sequence.
const OPERATIONS: usize = 40;

#[derive(Clone, Debug)]
enum Change {
    Put(Column, Vec<u8>, Vec<u8>),
    Delete(Column, Vec<u8>),
    DeleteRange(Column, KeyRange),
}

#[derive(Clone, Debug)]
enum Operation {
    Write(Vec<Change>),
    Get(Column, Vec<u8>),
    Scan(Column, KeyRange, Order),
    /// A view is taken, a batch is written meanwhile, and the view is read.
    View(Vec<Change>),
    Flush,
    Reopen,
    /// The process dies. What it wrote after the last flush may be on the disk or not.
    Crash,
}

/// Few keys, so that operations meet: some that begin like others, and an empty one.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), Just(1), Just(0x7f), Just(0xff)], 0..4)
}

fn column() -> impl Strategy<Value = Column> {
    proptest::sample::select(Column::ALL.to_vec())
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        Just(KeyRange::all()),
        key().prop_map(KeyRange::from),
        key().prop_map(KeyRange::prefix),
        (key(), key()).prop_map(|(start, end)| KeyRange::between(start, end)),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (column(), key(), vec(any::<u8>(), 0..40)).prop_map(|(column, key, value)| Change::Put(column, key, value)),
        2 => (column(), key()).prop_map(|(column, key)| Change::Delete(column, key)),
        1 => (column(), range()).prop_map(|(column, range)| Change::DeleteRange(column, range)),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    prop_oneof![
        12 => vec(change(), 0..8).prop_map(Operation::Write),
        4 => (column(), key()).prop_map(|(column, key)| Operation::Get(column, key)),
        8 => (column(), range(), order).prop_map(|(column, range, order)| Operation::Scan(column, range, order)),
        2 => vec(change(), 0..8).prop_map(Operation::View),
        3 => Just(Operation::Flush),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Crash),
    ]
}

fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for change in changes {
        match change {
            Change::Put(column, key, value) => batch.put(*column, key, value),
            Change::Delete(column, key) => batch.delete(*column, key),
            Change::DeleteRange(column, range) => batch.delete_range(*column, range.clone()),
        }
    }
    batch
}

fn contents(reader: &(impl Reader + ?Sized)) -> Vec<Pairs> {
    Column::ALL.iter().map(|column| pairs(reader, *column)).collect()
}

/// The two disks, and the folders in which RocksDB was.
struct Both {
    folders: Vec<TempDir>,
    rocks: Option<Rocks>,
    model: SimulatedDisk,
}

impl Both {
    fn new() -> Self {
        let folder = temporary();
        let rocks = Some(Rocks::open(folder.path()).unwrap());
        Self { folders: vec![folder], rocks, model: SimulatedDisk::new() }
    }

    fn rocks(&self) -> &Rocks {
        self.rocks.as_ref().expect("it is open between operations")
    }

    fn folder(&self) -> &Path {
        self.folders.last().expect("there is always one").path()
    }

    fn write(&self, changes: &[Change]) {
        self.rocks().write(batch(changes)).unwrap();
        self.model.write(batch(changes)).unwrap();
    }

    fn carry_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Write(changes) => self.write(changes),
            Operation::Get(column, key) => {
                let found = self.model.get(*column, key).unwrap();
                assert_eq!(self.rocks().get(*column, key).unwrap(), found);
                if let Some(cached) = self.rocks().get_cached(*column, key) {
                    assert_eq!(cached, found, "what is known from memory");
                }
            }
            Operation::Scan(column, range, order) => {
                let [rocks, model]: [Pairs; 2] = [
                    self.rocks().scan(*column, range, *order).map(Result::unwrap).collect(),
                    self.model.scan(*column, range, *order).map(Result::unwrap).collect(),
                ];
                assert_eq!(rocks, model);
            }
            Operation::View(changes) => {
                let before = contents(&self.model);
                let [mut rocks, mut model] = [Vec::new(), Vec::new()];
                self.rocks().with_view(&mut |view| {
                    self.model.with_view(&mut |same| {
                        self.write(changes);
                        (rocks, model) = (contents(view), contents(same));
                    });
                });
                assert_eq!([&rocks, &model], [&before, &before], "a view stays as it was");
            }
            Operation::Flush => {
                self.rocks().flush().unwrap();
                self.model.flush().unwrap();
            }
            Operation::Reopen => {
                // The folder can only be opened again once it is closed.
                drop(self.rocks.take());
                self.rocks = Some(Rocks::open(self.folder()).unwrap());
                self.model = self.model.crash(Crash::Process);
            }
            Operation::Crash => self.crash(),
        }
        assert_eq!(contents(self.rocks()), contents(&self.model));
    }

    /// Goes on with a copy of what is in the folder at this moment. The model loses as much.
    fn crash(&mut self) {
        let folder = copy_of(self.folder());
        self.rocks = Some(Rocks::open(folder.path()).unwrap());
        self.folders.push(folder);
        let found = contents(self.rocks());
        let mut left =
            (0..=self.model.unflushed_batches()).map(|kept| self.model.fork().crash(Crash::Torn(kept)));
        self.model =
            left.find(|model| contents(model) == found).expect("all flushed batches and some of the others");
    }
}

proptest! {
    #![proptest_config(Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() })]

    #[test]
    fn rocksdb_and_the_simulated_disk_do_the_same(operations in vec(operation(), 1..=OPERATIONS)) {
        let mut both = Both::new();
        for operation in &operations {
            both.carry_out(operation);
        }
    }
}

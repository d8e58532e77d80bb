//! The files of a simulated disk. It stores contents and names twice: as written, and as flushed.

use super::{
    File, Folder,
    simulated_failures::{crashed, strikes},
};
use crate::error::StoreError;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// The files that are left after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SurvivingFiles {
    /// Whether the names are there that were not flushed.
    pub(super) has_names: bool,
    /// The contents that are there.
    pub(super) contents: SurvivingContents,
}

/// The contents of files that are left after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SurvivingContents {
    /// Everything that was written.
    Written,
    /// The first half of what was not flushed.
    Torn,
    /// Only what was flushed.
    Synced,
}

impl SurvivingFiles {
    /// Everything that was written.
    pub(super) const WRITTEN: Self = Self { has_names: true, contents: SurvivingContents::Written };
    /// All names, and contents up to the middle of what was not flushed.
    pub(super) const TORN: Self = Self { has_names: true, contents: SurvivingContents::Torn };
    /// Only what was flushed.
    pub(super) const SYNCED: Self = Self { has_names: false, contents: SurvivingContents::Synced };
}

/// Files in memory.
#[derive(Clone, Default)]
pub(super) struct SimulatedFiles(Arc<Mutex<Tree>>);

#[derive(Clone, Default)]
struct Tree {
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    contents: Vec<Content>,
    fault: Option<usize>,
    sync_fault: Option<usize>,
    crashed: bool,
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl Content {
    /// The content after a crash of this kind.
    fn after(&self, surviving: SurvivingContents) -> Vec<u8> {
        match surviving {
            SurvivingContents::Written => self.bytes.clone(),
            SurvivingContents::Synced => self.synced.clone(),
            SurvivingContents::Torn => {
                let same = self.bytes.iter().zip(&self.synced).take_while(|(a, b)| a == b).count();
                let reached = same + (self.bytes.len() - same) / 2;
                let mut bytes = self.bytes[..reached].to_vec();
                // Behind the tear is the former content.
                bytes.extend_from_slice(self.synced.get(reached..).unwrap_or_default());
                bytes
            }
        }
    }
}

impl SimulatedFiles {
    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().expect("no code panics while it holds the files")
    }

    fn live(&self, doing: &'static str) -> Result<MutexGuard<'_, Tree>, StoreError> {
        let tree = self.lock();
        if tree.crashed {
            return Err(crashed(doing));
        }
        Ok(tree)
    }

    fn handle(&self, content: usize) -> Arc<dyn File> {
        Arc::new(SimulatedFile { files: self.clone(), content })
    }

    pub(super) fn plan(&self, after: usize) {
        self.lock().fault = Some(after);
    }

    pub(super) fn plan_sync(&self, after: usize) {
        self.lock().sync_fault = Some(after);
    }

    pub(super) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    pub(super) fn crash(&self, surviving: SurvivingFiles) -> Self {
        let mut tree = self.lock();
        tree.crashed = true;
        let names = if surviving.has_names { tree.names.clone() } else { tree.synced_names.clone() };
        let contents = tree.contents.iter().map(|content| {
            let bytes = content.after(surviving.contents);
            Content { synced: bytes.clone(), bytes }
        });
        Self(Arc::new(Mutex::new(Tree {
            synced_names: names.clone(),
            names,
            contents: contents.collect(),
            fault: None,
            sync_fault: None,
            crashed: false,
        })))
    }

    pub(super) fn rot(&self, name: &str, offset: usize) -> bool {
        let mut tree = self.lock();
        let Some(content) = tree.names.get(name).copied() else {
            return false;
        };
        let Some(byte) = tree.contents[content].bytes.get_mut(offset) else {
            return false;
        };
        *byte ^= 0x10;
        true
    }
}

impl Folder for SimulatedFiles {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.live("listing a folder")?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>, StoreError> {
        let mut tree = self.live("creating a file")?;
        let content = tree.contents.len();
        tree.contents.push(Content::default());
        tree.names.insert(name.into(), content);
        Ok(self.handle(content))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn File>>, StoreError> {
        let tree = self.live("opening a file")?;
        Ok(tree.names.get(name).map(|content| self.handle(*content)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut tree = self.live("renaming a file")?;
        let Some(content) = tree.names.remove(from) else {
            return Err(StoreError::Disk { doing: "renaming a file", cause: format!("there is no {from}") });
        };
        tree.names.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.live("removing a file")?.names.remove(name);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut tree = self.live("flushing a folder")?;
        tree.synced_names = tree.names.clone();
        Ok(())
    }
}

struct SimulatedFile {
    files: SimulatedFiles,
    content: usize,
}

impl File for SimulatedFile {
    fn length(&self) -> Result<u64, StoreError> {
        let tree = self.files.live("reading a file's length")?;
        Ok(tree.contents[self.content].bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let tree = self.files.live("reading a file")?;
        let bytes = &tree.contents[self.content].bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let length = buffer.len().min(bytes.len() - start);
        buffer[..length].copy_from_slice(&bytes[start..start + length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let mut tree = self.files.live("writing a file")?;
        if strikes(&mut tree.fault) {
            return Err(StoreError::Full { doing: "writing a file" });
        }
        let start = usize::try_from(offset).expect("simulated files fit in memory");
        let content = &mut tree.contents[self.content].bytes;
        let end = start + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut tree = self.files.live("flushing a file")?;
        if strikes(&mut tree.sync_fault) {
            return Err(StoreError::Full { doing: "flushing a file" });
        }
        let content = &mut tree.contents[self.content];
        content.synced = content.bytes.clone();
        Ok(())
    }
}

//! Ranges of keys, and batches of changes. Nothing here writes to storage.

use super::Column;

/// A range of keys, from `start` to before `end`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key after the range; `None` for the end of the column.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The range of a whole column.
    pub fn all() -> Self {
        Self::default()
    }

    /// The range from a key on.
    pub fn from(start: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// The range from a key to before another.
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// The range of all keys that begin with these bytes.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut end = start.clone();
        while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
        let end = match end.last_mut() {
            Some(byte) => {
                *byte += 1;
                Some(end)
            }
            None => None,
        };
        Self { start, end }
    }

    /// Whether a key is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && self.end.as_ref().is_none_or(|end| *key < **end)
    }

    /// Whether the range is empty.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// One change of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation<'a> {
    /// Sets a key.
    Put(Column, &'a [u8], &'a [u8]),
    /// Removes a key.
    Delete(Column, &'a [u8]),
    /// Removes a range of keys.
    DeleteRange(Column, &'a KeyRange),
}

/// Changes that are written atomically, in this order.
///
/// All keys and values are in one allocation, since a batch has thousands of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

/// An [`Operation`] as lengths. Each key and value begins where the one before it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Change {
    Put { column: Column, key_ends: usize, value_ends: usize },
    Delete { column: Column, key_ends: usize },
    DeleteRange(Column, KeyRange),
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, column: Column, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(key.as_ref());
        let key_ends = self.bytes.len();
        self.bytes.extend_from_slice(value.as_ref());
        self.changes.push(Change::Put { column, key_ends, value_ends: self.bytes.len() });
    }

    /// Sets a key. The closures append the key and the value to the batch's own buffer. Returns both.
    ///
    /// # Errors
    /// The error of the second closure. Then nothing is set.
    pub fn put_written<E>(
        &mut self,
        column: Column,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(&[u8], &[u8]), E> {
        let begins = self.bytes.len();
        key(&mut self.bytes);
        let key_ends = self.bytes.len();
        if let Err(error) = value(&mut self.bytes) {
            self.bytes.truncate(begins);
            return Err(error);
        }
        self.changes.push(Change::Put { column, key_ends, value_ends: self.bytes.len() });
        Ok(self.bytes[begins..].split_at(key_ends - begins))
    }

    /// Removes a key.
    pub fn delete(&mut self, column: Column, key: impl AsRef<[u8]>) {
        self.delete_written(column, |bytes| bytes.extend_from_slice(key.as_ref()));
    }

    /// Removes a key, which the closure appends to the batch's own buffer. Returns the key.
    pub fn delete_written(&mut self, column: Column, key: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let begins = self.bytes.len();
        key(&mut self.bytes);
        self.changes.push(Change::Delete { column, key_ends: self.bytes.len() });
        &self.bytes[begins..]
    }

    /// Removes a range of keys.
    pub fn delete_range(&mut self, column: Column, range: KeyRange) {
        if !range.is_empty() {
            self.changes.push(Change::DeleteRange(column, range));
        }
    }

    /// Whether the batch has no change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The changes in order.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let mut begins = 0;
        let mut upto = move |ends: usize| &self.bytes[std::mem::replace(&mut begins, ends)..ends];
        self.changes.iter().map(move |change| match *change {
            Change::Put { column, key_ends, value_ends } => {
                Operation::Put(column, upto(key_ends), upto(value_ends))
            }
            Change::Delete { column, key_ends } => Operation::Delete(column, upto(key_ends)),
            Change::DeleteRange(column, ref range) => Operation::DeleteRange(column, range),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(KeyRange::prefix([1, 2]), KeyRange::between([1, 2], [1, 3]));
        assert_eq!(KeyRange::prefix([1, 255]), KeyRange::between([1, 255], [2]));
        assert_eq!(KeyRange::prefix([255, 255]), KeyRange::from([255, 255]));
        assert_eq!(KeyRange::prefix([]), KeyRange::all());
    }
    #[test]
    fn changes_come_back_in_their_order() {
        let mut batch = Batch::new();
        let nothing = KeyRange::between([2], [1]);
        let range = KeyRange::between([1], [2]);
        batch.put(Column::Rows, [1], [2, 3]);
        batch.delete_range(Column::Events, nothing);
        batch.delete_range(Column::Events, range.clone());
        batch.delete(Column::Log, [4]);
        let failed = batch.put_written(
            Column::Rows,
            |key| key.push(9),
            |value| {
                value.push(9);
                Err("no such value")
            },
        );
        assert_eq!(failed, Err("no such value"));
        let written = batch.put_written(
            Column::Meta,
            |key| key.push(5),
            |value| {
                value.extend([6, 7]);
                Ok::<(), ()>(())
            },
        );
        assert_eq!(written, Ok(([5].as_slice(), [6, 7].as_slice())));
        assert_eq!(batch.bytes(), 7);
        assert_eq!(
            batch.operations().collect::<Vec<_>>(),
            [
                Operation::Put(Column::Rows, &[1], &[2, 3]),
                Operation::DeleteRange(Column::Events, &range),
                Operation::Delete(Column::Log, &[4]),
                Operation::Put(Column::Meta, &[5], &[6, 7]),
            ]
        );
    }
}

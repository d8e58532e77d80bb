//! Ranges of keys, and changes that are made together. Never writes anything by itself.

use super::Column;

/// Keys from `start` up to but without `end`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyRange {
    /// The first key.
    pub start: Vec<u8>,
    /// The first key after the range; none reaches to the end of the column.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The whole column.
    pub fn all() -> Self {
        Self::default()
    }

    /// From a key on.
    pub fn from(start: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// From a key up to but without another.
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// All keys that begin with these bytes.
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

    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Sets a key.
    Put(Column, Vec<u8>, Vec<u8>),
    /// Removes a key.
    Delete(Column, Vec<u8>),
    /// Removes a range of keys.
    DeleteRange(Column, KeyRange),
}

/// Changes that are written whole or not at all, in this order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    operations: Vec<Operation>,
    bytes: usize,
}

impl Batch {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        let key = key.into();
        self.bytes += key.len() + value.len();
        self.operations.push(Operation::Put(column, key, value));
    }

    /// Removes a key.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        let key = key.into();
        self.bytes += key.len();
        self.operations.push(Operation::Delete(column, key));
    }

    /// Removes a range of keys.
    pub fn delete_range(&mut self, column: Column, range: KeyRange) {
        if !range.is_empty() {
            self.operations.push(Operation::DeleteRange(column, range));
        }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The changes in order.
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
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
}

//! Entries that keep their storage.

use core::ops::{Deref, DerefMut};

/// A stack whose entries keep what they have allocated when it is cleared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots<T> {
    entries: Vec<T>,
    used: usize,
}

impl<T: Default> Slots<T> {
    /// Forgets all entries, but not their storage.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// An entry to be filled and pushed: it still holds what it held when it was forgotten.
    pub(crate) fn spare(&mut self) -> T {
        self.entries.get_mut(self.used).map(core::mem::take).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, entry: T) {
        match self.entries.get_mut(self.used) {
            Some(slot) => *slot = entry,
            None => self.entries.push(entry),
        }
        self.used += 1;
    }
}

impl<T> Deref for Slots<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.entries[..self.used]
    }
}

impl<T> DerefMut for Slots<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.entries[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_outlives_entries() {
        let mut slots: Slots<Vec<u8>> = Slots::default();
        slots.push(vec![1; 100]);
        slots.clear();
        assert!(slots.is_empty());
        let entry = slots.spare();
        assert_eq!(entry.len(), 100);
        slots.push(entry);
        assert_eq!((slots.len(), slots.spare().len()), (1, 0));
    }
}

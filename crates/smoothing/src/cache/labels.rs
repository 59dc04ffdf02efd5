//! One bit a sample: did it have the class?

/// Bits in the order of the samples, the lowest of a byte first; those after the last are 0.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Labels {
    bytes: Vec<u8>,
    len: u64,
}

impl Labels {
    pub(crate) fn push(&mut self, bit: bool) {
        let place = (self.len % 8) as u32;
        if place == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << place;
        }
        self.len += 1;
    }

    /// `len` bits from as many bytes as they need, with nothing after the last.
    pub(crate) fn from_bytes(bytes: &[u8], len: u64) -> Option<Self> {
        let rest = len % 8;
        let clean = rest == 0 || bytes.last().is_some_and(|last| last >> rest == 0);
        (bytes.len() as u64 == len.div_ceil(8) && clean)
            .then(|| Self { bytes: bytes.to_vec(), len })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The samples that had the class.
    pub(crate) fn ones(&self) -> u64 {
        self.bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = bool> {
        let bits =
            self.bytes.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1 == 1));
        bits.take(usize::try_from(self.len).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back() {
        for len in [0, 1, 7, 8, 9, 100] {
            let mut labels = Labels::default();
            let bit = |index: u64| index * index % 3 == 1;
            (0..len).for_each(|index| labels.push(bit(index)));
            assert!(labels.iter().eq((0..len).map(bit)));
            assert_eq!(labels.ones(), (0..len).filter(|index| bit(*index)).count() as u64);
            assert_eq!(Labels::from_bytes(labels.bytes(), len), Some(labels));
        }
        assert_eq!(Labels::from_bytes(&[0b1000], 3), None);
        assert_eq!(Labels::from_bytes(&[0, 0], 3), None);
    }
}

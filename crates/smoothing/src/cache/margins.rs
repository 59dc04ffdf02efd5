//! One byte a sample: by how much was the class ahead?
//!
//! ```text
//! byte m > 0: the margin is at least 2^(m/16 - 8);    byte 0: nothing is known
//! ```
//!
//! Rounded down, in steps of 4.4 %, from 1/245 to 245.

use std::sync::OnceLock;

/// Margins of samples, each rounded down to a byte.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Margins(pub(super) Vec<u8>);

/// What each byte stands for.
fn scale() -> &'static [f32; 256] {
    static SCALE: OnceLock<[f32; 256]> = OnceLock::new();
    SCALE.get_or_init(|| {
        #[allow(clippy::cast_possible_truncation)]
        let value = |byte: usize| libm::exp2(byte as f64 / 16.0 - 8.0) as f32;
        core::array::from_fn(|byte| if byte == 0 { 0.0 } else { value(byte) })
    })
}

impl Margins {
    /// NaN is unknown.
    pub(crate) fn push(&mut self, margin: f32) {
        let byte =
            if margin > 0.0 { scale().partition_point(|value| *value <= margin) - 1 } else { 0 };
        #[allow(clippy::cast_possible_truncation)]
        self.0.push(byte as u8);
    }

    /// At least this; 0 where nothing is known.
    pub(crate) fn at(&self, index: u64) -> f32 {
        let byte = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        byte.map_or(0.0, |byte| scale()[usize::from(*byte)])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f32> {
        self.0.iter().map(|byte| scale()[usize::from(*byte)])
    }
}

impl FromIterator<f32> for Margins {
    fn from_iter<I: IntoIterator<Item = f32>>(margins: I) -> Self {
        let mut found = Self::default();
        margins.into_iter().for_each(|margin| found.push(margin));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_rounded_down_a_little() {
        let values = [1e-9, 0.003, 0.004, 0.1, 0.999, 1.0, 7.5, 200.0, 1e9, f32::INFINITY];
        let margins: Margins = values.into_iter().collect();
        for (found, margin) in margins.iter().zip(values) {
            assert!(found <= margin, "{found} {margin}");
            let inside = (0.0042..=240.0).contains(&margin);
            assert!(found > 0.95 * margin || !inside, "{found} {margin}");
        }
        let unknown: Margins = [f32::NAN, 0.0, -1.0].into_iter().collect();
        assert!(unknown.iter().all(|margin| margin == 0.0));
    }
}

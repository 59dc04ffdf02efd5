//! A classifier that remembers, so that every method and every sample size is run for the price of the samples.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use nalgebra::DMatrix;
use nncert_smoothing::{BatchClassifier, ClassifierError, Fingerprint, NetworkClassifier};

/// What is classified is looked up first. Labels are those of the classifier itself.
pub(super) struct Memo {
    classifier: NetworkClassifier,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    labels: HashMap<u64, u16>,
    seconds: f64,
}

impl Memo {
    pub(super) fn new(classifier: NetworkClassifier) -> Self {
        Self { classifier, state: Mutex::default() }
    }

    /// Seconds in the classifier since the last call, with those of looking up: what is left of a run is noise and statistics.
    pub(super) fn take_seconds(&self) -> f64 {
        self.state.lock().map_or(0.0, |mut state| std::mem::take(&mut state.seconds))
    }

    pub(super) fn forget(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.labels.clear();
        }
    }
}

/// A digest of the bits; chance makes two alike once in 2^64 pairs.
fn key(column: &[f32]) -> u64 {
    column.iter().fold(0x9e37_79b9_7f4a_7c15, |hash: u64, x| {
        (hash ^ u64::from(x.to_bits())).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29)
    })
}

impl BatchClassifier for Memo {
    fn inputs(&self) -> usize {
        self.classifier.inputs()
    }

    fn classes(&self) -> usize {
        self.classifier.classes()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.classifier.fingerprint()
    }

    fn classify(&self, batch: &DMatrix<f32>) -> Result<Vec<usize>, ClassifierError> {
        let poisoned = || ClassifierError::Other("a thread panicked".into());
        let start = Instant::now();
        let keys: Vec<u64> = batch.column_iter().map(|column| key(column.as_slice())).collect();
        let unknown: Vec<usize> = {
            let state = self.state.lock().map_err(|_| poisoned())?;
            (0..keys.len()).filter(|place| !state.labels.contains_key(&keys[*place])).collect()
        };
        if !unknown.is_empty() {
            let labels = self.classifier.classify(&batch.select_columns(&unknown))?;
            let mut state = self.state.lock().map_err(|_| poisoned())?;
            let known = unknown.iter().map(|place| keys[*place]);
            state.labels.extend(known.zip(labels.into_iter().map(|label| label as u16)));
        }
        let mut state = self.state.lock().map_err(|_| poisoned())?;
        let labels = keys.iter().map(|key| usize::from(state.labels[key])).collect();
        state.seconds += start.elapsed().as_secs_f64();
        Ok(labels)
    }
}

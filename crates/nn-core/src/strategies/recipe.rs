//! How a network is made: widths, scales and a seed.

use core::fmt;
use core::ops::RangeInclusive;

use nalgebra::{DMatrix, DVector};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::rng;
use crate::compress::binary::power_of_two;
use crate::{Affine, Network};

/// The sizes that numbers come in; shrinking goes to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Ordinary,
    Integer,
    PowerOfTwo,
    Sparse,
    Zero,
    Repeated,
    Tiny,
    Large,
    Subnormal,
}

const SCALES: [Scale; 9] = [
    Scale::Ordinary,
    Scale::Integer,
    Scale::PowerOfTwo,
    Scale::Sparse,
    Scale::Zero,
    Scale::Repeated,
    Scale::Tiny,
    Scale::Large,
    Scale::Subnormal,
];

fn scale() -> impl Strategy<Value = Scale> + Clone {
    prop_oneof![
        5 => Just(Scale::Ordinary),
        1 => proptest::sample::select(&SCALES[..]),
    ]
}

/// How far one choice of [`Scale`] reaches in a layer.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// The whole layer.
    Layer(Scale),
    /// One row has a scale of its own, the others this one.
    Row(Scale, Scale),
    /// Every row draws its own.
    Rows,
    /// Every weight draws its own.
    Weights,
}

#[derive(Clone, Debug)]
pub(super) struct LayerRecipe {
    weights: Reach,
    biases: Scale,
    /// Whether some rows repeat earlier ones, or their negatives.
    twins: bool,
}

pub(super) fn layer_recipe() -> impl Strategy<Value = LayerRecipe> + Clone {
    let reach = prop_oneof![
        6 => scale().prop_map(Reach::Layer),
        1 => (scale(), scale()).prop_map(|(most, one)| Reach::Row(most, one)),
        1 => Just(Reach::Rows),
        1 => Just(Reach::Weights),
    ];
    (reach, scale(), proptest::bool::weighted(0.15))
        .prop_map(|(weights, biases, twins)| LayerRecipe { weights, biases, twins })
}

#[derive(Clone)]
pub(super) struct Recipe {
    /// Inputs, hidden widths, outputs.
    pub(super) widths: Vec<usize>,
    /// At least one for each affine layer.
    pub(super) layers: Vec<LayerRecipe>,
    pub(super) seed: u64,
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {:?}, seed {}", self.widths, self.layers, self.seed)
    }
}

pub(super) fn recipe(
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
) -> impl Strategy<Value = Recipe> + Clone {
    let ranges = [&inputs, &outputs, &layers, &width];
    assert!(
        ranges.iter().all(|range| *range.start() > 0 && !range.is_empty()),
        "a network needs at least one layer, and a layer at least one neuron"
    );
    let hidden = layers.start() - 1..=layers.end() - 1;
    (
        (inputs, vec(width, hidden), outputs),
        vec(layer_recipe(), *layers.end()),
        any::<u64>().no_shrink(),
    )
        .prop_map(|((inputs, hidden, outputs), layers, seed)| {
            let mut widths = vec![inputs];
            widths.extend(hidden);
            widths.push(outputs);
            Recipe { widths, layers, seed }
        })
}

impl Recipe {
    pub(super) fn build(&self) -> Network {
        let shapes = self.widths.windows(2).zip(&self.layers);
        let layers = shapes.enumerate().map(|(index, (widths, layer))| {
            layer.build(widths[0], widths[1], &mut rng(self.seed, index as u64))
        });
        Network::relu_mlp(layers.collect()).expect("recipes hold finite weights and fitting widths")
    }
}

impl LayerRecipe {
    pub(super) fn build(&self, inputs: usize, outputs: usize, rng: &mut ChaCha8Rng) -> Affine {
        let mut numbers = Numbers::new(inputs, rng);
        let special = numbers.rng.random_range(0..outputs);
        let mut weight = DMatrix::zeros(outputs, inputs);
        for row in 0..outputs {
            let scale = match self.weights {
                Reach::Layer(scale) => scale,
                Reach::Row(_, one) if row == special => one,
                Reach::Row(most, _) => most,
                Reach::Rows | Reach::Weights => numbers.scale(),
            };
            for column in 0..inputs {
                let each = matches!(self.weights, Reach::Weights);
                let scale = if each { numbers.scale() } else { scale };
                weight[(row, column)] = numbers.draw(scale);
            }
        }
        let mut bias = DVector::from_fn(outputs, |_, _| numbers.draw(self.biases));
        if self.twins {
            repeat_rows(&mut weight, &mut bias, numbers.rng);
        }
        Affine::new(weight, bias)
    }
}

/// Replaces about a third of the rows by an earlier one or its negative.
fn repeat_rows(weight: &mut DMatrix<f64>, bias: &mut DVector<f64>, rng: &mut ChaCha8Rng) {
    for row in 1..weight.nrows() {
        let (repeat, source): (bool, usize) = (rng.random_bool(0.4), rng.random_range(0..row));
        let sign = if rng.random_bool(0.3) { -1.0 } else { 1.0 };
        if repeat {
            let twin = weight.row(source) * sign;
            weight.set_row(row, &twin);
            bias[row] = bias[source] * sign;
        }
    }
}

/// Draws numbers of every [`Scale`].
struct Numbers<'a> {
    rng: &'a mut ChaCha8Rng,
    /// The deviation of ordinary numbers.
    deviation: f64,
    /// What repeated numbers repeat.
    palette: [f64; 3],
}

impl<'a> Numbers<'a> {
    fn new(inputs: usize, rng: &'a mut ChaCha8Rng) -> Self {
        let deviation = 1.0 / (inputs.max(1) as f64).sqrt();
        let palette = [(); 3].map(|()| deviation * bell(rng));
        Self { rng, deviation, palette }
    }

    fn scale(&mut self) -> Scale {
        SCALES[self.rng.random_range(0..SCALES.len())]
    }

    fn sign(&mut self) -> f64 {
        if self.rng.random() { 1.0 } else { -1.0 }
    }

    /// `± [1, 2) · 2^e` for an exponent of the range.
    fn binade(&mut self, exponents: RangeInclusive<i32>) -> f64 {
        let mantissa = 1.0 + self.rng.random::<f64>();
        self.sign() * mantissa * power_of_two(self.rng.random_range(exponents))
    }

    fn draw(&mut self, scale: Scale) -> f64 {
        match scale {
            Scale::Ordinary => self.deviation * bell(self.rng),
            Scale::Integer => f64::from(self.rng.random_range(-4..=4)),
            Scale::PowerOfTwo => self.sign() * power_of_two(self.rng.random_range(-30..=19)),
            Scale::Sparse if self.rng.random_bool(0.7) => 0.0,
            Scale::Sparse => self.deviation * bell(self.rng),
            Scale::Zero => self.sign() * 0.0,
            Scale::Repeated => self.palette[self.rng.random_range(0..3)],
            Scale::Tiny => self.binade(-40..=-10),
            Scale::Large => self.binade(0..=19).clamp(-1e6, 1e6),
            Scale::Subnormal => {
                let shift = self.rng.random_range(0..52);
                self.sign() * f64::from_bits(self.rng.random_range(1..1u64 << 52) >> shift)
            }
        }
    }
}

/// Mean 0, deviation 1, within ±3.5: a sum of four uniform numbers.
fn bell(rng: &mut ChaCha8Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| rng.random::<f64>()).sum();
    (sum - 2.0) * 3f64.sqrt()
}

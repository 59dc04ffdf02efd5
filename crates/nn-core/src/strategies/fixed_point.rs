//! Tiny networks in integers, small enough to enumerate.

use core::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::rng;
use crate::FixedPointNetwork;
use crate::fixed_point::{
    FixedPointLayer, Format, Formats, InputRange, IntegerInterval, LayerFormats, Multiplier,
    Requantization, Rounding, Sign,
};

/// The most bits of these networks.
const MAX_BITS: u32 = 16;

/// Networks in integers with this many layers, layers (input and output too) of these
/// widths, and weights and values of so many bits.
///
/// Half of them are of formats `⟨sign, Q, F⟩`, with biases that are finer and coarser than
/// products, the others have real multipliers and zero points, one for each neuron or one
/// for all. All four roundings occur, also mixed; weights are dense, sparse or at
/// the ends of their format; clamps are those of ReLU, of the format, or in between.
///
/// # Panics
///
/// When a range is empty or starts at 0, and for more than 16 bits.
///
/// # Examples
///
/// ```
/// use nncert_core::strategies::{fixed_point, fixed_point_input};
/// use proptest::prelude::*;
///
/// let network_and_input = fixed_point(1..=3, 1..=4, 2..=4)
///     .prop_flat_map(|network| (Just(network.clone()), fixed_point_input(&network)));
/// proptest!(ProptestConfig::with_cases(16), |((network, x) in network_and_input)| {
///     let outputs = network.evaluate(&x)?;
///     let ranges = &network.value_ranges()[network.layers().len()];
///     prop_assert!(outputs.iter().zip(ranges).all(|(y, range)| range.contains(*y)));
/// });
/// ```
pub fn fixed_point(
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
    bits: RangeInclusive<u32>,
) -> impl Strategy<Value = FixedPointNetwork> + Clone {
    fixed_point_of(width.clone(), width.clone(), layers, width, bits)
}

/// As [`fixed_point`], with ranges of their own for the inputs and the outputs.
///
/// # Panics
///
/// As [`fixed_point`].
pub fn fixed_point_of(
    inputs: RangeInclusive<usize>,
    outputs: RangeInclusive<usize>,
    layers: RangeInclusive<usize>,
    width: RangeInclusive<usize>,
    bits: RangeInclusive<u32>,
) -> impl Strategy<Value = FixedPointNetwork> + Clone {
    let ranges = [&inputs, &outputs, &layers, &width];
    assert!(
        ranges.iter().all(|range| *range.start() > 0 && !range.is_empty()),
        "a network needs at least one layer, and a layer at least one neuron"
    );
    assert!(
        *bits.start() > 0 && !bits.is_empty() && *bits.end() <= MAX_BITS,
        "bits are 1 to {MAX_BITS}"
    );
    let hidden = layers.start() - 1..=layers.end() - 1;
    (
        (inputs, vec(width, hidden), outputs),
        (any::<bool>(), sign(), bits.clone()),
        vec(layer_recipe(bits), *layers.end()),
        any::<u64>().no_shrink(),
    )
        .prop_map(|((inputs, hidden, outputs), (real, sign, bits), layers, seed)| {
            let widths = [vec![inputs], hidden, vec![outputs]].concat();
            Recipe { widths, real, sign, bits, layers, seed }.build()
        })
}

/// Inputs of a network in integers: anywhere in its range, or at the ends of it.
pub fn fixed_point_input(
    network: &FixedPointNetwork,
) -> impl Strategy<Value = Vec<i64>> + Clone + use<> {
    let (inputs, range) = (network.inputs(), network.input().interval());
    let (lower, upper) = (range.lower(), range.upper());
    prop_oneof![vec(lower..=upper, inputs), vec(select(vec![lower, upper]), inputs)]
}

#[derive(Clone, Debug)]
struct Recipe {
    /// Inputs, hidden widths, outputs.
    widths: Vec<usize>,
    /// Whether layers have real multipliers and not formats.
    real: bool,
    /// Of the inputs.
    sign: Sign,
    bits: u32,
    /// At least one for each layer.
    layers: Vec<LayerRecipe>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct LayerRecipe {
    rounding: Rounding,
    bits: u32,
    sign: Sign,
    weights: Weights,
    clamp: Clamp,
    /// The fraction of the weights.
    fraction: i32,
    /// How many bits more than those of a weight accumulators are shifted to the right, formats
    /// only.
    shift: i32,
    /// How much finer biases are than outputs, formats only.
    finer: i32,
    /// One step function for each neuron, real multipliers only.
    per_neuron: bool,
}

#[derive(Clone, Copy, Debug)]
enum Weights {
    Dense,
    Sparse,
    /// At the ends of the format.
    Extreme,
}

#[derive(Clone, Copy, Debug)]
enum Clamp {
    Relu,
    Full,
    /// Of any two values.
    Drawn,
}

fn sign() -> impl Strategy<Value = Sign> + Clone {
    select(vec![Sign::Unsigned, Sign::Signed])
}

fn layer_recipe(bits: RangeInclusive<u32>) -> impl Strategy<Value = LayerRecipe> + Clone {
    let weights = prop_oneof![
        4 => Just(Weights::Dense),
        2 => Just(Weights::Sparse),
        1 => Just(Weights::Extreme),
    ];
    let clamp = prop_oneof![
        4 => Just(Clamp::Relu),
        2 => Just(Clamp::Full),
        1 => Just(Clamp::Drawn),
    ];
    let numbers = (-1..=6i32, -4..=0i32, -1..=4i32, any::<bool>());
    (select(Rounding::ALL.to_vec()), bits, sign(), weights, clamp, numbers).prop_map(
        |(rounding, bits, sign, weights, clamp, (fraction, shift, finer, per_neuron))| {
            LayerRecipe { rounding, bits, sign, weights, clamp, fraction, shift, finer, per_neuron }
        },
    )
}

impl Recipe {
    fn build(&self) -> FixedPointNetwork {
        let format = small(self.sign, self.bits, self.bits.cast_signed());
        let mut input = format;
        let mut layers = Vec::new();
        for (index, (widths, layer)) in self.widths.windows(2).zip(&self.layers).enumerate() {
            let layer = if index + 2 == self.widths.len() { layer.last() } else { *layer };
            let rng = &mut rng(self.seed, index as u64);
            let (inputs, outputs) = (widths[0], widths[1]);
            let weights = layer.weights(inputs * outputs, rng);
            layers.push(if self.real {
                layer.real(inputs, outputs, weights, rng)
            } else {
                let (layer, output) = layer.formatted(input, inputs, outputs, weights, rng);
                input = output;
                layer
            });
        }
        let range = if self.real {
            InputRange::Integers(format.range())
        } else {
            InputRange::Format(format)
        };
        FixedPointNetwork::new(range, layers).expect("recipes fit, and are far from overflow")
    }
}

impl LayerRecipe {
    /// The same as the last layer: most have negative outputs too.
    fn last(self) -> Self {
        match self.clamp {
            Clamp::Relu => Self { clamp: Clamp::Full, sign: Sign::Signed, ..self },
            Clamp::Full | Clamp::Drawn => self,
        }
    }

    fn weights(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<i64> {
        let range = small(Sign::Signed, self.bits, 0).range();
        let draw = |rng: &mut ChaCha8Rng| rng.random_range(range.lower()..=range.upper());
        let weight = |_| match self.weights {
            Weights::Sparse if rng.random_bool(0.6) => 0,
            Weights::Dense | Weights::Sparse => draw(rng),
            Weights::Extreme if rng.random() => range.lower(),
            Weights::Extreme => range.upper(),
        };
        (0..count).map(weight).collect()
    }

    fn clamp(&self, range: IntegerInterval, rng: &mut ChaCha8Rng) -> IntegerInterval {
        let mut draw = || rng.random_range(range.lower()..=range.upper());
        match self.clamp {
            Clamp::Relu => IntegerInterval::ordered(0, range.upper()),
            Clamp::Full => range,
            Clamp::Drawn => {
                let (a, b) = (draw(), draw());
                IntegerInterval::ordered(a.min(b), a.max(b))
            }
        }
    }

    /// The layer, and the format of its outputs.
    fn formatted(
        &self,
        input: Format,
        inputs: usize,
        outputs: usize,
        weights: Vec<i64>,
        rng: &mut ChaCha8Rng,
    ) -> (FixedPointLayer, Format) {
        let fraction = input.fraction() + self.fraction - self.bits.cast_signed() - self.shift;
        let layer = LayerFormats {
            weight: small(Sign::Signed, self.bits, self.fraction),
            bias: small(Sign::Signed, self.bits, fraction + self.finer),
            output: small(self.sign, self.bits, fraction),
            rounding: self.rounding,
        };
        let range = layer.bias.range();
        let bias = (0..outputs).map(|_| rng.random_range(range.lower()..=range.upper())).collect();
        let clamp = self.clamp(layer.output.range(), rng);
        let formats = Formats { input, layer };
        let made = FixedPointLayer::from_formatted_rows(inputs, weights, bias, formats, clamp);
        (made.expect("integers are in their formats"), layer.output)
    }

    fn real(
        &self,
        inputs: usize,
        outputs: usize,
        weights: Vec<i64>,
        rng: &mut ChaCha8Rng,
    ) -> FixedPointLayer {
        let range = small(self.sign, self.bits, 0).range();
        let limit = 1i64 << (2 * self.bits - 1);
        let bias = (0..outputs).map(|_| rng.random_range(-limit..=limit)).collect();
        let count = if self.per_neuron { outputs } else { 1 };
        let step = |_| {
            // Around one over the range of a weight.
            let shift = self.bits.cast_signed() + rng.random_range(5..=8);
            Requantization {
                multiplier: Multiplier::from_parts(rng.random_range(1..=1023), shift)
                    .expect("within the limits"),
                rounding: self.rounding,
                zero_point: rng.random_range(range.lower()..=range.upper()),
                clamp: self.clamp(range, rng),
            }
        };
        let steps = (0..count).map(step).collect();
        FixedPointLayer::from_rows(inputs, weights, bias, steps).expect("lengths fit")
    }
}

fn small(sign: Sign, bits: u32, fraction: i32) -> Format {
    Format::new(sign, bits, fraction).expect("bits and fraction are small")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    #[test]
    fn every_kind_turns_up() {
        let (strategy, mut runner) =
            (fixed_point(1..=3, 1..=4, 2..=4), TestRunner::deterministic());
        let networks: Vec<_> =
            (0..300).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
        let steps = || {
            let layers = networks.iter().flat_map(FixedPointNetwork::layers);
            layers.flat_map(FixedPointLayer::requantization)
        };
        for rounding in Rounding::ALL {
            assert!(steps().any(|step| step.rounding == rounding));
        }
        assert!(steps().any(|step| !step.multiplier.is_power_of_two()));
        assert!(steps().any(|step| step.zero_point != 0));
        assert!(steps().any(|step| step.multiplier.shift() < 0));
        assert!(networks.iter().any(|network| network.input().format().is_some()));
        assert!(networks.iter().any(|network| network.input().format().is_none()));
        let layers = || networks.iter().flat_map(FixedPointNetwork::layers);
        assert!(layers().any(|layer| layer.requantization().len() > 1));
        // Many outputs are not constant, of both kinds.
        let moves = |network: &&FixedPointNetwork| {
            let inputs = fixed_point_input(network);
            let mut outputs = || {
                let x = inputs.new_tree(&mut runner).unwrap().current();
                network.evaluate(&x).unwrap()
            };
            let first = outputs();
            (0..10).any(|_| outputs() != first)
        };
        let moving = networks.iter().filter(moves);
        let (real, formats): (Vec<_>, Vec<_>) =
            moving.partition(|network| network.input().format().is_none());
        assert!(real.len() > 40 && formats.len() > 40);
    }
}

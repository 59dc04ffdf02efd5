//! Networks in integers: the paper's example, overflow, construction, evaluation.

use nalgebra::{DMatrix, dmatrix, dvector};
use nncert_core::compress::{self, FixedPointFormat, LayerFormat};
use nncert_core::fixed_point::{
    FixedPointConfig, FixedPointConfigError, FixedPointEvaluator, FixedPointInputError,
    FixedPointLayer, FixedPointLayerError, FixedPointNetworkError, Format, IntegerInterval,
    LayerFormats, LayerScales, Multiplier, Requantization, Rounding, Scale, class,
};
use nncert_core::strategies::{fixed_point, fixed_point_input, network};
use nncert_core::{Activation, Affine, FixedPointNetwork, Network, exact};
use num_bigint::BigInt;
use proptest::prelude::*;

fn signed(bits: u32, fraction: i32) -> Format {
    Format::signed(bits, fraction).unwrap()
}

fn unsigned(bits: u32, fraction: i32) -> Format {
    Format::unsigned(bits, fraction).unwrap()
}

fn interval(lower: i64, upper: i64) -> IntegerInterval {
    IntegerInterval::new(lower, upper).unwrap()
}

fn step(shift: i32, clamp: IntegerInterval) -> Requantization {
    let multiplier = Multiplier::power_of_two(shift).unwrap();
    Requantization { multiplier, rounding: Rounding::HalfUp, zero_point: 0, clamp }
}

/// QVIP, examples 2.1 and 2.2: Figure 1 with the weights that its outputs need. The real
/// network of Figure 1(a), rounded to the configuration, is the one of Figure 1(b).
#[test]
fn the_worked_example_of_qvip() {
    let formats = LayerFormats {
        weight: signed(6, 4),
        bias: signed(6, 4),
        output: unsigned(6, 4),
        rounding: Rounding::HalfUp,
    };
    let clamp = formats.relu_clamp();
    let layer = |weights: DMatrix<i64>| {
        FixedPointLayer::with_formats(&weights, &[0, 0], unsigned(6, 4), formats, clamp).unwrap()
    };
    let layers = vec![layer(dmatrix![9, -20; 24, 17]), layer(dmatrix![-12, 10; 13, 7])];
    let network = FixedPointNetwork::new(unsigned(6, 4), layers).unwrap();

    let x = network.quantize(&[0.616, 0.114], Rounding::HalfUp).unwrap();
    assert_eq!(x, [10, 2]);
    let trace = network.trace(&x).unwrap();
    assert_eq!((&trace[1].accumulators[..], &trace[1].values[..]), (&[50, 274][..], &[3, 17][..]));
    assert_eq!(trace[2].values, [8, 10]);
    assert_eq!(network.evaluate(&x).unwrap(), [8, 10]);
    // With the printed 12 the first output would be 13.
    let printed = vec![layer(dmatrix![9, -20; 24, 17]), layer(dmatrix![12, 10; 13, 7])];
    let printed = FixedPointNetwork::new(unsigned(6, 4), printed).unwrap();
    assert_eq!(printed.evaluate(&x).unwrap(), [13, 10]);

    // The same integers, rounded from real weights.
    let real = |weights: DMatrix<i64>| {
        Affine::new(weights.map(|w| (w as f64 + 0.3) / 16.0), dvector![0.0, 0.0])
    };
    let real = Network::new(
        2,
        vec![
            real(dmatrix![9, -20; 24, 17]).into(),
            Activation::Relu.into(),
            real(dmatrix![-12, 10; 13, 7]).into(),
            Activation::Relu.into(),
        ],
    );
    let config = FixedPointConfig {
        input: unsigned(6, 4),
        layers: vec![formats; 2],
        parameters: Rounding::HalfUp,
    };
    assert_eq!(FixedPointNetwork::from_network(&real.unwrap(), &config).unwrap(), network);
}

#[test]
fn the_first_of_equal_outputs_is_the_class() {
    assert_eq!(class(&[1, 5, 5, 0]), 1);
    assert_eq!(class(&[-3, -3, -3]), 0);
    assert_eq!(class(&[i64::MIN, i64::MAX]), 1);
    assert_eq!(class(&[]), 0);
}

/// `y = Σ w x + b` in big integers, for inputs at the ends of their range.
fn largest_sum(layer: &FixedPointLayer, input: IntegerInterval) -> BigInt {
    let mut largest = BigInt::from(0);
    for neuron in layer.neurons() {
        for pattern in 0..1u32 << layer.inputs() {
            // Every subset of the products: what some order of adding passes through.
            for subset in 0..1u32 << layer.inputs() {
                let mut sums = [BigInt::from(0), BigInt::from(neuron.bias)];
                for (index, weight) in neuron.weights.iter().enumerate() {
                    let high = pattern >> index & 1 == 1;
                    let end = if high { input.upper() } else { input.lower() };
                    if subset >> index & 1 == 1 {
                        sums.iter_mut().for_each(|sum| *sum += BigInt::from(*weight) * end);
                    }
                }
                for sum in sums {
                    largest = largest.max(BigInt::from(sum.magnitude().clone()));
                }
            }
        }
    }
    largest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Near the limit of 64 bits: accepted if and only if no sum of any subset overflows, and
    /// then evaluation is what big integers say.
    #[test]
    fn overflow_is_excluded_and_nothing_else(
        weights in proptest::collection::vec(any::<i64>(), 1..=3),
        scales in proptest::collection::vec(0..40u32, 3),
        bias in any::<i64>(), bias_scale in 0..40u32, ends in (-20..=20i64, -20..=20i64),
    ) {
        let weights: Vec<i64> = weights.iter().zip(&scales).map(|(w, scale)| w >> scale).collect();
        let row = DMatrix::from_row_slice(1, weights.len(), &weights);
        let layer =
            FixedPointLayer::new(&row, vec![bias >> bias_scale], vec![step(0, interval(-9, 9))]);
        let layer = layer.unwrap();
        let input = interval(ends.0.min(ends.1), ends.0.max(ends.1));
        let largest = largest_sum(&layer, input);
        match FixedPointNetwork::new(input, vec![layer.clone()]) {
            Ok(network) => {
                prop_assert!(largest <= BigInt::from(i64::MAX));
                prop_assert_eq!(BigInt::from(network.reaches()[0]), largest);
                for end in [ends.0, ends.1] {
                    let x = vec![end; network.inputs()];
                    let sum: BigInt = weights.iter().map(|w| BigInt::from(*w) * end).sum();
                    let sum = sum + (bias >> bias_scale);
                    prop_assert_eq!(BigInt::from(network.trace(&x)?[1].accumulators[0]), sum);
                }
            }
            Err(FixedPointNetworkError::Overflow { layer: 0, neuron: 0, bits }) => {
                prop_assert!(largest > BigInt::from(i64::MAX));
                prop_assert_eq!(u64::from(bits), largest.bits() + 1);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    /// Batched and single evaluation agree, on tiny networks of every kind.
    #[test]
    fn batches_are_single_inputs(
        (network, inputs) in fixed_point(1..=3, 1..=5, 1..=8).prop_flat_map(|network| {
            let inputs = proptest::collection::vec(fixed_point_input(&network), 0..=5);
            (Just(network), inputs)
        })
    ) {
        let batch = DMatrix::from_iterator(network.inputs(), inputs.len(), inputs.concat());
        let mut evaluator = FixedPointEvaluator::new(&network);
        let outputs = evaluator.evaluate(&batch)?.clone();
        prop_assert_eq!(outputs.shape(), (network.outputs(), inputs.len()));
        let classes = evaluator.classify(&batch)?;
        for (index, x) in inputs.iter().enumerate() {
            let expected = network.evaluate(x)?;
            prop_assert_eq!(outputs.column(index).iter().copied().collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(classes[index], network.classify(x)?);
            let trace = network.trace(x)?;
            prop_assert_eq!(&trace.last().unwrap().values, &expected);
            for (layer, traced) in trace.iter().enumerate() {
                let ranges = &network.value_ranges()[layer];
                prop_assert!(ranges.iter().zip(&traced.values).all(|(r, y)| r.contains(*y)));
            }
        }
    }

    /// What verifiers read: accumulators of a neuron stay in the range that it tells, and the
    /// ends are reached.
    #[test]
    fn accumulator_ranges_are_exact(
        (network, x) in fixed_point(1..=1, 1..=3, 1..=3)
            .prop_flat_map(|network| (Just(network.clone()), fixed_point_input(&network)))
    ) {
        let (inputs, range) = (network.value_ranges()[0].clone(), network.input().interval());
        let trace = network.trace(&x)?;
        for (index, neuron) in network.layers()[0].neurons().enumerate() {
            let accumulators = neuron.accumulator(&inputs);
            prop_assert!(accumulators.contains(trace[1].accumulators[index]));
            for (end, up) in [(accumulators.lower(), false), (accumulators.upper(), true)] {
                let corner: Vec<i64> = neuron.weights.iter()
                    .map(|w| if (*w > 0) == up { range.upper() } else { range.lower() })
                    .collect();
                prop_assert_eq!(neuron.accumulate(&corner), end);
            }
        }
    }

    /// The formula of QVIP in exact arithmetic: a network of rounded real weights, whose value
    /// before rounding is computed without any.
    #[test]
    fn layers_of_formats_are_the_formula(
        f in network(1..=1, 1..=4), bits in 2..=8u32, fractions in (-2..=9i32, -2..=9i32, -2..=9i32),
        input_fraction in -2..=9i32, seed in proptest::collection::vec(0.0..1.0f64, 4),
        rounding in proptest::sample::select(&Rounding::ALL[..]),
    ) {
        let (input, (w, b, o)) = (unsigned(bits, input_fraction), fractions);
        let formats = LayerFormats {
            weight: signed(bits, w), bias: signed(bits, b), output: signed(bits, o), rounding,
        };
        let config = FixedPointConfig { input, layers: vec![formats], parameters: Rounding::HalfUp };
        let integers = FixedPointNetwork::from_network(&f, &config)?;
        let old = |format: Format| FixedPointFormat::new(format.bits(), format.fraction()).unwrap();
        let layer_format = LayerFormat { weight: old(formats.weight), bias: old(formats.bias) };
        let rounded = compress::fixed_point(&f, &[layer_format])?.network;

        let top = input.range().upper() as f64;
        let x: Vec<i64> = seed.iter().take(f.inputs()).map(|u| (u * top) as i64).collect();
        let real: Vec<f64> = x.iter().map(|q| input.value(*q)).collect();
        let values = exact::evaluate(&rounded, &real)?;
        for (value, y) in values.iter().zip(integers.evaluate(&x)?) {
            // y = clamp(round(z · 2^F)): z is between the ends of the step of y.
            let range = formats.output.range();
            let reaches = |t: i64| {
                let half = formats.output.value(2 * t - 1) / 2.0;
                let (at_half, at_t) = (value.compare(half).unwrap(), value.compare(formats.output.value(t)).unwrap());
                match rounding {
                    Rounding::Floor => at_t.is_ge(),
                    Rounding::HalfUp => at_half.is_ge(),
                    Rounding::HalfEven if t % 2 == 0 => at_half.is_ge(),
                    Rounding::HalfAway if t > 0 => at_half.is_ge(),
                    _ => at_half.is_gt(),
                }
            };
            prop_assert!(y == range.lower() || reaches(y));
            prop_assert!(y == range.upper() || !reaches(y + 1));
        }
    }
}

/// Networks around the limits up to which floating-point kernels are exact. Beyond each limit
/// there are odd sums that the type cannot hold.
#[test]
fn every_kernel_is_exact_at_its_limit() {
    for power in [24, 53, 60] {
        for (factor, off) in [(1, -6), (1, 0), (1, 6), (2, 6), (3, 6)] {
            // Two products of about half the reach.
            let weight = ((factor * (1i64 << power) + off) / 6) | 1;
            let layer = FixedPointLayer::new(
                &dmatrix![weight, weight - 1; -weight, 1],
                vec![1, -1],
                vec![step(0, interval(i64::MIN, i64::MAX))],
            );
            let network = FixedPointNetwork::new(interval(-3, 3), vec![layer.unwrap()]).unwrap();
            assert!((power + 1..=power + 3).contains(&network.accumulator_bits(0)));
            let batch = DMatrix::from_fn(2, 49, |row, column| match row {
                0 => column as i64 % 7 - 3,
                _ => column as i64 / 7 - 3,
            });
            let mut evaluator = FixedPointEvaluator::new(&network);
            let outputs = evaluator.evaluate(&batch).unwrap();
            for (x, y) in batch.column_iter().zip(outputs.column_iter()) {
                assert_eq!(y.as_slice(), network.evaluate(x.as_slice()).unwrap());
                let sum = i128::from(weight) * i128::from(x[0])
                    + i128::from(weight - 1) * i128::from(x[1])
                    + 1;
                assert_eq!(i128::from(y[0]), sum);
            }
        }
    }
}

/// Columns of zero weights may meet values that a float cannot hold, and the other way round.
#[test]
fn numbers_that_a_float_rounds_meet_zeros() {
    let wide = interval(0, (1 << 60) + 1);
    let first = FixedPointLayer::new(
        &dmatrix![1, 0; 0, 1],
        vec![0, 0],
        vec![step(0, wide), step(0, interval(0, 0))],
    );
    let second =
        FixedPointLayer::new(&dmatrix![0, (1 << 60) + 1], vec![5], vec![step(0, interval(-9, 9))]);
    let layers = vec![first.unwrap(), second.unwrap()];
    let network = FixedPointNetwork::new(wide, layers).unwrap();
    let x = [(1 << 60) + 1, 1 << 59];
    let batch = DMatrix::from_column_slice(2, 1, &x);
    assert_eq!(network.evaluate(&x).unwrap(), [5]);
    assert_eq!(FixedPointEvaluator::new(&network).evaluate(&batch).unwrap().as_slice(), [5]);
}

#[test]
fn batches_longer_than_a_chunk() {
    let layer =
        FixedPointLayer::new(&dmatrix![1, 2], vec![0], vec![step(1, interval(-50, 50))]).unwrap();
    let network = FixedPointNetwork::new(interval(0, 50), vec![layer]).unwrap();
    let mut evaluator = FixedPointEvaluator::new(&network);
    for columns in [600, 256, 1, 0, 257] {
        let batch = DMatrix::from_fn(2, columns, |row, column| (column + row) as i64 % 51);
        let outputs = evaluator.evaluate(&batch).unwrap();
        assert_eq!(outputs.ncols(), columns);
        for (x, y) in batch.column_iter().zip(outputs.column_iter()) {
            assert_eq!(y.as_slice(), network.evaluate(x.as_slice()).unwrap());
        }
    }
}

proptest! {
    /// The formula of int8 runtimes, term by term: in integers up to the accumulator, and from
    /// there in `f64`, which holds the product of 24 and at most 29 bits.
    #[test]
    fn layers_of_scales_are_the_formula(
        weights in proptest::collection::vec(-128..=127i64, 6),
        bias in (-100_000..=100_000i64, -100_000..=100_000i64),
        x in proptest::collection::vec(-128..=127i64, 3),
        zeros in (-128..=127i64, -128..=127i64, -128..=127i64),
        scales in (1e-3..1f32, 1e-3..1f32, 1e-3..1f32),
        per_neuron in any::<bool>(),
        rounding in proptest::sample::select(&Rounding::ALL[..]),
    ) {
        let (zero_in, zero_weight, zero_out) = zeros;
        let weight_scale = |row: usize| if row == 0 || !per_neuron { scales.1 } else { scales.2 };
        let count = if per_neuron { 2 } else { 1 };
        let of_weights = |row| Scale { scale: weight_scale(row), zero_point: zero_weight };
        let scale = LayerScales {
            input: Scale { scale: scales.0, zero_point: zero_in },
            weight: (0..count).map(of_weights).collect(),
            output: Scale { scale: scales.2, zero_point: zero_out },
            rounding,
            clamp: interval(-128, 127),
        };
        let matrix = DMatrix::from_row_slice(2, 3, &weights);
        let layer = FixedPointLayer::with_scales(&matrix, &[bias.0, bias.1], &scale)?;
        let network = FixedPointNetwork::new(interval(-128, 127), vec![layer])?;
        let outputs = network.evaluate(&x)?;
        for (row, (weights, bias)) in weights.chunks(3).zip([bias.0, bias.1]).enumerate() {
            let terms = weights.iter().zip(&x);
            let sum: i64 = terms.map(|(w, x)| (w - zero_weight) * (x - zero_in)).sum();
            let multiplier = scales.0 * weight_scale(row) / scales.2;
            let rounded = rounding.round(f64::from(multiplier) * (sum + bias) as f64);
            prop_assert_eq!(outputs[row] as f64, (rounded + zero_out as f64).clamp(-128.0, 127.0));
        }
    }
}

#[test]
fn scales_say_what_is_wrong() {
    let scale = |scale, zero_point| Scale { scale, zero_point };
    let scales = LayerScales {
        input: scale(0.5, 1),
        weight: vec![scale(0.5, 0)],
        output: scale(0.5, 0),
        rounding: Rounding::HalfEven,
        clamp: interval(-128, 127),
    };
    let refused = |weights: DMatrix<i64>, bias: &[i64], scales: &LayerScales| {
        FixedPointLayer::with_scales(&weights, bias, scales).unwrap_err().to_string()
    };
    let weight = vec![scale(0.5, 0); 2];
    assert_eq!(
        refused(dmatrix![1; 1; 1], &[0; 3], &LayerScales { weight, ..scales.clone() }),
        "expected 1 or 3 scales of weights, found 2"
    );
    let weight = vec![scale(0.5, 1)];
    assert_eq!(
        refused(dmatrix![1, i64::MIN], &[0], &LayerScales { weight, ..scales.clone() }),
        "weight [0, 1] is -9223372036854775808, which without its zero point is beyond 64 bits"
    );
    assert_eq!(
        refused(dmatrix![1; -2], &[0, i64::MAX], &scales),
        "bias 1 with the zero point of the inputs is beyond 64 bits"
    );
    assert_eq!(
        refused(dmatrix![1], &[0], &LayerScales { output: scale(0.0, 0), ..scales.clone() }),
        "a multiplier of inf is not a positive number"
    );
    assert_eq!(refused(dmatrix![1], &[0, 0], &scales), "expected 1 biases, found 2");
    assert_eq!(
        refused(DMatrix::zeros(2, 0), &[0, 0], &scales),
        "widths of 0 inputs and 0 outputs are not both 1 to 16777216"
    );
}

#[test]
fn clips_are_clamps() {
    let relu6 = |upper| {
        Network::new(
            1,
            vec![
                Affine::new(dmatrix![1.0], dvector![0.0]).into(),
                Activation::Clip { lower: 0.0, upper }.into(),
            ],
        )
        .unwrap()
    };
    let formats = LayerFormats {
        weight: signed(8, 4),
        bias: signed(8, 4),
        output: signed(8, 4),
        rounding: Rounding::Floor,
    };
    let config = FixedPointConfig {
        input: unsigned(8, 4),
        layers: vec![formats],
        parameters: Rounding::HalfUp,
    };
    let clamp = |upper| {
        let network = FixedPointNetwork::from_network(&relu6(upper), &config)?;
        Ok::<_, FixedPointConfigError>(network.value_ranges()[1][0])
    };
    assert_eq!(clamp(6.0), Ok(interval(0, 96)));
    assert_eq!(clamp(f64::INFINITY), Ok(interval(0, 127)));
    assert_eq!(clamp(7.9375), Ok(interval(0, 127)));
    assert_eq!(
        clamp(6.03).unwrap_err().to_string(),
        "layer 1: a clip at 6.03 is at no value of <±,8,4>"
    );
}

#[test]
fn what_a_configuration_cannot_be_used_for() {
    let config = FixedPointConfig::qvip(6, 2).unwrap();
    let affine = || Affine::new(dmatrix![1.0, 0.5; 0.25, 1.0], dvector![0.0, 0.0]);
    let refused = |layers: Vec<nncert_core::Layer>| {
        let network = Network::new(2, layers).unwrap();
        FixedPointNetwork::from_network(&network, &config).unwrap_err().to_string()
    };
    let (relu, tanh) = (Activation::Relu, Activation::Tanh);
    assert_eq!(refused(vec![affine().into()]), "expected the formats of 1 affine layers, found 2");
    assert_eq!(
        refused(vec![relu.into(), affine().into(), affine().into()]),
        "layer 0: ReLU is neither affine nor, right after an affine layer, ReLU or clip"
    );
    assert_eq!(
        refused(vec![affine().into(), tanh.into(), affine().into()]),
        "layer 1: tanh is neither affine nor, right after an affine layer, ReLU or clip"
    );
    assert_eq!(
        refused(vec![affine().into(), relu.into(), relu.into(), affine().into()]),
        "layer 2: ReLU is neither affine nor, right after an affine layer, ReLU or clip"
    );
    let scale = nncert_core::Scale { factor: vec![1.0; 2], offset: vec![0.0; 2] };
    assert_eq!(
        refused(vec![scale.into(), affine().into(), affine().into()]),
        "layer 0: scale is neither affine nor, right after an affine layer, ReLU or clip"
    );
    let network = Network::relu_mlp(vec![affine(), affine()]).unwrap();
    let mut coarse = config.clone();
    coarse.layers[1].output = signed(6, -200);
    let error = FixedPointNetwork::from_network(&network, &coarse).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 2: a multiplier of 1 / 2^209 has no mantissa of 1 to 53 bits with a shift from -62 \
         to 116"
    );
    assert!(FixedPointConfig::qvip(0, 2).is_err() && FixedPointConfig::qvip(u32::MAX, 2).is_err());
}

#[test]
fn layers_say_what_is_wrong() {
    let formats = LayerFormats {
        weight: signed(4, 3),
        bias: signed(4, 2),
        output: unsigned(4, 2),
        rounding: Rounding::HalfUp,
    };
    let refused = |weights: DMatrix<i64>, bias: &[i64], formats: LayerFormats, clamp| {
        let layer = FixedPointLayer::with_formats(&weights, bias, unsigned(8, 8), formats, clamp);
        layer.unwrap_err().to_string()
    };
    let clamp = formats.relu_clamp();
    assert_eq!(
        refused(dmatrix![1, 2; 8, 3], &[0, 0], formats, clamp),
        "weight [1, 0] is 8, which is outside <±,4,3>"
    );
    assert_eq!(
        refused(dmatrix![1; 2], &[0, -9], formats, clamp),
        "bias 1 is -9, which is outside <±,4,2>"
    );
    assert_eq!(refused(dmatrix![1; 2], &[0], formats, clamp), "expected 2 biases, found 1");
    assert_eq!(
        refused(dmatrix![1], &[0], formats, interval(-1, 15)),
        "the clamp [-1, 15] is not within <+,4,2>"
    );
    assert_eq!(
        refused(DMatrix::zeros(0, 3), &[], formats, clamp),
        "widths of 3 inputs and 0 outputs are not both 1 to 16777216"
    );
    let fine = LayerFormats { bias: signed(4, 90), ..formats };
    assert_eq!(
        refused(dmatrix![0, -1], &[3], fine, clamp),
        "weight [0, 1] is -1, which 79 bits to the left is beyond 64 bits"
    );
    let coarse = LayerFormats { bias: signed(4, -60), ..formats };
    assert_eq!(
        refused(dmatrix![1], &[3], coarse, clamp),
        "bias 0 is 3, which 71 bits to the left is beyond 64 bits"
    );
    let steps = vec![step(0, interval(0, 1)); 2];
    let error = FixedPointLayer::new(&dmatrix![1; 2; 3], vec![0; 3], steps).unwrap_err();
    assert_eq!(error, FixedPointLayerError::Requantizations { expected: 3, found: 2 });
    assert_eq!(error.to_string(), "expected 1 or 3 requantizations, found 2");
}

#[test]
fn networks_say_what_is_wrong() {
    let layer = |weights: DMatrix<i64>| {
        let outputs = weights.nrows();
        FixedPointLayer::new(&weights, vec![0; outputs], vec![step(0, interval(0, 1))]).unwrap()
    };
    let refused = |layers| FixedPointNetwork::new(interval(0, 3), layers).unwrap_err().to_string();
    assert_eq!(refused(vec![]), "a network needs at least one layer");
    assert_eq!(
        refused(vec![layer(dmatrix![1; 2]), layer(dmatrix![1, 1, 1])]),
        "layer 1: expected 3 inputs, found 2"
    );
    assert_eq!(
        refused(vec![layer(dmatrix![1]); 4097]),
        "4097 layers are more than the limit of 4096"
    );
    assert_eq!(
        refused(vec![layer(dmatrix![1, 1]), layer(dmatrix![i64::MAX]), layer(dmatrix![i64::MIN])]),
        "layer 2, neuron 0: the accumulator needs 65 bits, more than 64"
    );
    let formats = LayerFormats {
        weight: signed(4, 3),
        bias: signed(4, 2),
        output: unsigned(4, 2),
        rounding: Rounding::HalfUp,
    };
    let made = FixedPointLayer::with_formats(
        &dmatrix![1],
        &[0],
        unsigned(8, 8),
        formats,
        formats.full_clamp(),
    )
    .unwrap();
    assert_eq!(
        refused(vec![made.clone()]),
        "layer 0: made for inputs in <+,8,8>, given integers without a format"
    );
    let error = FixedPointNetwork::new(unsigned(8, 8), vec![made.clone(), made]).unwrap_err();
    assert_eq!(error.to_string(), "layer 1: made for inputs in <+,8,8>, given <+,4,2>");
}

#[test]
fn inputs_are_checked() {
    let layer =
        FixedPointLayer::new(&dmatrix![1, 2], vec![0], vec![step(0, interval(0, 9))]).unwrap();
    let network = FixedPointNetwork::new(interval(0, 3), vec![layer]).unwrap();
    let message = |x: &[i64]| network.evaluate(x).unwrap_err().to_string();
    assert_eq!(message(&[1]), "expected 2 inputs, found 1");
    assert_eq!(message(&[1, 4]), "input 1 is 4, which is outside [0, 3]");
    assert_eq!(network.trace(&[1, 4]).unwrap_err().to_string(), message(&[1, 4]));
    let mut evaluator = FixedPointEvaluator::new(&network);
    let range = interval(0, 3);
    assert_eq!(
        evaluator.evaluate(&dmatrix![0, -1; 0, 0]).unwrap_err(),
        FixedPointInputError::Range { index: 0, value: -1, range }
    );
    assert_eq!(
        evaluator.classify(&dmatrix![0]).unwrap_err().to_string(),
        "expected 2 inputs, found 1"
    );
    assert_eq!(
        network.quantize(&[0.0, 0.0], Rounding::HalfUp).unwrap_err().to_string(),
        "the inputs of the network have no format"
    );
    let formats = FixedPointConfig::qvip(6, 1).unwrap();
    let real = Network::relu_mlp(vec![Affine::new(dmatrix![1.0, 1.0], dvector![0.0])]).unwrap();
    let network = FixedPointNetwork::from_network(&real, &formats).unwrap();
    let quantize = |x: &[f64]| network.quantize(x, Rounding::HalfUp);
    assert_eq!(quantize(&[0.5, 9.0]), Ok(vec![128, 255]));
    assert_eq!(quantize(&[0.5]).unwrap_err().to_string(), "expected 2 inputs, found 1");
    assert_eq!(quantize(&[0.5, f64::NAN]).unwrap_err().to_string(), "input 1 is not a number");
}

#[cfg(feature = "serde")]
#[test]
fn configurations_are_stored_and_checked_when_read() {
    let config = FixedPointConfig::qvip(6, 3).unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<FixedPointConfig>(&text).unwrap(), config);
    let step = step(9, interval(-8, 7));
    let text = serde_json::to_string(&step).unwrap();
    assert_eq!(serde_json::from_str::<Requantization>(&text).unwrap(), step);
    for (from, to, expected) in [
        ("\"shift\":9", "\"shift\":200", "a multiplier of 1 / 2^200 has no mantissa"),
        ("\"lower\":-8", "\"lower\":8", "8 is above 7"),
    ] {
        let error = serde_json::from_str::<Requantization>(&text.replace(from, to)).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    let format = r#"{"sign":"Signed","bits":99,"fraction":0}"#;
    let error = serde_json::from_str::<Format>(format).unwrap_err().to_string();
    assert!(error.starts_with("99 bits are outside 1 to 53"), "{error}");
}

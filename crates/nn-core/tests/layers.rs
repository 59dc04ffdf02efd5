//! Layers compute what their definitions say, in every way of evaluation.

use core::cmp::Ordering;

use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use nncert_core::exact::{self, ExactError};
use nncert_core::strategies::piecewise_linear;
use nncert_core::{
    Activation, Affine, Convolution, Evaluator, Interval, Layer, LayerError, LayerKind, Network,
    NetworkError, PairedNetworks, Pool, Residual, Scale, Select, Shape, Window, compress,
};
use proptest::prelude::*;

/// Small integers, so that every sum is exact and results can be compared with `==`.
fn filled(length: usize, seed: u64) -> Vec<f64> {
    let digit = |index: u64| (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 9;
    (0..length as u64).map(|index| digit(index + 1000 * seed) as f64 - 4.0).collect()
}

#[derive(Clone, Debug)]
struct Case {
    convolution: Convolution,
    input: Shape,
}

fn case() -> impl Strategy<Value = Case> {
    let pair = |low: usize, high: usize| [low..=high, low..=high];
    let window = (pair(1, 3), pair(1, 3), pair(1, 2), [pair(0, 2), pair(0, 2)]).prop_map(
        |(kernel, stride, dilation, padding)| Window { kernel, stride, dilation, padding },
    );
    let channels = (1usize..=3, 1usize..=3, 1usize..=2);
    (window, channels, pair(5, 9), any::<u16>()).prop_map(
        |(window, (per_group, outputs, groups), [height, width], seed)| {
            let (rows, columns) = (outputs * groups, per_group * window.len());
            let seed = u64::from(seed);
            let weight = DMatrix::from_vec(rows, columns, filled(rows * columns, seed));
            let filters = Affine::new(weight, DVector::from_vec(filled(rows, seed + 1)));
            let input = Shape::new([per_group * groups, height, width]);
            Case { convolution: Convolution { filters, window, groups }, input }
        },
    )
}

/// The definition, with padding as values that are looked up and are not there.
fn direct(case: &Case, x: &[f64]) -> Vec<f64> {
    let Convolution { filters, window, groups } = &case.convolution;
    let [channels, height, width] = case.input.image().unwrap();
    let size = |axis: usize, length: usize| {
        let padded = length + window.padding[axis][0] + window.padding[axis][1];
        (padded - (window.kernel[axis] - 1) * window.dilation[axis] - 1) / window.stride[axis] + 1
    };
    let at = |channel: usize, row: isize, column: isize| {
        let inside = row >= 0 && column >= 0 && row < height as isize && column < width as isize;
        if inside { x[(channel * height + row as usize) * width + column as usize] } else { 0.0 }
    };
    let position = |axis: usize, output: usize, tap: usize| {
        (output * window.stride[axis] + tap * window.dilation[axis]) as isize
            - window.padding[axis][0] as isize
    };
    let (group_in, group_out) = (channels / groups, filters.outputs() / groups);
    let mut y = Vec::new();
    for o in 0..filters.outputs() {
        for i in 0..size(0, height) {
            for j in 0..size(1, width) {
                let mut sum = filters.bias[o];
                for tap in 0..filters.inputs() {
                    let q = tap % window.kernel[1];
                    let p = tap / window.kernel[1] % window.kernel[0];
                    let c = tap / window.len();
                    let value =
                        at(o / group_out * group_in + c, position(0, i, p), position(1, j, q));
                    sum += filters.weight[(o, tap)] * value;
                }
                y.push(sum);
            }
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn convolutions_are_what_the_definition_says(case in case(), batch in 1usize..4) {
        let network =
            Network::new(case.input.clone(), vec![case.convolution.clone().into()]).unwrap();
        let inputs = network.inputs();
        let x = DMatrix::from_vec(inputs, batch, filled(inputs * batch, 7));
        let mut evaluator = Evaluator::<f32>::new(&network).unwrap();
        let outputs = evaluator.evaluate(&x.map(|value| value as f32)).unwrap();
        let dense = case.convolution.to_affine(&case.input).unwrap();
        for (x, y) in x.column_iter().zip(outputs.column_iter()) {
            let expected = direct(&case, x.as_slice());
            let y = y.map(f64::from);
            prop_assert_eq!(y.as_slice(), expected.as_slice());
            let single = network.evaluate(x.as_slice()).unwrap();
            prop_assert_eq!(single.as_slice(), expected.as_slice());
            let affine = &dense.weight * x + &dense.bias;
            prop_assert_eq!(affine.as_slice(), expected.as_slice());
            for (exact, value) in exact::evaluate(&network, x.as_slice()).unwrap().iter().zip(&expected) {
                prop_assert_eq!(exact.compare(*value), Some(Ordering::Equal));
            }
        }
    }
}

/// A bound on what rounding at every operation can do: everything evaluated on absolute
/// values, with absolute weights, times the number of operations.
fn scale_of(network: &Network, x: &[f64]) -> f64 {
    fn absolute(layers: &[Layer]) -> Vec<Layer> {
        let each = |layer: &Layer| match layer {
            Layer::Affine(affine) => Affine::new(affine.weight.abs(), affine.bias.abs()).into(),
            Layer::Convolution(convolution) => {
                let Affine { weight, bias } = &convolution.filters;
                let filters = Affine::new(weight.abs(), bias.abs());
                Convolution { filters, ..convolution.clone() }.into()
            }
            Layer::Scale(Scale { factor, offset }) => {
                let abs = |values: &[f64]| values.iter().map(|value| value.abs()).collect();
                Scale { factor: abs(factor), offset: abs(offset) }.into()
            }
            // A maximum is at most the sum; the averages times the window are the sums.
            Layer::Pool(Pool::Max { window }) => {
                Pool::Average { window: *window, count_include_pad: true }.into()
            }
            Layer::Activation(_) => Layer::from(Activation::LeakyRelu { slope: 1.0 }),
            Layer::Residual(Residual { body, shortcut }) => {
                Residual { body: absolute(body), shortcut: absolute(shortcut) }.into()
            }
            layer => layer.clone(),
        };
        layers.iter().map(each).collect()
    }
    let layers = absolute(network.layers());
    let poolings = layers.iter().filter(|layer| layer.kind() == LayerKind::AveragePool).count();
    let network = Network::new(network.shapes()[0].clone(), layers).unwrap();
    let x: Vec<f64> = x.iter().map(|value| value.abs()).collect();
    network.evaluate(&x).unwrap().max() * 4f64.powi(i32::try_from(poolings).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_piecewise_linear_network_is_evaluated_alike(
        network in piecewise_linear(0..=4, 1..=3, 1..=7),
        seed in any::<u16>(),
    ) {
        let inputs = network.inputs();
        let x = DMatrix::from_vec(inputs, 2, filled(inputs * 2, u64::from(seed))).map(|v| v / 7.0);
        let double = Evaluator::<f64>::new(&network).unwrap().evaluate(&x).unwrap().clone();
        for (column, x) in x.column_iter().enumerate() {
            let scale = scale_of(&network, x.as_slice());
            let y = network.evaluate(x.as_slice()).unwrap();
            let exact = exact::evaluate(&network, x.as_slice()).unwrap();
            let narrow = x.map(|value| value as f32);
            // The inputs are rounded as well.
            let single = Evaluator::<f32>::new(&network).unwrap();
            let single = single.clone().evaluate(&DMatrix::from_columns(&[narrow])).unwrap().clone();
            for output in 0..y.len() {
                let around = |value: f64, slack: f64| Interval::new(value - slack, value + slack);
                let slack = 1e-13 * scale + 1e-290;
                prop_assert!(exact[output].is_within(around(y[output], slack)));
                prop_assert!(exact[output].is_within(around(double[(output, column)], slack)));
                // Where f32 does not underflow to nothing or overflow.
                if scale < 1e30 {
                    let slack = 1e-4 * scale + 1e-20;
                    prop_assert!(exact[output].is_within(around(f64::from(single[output]), slack)));
                }
            }
        }
    }
}

/// More rows than are copied at a time, and blocks of channels of every width.
#[test]
fn large_images_are_cut_where_nothing_shows() {
    let window = Window::new([3, 3]).padded(1);
    for (window, groups) in [(window, 2), (Window { stride: [2, 3], ..window }, 1)] {
        let columns = 16 / groups * 9;
        let weight = DMatrix::from_vec(30, columns, filled(30 * columns, 3));
        let filters = Affine::new(weight, DVector::from_vec(filled(30, 5)));
        let convolution = Convolution { filters, window, groups };
        let input = Shape::new([16, 75, 43]);
        let case = Case { convolution: convolution.clone(), input: input.clone() };
        let network = Network::new(input, vec![convolution.into()]).unwrap();
        let x = DMatrix::from_vec(network.inputs(), 2, filled(network.inputs() * 2, 4));
        let double = Evaluator::<f64>::new(&network).unwrap().evaluate(&x).unwrap().clone();
        let single = x.map(|value| value as f32);
        let single = Evaluator::<f32>::new(&network).unwrap().evaluate(&single).unwrap().clone();
        assert_eq!(single.map(f64::from), double);
        for (x, y) in x.column_iter().zip(double.column_iter()) {
            assert_eq!(y.as_slice(), direct(&case, x.as_slice()));
        }
    }
}

/// The order of every sum is the same in a batch of any size.
#[test]
fn images_of_a_batch_have_the_bits_of_single_images() {
    let convolution = |outputs: usize, inputs: usize, stride: usize| {
        let weight = DMatrix::from_vec(outputs, 9 * inputs, filled(9 * outputs * inputs, 3)) / 7.0;
        let filters = Affine::new(weight, DVector::from_vec(filled(outputs, 5)) / 3.0);
        Layer::from(Convolution::new(
            filters,
            Window { stride: [stride, stride], ..Window::new([3, 3]) }.padded(1),
        ))
    };
    let relu = || Layer::from(Activation::Relu);
    let body = vec![convolution(9, 9, 1), relu(), convolution(9, 9, 1)];
    let layers = vec![
        convolution(9, 3, 1),
        relu(),
        Residual { body, shortcut: vec![] }.into(),
        relu(),
        convolution(20, 9, 2),
    ];
    let network = Network::new(Shape::new([3, 33, 31]), layers).unwrap();
    let x = DMatrix::from_vec(network.inputs(), 17, filled(network.inputs() * 17, 4)) / 11.0;
    let mut evaluator = Evaluator::<f64>::new(&network).unwrap();
    for columns in [17, 1, 4] {
        let y = evaluator.evaluate(&x.columns(0, columns).into_owned()).unwrap().clone();
        for (x, y) in x.column_iter().zip(y.column_iter()) {
            assert_eq!(network.evaluate(x.as_slice()).unwrap(), y);
        }
    }
}

fn residual_network() -> Network {
    let same = |seed| {
        let weight = DMatrix::from_vec(2, 18, filled(36, seed));
        let filters = Affine::new(weight, dvector![1.0, 0.0]);
        Layer::from(Convolution::new(filters, Window::new([3, 3]).padded(1)))
    };
    let down = Convolution::new(
        Affine::new(DMatrix::from_vec(4, 18, filled(72, 9)), DVector::zeros(4)),
        Window { stride: [2, 2], ..Window::new([3, 3]) }.padded(1),
    );
    let image = Shape::new([2, 6, 6]);
    let shortcut = Select::shortcut(&image, 2, [1, 1]).unwrap();
    let identity =
        Residual { body: vec![same(5), Activation::Relu.into(), same(6)], shortcut: vec![] };
    let block = Residual { body: vec![down.into()], shortcut: vec![shortcut.into()] };
    Network::new(
        image,
        vec![
            Scale { factor: vec![1.0, 2.0], offset: vec![-1.0, 1.0] }.into(),
            identity.into(),
            Activation::LeakyRelu { slope: 0.5 }.into(),
            block.into(),
            Activation::Clip { lower: -64.0, upper: 64.0 }.into(),
            Pool::Max { window: Window::new([2, 2]) }.into(),
            Pool::Average { window: Window::new([2, 2]), count_include_pad: true }.into(),
            Layer::Flatten,
            Affine::new(dmatrix![1.0, -1.0, 2.0, 3.0], dvector![0.5]).into(),
        ],
    )
    .unwrap()
}

#[test]
fn every_evaluation_of_a_residual_network_agrees() {
    let network = residual_network();
    assert_eq!(network.to_string(), "2x6x6-2x6x6-4x3x3-4x2x2-4x1x1-1");
    assert_eq!(network.parameters(), 4 + 2 * 38 + 76 + 5);
    assert_eq!((network.weights().count(), network.affine_layers().count()), (4, 1));
    let x = DMatrix::from_vec(72, 3, filled(72 * 3, 2)).map(|value| value / 8.0);
    let mut double = Evaluator::<f64>::new(&network).unwrap();
    let mut single = Evaluator::<f32>::new(&network).unwrap();
    let narrow = x.map(|value| value as f32);
    let (double, single) = (double.evaluate(&x).unwrap(), single.evaluate(&narrow).unwrap());
    for (index, x) in x.column_iter().enumerate() {
        // All intermediate values are short dyadic numbers.
        let y = network.evaluate(x.as_slice()).unwrap();
        assert_eq!(y.as_slice(), double.column(index).as_slice());
        assert_eq!(y[0], f64::from(single[index]));
        let exact = exact::evaluate(&network, x.as_slice()).unwrap();
        assert_eq!(exact[0].compare(y[0]), Some(Ordering::Equal));
    }
}

#[test]
fn sigmoid_and_tanh_have_no_exact_value() {
    let block = Residual { body: vec![Layer::Flatten, Activation::Tanh.into()], shortcut: vec![] };
    let network = Network::new(2, vec![block.into()]).unwrap();
    let error = exact::evaluate(&network, &[0.0, 1.0]).unwrap_err();
    assert_eq!(error.to_string(), "layer 0, body layer 1 (tanh) cannot be evaluated exactly");
    let network = Network::new(2, vec![Activation::Sigmoid.into()]).unwrap();
    let error = exact::evaluate(&network, &[0.0, 1.0]).unwrap_err();
    assert_eq!(error, ExactError::Unsupported { layer: 0, kind: LayerKind::Sigmoid });
}

#[test]
fn what_does_not_fit_is_named() {
    let filters = |rows, columns| Affine::new(DMatrix::zeros(rows, columns), DVector::zeros(rows));
    let convolution = |rows, columns, groups| {
        let convolution = Convolution::new(filters(rows, columns), Window::new([3, 3]));
        Layer::from(Convolution { groups, ..convolution })
    };
    let message =
        |layers: Vec<Layer>| Network::new(Shape::new([2, 5, 5]), layers).unwrap_err().to_string();
    let first = convolution(4, 18, 1);
    assert_eq!(
        message(vec![first.clone(), convolution(4, 18, 1)]),
        "layer 1 (convolution): expected 2 channels, found 4"
    );
    assert_eq!(
        message(vec![convolution(4, 10, 1)]),
        "layer 0 (convolution): expected filters of 18 weights, found 10"
    );
    assert_eq!(
        message(vec![convolution(4, 9, 3)]),
        "layer 0 (convolution): 3 groups do not divide 2 input channels"
    );
    assert_eq!(
        message(vec![convolution(4, 9, 0)]),
        "layer 0 (convolution): 0 groups do not divide 2 input channels"
    );
    assert_eq!(
        message(vec![Layer::Flatten, Pool::GlobalAverage.into()]),
        "layer 1 (global average pooling): expected an image of channels x height x width, found 50"
    );
    assert_eq!(
        message(vec![first.clone(), first.clone()]),
        "layer 1 (convolution): expected 2 channels, found 4"
    );
    let block = Residual { body: vec![first.clone()], shortcut: vec![] };
    assert_eq!(
        message(vec![block.into()]),
        "layer 0 (residual block): the body gives 4x3x3, the shortcut 2x5x5"
    );
    let inner = Residual { body: vec![Layer::Flatten, filters(3, 7).into()], shortcut: vec![] };
    let outer = Residual { body: vec![], shortcut: vec![inner.into()] };
    assert_eq!(
        message(vec![Activation::Relu.into(), outer.into()]),
        "layer 1, shortcut layer 0, body layer 1: expected 7 inputs, found 50"
    );
    assert_eq!(
        message(vec![Activation::Clip { lower: 1.0, upper: 0.0 }.into()]),
        "layer 0 (clip): upper bound 0 makes no layer"
    );
    assert_eq!(
        message(vec![Scale { factor: vec![1.0; 3], offset: vec![0.0; 3] }.into()]),
        "layer 0 (scale): expected 3 channels, found 2"
    );
    let nan = Scale { factor: vec![f64::NAN; 2], offset: vec![0.0; 2] };
    assert_eq!(message(vec![nan.into()]), "layer 0 (scale): factor NaN makes no layer");
    let error = Network::new(Shape::new([2, 5, 5]), vec![convolution(4, 9, 3)]).unwrap_err();
    let groups = LayerError::Groups { groups: 3, which: "input", found: 2 };
    let kind = LayerKind::Convolution;
    assert_eq!(error, NetworkError::Layer { layer: 0, kind, error: groups });
}

#[test]
fn blocks_are_nested_so_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let mut layers: Vec<Layer> = vec![Activation::Relu.into()];
        for _ in 0..depth {
            layers = vec![Residual { body: layers, shortcut: vec![] }.into()];
        }
        Network::new(1, layers)
    };
    assert_eq!(nested(8).unwrap().evaluate(&[1.0]).unwrap().as_slice(), [9.0]);
    let error = nested(9).unwrap_err().to_string();
    assert!(error.ends_with("(residual block): blocks are nested more than 8 deep"), "{error}");
}

#[test]
fn convolutions_are_compressed_and_paired() {
    let network = residual_network();
    let int8 = compress::int8(&network, compress::Granularity::PerChannel).unwrap();
    assert_eq!(int8.summary.layers.len(), 4);
    let fixed = compress::fixed_point_bits(&network, 3).unwrap();
    let half = compress::float16(&network).unwrap();
    let pruned = compress::prune_weights(&network, 0.5, compress::Scope::Network).unwrap();
    for compressed in [int8, fixed, half, pruned] {
        let pair = compressed.pair(&network).unwrap();
        assert_eq!(pair.compressed(), &compressed.network);
        assert_eq!(pair.layers().count(), 9);
    }
    let error = compress::remove_lowest_norm(&network, 0.5).unwrap_err().to_string();
    assert!(error.starts_with("layer 0 (scale): neurons are removed between"), "{error}");
    let error = PairedNetworks::with_removed(&network, &network, &[]).unwrap_err().to_string();
    assert!(error.starts_with("layer 0 (scale): neurons are removed between"), "{error}");
}

#[test]
fn pairs_differ_in_weights_alone() {
    let with = |slope: f64| {
        let body = vec![Activation::LeakyRelu { slope }.into()];
        Network::new(2, vec![Residual { body, shortcut: vec![] }.into()]).unwrap()
    };
    assert!(PairedNetworks::new(&with(0.5), &with(0.5)).is_ok());
    let error = PairedNetworks::new(&with(0.5), &with(0.25)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 0, body layer 0 (LeakyReLU): the two layers differ in more than weights"
    );
}

//! Convolutional networks: bounds against exact evaluation, and errors that name
//! what is not supported.

use nalgebra::{DMatrix, DVector};
use nncert_bounds::{BoundsError, crown, differential, forward, interval};
use nncert_core::{
    Activation, Affine, Convolution, Domain, Layer, Network, PairedNetworks, Pool, Region,
    Residual, Scale, Select, Shape, Window, compress,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// scale, conv 3x3 stride 2 padding 1 in two groups, ReLU, select, average 2x2, flatten, dense.
fn network(rng: &mut ChaCha8Rng) -> Network {
    let mut number = || rng.random_range(-1.0..1.0);
    let mut affine = |rows, columns| {
        let weight = DMatrix::from_fn(rows, columns, |_, _| number());
        Affine::new(weight, DVector::from_fn(rows, |_, _| number()))
    };
    let window = Window { stride: [2, 2], ..Window::new([3, 3]) }.padded(1);
    let convolution = Convolution { filters: affine(4, 9), window, groups: 2 };
    let input = Shape::new([2, 7, 7]);
    let layers: Vec<Layer> = vec![
        Scale { factor: vec![1.5, 0.3], offset: vec![-0.25, 0.1] }.into(),
        convolution.into(),
        Activation::Relu.into(),
        Select::shortcut(&Shape::new([4, 4, 4]), 1, [0, 1]).unwrap().into(),
        Pool::Average {
            window: Window { stride: [2, 2], ..Window::new([2, 2]) },
            count_include_pad: false,
        }
        .into(),
        Layer::Flatten,
        affine(6, 20).into(),
        Activation::Relu.into(),
        affine(3, 6).into(),
    ];
    Network::new(input, layers).unwrap()
}

#[test]
fn points_lie_inside_every_bound() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for round in 0..30 {
        let f = network(&mut rng);
        let g = match round % 3 {
            0 => compress::float16(&f).unwrap().network,
            1 => compress::int8(&f, compress::Granularity::PerChannel).unwrap().network,
            _ => network(&mut rng),
        };
        let pair = PairedNetworks::new(&f, &g).unwrap();
        let centre: Vec<f64> = (0..98).map(|_| rng.random_range(0.0..1.0)).collect();
        let free: Vec<usize> = (0..98).filter(|i| i % (round + 1) == 0).collect();
        let region = Region::ball_on(&centre, 0.2, &free, &Domain::unit()).unwrap();
        let bounds = differential(&pair, &region).unwrap();
        let (ibp, crowned) = (interval(&f, &region).unwrap(), crown(&f, &region).unwrap());
        for _ in 0..5 {
            let x = region.sample(&mut rng);
            let value = |network| nncert_core::exact::evaluate(network, &x).unwrap();
            let (f_x, g_x) = (value(&f), value(&g));
            for output in 0..3 {
                assert!(f_x[output].is_within(ibp[output]));
                assert!(f_x[output].is_within(crowned.outputs[output].bounds));
                let difference = &f_x[output] - &g_x[output];
                assert!(difference.is_within(bounds.outputs[output].bounds));
            }
        }
        if round % 3 == 0 {
            // A 16-bit copy is close, and its bounds say so.
            assert!(bounds.epsilon() < 0.05, "{}", bounds.epsilon());
        }
    }
}

/// The baseline is for chains of ReLU layers, and says so.
#[test]
fn what_is_not_supported_is_named() {
    let image = Shape::new([1, 4, 4]);
    let region = Region::point(&[0.5; 16]).unwrap();
    let message = |layers: Vec<Layer>| {
        let network = Network::new(image.clone(), layers).unwrap();
        let pair = PairedNetworks::new(&network, &network).unwrap();
        forward(&pair, &region).unwrap_err().to_string()
    };
    assert_eq!(
        message(vec![Layer::Flatten, Activation::Sigmoid.into()]),
        "layer 1 (sigmoid) is not supported by this pass"
    );
    let block = Residual { body: vec![Activation::Relu.into()], shortcut: vec![] };
    assert!(message(vec![block.into()]).starts_with("layer 0 (residual"));
    let window = Window::new([2, 2]);
    let large = Network::new(
        Shape::new([1, 128, 128]),
        vec![Convolution::new(Affine::new(DMatrix::zeros(1, 4), DVector::zeros(1)), window).into()],
    );
    let large = large.unwrap();
    let pair = PairedNetworks::new(&large, &large).unwrap();
    let everything = Region::linf_ball(&vec![0.5; 128 * 128], 0.1, &Domain::unit()).unwrap();
    let error = forward(&pair, &everything).unwrap_err();
    assert!(matches!(error, BoundsError::TooLarge { layer: 0, .. }), "{error}");
}

#[test]
fn a_network_of_shapes_alone_is_the_identity() {
    let network = Network::new(Shape::new([1, 2, 2]), vec![Layer::Flatten]).unwrap();
    let region = Region::new(vec![-1.0; 4], vec![2.0; 4]).unwrap();
    let bounds = crown(&network, &region).unwrap();
    assert!(bounds.outputs.iter().all(|o| o.bounds.lower <= -1.0 && o.bounds.upper < 2.000001));
}

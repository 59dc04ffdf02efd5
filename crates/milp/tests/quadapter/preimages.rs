//! Preimages: values in a template are mapped into the outputs, in exact arithmetic.

use nncert_bounds::{Envelope, crown};
use nncert_core::directed::{add_down, add_up, sub_down, sub_up};
use nncert_core::{Activation, Layer, Network, Region, exact};
use nncert_milp::quadapter::{
    Abstraction, Balanced, Method, Options, Preimage, Step, Strategy, find_preimages,
};
use rand::{Rng, RngExt};

use crate::small::{network, question, rng, satisfied};

/// The layers behind the preactivations of an affine layer, counted from 0.
fn rest(network: &Network, layer: usize) -> Network {
    let behind = network.layers()[2 * layer + 1..].to_vec();
    assert_eq!(behind[0], Layer::Activation(Activation::Relu));
    let width = network.affine_layers().nth(layer).unwrap().outputs();
    Network::new(width, behind).unwrap()
}

/// A value of a template at an input, and inside it whatever rounding does. Where the lower end is
/// not positive it may be anything below, as ReLU does not tell.
fn value(preimage: &Preimage, x: &[f64], rng: &mut impl Rng) -> Option<Vec<f64>> {
    let slack = preimage.below.iter().zip(&preimage.above);
    let neurons = preimage.element.iter().zip(slack).map(|(envelope, (below, above))| {
        let low = sub_up(envelope.lower.at(x).upper, *below);
        let high = add_down(envelope.upper.at(x).lower, *above);
        let share: f64 = rng.random();
        // Ends tell more than what is between.
        let share = if rng.random::<bool>() { share } else { share.round() };
        let far = if rng.random::<bool>() { -2.0 * rng.random::<f64>() } else { 0.0 };
        let low = if low <= 0.0 { low.min(far) } else { low };
        (low <= high.max(0.0)).then(|| {
            let high = high.max(0.0);
            (low + (high - low) * share).clamp(low, high)
        })
    });
    neurons.collect()
}

/// Searches for a value of a preimage that leaves the outputs.
fn leaves(method: &Method<'_>, options: &Options, seeds: core::ops::Range<u64>) -> (usize, usize) {
    let (mut found, mut left) = (0, 0);
    for seed in seeds {
        let mut rng = rng(seed);
        let widths = if seed % 2 == 0 { vec![2, 4, 3] } else { vec![2, 4, 4, 3] };
        let network = network(&mut rng, &widths);
        let property = question(&mut rng, &network, 0.04);
        let Ok(preimages) = find_preimages(&network, &property, method, options).unwrap() else {
            continue;
        };
        for (layer, preimage) in preimages.iter().enumerate() {
            let rest = rest(&network, layer);
            for _ in 0..30 {
                let x = property.inputs().bounding_box().sample(&mut rng);
                let Some(z) = value(preimage, &x, &mut rng) else { continue };
                found += 1;
                let outputs = exact::evaluate(&rest, &z).unwrap();
                left += usize::from(!satisfied(property.outputs(), &outputs));
            }
        }
    }
    (found, left)
}

#[test]
fn templates_are_mapped_into_the_outputs() {
    let abstraction = Abstraction::default();
    for method in [Method::Backward(&abstraction), Method::Balanced(Balanced::default())] {
        for step in [Step::Own, Step::Layer] {
            let options = Options { step, ..Options::default() };
            let (found, left) = leaves(&method, &options, 0..120);
            assert!(found > 1000, "only {found} values");
            assert_eq!(left, 0, "of {found}, {method:?}");
        }
    }
}

/// The same law finds what is wrong with templates that reach too far.
#[test]
fn too_wide_templates_are_found_out() {
    struct Twice(Abstraction);
    impl nncert_milp::quadapter::UnderPreimage for Twice {
        fn scaling(
            &self,
            image: &nncert_milp::quadapter::Image<'_>,
            scratch: &mut nncert_bounds::Scratch,
            watch: &nncert_milp::Watch<'_>,
        ) -> Result<nncert_milp::quadapter::Scaling, nncert_milp::quadapter::SynthesisError>
        {
            use nncert_milp::quadapter::Scaling;
            Ok(match self.0.scaling(image, scratch, watch)? {
                Scaling::Found(scale) => Scaling::Found(2.0 * scale),
                other => other,
            })
        }
    }
    let twice = Twice(Abstraction::default());
    let (found, left) = leaves(&Method::Backward(&twice), &Options::default(), 0..120);
    assert!(left > 0, "none of {found} values left");
}

/// Whether a verdict about containment is wrong at some input: an end of an element, exactly and
/// after ReLU, beyond that of the template.
fn is_wrong(
    inside: &[[bool; 2]],
    preimage: &Preimage,
    element: &[Envelope],
    region: &Region,
    rng: &mut impl Rng,
) -> bool {
    (0..40).any(|_| {
        let mut x = region.sample(rng);
        for (x, at) in x.iter_mut().zip(0..) {
            let ends = region.interval(at);
            // Corners, half of the time.
            match rng.random_range(0..4) {
                0 => *x = ends.lower,
                1 => *x = ends.upper,
                _ => {}
            }
        }
        let neurons = element.iter().zip(&preimage.element).zip(inside);
        neurons.enumerate().any(|(at, ((inner, outer), [low, high]))| {
            // The exact difference is outside for sure.
            let (a, b) = (inner.lower.at(&x), outer.lower.at(&x));
            let below = add_up(sub_up(a.upper, b.lower), preimage.below[at]);
            let below = below < 0.0 && sub_down(b.lower, preimage.below[at]) > 0.0;
            let (a, b) = (inner.upper.at(&x), outer.upper.at(&x));
            let above = sub_down(sub_down(a.lower, b.upper), preimage.above[at]);
            let above = above > 0.0 && a.lower > 0.0;
            (*low && below) || (*high && above)
        })
    })
}

#[test]
fn containment_holds_and_a_broken_one_does_not() {
    let (mut contained, mut broken) = (0, 0);
    for seed in 0..150 {
        let mut rng = rng(seed);
        let network = network(&mut rng, &[3, 5, 2]);
        let region = Region::new(vec![-0.3; 3], vec![0.4; 3]).unwrap();
        let first = Network::relu_mlp(vec![network.affine_layers().next().unwrap().clone()]);
        let first = first.unwrap();
        let strategy = Strategy::fitting(&first, &[u32::try_from(seed % 5).unwrap() + 1]).unwrap();
        let quantized = strategy.quantize(&first).unwrap();
        let element = crown(&quantized, &region).unwrap().outputs;
        let preimage = Preimage::scaled(crown(&first, &region).unwrap().outputs, Step::Own, 0.2);
        let inside = preimage.contains(&element, &region);
        contained += inside.iter().flatten().filter(|inside| **inside).count();
        assert!(!is_wrong(&inside, &preimage, &element, &region, &mut rng), "seed {seed}");
        // Broken by hand: only the middle of the region is looked at.
        let middle = Region::point(&region.centre()).unwrap();
        let wrong = preimage.contains(&element, &middle);
        broken += usize::from(is_wrong(&wrong, &preimage, &element, &region, &mut rng));
    }
    assert!(contained > 100 && broken > 10, "{contained} contained, {broken} found out");
}

/// With HiGHS: scalings are those of preimages, and none is smaller than by bounds alone.
#[cfg(feature = "highs")]
#[test]
fn mixed_integer_preimages_are_preimages() {
    use nncert_milp::Highs;
    use nncert_milp::quadapter::MixedInteger;
    let highs = Highs::default();
    let milp = MixedInteger::new(&highs);
    // A search that is cut short proves a bound as well.
    for nodes in [None, Some(1)] {
        let milp = MixedInteger { nodes, ..MixedInteger::new(&highs) };
        let (found, left) = leaves(&Method::Backward(&milp), &Options::default(), 0..60);
        assert!(found > 500 && left == 0, "{left} of {found}");
    }
    let abstraction = Abstraction::default();
    let mut larger = 0;
    for seed in 0..40 {
        let mut rng = rng(seed);
        let network = network(&mut rng, &[2, 4, 3]);
        let property = question(&mut rng, &network, 0.1);
        let scale = |method: &Method<'_>| {
            let found = find_preimages(&network, &property, method, &Options::default()).unwrap();
            found.map_or(0.0, |preimages| preimages[0].scale)
        };
        let (by_bounds, by_model) =
            (scale(&Method::Backward(&abstraction)), scale(&Method::Backward(&milp)));
        assert!(by_model >= by_bounds, "seed {seed}: {by_model} below {by_bounds}");
        larger += usize::from(by_model > 1.05 * by_bounds);
    }
    assert!(larger > 0, "models find nothing that bounds do not");
}

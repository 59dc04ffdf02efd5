//! Planted counterexamples: a value that only a narrow place of the region takes, which no
//! sample finds, and which no bound may exclude.
//!
//! The idea is SoundnessBench's. A bump of some `2^-20` of a side of the region is built
//! into random layers around it, so that what is known of the network is one point: there
//! it takes a value that it takes nowhere else by far.
//!
//! ```text
//! bump(x) = h · ReLU(1 - Σ_i |x_i - p_i| / w),   |t| = ReLU(t) + ReLU(-t)
//! ```
//!
//! # References
//!
//! X. Zhou et al., *SoundnessBench: A Soundness Benchmark for Neural Network Verifiers*,
//! 2024.

mod exact;

use exact::Claim;
use nalgebra::{DMatrix, DVector};
use nncert_bounds::{
    Agreement, AlphaOptions, Bisection, BoundedBox, BoundsError, DifferentialVerifier, Envelope,
    Limits, Verdict, alpha_crown, alpha_differential, crown, crown_ibp, crown_limited,
    differential, differential_limited, forward, interval,
};
use nncert_core::exact::{Dyadic, evaluate};
use nncert_core::{Activation, Affine, Interval, Layer, Network, PairedNetworks, Region, Residual};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ALPHA: AlphaOptions = AlphaOptions { iterations: 6, intermediate: 3, rate: 0.4, decay: 0.9 };

/// A pair that differs by a bump, on a region, and the point at which the bump is highest.
#[derive(Clone, Debug)]
struct Planted {
    /// With the bump and without it.
    pair: PairedNetworks,
    region: Region,
    point: Vec<f64>,
    /// What the bump adds to output 0 there.
    height: f64,
}

/// How the bump meets the rest of the network.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The copy has no bump: its weight is 0.
    Missing,
    /// The copy has its bump elsewhere.
    Moved,
    /// The copy has one upside down.
    Turned,
}

/// Where a bump is, in which of the layers' neurons, and how high.
struct Bump<'a> {
    point: &'a [f64],
    width: f64,
    height: f64,
}

/// Layers of some neurons beside those of a bump: `2 n` for `|x_i - p_i|`, one for the
/// bump, one that carries it on.
fn network(bump: &Bump<'_>, around: &[Affine], residual: bool) -> Network {
    let inputs = bump.point.len();
    let mut layers: Vec<Layer> = Vec::new();
    for (index, layer) in around.iter().enumerate() {
        let last = index + 1 == around.len();
        let (rows, columns) = layer.weight.shape();
        let (above, left) = match index {
            0 => (2 * inputs, 0),
            1 => (1, 2 * inputs),
            _ if last => (0, 1),
            _ => (1, 1),
        };
        let mut weight = DMatrix::zeros(above + rows, left + columns);
        let mut bias = DVector::zeros(above + rows);
        weight.view_mut((above, left), (rows, columns)).copy_from(&layer.weight);
        bias.rows_mut(above, rows).copy_from(&layer.bias);
        match index {
            0 => {
                for input in 0..inputs {
                    for (row, sign) in [(2 * input, 1.0), (2 * input + 1, -1.0)] {
                        weight[(row, input)] = sign;
                        bias[row] = -sign * bump.point[input];
                    }
                }
            }
            1 => {
                weight.view_mut((0, 0), (1, 2 * inputs)).fill(-1.0 / bump.width);
                bias[0] = 1.0;
            }
            _ if last => weight[(0, 0)] = bump.height,
            _ => weight[(0, 0)] = 1.0,
        }
        let affine = Affine::new(weight, bias);
        let square = affine.weight.nrows() == affine.weight.ncols();
        if residual && square && index > 1 {
            // `W x = x + (W - I) x`: the bump passes by the shortcut.
            let n = affine.weight.nrows();
            let body = Affine::new(&affine.weight - DMatrix::identity(n, n), affine.bias);
            layers.push(Residual { body: vec![body.into()], shortcut: vec![] }.into());
        } else {
            layers.push(affine.into());
        }
        if !last {
            layers.push(Activation::Relu.into());
        }
    }
    Network::new(inputs, layers).expect("the shapes fit")
}

fn planted() -> impl Strategy<Value = Planted> {
    let kind = prop_oneof![Just(Kind::Missing), Just(Kind::Moved), Just(Kind::Turned)];
    let shape = (1usize..=4, 1usize..=8, 3usize..=5, any::<bool>());
    (shape, kind, -24i32..=-12, 0i32..=6, any::<u64>().no_shrink()).prop_map(
        |((inputs, width, depth, residual), kind, narrow, high, seed)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let centre: Vec<f64> = (0..inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
            let ends = centre.iter().map(|c| (c - rng.random_range(0.1..1.0), c + 0.5));
            let (lower, upper): (Vec<f64>, Vec<f64>) = ends.unzip();
            let region = Region::new(lower, upper).expect("ends are in order");
            let mut draw = || -> Vec<f64> {
                let inside = |i: usize, rng: &mut ChaCha8Rng| {
                    let Interval { lower, upper } = region.interval(i);
                    rng.random_range(lower..upper)
                };
                (0..inputs).map(|i| inside(i, &mut rng)).collect()
            };
            let (point, elsewhere) = (draw(), draw());
            let widths: Vec<usize> =
                (0..=depth).map(|k| if k == 0 { inputs } else { width }).collect();
            let layer = |w: &[usize]| {
                let scale = 1.0 / (w[0] as f64).sqrt();
                let mut number = || scale * rng.random_range(-1.0..1.0);
                let weight = DMatrix::from_fn(w[1], w[0], |_, _| number());
                Affine::new(weight, DVector::from_fn(w[1], |_, _| number()))
            };
            let around: Vec<Affine> = widths.windows(2).map(layer).collect();
            let (width, height) = (f64::from(narrow).exp2(), f64::from(high).exp2());
            let f = Bump { point: &point, width, height };
            let g = match kind {
                Kind::Missing => Bump { height: 0.0, ..f },
                Kind::Moved => Bump { point: &elsewhere, ..f },
                Kind::Turned => Bump { height: -height, ..f },
            };
            let networks = [&f, &g].map(|bump| network(bump, &around, residual));
            let pair = PairedNetworks::new(&networks[0], &networks[1]).expect("equal shapes");
            Planted { pair, region, point: point.clone(), height }
        },
    )
}

fn accept<T>(result: Result<T, BoundsError>) -> T {
    result.expect("numbers are small and every layer is supported")
}

/// Whether bounds and forms hold at the point for its exact values.
fn holds(values: &[Dyadic], envelopes: &[Envelope], x: &[f64]) -> bool {
    let x: Vec<Dyadic> = x.iter().map(|x| exact::dyadic(*x)).collect();
    let holds = |(value, envelope): (&Dyadic, &Envelope)| {
        Claim::Envelope(envelope.clone()).holds(&x, value)
    };
    values.iter().zip(envelopes).all(holds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_pass_excludes_a_planted_value(planted in planted()) {
        let Planted { pair, region, point, height } = &planted;
        let (f, g) = (pair.original(), pair.compressed());
        prop_assert!(region.contains(point));
        let [f_x, g_x] = [f, g].map(|network| evaluate(network, point).unwrap());
        let delta: Vec<Dyadic> = f_x.iter().zip(&g_x).map(|(f, g)| f - g).collect();
        // The bump is there, and a sample does not see it.
        let size = delta[0].compare(0.9 * height);
        prop_assert!(size.unwrap().is_ge());
        let centre = region.centre();
        let far = f.evaluate(&centre).unwrap()[0] - g.evaluate(&centre).unwrap()[0];
        prop_assert!(far.abs() < 1e-6 * height);

        for (network, values) in [(f, &f_x), (g, &g_x)] {
            let ibp = accept(interval(network, region));
            prop_assert!(values.iter().zip(&ibp).all(|(v, ibp)| v.is_within(*ibp)), "interval");
            for (name, bounds) in [
                ("crown", crown(network, region)),
                ("crown_ibp", crown_ibp(network, region)),
                ("crown_limited", crown_limited(network, region, 2)),
                ("alpha_crown", alpha_crown(network, region, &ALPHA)),
            ] {
                prop_assert!(holds(values, &accept(bounds).outputs, point), "{}", name);
            }
        }
        for (name, bounds) in [
            ("differential", differential(pair, region)),
            ("differential_limited", differential_limited(pair, region, 2)),
            ("alpha_differential", alpha_differential(pair, region, &ALPHA)),
        ] {
            let bounds = accept(bounds);
            prop_assert!(holds(&delta, &bounds.outputs, point), "{}", name);
            let within = |values: &[Dyadic], bounds: &[Interval]| {
                values.iter().zip(bounds).all(|(value, bounds)| value.is_within(*bounds))
            };
            prop_assert!(within(&f_x, &bounds.original), "{} of f", name);
            prop_assert!(within(&g_x, &bounds.compressed), "{} of f'", name);
        }
        // Chains alone.
        if let Ok(bounds) = forward(pair, region) {
            prop_assert!(holds(&delta, &bounds.outputs, point), "forward");
        }
    }

    /// The box that holds the point, cut again and again.
    #[test]
    fn no_half_excludes_a_planted_value(planted in planted()) {
        let Planted { pair, region, point, .. } = &planted;
        let value = |network| evaluate(network, point).unwrap()[0].clone();
        let (f_x, g_x) = (value(pair.original()), value(pair.compressed()));
        let delta = &f_x - &g_x;
        let (mut bisection, mut here) = accept(Bisection::new(pair, region, &[0]));
        for _ in 0..40 {
            prop_assert!(holds(std::slice::from_ref(&delta), &here.bounds.outputs, point));
            prop_assert!(f_x.is_within(here.bounds.original[0]));
            prop_assert!(g_x.is_within(here.bounds.compressed[0]));
            let halves = accept(bisection.halve(&[&here])).remove(0);
            let holds = |half: &BoundedBox| half.bounds.region.contains(point);
            let half = halves.into_iter().find(holds);
            here = half.expect("halves make up the whole");
        }
    }

    /// With and without an attack that is lucky: never certified.
    #[test]
    fn the_verifier_does_not_certify_a_planted_value_away(planted in planted(), share in 0.5..0.89f64) {
        let Planted { pair, region, height, .. } = &planted;
        let property = Agreement::within(share * height).of_output(0).into();
        let limits = Limits { boxes: 200, time: None };
        let report = DifferentialVerifier { property, limits }.verify(pair, region).unwrap();
        prop_assert_ne!(&report.verdict, &Verdict::Certified);
        prop_assert!(report.epsilon >= 0.9 * height);
    }
}

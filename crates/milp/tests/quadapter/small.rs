//! Networks that are small enough to look at closely.

use core::cmp::Ordering;

use nalgebra::{DMatrix, DVector};
use nncert_core::{Affine, Domain, Network, Region, exact};
use nncert_milp::quadapter::{HalfSpace, Outputs, Property};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn uniform(rng: &mut impl Rng, reach: f64) -> f64 {
    let share: f64 = rng.random();
    reach * (2.0 * share - 1.0)
}

pub(crate) fn affine(rng: &mut impl Rng, outputs: usize, inputs: usize) -> Affine {
    let weight = DMatrix::from_fn(outputs, inputs, |_, _| uniform(rng, 1.5));
    Affine::new(weight, DVector::from_fn(outputs, |_, _| uniform(rng, 0.5)))
}

/// A network with layers of these widths.
pub(crate) fn network(rng: &mut impl Rng, widths: &[usize]) -> Network {
    let layers = widths.windows(2).map(|pair| affine(rng, pair[1], pair[0]));
    Network::relu_mlp(layers.collect()).unwrap()
}

/// The class of a random point stays in a small ball around it.
pub(crate) fn question(rng: &mut impl Rng, network: &Network, radius: f64) -> Property {
    let centre: Vec<f64> = (0..network.inputs()).map(|_| rng.random()).collect();
    let class = network.evaluate(&centre).unwrap().argmax().0;
    let ball = Region::linf_ball(&centre, radius, &Domain::unit()).unwrap();
    Property::same_class(ball, network.outputs(), class).unwrap()
}

/// All points of a grid over a box, corners included.
pub(crate) fn grid(region: &Region, steps: usize) -> Vec<Vec<f64>> {
    let mut all = vec![Vec::new()];
    for at in 0..region.dimension() {
        let x = region.interval(at);
        let value = |step: usize| {
            let share = step as f64 / steps as f64;
            (x.lower + (x.upper - x.lower) * share).clamp(x.lower, x.upper)
        };
        let longer = |point: &Vec<f64>| {
            (0..=steps).map(|step| [point.as_slice(), &[value(step)]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

/// Whether exact values are outputs of a property.
pub(crate) fn satisfied(outputs: &Outputs, values: &[exact::Dyadic]) -> bool {
    let holds = |row: &HalfSpace| {
        let value = exact::dot(&row.coefficients, values, -row.bound).unwrap();
        match value.compare(0.0).unwrap() {
            Ordering::Greater => true,
            Ordering::Equal => !row.strict,
            Ordering::Less => false,
        }
    };
    match outputs {
        Outputs::All(rows) => rows.iter().all(holds),
        Outputs::Any(rows) => rows.iter().any(holds),
        _ => unreachable!("two kinds"),
    }
}

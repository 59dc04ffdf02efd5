//! Copies that lack neurons: wide enough for blocks in place of matrices, and for rows in
//! several parts.

mod exact;

use nalgebra::{DMatrix, DVector};
use nncert_core::{Affine, Network, PairedNetworks, Region, compress};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// More unstable neurons than one part takes.
const WIDTH: usize = 320;
const INPUTS: usize = 6;

fn network(random: &mut ChaCha8Rng) -> Network {
    let mut affine = |outputs: usize, inputs: usize| {
        let scale = (2.0 / inputs as f64).sqrt();
        let mut entry = || random.random_range(-scale..scale);
        let weight = DMatrix::from_fn(outputs, inputs, |_, _| entry());
        Affine::new(weight, DVector::from_fn(outputs, |_, _| 0.1 * entry()))
    };
    let layers =
        vec![affine(WIDTH, INPUTS), affine(WIDTH, WIDTH), affine(WIDTH, WIDTH), affine(3, WIDTH)];
    Network::relu_mlp(layers).unwrap()
}

/// A network and its copy without some neurons of every hidden layer.
fn pruned(random: &mut ChaCha8Rng, share: f64) -> PairedNetworks {
    let network = network(random);
    let removed: Vec<Vec<usize>> =
        (0..3).map(|_| (0..WIDTH).filter(|_| random.random_bool(share)).collect()).collect();
    compress::remove_neurons(&network, &removed).unwrap().pair(&network).unwrap()
}

fn region(random: &mut ChaCha8Rng, radius: f64) -> Region {
    let centre: Vec<f64> = (0..INPUTS).map(|_| random.random_range(-1.0..1.0)).collect();
    let ends = |sign: f64| centre.iter().map(|x| x + sign * radius).collect();
    Region::new(ends(-1.0), ends(1.0)).unwrap()
}

#[test]
fn bounds_of_pruned_copies_hold() {
    let random = &mut ChaCha8Rng::seed_from_u64(7);
    for (share, radius) in [(0.05, 0.3), (0.2, 0.05), (0.6, 0.3)] {
        let pair = pruned(random, share);
        let region = region(random, radius);
        let mut points = exact::corners(&region);
        points.extend((0..3).map(|_| {
            let ends = region.lower().iter().zip(region.upper());
            ends.map(|(low, high)| random.random_range(*low..=*high)).collect()
        }));
        assert_eq!(exact::violation(&pair, &region, points), None, "{share}");
    }
}

/// Parts are the same whatever the threads, and so are the bits.
#[cfg(feature = "rayon")]
#[test]
fn threads_do_not_change_bounds() {
    use nncert_bounds::{crown, differential};

    let random = &mut ChaCha8Rng::seed_from_u64(8);
    let (pair, region) = (pruned(random, 0.1), region(random, 0.3));
    let bounds = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run =
            || (differential(&pair, &region).unwrap(), crown(pair.original(), &region).unwrap());
        pool.install(run)
    };
    let (one, three) = (bounds(1), bounds(3));
    let rows = one.1.pre_activations[1].iter();
    let unstable = rows.filter(|x| x.lower < 0.0 && x.upper > 0.0).count();
    assert!(unstable > 256, "one part only: {unstable} unstable neurons");
    assert_eq!(one, three);
}

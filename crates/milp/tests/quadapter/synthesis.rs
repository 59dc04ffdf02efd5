//! Strategies that come out are right: by enumeration over grids, exactly; and backdoors.

use nalgebra::{DMatrix, DVector};
use nncert_core::{Affine, Interval, Network, exact};
use nncert_milp::quadapter::{
    Abstraction, Backdoor, BackdoorLevels, BackdoorOutcome, Balanced, Method, Options, Outcome,
    Trigger, synthesize, synthesize_backdoor_free,
};
use rand::RngExt;

use crate::small::{grid, network, question, rng, satisfied};

#[test]
fn strategies_are_right_on_a_grid() {
    let abstraction = Abstraction::default();
    let (mut solved, mut fewer) = (0, 0);
    for seed in 0..80 {
        let mut rng = rng(seed);
        let widths = if seed % 2 == 0 { vec![2, 4, 3] } else { vec![2, 3, 3, 3] };
        let network = network(&mut rng, &widths);
        let property = question(&mut rng, &network, 0.03);
        let mut bits = Vec::new();
        for method in [Method::Backward(&abstraction), Method::Balanced(Balanced::default())] {
            for options in [Options::default(), Options::quarter(), Options::relaxed()] {
                let end = synthesize(&network, &property, &method, &options).unwrap();
                let Outcome::Certified { strategy, .. } = end.outcome else { continue };
                solved += 1;
                bits.push(strategy.mean_bits());
                let fractions = strategy.fractions();
                let least = i32::try_from(options.least_fraction).unwrap();
                assert!(fractions.into_iter().all(|fraction| (least..=16).contains(&fraction)));
                let quantized = strategy.quantize(&network).unwrap();
                for x in grid(property.inputs().bounding_box(), 8) {
                    let outputs = exact::evaluate(&quantized, &x).unwrap();
                    assert!(satisfied(property.outputs(), &outputs), "seed {seed} at {x:?}");
                }
            }
        }
        fewer += usize::from(bits.windows(2).any(|pair| pair[0] != pair[1]));
    }
    assert!(solved > 200 && fewer > 0, "{solved} solved");
}

/// What is found without going back is found with it, and more.
#[test]
fn a_bit_more_before_makes_room_behind() {
    let abstraction = Abstraction::default();
    let method = Method::Backward(&abstraction);
    let (mut same, mut more) = (0, 0);
    for seed in 0..400 {
        let mut rng = rng(seed);
        let network = network(&mut rng, &[2, 3, 3, 3]);
        let property = question(&mut rng, &network, 0.03);
        let plain = Options { most_fraction: 5, ..Options::default() };
        let back = Options { backtracks: 6, ..plain };
        let strategy = |options: &Options| {
            let end = synthesize(&network, &property, &method, options).unwrap();
            end.outcome.strategy().cloned()
        };
        match (strategy(&plain), strategy(&back)) {
            (Some(plain), back) => {
                same += 1;
                assert_eq!(Some(plain), back, "seed {seed}");
            }
            (None, back) => more += usize::from(back.is_some()),
        }
    }
    assert!(same > 100 && more > 0, "{same} found by both, {more} by going back");
}

/// Images of 3 by 3 pixels, and a network that counts the bright ones below the first row.
fn counter(weight_of_the_first_row: f64) -> Network {
    let row = |pixel: usize| if pixel < 3 { weight_of_the_first_row } else { 1.0 / 3.0 };
    let first = Affine::new(
        DMatrix::from_fn(2, 9, |neuron, pixel| if neuron == 0 { row(pixel) } else { -row(pixel) }),
        DVector::from_vec(vec![0.0, 1.0]),
    );
    let last = Affine::new(
        DMatrix::from_row_slice(2, 2, &[1.0, -1.0, -1.0, 1.0]),
        DVector::from_vec(vec![0.0, 0.0]),
    );
    Network::relu_mlp(vec![first, last]).unwrap()
}

#[test]
fn backdoors_are_told_from_none() {
    let trigger = Trigger::new([1, 3, 3], [1, 3], [0, 0]).unwrap();
    let backdoor = Backdoor { trigger, range: Interval::new(0.0, 1.0), target: 1 };
    let abstraction = Abstraction::default();
    let method = Method::Backward(&abstraction);
    let options = Options { least_fraction: 2, ..Options::default() };
    let levels = BackdoorLevels { set: 2, success_rate: 0.8, ..BackdoorLevels::default() };
    let run = |network: &Network| {
        let mut rng = rng(5);
        // Bright images: the class is 0.
        let mut draw = || (0..9).map(|_| 0.5 + 0.5 * rng.random::<f64>()).collect::<Vec<f64>>();
        synthesize_backdoor_free(network, &backdoor, &levels, &mut draw, (&method, &options))
            .unwrap()
    };
    // The stamped row hardly counts.
    let network = counter(0.05);
    let BackdoorOutcome::Found { strategy, design, confirmation } = run(&network) else {
        panic!("no strategy was found");
    };
    assert!(design.accepted && confirmation.accepted && confirmation.safe > 5);
    assert!(confirmation.to_string().contains("makes class 1"), "{confirmation}");
    // What the confirmation says of an image holds for stamps on a grid.
    let quantized = strategy.quantize(&network).unwrap();
    let mut rng = rng(6);
    let image: Vec<f64> = (0..9).map(|_| 0.75 + 0.25 * rng.random::<f64>()).collect();
    let property = backdoor.property(&image, 2).unwrap();
    let stamps = nncert_core::Region::new(vec![0.0; 3], vec![1.0; 3]).unwrap();
    for stamp in grid(&stamps, 4) {
        let x = [&stamp[..], &image[3..]].concat();
        let outputs = exact::evaluate(&quantized, &x).unwrap();
        assert!(satisfied(property.outputs(), &outputs));
    }
    // The stamped row decides everything.
    assert!(matches!(run(&counter(-2.0)), BackdoorOutcome::NotAccepted(_)));
}

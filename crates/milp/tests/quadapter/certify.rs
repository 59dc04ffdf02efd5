//! `certify`: whatever it says is so in exact arithmetic, at every point that is tried.

use nncert_core::{exact, strategies};
use nncert_milp::quadapter::{
    CertifyOptions, HalfSpace, Inputs, Outputs, Property, Verdict, certify, falsify,
};
use proptest::prelude::*;

use crate::small::satisfied;

fn half_space(length: usize, reach: f64) -> impl Strategy<Value = HalfSpace> {
    let numbers = proptest::collection::vec(-reach..reach, length);
    (numbers, -reach..reach, any::<bool>()).prop_map(|(coefficients, bound, strict)| HalfSpace {
        coefficients,
        bound,
        strict,
    })
}

#[derive(Clone, Debug)]
struct Asked {
    network: nncert_core::Network,
    property: Property,
    points: Vec<Vec<f64>>,
}

fn asked() -> impl Strategy<Value = Asked> {
    strategies::pair_region_and_points(1..=3, 1..=5, 12)
        .prop_flat_map(|(pair, region, points)| {
            let network = pair.original().clone();
            let (inputs, outputs) = (network.inputs(), network.outputs());
            let cuts = proptest::collection::vec(half_space(inputs, 1.0), 0..=2);
            let rows = proptest::collection::vec(half_space(outputs, 2.0), 1..=4);
            (Just((network, region, points)), cuts, rows, any::<bool>(), 0..3usize)
        })
        .prop_filter_map("no inputs", |((network, region, points), cuts, mut rows, all, at)| {
            // Bounds that are reached at one of the points: they decide by little.
            let middle = network.evaluate(&points[at]).ok()?;
            for row in &mut rows {
                let value: f64 = row.coefficients.iter().zip(&middle).map(|(c, y)| c * y).sum();
                row.bound += if value.is_finite() && value.abs() < 1e90 { value } else { 0.0 };
            }
            let inputs = Inputs::polyhedron(region, cuts).ok()?;
            let outputs = if all { Outputs::All(rows) } else { Outputs::Any(rows) };
            let property = Property::new(inputs, network.outputs(), outputs).ok()?;
            Some(Asked { network, property, points })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn verdicts_hold_exactly(asked in asked()) {
        let Asked { network, property, points } = asked;
        let Ok(end) = certify(&network, &property, &CertifyOptions::default()) else {
            return Ok(());
        };
        match end.verdict {
            Verdict::Certified(_) => {
                prop_assert_eq!(falsify(&network, &property, 5).unwrap(), None);
                for x in points.iter().filter(|x| property.inputs().contains(x)) {
                    let values = exact::evaluate(&network, x).unwrap();
                    prop_assert!(satisfied(property.outputs(), &values));
                }
            }
            Verdict::Falsified(witness) => {
                prop_assert!(property.inputs().contains(&witness.input));
                let values = exact::evaluate(&network, &witness.input).unwrap();
                prop_assert!(!satisfied(property.outputs(), &values));
            }
            Verdict::Unknown(_) => {}
        }
        for x in points.iter().filter(|x| property.inputs().contains(x)) {
            let values = exact::evaluate(&network, x).unwrap();
            for (row, least) in property.outputs().rows().iter().zip(&end.least) {
                let value = exact::dot(&row.coefficients, &values, -row.bound).unwrap();
                prop_assert!(value.compare(*least).unwrap().is_ge());
            }
        }
    }

    /// A polyhedron in a box loses no point, and the least value of a form on it is none above one.
    #[test]
    fn polyhedra_hold_their_points(
        cuts in proptest::collection::vec(half_space(3, 1.0), 1..=3),
        form in half_space(3, 1.0),
        points in proptest::collection::vec(proptest::collection::vec(-1.0..1.0f64, 3), 40),
    ) {
        let unit = nncert_core::Region::new(vec![-1.0; 3], vec![1.0; 3]).unwrap();
        let made = Inputs::polyhedron(unit, cuts.clone());
        let dyadic = |x: &Vec<f64>| -> Vec<exact::Dyadic> {
            x.iter().map(|x| exact::Dyadic::from_f64(*x).unwrap()).collect()
        };
        let inside = |x: &Vec<f64>| satisfied(&Outputs::All(cuts.clone()), &dyadic(x));
        for x in points.iter().filter(|x| inside(x)) {
            let inputs = made.as_ref().expect("it has a point");
            prop_assert!(inputs.bounding_box().contains(x));
            let least = inputs.least(&form.form());
            let value = exact::dot(&form.coefficients, &dyadic(x), -form.bound).unwrap();
            prop_assert!(value.compare(least).unwrap().is_ge());
        }
    }
}

/// One of several inequalities holds everywhere, and none of them does.
#[test]
fn a_mean_shows_what_no_row_shows() {
    use nalgebra::{dmatrix, dvector};
    use nncert_core::{Affine, Network, Region};
    // y = (x, -x): one of y_0 > -0.1 and y_1 > -0.1 holds for every x.
    let layer = Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]);
    let network = Network::relu_mlp(vec![layer]).unwrap();
    let above = |coefficients: [f64; 2], bound| HalfSpace {
        coefficients: coefficients.to_vec(),
        bound,
        strict: true,
    };
    let region = || Inputs::region(Region::new(vec![-1.0], vec![1.0]).unwrap());
    let property = |bound| {
        let rows = vec![above([1.0, 0.0], bound), above([0.0, 1.0], bound)];
        Property::new(region(), 2, Outputs::Any(rows)).unwrap()
    };
    let certified = certify(&network, &property(-0.1), &CertifyOptions::default()).unwrap();
    assert!(matches!(certified.verdict, Verdict::Certified(_)), "{certified}");
    let open = certify(&network, &property(0.0), &CertifyOptions::default()).unwrap();
    assert!(!matches!(open.verdict, Verdict::Certified(_)), "{open}");
}

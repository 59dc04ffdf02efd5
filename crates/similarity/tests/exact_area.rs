//! Probabilities against the exact areas of polygons, in rational arithmetic.
//!
//! With two inputs, the region falls into polygons on which both networks are affine.
//! Their parts where the outputs agree have areas that are rational numbers.

use nalgebra::{DMatrix, DVector};
use nncert_core::{Affine, Network, PairedNetworks, Region};
use nncert_similarity::{
    BranchOptions, Method, Outputs, Probability, Propagation, Tail, branch_and_bound,
    probability_interval, top_one_probability,
};
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use proptest::prelude::*;

type Number = BigRational;
type Polygon = Vec<[Number; 2]>;

fn number(value: f64) -> Number {
    BigRational::from_float(value).expect("finite")
}

/// `a x + b y + c`.
#[derive(Clone)]
struct Plane([Number; 3]);

impl Plane {
    fn zero() -> Self {
        Self([Number::zero(), Number::zero(), Number::zero()])
    }

    fn at(&self, [x, y]: &[Number; 2]) -> Number {
        &self.0[0] * x + &self.0[1] * y + &self.0[2]
    }

    fn minus(&self, other: &Self) -> Self {
        Self([0, 1, 2].map(|i| &self.0[i] - &other.0[i]))
    }

    /// `sign · self + constant`.
    fn scaled(&self, sign: f64, constant: f64) -> Self {
        let [a, b, c] = self.0.clone().map(|value| value * number(sign));
        Self([a, b, c + number(constant)])
    }

    fn is_zero(&self) -> bool {
        self.0.iter().all(Zero::is_zero)
    }
}

/// The part of a polygon where `plane ≥ 0` (Sutherland and Hodgman).
fn clip(polygon: &Polygon, plane: &Plane) -> Polygon {
    let mut kept = Polygon::new();
    for (index, to) in polygon.iter().enumerate() {
        let from = &polygon[(index + polygon.len() - 1) % polygon.len()];
        let (before, after) = (plane.at(from), plane.at(to));
        if before.is_negative() != after.is_negative() && !before.is_zero() && !after.is_zero() {
            let share = &before / (&before - &after);
            kept.push([0, 1].map(|i| &from[i] + &share * (&to[i] - &from[i])));
        }
        if !after.is_negative() {
            kept.push(to.clone());
        }
    }
    kept
}

/// Twice the area.
fn area(polygon: &Polygon) -> Number {
    let next = polygon.iter().cycle().skip(1);
    let cross = polygon.iter().zip(next).map(|(p, q)| &p[0] * &q[1] - &q[0] * &p[1]);
    cross.fold(Number::zero(), |sum, part| sum + part).abs()
}

/// A polygon on which both networks are affine, and their values there.
struct Piece {
    polygon: Polygon,
    values: [Vec<Plane>; 2],
}

fn affine(layer: &Affine, inputs: &[Plane]) -> Vec<Plane> {
    let row = |row: usize| {
        let start = Plane::zero().scaled(1.0, layer.bias[row]);
        inputs.iter().enumerate().fold(start, |sum, (column, input)| {
            let weight = number(layer.weight[(row, column)]);
            Plane([0, 1, 2].map(|i| &sum.0[i] + &weight * &input.0[i]))
        })
    };
    (0..layer.bias.len()).map(row).collect()
}

/// All pieces of a pair of ReLU networks with two inputs.
fn pieces(pair: &PairedNetworks, region: &Region) -> Vec<Piece> {
    let (low, high) = (region.lower(), region.upper());
    let corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])];
    let polygon = corners.map(|(x, y)| [number(x), number(y)]).to_vec();
    let (mut x, mut y) = (Plane::zero(), Plane::zero());
    (x.0[0], y.0[1]) = (number(1.0), number(1.0));
    let mut pieces = vec![Piece { polygon, values: [vec![x.clone(), y.clone()], vec![x, y]] }];
    let layers = [pair.original(), pair.compressed()]
        .map(|network| network.affine_layers().cloned().collect::<Vec<_>>());
    for depth in 0..layers[0].len() {
        for piece in &mut pieces {
            for (values, layers) in piece.values.iter_mut().zip(&layers) {
                *values = affine(&layers[depth], values);
            }
        }
        if depth + 1 == layers[0].len() {
            break;
        }
        for (network, layers) in layers.iter().enumerate() {
            for neuron in 0..layers[depth].bias.len() {
                pieces =
                    pieces.into_iter().flat_map(|piece| split(piece, network, neuron)).collect();
            }
        }
    }
    let whole = (number(high[0]) - number(low[0])) * (number(high[1]) - number(low[1]));
    let sum = pieces.iter().map(|piece| area(&piece.polygon)).fold(Number::zero(), |a, b| a + b);
    assert_eq!(sum, whole * number(2.0), "the pieces cover the region once");
    pieces
}

/// The two sides of a ReLU.
fn split(piece: Piece, network: usize, neuron: usize) -> Vec<Piece> {
    let plane = piece.values[network][neuron].clone();
    if plane.is_zero() {
        return vec![piece];
    }
    let side = |sign: f64| {
        let polygon = clip(&piece.polygon, &plane.scaled(sign, 0.0));
        let mut values = piece.values.clone();
        if sign < 0.0 {
            values[network][neuron] = Plane::zero();
        }
        Piece { polygon, values }
    };
    [1.0, -1.0].map(side).into_iter().filter(|piece| !area(&piece.polygon).is_zero()).collect()
}

/// `P(|δ| ≤ ε)` for the chosen outputs.
fn agreement(pieces: &[Piece], epsilon: f64, outputs: Outputs) -> Number {
    share(pieces, |piece| {
        let mut polygon = piece.polygon.clone();
        for (output, (f, g)) in piece.values[0].iter().zip(&piece.values[1]).enumerate() {
            if outputs.includes(output) {
                let delta = f.minus(g);
                polygon = clip(&polygon, &delta.scaled(-1.0, epsilon));
                polygon = clip(&polygon, &delta.scaled(1.0, epsilon));
            }
        }
        area(&polygon)
    })
}

/// `P(argmax f = argmax f')`.
fn same_class(pieces: &[Piece]) -> Number {
    share(pieces, |piece| {
        let classes = 0..piece.values[0].len();
        let of = |class: usize| {
            let mut polygon = piece.polygon.clone();
            for values in &piece.values {
                for other in (0..values.len()).filter(|&other| other != class) {
                    let margin = values[class].minus(&values[other]);
                    // Of equal ones the first is chosen.
                    if margin.is_zero() && other < class {
                        return Number::zero();
                    }
                    polygon = clip(&polygon, &margin);
                }
            }
            area(&polygon)
        };
        classes.map(of).fold(Number::zero(), |sum, part| sum + part)
    })
}

fn share(pieces: &[Piece], part: impl Fn(&Piece) -> Number) -> Number {
    let sum = |of: &dyn Fn(&Piece) -> Number| {
        pieces.iter().map(of).fold(Number::zero(), |sum, part| sum + part)
    };
    sum(&part) / sum(&|piece| area(&piece.polygon))
}

fn holds(lower: Probability, exact: &Number, upper: Probability) -> bool {
    number(lower.get()) <= *exact && *exact <= number(upper.get())
}

/// A network of two inputs, with so many neurons a layer, from small whole numbers.
fn network(widths: &[usize], numbers: &[i8]) -> Network {
    let mut numbers = numbers.iter().cycle().map(|n| f64::from(*n) / 16.0);
    let mut inputs = 2;
    let layers = widths.iter().map(|&outputs| {
        let weight = DMatrix::from_fn(outputs, inputs, |_, _| numbers.next().unwrap());
        let bias = DVector::from_fn(outputs, |_, _| numbers.next().unwrap() / 4.0);
        inputs = outputs;
        Affine::new(weight, bias)
    });
    Network::relu_mlp(layers.collect()).unwrap()
}

/// A pair of the same shape: near each other or not at all.
fn pair() -> impl Strategy<Value = PairedNetworks> {
    let widths = prop::collection::vec(1usize..=3, 1..=3);
    let numbers = || prop::collection::vec(-32i8..=32, 29);
    (widths, numbers(), numbers(), prop::bool::ANY).prop_map(|(widths, first, second, near)| {
        let nudged: Vec<i8> = first.iter().zip(&second).map(|(a, b)| a + (b % 3)).collect();
        let second = if near { nudged } else { second };
        PairedNetworks::new(&network(&widths, &first), &network(&widths, &second)).unwrap()
    })
}

fn region() -> impl Strategy<Value = Region> {
    let side = || {
        (-32i8..=32, 1i8..=64).prop_map(|(low, width)| {
            let low = f64::from(low) / 16.0;
            (low, low + f64::from(width) / 32.0)
        })
    };
    [side(), side()].prop_map(|[x, y]| Region::new(vec![x.0, y.0], vec![x.1, y.1]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_method_holds_the_exact_probability(
        pair in pair(), region in region(), scale in -3i32..3, one in prop::bool::ANY,
    ) {
        let pieces = pieces(&pair, &region);
        let size = nncert_bounds::differential(&pair, &region).unwrap().epsilon();
        let epsilon = size * f64::from(scale).exp2();
        let outputs = if one { Outputs::One(0) } else { Outputs::All };
        let exact = agreement(&pieces, epsilon, outputs);
        for propagation in [Propagation::Differential, Propagation::Forward] {
            for tail in Tail::ALL {
                let method = Method { propagation, tail, outputs };
                let found = probability_interval(&pair, &region, epsilon, method).unwrap();
                prop_assert!(holds(found.lower, &exact, found.upper), "{found} {exact}");
            }
        }
        let method = Method::default().with_outputs(outputs);
        for boxes in [3, 33, 257] {
            let options = BranchOptions { width: 0.0, boxes, ..BranchOptions::default() };
            let found = branch_and_bound(&pair, &region, epsilon, method, &options).unwrap();
            let interval = &found.interval;
            prop_assert!(holds(interval.lower, &exact, interval.upper), "{found} {exact}");
        }
    }

    #[test]
    fn the_class_is_the_same_with_the_exact_probability(pair in pair(), region in region()) {
        if pair.outputs() < 2 {
            return Ok(());
        }
        let exact = same_class(&pieces(&pair, &region));
        for boxes in [1, 9, 129] {
            for tail in [Tail::Exact, Tail::Best] {
                let options = BranchOptions { width: 0.0, boxes, ..BranchOptions::default() };
                let found = top_one_probability(&pair, &region, tail, &options).unwrap();
                prop_assert!(holds(found.lower, &exact, found.upper), "{found} {exact}");
            }
        }
    }
}

#[test]
fn branch_and_bound_comes_to_the_exact_probability() {
    // Both networks have kinks across the square.
    let numbers: Vec<i8> = (0..29).map(|i| ((i * 37 + 11) % 61) as i8 - 30).collect();
    let nudged: Vec<i8> = numbers.iter().enumerate().map(|(i, n)| n + (i % 5) as i8 - 2).collect();
    let widths = [3, 3, 2];
    let pair =
        PairedNetworks::new(&network(&widths, &numbers), &network(&widths, &nudged)).unwrap();
    let region = Region::new(vec![-1.0, -1.0], vec![1.0, 1.0]).unwrap();
    let pieces = pieces(&pair, &region);
    assert!(pieces.len() > 8, "{}", pieces.len());
    for epsilon in [0.0625, 0.125, 0.25] {
        let exact = agreement(&pieces, epsilon, Outputs::All);
        let options = BranchOptions { width: 1e-3, ..BranchOptions::default() };
        let found = branch_and_bound(&pair, &region, epsilon, Method::default(), &options).unwrap();
        let interval = &found.interval;
        assert!(holds(interval.lower, &exact, interval.upper), "{found} {exact}");
        assert!(interval.upper.get() - interval.lower.get() <= 1e-3, "{found}");
    }
}

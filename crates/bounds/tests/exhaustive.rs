//! The exact range of `f - f'` on a box, from all activation patterns, in rational arithmetic.
//!
//! The box is cut along the kink of every neuron of both networks. On each cell
//! that is left both networks are affine, so that what holds at its vertices
//! holds on all of it: these tests check whole regions, not samples.

mod exact;

use std::cell::Cell as Counter;

use exact::runner;
use nalgebra::{DMatrix, DVector};
use nncert_bounds::{AffineForm, crown, differential, forward, interval};
use nncert_core::{Activation, Affine, Interval, Layer, Network, PairedNetworks, Region};
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use proptest::collection::vec;
use proptest::prelude::*;

type Q = BigRational;

fn rational(value: f64) -> Q {
    Q::from_float(value).expect("a finite number")
}

/// A point of the box, and the values of both networks there as far as they have been evaluated.
#[derive(Clone)]
struct Vertex {
    x: Vec<Q>,
    /// Of `f`, of `f'`.
    values: [Vec<Q>; 2],
}

/// A convex polygon (or a segment) on which both networks are affine so far: its vertices in order.
type Cell = Vec<Vertex>;

/// Both networks on a box.
struct Exact {
    cells: Vec<Cell>,
    /// Whether a neuron of either network has inputs of both signs on the box.
    unstable: bool,
    /// The largest absolute value of any neuron of either network.
    size: Q,
}

impl Exact {
    fn of(pair: &PairedNetworks, region: &Region) -> Self {
        let mut this = Self { cells: vec![whole(region)], unstable: false, size: Q::one() };
        for (f, g) in pair.layers() {
            match (f, g) {
                (Layer::Affine(f), Layer::Affine(g)) => this.affine([f, g]),
                (Layer::Activation(Activation::Relu), _) => this.relu(),
                _ => unreachable!("the layers of a pair are of one kind"),
            }
        }
        this
    }

    fn affine(&mut self, layers: [&Affine; 2]) {
        for vertex in self.cells.iter_mut().flatten() {
            for (values, layer) in vertex.values.iter_mut().zip(layers) {
                *values = (0..layer.outputs())
                    .map(|row| dot(layer.weight.row(row).iter(), values, layer.bias[row]))
                    .collect();
                let largest = values.iter().map(Q::abs).max().expect("an output");
                self.size = largest.max(self.size.clone());
            }
        }
    }

    fn relu(&mut self) {
        for network in 0..2 {
            for neuron in 0..self.cells[0][0].values[network].len() {
                let at = |vertex: &Vertex| vertex.values[network][neuron].clone();
                let all = || self.cells.iter().flatten().map(at);
                self.unstable |= all().any(|v| v.is_negative()) && all().any(|v| v.is_positive());
                let cells = std::mem::take(&mut self.cells);
                for cell in cells {
                    let mut halves = split(cell, network, neuron);
                    for vertex in &mut halves[1] {
                        vertex.values[network][neuron] = Q::zero();
                    }
                    self.cells.extend(halves.into_iter().filter(|half| !half.is_empty()));
                }
            }
        }
    }

    fn vertices(&self) -> impl Iterator<Item = &Vertex> {
        self.cells.iter().flatten()
    }

    /// The least and the largest value of something affine.
    fn range(&self, value: impl Fn(&Vertex) -> Q) -> (Q, Q) {
        let values = || self.vertices().map(&value);
        (values().min().expect("a vertex"), values().max().expect("a vertex"))
    }
}

/// The box itself, in one or two dimensions.
fn whole(region: &Region) -> Cell {
    let ends = [region.lower(), region.upper()];
    let corners: &[&[usize]] = match region.dimension() {
        1 => &[&[0], &[1]],
        2 => &[&[0, 0], &[1, 0], &[1, 1], &[0, 1]],
        _ => unreachable!("one or two inputs"),
    };
    let vertex = |corner: &&[usize]| {
        let x: Vec<Q> = corner.iter().enumerate().map(|(i, end)| rational(ends[*end][i])).collect();
        Vertex { values: [x.clone(), x.clone()], x }
    };
    corners.iter().map(vertex).collect()
}

/// The parts of a cell on which a neuron is at least 0, and at most 0.
fn split(cell: Cell, network: usize, neuron: usize) -> [Cell; 2] {
    let at = |vertex: &Vertex| vertex.values[network][neuron].clone();
    let mut halves = [Vec::new(), Vec::new()];
    for (index, vertex) in cell.iter().enumerate() {
        let next = &cell[(index + 1) % cell.len()];
        let (here, there) = (at(vertex), at(next));
        if !here.is_negative() {
            halves[0].push(vertex.clone());
        }
        if !here.is_positive() {
            halves[1].push(vertex.clone());
        }
        if (&here * &there).is_negative() {
            let crossing = between(vertex, next, &(&here / (&here - &there)));
            halves.iter_mut().for_each(|half| half.push(crossing.clone()));
        }
    }
    // A cell that only touches the kink has one proper half.
    for (half, other) in [(0, 1), (1, 0)] {
        if halves[half].iter().all(|vertex| at(vertex).is_zero()) && !halves[other].is_empty() {
            halves[half].clear();
        }
    }
    halves
}

/// The point that is `share` of the way from one vertex to another.
fn between(a: &Vertex, b: &Vertex, share: &Q) -> Vertex {
    let mix = |a: &[Q], b: &[Q]| -> Vec<Q> {
        a.iter().zip(b).map(|(a, b)| a * (Q::one() - share) + b * share).collect()
    };
    Vertex {
        x: mix(&a.x, &b.x),
        values: [mix(&a.values[0], &b.values[0]), mix(&a.values[1], &b.values[1])],
    }
}

fn dot<'a>(weights: impl Iterator<Item = &'a f64>, values: &[Q], constant: f64) -> Q {
    weights.zip(values).fold(rational(constant), |sum, (w, v)| sum + rational(*w) * v)
}

fn form(form: &AffineForm, x: &[Q]) -> Q {
    dot(form.coefficients.iter(), x, form.constant)
}

fn encloses(bounds: Interval, (least, most): &(Q, Q)) -> bool {
    rational(bounds.lower) <= *least && rational(bounds.upper) >= *most
}

/// Whether the bounds are the range up to `10^-12` of the size of the neurons.
fn equals(bounds: Interval, (least, most): &(Q, Q), size: &Q) -> bool {
    let close = |a: &Q, b: f64| (a - rational(b)).abs() <= rational(1e-12) * size;
    close(least, bounds.lower) && close(most, bounds.upper)
}

/// Pairs with one or two inputs, small integer weights and a copy that is off by quarters.
fn tiny() -> impl Strategy<Value = (PairedNetworks, Region)> {
    let layer = |inputs: usize, outputs: usize| {
        let entries = outputs * (inputs + 1);
        let change = prop_oneof![4 => Just(0.0), 1 => (-4i32..=4).prop_map(|k| f64::from(k) / 4.0)];
        (vec(-3i32..=3, entries), vec(change, entries)).prop_map(move |(integers, changes)| {
            let original: Vec<f64> = integers.into_iter().map(f64::from).collect();
            let copy: Vec<f64> = original.iter().zip(&changes).map(|(w, c)| w + c).collect();
            let affine = |entries: &[f64]| {
                let (weight, bias) = entries.split_at(outputs * inputs);
                Affine::new(
                    DMatrix::from_row_slice(outputs, inputs, weight),
                    DVector::from_column_slice(bias),
                )
            };
            (affine(&original), affine(&copy))
        })
    };
    let widths = (1usize..=2, vec(1usize..=3, 1..=2), 1usize..=2);
    widths
        .prop_flat_map(move |(inputs, hidden, outputs)| {
            let mut widths = vec![inputs];
            widths.extend(hidden);
            widths.push(outputs);
            let layers: Vec<_> = widths.windows(2).map(|w| layer(w[0], w[1])).collect();
            // Halves of integers: neurons are often exactly 0 at a corner.
            (layers, vec((-4i32..=4, 0i32..=4), inputs))
        })
        .prop_map(|(layers, ends)| {
            let (original, copy): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
            let network = |layers| Network::relu_mlp(layers).expect("the widths fit");
            let pair = PairedNetworks::new(&network(original), &network(copy));
            let half = |value: i32| f64::from(value) / 2.0;
            let (lower, upper) =
                ends.into_iter().map(|(low, width)| (half(low), half(low + width))).unzip();
            let region = Region::new(lower, upper).expect("widths are not negative");
            (pair.expect("one shape"), region)
        })
}

#[test]
fn bounds_hold_on_all_of_the_region() {
    let (unstable, stable) = (Counter::new(0), Counter::new(0));
    let result = runner(3_000).run(&tiny(), |(pair, region)| {
        let exact = Exact::of(&pair, &region);
        let count = if exact.unstable { &unstable } else { &stable };
        count.set(count.get() + 1);
        let joint = differential(&pair, &region)?;
        let baseline = forward(&pair, &region)?;
        for (index, network) in [pair.original(), pair.compressed()].into_iter().enumerate() {
            let ibp = interval(network, &region)?;
            let crown = crown(network, &region)?;
            let of_pair = if index == 0 { &joint.original } else { &joint.compressed };
            for output in 0..pair.outputs() {
                let value = |v: &Vertex| v.values[index][output].clone();
                let range = exact.range(value);
                let envelope = &crown.outputs[output];
                prop_assert!(encloses(ibp[output], &range));
                prop_assert!(encloses(envelope.bounds, &range));
                prop_assert!(encloses(of_pair[output], &range));
                for vertex in exact.vertices() {
                    prop_assert!(form(&envelope.lower, &vertex.x) <= value(vertex));
                    prop_assert!(form(&envelope.upper, &vertex.x) >= value(vertex));
                }
                if !exact.unstable {
                    prop_assert!(
                        equals(envelope.bounds, &range, &exact.size),
                        "{} {range:?}",
                        envelope.bounds
                    );
                }
            }
        }
        for output in 0..pair.outputs() {
            let value = |v: &Vertex| &v.values[0][output] - &v.values[1][output];
            let range = exact.range(value);
            for envelope in [&joint.outputs[output], &baseline.outputs[output]] {
                prop_assert!(encloses(envelope.bounds, &range));
                for vertex in exact.vertices() {
                    prop_assert!(form(&envelope.lower, &vertex.x) <= value(vertex));
                    prop_assert!(form(&envelope.upper, &vertex.x) >= value(vertex));
                }
            }
            if !exact.unstable {
                let bounds = joint.outputs[output].bounds;
                prop_assert!(equals(bounds, &range, &exact.size), "{bounds} {range:?}");
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // Both kinds turn up.
    assert!(unstable.get() >= 500 && stable.get() >= 100, "{unstable:?} {stable:?}");
}

/// The oracle itself, on functions whose range is known.
#[test]
fn the_oracle_knows_simple_functions() {
    use nalgebra::{dmatrix, dvector};
    // |x| - ReLU(2 x - 1) on [-1, 2]: from -1 at 2 to 1 at -1.
    let f = Network::relu_mlp(vec![
        Affine::new(dmatrix![1.0; -1.0], dvector![0.0, 0.0]),
        Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
    ]);
    let g = Network::relu_mlp(vec![
        Affine::new(dmatrix![2.0; 0.0], dvector![-1.0, 0.0]),
        Affine::new(dmatrix![1.0, 0.0], dvector![0.0]),
    ]);
    let pair = PairedNetworks::new(&f.unwrap(), &g.unwrap()).unwrap();
    let exact = Exact::of(&pair, &Region::new(vec![-1.0], vec![2.0]).unwrap());
    assert_eq!(exact.cells.len(), 3);
    let range = exact.range(|v| &v.values[0][0] - &v.values[1][0]);
    assert_eq!(range, (rational(-1.0), rational(1.0)));
    // max(x, y) on the unit square, as y + ReLU(x - y): two triangles.
    let f = Network::relu_mlp(vec![
        Affine::new(dmatrix![1.0, -1.0; 0.0, 1.0], dvector![0.0, 0.0]),
        Affine::new(dmatrix![1.0, 1.0], dvector![0.0]),
    ]);
    let pair = exact::twice(&f.unwrap());
    let exact = Exact::of(&pair, &Region::new(vec![0.0; 2], vec![1.0; 2]).unwrap());
    assert!(exact.cells.len() == 2 && exact.unstable);
    assert_eq!(exact.range(|v| v.values[0][0].clone()), (rational(0.0), rational(1.0)));
    assert_eq!(exact.range(|v| &v.values[0][0] - &v.values[1][0]), (Q::zero(), Q::zero()));
}

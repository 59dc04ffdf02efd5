//! Bounds of networks in integers against every input of tiny ones. No slack anywhere.

use nncert_bounds::fixed_point::{
    FixedPointBounder, IntegerRegion, LineSearch, Multipliers, Norm, dual_bound, integer_intervals,
};
use nncert_bounds::strategies::{fixed_point_of, integer_box, integer_inputs, integer_region};
use nncert_core::FixedPointNetwork;
use nncert_core::fixed_point::IntegerInterval;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The most inputs of a region that are enumerated.
const MAX_INPUTS: usize = 20_000;

fn case() -> impl Strategy<Value = (FixedPointNetwork, IntegerRegion)> {
    fixed_point_of(1..=4, 1..=3, 1..=3, 1..=4, 2..=4)
        .prop_flat_map(|network| (integer_region(&network), Just(network)))
        .prop_filter("too many inputs", |(region, _)| integer_box(region) <= MAX_INPUTS)
        .prop_map(|(region, network)| (network, region))
}

fn balls() -> impl Strategy<Value = IntegerRegion> {
    let range = IntegerInterval::new(-5, 6).unwrap();
    (vec(-5..=6i64, 1..=3), select(Norm::ALL.to_vec()), 0..=9u64)
        .prop_map(move |(u, norm, radius)| IntegerRegion::new(u, norm, radius, range).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The largest value of a form on a ball is attained, but for L2, where it is a bound; and it
    /// is what no input exceeds.
    #[test]
    fn maxima_are_those_of_the_inputs(region in balls(), c in vec(-50..=50i64, 3)) {
        let c = &c[..region.dimension()];
        let value = |x: &Vec<i64>| -> i128 { x.iter().zip(c).map(|(x, c)| i128::from(x * c)).sum() };
        let largest = integer_inputs(&region).iter().map(value).max().unwrap();
        if region.norm() == Norm::L2 {
            prop_assert!(region.maximum(c) >= largest);
        } else {
            prop_assert_eq!(region.maximum(c), largest);
        }
    }

    /// Points that are pulled into a region are in it.
    #[test]
    fn nearest_points_are_inside(region in balls(), x in vec(-9.0..9.0f64, 3), far in 1.0..1e9f64) {
        let x: Vec<f64> = x[..region.dimension()].iter().map(|x| x * far).collect();
        prop_assert!(region.contains(&region.nearest(&x)));
        let (_, point) = region.support(&x);
        let near = region.nearest(&point);
        prop_assert!(region.contains(&near));
        // Where the point is of integers, it is its own.
        if region.norm() != Norm::L2 {
            let back: Vec<f64> = near.iter().map(|x| *x as f64).collect();
            prop_assert_eq!(back, point);
        }
    }

    /// Every accumulator of every input is in its range, by intervals, CROWN and α-CROWN; ranges of
    /// the first layer are attained.
    #[test]
    fn ranges_hold_and_the_first_are_attained((network, region) in case()) {
        let bounder = FixedPointBounder::new(&network);
        let intervals = integer_intervals(&network, &region).unwrap();
        let all = [
            intervals.clone(),
            bounder.bounds(&region, 0).unwrap().0,
            bounder.bounds(&region, 10).unwrap().0,
        ];
        let traces: Vec<_> =
            integer_inputs(&region).iter().map(|x| network.trace(x).unwrap()).collect();
        for layer in 0..network.layers().len() {
            for neuron in 0..network.layers()[layer].outputs() {
                let met = || traces.iter().map(|trace| trace[layer + 1].accumulators[neuron]);
                let (least, most) = (met().min().unwrap(), met().max().unwrap());
                for bounds in &all {
                    let range = bounds.accumulators[layer][neuron];
                    prop_assert!(range.lower() <= least && most <= range.upper());
                    prop_assert!(range.is_within(intervals.accumulators[layer][neuron]));
                }
                if layer == 0 && region.norm() != Norm::L2 {
                    let range = intervals.accumulators[0][neuron];
                    prop_assert_eq!((range.lower(), range.upper()), (least, most));
                }
            }
        }
    }

    /// Any multipliers give a bound, on all of the region and on the part in which accumulators are
    /// in narrower ranges.
    #[test]
    fn any_multipliers_give_a_bound(
        (network, region) in case(),
        form in vec(-20..=20i64, 3),
        lambda in vec(vec(-30..=30i64, 4), 3),
        cuts in vec(vec(0.0..1.0f64, 4), 3),
    ) {
        let mut bounds = integer_intervals(&network, &region).unwrap();
        for (ranges, cuts) in bounds.accumulators.iter_mut().zip(&cuts).take(1) {
            for (range, cut) in ranges.iter_mut().zip(cuts) {
                let at = range.lower() + ((range.upper() - range.lower()) as f64 * cut) as i64;
                *range = IntegerInterval::new(at, range.upper()).unwrap();
            }
        }
        let widths = network.layers().iter().map(nncert_core::fixed_point::FixedPointLayer::outputs);
        let layers = widths.zip(&lambda).map(|(width, row)| row[..width].to_vec()).collect();
        let form = &form[..network.outputs()];
        let bound =
            dual_bound(&network, &region, &bounds, form, &Multipliers { layers }).unwrap();
        for x in integer_inputs(&region) {
            let trace = network.trace(&x).unwrap();
            let inside = trace.iter().skip(1).zip(&bounds.accumulators).all(|(layer, ranges)| {
                layer.accumulators.iter().zip(ranges).all(|(a, range)| range.contains(*a))
            });
            if inside {
                let outputs = &trace[trace.len() - 1].values;
                let value: i128 =
                    outputs.iter().zip(form).map(|(o, c)| i128::from(o * c)).sum();
                prop_assert!(value <= bound, "{value} > {bound} at {x:?}");
            }
        }
    }

    /// What a search finds is a bound of every property row, and no looser than CROWN.
    #[test]
    fn searched_rows_hold((network, region) in case(), form in vec(-3..=3i64, 3)) {
        let bounder = FixedPointBounder::new(&network);
        let (bounds, _) = bounder.bounds(&region, 0).unwrap();
        let form = &form[..network.outputs()];
        let floats: Vec<f64> = form.iter().map(|c| *c as f64).collect();
        let search = |steps| {
            bounder.search(&region, &bounds, &floats, None, f64::NEG_INFINITY, steps)
        };
        let largest: i128 = integer_inputs(&region)
            .iter()
            .map(|x| {
                let outputs = network.evaluate(x).unwrap();
                outputs.iter().zip(form).map(|(o, c)| i128::from(o * c)).sum()
            })
            .max()
            .unwrap();
        let mut last = f64::INFINITY;
        for steps in [1, 50] {
            let found = search(steps);
            let proof = bounder.prove(&region, &bounds, form, &found.multipliers).unwrap();
            prop_assert!(largest <= proof.maximum);
            prop_assert!(found.value <= last);
            last = found.value;
            // Up to what the rounding of multipliers may cost, and one accumulator where steps
            // are not equally long.
            let off: f64 = found.multipliers.iter().flatten().map(|l| l.abs()).sum();
            prop_assert!(proof.maximum as f64 <= found.value + off + 1.0);
        }
    }

    /// A search along one multiplier tells by how much the bound falls, it is no worse than what it
    /// starts from, and the multiplier that it finds has that bound on the part.
    #[test]
    fn a_line_search_tells_the_bound_of_a_part(
        (network, region) in case(),
        form in vec(-3..=3i64, 3),
        (place, share) in (0..100usize, 0.0..1.0f64),
    ) {
        let form = &form[..network.outputs()];
        let bounder = FixedPointBounder::new(&network);
        let bounds = integer_intervals(&network, &region).unwrap();
        let floats: Vec<f64> = form.iter().map(|c| *c as f64).collect();
        let ascent = bounder.search(&region, &bounds, &floats, None, f64::NEG_INFINITY, 30);
        let neurons = bounds.accumulators.iter().enumerate();
        let neurons: Vec<_> =
            neurons.flat_map(|(layer, ranges)| (0..ranges.len()).map(move |j| (layer, j))).collect();
        let (layer, neuron) = neurons[place % neurons.len()];
        let range = bounds.accumulators[layer][neuron];
        let at = range.lower() + (share * (range.upper() - range.lower()) as f64) as i64;
        let lines = LineSearch::new(&bounder, &region);
        for part in [(range.lower(), at), (at, range.upper())] {
            let part = IntegerInterval::new(part.0, part.1).unwrap();
            let never = f64::NEG_INFINITY;
            let found = lines.cut(&bounds, &ascent, (layer, neuron), part, never);
            let scale = 1.0 + ascent.value.abs() + found.gain.abs() + found.multiplier.abs() * 1e4;
            // In floats a staircase whose steps are not equally long is that of its ends: off by
            // one accumulator.
            let off = ascent.multipliers[layer][neuron].abs();
            prop_assert!(found.gain >= -off - 1e-9 * scale, "{found:?}");
            let mut halved = bounds.clone();
            halved.accumulators[layer][neuron] = part;
            let mut multipliers = ascent.multipliers.clone();
            multipliers[layer][neuron] = found.multiplier;
            let value = bounder.value(&region, &halved, &floats, &multipliers);
            prop_assert!((value - (ascent.value - found.gain)).abs() <= 1e-9 * scale);
        }
    }
}

/// QVIP's bound of a coordinate of the L2 ball, the root of the radius, leaves out inputs.
#[test]
fn coordinates_of_the_l2_ball_reach_its_radius() {
    let range = IntegerInterval::new(0, 63).unwrap();
    let region = IntegerRegion::new(vec![10, 2], Norm::L2, 4, range).unwrap();
    assert!(region.contains(&[14, 2]) && !region.contains(&[14, 3]));
    assert_eq!(region.coordinates()[0], IntegerInterval::new(6, 14).unwrap());
    assert_eq!(region.distance(&[13, 4]), Some(4));
}

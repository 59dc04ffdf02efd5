//! Certificates that were changed are refused.

mod common;

use common::{Asked, question};
use nncert_bounds::fixed_point::{Multipliers, dual_bound, integer_intervals};
use nncert_milp::{Certificate, Node, Verdict, VerifyOptions, check, verify};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Robust questions whose certificates have cuts, or none at all.
fn certified(count: usize) -> Vec<(Asked, Certificate)> {
    let (mut runner, strategy) = (TestRunner::deterministic(), question());
    let mut found = Vec::new();
    while found.len() < count {
        let asked = strategy.new_tree(&mut runner).unwrap().current();
        let report =
            verify(&asked.network, &asked.region, &asked.property, &VerifyOptions::default())
                .unwrap();
        if report.verdict == Verdict::Robust
            && let Some(certificate) = report.certificate
            && !certificate.trees.is_empty()
        {
            found.push((asked, certificate));
        }
    }
    found
}

fn is_accepted(asked: &Asked, certificate: &Certificate) -> bool {
    check(&asked.network, &asked.region, &asked.property, certificate).is_ok()
}

/// Whether the leaf of a tree without cuts closes, by the bound of another crate.
fn closes(
    asked: &Asked,
    tree: usize,
    weights: &[i64],
    scale: u32,
    certificate: &Certificate,
) -> bool {
    let Asked { network, region, property } = asked;
    let Node::Leaf { multipliers, .. } = &certificate.trees[tree].nodes[0] else { return false };
    let bounds = integer_intervals(network, region).unwrap();
    let (mut form, mut needed) = (vec![0; network.outputs()], 0);
    for (row, weight) in property.violations()[tree].rows.iter().zip(weights) {
        form.iter_mut().zip(&row.coefficients).for_each(|(sum, c)| *sum += weight * c);
        needed += i128::from(weight * row.bound);
    }
    let scaled: Vec<i64> = form.iter().map(|c| c << scale).collect();
    dual_bound(network, region, &bounds, &scaled, multipliers)
        .is_some_and(|bound| bound < needed << scale)
}

/// Every number of a leaf, changed by much: the leaf then closes nothing, or still does, and
/// then the property still holds, which is all that a checker may say.
#[test]
fn leaves_that_no_longer_close_are_refused() {
    let (mut refused, mut changed) = (0, 0);
    for (asked, certificate) in certified(200) {
        assert!(is_accepted(&asked, &certificate));
        for (tree, nodes) in certificate.trees.iter().enumerate() {
            for (place, node) in nodes.nodes.iter().enumerate() {
                let Node::Leaf { weights, scale, multipliers } = node else { continue };
                let widths: Vec<usize> = multipliers.layers.iter().map(Vec::len).collect();
                for (layer, width) in widths.into_iter().enumerate() {
                    for neuron in 0..width {
                        let mut layers = multipliers.layers.clone();
                        layers[layer][neuron] ^= 1 << (scale + 9).min(61);
                        let multipliers = Multipliers { layers };
                        let leaf =
                            Node::Leaf { weights: weights.clone(), scale: *scale, multipliers };
                        let mut other = certificate.clone();
                        other.trees[tree].nodes[place] = leaf;
                        changed += 1;
                        let accepted = is_accepted(&asked, &other);
                        refused += usize::from(!accepted);
                        if nodes.nodes.len() == 1 && certificate.lemmas.is_empty() {
                            let closes = closes(&asked, tree, weights, *scale, &other);
                            // The checker's staircases are enumerated: no looser.
                            assert!(accepted || !closes);
                        }
                    }
                }
            }
        }
    }
    assert!(refused > changed / 4, "{refused} of {changed}");
}

/// Without the rows' weights, with a missing or a further node, or for a larger ball at which a
/// witness is known, nothing is proven.
#[test]
fn what_is_missing_is_noticed() {
    for (asked, certificate) in certified(100) {
        let mut other = certificate.clone();
        other.trees[0].nodes.pop();
        assert!(!is_accepted(&asked, &other));
        let mut other = certificate.clone();
        other.trees[0].nodes.push(Node::Empty);
        assert!(!is_accepted(&asked, &other));
        let mut other = certificate.clone();
        other.trees.pop();
        assert!(!is_accepted(&asked, &other));
        let mut other = certificate.clone();
        for node in &mut other.trees[0].nodes {
            if let Node::Leaf { weights, .. } = node {
                weights.iter_mut().for_each(|weight| *weight = -*weight);
                assert!(weights.is_empty() || !is_accepted(&asked, &other));
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A certificate of one question is accepted for another only if that one holds too.
    #[test]
    fn certificates_prove_nothing_else(asked in question(), other in question()) {
        let prove = |asked: &Asked| {
            verify(&asked.network, &asked.region, &asked.property, &VerifyOptions::default())
                .unwrap()
        };
        if let Some(certificate) = prove(&asked).certificate
            && is_accepted(&other, &certificate)
        {
            prop_assert_eq!(prove(&other).verdict, Verdict::Robust);
        }
        let grown = Asked { region: asked.region.with_radius(asked.region.radius() + 1), ..asked };
        if let Some(certificate) = prove(&grown).certificate {
            prop_assert!(is_accepted(&grown, &certificate));
        }
    }

    /// Text that is no certificate is an error, and never a panic.
    #[test]
    fn broken_text_is_an_error(asked in question(), place in any::<u16>(), byte in any::<u8>()) {
        let report =
            verify(&asked.network, &asked.region, &asked.property, &VerifyOptions::default())
                .unwrap();
        if let Some(certificate) = report.certificate {
            let mut bytes = certificate.to_text().into_bytes();
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
            if let Ok(text) = String::from_utf8(bytes)
                && let Ok(read) = Certificate::from_text(&text)
            {
                // Whatever it says, the checker does not panic, and is right.
                let accepted = is_accepted(&asked, &read);
                prop_assert!(accepted || read != certificate);
            }
        }
    }
}

#[test]
fn lines_that_are_wrong_are_named() {
    let error = Certificate::from_text("nncert-certificate 1\ntree\nsplit 0 x 5\nend\n");
    assert_eq!(error.unwrap_err().to_string(), "line 3 is not one of a certificate");
    assert!(Certificate::from_text("").is_err());
    assert!(Certificate::from_text("nncert-certificate 1\ntree\nempty\n").is_err());
    assert!(Certificate::from_text("nncert-certificate 1\nempty\nend\n").is_err());
}

//! Results survive being stored.

#![cfg(feature = "serde")]

use nalgebra::{dmatrix, dvector};
use nncert_core::{Affine, Network, PairedNetworks};
use nncert_similarity::{Balls, Confidence, Method, RadiusSearch, RadiusVerdict, certified_radius};

#[test]
fn a_verdict_round_trips() {
    let network =
        |w: f64| Network::relu_mlp(vec![Affine::new(dmatrix![w, 0.3], dvector![0.1])]).unwrap();
    let pair = PairedNetworks::new(&network(1.5), &network(1.0)).unwrap();
    let (gamma, search) = (Confidence::new(0.9).unwrap(), RadiusSearch::default());
    let balls = Balls::around(&[0.1, 0.2]);
    let verdict = certified_radius(&pair, &balls, 0.25, gamma, Method::default(), &search).unwrap();
    assert!(verdict.radius() > 0.0);
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<RadiusVerdict>(&text).unwrap(), verdict);
}

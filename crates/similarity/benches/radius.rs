//! How long probabilities, a certified radius and a certified curve take on the digits networks.

#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{Criterion, criterion_group, criterion_main};
use nncert_core::{Domain, compress, io};
use nncert_similarity::{
    Balls, BranchOptions, Confidence, Method, RadiusSearch, Tail, branch_and_bound,
    certified_curve, certified_radius, probability_interval, top_one_probability,
};

fn radius(criterion: &mut Criterion) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits");
    let images =
        io::read_dataset(format!("{fixtures}/test_images.safetensors")).expect("a fixture");
    let (image, _) = images.iter().next().expect("a hundred images");
    let balls = Balls::around(image).within(Domain::unit());
    let (gamma, search) = (Confidence::new(0.9999).expect("below 1"), RadiusSearch::default());
    for name in ["digits_32", "digits_100"] {
        let f = io::read_network(format!("{fixtures}/{name}.safetensors")).expect("a fixture");
        let copy = compress::int8(&f, compress::Granularity::PerChannel).expect("it fits");
        let pair = copy.pair(&f).expect("the same shape");
        let region = balls.region(0.05).expect("inside the domain");
        for (label, method) in [("default", Method::default()), ("simcert", Method::SIMCERT)] {
            criterion.bench_function(&format!("probability/{name}/{label}"), |bench| {
                bench.iter(|| probability_interval(&pair, &region, 0.2, method));
            });
            criterion.bench_function(&format!("radius/{name}/{label}"), |bench| {
                bench.iter(|| certified_radius(&pair, &balls, 0.2, gamma, method, &search));
            });
        }
        let cuts = BranchOptions { width: 0.0, boxes: 65, ..BranchOptions::default() };
        criterion.bench_function(&format!("65_boxes/{name}"), |bench| {
            bench.iter(|| branch_and_bound(&pair, &region, 0.1, Method::default(), &cuts));
        });
        let one = BranchOptions { boxes: 1, ..cuts };
        criterion.bench_function(&format!("top_one/{name}"), |bench| {
            bench.iter(|| top_one_probability(&pair, &region, Tail::Exact, &one));
        });
        let gammas =
            [0.05, 0.25, 0.5, 0.75, 0.9999].map(|g| Confidence::new(g).expect("in (0, 1)"));
        criterion.bench_function(&format!("curve_of_5/{name}"), |bench| {
            bench.iter(|| certified_curve(&pair, &balls, 0.2, &gammas, Method::default(), &search));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = radius
}
criterion_main!(benches);

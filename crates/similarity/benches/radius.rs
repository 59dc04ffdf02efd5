//! How long a probability and a certified radius take on the digits networks.

#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{Criterion, criterion_group, criterion_main};
use nncert_core::{Domain, compress, io};
use nncert_similarity::{
    Balls, Confidence, Method, RadiusSearch, certified_radius, probability_interval,
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
        for (label, method) in [("best", Method::default()), ("simcert", Method::SIMCERT)] {
            criterion.bench_function(&format!("probability/{name}/{label}"), |bench| {
                bench.iter(|| probability_interval(&pair, &region, 0.2, method));
            });
            criterion.bench_function(&format!("radius/{name}/{label}"), |bench| {
                bench.iter(|| certified_radius(&pair, &balls, 0.2, gamma, method, &search));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = radius
}
criterion_main!(benches);

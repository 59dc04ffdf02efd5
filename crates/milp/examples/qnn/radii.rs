//! Maximum robustness radii beside the published ones (RQ3).

use std::time::{Duration, Instant};

use nncert_core::io::fixed_point;
use nncert_milp::{
    IntegerRegion, Norm, Property, RadiusOptions, VerifyOptions, Watch, maximum_radius,
};
use serde_json::{Value as Json, json};

use crate::{Failure, Options, idx};

pub(crate) fn radii(options: &Options) -> Result<Json, Failure> {
    let text = std::fs::read_to_string(options.data.join("results/qvip_mrr.csv"))?;
    let (images, _) = idx(&options.data, "mnist")?;
    let mut rows = Vec::new();
    for (net, column) in [("P1-4", 1), ("P1-6", 3)] {
        let network = fixed_point::read(options.data.join(format!("qnn/{net}.safetensors")))?;
        let (mut images_seen, mut decided, mut published) = (0, 0, 0);
        let (mut agree, mut differ, mut seconds, mut each) = (0, 0, 0.0, Vec::new());
        let (mut within, mut certified) = (0, 0);
        for line in text.lines().skip(1).take(options.images.unwrap_or(usize::MAX)) {
            let words: Vec<&str> = line.split(',').collect();
            let id: usize = words[0].parse()?;
            let theirs: Option<u64> = words.get(column).and_then(|word| word.parse().ok());
            let pixels = &images[id * network.inputs()..][..network.inputs()];
            let x: Vec<i64> = pixels.iter().map(|pixel| i64::from(*pixel)).collect();
            let property = Property::same_class_as(&network, &x)?;
            let center = IntegerRegion::around(&network, x, Norm::Linf, 0)?;
            let time = Some(Duration::from_secs_f64(options.limit));
            let verify = VerifyOptions { time, ..options.settings };
            let radius = RadiusOptions { verify, ..RadiusOptions::default() };
            let start = Instant::now();
            let report = maximum_radius(&network, &center, &property, &radius, &Watch::default())?;
            let took = start.elapsed().as_secs_f64();
            let ours = report.radius();
            images_seen += 1;
            seconds += took;
            decided += usize::from(ours.is_some());
            published += usize::from(theirs.is_some());
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                agree += usize::from(ours == theirs);
                differ += usize::from(ours != theirs);
            }
            let least = report.robust.unwrap_or(0);
            let most = report.witness.as_ref().map_or(u64::MAX, |witness| witness.distance - 1);
            if let Some(theirs) = theirs {
                // Every radius between the two is still possible.
                within += usize::from((least..=most).contains(&theirs));
                certified += usize::from(least >= theirs);
            }
            eprintln!("{net} {id}: {report} in {took:.1} s, published {theirs:?}");
            each.push(json!({
                "id": id, "radius": ours, "robust": report.robust, "published": theirs,
                "witness": report.witness.map(|witness| witness.distance),
                "seconds": took,
            }));
        }
        rows.push(json!({
            "net": net, "images": images_seen, "decided": decided, "published": published,
            "agree": agree, "differ": differ, "within": within, "certified": certified,
            "mean_seconds": seconds / f64::from(images_seen.max(1)), "instances": each,
        }));
    }
    Ok(json!({ "radii": rows }))
}

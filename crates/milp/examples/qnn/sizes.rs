//! How large models are, with and without interval analysis (RQ1).

use nncert_bounds::fixed_point::{FixedPointBounder, integer_intervals};
use nncert_core::io::fixed_point;
use nncert_milp::{Compact, Encoding, IntegerRegion, Model, Norm, Property, Question, Qvip};
use serde_json::{Value as Json, json};

use crate::{Failure, Options, idx};

/// The radii of the paper.
const RADII: [u64; 7] = [1, 2, 4, 6, 10, 20, 30];
/// Images of the mean.
const IMAGES: usize = 10;

pub(crate) fn sizes(options: &Options) -> Result<Json, Failure> {
    let network = fixed_point::read(options.data.join("qnn/P1-6.safetensors"))?;
    let (images, labels) = idx(&options.data, "mnist")?;
    let bounder = FixedPointBounder::new(&network);
    let mut rows = Vec::new();
    for radius in RADII {
        let (mut totals, mut count) = ([0.0; 5], 0.0);
        for id in 0..IMAGES {
            let pixels = &images[id * network.inputs()..][..network.inputs()];
            let x: Vec<i64> = pixels.iter().map(|pixel| i64::from(*pixel)).collect();
            if network.classify(&x)? != usize::from(labels[id]) {
                continue;
            }
            let property = Property::same_class_as(&network, &x)?;
            let region = IntegerRegion::around(&network, x, Norm::Linf, radius)?;
            let open: Vec<usize> = (0..property.violations().len()).collect();
            let intervals = integer_intervals(&network, &region)?;
            let (tight, _) = bounder.bounds(&region, 0)?;
            let size = |encoding: &dyn Encoding, bounds, open: &[usize]| -> Result<_, Failure> {
                let question = Question {
                    network: &network,
                    region: &region,
                    bounds,
                    property: &property,
                    open,
                    integer_inputs: true,
                };
                let mut model = Model::default();
                encoding.encode(&question, &mut model)?;
                Ok((model.booleans() as f64, model.terms() as f64))
            };
            let full = size(&Qvip { simplify: false }, &intervals, &open)?;
            let simple = size(&Qvip { simplify: true }, &intervals, &open)?;
            let compact = size(&Compact, &tight, &open[..1])?;
            for (total, value) in
                totals.iter_mut().zip([full.0, full.1, simple.0, simple.1, compact.0])
            {
                *total += value;
            }
            count += 1.0;
        }
        let mean = totals.map(|total| total / count);
        rows.push(json!({
            "r": radius, "full_booleans": mean[0], "full_terms": mean[1], "booleans": mean[2],
            "terms": mean[3], "compact_booleans": mean[4],
        }));
    }
    Ok(json!({ "sizes": rows }))
}

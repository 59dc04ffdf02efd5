//! Figures over a set of inputs.

use crate::Certification;

/// The mean of the certified radii, where a wrong class and an abstention count as 0 (ACR).
///
/// ```text
/// ACR = 1/N Σ radius_i [class_i = label_i]
/// ```
///
/// 0 for an empty set.
///
/// # Examples
/// ```
/// use nncert_smoothing::average_certified_radius;
///
/// assert_eq!(average_certified_radius([]), 0.0);
/// ```
#[must_use]
pub fn average_certified_radius<'a>(
    results: impl IntoIterator<Item = (&'a Certification, usize)>,
) -> f64 {
    let (mut sum, mut inputs) = (0.0, 0.0);
    for (certification, label) in results {
        sum += correct_radius(certification, label).unwrap_or(0.0);
        inputs += 1.0;
    }
    if inputs > 0.0 { sum / inputs } else { 0.0 }
}

/// The share of the inputs with the right class and a certified radius of at least `radius`.
///
/// 0 for an empty set.
#[must_use]
pub fn certified_accuracy<'a>(
    results: impl IntoIterator<Item = (&'a Certification, usize)>,
    radius: f64,
) -> f64 {
    let (mut certified, mut inputs) = (0.0, 0.0);
    for (certification, label) in results {
        if correct_radius(certification, label).is_some_and(|found| found >= radius) {
            certified += 1.0;
        }
        inputs += 1.0;
    }
    if inputs > 0.0 { certified / inputs } else { 0.0 }
}

fn correct_radius(certification: &Certification, label: usize) -> Option<f64> {
    let certificate = certification.certificate()?;
    (certificate.class == label).then_some(certificate.radius)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nncert_prob::SidedProbability;

    #[test]
    fn wrong_classes_and_abstentions_count_as_nothing() {
        let certified = |class, p: f64| {
            Certification::one_sided(class, 1.0, SidedProbability::new(p).unwrap(), 0.001)
        };
        let (near, far, none) = (certified(1, 0.6), certified(1, 0.9), certified(1, 0.4));
        let results = [(&near, 1), (&far, 1), (&far, 2), (&none, 1)];
        let mean = (near.radius() + far.radius()) / 4.0;
        assert!((average_certified_radius(results) - mean).abs() < 1e-15);
        assert_eq!(certified_accuracy(results, 0.0), 0.5);
        assert_eq!(certified_accuracy(results, 1.0), 0.25);
    }
}

//! Many questions about one network.

use nncert_bounds::fixed_point::{FixedPointBounder, IntegerRegion};
use nncert_core::FixedPointNetwork;

use crate::cascade::Cascade;
use crate::{Property, Report, VerifyError, VerifyOptions, Watch};

/// Decides several properties, each on its region, as [`verify`](crate::verify) does.
///
/// Questions are independent. With feature `rayon` they run on the threads of the current pool, and
/// verdicts are the same but for what a deadline cuts off: the time of the options is that of each
/// question, the deadline of the watch that of all.
///
/// Guarantee: exact.
///
/// # Errors
///
/// As [`verify`](crate::verify), for each question.
pub fn verify_all(
    network: &FixedPointNetwork,
    questions: &[(IntegerRegion, Property)],
    options: &VerifyOptions,
    watch: &Watch<'_>,
) -> Vec<Result<Report, VerifyError>> {
    let bounder = FixedPointBounder::new(network);
    let one = |(region, property): &(IntegerRegion, Property)| {
        let limited = options.time.map(|time| watch.at_most(time));
        let mut cascade = Cascade::new(&bounder, region, property, options)?;
        cascade.run(limited.as_ref().unwrap_or(watch));
        Ok(cascade.report())
    };
    each(questions, one)
}

#[cfg(feature = "rayon")]
fn each<T: Sync, R: Send>(items: &[T], one: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    items.par_iter().map(one).collect()
}

#[cfg(not(feature = "rayon"))]
fn each<T, R>(items: &[T], one: impl Fn(&T) -> R) -> Vec<R> {
    items.iter().map(one).collect()
}

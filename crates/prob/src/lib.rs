//! Rigorous tail bounds of linear forms of independent bounded inputs.
//!
//! Given `Z = c·X + d`, where the `Xᵢ` are independent and bounded (a uniform law on each coordinate of a box, say), how
//! likely is `Z ≥ z`? Every answer here is an upper bound that holds for the computed number itself: the rounding errors of
//! the mean, of the variance, of every sum and every exponential are on the safe side.
//!
//! ```
//! use nncert_prob::{LinearForm, Tail, Uniform};
//!
//! // The sum of a hundred uniform inputs, 3.5 standard deviations above its mean.
//! let inputs = [Uniform::new(-1.0, 1.0)?; 100];
//! let sum = LinearForm::new(&[1.0; 100], 0.0, &inputs)?;
//! let tail = |method| sum.upper_tail(20.0, method).get();
//!
//! assert!((tail(Tail::WorstCase) - 1.0).abs() < 1e-9);
//! assert!((tail(Tail::BernsteinWhole) - 0.7515).abs() < 1e-4);
//! assert!((tail(Tail::Hoeffding) - 0.1353).abs() < 1e-4);
//! assert!((tail(Tail::Bernstein) - 0.0067).abs() < 1e-4);
//! assert!((tail(Tail::SubGaussian) - 0.0025).abs() < 1e-4);
//! assert!((tail(Tail::Chernoff) - 0.0023).abs() < 1e-4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which method
//!
//! Take [`Tail::Best`], the default, unless a method is to be compared with another. It costs what Chernoff's bound costs. In what
//! follows `t = z - E Z > 0`; the lower tail is the upper tail of `-Z`. The cost of a closed form is a few dozen operations
//! (some 30 ns), since [`LinearForm::new`] computes the [`Moments`] once, in time linear in the number of inputs.
//!
//! **[`Tail::WorstCase`]** uses the range alone: 0 when `z` exceeds every value of the form, else 1. That is what a certificate
//! without probability says, and every other method includes it: an inequality without it can end up *weaker* than the worst
//! case.
//!
//! **[`Tail::Hoeffding`]** needs nothing but the widths: `exp(-2t²/Σ cᵢ²(uᵢ - lᵢ)²)`. Use it for laws about which only the support is
//! known; for those it is as good as the sub-Gaussian tail. For uniform inputs its exponent is a third of what it could be \[1\].
//!
//! **[`Tail::HoeffdingPrinted`]** replaces every width by the largest, `exp(-2t²/(K²‖c‖²))`, as PROVEN \[4\] and SimCert print it. Use it
//! to compare with them. It equals the former on a cube and is looser on any other box.
//!
//! **[`Tail::Bernstein`]** knows the variance `σ²` and the largest deviation `b` of a single term: `exp(-t²/(2σ² + ⅔bt))`. Use it
//! for laws whose variance is small for their width, when their moment generating function is out of reach. It is nearly Gaussian
//! as long as `bt` is small against `σ²`, that is, for many terms of similar size \[2\].
//!
//! **[`Tail::BernsteinWhole`]** takes the whole form for a single term, so that `b` becomes the largest deviation of the form, as
//! SimCert prints it. Use it to compare. For `n` equal terms of half-width `a` it beats Hoeffding only where `t < 2a`, out of a
//! range of `n a`: at high confidence it is the loosest of all.
//!
//! **[`Tail::SubGaussian`]** is the tail of a Gaussian with the variance proxy, `exp(-t²/(2v))`. For uniform inputs the proxy *is* the
//! variance, so that the bound dominates Hoeffding's and both of Bernstein's for every `t`. Use it where a formula in closed form is
//! wanted: to solve for `t`, or for a gradient \[2\].
//!
//! **[`Tail::Chernoff`]** minimises `exp(-λt + Σ Kᵢ(λcᵢ))` over `λ`, with the exact logarithms `Kᵢ` of the moment generating functions. No bound
//! that rests on the exponential moments alone is smaller. It dominates the sub-Gaussian tail, visibly so far out and for few
//! terms, and against the exact tail loses a factor of about `√(2π) t/σ` in the Gaussian range. A handful of passes over the inputs,
//! some 0.1 ms for 3072 of them \[3\].
//!
//! **[`Tail::Best`]** is the least of these.
//!
//! **[`Tail::Exact`]** is no inequality but the tail itself, up to some `1e-13` for weights as networks have them: the upper end of
//! the bracket that [`LinearForm::cdf`] returns. It costs some 0.15 ms for 3072 inputs, and then 10 µs for each further threshold of a prepared
//! [`ExactCdf`]. Take it wherever one form is asked for its probability; it says in [`ProbabilityBracket::is_tight`] where weights are so
//! uneven that the bracket is wider \[5\].
//!
//! # Laws
//!
//! [`Uniform`], [`Triangular`], [`TruncatedGaussian`] and [`Discrete`] come with the crate; any other bounded law implements
//! [`Distribution`]. Support and mean are enough, the rest has sound defaults. Inputs of several laws are `&dyn Distribution`.
//!
//! # Counts
//!
//! How likely is an event that was seen in `k` of `n` independent trials ([`Count`])? Every bound here is false with a probability of at
//! most the level `α`, and has been verified at the float that is returned.
//!
//! **[`clopper_pearson_lower`]**, [`clopper_pearson_upper`]: the exact bounds for a number of trials fixed beforehand. A few
//! microseconds, for any number of trials up to 2^31.
//!
//! **[`sequence_lower`]** may be looked at after every trial: sampling stops when the bound suffices. The price is up to about twice the
//! distance from the estimate. **[`LookSchedule`]** has levels for looks at sizes fixed beforehand, and any bound.
//!
//! **[`Sprt`]** decides between two hypotheses with as few trials as possible, and gives no bound.
//!
//! **[`weighted_fisher_lower`]**, [`fisher_two_lower`], [`fisher_three_lower`], [`one_sided_lower`] and [`disagreement_lower`] bound the
//! probability for a changed classifier by the counts of the original and a few evaluations of the changed one. The first is the
//! one to take, with a small weight where there are many samples of the original; the third where the original is often wrong; the
//! last is what incremental smoothing publishes.
//!
//! [`normal_quantile_down`] and its like turn such a bound, a [`SidedProbability`], into a radius.
//!
//! ```
//! use nncert_prob::{Count, Probability, clopper_pearson_lower, normal_quantile_down};
//!
//! let p = clopper_pearson_lower(Count::new(99_000, 100_000)?, Probability::new(0.001)?);
//! assert!((normal_quantile_down(p) - 2.29).abs() < 0.01);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Numbers
//!
//! [`Probability`] and [`Confidence`] are validated once. A tail bound becomes a guarantee by
//! [`Probability::complement_down`], and several tails are joined by [`Probability::sum_up`], the union bound:
//!
//! ```
//! use nncert_prob::{LinearForm, Probability, Tail, Uniform};
//!
//! // P(|δ| ≤ 0.5), where 0.09x - 0.45 ≤ δ(x) ≤ 0.03x + 0.40 and x is uniform on [-1, 1].
//! let inputs = [Uniform::new(-1.0, 1.0)?];
//! let lower = LinearForm::new(&[0.09], -0.45, &inputs)?;
//! let upper = LinearForm::new(&[0.03], 0.40, &inputs)?;
//! let outside = [lower.lower_tail(-0.5, Tail::Best), upper.upper_tail(0.5, Tail::Best)];
//! let inside = Probability::sum_up(outside).complement_down();
//! assert!(inside.get() > 0.403);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Results depend on no platform: the elementary functions are `libm`'s, in Rust, and a test pins the bits of some bounds.
//!
//! # Features
//!
//! - `serde`: `Serialize` and `Deserialize` for the public data types, validated on reading.
//! - `proptest`: strategies for property tests, in the module `strategies`.
//!
//! # References
//! 1. W. Hoeffding, *Probability inequalities for sums of bounded random variables*, JASA 58, 1963.
//! 2. S. Boucheron, G. Lugosi, P. Massart, *Concentration Inequalities*, Oxford University Press, 2013, chapter 2.
//! 3. H. Chernoff, *A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations*, Annals of
//!    Mathematical Statistics 23, 1952.
//! 4. L. Weng et al., *PROVEN: Verifying robustness of neural networks with a probabilistic approach*, ICML 2019.
//! 5. J. Gil-Pelaez, *Note on the inversion theorem*, Biometrika 38, 1951.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bernstein;
mod binomial;
mod bracket;
mod cdf;
mod chernoff;
mod clopper_pearson;
mod confidence;
mod confidence_sequence;
mod counts;
mod discrete;
mod distribution;
mod double_double;
mod fisher;
mod hoeffding;
mod incremental;
mod linear_form;
mod moments;
mod normal;
mod probability;
mod rounding;
mod sided;
mod sprt;
#[cfg(feature = "serde")]
mod stored;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod strategies;
mod sub_gaussian;
mod tail;
mod triangular;
mod truncated_gaussian;
mod uniform;
mod weighted;

pub use crate::bracket::{CdfMethod, ProbabilityBracket};
pub use crate::cdf::ExactCdf;
pub use crate::clopper_pearson::{
    clopper_pearson_approximate, clopper_pearson_lower, clopper_pearson_upper,
};
pub use crate::confidence::{Confidence, ConfidenceError};
pub use crate::confidence_sequence::{LookSchedule, sequence_lower};
pub use crate::counts::{Count, CountError};
pub use crate::discrete::{Discrete, DiscreteError};
pub use crate::distribution::{Atom, Characteristic, Distribution, Spectrum};
pub use crate::fisher::{
    fisher_critical_of_three, fisher_critical_of_two, fisher_of_three, fisher_of_two,
    weighted_fisher_critical,
};
pub use crate::incremental::{
    disagreement_lower, fisher_three_lower, fisher_two_lower, one_sided_lower,
};
pub use crate::linear_form::{FormError, LinearForm};
pub use crate::moments::Moments;
pub use crate::normal::{normal_cdf_down, normal_cdf_up, normal_quantile_down, normal_quantile_up};
pub use crate::probability::{Probability, ProbabilityError};
pub use crate::sided::SidedProbability;
pub use crate::sprt::{Sprt, SprtDecision, SprtError, SprtThresholds};
pub use crate::tail::{ParseTailError, Tail};
pub use crate::triangular::{Triangular, TriangularError};
pub use crate::truncated_gaussian::{TruncatedGaussian, TruncatedGaussianError};
pub use crate::uniform::{DistributionError, Uniform};
pub use crate::weighted::weighted_fisher_lower;

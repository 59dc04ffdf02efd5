//! The search over strategies with bounds as its oracle.

mod cost;
mod floor;
mod requirement;
#[cfg(feature = "similarity")]
mod similar;
mod tries;

use core::fmt;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use nncert_core::Network;
use nncert_core::compress::{FixedPointError, FixedPointFormat, LayerFormat};

pub use self::cost::Cost;
use self::cost::Price;
pub use self::floor::{Floor, FloorError};
pub use self::requirement::{Kept, Requirement};
#[cfg(feature = "similarity")]
pub use self::similar::Similar;
use self::tries::Tries;
use super::{CertifyError, Strategy, SynthesisError, Verdict, fitting_layer};

/// How a strategy is searched for.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions {
    /// What is to be small.
    pub cost: Cost,
    /// The fewest bits after the point.
    pub least_fraction: u32,
    /// The most bits after the point.
    pub most_fraction: u32,
    /// How many bits fewer than its weights need a layer may have: they are clamped.
    pub clamped: u32,
    /// How many starts are followed to their end, at least 1.
    pub starts: usize,
    /// After this time the best so far is the answer.
    pub time: Option<Duration>,
}

impl Default for SearchOptions {
    /// The least sum of bits, with 0 to 12 bits after the point, one bit less than weights need,
    /// two starts, no time limit.
    fn default() -> Self {
        Self {
            cost: Cost::default(),
            least_fraction: 0,
            most_fraction: 12,
            clamped: 1,
            starts: 2,
            time: None,
        }
    }
}

/// Searches for strategies of one network, for one set of requirements after the other.
///
/// ```text
/// min cost(s)   over strategies s,   such that the quantized network keeps every requirement
///                                    (with proof) and is as accurate as asked
/// ```
///
/// From a start (a strategy that served before, one of the caller's, such as Quadapter's answer,
/// or the first uniform one that does) it goes down: a bit less in some layer, or two bits less
/// here and one more there, the cheapest first, as long as something cheaper is shown to do. What fails is
/// remembered, and what has no more bits in any layer than a failure is not tried.
///
/// Bounds are the oracle: each try costs a pass or less. They are made thorough where the plain
/// ones find nothing at all.
///
/// # Examples
///
/// ```
/// use nalgebra::{dmatrix, dvector};
/// use nncert_core::{Affine, Domain, Network, Region};
/// use nncert_milp::quadapter::{Kept, Property, Search, SearchOptions};
///
/// let network = Network::relu_mlp(vec![
///     Affine::new(dmatrix![1.1, -0.6; -0.7, 0.9], dvector![0.05, -0.1]),
///     Affine::new(dmatrix![1.0, -1.0; -1.0, 1.0], dvector![0.0, 0.0]),
/// ])?;
/// // One network for two inputs.
/// let ball = |x: [f64; 2]| Region::linf_ball(&x, 0.2, &Domain::unit());
/// let first = Property::same_class(ball([0.9, 0.2])?, 2, 0)?;
/// let second = Property::same_class(ball([0.2, 0.9])?, 2, 1)?;
/// let mut search = Search::new(&network, SearchOptions::default())?;
/// let (mut first, mut second) = (Kept::new(&first), Kept::new(&second));
/// let found = search.run(&mut [&mut first, &mut second], None)?;
/// let strategy = found.strategy.expect("some strategy does");
/// assert!(strategy.mean_bits() <= 2.5, "{strategy}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Search<'a> {
    network: &'a Network,
    options: SearchOptions,
    floor: Option<Floor<'a>>,
    /// Formats that clamp nothing, by layer and fraction.
    fitting: Vec<HashMap<u32, LayerFormat>>,
    /// What served before, the cheapest first.
    served: Vec<Strategy>,
}

/// What a search comes to.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Found {
    /// The cheapest strategy that was shown to do, if any was.
    pub strategy: Option<Strategy>,
    /// What was shown of each requirement; empty without a strategy.
    pub verdicts: Vec<Verdict>,
    /// How many inputs of the floor are classified as labelled, if there is a floor.
    pub correct: Option<usize>,
    /// How many strategies were tried.
    pub tried: usize,
    /// Whether the time was over before the search was.
    pub out_of_time: bool,
}

/// Why a search cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The fewest bits after the point are more than the most.
    #[error("from {least} to {most} bits after the point there are none")]
    Fractions {
        /// The fewest.
        least: u32,
        /// The most.
        most: u32,
    },
    /// There is nothing to start from.
    #[error("a search needs a start")]
    Starts,
    /// There is nothing that must be kept.
    #[error("a search needs a requirement")]
    Requirements,
    /// A requirement is none of this network.
    #[error(transparent)]
    Certify(#[from] CertifyError),
    /// A model cannot be made or solved.
    #[error(transparent)]
    Synthesis(#[from] SynthesisError),
    /// Accuracy cannot be counted.
    #[error(transparent)]
    Floor(#[from] FloorError),
    /// A strategy cannot be made.
    #[error(transparent)]
    Format(#[from] FixedPointError),
    /// The original and its copy are no pair.
    #[error(transparent)]
    Pair(#[from] nncert_core::PairError),
    /// Similarity cannot be bounded.
    #[cfg(feature = "similarity")]
    #[error(transparent)]
    Similarity(#[from] nncert_similarity::SimilarityError),
}

impl<'a> Search<'a> {
    /// A search over the strategies of a network.
    ///
    /// # Errors
    ///
    /// [`SearchError`] for options that are none.
    pub fn new(network: &'a Network, options: SearchOptions) -> Result<Self, SearchError> {
        let SearchOptions { least_fraction: least, most_fraction: most, starts, .. } = options;
        if least > most {
            return Err(SearchError::Fractions { least, most });
        }
        if starts == 0 {
            return Err(SearchError::Starts);
        }
        let fitting = network.weights().map(|_| HashMap::new()).collect();
        Ok(Self { network, options, floor: None, fitting, served: Vec::new() })
    }

    /// The same with a floor of accuracy.
    #[must_use]
    pub fn with_floor(mut self, floor: Floor<'a>) -> Self {
        self.floor = Some(floor);
        self
    }

    /// The cheapest strategy that is found; `start` is one to begin at, if the caller has one.
    ///
    /// Guarantee: sound. A strategy that comes out keeps every requirement: its network was
    /// bounded from scratch. That nothing cheaper does is not shown.
    ///
    /// # Errors
    ///
    /// [`SearchError`] when there are no requirements, or they do not fit the network.
    pub fn run(
        &mut self,
        requirements: &mut [&mut dyn Requirement],
        start: Option<&Strategy>,
    ) -> Result<Found, SearchError> {
        if requirements.is_empty() {
            return Err(SearchError::Requirements);
        }
        let deadline = self.options.time.and_then(|time| Instant::now().checked_add(time));
        let mut tries = Tries::new(requirements, deadline);
        let mut best = self.best(&mut tries, start)?;
        if best.is_none() && !tries.is_over() {
            tries.make_thorough();
            best = self.best(&mut tries, start)?;
        }
        let out_of_time = tries.is_over();
        let Tries { count: tried, mut known, .. } = tries;
        let Some(strategy) = best else {
            return Ok(Found {
                strategy: None,
                verdicts: vec![],
                correct: None,
                tried,
                out_of_time,
            });
        };
        let verdicts = known.remove(&strategy).flatten().unwrap_or_default();
        let correct = match &mut self.floor {
            Some(floor) => Some(floor.known(&strategy, &strategy.quantize(self.network)?)?),
            None => None,
        };
        self.remember(strategy.clone());
        Ok(Found { strategy: Some(strategy), verdicts, correct, tried, out_of_time })
    }

    /// The best end of some descents.
    fn best(
        &mut self,
        tries: &mut Tries<'_, '_>,
        start: Option<&Strategy>,
    ) -> Result<Option<Strategy>, SearchError> {
        let mut starts: Vec<Strategy> = self.served.iter().take(SERVED).cloned().collect();
        starts.extend(start.cloned());
        let (mut best, mut left): (Option<Strategy>, _) = (None, self.options.starts);
        for start in starts {
            if left > 0 && self.holds(tries, &start)? {
                left -= 1;
                let end = self.descend(tries, start)?;
                best = self.cheaper(best, end);
            }
        }
        for fraction in self.options.least_fraction..=self.options.most_fraction {
            if left == 0 || tries.is_over() {
                break;
            }
            let Some(start) = self.uniform(fraction)? else { continue };
            if self.holds(tries, &start)? {
                let end = self.descend(tries, start)?;
                best = self.cheaper(best, end);
                break;
            }
        }
        Ok(best)
    }

    fn price(&self, strategy: &Strategy) -> Price {
        self.options.cost.of(self.network, strategy)
    }

    fn cheaper(&self, best: Option<Strategy>, other: Strategy) -> Option<Strategy> {
        let better = best.filter(|best| self.price(best) <= self.price(&other));
        Some(better.unwrap_or(other))
    }

    /// Goes down to a strategy from which no step to a cheaper one is shown to do.
    fn descend(
        &mut self,
        tries: &mut Tries<'_, '_>,
        start: Strategy,
    ) -> Result<Strategy, SearchError> {
        let mut current = start;
        'down: loop {
            let price = self.price(&current);
            let mut steps: Vec<(Price, Strategy)> = Vec::new();
            for step in self.steps(&current)? {
                let cost = self.price(&step);
                if cost < price && !steps.iter().any(|(_, other)| *other == step) {
                    steps.push((cost, step));
                }
            }
            steps.sort_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (_, step) in steps {
                if self.holds(tries, &step)? {
                    current = step;
                    continue 'down;
                }
            }
            return Ok(current);
        }
    }

    /// The strategies next to one: a bit less in a layer, after the point or before it; and
    /// two less there with one more elsewhere.
    fn steps(&mut self, from: &Strategy) -> Result<Vec<Strategy>, SearchError> {
        let count = from.layers.len();
        let mut steps = Vec::new();
        let with = |from: &Strategy, layer: usize, format: LayerFormat| {
            let mut step = from.clone();
            step.layers[layer] = format;
            step
        };
        for layer in 0..count {
            let less: Vec<LayerFormat> = self.shorter(layer, from.layers[layer])?;
            for format in less {
                let step = with(from, layer, format);
                for second in self.shorter(layer, format)? {
                    let two = with(from, layer, second);
                    for other in (0..count).filter(|other| *other != layer) {
                        if let Some(longer) = self.longer(other, from.layers[other])? {
                            steps.push(with(&two, other, longer));
                        }
                    }
                    steps.push(two);
                }
                steps.push(step);
            }
        }
        Ok(steps)
    }

    /// Formats of a layer with a bit less.
    fn shorter(
        &mut self,
        layer: usize,
        from: LayerFormat,
    ) -> Result<Vec<LayerFormat>, SearchError> {
        let mut found = Vec::new();
        let Ok(fraction) = u32::try_from(from.weight.fraction()) else { return Ok(found) };
        let cut = self.cut(layer, from)?;
        if fraction > self.options.least_fraction {
            found.extend(self.format(layer, fraction - 1, cut)?);
        }
        if cut < self.options.clamped {
            found.extend(self.format(layer, fraction, cut + 1)?);
        }
        Ok(found)
    }

    /// A format of a layer with one bit more after the point.
    fn longer(
        &mut self,
        layer: usize,
        from: LayerFormat,
    ) -> Result<Option<LayerFormat>, SearchError> {
        match u32::try_from(from.weight.fraction()) {
            Ok(fraction) if fraction < self.options.most_fraction => {
                let cut = self.cut(layer, from)?;
                self.format(layer, fraction + 1, cut)
            }
            _ => Ok(None),
        }
    }

    /// How many bits a format has less than its layer needs.
    fn cut(&mut self, layer: usize, format: LayerFormat) -> Result<u32, SearchError> {
        let Ok(fraction) = u32::try_from(format.weight.fraction()) else { return Ok(0) };
        let fitting = self.fitting(layer, fraction)?;
        Ok(fitting.map_or(0, |fitting| fitting.weight.bits().saturating_sub(format.weight.bits())))
    }

    /// The format of a layer with so many bits after the point, and so many less than it needs.
    fn format(
        &mut self,
        layer: usize,
        fraction: u32,
        cut: u32,
    ) -> Result<Option<LayerFormat>, SearchError> {
        let Some(fitting) = self.fitting(layer, fraction)? else { return Ok(None) };
        let bits = fitting.weight.bits().saturating_sub(cut);
        // With one bit there are 0 and -1 alone.
        let format = (bits >= 2).then(|| FixedPointFormat::new(bits, fitting.weight.fraction()));
        let format = format.transpose().map_err(FixedPointError::from)?;
        Ok(format.map(|format| LayerFormat { weight: format, bias: format }))
    }

    fn fitting(&mut self, layer: usize, fraction: u32) -> Result<Option<LayerFormat>, SearchError> {
        if let Some(known) = self.fitting[layer].get(&fraction) {
            return Ok(Some(*known));
        }
        let Some(affine) = self.network.weights().nth(layer) else { return Ok(None) };
        let found = fitting_layer(affine, fraction)?;
        self.fitting[layer].insert(fraction, found);
        Ok(Some(found))
    }

    /// The strategy with as many bits after the point everywhere, if there is one.
    fn uniform(&mut self, fraction: u32) -> Result<Option<Strategy>, SearchError> {
        let layers = (0..self.fitting.len()).map(|layer| self.format(layer, fraction, 0));
        let layers: Option<Vec<_>> = layers.collect::<Result<_, _>>()?;
        Ok(layers.map(|layers| Strategy { layers }))
    }

    /// Whether a strategy is shown to do.
    fn holds(
        &mut self,
        tries: &mut Tries<'_, '_>,
        strategy: &Strategy,
    ) -> Result<bool, SearchError> {
        if let Some(known) = tries.known.get(strategy) {
            return Ok(known.is_some());
        }
        if tries.is_over() || tries.is_hopeless(strategy) {
            return Ok(false);
        }
        tries.count += 1;
        let quantized = strategy.quantize(self.network)?;
        if let Some(floor) = &mut self.floor
            && floor.known(strategy, &quantized)? < floor.least()
        {
            // Accuracy is not monotone: this says nothing of others.
            tries.known.insert(strategy.clone(), None);
            return Ok(false);
        }
        tries.ask(strategy, &quantized)
    }

    /// Keeps a strategy for the requirements that come.
    fn remember(&mut self, strategy: Strategy) {
        if !self.served.contains(&strategy) {
            let price = self.price(&strategy);
            let place = self.served.partition_point(|other| self.price(other) <= price);
            self.served.insert(place, strategy);
        }
    }
}

/// How many strategies that served before are tried.
const SERVED: usize = 6;

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.strategy {
            Some(strategy) => write!(f, "{strategy}, {} strategies tried", self.tried),
            None if self.out_of_time => write!(f, "no strategy: the time is over"),
            None => write!(f, "no strategy among {}", self.tried),
        }
    }
}

//! The normal form in which passes see a network.
//!
//! Stages in topological order. A stage adds linear maps of earlier values and a
//! bias, and sends the sum through a gate:
//!
//! ```text
//! x_k = Σ_t L_t v_t + b,    v_{k+1} = gate_k(x_k),    v_0 the input
//! ```
//!
//! A gate is an activation or nothing at all; the last stage is the output and has
//! an open one. Every network has this form, exactly:
//!
//! - linear layers are maps, as they are (`linear`), not matrices;
//! - a residual block ends in a stage with the terms of both branches, so that a sum
//!   is no stage of its own;
//! - the maximum of a window is a tree of `max(a, b) = a + ReLU(b - a)`. Passes know
//!   one nonlinearity less, and see what the values of a window have in common.

use nncert_core::{Activation, Layer, Network, PairedNetworks, Pool, Region, Residual, Shape};

use crate::BoundsError;
use crate::dense::{Bias, Image};
use crate::intervals::Intervals;
use crate::kernel::Sums;
use crate::linear::{Compact, Linear, Sparse, linear_of_layer, seed_identity};
use crate::rounding::gamma;
use crate::scratch::Scratch;

/// The most coefficients that the affine forms of all outputs may have.
const MAX_FORMS: usize = 1 << 27;

/// What follows the sum of a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Gate {
    /// A function of every number.
    Activation(Activation),
    /// Nothing.
    Open,
}

/// A linear map of an earlier value; `None` is the identity.
#[derive(Clone, Debug)]
pub(crate) struct Term<'a> {
    /// 0 for the input, `k + 1` for what comes out of stage `k`.
    pub(crate) value: usize,
    pub(crate) map: Option<Linear<'a>>,
}

/// A sum of terms and the gate after it.
#[derive(Clone, Debug)]
pub(crate) struct Stage<'a> {
    /// The layer's index in the network, for messages.
    pub(crate) layer: usize,
    pub(crate) terms: Vec<Term<'a>>,
    pub(crate) bias: Bias,
    pub(crate) gate: Gate,
    /// The number of neurons.
    pub(crate) width: usize,
    /// Whether dead neurons may be left out of what follows.
    pub(crate) compact: bool,
    /// The relative cost of the roundings that a sum over the stage can meet.
    pub(crate) unit: f64,
    /// What is known of the sum beside its terms: it is the largest of these.
    pub(crate) largest: Option<Largest>,
}

/// Every neuron is the largest of some entries of a value.
#[derive(Clone, Debug)]
pub(crate) struct Largest {
    pub(crate) value: usize,
    pub(crate) windows: Vec<Vec<usize>>,
}

/// A network in normal form, on a region whose fixed inputs are folded away.
#[derive(Clone, Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) stages: Vec<Stage<'a>>,
    /// The inputs that are not fixed.
    pub(crate) free: Vec<usize>,
}

/// Two networks in normal form, stage by stage, and how their maps differ.
#[derive(Clone, Debug)]
pub(crate) struct PairGraph<'a> {
    pub(crate) original: Graph<'a>,
    pub(crate) compressed: Graph<'a>,
    pub(crate) differences: Vec<StageDifference<'a>>,
}

/// `L - L'` of every term of a stage, and `b - b'`.
#[derive(Clone, Debug)]
pub(crate) struct StageDifference<'a> {
    /// `None` for an identity, which is the same in both.
    pub(crate) maps: Vec<Option<Linear<'a>>>,
    pub(crate) bias: Bias,
}

impl<'a> Graph<'a> {
    /// The normal form of a network on a region.
    pub(crate) fn new(network: &'a Network, region: &Region) -> Result<Self, BoundsError> {
        BoundsError::check_region(network.inputs(), region)?;
        let mut graph = Builder::build(network)?;
        for stage in &mut graph {
            fold(stage, region);
        }
        Ok(Self::finish(graph, region))
    }

    /// Fails when affine forms of all outputs would be too large.
    pub(crate) fn check_forms(
        &self,
        network: &Network,
        region: &Region,
    ) -> Result<(), BoundsError> {
        let entries = network.outputs().saturating_mul(region.dimension());
        if entries <= MAX_FORMS {
            return Ok(());
        }
        let layer = network.layers().len() - 1;
        let kind = network.layers()[layer].kind();
        Err(BoundsError::TooLarge { layer, kind, entries, limit: MAX_FORMS })
    }

    /// What is left once the biases are folded: maps over the free inputs.
    fn finish(mut stages: Vec<Stage<'a>>, region: &Region) -> Self {
        let free = region.free().to_vec();
        let partial = free.len() < region.dimension();
        for term in stages.iter_mut().flat_map(|stage| &mut stage.terms) {
            restrict(term, partial, &free);
        }
        let depth = stages.len();
        let whole: Vec<usize> = stages
            .iter()
            .flat_map(|stage| {
                let maps = stage.terms.iter().filter(|term| term.is_convolution());
                maps.map(|term| term.value).chain(stage.largest.iter().map(|l| l.value))
            })
            .collect();
        for (index, stage) in stages.iter_mut().enumerate() {
            let own = stage.terms.iter().any(Term::is_convolution);
            stage.compact = !own && !whole.contains(&(index + 1));
            stage.unit = stage.unit(depth);
            // Of the input only the free entries are kept.
            stage.largest = stage.largest.take().filter(|largest| largest.value > 0 || !partial);
        }
        Self { stages, free }
    }
}

impl<'a> PairGraph<'a> {
    /// The normal form of a pair on a region.
    pub(crate) fn new(pair: &'a PairedNetworks, region: &Region) -> Result<Self, BoundsError> {
        BoundsError::check_region(pair.inputs(), region)?;
        let mut original = Builder::build(pair.original())?;
        let mut compressed = Builder::build(pair.compressed())?;
        let mut differences = Vec::with_capacity(original.len());
        for (f, g) in original.iter_mut().zip(&mut compressed) {
            let layer = f.layer;
            let kind = pair.original().layers()[layer].kind();
            let terms = f.terms.iter().zip(&g.terms).map(|(f, g)| {
                let Some((map, copy)) = f.map.as_ref().zip(g.map.as_ref()) else {
                    return Ok(Term { value: f.value, map: None });
                };
                let map = Linear::difference(map, copy);
                let map = map.ok_or(BoundsError::Unsupported { layer, kind })?;
                Ok(Term { value: f.value, map: Some(map) })
            });
            let mut terms: Vec<Term<'a>> = terms.collect::<Result<_, BoundsError>>()?;
            let mut bias = f.bias.minus(&g.bias);
            // The shares of the fixed inputs; an identity has none in the difference.
            bias = terms
                .iter()
                .filter(|term| term.map.is_some())
                .fold(bias, |bias, term| fold_term(term, bias, region));
            fold(f, region);
            fold(g, region);
            let partial = region.free().len() < region.dimension();
            terms.iter_mut().for_each(|term| restrict(term, partial, region.free()));
            let maps = terms.into_iter().map(|term| term.map).collect();
            differences.push(StageDifference { maps, bias });
        }
        let (original, compressed) =
            (Graph::finish(original, region), Graph::finish(compressed, region));
        original.check_forms(pair.original(), region)?;
        Ok(Self { original, compressed, differences })
    }
}

/// A convolution of an input with fixed entries becomes a sparse map of the free ones.
fn restrict(term: &mut Term<'_>, partial: bool, free: &[usize]) {
    if partial && term.value == 0 && term.is_convolution() {
        let sparse = term.map.as_ref().and_then(|map| map.to_sparse(free));
        term.map = sparse.map(Linear::Sparse);
    }
}

/// Adds the share of the inputs that a region fixes to the bias of a stage.
fn fold(stage: &mut Stage<'_>, region: &Region) {
    let bias = core::mem::take(&mut stage.bias);
    stage.bias = stage.terms.iter().fold(bias, |bias, term| fold_term(term, bias, region));
}

fn fold_term(term: &Term<'_>, bias: Bias, region: &Region) -> Bias {
    if term.value != 0 || region.free().len() == region.dimension() {
        return bias;
    }
    let mut free = region.free().iter().copied().peekable();
    let fixed = |input: &usize| free.next_if_eq(input).is_none() && region.lower()[*input] != 0.0;
    let fixed: Vec<usize> = (0..region.dimension()).filter(fixed).collect();
    let values: Intervals = fixed.iter().map(|&input| region.interval(input)).collect();
    let mut sums = Sums::new(&bias);
    term.add_image(&fixed, &values, &mut sums, true, &mut Scratch::default());
    // The inputs are points: there is no spread.
    Bias { value: sums.middle, reach: sums.reach }
}

impl Term<'_> {
    fn is_convolution(&self) -> bool {
        matches!(self.map, Some(Linear::Convolution(_)))
    }

    /// Adds what the term maps a box to; `live` says which entries of its value are in it.
    pub(crate) fn add_image(
        &self,
        live: &[usize],
        input: &Intervals,
        sums: &mut Sums,
        outward: bool,
        scratch: &mut Scratch,
    ) {
        add_image(self.map.as_ref(), live, input, sums, outward, scratch);
    }

    /// Sets the coefficients of rows that start at this term, and of their negations.
    pub(crate) fn seed(
        &self,
        neurons: &[usize],
        live: &[usize],
        out: &mut [f64],
        scratch: &mut Scratch,
    ) {
        match &self.map {
            Some(map) => map.seed(neurons, live, out, scratch),
            None => seed_identity(neurons, live, out, scratch),
        }
    }

    /// The term between live neurons.
    pub(crate) fn compact(
        &self,
        outputs: &[usize],
        inputs: &[usize],
        width: usize,
        scratch: &mut Scratch,
    ) -> Compact {
        match &self.map {
            Some(map) => map.compact(outputs, inputs, width, scratch),
            None => Compact::identity(outputs, inputs, width, scratch),
        }
    }
}

/// [`Term::add_image`] of a map, or of the identity.
pub(crate) fn add_image(
    map: Option<&Linear<'_>>,
    live: &[usize],
    input: &Intervals,
    sums: &mut Sums,
    outward: bool,
    scratch: &mut Scratch,
) {
    match map {
        Some(map) => map.add_image(live, input, sums, outward, scratch),
        None => {
            for (&neuron, interval) in live.iter().zip(input.iter()) {
                sums.add_term(neuron, 1.0, interval);
            }
        }
    }
}

impl Stage<'_> {
    /// The relative cost of the roundings that a sum over the stage can meet.
    fn unit(&self, depth: usize) -> f64 {
        let terms = self.terms.iter().map(|term| term.map.as_ref().map_or(1, Linear::terms));
        gamma(2 * terms.sum::<usize>() + 2 * self.terms.len() + depth + 32)
    }

    /// What the stage maps values to, before its gate.
    ///
    /// `values` gives the live entries of a value and their bounds.
    pub(crate) fn image<'v>(
        &'v self,
        image: &mut Image,
        values: impl Fn(usize) -> (&'v [usize], &'v Intervals),
        outward: bool,
        scratch: &mut Scratch,
    ) -> Result<(), BoundsError> {
        let terms = self.terms.iter().map(|term| {
            let (live, bounds) = values(term.value);
            (term.map.as_ref(), live, bounds)
        });
        image.fill(&self.bias, terms, (self.unit, outward), scratch);
        image.check_finite(self.layer)?;
        if let Some(largest) = &self.largest {
            let (_, bounds) = values(largest.value);
            for (neuron, window) in largest.windows.iter().enumerate() {
                image.tighten(neuron, bounds.largest(window));
            }
        }
        Ok(())
    }
}

/// A sum that is not yet a stage.
#[derive(Clone, Debug)]
struct Flow<'a> {
    terms: Vec<Term<'a>>,
    /// Zero where it is empty.
    bias: Bias,
    width: usize,
    layer: usize,
    largest: Option<Largest>,
}

impl<'a> Flow<'a> {
    fn of(value: usize, width: usize, layer: usize) -> Self {
        let terms = vec![Term { value, map: None }];
        Self { terms, bias: Bias::zeros(width), width, layer, largest: None }
    }

    /// The value that this is, if it is one.
    fn value(&self) -> Option<usize> {
        match &self.terms[..] {
            [Term { value, map: None }] if self.bias.is_zero() => Some(*value),
            _ => None,
        }
    }
}

struct Builder<'a> {
    stages: Vec<Stage<'a>>,
}

impl<'a> Builder<'a> {
    fn build(network: &'a Network) -> Result<Vec<Stage<'a>>, BoundsError> {
        let mut builder = Self { stages: Vec::with_capacity(network.layers().len()) };
        let mut flow = Flow::of(0, network.inputs(), 0);
        for (layer, kind) in network.layers().iter().enumerate() {
            let (input, output) = (&network.shapes()[layer], &network.shapes()[layer + 1]);
            flow = builder.layer(layer, kind, input, output, flow)?;
        }
        builder.close(flow, Gate::Open);
        Ok(builder.stages)
    }

    /// Makes a stage of a flow; what comes out is its value.
    fn close(&mut self, flow: Flow<'a>, gate: Gate) -> Flow<'a> {
        let Flow { terms, bias, width, layer, largest } = flow;
        let stage = Stage { layer, terms, bias, gate, width, compact: true, unit: 0.0, largest };
        self.stages.push(stage);
        Flow::of(self.stages.len(), width, layer)
    }

    /// The value that a flow is, after a stage of its own if it is none yet.
    fn settle(&mut self, flow: Flow<'a>) -> (usize, Flow<'a>) {
        let flow = if flow.value().is_some() { flow } else { self.close(flow, Gate::Open) };
        (flow.value().unwrap_or_default(), flow)
    }

    fn layer(
        &mut self,
        layer: usize,
        kind: &'a Layer,
        input: &Shape,
        output: &Shape,
        flow: Flow<'a>,
    ) -> Result<Flow<'a>, BoundsError> {
        if let Some((map, bias)) = linear_of_layer(kind, input, output) {
            let (value, _) = self.settle(flow);
            let terms = vec![Term { value, map: Some(map) }];
            let bias = Bias::of(bias);
            return Ok(Flow { terms, bias, width: output.len(), layer, largest: None });
        }
        match kind {
            Layer::Flatten => Ok(flow),
            Layer::Activation(activation) => {
                let again = flow.value().and_then(|value| value.checked_sub(1)).is_some_and(|at| {
                    let relu = Gate::Activation(Activation::Relu);
                    *activation == Activation::Relu && self.stages[at].gate == relu
                });
                let gate = Gate::Activation(*activation);
                let layer = if flow.value().is_some() { layer } else { flow.layer };
                Ok(if again { flow } else { self.close(Flow { layer, ..flow }, gate) })
            }
            Layer::Pool(pool @ Pool::Max { .. }) => {
                let (value, _) = self.settle(flow);
                Ok(self.largest(layer, pool, input, value))
            }
            Layer::Residual(block) => {
                let (_, flow) = self.settle(flow);
                self.residual(layer, block, input, flow)
            }
            _ => Err(BoundsError::Unsupported { layer, kind: kind.kind() }),
        }
    }

    fn residual(
        &mut self,
        layer: usize,
        block: &'a Residual,
        input: &Shape,
        from: Flow<'a>,
    ) -> Result<Flow<'a>, BoundsError> {
        let mut sum: Option<Flow<'a>> = None;
        for (_, layers) in block.branches() {
            let (mut flow, mut shape) = (from.clone(), input.clone());
            for inner in layers {
                let unsupported = BoundsError::Unsupported { layer, kind: inner.kind() };
                let output = inner.output_shape(&shape).map_err(|_| unsupported)?;
                flow = self.layer(layer, inner, &shape, &output, flow)?;
                shape = output;
            }
            if flow.largest.is_some() {
                flow = self.settle(flow).1;
            }
            sum = Some(match sum {
                None => flow,
                Some(mut sum) => {
                    sum.terms.append(&mut flow.terms);
                    Flow { bias: sum.bias.plus(&flow.bias), layer, ..sum }
                }
            });
        }
        Ok(sum.unwrap_or(from))
    }

    /// The maxima of windows, as trees of `max(a, b) = a + ReLU(b - a)`.
    fn largest(&mut self, layer: usize, pool: &Pool, input: &Shape, value: usize) -> Flow<'a> {
        let windows = windows(pool, input);
        let outputs = windows.len();
        // Each slot is the sum of some neurons.
        let mut slots: Vec<Vec<Vec<(usize, usize)>>> = windows
            .iter()
            .map(|window| window.iter().map(|&at| vec![(value, at)]).collect())
            .collect();
        while slots.iter().any(|slots| slots.len() > 1) {
            let (next, mut entries, mut width) = (self.stages.len() + 1, Vec::new(), 0);
            for slots in &mut slots {
                let mut halved = Vec::with_capacity(slots.len().div_ceil(2));
                for pair in slots.chunks(2) {
                    let mut kept = pair[0].clone();
                    if let [a, b] = pair {
                        entries.extend(b.iter().map(|&from| (width, from, 1.0)));
                        entries.extend(a.iter().map(|&from| (width, from, -1.0)));
                        kept.push((next, width));
                        width += 1;
                    }
                    halved.push(kept);
                }
                *slots = halved;
            }
            let flow = self.sparse(layer, width, entries);
            self.close(flow, Gate::Activation(Activation::Relu));
        }
        let entries = slots.iter().enumerate().flat_map(|(output, slots)| {
            slots.iter().flatten().map(move |&from| (output, from, 1.0))
        });
        let flow = self.sparse(layer, outputs, entries.collect());
        Flow { largest: Some(Largest { value, windows }), ..flow }
    }

    /// A sum of single neurons: `(output, (value, neuron), weight)`.
    fn sparse(
        &self,
        layer: usize,
        width: usize,
        entries: Vec<(usize, (usize, usize), f64)>,
    ) -> Flow<'a> {
        let mut values: Vec<usize> = entries.iter().map(|(_, (value, _), _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let terms = values.into_iter().map(|value| {
            let of_value = entries.iter().filter(|(_, (from, _), _)| *from == value);
            let entries: Vec<_> = of_value.map(|&(to, (_, at), w)| (to, at, w)).collect();
            let inputs = value.checked_sub(1).map_or_else(
                || entries.iter().map(|(_, at, _)| at + 1).max().unwrap_or(0),
                |stage| self.stages[stage].width,
            );
            Term { value, map: Some(Linear::Sparse(Sparse::new(width, inputs, entries))) }
        });
        let terms = terms.collect();
        Flow { terms, bias: Bias::zeros(width), width, layer, largest: None }
    }
}

/// The windows of all channels, in the order of the outputs.
fn windows(pool: &Pool, input: &Shape) -> Vec<Vec<usize>> {
    let Ok([channels, height, width]) = input.image() else { return Vec::new() };
    let mut first: Vec<Vec<usize>> = Vec::new();
    pool.for_each_window([height, width], |places, _| first.push(places.to_vec()));
    (0..channels)
        .flat_map(|channel| {
            let offset = channel * height * width;
            first.iter().map(move |window| window.iter().map(|at| at + offset).collect())
        })
        .collect()
}

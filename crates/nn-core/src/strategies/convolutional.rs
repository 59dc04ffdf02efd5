//! How small convolutional networks are made: a list of parts, scales and a seed.

use core::fmt;
use core::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::recipe::{LayerRecipe, layer_recipe};
use super::rng;
use crate::{
    Activation, Affine, Convolution, Layer, Network, Pool, Residual, Scale, Select, Shape, Window,
};

/// What follows in a network; shrinking goes to the first.
#[derive(Clone, Copy, Debug)]
enum Part {
    Convolution,
    /// A block with an identity shortcut.
    Identity,
    /// A block that halves the image and adds channels, with shortcut A.
    Halving,
    /// A block with a convolution in its shortcut.
    Projection,
    AveragePool,
    /// Only in mixed networks, as what follows.
    MaxPool,
    Scale,
    Block,
}

const RELU_PARTS: [Part; 5] =
    [Part::Convolution, Part::Identity, Part::Halving, Part::Projection, Part::AveragePool];
const ALL_PARTS: [Part; 8] = [
    Part::Convolution,
    Part::Identity,
    Part::Halving,
    Part::Projection,
    Part::AveragePool,
    Part::MaxPool,
    Part::Scale,
    Part::Block,
];

#[derive(Clone)]
pub(super) struct CnnRecipe {
    channels: usize,
    image: [usize; 2],
    parts: Vec<Part>,
    numbers: Vec<LayerRecipe>,
    mixed: bool,
    seed: u64,
}

impl fmt::Debug for CnnRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, image, parts, numbers, seed, .. } = self;
        write!(f, "{channels}x{image:?}, {parts:?} from {numbers:?}, seed {seed}")
    }
}

pub(super) fn cnn_recipe(
    parts: RangeInclusive<usize>,
    channels: RangeInclusive<usize>,
    size: RangeInclusive<usize>,
    mixed: bool,
) -> impl Strategy<Value = CnnRecipe> + Clone {
    assert!(
        *channels.start() > 0 && *size.start() > 0 && !channels.is_empty() && !size.is_empty(),
        "an image has at least one channel and one pixel"
    );
    let part = proptest::sample::select(if mixed { &ALL_PARTS[..] } else { &RELU_PARTS[..] });
    let image = [size.clone(), size];
    (channels, image, vec(part, parts), vec(layer_recipe(), 3), any::<u64>().no_shrink()).prop_map(
        move |(channels, image, parts, numbers, seed)| CnnRecipe {
            channels,
            image,
            parts,
            numbers,
            mixed,
            seed,
        },
    )
}

impl CnnRecipe {
    pub(super) fn build(&self) -> Network {
        let [height, width] = self.image;
        let mut builder = Builder {
            shape: Shape::new([self.channels, height, width]),
            recipe: self,
            rng: rng(self.seed, 0),
        };
        let input = builder.shape.clone();
        let mut layers = Vec::new();
        for part in &self.parts {
            builder.part(*part, &mut layers);
        }
        if builder.rng.random() {
            builder.push(&mut layers, Pool::GlobalAverage);
        }
        builder.push(&mut layers, Layer::Flatten);
        let outputs = builder.rng.random_range(1..=3);
        let last = builder.numbers(outputs, builder.shape.len());
        builder.push(&mut layers, last);
        Network::new(input, layers).expect("recipes hold finite weights and fitting shapes")
    }
}

struct Builder<'a> {
    recipe: &'a CnnRecipe,
    /// Of what has been built.
    shape: Shape,
    rng: ChaCha8Rng,
}

impl Builder<'_> {
    fn push(&mut self, layers: &mut Vec<Layer>, layer: impl Into<Layer>) {
        let layer = layer.into();
        self.shape = layer.output_shape(&self.shape).expect("parts fit");
        layers.push(layer);
    }

    fn image(&self) -> [usize; 3] {
        self.shape.image().expect("only images before the end")
    }

    fn numbers(&mut self, outputs: usize, inputs: usize) -> Affine {
        let which = self.rng.random_range(0..self.recipe.numbers.len());
        self.recipe.numbers[which].build(inputs, outputs, &mut self.rng)
    }

    /// Of size 1 or 3, padded so that a stride of 1 keeps the size of the image.
    fn convolution(&mut self, outputs: usize, stride: usize) -> Convolution {
        let [channels, ..] = self.image();
        let kernel = if self.rng.random() { 3 } else { 1 };
        let window = Window { stride: [stride; 2], ..Window::new([kernel; 2]) }.padded(kernel / 2);
        let both = channels == outputs && self.rng.random_bool(0.2);
        let groups = if both { channels } else { 1 };
        let filters = self.numbers(outputs, channels / groups * window.len());
        Convolution { filters, window, groups }
    }

    fn activation(&mut self) -> Activation {
        let slope = [0.0, 0.125, 0.01, -0.5, 1.0][self.rng.random_range(0..5)];
        match self.rng.random_range(0..4) {
            0 if self.recipe.mixed => Activation::LeakyRelu { slope },
            1 if self.recipe.mixed => Activation::RELU6,
            _ => Activation::Relu,
        }
    }

    fn part(&mut self, part: Part, layers: &mut Vec<Layer>) {
        let [channels, height, width] = self.image();
        match part {
            Part::Convolution => {
                let (outputs, stride) =
                    (self.rng.random_range(1..=3), self.rng.random_range(1..=2));
                let layer = self.convolution(outputs, stride);
                self.push(layers, layer);
                let activation = self.activation();
                self.push(layers, activation);
            }
            Part::Identity | Part::Halving | Part::Projection => {
                let (outputs, stride) = match part {
                    Part::Identity => (channels, 1),
                    Part::Halving => (channels + 2, 2),
                    _ => (self.rng.random_range(1..=3), 1),
                };
                let input = self.shape.clone();
                let shortcut = match part {
                    Part::Identity => vec![],
                    Part::Halving => {
                        vec![Select::shortcut(&input, 2, [1, 1]).expect("an image").into()]
                    }
                    _ => vec![self.convolution(outputs, 1).into()],
                };
                let mut body = Vec::new();
                let first = self.convolution(outputs, stride);
                self.push(&mut body, first);
                let activation = self.activation();
                self.push(&mut body, activation);
                let second = self.convolution(outputs, 1);
                self.push(&mut body, second);
                self.shape = input;
                self.push(layers, Residual { body, shortcut });
                let activation = self.activation();
                self.push(layers, activation);
            }
            Part::AveragePool | Part::MaxPool => {
                let kernel = [height, width].map(|size| size.min(2));
                let window = Window { stride: kernel, ..Window::new(kernel) };
                let count_include_pad = self.rng.random();
                let average = Pool::Average { window, count_include_pad };
                let max = matches!(part, Part::MaxPool);
                self.push(layers, if max { Pool::Max { window } } else { average });
            }
            Part::Scale => {
                let numbers = self.numbers(channels, 1);
                let factor = numbers.weight.iter().copied().collect();
                let offset = numbers.bias.iter().copied().collect();
                self.push(layers, Scale { factor, offset });
            }
            Part::Block => {
                let input = self.shape.clone();
                let mut body = Vec::new();
                self.part(Part::Identity, &mut body);
                self.shape = input;
                self.push(layers, Residual { body, shortcut: vec![] });
            }
        }
    }
}

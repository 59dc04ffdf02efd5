//! How regions and their points are made, in any dimension.

use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::rng;
use crate::Region;

/// How a region is made in any dimension.
#[derive(Clone, Debug)]
pub(super) struct RegionRecipe {
    centre: CentreScale,
    width: WidthScale,
    /// The share of coordinates that are fixed.
    fixed: f64,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum CentreScale {
    Zero,
    Unit,
    Tiny,
    Large,
    Mixed,
}

#[derive(Clone, Copy, Debug)]
enum WidthScale {
    Point,
    Tiny,
    Small,
    One,
    Large,
    Mixed,
}

pub(super) fn region_recipe() -> impl Strategy<Value = RegionRecipe> + Clone {
    let centre = prop_oneof![
        2 => Just(CentreScale::Zero),
        4 => Just(CentreScale::Unit),
        1 => Just(CentreScale::Tiny),
        1 => Just(CentreScale::Large),
        1 => Just(CentreScale::Mixed),
    ];
    let width = prop_oneof![
        1 => Just(WidthScale::Point),
        1 => Just(WidthScale::Tiny),
        4 => Just(WidthScale::Small),
        4 => Just(WidthScale::One),
        1 => Just(WidthScale::Large),
        1 => Just(WidthScale::Mixed),
    ];
    let fixed = prop_oneof![4 => Just(0.0), 1 => Just(0.5), 1 => Just(1.0)];
    (centre, width, fixed, any::<u64>().no_shrink())
        .prop_map(|(centre, width, fixed, seed)| RegionRecipe { centre, width, fixed, seed })
}

impl RegionRecipe {
    pub(super) fn build(&self, dimension: usize) -> Region {
        let mut rng = rng(self.seed, 0);
        // With a share of 1 all but this one are fixed.
        let free = rng.random_range(0..dimension);
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for coordinate in 0..dimension {
            let (centre, width) = (self.centre.draw(&mut rng), self.width.draw(&mut rng));
            let fixed = rng.random_bool(self.fixed) && coordinate != free;
            let low = centre - rng.random::<f64>() * width;
            lower.push(low);
            upper.push(if fixed { low } else { low + width });
        }
        Region::new(lower, upper).expect("widths are not negative")
    }
}

impl CentreScale {
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        let uniform: f64 = rng.random();
        match self {
            Self::Zero => 0.0,
            Self::Unit => uniform,
            Self::Tiny => (uniform - 0.5) * 1e-9,
            Self::Large => (uniform - 0.5) * 2e3,
            Self::Mixed => {
                let each = [Self::Zero, Self::Unit, Self::Tiny, Self::Large];
                each[rng.random_range(0..4)].draw(rng)
            }
        }
    }
}

impl WidthScale {
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        let uniform: f64 = rng.random();
        match self {
            Self::Point => 0.0,
            Self::Tiny => uniform * 1e-12,
            Self::Small => uniform * 0.1,
            Self::One => 0.5 + uniform,
            Self::Large => uniform * 1e3,
            Self::Mixed => {
                let each = [Self::Point, Self::Tiny, Self::Small, Self::One, Self::Large];
                each[rng.random_range(0..5)].draw(rng)
            }
        }
    }
}

/// How a point is made in any region; shrinking goes to the first.
#[derive(Clone, Copy, Debug)]
enum Place {
    Centre,
    Corner,
    Uniform,
    /// Some coordinates at a bound, the others uniform.
    Face,
    /// At most a few units in the last place from a corner.
    NearCorner,
}

#[derive(Clone, Debug)]
pub(super) struct PointRecipe {
    place: Place,
    seed: u64,
}

pub(super) fn point_recipe() -> impl Strategy<Value = PointRecipe> + Clone {
    let place = prop_oneof![
        1 => Just(Place::Centre),
        4 => Just(Place::Corner),
        3 => Just(Place::Uniform),
        2 => Just(Place::Face),
        1 => Just(Place::NearCorner),
    ];
    (place, any::<u64>().no_shrink()).prop_map(|(place, seed)| PointRecipe { place, seed })
}

impl PointRecipe {
    pub(super) fn build(&self, region: &Region) -> Vec<f64> {
        let mut rng = rng(self.seed, 0);
        match self.place {
            Place::Centre => region.centre(),
            Place::Corner => corner(region, &mut rng),
            Place::Uniform => region.sample(&mut rng),
            Place::Face => {
                let (corner, inside) = (corner(region, &mut rng), region.sample(&mut rng));
                let pairs = corner.into_iter().zip(inside);
                pairs
                    .map(|(at_bound, inside)| if rng.random() { at_bound } else { inside })
                    .collect()
            }
            Place::NearCorner => near(region, corner(region, &mut rng), &mut rng),
        }
    }
}

pub(super) fn corner(region: &Region, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let bounds = region.lower().iter().zip(region.upper());
    bounds.map(|(low, high)| if rng.random() { *low } else { *high }).collect()
}

fn near(region: &Region, mut x: Vec<f64>, rng: &mut ChaCha8Rng) -> Vec<f64> {
    for (coordinate, value) in x.iter_mut().enumerate() {
        let (low, high) = (region.lower()[coordinate], region.upper()[coordinate]);
        for _ in 0..rng.random_range(0..3) {
            *value = if *value == low { value.next_up() } else { value.next_down() };
        }
        *value = value.clamp(low, high);
    }
    x
}

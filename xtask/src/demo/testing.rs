//! A small study for tests, with made-up numbers.

use nncert::prelude::*;

use super::curve::Curves;
use super::row::{Probabilities, Radii, Row};
use super::study::{Agreement, Place, Study, Subject, Words};
use super::way::{COLUMNS, CURVES};

/// One pair at two images, or several pairs at one place each.
pub(super) fn study(several: bool) -> (Study, Vec<Row>) {
    let count = if several { 3 } else { 1 };
    let words = Words {
        subject: "copy",
        agreement: "accuracy",
        counted: "1000 random inputs of the box with the same advisory".to_owned(),
        input: "pixel",
        scores_are: "all 100 scores are".to_owned(),
        region: "the box of inputs within 0.0625 of the image in each pixel".to_owned(),
        unit: "pixels run from 0 to 1",
        places: (!several).then(|| "10 images".to_owned()),
        pictured: "the <first> copy".to_owned(),
    };
    let places = if several { 1 } else { 2 };
    let study = Study {
        name: "test",
        heading: "A study & its rows".to_owned(),
        original: "f".to_owned(),
        seed: None,
        words,
        subjects: (0..count).map(|_| subject(places)).collect(),
        radius: Some(0.05),
    };
    (study, (0..count).map(|_| row(places)).collect())
}

fn subject(places: usize) -> Subject {
    let text = "2,1,1,1,\n1,1,1,\n0,\n-10,\n10,\n0,0,\n1,1,\n1,\n-1,\n1,\n0,\n";
    let network = io::nnet::parse(text).expect("a network").network;
    let place = |index| Place {
        name: format!("image {index}"),
        region: Region::linf_ball(&[0.5], 0.05, &Domain::unit()).expect("a region"),
        balls: Balls::around(&[0.5]),
    };
    Subject {
        name: "pruned, fine-tuned".to_owned(),
        about: "how".to_owned(),
        pair: PairedNetworks::new(&network, &network).expect("a pair"),
        outputs: Outputs::All,
        agreement: Agreement { right: 99, of: 100 },
        places: (0..places).map(place).collect(),
    }
}

fn row(places: usize) -> Row {
    let asked = |epsilon| Probabilities {
        epsilon,
        lower: vec![0.799_82; places],
        upper: vec![1.0; places],
    };
    let radii = [0.057_199_9, 0.0630, 0.0572, 0.070_799_9, 0.0380];
    assert_eq!(radii.len(), COLUMNS.len());
    let radii = radii
        .map(|radius| Radii { each: vec![radius; places], verdicts: vec!["certified"; places] });
    Row {
        worst: 0.13551,
        worst_each: vec![0.13551; places],
        probabilities: vec![asked(0.102), asked(0.004_36)],
        radii: radii.into(),
        seconds: 0.4,
    }
}

/// Curves that fall, each a little above the one before.
pub(super) fn curves() -> Curves {
    let chances = vec![0.5, 0.1, 0.01, 0.001, 0.000_1, 0.000_01];
    let curve = |index: usize| {
        let start = 0.05 + 0.001 * index as f64;
        (0..chances.len()).map(|point| start - 0.0005 * point as f64).collect()
    };
    Curves { radii: (0..CURVES.len()).map(curve).collect(), chances }
}

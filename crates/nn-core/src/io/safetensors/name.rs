//! Names of tensors: `prefix.N.weight`, `prefix.N.bias`.

/// What a tensor is in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `W`.
    Weight,
    /// `b`.
    Bias,
}

impl Part {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Bias => "bias",
        }
    }
}

/// The name of a tensor, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// What stands before the place, with its dot; often nothing.
    pub(super) prefix: &'a str,
    /// The place in the sequence.
    pub(super) place: usize,
    pub(super) part: Part,
}

impl<'a> Name<'a> {
    /// The parts of `name`, if it is the name of a weight or a bias.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (layer, part) = name.rsplit_once('.')?;
        let part = match part {
            "weight" => Part::Weight,
            "bias" => Part::Bias,
            _ => return None,
        };
        let digits = layer.rsplit('.').next()?;
        let place: usize = digits.parse().ok()?;
        // One name for one place: not 02, not +2.
        let prefix = layer.strip_suffix(&place.to_string())?;
        (digits.len() + prefix.len() == layer.len()).then_some(Self { prefix, place, part })
    }
}

/// The name of a tensor.
pub(super) fn name(prefix: &str, place: usize, part: Part) -> String {
    format!("{prefix}{place}.{}", part.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let weight = Name { prefix: "", place: 10, part: Part::Weight };
        assert_eq!(Name::parse("10.weight"), Some(weight));
        let bias = Name { prefix: "model.fc.", place: 0, part: Part::Bias };
        assert_eq!(Name::parse("model.fc.0.bias"), Some(bias));
        assert_eq!(name(bias.prefix, bias.place, bias.part), "model.fc.0.bias");
    }

    #[test]
    fn other_names_do_not() {
        for name in [
            "",
            ".",
            "weight",
            ".weight",
            "0",
            "0.",
            "0.scale",
            "02.weight",
            "+2.weight",
            "-2.weight",
            "fc1.weight",
            "0.weight.0",
            "99999999999999999999999.bias",
            " 0.bias",
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }
}

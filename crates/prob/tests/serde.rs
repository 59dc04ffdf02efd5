//! Stored forms, and that reading them validates.

use nncert_prob::{
    Confidence, Count, Discrete, LinearForm, Moments, Probability, SidedProbability, Tail,
    Triangular, TruncatedGaussian, Uniform,
};

#[test]
fn stored_forms_are_read_back() {
    let law = Uniform::new(-1.0, 0.1).unwrap();
    assert_eq!(serde_json::to_string(&law).unwrap(), r#"{"lower":-1.0,"upper":0.1}"#);
    assert_eq!(serde_json::from_str::<Uniform>(r#"{"lower":-1.0,"upper":0.1}"#).unwrap(), law);
    let inputs = [law];
    let form = LinearForm::new(&[3.0], 1.0, &inputs).unwrap();
    let text = serde_json::to_string(form.moments()).unwrap();
    assert_eq!(serde_json::from_str::<Moments>(&text).unwrap(), *form.moments());
    assert_eq!(serde_json::to_string(&Probability::new(0.25).unwrap()).unwrap(), "0.25");
    assert_eq!(serde_json::from_str::<Confidence>("0.9999").unwrap().get(), 0.9999);
    let count = Count::new(3, 10).unwrap();
    assert_eq!(serde_json::to_string(&count).unwrap(), "[3,10]");
    assert_eq!(serde_json::from_str::<Count>("[3,10]").unwrap(), count);
    let near_one = SidedProbability::from_complement(1e-30).unwrap();
    let text = serde_json::to_string(&near_one).unwrap();
    assert_eq!(serde_json::from_str::<SidedProbability>(&text).unwrap(), near_one);
    for method in Tail::ALL {
        let text = serde_json::to_string(&method).unwrap();
        assert_eq!(text, format!("{:?}", method.name()));
        assert_eq!(serde_json::from_str::<Tail>(&text).unwrap(), method);
    }
}

#[test]
fn every_law_is_read_back() {
    fn same<L>(law: &L)
    where
        L: serde::Serialize + serde::de::DeserializeOwned + PartialEq + core::fmt::Debug,
    {
        let text = serde_json::to_string(law).unwrap();
        assert_eq!(serde_json::from_str::<L>(&text).unwrap(), *law, "{text}");
    }
    same(&Triangular::new(-0.1, 0.3, 0.7).unwrap());
    same(&TruncatedGaussian::new(0.3, 0.1, 0.0, 1.0).unwrap());
    same(&Discrete::grid(0.0, 1.0, 256).unwrap());
    same(&Discrete::bernoulli(0.1).unwrap());
    same(&Discrete::new(&[0.1, 0.2, 0.1], &[1.0, 2.0, 4.0]).unwrap());
}

#[test]
fn reading_validates() {
    assert!(serde_json::from_str::<Triangular>(r#"{"lower":0.0,"mode":2.0,"upper":1.0}"#).is_err());
    let gauss = r#"{"centre":0.0,"deviation":-1.0,"lower":-1.0,"upper":1.0}"#;
    assert!(serde_json::from_str::<TruncatedGaussian>(gauss).is_err());
    for atoms in ["[]", "[[0.0,[0.5,0.4]]]", "[[0.0,[0.5,0.6]]]", "[[0.0,[0.9,1.5]]]"] {
        let text = format!(r#"{{"atoms":{atoms}}}"#);
        assert!(serde_json::from_str::<Discrete>(&text).is_err(), "{text}");
    }
    assert!(serde_json::from_str::<Uniform>(r#"{"lower":1.0,"upper":0.0}"#).is_err());
    assert!(serde_json::from_str::<Probability>("1.5").is_err());
    assert!(serde_json::from_str::<Confidence>("1.0").is_err());
    assert!(serde_json::from_str::<Count>("[3,2]").is_err());
    assert!(serde_json::from_str::<SidedProbability>("[1.5,true]").is_err());
    assert!(serde_json::from_str::<Tail>("\"markov\"").is_err());
}

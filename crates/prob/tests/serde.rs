//! Stored forms, and that reading them validates.

use nncert_prob::{
    Confidence, Count, LinearForm, Moments, Probability, SidedProbability, Tail, Uniform,
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
fn reading_validates() {
    assert!(serde_json::from_str::<Uniform>(r#"{"lower":1.0,"upper":0.0}"#).is_err());
    assert!(serde_json::from_str::<Probability>("1.5").is_err());
    assert!(serde_json::from_str::<Confidence>("1.0").is_err());
    assert!(serde_json::from_str::<Count>("[3,2]").is_err());
    assert!(serde_json::from_str::<SidedProbability>("[1.5,true]").is_err());
    assert!(serde_json::from_str::<Tail>("\"markov\"").is_err());
}

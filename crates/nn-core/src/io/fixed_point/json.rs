//! JSON in which every key stands once, and whose fields know their place.

use core::fmt;
use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::FixedPointFileError;
use crate::fixed_point::{Format, IntegerInterval, Rounding};

/// A JSON value.
#[derive(Debug)]
pub(super) enum Json {
    Integer(i64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
    /// Null, a truth value, or a number that is no `i64`.
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Other, Json::Integer))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if object.contains_key(&key) {
                let key: String = key.chars().take(40).collect();
                return Err(A::Error::custom(format_args!("{key:?} is given twice")));
            }
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

/// A value and where it stands: `layers[1].weight`.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    key: String,
    value: &'a Json,
}

type Result<T, E = FixedPointFileError> = core::result::Result<T, E>;

impl<'a> Field<'a> {
    /// The whole text.
    pub(super) fn root(value: &'a Json) -> Self {
        Self { key: String::new(), value }
    }

    /// What stands under a key of an object.
    pub(super) fn get(&self, key: &str) -> Result<Self> {
        self.find(key)?.ok_or_else(|| FixedPointFileError::MissingKey { key: self.inner(key) })
    }

    /// The same, if it is there.
    pub(super) fn find(&self, key: &str) -> Result<Option<Self>> {
        let value = self.object()?.get(key);
        Ok(value.map(|value| Self { key: self.inner(key), value }))
    }

    /// Fails with the first key of an object that is none of these.
    pub(super) fn only(&self, known: &[&str]) -> Result<()> {
        match self.object()?.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                let key: String = self.inner(key).chars().take(120).collect();
                Err(FixedPointFileError::UnknownKey { key })
            }
            None => Ok(()),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Result<impl ExactSizeIterator<Item = Self> + use<'a>> {
        let Json::List(list) = self.value else { return Err(self.not("a list")) };
        let key = self.key.clone();
        let elements = list.iter().enumerate();
        Ok(elements.map(move |(index, value)| Self { key: format!("{key}[{index}]"), value }))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, Json::List(_))
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        match self.value {
            Json::Text(text) => Ok(text),
            _ => Err(self.not("a text")),
        }
    }

    pub(super) fn integer<T: TryFrom<i64>>(&self) -> Result<T> {
        match self.value {
            Json::Integer(integer) => {
                T::try_from(*integer).map_err(|_| self.not("an integer in range"))
            }
            _ => Err(self.not("an integer")),
        }
    }

    pub(super) fn integers<T: TryFrom<i64>>(&self) -> Result<Vec<T>> {
        self.list()?.map(|element| element.integer()).collect()
    }

    /// Two integers, the lower and the upper end.
    pub(super) fn interval(&self) -> Result<IntegerInterval> {
        match self.integers::<i64>()?[..] {
            [lower, upper] => {
                IntegerInterval::new(lower, upper).map_err(|_| self.not("two ends in order"))
            }
            _ => Err(self.not("a lower and an upper end")),
        }
    }

    pub(super) fn format(&self) -> Result<Format> {
        let error = |cause| FixedPointFileError::Format { key: self.key.clone(), cause };
        self.text()?.parse().map_err(error)
    }

    pub(super) fn rounding(&self) -> Result<Rounding> {
        self.text()?.parse().map_err(|_| self.not("half-up, floor, half-even or half-away"))
    }

    /// The error that this is something else.
    pub(super) fn not(&self, expected: &'static str) -> FixedPointFileError {
        FixedPointFileError::Key { key: self.key.clone(), expected }
    }

    fn object(&self) -> Result<&'a BTreeMap<String, Json>> {
        match self.value {
            Json::Object(object) => Ok(object),
            _ => Err(self.not("an object")),
        }
    }

    fn inner(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }
}

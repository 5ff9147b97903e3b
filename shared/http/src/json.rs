//! JSON without duplicate keys, and without lists where objects are expected.
//!
//! serde's derived structs refuse duplicate fields, but `serde_json::Value` keeps the last one, and a struct is also filled
//! from a list. Both would let two readers of one body disagree.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Any JSON value in which no object has a key twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Unambiguous(pub Value);

/// Reads an optional part of a body that must be an object.
///
/// # Errors
/// Unless it is `null` or an object that a `T` can be read from.
pub fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    match Option::<Unambiguous>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Unambiguous(value @ Value::Object(_))) => serde_json::from_value(value).map(Some).map_err(Error::custom),
        Some(_) => Err(Error::custom("expected an object")),
    }
}

/// Whether `value` contains a list.
#[must_use]
pub fn holds_a_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(fields) => fields.values().any(holds_a_list),
        _ => false,
    }
}

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Self)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without duplicate keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unambiguous(value))) = entries.next_entry::<String, _>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_not_accepted_as_an_object() {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "object")]
            part: Option<Part>,
        }
        #[derive(Deserialize)]
        struct Part {
            a: u8,
        }
        let read = |text: &str| serde_json::from_str::<Body>(text).map(|body| body.part.map(|part| part.a));
        assert_eq!(read(r#"{"part":{"a":1}}"#).unwrap(), Some(1));
        assert_eq!(read(r#"{"part":null}"#).unwrap(), None);
        assert_eq!(read("{}").unwrap(), None);
        for wrong in [r#"{"part":[1]}"#, r#"{"part":"a"}"#, r#"{"part":{"a":1,"a":1}}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_object_may_have_a_key_twice_at_any_depth() {
        let read = |text: &str| serde_json::from_str::<Unambiguous>(text).map(|value| value.0);
        let valid = r#"{"a":[{"b":1},{"b":-2.5}],"c":{"b":"x","d":null,"e":true}}"#;
        assert_eq!(read(valid).unwrap(), serde_json::from_str::<Value>(valid).unwrap());
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"[{"a":[],"\u0061":{}}]"#] {
            assert!(read(twice).is_err(), "{twice}");
        }
    }
}

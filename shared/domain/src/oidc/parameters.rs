//! Parameters of OAuth requests: a query or a form.

/// Decoded name-value pairs. A parameter without a value counts as omitted, and none may be sent twice (RFC 6749 §3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// The parameter was sent more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl Parameters {
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// # Errors
    /// [`Repeated`]
    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(Repeated);
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Whether any parameter was sent more than once.
    #[must_use]
    pub fn has_repeated(&self) -> bool {
        self.0.iter().enumerate().any(|(index, (name, _))| self.0[..index].iter().any(|(earlier, _)| earlier == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_one_value_or_none() {
        let pairs = [("a", "1"), ("b", ""), ("c", "1"), ("c", "1")];
        let parameters = Parameters::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(parameters.one("a"), Ok(Some("1")));
        assert_eq!(parameters.one("b"), Ok(None));
        assert_eq!(parameters.one("d"), Ok(None));
        assert_eq!(parameters.one("c"), Err(Repeated));
        assert!(parameters.has_repeated());
        assert!(!Parameters::new([("a".to_owned(), String::new())]).has_repeated());
    }
}

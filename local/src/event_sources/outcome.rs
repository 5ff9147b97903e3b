//! The outcome of a batch (Lambda developer guide, "Configuring partial batch response").

use axum::body::Bytes;
use serde_json::Value;

use crate::lambda::Answer;

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    /// The function failed, or its report is malformed or names a record that isn't in the batch.
    Failed,
    /// These records failed, by identifier.
    Partly(Vec<String>),
}

impl Outcome {
    /// `reports_failures` means that the mapping has `ReportBatchItemFailures`. Without it, every response is a
    /// success.
    #[must_use]
    pub fn of(answer: &Answer, reports_failures: bool, identifiers: &[&str]) -> Self {
        match answer {
            Err(_) => Self::Failed,
            Ok(_) if !reports_failures => Self::Succeeded,
            Ok(payload) => Self::reported(payload, identifiers).unwrap_or(Self::Failed),
        }
    }

    fn reported(payload: &Bytes, identifiers: &[&str]) -> Option<Self> {
        let answer: Value = serde_json::from_slice(payload).ok()?;
        let failures = match &answer["batchItemFailures"] {
            Value::Null => return Some(Self::Succeeded),
            failures => failures.as_array()?,
        };
        let failed = failures.iter().map(|failure| {
            let identifier = failure["itemIdentifier"].as_str()?;
            identifiers.contains(&identifier).then(|| identifier.to_owned())
        });
        let failed: Vec<String> = failed.collect::<Option<_>>()?;
        Some(if failed.is_empty() { Self::Succeeded } else { Self::Partly(failed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_lambda_documents() {
        let read = |payload: &'static str| Outcome::of(&Ok(Bytes::from_static(payload.as_bytes())), true, &["1", "2"]);
        for all_done in ["null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#] {
            assert_eq!(read(all_done), Outcome::Succeeded, "{all_done}");
        }
        assert_eq!(read(r#"{"batchItemFailures":[{"itemIdentifier":"2"}]}"#), Outcome::Partly(vec!["2".into()]));
        for all_failed in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"wrong":"2"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"3"}]}"#,
            r#"{"batchItemFailures":"2"}"#,
            "not JSON",
        ] {
            assert_eq!(read(all_failed), Outcome::Failed, "{all_failed}");
        }
        let other = Outcome::of(&Ok(Bytes::from_static(b"not JSON")), false, &["1"]);
        assert_eq!(other, Outcome::Succeeded, "without ReportBatchItemFailures, only an error is a failure");
    }
}

//! Event source mappings: which table stream or queue invokes which function, and how.

use std::time::Duration;

use serde_json::Value;

use super::{document::Template, names};
use crate::result::Result;

/// The settings of one mapping. Defaults are those of the Lambda API reference, `CreateEventSourceMapping`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSource {
    pub function: String,
    pub source: Source,
    pub batch_size: usize,
    pub batching_window: Duration,
    /// A record is delivered if it matches one of these patterns. An empty list lets all records through.
    pub patterns: Vec<Value>,
    pub reports_failures: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Stream {
        table: String,
        /// How many batches of a shard are processed at once. Records with the same key stay in order.
        lanes: usize,
        /// Older records are skipped.
        maximum_age: Option<Duration>,
        /// How often a batch is retried before its records are skipped. `None` means without limit.
        maximum_retries: Option<u32>,
        bisects: bool,
    },
    Queue {
        name: String,
        /// How many invocations may run at once.
        maximum_concurrency: Option<usize>,
    },
}

impl Template {
    /// # Errors
    /// If a mapping names no table or queue of this template, or a filter isn't JSON.
    pub fn event_sources(&self) -> Result<Vec<EventSource>> {
        let mut sources = Vec::new();
        for (id, properties) in self.of_type("AWS::Serverless::Function") {
            let function = names::function(properties).ok_or_else(|| format!("{id} has no CodeUri"))?;
            for (event, declared) in properties["Events"].as_object().into_iter().flatten() {
                let source = match declared["Type"].as_str() {
                    Some("DynamoDB") => self.stream(&declared["Properties"]),
                    Some("SQS") => self.source_queue(&declared["Properties"]),
                    _ => continue,
                };
                let source = source.ok_or_else(|| format!("{id}: {event} names no table or queue of the template"))?;
                sources.push(event_source(function.clone(), source, &declared["Properties"])?);
            }
        }
        Ok(sources)
    }

    fn stream(&self, properties: &Value) -> Option<Source> {
        let id = properties["Stream"].as_str()?.strip_suffix(".StreamArn")?;
        // In both settings, -1 means without limit.
        let limit = |name: &str| properties[name].as_u64();
        Some(Source::Stream {
            table: self.physical_name(id)?,
            lanes: limit("ParallelizationFactor").and_then(|lanes| usize::try_from(lanes).ok()).unwrap_or(1),
            maximum_age: limit("MaximumRecordAgeInSeconds").map(Duration::from_secs),
            maximum_retries: limit("MaximumRetryAttempts").and_then(|tries| u32::try_from(tries).ok()),
            bisects: properties["BisectBatchOnFunctionError"] == true,
        })
    }

    fn source_queue(&self, properties: &Value) -> Option<Source> {
        let id = properties["Queue"].as_str()?.strip_suffix(".Arn")?;
        let concurrency = properties["ScalingConfig"]["MaximumConcurrency"].as_u64();
        Some(Source::Queue {
            name: self.physical_name(id)?,
            maximum_concurrency: concurrency.and_then(|most| usize::try_from(most).ok()),
        })
    }
}

fn event_source(function: String, source: Source, properties: &Value) -> Result<EventSource> {
    let default_size = if matches!(source, Source::Stream { .. }) { 100 } else { 10 };
    let filters = properties["FilterCriteria"]["Filters"].as_array().into_iter().flatten();
    let patterns = filters.map(|filter| serde_json::from_str(filter["Pattern"].as_str().unwrap_or_default()));
    let responses = properties["FunctionResponseTypes"].as_array().into_iter().flatten();
    Ok(EventSource {
        function,
        source,
        batch_size: usize::try_from(properties["BatchSize"].as_u64().unwrap_or(default_size))?.max(1),
        batching_window: Duration::from_secs(properties["MaximumBatchingWindowInSeconds"].as_u64().unwrap_or(0)),
        patterns: patterns.collect::<Result<_, _>>()?,
        reports_failures: responses.into_iter().any(|kind| kind == "ReportBatchItemFailures"),
    })
}

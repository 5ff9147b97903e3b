//! Event source mappings as in Lambda: every table stream and every queue that the template connects to a function.

mod lane;
mod outcome;
mod pattern;
mod queue;
mod stream;

use std::sync::Arc;

use dynoxide::Database;

use crate::{
    aws::sqs::Queues,
    lambda::Lambda,
    result::Result,
    template::{EventSource, Source},
};

/// Starts the tasks of each mapping.
///
/// # Errors
/// If a mapping has an unsupported filter or names an unknown queue.
pub fn start(sources: Vec<EventSource>, database: &Database, queues: &Arc<Queues>, lambda: &Arc<Lambda>) -> Result<()> {
    for EventSource { function, source, batch_size, batching_window, patterns, reports_failures } in sources {
        patterns.iter().try_for_each(pattern::check)?;
        match source {
            Source::Stream { table, lanes, maximum_age, maximum_retries, bisects } => {
                let policy = lane::Policy { batch_size, bisects, maximum_age, maximum_retries };
                let stream =
                    stream::Stream { table, function, lanes, batching_window, reports_failures, patterns, policy };
                tokio::spawn(stream::run(stream, database.clone(), Arc::clone(lambda)));
            }
            Source::Queue { name, maximum_concurrency } => {
                let mapping = queue::Mapping {
                    queue: queues.find(&name).ok_or_else(|| format!("there is no queue {name}"))?,
                    function,
                    batch_size,
                    batching_window,
                    reports_failures,
                    patterns,
                    // Lambda's pollers start with five concurrent batches.
                    concurrency: maximum_concurrency.unwrap_or(5),
                };
                queue::start(mapping, queues, lambda);
            }
        }
    }
    Ok(())
}

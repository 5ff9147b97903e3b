//! Secrets Manager's rotation of the keys secret: makes the first keys, and later new ones beside the old.

use aws_lambda_events::secretsmanager::SecretsManagerSecretRotationEvent as Event;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use twostep_runtime::{Startup, startup::forever, telemetry::with_request_id};
use twostep_usecases::rotate_keys::RotateKeys;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let rotation = forever(RotateKeys::open(&Startup::begin().await?)?);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| {
        with_request_id(event.context.request_id.clone(), handle(rotation, event))
    }))
    .await
}

async fn handle(rotation: &RotateKeys, event: LambdaEvent<Event>) -> Result<(), Error> {
    let Event { step, secret_id, client_request_token, .. } = event.payload;
    let taken = rotation.step(&secret_id, &client_request_token, &step).await;
    Ok(taken.inspect_err(|error| tracing::error!(%error, step, "the keys were not rotated"))?)
}

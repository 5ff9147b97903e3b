//! The environment of functions on a laptop.

use std::env;

use crate::{
    arn, iam,
    settings::Settings,
    template::{Function, Template},
};

/// The environment variables of one function. Names of tables, secrets and queues come from the template. The
/// template's other variables keep the functions' defaults, unless they are set for the stack.
#[must_use]
pub fn of(function: &Function, template: &Template, settings: &Settings) -> Vec<(String, String)> {
    let local = |port: u16| format!("http://localhost:{port}");
    // Tests can put another endpoint in front of the stack's own.
    let endpoint = |variable: &str, port: u16| env::var(variable).unwrap_or_else(|_| local(port));
    let limits = if settings.limits_as_deployed { "deployed" } else { "lifted" };
    let mut variables: Vec<(String, String)> = [
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint("AWS_ENDPOINT_URL_DYNAMODB", settings.dynamodb_port)),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER", settings.secrets_port)),
        ("AWS_ENDPOINT_URL_SQS", endpoint("AWS_ENDPOINT_URL_SQS", settings.sqs_port)),
        ("AWS_ENDPOINT_URL_SESV2", local(settings.ses_port)),
        ("EMAIL_FROM", settings.email_from.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("AWS_REGION", arn::REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", iam::access_key_id(&function.name)),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        // DynamoDB calls then identify the function that made them.
        ("AWS_SDK_UA_APP_ID", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory.to_string()),
        ("LIMITS", limits.to_owned()),
        ("CLICKATELL_URL", local(settings.sandbox_port)),
        ("TARGETS", "loopback".to_owned()),
        ("SITE_NAME", "Example".to_owned()),
        ("SITE_HOST", "localhost".to_owned()),
        ("ALLOWED_COUNTRIES", env::var("ALLOWED_COUNTRIES").unwrap_or_else(|_| "*".to_owned())),
        ("ALLOWED_ORIGINS", env::var("ALLOWED_ORIGINS").unwrap_or_default()),
        ("ORIGIN_SECRET_HASHES", env::var("ORIGIN_SECRET_HASHES").unwrap_or_default()),
        ("ISSUER", settings.api_url()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let named = function.resources.iter().filter_map(|(variable, id)| {
        let name = template.physical_name(id)?;
        // `!Ref` of a queue returns its URL.
        let value = if template.is_queue(id) { settings.queue_url(&name) } else { name };
        Some((variable.clone(), value))
    });
    variables.extend(named);
    variables
}

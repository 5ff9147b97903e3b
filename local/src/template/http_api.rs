//! The HTTP API: routes and throttles.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{document::Template, names};

/// One `METHOD /path` and the function that serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// As in the template: `/v1/codes/{challenge_id}`.
    pub path: String,
    pub method: String,
    pub function: String,
}

impl Route {
    /// For example, `POST /v1/codes/{challenge_id}/verify`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A token bucket that all callers of a route share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Tokens per second.
    pub rate: f64,
    /// The bucket's size, in tokens.
    pub burst: f64,
}

pub struct HttpApi {
    pub routes: Vec<Route>,
    /// By route key. A route without an entry has the default throttle.
    pub throttles: BTreeMap<String, Throttle>,
    pub default_throttle: Option<Throttle>,
}

impl Template {
    #[must_use]
    pub fn http_api(&self) -> HttpApi {
        let api = self.of_type("AWS::Serverless::HttpApi").next().map_or(&Value::Null, |(_, properties)| properties);
        let settings = api["RouteSettings"].as_object().into_iter().flatten();
        HttpApi {
            throttles: settings.filter_map(|(key, settings)| Some((key.clone(), self.throttle(settings)?))).collect(),
            default_throttle: self.throttle(&api["DefaultRouteSettings"]),
            routes: self.routes(),
        }
    }

    fn throttle(&self, settings: &Value) -> Option<Throttle> {
        let number = |name: &str| self.number(&settings[name]);
        Some(Throttle { rate: number("ThrottlingRateLimit")?, burst: number("ThrottlingBurstLimit")? })
    }

    fn routes(&self) -> Vec<Route> {
        let functions = self.of_type("AWS::Serverless::Function");
        let mut routes: Vec<Route> = functions
            .flat_map(|(_, properties)| {
                let function = names::function(properties);
                let events = properties["Events"].as_object().into_iter().flatten();
                events.filter(|(_, event)| event["Type"] == "HttpApi").filter_map(move |(_, event)| {
                    let part = |name: &str| Some(event["Properties"][name].as_str()?.to_owned());
                    Some(Route {
                        path: part("Path")?,
                        method: part("Method")?.to_uppercase(),
                        function: function.clone()?,
                    })
                })
            })
            .collect();
        routes.sort();
        routes
    }
}

//! End-to-end tests: a full stack over HTTP, as a website uses it. The tests of this process share one stack.

mod accounts;
mod clients;
mod cookies;
mod cross_origin;
mod delivery;
mod edge;
mod errors;
mod events;
mod isolation;
mod journeys;
mod languages;
mod load;
mod metrics;
mod oidc;
mod outages;
mod passwords;
mod readme;
mod reliability;
mod second_step;
mod secrecy;
mod sessions;
mod settings;
mod silence;
mod tokens;
mod verifications;
mod web;

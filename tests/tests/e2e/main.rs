//! End-to-end tests: a full stack over HTTP, as a website uses it. The tests of this process share one stack.

mod clients;
mod cookies;
mod cross_origin;
mod delivery;
mod emails;
mod errors;
mod events;
mod idle_numbers;
mod journeys;
mod languages;
mod load;
mod metrics;
mod oidc;
mod outages;
mod passwords;
mod readme;
mod resets;
mod second_step;
mod secrecy;
mod sessions;
mod settings;
mod silence;
mod tokens;
mod verifications;
mod web;

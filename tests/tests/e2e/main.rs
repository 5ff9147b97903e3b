//! The whole stack over HTTP, as a website uses it. The tests of this process share one stack.

mod delivery;
mod errors;
mod events;
mod journeys;
mod outages;
mod secrecy;
mod sessions;
mod silence;
mod tokens;

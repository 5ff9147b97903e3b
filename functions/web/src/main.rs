//! Serves the pages, their assets, and `GET /v1/site`.

mod files;
mod security;

use twostep::{
    http::{self, Answer, Error, Problem, Request},
    service::site::PublicSite,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let site = PublicSite::init().await?;
    http::run(|request| handle(site, request)).await
}

async fn handle(site: &PublicSite, request: Request) -> Result<Answer, Problem> {
    match http::segment_after(&request, "v1") {
        Some("site") => Ok(Answer::json(200, &site.body().await?).cacheable("public, max-age=30")),
        _ => files::find(&request).map(security::protect),
    }
}

//! Serves the pages, their assets, and `GET /v1/site`.

mod files;
mod security;

use twostep_http::{Answer, Error, Problem, Request, bodies::site::SiteBody, segment_after, serve};
use twostep_runtime::{Startup, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::public_site::PublicSite;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let site = forever(PublicSite::open(&Tables::new(&startup))?);
    site.warm_up().await;
    serve(&startup, |request| handle(site, request)).await
}

async fn handle(site: &PublicSite, request: Request) -> Result<Answer, Problem> {
    match segment_after(&request, "v1") {
        Some("site") => {
            Ok(Answer::json(200, &SiteBody::from(&*site.settings().await?)).cacheable("public, max-age=30"))
        }
        _ => files::find(&request).map(security::protect),
    }
}

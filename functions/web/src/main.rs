//! Serves the pages, their assets, and `GET /v1/site`.

mod encoding;
mod files;
mod header;
mod live_pages;
mod look;
mod security;
mod site;

use twostep_http::{Error, serve};
use twostep_runtime::{Startup, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::public_site::PublicSite;

use live_pages::{KnownSite, LivePages};
use site::Web;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let site = PublicSite::open(&Tables::new(&startup))?;
    let web = forever(Web { site, known: KnownSite::default(), pages: LivePages::default() });
    web.site.warm_up().await;
    serve(&startup, |request| web.handle(request)).await
}

//! Serves the pages, their assets, and `GET /v1/site`.

mod encoding;
mod files;
mod header;
mod live_pages;
mod security;

use std::sync::Arc;

use twostep_domain::settings::Settings;
use twostep_http::{Answer, Error, Problem, Request, bodies::site::SiteBody, segment_after, serve};
use twostep_runtime::{Startup, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::{Outage, public_site::PublicSite};

use live_pages::{LivePages, SiteData};

struct Web {
    site: PublicSite,
    pages: LivePages,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let web = forever(Web { site: PublicSite::open(&Tables::new(&startup))?, pages: LivePages::default() });
    web.site.warm_up().await;
    serve(&startup, |request| web.handle(request)).await
}

impl Web {
    async fn handle(&self, request: Request) -> Result<Answer, Problem> {
        if segment_after(&request, "v1") == Some("site") {
            let settings = self.site.settings().await?;
            return Ok(Answer::json(200, &SiteBody::from(&*settings)).cacheable("public, max-age=30"));
        }
        self.file(&request).await.map(security::protect)
    }

    async fn file(&self, request: &Request) -> Result<Answer, Problem> {
        match files::page_at(request) {
            Some(page) => {
                let (query, site) = (request.uri().query().unwrap_or_default(), self.site.settings().await);
                Ok(self.pages.answer(page, request.headers(), query, &site_data(site)))
            }
            None => files::find(request),
        }
    }
}

/// What pages say about the site. A page is useful without it, so an outage of the settings isn't one of the pages.
fn site_data(settings: Result<Arc<Settings>, Outage>) -> SiteData {
    match settings {
        Ok(settings) => SiteData::of(&settings),
        Err(outage) => {
            tracing::error!(error = %outage, "a page is served without the site's settings");
            SiteData::unknown()
        }
    }
}

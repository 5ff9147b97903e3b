//! Serves the pages, their assets, and `GET /v1/site`.

mod encoding;
mod files;
mod header;
mod live_pages;
mod security;

use twostep_http::{Answer, Error, Problem, Request, bodies::site::SiteBody, segment_after, serve};
use twostep_runtime::{Startup, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::public_site::PublicSite;

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
            let body = SiteBody::new(&settings, self.site.email_is_on);
            return Ok(Answer::json(200, &body).cacheable("public, max-age=30"));
        }
        self.file(&request).await.map(security::protect)
    }

    async fn file(&self, request: &Request) -> Result<Answer, Problem> {
        match files::page_at(request) {
            Some(page) => {
                let query = request.uri().query().unwrap_or_default();
                Ok(self.pages.answer(page, request.headers(), query, &site_data(&self.site).await))
            }
            None => files::find(request),
        }
    }
}

/// What pages say about the site. A page is useful without it, so an outage of the settings isn't one of the pages.
async fn site_data(site: &PublicSite) -> SiteData {
    match site.settings().await {
        Ok(settings) => SiteData::of(&settings, site.email_is_on),
        Err(outage) => {
            tracing::error!(error = %outage, "a page is served without the site's settings");
            SiteData::unknown()
        }
    }
}

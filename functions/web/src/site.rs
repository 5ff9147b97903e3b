//! What each path of the site shows.

use std::sync::Arc;

use lambda_http::{
    RequestExt,
    http::{Method, header::ACCEPT},
};
use twostep_http::{Answer, Problem, Request, bodies::site::SiteBody, segment_after};
use twostep_usecases::public_site::PublicSite;

use crate::{
    files, header,
    live_pages::{KnownSite, LivePages, SiteData},
    security::{self, Sources},
};

/// Where password managers look for the form (W3C, "A Well-Known URL for Changing Passwords").
const CHANGE_PASSWORD: &str = "/.well-known/change-password";

pub struct Web {
    pub site: PublicSite,
    pub known: KnownSite,
    pub pages: LivePages,
}

impl Web {
    pub async fn handle(&self, request: Request) -> Result<Answer, Problem> {
        let answer = self.get(&request).await;
        if request.method() == Method::HEAD { answer.map(Answer::without_body) } else { answer }
    }

    async fn get(&self, request: &Request) -> Result<Answer, Problem> {
        if segment_after(request, "v1") == Some("site") {
            let settings = self.site.settings().await?;
            let body = SiteBody::new(&settings, self.site.email_is_on);
            return Ok(Answer::json(200, &body).cacheable("public, max-age=30"));
        }
        if request.raw_http_path() == CHANGE_PASSWORD {
            return Ok(Answer::redirect("/profile#new-password"));
        }
        self.file(request).await
    }

    async fn file(&self, request: &Request) -> Result<Answer, Problem> {
        if let Some(page) = files::page_at(request) {
            return Ok(self.page(page, request).await);
        }
        match files::find(request) {
            Err(Problem::NotFound) if wants_a_page(request) => {
                Ok(self.page(files::missing(), request).await.not_found())
            }
            found => found.map(|file| security::protect(file, &Sources::default())),
        }
    }

    async fn page(&self, page: &'static files::Page, request: &Request) -> Answer {
        let query = request.uri().query().unwrap_or_default();
        let site = self.site_data().await;
        security::protect(self.pages.answer(page, request.headers(), query, &site), site.sources())
    }

    /// What pages say about the site. A page is useful without it, so an outage of the settings isn't one of the pages.
    async fn site_data(&self) -> Arc<SiteData> {
        match self.site.settings().await {
            Ok(settings) => self.known.of(&settings, self.site.email_is_on),
            Err(outage) => {
                tracing::error!(error = %outage, "a page is served without the site's settings");
                Arc::new(SiteData::unknown())
            }
        }
    }
}

/// Whether a browser shows the answer to a person, rather than a script reading it.
fn wants_a_page(request: &Request) -> bool {
    header::text(request.headers(), &ACCEPT).contains("text/html")
}

//! Route matching.

use super::percent;
use crate::template::Route;

pub struct Routes(Vec<Route>);

/// A matching route, with the values of its path parameters.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'a> {
    pub route: &'a Route,
    pub parameters: Parameters,
}

type Parameters = Vec<(String, String)>;

impl Routes {
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// Finds the most specific route: literal segments take precedence over parameters, parameters over a greedy
    /// `{name+}`, and a specific method over `ANY`. Expects the path as sent, so that `%2F` doesn't separate segments.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        let candidates = self.0.iter().filter(|route| route.method == method || route.method == "ANY");
        let matching = candidates.filter_map(|route| {
            let (rank, parameters) = matches(&route.path, path)?;
            Some((rank, route.method == "ANY", Match { route, parameters }))
        });
        matching.min_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1))).map(|(_, _, found)| found)
    }
}

/// Returns 0 for each literal segment, 1 for a parameter and 2 for a greedy one, with the decoded parameters.
fn matches(template: &str, path: &str) -> Option<(Vec<u8>, Parameters)> {
    let (mut ranks, mut parameters) = (Vec::new(), Vec::new());
    let mut rest = path.strip_prefix('/')?;
    let mut segments = template.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        if let Some(greedy) = name.and_then(|name| name.strip_suffix('+')) {
            ranks.push(2);
            parameters.push((greedy.to_owned(), percent::decode(rest)));
            return (!rest.is_empty()).then_some((ranks, parameters));
        }
        let (here, after) = rest.split_once('/').map_or((rest, None), |(here, after)| (here, Some(after)));
        match name {
            Some(name) if !here.is_empty() => {
                ranks.push(1);
                parameters.push((name.to_owned(), percent::decode(here)));
            }
            None if percent::decode(here) == segment => ranks.push(0),
            _ => return None,
        }
        match (after, segments.peek().is_some()) {
            (Some(after), true) => rest = after,
            (None, false) => return Some((ranks, parameters)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        let route = |key: &&str| {
            let (method, path) = key.split_once(' ').unwrap();
            Route { path: path.into(), method: method.into(), function: key.to_string() }
        };
        Routes::new(keys.iter().map(route).collect())
    }

    #[track_caller]
    fn expect(routes: &Routes, request: &str, key: Option<&str>, parameters: &[(&str, &str)]) {
        let (method, path) = request.split_once(' ').unwrap();
        let found = routes.find(method, path);
        assert_eq!(found.as_ref().map(|found| found.route.key()).as_deref(), key, "{request}");
        let named: Vec<_> = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(found.map(|found| found.parameters).unwrap_or_default(), named, "{request}");
    }

    #[test]
    fn the_most_specific_route_takes_a_request() {
        let routes = routes(&[
            "GET /",
            "GET /v1/{id}",
            "GET /v1/me",
            "POST /v1/{id}/verify",
            "ANY /files/{path+}",
            "GET /files/{path+}",
        ]);
        expect(&routes, "GET /", Some("GET /"), &[]);
        expect(&routes, "GET /v1/me", Some("GET /v1/me"), &[]);
        expect(&routes, "GET /v1/you", Some("GET /v1/{id}"), &[("id", "you")]);
        expect(&routes, "POST /v1/a/verify", Some("POST /v1/{id}/verify"), &[("id", "a")]);
        expect(&routes, "GET /files/a/b", Some("GET /files/{path+}"), &[("path", "a/b")]);
        expect(&routes, "PUT /files/a", Some("ANY /files/{path+}"), &[("path", "a")]);
    }

    #[test]
    fn parameters_are_decoded_after_the_path_was_split() {
        let routes = routes(&["GET /v1/{id}"]);
        expect(&routes, "GET /v1/a%2Fb", Some("GET /v1/{id}"), &[("id", "a/b")]);
        expect(&routes, "GET /v1/a%20b+c", Some("GET /v1/{id}"), &[("id", "a b+c")]);
    }

    #[test]
    fn other_methods_and_near_paths_have_no_route() {
        let routes = routes(&["GET /v1/{id}", "GET /login"]);
        for request in [
            "HEAD /login",
            "POST /login",
            "GET /login/",
            "GET /v1/",
            "GET /v1",
            "GET /v1/a/b",
            "OPTIONS /login",
            "GET *",
        ] {
            expect(&routes, request, None, &[]);
        }
    }
}

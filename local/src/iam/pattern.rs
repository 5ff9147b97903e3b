//! IAM's wildcards: `*` matches any number of characters and `?` exactly one.

/// Matches a string case-sensitively, like `StringLike`.
#[must_use]
pub fn text_matches(pattern: &str, text: &str) -> bool {
    matches(pattern, text, |_| true)
}

/// Matches an action with a pattern such as `dynamodb:*`. Actions are case-insensitive.
#[must_use]
pub fn action_matches(pattern: &str, action: &str) -> bool {
    text_matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// Matches a resource with a pattern of a `Resource` element, case-sensitively. `*` crosses an ARN's colons only at the
/// end of a segment (IAM User Guide, "JSON policy elements: Resource", wildcards).
#[must_use]
pub fn resource_matches(pattern: &str, resource: &str) -> bool {
    matches(pattern, resource, |rest| matches!(rest.first(), None | Some(':')))
}

/// Matches an ARN with a pattern of an ARN condition operator, which compares each of the six segments separately (IAM
/// User Guide, "JSON policy elements: Condition operators", ARN condition operators).
#[must_use]
pub fn arn_matches(pattern: &str, arn: &str) -> bool {
    const PARTS: usize = 6;
    let parts = |arn: &str| arn.splitn(PARTS, ':').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, arn) = (parts(pattern), parts(arn));
    pattern.len() == PARTS
        && arn.len() == PARTS
        && pattern.iter().zip(&arn).all(|(pattern, part)| text_matches(pattern, part))
}

/// `crosses_colons` receives the pattern after a `*` and returns whether that `*` may match colons.
fn matches(pattern: &str, text: &str, crosses_colons: impl Fn(&[char]) -> bool) -> bool {
    let literal = pattern.split(['*', '?']).next().unwrap_or_default();
    let (Some(pattern), Some(text)) = (pattern.strip_prefix(literal), text.strip_prefix(literal)) else {
        return false;
    };
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // reached[j]: the pattern so far matches the first j characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for (at, &expected) in pattern.iter().enumerate() {
        let mut next = vec![false; text.len() + 1];
        if expected == '*' {
            let crosses = crosses_colons(&pattern[at + 1..]);
            next[0] = reached[0];
            for (j, &character) in text.iter().enumerate() {
                next[j + 1] = reached[j + 1] || (next[j] && (crosses || character != ':'));
            }
        } else {
            for (j, &character) in text.iter().enumerate() {
                next[j + 1] = reached[j] && (expected == '?' || expected == character);
            }
        }
        reached = next;
    }
    reached[text.len()]
}

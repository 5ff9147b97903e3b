//! IAM's wildcards: `*` stands for any run of characters and `?` for exactly one.

/// A text against a pattern, case-sensitive, as `StringLike` compares them.
#[must_use]
pub fn text_matches(pattern: &str, text: &str) -> bool {
    matches(pattern, text, |_| true)
}

/// An action against a pattern such as `dynamodb:*`. Actions are case-insensitive.
#[must_use]
pub fn action_matches(pattern: &str, action: &str) -> bool {
    text_matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// A resource against a pattern of a `Resource` element, case-sensitive. `*` crosses the colons of an ARN only at the
/// end of a segment (IAM User Guide, "JSON policy elements: Resource", wildcards).
#[must_use]
pub fn resource_matches(pattern: &str, resource: &str) -> bool {
    matches(pattern, resource, |rest| matches!(rest.first(), None | Some(':')))
}

/// An ARN against a pattern of an ARN condition operator, which compares each of the six parts by itself (IAM User
/// Guide, "JSON policy elements: Condition operators", ARN condition operators).
#[must_use]
pub fn arn_matches(pattern: &str, arn: &str) -> bool {
    const PARTS: usize = 6;
    let parts = |arn: &str| arn.splitn(PARTS, ':').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, arn) = (parts(pattern), parts(arn));
    pattern.len() == PARTS
        && arn.len() == PARTS
        && pattern.iter().zip(&arn).all(|(pattern, part)| text_matches(pattern, part))
}

/// `crosses_colons` gets what follows a `*` and says whether that `*` may stand for colons too.
fn matches(pattern: &str, text: &str, crosses_colons: impl Fn(&[char]) -> bool) -> bool {
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

//! How hard a password is to guess, at a bounded cost.
//!
//! zxcvbn looks every substring up in its dictionaries, once for each way of reading digits and symbols as letters
//! (`p@$$w0rd`). A long password of such characters has thousands of readings. So the password is judged in pieces, each of
//! which costs little, and the guesses for the pieces are multiplied.

use zxcvbn::{
    feedback::{Feedback, Warning},
    zxcvbn,
};

/// What follows is not read. It could only make the password stronger.
const LONGEST_READ: usize = 64;

/// The most [`cost`] of one piece. A passphrase of 32 characters is one piece.
const PIECE_BUDGET: usize = 1_024;

/// An attacker who guesses online gives up long before 10⁸ guesses (zxcvbn's score 3).
const LEAST_GUESSES_LOG10: f64 = 8.0;

/// How many words of the user zxcvbn also tries, and how many characters of each.
const MOST_WORDS: usize = 12;
const SHORTEST_WORD: usize = 3;
const LONGEST_WORD: usize = 64;

/// The letters that zxcvbn knows, each with the digits and symbols that stand for it.
const READINGS: [(char, &str); 12] = [
    ('a', "4@"),
    ('b', "8"),
    ('c', "({[<"),
    ('e', "3"),
    ('g', "69"),
    ('i', "1!|"),
    ('l', "1|7"),
    ('o', "0"),
    ('s', "$5"),
    ('t', "+7"),
    ('x', "%"),
    ('z', "2"),
];

/// Why a password is easy to guess; `Ok` if it is not. `context` is what an attacker would try first: the email address and
/// the name.
///
/// # Errors
/// The reason, where zxcvbn has one.
pub(super) fn judge(password: &str, context: &[&str]) -> Result<(), Option<Warning>> {
    let words = words(context);
    let text = without_words(password, &words);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (mut guesses_log10, mut warning) = (0.0, None);
    for piece in pieces(&text) {
        let strength = zxcvbn(&piece, &words);
        guesses_log10 += strength.guesses_log10();
        warning = warning.or_else(|| strength.feedback().and_then(Feedback::warning));
    }
    if guesses_log10 >= LEAST_GUESSES_LOG10 { Ok(()) } else { Err(warning) }
}

/// The parts of the user's name and email address, longest first, in lower case.
fn words(context: &[&str]) -> Vec<String> {
    let whole = context.iter().copied();
    let parts = context.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let halves = context.iter().filter_map(|text| text.split_once('@')).flat_map(|(local, domain)| [local, domain]);
    let mut words: Vec<String> = whole
        .chain(halves)
        .chain(parts)
        .map(str::to_lowercase)
        .filter(|word| (SHORTEST_WORD..=LONGEST_WORD).contains(&word.chars().count()))
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words.truncate(MOST_WORDS);
    words
}

/// The password as an attacker who knows the user sees it: each word of the user counts as one character, so a name with a
/// suffix is as weak as the suffix.
fn without_words(password: &str, words: &[String]) -> String {
    let read: String = password.chars().take(LONGEST_READ).collect();
    if !words.iter().any(|word| read.to_lowercase().contains(word)) {
        return read;
    }
    words.iter().fold(read.to_lowercase(), |text, word| text.replace(word, " "))
}

/// The text in the longest pieces that keep to the budget.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for character in text.chars() {
        let last = pieces.last_mut().expect("never empty");
        last.push(character);
        if cost(last) > PIECE_BUDGET && last.chars().count() > 1 {
            last.pop();
            pieces.push(character.to_string());
        }
    }
    pieces
}

/// How many substrings of `piece` zxcvbn looks up, over all readings: the square of its length, for each combination of
/// letters that its digits and symbols can stand for.
fn cost(piece: &str) -> usize {
    let length = piece.chars().count();
    let kinds = |symbols: &str| symbols.chars().filter(|symbol| piece.contains(*symbol)).count();
    // A symbol that stands for two letters doubles the readings where both letters choose it.
    let shared = ['1', '|', '7'].iter().filter(|symbol| piece.contains(**symbol)).count();
    let readings: usize = READINGS.iter().map(|(_, symbols)| kinds(symbols).max(1)).product();
    readings.saturating_mul(1 << shared).saturating_mul(length * length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: [&str; 2] = ["ada.lovelace@example.com", "Ada Lovelace"];

    fn work(password: &str) -> usize {
        pieces(&without_words(password, &words(&CONTEXT))).iter().map(|piece| cost(piece)).sum()
    }

    #[test]
    fn a_name_or_an_email_address_with_a_suffix_is_weak() {
        for weak in [
            "ada.lovelace@example.com1!",
            "Ada.Lovelace@Example.com#2024",
            "AdaLovelace2024!",
            "lovelace.ada.example",
            "Lovelace-Ada-99",
            "example.com/ada",
            "ada ada ada ada ada",
            "2024ada.lovelace!!",
        ] {
            assert!(judge(weak, &CONTEXT).is_err(), "{weak}");
        }
        assert!(judge("ada keeps seventeen purple bicycles", &CONTEXT).is_ok(), "the rest is strong");
    }

    #[test]
    fn patterns_are_weak_in_pieces_too() {
        for weak in
            ["1234567890!@#$%^&*()", "p@$$w0rd123", "1q2w3e4r5t6y", "77777777777777777777", "P4$$w0rd!P4$$w0rd!"]
        {
            assert!(judge(weak, &CONTEXT).is_err(), "{weak}");
        }
        for strong in ["x4@8(3|6$zQ", "G4$t|1z%8(+2", "correct horse battery staple", "7!k+{0%vR<2s9"] {
            assert!(judge(strong, &CONTEXT).is_ok(), "{strong}");
        }
    }

    #[test]
    fn a_passphrase_is_judged_as_a_whole() {
        assert_eq!(pieces("correct horse battery staple").len(), 1);
        assert_eq!(pieces("").len(), 1);
    }

    /// Digits and symbols that all stand for letters, in every order, and everything else that a user can type.
    fn any_password() -> impl Strategy<Value = String> {
        let costly = proptest::collection::vec(
            proptest::sample::select("4@8({[<3691!|70$5+%2".chars().collect::<Vec<_>>()),
            1..=256,
        );
        let costly = costly.prop_map(|characters| characters.into_iter().collect::<String>());
        prop_oneof![costly, "[ -~]{1,256}", "\\PC{1,256}", "(ada|lovelace|@|[0-9]){1,60}"]
    }

    proptest! {
        #[test]
        fn no_password_costs_more_than_twenty_ordinary_ones(password in any_password()) {
            let ordinary = work("correct horse battery staple");
            prop_assert!(work(&password) <= 20 * ordinary, "{} times", work(&password) / ordinary);
        }
    }
}

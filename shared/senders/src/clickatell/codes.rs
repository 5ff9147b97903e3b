//! Every code of Clickatell's tables, by whose fault it is. A code that is not in a table is the account's, because a
//! visitor who is told to check a number that is right gives up.
//!
//! Source: docs.clickatell.com, "One API errors table" and "One API message status table"; archive.clickatell.com, "List of
//! error codes (REST)", with 106, 108 and 607 as the platform words them; clickatell.com, "REST API status callback".

use twostep_domain::{
    challenge::{DeliveryFailure, Reported},
    settings::ClickatellApi,
};

use crate::Fault;

/// What an error says about the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Not sent.
    Refused(Fault),
    /// Not sent; the same message may be sent later.
    Later(&'static str),
    /// How far the message got is unknown.
    Unknown,
}

/// An error's code, the words that it begins with, and its meaning. Older answers have words alone.
type Row = (u32, &'static str, Meaning);

const RECIPIENT: Meaning = Meaning::Refused(Fault::Recipient);
const KEY: Meaning = Meaning::Refused(Fault::Key);
const SENDER: Meaning = Meaning::Refused(Fault::Sender);
const ACCOUNT: Meaning = Meaning::Refused(Fault::Account);

const ONE_API: &[Row] = &[
    (1, "Invalid or missing integration API Key", KEY),
    (2, "Account is not active", ACCOUNT),
    (3, "Integration is not active", ACCOUNT),
    (7, "Originating IP address is not approved", ACCOUNT),
    // Before 18, whose words it begins with.
    (19, "Internal error, please retry", Meaning::Later("provider_unavailable")),
    (18, "Internal error", Meaning::Unknown),
    (20, "Insufficient account balance", ACCOUNT),
    (21, "Payload data is malformed", ACCOUNT),
    (22, "Maximum messages per request payload exceeded", ACCOUNT),
    (23, "Invalid or missing parameter", ACCOUNT),
    (24, "Maximum message content size exceeded", ACCOUNT),
    (25, "Invalid recipient address", RECIPIENT),
    (26, "Recipient opted out", RECIPIENT),
    (27, "Recipient not available on channel", RECIPIENT),
    // A sandbox integration sends to its test phones only.
    (28, "Recipient not available on sandbox", ACCOUNT),
    (30, "", ACCOUNT),
    (31, "", ACCOUNT),
    (32, "", ACCOUNT),
    (33, "", ACCOUNT),
    (38, "Channel/feature is not active on integration", SENDER),
    (39, "Channel is not available on integration", SENDER),
    (40, "Character set is not supported", ACCOUNT),
    (41, "Resource does not exist", SENDER),
    (42, "HTTP method is not supported", SENDER),
    (43, "Rate limit", Meaning::Later("rate_limited")),
    (44, "FROM number is suspended", SENDER),
    (45, "FROM number is not related to integration", SENDER),
    (46, "Demo access has expired", ACCOUNT),
    (100, "Maximum message parts exceeded", ACCOUNT),
    (101, "Destination does not support two-way messaging", SENDER),
    (110, "USA country limit: must use two-way", SENDER),
    (111, "USA country limit: must enable", SENDER),
];

const REST: &[Row] = &[
    (1, "Authentication failed", KEY),
    (7, "IP lockdown violation", ACCOUNT),
    (100, "Data malformed", ACCOUNT),
    (101, "Invalid or missing parameters", ACCOUNT),
    (102, "Invalid user data header", ACCOUNT),
    (105, "Invalid destination address", RECIPIENT),
    (106, "Invalid source address", SENDER),
    (108, "Invalid or missing", KEY),
    (109, "Missing message ID", ACCOUNT),
    (113, "Maximum message parts exceeded", ACCOUNT),
    // The account's routes do not cover the number's network.
    (114, "Cannot route message", ACCOUNT),
    (116, "Invalid unicode data", ACCOUNT),
    (120, "clientMessageId contains space", ACCOUNT),
    (121, "Destination mobile number blocked", RECIPIENT),
    (122, "Destination mobile opted out", RECIPIENT),
    (123, "Invalid Sender ID", SENDER),
    (128, "Number delisted", RECIPIENT),
    (130, "Maximum MT limit exceeded", ACCOUNT),
    (150, "Invalid country code", RECIPIENT),
    (151, "Too long input phone", RECIPIENT),
    (152, "Too short input phone", RECIPIENT),
    (153, "Too many MSISDNs", ACCOUNT),
    (158, "", RECIPIENT),
    (160, "HTTP method is not supported", SENDER),
    (161, "Resource does not exist", SENDER),
    (165, "", ACCOUNT),
    (166, "", ACCOUNT),
    (167, "", ACCOUNT),
    (301, "No credit left", ACCOUNT),
    (302, "", ACCOUNT),
    (607, "Invalid FROM number", SENDER),
    (900, "", Meaning::Unknown),
    (901, "Internal error", Meaning::Unknown),
    // 2017 and 2018, without a code.
    (607, "Two-Way integration error", SENDER),
];

/// The code of an error, 0 if it has none, and its meaning, if it is in the table.
pub(super) fn error(api: ClickatellApi, code: Option<u32>, words: Option<&str>) -> (u32, Option<Meaning>) {
    let table = match api {
        ClickatellApi::One => ONE_API,
        ClickatellApi::Rest => REST,
    };
    let says = |row: &&Row| match (code, words) {
        (Some(code), _) => row.0 == code,
        (None, Some(words)) => !row.1.is_empty() && begins_with(words, row.1),
        (None, None) => false,
    };
    match table.iter().find(says) {
        Some(&(code, _, meaning)) => (code, Some(meaning)),
        None => (code.unwrap_or(0), None),
    }
}

fn begins_with(words: &str, start: &str) -> bool {
    words.trim_start().get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

const NOT_DELIVERED: Reported = Reported::Failed(DeliveryFailure::NotDelivered);
const OF_THE_ACCOUNT: Reported = Reported::Failed(DeliveryFailure::AccountRefused);

/// What the status of a delivery report says; `None` if nothing about how far the message got. The same number means
/// different things in the two APIs.
pub(super) fn status(api: ClickatellApi, status: u32) -> Option<Reported> {
    match api {
        ClickatellApi::Rest => match status {
            // Delivered to the gateway; received by the gateway. 2 and 11 are queued.
            3 | 8 => Some(Reported::Sent),
            4 => Some(Reported::Delivered),
            // Unknown id; error with the message; error delivering; routing error; expired.
            1 | 5 | 7 | 9 | 10 => Some(NOT_DELIVERED),
            // Cancelled by the account's user; out of credit; cancelled by Clickatell; maximum MT limit exceeded.
            6 | 12..=14 => Some(OF_THE_ACCOUNT),
            _ => None,
        },
        ClickatellApi::One => match status {
            4 => Some(Reported::Sent),
            // DEVICE_ACK, READ.
            5 | 6 => Some(Reported::Delivered),
            // EXPIRED, DELIVERY_FAILURE, RECIPIENT_DOES_NOT_EXIST, ROUTING_ERROR.
            20 | 23 | 29 | 100 => Some(NOT_DELIVERED),
            // STOPPED_BY_USER, STOPPED_BY_ADMIN, EMULATED, INSUFFICIENT_ACCOUNT_BALANCE, VOLUME_LIMIT*, ENCRYPTION_*, MEDIA_*.
            21 | 22 | 24..=28 | 60 | 61 | 80..=85 => Some(OF_THE_ACCOUNT),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(api: ClickatellApi, code: u32) -> Option<Meaning> {
        error(api, Some(code), None).1
    }

    #[test]
    fn visitors_hear_of_their_number_only_where_it_is_at_fault() {
        let recipient = |api| (0..1_000).filter(move |code| fault(api, *code) == Some(RECIPIENT)).collect::<Vec<_>>();
        assert_eq!(recipient(ClickatellApi::One), [25, 26, 27]);
        assert_eq!(recipient(ClickatellApi::Rest), [105, 121, 122, 128, 150, 151, 152, 158]);
        let lost = |api| (0..200).filter(move |code| status(api, *code) == Some(NOT_DELIVERED)).collect::<Vec<_>>();
        assert_eq!(lost(ClickatellApi::One), [20, 23, 29, 100]);
        assert_eq!(lost(ClickatellApi::Rest), [1, 5, 7, 9, 10]);
    }

    #[test]
    fn every_code_has_one_meaning() {
        for table in [ONE_API, REST] {
            for (code, words, meaning) in table {
                for (other, _, different) in table.iter().filter(|row| row.0 == *code) {
                    assert_eq!(meaning, different, "{other}");
                }
                let first = table.iter().find(|row| !row.1.is_empty() && begins_with(words, row.1));
                assert!(words.is_empty() || first.is_some_and(|first| first.2 == *meaning), "{code} {words}");
            }
        }
    }

    #[test]
    fn an_error_in_words_has_the_meaning_of_its_code() {
        let rest = |words| error(ClickatellApi::Rest, None, Some(words));
        assert_eq!(rest("Invalid destination address."), (105, Some(RECIPIENT)));
        assert_eq!(rest("Two-Way integration error - From number is not related to integration"), (607, Some(SENDER)));
        assert_eq!(rest("invalid or missing integration API key."), (108, Some(KEY)));
        for words in ["", "Invalid", "Something new", "Größe"] {
            assert_eq!(rest(words), (0, None), "{words}");
        }
        assert_eq!(
            error(ClickatellApi::One, None, Some("Internal error, please retry")).1,
            Some(Meaning::Later("provider_unavailable"))
        );
        assert_eq!(error(ClickatellApi::One, Some(999), Some("Invalid recipient address")), (999, None));
    }
}

//! What a message shows as its sender: a number or a short name (3GPP TS 23.040 §9.1.2.5).

/// The digits of a number or short code, or a name of 3 to 11 letters, digits and spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderId(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a number of 3 to 15 digits, and not a name of 3 to 11 letters, digits and spaces")]
pub struct InvalidSenderId;

impl SenderId {
    /// Reads a number as portals show it, with a plus and punctuation, or a name.
    ///
    /// # Errors
    /// [`InvalidSenderId`]
    pub fn parse(input: &str) -> Result<Self, InvalidSenderId> {
        let input = input.trim();
        let number = input.strip_prefix('+').unwrap_or(input);
        if !number.contains(|c: char| !(c.is_ascii_digit() || " -.()".contains(c))) {
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            return if (3..=15).contains(&digits.len()) { Ok(Self(digits)) } else { Err(InvalidSenderId) };
        }
        let is_name = (3..=11).contains(&input.len())
            && input.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
            && input.bytes().any(|byte| byte.is_ascii_alphabetic());
        if is_name { Ok(Self(input.to_owned())) } else { Err(InvalidSenderId) }
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_portals_show_them_and_names_as_they_are() {
        for (input, sender) in [
            ("12025550100", "12025550100"),
            ("+1 (202) 555-0100", "12025550100"),
            (" 447.911.123.456 ", "447911123456"),
            ("12345", "12345"),
            ("ACME", "ACME"),
            ("Acme Shop 1", "Acme Shop 1"),
            ("24h", "24h"),
        ] {
            assert_eq!(SenderId::parse(input).map(SenderId::into_string), Ok(sender.to_owned()));
        }
    }

    #[test]
    fn other_senders_are_refused() {
        for input in
            ["", " ", "12", "+", "1234567890123456", "AB", "Twelve chars", "Café", "A-B", "<script>", "+ACME", "A\nBC"]
        {
            assert_eq!(SenderId::parse(input), Err(InvalidSenderId), "{input:?}");
        }
    }
}

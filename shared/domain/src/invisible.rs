//! Characters that show nothing. They come along with pasted text, and can make two texts look the same.

/// Control characters, line and paragraph separators, everything that Unicode lets fonts ignore (`Default_Ignorable_Code_Point`: joiners,
/// directional marks, fillers, variation selectors, tags), annotation marks and the blank Braille pattern.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text without the spaces and invisible marks around it. Control characters stay, except for white space.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    let around = |c: char| c.is_whitespace() || is_invisible(c) && !c.is_control();
    let rest = text.trim_start_matches(around);
    // A variation selector or tag at the end belongs to the emoji or ideograph before it.
    rest.trim_end_matches(|c| around(c) && !is_selector(c) && !is_tag(c))
}

/// Whether every invisible character of the text is one that its neighbours need: a joiner in a script that shapes letters by their
/// neighbours or in an emoji, a variation selector of an emoji or ideograph, or the tags of a flag.
#[must_use]
pub fn are_needed(text: &str) -> bool {
    let mut before = ' ';
    for c in text.chars() {
        let needed = match c {
            '\u{200c}' | '\u{200d}' => joins(before) || is_selector(before),
            '\u{180b}'..='\u{180f}' => matches!(before, '\u{1800}'..='\u{18af}'),
            c if is_selector(c) => varies(before),
            c if is_tag(c) => before == '\u{1f3f4}' || is_tag(before),
            c => !is_invisible(c),
        };
        if !needed {
            return false;
        }
        before = c;
    }
    true
}

/// Scripts whose letters change with their neighbours (Arabic to Sinhala, Burmese, Khmer, Mongolian and others), and emoji.
fn joins(c: char) -> bool {
    !is_invisible(c)
        && matches!(c,
            '\u{600}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}' | '\u{1900}'..='\u{1cff}'
            | '\u{2190}'..='\u{2bff}' | '\u{a800}'..='\u{abff}' | '\u{10a00}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}'
            | '\u{1f000}'..='\u{1faff}')
}

/// What a variation selector can change: keycaps, symbols, emoji, ideographs.
fn varies(c: char) -> bool {
    !is_invisible(c)
        && (matches!(c, '0'..='9' | '#' | '*' | '\u{a9}' | '\u{ae}' | '\u{1000}'..='\u{109f}')
            || ('\u{2010}'..).contains(&c))
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_text_is_trimmed() {
        for pasted in
            [" Ada", "\u{200e}Ada\u{202c}", "\u{a0}\u{feff}Ada\u{3000}\t", "\u{2066}Ada\u{2069}\n", "\u{2028}Ada\u{ad}"]
        {
            assert_eq!(trimmed(pasted), "Ada", "{pasted:?}");
        }
        assert_eq!(trimmed(" I \u{2764}\u{fe0f} "), "I \u{2764}\u{fe0f}");
        assert_eq!(trimmed("\u{200b}\u{3164}\u{2800}"), "");
    }

    #[test]
    fn scripts_and_emoji_keep_their_joiners() {
        for needed in [
            "علی\u{200c}رضا",
            "ක්\u{200d}ෂ",
            "ന്\u{200d}",
            "👩\u{200d}🚀",
            "❤\u{fe0f}\u{200d}🔥",
            "1\u{fe0f}\u{20e3}",
            "葛\u{e0100}城",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "ᠠ\u{180b}",
        ] {
            assert!(are_needed(needed), "{needed:?}");
        }
    }

    #[test]
    fn nothing_else_may_be_invisible() {
        for hidden in [
            "A\u{200d}da",
            "A\u{200c}da",
            "é\u{200d}",
            "A\u{200b}da",
            "A\u{202e}da",
            "A\u{fe0f}",
            "A\u{e0061}",
            "\u{200d}a",
            "A\u{ad}da",
            "김\u{3164}",
            "a\u{2800}b",
            "علی\u{200c}\u{200c}رضا",
            "a\u{0}b",
            "a\nb",
            "a\u{fff9}b",
            "ض\u{61c}",
        ] {
            assert!(!are_needed(hidden), "{hidden:?}");
        }
    }
}

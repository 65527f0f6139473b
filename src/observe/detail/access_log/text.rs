use std::fmt::{self, Write};

/// The maximum length of a value, in bytes.
const MAX_BYTES: usize = 1_024;

/// A value sent by a client, cut to a limit. It can be written only in an escaped form.
#[derive(Debug)]
pub(super) struct Text(Box<[u8]>);

impl Text {
    pub(super) fn of(sent: impl AsRef<[u8]>) -> Self {
        let sent = sent.as_ref();
        match sent.get(..MAX_BYTES) {
            Some(start) if sent.len() > MAX_BYTES => Self([start, b"..."].concat().into()),
            _ => Self(sent.into()),
        }
    }

    /// Escapes the value as in Apache, for use within quotes.
    pub(super) fn quotable(&self) -> Quotable<'_> {
        Quotable { bytes: &self.0, is_word: false }
    }

    /// Escapes the value as in Apache, and also its spaces.
    pub(super) fn word(&self) -> Quotable<'_> {
        Quotable { bytes: &self.0, is_word: true }
    }

    /// Escapes the value as a JSON string, with its quotes.
    pub(super) fn json(&self) -> JsonString<'_> {
        JsonString(&self.0)
    }
}

/// Writes printable ASCII, with a backslash before quotes and backslashes. Writes other bytes as
/// `\xhh`.
pub(super) struct Quotable<'a> {
    bytes: &'a [u8],
    is_word: bool,
}

impl fmt::Display for Quotable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.bytes {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' ' if self.is_word => f.write_str("\\x20")?,
                b' '..=b'~' => f.write_char(byte.into())?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// Writes a JSON string in printable ASCII. Other characters are escaped, since some of them are
/// control characters.
pub(crate) struct JsonString<'a>(pub(crate) &'a [u8]);

impl fmt::Display for JsonString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in String::from_utf8_lossy(self.0).chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reverses Apache's escaping.
    fn unquoted(text: &str) -> Vec<u8> {
        let (mut bytes, mut found) = (text.bytes(), Vec::new());
        while let Some(byte) = bytes.next() {
            found.push(match byte {
                b'\\' => match bytes.next().unwrap() {
                    b'x' => {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        let digits = str::from_utf8(&digits).unwrap();
                        u8::from_str_radix(digits, 16).unwrap()
                    }
                    escaped => escaped,
                },
                b'"' => panic!("a bare quote in {text}"),
                byte => byte,
            });
        }
        found
    }

    fn is_printable(text: &str) -> bool {
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    }

    #[test]
    fn each_format_escapes_the_same_value_differently() {
        let text = Text::of("a \"b\" \\ \n\t\u{1b}[31m\u{9b} é 😀");
        assert_eq!(
            text.quotable().to_string(),
            r#"a \"b\" \\ \x0a\x09\x1b[31m\xc2\x9b \xc3\xa9 \xf0\x9f\x98\x80"#
        );
        assert_eq!(
            text.json().to_string(),
            r#""a \"b\" \\ \u000a\u0009\u001b[31m\u009b \u00e9 \ud83d\ude00""#
        );
        assert_eq!(Text::of("1.2.3.4, 5.6.7.8").word().to_string(), r"1.2.3.4,\x205.6.7.8");
        assert_eq!(Text::of(b"\xff\xfe").json().to_string(), r#""\ufffd\ufffd""#);
    }

    #[test]
    fn a_long_value_is_cut_and_ends_in_an_ellipsis() {
        let length = |sent: usize| Text::of("x".repeat(sent)).quotable().to_string();
        assert_eq!(length(MAX_BYTES), "x".repeat(MAX_BYTES));
        assert_eq!(length(MAX_BYTES + 1), "x".repeat(MAX_BYTES) + "...");
    }

    proptest! {
        #[test]
        fn any_value_can_be_read_back_from_its_escaped_form(
            sent in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let text = Text::of(&sent);
            for quoted in [text.quotable().to_string(), text.word().to_string()] {
                prop_assert!(is_printable(&quoted));
                prop_assert_eq!(unquoted(&quoted), sent.clone());
            }
            prop_assert!(!text.word().to_string().contains(' '));
            let json = text.json().to_string();
            prop_assert!(is_printable(&json));
            let read: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&sent));
        }
    }
}

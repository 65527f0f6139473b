use std::fmt::{self, Write};

/// The maximum length of a value, in bytes.
const LONGEST: usize = 1_024;

/// A value sent by a client, cut to a limit. It can only be written escaped.
#[derive(Debug)]
pub(super) struct Text(Box<[u8]>);

impl Text {
    pub(super) fn of(sent: impl AsRef<[u8]>) -> Self {
        let sent = sent.as_ref();
        match sent.get(..LONGEST) {
            Some(start) if sent.len() > LONGEST => Self([start, b"..."].concat().into()),
            _ => Self(sent.into()),
        }
    }

    /// Apache's escaping for a quoted value.
    pub(super) fn quotable(&self) -> Quotable<'_> {
        Quotable { bytes: &self.0, is_word: false }
    }

    /// Apache's escaping, with spaces escaped too.
    pub(super) fn word(&self) -> Quotable<'_> {
        Quotable { bytes: &self.0, is_word: true }
    }

    /// A JSON string, with its quotes.
    pub(super) fn json(&self) -> JsonString<'_> {
        JsonString(&self.0)
    }
}

/// Printable ASCII, with a backslash before quotes and backslashes. Other bytes are `\xhh`.
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

/// A JSON string in printable ASCII, since some control characters are not ASCII.
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
    fn each_format_escapes_values_in_its_own_way() {
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
        assert_eq!(length(LONGEST), "x".repeat(LONGEST));
        assert_eq!(length(LONGEST + 1), "x".repeat(LONGEST) + "...");
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

use http::{HeaderMap, HeaderName, HeaderValue};

use super::AddressError;

/// Headers that a user adds to each request. No log, error or `Debug` output contains their values.
#[derive(Clone, Debug, Default)]
pub(in crate::notify) struct Headers(HeaderMap);

impl Headers {
    /// Adds a header. An error names the receiver.
    pub(in crate::notify) fn set(
        &mut self,
        name: &str,
        value: &str,
        receiver: &'static str,
    ) -> Result<(), AddressError> {
        let invalid = |problem| AddressError::Header { receiver, problem };
        let name: HeaderName = name.parse().map_err(|_| invalid("has an invalid name"))?;
        let mut value: HeaderValue = value
            .trim()
            .parse()
            .map_err(|_| invalid("has a value with characters other than printable ASCII"))?;
        value.set_sensitive(true);
        self.0.insert(name, value);
        Ok(())
    }
}

impl From<Headers> for HeaderMap {
    fn from(headers: Headers) -> Self {
        headers.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_header_is_rejected_without_showing_its_value() {
        let mut headers = Headers::default();
        for (name, value) in [("", "s3cret"), ("s3cret key", "x"), ("x-key", "s3\ncret")] {
            let error = headers.set(name, value, "webhook").unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3") && text.contains("webhook"), "{text}");
        }
        headers.set("Authorization", " Bearer s3cret\n", "webhook").unwrap();
        assert!(!format!("{headers:?}").contains("s3cret"));
        assert_eq!(HeaderMap::from(headers)["authorization"], "Bearer s3cret");
    }
}

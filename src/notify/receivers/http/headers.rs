use http::{HeaderMap, HeaderName, HeaderValue};

use super::AddressError;

/// Headers of a user's own. Their values are in no log, error or `Debug`.
#[derive(Clone, Debug, Default)]
pub(in crate::notify) struct Headers(HeaderMap);

impl Headers {
    /// `receiver` is what an error says.
    pub(in crate::notify) fn set(
        &mut self,
        name: &str,
        value: &str,
        receiver: &'static str,
    ) -> Result<(), AddressError> {
        let refused = |problem| AddressError::Header { receiver, problem };
        let name: HeaderName = name.parse().map_err(|_| refused("has no name that HTTP knows"))?;
        let mut value: HeaderValue = value
            .trim()
            .parse()
            .map_err(|_| refused("has a value that is not of printable ASCII alone"))?;
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
    fn a_header_that_can_not_be_one_is_refused_without_being_told() {
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

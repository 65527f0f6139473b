use http::{HeaderMap, header};

/// Whether the client prefers gzip according to its `Accept-Encoding` (RFC 9110, section 12.5.3).
pub(super) fn prefers_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    for (coding, weight) in codings.filter_map(weighted) {
        let target = match coding {
            coding if coding.eq_ignore_ascii_case("gzip") => &mut gzip,
            coding if coding.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            coding if coding.eq_ignore_ascii_case("identity") => &mut identity,
            "*" => &mut any,
            _ => continue,
        };
        *target = Some(weight);
    }
    // A client that does not list plain text prefers gzip.
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// A coding with its weight; `None` if the weight is not a number from 0 to 1.
fn weighted(member: &str) -> Option<(&str, f32)> {
    let mut parts = member.split(';').map(str::trim);
    let coding = parts.next()?;
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let weight = match weight {
        Some(weight) => weight.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
        None => 1.0,
    };
    Some((coding, weight))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn clients_that_prefer_gzip_are_recognised() {
        for (lines, expected) in [
            (&["gzip"][..], true),
            (&["GZip;Q=0.5"], true),
            (&["x-gzip"], true),
            (&["deflate, gzip;q=1.0, *;q=0.5"], true),
            (&["br", "gzip"], true),
            (&["*"], true),
            (&["gzip;q=0.5, identity;q=0.5"], true),
            (&["gzip;q=0.001"], true),
            (&["identity;q=0, *;q=0.1"], true),
            (&[], false),
            (&[""], false),
            (&["br, deflate"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000, *"], false),
            (&["*;q=0"], false),
            (&["gzip;q=0.4, identity;q=0.5"], false),
            (&["identity, *;q=0.5"], false),
            (&["gzip;q=2"], false),
            (&["gzip;q=much"], false),
            (&["gzip;q=NaN"], false),
            (&["gzipped"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(prefers_gzip(&headers), expected, "{lines:?}");
        }
    }
}

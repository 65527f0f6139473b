use std::array;

/// Returns the trace id of a valid `traceparent` header of version 00. See
/// <https://www.w3.org/TR/trace-context/>.
pub(crate) fn trace_id(traceparent: &[u8]) -> Option<&str> {
    let mut parts = str::from_utf8(traceparent).ok()?.split('-');
    let [Some("00"), Some(trace), Some(parent), Some(flags), None] =
        array::from_fn(|_| parts.next())
    else {
        return None;
    };
    let is_id = |id, digits| is_hex(id, digits) && id.bytes().any(|digit| digit != b'0');
    (is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2)).then_some(trace)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_has_a_trace_id() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
        assert_eq!(trace_id(traceparent.as_bytes()), Some(trace));
        let zero = "0".repeat(32);
        for invalid in [
            String::new(),
            traceparent.to_uppercase(),
            traceparent.replacen("00", "ff", 1),
            traceparent.replace(trace, &zero),
            traceparent.replace("00f067aa0ba902b7", &zero[..16]),
            traceparent.replace("4bf9", "4bf"),
            traceparent.replace("4bf9", "4bfg"),
            traceparent.replace("-01", ""),
            traceparent.replace("-01", "-1"),
            format!("{traceparent}-00"),
            format!(" {traceparent}"),
        ] {
            assert_eq!(trace_id(invalid.as_bytes()), None, "{invalid}");
        }
        assert_eq!(trace_id(b"00-\xff"), None);
    }
}

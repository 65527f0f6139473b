//! Go's templates, which Prometheus expands in labels and annotations.

use crate::rule::Unit;

/// Returns a template that yields this text.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", r#"{{"{{"}}"#)
}

/// Returns a template that yields the value of an alert in this unit.
pub(super) fn value(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "{{ $value | humanizeDuration }}",
        // The expression of a burn rate yields the error ratio.
        Unit::Ratio | Unit::Multiple => "{{ $value | humanizePercentage }}",
        Unit::PerSecond => "{{ $value | humanize }}/s",
        Unit::Requests => "{{ $value | humanize }}",
    }
}

/// Returns a template that yields the value of a label, or nothing.
pub(super) fn label(name: &str) -> String {
    format!("{{{{ $labels.{name} }}}}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Expands a template whose only actions are string constants.
    fn expanded(template: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, action)) = rest.split_once("{{") {
            text.push_str(before);
            let (constant, after) = action.strip_prefix('"')?.split_once("\"}}")?;
            text.push_str(constant);
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    proptest! {
        #[test]
        fn a_literal_yields_its_text(text in "[{}\"\\-.$ a]*") {
            prop_assert_eq!(expanded(&literal(&text)), Some(text));
        }
    }

    #[test]
    fn a_route_is_no_action() {
        assert_eq!(literal("GET /orders/{id}"), "GET /orders/{id}");
        assert_eq!(literal("{{{ .X }}"), r#"{{"{{"}}{ .X }}"#);
        assert_eq!(label("http_route"), "{{ $labels.http_route }}");
    }
}

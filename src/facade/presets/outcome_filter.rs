use std::borrow::Cow;

use crate::outcome::{GrpcStatus, Outcome};

/// The label of a counter that shows an outcome, and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutcomeFilter {
    pub(crate) label: &'static str,
    pub(crate) values: Values,
    /// The requests that the label does not show, as a sentence.
    pub(crate) gap: Option<&'static str>,
}

/// The values of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    OneOf(Vec<Cow<'static, str>>),
    NoneOf(Vec<Cow<'static, str>>),
    /// The HTTP statuses whose first digit is this one.
    Class(char),
}

impl OutcomeFilter {
    pub(super) fn new(label: &'static str, values: Values) -> Self {
        Self { label, values, gap: None }
    }

    pub(super) fn with_gap(self, gap: &'static str) -> Self {
        Self { gap: Some(gap), ..self }
    }
}

impl Values {
    pub(super) fn one_of(values: &[&'static str]) -> Self {
        Self::OneOf(values.iter().map(|value| Cow::Borrowed(*value)).collect())
    }

    pub(super) fn none_of(values: &[&'static str]) -> Self {
        Self::NoneOf(values.iter().map(|value| Cow::Borrowed(*value)).collect())
    }

    /// Returns the outcomes that are errors.
    pub(super) fn errors() -> Self {
        let errors = Outcome::ALL.into_iter().filter(|outcome| outcome.is_error());
        Self::OneOf(errors.map(|outcome| outcome.as_str().into()).collect())
    }

    /// Returns the gRPC statuses of a kind, each by a name.
    pub(super) fn grpc(
        is_it: fn(GrpcStatus) -> bool,
        name: fn(GrpcStatus) -> &'static str,
    ) -> Self {
        let statuses = (0..=16).map(GrpcStatus::from_code).filter(|status| is_it(*status));
        Self::OneOf(statuses.map(|status| name(status).into()).collect())
    }

    /// Returns whether a label with this value is one of them.
    #[cfg(test)]
    pub(super) fn has(&self, value: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|one| one == value),
            Self::NoneOf(values) => values.iter().all(|one| one != value),
            Self::Class(digit) => value.starts_with(*digit) && value.len() == 3,
        }
    }
}

use super::Comparison;

/// An invalid setting of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    Above,
    Below,
    /// Neither `above` nor `below` is set.
    Threshold,
    Over,
    Objective,
    BurnRates,
    Quantile,
    SlowerThan,
    MinRequests,
    MinErrors,
    Confidence,
    EachRoute,
    Route,
    Dependency,
    Name,
    Labels,
}

/// An invalid setting, with a text that states the problem and the fix.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) setting: Setting,
    pub(super) text: String,
}

impl Setting {
    pub(super) fn problem(self, text: impl Into<String>) -> Option<Problem> {
        Some(Problem { setting: self, text: text.into() })
    }

    /// The method of [`Rule`](super::Rule) for a setting that can exclude another one.
    pub(super) fn setter(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::EachRoute => "each_route",
            Self::Route => "route",
            _ => "dependency",
        }
    }

    /// The key in a configuration file.
    #[cfg(feature = "toml")]
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Threshold => "",
            Self::Over => "over",
            Self::Objective => "objective",
            Self::BurnRates => "burn_rates",
            Self::Quantile => "quantile",
            Self::SlowerThan => "slower_than",
            Self::MinRequests => "min_requests",
            Self::MinErrors => "min_errors",
            Self::Confidence => "confidence",
            Self::EachRoute => "scope",
            Self::Route => "route",
            Self::Dependency => "dependency",
            Self::Name => "name",
            Self::Labels => "labels",
        }
    }
}

impl From<Comparison> for Setting {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Above => Self::Above,
            Comparison::Below => Self::Below,
        }
    }
}

//! An alert in the state file. Mirrors of the public types keep the file's format private.

mod failure;
mod operation;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

pub(crate) use self::failure::SavedTexts;
use super::{
    Acknowledgement, Alert, AlertStatus, Breach, Cause, Contribution, Failure, Notice, Origin,
    Suppression, Target,
};
use crate::{
    operation::Operation,
    rule::{Comparison, Severity, Signal},
};

/// An alert in the state file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SavedAlert(#[serde(with = "AlertFields")] pub(crate) Alert);

/// Whether two states of a firing alert differ at most in the requests. These change at each tick,
/// so such a change triggers no write.
pub(crate) fn is_same_in_file(one: &Alert, other: &Alert) -> bool {
    let mut one = one.clone();
    if let (Some(one), Some(other)) = (one.breach_mut(), other.breach()) {
        (one.requests, one.errors) = (other.requests, other.errors);
    }
    one == *other
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Alert")]
struct AlertFields {
    #[serde(with = "StatusWord")]
    status: AlertStatus,
    name: Arc<str>,
    #[serde(with = "fields::SeverityWord")]
    severity: Severity,
    #[serde(with = "TargetFields")]
    target: Target,
    #[serde(with = "CauseFields")]
    cause: Cause,
    #[serde(with = "fields::instant")]
    starts_at: SystemTime,
    #[serde(with = "fields::optional_instant")]
    ends_at: Option<SystemTime>,
    labels: BTreeMap<String, String>,
    summary: Option<String>,
    runbook: Option<String>,
    dashboard: Option<String>,
    #[serde(with = "fields::origin")]
    origin: Arc<Origin>,
    /// Only set without a state file.
    #[serde(skip)]
    unknown_before: Option<SystemTime>,
    #[serde(default, with = "fields::suppression")]
    suppressed: Option<Suppression>,
    #[serde(default, with = "fields::acknowledgement")]
    acknowledged: Option<Acknowledgement>,
    is_relabelled: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Cause", rename_all = "snake_case")]
enum CauseFields {
    Rule(#[serde(with = "BreachFields")] Breach),
    Report(#[serde(with = "failure")] Arc<Failure>),
    Notice(#[serde(with = "NoticeWord")] Notice),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Breach")]
struct BreachFields {
    value: Option<f64>,
    #[serde(with = "number")]
    peak: f64,
    #[serde(with = "number")]
    threshold: f64,
    #[serde(with = "ComparisonWord")]
    comparison: Comparison,
    window: Option<(Duration, u64)>,
    requests: u64,
    errors: u64,
    #[serde(with = "contributions")]
    top: Vec<Contribution>,
    signal: Signal,
    is_rule_removed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Notice", rename_all = "snake_case")]
enum NoticeWord {
    Test,
    Watchdog,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AlertStatus", rename_all = "snake_case")]
enum StatusWord {
    Firing,
    Resolved,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Comparison", rename_all = "snake_case")]
enum ComparisonWord {
    Above,
    Below,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Target", rename_all = "snake_case")]
enum TargetFields {
    Service,
    Operation(#[serde(with = "operation")] Operation),
    Route(String),
    Dependency(String),
    CallSite(String),
}

#[derive(Serialize, Deserialize)]
struct SavedContribution {
    #[serde(with = "operation")]
    operation: Operation,
    #[serde(with = "number")]
    share: f64,
    detail: String,
}

/// Formats that several parts of the file use.
pub(crate) mod fields {
    use std::{sync::Arc, time::SystemTime};

    use serde::{Deserialize, Serialize};

    use crate::{
        alert::{Acknowledgement, Origin, Suppression, SuppressionKind},
        rule::Severity,
    };

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Severity", rename_all = "snake_case")]
    pub(crate) enum SeverityWord {
        Info,
        Warning,
        Critical,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Origin")]
    struct OriginFields {
        service: String,
        instance: String,
        version: Option<String>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "SuppressionKind", rename_all = "snake_case")]
    enum SuppressionWord {
        Silence,
        Maintenance,
        Inhibition,
        QuietAfterStart,
        Acknowledgement,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Suppression")]
    struct SuppressionFields {
        #[serde(with = "SuppressionWord")]
        kind: SuppressionKind,
        by: String,
        reason: String,
        #[serde(with = "instant")]
        since: SystemTime,
        #[serde(with = "optional_instant")]
        ended_at: Option<SystemTime>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Acknowledgement")]
    struct AcknowledgementFields {
        by: String,
        reason: String,
        #[serde(with = "instant")]
        at: SystemTime,
    }

    /// Formats a type as an option of it.
    macro_rules! optional {
        ($name:ident, $type:ident, $fields:literal) => {
            pub(crate) mod $name {
                use serde::{Deserialize, Deserializer, Serialize, Serializer};

                use super::*;

                #[derive(Serialize)]
                struct Written<'a>(#[serde(with = $fields)] &'a $type);

                #[derive(Deserialize)]
                struct Read(#[serde(with = $fields)] $type);

                pub(crate) fn serialize<S: Serializer>(
                    value: &Option<$type>,
                    to: S,
                ) -> Result<S::Ok, S::Error> {
                    value.as_ref().map(Written).serialize(to)
                }

                pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                    from: D,
                ) -> Result<Option<$type>, D::Error> {
                    Ok(Option::<Read>::deserialize(from)?.map(|Read(value)| value))
                }
            }
        };
    }

    optional!(suppression, Suppression, "SuppressionFields");
    optional!(acknowledgement, Acknowledgement, "AcknowledgementFields");

    pub(crate) mod origin {
        use serde::{Deserializer, Serializer};

        use super::{Arc, Origin, OriginFields};

        pub(crate) fn serialize<S: Serializer>(
            origin: &Arc<Origin>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            OriginFields::serialize(origin, to)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Arc<Origin>, D::Error> {
            OriginFields::deserialize(from).map(Arc::new)
        }
    }

    /// An instant in RFC 3339, to the nanosecond. It is limited to the years 1970 to 9999, which a
    /// message can show.
    pub(crate) mod instant {
        use std::time::{Duration, UNIX_EPOCH};

        use serde::{Deserialize, Deserializer, Serializer, de::Error};

        use super::SystemTime;

        /// The last second of the year 9999.
        const LAST: Duration = Duration::from_secs(253_402_300_799);

        pub(crate) fn serialize<S: Serializer>(
            instant: &SystemTime,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            let instant = (*instant).clamp(UNIX_EPOCH, UNIX_EPOCH + LAST);
            to.collect_str(&humantime::format_rfc3339_nanos(instant))
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<SystemTime, D::Error> {
            humantime::parse_rfc3339(&String::deserialize(from)?).map_err(D::Error::custom)
        }
    }

    pub(crate) mod optional_instant {
        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        use super::{SystemTime, instant};

        #[derive(Serialize, Deserialize)]
        struct Instant(#[serde(with = "instant")] SystemTime);

        pub(crate) fn serialize<S: Serializer>(
            instant: &Option<SystemTime>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            instant.map(Instant).serialize(to)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            Ok(Option::<Instant>::deserialize(from)?.map(|Instant(instant)| instant))
        }
    }
}

/// JSON has only finite numbers: infinite ones are written as `null` and read as NaN.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
        Some(*number).filter(|number| number.is_finite()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
    }
}

mod contributions {
    use serde::{Deserializer, Serializer};

    use super::{Contribution, Deserialize, SavedContribution, Serialize};

    pub(super) fn serialize<S: Serializer>(top: &[Contribution], to: S) -> Result<S::Ok, S::Error> {
        let saved = top.iter().cloned().map(|Contribution { operation, share, detail }| {
            SavedContribution { operation, share, detail }
        });
        saved.collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Contribution>, D::Error> {
        let top = Vec::deserialize(from)?.into_iter().map(|saved| {
            let SavedContribution { operation, share, detail } = saved;
            Contribution { operation, share, detail }
        });
        Ok(top.collect())
    }
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;

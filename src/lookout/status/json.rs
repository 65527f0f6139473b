use std::fmt;

use super::LookoutStatus;
use crate::{alert::RuleStatus, notify::NotifierStatus, observe::JsonString};

/// Incremented by each incompatible change of the JSON, so that readers can reject an unknown
/// version.
const FORMAT_VERSION: u32 = 1;

/// Writes a status as JSON without a library, since `serde_json` is optional.
pub(super) struct Json<T>(pub(super) T);

impl fmt::Display for Json<&LookoutStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LookoutStatus { origin, at, has_recorder, rules, notifiers } = self.0;
        let version = Json(origin.version.as_deref());
        write!(f, "{{\"format_version\":{FORMAT_VERSION},")?;
        write!(f, "\"service\":{},", Json(&*origin.service))?;
        write!(f, "\"instance\":{},\"version\":{version},", Json(&*origin.instance))?;
        write!(f, "\"at\":\"{}\",", humantime::format_rfc3339_seconds(*at))?;
        write!(f, "\"has_recorder\":{has_recorder},")?;
        write!(f, "\"rules\":{},\"notifiers\":{}}}", Json(&rules[..]), Json(&notifiers[..]))
    }
}

impl fmt::Display for Json<&RuleStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let target = status.target.text();
        write!(f, "{{\"rule\":{},\"severity\":\"{}\",", Json(&*status.rule), status.severity)?;
        write!(f, "\"target\":{},", Json(target.as_deref()))?;
        write!(f, "\"signal\":{},\"state\":\"{}\",", Json(&*status.signal()), status.state)?;
        write!(f, "\"value\":{},", Json(status.value))?;
        write!(f, "\"comparison\":\"{}\",", status.comparison)?;
        write!(f, "\"threshold\":{},", Json(Some(status.threshold)))?;
        let window = status.window.map(|window| window.as_secs_f64());
        write!(f, "\"window_seconds\":{},", Json(window))?;
        match status.requests {
            Some(requests) => write!(f, "\"requests\":{requests},")?,
            None => f.write_str("\"requests\":null,")?,
        }
        let reason = status.reason.as_ref().map(ToString::to_string);
        write!(f, "\"reason\":{}}}", Json(reason.as_deref()))
    }
}

impl fmt::Display for Json<&NotifierStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotifierStatus { name, waiting, sent, failed, retried, dropped, .. } = self.0;
        write!(f, "{{\"notifier\":{},\"waiting\":{waiting},\"sent\":{sent},", Json(&**name))?;
        write!(f, "\"failed\":{failed},\"retried\":{retried},\"dropped\":{dropped}}}")
    }
}

impl<'a, T> fmt::Display for Json<&'a [T]>
where
    Json<&'a T>: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, item) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}", Json(item))?;
        }
        f.write_str("]")
    }
}

impl fmt::Display for Json<&str> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        JsonString(self.0.as_bytes()).fmt(f)
    }
}

impl fmt::Display for Json<Option<&str>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => Json(text).fmt(f),
            None => f.write_str("null"),
        }
    }
}

/// JSON has no NaN and no infinity, so these become `null`.
impl fmt::Display for Json<Option<f64>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.filter(|number| number.is_finite()) {
            Some(number) => number.fmt(f),
            None => f.write_str("null"),
        }
    }
}

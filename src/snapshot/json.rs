use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Snapshot, TargetStatus, WindowStatus};
use crate::{
    alert::{Acknowledgement, Alert, RuleStatus, Suppression},
    notify::NotifierStatus,
    observe::JsonString,
    suppress::SilenceStatus,
};

/// Increment it with each incompatible change of the JSON, so that readers can reject an unknown
/// version.
const FORMAT_VERSION: u32 = 1;

/// Writes a value as JSON. Uses no library, since `serde_json` is optional.
pub(super) struct Json<T>(pub(super) T);

impl fmt::Display for Json<&Snapshot> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.0;
        let origin = &snapshot.origin;
        let version = Json(origin.version.as_deref());
        write!(f, "{{\"format_version\":{FORMAT_VERSION},")?;
        write!(f, "\"service\":{},", Json(&*origin.service))?;
        write!(f, "\"instance\":{},\"version\":{version},", Json(&*origin.instance))?;
        write!(f, "\"at\":{},", Json(snapshot.at))?;
        write!(f, "\"uptime_seconds\":{},", Json(snapshot.uptime))?;
        write!(f, "\"has_recorder\":{},", snapshot.has_recorder)?;
        write!(f, "\"rules\":{},", Json(&snapshot.rules[..]))?;
        write!(f, "\"last_minute_seconds\":{},", Json(snapshot.window))?;
        write!(f, "\"scopes\":{},", Json(&snapshot.scopes[..]))?;
        write!(f, "\"operations\":{},", Json(&snapshot.operations[..]))?;
        write!(f, "\"alerts\":{},", Json(&snapshot.alerts[..]))?;
        write!(f, "\"silences\":{},", Json(&snapshot.silences[..]))?;
        write!(f, "\"notifiers\":{}}}", Json(&snapshot.notifiers[..]))
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
        write!(f, "\"window_seconds\":{},", Json(status.window))?;
        match status.requests {
            Some(requests) => write!(f, "\"requests\":{requests},")?,
            None => f.write_str("\"requests\":null,")?,
        }
        let reason = status.reason.as_ref().map(ToString::to_string);
        write!(f, "\"reason\":{}}}", Json(reason.as_deref()))
    }
}

impl fmt::Display for Json<&Arc<TargetStatus>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let target = status.target.text();
        write!(f, "{{\"target\":{},", Json(target.as_deref()))?;
        write!(f, "\"total_requests\":{},", status.total_requests)?;
        write!(f, "\"total_errors\":{},", status.total_errors)?;
        write!(f, "\"in_flight\":{},", status.in_flight)?;
        write!(f, "\"oldest_in_flight_seconds\":{},", Json(status.oldest_in_flight))?;
        write!(f, "\"last_minute\":{}}}", Json(&status.last_minute))
    }
}

impl fmt::Display for Json<&WindowStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WindowStatus { requests, errors, client_errors, mean, p50, p99 } = self.0;
        write!(f, "{{\"requests\":{requests},\"errors\":{errors},")?;
        write!(f, "\"client_errors\":{client_errors},\"mean_seconds\":{},", Json(*mean))?;
        write!(f, "\"p50_seconds\":{},\"p99_seconds\":{}}}", Json(*p50), Json(*p99))
    }
}

impl fmt::Display for Json<&Alert> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alert = self.0;
        let target = alert.target.text();
        write!(f, "{{\"name\":{},\"severity\":\"{}\",", Json(&*alert.name), alert.severity)?;
        write!(f, "\"target\":{},", Json(target.as_deref()))?;
        write!(f, "\"starts_at\":{},", Json(alert.starts_at))?;
        write!(f, "\"measured\":{},", Json(&*alert.measured()))?;
        write!(f, "\"condition\":{},", Json(&*alert.condition()))?;
        write!(f, "\"tally\":{},", Json(&*alert.tally()))?;
        write!(f, "\"fingerprint\":\"{:016x}\",", alert.fingerprint())?;
        write!(f, "\"suppressed\":{},", Json(alert.suppressed.as_ref()))?;
        write!(f, "\"acknowledged\":{}}}", Json(alert.acknowledged.as_ref()))
    }
}

impl fmt::Display for Json<&SilenceStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SilenceStatus { id, kind, matcher, by, reason, starts_at, ends_at, .. } = self.0;
        write!(f, "{{\"id\":{id},\"kind\":\"{kind}\",")?;
        write!(f, "\"matcher\":{},", Json(&*matcher.to_string()))?;
        write!(f, "\"by\":{},\"reason\":{},", Json(&**by), Json(&**reason))?;
        write!(f, "\"starts_at\":{},\"ends_at\":{},", Json(*starts_at), Json(*ends_at))?;
        write!(f, "\"until_resolved\":{}}}", self.0.until_resolved)
    }
}

impl fmt::Display for Json<Option<&Suppression>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Suppression { kind, by, reason, since, .. }) = self.0 else {
            return f.write_str("null");
        };
        write!(f, "{{\"kind\":\"{kind}\",\"by\":{},", Json(&**by))?;
        write!(f, "\"reason\":{},\"since\":{}}}", Json(&**reason), Json(*since))
    }
}

impl fmt::Display for Json<Option<&Acknowledgement>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Acknowledgement { by, reason, at }) = self.0 else { return f.write_str("null") };
        write!(f, "{{\"by\":{},\"reason\":{},", Json(&**by), Json(&**reason))?;
        write!(f, "\"at\":{}}}", Json(*at))
    }
}

impl fmt::Display for Json<SystemTime> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", humantime::format_rfc3339_seconds(self.0))
    }
}

impl fmt::Display for Json<Option<SystemTime>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => Json(time).fmt(f),
            None => f.write_str("null"),
        }
    }
}

impl fmt::Display for Json<Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

impl fmt::Display for Json<Option<Duration>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Json(self.0.map(|duration| duration.as_secs_f64())).fmt(f)
    }
}

impl fmt::Display for Json<&NotifierStatus> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotifierStatus { name, waiting, sent, failed, retried, dropped, .. } = self.0;
        let (sent_at, failed_at) = (self.0.last_sent_at, self.0.last_failed_at);
        write!(f, "{{\"notifier\":{},\"waiting\":{waiting},\"sent\":{sent},", Json(&**name))?;
        write!(f, "\"failed\":{failed},\"retried\":{retried},\"dropped\":{dropped},")?;
        write!(f, "\"is_failing\":{},", self.0.is_failing)?;
        write!(f, "\"last_sent_at\":{},\"last_failed_at\":{},", Json(sent_at), Json(failed_at))?;
        write!(f, "\"last_error\":{}}}", Json(self.0.last_error.as_deref()))
    }
}

impl<'a, T> fmt::Display for Json<&'a [T]>
where
    Json<&'a T>: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, item) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
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

/// Writes NaN and infinity, which JSON does not have, as `null`.
impl fmt::Display for Json<Option<f64>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.filter(|number| number.is_finite()) {
            Some(number) => number.fmt(f),
            None => f.write_str("null"),
        }
    }
}

use std::fmt;

use super::{
    grpc_status,
    head::Head,
    text::{JsonString, Text},
};
use crate::observe::RequestEnd;
use crate::outcome::Status;

/// A line in the JSON format.
pub(super) struct Json<'a> {
    pub(super) head: &'a Head,
    pub(super) end: &'a RequestEnd<'a>,
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, end } = self;
        let status = match end.status {
            Some(Status::Http(status)) => Some(status.as_u16()),
            Some(Status::Grpc(_)) | None => None,
        };
        let micros = end.duration.as_micros();
        let duration_ms = format_args!("{}.{:03}", micros / 1_000, micros % 1_000);
        let string = |text: &'static str| JsonString(text.as_bytes());

        write!(f, "{{\"time\":\"{}\"", humantime::format_rfc3339_millis(head.time))?;
        field(f, "remote_addr", sent(&head.remote_addr))?;
        field(f, "method", Some(head.method.json()))?;
        field(f, "path", Some(head.path.json()))?;
        write!(f, ",\"version\":\"{:?}\"", head.version)?;
        field(f, "route", Some(JsonString(end.operation.route().as_bytes())))?;
        field(f, "status", status)?;
        field(f, "grpc_status", grpc_status(end).map(string))?;
        field(f, "outcome", Some(string(end.outcome.as_str())))?;
        field(f, "duration_ms", Some(duration_ms))?;
        field(f, "request_bytes", Some(end.request_bytes))?;
        field(f, "response_bytes", Some(end.response_bytes))?;
        field(f, "referer", sent(&head.referer))?;
        field(f, "user_agent", sent(&head.user_agent))?;
        field(f, "request_id", sent(&head.request_id))?;
        field(f, "trace_id", head.trace_id.as_ref().map(|id| JsonString(id.as_bytes())))?;
        f.write_str("}")
    }
}

fn sent(text: &Option<Text>) -> Option<JsonString<'_>> {
    text.as_ref().map(Text::json)
}

fn field(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, ",\"{name}\":{value}"),
        None => write!(f, ",\"{name}\":null"),
    }
}

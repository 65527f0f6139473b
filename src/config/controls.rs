use std::time::{Duration, SystemTime};

use toml::de::DeValue;

use super::when;
use crate::{
    document::{Document, Section, value},
    notify::Matcher,
    suppress::{ControlError, Inhibition, Silence},
};

/// The silences, inhibitions and the quiet time of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controls {
    pub(crate) silences: Vec<Silence>,
    pub(crate) inhibitions: Vec<Inhibition>,
    pub(crate) quiet_after_start: Option<Duration>,
}

/// The maximum number of silences, of maintenance windows and of inhibitions.
const MAX_CONTROLS: usize = 200;

/// The maximum of `quiet_after_start`.
const LONGEST_QUIET: Duration = Duration::from_secs(60 * 60);

/// Reads the controls of a file, and records their problems.
pub(super) fn controls<'a>(
    document: &'a Document<'a>,
    root: &mut Section<'a>,
    now: SystemTime,
) -> Controls {
    let mut controls = Controls {
        quiet_after_start: root.read("quiet_after_start", quiet),
        ..Controls::default()
    };
    for (key, read) in [("silence", silence as Read), ("maintenance", maintenance)] {
        for section in bounded(root.tables(key)) {
            let positions = section.positions();
            let Some(silence) = read(section) else { continue };
            let checked = match silence.has_ended(now) {
                true => Ok(()),
                false => silence.clone().checked(now).map(|_| ()),
            };
            match checked {
                Ok(()) => controls.silences.push(silence),
                Err(error) => {
                    let (field, problem) = parts(&error);
                    let (start, path) = positions.of(field);
                    document.report(start, &path, &problem);
                }
            }
        }
    }
    for section in bounded(root.tables("inhibit")) {
        let positions = section.positions();
        let Some(inhibition) = inhibition(section) else { continue };
        match inhibition.check() {
            Ok(()) => controls.inhibitions.push(inhibition),
            Err(error) => {
                let (field, problem) = parts(&error);
                let (start, path) = positions.of(field);
                document.report(start, &path, &problem);
            }
        }
    }
    controls
}

type Read = fn(Section<'_>) -> Option<Silence>;

fn bounded(sections: Vec<Section<'_>>) -> impl Iterator<Item = Section<'_>> {
    if let Some(excess) = sections.get(MAX_CONTROLS) {
        excess.report(&format!("is one of more than {MAX_CONTROLS}: remove some"));
    }
    sections.into_iter().take(MAX_CONTROLS)
}

/// The key of the file for an error, and its problem.
fn parts(error: &ControlError) -> (&'static str, String) {
    match error {
        ControlError::Setting { field, problem } => {
            let key = match *field {
                "because" => "reason",
                "end" => "until",
                "matcher" => "when",
                field => field,
            };
            (key, problem.clone())
        }
        other => ("", other.to_string()),
    }
}

fn quiet(value: &DeValue<'_>) -> Result<Duration, String> {
    let duration = value::duration(value)?;
    if duration > LONGEST_QUIET {
        return Err(format!("{} is longer than 1h: set a shorter time", value::shown(value)));
    }
    Ok(duration)
}

const TIME: &str = "set a time such as 2026-12-01T02:00:00Z";

fn silence(mut section: Section<'_>) -> Option<Silence> {
    if !section.has("when") {
        section.report("has no when: set one such as { rule = \"HighErrorRatio\" }");
    }
    let matcher = section.table("when").map(when::matcher);
    let from = section.read("from", value::time);
    let until = section.require("until", TIME, value::time);
    let texts = texts(&mut section);
    section.finish();
    let (by, reason) = texts?;
    Some(Silence::until(matcher?, from, until?).by(by).because(reason))
}

fn maintenance(mut section: Section<'_>) -> Option<Silence> {
    let matcher = section.table("when").map(when::matcher);
    let from = section.require("from", TIME, value::time);
    let until = section.require("until", TIME, value::time);
    let texts = texts(&mut section);
    section.finish();
    let (by, reason) = texts?;
    let window = Silence::maintenance(from?, until?).by(by).because(reason);
    Some(window.matching(matcher.unwrap_or_default()))
}

/// The person and the reason.
fn texts(section: &mut Section<'_>) -> Option<(String, String)> {
    let by = section.require("by", "set the person, such as \"anna\"", value::text);
    let reason = section.require("reason", "set one such as \"deploy\"", value::text);
    by.zip(reason)
}

fn inhibition(mut section: Section<'_>) -> Option<Inhibition> {
    let mut side = |key: &'static str| -> Option<Matcher> {
        if !section.has(key) {
            section
                .report(&format!("has no {key}: set one such as {{ rule = \"HighErrorRatio\" }}"));
        }
        section.table(key).map(when::matcher)
    };
    let (source, target) = (side("source"), side("target"));
    let equal = section.read("equal", |value| value::list(value, value::text));
    section.finish();
    Some(Inhibition::new(source?, target?).equal(equal.unwrap_or_default()))
}

#[cfg(test)]
#[path = "controls_tests.rs"]
mod tests;

//! Panels as data, and their form in a classic dashboard.

use crate::{
    generate::json::{Json, object},
    rule::Severity,
};

/// A panel of the dashboard.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// Never changes, since alerts link to it.
    pub(super) id: u32,
    pub(super) title: String,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    /// What it shows, and what to do.
    pub(super) description: String,
    pub(super) no_value: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) queries: Vec<Query>,
    pub(super) thresholds: Vec<Threshold>,
    /// Titles and URLs.
    pub(super) links: Vec<(String, String)>,
    /// The largest value of the axis, such as 1 for a ratio.
    pub(super) max: Option<f64>,
    pub(super) stacked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stat,
    TimeSeries,
    Heatmap,
    StateTimeline,
    /// A row for each operation, with a column for each query.
    Table,
}

#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) expr: String,
    pub(super) legend: String,
}

/// A threshold of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Threshold {
    pub(super) value: f64,
    pub(super) severity: Severity,
    /// Values below it are bad, not those above.
    pub(super) is_lower: bool,
}

impl Panel {
    pub(super) fn new(id: u32, kind: Kind, title: impl Into<String>, unit: &'static str) -> Self {
        let (width, height) = match kind {
            Kind::Stat => (4, 4),
            Kind::TimeSeries | Kind::Heatmap => (8, 8),
            Kind::StateTimeline => (24, 8),
            Kind::Table => (24, 10),
        };
        Self {
            id,
            title: title.into(),
            kind,
            unit,
            description: String::new(),
            no_value: "No data",
            width,
            height,
            queries: Vec::new(),
            thresholds: Vec::new(),
            links: Vec::new(),
            max: None,
            stacked: false,
        }
    }

    pub(super) fn describe(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    pub(super) fn no_value(mut self, text: &'static str) -> Self {
        self.no_value = text;
        self
    }

    pub(super) fn query(mut self, expr: impl Into<String>, legend: impl Into<String>) -> Self {
        self.queries.push(Query { expr: expr.into(), legend: legend.into() });
        self
    }

    pub(super) fn thresholds(mut self, thresholds: Vec<Threshold>) -> Self {
        self.thresholds = thresholds;
        self
    }

    pub(super) fn link(mut self, title: &str, url: &str) -> Self {
        self.links.push((title.to_owned(), url.to_owned()));
        self
    }

    #[cfg(feature = "runtime-metrics")]
    pub(super) fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    pub(super) fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    pub(super) fn width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }
}

/// `A`, `B` and so on.
pub(super) fn ref_id(place: usize) -> String {
    match u8::try_from(place) {
        Ok(place @ 0..26) => char::from(b'A' + place).to_string(),
        _ => format!("Q{place}"),
    }
}

/// The data source that the user selects.
pub(super) fn datasource() -> Json {
    object! { "type": "prometheus", "uid": "${datasource}" }
}

pub(super) fn link(title: &str, url: &str) -> Json {
    object! {
        "title": title,
        "url": url,
        "type": "link",
        "icon": "external link",
        "tooltip": "",
        "tags": Vec::<Json>::new(),
        "asDropdown": false,
        "includeVars": false,
        "keepTime": true,
        "targetBlank": true,
    }
}

//! A panel as JSON.

use super::{
    panel::{Kind, Panel, datasource, link, ref_id},
    style,
};
use crate::generate::json::{Json, object};

impl Panel {
    /// The panel at this place of the grid.
    pub(super) fn json(&self, x: u32, y: u32) -> Json {
        let links = self.links.iter().map(|(title, url)| link(title, url)).collect::<Vec<_>>();
        let panel = object! {
            "id": self.id,
            "type": self.kind.as_str(),
            "title": &*self.title,
            "description": &*self.description,
            "datasource": datasource(),
            "gridPos": object! { "x": x, "y": y, "w": self.width, "h": self.height },
            "fieldConfig": object! {
                "defaults": self.defaults(),
                "overrides": style::overrides(self),
            },
            "options": style::options(self.kind),
            "targets": self.targets(),
            "links": links,
        };
        match self.kind {
            Kind::Table => panel.with("transformations", style::transformations(self)),
            _ => panel,
        }
    }

    fn defaults(&self) -> Json {
        let defaults = object! {
            "unit": self.unit,
            "noValue": self.no_value,
            "color": style::color(self.kind),
            "thresholds": object! { "mode": "absolute", "steps": self.steps() },
            "mappings": style::mappings(self.kind),
            "custom": style::custom(self),
        };
        // A rate, a ratio and a time are never negative.
        let defaults = match self.kind {
            Kind::TimeSeries => defaults.with("min", 0_u32),
            _ => defaults,
        };
        match self.max {
            Some(max) => defaults.with("max", max),
            None => defaults,
        }
    }

    /// The colors above each threshold, the lowest first.
    fn steps(&self) -> Json {
        let base = self.thresholds.iter().filter(|threshold| threshold.is_lower);
        let base = base.max_by(|a, b| a.severity.cmp(&b.severity));
        let color = base.map_or("green", |threshold| style::severity_color(threshold.severity));
        let mut steps = vec![object! { "color": color, "value": Json::Null }];
        let mut thresholds = self.thresholds.clone();
        thresholds.sort_by(|a, b| a.value.total_cmp(&b.value).then(a.severity.cmp(&b.severity)));
        steps.extend(thresholds.iter().map(|threshold| {
            let above = style::severity_color(threshold.severity);
            let color = if threshold.is_lower { "green" } else { above };
            object! { "color": color, "value": threshold.value }
        }));
        Json::List(steps)
    }

    fn targets(&self) -> Json {
        let is_instant = matches!(self.kind, Kind::Stat | Kind::Table);
        let format = match self.kind {
            Kind::Heatmap => "heatmap",
            Kind::Table => "table",
            _ => "time_series",
        };
        let targets = self.queries.iter().enumerate().map(|(place, query)| {
            object! {
                "refId": ref_id(place),
                "datasource": datasource(),
                "editorMode": "code",
                "expr": &*query.expr,
                "legendFormat": &*query.legend,
                "format": format,
                "instant": is_instant,
                "range": !is_instant,
            }
        });
        Json::List(targets.collect())
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::TimeSeries => "timeseries",
            Self::Heatmap => "heatmap",
            Self::StateTimeline => "state-timeline",
            Self::Table => "table",
        }
    }
}

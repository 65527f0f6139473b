//! The looks of the panels: options, colors, axes and legends.

use super::panel::{Kind, Panel, ref_id};
use crate::{
    generate::json::{Json, object},
    rule::Severity,
};

pub(super) fn severity_color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "red",
        Severity::Warning => "orange",
        Severity::Info => "blue",
    }
}

pub(super) fn color(kind: Kind) -> Json {
    match kind {
        Kind::TimeSeries => object! { "mode": "palette-classic" },
        _ => object! { "mode": "thresholds" },
    }
}

/// The texts of the states of an alert, in words, since colors alone do not reach everyone.
pub(super) fn mappings(kind: Kind) -> Json {
    if kind != Kind::StateTimeline {
        return Json::List(Vec::new());
    }
    let states = [("0", "Inactive", "green"), ("1", "Pending", "orange"), ("2", "Firing", "red")];
    let mut options = object! {};
    for (index, (value, text, color)) in (0_u32..).zip(states) {
        options = options.with(value, object! { "text": text, "color": color, "index": index });
    }
    Json::List(vec![object! { "type": "value", "options": options }])
}

pub(super) fn custom(panel: &Panel) -> Json {
    match panel.kind {
        Kind::TimeSeries => {
            let has_thresholds = !panel.thresholds.is_empty();
            let stacking = if panel.stacked { "normal" } else { "none" };
            object! {
                "drawStyle": "line",
                "lineWidth": 1_u32,
                "fillOpacity": if panel.stacked { 30_u32 } else { 5 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": object! { "mode": stacking, "group": "A" },
                "thresholdsStyle": object! { "mode": if has_thresholds { "dashed" } else { "off" } },
            }
        }
        Kind::StateTimeline => object! { "fillOpacity": 80_u32, "lineWidth": 0_u32 },
        Kind::Table => object! {
            "align": "auto",
            "cellOptions": object! { "type": "auto" },
            "inspect": false,
        },
        Kind::Stat | Kind::Heatmap => object! {},
    }
}

pub(super) fn options(kind: Kind) -> Json {
    match kind {
        Kind::Stat => object! {
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "showPercentChange": false,
            "textMode": "auto",
            "wideLayout": true,
            "reduceOptions": object! { "calcs": ["lastNotNull"], "fields": "", "values": false },
        },
        Kind::TimeSeries => object! {
            "legend": object! {
                "showLegend": true,
                "displayMode": "table",
                "placement": "bottom",
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": object! { "mode": "multi", "sort": "desc" },
        },
        Kind::StateTimeline => object! {
            "showValue": "auto",
            "rowHeight": 0.9,
            "mergeValues": true,
            "alignValue": "left",
            "perPage": 20_u32,
            "legend": object! {
                "showLegend": true,
                "displayMode": "list",
                "placement": "bottom",
                "calcs": Vec::<Json>::new(),
            },
            "tooltip": object! { "mode": "single", "sort": "none" },
        },
        Kind::Heatmap => heatmap_options(),
        Kind::Table => object! {
            "showHeader": true,
            "cellHeight": "sm",
            "frameIndex": 0_u32,
            "enablePagination": true,
            "sortBy": vec![object! { "displayName": "Errors", "desc": true }],
        },
    }
}

fn heatmap_options() -> Json {
    object! {
        "calculate": false,
        "cellGap": 1_u32,
        "color": object! {
            "mode": "scheme",
            "scheme": "Oranges",
            "scale": "exponential",
            "exponent": 0.5,
            "fill": "dark-orange",
            "reverse": false,
            "steps": 64_u32,
        },
        "exemplars": object! { "color": "rgba(255,0,255,0.7)" },
        "filterValues": object! { "le": 1e-9 },
        "legend": object! { "show": true },
        "rowsFrame": object! { "layout": "auto" },
        "showValue": "never",
        "tooltip": object! { "mode": "single", "yHistogram": true, "showColorScale": true },
        "yAxis": object! { "axisPlacement": "left", "reverse": false, "unit": "s" },
        "cellValues": object! { "unit": "reqps" },
    }
}

/// The columns of the table, by the legend of their query.
pub(super) fn overrides(panel: &Panel) -> Json {
    if panel.kind != Kind::Table {
        return Json::List(Vec::new());
    }
    let columns = panel.queries.iter().map(|query| {
        let unit = match &*query.legend {
            "Requests" => "reqps",
            "Errors" => "percentunit",
            _ => "s",
        };
        object! {
            "matcher": object! { "id": "byName", "options": &*query.legend },
            "properties": vec![object! { "id": "unit", "value": unit }],
        }
    });
    let mut columns: Vec<_> = columns.collect();
    columns.dedup();
    Json::List(columns)
}

/// Joins the results of the queries of a table, and names their columns.
pub(super) fn transformations(panel: &Panel) -> Json {
    let mut names = object! {};
    for (place, query) in panel.queries.iter().enumerate() {
        names = names.with(format!("Value #{}", ref_id(place)), &*query.legend);
    }
    let organize = object! {
        "excludeByName": object! { "Time": true },
        "indexByName": object! {},
        "renameByName": names,
    };
    Json::List(vec![
        object! { "id": "merge", "options": object! {} },
        object! { "id": "organize", "options": organize },
    ])
}

//! The variables at the top of the dashboard.

use super::{
    panel::datasource,
    queries::{Queries, variable_of},
};
use crate::generate::json::{Json, object};

/// All variables. `job` is the value that the dashboard opens with.
pub(super) fn variables(queries: &Queries<'_>, job: &str) -> Json {
    let ticks = queries.ticks_name();
    let mut all = vec![
        object! {
            "type": "datasource",
            "name": "datasource",
            "label": "Data source",
            "query": "prometheus",
            "current": object! { "text": "", "value": "" },
            "hide": 0_u32,
            "includeAll": false,
            "multi": false,
            "refresh": 1_u32,
            "regex": "",
        },
        query("job", "Service", &format!("label_values({ticks}, job)"))
            .with("current", object! { "text": job, "value": job, "selected": true })
            .with("includeAll", false)
            .with("multi", false),
    ];
    for label in queries.constant_labels() {
        let values = format!("label_values({ticks}{{job=\"$job\"}}, {})", label.key());
        all.push(of_all(query(variable_of(label), label.key(), &values)));
    }
    let instances = format!("label_values({ticks}{{job=\"$job\"}}, instance)");
    all.push(of_all(query("instance", "Instance", &instances)));
    for traffic in &queries.served {
        let Some((label, name)) = queries.route_variable(traffic) else { continue };
        let duration = queries.duration_count(traffic);
        let shown = if name == "route" { "Route" } else { "gRPC method" };
        let values = format!("label_values({duration}, {label})");
        all.push(of_all(query(name, shown, &values)));
    }
    Json::List(all)
}

/// A variable with the values of a query.
fn query(name: impl Into<String>, label: &str, values: &str) -> Json {
    object! {
        "type": "query",
        "name": name.into(),
        "label": label,
        "datasource": datasource(),
        "query": object! {
            "qryType": 1_u32,
            "query": values,
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
        },
        "hide": 0_u32,
        // With the time range, so that a new instance is in the list.
        "refresh": 2_u32,
        "regex": "",
        "sort": 1_u32,
    }
}

/// A variable that selects all values at first.
fn of_all(variable: Json) -> Json {
    variable
        .with("current", object! { "text": ["All"], "value": ["$__all"], "selected": true })
        .with("includeAll", true)
        .with("allValue", ".*")
        .with("multi", true)
}

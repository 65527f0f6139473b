//! Reads a rendered dashboard.

use serde_json::Value;
use tower_lookout::Lookout;

pub(crate) struct Dashboard(pub(crate) Value);

impl Dashboard {
    pub(crate) fn of(lookout: &Lookout) -> Self {
        Self(serde_json::from_str(&lookout.grafana_dashboard().to_string()).unwrap())
    }

    /// All panels, with the rows and those inside collapsed rows.
    pub(crate) fn panels(&self) -> Vec<&Value> {
        let mut all = Vec::new();
        for panel in self.0["panels"].as_array().unwrap() {
            all.push(panel);
            all.extend(panel["panels"].as_array().into_iter().flatten());
        }
        all
    }

    pub(crate) fn panel(&self, title: &str) -> &Value {
        self.panels().into_iter().find(|panel| panel["title"] == title).unwrap()
    }

    /// The titles of all panels and annotations with each of their queries, for any instance and route.
    pub(crate) fn queries(&self) -> Vec<(String, String)> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries.push((&panel["title"], &target["expr"]));
            }
        }
        for annotation in self.0["annotations"]["list"].as_array().unwrap() {
            queries.extend(annotation.get("expr").map(|expr| (&annotation["name"], expr)));
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        queries
            .into_iter()
            .map(|(title, expr)| (text(title), self.substituted(text(expr))))
            .collect()
    }

    /// A query with the values of the variables.
    fn substituted(&self, mut query: String) -> String {
        for variable in self.0["templating"]["list"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            let value = match name {
                "job" => variable["current"]["value"].as_str().unwrap(),
                _ => ".*",
            };
            query = query.replace(&format!("\"${name}\""), &format!("{value:?}"));
        }
        query.replace("[$__rate_interval]", "[1m]")
    }
}

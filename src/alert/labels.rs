//! The labels that identify an alert in Prometheus and Alertmanager.

use std::collections::BTreeMap;

use super::{Alert, Target};
use crate::rule::method_and_route;

impl Alert {
    /// The labels that identify the alert at a receiver such as Alertmanager: `alertname`, `severity`,
    /// `service`, `instance`, those of the target, and the rule's own. They do not change while the
    /// alert fires. They include the instance, so that a replica cannot resolve the alert of another
    /// one.
    ///
    /// The lookout's labels override a rule's labels of the same name. Empty labels are left out.
    pub fn identifying_labels(&self) -> BTreeMap<String, String> {
        let mut own = vec![
            ("alertname", &*self.name),
            ("severity", self.severity.as_str()),
            ("service", &self.origin.service),
            ("instance", &self.origin.instance),
            ("error_type", self.error_type()),
            ("group", self.group()),
        ];
        match &self.target {
            Target::Service => {}
            // For gRPC, the route contains the method.
            Target::Operation(operation) if operation.is_grpc() => {
                own.push(("route", operation.route()));
            }
            Target::Operation(operation) => {
                own.extend([("method", operation.method()), ("route", operation.route())]);
            }
            Target::Route(text) => {
                let (method, route) = method_and_route(text);
                own.extend([("method", method.unwrap_or_default()), ("route", route)]);
            }
            Target::Dependency(name) => own.push(("dependency", name)),
            Target::CallSite(call_site) => own.push(("call_site", call_site)),
        }
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels: BTreeMap<_, _> = self.labels.clone().into_iter().chain(own).collect();
        labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{AlertStatus, test_alert},
        operation::{MethodLabel, Operation},
    };

    fn shown(labels: &BTreeMap<String, String>) -> String {
        let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn the_labels_identify_the_target() {
        let operation = Operation::of_server(MethodLabel::Post, "/orders");
        for (target, expected) in [
            (Target::Service, ""),
            (Target::Operation(operation), " method=POST route=/orders"),
            (Target::Route("GET /a".to_owned()), " method=GET route=/a"),
            (Target::Route("/a".to_owned()), " route=/a"),
            (Target::Dependency("inventory".to_owned()), " dependency=inventory"),
            (Target::CallSite("src/a.rs:42".to_owned()), " call_site=src/a.rs:42"),
        ] {
            let mut alert = test_alert("R", AlertStatus::Firing);
            alert.target = target;
            let mut labels = alert.identifying_labels();
            let all = shown(&labels);
            for name in ["alertname", "instance", "service", "severity"] {
                assert!(labels.remove(name).is_some(), "{all}");
            }
            assert_eq!(format!(" {}", shown(&labels)).trim_end(), expected, "{all}");
        }
    }

    #[test]
    fn a_rules_label_is_kept_unless_it_is_empty_or_reserved() {
        let mut alert = test_alert("R", AlertStatus::Firing);
        for (name, value) in [("team", "shop"), ("instance", "all"), ("empty", "")] {
            alert.labels.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(
            shown(&alert.identifying_labels()),
            "alertname=R instance=host-1:42 service=orders severity=critical team=shop"
        );
    }
}

use std::sync::Arc;

use super::{LookoutBuilder, labels};
use crate::{
    lookout::StartError,
    lookout::self_check::RouteSetting,
    operation::UNMATCHED,
    rule,
    rule::method_and_route,
    series::{Family, bucket_problem},
};

impl LookoutBuilder {
    pub(super) fn check(&self) -> Result<(), StartError> {
        rule::check(&self.rules)?;
        self.check_metrics()?;
        self.check_grpc_methods()?;
        self.check_routes()?;
        #[cfg(feature = "state")]
        self.check_state_path()?;
        labels::check(&self.labels, &self.naming.labels)?;
        self.check_controls()?;
        self.check_limits()
    }

    fn check_metrics(&self) -> Result<(), StartError> {
        if self.origin.service.trim().is_empty() {
            return setting("service", "the name is empty: set the name of the service".to_owned());
        }
        if let Some(problem) = bucket_problem(&self.buckets) {
            return setting("buckets", problem);
        }
        if let Some(problem) = family_problem(&self.families) {
            return setting("buckets_for", problem);
        }
        match self.naming.problem() {
            Some((field, problem)) => setting(field, problem),
            None => Ok(()),
        }
    }

    fn check_grpc_methods(&self) -> Result<(), StartError> {
        #[cfg(feature = "prost")]
        if let Some(problem) = &self.grpc_descriptor_problem {
            return setting(
                "grpc_descriptor",
                format!(
                    "not an encoded FileDescriptorSet: {problem}; use the FILE_DESCRIPTOR_SET of the \
                     generated code"
                ),
            );
        }
        let listed = self.grpc_methods.iter().map(|method| ("grpc_methods", method));
        let typed =
            self.naming.presets.options.grpc_types.keys().map(|method| ("grpc_type", method));
        if let Some((field, method)) =
            listed.chain(typed).find(|(_, method)| !is_grpc_method(method))
        {
            return setting(
                field,
                format!("{method:?} is not a gRPC method: write it as \"package.Service/Method\""),
            );
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), StartError> {
        if !self.templates.is_empty() && self.observe.route.is_some() {
            return setting(
                "route_templates",
                "cannot be combined with route_fn: remove one of them".to_owned(),
            );
        }
        if self.observe.ignored_routes.contains_key(UNMATCHED) {
            return setting(
                "ignore_routes",
                format!("{UNMATCHED:?} is not a route: exclude such requests with .ignore(..)"),
            );
        }
        let settings = self.route_settings();
        let with_method = |route: &str| method_and_route(route).0.is_some();
        match settings.iter().find(|setting| with_method(&setting.route)) {
            Some(RouteSetting { name, route, .. }) => setting(
                name,
                format!("{route:?} is not a route: leave out the method, as in \"/orders/{{id}}\""),
            ),
            None => Ok(()),
        }
    }

    #[cfg(feature = "state")]
    fn check_state_path(&self) -> Result<(), StartError> {
        let Some(path) = &self.state_path else { return Ok(()) };
        if path.file_name().is_none() {
            let problem =
                format!("{path:?} is not the path of a file: use one such as \"lookout.json\"");
            return setting("state_path", problem);
        }
        if path.is_dir() {
            let problem =
                format!("{path:?} is a directory: use a file in it, such as \"lookout.json\"");
            return setting("state_path", problem);
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), StartError> {
        if !(1..=100_000).contains(&self.limits.operations) {
            let problem = format!("{} is not from 1 to 100,000", self.limits.operations);
            return setting("max_operations", problem);
        }
        match self.limits.memory {
            0..MIN_MEMORY => {
                let problem =
                    format!("{} bytes are less than 1 MiB, the minimum", self.limits.memory);
                setting("max_memory", problem)
            }
            _ => Ok(()),
        }
    }
}

const MIN_MEMORY: usize = 1 << 20;

fn setting(field: &'static str, problem: String) -> Result<(), StartError> {
    Err(StartError::Setting { field, problem })
}

fn family_problem(families: &[Family]) -> Option<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    families.iter().enumerate().find_map(|(place, Family { name, routes, buckets })| {
        let before = &families[..place];
        if name.is_empty() || !name.chars().all(is_word) {
            return Some(format!(
                "{name:?} cannot be part of a metric name: use letters, digits and _"
            ));
        }
        if before.iter().any(|family| family.name == *name) {
            return Some(format!("{name:?} is declared twice: declare all its routes at once"));
        }
        let of_two = |route: &&String| before.iter().any(|family| family.routes.contains(*route));
        if let Some(route) = routes.iter().find(of_two) {
            return Some(format!("{route:?} is in two families: remove it from one"));
        }
        bucket_problem(buckets).map(|problem| format!("{name:?}: {problem}"))
    })
}

/// Whether a segment is a parameter in the syntax before axum 0.8, which would match only its own
/// text.
fn is_old_style(template: &str) -> bool {
    template.split('/').any(|segment| segment.starts_with([':', '*']))
}

pub(super) fn router(templates: &[String]) -> Result<matchit::Router<Arc<str>>, StartError> {
    let mut router = matchit::Router::new();
    for template in templates {
        if is_old_style(template) {
            let problem = format!(
                "{template:?} has the syntax before axum 0.8: write parameters as \"/orders/{{id}}\" and \
                 \"/files/{{*path}}\""
            );
            return Err(StartError::Setting { field: "route_templates", problem });
        }
        router.insert(template, template.as_str().into()).map_err(|error| {
            let problem = format!(
                "{template:?} is not a valid template: {error}; write it as \"/orders/{{id}}\""
            );
            StartError::Setting { field: "route_templates", problem }
        })?;
    }
    Ok(router)
}

/// Whether the text is `package.Service/Method`, without a leading slash.
fn is_grpc_method(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(['/', ' ']);
    text.split_once('/').is_some_and(|(service, method)| is_part(service) && is_part(method))
}

use std::sync::Arc;

use super::{LookoutBuilder, labels};
use crate::{lookout::StartError, operation::UNMATCHED, rule, series::bucket_problem};

impl LookoutBuilder {
    pub(super) fn check(&self) -> Result<(), StartError> {
        rule::check(&self.rules)?;
        let setting = |field, problem| Err(StartError::Setting { field, problem });
        if self.origin.service.trim().is_empty() {
            return setting("service", "the name is empty: give the service's".to_owned());
        }
        if let Some(problem) = bucket_problem(&self.buckets) {
            return setting("buckets", problem);
        }
        if let Some((field, problem)) = self.dialect.problem() {
            return setting(field, problem);
        }
        let listed = self.grpc_methods.iter().map(|method| ("grpc_methods", method));
        let typed = self.dialect.grpc_types.keys().map(|method| ("grpc_type", method));
        if let Some((field, method)) =
            listed.chain(typed).find(|(_, method)| !is_grpc_method(method))
        {
            return setting(
                field,
                format!("{method:?} is no method: give it as \"package.Service/Method\""),
            );
        }
        if self.questions.ignored_routes.contains(UNMATCHED) {
            return setting(
                "ignore_routes",
                format!("{UNMATCHED:?} is no route: leave such requests out by .ignore(..)"),
            );
        }
        labels::check(&self.labels, &self.dialect.labels)?;
        match self.max_operations {
            1..=100_000 => Ok(()),
            max => setting("max_operations", format!("{max} is not from 1 to 100,000")),
        }
    }
}

pub(super) fn router(templates: &[String]) -> Result<matchit::Router<Arc<str>>, StartError> {
    let mut router = matchit::Router::new();
    for template in templates {
        router.insert(template, template.as_str().into()).map_err(|error| {
            let problem = format!(
                "{template:?} can't be a template: {error}; write it as \"/orders/{{id}}\""
            );
            StartError::Setting { field: "routes", problem }
        })?;
    }
    Ok(router)
}

/// `package.Service/Method`, without a slash before it.
fn is_grpc_method(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.contains(['/', ' ']);
    text.split_once('/').is_some_and(|(service, method)| is_part(service) && is_part(method))
}

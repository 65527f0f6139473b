use std::mem::size_of;

use super::{Acknowledgement, Alert, Breach, Cause, Contribution, Failure, Suppression, Target};

impl Alert {
    /// The approximate memory of the alert, in bytes. Memory that alerts share counts for each of
    /// them.
    pub(crate) fn bytes(&self) -> usize {
        let target = match &self.target {
            Target::Service => 0,
            Target::Operation(operation) => operation.route().len(),
            Target::Route(text) | Target::Dependency(text) | Target::CallSite(text) => text.len(),
        };
        let cause = match &self.cause {
            Cause::Rule(breach) => breach.bytes(),
            Cause::Report(failure) => failure.bytes(),
            Cause::Notice(_) => 0,
        };
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len());
        let texts =
            [&self.summary, &self.runbook, &self.dashboard].into_iter().flatten().map(String::len);
        size_of::<Self>()
            + self.name.len()
            + target
            + cause
            + labels.sum::<usize>()
            + texts.sum::<usize>()
            + self.suppressed.as_ref().map_or(0, Suppression::bytes)
            + self.acknowledged.as_ref().map_or(0, Acknowledgement::bytes)
    }
}

impl Breach {
    fn bytes(&self) -> usize {
        let top = |top: &Contribution| {
            size_of::<Contribution>() + top.operation.route().len() + top.detail.len()
        };
        self.top.iter().map(top).sum()
    }
}

impl Failure {
    fn bytes(&self) -> usize {
        let causes = self.causes.iter().map(|cause| size_of::<String>() + cause.len());
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len());
        size_of::<Self>()
            + self.error_type.len()
            + self.call_site.len()
            + self.group.len()
            + self.texts.bytes()
            + causes.sum::<usize>()
            + fields.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use crate::alert::{AlertStatus, test_alert};

    #[test]
    fn the_size_includes_the_texts() {
        let mut alert = test_alert("A", AlertStatus::Firing);
        let before = alert.bytes();
        alert.summary = Some("x".repeat(1_000));
        assert_eq!(alert.bytes(), before + 1_000);
    }
}

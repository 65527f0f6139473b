use std::mem::size_of;

use super::{Alert, Contribution, Failure, Target};

impl Alert {
    /// About how many bytes of memory it takes. What several alerts share counts for each of them.
    pub(crate) fn bytes(&self) -> usize {
        let target = match &self.target {
            Target::Service => 0,
            Target::Operation(operation) => operation.route().len(),
            Target::Route(text) | Target::Dependency(text) | Target::CallSite(text) => text.len(),
        };
        let top = |top: &Contribution| {
            size_of::<Contribution>() + top.operation.route().len() + top.detail.len()
        };
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len());
        let texts = [&self.summary, &self.runbook].into_iter().flatten().map(String::len);
        size_of::<Self>()
            + self.rule.len()
            + target
            + self.top.iter().map(top).sum::<usize>()
            + labels.sum::<usize>()
            + texts.sum::<usize>()
            + self.failure.as_deref().map_or(0, Failure::bytes)
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
    fn each_byte_of_its_texts_counts() {
        let mut alert = test_alert("A", AlertStatus::Firing);
        let before = alert.bytes();
        alert.summary = Some("x".repeat(1_000));
        assert_eq!(alert.bytes(), before + 1_000);
    }
}

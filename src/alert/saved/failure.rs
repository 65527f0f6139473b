use std::{borrow::Cow, sync::Arc, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::alert::{DistinctTexts, Failure, TextCount};

#[derive(Serialize, Deserialize)]
struct SavedFailure {
    causes: Vec<String>,
    error_type: Cow<'static, str>,
    call_site: String,
    group: Cow<'static, str>,
    fields: Vec<(Cow<'static, str>, String)>,
    count: u64,
    texts: SavedTexts,
    over: Duration,
    total: u64,
}

/// The distinct texts with their counts, and how many reports had others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedTexts {
    listed: Vec<(String, u64)>,
    others: u64,
}

impl From<DistinctTexts> for SavedTexts {
    fn from(DistinctTexts { listed, others }: DistinctTexts) -> Self {
        let listed = listed.into_iter().map(|TextCount { text, count }| (text, count));
        Self { listed: listed.collect(), others }
    }
}

impl From<SavedTexts> for DistinctTexts {
    fn from(SavedTexts { listed, others }: SavedTexts) -> Self {
        let listed = listed.into_iter().map(|(text, count)| TextCount { text, count });
        Self { listed: listed.collect(), others }
    }
}

pub(super) fn serialize<S: Serializer>(
    failure: &Option<Arc<Failure>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let saved = failure.as_deref().cloned().map(|failure| {
        let Failure { causes, error_type, call_site, group, .. } = failure;
        let Failure { fields, count, texts, over, total, .. } = failure;
        SavedFailure {
            causes,
            error_type,
            call_site,
            group,
            fields,
            count,
            texts: texts.into(),
            over,
            total,
        }
    });
    saved.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Arc<Failure>>, D::Error> {
    let failure = Option::deserialize(from)?.map(|saved| {
        let SavedFailure { causes, error_type, call_site, group, .. } = saved;
        let SavedFailure { fields, count, texts, over, total, .. } = saved;
        Arc::new(Failure {
            causes,
            error_type,
            call_site,
            group,
            fields,
            count,
            texts: texts.into(),
            over,
            total,
        })
    });
    Ok(failure)
}

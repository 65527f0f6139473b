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

/// Distinct texts with their counts, and the number of reports with other texts.
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

pub(super) fn serialize<S: Serializer>(failure: &Arc<Failure>, to: S) -> Result<S::Ok, S::Error> {
    let Failure { causes, error_type, call_site, group, fields, count, texts, over, total } =
        Failure::clone(failure);
    let texts = texts.into();
    SavedFailure { causes, error_type, call_site, group, fields, count, texts, over, total }
        .serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Failure>, D::Error> {
    let SavedFailure { causes, error_type, call_site, group, fields, count, texts, over, total } =
        SavedFailure::deserialize(from)?;
    let texts = texts.into();
    let failure =
        Failure { causes, error_type, call_site, group, fields, count, texts, over, total };
    Ok(Arc::new(failure))
}

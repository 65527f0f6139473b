use super::local::LookoutId;
use crate::{operation::OperationId, series::LabelSet};

/// A lookout, a set of label values and an operation in one word (28, 16 and 20 bits). Separate
/// fields would each be stored and loaded several times on the way from the service into the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperationRef(u64);

impl OperationRef {
    #[inline]
    pub(crate) fn new(lookout: LookoutId, id: OperationId) -> Self {
        Self(u64::from(lookout.0) << 36 | id.index() as u64)
    }

    #[inline]
    pub(crate) fn lookout(self) -> LookoutId {
        LookoutId((self.0 >> 36) as u32)
    }

    #[inline]
    pub(crate) fn id(self) -> OperationId {
        OperationId::new(self.0 as u32 & 0xf_ffff)
    }

    pub(crate) fn with_id(self, id: OperationId) -> Self {
        Self(self.0 & !0xf_ffff | id.index() as u64)
    }

    #[inline]
    pub(crate) fn labels(self) -> LabelSet {
        LabelSet::from_bits((self.0 >> 20) as u16)
    }

    pub(crate) fn with_labels(self, labels: LabelSet) -> Self {
        Self(self.0 & !(0xffff << 20) | u64::from(labels.to_bits()) << 20)
    }
}

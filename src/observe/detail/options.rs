use std::fmt;

use super::observer::SharedObserver;

/// The options of a detailed layer.
#[derive(Clone, Default)]
pub struct DetailOptions {
    pub(crate) counts_sizes: bool,
    pub(crate) observers: Vec<SharedObserver>,
}

impl fmt::Debug for DetailOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetailOptions")
            .field("counts_sizes", &self.counts_sizes)
            .field("observers", &self.observers.len())
            .finish()
    }
}

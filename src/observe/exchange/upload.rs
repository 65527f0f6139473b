use super::local::{self, LookoutId};

/// Connects a request's body to the age of the request.
#[derive(Debug)]
pub struct Upload {
    lookout: LookoutId,
    number: u16,
}

impl Upload {
    pub(crate) fn new(lookout: LookoutId, number: u16) -> Self {
        Self { lookout, number }
    }

    /// Called when the service reads a part of the body. Returns whether the request still waits
    /// for its response.
    pub(crate) fn on_data(&self) -> bool {
        let number = self.number;
        let is_waiting = local::with_all(self.lookout, move |core, store, shard| {
            core.uploads.refresh_age(number, store, shard)
        });
        is_waiting.unwrap_or_default()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let number = self.number;
        local::with_core(self.lookout, move |core| core.uploads.body_dropped(number));
    }
}

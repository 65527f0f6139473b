//! The age of an exchange, which reveals a request that is stuck.

use super::ExchangeState;
use crate::{
    observe::exchange::{core::Core, local, upload::Upload},
    series::{RawSpan, Shard, Store},
};

impl ExchangeState {
    /// Lets received bytes reset the request's age. Returns no [`Upload`] if there are too many
    /// uploads already.
    #[cold]
    #[inline(never)]
    pub(in crate::observe) fn start_upload(self) -> (Self, Option<Upload>) {
        if self.flags.is_long_poll() {
            return (self, None);
        }
        let number = local::with_all(self.lookout(), move |core, store, _| {
            core.uploads.begin(self.operation.id(), store.second(self.began))
        });
        let Some(number) = number.flatten() else { return (self, None) };
        let head = RawSpan::from_bits(number.into());
        let upload = Upload::new(self.lookout(), number);
        (Self { flags: self.flags.with_upload(), head, ..self }, Some(upload))
    }

    /// Returns the number of the request's upload.
    #[inline]
    pub(super) fn upload(self) -> Option<u16> {
        self.flags.is_upload().then(|| self.head.to_bits() as u16)
    }

    /// Removes the request from the ages, `age` nanoseconds after its start.
    #[inline(always)]
    pub(super) fn close_age(self, age: u64, core: &Core, store: &Store, shard: &Shard) {
        match self.upload() {
            Some(upload) => core.uploads.close_age(upload, store, shard),
            None => {
                let ages = &shard.operation(self.operation.id()).ages;
                ages.closed(self.flags.slot(), age, || store.second(self.began));
            }
        }
    }

    /// Removes the exchange from all counts. Valid only before its head is recorded.
    #[cold]
    #[inline(never)]
    pub(in crate::observe) fn discard(self) {
        if self.is_unknown() {
            let (_, number) = self.flags.take_unknown();
            local::with_core(self.lookout(), move |core| core.recall(number));
        }
        local::with_all(self.lookout(), move |core, store, shard| {
            let age = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(self.operation.id());
            cells.unstart();
            if self.flags.is_long_poll() {
                cells.stream_closed(self.flags.long_poll_kind());
            } else {
                self.close_age(age, core, store, shard);
            }
        });
    }
}

//! How an exchange enters and leaves the ages.

use super::ExchangeState;
use crate::{
    observe::{Core, exchange::local, http::upload::Upload},
    series::{RawSpan, Shard, Store},
};

impl ExchangeState {
    /// The same exchange, whose body the service reads from now on: each byte that it reads makes the
    /// request young again. Without the body's part if there are too many uploads.
    #[cold]
    #[inline(never)]
    pub(in crate::observe) fn uploading(self) -> (Self, Option<Upload>) {
        if self.answer.is_long_poll() {
            return (self, None);
        }
        let number = local::with_all(self.lookout(), move |core, store, _| {
            core.uploads.begin(self.place.operation(), store.second(self.began))
        });
        let Some(number) = number.flatten() else { return (self, None) };
        let head = RawSpan::from_bits(number.into());
        let upload = Upload::new(self.lookout(), number);
        (Self { answer: self.answer.of_upload(), head, ..self }, Some(upload))
    }

    /// The number of its upload.
    #[inline]
    pub(super) fn upload(self) -> Option<u16> {
        self.answer.is_upload().then(|| self.head.to_bits() as u16)
    }

    /// Takes the request off the ages, `age` nanoseconds after its start.
    #[inline(always)]
    pub(super) fn close_age(self, age: u64, core: &Core, store: &Store, shard: &Shard) {
        match self.upload() {
            Some(upload) => core.uploads.close_age(upload, store, shard),
            None => {
                let ages = &shard.operation(self.place.operation()).ages;
                ages.closed(self.answer.slot(), age, || store.second(self.began));
            }
        }
    }

    /// Takes it back before its head was told, as if it had never been.
    #[cold]
    #[inline(never)]
    pub(in crate::observe) fn unwatch(self) {
        if self.is_unknown() {
            let (_, number) = self.answer.take_unknown();
            local::with_core(self.lookout(), move |core| core.recall(number));
        }
        local::with_all(self.lookout(), move |core, store, shard| {
            let age = store.clock.nanos(self.began, store.clock.now());
            let cells = shard.operation(self.place.operation());
            cells.unstart();
            if self.answer.is_long_poll() {
                cells.stream_closed(self.answer.long_poll_kind());
            } else {
                self.close_age(age, core, store, shard);
            }
        });
    }
}

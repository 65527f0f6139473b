use super::ExchangeState;
use crate::observe::{
    exchange::local,
    head::{request::RequestHead, response::ResponseHead},
};

impl ExchangeState {
    /// Adds the labels of the request.
    pub(in crate::observe) fn with_request_labels(self, head: &RequestHead<'_>) -> Self {
        let labels = local::with_core(self.lookout(), move |core| core.label_request(head));
        match labels {
            Some(labels) => Self { operation: self.operation.with_labels(labels), ..self },
            None => self,
        }
    }

    /// Adds the labels of the response. If the response is ignored, discards the exchange and
    /// returns `None`.
    pub(in crate::observe) fn with_response_labels(self, head: &ResponseHead<'_>) -> Option<Self> {
        let of_request = self.operation.labels();
        let labelled =
            local::with_core(self.lookout(), move |core| core.label_response(head, of_request));
        match labelled {
            Some(Some(labels)) => {
                Some(Self { operation: self.operation.with_labels(labels), ..self })
            }
            Some(None) => {
                self.discard();
                None
            }
            // The lookout is closed.
            None => Some(self),
        }
    }
}

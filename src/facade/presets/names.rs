use metrics::Unit;

use crate::{facade::metric::Metric, series::OptionalHistogram};

/// The names of the metrics of one kind of traffic, and the names of their labels.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) duration: &'static str,
    pub(super) head: &'static str,
    /// The counter of started requests; `None` for most presets.
    pub(crate) started: Option<&'static str>,
    /// The counter of ended requests; `None` if the histogram's `_count` serves as the counter.
    pub(crate) ended: Option<&'static str>,
    pub(crate) active: &'static str,
    pub(crate) oldest: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) streams: &'static str,
    /// The time until the client is ready, which only clients record.
    pub(crate) wait: &'static str,
    /// The sizes of the bodies of requests and of responses.
    pub(crate) sizes: [&'static str; 2],
    /// The messages of a gRPC request and of its response.
    pub(crate) messages: Option<[&'static str; 2]>,
    /// The messages of all gRPC requests and of all responses.
    pub(super) message_totals: Option<[&'static str; 2]>,
    pub(super) role: Role,
    pub(super) operation_labels: &'static [&'static str],
    /// The further labels of the requests in flight and the body sizes.
    pub(super) scheme_label: &'static [&'static str],
    /// The further labels of durations.
    pub(super) duration_labels: &'static [&'static str],
    /// The further labels of the counter of ended requests.
    pub(super) ended_labels: &'static [&'static str],
}

/// Which metrics a kind of traffic records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    /// A client, whose requests may wait until it is ready.
    Client,
    /// A call that is a plain future, without a head and a body.
    Future,
}

impl Names {
    /// Returns the name of the histogram of times to the head; `None` for plain futures.
    pub(crate) fn head(&self) -> Option<&'static str> {
        (self.role != Role::Future).then_some(self.head)
    }

    /// Returns the name of an optional histogram.
    pub(crate) fn optional(&self, histogram: OptionalHistogram) -> Option<&'static str> {
        match histogram {
            OptionalHistogram::Head => Some(self.head),
            OptionalHistogram::Wait => Some(self.wait),
            OptionalHistogram::Stream => Some(self.stream),
            OptionalHistogram::RequestSize => Some(self.sizes[0]),
            OptionalHistogram::ResponseSize => Some(self.sizes[1]),
            OptionalHistogram::RequestMessages => self.messages.map(|messages| messages[0]),
            OptionalHistogram::ResponseMessages => self.messages.map(|messages| messages[1]),
        }
    }

    /// Returns the name of the counter of an optional histogram's sum, if the preset has one.
    pub(crate) fn total(&self, histogram: OptionalHistogram) -> Option<&'static str> {
        match histogram {
            OptionalHistogram::RequestMessages => self.message_totals.map(|totals| totals[0]),
            OptionalHistogram::ResponseMessages => self.message_totals.map(|totals| totals[1]),
            _ => None,
        }
    }

    /// Returns the labels that show how a request ended, on the counter of ended requests.
    pub(crate) fn outcome_labels(&self) -> impl Iterator<Item = &'static str> {
        let labels = if self.ended.is_some() { self.ended_labels } else { self.duration_labels };
        labels.iter().copied().filter(|label| !self.scheme_label.contains(label))
    }

    /// Returns all metrics, for the catalogue.
    pub(in crate::facade) fn metrics(&self) -> impl Iterator<Item = Metric> {
        let exchange = (self.role != Role::Future).then(|| self.exchange_metrics());
        self.operation_metrics().chain(exchange.into_iter().flatten())
    }

    /// Returns the metrics that every operation has, including plain futures.
    fn operation_metrics(&self) -> impl Iterator<Item = Metric> {
        let &Self { started, ended, operation_labels: operation, .. } = self;
        let duration = Metric::histogram(
            self.duration,
            Unit::Seconds,
            "Time from the request to the end of its response, or to the response's head if the \
             response is a stream.",
        );
        let started =
            started.map(|started| Metric::counter(started, "Requests that have started."));
        let ended =
            ended.map(|ended| Metric::counter(ended, "Requests that have ended, by outcome."));
        let active = Metric::gauge(self.active, Unit::Count, "Requests in flight.");
        let oldest = Metric::gauge(
            self.oldest,
            Unit::Seconds,
            "Age of the oldest request that waits for its response's head, or 0; a request body \
             that arrives resets it.",
        );
        [
            duration.labels_and(operation, self.duration_labels),
            active.labels_and(operation, self.scheme_label),
            oldest.labels(operation),
        ]
        .into_iter()
        .chain(started.map(|metric| metric.labels(operation)))
        .chain(ended.map(|metric| metric.labels_and(operation, self.ended_labels)))
    }

    /// Returns the metrics of heads, streams, bodies and messages.
    fn exchange_metrics(&self) -> impl Iterator<Item = Metric> {
        let operation = self.operation_labels;
        let [request, response] = self.sizes;
        let head = Metric::histogram(
            self.head,
            Unit::Seconds,
            "Time from the request to its response's head, when the body is first polled.",
        );
        let stream = Metric::histogram(
            self.stream,
            Unit::Seconds,
            "Time from the request to the end of its stream.",
        );
        let streams = Metric::gauge(self.streams, Unit::Count, "Open streams, by kind.");
        let wait = (self.role == Role::Client).then_some(Metric::histogram(
            self.wait,
            Unit::Seconds,
            "Time that a request waited for the client to become ready.",
        ));
        let request =
            Metric::histogram(request, Unit::Bytes, "Bytes of the request's body that were read.");
        let response = Metric::histogram(
            response,
            Unit::Bytes,
            "Bytes of the response's body that were sent.",
        );
        let messages = self.messages.into_iter().flatten().map(|name| {
            Metric::histogram(name, Unit::Count, "Messages of a gRPC call in this direction.")
        });
        let totals = self
            .message_totals
            .into_iter()
            .flatten()
            .map(|name| Metric::counter(name, "Messages of all gRPC calls in this direction."));
        [
            head.labels(operation),
            stream.labels(operation),
            streams.labels_and(operation, &["kind"]),
            request.labels_and(operation, self.scheme_label),
            response.labels_and(operation, self.scheme_label),
        ]
        .into_iter()
        .chain(wait.into_iter().chain(messages).chain(totals).map(|m| m.labels(operation)))
    }
}

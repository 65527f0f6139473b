use std::time::Duration;

/// The histogram bucket bounds that OpenTelemetry recommends for HTTP: 5 ms to 10 s.
///
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>
#[doc(alias("histogram"))]
pub const BUCKETS: &[Duration] = &[
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(75),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(750),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_millis(7_500),
    Duration::from_secs(10),
];

/// The bucket bounds of body sizes: 64 B to 1 GiB.
pub(crate) const SIZES: [u64; 13] = {
    let mut bounds = [64; 13];
    let mut index = 1;
    while index < bounds.len() {
        bounds[index] = bounds[index - 1] * 4;
        index += 1;
    }
    bounds
};

/// The bucket bounds of gRPC messages per call.
pub(crate) const MESSAGES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// The maximum number of buckets. Each adds a line per series to every scrape.
const MAX_BUCKETS: usize = 200;

/// Returns the problem and its fix, unless these are valid bounds of a histogram.
pub(crate) fn bucket_problem(buckets: &[Duration]) -> Option<String> {
    if buckets.is_empty() {
        Some("there are none: give at least one bound".to_owned())
    } else if buckets.len() > MAX_BUCKETS {
        Some(format!("{} are too many: use at most {MAX_BUCKETS}", buckets.len()))
    } else if buckets[0].is_zero() {
        Some("the first is 0: begin above it".to_owned())
    } else {
        buckets.windows(2).find(|pair| pair[0] >= pair[1]).map(|pair| {
            format!("{:?} does not come after {:?}: put them in order", pair[1], pair[0])
        })
    }
}

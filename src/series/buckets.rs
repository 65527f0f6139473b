use std::time::Duration;

/// The upper bounds of the duration buckets that OpenTelemetry recommends for HTTP: 5 ms to 10 s.
///
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>
#[doc(alias("histogram"))]
pub const BUCKETS: [Duration; 14] = [
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

/// The upper bounds of the buckets for bodies, in bytes: 64 B to 1 GiB.
pub(crate) const SIZES: [u64; 13] = {
    let mut bounds = [64; 13];
    let mut place = 1;
    while place < bounds.len() {
        bounds[place] = bounds[place - 1] * 4;
        place += 1;
    }
    bounds
};

/// The upper bounds of the buckets for the messages of a gRPC call.
pub(crate) const MESSAGES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// More would make each series of the scrape heavy for nothing.
const MOST: usize = 200;

/// The mend, if these can't be a histogram's bounds.
pub(crate) fn bucket_problem(buckets: &[Duration]) -> Option<String> {
    if buckets.is_empty() {
        Some("there are none: give at least one bound".to_owned())
    } else if buckets.len() > MOST {
        Some(format!("{} are too many: use at most {MOST}", buckets.len()))
    } else if buckets[0].is_zero() {
        Some("the first is 0: begin above it".to_owned())
    } else {
        buckets.windows(2).find(|pair| pair[0] >= pair[1]).map(|pair| {
            format!("{:?} does not come after {:?}: put them in order", pair[1], pair[0])
        })
    }
}

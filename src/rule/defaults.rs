use std::time::Duration;

use super::{Rule, Severity};

impl Rule {
    /// Returns the rules to start with, each for the service as a whole:
    ///
    /// | rule | fires when |
    /// |---|---|
    /// | `HighMeanLatency` | the mean response time is above 3 s |
    /// | `HighErrorRatio` | more than 1% of the requests fail, and at least 10 do |
    /// | `StuckRequests` | a request has been in flight for more than 10 s |
    ///
    /// All are critical and keep firing for 10 s after the last breach, so that a value that swings
    /// around its threshold sends one message and not many.
    ///
    /// `HighErrorRatio` needs [10 failures](Self::min_errors), a [confidence](Self::confidence) of
    /// 0.9999 and [10 requests](Self::min_requests), so that a few random failures wake nobody.
    /// These numbers come from a simulation of three months, in which requests arrive at random and
    /// fail independently. False alarms per month of a healthy service:
    ///
    /// | requests per second | 0.05% fail | 0.1% fail | 0.2% fail | 0.5% fail |
    /// |--:|--:|--:|--:|--:|
    /// | 0.01 to 1 | 0 | 0 | 0 | 0 |
    /// | 10 | 0 | 0 | 0 | 4 |
    /// | 100 to 1,000 | 0 | 0 | 0 | 0 |
    ///
    /// Seconds from the fault to the alert, median and 95th percentile:
    ///
    /// | requests per second | 2% fail | 5% fail | 20% fail | all fail |
    /// |--:|--:|--:|--:|--:|
    /// | 0.01 | never | never | never | never |
    /// | 0.1 | never | never | never | 214 / 588 |
    /// | 1 | never | 8,348 / 33,361 | 45 / 105 | 10 / 17 |
    /// | 10 | 88 / 287 | 20 / 30 | 6 / 9 | 1 / 2 |
    /// | 100 | 13 / 28 | 5 / 6 | 2 / 2 | 1 / 1 |
    /// | 1,000 | 7 / 8 | 3 / 4 | 1 / 1 | 1 / 1 |
    ///
    /// Never means not within a day. With 5 failures and a confidence of 0.999, the service with 10
    /// requests per second raised 448 false alarms per month at 0.5%, and 8 at 0.2%. A service with
    /// less than one request per second needs a longer window, such as `over(10 s..=600 s)`, or
    /// [`slo`](Self::slo). The bench `false_alarms` runs the simulation for other numbers.
    pub fn defaults() -> Vec<Self> {
        [
            Self::mean_latency()
                .above(Duration::from_secs(3))
                .summary("Responses take too long on average."),
            Self::error_ratio()
                .above(0.01)
                .min_requests(10)
                .min_errors(10)
                .confidence(0.9999)
                .summary("Too many requests fail."),
            Self::oldest_in_flight()
                .above(Duration::from_secs(10))
                .summary("Requests hang: they neither complete nor fail."),
        ]
        .map(|rule| rule.severity(Severity::Critical).keep_firing_for(Duration::from_secs(10)))
        .into()
    }
}

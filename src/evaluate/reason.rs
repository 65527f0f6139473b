use super::{Reading, reading::Verdict};
use crate::{
    collect::Figures,
    rule::{Reason, Rule, Signal},
    window::{Timeline, Window},
};

impl Rule {
    /// The reason for no verdict, or for a value past the threshold that does not breach the rule.
    pub(crate) fn reason(
        &self,
        figures: &Figures,
        timeline: &Timeline,
        reading: Option<&Reading>,
    ) -> Option<Reason> {
        match reading {
            Some(reading) => self.reason_for_no_breach(reading),
            None if self.signal == Signal::RuntimeLag => Some(Reason::NoRuntime),
            None => Some(self.reason_for_no_verdict(figures, timeline)),
        }
    }

    fn reason_for_no_breach(&self, reading: &Reading) -> Option<Reason> {
        let (comparison, _) = self.condition()?;
        match (reading.verdict, self.confidence) {
            (Verdict::Uncertain, Some(confidence)) => Some(Reason::NotConfident { confidence }),
            (Verdict::Within, _)
                if reading.hits < self.min_errors
                    && comparison.holds(reading.value, reading.threshold) =>
            {
                Some(Reason::TooFewErrors { errors: reading.hits, needed: self.min_errors })
            }
            _ => None,
        }
    }

    fn reason_for_no_verdict(&self, figures: &Figures, timeline: &Timeline) -> Reason {
        let window = self.longest_window(figures, timeline);
        let requests = window.requests();
        let needed = self.min_requests.max(1);
        if figures.history.totals().requests() == 0 && self.signal != Signal::Throughput {
            Reason::NoRequests
        } else if requests < needed && self.signal != Signal::Throughput {
            Reason::TooFewRequests { requests, needed }
        } else if requests < self.min_requests {
            Reason::TooFewRequests { requests, needed: self.min_requests }
        } else {
            Reason::WindowNotFull { elapsed: window.elapsed() }
        }
    }

    /// The longest window that the rule uses.
    pub(crate) fn longest_window<'a>(
        &self,
        figures: &'a Figures,
        timeline: &'a Timeline,
    ) -> Window<'a> {
        let longs = self.burn_rates.iter().map(|rate| rate.long);
        figures.history.window(timeline, longs.max().unwrap_or(self.over.longest()))
    }
}

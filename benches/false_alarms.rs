//! Simulates how often the rule `HighErrorRatio` of `Rule::defaults()` fires for a healthy service,
//! and how soon it fires for a failing one. The results determined its `min_errors` and
//! `confidence`.
//!
//! ```sh
//! cargo bench -p benches --bench false_alarms                      # the defaults
//! cargo bench -p benches --bench false_alarms -- 5 0.999           # min_errors, confidence
//! ```
//!
//! Requests arrive as a Poisson process, and each fails independently with the same probability.
//! Each second is one tick of the real windows, rule and state machine. The seed is fixed.

#![expect(clippy::print_stdout, reason = "prints a table")]

use fastrand::Rng;
use tower_lookout::{Rule, bench::RatioTrial};

const RATES: [f64; 6] = [0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0];
const HEALTHY: [f64; 4] = [0.000_5, 0.001, 0.002, 0.005];
const FAILING: [f64; 4] = [0.02, 0.05, 0.2, 1.0];

const MONTH: u64 = 30 * 24 * 3_600;

/// The time after which the alert of a failing service counts as missing, in seconds.
const PATIENCE: u64 = 24 * 3_600;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_smoke = arguments.iter().any(|argument| argument == "--test");
    let numbers: Vec<f64> = arguments.iter().filter_map(|number| number.parse().ok()).collect();
    let rule = || {
        let ratio = Rule::defaults().swap_remove(1);
        match numbers[..] {
            [errors] => ratio.min_errors(errors as u64),
            [errors, confidence] => ratio.min_errors(errors as u64).confidence(confidence),
            [errors, confidence, requests] => {
                ratio.min_errors(errors as u64).confidence(confidence).min_requests(requests as u64)
            }
            _ => ratio,
        }
    };
    let (seconds, trials, patience) =
        if is_smoke { (1_000, 1, 100) } else { (3 * MONTH, 101, PATIENCE) };

    println!("False alarms per month, by requests per second and share of failures:");
    row("", HEALTHY.map(|share| format!("{}%", share * 100.0)));
    for rate in RATES {
        let alarms = HEALTHY.map(|share| {
            let alarms = false_alarms(rule(), rate, share, seconds);
            alarms as f64 * MONTH as f64 / seconds as f64
        });
        row(&rate.to_string(), alarms.map(|alarms| format!("{alarms:.1}")));
    }
    println!("\nSeconds from the fault to the alert, median and 95th percentile:");
    row("", FAILING.map(|share| format!("{}%", share * 100.0)));
    for rate in RATES {
        let delays = FAILING.map(|share| {
            let mut delays: Vec<_> =
                (0..trials).map(|seed| delay(rule(), rate, share, seed, patience)).collect();
            delays.sort_unstable_by_key(|delay| delay.unwrap_or(u64::MAX));
            let at = |q: f64| match delays[(q * (delays.len() - 1) as f64) as usize] {
                Some(delay) => delay.to_string(),
                None => "–".to_owned(),
            };
            format!("{} / {}", at(0.5), at(0.95))
        });
        row(&rate.to_string(), delays);
    }
}

fn row(title: &str, cells: [String; 4]) {
    let cells = cells.map(|cell| format!("{cell:>15}")).concat();
    println!("{title:>8}{cells}");
}

/// Counts the alerts for a healthy service.
fn false_alarms(rule: Rule, rate: f64, share: f64, seconds: u64) -> usize {
    let mut random = Rng::with_seed(4_711);
    let mut trial = RatioTrial::new(rule);
    (0..seconds).filter(|_| second(&mut trial, &mut random, rate, share)).count()
}

/// Returns the seconds until the alert of a failing service fires, after ten minutes without
/// failures.
fn delay(rule: Rule, rate: f64, share: f64, seed: u64, patience: u64) -> Option<u64> {
    let mut random = Rng::with_seed(seed);
    let mut trial = RatioTrial::new(rule);
    for _ in 0..600 {
        second(&mut trial, &mut random, rate, 0.0);
    }
    (1..=patience).find(|_| second(&mut trial, &mut random, rate, share))
}

fn second(trial: &mut RatioTrial, random: &mut Rng, rate: f64, share: f64) -> bool {
    let failed = poisson(random, rate * share);
    let succeeded = poisson(random, rate * (1.0 - share));
    trial.tick(succeeded, failed)
}

/// Samples a Poisson distribution: with Knuth's algorithm for a mean below 50, otherwise with the
/// normal approximation.
fn poisson(random: &mut Rng, mean: f64) -> u64 {
    if mean < 50.0 {
        let limit = (-mean).exp();
        let (mut count, mut product) = (0, random.f64());
        while product > limit {
            count += 1;
            product *= random.f64();
        }
        return count;
    }
    // The Box-Muller transform. The logarithm's argument is never 0.
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * random.f64()).cos();
    (mean + mean.sqrt() * normal).round().max(0.0) as u64
}

//! Compares windows with an oracle that keeps and scans every request.

use proptest::prelude::*;

use super::*;
use crate::outcome::Outcome;

#[derive(Clone, Debug)]
struct Request {
    at: Duration,
    took: Duration,
    outcome: Outcome,
}

/// Some requests, then a tick.
#[derive(Clone, Debug)]
struct Step {
    tick_after: Duration,
    requests: Vec<(u64, usize)>,
}

fn bounds() -> Bounds {
    Bounds::new(&[Duration::from_millis(100)], &[THRESHOLD])
}

const THRESHOLD: Duration = Duration::from_millis(300);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let request = (20_000..20_000_000_000_u64, 0..Outcome::COUNT);
    // Ticks are about a second apart; some are up to two minutes late.
    let gap = prop_oneof![9 => 990..1_010_u64, 1 => 1_010..120_000_u64];
    let step = (gap, prop::collection::vec(request, 0..4))
        .prop_map(|(gap, requests)| Step { tick_after: Duration::from_millis(gap), requests });
    prop::collection::vec(step, 1..400)
}

struct Played {
    timeline: Timeline,
    history: History,
    requests: Vec<Request>,
    ticks: Vec<Duration>,
}

fn play(steps: &[Step]) -> Played {
    let bounds = bounds();
    let mut timeline = Timeline::new(Duration::ZERO);
    let mut history = History::default();
    let (mut requests, mut ticks) = (Vec::new(), vec![Duration::ZERO]);
    let mut now = Duration::ZERO;
    for step in steps {
        now += step.tick_after;
        let (mut new, mut cells) = (Totals::default(), BTreeMap::new());
        for (nanos, outcome) in &step.requests {
            let outcome = Outcome::ALL[*outcome];
            new.add(outcome, 1, *nanos);
            *cells.entry(bounds.cell_of(*nanos) as u16).or_insert(0) += 1;
            requests.push(Request { at: now, took: Duration::from_nanos(*nanos), outcome });
        }
        let tick = timeline.tick(now);
        history.tick(&tick, &new, &cells.into_iter().collect::<Vec<_>>());
        ticks.push(now);
    }
    Played { timeline, history, requests, ticks }
}

/// The start of the window: the newest tick that is old enough, among those that the tier keeps.
fn began(ticks: &[Duration], over: Duration) -> Duration {
    let now = ticks[ticks.len() - 1];
    let newest = |ticks: &[Duration]| ticks.iter().rev().find(|tick| now - **tick >= over).copied();
    if over <= SECONDS_TIER {
        return newest(ticks).unwrap_or(ticks[0]);
    }
    let mut minutes = vec![ticks[0]];
    for tick in ticks {
        if *tick - minutes[minutes.len() - 1] >= SECONDS_TIER {
            minutes.push(*tick);
        }
    }
    // After a late tick, the seconds' tier may hold a mark that is old enough.
    let kept = ticks.iter().rposition(|tick| now - *tick >= SECONDS_TIER).unwrap_or(0);
    newest(&ticks[kept..]).or(newest(&minutes)).unwrap_or(ticks[0])
}

const SECONDS_TIER: Duration = Duration::from_secs(60);

proptest! {
    #[test]
    fn a_window_equals_a_scan_of_all_requests(
        steps in steps(),
        over in prop_oneof![1..=60_u64, 1..=3_600_u64],
    ) {
        let played = play(&steps);
        let window = played.history.window(&played.timeline, Duration::from_secs(over));
        let bounds = bounds();
        let began = began(&played.ticks, Duration::from_secs(over));
        let within: Vec<_> = played.requests.iter().filter(|request| request.at > began).collect();

        let count = within.len() as u64;
        let errors = within.iter().filter(|request| request.outcome.is_error()).count() as u64;
        let time: Duration = within.iter().map(|request| request.took).sum();
        let elapsed = played.timeline.now() - began;
        prop_assert_eq!(window.elapsed(), elapsed);
        prop_assert_eq!(window.requests(), count);
        prop_assert_eq!(window.errors(), errors);
        prop_assert_eq!(window.time(), time);
        prop_assert_eq!(window.throughput(), Some(count as f64 / elapsed.as_secs_f64()));
        prop_assert_eq!(
            window.slower_than(THRESHOLD, &bounds),
            within.iter().filter(|request| request.took > THRESHOLD).count() as u64
        );
        if within.is_empty() {
            prop_assert_eq!(window.mean(), None);
            prop_assert_eq!(window.quantile(0.5, &bounds), None);
        } else {
            let mean = time.as_secs_f64() / count as f64;
            prop_assert!((window.mean().unwrap().as_secs_f64() - mean).abs() < 1e-6);
        }
    }

    #[test]
    fn a_history_equals_the_merge_of_its_parts(
        steps in steps(),
        over in prop_oneof![1..=60_u64, 1..=3_600_u64],
    ) {
        let part = |part: usize| {
            let of_part = |step: &Step| {
                let requests = step.requests.iter().copied().enumerate();
                let requests = requests.filter(|(index, _)| index % 2 == part);
                Step { requests: requests.map(|(_, request)| request).collect(), ..step.clone() }
            };
            play(&steps.iter().map(of_part).collect::<Vec<_>>()).history
        };
        let played = play(&steps);
        let made = History::of_parts([part(0), part(1)].iter());
        let figures = |history: &History| {
            let window = history.window(&played.timeline, Duration::from_secs(over));
            let slower = window.slower_than(THRESHOLD, &bounds());
            (window.totals, window.before(), slower, window.quantile(0.9, &bounds()))
        };
        prop_assert_eq!(made.totals(), played.history.totals());
        prop_assert_eq!(figures(&made), figures(&played.history));
    }

    #[test]
    fn a_quantile_is_within_the_stated_error(
        steps in steps(),
        over in 1..=3_600_u64,
        q in 0.0..=1.0_f64,
    ) {
        let played = play(&steps);
        let over = Duration::from_secs(over);
        let began = began(&played.ticks, over);
        let mut took: Vec<_> = played
            .requests
            .iter()
            .filter(|request| request.at > began)
            .map(|request| request.took.as_secs_f64())
            .collect();
        took.sort_by(f64::total_cmp);
        let window = played.history.window(&played.timeline, over);
        let estimate = window.quantile(q, &bounds()).map(|estimate| estimate.as_secs_f64());
        prop_assert_eq!(estimate.is_some(), !took.is_empty());
        if let Some(estimate) = estimate {
            let rank = ((q * took.len() as f64).ceil() as usize).clamp(1, took.len());
            let exact = took[rank - 1];
            let error = (estimate - exact).abs() / exact;
            prop_assert!(error <= Bounds::QUANTILE_ERROR + 1e-6, "{estimate} for {exact}: {error}");
        }
    }
}

#[test]
fn a_window_is_not_longer_than_the_age_of_the_lookout() {
    let step = Step { tick_after: Duration::from_secs(1), requests: vec![(1_000_000, 1)] };
    let played = play(&[step]);
    let window = played.history.window(&played.timeline, Duration::from_secs(60));
    assert_eq!(window.elapsed(), Duration::from_secs(1));
    assert_eq!((window.requests(), window.errors()), (1, 1));
}

#[test]
fn a_scope_without_traffic_stores_nothing() {
    let step = |requests| Step { tick_after: Duration::from_secs(1), requests };
    let mut steps = vec![step(vec![(1_000_000, 0)])];
    steps.resize(4_000, step(Vec::new()));
    let played = play(&steps);
    assert!(played.history.seconds.changes.is_empty());
    assert!(played.history.minutes.changes.is_empty());
    assert_eq!(played.history.totals().requests(), 1);
}

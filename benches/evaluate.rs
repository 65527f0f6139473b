//! Measures a tick, which sums two shards, advances the windows, and evaluates six rules for the
//! service and for each route. Also measures the snapshot after the tick. All operations, a tenth
//! of them, or none have new requests.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tower_lookout::bench::Ticker;

fn tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick");
    for operations in [1_000, 10_000] {
        for (name, touched) in [("all", operations), ("a tenth", operations / 10)] {
            let mut ticker = Ticker::new(operations, 2);
            ticker.touch(operations, 1);
            ticker.tick();
            let ticker = std::cell::RefCell::new(ticker);
            group.bench_function(format!("{operations} series, {name} touched"), |bencher| {
                bencher.iter_batched(
                    || ticker.borrow().touch(touched, 1),
                    |()| ticker.borrow_mut().tick(),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

/// Measures a snapshot after a minute of requests, so that its windows are full.
fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    for operations in [1_000, 10_000] {
        let touches = [("all", operations), ("a tenth", operations / 10), ("none", 0)];
        for (name, touched) in touches {
            let mut ticker = Ticker::new(operations, 2);
            ticker.touch(operations, 1);
            for _ in 0..60 {
                ticker.touch(touched, 1);
                ticker.tick();
            }
            ticker.publish();
            let ticker = std::cell::RefCell::new(ticker);
            group.bench_function(format!("{operations} series, {name} touched"), |bencher| {
                bencher.iter_batched(
                    || {
                        ticker.borrow().touch(touched, 1);
                        ticker.borrow_mut().tick();
                    },
                    |()| ticker.borrow_mut().publish(),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = tick, publish
}
criterion_main!(benches);

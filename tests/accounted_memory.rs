//! What the figures take is accounted for. A binary of its own: the recorder frees its blocks on whichever
//! thread comes by, and the allocations are counted by thread.

#![cfg(feature = "prometheus")]

use tower_lookout::{bench::Ticker, prometheus};

#[test]
fn what_is_allocated_is_within_what_is_accounted_for() {
    for (operations, statuses, shards) in [(400, 1, 1), (30, 64, 1), (100, 8, 3)] {
        let (recorder, scrape) = prometheus::build().unwrap();
        let mut made = None;
        let allocated = allocation_counter::measure(|| {
            let ticker = metrics::with_local_recorder(&recorder, || {
                let mut ticker = Ticker::new(operations, shards);
                for _ in 0..3 {
                    ticker.touch(operations, statuses);
                    ticker.tick();
                    ticker.publish();
                }
                ticker
            });
            // The recorder sorts the samples into its buckets, and frees their blocks some epochs later.
            (0..8).for_each(|_| drop(scrape.render()));
            made = Some(ticker);
        });
        let (kept, used) = (allocated.bytes_current as f64, made.unwrap().memory() as f64);
        // The rest is what each process has once.
        assert!(kept <= used + 300_000.0 && used < 2.0 * kept, "{kept} of {used} bytes");
    }
}

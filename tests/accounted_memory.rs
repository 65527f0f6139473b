//! `lookout_memory_bytes` accounts for the memory of the figures. The test is a separate binary,
//! since the recorder may free its blocks on any thread, and allocations are counted per thread.

#![cfg(feature = "prometheus")]

use tower_lookout::{bench::Ticker, prometheus};

#[test]
fn allocated_memory_is_within_the_accounted_memory() {
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
            // The recorder moves the samples into its buckets, and frees their blocks some epochs
            // later.
            (0..8).for_each(|_| drop(scrape.render()));
            made = Some(ticker);
        });
        let (kept, used) = (allocated.bytes_current as f64, made.unwrap().memory() as f64);
        // The allowance of 300 kB covers blocks that are allocated once per process.
        assert!(kept <= used + 300_000.0 && used < 2.0 * kept, "{kept} of {used} bytes");
    }
}

//! Measures the delay from a report to the receiver's socket. Sends nine reports of different kinds
//! to a local receiver, a second apart, which is Slack's rate limit. With `--test`, sends only one.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use quanta::Instant;
use tower_lookout::{Lookout, Report, notify::Slack};

const ALLOWED: Duration = Duration::from_millis(50);

/// Records the arrival of each request, and responds like Slack.
fn respond(mut connection: TcpStream, arrived: &mpsc::Sender<Instant>) {
    let mut bytes = [0; 65_536];
    while connection.read(&mut bytes).is_ok_and(|read| read > 0) {
        arrived.send(Instant::now()).unwrap();
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
}

fn main() {
    let is_smoke = std::env::args().any(|argument| argument == "--test");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, arrivals) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || respond(connection.unwrap(), &sender));
        }
    });
    let lookout = Lookout::builder().notify(Slack::new(url).unwrap()).start().unwrap();
    let reporter = lookout.reporter();
    let mut took = Vec::new();
    for kind in 0..if is_smoke { 1 } else { 9 } {
        let reported = Instant::now();
        reporter.send(Report::new(format!("Kind{kind}"), "failed"));
        took.push(arrivals.recv_timeout(Duration::from_secs(10)).unwrap() - reported);
        if !is_smoke {
            thread::sleep(Duration::from_millis(1_100));
        }
    }
    took.sort();
    let median = took[took.len() / 2];
    println!(
        "delay from a report to the receiver's socket: median {median:?} of {}, maximum {:?}",
        took.len(),
        took.last().unwrap()
    );
    if !is_smoke && median >= ALLOWED {
        println!("too slow: the median must be below {ALLOWED:?}");
        std::process::exit(1);
    }
}

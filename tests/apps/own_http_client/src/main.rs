//! Sends a request with `reqwest::Client::new()`, like an application that configures no TLS.

use std::{
    error::Error,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    #[cfg(feature = "watched")]
    let builder = tower_lookout::Lookout::builder()
        .notify(tower_lookout::notify::Slack::new("https://localhost:1/secret")?);
    #[cfg(feature = "watched_email")]
    let builder = builder.notify(tower_lookout::notify::Email::new(
        "smtps://localhost:1",
        "alerts@example.com",
        ["oncall@example.com"],
    )?);
    #[cfg(feature = "watched")]
    let lookout = builder.start()?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let _ = stream.read(&mut [0; 1_024])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    });
    let response = reqwest::Client::new().get(url).send().await?;
    println!("{} {}", response.status(), response.text().await?);

    // Without a TLS feature, reqwest returns an error.
    let rejected = reqwest::Client::new().get("https://127.0.0.1:1/").send().await;
    println!("{:?}", rejected.map_err(|error| error.to_string()));

    #[cfg(feature = "own_tls")]
    {
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        println!("{} cipher suites", config.crypto_provider().cipher_suites.len());
    }

    #[cfg(feature = "watched")]
    lookout.shutdown().await;
    Ok(())
}

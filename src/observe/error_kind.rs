use std::{any::Any, error::Error, io};

use crate::outcome::ErrorKind;

/// The kind of an error that a service or a body gave, by its type and what that tells, never by its
/// text: of the errors of tower, axum, hyper, reqwest and the standard library, also where they are the
/// cause of another.
pub(super) fn kind_of<E: 'static>(error: &E) -> ErrorKind {
    let error: &dyn Any = error;
    let error: Option<&(dyn Error + 'static)> = None
        .or_else(|| error.downcast_ref::<tower::BoxError>().map(|error| &**error as _))
        .or_else(|| error.downcast_ref::<Box<dyn Error + Send>>().map(|error| &**error as _))
        .or_else(|| error.downcast_ref::<io::Error>().map(|error| error as _))
        .or_else(|| error.downcast_ref::<tower::timeout::error::Elapsed>().map(|error| error as _))
        .or_else(|| known(error));
    let mut vague = ErrorKind::Other;
    let mut next = error;
    while let Some(error) = next {
        match kind(error) {
            // Its cause may say more.
            Some(ErrorKind::Body) => vague = ErrorKind::Body,
            Some(kind) => return kind,
            None => {}
        }
        next = error.source();
    }
    vague
}

/// A single error, without its causes.
fn kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(ErrorKind::Timeout);
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(ErrorKind::Overloaded);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error.kind());
    }
    of_client(error)
}

fn of_io(kind: io::ErrorKind) -> Option<ErrorKind> {
    Some(match kind {
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => ErrorKind::Connect,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => ErrorKind::ConnectionReset,
        io::ErrorKind::InvalidData => ErrorKind::Decode,
        _ => return None,
    })
}

#[cfg(feature = "hyper")]
fn of_hyper(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>()
        && error.is_connect()
    {
        return Some(ErrorKind::Connect);
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    if error.is_timeout() {
        Some(ErrorKind::Timeout)
    } else if error.is_parse() {
        Some(ErrorKind::Decode)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_body_write_aborted() {
        Some(ErrorKind::ConnectionReset)
    } else if error.is_canceled() {
        Some(ErrorKind::Cancelled)
    } else if error.is_user() {
        Some(ErrorKind::Body)
    } else {
        None
    }
}

#[cfg(feature = "tonic")]
fn of_tonic(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if error.is::<tonic::TimeoutExpired>() {
        return Some(ErrorKind::Timeout);
    }
    error.is::<tonic::ConnectError>().then_some(ErrorKind::Connect)
}

#[cfg(feature = "hyper")]
fn of_h2(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let error = error.downcast_ref::<h2::Error>()?;
    if let Some(error) = error.get_io() {
        return of_io(error.kind());
    }
    (error.is_reset() || error.is_go_away()).then_some(ErrorKind::ConnectionReset)
}

#[cfg(feature = "reqwest")]
fn of_reqwest(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let error = error.downcast_ref::<reqwest::Error>()?;
    if error.is_timeout() {
        Some(ErrorKind::Timeout)
    } else if error.is_connect() {
        Some(ErrorKind::Connect)
    } else if error.is_redirect() {
        Some(ErrorKind::Redirect)
    } else if error.is_decode() {
        Some(ErrorKind::Decode)
    } else if error.is_body() {
        Some(ErrorKind::Body)
    } else {
        None
    }
}

/// What clients' own errors tell, in the order in which they wrap each other.
#[cfg_attr(not(feature = "hyper"), expect(unused_variables, reason = "no client is known"))]
fn of_client(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    #[cfg(feature = "reqwest")]
    if let Some(kind) = of_reqwest(error) {
        return Some(kind);
    }
    #[cfg(feature = "hyper")]
    if let Some(kind) = of_hyper(error).or_else(|| of_h2(error)) {
        return Some(kind);
    }
    #[cfg(feature = "tonic")]
    if let Some(kind) = of_tonic(error) {
        return Some(kind);
    }
    None
}

/// The error types of clients, and that of axum's bodies, as a service names them.
#[cfg_attr(
    not(any(feature = "axum", feature = "hyper")),
    expect(unused_variables, reason = "nothing of it is known")
)]
fn known(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    #[cfg(feature = "axum")]
    if let Some(error) = error.downcast_ref::<axum::Error>() {
        return Some(error);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return Some(error);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return Some(error);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(error);
    }
    #[cfg(feature = "tonic")]
    if let Some(error) = error.downcast_ref::<tonic::transport::Error>() {
        return Some(error);
    }
    #[cfg(feature = "tonic")]
    if let Some(error) = error.downcast_ref::<tonic::Status>() {
        return Some(error);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("order 4711 of {0}")]
    struct Wrapped(&'static str, #[source] io::Error);

    #[test]
    fn the_kind_is_told_by_type_and_cause_and_never_by_text() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let boxed = |error: Wrapped| -> tower::BoxError { error.into() };
        let elapsed: tower::BoxError = tower::timeout::error::Elapsed::new().into();
        let shed: tower::BoxError = tower::load_shed::error::Overloaded::new().into();
        assert_eq!(kind_of(&refused()), ErrorKind::Connect);
        assert_eq!(kind_of(&boxed(Wrapped("me", refused()))), ErrorKind::Connect);
        assert_eq!(
            kind_of(&io::Error::from(io::ErrorKind::BrokenPipe)),
            ErrorKind::ConnectionReset
        );
        assert_eq!(kind_of(&elapsed), ErrorKind::Timeout);
        #[cfg(feature = "axum")]
        assert_eq!(kind_of(&axum::Error::new(Wrapped("me", refused()))), ErrorKind::Connect);
        assert_eq!(kind_of(&shed), ErrorKind::Overloaded);
        assert_eq!(kind_of(&"a timeout, it says"), ErrorKind::Other);
        assert_eq!(kind_of(&tower::BoxError::from("connect timeout")), ErrorKind::Other);
    }
}

use std::{any::Any, error::Error, io, sync::Arc};

use crate::{catch_panic::guarded, causes::causes, outcome::ErrorKind};

/// Classifies an error of a service or a body by its type and its predicates, never by its text.
/// Recognises the errors of tower, tower-http, axum, hyper, reqwest, tonic and the standard
/// library, even if they are the cause of another error.
///
/// If `source()`, which is application code, panics, the kind is `error`.
pub(crate) fn kind_of<E: 'static>(error: &E) -> ErrorKind {
    let kind = guarded(|| as_error(error).map_or(ErrorKind::Other, kind_of_chain));
    kind.unwrap_or(ErrorKind::Other)
}

/// Like [`kind_of`], for a trait object.
pub(crate) fn kind_of_error(error: &(dyn Error + 'static)) -> ErrorKind {
    guarded(|| kind_of_chain(error)).unwrap_or(ErrorKind::Other)
}

fn kind_of_chain(error: &(dyn Error + 'static)) -> ErrorKind {
    let mut vague = ErrorKind::Other;
    for cause in causes(error) {
        match kind(cause) {
            // The cause may be more specific.
            Some(ErrorKind::Body) => vague = ErrorKind::Body,
            Some(kind) => return kind,
            None => {}
        }
        #[cfg(feature = "tonic")]
        if let (ErrorKind::Other, Some(kind)) = (vague, of_status(cause)) {
            vague = kind;
        }
    }
    vague
}

/// Classifies a single error without its causes.
fn kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_io(error.kind());
    }
    of_middleware(error).or_else(|| of_client(error))
}

/// Classifies errors of tower middleware.
fn of_middleware(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(ErrorKind::Timeout);
    }
    #[cfg(feature = "tower-http")]
    if error.is::<tower_http::timeout::TimeoutError>()
        || error.is::<tower_http_06::timeout::TimeoutError>()
    {
        return Some(ErrorKind::Timeout);
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(ErrorKind::Overloaded);
    }
    if error.is::<http_body_util::LengthLimitError>() {
        return Some(ErrorKind::TooLarge);
    }
    let is_stopped = error.downcast_ref().is_some_and(tokio::task::JoinError::is_cancelled);
    // A buffer's task ended with its runtime or panicked, so the call gets no response.
    (is_stopped || error.is::<tower::buffer::error::Closed>()).then_some(ErrorKind::Cancelled)
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
fn of_status(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    Some(match error.downcast_ref::<tonic::Status>()?.code() {
        tonic::Code::DeadlineExceeded => ErrorKind::Timeout,
        tonic::Code::ResourceExhausted => ErrorKind::Overloaded,
        tonic::Code::Cancelled => ErrorKind::Cancelled,
        _ => return None,
    })
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

/// Classifies errors of HTTP clients, from the outermost type to the innermost.
#[cfg_attr(not(feature = "hyper"), expect(unused_variables, reason = "no client feature is on"))]
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

/// Downcasts the error to the first type that fits.
macro_rules! return_if_known {
    ($error:ident: $($(#[$when:meta])* $known:ty),* $(,)?) => {
        $(
            $(#[$when])*
            if let Some(error) = $error.downcast_ref::<$known>() {
                return Some(error);
            }
        )*
    };
}

/// Downcasts to the error types that services and bodies commonly use, since `Service::Error` need
/// not implement `Error`.
fn as_error(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<tower::BoxError>() {
        return Some(&**error);
    }
    if let Some(error) = error.downcast_ref::<Box<dyn Error + Send>>() {
        return Some(&**error);
    }
    if let Some(error) = error.downcast_ref::<Box<dyn Error>>() {
        return Some(&**error);
    }
    if let Some(error) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**error);
    }
    return_if_known!(error:
        io::Error,
        tower::timeout::error::Elapsed,
        tokio::time::error::Elapsed,
        tower::load_shed::error::Overloaded,
        tower::buffer::error::ServiceError,
        tower::buffer::error::Closed,
        http_body_util::LengthLimitError,
        tokio::task::JoinError,
        #[cfg(feature = "tower-http")]
        tower_http::timeout::TimeoutError,
        #[cfg(feature = "tower-http")]
        tower_http_06::timeout::TimeoutError,
        #[cfg(feature = "axum")]
        axum::Error,
        #[cfg(feature = "reqwest")]
        reqwest::Error,
        #[cfg(feature = "hyper")]
        hyper_util::client::legacy::Error,
        #[cfg(feature = "hyper")]
        hyper::Error,
        #[cfg(feature = "hyper")]
        h2::Error,
        #[cfg(feature = "tonic")]
        tonic::transport::Error,
        #[cfg(feature = "tonic")]
        tonic::Status,
    );
    None
}

#[cfg(test)]
#[path = "error_kind_tests.rs"]
mod tests;

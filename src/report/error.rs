use std::{any::type_name, error::Error};

/// An error that [`Report::of`](super::Report::of), [`Reporter::report`](super::Reporter::report)
/// and [`Reporter::supervise`](super::Reporter::supervise) accept.
///
/// It is implemented for types that implement [`Error`], for `dyn Error` and `Box<dyn Error>` with
/// or without `Send` and `Sync`, and for types with [`AsRef<dyn Error>`](AsRef), such as
/// `anyhow::Error` and `eyre::Report`. The compiler infers `Kind`.
///
/// # Examples
///
/// ```
/// # fn run(reporter: tower_lookout::Reporter) {
/// let error: Box<dyn std::error::Error + Send + Sync> = "the broker is down".into();
/// reporter.report(&error);
/// # }
/// ```
///
/// A string is not an error: report it with [`Report::new`](super::Report::new).
///
/// ```compile_fail,E0277
/// # fn run(reporter: tower_lookout::Reporter) {
/// reporter.report(&"the broker is down");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that can be reported",
    label = "this is not an error",
    note = "pass a reference to a type that implements `std::error::Error`, to a `Box<dyn Error + Send + Sync>`, an \
            `anyhow::Error` or an `eyre::Report`",
    note = "report a text with `reporter.send(Report::new(\"Name\", text))`, or convert it into an error \
            with `std::io::Error::other(text)`"
)]
pub trait ReportableError<Kind>: sealed::Sealed<Kind> {
    /// The error.
    #[doc(hidden)]
    fn as_error(&self) -> &(dyn Error + 'static);

    /// The name of its type; empty if it is unknown.
    #[doc(hidden)]
    fn error_type(&self) -> &'static str {
        ""
    }
}

/// Markers that keep the implementations from overlapping.
mod kind {
    #[derive(Debug)]
    pub struct Concrete;

    #[derive(Debug)]
    pub struct Erased;

    #[derive(Debug)]
    pub struct Boxed;

    #[derive(Debug)]
    pub struct Wrapper;
}

mod sealed {
    pub trait Sealed<Kind> {}
}

use kind::{Boxed, Concrete, Erased, Wrapper};

impl<E: Error + 'static> sealed::Sealed<Concrete> for E {}

impl<E: Error + 'static> ReportableError<Concrete> for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }

    fn error_type(&self) -> &'static str {
        let name = pointee(type_name::<E>());
        // A reference or a shared pointer to `dyn Error` also implements `Error`.
        if name.starts_with("dyn ") { "" } else { name }
    }
}

/// The type behind references and smart pointers.
fn pointee(name: &'static str) -> &'static str {
    let inner = |pointer: &str| name.strip_prefix(pointer)?.strip_suffix('>');
    let pointers = ["alloc::boxed::Box<", "alloc::sync::Arc<", "alloc::rc::Rc<"];
    match name.strip_prefix('&').or_else(|| pointers.into_iter().find_map(inner)) {
        Some(name) => pointee(name),
        None => name,
    }
}

macro_rules! erased {
    ($($error:ty),*) => {$(
        impl sealed::Sealed<Erased> for $error {}

        impl ReportableError<Erased> for $error {
            fn as_error(&self) -> &(dyn Error + 'static) {
                self
            }
        }

        impl sealed::Sealed<Boxed> for Box<$error> {}

        impl ReportableError<Boxed> for Box<$error> {
            fn as_error(&self) -> &(dyn Error + 'static) {
                &**self
            }
        }
    )*};
}

erased!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);

// Both bounds, since a shared pointer has only one of them, and is already an error.
impl<W> sealed::Sealed<Wrapper> for W where
    W: AsRef<dyn Error + 'static> + AsRef<dyn Error + Send + Sync + 'static>
{
}

impl<W> ReportableError<Wrapper> for W
where
    W: AsRef<dyn Error + 'static> + AsRef<dyn Error + Send + Sync + 'static>,
{
    fn as_error(&self) -> &(dyn Error + 'static) {
        <W as AsRef<dyn Error + 'static>>::as_ref(self)
    }
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use crate::Report;

    use super::*;

    /// Holds an error without being one, like `anyhow::Error` and `eyre::Report`.
    struct Held(io::Error);

    impl AsRef<dyn Error + 'static> for Held {
        fn as_ref(&self) -> &(dyn Error + 'static) {
            &self.0
        }
    }

    impl AsRef<dyn Error + Send + Sync + 'static> for Held {
        fn as_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
            &self.0
        }
    }

    fn refused() -> io::Error {
        io::Error::other("refused")
    }

    #[test]
    fn every_kind_of_error_is_reported_and_none_is_named_dyn_error() {
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(refused());
        let boxed: Box<dyn Error + Send + Sync> = Box::new(refused());
        let boxed_send: Box<dyn Error + Send> = Box::new(refused());
        let boxed_local: Box<dyn Error> = Box::new(refused());
        let own: Box<io::Error> = Box::new(refused());
        let erased: &(dyn Error + 'static) = &*boxed;
        let reports = [
            (Report::of(&refused()), "Error", "std::io::error::Error"),
            (Report::of(&std::fmt::Error), "Error", "core::fmt::Error"),
            (
                Report::of(&"x".parse::<u8>().unwrap_err()),
                "ParseIntError",
                "core::num::error::ParseIntError",
            ),
            (Report::of(&own), "Error", "std::io::error::Error"),
            (Report::of(&shared), "Error", ""),
            (Report::of(&boxed), "Error", ""),
            (Report::of(&boxed_send), "Error", ""),
            (Report::of(&boxed_local), "Error", ""),
            (Report::of(&*boxed), "Error", ""),
            (Report::of(erased), "Error", ""),
            (Report::of(&Held(refused())), "Error", ""),
        ];
        for (report, name, error_type) in reports {
            assert_eq!((report.name.as_ref(), report.error_type), (name, error_type));
        }
        assert_eq!(Report::of(&Held(refused())).causes, ["refused"]);
    }

    #[test]
    fn a_generic_function_can_report_its_error() {
        fn of<E: Error + 'static>(error: &E) -> Report {
            Report::of(error)
        }
        assert_eq!(of(&refused()).error_type, "std::io::error::Error");
    }
}

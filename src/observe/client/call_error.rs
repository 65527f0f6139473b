use std::{error::Error, ops::Deref};

/// An error of a call that a [`Dependency`](crate::observe::Dependency) watches: any that implements [`Error`], and
/// any that dereferences to one, such as a boxed error, `anyhow::Error` or `eyre::Report`.
///
/// The compiler finds `Marker`, which tells these kinds of types apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that `Dependency::call` can classify",
    label = "neither implements `Error` nor dereferences to one",
    note = "use `Dependency::call_with`, whose closure says which outputs are failures"
)]
pub trait CallError<Marker> {
    #[doc(hidden)]
    fn as_error(&self) -> &(dyn Error + 'static);
}

/// Of types that implement [`Error`].
#[derive(Debug)]
#[doc(hidden)]
#[non_exhaustive]
pub struct Itself;

impl<E: Error + 'static> CallError<Itself> for E {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

macro_rules! dereferencing {
    ($($target:ty),*) => {
        $(impl<E: Deref<Target = $target>> CallError<Box<$target>> for E {
            fn as_error(&self) -> &(dyn Error + 'static) {
                &**self
            }
        })*
    };
}

dereferencing!(dyn Error + 'static, dyn Error + Send + 'static, dyn Error + Send + Sync + 'static);

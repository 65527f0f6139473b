use std::{error::Error, ops::Deref};

/// An error that [`Dependency::call`](crate::observe::Dependency::call) can classify: a type that
/// implements [`Error`], or one that dereferences to it, such as a boxed error, `anyhow::Error` or
/// `eyre::Report`.
///
/// The compiler infers `Marker`, which distinguishes these types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that `Dependency::call` can classify",
    label = "neither implements `Error` nor dereferences to one",
    note = "use `Dependency::call_with`, whose closure decides which outputs are failures"
)]
pub trait CallError<Marker> {
    #[doc(hidden)]
    fn as_error(&self) -> &(dyn Error + 'static);
}

/// The marker of types that implement [`Error`].
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

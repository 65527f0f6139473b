//! Errors as a person reads them.

use std::{error::Error, fmt};

/// An error may be its own cause.
const MOST_CAUSES: usize = 16;

/// Writes an error with its causes, in one line.
pub(crate) fn write_chain(f: &mut impl fmt::Write, error: &dyn Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    for _ in 0..MOST_CAUSES {
        let Some(found) = cause else { break };
        write!(f, ": {found}")?;
        cause = found.source();
    }
    Ok(())
}

/// `Debug` as `Display`, with the causes: Rust prints an error of `main` by its `Debug`.
macro_rules! debug_as_display {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::causes::write_chain(f, self)
            }
        }
    };
}
pub(crate) use debug_as_display;

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless;

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Self)
        }
    }

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    debug_as_display!(Endless);

    #[test]
    fn an_error_is_one_line_with_its_causes_of_which_there_may_be_no_end() {
        assert_eq!(format!("{Endless:?}"), vec!["again"; 1 + MOST_CAUSES].join(": "));
    }
}

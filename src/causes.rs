//! Walks from an error to its causes. `source()` and `Display` are code of the application or of a
//! library, so an error may be its own cause, and a text may be endless. Each walk and each text
//! has a limit.

use std::{error::Error, fmt, io, iter, ptr};

use crate::text::limited;

type DynError = dyn Error + 'static;

/// The maximum number of errors in one chain.
const MOST_CAUSES: usize = 32;

/// The maximum length of the text of one error, in characters.
const LONGEST_TEXT: usize = 1_000;

/// The maximum length of the text of a whole chain, in characters.
const LONGEST_LINE: usize = 4_000;

/// The error and its causes, at most [`MOST_CAUSES`], for a check of their types.
///
/// Unlike `source()`, it does not skip the error that an [`io::Error`] wraps.
pub(crate) fn causes(error: &DynError) -> impl Iterator<Item = &DynError> {
    bounded_walk(error, |error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The texts of the error and of its causes, at most [`MOST_CAUSES`], each [`bounded`].
///
/// An error that occurs several times in its own chain is listed once, and so is an error whose
/// wrapper repeats its text.
pub(crate) fn texts(error: &DynError) -> Vec<String> {
    let mut listed: Vec<(&DynError, String)> = Vec::new();
    for cause in bounded_walk(error, <DynError>::source) {
        let text = bounded(cause);
        // The address is not enough, since a wrapper may have the same address as its cause.
        let is_listed =
            |(error, found): &(&DynError, String)| ptr::addr_eq(*error, cause) && *found == text;
        if !listed.iter().any(is_listed) {
            listed.push((cause, text));
        }
    }
    listed.into_iter().map(|(_, text)| text).collect()
}

fn bounded_walk<'a>(
    first: &'a DynError,
    next: impl Fn(&'a DynError) -> Option<&'a DynError>,
) -> impl Iterator<Item = &'a DynError> {
    iter::successors(Some(first), move |&error| next(error)).take(MOST_CAUSES)
}

/// The error and its causes in one line, separated by `: `.
pub(crate) fn one_line(error: &DynError) -> String {
    limited(texts(error).join(": "), LONGEST_LINE, usize::MAX)
}

/// Implements `Debug` as `Display` with the causes, since Rust prints an error of `main` with
/// `Debug`. The text of the error itself comes from this crate and is not cut: a file may have many
/// problems, one per line.
macro_rules! debug_as_display {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)?;
                let mut causes = $crate::causes::texts(self).into_iter().skip(1);
                causes.try_for_each(|cause| write!(f, ": {cause}"))
            }
        }
    };
}
pub(crate) use debug_as_display;

/// The text of `value`, cut after [`LONGEST_TEXT`] characters. Unlike `to_string()` it accepts a
/// `Display` that fails.
pub(crate) fn bounded(value: impl fmt::Display) -> String {
    limited(value, LONGEST_TEXT, usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::*;

    /// An error whose cause is set later, so that it may be the error itself.
    #[derive(Default)]
    struct Linked {
        text: String,
        cause: OnceLock<&'static Linked>,
    }

    impl Linked {
        fn named(text: impl Into<String>) -> &'static Self {
            Box::leak(Box::new(Self { text: text.into(), cause: OnceLock::new() }))
        }

        fn caused_by(&self, cause: &'static Self) {
            self.cause.set(cause).unwrap();
        }
    }

    debug_as_display!(Linked);

    impl fmt::Display for Linked {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.text)
        }
    }

    impl Error for Linked {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.cause.get().map(|cause| *cause as _)
        }
    }

    #[test]
    fn an_error_that_is_its_own_cause_is_named_once() {
        let error = Linked::named("no broker");
        error.caused_by(error);
        assert_eq!(one_line(error), "no broker");
        assert_eq!(causes(error).count(), MOST_CAUSES);
    }

    #[test]
    fn a_cycle_of_several_errors_ends_where_it_began() {
        let [first, second, third] = ["first", "second", "third"].map(Linked::named);
        first.caused_by(second);
        second.caused_by(third);
        third.caused_by(second);
        assert_eq!(one_line(first), "first: second: third");
        assert_eq!(format!("{first:?}"), "first: second: third");
    }

    #[test]
    fn a_long_chain_is_cut_after_32_causes() {
        let first = Linked::named("0");
        let mut last = first;
        for number in 1..1_000 {
            let next = Linked::named(number.to_string());
            last.caused_by(next);
            last = next;
        }
        let line = one_line(first);
        assert!(line.starts_with("0: 1: 2: ") && line.ends_with(": 30: 31"), "{line}");
    }

    #[test]
    fn the_text_of_each_error_and_of_the_whole_line_is_cut() {
        let first = Linked::named("a".repeat(2_000));
        let mut last = first;
        for text in ["b", "c", "d", "e"] {
            let next = Linked::named(text.repeat(2_000));
            last.caused_by(next);
            last = next;
        }
        let line = one_line(first);
        assert!(line.starts_with(&format!("{}…: b", "a".repeat(LONGEST_TEXT))), "{line}");
        assert!(line.ends_with("d…") && !line.contains('e'), "{line}");
        assert_eq!(line.chars().count(), LONGEST_LINE + 1);
    }

    /// Writes without end until the writer fails, or returns an error of its own.
    struct Endless(bool);

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.0 {
                loop {
                    f.write_str("again and ")?;
                }
            }
            f.write_str("broken")?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn an_endless_text_and_a_failing_display_are_accepted() {
        assert_eq!(bounded(Endless(true)).chars().count(), LONGEST_TEXT + 1);
        assert_eq!(bounded(Endless(false)), "broken");
    }

    #[test]
    fn an_error_within_an_io_error_is_found_by_its_type_and_not_repeated_in_the_text() {
        let error = io::Error::other(Arc::<Linked>::new(Linked {
            text: "no broker".into(),
            ..Linked::default()
        }));
        assert!(causes(&error).any(|cause| cause.is::<Arc<Linked>>()));
        assert_eq!(one_line(&error), "no broker");
    }
}

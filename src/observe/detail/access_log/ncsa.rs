use std::{fmt, time::SystemTime};

use super::{head::Head, text::Text};
use crate::observe::RequestEnd;
use crate::outcome::Status;

/// A line in NCSA's Common or Combined Log Format.
pub(super) struct Ncsa<'a> {
    pub(super) head: &'a Head,
    pub(super) end: &'a RequestEnd<'a>,
    pub(super) is_combined: bool,
}

impl fmt::Display for Ncsa<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, end, is_combined } = self;
        match &head.remote_addr {
            Some(address) => address.word().fmt(f)?,
            None => f.write_str("-")?,
        }
        let (method, path) = (head.method.quotable(), head.path.quotable());
        write!(f, " - - [{}] \"{method} {path} {:?}\"", Date(head.time), head.version)?;
        match end.status {
            Some(Status::Http(status)) => write!(f, " {}", status.as_str())?,
            Some(Status::Grpc(_)) => f.write_str(" 200")?,
            None => f.write_str(" -")?,
        }
        match end.response_bytes {
            0 => f.write_str(" -")?,
            bytes => write!(f, " {bytes}")?,
        }
        if *is_combined {
            quoted(f, head.referer.as_ref())?;
            quoted(f, head.user_agent.as_ref())?;
        }
        Ok(())
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: Option<&Text>) -> fmt::Result {
    match text {
        Some(text) => write!(f, " \"{}\"", text.quotable()),
        None => f.write_str(" \"-\""),
    }
}

/// Formats a time such as `10/Oct/2000:13:55:36 +0000`.
struct Date(SystemTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        // Such as `2000-10-10T13:55:36Z`.
        let date = humantime::format_rfc3339_seconds(self.0).to_string();
        let (year, month, day, time) = (&date[..4], &date[5..7], &date[8..10], &date[11..19]);
        let month = month.parse().ok().and_then(|month: usize| MONTHS.get(month.checked_sub(1)?));
        write!(f, "{day}/{}/{year}:{time} +0000", month.ok_or(fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn date(seconds: u64) -> String {
        Date(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    }

    #[test]
    fn a_date_is_formatted_as_in_apache() {
        assert_eq!(date(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(date(971_186_136), "10/Oct/2000:13:55:36 +0000");
        assert_eq!(date(1_709_251_199), "29/Feb/2024:23:59:59 +0000");
    }

    proptest! {
        #[test]
        fn a_date_is_correct_to_the_second(seconds in 0..253_402_300_800_u64) {
            let date = date(seconds);
            let (day, time) = date.strip_suffix(" +0000").unwrap().split_once(':').unwrap();
            let [day, month, year] = day.split('/').collect::<Vec<_>>().try_into().unwrap();
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(month).unwrap() / 3 + 1;
            let read = humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"));
            prop_assert_eq!(read.unwrap(), UNIX_EPOCH + Duration::from_secs(seconds));
        }
    }
}

//! Clock hours, days and months, in UTC.

use time::{Date, OffsetDateTime, Time};

use crate::time::{DAY, HOUR, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Period {
    Hour,
    Day,
    Month,
}

impl Period {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The start of the period that contains `now`.
    #[must_use]
    pub fn start(self, now: Timestamp) -> Timestamp {
        let whole = |seconds: u64| Timestamp(now.0 - now.0.rem_euclid(i64::try_from(seconds).unwrap_or(i64::MAX)));
        match self {
            Self::Hour => whole(HOUR.as_secs()),
            Self::Day => whole(DAY.as_secs()),
            Self::Month => month(now, |date| date.replace_day(1).unwrap_or(date)),
        }
    }

    /// The end of the period that contains `now`.
    #[must_use]
    pub fn end(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Hour => self.start(now).plus(HOUR),
            Self::Day => self.start(now).plus(DAY),
            Self::Month => month(now, |date| {
                let last = date.replace_day(date.month().length(date.year())).unwrap_or(date);
                last.next_day().unwrap_or(last)
            }),
        }
    }
}

fn month(now: Timestamp, of: impl Fn(Date) -> Date) -> Timestamp {
    let date = OffsetDateTime::from_unix_timestamp(now.0).map_or(Date::MIN, OffsetDateTime::date);
    Timestamp(of(date).with_time(Time::MIDNIGHT).assume_utc().unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap().unix_timestamp())
    }

    #[test]
    fn periods_follow_the_clock_and_the_calendar() {
        let now = at("2028-02-29T13:37:59Z");
        let of = |period: Period| (period.start(now).rfc3339(), period.end(now).rfc3339());
        let expected = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(of(Period::Hour), expected("2028-02-29T13:00:00Z", "2028-02-29T14:00:00Z"));
        assert_eq!(of(Period::Day), expected("2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"));
        assert_eq!(of(Period::Month), expected("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"));
        let december = at("2026-12-31T23:59:59Z");
        assert_eq!(Period::Month.end(december).rfc3339(), "2027-01-01T00:00:00Z");
        for period in Period::ALL {
            assert_eq!(period.start(period.start(now)), period.start(now));
            assert_eq!(period.start(period.end(now)), period.end(now), "the next begins where this one ends");
        }
    }
}

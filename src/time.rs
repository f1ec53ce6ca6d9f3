//! The time of day as text. Read by the log and by the record of a container.

use core::fmt;
use syscalls::time;

/// A moment of the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    pub seconds: u64,
    /// Nanoseconds beyond them, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Time {
    /// The clock's time; a clock before 1970 reads as 1970.
    pub fn now() -> Time {
        let now = time::clock(time::CLOCK_REALTIME).unwrap_or_default();
        Time { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
    }

    /// The same without a fraction.
    pub fn whole(self) -> Time {
        Time { nanoseconds: 0, ..self }
    }
}

/// RFC 3339 in UTC, with nine digits of a second's fraction unless it is zero.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, second) = (self.seconds / 86_400, self.seconds % 86_400);
        // The Gregorian calendar repeats after 146,097 days (400 years); 1970 is as good a start as any.
        let mut year = 1970_u64.saturating_add((days / 146_097).saturating_mul(400));
        days %= 146_097;
        while let Some(rest) = days.checked_sub(if leap(year) { 366 } else { 365 }) {
            days = rest;
            year = year.saturating_add(1);
        }
        let mut month = 1_u64;
        while let Some(rest) = days.checked_sub(length(month, year)) {
            days = rest;
            month = month.saturating_add(1);
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let day = days.saturating_add(1);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanoseconds != 0 {
            write!(f, ".{:09}", self.nanoseconds)?;
        }
        f.write_str("Z")
    }
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

/// The days of a month.
fn length(month: u64, year: u64) -> u64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 30,
    }
}

#[cfg(test)]
mod tests {
    use super::Time;
    use alloc::string::ToString;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // Checked with date -u -d @N.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (13_574_563_200, "2400-02-29T00:00:00Z"),
        ] {
            assert_eq!(Time { seconds, nanoseconds: 0 }.to_string(), text);
        }
        assert_eq!(Time { seconds: 1, nanoseconds: 20 }.to_string(), "1970-01-01T00:00:01.000000020Z");
    }
}

//! Moments as HTTP and RFC 3339 write them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 now; zero on a machine whose clock is before that.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    weekday: u64,
    second: u64,
}

/// Howard Hinnant's `civil_from_days`, for days after 1970.
fn civil(unix: u64) -> Civil {
    let days = unix / 86_400;
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    Civil { year, month, day: doy - (153 * mp + 2) / 5 + 1, weekday: (days + 4) % 7, second: unix % 86_400 }
}

fn name(names: &'static str, at: u64) -> &'static str {
    let from = usize::try_from(at).map_or(0, |at| at * 3);
    names.get(from..from + 3).unwrap_or("???")
}

/// As the `date` header has it.
pub(crate) fn http(unix: u64) -> String {
    let c = civil(unix);
    let (h, m, s) = (c.second / 3_600, c.second / 60 % 60, c.second % 60);
    let weekday = name("SunMonTueWedThuFriSat", c.weekday);
    let month = name("JanFebMarAprMayJunJulAugSepOctNovDec", c.month.saturating_sub(1));
    format!("{weekday}, {:02} {month} {:04} {h:02}:{m:02}:{s:02} GMT", c.day, c.year)
}

/// As the headers on rate limits have it.
pub(crate) fn rfc3339(unix: u64) -> String {
    let c = civil(unix);
    let (h, m, s) = (c.second / 3_600, c.second / 60 % 60, c.second % 60);
    format!("{:04}-{:02}-{:02}T{h:02}:{m:02}:{s:02}Z", c.year, c.month, c.day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_the_standards_say() {
        assert_eq!(http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(rfc3339(784_111_777), "1994-11-06T08:49:37Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(http(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}

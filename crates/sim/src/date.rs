//! Moments as HTTP and RFC 3339 write them.

use std::time::{Duration, SystemTime};

/// Now, as the `date` header has it.
pub(crate) fn now() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

/// So much later than now, as the headers on rate limits have it: whole seconds.
pub(crate) fn after(wait: Duration) -> String {
    let later = jiff::Timestamp::try_from(SystemTime::now() + wait).unwrap_or(jiff::Timestamp::MAX);
    format!("{later:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_the_standards_forms() {
        let now = now();
        assert!(now.len() == 29 && now.ends_with(" GMT"), "{now}");
        let soon = after(Duration::from_secs(60));
        assert!(soon.len() == 20 && soon.ends_with('Z'), "{soon}");
        assert!(soon < after(Duration::from_secs(120)));
    }
}

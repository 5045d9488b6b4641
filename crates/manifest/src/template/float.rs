//! Floating point numbers as Go writes them. Arguments are not negative; the sign is the caller's.

/// `%e`: one digit, `precision` more, and an exponent of at least two digits.
pub(super) fn exponent(n: f64, precision: usize, letter: char) -> String {
    with_go_exponent(&format!("{n:.precision$e}"), letter)
}

/// `%g`: the shortest digits that give the same number, or `precision` of them; an exponent when it is below -4 or
/// not below the precision (6 for the shortest, or the number of digits).
pub(super) fn general(n: f64, precision: Option<usize>, letter: char) -> String {
    let written = match precision {
        None => format!("{n:e}"),
        Some(precision) => without_trailing_zeros(&format!("{n:.*e}", precision.max(1) - 1)),
    };
    let (digits, power) = split(&written);
    let count = digits.chars().filter(char::is_ascii_digit).count();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let threshold = match precision.map(|p| i64::try_from(p.max(1)).unwrap_or(i64::MAX)) {
        None => 6,
        Some(precision) if precision > count && count > power => count,
        Some(precision) => precision,
    };
    if power < -4 || power >= threshold {
        return with_go_exponent(&written, letter);
    }
    let places = usize::try_from(count - 1 - power).unwrap_or(0);
    format!("{n:.places$}")
}

/// `1.5e3` apart: digits with their point, and the power of ten.
fn split(written: &str) -> (&str, i64) {
    let (digits, power) = written.split_once('e').unwrap_or((written, "0"));
    (digits, power.parse().unwrap_or(0))
}

fn with_go_exponent(written: &str, letter: char) -> String {
    let (digits, power) = split(written);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}{letter}{sign}{:02}", power.abs())
}

fn without_trailing_zeros(written: &str) -> String {
    let (digits, power) = split(written);
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    format!("{digits}e{power}")
}

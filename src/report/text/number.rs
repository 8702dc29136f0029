//! Numbers for people. Unknown is `?` or `-`, never a zero.

use crate::units::{ByteCount, Rate};

/// A size, `?` where unknown.
pub fn bytes(bytes: Option<ByteCount>) -> String {
    bytes.map_or_else(|| "?".into(), |bytes| bytes.to_string())
}

/// A rate: `-` where it was not watched, `0` where nothing moves.
pub fn rate(rate: Option<Rate>) -> String {
    match rate {
        None => "-".into(),
        Some(Rate(per_second)) if per_second.abs() < 0.5 => "0".into(),
        Some(rate) => rate.to_string(),
    }
}

/// Two rates, the unit once where it is the same: `+11.8 to +12.3 MiB/s`.
pub fn interval(low: Rate, high: Rate) -> String {
    let (low, high) = (rate(Some(low)), rate(Some(high)));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

/// A difference of sizes with its sign.
pub fn difference(bytes: Option<i64>) -> String {
    match bytes {
        None => "-".into(),
        Some(0) => "0".into(),
        Some(bytes) => format!("{}{}", if bytes < 0 { '-' } else { '+' }, ByteCount(bytes.unsigned_abs())),
    }
}

/// A whole number with commas: `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count and its noun, in the plural where needed.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A part of a whole: `71 %`, with a digit more below ten so that small parts differ.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if !percent.is_finite() => "?".into(),
        _ if percent >= 9.95 || percent == 0.0 => format!("{percent:.0} %"),
        _ if percent >= 0.05 => format!("{percent:.1} %"),
        _ => "<0.1 %".into(),
    }
}

/// A time: `0.41 s`, `9.8 s`, `32 s`, `4 min 10 s`, `3 h 20 min`, `5 d 4 h`.
pub fn duration(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".into();
    }
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let two = |large: u64, large_name: &str, small: u64, small_name: &str| {
        let rest = whole % large / small;
        let tail = if rest == 0 { String::new() } else { format!(" {rest} {small_name}") };
        format!("{} {large_name}{tail}", whole / large)
    };
    match whole {
        0..MINUTE => format!("{whole} s"),
        MINUTE..HOUR => two(MINUTE, "min", 1, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        _ if whole < 400 * DAY => two(DAY, "d", HOUR, "h"),
        _ => "more than a year".into(),
    }
}

/// A pause in milliseconds.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        _ if !ms.is_finite() => "?".into(),
        _ if ms < 9.95 => format!("{ms:.1} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => duration(ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_zero() {
        assert_eq!(bytes(None), "?");
        assert_eq!(rate(None), "-");
        assert_eq!(difference(None), "-");
        assert_eq!(percent(f64::NAN), "?");
        assert_eq!(duration(f64::INFINITY), "?");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(counted(1, "thread"), "1 thread");
        assert_eq!(counted(0, "thread"), "0 threads");
        assert_eq!(rate(Some(Rate(-2048.0))), "-2.0 KiB/s");
        assert_eq!(rate(Some(Rate(0.2))), "0");
        assert_eq!(interval(Rate(2048.0), Rate(4096.0)), "+2.0 to +4.0 KiB/s");
        assert_eq!(interval(Rate(-0.1), Rate(4096.0)), "0 to +4.0 KiB/s");
        assert_eq!(difference(Some(i64::MIN)), "-8.0 EiB");
    }

    #[test]
    fn shares_and_times_read_well() {
        let shown: Vec<String> = [0.0, 0.0001, 0.034, 0.0996, 0.714, 1.0].map(percent).to_vec();
        assert_eq!(shown, ["0 %", "<0.1 %", "3.4 %", "10 %", "71 %", "100 %"]);
        let times = [0.0415, 0.9999, 9.84, 32.4, 59.7, 250.0, 3600.0, 12_000.0, 450_000.0, 1e12];
        assert_eq!(
            times.map(duration).to_vec(),
            [
                "42 ms",
                "1.0 s",
                "9.8 s",
                "32 s",
                "1 min",
                "4 min 10 s",
                "1 h",
                "3 h 20 min",
                "5 d 5 h",
                "more than a year"
            ]
        );
        assert_eq!(milliseconds(0.42), "0.4 ms");
    }
}

//! The two conversions of cgroup v1's weights to cgroup v2's. Pure; only `compile::cgroup` calls them.

/// blkio weight 10..1000 to io.weight 1..10000, linear, 10 -> 1 and 1000 -> 10000.
pub fn of_blkio(weight: u16) -> Option<u64> {
    match weight {
        10..=1000 => {
            Some(u64::from(weight).saturating_sub(10).saturating_mul(9999) / 990).map(|w| w.saturating_add(1))
        }
        _ => None,
    }
}

/// cpu.shares 2..262144 to cpu.weight 1..10000: ceil(10^((l*l + 125*l)/612 - 7/34)) with l = log2(shares), the curve
/// through 2 -> 1, 1024 -> 100 and 262144 -> 10000 that runc and crun took up in 2025 in place of a straight line. Fixed
/// point with 50 bits behind the point, since core has no logarithm; a test compares it with floating point.
pub fn of_shares(shares: u64) -> u64 {
    const POINT: u32 = 50;
    const ONE: u64 = 1 << POINT;
    /// log2(10)/612 with 64 bits behind the point; log2(10)*7/34 and ln(2) with 50.
    const SLOPE: u128 = 100_128_688_558_256_066;
    const SHIFT: u128 = 770_032_639_058_854;
    const LN2: u64 = 780_414_346_020_670;
    let times = |a: u64, b: u64| (u128::from(a).wrapping_mul(u128::from(b)) >> POINT) as u64;
    match shares {
        0..=2 => return 1,
        262_144.. => return 10_000,
        _ => {}
    }
    // The whole part of the logarithm is the top bit; squaring what is left doubles its logarithm, whose next bit is the carry.
    let top = shares.ilog2();
    let mut rest = shares << POINT.saturating_sub(top);
    let mut log = u64::from(top) << POINT;
    for bit in (0..POINT).rev() {
        rest = times(rest, rest);
        if rest >= 2 * ONE {
            rest >>= 1;
            log |= 1 << bit;
        }
    }
    let sum = u128::from(times(log, log).wrapping_add(log.wrapping_mul(125)));
    let power = (sum.wrapping_mul(SLOPE) >> 64).wrapping_sub(SHIFT) as u64;
    // 2^power: the series of e^x for the fraction, a shift for the whole part.
    let exponent = times(power & (ONE - 1), LN2);
    let mut term = ONE;
    let mut value = ONE;
    for n in 1..20u64 {
        term = times(term, exponent).checked_div(n).unwrap_or(0);
        value = value.wrapping_add(term);
    }
    // Rounded up, but for what the last bits are off by.
    let value = u128::from(value) << (power >> POINT);
    (value.wrapping_add(u128::from(ONE - 1 - (ONE >> 24))) >> POINT) as u64
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn shares_become_weights_by_the_curve() {
        for (shares, weight) in
            [(1, 1), (2, 1), (512, 59), (1024, 100), (2048, 174), (262_144, 10_000), (u64::MAX, 10_000)]
        {
            assert_eq!(of_shares(shares), weight, "{shares}");
        }
        for shares in (3..262_144_u64).step_by(7) {
            let log = (shares as f64).log2();
            let float = 10f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil() as u64;
            assert_eq!(of_shares(shares), float, "{shares}");
        }
    }

    #[test]
    fn blkio_weights_are_stretched_over_the_range_of_io_weight() {
        assert_eq!([9, 10, 500, 1000, 1001].map(of_blkio), [None, Some(1), Some(4950), Some(10_000), None]);
    }
}

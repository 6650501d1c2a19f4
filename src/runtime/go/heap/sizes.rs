//! Which sizes the allocator's slots have.

/// Sizes of slots in bytes (go `src/runtime/sizeclasses.go`, the same from Go 1.18 to 1.27); beyond, whole pages.
const SIZES: &[u16] = &[
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480,
    512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864,
    5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480,
    21760, 24576, 27264, 28672, 32768,
];

/// Whether Go would put so many bytes into a slot of that size.
pub(super) fn fits(size: u64, slot: u64) -> bool {
    if size > slot {
        return false;
    }
    let below = SIZES.partition_point(|known| u64::from(*known) < slot);
    let is_class = SIZES.get(below).is_some_and(|known| u64::from(*known) == slot);
    match below.checked_sub(1).and_then(|index| SIZES.get(index)) {
        Some(smaller) if is_class => size > u64::from(*smaller),
        // The smallest.
        None => true,
        // Whole pages.
        Some(_) => slot - size < 1 << 13,
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZES, fits};

    #[test]
    fn sizes_ascend_and_what_fits_is_what_go_would_choose() {
        assert!(SIZES.is_sorted());
        assert!(fits(40, 48) && fits(48, 48) && fits(33, 48));
        assert!(!fits(32, 48) && !fits(49, 48));
        assert!(fits(1, 8) && fits(0, 8));
        assert!(fits(40_000, 40_960) && !fits(30_000, 40_960));
    }
}

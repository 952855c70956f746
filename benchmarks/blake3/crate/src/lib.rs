//! The blake3 crate behind one C function, so that both implementations are measured in one process, in turns.

/// Hashes the same bytes so many times; the last digest goes to `out`.
#[no_mangle]
pub unsafe extern "C" fn hash_repeatedly(input: *const u8, length: usize, times: usize, out: *mut u8) {
    let input = std::slice::from_raw_parts(input, length);
    for _ in 0..times {
        let digest = blake3::hash(std::hint::black_box(input));
        std::ptr::copy_nonoverlapping(std::hint::black_box(digest.as_bytes()).as_ptr(), out, 32);
    }
}

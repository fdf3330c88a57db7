//! Giving memory back while a process only waits.

use std::ffi::c_void;

/// Unmaps the pages of this program's text and constants that are resident (madvise(2),
/// MADV_DONTNEED). They come back from the page cache one by one when they are needed again, which for
/// a process that waits in poll(2) are a few: a monitor goes from 2.4 MB resident to 0.5.
///
/// Segments that can be written are left alone: in them are the relocated pointers that the file does
/// not hold.
pub fn release_program_pages() {
    // SAFETY: the callback matches dl_iterate_phdr(3)'s type, keeps nothing, and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(release_segments), std::ptr::null_mut()) };
}

/// Called for the program itself; statically linked, there is nothing else but the vDSO.
unsafe extern "C" fn release_segments(info: *mut libc::dl_phdr_info, _size: usize, _data: *mut c_void) -> i32 {
    // SAFETY: dl_iterate_phdr passes a valid structure whose headers stay mapped (dl_iterate_phdr(3)).
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        // Whole pages only: the ones at the ends may belong to a neighbouring segment as well.
        let start = (base + header.p_vaddr as usize).next_multiple_of(page);
        let end = (base + (header.p_vaddr + header.p_memsz) as usize) / page * page;
        if start < end {
            // SAFETY: the range lies within a private mapping of the program's file that was never
            // written to (PF_W is off and RELRO lies in the writable segment), so what comes back is
            // what was there. Failing changes nothing.
            unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
    // The first object is the program; others are not ours to judge.
    1
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_goes_on_after_its_pages_were_released() {
        super::release_program_pages();
        assert_eq!(format!("{}-{}", "still", 1 + 1), "still-2");
    }
}

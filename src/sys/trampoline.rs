//! A program of some hundred bytes that executes another one.
//!
//! Whoever executes a program of a container is, until execve(2) has succeeded, the program's file for
//! `/proc/self/exe`: an image's `#!/proc/self/exe`, or a link to it, makes the kernel execute rr itself, inside and
//! open to the container's root, who then has a descriptor of rr's own file (CVE-2019-5736). The trampoline is
//! executed first. It lies in a sealed memory file of its own, so the only program to be had in that way is itself, and
//! what there is of it in memory and descriptors is nobody's secret.

use std::io;
use std::os::fd::OwnedFd;

/// Where the trampoline finds the pipe that it reports to.
pub const REPORT: i32 = 3;

#[cfg(target_arch = "x86_64")]
mod code {
    // In: the words [candidate …, "", argument …]. Each candidate (the same file, in each directory of PATH) is
    // executed with the arguments until one succeeds. ENOENT and ENOTDIR try the next one, EACCES does too and is
    // remembered, anything else is the end. What is worth telling goes to REPORT as four bytes, and the status is
    // 127 where there was nothing to execute, else 126. Numbers are those of the kernel's syscall_64.tbl and errno.h.
    std::arch::global_asm!(
        ".pushsection .rodata.rr_trampoline, \"a\"",
        ".globl rr_trampoline_begin",
        ".globl rr_trampoline_end",
        "rr_trampoline_begin:",
        "mov rbx, [rsp]", // argc; the stack at the start is the ABI's: argc, words, 0, environment, 0
        "lea r12, [rsp + 8]", // the candidates
        "lea r13, [r12 + rbx * 8 + 8]", // the environment
        "mov eax, 72",    // fcntl(REPORT, F_SETFD, FD_CLOEXEC): a success closes it
        "mov edi, 3",
        "mov esi, 2",
        "mov edx, 1",
        "syscall",
        "mov r14, r12",
        "2: mov rax, [r14]",
        "add r14, 8",
        "cmp byte ptr [rax], 0",
        "jne 2b",      // r14: the arguments
        "mov r15d, 2", // ENOENT, unless there is more to tell
        "3: mov rdi, [r12]",
        "cmp byte ptr [rdi], 0",
        "je 4f",
        "mov rsi, r14",
        "mov rdx, r13",
        "mov eax, 59", // execve
        "syscall",
        "neg eax",
        "add r12, 8",
        "cmp eax, 2", // ENOENT
        "je 3b",
        "cmp eax, 20", // ENOTDIR
        "je 3b",
        "mov r15d, eax",
        "cmp eax, 13", // EACCES
        "je 3b",
        "4: push r15",
        "mov eax, 1", // write
        "mov edi, 3",
        "mov rsi, rsp",
        "mov edx, 4",
        "syscall",
        "mov edi, 127",
        "cmp r15d, 2",
        "je 5f",
        "mov edi, 126",
        "5: mov eax, 231", // exit_group
        "syscall",
        "ud2",
        "rr_trampoline_end:",
        ".popsection",
    );

    unsafe extern "C" {
        static rr_trampoline_begin: u8;
        static rr_trampoline_end: u8;
    }

    pub(super) fn bytes() -> &'static [u8] {
        let (begin, end) = (&raw const rr_trampoline_begin, &raw const rr_trampoline_end);
        // SAFETY: both labels are in one section that is never written to, and all between them is the code above.
        unsafe { std::slice::from_raw_parts(begin, end as usize - begin as usize) }
    }

    /// EM_X86_64 (elf(5)).
    pub(super) const MACHINE: u16 = 62;
}

/// Makes the trampoline's file, sealed against any change; close-on-exec. None on machines there is none for.
///
/// # Errors
/// EACCES: the administrator forbids executable memory files (vm.memfd_noexec, memfd_create(2)).
#[cfg(target_arch = "x86_64")]
pub fn file() -> io::Result<Option<OwnedFd>> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use std::io::Write;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // MFD_EXEC is Linux 6.3's; before, all are executable.
    let made = match memfd_create("rr-trampoline", flags | MemfdFlags::EXEC) {
        Err(rustix::io::Errno::INVAL) => memfd_create("rr-trampoline", flags),
        made => made,
    };
    let mut file = std::fs::File::from(made?);
    file.write_all(&program(code::bytes(), code::MACHINE))?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(Some(file.into()))
}

#[cfg(not(target_arch = "x86_64"))]
pub fn file() -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

/// The smallest ELF program (elf(5)): the header, one segment that is the whole file, the code.
#[cfg(target_arch = "x86_64")]
fn program(code: &[u8], machine: u16) -> Vec<u8> {
    const HEADERS: u64 = 64 + 56;
    const ADDRESS: u64 = 0x40_0000;
    let length = HEADERS + code.len() as u64;
    let mut file = Vec::with_capacity(length as usize);
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"); // 64 bits, little-endian
    file.extend([2_u16, machine].map(u16::to_le_bytes).concat()); // ET_EXEC
    file.extend(1_u32.to_le_bytes());
    file.extend([ADDRESS + HEADERS, 64, 0].map(u64::to_le_bytes).concat()); // entry, program headers, no sections
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1_u32, 5].map(u32::to_le_bytes).concat()); // PT_LOAD, to be read and executed
    file.extend([0, ADDRESS, ADDRESS, length, length, 0x1000].map(u64::to_le_bytes).concat());
    file.extend(code);
    file
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_a_program_that_nobody_can_change() {
        use std::io::{Read, Seek, Write};
        let mut file = std::fs::File::from(file().unwrap().unwrap());
        assert_eq!(file.write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert!(
            bytes.starts_with(b"\x7fELF") && bytes.ends_with(code::bytes()) && bytes.len() < 400,
            "{}",
            bytes.len()
        );
    }
}

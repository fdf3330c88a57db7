//! Runs a filter as the kernel would (`seccomp_check_filter` and `__bpf_prog_run` of classic BPF), and
//! panics at whatever the kernel would refuse.

/// struct seccomp_data (linux/seccomp.h), without the instruction pointer.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub number: u32,
    pub architecture: u32,
    pub arguments: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        let argument = || self.arguments[((offset - 16) / 8) as usize];
        match offset {
            0 => self.number,
            4 => self.architecture,
            16..64 if offset.is_multiple_of(8) => argument() as u32,
            16..64 if offset.is_multiple_of(4) => (argument() >> 32) as u32,
            _ => panic!("load of offset {offset}"),
        }
    }
}

/// An instruction: code, jump if true, jump if false, operand.
pub type Raw = (u16, u8, u8, u32);

/// What the program returns for the call, and after how many instructions.
pub fn run(program: &[Raw], call: &Call) -> (u32, usize) {
    let mut accumulator: Option<u32> = None;
    let (mut at, mut steps) = (0, 0);
    loop {
        let (code, holds, fails, operand) = program[at];
        let value = || accumulator.expect("something was loaded");
        at += 1;
        steps += 1;
        let jump = |condition: bool| usize::from(if condition { holds } else { fails });
        match code {
            0x20 => accumulator = Some(call.word(operand)),
            0x54 => accumulator = Some(value() & operand),
            0x05 => at += operand as usize,
            0x15 => at += jump(value() == operand),
            0x25 => at += jump(value() > operand),
            0x35 => at += jump(value() >= operand),
            0x45 => at += jump(value() & operand != 0),
            0x06 => return (operand, steps),
            _ => panic!("instruction {code:#x}"),
        }
    }
}

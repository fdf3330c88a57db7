//! A system-call profile of a user's: an error, or a program that is whole and survives being kept.
#![no_main]
use libfuzzer_sys::fuzz_target;
use rr::confine::capabilities::CapabilitySet;
use rr::confine::seccomp::Profile;

fuzz_target!(|text: &[u8]| {
    let Ok(profile) = Profile::read(text) else { return };
    for capabilities in [CapabilitySet::DEFAULT, CapabilitySet::ALL] {
        let Ok(program) = profile.compile(capabilities) else { continue };
        let steps = program.instructions();
        // Every way ends in BPF_RET: the last instruction is one, and no jump leaves the program (bpf(4)).
        assert_eq!(steps.last().map(|step| step.code), Some(0x06));
        for (at, step) in steps.iter().enumerate() {
            let furthest = match step.code {
                0x05 => step.k as usize,
                code if code & 0x07 == 0x05 => usize::from(step.jt.max(step.jf)),
                _ => continue,
            };
            assert!(at + 1 + furthest < steps.len());
        }
        let kept = serde_json::to_string(&program).expect("text");
        assert!(serde_json::from_str::<rr::confine::seccomp::Program>(&kept).is_ok_and(|read| read == program));
    }
});

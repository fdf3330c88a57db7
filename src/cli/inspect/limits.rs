//! A container's limits in Docker's HostConfig.

use crate::container::plan::{Bound, Limits, Rate};
use serde_json::{Value, json};

/// Adds every field that Docker has, the empty ones too: templates ask for them.
pub fn add_to(config: &mut Value, limits: &Limits) {
    let number = |bound: Option<Bound>| bound.map_or(0, Bound::number);
    // Docker writes down what it assumes.
    let swap = match (limits.memory, limits.memory_swap) {
        (Some(Bound::At(memory)), None) => i64::try_from(memory.saturating_mul(2)).unwrap_or(i64::MAX),
        (_, swap) => number(swap),
    };
    let fields = json!({
        "BlkioDeviceReadBps": devices(limits, Rate::ReadBytes),
        "BlkioDeviceReadIOps": devices(limits, Rate::ReadOperations),
        "BlkioDeviceWriteBps": devices(limits, Rate::WriteBytes),
        "BlkioDeviceWriteIOps": devices(limits, Rate::WriteOperations),
        "BlkioWeight": limits.blkio_weight.unwrap_or(0),
        "BlkioWeightDevice": devices(limits, Rate::Weight),
        "CgroupParent": limits.parent.clone().unwrap_or_default(),
        "CpuPeriod": limits.cpu_period.unwrap_or(0),
        "CpuQuota": number(limits.cpu_quota),
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.clone().unwrap_or_default(),
        "CpusetMems": limits.cpuset_mems.clone().unwrap_or_default(),
        "Memory": number(limits.memory),
        "MemoryReservation": limits.memory_reservation.unwrap_or(0),
        "MemorySwap": swap,
        "MemorySwappiness": null,
        "NanoCpus": limits.nano_cpus.unwrap_or(0),
        "OomKillDisable": null,
        "PidsLimit": limits.pids.map(Bound::number),
    });
    if let (Value::Object(config), Value::Object(fields)) = (config, fields) {
        config.extend(fields);
    }
}

fn devices(limits: &Limits, rate: Rate) -> Vec<Value> {
    let name = if rate == Rate::Weight { "Weight" } else { "Rate" };
    let of_rate = limits.devices.iter().filter(|limit| limit.rate == rate);
    of_rate.map(|limit| json!({ "Path": limit.path.display().to_string(), name: limit.value })).collect()
}

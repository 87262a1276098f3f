//! The GPUs of a simulated host.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::compat::Compatibility;
use crate::instance_type::{InstanceType, Maker};

/// A GPU with its settings. None of them survives a reboot but the ECC mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulatedGpu {
    /// What `nvidia-smi` calls it.
    pub name: String,
    /// `GPU-` and a UUID.
    pub uuid: String,
    /// Where it is on the PCI bus: `53:00.0`.
    pub bus: String,
    /// Its memory in MiB.
    pub memory_mib: u64,
    /// Its compute capability.
    pub compute_capability: String,
    /// Persistence mode.
    pub persistence: bool,
    /// Power limit in W: now, by default, at least, at most.
    pub power: [u32; 4],
    /// Compute mode, as `nvidia-smi` prints it: `Default`, `Exclusive_Process`.
    pub compute_mode: String,
    /// Application clocks in MHz, memory and graphics: now, and by default.
    pub clocks: [(u32, u32); 2],
    /// Locked graphics clocks in MHz, which `nvidia-smi` cannot be asked about.
    pub locked_clocks: Option<(u32, u32)>,
    /// ECC mode: now, and after the next boot.
    pub ecc: [bool; 2],
    /// MIG mode.
    pub mig: bool,
    /// Whether the GPU can be cut into MIG instances.
    pub mig_capable: bool,
    /// Whether the fabric manager has made it part of the fabric.
    pub fabric: bool,
    /// A fault: every cell of a query reads `[GPU is lost]`.
    pub lost: bool,
    /// A fault: it is not on the PCI bus any more, and no query has a row for it.
    pub off_the_bus: bool,
    /// Settings that the GPU does not support: `power_limit`, `compute_mode`, `clocks`.
    pub unsupported: BTreeSet<String>,
}

/// Name, default, least and greatest power limit in W, and greatest application clocks in MHz.
/// The limits of the compatibility tables go before these; where neither those nor NVIDIA's mock
/// profiles have any, they are made up, as the clocks are.
fn profile(model: &str) -> (&'static str, [u32; 3], (u32, u32)) {
    match model {
        "A100-40" => ("NVIDIA A100-SXM4-40GB", [400, 100, 400], (1215, 1410)),
        "A100-80" => ("NVIDIA A100-SXM4-80GB", [400, 100, 400], (1593, 1410)),
        "H100" => ("NVIDIA H100 80GB HBM3", [700, 200, 700], (2619, 1980)),
        "H200" => ("NVIDIA H200", [700, 200, 700], (3201, 1980)),
        "B200" => ("NVIDIA B200", [1000, 400, 1200], (3996, 1965)),
        "B300" => ("NVIDIA B300", [1100, 400, 1200], (3996, 1965)),
        "GB200" => ("NVIDIA GB200", [1000, 400, 1200], (3996, 1965)),
        "L40S" => ("NVIDIA L40S", [350, 100, 350], (9001, 2520)),
        "L4" => ("NVIDIA L4", [72, 40, 72], (6251, 2040)),
        "T4" => ("Tesla T4", [70, 60, 70], (5001, 1590)),
        "V100" => ("Tesla V100-SXM2-16GB", [300, 150, 300], (877, 1530)),
        "A10G" => ("NVIDIA A10G", [300, 100, 300], (6251, 1710)),
        _ => ("NVIDIA GPU", [300, 100, 300], (5001, 1500)),
    }
}

impl SimulatedGpu {
    pub(super) fn of_type(instance_type: &InstanceType) -> Vec<Self> {
        let accelerator = &instance_type.accelerator;
        if accelerator.maker != Maker::Nvidia {
            return Vec::new();
        }
        let (name, [default, mut least, mut most], (memory, graphics)) =
            profile(&accelerator.model);
        let model = Compatibility::get().gpu(&accelerator.model);
        if let Some(limits) = model.and_then(|model| model.power_limit.as_ref()) {
            (least, most) = (limits.min_w.unwrap_or(least).min(limits.max_w), limits.max_w);
        }
        let default = default.clamp(least, most);
        let capability = model.map(|model| model.cc.to_string()).unwrap_or_default();
        let clocks = (memory, graphics.saturating_sub(300));
        (0..accelerator.count)
            .map(|at| Self {
                name: name.to_owned(),
                uuid: format!("GPU-f0f0f0f0-0000-0000-0000-{at:012x}"),
                bus: format!("{:02x}:00.0", 0x53 + 0x10 * at),
                memory_mib: accelerator.memory_mib.unwrap_or(0),
                compute_capability: capability.clone(),
                persistence: false,
                power: [default, default, least, most],
                compute_mode: "Default".to_owned(),
                clocks: [clocks, clocks],
                locked_clocks: None,
                ecc: [true, true],
                mig: false,
                mig_capable: instance_type.mig,
                fabric: false,
                lost: false,
                off_the_bus: false,
                unsupported: BTreeSet::new(),
            })
            .collect()
    }

    /// What a boot, or a reload of the driver, leaves of the settings.
    pub(super) fn reset(&mut self) {
        self.persistence = false;
        self.power[0] = self.power[1];
        self.compute_mode = "Default".to_owned();
        self.clocks[0] = self.clocks[1];
        self.locked_clocks = None;
        self.ecc[0] = self.ecc[1];
        self.fabric = false;
    }
}

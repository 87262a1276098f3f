//! The resource types: which kind each step is, and how long it usually takes.

use formwork_core::{Field, Group, Inputs, Outputs, ResourceType, Schema};

use super::on_host::{Host, NodeStep, SoftwareOutputs};
use crate::steps::{
    Cuda, Driver, FabricManager, GpuSettings, KernelPin, NcclSettings, NvidiaRepository, Readiness,
    Scratch, ScratchSpeed,
};

/// The fields of every node resource: where, what, and what is otherwise than it should be.
pub(super) const SCHEMA: Schema = Schema {
    fields: &[
        Field::new("host").required().nested(<Host as Inputs>::SCHEMA),
        Field::new("settings").required(),
        Field::new("basis"),
        Field::new("differs"),
    ],
};

macro_rules! node_steps {
    ($($step:ty => $kind:literal, $seconds:literal;)*) => {$(
        impl NodeStep for $step {
            const TYPE: &'static ResourceType = &ResourceType {
                kind: $kind,
                existing: concat!("existing ", $kind),
                formerly: &[],
                version: 1,
                group: Group::Drivers,
                inputs: &SCHEMA,
                outputs: <SoftwareOutputs as Outputs>::SCHEMA,
                delete_first: true,
                // Running a step again picks up wherever the host is.
                resumable: true,
                seconds: $seconds,
            };
        }
    )*};
}

node_steps! {
    KernelPin => "node:software/kernel-pin", 240;
    NvidiaRepository => "node:software/nvidia-repository", 20;
    Driver => "node:software/driver", 300;
    FabricManager => "node:software/fabric-manager", 40;
    Cuda => "node:software/cuda", 240;
    NcclSettings => "node:software/nccl-settings", 2;
    GpuSettings => "node:software/gpu-settings", 10;
    Scratch => "node:software/scratch", 30;
    ScratchSpeed => "node:software/scratch-speed", 30;
    Readiness => "node:software/readiness", 5;
}

//! `nvidia-smi`, with the quirks that real ones have.
//!
//! Seen on binaries of the branches 535, 550, 580 and 595: one unknown field makes the whole query
//! exit 2; a lost GPU keeps its row and its exit code 0; a setting that the GPU does not support is
//! "treated as warning" and exits 0; a power limit out of range exits 2.

use super::gpu::SimulatedGpu;
use super::machine::Machine;
use crate::operation::ExecOutput;

const NO_DRIVER: &str = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA \
                         driver. Make sure that the latest NVIDIA driver is installed and running.\n";

fn answer(code: i32, stdout: impl Into<String>) -> ExecOutput {
    ExecOutput { code, stdout: stdout.into(), stderr: String::new() }
}

impl Machine {
    pub(super) fn run_nvidia_smi(&mut self, args: &[String]) -> ExecOutput {
        let Some(driver) = self.loaded_driver().map(str::to_owned) else {
            return answer(9, NO_DRIVER);
        };
        if self.user_space() != Some(&driver) {
            let version = self.user_space().unwrap_or("unknown");
            let branch = version.rsplit_once('.').map_or(version, |(branch, _)| branch);
            let text = "Failed to initialize NVML: Driver/library version mismatch";
            return answer(18, format!("{text}\nNVML library version: {branch}\n"));
        }
        if let Some(fields) = args.iter().find_map(|arg| arg.strip_prefix("--query-gpu=")) {
            return self.query(fields, args, &driver);
        }
        let mut args = args.iter();
        let mut chosen = None;
        let mut settings = Vec::new();
        while let Some(arg) = args.next() {
            match (arg.as_str(), args.clone().next()) {
                ("-L", _) => return self.list(),
                ("-rac" | "-rgc", _) => settings.push((arg.clone(), String::new())),
                ("-i", Some(value)) => {
                    chosen = value.parse::<usize>().ok();
                    args.next();
                }
                ("-pm" | "-pl" | "-c" | "-ac" | "-lgc" | "-e", Some(value)) => {
                    settings.push((arg.clone(), value.clone()));
                    args.next();
                }
                _ => return answer(2, format!("Invalid combination of input arguments: {arg}\n")),
            }
        }
        let mut output = answer(0, "");
        for (option, value) in settings {
            for (at, gpu) in self.gpus.iter_mut().enumerate() {
                if chosen.is_none_or(|chosen| chosen == at) && !gpu.off_the_bus {
                    let (code, line) = set(gpu, &option, &value);
                    output.stdout += &line;
                    output.code = output.code.max(code);
                }
            }
        }
        output
    }

    fn list(&self) -> ExecOutput {
        let gpus = self.gpus.iter().filter(|gpu| !gpu.off_the_bus).enumerate();
        let line = |(at, gpu): (usize, &SimulatedGpu)| {
            format!("GPU {at}: {} (UUID: {})\n", gpu.name, gpu.uuid)
        };
        answer(0, gpus.map(line).collect::<String>())
    }

    fn query(&self, fields: &str, args: &[String], driver: &str) -> ExecOutput {
        let fields = fields.split(',').map(str::trim).collect::<Vec<_>>();
        let branch = driver.split('.').next().and_then(|b| b.parse().ok()).unwrap_or(0);
        for field in &fields {
            if !is_field(field, branch) {
                return answer(2, format!("Field \"{field}\" is not a valid field to query.\n"));
            }
        }
        let format = args.iter().find_map(|arg| arg.strip_prefix("--format=")).unwrap_or("");
        let mut words = format.split(',');
        if words.next() != Some("csv") {
            return answer(2, "Format must be csv\n");
        }
        let words = words.collect::<Vec<_>>();
        let units = !words.contains(&"nounits");
        let mut text = String::new();
        if !words.contains(&"noheader") {
            text += &(fields.join(", ") + "\n");
        }
        for (at, gpu) in self.gpus.iter().filter(|gpu| !gpu.off_the_bus).enumerate() {
            let cells = fields.iter().map(|field| match gpu.lost && *field != "index" {
                true => "[GPU is lost]".to_owned(),
                false => cell(gpu, at, field, driver, branch, units),
            });
            text += &(cells.collect::<Vec<_>>().join(", ") + "\n");
        }
        answer(0, text)
    }
}

/// Whether the branch's `nvidia-smi` knows the field.
fn is_field(field: &str, branch: u64) -> bool {
    match field {
        "index"
        | "name"
        | "uuid"
        | "pci.bus_id"
        | "driver_version"
        | "memory.total"
        | "persistence_mode"
        | "compute_mode"
        | "compute_cap"
        | "power.limit"
        | "power.default_limit"
        | "power.min_limit"
        | "power.max_limit"
        | "ecc.mode.current"
        | "ecc.mode.pending"
        | "mig.mode.current"
        | "mig.mode.pending"
        | "clocks.applications.graphics"
        | "clocks.applications.memory"
        | "clocks.default_applications.graphics"
        | "clocks.default_applications.memory"
        | "clocks.max.graphics"
        | "clocks.max.memory"
        | "fabric.state"
        | "fabric.status"
        | "temperature.gpu"
        | "count" => true,
        "remapped_rows.pending"
        | "remapped_rows.failure"
        | "gpu_recovery_action"
        | "fabric.health.summary" => branch >= 580,
        "reset_status.reset_required" => branch < 580,
        _ => false,
    }
}

fn cell(
    gpu: &SimulatedGpu,
    at: usize,
    field: &str,
    driver: &str,
    branch: u64,
    units: bool,
) -> String {
    let with = |value: String, unit: &str| if units { format!("{value} {unit}") } else { value };
    let watts = |watts: u32| with(format!("{watts}.00"), "W");
    let mhz = |mhz: u32| with(mhz.to_string(), "MHz");
    let switch = |on: bool| if on { "Enabled" } else { "Disabled" }.to_owned();
    let supported = |setting: &str, value: String| match gpu.unsupported.contains(setting) {
        true => "[N/A]".to_owned(),
        false => value,
    };
    // The A100 has no fabric state; 550 repeats the column's name in its cells.
    let hopper =
        gpu.compute_capability.starts_with("9.") || gpu.compute_capability.starts_with("10.");
    let fabric = |value: &str, name: &str| match (hopper, branch) {
        (false, _) => "[N/A]".to_owned(),
        (true, 535..580) => format!("{name} {value}"),
        (true, _) => value.to_owned(),
    };
    match field {
        "index" => at.to_string(),
        "name" => gpu.name.clone(),
        "uuid" => gpu.uuid.clone(),
        "pci.bus_id" => format!("00000000:{}", gpu.bus.to_uppercase()),
        "driver_version" => driver.to_owned(),
        "memory.total" => with(gpu.memory_mib.to_string(), "MiB"),
        "persistence_mode" => switch(gpu.persistence),
        "compute_mode" => supported("compute_mode", gpu.compute_mode.clone()),
        "compute_cap" => gpu.compute_capability.clone(),
        "power.limit" => supported("power_limit", watts(gpu.power[0])),
        "power.default_limit" => supported("power_limit", watts(gpu.power[1])),
        "power.min_limit" => supported("power_limit", watts(gpu.power[2])),
        "power.max_limit" => supported("power_limit", watts(gpu.power[3])),
        "ecc.mode.current" => switch(gpu.ecc[0]),
        "ecc.mode.pending" => switch(gpu.ecc[1]),
        "mig.mode.current" | "mig.mode.pending" if !gpu.mig_capable => "[N/A]".to_owned(),
        "mig.mode.current" | "mig.mode.pending" => switch(gpu.mig),
        "clocks.applications.memory" => supported("clocks", mhz(gpu.clocks[0].0)),
        "clocks.applications.graphics" => supported("clocks", mhz(gpu.clocks[0].1)),
        "clocks.default_applications.memory" => supported("clocks", mhz(gpu.clocks[1].0)),
        "clocks.default_applications.graphics" => supported("clocks", mhz(gpu.clocks[1].1)),
        "clocks.max.memory" => mhz(gpu.clocks[1].0),
        "clocks.max.graphics" => mhz(gpu.clocks[1].1 + 300),
        "fabric.state" => fabric(if gpu.fabric { "Completed" } else { "Not Started" }, "state "),
        "fabric.status" => fabric(if gpu.fabric { "Success" } else { "N/A" }, "status"),
        "fabric.health.summary" if hopper && gpu.fabric => "Healthy".to_owned(),
        "remapped_rows.pending" | "remapped_rows.failure" => "No".to_owned(),
        "temperature.gpu" => "34".to_owned(),
        _ => "[N/A]".to_owned(),
    }
}

/// Makes one setting on one GPU: the exit code and what is printed.
fn set(gpu: &mut SimulatedGpu, option: &str, value: &str) -> (i32, String) {
    let bus = format!("00000000:{}", gpu.bus.to_uppercase());
    if gpu.lost {
        return (
            15,
            format!("Unable to determine the device handle for GPU {bus}: GPU is lost.\n"),
        );
    }
    let setting = match option {
        "-pl" => "power_limit",
        "-c" => "compute_mode",
        "-ac" | "-rac" | "-lgc" | "-rgc" => "clocks",
        _ => "",
    };
    if gpu.unsupported.contains(setting) {
        let line = format!(
            "Changing {setting} is not supported for GPU: {bus}.\nTreating as warning and moving on.\n"
        );
        return (0, line);
    }
    let number = value.parse::<u32>();
    let pair = value.split_once(',').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match (option, number, pair) {
        ("-pm", Ok(on), _) if on < 2 => gpu.persistence = on == 1,
        ("-pl", Ok(watts), _) => {
            let [_, _, least, most] = gpu.power;
            if !(least..=most).contains(&watts) {
                let line = format!(
                    "Provided power limit {watts}.00 W is not a valid power limit which should be \
                     between {least}.00 W and {most}.00 W for GPU {bus}\nTerminating early due to \
                     previous errors.\n"
                );
                return (2, line);
            }
            gpu.power[0] = watts;
        }
        ("-c", ..) => match value {
            "0" | "DEFAULT" => "Default".clone_into(&mut gpu.compute_mode),
            "2" | "PROHIBITED" => "Prohibited".clone_into(&mut gpu.compute_mode),
            "3" | "EXCLUSIVE_PROCESS" => "Exclusive_Process".clone_into(&mut gpu.compute_mode),
            _ => return (2, format!("Compute mode {value} is not valid.\n")),
        },
        ("-ac", _, Some((memory, graphics))) => {
            let most = (gpu.clocks[1].0, gpu.clocks[1].1 + 300);
            if memory != most.0 || graphics > most.1 || graphics == 0 {
                let line = format!(
                    "Specified clock combination \"(MEM {memory}, SM {graphics})\" is not supported for \
                     GPU {bus}.\n"
                );
                return (2, line);
            }
            gpu.clocks[0] = (memory, graphics);
        }
        ("-rac", ..) => gpu.clocks[0] = gpu.clocks[1],
        ("-lgc", _, Some(range)) => gpu.locked_clocks = Some(range),
        ("-lgc", Ok(clock), _) => gpu.locked_clocks = Some((clock, clock)),
        ("-rgc", ..) => gpu.locked_clocks = None,
        ("-e", Ok(on), _) if on < 2 => gpu.ecc[1] = on == 1,
        _ => return (2, format!("Unable to parse \"{value}\" for option \"{option}\".\n")),
    }
    (0, format!("Set {option} {value} for GPU {bus}.\nAll done.\n"))
}

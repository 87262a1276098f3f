//! Reads what `nvidia-smi --query-gpu=.. --format=csv,noheader,nounits` prints.
//!
//! A cell is not always a value, and the exit code does not say so: a lost GPU keeps its row and
//! the exit code 0. The branches differ in what they print for the same thing; 550 repeats the
//! name of a fabric column in its cells. Both were seen on binaries of 535, 550, 580 and 595.

use serde::{Deserialize, Serialize};

use crate::operation::Exec;

/// One cell of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cell", content = "text", rename_all = "snake_case")]
pub enum Cell {
    /// A value, without its unit.
    Value(String),
    /// `N/A`: there is no such thing on this GPU.
    NotAvailable,
    /// The GPU does not support it.
    NotSupported,
    /// `[GPU is lost]`: the GPU does not answer any more.
    Lost,
    /// Any other text in brackets: `[Unknown Error]`.
    Error(String),
}

impl Cell {
    /// Reads one cell of the column `field`.
    #[must_use]
    pub fn read(field: &str, text: &str) -> Self {
        let text = text.trim();
        // 550: fabric.state is printed as `state  Completed`.
        let column = field.rsplit('.').next().unwrap_or(field);
        let text = match text.strip_prefix(column) {
            Some(rest) if rest.starts_with(' ') && field.starts_with("fabric.") => rest.trim(),
            _ => text,
        };
        match text {
            "N/A" | "[N/A]" => Self::NotAvailable,
            "[Not Supported]" | "[Requested functionality has been deprecated]" => {
                Self::NotSupported
            }
            "[GPU is lost]" => Self::Lost,
            _ if text.starts_with('[') && text.ends_with(']') => Self::Error(text.to_owned()),
            _ => Self::Value(text.to_owned()),
        }
    }

    /// The value, if it is one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The value as a whole number, rounded: `700.00` is 700.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let number = self.value()?.parse::<f64>().ok()?;
        let fits = number.is_finite() && (0.0..=f64::from(u32::MAX)).contains(&number);
        // The bounds were just checked.
        fits.then(|| number.round() as u32)
    }

    /// What to show: the value, or why there is none.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Self::Value(value) => value,
            Self::NotAvailable => "not available",
            Self::NotSupported => "not supported",
            Self::Lost => "lost",
            Self::Error(text) => text,
        }
    }
}

/// The query for `fields`. It fails as a whole if the driver's branch does not know one of them.
#[must_use]
pub fn query(fields: &[&str]) -> Exec {
    // 9: no driver; 18: driver and library differ; 2: unknown field; 127: no nvidia-smi.
    Exec::query([
        "nvidia-smi".to_owned(),
        format!("--query-gpu={}", fields.join(",")),
        "--format=csv,noheader,nounits".to_owned(),
    ])
    .expecting(0..=255)
}

/// The rows of an answer to [`query`], one per GPU and one cell per field.
///
/// # Errors
///
/// The line that has not as many cells as there are fields.
pub fn rows(fields: &[&str], stdout: &str) -> Result<Vec<Vec<Cell>>, String> {
    let lines = stdout.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let cells = line.split(", ").collect::<Vec<_>>();
            if cells.len() != fields.len() {
                return Err(line.to_owned());
            }
            Ok(fields.iter().zip(cells).map(|(field, cell)| Cell::read(field, cell)).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_are_no_values_are_told_apart() {
        let read = |text| Cell::read("power.limit", text);
        assert_eq!(read(" 700.00").number(), Some(700));
        assert_eq!(read("[N/A]"), Cell::NotAvailable);
        assert_eq!(read("[Not Supported]"), Cell::NotSupported);
        assert_eq!(read("[GPU is lost]"), Cell::Lost);
        assert_eq!(read("[Unknown Error]"), Cell::Error("[Unknown Error]".into()));
        for text in ["-1", "NaN", "inf", "1e300", ""] {
            assert_eq!(read(text).number(), None, "{text}");
        }
    }

    #[test]
    fn branch_550_repeats_the_name_of_the_fabric_columns() {
        assert_eq!(Cell::read("fabric.state", "state  Completed").value(), Some("Completed"));
        assert_eq!(Cell::read("fabric.status", "status Success").value(), Some("Success"));
        assert_eq!(Cell::read("fabric.state", "Completed").value(), Some("Completed"));
    }

    #[test]
    fn a_torn_line_is_an_error_and_no_panic() {
        assert!(rows(&["index", "name"], "0, NVIDIA H100 80GB HBM3\n1, NVIDIA").is_ok());
        assert_eq!(rows(&["index", "name"], "0, a\n1"), Err("1".to_owned()));
    }
}

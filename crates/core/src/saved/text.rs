//! The layout of a file: JSON, one part on each line, and sums over the lines at the end.
//!
//! The last line but one holds what is sealed, or null, and is bound to all lines before it. The last
//! line holds a sum of every other line, which tells where damage is, and one over all of it.

use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::ser::Formatter;
use sha2::{Digest, Sha256};

use super::{Sealed, VERSION};

const SECRETS: &[u8] = b"\"secrets\":";
const SUMS: &[u8] = b"\"sums\":";

/// What a file is, as its first two lines say.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// The format that this version writes, and the only one that it reads.
    pub(super) format: u32,
}

impl Kind {
    fn start(self) -> String {
        format!("{{\"formwork\":\"{}\",\n\"format\":", self.name)
    }
}

/// Why a file is not what it should be.
pub(super) enum Broken {
    /// It is something else.
    Other { found: String },
    /// It has another format than the one that is read.
    Format { found: u64, known: u32 },
    /// Another version of formwork wrote it, and it is not understood.
    OtherVersion { wrote: String, reads: String },
    /// The first line, from 1, that is not as it was written.
    Damaged { line: usize },
    /// The line that it ends in.
    Truncated { line: usize },
    /// It is whole, and makes no sense.
    Wrong { message: String },
}

/// How deep a part may lie and still have a line of its own: the steps of the plan.
const DEPTH: usize = 3;

/// How many letters the sum of a line has.
const SHORT: usize = 16;

/// A file that was read.
pub(super) struct Parts<D> {
    pub(super) document: D,
    pub(super) sealed: Option<Sealed>,
    pub(super) bound_to: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Sums {
    sums: Vec<String>,
    sum: String,
}

/// All but the last two lines.
pub(super) fn body(document: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut body, Lines { depth: 0 });
    document.serialize(&mut serializer)?;
    // Two more members follow.
    body.pop();
    body.extend(b",\n");
    Ok(body)
}

/// What secrets are bound to.
pub(super) fn digest(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut bound = format!("formwork {}\0", kind.name).into_bytes();
    bound.extend(Sha256::digest(body));
    bound
}

/// The whole file.
pub(super) fn finish(mut text: Vec<u8>, sealed: Option<&Sealed>) -> serde_json::Result<Vec<u8>> {
    text.extend(SECRETS);
    serde_json::to_writer(&mut text, &sealed)?;
    text.extend(b",\n");
    let lines = text.split(|byte| *byte == b'\n');
    let sums: Vec<String> = lines.filter(|line| !line.is_empty()).map(short).collect();
    let last = last_line(&Sums { sums, sum: hex(&text) })?;
    text.extend(last);
    text.push(b'\n');
    Ok(text)
}

fn last_line(sums: &Sums) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(sums)?;
    line.remove(0);
    Ok(line)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn short(line: &[u8]) -> String {
    let mut sum = hex(line);
    sum.truncate(SHORT);
    sum
}

/// Reads a file, and checks that it is as it was written.
pub(super) fn read<D: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<Parts<D>, Broken> {
    sniff(kind, bytes)?;
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let whole = lines.pop_if(|line| line.is_empty()).is_some();
    let damaged = |line: usize| Broken::Damaged { line };
    let Some((last, lines)) = lines.split_last() else {
        return Err(Broken::Truncated { line: 1 });
    };
    if !whole || !last.starts_with(SUMS) {
        // The last line is missing, or is not whole.
        let end = Broken::Truncated { line: lines.len() + 1 };
        return Err(if last.ends_with(b"}") && whole { damaged(lines.len() + 1) } else { end });
    }
    let object: Vec<u8> = [b"{", *last].concat();
    let sums: Sums = serde_json::from_slice(&object).map_err(|_| damaged(lines.len() + 1))?;
    for (i, line) in lines.iter().enumerate() {
        if sums.sums.get(i) != Some(&short(line)) {
            return Err(damaged(i + 1));
        }
    }
    let before = &bytes[..bytes.len() - last.len() - 1];
    let written = last_line(&Sums { sum: hex(before), ..sums });
    if lines.len() != sums_of(last) || written.ok().as_deref() != Some(*last) {
        return Err(damaged(lines.len() + 1));
    }
    let secrets = lines.last().and_then(|line| line.strip_prefix(SECRETS)?.strip_suffix(b","));
    let secrets = secrets.ok_or_else(|| damaged(lines.len()))?;
    let wrong = |error: serde_json::Error| Broken::Wrong { message: error.to_string() };
    let sealed: Option<Sealed> = serde_json::from_slice(secrets).map_err(wrong)?;
    let body = &before[..before.len() - SECRETS.len() - secrets.len() - 2];
    let document = serde_json::from_slice(bytes).map_err(|error| other_version(bytes, error))?;
    Ok(Parts { document, sealed, bound_to: digest(kind, body) })
}

/// How many sums the last line has.
fn sums_of(last: &[u8]) -> usize {
    let object: Vec<u8> = [b"{", last].concat();
    serde_json::from_slice::<Sums>(&object).map_or(0, |sums| sums.sums.len())
}

/// Whether this is such a file at all, and of a format that is known.
fn sniff(kind: Kind, bytes: &[u8]) -> Result<(), Broken> {
    if bytes.is_empty() {
        return Err(Broken::Other { found: "it is empty".to_owned() });
    }
    let start = kind.start();
    let Some(rest) = bytes.strip_prefix(start.as_bytes()) else {
        if start.as_bytes().starts_with(bytes) {
            return Err(Broken::Truncated { line: 1 });
        }
        #[derive(Deserialize)]
        struct Any {
            formwork: String,
        }
        let found = match serde_json::from_slice::<Any>(bytes) {
            Ok(any) if any.formwork == kind.name => {
                "it was written anew by something else than formwork".to_owned()
            }
            Ok(any) => format!("it is a {:?} of formwork", any.formwork),
            Err(_) => "it does not begin as one".to_owned(),
        };
        return Err(Broken::Other { found });
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let format = std::str::from_utf8(&rest[..digits]).ok().and_then(|n| n.parse::<u64>().ok());
    match format {
        Some(format) if format == u64::from(kind.format) => Ok(()),
        Some(found) if rest.get(digits) == Some(&b',') => {
            Err(Broken::Format { found, known: kind.format })
        }
        _ if rest.len() == digits => Err(Broken::Truncated { line: 2 }),
        _ => Err(Broken::Damaged { line: 2 }),
    }
}

/// Of what is whole and not understood: whether another version of formwork wrote it.
fn other_version(bytes: &[u8], error: serde_json::Error) -> Broken {
    #[derive(Deserialize)]
    struct Written {
        written_by: String,
    }
    match serde_json::from_slice::<Written>(bytes) {
        Ok(Written { written_by }) if written_by != VERSION => {
            Broken::OtherVersion { wrote: written_by, reads: VERSION.to_owned() }
        }
        _ => Broken::Wrong { message: error.to_string() },
    }
}

/// Compact JSON, with a new line before each part that lies near the top.
struct Lines {
    depth: usize,
}

impl Lines {
    fn separate(&self, to: &mut (impl io::Write + ?Sized), first: bool) -> io::Result<()> {
        if !first {
            to.write_all(b",")?;
        }
        // The first line says what the file is.
        if self.depth <= DEPTH && !(first && self.depth == 1) {
            to.write_all(b"\n")
        } else {
            Ok(())
        }
    }
}

impl Formatter for Lines {
    fn begin_array<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth += 1;
        to.write_all(b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth -= 1;
        to.write_all(b"]")
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.separate(to, first)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth += 1;
        to.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.depth -= 1;
        to.write_all(b"}")
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.separate(to, first)
    }
}

//! What is printed, made as text: pure functions of what is shown and how wide the page is.

mod alike;
mod drift;
mod entry;
mod error;
mod graph;
mod money;
mod outputs;
mod plan;
mod policy;
mod saved;
mod state;
mod table;
mod text;
mod unmanaged;
mod value;

pub(crate) use drift::drift;
pub(crate) use error::{error, error_json, refusals};
pub(crate) use graph::{dot, mermaid};
pub(crate) use money::{heading, money, target};
pub(crate) use outputs::{bare, output_list, outputs, revealed};
pub(crate) use plan::{has_changes, plan, puts_back, unchanged, undecided};
pub(crate) use policy::{judgement, policies, verdict};
pub(crate) use saved::saved;
pub(crate) use state::{record, state_list, state_rows};
#[cfg(test)]
pub(crate) use text::width;
pub(crate) use text::{natural, plain, seconds, truncated};
pub(crate) use unmanaged::has_strangers;

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) paint: Paint,
    /// The columns of a terminal; elsewhere lines are as long as they need to be.
    pub(crate) width: Option<usize>,
    /// Whether everything is shown.
    pub(crate) verbose: bool,
}

/// Colours, or their absence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) bool);

macro_rules! colours {
    ($($(#[$doc:meta])* $name:ident = $style:expr;)*) => {
        impl Paint {$(
            $(#[$doc])*
            pub(crate) fn $name(self, text: &str) -> String {
                self.styled(text, $style)
            }
        )*}
    };
}

const fn colour(colour: anstyle::AnsiColor) -> anstyle::Style {
    anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

colours! {
    /// Headings.
    bold = anstyle::Style::new().bold();
    /// What matters less.
    dim = anstyle::Style::new().dimmed();
    /// What comes.
    green = colour(anstyle::AnsiColor::Green);
    /// What changes.
    yellow = colour(anstyle::AnsiColor::Yellow);
    /// What goes, and what is wrong.
    red = colour(anstyle::AnsiColor::Red);
    /// What is replaced.
    magenta = colour(anstyle::AnsiColor::Magenta);
    /// What helps.
    cyan = colour(anstyle::AnsiColor::Cyan);
}

impl Paint {
    fn styled(self, text: &str, style: anstyle::Style) -> String {
        if self.0 && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The colour of a plan's sign, for any text.
    pub(crate) fn by_sign(self, sign: &str, text: &str) -> String {
        match sign {
            "+" => self.green(text),
            "~" => self.yellow(text),
            "±" => self.magenta(text),
            "-" => self.red(text),
            _ => self.cyan(text),
        }
    }
}

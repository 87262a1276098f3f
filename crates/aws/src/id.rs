//! Ids, ARNs, and values out of closed sets: texts of which the compiler can tell the kinds apart.

/// Declares ids: newtypes over the text that AWS gave, transparent in state.
macro_rules! id_type {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// The empty text: stands in the outputs of a create for an id that settling will tell.
        impl Default for $name {
            fn default() -> Self {
                Self(String::new())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}
pub(crate) use id_type;

/// Declares a closed set of values, named in state as AWS names them.
///
/// AWS adds values over time, so reading never fails: one that this program does not know is
/// `Other`, and a declaration that uses it is refused by [`check_choice`](crate::check::choice).
macro_rules! choice {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A value that AWS has and this program does not know.
            Other(String),
        }

        impl $name {
            /// The value in AWS's words.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl crate::check::Choice for $name {
            const VALUES: &'static [&'static str] = &[$($text),*];
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use choice;

id_type! {
    /// An Amazon Resource Name, such as `arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-0abc`.
    Arn,
}

#[cfg(test)]
mod tests {
    use super::*;

    choice! {
        /// Test.
        Mode { /// A.
            Fast = "fast", /// B.
            Slow = "slow-mode" }
    }

    #[test]
    fn values_have_the_names_of_aws_in_state_and_unknown_ones_survive() {
        assert_eq!(serde_json::to_string(&Mode::Slow).unwrap(), "\"slow-mode\"");
        let new: Mode = serde_json::from_str("\"ludicrous\"").unwrap();
        assert_eq!(new, Mode::Other("ludicrous".into()));
        assert_eq!(Mode::Fast.to_string(), "fast");
        assert_eq!(String::from(Arn::from("arn:x")), "arn:x");
    }
}

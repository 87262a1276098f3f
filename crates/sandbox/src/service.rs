//! The services the sandbox knows: their names on the wire, their protocols, their operations.

use crate::{autoscaling, call::OperationFn, ec2, iam, ssm, sts};

/// One AWS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// EC2, networks included.
    Ec2,
    /// EC2 Auto Scaling.
    AutoScaling,
    /// IAM, the one service that is the same in every region.
    Iam,
    /// STS.
    Sts,
    /// Systems Manager.
    Ssm,
}

/// How a service reads requests and writes answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Form-encoded requests with bare list indices, XML answers.
    Ec2Query,
    /// Form-encoded requests with `.member.` indices, XML answers inside `<XxxResult>`.
    AwsQuery,
    /// JSON 1.1 with the operation in the `X-Amz-Target` header.
    Json,
}

impl Service {
    const ALL: [Self; 5] = [Self::Ec2, Self::AutoScaling, Self::Iam, Self::Sts, Self::Ssm];

    /// Finds a service by the name in the credential scope of a signature.
    pub(crate) fn by_signing_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.signing_name() == name)
    }

    /// Names the service as signatures do.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::AutoScaling => "autoscaling",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Ssm => "ssm",
        }
    }

    /// Tells which protocol the service speaks.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Ec2 => Protocol::Ec2Query,
            Self::AutoScaling | Self::Iam | Self::Sts => Protocol::AwsQuery,
            Self::Ssm => Protocol::Json,
        }
    }

    /// The XML namespace of the service's answers; empty for JSON.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::AutoScaling => "http://autoscaling.amazonaws.com/doc/2011-01-01/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Ssm => "",
        }
    }

    /// The API version that query requests must name; `None` for JSON.
    pub(crate) fn version(self) -> Option<&'static str> {
        match self {
            Self::Ec2 => Some("2016-11-15"),
            Self::AutoScaling => Some("2011-01-01"),
            Self::Iam => Some("2010-05-08"),
            Self::Sts => Some("2011-06-15"),
            Self::Ssm => None,
        }
    }

    /// The error that the service answers with when it is called too often.
    pub(crate) fn throttling(self) -> (&'static str, u16) {
        match self {
            Self::Ec2 => ("RequestLimitExceeded", 503),
            Self::AutoScaling | Self::Iam | Self::Sts => ("Throttling", 400),
            Self::Ssm => ("ThrottlingException", 400),
        }
    }

    /// Finds an operation, and its name as a constant.
    pub(crate) fn operation(self, name: &str) -> Option<(&'static str, OperationFn)> {
        let tables: &[&'static [(&'static str, OperationFn)]] = match self {
            Self::Ec2 => ec2::OPERATIONS,
            Self::AutoScaling => autoscaling::OPERATIONS,
            Self::Iam => iam::OPERATIONS,
            Self::Sts => sts::OPERATIONS,
            Self::Ssm => ssm::OPERATIONS,
        };
        tables.iter().copied().flatten().find(|(known, _)| *known == name).copied()
    }
}

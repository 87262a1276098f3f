//! The image that a public parameter names: how publishers say which release is current.

use formwork_core::{ErrorKind, Inputs, Lookup, ProviderError};
use serde::{Deserialize, Serialize};

use super::image::{ImageAnswer, answer};
use crate::{
    client::Clients,
    error::{Named, incomplete},
};

/// Asks for the image whose id is in a parameter of Systems Manager.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html>
///
/// Parameters whose value is a JSON object with a member `image_id` are understood too, as those of
/// the images for ECS are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ImageBySsmParameter {
    /// The parameter's name, such as
    /// `/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id`.
    pub name: String,
}

impl Lookup for ImageBySsmParameter {
    const KIND: &'static str = "aws:ec2/image-by-ssm-parameter";
    type Answer = ImageAnswer;
    type Client = Clients;

    async fn look_up(clients: &Clients, query: &Self) -> Result<ImageAnswer, ProviderError> {
        const PARAMETER: &str = "ssm:GetParameter";
        const IMAGES: &str = "ec2:DescribeImages";
        let parameter = clients.ssm().get_parameter().name(&query.name).send().await;
        let parameter = parameter.named(PARAMETER).map_err(|error| about(error, &query.name))?;
        let value = parameter
            .parameter
            .and_then(|parameter| parameter.value)
            .ok_or_else(|| incomplete(PARAMETER, "value"))?;
        let id = image_id(&value).ok_or_else(|| {
            let message = format!("{} is {value:?}, which names no image", query.name);
            ProviderError::new(ErrorKind::Invalid, PARAMETER, message)
        })?;
        let images = clients.ec2().describe_images().image_ids(&id).send().await.named(IMAGES)?;
        let image = images.images.unwrap_or_default().pop().ok_or_else(|| {
            let message = format!("there is no image {id}, which {} names", query.name);
            ProviderError::new(ErrorKind::NotFound, IMAGES, message)
        })?;
        answer(image)
    }
}

/// SSM does not say which parameter it is that it does not have.
fn about(error: ProviderError, name: &str) -> ProviderError {
    ProviderError { message: format!("{name}: {}", error.message), ..error }
}

fn image_id(value: &str) -> Option<String> {
    if value.starts_with("ami-") {
        return Some(value.to_owned());
    }
    let object: serde_json::Value = serde_json::from_str(value).ok()?;
    object.get("image_id")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_id_or_in_an_object() {
        assert_eq!(image_id("ami-1").as_deref(), Some("ami-1"));
        assert_eq!(image_id(r#"{"image_id":"ami-2","os":"x"}"#).as_deref(), Some("ami-2"));
        assert_eq!(image_id("latest"), None);
    }
}

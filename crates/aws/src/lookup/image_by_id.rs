//! The image of an id.

use formwork_core::{ErrorKind, Inputs, Lookup, ProviderError};
use serde::{Deserialize, Serialize};

use super::image::{ImageAnswer, answer};
use crate::{client::Clients, ec2::ImageId, error::Named};

/// Asks for what is known of one image, such as its root device and the least size of that.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Inputs)]
pub struct ImageById {
    /// The id, `ami-...`.
    pub id: ImageId,
}

impl Lookup for ImageById {
    const KIND: &'static str = "aws:ec2/image-by-id";
    type Answer = ImageAnswer;
    type Client = Clients;

    async fn look_up(clients: &Clients, query: &Self) -> Result<ImageAnswer, ProviderError> {
        const CALL: &str = "ec2:DescribeImages";
        let call = clients.ec2().describe_images().image_ids(query.id.as_str());
        let images = call.send().await.named(CALL)?.images.unwrap_or_default();
        // AWS answers with an error to an id that it does not know; others leave the image out.
        let image = images.into_iter().next().ok_or_else(|| {
            let message = format!("there is no image {}", query.id.as_str());
            ProviderError::new(ErrorKind::NotFound, CALL, message)
        })?;
        answer(image)
    }
}

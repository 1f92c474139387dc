//! Secrets of a stack become secrets of the swarm, which tells nobody what is in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmachine_driver::Uuid;
use rmachine_driver::secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::engine::EngineClient;
use crate::model::Failure;
use crate::stacks::definition::{Compose, SecretSource, StackName};
use crate::stacks::deploy::Show;
use crate::stacks::deploy::swarm_objects::{labels, things, unless_there};

/// Which parameter a secret belongs to.
const SECRET: &str = "rmachine.secret";

/// What is made is shown before anything is kept or runs with it: whoever is killed in between shows another one next time.
pub(super) async fn put(
    client: &mut EngineClient,
    compose: &mut Compose,
    source: &str,
    show: Show<'_>,
) -> Result<(), Failure> {
    for secret in compose.secrets.clone() {
        let (key, stack) = (secret.key, compose.name.clone());
        let content = match secret.source {
            SecretSource::Content(content) => content,
            SecretSource::Generated => match kept(client, &stack, &key).await? {
                Some(name) => {
                    compose.name_secret(&key, &name);
                    continue;
                }
                None => {
                    let made = SecretString::from(Uuid::new_v4().simple().to_string());
                    show(&key, &made);
                    made
                }
            },
        };
        let name = compose.secret_name(&key, &content);
        let mut labels = labels(&stack, source);
        labels[SECRET] = key.as_str().into();
        let body = json!({"Name": name, "Labels": labels, "Data": STANDARD.encode(content.expose_secret())});
        unless_there(client.post::<Value>("/secrets/create", Some(&body)).await)?;
        compose.name_secret(&key, &name);
    }
    Ok(())
}

/// The newest secret of that parameter, which nobody can read any more, and nobody has to.
async fn kept(client: &mut EngineClient, stack: &StackName, key: &str) -> Result<Option<String>, Failure> {
    let things = things(client, "/secrets", stack).await?;
    let of_key = things.iter().filter(|t| t.label(SECRET) == Some(key));
    Ok(of_key.max_by(|a, b| a.created.cmp(&b.created)).map(|t| t.name().to_owned()))
}

//! A profile of AWS's shared files: static keys, region and endpoint.
//!
//! Format: "Configuration and credential file settings" of the AWS SDKs and Tools reference guide. Roles to assume,
//! single sign-on and credential processes are not done here: `aws configure export-credentials --format env` turns
//! what they give into environment variables.

use std::collections::HashMap;
use std::path::PathBuf;

/// What is taken of a profile.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Key id and secret.
    pub keys: Option<(String, String)>,
    /// Session token.
    pub token: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Where the server is.
    pub endpoint: Option<String>,
}

/// The profile that AWS_PROFILE names, else `default`; `None` where there is neither file nor name.
pub fn chosen() -> Result<Option<Profile>, String> {
    let named = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let file = |variable: &str, usual: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".aws").join(usual)))
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default()
    };
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    let config = file("AWS_CONFIG_FILE", "config");
    let name = named.as_deref().unwrap_or("default");
    match (profile(&credentials, &config, name), named) {
        (None, Some(name)) => Err(format!("AWS_PROFILE: no profile {name} in ~/.aws/credentials or ~/.aws/config")),
        (found, _) => Ok(found),
    }
}

fn profile(credentials: &str, config: &str, name: &str) -> Option<Profile> {
    let of_config = section(config, &format!("profile {name}"));
    let of_config = of_config.or_else(|| section(config, name).filter(|_| name == "default"));
    let of_credentials = section(credentials, name);
    if of_config.is_none() && of_credentials.is_none() {
        return None;
    }
    // What the file of credentials says comes first.
    let mut settings = of_config.unwrap_or_default();
    settings.extend(of_credentials.unwrap_or_default());
    let mut take = |key: &str| settings.remove(key);
    Some(Profile {
        keys: take("aws_access_key_id").zip(take("aws_secret_access_key")),
        token: take("aws_session_token"),
        region: take("region"),
        endpoint: take("endpoint_url"),
    })
}

fn section(text: &str, wanted: &str) -> Option<HashMap<String, String>> {
    let mut found = None;
    let mut inside = false;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            inside = name.split_whitespace().eq(wanted.split_whitespace());
            if inside {
                found.get_or_insert_with(HashMap::new);
            }
        } else if inside
            && !is_nested
            && !line.starts_with(['#', ';'])
            && let (Some((key, value)), Some(found)) = (line.split_once('='), &mut found)
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_config_make_one_profile() {
        let credentials = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[other]\n# no\nregion = x\n";
        let config =
            "[default]\nregion = eu-1\ns3 =\n  max_queue_size = 3\n[profile  other]\nendpoint_url = http://h\n";
        let found = profile(credentials, config, "default").unwrap();
        assert_eq!(found.keys, Some(("A".to_owned(), "B".to_owned())));
        assert_eq!(found.region.as_deref(), Some("eu-1"));
        let found = profile(credentials, config, "other").unwrap();
        assert_eq!((found.keys, found.endpoint.as_deref()), (None, Some("http://h")));
        assert_eq!(found.region.as_deref(), Some("x"));
        assert_eq!(profile(credentials, config, "third"), None);
    }
}

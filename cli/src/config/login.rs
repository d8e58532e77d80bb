//! `~/.nexus/config.json`: the API key, whose it is and where the cluster is. Fields that this
//! version does not know are kept as they are.

use super::{atomic, home, stored::StoredPath};
use crate::{
    error::Error,
    profile::path_in,
    server::{self, Server},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The settings that are saved between commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    /// The API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// The only server; several may stand here too, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_url: Option<String>,
    /// All servers, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    servers: Vec<String>,
    /// The file of the authorities that servers must have their certificates from; none for those of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<StoredPath>,
    /// The region that this machine is in: servers there are asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// The engineer of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engineer_id: Option<Uuid>,
    /// The name of the engineer whose key it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engineer_name: Option<String>,
    /// Fields of other clients, which are kept.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Login {
    /// The servers; none when the file names none.
    ///
    /// # Errors
    /// When one of them is no address.
    pub(crate) fn servers(&self) -> Result<Vec<Server>, String> {
        let list =
            if self.servers.is_empty() { self.server_url.clone() } else { Some(self.servers.join(",")) };
        server::parse_list(&list.unwrap_or_default())
    }

    /// Remembers the servers: one stands where clients that know a single one look for it.
    pub(crate) fn set_servers(&mut self, servers: &[Server]) {
        let mut names: Vec<String> = servers.iter().map(Server::setting).collect();
        self.server_url = if names.len() == 1 { names.pop() } else { None };
        self.servers = names;
    }

    /// The engineer's settings of hooks, if there are any.
    pub(crate) fn hooks(&self) -> Option<&Value> {
        self.others.get("hooks")
    }

    /// Forgets who it was; the servers and their authorities stay.
    pub(crate) fn forget(&mut self) {
        self.token = None;
        self.engineer_id = None;
        self.engineer_name = None;
    }
}

/// The file, wherever it is.
#[derive(Debug, Clone)]
pub(crate) struct LoginFile(PathBuf);

impl LoginFile {
    /// `NEXUS_CONFIG`, or `config.json` in the folder of the profile: `NEXUS_HOME`, or `.nexus` in the home folder, or
    /// below it where a profile is named.
    ///
    /// # Errors
    /// When there is no home folder, the name of the profile cannot be read, or both a file and a profile are named.
    pub(crate) fn locate() -> Result<Self, Error> {
        let profile = home::profile()?;
        match (path_in("NEXUS_CONFIG"), profile.name()) {
            (None, _) => Ok(Self(home::of_profile()?.join("config.json"))),
            (Some(file), None) => Ok(Self(file)),
            (Some(file), Some(name)) => Err(Error::misused(format!(
                "NEXUS_CONFIG names the file {}, and the profile {name} has another one",
                file.display()
            ))
            .hint("unset NEXUS_CONFIG, or leave out --profile and NEXUS_PROFILE")),
        }
    }

    /// The path of the file, which need not exist yet.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads it; no file is an empty one.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub(crate) fn read(&self) -> Result<Login, Error> {
        let path = self.0.display();
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Login::default()),
            Err(error) => return Err(Error::local(format!("cannot read {path}: {error}"))),
        };
        serde_json::from_str(&text).map_err(|error| {
            Error::local(format!("{path} is not the file that nexus login writes: {error}"))
                .hint("repair it, or remove it and run nexus login again")
        })
    }

    /// Replaces it, readable by its owner alone.
    ///
    /// # Errors
    /// When it cannot be written; it is then as it was.
    pub(crate) fn write(&self, login: &Login) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(login).expect("a login has only text keys");
        text.push(b'\n');
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder
            .map_or(Ok(()), atomic::make_private_folder)
            .and_then(|()| atomic::write(&self.0, &text))
            .map_err(|error| Error::local(format!("cannot write {}: {error}", self.0.display())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, LoginFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = LoginFile(folder.path().join("deep/config.json"));
        (folder, file)
    }

    #[test]
    fn without_a_login_file_the_login_is_empty() {
        let (_folder, file) = file();
        assert_eq!(file.read().unwrap(), Login::default());
    }

    #[test]
    fn a_login_is_kept_with_what_other_clients_wrote() {
        let (_folder, file) = file();
        fs::create_dir_all(file.path().parent().unwrap()).unwrap();
        fs::write(file.path(), r#"{"token":"old","serverUrl":"http://a:1","theme":"dark"}"#).unwrap();
        let mut login = file.read().unwrap();
        assert_eq!(login.servers().unwrap()[0].to_string(), "http://a:1");
        login.token = Some("new".to_owned());
        login.set_servers(&server::parse_list("a:1,b:2").unwrap());
        file.write(&login).unwrap();
        let written: Value = serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
        let expected =
            serde_json::json!({ "token": "new", "servers": ["http://a:1", "http://b:2"], "theme": "dark" });
        assert_eq!(written, expected);
    }

    #[test]
    fn forgetting_keeps_the_servers() {
        let mut login =
            Login { token: Some("key".to_owned()), engineer_id: Some(Uuid::max()), ..Login::default() };
        login.set_servers(&server::parse_list("a:1").unwrap());
        login.forget();
        assert_eq!((login.token.clone(), login.engineer_id), (None, None));
        assert_eq!(login.servers().unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, file) = file();
        fs::create_dir_all(file.path().parent().unwrap()).unwrap();
        fs::write(file.path(), "{}").unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        file.write(&Login::default()).unwrap();
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        let left: Vec<_> = fs::read_dir(file.path().parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file is left");
    }

    #[test]
    fn a_broken_file_is_named() {
        let (_folder, file) = file();
        fs::create_dir_all(file.path().parent().unwrap()).unwrap();
        fs::write(file.path(), "{oops").unwrap();
        assert!(file.read().unwrap_err().to_string().contains("config.json"));
    }
}

//! The operator's key file: what administers all tenants over HTTP.
//!
//! Promises: made once, whole, readable by its owner only; a file that is there is left alone.
//! Never: the key anywhere else.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use firn_cell::{By, DirectoryClient, NewKey, Scope};

use crate::exit::{Failure, say};

/// The user's folder for data: `$XDG_DATA_HOME/firn`, else `~/.local/share/firn`.
///
/// # Errors
/// When neither XDG_DATA_HOME nor HOME is set.
pub fn data_folder() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("firn"))
        .ok_or_else(|| Failure::Usage("neither XDG_DATA_HOME nor HOME is set: set one to an absolute path".to_owned()))
}

/// Makes the operator's key if there is no file with one.
///
/// # Errors
/// If the file cannot be written; errors of the directory.
pub async fn key(directory: &DirectoryClient) -> Result<(), Failure> {
    let path = data_folder()?.join("operator.key");
    if path.exists() {
        return Ok(());
    }
    let actor = crate::tenant::actor()?;
    let made = directory.create_key(&By::new(actor), Scope::Operator, NewKey::admin("operator")).await?;
    let Some(token) = made.token else { return Ok(()) };
    match write(&path, token.expose().as_str()) {
        Ok(()) => {
            say(&format!("the operator's key was written to {}", path.display()));
            Ok(())
        }
        // another process made one meanwhile; ours is of no use to anybody
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let actor = crate::tenant::actor()?;
            Ok(directory.revoke_key(&By::new(actor), Scope::Operator, made.id).await?)
        }
        Err(e) => Err(Failure::Usage(format!(
            "the operator's key cannot be written to {} ({e}): make the folder writable, or set XDG_DATA_HOME",
            path.display()
        ))),
    }
}

/// Writes a file that was not there: whole under its name or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(folder)?;
    let temp = folder.join(format!(".operator-key.{}.tmp", std::process::id()));
    let done = options.open(&temp).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    let linked = done.and_then(|()| fs::hard_link(&temp, path));
    let _ = fs::remove_file(&temp);
    linked
}

//! Small archives, in memory: what is put into a container or a build, and what is read out of one.

use std::io::{self, Read};

/// A file or, without content, a folder.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) path: &'a str,
    pub(crate) mode: u32,
    pub(crate) content: Option<&'a [u8]>,
}

/// All of it root's.
pub(crate) fn pack(entries: &[Entry<'_>]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let content = entry.content.unwrap_or_default();
        header.set_entry_type(if entry.content.is_some() {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, entry.path, content)?;
    }
    archive.into_inner()
}

/// The first file in an archive, as text.
pub(crate) fn first_file(bytes: &[u8]) -> io::Result<Option<String>> {
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return Ok(Some(text));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let bytes = pack(&[
            Entry { path: "root/.ssh", mode: 0o700, content: None },
            Entry { path: "root/.ssh/authorized_keys", mode: 0o600, content: Some(b"key\n") },
        ])
        .unwrap();
        assert_eq!(first_file(&bytes).unwrap().as_deref(), Some("key\n"));
        let mut archive = tar::Archive::new(bytes.as_slice());
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|e| {
                let e = e.unwrap();
                (
                    e.path().unwrap().display().to_string(),
                    e.header().mode().unwrap(),
                    e.header().uid().unwrap(),
                )
            })
            .collect();
        assert_eq!(seen, [("root/.ssh".into(), 0o700, 0), ("root/.ssh/authorized_keys".into(), 0o600, 0)]);
        assert_eq!(first_file(&pack(&[]).unwrap()).unwrap(), None);
        assert!(first_file(b"rubbish").is_err() || first_file(b"rubbish").unwrap().is_none());
    }
}

//! The one field of VirtualBox's disk format that is written here: the disk's uuid, since VirtualBox takes no two disks of
//! the same.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rmachine_driver::{DriverError, Uuid};

use crate::files;

/// Signature and version 1.1, after 64 bytes of text.
const HEAD: [u8; 8] = [0x7f, 0x10, 0xda, 0xbe, 0x01, 0x00, 0x01, 0x00];
const HEAD_AT: u64 = 64;
/// The disk's own uuid, and the one of its last change.
const UUID_AT: u64 = 392;
const CAPACITY_AT: u64 = 368;

pub(crate) fn is_vdi(start: &[u8]) -> bool {
    start.get(64..68) == Some(&HEAD[..4])
}

pub(crate) fn give_uuid(disk: &Path, uuid: Uuid) -> Result<(), DriverError> {
    write(disk, uuid).map_err(|e| files::failed("prepare", disk, e))
}

fn write(disk: &Path, uuid: Uuid) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(disk)?;
    let mut head = [0; 8];
    file.seek(SeekFrom::Start(HEAD_AT))?;
    file.read_exact(&mut head)?;
    if head != HEAD {
        return Err(io::Error::other("it is no VDI of version 1.1"));
    }
    file.seek(SeekFrom::Start(UUID_AT))?;
    file.write_all(&uuid.to_bytes_le())?;
    file.write_all(&Uuid::new_v4().to_bytes_le())
}

/// Bytes that the machine sees.
pub(crate) fn capacity(disk: &Path) -> Result<u64, DriverError> {
    let read = || {
        let mut file = OpenOptions::new().read(true).open(disk)?;
        let mut bytes = [0; 8];
        file.seek(SeekFrom::Start(CAPACITY_AT))?;
        file.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    };
    read().map_err(|e: io::Error| files::failed("read", disk, e))
}

//! From whatever form an image has to VirtualBox's own, by VBoxManage.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rmachine_driver::{DriverError, MachineHandle};

use super::vdi;
use crate::files;
use crate::manage::Manager;
use crate::records::CONVERSION;

/// In the name of a file that is only another name for the image.
const NAMED: &str = ".source.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Vdi,
    /// Anything that VirtualBox opens as a disk, with the ending by which it knows it.
    Disk(&'static str),
    Raw,
    /// A tar with a disk in it.
    Ova,
}

/// By its first bytes: publishers call a qcow2 `.img` as well.
fn form(start: &[u8]) -> Option<Form> {
    if start.starts_with(b"QFI\xfb") {
        return Some(Form::Disk("qcow2"));
    }
    if start.starts_with(b"KDMV") || start.starts_with(b"# Disk DescriptorFile") {
        return Some(Form::Disk("vmdk"));
    }
    if start.starts_with(b"conectix") {
        return Some(Form::Disk("vhd"));
    }
    if vdi::is_vdi(start) {
        return Some(Form::Vdi);
    }
    if start.get(257..262) == Some(b"ustar") {
        return Some(Form::Ova);
    }
    // A boot sector's mark.
    (start.get(510..512) == Some(&[0x55, 0xaa])).then_some(Form::Raw)
}

fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(1024).read_to_end(&mut start)?;
    Ok(start)
}

/// Under its final name the disk is complete, or not there.
pub(crate) async fn to_vdi(
    machine: &mut MachineHandle<'_>,
    manager: &Manager,
    source: &Path,
    disk: &Path,
) -> Result<(), DriverError> {
    let start = start_of(source).map_err(|e| files::failed("read", source, e))?;
    let form = form(&start).ok_or_else(|| {
        DriverError::invalid(format!(
            "{} is no disk image: neither qcow2, vmdk, vdi, vhd, ova nor raw",
            source.display()
        ))
        .hint("one that is compressed as a whole, like .xz or .tar.gz, has to be unpacked first")
    })?;
    let fresh = disk.with_extension(format!("{}.new.vdi", machine.uuid.simple()));
    let named = (form == Form::Ova || matches!(form, Form::Disk(_))).then(|| named(source, disk, form));
    let read = named.clone().unwrap_or_else(|| source.to_owned());
    machine.record_id(CONVERSION, &format!("{}\n{}", read.display(), fresh.display()))?;
    machine.reporter.step(machine.name, "Converting the image to VirtualBox's format...");
    let done = convert(machine, manager, source, &read, &fresh, form).await;
    if let Some(named) = named.filter(|n| n != source) {
        files::remove(&named);
    }
    match done {
        Ok(()) => files::rename(&fresh, disk),
        Err(e) => {
            discard(manager, &read, &fresh).await;
            Err(e)
        }
    }
}

/// VirtualBox tells some forms by the file's ending.
fn named(source: &Path, disk: &Path, form: Form) -> PathBuf {
    let ending = match form {
        Form::Disk(ending) => ending,
        _ => "vmdk",
    };
    if form != Form::Ova && source.extension().is_some_and(|e| e == ending) {
        return source.to_owned();
    }
    disk.with_extension(format!("{}{ending}", &NAMED[1..]))
}

async fn convert(
    machine: &MachineHandle<'_>,
    manager: &Manager,
    source: &Path,
    read: &Path,
    fresh: &Path,
    form: Form,
) -> Result<(), DriverError> {
    let percent = |n: u8| machine.reporter.detail(machine.name, &format!("{n} %"));
    let fresh_text = fresh.to_string_lossy();
    match form {
        Form::Vdi => return files::copy(source, fresh).await,
        Form::Raw => {
            let words = ["convertfromraw", &source.to_string_lossy(), &fresh_text, "--format", "VDI"];
            return manager.work(&words, &percent).await.map(drop).map_err(Into::into);
        }
        Form::Ova => unpack(source, read)?,
        Form::Disk(_) if read != source => link(source, read)?,
        Form::Disk(_) => {}
    }
    let read_text = read.to_string_lossy();
    let words = ["clonemedium", "disk", &read_text, &fresh_text, "--format", "VDI"];
    manager.work(&words, &percent).await?;
    // Both stay in VirtualBox's list of disks otherwise, and keep others from having their uuid. A source that a machine of
    // the user's has stays in it.
    let _ = manager.run(&["closemedium", "disk", &read_text]).await;
    manager.run(&["closemedium", "disk", &fresh_text]).await?;
    Ok(())
}

/// Another name for the same file, or a copy where file systems have only one.
fn link(source: &Path, named: &Path) -> Result<(), DriverError> {
    files::remove(named);
    let source = source.canonicalize().map_err(|e| files::failed("read", source, e))?;
    let linked = std::fs::hard_link(&source, named).or_else(|_| std::fs::copy(&source, named).map(drop));
    linked.map_err(|e| files::failed("write", named, e))
}

/// The first disk of an appliance.
fn unpack(ova: &Path, to: &Path) -> Result<(), DriverError> {
    let unpacked = first_disk(ova, to).map_err(|e| files::failed("unpack", ova, e))?;
    if unpacked { Ok(()) } else { Err(DriverError::invalid(format!("{} holds no disk", ova.display()))) }
}

fn first_disk(ova: &Path, to: &Path) -> io::Result<bool> {
    for entry in tar::Archive::new(File::open(ova)?).entries()? {
        let mut entry = entry?;
        if entry.path()?.extension().is_some_and(|e| e.eq_ignore_ascii_case("vmdk")) {
            files::remove(to);
            entry.unpack(to)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is left of a conversion that did not end.
pub(crate) async fn discard(manager: &Manager, source: &Path, fresh: &Path) {
    let _ = manager.run(&["closemedium", "disk", &fresh.to_string_lossy(), "--delete"]).await;
    let _ = manager.run(&["closemedium", "disk", &source.to_string_lossy()]).await;
    files::remove(fresh);
    if source.to_string_lossy().contains(NAMED) {
        files::remove(source);
    }
}

/// A disk that begins with these bytes, in VirtualBox's own form.
pub(crate) async fn raw_disk(manager: &Manager, content: &[u8], disk: &Path) -> Result<(), DriverError> {
    let raw = disk.with_extension("raw");
    files::write_private(&raw, content)?;
    let words = ["convertfromraw", &raw.to_string_lossy(), &disk.to_string_lossy(), "--format", "VDI"];
    let done = manager.work(&words, &|_| {}).await;
    files::remove(&raw);
    done.map(drop).map_err(Into::into)
}

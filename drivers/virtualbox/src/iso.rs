//! Writes an ISO 9660 image with Joliet names: a folder of small files, as cloud-init's NoCloud wants it.
//!
//! Limits: one folder, files that fit into memory. The layout is that of ECMA-119; the second descriptor repeats the
//! folder with names in UCS-2, which is what Linux shows.

const SECTOR: usize = 2048;
/// Before this the image is the system's.
const FIRST: usize = 16;
/// Descriptors, then two tables of paths for each of the two trees, then the two folders.
const PRIMARY_PATHS: u32 = 19;
const JOLIET_PATHS: u32 = 21;
const PRIMARY_FOLDER: u32 = 23;
const JOLIET_FOLDER: u32 = 24;
const FILES: u32 = 25;
/// UCS-2 level 3.
const JOLIET: &[u8] = b"%/E";
/// 1 January 1970: the same content makes the same image.
const MOMENT: [u8; 7] = [70, 1, 1, 0, 0, 0, 0];

pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) content: &'a [u8],
}

/// The whole image. `label` is the volume's name.
pub(crate) fn image(label: &str, files: &[File<'_>]) -> Vec<u8> {
    let mut sector = FILES;
    let mut placed = Vec::new();
    for file in files {
        placed.push((file, sector));
        sector += sectors(file.content.len());
    }
    let total = sector;
    let mut image = vec![0; total as usize * SECTOR];
    put(&mut image, FIRST, &descriptor(1, label, total, PRIMARY_PATHS, PRIMARY_FOLDER));
    put(&mut image, FIRST + 1, &descriptor(2, label, total, JOLIET_PATHS, JOLIET_FOLDER));
    put(&mut image, FIRST + 2, &[b"\xffCD001\x01".as_slice()].concat());
    for (table, folder) in [(PRIMARY_PATHS, PRIMARY_FOLDER), (JOLIET_PATHS, JOLIET_FOLDER)] {
        put(&mut image, table as usize, &paths(folder.to_le_bytes(), 1_u16.to_le_bytes()));
        put(&mut image, table as usize + 1, &paths(folder.to_be_bytes(), 1_u16.to_be_bytes()));
    }
    put(&mut image, PRIMARY_FOLDER as usize, &folder(PRIMARY_FOLDER, &placed, short));
    put(&mut image, JOLIET_FOLDER as usize, &folder(JOLIET_FOLDER, &placed, ucs2));
    for (file, at) in placed {
        put(&mut image, at as usize, file.content);
    }
    image
}

fn put(image: &mut [u8], sector: usize, content: &[u8]) {
    image[sector * SECTOR..][..content.len()].copy_from_slice(content);
}

fn sectors(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(SECTOR).max(1)).unwrap_or(u32::MAX)
}

/// A number in both byte orders.
fn both32(n: u32) -> Vec<u8> {
    [n.to_le_bytes(), n.to_be_bytes()].concat()
}

fn both16(n: u16) -> Vec<u8> {
    [n.to_le_bytes(), n.to_be_bytes()].concat()
}

/// A volume descriptor: 1 is the primary one, 2 Joliet's.
fn descriptor(kind: u8, label: &str, total: u32, paths: u32, folder: u32) -> Vec<u8> {
    let text = |content: &str, length: usize| -> Vec<u8> {
        let mut bytes = if kind == 2 { ucs2(content) } else { content.as_bytes().to_vec() };
        let blank: &[u8] = if kind == 2 { &[0, b' '] } else { b" " };
        bytes.truncate(length);
        while bytes.len() < length {
            bytes.extend_from_slice(&blank[..blank.len().min(length - bytes.len())]);
        }
        bytes
    };
    let mut escapes = if kind == 2 { JOLIET.to_vec() } else { Vec::new() };
    escapes.resize(32, 0);
    let table = u32::try_from(PATHS_LENGTH).unwrap_or_default();
    let never = [[b'0'; 16].as_slice(), &[0]].concat();
    [
        vec![kind],
        b"CD001\x01\0".to_vec(),
        text("", 32),
        text(label, 32),
        vec![0; 8],
        both32(total),
        escapes,
        both16(1),
        both16(1),
        both16(2048),
        both32(table),
        paths.to_le_bytes().to_vec(),
        vec![0; 4],
        (paths + 1).to_be_bytes().to_vec(),
        vec![0; 4],
        entry(&[0], folder, SECTOR, true),
        text("", 128 * 4 + 37 * 3),
        [never.as_slice(); 4].concat(),
        vec![1, 0],
    ]
    .concat()
}

const PATHS_LENGTH: usize = 10;

/// The table of paths of a tree that is its root alone.
fn paths(folder: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    [&[1, 0][..], &folder, &parent, &[0, 0]].concat()
}

fn folder(own: u32, files: &[(&File<'_>, u32)], name: fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut all = [entry(&[0], own, SECTOR, true), entry(&[1], own, SECTOR, true)].concat();
    let mut named: Vec<_> = files.iter().map(|(f, at)| (name(f.name), *at, f.content.len())).collect();
    named.sort();
    for (name, at, bytes) in named {
        all.extend(entry(&name, at, bytes, false));
    }
    all
}

fn entry(name: &[u8], at: u32, bytes: usize, is_folder: bool) -> Vec<u8> {
    let name_length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let padding = vec![0; usize::from(name.len().is_multiple_of(2))];
    let length = 33 + name.len() + padding.len();
    [
        vec![u8::try_from(length).unwrap_or(u8::MAX), 0],
        both32(at),
        both32(u32::try_from(bytes).unwrap_or(u32::MAX)),
        MOMENT.to_vec(),
        vec![if is_folder { 2 } else { 0 }, 0, 0],
        both16(1),
        vec![name_length],
        name.to_vec(),
        padding,
    ]
    .concat()
}

/// Eight letters, as the primary tree has them: `user-data` is USER_DAT.;1 there.
fn short(name: &str) -> Vec<u8> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{}.;1", name.chars().map(plain).take(8).collect::<String>()).into_bytes()
}

fn ucs2(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[cfg(test)]
mod tests;

//! The files of src/, the modules they are, and who names whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::paths::{Reference, references};
use super::staircase::{Fault, Staircase};

/// What the crates of drivers are together; the crates that drivers share are open to every room.
pub(super) const DRIVERS: &str = "drivers";
const LIBRARY: &str = "rmachine";

type Module = Vec<String>;

struct File {
    path: PathBuf,
    references: Vec<Reference>,
}

pub(super) struct Source {
    /// `src/main.rs` is the module `main`, although it is a crate of its own; `src/lib.rs` is the empty one.
    files: BTreeMap<Module, File>,
}

/// One use of a room by another.
struct Arrow {
    from: String,
    to: String,
    place: String,
}

impl Source {
    /// Reads every file below `src` of this checkout, but for the build script.
    pub(super) fn read(root: &Path) -> Self {
        let mut source = Self { files: BTreeMap::new() };
        source.read_folder(root, Path::new("src"));
        source
    }

    fn read_folder(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root.join(&path).is_dir() {
                self.read_folder(root, &path);
            } else if path.extension().is_some_and(|kind| kind == "rs") && path != Path::new("src/build.rs") {
                let references = references(&fs::read_to_string(root.join(&path)).unwrap());
                self.files.insert(module(&path), File { path, references });
            }
        }
    }

    fn rooms(&self) -> BTreeSet<&str> {
        self.files.keys().map(|module| room(module)).collect()
    }

    /// The room of this path, which is `lib` for an item of src/lib.rs.
    fn room_named(&self, target: &[String]) -> String {
        let name = target.first().map_or("lib", String::as_str);
        if name == DRIVERS || self.rooms().contains(name) { name.to_owned() } else { "lib".to_owned() }
    }

    fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (module, file) in &self.files {
            for reference in file.references.iter().filter(|reference| !is_test(module, reference)) {
                let Some(target) = absolute(module, reference) else { continue };
                let (from, to) = (room(module).to_owned(), self.room_named(&target));
                if from != to {
                    arrows.push(Arrow {
                        from,
                        to,
                        place: format!("{}:{}", file.path.display(), reference.line),
                    });
                }
            }
        }
        arrows
    }

    /// One line for each use that the staircase does not allow, and for each room that only one of both has.
    pub(super) fn faults(&self, staircase: &Staircase) -> Vec<String> {
        let arrows = self.arrows();
        let mut faults: BTreeSet<String> = BTreeSet::new();
        for arrow in &arrows {
            if let Err(fault) = staircase.judge(&arrow.from, &arrow.to) {
                faults.insert(describe(arrow, &fault, &arrows));
            }
        }
        let (written, there): (BTreeSet<_>, _) = (staircase.rooms().collect(), self.rooms());
        faults.extend(
            there.difference(&written).map(|room| format!("src: the room {room} is not on the staircase")),
        );
        faults.extend(
            written.difference(&there).map(|room| format!("ARCHITECTURE.md: there is no room {room}")),
        );
        faults.into_iter().collect()
    }

    /// Groups of files that name each other in a circle. A module names its children to declare them, so that is not
    /// counted; a name that a module only passes on belongs to the file that it comes from.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let uses: BTreeMap<&Module, BTreeSet<&Module>> =
            self.files.iter().map(|(module, file)| (module, self.used_by(module, file))).collect();
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            uses.keys().map(|module| (*module, reachable(&uses, module))).collect();
        let mut circles = BTreeSet::new();
        for (module, reached) in &reach {
            let circle = reached.iter().filter(|other| reach[**other].contains(*module));
            let circle: Vec<String> =
                circle.map(|other| self.files[*other].path.display().to_string()).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn used_by<'a>(&'a self, module: &'a Module, file: &File) -> BTreeSet<&'a Module> {
        let targets = file.references.iter().filter_map(|reference| absolute(module, reference));
        let files = targets.filter_map(|target| self.file_of(&target, 0));
        files.filter(|other| *other != module && !other.starts_with(module)).collect()
    }

    /// The module that defines what this path names.
    fn file_of(&self, target: &[String], hops: usize) -> Option<&Module> {
        let depth = (0..=target.len()).rev().find(|depth| self.files.contains_key(&target[..*depth]))?;
        let (module, file) = self.files.get_key_value(&target[..depth])?;
        let passed_on =
            file.references.iter().find(|r| r.bound_as.is_some() && r.bound_as.as_ref() == target.get(depth));
        match passed_on.and_then(|reference| absolute(module, reference)) {
            Some(origin) if hops < 9 => self.file_of(&origin, hops + 1),
            _ => Some(module),
        }
    }
}

fn module(path: &Path) -> Module {
    let inside = path.strip_prefix("src").unwrap().with_extension("");
    let mut module: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| last == "mod" || last == "lib");
    module
}

/// Tests are free to use any room.
fn is_test(module: &[String], reference: &Reference) -> bool {
    module.iter().chain(&reference.inside).any(|name| name == "tests" || name.ends_with("_tests"))
}

fn room(module: &[String]) -> &str {
    module.first().map_or("lib", String::as_str)
}

/// The path from the root of the library; none for what belongs to other crates.
fn absolute(module: &[String], reference: &Reference) -> Option<Module> {
    let mut base: Module = module.iter().chain(&reference.inside).cloned().collect();
    let (first, rest) = reference.segments.split_first()?;
    match first.as_str() {
        "crate" if module == ["main"] => return None,
        "crate" | LIBRARY => base.clear(),
        "self" => {}
        "super" => drop(base.pop()),
        name if name.starts_with("rmachine_driver_") => return Some(vec![DRIVERS.to_owned()]),
        // Beside a file's own `mod`, where its children are named without `self`.
        name if reference.bound_as.is_some() && !module.is_empty() => base.push(name.to_owned()),
        _ => return None,
    }
    for segment in rest {
        match segment.as_str() {
            "super" => drop(base.pop()),
            name => base.push(name.to_owned()),
        }
    }
    Some(base)
}

fn describe(arrow: &Arrow, fault: &Fault, arrows: &[Arrow]) -> String {
    let Arrow { from, to, place } = arrow;
    let what = match fault {
        Fault::Up => "up",
        Fault::Sideways => "sideways",
        Fault::Reserved => "reserved for others",
        Fault::Unknown(room) => {
            return format!("{place}: {from} -> {to}, and {room} is not on the staircase");
        }
    };
    let circle = way_back(arrow, arrows).map(|circle| format!(", a circle: {circle}")).unwrap_or_default();
    format!("{place}: {what}: {from} -> {to}{circle}")
}

/// The shortest way from the end of an arrow to its start.
fn way_back(arrow: &Arrow, arrows: &[Arrow]) -> Option<String> {
    let mut ways = vec![vec![arrow.from.as_str(), arrow.to.as_str()]];
    let mut seen = BTreeSet::from([arrow.to.as_str()]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in &ways {
            for next in arrows.iter().filter(|next| Some(&next.from.as_str()) == way.last()) {
                let way = [way.as_slice(), &[next.to.as_str()]].concat();
                if next.to == arrow.from {
                    return Some(way.join(" -> "));
                }
                if seen.insert(&next.to) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

fn reachable<'a>(
    uses: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
    start: &'a Module,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Module> = uses[start].iter().copied().collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(uses[module].iter().copied());
        }
    }
    reached
}

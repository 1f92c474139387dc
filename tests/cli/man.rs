//! `man`: the pages, as groff and man read them.

use super::completion::{lab, shell};

#[test]
fn man_pages_are_valid_and_named_after_their_command() {
    let lab = lab();
    assert!(lab.ok("man --dir /T/man").starts_with("Wrote "));
    let pages = lab.tree().into_iter().filter(|p| p.starts_with("man/") && p.ends_with(".1"));
    let pages: Vec<String> = pages.collect();
    assert!(pages.len() > 25 && pages.contains(&"man/rmachine-scp.1".to_owned()), "{pages:?}");
    assert!(!pages.iter().any(|p| p.contains("__")), "{pages:?}");
    for page in &pages {
        let path = lab.path(page).display().to_string();
        assert_eq!(shell(&lab, "groff", &["-ww", "-man", "-Tutf8", "-z", &path]), "", "{page}");
    }
    let shown = shell(&lab, "man", &["-l", &lab.path("man/rmachine-scp.1").display().to_string()]);
    for word in ["rmachine-scp(1)", "--recursive", "Examples:"] {
        assert!(shown.contains(word), "{word} is not in:\n{shown}");
    }
    assert_eq!(lab.ok("man scp"), std::fs::read_to_string(lab.path("man/rmachine-scp.1")).unwrap());
    assert_eq!(lab.run("man nosuch").code, Some(1));
}

//! Columns as Go's tabwriter makes them: at least five wide, three blanks between, the last one unpadded.

use std::io::Write;

use tabwriter::TabWriter;

/// Aligns lines whose cells are separated by tabs.
pub(crate) fn align(text: &str) -> String {
    // Go counts the padding into the least width of five; this crate adds it.
    let mut writer = TabWriter::new(Vec::new()).minwidth(2).padding(3);
    let written = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
    let bytes = written.ok().and_then(|()| writer.into_inner().ok());
    bytes.map_or_else(|| text.to_owned(), |b| String::from_utf8_lossy(&b).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_alone_is_docker_machines() {
        assert_eq!(
            align("NAME\tACTIVE\tDRIVER\tSTATE\tURL\tSWARM\tDOCKER\tERRORS\n"),
            "NAME   ACTIVE   DRIVER   STATE   URL   SWARM   DOCKER   ERRORS\n"
        );
    }

    #[test]
    fn columns_are_padded_and_empty_last_cells_keep_their_place() {
        assert_eq!(
            align("NAME\tACTIVE\tSTATE\tERRORS\nnode-long\t*\tRunning\t\na\t-\t\tbroken\n"),
            "NAME        ACTIVE   STATE     ERRORS\nnode-long   *        Running   \na           -                  broken\n"
        );
    }
}

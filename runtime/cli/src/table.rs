//! Tables on stdout.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// A rule under the titles and nothing else.
const PLAIN: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table under construction: a title for each column, and how it is aligned.
pub(crate) struct Columns {
    table: Table,
    alignments: Vec<CellAlignment>,
}

impl Columns {
    /// Columns with these titles; a title that starts with `>` makes a column of numbers.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(PLAIN);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let alignments: Vec<CellAlignment> = titles
            .iter()
            .map(|title| match title.strip_prefix('>') {
                Some(_) => CellAlignment::Right,
                None => CellAlignment::Left,
            })
            .collect();
        let cells = titles.iter().zip(&alignments).map(|(title, alignment)| {
            Cell::new(title.trim_start_matches('>')).set_alignment(*alignment)
        });
        table.set_header(cells.collect::<Vec<_>>());
        Self { table, alignments }
    }

    /// Adds a row.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        let cells = cells.iter().zip(&self.alignments);
        let cells =
            cells.map(|(text, alignment)| Cell::new(text.as_ref()).set_alignment(*alignment));
        self.table.add_row(cells.collect::<Vec<_>>());
    }
}

impl std::fmt::Display for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = self.table.clone();
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        for (index, line) in table.lines().enumerate() {
            let lead = if index == 0 { "" } else { "\n" };
            write!(f, "{lead}{}", line.trim_end())?;
        }
        Ok(())
    }
}

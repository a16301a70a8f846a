//! What an instance that uses WASI has beside its memory.

use super::lines::{LineBuffer, Output};

/// Draws of `wasi:random` begin here, so that they are not those of the contract's own `random`.
const FIRST_DRAW: u32 = 1 << 31;

/// Streams, row and draws of one instance.
#[derive(Debug)]
pub(crate) struct WasiState {
    stdout: LineBuffer,
    stderr: LineBuffer,
    row: u32,
    draw: u32,
}

impl Default for WasiState {
    fn default() -> Self {
        let (stdout, stderr) = Default::default();
        Self { stdout, stderr, row: 0, draw: FIRST_DRAW }
    }
}

impl WasiState {
    /// The row of the batch that time and random numbers are of.
    pub(super) fn row(&self) -> u32 {
        self.row
    }

    /// The next draw.
    pub(super) fn draw(&mut self) -> u32 {
        let draw = self.draw;
        self.draw = draw.wrapping_add(1).max(FIRST_DRAW);
        draw
    }

    /// From here on it is about this row; draws begin anew.
    pub(crate) fn start_row(&mut self, row: u32) {
        (self.row, self.draw) = (row, FIRST_DRAW);
    }

    /// Writes to a stream; each line that is complete goes to `emit`.
    pub(crate) fn write<E>(
        &mut self,
        output: Output,
        bytes: &[u8],
        line_bytes_max: usize,
        emit: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.stream(output).write(bytes, line_bytes_max, emit)
    }

    /// The lines that have no end at the end of a call.
    pub(crate) fn take_unfinished(&mut self) -> impl Iterator<Item = (Output, String)> + '_ {
        [Output::Stdout, Output::Stderr]
            .into_iter()
            .filter_map(move |output| Some((output, self.stream(output).take()?)))
    }

    fn stream(&mut self, output: Output) -> &mut LineBuffer {
        match output {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        }
    }
}

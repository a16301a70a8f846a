//! Calls of the `parquet` crate, which panics at some files that are damaged.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use parquet::errors::ParquetError;

thread_local! {
    /// Whether a panic of this thread is an answer, and nobody is to be told.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// What `call` answers; what is wrong, also where it panics.
///
/// # Errors
/// What is wrong with the file. It is not to be read on behind it.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    HOOK.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                told(panic);
            }
        }));
    });
    let was = IS_GUARDED.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(was);
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(text_of(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(brief(text.unwrap_or("it cannot be decoded")))
        }
    }
}

fn text_of(error: &ParquetError) -> String {
    let text = match error {
        ParquetError::General(text) | ParquetError::NYI(text) | ParquetError::EOF(text) => text,
        other => &other.to_string(),
    };
    brief(text)
}

/// The first line, and not all of a long one: some messages have the bytes of a whole page in them.
fn brief(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        assert_eq!(guarded(|| Ok(1)), Ok(1));
        let wrong = guarded(|| -> Result<(), _> { panic!("page {} is bad", 7) });
        assert_eq!(wrong, Err("page 7 is bad".to_owned()));
        let long = "x".repeat(1_000);
        let wrong = guarded(|| -> Result<(), _> { Err(ParquetError::General(long)) });
        assert_eq!(wrong.unwrap_err().len(), 203);
    }
}

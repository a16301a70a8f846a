//! The command line as its users see it: arguments and input in, output and exit code out.

mod basics;
mod demo;
mod invoke;
mod project;
mod run;
mod support;

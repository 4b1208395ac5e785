//! The real binary, end to end. What a test starts, it ends.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bad_world;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod common;
#[cfg(test)]
mod continued;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod hurry;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod starved;
mod summaries;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod watch;

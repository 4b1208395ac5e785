//! `clearline causes`: everything that clearline can name.

use std::path::Path;

use clap::Args;
use clearline_model::{Cause, Failure, Sent, Stage, classify};
use clearline_report::{json, layout, terminal};

use crate::exit::{self, Failure as Refused};
use crate::settings::edits;
use crate::{look, out};

/// Lists the causes that clearline names, or explains one
#[derive(Debug, Args)]
pub(crate) struct Causes {
    /// A cause, such as tcp.refused, or a layer, such as dns
    id: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Says what can name each cause: a cell of the classifier, a rule of the doctor, or a pattern of texts
    #[arg(long)]
    emitters: bool,
}

impl Causes {
    pub(crate) fn run(self, lang: Option<&str>, config: Option<&Path>) -> Result<u8, Refused> {
        let chosen = self.chosen()?;
        let prose = look::prose(lang, config);
        if self.emitters {
            return self.show_emitters(&chosen);
        }
        if self.json {
            let args = clearline_report::Args::default();
            let causes: Vec<_> = chosen.iter().map(|c| json::cause(&prose, *c, &args)).collect();
            out::say(&serde_json::json!({ "schema": "clearline.causes/1", "causes": causes }).to_string())?;
            return Ok(exit::WELL);
        }
        let args = clearline_report::Args::default();
        if let (Some(_), [only]) = (&self.id, chosen.as_slice()) {
            out::say(&terminal::cause(&prose, look::style(), *only, &args))?;
            return Ok(exit::WELL);
        }
        let wide = chosen.iter().map(|c| c.id().len()).max().unwrap_or(0);
        for cause in chosen {
            let title = prose.explain(cause, &args).title;
            out::say(&format!("{}  {title}", layout::pad(cause.id(), wide)))?;
        }
        Ok(exit::WELL)
    }

    /// The causes that are meant.
    fn chosen(&self) -> Result<Vec<Cause>, Refused> {
        let Some(written) = &self.id else { return Ok(Cause::ALL.to_vec()) };
        let id = written.trim().to_ascii_lowercase();
        if let Ok(cause) = id.parse::<Cause>() {
            return Ok(vec![cause]);
        }
        let of_layer = |c: &&Cause| c.id().split('.').next() == Some(id.as_str());
        let layer: Vec<Cause> = Cause::ALL.iter().filter(of_layer).copied().collect();
        if layer.is_empty() {
            let near = near(&id);
            let hint = if near.is_empty() {
                "List them all with: clearline causes".to_owned()
            } else {
                format!("Did you mean {}?", near.join(", "))
            };
            return Err(Refused::usage(format!("there is no cause and no layer \"{written}\"\n  {hint}")));
        }
        Ok(layer)
    }

    fn show_emitters(&self, chosen: &[Cause]) -> Result<u8, Refused> {
        let (classified, read, judged) =
            (classified(), clearline_logs::emitted(), clearline_diagnose::emitted());
        let emitters = |cause: Cause| {
            let mut all = Vec::new();
            if classified.contains(&cause) {
                all.push("classifier");
            }
            if judged.contains(&cause) {
                all.push("rule");
            }
            if read.contains(&cause) {
                all.push("pattern");
            }
            all
        };
        if self.json {
            let rows = chosen.iter().map(|c| serde_json::json!({ "id": c.id(), "emitters": emitters(*c) }));
            let value =
                serde_json::json!({ "schema": "clearline.emitters/1", "causes": rows.collect::<Vec<_>>() });
            out::say(&value.to_string())?;
            return Ok(exit::WELL);
        }
        let wide = chosen.iter().map(|c| c.id().len()).max().unwrap_or(0);
        for cause in chosen {
            let by = emitters(*cause);
            let by = if by.is_empty() { "nothing yet".to_owned() } else { by.join(", ") };
            out::say(&format!("{}  {by}", layout::pad(cause.id(), wide)))?;
        }
        Ok(exit::WELL)
    }
}

/// The causes that were probably meant: those that have this in them, else those that miss it by a slip.
fn near(id: &str) -> Vec<&'static str> {
    const SHOWN: usize = 5;
    const SLIP: usize = 2;
    let all = || Cause::ALL.iter().map(|c| c.id());
    let within: Vec<_> = all().filter(|known| !id.is_empty() && known.contains(id)).take(SHOWN).collect();
    if !within.is_empty() {
        return within;
    }
    let mut slips: Vec<_> =
        all().map(|known| (edits(id, known), known)).filter(|(n, _)| *n <= SLIP).collect();
    slips.sort_unstable();
    slips.into_iter().map(|(_, known)| known).take(SHOWN).collect()
}

/// Every cause that the classifier names for some failure of some stage.
fn classified() -> Vec<Cause> {
    let samples = Failure::samples();
    let cells = Stage::ALL.iter().flat_map(|stage| samples.iter().map(move |failure| (*stage, failure)));
    let mut causes: Vec<Cause> = cells
        .flat_map(|(stage, failure)| [Sent::No, Sent::Yes].map(|sent| classify(stage, failure, sent)))
        .collect();
    causes.sort_unstable();
    causes.dedup();
    causes
}

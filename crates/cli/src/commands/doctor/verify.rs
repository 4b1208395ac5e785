//! `clearline doctor --verify`: whether the fix worked, by the probes that decide it.

use clearline_diagnose::{Evidence, compare, deciding};
use clearline_model::{Dur, Status};
use clearline_report::{Prose, verify};
use tokio::time::Instant;

use super::subject::Subject;
use super::{Doctor, see};
use crate::exit::{self, Failure};
use crate::{look, out, saved, serve};

pub(super) fn run(doctor: &Doctor, subject: &Subject, prose: &Prose) -> Result<u8, Failure> {
    let begun = Instant::now();
    let file = match &doctor.from {
        Some(file) => file.clone(),
        None => saved::last().filter(|file| file.exists()).ok_or_else(|| {
            Failure::usage("there is no diagnosis to verify: none has found a problem here yet\n  Make one with: clearline doctor")
        })?,
    };
    let before = Evidence::new(saved::read(&file)?);
    let (old, _) = doctor.judge(&before);
    if matches!(old.status, Status::Healthy | Status::Inconclusive) {
        return Err(Failure::usage(format!(
            "{} found nothing that could be fixed\n  Make a new diagnosis with: clearline doctor",
            file.display()
        )));
    }
    let (facts, mut world) = doctor.world(subject)?;
    if let Some(world) = &mut world {
        world.goal.only = Some(deciding(&world.goal, &before, &old));
    }
    let after = serve::one_thread()?.block_on(see(world.as_ref(), facts, begun));
    let (new, _) = doctor.judge(&after);
    let verification = compare((&before, &old), (&after, &new));
    let elapsed = Dur::from(begun.elapsed());
    if doctor.json {
        out::say(&verify::json(&verification, elapsed).to_string())?;
    } else {
        out::say(&verify::text(prose, look::style(), &verification, elapsed))?;
    }
    Ok(match verification.is_well() {
        Some(true) => exit::WELL,
        Some(false) => exit::PROBLEM,
        None => exit::INCONCLUSIVE,
    })
}

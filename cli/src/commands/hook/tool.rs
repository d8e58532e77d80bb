//! What is said before and after a tool writes files.

use super::{asked::Asked, news, unreachable};
use crate::{
    context::Context,
    error::Error,
    guard::{
        decision::{self, Decision},
        holding::{self, Holding},
        journal::Journal,
        place,
        policy::Policy,
    },
    hosts::Verdict,
    output::words,
};

/// Before it is used.
pub(super) async fn before(context: &Context<'_>, asked: &[Asked]) -> Verdict {
    let mut told = String::new();
    for asked in asked {
        match before_in(context, asked).await {
            Ok(Verdict::Tell(text)) => told += &format!("\n{text}"),
            Ok(Verdict::Silent) => {}
            Ok(refused @ Verdict::Refuse(_)) => return refused,
            // It is answered, if not about the files: no policy speaks for who is not to have them.
            Err(error @ Error::Refused(_)) => {
                return Verdict::Refuse(unreachable::no_answer(&error, &asked.all(), context.out));
            }
            Err(error) => {
                let policy = Policy::find(Some(&asked.place.link), Some(&context.login));
                let why = unreachable::reason(&error, context.out);
                let journal = Journal::of(context, asked.place.project());
                match unreachable::verdict(policy, &why, &asked.all(), Some((&journal, &asked.place))) {
                    Verdict::Tell(text) => told += &format!("\n{text}"),
                    other => return other,
                }
            }
        }
    }
    if told.is_empty() { Verdict::Silent } else { Verdict::Tell(told.trim_start().to_owned()) }
}

async fn before_in(context: &Context<'_>, asked: &Asked) -> Result<Verdict, Error> {
    let project = asked.place.project();
    // First what may be refused: who is refused takes nothing.
    for (names, what) in [
        (&asked.discarded, "this throws away changes of others that are not committed"),
        (&asked.anywhere, "this may write files of others, as far as can be seen before it runs"),
    ] {
        let held = decision::look(context, project, names).await?;
        if !held.is_empty() {
            return Ok(Verdict::Refuse(format!(
                "Nexus: {what}.\n{}\nName the files that are yours instead.",
                holding::lines(&held, context.out.clock())
            )));
        }
    }
    let mut told = String::new();
    if !asked.names.is_empty() {
        match decision::decide(context, &asked.place, &asked.names).await? {
            Decision::Mine => {}
            Decision::Taken(paths) => {
                told += &format!("Nexus: {} was free and is yours alone now.", words::list(&paths));
            }
            Decision::Held(held) => return Ok(Verdict::Refuse(denial(context, &held, asked))),
        }
        told += &place::unclaimable(&asked.names).map(|text| format!("\n{text}")).unwrap_or_default();
    }
    told += &news::news(context, project).await;
    let told = told.trim_start();
    Ok(if told.is_empty() { Verdict::Silent } else { Verdict::Tell(told.to_owned()) })
}

fn denial(context: &Context<'_>, held: &[Holding], asked: &Asked) -> String {
    let file = held.first().map_or("FILE", |holding| holding.wanted.as_str());
    let others =
        asked.names.iter().filter(|name| !held.iter().any(|holding| holding.wanted == **name)).count();
    let rest =
        if others > 0 { " Nothing was written; the other files can be edited on their own." } else { "" };
    format!(
        "Nexus: {}\nDo not write it by other means either.{rest}\nNext: nexus why {file} says what for and how to get \
         it; nexus feature available shows work that is free of it.",
        holding::lines(held, context.out.clock())
    )
}

/// After it was used: the fact is there. Who holds what was written is said, and what could not be asked is
/// remembered. What the tool was not told to write somebody else may have written who works in the same folder.
pub(super) async fn after(context: &Context<'_>, asked: &[Asked]) -> Verdict {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for asked in asked {
        match decision::look(context, asked.place.project(), &asked.names).await {
            Ok(held) => {
                let is_own = |holding: &Holding| asked.told.contains(&holding.wanted);
                let (told, rest): (Vec<_>, Vec<_>) = held.into_iter().partition(is_own);
                own.extend(told);
                others.extend(rest);
            }
            Err(error) => {
                // Whoever cannot write it down here said so before the tool was used.
                let _ = Journal::of(context, asked.place.project()).add(
                    &asked.place,
                    &asked.names,
                    &unreachable::reason(&error, context.out),
                );
            }
        }
    }
    let lines = |held: &[Holding]| holding::lines(held, context.out.clock());
    let mut text = String::new();
    if !own.is_empty() {
        text += &format!(
            "WARNING: you wrote files that somebody else holds:\n{}\nTake the changes back (git diff shows them): \
             they cannot be committed by you. nexus why FILE says how to get a file.\n",
            lines(&own)
        );
    }
    if !others.is_empty() {
        text += &format!(
            "Nexus: files that somebody else holds changed while your command ran:\n{}\nTheir holder may have changed \
             them, if you share this folder; then leave them alone. If it was your command, take its changes back \
             (git diff shows them): they cannot be committed by you.\n",
            lines(&others)
        );
    }
    let text = text.trim_end().to_owned();
    match (own.is_empty(), text.is_empty()) {
        (_, true) => Verdict::Silent,
        (true, false) => Verdict::Tell(text),
        (false, false) => Verdict::Refuse(text),
    }
}

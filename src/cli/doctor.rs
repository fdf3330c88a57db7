//! `rr doctor`

use super::output;
use super::verbs::Verb;
use crate::container::doctor::{self, Finding, Verdict};
use crate::error::Result;
use serde_json::json;

/// Show what this machine offers and rr will use, and how to mend what is missing
///
/// Each thing is found out by trying it. The exit status is 0 where `rr run` works, perhaps with less than it could
/// have, and 1 where it does not.
#[derive(Debug, clap::Parser)]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verb for Doctor {
    fn run(self) -> Result<i32> {
        let findings = doctor::examine();
        let works = findings.iter().all(|finding| finding.verdict != Verdict::Missing);
        match self.json {
            true => output::line(&json!({ "Works": works, "Findings": findings }).to_string())?,
            false => output::text(&for_people(&findings, works))?,
        }
        Ok(i32::from(!works))
    }
}

fn for_people(findings: &[Finding], works: bool) -> String {
    let width = findings.iter().map(|finding| finding.topic.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Works => "ok",
            Verdict::Lesser => "less",
            Verdict::Missing => "MISSING",
        };
        text += &format!("{verdict:7}  {:width$}  {}\n", finding.topic, finding.says);
        for remedy in &finding.remedies {
            text += &format!("{:7}  {:width$}  hint: {remedy}\n", "", "");
        }
    }
    let any = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    text += match (works, any(Verdict::Lesser)) {
        (true, false) => "\n`rr run` works here, with all it needs.\n",
        (true, true) => "\n`rr run` works here, with less than it could have.\n",
        (false, _) => "\n`rr run` does not work here.\n",
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(topic: &str, verdict: Verdict, remedies: &[&str]) -> Finding {
        let remedies = remedies.iter().map(|&remedy| remedy.to_owned()).collect();
        Finding { topic: topic.into(), verdict, says: "as it is".into(), remedies }
    }

    #[test]
    fn findings_stand_below_each_other() {
        let findings = [finding("a", Verdict::Works, &[]), finding("longer", Verdict::Lesser, &["do this"])];
        assert_eq!(
            for_people(&findings, true),
            "ok       a       as it is\nless     longer  as it is\n                 hint: do this\n\n\
             `rr run` works here, with less than it could have.\n"
        );
        assert!(for_people(&findings[..1], true).ends_with("with all it needs.\n"));
        let findings = [finding("a", Verdict::Missing, &[])];
        assert_eq!(for_people(&findings, false), "MISSING  a  as it is\n\n`rr run` does not work here.\n");
    }
}

//! The order of a build: which stages are needed, and each of their instructions in turn.

mod mounts;
mod transfer;

use super::arguments::{self, in_environment, value};
use super::files;
use super::run::{self, Execution};
use super::scratch::{Ground, Harvest};
use super::snapshot::Snapshot;
use super::{Cache, Event, Failed, Request};
use crate::container::instructions;
use crate::error::{Doing, ExitCode, Failure, Result};
use crate::host::userns::{UsernsRequest, plan_maps};
use crate::image::built::{self, Built};
use crate::image::config::ContainerConfig;
use crate::image::digest::{Digest, Hasher};
use crate::image::dockerfile::{self, Command, Dockerfile, Expander, Instruction, MountFlag, Run, Stage, Step};
use crate::image::platform::Platform;
use crate::image::reference::ImageName;
use crate::image::unpack::UnmappedIds;
use crate::image::{self, Image, NewImage, PullRequest};
use crate::launch::StoreNamespace;
use crate::net::{NetworkMode, NetworkPlan};
use std::time::Instant;

type Outcome<T = ()> = std::result::Result<T, Failed>;

/// Builds. The process must be single-threaded.
///
/// # Errors
/// The Dockerfile has a mistake, a step fails, a file is not there; what was finished before is remembered.
pub fn build(request: &Request<'_>) -> Outcome<Image> {
    let file = dockerfile::parse(request.dockerfile)?;
    let (ids, notices) = plan_maps(&UsernsRequest::Auto)?;
    notices.iter().for_each(|notice| request.reporter.event(Event::Note(&notice.0)));
    let ground = Ground { store: request.store, ids, namespace: StoreNamespace::here()? };
    let _lock = request.store.lock_shared()?;
    let mut engine = Engine::new(request, ground, file)?;
    let target = engine.target()?;
    for stage in engine.needed(target) {
        engine.stage(stage)?;
    }
    let snapshot =
        engine.snapshots[target].take().ok_or_else(|| Failure::new("cannot build", "the target was not built"))?;
    engine.finish(snapshot)
}

/// Where the files of a stage begin.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Begin {
    Scratch,
    Stage(usize),
    Image(String),
}

struct Engine<'a> {
    request: &'a Request<'a>,
    ground: Ground<'a>,
    file: Dockerfile,
    /// The ARGs before the first FROM, and what is known of platforms.
    globals: Vec<(String, String)>,
    /// Where each stage begins.
    begins: Vec<Begin>,
    /// What has come of each stage.
    snapshots: Vec<Option<Snapshot>>,
    /// How many steps have begun, of how many.
    steps: (usize, usize),
}

/// A stage while it is built.
struct Building {
    snapshot: Snapshot,
    /// Its ARGs with their values.
    arguments: Vec<(String, String)>,
    /// Whether CMD stood in this stage: ENTRYPOINT takes back only that of the base.
    has_cmd: bool,
    /// `[name 2/5]`, without the number.
    name: String,
    step: usize,
    steps: usize,
}

impl<'a> Engine<'a> {
    fn new(request: &'a Request<'a>, ground: Ground<'a>, file: Dockerfile) -> Outcome<Engine<'a>> {
        let target = request.platform.clone().unwrap_or_else(Platform::host);
        let mut globals = arguments::of_platforms(&target);
        for (name, default) in &file.arguments {
            let known = |name: &str| value(&globals, name).map(str::to_owned);
            let expander = Expander { escape: file.escape, value: &known };
            let default = default.as_ref().map(|text| expander.word(text)).transpose().doing(|| "failed to solve")?;
            let given = value(request.arguments, name).map(str::to_owned);
            if let Some(value) = given.or(default) {
                globals.push((name.clone(), value));
            }
        }
        let mut begins = Vec::new();
        for (index, stage) in file.stages.iter().enumerate() {
            let begin = begin_of(stage, &file.stages[..index], &globals, file.escape);
            begins.push(begin.map_err(|failure| Failed::at(stage.span, failure))?);
        }
        let snapshots = file.stages.iter().map(|_| None).collect();
        Ok(Engine { request, ground, file, globals, begins, snapshots, steps: (0, 0) })
    }

    /// The stage that is wanted.
    fn target(&self) -> Result<usize> {
        let Some(name) = self.request.target else { return Ok(self.file.stages.len() - 1) };
        self.find_stage(name, self.file.stages.len()).ok_or_else(|| {
            Failure::new("failed to solve", format!("target stage \"{name}\" could not be found"))
                .code(ExitCode::General)
        })
    }

    /// A stage before `end` by name or number.
    fn find_stage(&self, name: &str, end: usize) -> Option<usize> {
        find_stage(&self.file.stages[..end], name)
    }

    /// The stages that `target` needs, itself last.
    fn needed(&mut self, target: usize) -> Vec<usize> {
        let mut needed = vec![false; target + 1];
        needed[target] = true;
        // A stage needs earlier ones only.
        for stage in (0..=target).rev().filter(|stage| needed[*stage]).collect::<Vec<_>>() {
            self.mark(stage, &mut needed);
        }
        let needed: Vec<usize> = (0..=target).filter(|stage| needed[*stage]).collect();
        let count = |stage: &usize| 1 + self.file.stages[*stage].steps.iter().filter(|step| makes_layer(step)).count();
        self.steps = (0, needed.iter().map(count).sum());
        needed
    }

    fn mark(&self, stage: usize, needed: &mut [bool]) {
        let mut used: Vec<usize> = Vec::new();
        if let Begin::Stage(base) = self.begins[stage] {
            used.push(base);
        }
        for step in &self.file.stages[stage].steps {
            match &step.instruction {
                Instruction::Copy(files) => {
                    used.extend(files.from.as_ref().and_then(|from| self.find_stage(from, stage)))
                }
                Instruction::Run(run) => {
                    let flags = run.mounts.iter().filter_map(|text| MountFlag::parse(text).ok());
                    used.extend(flags.filter_map(|flag| self.find_stage(flag.get("from")?, stage)));
                }
                _ => {}
            }
        }
        for earlier in used {
            if !std::mem::replace(&mut needed[earlier], true) {
                self.mark(earlier, needed);
            }
        }
    }

    /// Builds one stage; those it needs are built.
    fn stage(&mut self, index: usize) -> Outcome {
        let stage = self.file.stages[index].clone();
        let name = match (&stage.name, self.file.stages.len()) {
            (Some(name), _) => name.clone(),
            (None, 1) => String::new(),
            (None, _) => format!("stage-{index}"),
        };
        let steps = 1 + stage.steps.iter().filter(|step| makes_layer(step)).count();
        let mut building =
            Building { snapshot: Snapshot::new(None), arguments: Vec::new(), has_cmd: false, name, step: 0, steps };
        building.snapshot =
            self.begin(&mut building, index, &stage).map_err(|failure| Failed::at(stage.span, failure))?;
        for text in std::mem::take(&mut building.snapshot.config.config.on_build) {
            let instruction = dockerfile::parse_instruction(&text, '\\').doing(|| "failed to solve");
            let done = instruction.and_then(|instruction| {
                let step = Step { span: stage.span, text, instruction };
                self.instruction(&mut building, &step, index)
            });
            done.map_err(|failure| Failed::at(stage.span, failure))?;
        }
        for step in &stage.steps {
            self.instruction(&mut building, step, index).map_err(|failure| Failed::at(step.span, failure))?;
        }
        self.snapshots[index] = Some(building.snapshot);
        Ok(())
    }

    fn tell_begin(&mut self, building: &mut Building, text: &str) {
        building.step += 1;
        self.steps.0 += 1;
        let blank = if building.name.is_empty() { "" } else { " " };
        let title = format!("[{}{blank}{}/{}] {text}", building.name, building.step, building.steps);
        self.request.reporter.event(Event::Begin { title: &title, instruction: text, place: self.steps });
    }

    /// What the stage begins with.
    fn begin(&mut self, building: &mut Building, index: usize, stage: &Stage) -> Result<Snapshot> {
        let began = Instant::now();
        let begin = self.begins[index].clone();
        let shown = match &begin {
            Begin::Image(name) => format!("FROM {name}"),
            Begin::Stage(_) | Begin::Scratch => format!("FROM {}", stage.base),
        };
        self.tell_begin(building, &shown);
        let snapshot = match begin {
            Begin::Scratch => Snapshot::new(None),
            Begin::Stage(earlier) => {
                let snapshot = self.snapshots[earlier].clone();
                snapshot.ok_or_else(|| Failure::new("cannot build", "a stage is built before its base"))?
            }
            Begin::Image(name) => Snapshot::new(Some(self.image(&name)?)),
        };
        self.request.reporter.event(Event::Done { took: began.elapsed() });
        Ok(snapshot)
    }

    /// An image by name, complete and unpacked.
    fn image(&self, name: &str) -> Result<Image> {
        let name = match self.request.contexts.get(name).map(String::as_str) {
            Some(other) => other.strip_prefix("docker-image://").ok_or_else(|| {
                let cause = format!("the build context {name} is a directory, not an image");
                Failure::new("failed to solve", cause).code(ExitCode::General)
            })?,
            None => name,
        };
        let parsed = ImageName::parse(name).doing(|| format!("failed to parse image name \"{name}\""))?;
        let pull = PullRequest {
            name: &parsed,
            policy: self.request.pull,
            platform: self.request.platform.clone(),
            maps: &self.ground.ids,
            unmapped: UnmappedIds::Squash,
            progress: self.request.pulling,
            dirs: self.request.dirs,
            access: self.request.access,
        };
        image::pull(self.request.store, &pull)
    }

    fn instruction(&mut self, building: &mut Building, step: &Step, stage: usize) -> Result<()> {
        match &step.instruction {
            Instruction::Copy(files) | Instruction::Add(files) => self.copy(building, files, step, stage),
            Instruction::Run(run) => self.run(building, run, step, stage),
            Instruction::Arg(list) => self.declare(building, list),
            Instruction::Workdir(_) => self.workdir(building, step),
            instruction => {
                let before = &building.snapshot.config.config;
                let mut config = before.clone();
                self.change(building, &mut config, instruction)?;
                if let Instruction::Maintainer(author) = instruction {
                    building.snapshot.config.author.clone_from(author);
                }
                building.snapshot.config.config = config;
                building.snapshot.note(step.text.clone());
                Ok(())
            }
        }
    }

    /// Words in the config.
    fn change(&self, building: &mut Building, config: &mut ContainerConfig, instruction: &Instruction) -> Result<()> {
        match instruction {
            Instruction::Cmd(_) => building.has_cmd = true,
            // The base's was meant for the base's entrypoint.
            Instruction::Entrypoint(_) if !building.has_cmd => config.cmd.clear(),
            _ => {}
        }
        let known = |name: &str| self.variable(building, name);
        let expander = Expander { escape: self.file.escape, value: &known };
        instructions::change(config, instruction, &expander).doing(|| "failed to solve")
    }

    /// The value of a variable in a stage: what ENV says before what ARG says.
    fn variable(&self, building: &Building, name: &str) -> Option<String> {
        let environment = &building.snapshot.config.config.env;
        in_environment(environment, name).or_else(|| value(&building.arguments, name)).map(str::to_owned)
    }

    /// `ARG` in a stage: the command line's value, else the default, else that of the ARG before FROM.
    fn declare(&self, building: &mut Building, list: &[(String, Option<String>)]) -> Result<()> {
        for (name, default) in list {
            let known = |name: &str| self.variable(building, name);
            let expander = Expander { escape: self.file.escape, value: &known };
            let default = default.as_ref().map(|text| expander.word(text)).transpose().doing(|| "failed to solve")?;
            let given = value(self.request.arguments, name).map(str::to_owned);
            let found = given.or_else(|| default.clone()).or_else(|| value(&self.globals, name).map(str::to_owned));
            building.snapshot.note(match &found {
                Some(value) => format!("ARG {name}={value}"),
                None => format!("ARG {name}"),
            });
            if let Some(value) = found {
                building.arguments.push((name.clone(), value));
            }
        }
        Ok(())
    }

    fn workdir(&mut self, building: &mut Building, step: &Step) -> Result<()> {
        let mut config = building.snapshot.config.config.clone();
        self.change(building, &mut config, &step.instruction)?;
        building.snapshot.config.config = config;
        let path = building.snapshot.config.config.working_dir.clone();
        self.tell_begin(building, &step.text);
        let key = Key::new("workdir", &building.snapshot).text(&path).finish();
        let layers = building.snapshot.trees(self.ground.store, &self.ground.ids.key());
        self.layer(building, &step.text, format!("WORKDIR {path}"), key, |engine| {
            files::make_directory(&engine.ground, layers, engine.request.driver, &path)
        })
    }

    fn run(&mut self, building: &mut Building, run: &Run, step: &Step, stage: usize) -> Result<()> {
        let network = self.network_of(run)?;
        let config = &building.snapshot.config.config;
        let args = match &run.command {
            Command::Exec(words) => words.clone(),
            Command::Shell(line) => {
                let mut words = instructions::shell_of(config);
                words.push(with_documents(line, run));
                words
            }
        };
        let mut env: Vec<(String, String)> = arguments::proxies(self.request.arguments).cloned().collect();
        env.extend(building.arguments.iter().cloned());
        env.extend(
            config
                .env
                .iter()
                .filter_map(|entry| entry.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let cwd = if config.working_dir.is_empty() { "/" } else { &config.working_dir }.to_owned();
        let user = config.user.clone();
        let mut key = Key::new("run", &building.snapshot).text(&cwd).text(&user);
        for word in &args {
            key = key.text(word);
        }
        // Proxies leave no trace.
        for (name, value) in building.arguments.iter() {
            key = key.text(name).text(value);
        }
        for entry in &config.env {
            key = key.text(entry);
        }
        key = key.text(run.network.as_deref().unwrap_or_default());
        let (mounts, key) = self.mounts(building, run, stage, key)?;
        env.extend(mounts.env.iter().cloned());
        let diff_ids = building.snapshot.diff_ids().iter().map(Digest::to_string).collect();
        let created_by = created_by_run(&building.arguments, &args);
        self.tell_begin(building, &step.text);
        let done = self.layer(building, &step.text, created_by, key.finish(), |engine| {
            let execution = Execution {
                args,
                env: &env,
                cwd: &cwd,
                user: &user,
                network,
                mounts: mounts.list.clone(),
                left: mounts.targets(),
                diff_ids,
                driver: engine.request.driver,
            };
            run::execute(&engine.ground, execution, engine.request.reporter)
        });
        mounts.clear(self)?;
        done
    }

    /// The network of a step: its own, or that of the build.
    fn network_of(&self, run: &Run) -> Result<NetworkPlan> {
        if run.security.as_deref().is_some_and(|security| security != "sandbox") {
            let cause = "security.insecure is not allowed: nobody here could grant more than the user has";
            return Err(Failure::new("failed to solve", cause).code(ExitCode::General));
        }
        let mode = match run.network.as_deref() {
            None | Some("default") => return Ok(self.request.network.clone()),
            Some("none") => NetworkMode::None,
            Some("host") => NetworkMode::Host,
            Some(other) => {
                let cause = format!("unsupported network mode \"{other}\"");
                return Err(Failure::new("failed to solve", cause).code(ExitCode::General));
            }
        };
        Ok(NetworkPlan { mode, ..self.request.network.clone() })
    }

    /// A step that changes files: what is remembered of it, or what `make` makes.
    fn layer(
        &self,
        building: &mut Building,
        text: &str,
        created_by: String,
        key: Digest,
        make: impl FnOnce(&Self) -> Result<Harvest>,
    ) -> Result<()> {
        let began = Instant::now();
        if self.request.cache == Cache::Used
            && let Some(built) = built::find(self.ground.store, &key)
        {
            self.settle(&built)?;
            self.request.reporter.event(Event::Cached);
            building.snapshot.add(built.layer, built.created, created_by);
            return Ok(());
        }
        let harvest = make(self)?;
        if let Some(first) = &harvest.report.first_foreign {
            let text = format!(
                "{} files have owners that are not mapped and were given to root, the first is {first}",
                harvest.report.foreign
            );
            self.request.reporter.event(Event::Note(&text));
        }
        let created = jiff::Timestamp::now().to_string();
        let built = Built { layer: harvest.layer, created, step: text.to_owned() };
        built::keep(self.ground.store, &key, &built)?;
        self.request.reporter.event(Event::Done { took: began.elapsed() });
        building.snapshot.add(built.layer, built.created, created_by);
        Ok(())
    }

    /// Unpacks a remembered layer where it is not under these id maps yet.
    fn settle(&self, built: &Built) -> Result<()> {
        let Some(layer) = &built.layer else { return Ok(()) };
        let ground = &self.ground;
        if ground.store.layer(&ground.ids.key(), &layer.diff_id.hex()).exists() {
            return Ok(());
        }
        ground.namespace.run(|| image::settle(ground.store, layer, &ground.ids, ground.namespace.maps(), None))
    }

    /// The image of the last snapshot.
    fn finish(&self, snapshot: Snapshot) -> Outcome<Image> {
        let mut config = snapshot.config;
        config.created = snapshot.time.or_else(|| Some(jiff::Timestamp::now().to_string()));
        config.config.labels.extend(self.request.labels.clone());
        let new = NewImage {
            base: snapshot.base.as_ref(),
            config,
            layers: &snapshot.layers,
            history: snapshot.history,
            format: self.request.format,
            names: self.request.names,
        };
        Ok(image::add_image(self.request.store, new)?)
    }
}

/// Whether a step has a line of its own in what is shown.
fn makes_layer(step: &Step) -> bool {
    matches!(
        step.instruction,
        Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_)
    )
}

fn find_stage(stages: &[Stage], name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let named = stages.iter().rposition(|stage| stage.name.as_ref() == Some(&lower));
    named.or_else(|| name.parse().ok().filter(|index| *index < stages.len()))
}

/// What FROM means.
fn begin_of(stage: &Stage, earlier: &[Stage], globals: &[(String, String)], escape: char) -> Result<Begin> {
    let known = |name: &str| value(globals, name).map(str::to_owned);
    let base = Expander { escape, value: &known }.word(&stage.base).doing(|| "failed to solve")?;
    if base.is_empty() {
        return Err(Failure::new("failed to solve", format!("base name ({}) should not be blank", stage.base)));
    }
    let lower = base.to_lowercase();
    if let Some(index) = earlier.iter().rposition(|stage| stage.name.as_ref() == Some(&lower)) {
        return Ok(Begin::Stage(index));
    }
    Ok(if base == "scratch" { Begin::Scratch } else { Begin::Image(base) })
}

/// What the shell is given: a here-document alone is its script, one of several words is left to it.
fn with_documents(line: &str, run: &Run) -> String {
    match run.heredocs.as_slice() {
        [] => line.to_owned(),
        [only] if dockerfile::lines::heredoc(line).is_some() => only.stripped(),
        several => {
            let mut text = line.to_owned();
            for document in several {
                text.push_str(&format!("\n{}{}", document.content, document.name));
            }
            text
        }
    }
}

/// `RUN |1 a=b /bin/sh -c make # buildkit`
fn created_by_run(arguments: &[(String, String)], args: &[String]) -> String {
    let given: Vec<String> = arguments.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    let count = if given.is_empty() { String::new() } else { format!("|{} ", given.len()) };
    format!("RUN {count}{}{} # buildkit", given.concat(), args.join(" "))
}

/// The digest under which what comes of a step is remembered.
struct Key(Hasher);

impl Key {
    /// For this kind of step, upon these files.
    fn new(kind: &str, snapshot: &Snapshot) -> Key {
        let mut hasher = Hasher::new();
        hasher.update(snapshot.chain().bytes());
        Key(hasher).text(kind)
    }

    fn text(self, text: &str) -> Key {
        self.bytes(text.as_bytes())
    }

    /// With its length, so that no two lists look the same.
    fn bytes(mut self, bytes: &[u8]) -> Key {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    fn digest(self, digest: &Digest) -> Key {
        self.bytes(digest.bytes())
    }

    fn finish(self) -> Digest {
        self.0.finish()
    }
}

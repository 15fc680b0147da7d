//! What a person sees of a cluster: a live picture on a terminal, plain lines otherwise.

use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::grouped;
use crate::counter::Stats;
use crate::real_time::{self, Instant};

/// One node as a screen shows it.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its name.
    pub peer: String,
    /// Whether its process runs.
    pub running: bool,
    /// What it said of itself last.
    pub stats: Option<Stats>,
}

/// The picture of a moment.
#[derive(Clone, Debug)]
pub struct View {
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// How many additions were acknowledged so far.
    pub acked: u64,
    /// How many per second just now.
    pub ops_per_s: u64,
}

/// Shows what happens.
pub trait Screen: Send {
    /// Something worth remembering has happened.
    fn say(&mut self, text: &str);
    /// This is how things are.
    fn show(&mut self, view: &View);
    /// Nothing more will be shown.
    fn close(&mut self) {}
}

/// Lines: what happened at once, how things are every second.
pub struct Plain<W> {
    out: W,
    started: Instant,
    shown: Option<Instant>,
}

impl<W: Write + Send> Plain<W> {
    /// Lines into `out`.
    pub fn new(out: W) -> Self {
        Self { out, started: real_time::now(), shown: None }
    }

    fn line(&mut self, text: &str) {
        let at = self.started.elapsed().as_secs_f64();
        // Somebody who closes the pipe does not want to see it; that is no reason to stop.
        let _ = writeln!(self.out, "{at:6.1}s  {text}").and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Screen for Plain<W> {
    fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.line(line);
        }
    }

    fn show(&mut self, view: &View) {
        if self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(real_time::now());
        let nodes: Vec<String> = view.nodes.iter().map(in_short).collect();
        let total = total(view);
        self.line(&format!("{total} | {}", nodes.join(" | ")));
    }
}

impl<W> std::fmt::Debug for Plain<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Plain")
    }
}

/// A picture that is redrawn in place, below what happened.
#[derive(Debug)]
pub struct Live {
    picture: MultiProgress,
    nodes: Vec<ProgressBar>,
    total: ProgressBar,
    started: Instant,
}

impl Live {
    /// A picture of `nodes` nodes on standard output.
    pub fn new(nodes: usize) -> Self {
        let picture = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bar = |template| {
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            picture.add(ProgressBar::new(1).with_style(style.progress_chars("━╸ ")))
        };
        let nodes = (0..nodes).map(|_| bar("  {prefix:<17} {bar:24.cyan} {msg}")).collect();
        let total = bar("  {spinner} {msg}");
        Self { picture, nodes, total, started: real_time::now() }
    }
}

impl Screen for Live {
    fn say(&mut self, text: &str) {
        let at = self.started.elapsed().as_secs_f64();
        for line in text.lines() {
            // A terminal that is gone needs no lines.
            let _ = self.picture.println(format!("{at:6.1}s  {line}"));
        }
    }

    fn show(&mut self, view: &View) {
        let last =
            view.nodes.iter().filter_map(|node| node.stats.as_ref()).map(|s| s.committed).max();
        for (bar, node) in self.nodes.iter().zip(&view.nodes) {
            bar.set_prefix(node.peer.clone());
            bar.set_length(last.unwrap_or(1).max(1));
            bar.set_position(node.stats.as_ref().map_or(0, |stats| stats.applied));
            bar.set_message(in_words(node));
        }
        self.total.set_message(total(view));
        self.total.tick();
    }

    fn close(&mut self) {
        for bar in self.nodes.iter().chain([&self.total]) {
            bar.finish_and_clear();
        }
    }
}

fn in_words(node: &NodeView) -> String {
    match (&node.stats, node.running) {
        (Some(stats), true) => format!(
            "{} of term {}, applied {}, counter {}",
            stats.role,
            stats.term,
            grouped(stats.applied),
            signed(stats.value)
        ),
        (None, true) => "starting".to_owned(),
        (_, false) => "killed".to_owned(),
    }
}

fn in_short(node: &NodeView) -> String {
    let port = node.peer.rsplit(':').next().unwrap_or(&node.peer);
    match (&node.stats, node.running) {
        (Some(stats), true) => {
            format!("{port} {} t{} counter {}", stats.role, stats.term, signed(stats.value))
        }
        (None, true) => format!("{port} starting"),
        (_, false) => format!("{port} killed"),
    }
}

fn total(view: &View) -> String {
    format!("{} acknowledged, {}/s", grouped(view.acked), grouped(view.ops_per_s))
}

fn signed(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(value.unsigned_abs()))
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_happened_and_every_second_how_things_are() {
        let stats = Stats {
            group: "counter".to_owned(),
            role: "leader".to_owned(),
            term: 3,
            leader: None,
            committed: 12,
            applied: 11,
            value: -1234,
            fsyncs: 0,
        };
        let node = |port: u16, running, stats| {
            let peer = format!("127.0.0.1:{port}");
            NodeView { peer, running, stats }
        };
        let nodes = vec![node(1, true, Some(stats)), node(2, true, None), node(3, false, None)];
        let view = View { nodes, acked: 1000, ops_per_s: 7 };
        let mut out = Vec::new();
        let mut screen = Plain::new(&mut out);
        screen.say("first\nsecond");
        screen.show(&view);
        screen.show(&view);
        let expected = "   0.0s  first\n   0.0s  second\n   0.0s  1,000 acknowledged, 7/s \
                        | 1 leader t3 counter -1,234 | 2 starting | 3 killed\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

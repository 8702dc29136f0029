//! The screen drawn: rows, the chosen one in detail, events, help. Everything hostile is escaped on its way in.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Borders, Cell, Chart, Clear, Dataset, GraphType, Paragraph, Row, Table, Wrap};

use super::Screen;
use super::state::State;
use crate::report::escape::{shorten, terminal, width};
use crate::report::watch::{self, EventKind, text};
use crate::units::ByteCount;

const SPARK: usize = 16;
/// The columns behind the name: word, width, and the narrowest screen that has room for it.
const COLUMNS: [(&str, u16, u16); 7] = [
    ("PID", 7, 76),
    ("RSS", 9, 0),
    ("GROWTH", 12, 76),
    ("", SPARK as u16, 96),
    ("LIMIT", 5, 76),
    ("LEFT", 11, 0),
    ("VERDICT", 12, 0),
];
const HELP: [&str; 10] = [
    "↑ ↓ k j      choose a target       PgUp PgDn Home End",
    "s            sort: time to limit, growth, resident, name",
    "p, space     pause the screen; the watch goes on",
    "i            look into the chosen target now: a report",
    "d            the same, and keep its bytes",
    "?            this help",
    "q, Esc       quit",
    "",
    "growth is that of private memory; a target is a role:",
    "a worker that is killed and its successor share a row",
];

/// Draws `state` into the whole of `frame`.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, screen: &Screen<'_>) {
    let area = frame.area();
    let detail = if area.height >= 16 { (area.height * 45 / 100).max(8) } else { 0 };
    let [head, rows, below, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(detail),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(title(state)), head);
    table(frame, rows, state, screen);
    if detail > 0 {
        chosen(frame, below, state, screen);
    }
    let keys = if state.remark.is_empty() {
        " ? help  s sort  p pause  i inspect  d dump  q quit".into()
    } else {
        format!(" {}", terminal(&state.remark))
    };
    frame.render_widget(Paragraph::new(keys).style(dim()), foot);
    if state.helps {
        help(frame, area);
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn title(state: &State) -> Line<'static> {
    let board = state.board();
    let alive = board.rows().iter().filter(|row| row.is_alive).count();
    let kills: u64 = board.rows().iter().map(|row| row.oom_kills).sum();
    let selectors = terminal(&board.header.selectors.join(" ")).into_owned();
    let mut line =
        format!(" leakscope watch {selectors}  {alive} alive, {} watched", text::left(Some(board.at_seconds)));
    if kills > 0 {
        line.push_str(&format!(", {kills} OOM kills"));
    }
    line.push_str(&format!("  by {}", state.order.word()));
    let mut spans = vec![Span::styled(line, Style::new().add_modifier(Modifier::BOLD))];
    if state.is_paused() {
        spans.push(Span::styled("  PAUSED", Style::new().add_modifier(Modifier::REVERSED)));
    }
    if state.is_over {
        spans.push(Span::styled("  OVER", Style::new().add_modifier(Modifier::REVERSED)));
    }
    Line::from(spans)
}

fn colored(kind: &str, screen: &Screen<'_>) -> Style {
    let color = match kind {
        "growing" => Color::Red,
        "stable" => Color::Green,
        _ => Color::Yellow,
    };
    if screen.color { Style::new().fg(color) } else { Style::new() }
}

fn table(frame: &mut Frame<'_>, area: Rect, state: &mut State, screen: &Screen<'_>) {
    let height = usize::from(area.height.saturating_sub(1));
    let (first, rows) = {
        let rows = state.rows();
        let chosen = state.chosen(&rows);
        let first = state.first_row.clamp((chosen + 1).saturating_sub(height.max(1)), chosen);
        let first = first.min(rows.len().saturating_sub(height));
        let shown = rows.iter().enumerate().skip(first).take(height);
        let shown = shown.map(|(index, row)| table_row(row, index == chosen, screen, area.width));
        (first, shown.collect::<Vec<_>>())
    };
    state.first_row = first;
    let words = std::iter::once("TARGET").chain(columns(area.width).map(|(word, ..)| word));
    let widths = columns(area.width).map(|(_, width, _)| width);
    let widths = std::iter::once(name_width(area.width)).chain(widths).map(Constraint::Length);
    let header = Row::new(words).style(dim());
    frame.render_widget(Table::new(rows, widths).header(header).column_spacing(1), area);
}

/// The columns that a screen of `width` shows.
fn columns(width: u16) -> impl Iterator<Item = (&'static str, u16, u16)> {
    COLUMNS.into_iter().filter(move |(.., narrowest)| width >= *narrowest)
}

/// What is left for names.
fn name_width(width: u16) -> u16 {
    width.saturating_sub(columns(width).map(|(_, width, _)| width + 1).sum()).max(8)
}

/// `name` in at most `columns`, its end kept: there is what tells one worker from another.
fn shortened(name: &str, columns: usize) -> String {
    if width(name) <= columns {
        return name.to_owned();
    }
    let mut end = name;
    while width(end) > columns / 2 {
        end = end.chars().next().map_or("", |first| &end[first.len_utf8()..]);
    }
    format!("{}{end}", shorten(name, columns.saturating_sub(width(end)), "~"))
}

fn table_row(row: &watch::Row, is_chosen: bool, screen: &Screen<'_>, width: u16) -> Row<'static> {
    let kind = match (&row.verdict, row.is_alive) {
        (_, false) if row.oom_kills > 0 => "oom-killed".to_owned(),
        (_, false) => "ended".to_owned(),
        (Some(verdict), true) => verdict.kind.clone(),
        (None, true) => "-".to_owned(),
    };
    let share = row.share_of_limit().map_or_else(|| "-".into(), |share| format!("{:.0}%", share * 100.0));
    let growth = if row.is_alive { text::pace(row.growth()) } else { "-".into() };
    let curve: Vec<f64> = row.curve.curve().iter().map(|(_, size)| size.0 as f64).collect();
    let all = [
        Cell::from(row.sample.pid.to_string()),
        Cell::from(row.sample.rss_bytes.to_string()),
        Cell::from(growth),
        Cell::from(text::sparkline(&curve, SPARK, screen.unicode)),
        Cell::from(share),
        Cell::from(text::left(row.seconds_to_limit())),
        Cell::from(kind.clone()).style(colored(&kind, screen)),
    ];
    let shown = all.into_iter().zip(COLUMNS).filter(|(_, (.., narrowest))| width >= *narrowest);
    let name = shortened(&terminal(&row.target), usize::from(name_width(width)));
    let cells: Vec<Cell<'_>> = std::iter::once(Cell::from(name)).chain(shown.map(|(cell, _)| cell)).collect();
    let style = match (is_chosen, row.is_alive) {
        (true, _) => Style::new().add_modifier(Modifier::REVERSED),
        (false, false) => dim(),
        (false, true) => Style::new(),
    };
    Row::new(cells).style(style)
}

fn chosen(frame: &mut Frame<'_>, area: Rect, state: &State, screen: &Screen<'_>) {
    let rows = state.rows();
    let Some(row) = rows.get(state.chosen(&rows)) else {
        frame.render_widget(Block::new().borders(Borders::TOP).title(" nobody yet "), area);
        return;
    };
    let title = format!(" {} (pid {}) ", terminal(&row.target), row.sample.pid);
    let block = Block::new().borders(Borders::TOP).title(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).spacing(1).areas(inside);
    curve(frame, left, row, screen);
    frame.render_widget(Paragraph::new(details(row, state, screen)).wrap(Wrap { trim: false }), right);
}

fn curve(frame: &mut Frame<'_>, area: Rect, row: &watch::Row, screen: &Screen<'_>) {
    const MIB: f64 = 1024.0 * 1024.0;
    let points: Vec<(f64, f64)> =
        row.curve.curve().iter().map(|(at, size)| (at.as_secs_f64(), size.0 as f64 / MIB)).collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let high = points.iter().map(|point| point.1).fold(0.0, f64::max) * 1.05;
    let end = last.0.max(first.0 + 1.0);
    let marker = if screen.unicode { symbols::Marker::Braille } else { symbols::Marker::Dot };
    let data = Dataset::default().marker(marker).graph_type(GraphType::Line).data(&points);
    let since = format!("-{}", text::left(Some(end - first.0)));
    let chart = Chart::new(vec![data])
        .x_axis(Axis::default().bounds([first.0, end]).labels([since, "now".into()]).style(dim()))
        .y_axis(
            Axis::default()
                .bounds([0.0, high])
                .labels(["0".into(), ByteCount((high * MIB) as u64).to_string()])
                .style(dim()),
        );
    frame.render_widget(chart, area);
}

fn details<'l>(row: &watch::Row, state: &State, screen: &Screen<'_>) -> Vec<Line<'l>> {
    let mut lines = Vec::new();
    if let Some(verdict) = &row.verdict {
        let style = colored(&verdict.kind, screen).add_modifier(Modifier::BOLD);
        let sentence = format!(" {}", terminal(&verdict.summary));
        lines.push(Line::from(vec![Span::styled(verdict.kind.to_uppercase(), style), Span::raw(sentence)]));
    }
    if let Some(limits) = &row.limits {
        let source = limits.source.as_deref().map(terminal).unwrap_or_default();
        let (usage, limit) = (text::size(limits.usage_bytes), text::size(limits.limit_bytes));
        lines.push(Line::raw(format!("limit  {usage} of {limit}, {} {source}", limits.kind)));
    }
    for region in &row.regions {
        let name = if region.name.is_empty() { region.kind.clone() } else { terminal(&region.name).into_owned() };
        let pace = text::pace(Some(region.growth_bytes_per_second.0));
        lines.push(Line::raw(format!("region {} {name}  {}  {pace}", region.start, region.held_bytes)));
    }
    let its = state.board().events.iter().rev().filter(|event| event.target == row.target || event.target.is_empty());
    for event in its.take(20) {
        let style = if event.event == EventKind::OomKilled { colored("growing", screen) } else { Style::new() };
        let line =
            format!("{} {} {}", text::clock(&event.time, &screen.zone), event.event.word(), terminal(&event.text));
        lines.push(Line::styled(line, style));
    }
    lines
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = (area.width.min(60), area.height.min(HELP.len() as u16 + 2));
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::raw(*line)).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" help ")), place);
}

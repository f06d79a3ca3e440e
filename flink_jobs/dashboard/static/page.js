// Everything from Kafka is put into the page as text, by textContent alone.

const STATES = {
  critical: ["▲", "critical drift"],
  drift: ["△", "drift"],
  failing: ["!", "tests fail"],
  no_reference: ["∅", "no reference"],
  silent: ["○", "silent"],
  forgotten: ["◌", "forgotten"],
  unstable: ["≈", "unstable reference"],
  paused: ["‖", "paused"],
  collecting: ["…", "collecting a reference"],
  untested: ["–", "not tested"],
  quiet: ["✓", "no drift"],
};
const RANK = Object.fromEntries(Object.keys(STATES).map((state, place) => [state, place]));
const CAUSES = { drift: "drift", silence: "silent", unstable_reference: "unstable reference", no_reference: "no reference", test_failed: "tests fail", untested: "not tested", forgotten: "forgotten", storm: "storm" };
const CAUSE_STATES = { silence: "silent", unstable_reference: "unstable", no_reference: "no_reference", test_failed: "failing", untested: "untested" };
const KINDS = { started: ["▲", "started"], ongoing: ["●", "ongoing"], recovered: ["▼", "recovered"] };
const ENDINGS = { normal: "", new_reference: "ended by a new reference", new_configuration: "ended by a new configuration", forgotten: "ended since the model was forgotten" };
const OUTCOMES = { applied: ["✔", "applied"], refused: ["✖", "refused"], waiting: ["◷", "waits for its time"], accepted: ["→", "accepted"] };
const COMMANDS = {
  snooze: { label: "Snooze…", verb: "Snooze", title: "Snooze this model?", text: "No alert is written until then. Windows are tested and scores go on; the next alert says how many were held back." },
  pause: { label: "Pause…", verb: "Pause", title: "Pause this model?", text: "Nothing is tested until somebody resumes it: drift in the meantime goes unseen." },
  resume: { label: "Resume", verb: "Resume" },
  rebaseline: { label: "Rebaseline…", verb: "Collect a new reference", title: "Collect a new reference?", text: "The present reference is dropped, open incidents end, and nothing is tested until the next events have made a new one. What flows in now becomes normal, drifted or not." },
  approve_current: { label: "Approve current…", verb: "Approve the last window", title: "Make the last test window the reference?", text: "What the last test window holds becomes the new normal, drifted or not, and open incidents end. The present reference is dropped." },
  describe: { label: "Describe", verb: "Describe" },
  acknowledge: { label: "Acknowledge", verb: "Acknowledge" },
};
const N_RECENT = 40;
const ROWS_A_PAGE = 200;
const N_ENTRIES = 150;
const N_ANSWERS = 4;
const SILENT_STREAM_MS = 10_000;
const CHART_EVERY_MS = 900;
const ANSWER_WITHIN_MS = 30_000;
const OVERVIEW_EVERY_MS = 5_000;
const token = document.querySelector('meta[name="loudly-token"]').content;

const $ = (id) => document.getElementById(id);

// What is known.
let facts = null;
let models = new Map(); // number -> row
let byName = new Map(); // name -> number
let entries = []; // newest first
let health = null;
let heardAt = 0; // when the last message of the stream came
let eventTimeMs = null;
const sent = []; // commands of this page, newest first
let isFirst = true;

// What is chosen.
let chosen = null; // number
let wanted = nameInAddress();
let chosenWatcher = null; // [view, detector]
let onlyState = null;
let limit = ROWS_A_PAGE;

// What has to be drawn.
let listIsStale = false;
let panelIsStale = false;
let incidentsAreStale = false;
let entriesAreStale = false;
let frame = 0;
const dirty = new Set(); // numbers of rows with new numbers

// ---- small helpers

function el(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// Control characters, marks of writing direction and what has no width could make a name look like
// another one. The same as flink_jobs/records/shown.py, which the command line uses.
const HIDDEN = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu;
const MOST_SHOWN = 200;
const MOST_OF_A_LINE = 1000;
function shown(text, most = MOST_SHOWN) {
  const plain = String(text ?? "").replace(HIDDEN, (mark) => {
    const code = mark.codePointAt(0).toString(16);
    if (code === "a" || code === "d" || code === "9") return { a: "\\n", d: "\\r", 9: "\\t" }[code];
    if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
    return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
  });
  if (plain.length <= most) return plain;
  return `${plain.slice(0, most - 21)}…${plain.slice(-20)}`;
}

const pad = (number, width = 2) => String(number).padStart(width, "0");
function day(ms) {
  const when = new Date(ms);
  return `${when.getUTCFullYear()}-${pad(when.getUTCMonth() + 1)}-${pad(when.getUTCDate())}`;
}
function clock(ms) {
  const when = new Date(ms);
  const seconds = when.getUTCSeconds() || when.getUTCMilliseconds() ? `:${pad(when.getUTCSeconds())}` : "";
  const millis = when.getUTCMilliseconds() ? `.${pad(when.getUTCMilliseconds(), 3)}` : "";
  return `${pad(when.getUTCHours())}:${pad(when.getUTCMinutes())}${seconds}${millis}`;
}
function moment(ms) {
  return ms === null || ms === undefined || Number.isNaN(new Date(ms).getTime()) ? "–" : `${day(ms)} ${clock(ms)} UTC`;
}
// Without the date where it is that of the newest event.
function shortMoment(ms) {
  if (ms === null || ms === undefined) return "–";
  return eventTimeMs !== null && day(ms) === day(eventTimeMs) ? `${clock(ms)} UTC` : moment(ms);
}
function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 2 * 86400) return `${Math.round(seconds / 360) / 10} h`;
  return `${Math.round(seconds / 8640) / 10} d`;
}
function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(digits - 2);
  return String(Number(value.toPrecision(digits)));
}
const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const compare = new Intl.Collator("en", { numeric: true }).compare;

// ---- what comes in

function connect() {
  const stream = new EventSource("/api/stream");
  const on = (name, take) =>
    stream.addEventListener(name, (event) => {
      heardAt = Date.now();
      take(JSON.parse(event.data));
      schedule();
    });
  on("facts", (given) => {
    // Served by another start: its token is not ours.
    if (facts && facts.start !== given.start) location.reload();
    facts = given;
  });
  on("everything", takeEverything);
  on("changes", takeChanges);
  on("beat", (given) => {
    health = { ...given, at: Date.now() };
    if (isFirst && given.is_history_read) {
      isFirst = false;
      // What was the worst while history was read need not be the worst now.
      if (wanted === null) chosen = null;
    }
    drawHealth();
  });
  stream.onerror = () => {
    drawHealth(true);
    // A browser gives up where the answer is no stream, for example when too many pages are open.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  };
}

function takeEverything(everything) {
  models = new Map();
  byName = new Map();
  eventTimeMs = null;
  for (const row of everything.rows ?? []) takeRow(row, false);
  entries = (everything.entries ?? []).reverse().slice(0, N_ENTRIES);
  chosen = null;
  listIsStale = incidentsAreStale = entriesAreStale = panelIsStale = true;
}

function takeChanges(changes) {
  const opened = [];
  for (const row of changes.rows ?? []) opened.push(...takeRow(row, true));
  for (const [which, lastMs, ratios] of changes.ticks ?? []) {
    const row = models.get(which);
    if (!row) continue;
    row.last_ms = lastMs;
    reach(lastMs);
    row.recent.push(...ratios);
    if (row.recent.length > N_RECENT) row.recent.splice(0, row.recent.length - N_RECENT);
    dirty.add(which);
    if (which === chosen) refreshChart();
  }
  for (const which of changes.gone ?? []) {
    const row = models.get(which);
    if (row && byName.get(row.model) === which) byName.delete(row.model);
    models.delete(which);
    if (which === chosen) chosen = null;
    listIsStale = incidentsAreStale = panelIsStale = true;
  }
  for (const entry of changes.entries ?? []) takeEntry(entry);
  if (opened.length && health?.is_history_read) announce(opened);
}

// Returns the incidents that were not known before.
function takeRow(row, isNews) {
  const before = models.get(row.number);
  const known = new Set((before?.incidents ?? []).map((each) => each.incident_id));
  models.set(row.number, row);
  byName.set(row.model, row.number);
  reach(row.last_ms);
  listIsStale = true;
  dirty.add(row.number);
  if (row.number === chosen) {
    panelIsStale = true;
    refreshChart();
  }
  if (row.incidents.length || before?.incidents.length) incidentsAreStale = true;
  if (!isNews) return [];
  return row.incidents.filter((each) => !known.has(each.incident_id)).map((incident) => ({ row, incident }));
}

function takeEntry(entry) {
  if (entries.some((each) => each.id === entry.id)) return;
  entry.isNew = !isFirst;
  entries.unshift(entry);
  entries.length = Math.min(entries.length, N_ENTRIES);
  entriesAreStale = true;
  const mine = entry.entry === "audit" && sent.find((each) => each.id === entry.command_id);
  if (mine) {
    mine.outcome = entry.outcome;
    mine.reason = entry.reason;
    mine.effectiveMs = entry.effective_ms;
    if (mine.kind === "describe" && entry.outcome === "applied") $("described").open = true;
    drawAnswers();
  }
}

function reach(ms) {
  if (ms !== null && (eventTimeMs === null || ms > eventTimeMs)) eventTimeMs = ms;
}

function announce(opened) {
  const words = opened.slice(0, 3).map(({ row, incident }) => `${incidentWords(incident)}: ${shown(row.model)}`);
  if (opened.length > 3) words.push(`and ${opened.length - 3} more`);
  $("news").textContent = `New incident. ${words.join(". ")}`;
  if ($("follow").checked) choose(opened[opened.length - 1].row.number, false);
}

// ---- drawing, at most once a frame

function schedule() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

function draw() {
  if (document.hidden) return;
  if (chosen === null) chooseFirst();
  if (listIsStale) drawList();
  if (incidentsAreStale) drawIncidents();
  if (entriesAreStale) drawEntries();
  if (panelIsStale) drawPanel();
  drawDirtyRows();
  listIsStale = incidentsAreStale = entriesAreStale = panelIsStale = false;
}

function chooseFirst() {
  const found = wanted !== null ? byName.get(wanted) : undefined;
  if (found !== undefined) return choose(found, false);
  // Somebody asked for a model that has not been heard of yet: history is still being read.
  if (wanted !== null && isFirst) return undefined;
  const first = sorted()[0];
  return first && choose(first.number, false, false);
}

function order(row) {
  const quiet = row.incidents.every((each) => each.is_acknowledged) ? 1 : 0;
  return RANK[row.state] * 2 + quiet;
}
function sorted() {
  return [...models.values()].sort((a, b) => order(a) - order(b) || compare(a.model, b.model));
}

// ---- the list of models

const items = new Map(); // number -> { item, button, ... }
const visible = new Set();
const watcher = new IntersectionObserver(
  (seen) => {
    for (const each of seen) {
      const which = Number(each.target.dataset.number);
      if (each.isIntersecting) {
        visible.add(which);
        dirty.add(which);
      } else visible.delete(which);
    }
    schedule();
  },
  { root: $("list"), rootMargin: "60px" },
);

function drawList() {
  const text = $("search").value.trim().toLowerCase();
  const all = sorted();
  const fitting = all.filter((row) => (!onlyState || row.state === onlyState) && row.model.toLowerCase().includes(text));
  const rows = fitting.slice(0, limit);
  const kept = new Set(rows.map((row) => row.number));
  for (const [which, parts] of items) {
    if (kept.has(which)) continue;
    watcher.unobserve(parts.item);
    visible.delete(which);
    parts.item.remove();
    items.delete(which);
  }
  const list = $("list");
  let place = list.firstChild;
  for (const row of rows) {
    const parts = items.get(row.number) ?? newItem(row.number);
    fillItem(parts, row);
    if (parts.item === place) place = place.nextSibling;
    else list.insertBefore(parts.item, place);
  }
  setTabStop();
  drawTallies(all);
  $("models-count").textContent = fitting.length === all.length ? String(all.length) : `${fitting.length} of ${all.length}`;
  $("more").hidden = fitting.length <= limit;
  $("more").textContent = `Show ${Math.min(ROWS_A_PAGE, fitting.length - limit)} of ${fitting.length - limit} more`;
  $("list-note").textContent = all.length === 0 ? "No model has been heard of yet." : fitting.length === 0 ? "No model fits." : "";
  $("list-note").hidden = fitting.length > 0;
}

function newItem(which) {
  const item = el("li");
  item.dataset.number = which;
  const button = el("button");
  button.type = "button";
  button.tabIndex = -1;
  const sign = el("span", "sign");
  sign.setAttribute("aria-hidden", "true");
  const name = el("span", "name");
  const what = el("span", "what");
  const canvas = el("canvas");
  canvas.setAttribute("aria-hidden", "true");
  button.append(sign, name, what, canvas);
  button.addEventListener("click", () => choose(which, true));
  item.append(button);
  watcher.observe(item);
  const parts = { item, button, sign, name, what, canvas };
  items.set(which, parts);
  return parts;
}

function fillItem(parts, row) {
  parts.button.className = row.state;
  parts.sign.textContent = STATES[row.state][0];
  parts.name.textContent = shown(row.model);
  if (row.number === chosen) parts.button.setAttribute("aria-current", "true");
  else parts.button.removeAttribute("aria-current");
  dirty.add(row.number);
}

function rowWords(row) {
  const words = [STATES[row.state][1]];
  if (row.incidents.length && row.incidents.every((each) => each.is_acknowledged)) words.push("acknowledged");
  if (row.status?.is_paused && row.state !== "paused") words.push("paused");
  if (row.state === "collecting") words.push(...progressWords(row.status));
  if (row.snoozed_until_ms !== null) words.push("snoozed");
  const last = row.recent[row.recent.length - 1];
  if (last !== null && last !== undefined) words.push(`${last >= 10 ? Math.round(last) : last.toFixed(2)}×`);
  return words.join(" · ");
}

function drawDirtyRows() {
  for (const which of dirty) {
    const parts = items.get(which);
    const row = models.get(which);
    if (!parts || !row || !visible.has(which)) continue;
    const words = rowWords(row);
    if (parts.what.textContent !== words) parts.what.textContent = words;
    drawSpark(parts.canvas, row.recent);
    dirty.delete(which);
  }
  if (dirty.size > 4 * ROWS_A_PAGE) for (const which of dirty) if (!items.has(which)) dirty.delete(which);
  $("event-time").textContent = eventTimeMs === null ? "–" : moment(eventTimeMs);
  if (chosen !== null) drawFacts(models.get(chosen));
}

const colours = {};
function readColours() {
  for (const name of ["statistic", "threshold", "drift"]) colours[name] = colour(name);
}

// How much of the threshold was reached: a line, a rule at the threshold, and a dot for each drift.
function drawSpark(canvas, recent) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [84, 30];
  if (canvas.width !== width * scale) [canvas.width, canvas.height] = [width * scale, height * scale];
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const known = recent.filter((each) => each !== null);
  if (!known.length) return;
  const top = Math.min(4, Math.max(1.3, ...known));
  const x = (place) => width - 3 - (recent.length - 1 - place) * ((width - 6) / (N_RECENT - 1));
  const y = (value) => height - 3 - (Math.min(value, top) / top) * (height - 6);
  pen.strokeStyle = colours.threshold;
  pen.lineWidth = 1;
  pen.setLineDash([3, 3]);
  pen.beginPath();
  pen.moveTo(0, y(1));
  pen.lineTo(width, y(1));
  pen.stroke();
  pen.setLineDash([]);
  pen.strokeStyle = colours.statistic;
  pen.lineWidth = 1.5;
  pen.beginPath();
  let isDown = false;
  recent.forEach((value, place) => {
    if (value === null) isDown = false;
    else {
      if (isDown) pen.lineTo(x(place), y(value));
      else pen.moveTo(x(place), y(value));
      isDown = true;
    }
  });
  pen.stroke();
  pen.fillStyle = colours.drift;
  recent.forEach((value, place) => {
    if (value === null || value < 1) return;
    pen.beginPath();
    pen.arc(x(place), y(value), 1.9, 0, 7);
    pen.fill();
  });
}

const tallies = new Map();
function drawTallies(all) {
  const counts = Object.fromEntries(Object.keys(STATES).map((state) => [state, 0]));
  for (const row of all) counts[row.state] += 1;
  for (const [state, [sign, words]] of Object.entries(STATES)) {
    if (!tallies.has(state)) {
      const button = el("button", state);
      button.type = "button";
      const symbol = el("span", "sign", sign);
      symbol.setAttribute("aria-hidden", "true");
      const count = el("b");
      button.append(symbol, count, el("span", "", words));
      button.addEventListener("click", () => {
        onlyState = onlyState === state ? null : state;
        limit = ROWS_A_PAGE;
        listIsStale = true;
        schedule();
      });
      $("tallies").append(button);
      tallies.set(state, { button, count });
    }
    const { button, count } = tallies.get(state);
    count.textContent = counts[state].toLocaleString("en");
    button.hidden = counts[state] === 0 && onlyState !== state && !["critical", "drift", "quiet"].includes(state);
    button.classList.toggle("none", counts[state] === 0);
    button.setAttribute("aria-pressed", String(onlyState === state));
  }
}

// One stop for the Tab key; arrows move within the list.
function setTabStop() {
  const buttons = [...$("list").querySelectorAll("button")];
  const stop = buttons.includes(document.activeElement) ? document.activeElement : (items.get(chosen)?.button ?? buttons[0]);
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
}
$("list").addEventListener("keydown", (event) => {
  const buttons = [...$("list").querySelectorAll("button")];
  const place = buttons.indexOf(document.activeElement);
  const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (place < 0 || next === undefined || !buttons[next]) return;
  event.preventDefault();
  buttons[next].focus();
  setTabStop();
});
$("search").addEventListener("input", () => {
  limit = ROWS_A_PAGE;
  listIsStale = true;
  schedule();
});
$("search").addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "Enter") {
    const first = $("list").querySelector("button");
    if (!first) return;
    event.preventDefault();
    first.focus();
    setTabStop();
    if (event.key === "Enter") first.click();
  }
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea, dialog");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  $("search").focus();
});
$("more").addEventListener("click", () => {
  limit += ROWS_A_PAGE;
  listIsStale = true;
  schedule();
});

// ---- the chosen model

function nameInAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("model");
  return given === null || given === "" ? null : given;
}
window.addEventListener("hashchange", () => {
  wanted = nameInAddress();
  const found = byName.get(wanted);
  if (found !== undefined && found !== chosen) choose(found, false);
});

function choose(which, byHand, isWanted = true) {
  const row = models.get(which);
  if (!row) return;
  const before = chosen;
  chosen = which;
  if (isWanted) {
    wanted = row.model;
    history.replaceState(null, "", `#model=${encodeURIComponent(row.model)}`);
  }
  for (const each of [before, which]) if (items.has(each) && models.has(each)) fillItem(items.get(each), models.get(each));
  setTabStop();
  chosenWatcher = null;
  chart = null;
  Look.unzoom($("chart"));
  panelIsStale = true;
  refreshChart(true);
  schedule();
  if (byHand && window.matchMedia("(max-width: 720px)").matches) {
    $("model").scrollIntoView({ behavior: "smooth" });
    $("model").focus({ preventScroll: true });
  }
}

function drawPanel() {
  const row = models.get(chosen);
  $("model-none").hidden = Boolean(row);
  $("model-known").hidden = !row;
  $("model-none").textContent = models.size || !health?.is_history_read ? "Reading what is there…" : "Waiting for the first record.";
  if (!row) return;
  const [sign, words] = STATES[row.state];
  $("model-title").textContent = shown(row.model);
  $("model-state").className = `chip ${row.state}`;
  $("model-state").textContent = `${sign} ${words}`;
  const flags = [];
  if (row.status?.is_paused && row.state !== "paused") flags.push("‖ paused");
  if (row.snoozed_until_ms !== null) flags.push(`◷ snoozed until ${moment(row.snoozed_until_ms)}`);
  if (isCollecting(row.status)) flags.push(["… collecting a reference", ...progressWords(row.status)].join(" · "));
  $("model-flags").replaceChildren(...flags.map((text) => el("span", "chip", text)));
  drawFacts(row);
  drawActions(row);
  drawAnswers();
  drawWatchers(row);
  drawStatus(row);
}

function drawFacts(row) {
  if (!row) return;
  const words = [`event time ${moment(row.last_ms)}`];
  if (eventTimeMs !== null && row.last_ms !== null && eventTimeMs - row.last_ms > 1000) words.push(`${span(eventTimeMs - row.last_ms)} behind the newest`);
  if (chart?.number === row.number && chart.reducer) words.push(chart.reducer === "none" ? shown(chart.test) : `${shown(chart.reducer)} + ${shown(chart.test)}`);
  if (row.job) words.push(`job ${shown(row.job)}`);
  const text = words.join(" · ");
  if ($("model-facts").textContent !== text) $("model-facts").textContent = text;
}

// What watches a model, a view and a detector of it; those of a simple configuration have no name.
function watcherName(view, detector) {
  return [view, detector].filter((name) => name !== "main").map((name) => shown(name)).join(" · ");
}

function watcherWords({ view, detector }) {
  const named = [["view", view], ["detector", detector]].filter(([, name]) => name !== "main");
  return named.map(([what, name]) => `${what} ${shown(name)}`);
}

function drawWatchers(row) {
  const select = $("watcher");
  const values = row.watchers.map((each) => JSON.stringify(each));
  $("watcher-label").hidden = values.length < 2;
  const given = [...select.options].map((option) => option.value).join("\n");
  if (given !== values.join("\n")) {
    select.replaceChildren(
      ...row.watchers.map(([view, detector], place) => {
        const option = el("option", "", watcherName(view, detector) || "main");
        option.value = values[place];
        return option;
      }),
    );
  }
  const first = row.watchers.find(([view, name]) => view === "main" && name === "main") ?? row.watchers.find(([, name]) => name === "main") ?? row.watchers[0];
  select.value = chosenWatcher || first ? JSON.stringify(chosenWatcher ?? first) : "";
}
$("watcher").addEventListener("change", () => {
  chosenWatcher = JSON.parse($("watcher").value);
  chart = null;
  Look.unzoom($("chart"));
  refreshChart(true);
});

const isCollecting = (status) => Boolean(status?.views.some((view) => view.phase === "collecting"));

// How far the least complete reference has come.
function progressWords(status) {
  const collecting = (status?.views ?? []).filter((view) => view.phase === "collecting");
  if (!collecting.length) return [];
  const share = (view) => view.n_collected / Math.max(1, view.n_wanted);
  return [progress(collecting.reduce((least, view) => (share(view) < share(least) ? view : least)))];
}

function progress(view) {
  const until = view.complete_ms === null ? "" : `, until ${shortMoment(view.complete_ms)}`;
  return `${view.n_collected.toLocaleString("en")} of ${many(view.n_wanted, "event")}${until}`;
}

function noWindowWords(status) {
  if (status?.is_paused) return "Paused: nothing is tested until somebody resumes this model.";
  const words = progressWords(status);
  if (words.length) return `The reference is being collected: ${words[0]}. Windows are tested once it is complete.`;
  return "No window of this model has closed since the page began to read.";
}

const amount = (value, unit) => (unit === "ms" ? span(value) : `${Math.round(value).toLocaleString("en")} ${unit}`);

function promiseWords({ level, run_time: runTime, unit, confidence }) {
  if (runTime === null) return `a window drifts at a p-value of ${number(level)} or less`;
  return `${amount(runTime, unit)} on average until a false alarm, for ${Math.round(100 * confidence)} % of references`;
}

// How large a shift is found, of what, in how many events, and how often.
function findWords({ size, unit, of, n_events: nEvents, probability }) {
  const often = probability === null ? "on average" : `${Math.round(10 * probability)} times in 10`;
  if (size === null) return `no shift of a single column ${often}`;
  const what = unit === "share" ? `a share of one half that gains ${number(100 * size)} points` : `a mean of one ${of} that moves by ${number(size)} standard deviations`;
  return nEvents === null ? `${what}: takes a larger reference` : `${what}: in ${many(nEvents, "event")}, ${often}`;
}

function windowWords({ status, window, statistic, threshold, is_drift: isDrift }) {
  const verdict = status === "tested" ? (isDrift ? "drift" : "no drift") : `not tested (${shown(status).replaceAll("_", " ")})`;
  const numbers = statistic === null ? "" : `, statistic ${number(statistic)}${threshold?.statistic ? ` against ${number(threshold.statistic)}` : ""}`;
  return `${moment(window.start_ms).replace(" UTC", "")} to ${moment(window.end_ms)}: ${verdict}${numbers}`;
}

function detectorLines(detector) {
  const named = detector.detector === "main" ? "" : `, detector ${shown(detector.detector)}`;
  const { evidence, promise, last_window: last } = detector;
  return [
    ["promise", `${promiseWords(promise)}${named}`],
    ...detector.finds.map((each) => ["finds", `${findWords(each)}${named}`]),
    ...(evidence === null ? [] : [["evidence", `${amount(evidence, promise.unit)} of ${amount(promise.run_time, promise.unit)}${named}`]]),
    ...(last === null ? [] : [["last window", `${windowWords(last)}${named}`]]),
  ];
}

function viewLines(view, isNamed) {
  const { reference } = view;
  const since = reference.end_ms === null ? "" : `, since ${moment(reference.end_ms)}`;
  return [
    ...(isNamed || view.view !== "main" ? [["view", shown(view.view)]] : []),
    ["phase", view.phase],
    ["reference", view.phase === "collecting" ? `${progress(view)} so far` : `${many(reference.n_events, "event")}${since} (${shown(reference.fingerprint)})`],
    ["events", `${many(view.n_monitored, "event")} since the reference`],
    ...view.detectors.flatMap(detectorLines),
  ];
}

function drawStatus(row) {
  const { status } = row;
  $("described").hidden = !status;
  if (!status) return;
  const lines = [
    ...status.views.flatMap((each) => viewLines(each, status.views.length > 1)),
    ["event time", status.at_ms ? moment(status.at_ms) : "not known yet"],
    ["last events", moment(status.heard_ms)],
    ["paused", status.is_paused ? "yes, until resume" : "no"],
    ["snoozed", status.snoozed_until_ms === null ? "no" : `until ${moment(status.snoozed_until_ms)}`],
    ...status.incidents.map((each) => ["incident", `${[CAUSES[each.cause], ...watcherWords(each)].join(", ")}, ${each.severity}${each.is_acknowledged ? ", acknowledged" : ""}${each.is_told ? "" : ", held back"} (${shown(each.incident_id)})`]),
    ...(status.incidents.length ? [] : [["incident", "none is open"]]),
    ["configuration", shown(status.config_version)],
    ["change", shown(status.change) || "none, as in the job's file"],
    ["waiting", many(status.n_pending, "command")],
  ];
  $("status").replaceChildren(...lines.flatMap(([name, value]) => [el("dt", "", name), el("dd", "", value)]));
}

// ---- commands

function drawActions(row) {
  $("actions").hidden = !facts?.has_commands;
  if (!facts?.has_commands) return;
  const kinds = ["snooze", row.status?.is_paused ? "resume" : "pause", "rebaseline", "approve_current", "describe"];
  const there = [...$("actions").children].map((button) => button.dataset.kind);
  if (there.join() === kinds.join()) return;
  const focused = document.activeElement?.dataset?.kind;
  $("actions").replaceChildren(
    ...kinds.map((kind) => {
      const button = el("button", "", COMMANDS[kind].label);
      button.type = "button";
      button.dataset.kind = kind;
      button.addEventListener("click", () => ask(kind, models.get(chosen)));
      return button;
    }),
  );
  if (["pause", "resume"].includes(focused)) $("actions").children[1].focus();
}

let asked = null;
function ask(kind, row, more = {}) {
  if (!row) return;
  const { title, text, verb } = COMMANDS[kind];
  if (!title) {
    send(kind, row.model, more);
    return;
  }
  asked = { kind, row };
  $("dialog-title").textContent = title;
  $("dialog-model").textContent = shown(row.model);
  $("dialog-text").textContent = text;
  $("dialog-confirm").textContent = verb;
  $("dialog-error").hidden = true;
  $("snooze").hidden = kind !== "snooze";
  if (kind === "snooze") {
    $("until").value = new Date((row.last_ms ?? Date.now()) + 4 * 3_600_000).toISOString().slice(0, 19);
    drawSnooze();
  }
  $("dialog").showModal();
  // What drops a reference should take more than pressing Enter twice.
  (kind === "snooze" ? $("snooze").querySelector("input:checked") : $("dialog-cancel")).focus();
}

function snoozeUntil() {
  const picked = $("snooze").querySelector("input[name=until]:checked").value;
  if (picked === "custom") {
    const ms = Date.parse(`${$("until").value}Z`);
    return Number.isNaN(ms) ? null : ms;
  }
  // The model's own event time may be behind the newest; it is its own that counts.
  return (asked.row.last_ms ?? eventTimeMs ?? Date.now()) + Number(picked);
}
function drawSnooze() {
  const until = snoozeUntil();
  $("snooze-until").textContent = until === null ? "Give a date and a time." : `Until ${moment(until)} of event time; this model's has reached ${moment(asked.row.last_ms)}.`;
}
$("snooze").addEventListener("input", (event) => {
  if (event.target.id === "until") $("snooze").querySelector("input[value=custom]").checked = true;
  drawSnooze();
});
$("dialog").querySelector("form").addEventListener("submit", (event) => {
  if (event.submitter?.value !== "confirm") return;
  const { kind, row } = asked;
  const more = {};
  if (kind === "snooze") {
    more.until_ms = snoozeUntil();
    if (more.until_ms === null || more.until_ms <= (row.last_ms ?? 0)) {
      event.preventDefault();
      $("dialog-error").textContent = `Give a time after ${moment(row.last_ms)}.`;
      $("dialog-error").hidden = false;
      return;
    }
  }
  send(kind, row.model, more);
});

async function send(kind, model, more) {
  const mine = { kind, model, at: Date.now(), id: null, incidentId: more.incident_id, outcome: "sending", reason: "", effectiveMs: null };
  sent.unshift(mine);
  sent.length = Math.min(sent.length, 30);
  drawAnswers();
  try {
    const response = await fetch("/api/commands", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Loudly-Token": token },
      body: JSON.stringify({ kind, model, ...more }),
    });
    const answer = await response.json().catch(() => ({ error: `the page was refused (${response.status})` }));
    if (response.ok) {
      mine.id = answer.command_id;
      mine.outcome = "sent";
      // The answer may have come before the name of the command.
      const early = entries.find((each) => each.entry === "audit" && each.command_id === mine.id);
      if (early) Object.assign(mine, { outcome: early.outcome, reason: early.reason, effectiveMs: early.effective_ms });
    } else Object.assign(mine, { outcome: "failed", reason: answer.error });
  } catch {
    Object.assign(mine, { outcome: "failed", reason: "the dashboard does not answer" });
  }
  drawAnswers();
  incidentsAreStale = true;
  schedule();
}

function answerWords(mine) {
  const kind = mine.kind.replace("_", " ");
  const since = mine.effectiveMs ? ` from ${moment(mine.effectiveMs)} on` : "";
  if (mine.outcome === "sending") return ["◷", "", `${kind}: sending`];
  if (mine.outcome === "failed") return ["✖", "refused", `${kind}: not sent, ${mine.reason}`];
  if (mine.outcome === "sent") {
    const late = Date.now() - mine.at > ANSWER_WITHIN_MS;
    const hint = late ? `; none came within 30 s. The command stays on ${facts.control_topic}: check that the job runs and reads it, and answers on ${facts.audit_topic}` : "";
    return ["◷", "", `${kind}: sent, waiting for the job's answer${hint}`];
  }
  const [sign, words] = OUTCOMES[mine.outcome];
  return [sign, mine.outcome, `${kind} ${words}${since}: ${shown(mine.reason, MOST_OF_A_LINE)}`];
}

let answersText = "";
function drawAnswers() {
  const row = models.get(chosen);
  const mine = sent.filter((each) => each.model === row?.model).slice(0, N_ANSWERS);
  const lines = mine.map(answerWords);
  const text = JSON.stringify(lines);
  if (text === answersText) return;
  answersText = text;
  $("answers").replaceChildren(
    ...lines.map(([sign, className, words]) => {
      const item = el("li");
      const symbol = el("i", `sign ${className}`, sign);
      symbol.setAttribute("aria-hidden", "true");
      item.append(symbol, el("span", "", words));
      return item;
    }),
  );
}

// ---- open incidents

function incidentWords(incident) {
  const severity = incident.severity === "critical" ? "critical " : "";
  return [`${severity}${CAUSES[incident.cause]}`, ...watcherWords(incident)].join(", ");
}

const N_INCIDENTS = 100;
function drawIncidents() {
  const open = [];
  for (const row of models.values()) for (const incident of row.incidents) open.push({ row, incident });
  const rank = ({ incident }) => (incident.is_acknowledged ? 10 : 0) + (incident.severity === "critical" ? 0 : 1) + (incident.cause === "drift" ? 0 : 2);
  open.sort((a, b) => rank(a) - rank(b) || b.incident.started_ms - a.incident.started_ms || compare(a.row.model, b.row.model));
  const fresh = open.filter(({ incident }) => !incident.is_acknowledged).length;
  const focused = document.activeElement?.dataset?.incident;
  $("incidents-list").replaceChildren(...open.slice(0, N_INCIDENTS).map(incidentItem));
  if (focused) $("incidents-list").querySelector(`[data-incident="${CSS.escape(focused)}"]`)?.focus();
  $("incidents-count").textContent = open.length ? (fresh === open.length ? String(open.length) : `${open.length}, ${fresh} not acknowledged`) : "";
  $("incidents-note").textContent = open.length > N_INCIDENTS ? `and ${open.length - N_INCIDENTS} more` : open.length ? "" : "✓ None is open.";
  $("incidents-note").hidden = open.length > 0 && open.length <= N_INCIDENTS;
  document.title = fresh ? `(${fresh}) Loudly` : "Loudly";
}

function incidentItem({ row, incident }) {
  const state = incident.cause === "drift" ? (incident.severity === "critical" ? "critical" : "drift") : CAUSE_STATES[incident.cause];
  const item = el("li", `${state}${incident.is_acknowledged ? " acknowledged" : ""}`);
  const head = el("div", "row");
  const name = el("button", "link name", shown(row.model));
  name.type = "button";
  name.addEventListener("click", () => choose(row.number, true));
  head.append(name);
  if (facts?.has_commands && incident.cause === "drift" && !incident.is_acknowledged) {
    const pending = sent.some((each) => each.incidentId === incident.incident_id && ["sending", "sent"].includes(each.outcome));
    const button = el("button", "acknowledge", pending ? "Sent" : "Acknowledge");
    button.type = "button";
    button.dataset.incident = incident.incident_id;
    button.setAttribute("aria-label", `Acknowledge the incident of ${shown(row.model)}: ${incidentWords(incident)}`);
    button.addEventListener("click", () => {
      if (chosen !== row.number) choose(row.number, false);
      ask("acknowledge", row, { incident_id: incident.incident_id });
    });
    head.append(button);
  }
  item.append(head);
  const what = el("div");
  const sign = el("i", `sign ${state}`, `${STATES[state][0]} `);
  sign.setAttribute("aria-hidden", "true");
  const remarks = [incidentWords(incident)];
  if (incident.is_acknowledged) remarks.push("acknowledged");
  if (incident.is_flapping) remarks.push("flapping");
  what.append(sign, remarks.join(" · "));
  item.append(what);
  const numbers = [`since ${shortMoment(incident.started_ms)}`];
  if (incident.statistic !== null) numbers.push(`statistic ${number(incident.statistic)}${incident.threshold === null ? "" : `, threshold ${number(incident.threshold)}`}`);
  if (incident.effect_size !== null) numbers.push(`effect size ${number(incident.effect_size, 2)}`);
  item.append(el("div", "soft", numbers.join(" · ")));
  return item;
}

// ---- alerts and answers

const entryNodes = new Map(); // id -> item
let entriesDay = "";
function drawEntries() {
  const list = $("entries");
  $("entries-note").hidden = entries.length > 0;
  // Times are written without the date of the newest event.
  const today = eventTimeMs === null ? "" : day(eventTimeMs);
  if (today !== entriesDay) entryNodes.clear();
  entriesDay = today;
  // What stands there already keeps its place, so that what is open or has the focus stays so.
  const nodes = entries.map((entry) => entryNodes.get(entry.id) ?? entryItem(entry));
  entryNodes.clear();
  entries.forEach((entry, place) => entryNodes.set(entry.id, nodes[place]));
  const kept = new Set(nodes);
  for (const node of [...list.children]) if (!kept.has(node)) node.remove();
  nodes.forEach((node, place) => {
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null);
  });
}

function entryItem(entry) {
  const item = el("li", entry.isNew ? "new" : "");
  const [sign, words] = entry.entry === "alert" ? KINDS[entry.kind] : OUTCOMES[entry.outcome];
  const symbol = el("i", `sign ${entry.entry === "alert" ? entry.kind : entry.outcome}`, sign);
  symbol.setAttribute("aria-hidden", "true");
  const head = el("div");
  const when = el("time", "soft", shortMoment(entry.at_ms));
  if (entry.at_ms !== null && !Number.isNaN(new Date(entry.at_ms).getTime())) when.dateTime = new Date(entry.at_ms).toISOString();
  const name = el("button", "link name", shown(entry.model ?? "no model"));
  name.type = "button";
  name.disabled = !byName.has(entry.model);
  name.addEventListener("click", () => byName.has(entry.model) && choose(byName.get(entry.model), true));
  head.append(when, " ");
  if (entry.entry === "alert") {
    const remarks = [`${CAUSES[entry.cause]} ${words}`];
    remarks.push(...watcherWords(entry));
    if (entry.severity === "critical") remarks.push("critical");
    if (entry.ending && ENDINGS[entry.ending]) remarks.push(ENDINGS[entry.ending]);
    if (entry.is_flapping) remarks.push("flapping");
    if (entry.n_suppressed) remarks.push(`${entry.n_suppressed} suppressed before it`);
    head.append(remarks.join(" · "));
    item.append(symbol, head, name, ...entry.lines.slice(0, 1).map((line) => el("div", "soft", shown(line, MOST_OF_A_LINE))));
    if (entry.lines.length > 1) {
      const more = el("details");
      more.append(el("summary", "", "What moved"), ...entry.lines.slice(1).map((line) => el("div", "soft", shown(line, MOST_OF_A_LINE))));
      item.append(more);
    }
  } else {
    const by = entry.issued_by ? ` by ${shown(entry.issued_by)}` : "";
    head.append(`${shown(entry.kind ?? "no command").replace("_", " ")}${by} ${words}`);
    item.append(symbol, head, name, el("div", "soft", shown(entry.reason, MOST_OF_A_LINE)));
  }
  return item;
}

// ---- the chart

let chart = null; // { number, view, detector, n_seen, picture, moved_id }
let chartBusy = false;
let chartAgain = false;
let chartAt = 0;
let chartTimer = 0;
let plotly = null;
let moved = { id: "", told: null }; // what moved, and what stands for it: it comes only once

function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/plotly.js";
    script.onload = resolve;
    script.onerror = () => {
      plotly = null;
      reject(new Error("plotly.js did not load"));
    };
    document.head.append(script);
  });
  return plotly;
}

function refreshChart(now = false) {
  if (chartTimer && !now) return;
  clearTimeout(chartTimer);
  const wait = now ? 0 : Math.max(0, chartAt + CHART_EVERY_MS - Date.now());
  chartTimer = setTimeout(fetchChart, wait);
}

async function fetchChart() {
  chartTimer = 0;
  if (chartBusy) {
    chartAgain = true;
    return;
  }
  const row = models.get(chosen);
  if (!row || document.hidden) return;
  if (!row.watchers.length) {
    drawNoChart(noWindowWords(row.status));
    return;
  }
  chartBusy = true;
  chartAt = Date.now();
  try {
    const chosenBefore = chosenWatcher;
    const isThere = chosenWatcher !== null && row.watchers.some((each) => JSON.stringify(each) === JSON.stringify(chosenWatcher));
    const asks = isThere ? chosenWatcher : null;
    const asked = new URLSearchParams({ model: row.number, moved: moved.id });
    if (asks !== null) {
      asked.set("view", asks[0]);
      asked.set("detector", asks[1]);
    }
    const response = await fetch(`/api/chart?${asked}`);
    if (response.ok) {
      const given = await response.json();
      if (given.number === chosen && chosenWatcher === chosenBefore) await showChart(given);
    }
  } catch (error) {
    drawNoChart(`The chart cannot be drawn: ${error.message}.`);
  } finally {
    chartBusy = false;
    if (chartAgain) {
      chartAgain = false;
      refreshChart(true);
    }
  }
}

async function showChart(given) {
  chart = given;
  if (given.moved) moved = { id: given.moved_id, told: given.moved };
  $("chart").hidden = $("windows").hidden = false;
  $("chart-note").hidden = true;
  drawMoved();
  drawFacts(models.get(chosen));
  $("chart").setAttribute("aria-label", given.picture.words);
  if ($("windows").open) fillTable($("windows-table"), given.picture);
  await drawPicture($("chart"), given.picture.drawn);
  await refreshCalendar();
}
$("windows").addEventListener("toggle", () => chart && fillTable($("windows-table"), chart.picture));

function drawNoChart(text) {
  $("chart-note").textContent = text;
  $("chart-note").hidden = false;
  $("chart").hidden = true;
  $("windows").hidden = true;
  $("moved").hidden = true;
}

// ---- what moved

const N_DRAWN = 6;
let movedDrawn = null; // what is drawn

function drawMoved() {
  $("moved").hidden = !chart.moved_id || chart.moved_id !== moved.id;
  if ($("moved").hidden || movedDrawn === moved.told) return;
  movedDrawn = moved.told;
  drawColumns(moved.told);
}

function drawColumns(moved) {
  const of = moved.n_test === null ? "" : `, ${moved.is_sample ? "a sample of " : ""}${many(moved.n_test, "event")} against ${moved.n_ref.toLocaleString("en")}`;
  $("moved-when").textContent = `in the window ${moment(moved.start_ms).replace(" UTC", "")} to ${moment(moved.end_ms)} (alert ${moved.kind}${of})`;
  $("moved-chart").setAttribute("aria-label", moved.words);
  $("moved-chart").hidden = moved.columns.length < 2;
  $("moved-source").textContent = moved.source;
  drawPicture($("moved-chart"), moved.drawn);
  $("moved-confined").hidden = moved.confined.length === 0;
  $("moved-confined").replaceChildren(...moved.confined.map((words) => el("li", "", words)));
  $("moved-list").replaceChildren(...moved.columns.slice(0, N_DRAWN).map(movedItem));
  $("mix").hidden = !moved.mix;
  $("mix-note").textContent = moved.mix?.note ?? "";
  if (moved.mix) showPicture("mix", moved.mix);
  const more = moved.columns.slice(N_DRAWN);
  $("moved-more").hidden = more.length === 0;
  $("moved-more").querySelector("summary").textContent = `${many(more.length, "further column")} that moved less`;
  $("moved-search").value = "";
  drawMovedRows();
}

function movedItem(column) {
  const item = el("li");
  const name = el("span", "column", column.name);
  const head = el("p");
  head.append(name, " ", el("span", "soft", column.type));
  item.append(head, el("p", "words", column.words), el("p", "soft", `${column.strength}; ${column.missing}`));
  if (!column.drawn) return item;
  const box = el("div", "picture small");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${column.name}, reference against window: ${column.words}`);
  const [numbers, scroll, table] = [el("details"), el("div", "scroll"), el("table")];
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", `Numbers of ${column.name}`);
  scroll.append(table);
  numbers.append(el("summary", "", "Numbers"), scroll);
  fillTable(table, { columns: ["value", "reference", "window"], rows: column.rows });
  item.append(box, numbers);
  drawPicture(box, column.drawn);
  return item;
}

function drawMovedRows() {
  const text = $("moved-search").value.trim().toLowerCase();
  const more = movedDrawn.columns.slice(N_DRAWN);
  const found = more.filter((column) => column.name.toLowerCase().includes(text));
  $("moved-found").textContent = text ? `${found.length} of ${more.length} found` : "";
  $("moved-rows").replaceChildren(
    ...found.map((column) => {
      const line = el("tr");
      const name = el("th", "column", column.name);
      name.scope = "row";
      line.append(name, ...[column.words, column.strength, column.missing.replace(/^missing /, "")].map((cell) => el("td", "", cell)));
      return line;
    }),
  );
}
$("moved-search").addEventListener("input", drawMovedRows);

// ---- pictures that the dashboard draws: all models, a calendar, what moved

// What a box shows last is drawn, once plotly.js is there.
async function drawPicture(box, figure) {
  Look.know(box, figure);
  await loadPlotly();
  Look.draw(box);
}

function fillTable(table, { columns, rows }) {
  const line = (tag, cells) => {
    const row = el("tr");
    row.append(...cells.map((text) => el(tag, "", text)));
    return row;
  };
  const [head, body] = [el("thead"), el("tbody")];
  head.append(line("th", columns));
  for (const cell of head.querySelectorAll("th")) cell.scope = "col";
  body.append(...rows.map((cells) => line("td", cells)));
  table.replaceChildren(head, body);
}

// The picture, what it says in words, and its numbers as a table.
async function showPicture(name, picture) {
  $(`${name}-words`).textContent = `${picture.words}.`;
  $(`${name}-chart`).setAttribute("aria-label", picture.words);
  fillTable($(`${name}-table`), picture);
  await drawPicture($(`${name}-chart`), picture.drawn);
}

let overviewTimer = 0;
async function refreshOverview() {
  const answer = await fetch("/api/overview");
  if (!$("overview").open || !answer.ok) return;
  await showPicture("overview", await answer.json());
}
Look.onLink((link) => {
  $("overview").close();
  choose(Number(link), true);
});
$("overview-open").addEventListener("click", () => {
  $("overview").showModal();
  refreshOverview();
  overviewTimer = setInterval(refreshOverview, OVERVIEW_EVERY_MS);
});
$("overview").addEventListener("close", () => clearInterval(overviewTimer));

let calendarOf = "";
async function refreshCalendar() {
  if (!$("calendar").open || !chart) return;
  const asked = new URLSearchParams({ model: chart.number, view: chart.view, detector: chart.detector });
  const wanted = `${asked} ${chart.n_seen}`;
  if (calendarOf === wanted) return;
  calendarOf = wanted;
  const answer = await fetch(`/api/calendar?${asked}`);
  const picture = answer.ok ? await answer.json() : null;
  if (calendarOf !== wanted) return;
  $("calendar-chart").hidden = !picture;
  $("calendar-table").parentElement.hidden = !picture;
  if (picture) await showPicture("calendar", picture);
  else $("calendar-words").textContent = "The windows that are kept are of fewer than three days, or all end at one hour.";
}
$("calendar").addEventListener("toggle", refreshCalendar);

// ---- how the page itself is

function drawHealth(isLost = false) {
  const lost = isLost || Date.now() - heardAt > SILENT_STREAM_MS;
  const problem = lost ? "" : (health?.problem ?? "");
  const history = health && !health.is_history_read;
  const connection = $("connection");
  connection.textContent = lost ? "✖ lost, trying again" : problem ? "✖ Kafka" : history ? "… reading history" : "● live";
  connection.className = lost || problem ? "bad" : "good";
  const heard = health?.heard_ago_s;
  const ago = heard === null || heard === undefined ? null : heard * 1000 + Date.now() - health.at;
  $("heard").textContent = ago === null ? "none yet" : `${span(ago)} ago`;
  const skipped = health?.n_skipped ? `${many(health.n_skipped, "record")} could not be read and ${health.n_skipped === 1 ? "was" : "were"} skipped. ` : "";
  const forgotten = health?.n_forgotten ? `${many(health.n_forgotten, "model")} beyond the most that are kept ${health.n_forgotten === 1 ? "was" : "were"} forgotten.` : "";
  const text = lost ? "The dashboard does not answer: what you see is old." : shown(problem) || `${skipped}${forgotten}`;
  if ($("problem").textContent !== text) $("problem").textContent = text;
  $("problem").hidden = !text;
}

setInterval(() => {
  drawHealth();
  if (sent.some((each) => each.outcome === "sent")) drawAnswers();
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  refreshChart(true);
  schedule();
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  for (const which of items.keys()) dirty.add(which);
  schedule();
});
$("follow").checked = localStorage.getItem("loudly-follow") === "yes";
$("follow").addEventListener("change", () => localStorage.setItem("loudly-follow", $("follow").checked ? "yes" : "no"));

readColours();
heardAt = Date.now();
connect();

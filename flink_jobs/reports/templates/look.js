"use strict";
// How charts look and behave: colours of the page, room for labels, zoom, keys, paper. Of the pages
// that are files and of the live one.
const Look = (() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const themed = () => ({ ink: colour("--ink"), soft: colour("--soft"), rule: colour("--rule"), paper: colour("--panel") || colour("--paper") });

  // Dark colours are hard to see on a dark page, light ones dazzle.
  const darkened = {
    "#0072B2": "#56B4E9", "#6B6B6B": "#A8A8A8", "#D55E00": "#F0803C", "#222222": "#E8EAED",
    "#C9DDEC": "#27465C", "#7FB2D6": "#3D7BA6", "#E4E7EA": "#2B3138",
  };
  function recoloured(value) {
    if (typeof value === "string") return darkened[value] ?? value;
    if (Array.isArray(value)) return value.length > 64 ? value : value.map(recoloured);
    if (value === null || typeof value !== "object" || "bdata" in value) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, recoloured(inner)]));
  }

  const isNarrow = (box) => box.clientWidth < 480;
  const isTimeline = (box) => box.classList.contains("timeline");

  const isTouch = matchMedia("(pointer: coarse)").matches;
  let printing = false;
  const isDark = () => !printing && matchMedia("(prefers-color-scheme: dark)").matches;

  function dataOf(box, { data }) {
    // 120 points of 5 px would hide their line on a phone.
    const isCrowded = (trace) => isTimeline(box) && isNarrow(box) && trace.mode === "lines+markers";
    const drawn = data.map((trace) => (isCrowded(trace) ? { ...trace, marker: { ...trace.marker, size: 2.5 } } : trace));
    if (!isDark()) return drawn;
    const parts = ["line", "marker", "colorscale", "textfont", "error_x", "error_y"];
    return drawn.map((trace) => ({ ...trace, ...Object.fromEntries(parts.filter((part) => part in trace).map((part) => [part, recoloured(trace[part])])) }));
  }

  const axisOf = (axis, theme) => ({
    gridcolor: theme.rule, linecolor: theme.rule, zerolinecolor: theme.rule, zeroline: false, automargin: true,
    tickfont: { size: 12, color: theme.soft }, fixedrange: true, ...axis,
    ...(axis?.title ? { title: { font: { size: 12, color: theme.soft }, standoff: 6, ...axis.title } } : {}),
  });

  // Of labels that would lie on each other the first one stays; their text is in the page besides.
  function apart(notes, range, width) {
    const taken = [];
    return notes.filter((note) => {
      const length = 6.5 * note.text.length + 8;
      const place = (width * (note.x - range[0])) / (range[1] - range[0]);
      const start = note.xanchor === "right" ? place - length : place;
      const fits = taken.every(([y, from, to]) => y !== note.y || start >= to || start + length <= from);
      if (fits) taken.push([note.y, start, start + length]);
      return fits;
    });
  }

  function layoutOf(box, chart) {
    const theme = themed();
    // A copy: plotly writes the range of a drag into the array that it was given.
    const given = structuredClone(chart.layout);
    const [overTime, narrow] = [isTimeline(box), isNarrow(box)];
    const layout = {
      // To the right half of a last label fits: plotly would else widen the margin, lose the label, and so on.
      margin: { l: overTime ? 56 : 42, r: overTime ? 10 : 20, t: overTime ? 22 : 8, b: 34 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: theme.ink },
      showlegend: false, hovermode: "closest", dragmode: overTime && !isTouch ? "zoom" : false,
      hoverlabel: { bgcolor: theme.paper, bordercolor: theme.soft, font: { size: 12, color: theme.ink }, align: "left" },
      bargap: 0, width: box.clientWidth, height: given.height || box.clientHeight,
    };
    for (const [key, value] of Object.entries(given)) layout[key] = /^[xy]axis/.test(key) ? axisOf(value, theme) : value;
    for (const key of ["xaxis", "yaxis"]) layout[key] = layout[key] || axisOf({}, theme);
    layout.xaxis = { showgrid: false, ticks: "outside", ...layout.xaxis };
    layout.yaxis = { nticks: 6, ...layout.yaxis };
    // Upright, and as many as have room: a label of time is some 60 px wide.
    if (given.xaxis?.type === "date") layout.xaxis = { ...layout.xaxis, tickangle: 0, nticks: Math.max(3, Math.floor(box.clientWidth / (narrow ? 130 : 90))) };
    // The legend names this axis, too.
    if (overTime && narrow && layout.yaxis2) delete layout.yaxis2.title;
    const plotWidth = box.clientWidth - layout.margin.l - layout.margin.r;
    const notes = given.annotations || [];
    layout.annotations = (overTime ? apart(notes, given.xaxis.range, plotWidth) : notes).map((note) => ({ font: { size: 12, color: theme.soft }, ...note }));
    if (overTime) layout.xaxis.fixedrange = false;
    else if (!given.xaxis?.title) layout.margin.b = 24;
    return layout;
  }

  const config = { displayModeBar: false, responsive: false, doubleClick: "reset", showTips: false };
  const figures = new Map(); // box -> what belongs in it
  const wanted = new Set(); // boxes that are drawn, or will be as soon as they have a width
  const ranges = new Map(); // box -> the range that somebody chose, which stays while windows come
  let follow = () => {};

  function draw(box) {
    const figure = figures.get(box);
    if (!figure) return;
    wanted.add(box);
    resized.observe(box);
    if (!box.clientWidth) return;
    const isNew = !box.layout;
    if (figure.layout.height) box.style.height = `${figure.layout.height}px`;
    const layout = layoutOf(box, figure);
    if (ranges.has(box)) layout.xaxis.range = [...ranges.get(box)];
    Plotly.react(box, dataOf(box, figure), layout, config);
    for (const svg of box.querySelectorAll("svg")) svg.setAttribute("aria-hidden", "true");
    if (isNew) listen(box);
  }

  function listen(box) {
    box.on("plotly_click", ({ points }) => {
      const link = points[0].data.meta?.links?.[Math.round(points[0].y)];
      if (link !== undefined) follow(link);
    });
    if (!isTimeline(box)) return;
    box.on("plotly_relayout", () => {
      const [range, whole] = [rangeOf(box), wholeOf(box)];
      if (range.every((end, place) => Math.abs(end - whole[place]) < 1)) ranges.delete(box);
      else ranges.set(box, range);
    });
    // Afterwards: plotly itself goes back to the range that a redrawn chart began with.
    box.on("plotly_doubleclick", () => setTimeout(() => zoom(box, "reset")));
  }

  const wholeOf = (box) => [...figures.get(box).layout.xaxis.range];
  const rangeOf = (box) => box.layout.xaxis.range.map((end) => (typeof end === "number" ? end : Date.parse(`${end.replace(" ", "T")}Z`)));

  function zoom(box, what) {
    if (!box.layout) draw(box);
    const [whole, [low, high]] = [wholeOf(box), rangeOf(box)];
    const width = high - low;
    const middle = (low + high) / 2;
    let range = whole;
    if (what === "in") range = [middle - width / 4, middle + width / 4];
    if (what === "out" && 2 * width < whole[1] - whole[0]) range = [middle - width, middle + width];
    if (what === "left" || what === "right") {
      const step = what === "left" ? Math.max(whole[0] - low, -width / 3) : Math.min(whole[1] - high, width / 3);
      range = [low + step, high + step];
    }
    Plotly.relayout(box, { "xaxis.range": range });
  }

  // Of twice the size, for chats and documents, on the paper of the page.
  function save(box) {
    if (!box.layout) draw(box);
    const paper = getComputedStyle(document.body).backgroundColor;
    const { data, layout } = box;
    Plotly.downloadImage({ data, layout: { ...layout, paper_bgcolor: paper }, config }, { format: "png", scale: 2, width: layout.width, height: layout.height, filename: box.dataset.file || "chart" });
  }

  const keys = { "+": "in", "=": "in", "-": "out", "0": "reset", Escape: "reset", ArrowLeft: "left", ArrowRight: "right" };
  document.addEventListener("keydown", (event) => {
    const box = event.target;
    const what = keys[event.key];
    if (!what || !figures.has(box) || !isTimeline(box) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    zoom(box, what);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".tools button");
    const box = button && document.getElementById(button.parentElement.dataset.for);
    if (!figures.has(box)) return;
    if (button.dataset.do === "save") save(box);
    else zoom(box, button.dataset.do);
  });

  const isStale = ({ layout, clientWidth, clientHeight }) => clientWidth && (!layout || clientWidth !== layout.width || clientHeight !== layout.height);
  let waiting = 0;
  const resized = new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => {
      for (const box of wanted) {
        // What has left the page is forgotten.
        if (!box.isConnected) [figures, wanted, ranges].forEach((known) => known.delete(box));
        else if (isStale(box)) draw(box);
      }
    });
  });

  // On paper charts are light.
  function redraw(isOnPaper) {
    printing = isOnPaper;
    for (const box of wanted) if (box.layout) draw(box);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(printing));
  addEventListener("beforeprint", () => redraw(true));
  addEventListener("afterprint", () => redraw(false));
  matchMedia("print").addEventListener("change", (event) => redraw(event.matches));

  return {
    draw,
    know: (box, figure) => figures.set(box, figure),
    unzoom: (box) => ranges.delete(box),
    onLink: (handler) => { follow = handler; },
  };
})();
